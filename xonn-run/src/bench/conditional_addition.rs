//! A first layer by oblivious conditional addition beside the same layer garbled.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rand::Rng;

use super::first_layer::{dense, tensors};
use super::{MeasureError, RUNS, Roles, Row, measure_units, rate};
use xonn_crypto::block::Backend;
use xonn_crypto::garble::Scheme;
use xonn_crypto::share::RingTensor;
use xonn_program::circuit;
use xonn_protocols::link::{ClientLink, ServerLink};
use xonn_protocols::plan::How;
use xonn_protocols::planner;
use xonn_protocols::protocol::{
    ClientContext, ClientSide, Kept, Phase, Protocol, ProtocolError, Rows, ServerContext, ServerSide, SetUp,
};
use xonn_protocols::steps::rows::{ReceiverRows, SenderRows};
use xonn_protocols::value::{ClientValue, Form, ServerValue};
use xonn_protocols::weight_ot::WeightOt;
use xonn_protocols::wire::Memory;

/// The layer measured, that of BM1: inputs, their bits, neurons.
const LAYER: (usize, u32, usize) = (784, 8, 128);

/// How fast a dense first layer over 8-bit numbers is, on one thread with the fastest backend: by oblivious
/// conditional addition, at the client (which sends) and at the server, and garbled by each of `schemes`.
/// Rates are millions of weights a second; each weight is one conditional addition.
///
/// # Errors
/// Never with an honest peer, which this is.
///
/// # Panics
/// If no thread can be started.
pub fn measure_first_layer(schemes: &[Scheme]) -> Result<Vec<Row>, MeasureError> {
    let (inputs, bits, neurons) = LAYER;
    let additions = (inputs * neurons) as u64;
    let (program, rng) = (dense(inputs, bits, neurons).expect("the layer is small"), &mut rand::rng());
    let plan = planner::by_weight_ot(&program, Scheme::ALL[0]).expect("it adds up its input");
    let stage = plan.stages.iter().find(|stage| stage.how == How::WeightOt).expect("the plan is for that");
    let Form::Shares(reads) = stage.reads[0].1 else { unreachable!("it reads shares") };
    let cost = WeightOt.cost(stage, &program).expect("it is of its protocol");
    let server = WeightOt.server(stage, &program, &tensors(inputs, neurons, rng)).expect("as above");
    let client = WeightOt.client(stage, &program).expect("as above");
    let mut hosts = Hosts::connect(server, client)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread can be started");
    let mut run = || {
        let mut random = || {
            let numbers = (0..inputs).map(|_| rng.next_u64()).collect();
            RingTensor::new(reads.bits, numbers).expect("few bits")
        };
        let (mask, share) = (ClientValue::Shares(random()), random());
        let read = ServerValue::Shares { share, offsets: vec![0; inputs].into() };
        pool.install(|| hosts.predict(&mask, &read))
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
            bytes: Some(cost.offline.bytes() as f64 / additions as f64),
        }
        .with_both(),
    ];
    let circuit = circuit::lower(&program).expect("the layer is small");
    let garbled = |&scheme: &Scheme| {
        let what = format!("{what}, gc");
        measure_units(&what, &circuit, ("addition", additions), scheme, Backend::best(), 1)
    };
    rows.extend(schemes.iter().map(garbled));
    Ok(rows)
}

/// Both hosts of a connection in memory.
struct Hosts {
    server: Arc<dyn ServerSide>,
    client: Arc<dyn ClientSide>,
    links: (ServerLink, ClientLink),
    kept: [Kept; 2],
    wires: [Memory; 2],
}

impl Hosts {
    fn connect(server: Arc<dyn ServerSide>, client: Arc<dyn ClientSide>) -> Result<Self, ProtocolError> {
        let (session, [mut to_client, mut to_server]) = ([0; 32], Memory::pair());
        let [mut server_kept, mut client_kept]: [Kept; 2] = [None, None];
        let (of_server, of_client) = thread::scope(|scope| {
            let serving = scope.spawn(|| {
                let rng = &mut rand::rng();
                let link = ServerLink::set_up(session, Rows::default(), &mut to_client, rng)?;
                for step in [SetUp::Asks, SetUp::Answers] {
                    server.set_up(step, &session, &mut server_kept, &mut to_client, rng)?;
                }
                Ok::<_, ProtocolError>(link)
            });
            let mut asking = || {
                let rng = &mut rand::rng();
                let link = ClientLink::set_up(session, Rows::default(), &mut to_server, rng)?;
                for step in [SetUp::Asks, SetUp::Answers] {
                    client.set_up(step, &session, &mut client_kept, &mut to_server, rng)?;
                }
                Ok::<_, ProtocolError>(link)
            };
            let link = asking();
            (serving.join().expect("a host does not panic"), link)
        });
        let (links, kept) = ((of_server?, of_client?), [server_kept, client_kept]);
        Ok(Self { server, client, links, kept, wires: [to_client, to_server] })
    }

    /// What the client and the server take for a prediction.
    fn predict(&mut self, mask: &ClientValue, share: &ServerValue) -> Result<[Duration; 2], ProtocolError> {
        let ([server_kept, client_kept], [to_client, to_server]) = (&mut self.kept, &mut self.wires);
        let ((server_link, client_link), rng) = (&self.links, &mut rand::rng());
        let begin = Instant::now();
        let context = &mut ClientContext {
            wire: to_server,
            rng,
            link: client_link,
            kept: client_kept,
            leaves: ReceiverRows::new(&[]),
            masks: SenderRows::new(&[], client_link.delta()?),
            tweaks: client_link.tweaks(0),
        };
        let mut run = self.client.begin();
        for phase in Phase::ALL {
            run.prepare(phase, context, &[Some(mask)])?;
        }
        run.run(context, &[mask])?;
        let (client, begin) = (begin.elapsed(), Instant::now());
        let context = &mut ServerContext {
            wire: to_client,
            rng,
            link: server_link,
            kept: server_kept,
            leaves: SenderRows::new(&[], server_link.delta()?),
            masks: ReceiverRows::new(&[]),
            tweaks: server_link.tweaks(0),
        };
        let mut run = self.server.begin();
        for phase in Phase::ALL {
            run.prepare(phase, context)?;
        }
        run.run(context, &[share])?;
        Ok([client, begin.elapsed()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditional_addition_is_measured_beside_both_schemes() {
        let rows = measure_first_layer(&Scheme::ALL).expect("both hosts are honest");
        let [oca, half, three] = &rows[..] else { panic!("{} rows", rows.len()) };
        // A sum has 18 bits and a sign, so each weight 18; and a digest.
        let weights = (LAYER.0 * LAYER.2) as f64;
        assert_eq!(oca.bytes, Some((weights * 18.0 / 8.0 + 32.0) / weights));
        assert!(oca.bytes < three.bytes && three.bytes < half.bytes);
        assert!(rows.iter().all(|row| row.both_ns.is_some_and(|time| time > 0.0)));
    }
}
