//! First layers by oblivious conditional addition, as a session runs them: which protocol, and both sides' messages.

use rand::CryptoRng;
use zeroize::Zeroizing;

use super::Clients;
use super::ahead::Wires;
use super::channel::{Channel, Transport};
use super::error::SessionError;
use super::msgs::{ClientHello, Kind};
use super::server::{Model, Shared};
use crate::oca::{self, DIGEST_BYTES, FirstLayer, Oca};
use xonn_crypto::block::Block;
use xonn_crypto::garble::Scheme;
use xonn_crypto::garble::schedule::Schedule;
use xonn_crypto::ot::{self, SessionId};

/// What a server does when it awaits corrections.
pub(super) const RECEIVING: &str = "receiving the first layer's corrections";

/// The protocol for first layers that client and server allow; of two the one with fewer bytes in the first inference,
/// set-up included. None stands for garbling. `ahead`: whether circuits are garbled ahead of the client's inputs; then the
/// schedule is of the program for that.
pub(super) fn choose<'m>(
    hello: &ClientHello,
    model: &'m Model,
    scheme: Scheme,
    ahead: bool,
    clients: Clients,
) -> Result<Option<Shared<'m>>, SessionError> {
    let shared_delta = hello.shared_delta && model.offer().shared_delta;
    let shared = model.shared(ahead);
    let accepted = |form: &FirstLayer| hello.first_layers & form.bit() != 0;
    let has = |form: &FirstLayer| *form == FirstLayer::Gc || shared.is_some();
    let offered = FirstLayer::ALL.into_iter().filter(|form| model.offer().first_layers.contains(form));
    let (offered, barred): (Vec<FirstLayer>, Vec<_>) =
        offered.filter(has).partition(|&form| clients.permit(form));
    let mut both = offered.iter().filter(|form| accepted(form));
    match (both.next(), both.next()) {
        (Some(_), Some(_)) if ahead => Ok(shared.filter(|shared| {
            let (form, schedule) = (Wires::of(shared.schedule.program(), Some(shared.oca)), shared.schedule);
            let garbled = Wires::of(model.schedule().program(), None);
            set_up_bytes(shared.oca) + ahead_bytes(form, schedule, scheme, shared_delta)
                < ahead_bytes(garbled, model.schedule(), scheme, shared_delta)
        })),
        (Some(_), Some(_)) => {
            let bytes = |schedule: &Schedule| inference_bytes(schedule, scheme, shared_delta);
            let fewer = |shared: &Shared<'_>| {
                set_up_bytes(shared.oca) + bytes(shared.schedule) < bytes(model.schedule())
            };
            Ok(shared.filter(fewer))
        }
        (Some(FirstLayer::Oca), None) => Ok(shared),
        (Some(FirstLayer::Gc), None) => Ok(None),
        (None, _) => Err(SessionError::Mismatch(format!(
            "the client accepts first layers by {}, this server offers {}; {}",
            FirstLayer::names(FirstLayer::in_set(hello.first_layers)),
            FirstLayer::names(offered),
            if barred.is_empty() {
                "--first-layer on either side allows others"
            } else {
                "it takes its clients for hostile, and only serve --clients semi-honest allows others"
            }
        ))),
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
