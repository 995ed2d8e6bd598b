//! What is sent is what the plan says, and the closed form.

use xonn_program::op::{Linear, Planes};
use xonn_protocols::cost::{Cost, PlanCost};
use xonn_protocols::protocol::{Protocol, Rows};
use xonn_protocols::weight_ot::WeightOt;

use crate::common::{Case, rng};
use crate::layers;

fn length(messages: &[Vec<u8>]) -> u64 {
    messages.iter().map(|message| message.len() as u64).sum()
}

#[test]
fn bytes_are_those_of_the_cost() {
    for (what, case) in layers::all().into_iter().chain([("large", layers::large())]) {
        let cost = WeightOt.cost(&case.stage(), &case.program()).unwrap();
        let mut hosts = case.connect(case.weights(&mut rng(1)), 1);
        let [down, up] = [0, 1].map(|host| length(&hosts.set_up[host]));
        assert_eq!(cost.set_up, Cost { up, down, rounds: 1.0, ..cost.set_up }, "{what}");
        for _ in 0..2 {
            let sent = hosts.predict(&vec![0; case.inputs()], &vec![0; case.inputs()], &|_| {}).sent;
            assert_eq!(
                cost.offline,
                Cost { up: length(&sent), down: 0, rounds: 0.0, ..cost.offline },
                "{what}"
            );
        }
        assert_eq!((cost.online, cost.rows), (Cost::default(), Rows::default()), "{what}");
        assert_eq!((hosts.server.rows(), hosts.client.rows()), (Rows::default(), Rows::default()));
        // A plan's set-up has the stage's in it, and one round trip more for all stages that have one.
        let [without, with, twice] = [0, 1, 2].map(|stages| PlanCost::new(vec![cost; stages], &[]).set_up);
        assert_eq!((with.up - without.up, with.down - without.down), (up, down));
        assert_eq!((with.rounds, twice.rounds), (without.rounds + 1.0, with.rounds));
        assert_eq!((twice.up - without.up, twice.down - without.down), (2 * up, 2 * down));
    }
}

/// Each bit of a weight takes a correction at each position that uses the weight. A correction is a number
/// modulo that of the sums, without the low bits that are zero because the weight's bit counts 2, 4 or 8.
#[test]
fn bytes_are_those_of_the_closed_form() {
    let up = |case: &Case| WeightOt.cost(&case.stage(), &case.program()).unwrap().offline.up - 32;
    let down = |case: &Case| WeightOt.cost(&case.stage(), &case.program()).unwrap().set_up.down;
    // The first layer of BM1: 784 * 255 has 18 bits.
    let bm1 = Case::new(Linear::dense(784, 128, Planes::Sign), 1, 255);
    assert_eq!((bm1.bits, up(&bm1)), (18, 784 * 128 * 17 / 8));
    // 2 bytes an OT.
    assert_eq!(down(&bm1) - down(&Case::new(Linear::dense(784, 64, Planes::Sign), 1, 255)), 784 * 64 * 2);
    let planes = Case::new(Linear::dense(10, 3, Planes::Odd { bits: 3 }), 1, 3);
    // 10 * 7 * 3 has 8 bits: 7, 6 and 5 of c u, 2 c u and 4 c u; a filter's are filled up to a byte.
    assert_eq!((planes.bits, up(&planes)), (8, 3 * (10u64 * (7 + 6 + 5)).div_ceil(8)));
    // 10 * 1 * 3 has 5 bits, all of which both signs have.
    let ternary = Case::new(Linear::dense(10, 3, Planes::Ternary), 1, 3);
    assert_eq!((ternary.bits, up(&ternary)), (5, 3 * (10u64 * 2 * 5).div_ceil(8)));
    // 3 x 2 taps of 4 channels over 5 x 6 positions, a row or column less at the borders: 24 * 255 has 13
    // bits.
    let conv = Case::new(layers::conv(layers::SAME, 3, 1, Planes::Sign, xonn_program::op::Pad::Drop), 1, 255);
    let taps = (4 + 5 + 4) * (6 + 5);
    assert_eq!((conv.bits, up(&conv)), (13, 3 * (taps * 4 * 12u64).div_ceil(8)));
}
