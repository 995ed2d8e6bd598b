//! How sums are rounded whose lowest bits are dropped: by chance, right on the average, with some noise.

use xonn_crypto::garble::Scheme;
use xonn_protocols::planner;

use super::Errors;
use super::opened::Opened;
use crate::common::{Links, dice};
use crate::draw::numbers::one_layer;

/// Rounding by chance of a number whose fraction may be anything has a deviation of 1 / sqrt 6 = 0.408; noise
/// adds at most an eighth to it: 0.427.
#[test]
fn rounding_is_right_on_the_average_and_deviates_as_it_should() {
    let (links, dice) = (&mut Links::new(), &mut dice(6));
    for (dense, bits) in [(true, 12), (true, 15), (false, 12)] {
        let mut errors = Errors::default();
        for seed in 0..6 {
            let drawn = one_layer(seed, dense, bits);
            let (plan, stop) = planner::on_shares_until(&drawn.program, Scheme::ALL[0]).expect("a plan");
            assert_eq!(stop, None);
            for sample in &drawn.samples {
                Opened::new(&plan, &drawn).run(sample, links, dice, &mut errors, seed);
            }
        }
        let (mean, std) = (errors.mean(), errors.std());
        println!("dense {dense}, {bits} bits: {} numbers, mean {mean:.4}, std {std:.4}", errors.count);
        let of_mean = 0.43 / (errors.count as f64).sqrt();
        assert!(mean.abs() < 5.0 * of_mean, "mean {mean}, {of_mean} expected of {}", errors.count);
        assert!((0.39..0.44).contains(&std), "std {std}");
        assert!(errors.largest < 2.0, "{errors:?}");
    }
}
