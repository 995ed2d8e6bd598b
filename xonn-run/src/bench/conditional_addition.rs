//! A first layer by oblivious conditional addition beside the same layer garbled.

use std::time::{Duration, Instant};

use rand::RngExt;

use super::{FirstLayerShape, MeasureError, RUNS, Roles, Row, connect, measure_units, rate};
use crate::oca::{self, Oca, receiver, sender};
use xonn_crypto::block::Backend;
use xonn_crypto::garble::Scheme;

/// The layer measured, that of BM1: inputs, their bits, neurons.
const LAYER: (u32, u32, u32) = (784, 8, 128);

/// A dense first layer over 8-bit numbers on one thread and the fastest backend, in millions of conditional additions, that is
/// of weights, a second: by oblivious conditional addition (the client sends, the server receives) and garbled by each of `schemes`.
///
/// # Errors
/// Never with an honest peer, which this is.
///
/// # Panics
/// If no thread can be started.
pub fn measure_first_layer(schemes: &[Scheme]) -> Result<Vec<Row>, MeasureError> {
    let (inputs, width, neurons) = LAYER;
    let additions = u64::from(inputs) * u64::from(neurons);
    let program = FirstLayerShape::dense(inputs, width, neurons).program().expect("the layer is small");
    let oca = Oca::of(&program).expect("its sums are described");
    let mut rng = rand::rng();
    let secret: Vec<bool> = (0..program.secret_bits()).map(|_| rng.random()).collect();
    let input: Vec<bool> = (0..program.input_bits()).map(|_| rng.random()).collect();
    let (mut ot_sender, mut ot_receiver) = connect(oca::params(), &mut rng)?;
    let (pending, extend) = ot_receiver.extend(&mut rng, &oca.choices(&secret))?;
    let keys = ot_sender.extend(oca.ots(), &extend)?;
    let mut client = sender::Sender::new([0; 32], keys);
    let mut server = receiver::Receiver::new([0; 32], pending);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread can be started");
    let mut run = || -> Result<[Duration; 2], MeasureError> {
        pool.install(|| {
            let (mut sent, mut received) = (Duration::ZERO, Duration::ZERO);
            let (mut sending, mut receiving) = (client.begin(&oca, &input), server.begin(&oca, &secret));
            loop {
                let begin = Instant::now();
                let part = sending.part();
                sent += begin.elapsed();
                let Some(part) = part else { break };
                let begin = Instant::now();
                receiving.part(&part)?;
                received += begin.elapsed();
            }
            receiving.finish(&sending.finish().0)?;
            Ok([sent, received])
        })
    };
    let runs = (0..RUNS).map(|_| run()).collect::<Result<Vec<_>, _>>()?;
    let what = format!("first layer {inputs} x {neurons}");
    let mut rows = vec![
        Row {
            what: format!("{what}, oca"),
            backend: Backend::best().to_string(),
            scheme: None,
            roles: Roles::Garbling,
            threads: 1,
            unit: "addition",
            garble: Some(rate(additions as f64, runs.iter().map(|run| run[0]))),
            evaluate: Some(rate(additions as f64, runs.iter().map(|run| run[1]))),
            both_ns: None,
            bytes: Some((oca.bytes() + oca::DIGEST_BYTES as u64) as f64 / additions as f64),
        }
        .with_both(),
    ];
    let garbled = |&scheme: &Scheme| {
        let what = format!("{what}, gc");
        measure_units(&what, &program, ("addition", additions), scheme, Backend::best(), 1)
    };
    rows.extend(schemes.iter().map(garbled));
    Ok(rows)
}
