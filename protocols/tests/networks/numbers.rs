//! Networks of hidden numbers on shares. Every stage is run by two hosts whose shares the test puts together:
//! each number that is left is that of the layer on the numbers that were read, but for one unit of rounding
//! where bits are dropped, and for the noise of sums.

mod classes;
mod opened;
mod plans;
mod rounding;

use xonn_crypto::garble::Scheme;
use xonn_program::evaluate::tensors as clear;
use xonn_program::{OutputEncoding, Prediction};
use xonn_protocols::planner;

use crate::common::{Links, dice};
use crate::draw::Drawn;
use crate::draw::numbers::{Shown, network};
use opened::Opened;

/// How far off a layer's numbers may be: of what its stage drops bits from.
#[derive(Default, Debug)]
pub struct Errors {
    pub count: u64,
    pub sum: f64,
    pub squares: f64,
    pub largest: f64,
}

impl Errors {
    pub fn add(&mut self, error: f64) {
        self.count += 1;
        self.sum += error;
        self.squares += error * error;
        self.largest = self.largest.max(error.abs());
    }

    pub fn mean(&self) -> f64 {
        self.sum / self.count as f64
    }

    pub fn std(&self) -> f64 {
        (self.squares / self.count as f64 - self.mean().powi(2)).sqrt()
    }
}

#[test]
fn random_networks_of_numbers_are_their_layers() {
    let (links, dice) = (&mut Links::new(), &mut dice(5));
    let (mut errors, mut kinds) = (Errors::default(), std::collections::BTreeMap::<String, usize>::new());
    let (mut classes, mut same, mut none) = (0, 0, 0);
    for seed in 0..60 {
        let (drawn, shown) = network(seed);
        let Drawn { program, tensors, samples } = &drawn;
        let (plan, stop) = match planner::on_shares_until(program, Scheme::ALL[0]) {
            Ok(plan) => plan,
            // Sums of the first layer may be too large for any ring.
            Err(refused) if refused.layer == 1 && refused.reason.starts_with("no ring of the menu") => {
                none += 1;
                continue;
            }
            Err(refused) => panic!("network {seed}: {refused}: {:#?}", program.layers()),
        };
        for stage in &plan.stages {
            let ops = stage.layers.iter().map(|&layer| program.layers()[layer].op.name());
            let what = ops.collect::<Vec<_>>().join("+");
            *kinds.entry(format!("{} {what}", stage.how.protocol().name())).or_default() += 1;
        }
        if let Some(stop) = stop {
            *kinds.entry(format!("stopped: {stop}")).or_default() += 1;
        }
        for sample in samples {
            let mut opened = Opened::new(&plan, &drawn);
            let answer = opened.run(sample, links, dice, &mut errors, seed);
            let expected = clear(program.layers(), tensors, sample).pop().expect("a layer");
            if let (Shown::Class, OutputEncoding::Argmax { .. }) = (shown, program.output()) {
                classes += 1;
                same += usize::from(answer == program.evaluated(expected).prediction(program.output()));
            } else if let Prediction::Scores(scores) = answer {
                assert_eq!(scores.len(), expected.len());
            }
        }
    }
    println!(
        "{kinds:#?}\n{errors:?}, mean {:.4}, std {:.4}; {same} of {classes} classes",
        errors.mean(),
        errors.std()
    );
    assert!(none <= 6, "{none} networks are not on shares");
    assert!(same * 10 >= classes * 8 && classes >= 20, "{same} of {classes} classes");
    let needed = [
        "rlwe dense+offset+round",
        "rlwe conv2d+offset+round",
        "rlwe conv2d+round",
        "numbers relu",
        "numbers clamp",
        "numbers leaky_relu",
        "numbers max_pool2d",
        "numbers max_pool2d+relu",
        "numbers square+round",
        "numbers product+round",
        "numbers spline",
        "numbers max_pool2d+spline",
        "numbers round",
        "rlwe scale+round",
        "local round",
    ];
    for kind in needed {
        assert!(kinds.contains_key(kind), "{kind}: {kinds:#?}");
    }
    assert!(errors.largest < 2.0, "{errors:?}");
}
