//! Predictions whose first layers are by conditional addition are those of the integers.

use xonn_crypto::garble::Scheme;
use xonn_protocols::planner;

use crate::common::{compile, fixture, samples};
use crate::fixtures::MODELS;
use crate::on_shares::{are_the_integers, bundled_model, run};

#[test]
fn fixtures_by_weight_ot_give_the_integers() {
    let mut run = 0;
    for &(model, data) in MODELS {
        let network = compile(&fixture(model)).unwrap_or_else(|e| panic!("{model}: {e}"));
        let (_, q) = samples(&fixture(data), network.input());
        let how = (planner::by_weight_ot as _, Scheme::ALL[run % Scheme::ALL.len()]);
        run += usize::from(are_the_integers(model, &network, how, &q[..4], run % 3));
    }
    assert!(run >= 25, "only {run} models have such first layers");
}

#[test]
fn bm1_by_weight_ot_gives_the_integers_in_the_bytes_that_are_told() {
    for scheme in Scheme::ALL {
        let (network, samples) = bundled_model("bm1", 5);
        let plan = planner::by_weight_ot(network.program(), scheme).expect("it adds up its input");
        let cost = plan.cost(network.program()).expect("our own plan");
        let all = |count: usize| run(&network, plan.clone(), &samples[..count], 0).1;
        assert!(are_the_integers("bm1", &network, (planner::by_weight_ot, scheme), &samples, 2));
        println!("{scheme}: {cost:?}");
        println!(
            "first {} (told {}), further {} (told {})",
            all(1),
            cost.first().bytes(),
            (all(5) - all(1)) / 4,
            cost.further().bytes()
        );
    }
}
