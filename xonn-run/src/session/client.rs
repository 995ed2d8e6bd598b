//! The client's side of a session: evaluator, receiver of oblivious transfer. `server.rs` mirrors it.

use std::thread;
use std::time::Instant;

use rand::CryptoRng;
use xonn_circuits::tiled::TiledCircuit;
use xonn_program::package::{Digest, Package};
use xonn_program::{Program, circuit};
use xonn_protocols::plan::Plan;

use super::channel::{Channel, Transport};
use super::error::SessionError;
use super::msgs::{self, ClientHello, Kind, ServerHello};
use super::{Clients, FirstLayer, Limits, Misuse, Offer, Traffic};
use xonn_crypto::garble::schedule::{Role, Schedule};
use xonn_crypto::garble::{EvaluateError, Scheme};
use xonn_crypto::ot;

mod circuits;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod planned;
mod ready;
mod round;
pub mod run;

use circuits::Circuits;
use planned::Planned;

/// A connection on which the hellos have been exchanged.
pub struct Greeted<T: Transport> {
    channel: Channel<T>,
    session: [u8; 32],
    digest: Digest,
    scheme: Scheme,
    form: FirstLayer,
    clients: Clients,
    ahead: u16,
    shared_delta: bool,
}

/// A connection that is ready for inferences.
pub struct Session<T: Transport> {
    channel: Channel<T>,
    way: Way,
    /// The most predictions ahead.
    ahead: u16,
    /// Of what went over the wire, all that came after the inputs.
    online: Traffic,
    /// The first evaluation that failed, if one has.
    failed: Option<EvaluateError>,
    /// Whether this side has said goodbye or refused.
    over: bool,
}

/// What predictions are made by.
enum Way {
    /// Garbled circuits of the whole program.
    Circuits(Box<Circuits>),
    /// A plan.
    Planned(Box<Planned>),
}

/// Greets a server to run a circuit that this client has; `input_bits` is what its input encodes to, `offer`
/// what the server may choose from.
///
/// # Errors
/// [`SessionError::Refused`] with the server's reason if it serves another circuit, and the transport's
/// errors.
pub fn greet<T: Transport>(
    transport: T,
    circuit: Digest,
    input_bits: usize,
    offer: &Offer,
    limits: &Limits,
    rng: &mut impl CryptoRng,
) -> Result<Greeted<T>, SessionError> {
    greet_in_turn(transport, (circuit, input_bits), offer, limits, &mut |_, _| (), rng)
}

/// [`greet`]; `told` hears of a server that is full how many clients are before this one, and how many
/// seconds it is likely to take, 0 if that is not known.
///
/// # Errors
/// As [`greet`].
pub fn greet_in_turn<T: Transport>(
    transport: T,
    (circuit, input_bits): (Digest, usize),
    offer: &Offer,
    limits: &Limits,
    told: &mut dyn FnMut(u32, u32),
    rng: &mut impl CryptoRng,
) -> Result<Greeted<T>, SessionError> {
    let input_bits = u32::try_from(input_bits)
        .map_err(|_| Misuse::InputLength { found: input_bits, expected: u32::MAX as usize })?;
    let hello = ClientHello::new(Some(circuit), input_bits, offer, rng);
    let (greeted, package_bytes) = exchange(transport, &hello, limits, told)?;
    let served = greeted.digest;
    if served != circuit {
        let reason = format!("the server serves the circuit with digest {served}, this client has {circuit}");
        return Err(greeted.end(SessionError::Mismatch(reason)));
    }
    if package_bytes != 0 {
        let reason = format!(
            "a package of {package_bytes} bytes follows, expected none: this client did not ask for it"
        );
        return Err(greeted.end(SessionError::Misbehaved { doing: "greeting", reason }));
    }
    Ok(greeted)
}

/// Greets a server and receives the package that it serves, which is the one `wanted`. If that is not said,
/// the server decides which circuit it is: the answer is the server's word.
///
/// # Errors
/// [`SessionError::Mismatch`] before anything is fetched if the server announces another package than the one
/// wanted, [`SessionError::Misbehaved`] if the package is not valid or not the announced one, and the
/// transport's errors.
pub fn greet_and_fetch<T: Transport>(
    transport: T,
    wanted: Option<Digest>,
    offer: &Offer,
    limits: &Limits,
    rng: &mut impl CryptoRng,
) -> Result<(Greeted<T>, Package), SessionError> {
    greet_and_fetch_in_turn(transport, wanted, offer, limits, &mut |_, _| (), rng)
}

/// [`greet_and_fetch`]; `told` as for [`greet_in_turn`].
///
/// # Errors
/// As [`greet_and_fetch`].
pub fn greet_and_fetch_in_turn<T: Transport>(
    transport: T,
    wanted: Option<Digest>,
    offer: &Offer,
    limits: &Limits,
    told: &mut dyn FnMut(u32, u32),
    rng: &mut impl CryptoRng,
) -> Result<(Greeted<T>, Package), SessionError> {
    let doing = "receiving the package";
    let hello = ClientHello::new(None, 0, offer, rng);
    let (mut greeted, package_bytes) = exchange(transport, &hello, limits, told)?;
    let announced = greeted.digest;
    if let Some(wanted) = wanted.filter(|&wanted| wanted != announced) {
        let reason = format!("the server's package has digest {announced}, this client wants {wanted}");
        return Err(greeted.end(SessionError::Mismatch(reason)));
    }
    let bytes = match fetch(&mut greeted.channel, package_bytes, doing) {
        Ok(bytes) => bytes,
        Err(error) => return Err(greeted.end(error)),
    };
    match Package::with_digest(bytes, "the server's package", announced) {
        Ok(package) => Ok((greeted, package)),
        Err(error) => {
            // The names in it are the server's.
            let reason = msgs::printable(chain(&error).as_bytes());
            Err(greeted.end(SessionError::Misbehaved { doing, reason }))
        }
    }
}

/// The package's bytes, of which there are at most [`xonn_program::package::MAX_PACKAGE`]; memory grows with
/// what really comes.
fn fetch<T: Transport>(
    channel: &mut Channel<T>,
    length: u64,
    doing: &'static str,
) -> Result<Vec<u8>, SessionError> {
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < length {
        let part = (length - bytes.len() as u64).min(msgs::PACKAGE_PART as u64);
        bytes.extend(channel.receive(Kind::Package, part as usize, doing)?);
    }
    Ok(bytes)
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

/// The server's hello, which may come late if the server is full; `told` hears how many clients are before
/// this one, and seconds that it is likely to take.
fn await_hello<T: Transport>(
    channel: &mut Channel<T>,
    limits: &Limits,
    told: &mut dyn FnMut(u32, u32),
) -> Result<Vec<u8>, SessionError> {
    let (doing, begin) = ("greeting", Instant::now());
    loop {
        match channel.head(limits.message, doing)? {
            (Kind::ServerHello, length) if length <= msgs::MAX_HELLO => {
                return channel.payload(length, doing);
            }
            (Kind::Refusal, length) => return Err(channel.refusal(length, doing)?),
            (Kind::Wait, 8) if begin.elapsed() < limits.queue => {
                let numbers = channel.payload(8, doing)?;
                let (words, _) = numbers.as_chunks::<4>();
                told(u32::from_le_bytes(words[0]), u32::from_le_bytes(words[1]));
            }
            (Kind::Wait, 8) => {
                return Err(SessionError::TimedOut { doing: "waiting for a place", limit: limits.queue });
            }
            (found, length) => {
                let most = msgs::MAX_HELLO;
                let reason =
                    format!("{found:?} of {length} bytes, expected ServerHello of at most {most} bytes");
                return Err(SessionError::Misbehaved { doing, reason });
            }
        }
    }
}

fn exchange<T: Transport>(
    transport: T,
    hello: &ClientHello,
    limits: &Limits,
    told: &mut dyn FnMut(u32, u32),
) -> Result<(Greeted<T>, u64), SessionError> {
    let doing = "greeting";
    let mut channel = Channel::new(transport, limits.message);
    channel.send(Kind::ClientHello, &hello.encode(), doing)?;
    match await_hello(&mut channel, limits, told).and_then(|bytes| ServerHello::decode(&bytes)) {
        Ok(answer) => {
            let session = msgs::session_id(hello, &answer);
            let (scheme, form) = (answer.scheme, answer.first_layer);
            let (digest, ahead) = (answer.digest, answer.ahead);
            let clients = answer.clients;
            let shared_delta = answer.shared_delta;
            let greeted = Greeted { channel, session, digest, scheme, form, clients, ahead, shared_delta };
            if shared_delta && !hello.shared_delta {
                let reason = "the server has one delta for all inferences, this client did not accept that";
                let reason = reason.to_owned();
                return Err(greeted.end(SessionError::Misbehaved { doing, reason }));
            }
            if ahead > hello.ahead {
                let reason = format!(
                    "the server garbles {ahead} circuits ahead, this client asked for {}",
                    hello.ahead
                );
                return Err(greeted.end(SessionError::Misbehaved { doing, reason }));
            }
            if hello.schemes & scheme.bit() == 0 {
                let accepted = Scheme::names(Scheme::in_set(hello.schemes));
                let reason = format!("the server garbles with {scheme}, this client accepts {accepted}");
                return Err(greeted.end(SessionError::Misbehaved { doing, reason }));
            }
            if hello.first_layers & form.bit() == 0 {
                let accepted = FirstLayer::names(FirstLayer::in_set(hello.first_layers));
                let reason =
                    format!("the server computes first layers by {form}, this client accepts {accepted}");
                return Err(greeted.end(SessionError::Misbehaved { doing, reason }));
            }
            Ok((greeted, answer.package_bytes))
        }
        Err(error) => {
            channel.refuse(&error);
            Err(error)
        }
    }
}

impl<T: Transport> Greeted<T> {
    /// The digest of the circuit that the server serves.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Ends the session because of `error`, tells the server, and gives the error back.
    #[must_use]
    pub fn end(mut self, error: SessionError) -> SessionError {
        self.channel.refuse(&error);
        error
    }

    /// The garbling scheme that the server chose.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The protocol for first layers that the server chose.
    pub fn first_layer(&self) -> FirstLayer {
        self.form
    }

    /// What the server takes its clients for.
    pub fn clients(&self) -> Clients {
        self.clients
    }

    /// How many circuits can be held ahead of inputs on this connection: at most what was offered, 0 if the
    /// server prepares none.
    pub fn ahead(&self) -> u16 {
        self.ahead
    }

    /// Whether all inferences of this connection have one delta.
    pub fn shared_delta(&self) -> bool {
        self.shared_delta
    }

    /// The set-up, as the server chose: base OTs, whose reply leaves together with the first inference where
    /// all is garbled. `program` is that of the package whose digest was named, or that came.
    ///
    /// # Errors
    /// [`SessionError::Mismatch`] if the program has no circuit, or none of the kind that the server chose,
    /// [`SessionError::Misbehaved`] for a plan that this client does not run, and those of both ways. The
    /// server is told.
    pub fn start_program(
        mut self,
        program: &Program,
        rng: &mut impl CryptoRng,
    ) -> Result<Session<T>, SessionError> {
        if self.form == FirstLayer::Gc {
            return match circuit::lower(program) {
                Ok(circuit) => self.start(&circuit, rng),
                Err(error) => {
                    let reason = format!("the package's program has no circuit: {}", chain(&error));
                    Err(self.end(SessionError::Mismatch(reason)))
                }
            };
        }
        let form = (self.form, self.scheme);
        match Planned::set_up(&mut self.channel, self.session, form, program, rng) {
            Ok(planned) => Ok(self.ready(Way::Planned(Box::new(planned)))),
            Err(error) => Err(self.end(error)),
        }
    }

    fn ready(self, way: Way) -> Session<T> {
        let Self { channel, ahead, .. } = self;
        Session { channel, way, ahead, online: Traffic::default(), failed: None, over: false }
    }

    /// Base OTs. The reply leaves together with the first inference.
    ///
    /// `circuit`: that whose digest was named, or of the package that came.
    ///
    /// # Errors
    /// [`SessionError::Ot`] if a message of the server's is not valid, [`SessionError::Mismatch`] if the
    /// server does not garble all of it, which takes the program, and the transport's errors. The server is
    /// told.
    pub fn start(
        mut self,
        circuit: &TiledCircuit,
        rng: &mut impl CryptoRng,
    ) -> Result<Session<T>, SessionError> {
        if self.form != FirstLayer::Gc {
            let reason = format!(
                "the server computes first layers by {}, the circuit describes none: that takes a program",
                self.form
            );
            return Err(self.end(SessionError::Mismatch(reason)));
        }
        // The order of the gates hangs on nothing that the server says.
        let (schedule, receiver) = thread::scope(|scope| {
            let schedule = || Schedule::new(circuit, Role::Evaluator);
            let ordering = thread::Builder::new().spawn_scoped(scope, schedule);
            let receiver = self.base_transfers(rng);
            let ordered = |thread: thread::ScopedJoinHandle<'_, _>| {
                thread.join().expect("a verified circuit has an order")
            };
            (ordering.map_or_else(|_| schedule(), ordered), receiver)
        });
        match receiver {
            Ok(receiver) => {
                let circuits = Circuits::new(schedule, receiver, self.scheme, self.session);
                Ok(self.ready(Way::Circuits(Box::new(circuits))))
            }
            Err(error) => Err(self.end(error)),
        }
    }

    fn base_transfers(&mut self, rng: &mut impl CryptoRng) -> Result<ot::Receiver, SessionError> {
        let doing = "setting up oblivious transfer";
        let params = msgs::label_params(self.shared_delta);
        let request =
            self.channel.receive(Kind::BaseRequest, ot::msgs::BaseRequest::byte_len(params), doing)?;
        let request = ot::msgs::BaseRequest::decode(params, &request)?;
        let (receiver, reply) = ot::ReceiverSetup::reply(params, self.session, rng, &request)?;
        self.channel.send(Kind::BaseReply, &reply.encode(), doing)?;
        Ok(receiver)
    }
}

impl<T: Transport> Session<T> {
    /// The circuit that is garbled on this connection; none where a plan is run.
    pub fn garbled(&self) -> Option<&TiledCircuit> {
        match &self.way {
            Way::Circuits(circuits) => Some(circuits.schedule.program()),
            Way::Planned(_) => None,
        }
    }

    /// The plan, if one is run.
    pub fn plan(&self) -> Option<&Plan> {
        match &self.way {
            Way::Circuits(_) => None,
            Way::Planned(planned) => Some(planned.plan()),
        }
    }

    /// What went over the wire so far.
    pub fn traffic(&self) -> Traffic {
        self.channel.traffic()
    }

    /// Of what went over the wire, all that came after the inputs were there: everything of inferences that
    /// were not prepared, the messages with the input of those that were.
    pub fn online(&self) -> Traffic {
        self.online
    }

    /// Predictions that wait for an input.
    pub fn ready(&self) -> usize {
        match &self.way {
            Way::Circuits(circuits) => circuits.ready.len(),
            Way::Planned(planned) => planned.ready(),
        }
    }

    /// Whether one more prediction can be prepared: [`Greeted::ahead`] are not yet.
    pub fn has_room(&self) -> bool {
        self.ready() < usize::from(self.ahead)
    }

    /// Memory that a prediction takes from when it is prepared until it is used, in bytes; of a plan on
    /// shares about.
    #[must_use]
    pub fn bytes_ahead(&self) -> u64 {
        match &self.way {
            Way::Circuits(circuits) => circuits.bytes_ahead(),
            Way::Planned(planned) => planned.bytes_ahead(),
        }
    }

    /// Has all done for a later [`Session::ask`] that needs no input, as [`Session::has_room`] allows. What
    /// came of it stays in memory until then. After an error the session is over and the server is told.
    ///
    /// # Errors
    /// [`SessionError`]; [`Misuse::NoRoom`] if there is no room.
    pub fn prepare(&mut self, rng: &mut impl CryptoRng) -> Result<(), SessionError> {
        if !self.has_room() {
            let (ready, most) = (self.ready(), self.ahead);
            return Err(Misuse::NoRoom { ready, most }.into());
        }
        self.prepare_several(1, rng)
    }

    /// The same for several, as far as there is room: on shares together, by the round trips of one.
    ///
    /// # Errors
    /// [`SessionError`].
    pub fn prepare_several(&mut self, count: usize, rng: &mut impl CryptoRng) -> Result<(), SessionError> {
        let count = count.min(usize::from(self.ahead).saturating_sub(self.ready()));
        let result = self.try_prepare(count, rng);
        result.inspect_err(|error| self.refuse(error))
    }

    fn try_prepare(&mut self, count: usize, rng: &mut impl CryptoRng) -> Result<(), SessionError> {
        match &mut self.way {
            Way::Circuits(circuits) => (0..count).try_for_each(|_| circuits.prepare(&mut self.channel, rng)),
            Way::Planned(planned) => planned.prepare(&mut self.channel, (count, true), rng),
        }
    }

    /// One private inference; returns the output bits. After an evaluation that failed inputs are replaced by
    /// zeros, and the same error comes for each.
    fn infer(&mut self, input: &[bool], rng: &mut impl CryptoRng) -> Result<Vec<bool>, SessionError> {
        let nothing;
        let input = if self.failed.is_some() {
            nothing = vec![false; input.len()];
            &nothing
        } else {
            input
        };
        let result = self.try_infer(input, rng);
        match result {
            Err(SessionError::Evaluate(failed)) => {
                self.failed.get_or_insert(failed);
            }
            Err(error) => {
                self.refuse(&error);
                return Err(error);
            }
            Ok(output) if self.failed.is_none() => return Ok(output),
            Ok(_) => {}
        }
        let failed = self.failed.clone().expect("it was set above or before");
        Err(SessionError::Evaluate(failed))
    }

    fn try_infer(&mut self, input: &[bool], rng: &mut impl CryptoRng) -> Result<Vec<bool>, SessionError> {
        let expected = match &self.way {
            Way::Circuits(circuits) => circuits.input_bits(),
            Way::Planned(planned) => planned.input_bits(),
        };
        if input.len() != expected {
            return Err(Misuse::InputLength { found: input.len(), expected }.into());
        }
        if self.ahead > 0 && self.ready() == 0 {
            self.try_prepare(1, rng)?;
        }
        let before = self.channel.traffic();
        let output = match &mut self.way {
            Way::Circuits(circuits) if self.ahead > 0 => circuits.answer(&mut self.channel, input),
            Way::Circuits(circuits) => circuits.at_once(&mut self.channel, input, rng),
            Way::Planned(planned) => planned.ask(&mut self.channel, input, rng),
        };
        self.online += self.channel.traffic() - before;
        output
    }

    /// Sends what waits for more to go with it. To be called before a wait for inputs: the server counts the
    /// time.
    ///
    /// # Errors
    /// If the transport fails.
    pub fn flush(&mut self) -> Result<(), SessionError> {
        self.channel.flush("setting up oblivious transfer")
    }

    /// Says goodbye.
    ///
    /// # Errors
    /// If the transport fails.
    pub fn finish(mut self) -> Result<Traffic, SessionError> {
        self.goodbye()?;
        Ok(self.channel.traffic())
    }

    fn refuse(&mut self, error: &SessionError) {
        self.over = true;
        self.channel.refuse(error);
    }

    fn goodbye(&mut self) -> Result<(), SessionError> {
        self.over = true;
        self.channel.send(Kind::Bye, &[], "saying goodbye")?;
        self.channel.flush("saying goodbye")
    }
}

impl<T: Transport> Drop for Session<T> {
    /// Whoever leaves without a word, after a failed evaluation for instance, leaves like everybody else.
    fn drop(&mut self) {
        if !self.over {
            let _ = self.goodbye(); // nobody is left to be told that it could not be said
        }
    }
}
