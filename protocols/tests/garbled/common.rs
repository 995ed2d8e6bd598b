//! Two hosts of one stage, in two threads.

use rand::{Rng as _, RngExt as _, SeedableRng as _};
use xonn_crypto::garble::Scheme;
use xonn_crypto::share::RingTensor;
use xonn_program::evaluate::tensors;
use xonn_program::{Kind, LayerId, Program, Tensor};
use xonn_protocols::garbled::Garbled;
use xonn_protocols::link::{ClientLink, ServerLink};
use xonn_protocols::plan::{How, Stage};
use xonn_protocols::protocol::{
    ClientContext, ClientSide, Phase, Protocol as _, ProtocolError, Rows, ServerContext, ServerSide,
};
use xonn_protocols::steps::rows::{ReceiverRows, SenderRows};
use xonn_protocols::value::{ClientValue, Form, Ring, ServerValue};
use xonn_protocols::wire::Memory;

use crate::end::End;
pub use crate::end::Tamper;

pub type Dice = chacha20::ChaCha12Rng;

pub fn dice(seed: u64) -> Dice {
    Dice::seed_from_u64(seed)
}

/// A connection with so many rows.
pub struct Links {
    server: ServerLink,
    client: ClientLink,
    /// What more rows are drawn from: others each time.
    rngs: [Dice; 2],
}

impl Links {
    pub fn new(leaves: usize) -> Self {
        let rows = Rows { leaves, masks: 0, tweaks: 0 };
        let [mut to_client, mut to_server] = Memory::pair();
        std::thread::scope(|scope| {
            let server =
                scope.spawn(move || ServerLink::set_up([7; 32], rows, &mut to_client, &mut dice(1)).unwrap());
            let client = ClientLink::set_up([7; 32], rows, &mut to_server, &mut dice(2)).unwrap();
            Self { server: server.join().unwrap(), client, rngs: [dice(3), dice(4)] }
        })
    }
}

/// The values of what a stage reads, as the server and the client hold them.
pub type Reads = Vec<(ServerValue, ClientValue)>;

/// What came of a prediction.
pub struct Outcome {
    pub output: Result<Vec<bool>, ProtocolError>,
    pub server: Result<(), ProtocolError>,
    /// The messages: the server's, the client's.
    pub messages: [Vec<Vec<u8>>; 2],
}

/// A stage of a garbled circuit.
pub fn stage(layers: Vec<LayerId>, reads: Vec<(LayerId, Form)>, scheme: Scheme) -> Stage {
    Stage { layers, reads, leaves: Form::Output, how: How::Garbled { scheme } }
}

/// Both sides of a stage.
#[derive(Clone)]
pub struct Hosts {
    pub server: std::sync::Arc<dyn ServerSide>,
    pub client: std::sync::Arc<dyn ClientSide>,
    /// What is done ahead of the input.
    pub phases: Vec<Phase>,
}

impl Hosts {
    pub fn new(stage: &Stage, program: &Program, tensors: &[Tensor]) -> Self {
        let server = Garbled.server(stage, program, tensors).unwrap();
        let client = Garbled.client(stage, program).unwrap();
        assert_eq!(server.rows(), client.rows());
        Self { server, client, phases: Phase::ALL.to_vec() }
    }

    /// The same, of which nothing is kept for later: message Four comes with the output.
    pub fn at_once(self) -> Self {
        let run = (self.server.begin(), self.client.begin());
        assert!(run.0.sends_late() && run.1.receives_late());
        Self { phases: Phase::ALL.into_iter().filter(|&phase| phase != Phase::Four).collect(), ..self }
    }

    /// A prediction; `values` are those of the stage's reads.
    pub fn predict(
        &self,
        links: &mut Links,
        values: &[(ServerValue, ClientValue)],
        tamper: Tamper<'_>,
    ) -> Outcome {
        let rows = self.server.rows();
        let [mut to_client, mut to_server] = Memory::pair();
        let Links { server: at_server, client: at_client, rngs: [server_rng, client_rng] } = links;
        // Each host hangs up when it is done.
        std::thread::scope(|scope| {
            let server = scope.spawn(move || {
                let reserved = at_server.reserve(rows, 1, &mut to_client, server_rng).unwrap();
                let delta = at_server.delta().unwrap();
                let mut wire = End::new(to_client, true, tamper);
                let context = ServerContext {
                    wire: &mut wire,
                    rng: &mut dice(5),
                    link: at_server,
                    kept: &mut None,
                    leaves: SenderRows::new(&reserved[0].leaves, delta),
                    masks: ReceiverRows::new(&reserved[0].masks),
                    tweaks: at_server.tweaks(reserved[0].first_tweak),
                };
                (self.at_server(context, values), wire.sent.messages)
            });
            let reserved = at_client.reserve(rows, 1, &mut to_server, client_rng).unwrap();
            let delta = at_client.delta().unwrap();
            let mut wire = End::new(to_server, false, tamper);
            let context = ClientContext {
                wire: &mut wire,
                rng: &mut dice(6),
                link: at_client,
                kept: &mut None,
                leaves: ReceiverRows::new(&reserved[0].leaves),
                masks: SenderRows::new(&reserved[0].masks, delta),
                tweaks: at_client.tweaks(reserved[0].first_tweak),
            };
            let output = self.at_client(context, values);
            let of_client = std::mem::take(&mut wire.sent.messages);
            drop(wire);
            let (server, of_server) = server.join().expect("the server does not panic");
            Outcome { output, server, messages: [of_server, of_client] }
        })
    }

    fn at_server(
        &self,
        mut context: ServerContext<'_>,
        values: &[(ServerValue, ClientValue)],
    ) -> Result<(), ProtocolError> {
        let mut run = self.server.begin();
        for &phase in &self.phases {
            run.prepare(phase, &mut context)?;
        }
        let reads: Vec<&ServerValue> = values.iter().map(|(value, _)| value).collect();
        run.run(&mut context, &reads).map(|_| ())
    }

    fn at_client(
        &self,
        mut context: ClientContext<'_>,
        values: &[(ServerValue, ClientValue)],
    ) -> Result<Vec<bool>, ProtocolError> {
        let mut run = self.client.begin();
        let known = values.iter().map(|(_, value)| Some(value).filter(|value| value.share().is_some()));
        let known: Vec<Option<&ClientValue>> = known.collect();
        for &phase in &self.phases {
            assert!(run.prepare(phase, &mut context, &known)?.is_none(), "nothing is known ahead");
        }
        let reads: Vec<&ClientValue> = values.iter().map(|(_, value)| value).collect();
        match run.run(&mut context, &reads)? {
            Some(ClientValue::Output(bits)) => Ok(bits),
            other => panic!("{other:?} is no output"),
        }
    }
}

/// A value in shares at random: any t of its span, noise below the fraction.
pub fn share(values: &[i64], ring: Ring, dice: &mut Dice) -> (ServerValue, ClientValue) {
    let (mut y0, mut y1, mut offsets) = (Vec::new(), Vec::new(), Vec::new());
    for &value in values {
        let t = match dice.next_u64() % 4 {
            0 => 0,
            1 => ring.span,
            _ => dice.next_u64() % (ring.span + 1),
        };
        let noise = dice.next_u64() % (1 << ring.fraction);
        let client = dice.next_u64();
        y1.push(client);
        y0.push((t << ring.fraction).wrapping_add(noise).wrapping_sub(client));
        offsets.push(value - ring.step * t as i64);
    }
    let share = |y| RingTensor::new(ring.bits, y).unwrap();
    (ServerValue::Shares { share: share(y0), offsets: offsets.into() }, ClientValue::Shares(share(y1)))
}

/// A ring for the tensor of a layer.
pub fn ring(program: &Program, layer: LayerId, dice: &mut Dice) -> Ring {
    let layer = &program.layers()[layer];
    if layer.kind == Kind::Bit {
        return Ring::of_bits(dice.random_range(1..=9));
    }
    let range = layer.kind.range();
    let step: i64 = [1, 1, 2, 2, 3, 4][dice.random_range(0..6usize)];
    let span = range.lo.abs_diff(range.hi) / step as u64;
    let fraction = dice.random_range(0..=3);
    let whole = (64 - span.leading_zeros()).max(1) + dice.random_range(0..=2);
    Ring { bits: whole + fraction, fraction, terms: u32::from(fraction > 0), step, span }
}

/// The layers that a stage reads, and how.
pub type Held = Vec<(LayerId, Form)>;

/// What a stage reads of an input: layer 0 is the client's own, all others are in shares at random.
pub fn held(
    (program, model): (&Program, &[Tensor]),
    sample: &[i64],
    reads: &[LayerId],
    dice: &mut Dice,
) -> (Held, Reads) {
    let all = tensors(program.layers(), model, sample);
    let (mut held, mut values) = (Vec::new(), Vec::new());
    for &layer in reads {
        if layer == 0 {
            held.push((layer, Form::Client));
            values.push(client_input(sample));
        } else {
            let ring = ring(program, layer, dice);
            held.push((layer, Form::Shares(ring)));
            values.push(share(&all[layer], ring, dice));
        }
    }
    (held, values)
}

/// An input that its client has in the clear.
pub fn client_input(sample: &[i64]) -> (ServerValue, ClientValue) {
    (ServerValue::Nothing, ClientValue::Clear(sample.to_vec().into()))
}

/// The layers behind `cut`, and the ones before it that they read.
pub fn cut(program: &Program, cut: LayerId) -> (Vec<LayerId>, Vec<LayerId>) {
    let last = program.layers().len() - 1;
    if cut == last {
        return (vec![last], vec![last]);
    }
    let layers: Vec<LayerId> = (cut + 1..=last).collect();
    let read = |id: &LayerId| layers.iter().any(|&layer| program.layers()[layer].reads.contains(id));
    let reads = (0..=cut).filter(read).collect();
    (layers, reads)
}
