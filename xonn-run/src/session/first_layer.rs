//! First layers by oblivious conditional addition, as a session runs them: which protocol, and both sides' messages.

use rand::CryptoRng;
use zeroize::Zeroizing;

use super::Clients;
use super::ahead::Wires;
use super::channel::{Channel, Transport};
use super::error::SessionError;
use super::msgs::{self, ClientHello, Kind};
use super::server::{Chosen, Model};
use crate::oca::{self, DIGEST_BYTES, FirstLayer, Oca};
use xonn_crypto::block::Block;
use xonn_crypto::garble::Scheme;
use xonn_crypto::garble::schedule::Schedule;
use xonn_crypto::ot::{self, SessionId};
use xonn_protocols::cost::Cost;

/// What a server does when it awaits corrections.
pub(super) const RECEIVING: &str = "receiving the first layer's corrections";

/// What client and server allow; of several the one whose first inference takes the least time on the link, set-up
/// included. `ahead`: whether circuits are garbled ahead of the client's inputs; then the
/// schedule is of the program for that.
pub(super) fn choose<'m>(
    hello: &ClientHello,
    model: &'m Model,
    scheme: Scheme,
    ahead: bool,
    clients: Clients,
) -> Result<Chosen<'m>, SessionError> {
    let shared_delta = hello.shared_delta && model.offer().shared_delta;
    let shared = model.shared(ahead);
    let accepted = |form: &FirstLayer| hello.first_layers & form.bit() != 0;
    let chosen = |form: FirstLayer| match form {
        FirstLayer::Gc => Some(Chosen::Garbled),
        FirstLayer::Oca => match model.first_layers(scheme) {
            Some(server) => Some(Chosen::Planned(form, server)),
            None => shared.map(Chosen::Shared),
        },
        FirstLayer::Shares => model.plan().map(|server| Chosen::Planned(form, server)),
    };
    let offered = FirstLayer::ALL.into_iter().filter(|form| model.offer().first_layers.contains(form));
    let (offered, barred): (Vec<FirstLayer>, Vec<_>) =
        offered.filter(|&form| chosen(form).is_some()).partition(|&form| clients.permit(form));
    let both = offered.iter().filter(|form| accepted(form)).filter_map(|&form| chosen(form));
    let time =
        |chosen: &Chosen<'_>| cost(*chosen, model, (scheme, shared_delta), ahead).time(model.offer().link);
    both.min_by(|a, b| time(a).total_cmp(&time(b))).ok_or_else(|| {
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

/// What a first inference costs, its set-up included.
fn cost(chosen: Chosen<'_>, model: &Model, (scheme, shared_delta): (Scheme, bool), ahead: bool) -> Cost {
    let params = msgs::label_params(shared_delta);
    let base = ot::msgs::BaseRequest::byte_len(params) + ot::msgs::BaseReply::byte_len(params);
    let circuit = |schedule: &Schedule, oca: Option<&Oca>| match ahead {
        true => ahead_bytes(Wires::of(schedule.program(), oca), schedule, scheme, shared_delta),
        false => inference_bytes(schedule, scheme, shared_delta),
    };
    // The reply of the base OTs leaves together with the first inference, or with the set-up of first layers.
    match chosen {
        Chosen::Garbled => Cost::of_bytes(base as u64 + circuit(model.schedule(), None), 1.0),
        Chosen::Shared(shared) => {
            let bytes = set_up_bytes(shared.oca) + circuit(shared.schedule, Some(shared.oca));
            Cost::of_bytes(base as u64 + bytes, 2.0)
        }
        Chosen::Planned(_, server) => server.cost().first(),
    }
}

/// Bytes of labels and tables of one inference, without frames.
#[must_use]
pub fn bytes(schedule: &Schedule, scheme: Scheme) -> u64 {
    inference_bytes(schedule, scheme, false)
}

fn inference_bytes(schedule: &Schedule, scheme: Scheme, shared_delta: bool) -> u64 {
    label_bytes(schedule.program().input_bits(), shared_delta) + schedule.bytes(scheme)
}

/// Bytes of so many labels by OT.
fn label_bytes(labels: usize, shared_delta: bool) -> u64 {
    let correlate = if shared_delta { 0 } else { ot::msgs::Correlate::byte_len(labels) };
    (ot::msgs::Extend::byte_len(ot::Params::default(), labels) + correlate) as u64
}

/// Bytes of labels, tables and the masked input of one inference that is garbled ahead, without frames.
fn ahead_bytes(wires: Wires, schedule: &Schedule, scheme: Scheme, shared_delta: bool) -> u64 {
    let online = wires.masked_bytes() + Block::BYTES * wires.labels();
    label_bytes(wires.transfers(), shared_delta) + online as u64 + schedule.bytes(scheme)
}

/// Bytes of one inference on shares with the set-up of its oblivious transfers, without frames; `schedule` is of
/// [`Oca::program`].
#[must_use]
pub fn shared_bytes(oca: &Oca, schedule: &Schedule, scheme: Scheme) -> u64 {
    set_up_bytes(oca) + bytes(schedule, scheme)
}

/// Bytes of the set-up of conditional additions, and of one inference's corrections.
fn set_up_bytes(oca: &Oca) -> u64 {
    let params = oca::params();
    let set_up = ot::msgs::BaseRequest::byte_len(params)
        + ot::msgs::BaseReply::byte_len(params)
        + ot::msgs::Extend::byte_len(params, oca.ots());
    (set_up + DIGEST_BYTES) as u64 + oca.bytes()
}

/// The server's set-up: base OTs, in which it sends, and the extension, in which it receives by its weights.
pub(super) fn choose_weights<T: Transport>(
    channel: &mut Channel<T>,
    oca: &Oca,
    session: SessionId,
    secret: &[bool],
    rng: &mut impl CryptoRng,
) -> Result<oca::receiver::Receiver, SessionError> {
    let (params, doing) = (oca::params(), "setting up the first layer's oblivious transfers");
    let session = oca::session(&session);
    let request = channel.receive(Kind::OcaRequest, ot::msgs::BaseRequest::byte_len(params), doing)?;
    let request = ot::msgs::BaseRequest::decode(params, &request)?;
    let (mut receiver, reply) = ot::ReceiverSetup::reply(params, session, rng, &request)?;
    channel.send(Kind::OcaReply, &reply.encode(), doing)?;
    let choices = Zeroizing::new(oca.choices(secret));
    let (pending, extend) = receiver.extend(rng, &choices)?;
    channel.send(Kind::OcaExtend, &extend.encode(), doing)?;
    channel.flush(doing)?;
    Ok(oca::receiver::Receiver::new(session, pending))
}

/// The client's set-up: it receives the base OTs and sends in the extended ones.
pub(super) fn start<T: Transport>(
    channel: &mut Channel<T>,
    oca: &Oca,
    session: SessionId,
    rng: &mut impl CryptoRng,
) -> Result<oca::sender::Sender, SessionError> {
    let (params, doing) = (oca::params(), "setting up the first layer's oblivious transfers");
    let session = oca::session(&session);
    let (setup, request) = ot::SenderSetup::start(params, session, rng);
    channel.send(Kind::OcaRequest, &request.encode(), doing)?;
    let reply = channel.receive(Kind::OcaReply, ot::msgs::BaseReply::byte_len(params), doing)?;
    let mut sender = setup.finish(&ot::msgs::BaseReply::decode(params, &reply)?)?;
    let extend = channel.receive(Kind::OcaExtend, ot::msgs::Extend::byte_len(params, oca.ots()), doing)?;
    let keys = sender.extend(oca.ots(), &ot::msgs::Extend::decode(params, oca.ots(), &extend)?)?;
    Ok(oca::sender::Sender::new(session, keys))
}

/// The server's part of an inference: takes the corrections, the `first` part being there, and gives the garbler's bits of
/// the program on shares.
pub(super) fn receive<T: Transport>(
    channel: &mut Channel<T>,
    oca: &Oca,
    receiver: &mut oca::receiver::Receiver,
    secret: &[bool],
    first: &[u8],
) -> Result<Zeroizing<Vec<bool>>, SessionError> {
    let mut receiving = receiver.begin(oca, secret);
    receiving.part(first)?;
    for length in oca.part_lengths().skip(1) {
        receiving.part(&channel.receive(Kind::Corrections, length, RECEIVING)?)?;
    }
    Ok(receiving.finish(&channel.receive(Kind::CorrectionsDigest, DIGEST_BYTES, RECEIVING)?)?)
}

/// The client's part of an inference: sends the corrections, and gives its input bits of the program on shares.
pub(super) fn send<T: Transport>(
    channel: &mut Channel<T>,
    mut sending: oca::sender::Sending<'_>,
) -> Result<Zeroizing<Vec<bool>>, SessionError> {
    let doing = "sending the first layer's corrections";
    while let Some(part) = sending.part() {
        channel.send(Kind::Corrections, &part, doing)?;
    }
    let (digest, shares) = sending.finish();
    channel.send(Kind::CorrectionsDigest, &digest, doing)?;
    Ok(shares)
}
