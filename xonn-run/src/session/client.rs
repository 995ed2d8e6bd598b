//! The client's side of a session: evaluator, receiver of oblivious transfer. `server.rs` mirrors it.

use std::sync::mpsc;

use rand::CryptoRng;
use xonn_circuits::program::package::{Digest, Package};

use super::channel::{Channel, Transport};
use super::error::SessionError;
use super::msgs::{self, ClientHello, Kind, ServerHello};
use super::{Limits, Offer, Traffic, batch, first_layer};
use crate::block::{Block, Tccr};
use crate::garble::plan::Plan;
use crate::garble::{Ciphertexts, DECODE_BYTES, Evaluator, Scheme};
use crate::oca::{self, FirstLayer, Oca};
use crate::ot;

/// A connection on which the hellos have been exchanged.
pub struct Greeted<T: Transport> {
    channel: Channel<T>,
    session: [u8; 32],
    digest: Digest,
    scheme: Scheme,
    form: FirstLayer,
}

/// A circuit's conditional additions and the client's side of them.
type SharedLayers<'o> = (&'o Oca, oca::sender::Sender);

/// A connection that is ready for inferences.
pub struct Session<'o, T: Transport> {
    channel: Channel<T>,
    receiver: ot::Receiver,
    scheme: Scheme,
    /// Buffers of the inference before: fresh memory costs the system more than receiving into it.
    buffers: Vec<Ciphertexts>,
    /// The conditional additions of first layers, if they are not garbled, and this side of them.
    shared: Option<SharedLayers<'o>>,
}

/// Greets a server to run a circuit that this client has; `input_bits` is what its input encodes to, `offer` what
/// the server may choose from.
///
/// # Errors
/// [`SessionError::Refused`] with the server's reason if it serves another circuit, and the transport's errors.
pub fn greet<T: Transport>(
    transport: T,
    circuit: Digest,
    input_bits: usize,
    offer: Offer<'_>,
    limits: &Limits,
    rng: &mut impl CryptoRng,
) -> Result<Greeted<T>, SessionError> {
    let input_bits = u32::try_from(input_bits)
        .map_err(|_| SessionError::InputLength { found: input_bits, expected: u32::MAX as usize })?;
    let hello = ClientHello::new(Some(circuit), input_bits, offer, rng);
    let (greeted, package_bytes) = exchange(transport, &hello, limits)?;
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

/// Greets a server and receives the package that it serves. Which circuit that is, the server decides: the answer is the
/// server's word.
///
/// # Errors
/// [`SessionError::Misbehaved`] if the package is not valid or not the announced one, and the transport's errors.
pub fn greet_and_fetch<T: Transport>(
    transport: T,
    offer: Offer<'_>,
    limits: &Limits,
    rng: &mut impl CryptoRng,
) -> Result<(Greeted<T>, Package), SessionError> {
    let doing = "receiving the package";
    let hello = ClientHello::new(None, 0, offer, rng);
    let (mut greeted, package_bytes) = exchange(transport, &hello, limits)?;
    let bytes = match fetch(&mut greeted.channel, package_bytes, doing) {
        Ok(bytes) => bytes,
        Err(error) => return Err(greeted.end(error)),
    };
    let checked =
        Package::from_bytes(bytes, "the server's package").map_err(|e| chain(&e)).and_then(|package| {
            let named = greeted.digest;
            let found = package.digest();
            if found == named {
                Ok(package)
            } else {
                Err(format!("its digest is {found}, the server announced {named}"))
            }
        });
    match checked {
        Ok(package) => Ok((greeted, package)),
        Err(reason) => {
            // The names in it are the server's.
            let reason = msgs::printable(reason.as_bytes());
            Err(greeted.end(SessionError::Misbehaved { doing, reason }))
        }
    }
}

/// The package's bytes, of which there are at most [`xonn_circuits::program::package::MAX_PACKAGE`]; memory grows with
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

fn exchange<T: Transport>(
    transport: T,
    hello: &ClientHello,
    limits: &Limits,
) -> Result<(Greeted<T>, u64), SessionError> {
    let doing = "greeting";
    let mut channel = Channel::new(transport, limits.message);
    channel.send(Kind::ClientHello, &hello.encode(), doing)?;
    let bytes = channel.receive(Kind::ServerHello, ServerHello::BYTES, doing);
    match bytes.and_then(|bytes| ServerHello::decode(&bytes)) {
        Ok(answer) => {
            let session = msgs::session_id(hello, &answer);
            let (scheme, form) = (answer.scheme, answer.first_layer);
            let greeted = Greeted { channel, session, digest: answer.digest, scheme, form };
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

    /// The protocol for first layers that the server chose.
    pub fn first_layer(&self) -> FirstLayer {
        self.form
    }

    /// Base OTs. The reply leaves together with the first inference.
    ///
    /// `oca`: the conditional additions of the circuit's first layers, needed where [`Greeted::first_layer`] is
    /// [`FirstLayer::Oca`]. They take a round trip here, before the input is needed.
    ///
    /// # Errors
    /// [`SessionError::Ot`] if a message of the server's is not valid, [`SessionError::Mismatch`] if `oca` is needed and
    /// the circuit has none, and the transport's errors.
    pub fn start<'o>(
        mut self,
        oca: Option<&'o Oca>,
        rng: &mut impl CryptoRng,
    ) -> Result<Session<'o, T>, SessionError> {
        match self.transfers(oca, rng) {
            Ok((receiver, shared)) => Ok(Session {
                channel: self.channel,
                receiver,
                scheme: self.scheme,
                shared,
                buffers: Vec::new(),
            }),
            Err(error) => Err(self.end(error)),
        }
    }

    fn transfers<'o>(
        &mut self,
        oca: Option<&'o Oca>,
        rng: &mut impl CryptoRng,
    ) -> Result<(ot::Receiver, Option<SharedLayers<'o>>), SessionError> {
        let receiver = self.base_transfers(rng)?;
        let shared = match (self.form, oca) {
            (FirstLayer::Gc, _) => None,
            (FirstLayer::Oca, Some(oca)) => {
                Some((oca, first_layer::start(&mut self.channel, oca, self.session, rng)?))
            }
            (FirstLayer::Oca, None) => {
                let reason = "the server computes first layers by oca, the circuit describes none";
                return Err(SessionError::Mismatch(reason.into()));
            }
        };
        Ok((receiver, shared))
    }

    fn base_transfers(&mut self, rng: &mut impl CryptoRng) -> Result<ot::Receiver, SessionError> {
        let doing = "setting up oblivious transfer";
        let params = ot::Params::default();
        let request =
            self.channel.receive(Kind::BaseRequest, ot::msgs::BaseRequest::byte_len(params), doing)?;
        let request = ot::msgs::BaseRequest::decode(params, &request)?;
        let (receiver, reply) = ot::ReceiverSetup::reply(params, self.session, rng, &request)?;
        self.channel.send(Kind::BaseReply, &reply.encode(), doing)?;
        Ok(receiver)
    }
}

impl<T: Transport> Session<'_, T> {
    /// The garbling scheme that the server chose.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// What went over the wire so far.
    pub fn traffic(&self) -> Traffic {
        self.channel.traffic()
    }

    /// One private inference; returns the output bits. `plan` is of the circuit, or of [`Oca::program`] where first layers
    /// are not garbled; `input` are the circuit's bits in both cases. After an error the session is over and the server is told.
    ///
    /// It is not told that the output was invalid: it sees the goodbye that it would see after a valid one. A server that
    /// garbles one label of an input bit wrongly would otherwise learn the bit from the complaint.
    ///
    /// # Errors
    /// [`SessionError`].
    pub fn infer(
        &mut self,
        plan: &Plan<'_>,
        input: &[bool],
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<bool>, SessionError> {
        let result = self.try_infer(plan, input, rng);
        match &result {
            Ok(_) => {}
            Err(SessionError::Evaluate(_)) => {
                let _ = self.goodbye(); // the failed evaluation is what there is to report
            }
            Err(error) => self.channel.refuse(error),
        }
        result
    }

    fn try_infer(
        &mut self,
        plan: &Plan<'_>,
        input: &[bool],
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<bool>, SessionError> {
        let expected = match &self.shared {
            Some((oca, _)) => oca.input_bits(),
            None => plan.program().input_bits(),
        };
        if input.len() != expected {
            return Err(SessionError::InputLength { found: input.len(), expected });
        }
        let shares;
        let input = match &mut self.shared {
            Some((oca, sender)) => {
                shares = first_layer::send(&mut self.channel, oca, sender, input)?;
                &shares[..]
            }
            None => input,
        };
        let expected = plan.program().input_bits();
        if input.len() != expected {
            return Err(SessionError::InputLength { found: input.len(), expected });
        }
        let (choices, extend) = self.receiver.extend(rng, input)?;
        self.channel.send(Kind::Extend, &extend.encode(), "sending oblivious choices")?;

        let doing = "receiving the garbled circuit";
        let length = Block::BYTES + ot::msgs::Correlate::byte_len(expected);
        let message = self.channel.receive(Kind::Correlate, length, doing)?;
        let (start, correlate) = message.split_first_chunk().expect("the length was checked");
        let labels = choices.correlate(&ot::msgs::Correlate::decode(expected, correlate)?)?;
        let (scheme, hash) = (self.scheme, Tccr::new(Block::from_bytes(*start)));
        let mut evaluator = Evaluator::new(plan, scheme, hash, labels);
        // One thread receives, this one evaluates; the queue between them bounds the memory.
        let (channel, buffers) = (&mut self.channel, &mut self.buffers);
        std::thread::scope(|scope| {
            let (queue, tables) = mpsc::sync_channel::<Ciphertexts>(batch());
            let (back, spent) = mpsc::channel::<Ciphertexts>();
            let receiving = scope.spawn(move || {
                let segments = plan.segment_lengths(scheme).zip(plan.segments_of_first_layers());
                for (length, first) in segments.filter(|&(length, _)| length > 0) {
                    channel.count_as_first_layer(first);
                    let used = spent.try_recv().ok().or_else(|| buffers.pop());
                    let mut table = used.unwrap_or_default(); // fresh until the first ones come back
                    channel.receive_into(Kind::Tables, length, doing, || {
                        table.resize(length);
                        table.as_bytes_mut()
                    })?;
                    if queue.send(table).is_err() {
                        break; // the evaluation failed
                    }
                }
                buffers.extend(spent.iter());
                Ok::<_, SessionError>(())
            });
            let evaluated = evaluate_all(&mut evaluator, &tables, &back);
            drop((tables, back));
            receiving.join().expect("receiving does not panic")?;
            evaluated
        })?;
        let length = DECODE_BYTES * plan.program().output_bits();
        let decoding = self.channel.receive(Kind::Decoding, length, doing)?;
        let decoding = Block::vec_from_bytes(&decoding).expect("hashes are whole blocks");
        Ok(evaluator.decode(&decoding)?)
    }

    /// Says goodbye.
    ///
    /// # Errors
    /// If the transport fails.
    pub fn finish(mut self) -> Result<Traffic, SessionError> {
        self.goodbye()?;
        Ok(self.channel.traffic())
    }

    fn goodbye(&mut self) -> Result<(), SessionError> {
        self.channel.send(Kind::Bye, &[], "saying goodbye")?;
        self.channel.flush("saying goodbye")
    }
}

/// Evaluates all segments, taking tables from the queue and giving their buffers `back`; ends early, without an error, if
/// the queue does.
fn evaluate_all(
    evaluator: &mut Evaluator<'_>,
    tables: &mpsc::Receiver<Ciphertexts>,
    back: &mpsc::Sender<Ciphertexts>,
) -> Result<(), SessionError> {
    loop {
        let upcoming = evaluator.upcoming(batch());
        if upcoming.is_empty() {
            return Ok(());
        }
        let mut segments = Vec::with_capacity(upcoming.len());
        for length in upcoming {
            segments.push(match length {
                0 => Ciphertexts::default(),
                _ => match tables.recv() {
                    Ok(table) => table,
                    Err(mpsc::RecvError) => return Ok(()), // receiving failed and says why
                },
            });
        }
        evaluator.evaluate(&segments)?;
        for buffer in segments {
            let _ = back.send(buffer); // receiving may be done, and then needs no buffers
        }
    }
}
