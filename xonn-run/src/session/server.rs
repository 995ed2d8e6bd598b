//! The server's side of a session: garbler, sender of oblivious transfer. `client.rs` mirrors it.

use std::sync::mpsc;

use rand::CryptoRng;
use zeroize::Zeroize;

use super::channel::{Channel, Transport};
use super::error::SessionError;
use super::msgs::{self, ClientHello, Kind, ServerHello};
use super::{Circuit, Limits, Offer, Traffic, batch, first_layer};
use crate::block::{Block, Tccr};
use crate::garble::plan::Plan;
use crate::garble::{Ciphertexts, Garbler, Scheme};
use crate::oca::{self, FirstLayer, Oca};
use crate::ot;

/// What the server does when it awaits the choices of labels.
const CHOICES: &str = "receiving the client's oblivious choices";

/// Batches of garbled segments that wait to be sent.
const BATCHES_AHEAD: usize = 1;

/// What a server brings to every session.
pub struct Model<'p> {
    /// What it serves.
    pub circuit: &'p Circuit,
    /// The circuit, planned for a garbler.
    pub plan: &'p Plan<'p>,
    /// Its first layers by oblivious conditional addition, if it has such.
    pub shared: Option<Shared<'p>>,
    /// The garbler's bits.
    pub secret: &'p [bool],
    /// Schemes and protocols on offer.
    pub offer: Offer<'p>,
}

/// A circuit whose first layers are computed by oblivious conditional addition.
#[derive(Clone, Copy)]
pub struct Shared<'p> {
    /// The additions.
    pub oca: &'p Oca,
    /// The program on shares, planned for a garbler.
    pub plan: &'p Plan<'p>,
}

/// How a session went.
#[derive(Clone, Copy, Debug)]
pub struct Served {
    /// Inferences done.
    pub inferences: u64,
    /// What went over the wire.
    pub traffic: Traffic,
}

/// Serves one client until it says goodbye. If the session fails the client is told what it may know.
///
/// # Errors
/// [`SessionError`]: whatever ended the session before its goodbye.
pub fn serve<T: Transport>(
    transport: T,
    model: &Model<'_>,
    limits: &Limits,
    rng: &mut (impl CryptoRng + Send),
) -> Result<Served, SessionError> {
    greet(transport, model, limits)?.serve(limits, rng)
}

/// A client whose hello fits the model, and that waits for an answer.
pub struct Greeted<'m, T> {
    channel: Channel<T>,
    model: &'m Model<'m>,
    hello: ClientHello,
    package: &'m [u8],
    scheme: Scheme,
    /// What computes first layers, if they are not garbled.
    shared: Option<Shared<'m>>,
}

/// Awaits a client's hello. A client whose hello does not fit is told why.
///
/// # Errors
/// [`SessionError`] if no hello comes, or none that fits the model.
pub fn greet<'m, T: Transport>(
    transport: T,
    model: &'m Model<'m>,
    limits: &Limits,
) -> Result<Greeted<'m, T>, SessionError> {
    let mut channel = Channel::new(transport, limits.message.min(limits.hello));
    let read = |channel: &mut Channel<T>| {
        let bytes = channel.receive(Kind::ClientHello, ClientHello::BYTES, "greeting")?;
        let hello = ClientHello::decode(&bytes)?;
        let package = check_hello(&hello, model.circuit)?;
        let scheme = choose_scheme(&hello, model.offer.schemes)?;
        let shared = first_layer::choose(&hello, model, scheme)?;
        Ok((hello, package, scheme, shared))
    };
    match read(&mut channel) {
        Ok((hello, package, scheme, shared)) => {
            channel.set_limit(limits.message);
            Ok(Greeted { channel, model, hello, package, scheme, shared })
        }
        Err(error) => {
            channel.refuse(&error);
            Err(error)
        }
    }
}

impl<T: Transport> Greeted<'_, T> {
    /// Serves the client until it says goodbye, as [`serve`] does.
    ///
    /// # Errors
    /// [`SessionError`]: whatever ended the session before its goodbye.
    pub fn serve(
        mut self,
        limits: &Limits,
        rng: &mut (impl CryptoRng + Send),
    ) -> Result<Served, SessionError> {
        let mut inferences = 0;
        let result = self.session(limits, rng, &mut inferences);
        if let Err(error) = &result {
            self.channel.refuse(error);
        }
        result.map(|()| Served { inferences, traffic: self.channel.traffic() })
    }

    fn session(
        &mut self,
        limits: &Limits,
        rng: &mut (impl CryptoRng + Send),
        inferences: &mut u64,
    ) -> Result<(), SessionError> {
        let (mut sender, mut receiver) = self.set_up(rng)?;
        let mut buffers = Vec::new();
        let (channel, model) = (&mut self.channel, self.model);
        let plan = self.shared.map_or(model.plan, |shared| shared.plan);
        let count = plan.program().input_bits();
        let extend = ot::msgs::Extend::byte_len(sender.params(), count);
        // What an inference begins with.
        let (begins, expected) = match self.shared.and_then(|shared| shared.oca.part_lengths().next()) {
            Some(length) => (Kind::Corrections, length),
            None => (Kind::Extend, extend),
        };
        loop {
            let doing = "waiting for an inference";
            match channel.head(limits.idle, doing)? {
                (Kind::Bye, 0) => return Ok(()),
                (Kind::Refusal, length) => return Err(channel.refusal(length, doing)?),
                (kind, length) if kind == begins && length == expected => {
                    if *inferences >= limits.inferences {
                        let granted = limits.inferences;
                        let reason = format!("an inference too many, a connection is granted {granted}");
                        return Err(SessionError::Misbehaved { doing, reason });
                    }
                }
                (kind, length) => {
                    let reason =
                        format!("{kind:?} of {length} bytes, expected {begins:?} of {expected} bytes or Bye");
                    return Err(SessionError::Misbehaved { doing, reason });
                }
            }
            let round = Round { plan, scheme: self.scheme, sender: &mut sender, buffers: &mut buffers };
            match (&self.shared, &mut receiver) {
                (Some(shared), Some(receiver)) => {
                    let first = channel.payload(expected, first_layer::RECEIVING)?;
                    let secret = first_layer::receive(channel, shared.oca, receiver, model.secret, &first)?;
                    let choices = channel.receive(Kind::Extend, extend, CHOICES)?;
                    round.infer(channel, &secret, &choices, rng)?;
                }
                _ => {
                    let choices = channel.payload(expected, CHOICES)?;
                    round.infer(channel, model.secret, &choices, rng)?;
                }
            }
            *inferences += 1;
        }
    }

    /// The server's hello, the package if the client asks for it, base OTs; and those of first layers, with the extension
    /// that chooses by the weights.
    fn set_up(
        &mut self,
        rng: &mut impl CryptoRng,
    ) -> Result<(ot::Sender, Option<oca::receiver::Receiver>), SessionError> {
        let (channel, doing) = (&mut self.channel, "greeting");
        let form = if self.shared.is_some() { FirstLayer::Oca } else { FirstLayer::Gc };
        let (digest, package) = (self.model.circuit.digest, self.package.len() as u64);
        let answer = ServerHello::new(digest, package, self.scheme, form, rng);
        let params = ot::Params::default();
        let session = msgs::session_id(&self.hello, &answer);
        let (setup, request) = ot::SenderSetup::start(params, session, rng);
        channel.send(Kind::ServerHello, &answer.encode(), doing)?;
        for part in self.package.chunks(msgs::PACKAGE_PART) {
            channel.send(Kind::Package, part, "sending the package")?;
        }
        channel.send(Kind::BaseRequest, &request.encode(), doing)?;
        let length = ot::msgs::BaseReply::byte_len(params);
        let reply = channel.receive(Kind::BaseReply, length, "receiving the base oblivious transfers")?;
        let sender = setup.finish(&ot::msgs::BaseReply::decode(params, &reply)?)?;
        let secret = self.model.secret;
        let chosen =
            self.shared.map(|shared| first_layer::choose_weights(channel, shared.oca, session, secret, rng));
        Ok((sender, chosen.transpose()?))
    }
}

/// The first scheme on offer that the client accepts.
fn choose_scheme(hello: &ClientHello, offered: &[Scheme]) -> Result<Scheme, SessionError> {
    let accepted = |scheme: &&Scheme| hello.schemes & scheme.bit() != 0;
    offered.iter().find(accepted).copied().ok_or_else(|| {
        SessionError::Mismatch(format!(
            "the client accepts the garbling schemes {}, this server offers {}; --scheme on either side allows others",
            Scheme::names(Scheme::in_set(hello.schemes)),
            Scheme::names(offered.iter().copied())
        ))
    })
}

/// The package to send, empty if the client has the circuit already.
fn check_hello<'c>(hello: &ClientHello, circuit: &'c Circuit) -> Result<&'c [u8], SessionError> {
    let Some(wanted) = hello.wanted else {
        return circuit.package.as_deref().ok_or_else(|| {
            SessionError::Mismatch(
                "the client asks for a package, this server garbles a plain netlist".into(),
            )
        });
    };
    if wanted != circuit.digest {
        return Err(SessionError::Mismatch(format!(
            "the client has the circuit with digest {wanted}, the server serves {}; both need the same file",
            circuit.digest
        )));
    }
    let expected = circuit.program.input_bits();
    if hello.input_bits as usize != expected {
        return Err(SessionError::Mismatch(format!(
            "the client's input has {} bits, the circuit takes {expected}",
            hello.input_bits
        )));
    }
    Ok(&[])
}

/// What one inference is run with.
struct Round<'a, 'p> {
    plan: &'a Plan<'p>,
    scheme: Scheme,
    sender: &'a mut ot::Sender,
    /// Of the inference before: giving out fresh memory costs the system more than garbling into it.
    buffers: &'a mut Vec<Ciphertexts>,
}

impl Round<'_, '_> {
    /// Fresh delta, fresh start point, everything in one answer. `secret` are the bits of the plan's program, `extend` the
    /// client's choices.
    fn infer<T: Transport>(
        self,
        channel: &mut Channel<T>,
        secret: &[bool],
        extend: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<(), SessionError> {
        let doing = "sending the garbled circuit";
        let count = self.plan.program().input_bits();
        let keys =
            self.sender.extend(count, &ot::msgs::Extend::decode(self.sender.params(), count, extend)?)?;
        let mut secrets = [Block::random(rng).with_lsb_set(), Block::random(rng)];
        let start = Block::random(rng);
        let (labels, correlate) = keys.correlate(secrets[0]);
        let mut message = start.to_bytes().to_vec();
        message.extend(correlate.encode());
        channel.send(Kind::Correlate, &message, doing)?;

        let mut garbler = Garbler::new(self.plan, self.scheme, secret, secrets, Tccr::new(start), labels);
        secrets.zeroize();
        garbler.recycle(self.buffers.drain(..));
        // One thread garbles, this one sends; the queue between them bounds the memory.
        let decoding = std::thread::scope(|scope| {
            let (queue, batches) = mpsc::sync_channel::<Vec<Ciphertexts>>(BATCHES_AHEAD);
            let (back, sent) = mpsc::channel::<Ciphertexts>();
            let garbling = scope.spawn(move || {
                loop {
                    garbler.recycle(sent.try_iter());
                    let tables = garbler.garble(batch());
                    // The sending side hangs up if the connection fails; then nobody needs the rest.
                    if tables.is_empty() || queue.send(tables).is_err() {
                        return (garbler, sent);
                    }
                }
            });
            let of_first_layers = self.plan.segments_of_first_layers();
            for (table, first) in batches.iter().flatten().zip(of_first_layers) {
                channel.count_as_first_layer(first);
                if !table.is_empty() {
                    channel.send(Kind::Tables, table.as_bytes(), doing)?;
                }
                let _ = back.send(table); // garbling may be done, and then needs no buffers
            }
            let (mut garbler, sent) = garbling.join().expect("garbling does not panic on a verified program");
            self.buffers.extend(garbler.take_spare());
            self.buffers.extend(sent.try_iter());
            Ok::<_, SessionError>(garbler.decoding())
        })?;
        channel.send(Kind::Decoding, Block::as_bytes(&decoding), doing)?;
        channel.flush(doing)
    }
}
