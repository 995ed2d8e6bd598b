//! Which way computes a session's layers, of those that both hosts allow.

use super::{Chosen, Model};
use crate::session::error::SessionError;
use crate::session::first_layer::FirstLayer;
use crate::session::msgs::{self, ClientHello};
use crate::session::{Clients, masked};
use xonn_crypto::garble::Scheme;
use xonn_crypto::garble::schedule::Schedule;
use xonn_crypto::ot;
use xonn_protocols::cost::{Cost, work};
use xonn_protocols::planner;
use xonn_protocols::protocol::Trust;

/// What client and server allow; of several the one whose first inference takes the least time on the link,
/// set-up included. `ahead`: whether circuits are garbled ahead of the client's inputs.
pub(super) fn choose<'m>(
    hello: &ClientHello,
    model: &'m Model,
    scheme: Scheme,
    ahead: bool,
    clients: Clients,
) -> Result<Chosen<'m>, SessionError> {
    let shared_delta = hello.shared_delta && model.offer().shared_delta;
    let accepted = |form: &FirstLayer| hello.first_layers & form.bit() != 0;
    let chosen = |form: FirstLayer| match form {
        FirstLayer::Gc => Some(Chosen::Garbled),
        FirstLayer::Oca | FirstLayer::Shares => {
            model.plan(form, scheme).map(|server| Chosen::Planned(form, server))
        }
    };
    let offered = FirstLayer::ALL.into_iter().filter(|form| model.offer().first_layers.contains(form));
    let holds = |form: FirstLayer| match chosen(form) {
        Some(Chosen::Planned(_, server)) => server.plan().holds(),
        _ => Trust::Hostile,
    };
    let (offered, barred): (Vec<FirstLayer>, Vec<_>) = offered
        .filter(|&form| chosen(form).is_some())
        .partition(|&form| clients.permit(form) && holds(form) >= clients.trust());
    let both = offered.iter().filter(|form| accepted(form));
    let ways = both.filter_map(|&form| {
        let chosen = chosen(form)?;
        Some((chosen, holds(form), cost(chosen, model, (scheme, shared_delta), ahead)))
    });
    planner::quickest(ways, model.offer().link, clients.trust()).ok_or_else(|| {
        SessionError::Mismatch(format!(
            "the client accepts first layers by {}, this server offers {}; {}",
            FirstLayer::names(FirstLayer::in_set(hello.first_layers)),
            FirstLayer::names(offered),
            if barred.is_empty() {
                "--first-layer on either side allows others"
            } else {
                "it takes its clients for hostile, and only serve --clients semi-honest allows others"
            }
        ))
    })
}

/// What a first inference costs, its set-up and the hosts' own work included.
fn cost(chosen: Chosen<'_>, model: &Model, garbling: (Scheme, bool), ahead: bool) -> Cost {
    match chosen {
        Chosen::Garbled => garbled(model.schedule(), garbling, ahead),
        Chosen::Planned(_, server) => server.cost().first(),
    }
}

/// Bytes of base OTs, labels, tables and the masked input of a circuit that is garbled ahead, without
/// frames. The reply of the base OTs leaves together with the first inference.
fn garbled(schedule: &Schedule, (scheme, shared_delta): (Scheme, bool), ahead: bool) -> Cost {
    let params = msgs::label_params(shared_delta);
    let labels = schedule.program().input_bits();
    let base = ot::msgs::BaseRequest::byte_len(params) + ot::msgs::BaseReply::byte_len(params);
    let correlate = if shared_delta { 0 } else { ot::msgs::Correlate::byte_len(labels) };
    let online = if ahead { masked::message_bytes(labels) + masked::label_bytes(labels) } else { 0 };
    let all = base + ot::msgs::Extend::byte_len(params, labels) + correlate + online;
    Cost {
        rounds: 1.0,
        work: work::CONNECTION,
        streamed: work::circuit(work::ands(schedule), scheme),
        ..Cost::of_bytes(0, all as u64 + schedule.bytes(scheme))
    }
}
