//! The server's side of a session: garbler, sender of oblivious transfer. `client.rs` mirrors it.

use std::collections::VecDeque;
use std::time::Instant;

use rand::CryptoRng;
use zeroize::Zeroizing;

use super::channel::{Channel, Transport};
use super::error::SessionError;
use super::msgs::{self, ClientHello, Kind, ServerHello};
use super::{Circuit, Clients, FirstLayer, Limits, Misuse, Offer, Traffic, masked, netlist};
use xonn_crypto::garble::Scheme;
use xonn_crypto::garble::schedule::{Role, Schedule};
use xonn_crypto::ot::{self, SessionId};
use xonn_protocols::run::Server;

mod choose;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod planned;
mod prepared;
mod round;
mod supervisor;

use prepared::Prepared;
use round::Round;
pub use supervisor::Supervisor;
use supervisor::await_question;

/// What a client is told first that is turned away because no place is free; it may come again.
pub(super) const FULL: &str = "the server is full";

/// What a client is told first that has used up what it is granted; in an hour there is more.
pub(crate) const GRANTED: &str = "a client is granted";

/// What the server does when it awaits the choices of labels.
const CHOICES: &str = "receiving the client's oblivious choices";

/// What a server brings to every session: a circuit, its secret, and all that follows from them and from what
/// is on offer.
pub struct Model {
    circuit: Circuit,
    schedule: Schedule,
    plans: Plans,
    /// The garbler's bits.
    secret: Zeroizing<Vec<bool>>,
    offer: Offer,
}

/// Ways of a program's own beside its circuit, as far as there are such and they are on offer.
#[derive(Default)]
pub struct Plans {
    /// First layers by conditional addition, once for each garbling scheme of the circuit behind them.
    pub first_layers: Vec<(Scheme, Server)>,
    /// On shares, likewise.
    pub shares: Vec<(Scheme, Server)>,
}

/// What computes a session's layers.
#[derive(Clone, Copy)]
pub(super) enum Chosen<'m> {
    /// A garbled circuit of all.
    Garbled,
    /// A plan, of this form.
    Planned(FirstLayer, &'m Server),
}

impl Model {
    /// * `secret`: the garbler's bits, as many as the circuit takes.
    ///
    /// # Errors
    /// [`Misuse::InputLength`] if there are more or fewer.
    pub fn new(
        circuit: Circuit,
        secret: impl Into<Zeroizing<Vec<bool>>>,
        offer: Offer,
    ) -> Result<Self, SessionError> {
        let secret = secret.into();
        let expected = circuit.program.secret_bits() as usize;
        if secret.len() != expected {
            return Err(Misuse::InputLength { found: secret.len(), expected }.into());
        }
        let schedule = Schedule::new(&circuit.program, Role::Garbler);
        Ok(Self { circuit, schedule, plans: Plans::default(), secret, offer })
    }

    /// The same, with plans beside its circuit, as far as they are on offer.
    #[must_use]
    pub fn with_plans(self, mut plans: Plans) -> Self {
        let offered = |form| self.offer.first_layers.contains(&form);
        plans.shares.retain(|_| offered(FirstLayer::Shares));
        plans.first_layers.retain(|_| offered(FirstLayer::Oca));
        Self { plans, ..self }
    }

    /// The plan of this form whose circuit is garbled by this scheme, if there is one.
    #[must_use]
    pub fn plan(&self, form: FirstLayer, scheme: Scheme) -> Option<&Server> {
        let plans = match form {
            FirstLayer::Gc => return None,
            FirstLayer::Oca => &self.plans.first_layers,
            FirstLayer::Shares => &self.plans.shares,
        };
        plans.iter().find(|(of, _)| *of == scheme).map(|(_, server)| server)
    }

    /// The circuit.
    #[must_use]
    pub fn circuit(&self) -> &Circuit {
        &self.circuit
    }

    /// Whether first layers can be computed by oblivious conditional addition: they are such, and it is on
    /// offer.
    #[must_use]
    pub fn has_shared_layers(&self) -> bool {
        !self.plans.first_layers.is_empty()
    }

    /// What is garbled where nothing is on shares.
    pub(super) fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// What is on offer.
    pub(crate) fn offer(&self) -> &Offer {
        &self.offer
    }
}

/// How a session went.
#[derive(Clone, Copy, Debug)]
pub struct Served {
    /// Inferences done.
    pub inferences: u64,
    /// Circuits that were garbled ahead of inputs. Those that were not used are gone with the connection.
    pub ahead: u64,
    /// What went over the wire.
    pub traffic: Traffic,
    /// Of it what went after the client had its input; all of an inference that was not prepared ahead.
    pub online: Traffic,
}

/// Serves one client until it says goodbye. If the session fails the client is told what it may know.
///
/// # Errors
/// [`SessionError`]: whatever ended the session before its goodbye.
pub fn serve<T: Transport>(
    transport: T,
    model: &Model,
    limits: &Limits,
    rng: &mut (impl CryptoRng + Send),
) -> Result<Served, SessionError> {
    greet(transport, model, limits)?.serve(limits, rng)
}

/// What a session is set up with: the OTs of labels, and the session's id.
type SetUp = (ot::Sender, SessionId);

/// A client whose hello fits the model, and that waits for an answer.
pub struct Greeted<'m, T> {
    channel: Channel<T>,
    model: &'m Model,
    hello: ClientHello,
    package: &'m [u8],
    scheme: Scheme,
    /// What computes its layers.
    chosen: Chosen<'m>,
    /// The most circuits that the client may hold ahead.
    ahead: u16,
    /// Whether all circuits of the connection have one delta.
    shared_delta: bool,
    clients: Clients,
}

/// Awaits a client's hello. A client whose hello does not fit is told why.
///
/// # Errors
/// [`SessionError`] if no hello comes, or none that fits the model.
pub fn greet<'m, T: Transport>(
    transport: T,
    model: &'m Model,
    limits: &Limits,
) -> Result<Greeted<'m, T>, SessionError> {
    let mut channel = Channel::new(transport, limits.message.min(limits.hello));
    let read = |channel: &mut Channel<T>| {
        // Of another version it may be longer or shorter, and then that is what its sender is told.
        let bytes = channel.receive_up_to(Kind::ClientHello, msgs::MAX_HELLO, "greeting")?;
        let hello = ClientHello::decode(&bytes)?;
        let package = check_hello(&hello, &model.circuit)?;
        let scheme = choose_scheme(&hello, &model.offer.schemes)?;
        let ahead = hello.ahead.min(model.offer.ahead);
        let chosen = choose::choose(&hello, model, scheme, ahead > 0, limits.clients)?;
        Ok((hello, package, scheme, chosen, ahead))
    };
    match read(&mut channel) {
        Ok((hello, package, scheme, chosen, ahead)) => {
            channel.set_limit(limits.message);
            let clients = limits.clients;
            let shared_delta = hello.shared_delta && model.offer.shared_delta;
            Ok(Greeted { channel, model, hello, package, scheme, chosen, ahead, shared_delta, clients })
        }
        Err(error) => {
            channel.refuse(&error);
            Err(error)
        }
    }
}

impl<T: Transport> Greeted<'_, T> {
    /// Tells the client that it has to wait; whether it is still there.
    pub fn wait(&mut self, before: u32, seconds: u32) -> bool {
        let (doing, numbers) = ("having a client wait", [before.to_le_bytes(), seconds.to_le_bytes()]);
        let sent = self.channel.send(Kind::Wait, numbers.as_flattened(), doing);
        sent.and_then(|()| self.channel.flush(doing)).is_ok()
    }

    /// Tells the client that there is no room for it.
    pub fn turn_away(mut self) {
        self.channel.refuse(&SessionError::Full);
    }

    /// The client's connection.
    pub fn transport(&self) -> &T {
        self.channel.transport()
    }

    /// Serves the client until it says goodbye, as [`serve`] does.
    ///
    /// # Errors
    /// [`SessionError`]: whatever ended the session before its goodbye.
    pub fn serve(self, limits: &Limits, rng: &mut (impl CryptoRng + Send)) -> Result<Served, SessionError> {
        self.serve_within(limits, &(), rng)
    }

    /// The same under a supervisor, who counts each circuit that is garbled, and may want the client's place.
    ///
    /// # Errors
    /// [`SessionError`]: whatever ended the session before its goodbye.
    pub fn serve_within(
        mut self,
        limits: &Limits,
        supervisor: &impl Supervisor,
        rng: &mut (impl CryptoRng + Send),
    ) -> Result<Served, SessionError> {
        let mut done = Done::default();
        let result = self.whole(limits, supervisor, rng, &mut done);
        self.end(result, done, supervisor)
    }

    fn whole(
        &mut self,
        limits: &Limits,
        supervisor: &impl Supervisor,
        rng: &mut (impl CryptoRng + Send),
        done: &mut Done,
    ) -> Result<(), SessionError> {
        let session = self.answer_hello(rng)?;
        if let Chosen::Planned(_, server) = self.chosen {
            let connection = self.set_up_shares(server, session, rng)?;
            return self.predictions((server, connection), (limits, supervisor), rng, done);
        }
        let set_up = self.set_up(session, rng)?;
        self.inferences(set_up, (limits, supervisor), rng, done)
    }

    /// Tells the client what it may know, and takes stock.
    fn end(
        mut self,
        result: Result<(), SessionError>,
        done: Done,
        supervisor: &impl Supervisor,
    ) -> Result<Served, SessionError> {
        supervisor.give_back(done.counted.saturating_sub(done.inferences));
        if let Err(error) = &result {
            self.channel.refuse(error);
        }
        let (traffic, Done { inferences, prepared, online, .. }) = (self.channel.traffic(), done);
        let ahead = if self.ahead > 0 { prepared } else { 0 };
        result.map(|()| Served { inferences, ahead, traffic, online })
    }

    fn inferences(
        &mut self,
        (mut sender, session): SetUp,
        (limits, supervisor): (&Limits, &impl Supervisor),
        rng: &mut (impl CryptoRng + Send),
        done: &mut Done,
    ) -> Result<(), SessionError> {
        let (channel, model, most) = (&mut self.channel, self.model, usize::from(self.ahead));
        let schedule = &model.schedule;
        let count = schedule.program().input_bits();
        // What a circuit begins with, and an input for one that was garbled ahead.
        let begins = (Kind::Extend, ot::msgs::Extend::byte_len(sender.params(), count));
        let masked = (Kind::Masked, masked::message_bytes(count));
        let (mut buffers, mut ready) = (Vec::new(), VecDeque::<Box<Prepared>>::new());
        loop {
            let doing = "waiting for an inference";
            let before = channel.traffic();
            let idle = if ready.is_empty() { limits.idle } else { limits.idle_ahead };
            let limit = await_question(channel, (idle, limits.message), supervisor, doing)?;
            let begin = Instant::now();
            let head = channel.head(limit, doing)?;
            if head == (Kind::Bye, 0) {
                return Ok(());
            }
            let (found, length) = head;
            let misbehaved = |reason| Err(SessionError::Misbehaved { doing, reason });
            if found == Kind::Refusal {
                return Err(channel.refusal(length, doing)?);
            } else if head == masked && most > 0 {
                // Taken off before anything is said: whatever happens now, no circuit answers twice.
                let Some(prepared) = ready.pop_front() else {
                    return misbehaved("an input, and no circuit is left that was garbled ahead".into());
                };
                let message = channel.payload(length, "receiving the client's masked input")?;
                prepared.answer(channel, &session, &message)?;
                done.inferences += 1;
                done.online += channel.traffic() - before;
                supervisor.answered(begin.elapsed());
                continue;
            } else if head != begins {
                let (kind, expected) = begins;
                let inputs = if most > 0 { format!(", Masked of {} bytes", masked.1) } else { String::new() };
                return misbehaved(format!(
                    "{found:?} of {length} bytes, expected {kind:?} of {expected} bytes{inputs} or Bye"
                ));
            }
            if done.prepared >= limits.inferences {
                let granted = limits.inferences;
                return misbehaved(format!("an inference too many, a connection is granted {granted}"));
            }
            if most > 0 && ready.len() >= most {
                return misbehaved(format!("a circuit too many ahead, a connection is granted {most}"));
            }
            supervisor.count().map_err(SessionError::Exhausted)?;
            done.counted += 1;
            let choices = channel.payload(length, CHOICES)?;
            let keys = sender.extend(count, &ot::msgs::Extend::decode(sender.params(), count, &choices)?)?;
            let (scheme, shared_delta) = (self.scheme, self.shared_delta);
            let round = Round { schedule, scheme, keys, shared_delta, buffers: &mut buffers };
            if most > 0 {
                ready.push_back(Prepared::garble(round, channel, done.prepared, &model.secret, rng)?);
            } else {
                round.infer(channel, &model.secret, rng)?;
                done.inferences += 1;
                done.online += channel.traffic() - before;
                supervisor.answered(begin.elapsed());
            }
            done.prepared += 1;
        }
    }

    /// The server's hello, and the package if the client asks for it; gives the session's id.
    fn answer_hello(&mut self, rng: &mut impl CryptoRng) -> Result<SessionId, SessionError> {
        let (channel, doing) = (&mut self.channel, "greeting");
        let (digest, package) = (self.model.circuit.digest, self.package.len() as u64);
        let form = (self.chosen.form(), self.clients);
        let answer = ServerHello::new(digest, package, self.scheme, form, self.ahead, rng);
        let answer = answer.with_shared_delta(self.shared_delta);
        channel.send(Kind::ServerHello, &answer.encode(), doing)?;
        for part in self.package.chunks(msgs::PACKAGE_PART) {
            channel.send(Kind::Package, part, "sending the package")?;
        }
        Ok(msgs::session_id(&self.hello, &answer))
    }

    /// Base OTs.
    fn set_up(&mut self, session: SessionId, rng: &mut impl CryptoRng) -> Result<SetUp, SessionError> {
        let (channel, doing) = (&mut self.channel, "greeting");
        let params = msgs::label_params(self.shared_delta);
        let (setup, request) = ot::SenderSetup::start(params, session, rng);
        channel.send(Kind::BaseRequest, &request.encode(), doing)?;
        let length = ot::msgs::BaseReply::byte_len(params);
        let reply = channel.receive(Kind::BaseReply, length, "receiving the base oblivious transfers")?;
        Ok((setup.finish(&ot::msgs::BaseReply::decode(params, &reply)?)?, session))
    }
}

impl Chosen<'_> {
    fn form(self) -> FirstLayer {
        match self {
            Self::Garbled => FirstLayer::Gc,
            Self::Planned(form, _) => form,
        }
    }
}

/// What a session has done so far.
#[derive(Default)]
struct Done {
    /// Inferences answered.
    inferences: u64,
    /// Circuits garbled.
    prepared: u64,
    /// Circuits that were counted before they were garbled.
    counted: u64,
    /// What went over the wire for inferences, but not ahead of them.
    online: Traffic,
}

/// The first scheme on offer that the client accepts.
fn choose_scheme(hello: &ClientHello, offered: &[Scheme]) -> Result<Scheme, SessionError> {
    let accepted = |scheme: &&Scheme| hello.schemes & scheme.bit() != 0;
    offered.iter().find(accepted).copied().ok_or_else(|| {
        SessionError::Mismatch(format!(
            "the client accepts the garbling schemes {}, this server offers {}; --scheme on either side \
             allows others",
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
        let text = netlist::other_groups(circuit, wanted).unwrap_or_else(|| {
            format!(
                "the client has the circuit with digest {wanted}, the server serves {}; both need the same \
                 file",
                circuit.digest
            )
        });
        return Err(SessionError::Mismatch(text));
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
