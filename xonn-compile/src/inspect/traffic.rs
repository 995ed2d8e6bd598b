//! Bytes of a prediction, message by message: all garbled, and with first layers by conditional addition.

use xonn_circuits::knowledge::AndCosts;
use xonn_circuits::tiled::TiledCircuit;
use xonn_circuits::tiled::traffic::{Traffic, decoding};
use xonn_crypto::garble::Scheme;
use xonn_program::circuit::{self, Held, Sharing};
use xonn_program::{LayerId, Program};
use xonn_protocols::plan::Stage;
use xonn_protocols::planner::{Candidate, Way};
use xonn_protocols::value::Form;

/// Of each protocol and scheme, the garbled ones first; `circuit` is the program's.
#[must_use]
pub fn of(program: &Program, circuit: &TiledCircuit) -> Vec<Traffic> {
    let mut all = Traffic::of(circuit).to_vec();
    let plans: Vec<Traffic> = Scheme::ALL
        .into_iter()
        .filter_map(|scheme| {
            let plan = Way::WeightOt.plan(program, scheme).ok()?;
            let garbled = all.iter().find(|way| way.scheme == scheme.to_string())?;
            Some(by_weight_ot(&plan, program, circuit, garbled.scheme))
        })
        .collect();
    all.extend(plans);
    all
}

fn by_weight_ot(
    Candidate { plan, cost, .. }: &Candidate,
    program: &Program,
    circuit: &TiledCircuit,
    scheme: &'static str,
) -> Traffic {
    let (last, before) = cost.stages.split_last().expect("a plan has stages");
    let further = cost.further().bytes();
    let corrections = before.iter().map(|stage| stage.offline.bytes() + stage.online.bytes()).sum();
    // In front of the tables comes a block for each bit of the client's share, and one more, the start point
    // of the hash: as many as the circuit has rows, since one row is for the key of the output.
    let by_rows = 16 * last.rows.leaves as u64;
    let (tables, decoding) = (last.offline.down - by_rows, decoding(circuit.output_bits() as u64));
    Traffic {
        first_layer: "oca",
        clients: "semi-honest",
        scheme,
        and: ands(plan.stages.last().expect("as above"), program),
        tables,
        labels: further - corrections - tables - decoding,
        corrections,
        decoding,
        inference: further,
        connection: cost.first().bytes() - further,
    }
}

/// The gates of a stage's circuit.
fn ands(stage: &Stage, program: &Program) -> AndCosts {
    let held = |&(layer, form): &(LayerId, Form)| match form {
        Form::Client => (layer, Held::Client),
        Form::Shares(ring) => {
            let (bits, fraction, step, span) = (ring.bits, ring.fraction, ring.step, ring.span);
            (layer, Held::Shares(Sharing { bits, fraction, step, span }))
        }
        Form::Output => unreachable!("no stage reads the output"),
    };
    let reads: Vec<_> = stage.reads.iter().map(held).collect();
    let run = circuit::run(program, &stage.layers, &reads).expect("the plan's cost is that of this circuit");
    run.circuit().costs()
}
