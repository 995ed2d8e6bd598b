//! The margin means something: with too small a ring wrong results are seen, and the server refuses to run
//! it.

use rand::RngExt;
use xonn_crypto::rlwe::encode::{Geometry, Layout, Packing as Packed};
use xonn_crypto::rlwe::{ClientKey, Params, Role, Rounding, ServerKey, Weights};
use xonn_crypto::share::RingTensor;
use xonn_program::op::{Linear, Planes};
use xonn_protocols::protocol::Protocol as _;
use xonn_protocols::rlwe::{self, Choice, Packing, Rlwe};

use crate::common::{Reads, program, rng, stage, tensors, weight};

/// How many of a dense layer's results are wrong in this ring, without anybody asking for a margin.
fn wrong(linear: &Linear, choice: &Choice, rounds: usize) -> (usize, usize) {
    let rng = &mut rng(9);
    let Packing::Dense([inputs, rows]) = choice.packing else { panic!() };
    let packing = Packed::Dense { inputs: inputs as usize, rows: rows as usize };
    let geometry = Geometry::dense(linear.fan_in(), linear.filters);
    let layout = Layout::new(geometry, packing, choice.params.n()).unwrap();
    let [ga, gb] = choice.guard;
    let rounding = Rounding::new(choice.params, choice.bits, choice.fraction as i32, ga, gb).unwrap();
    let (key, message) = ClientKey::generate(choice.params, b"noise", Role::B, rng);
    let server = ServerKey::receive(choice.params, b"noise", Role::B, &message).unwrap();
    let (mut wrong, mut all) = (0, 0);
    for _ in 0..rounds {
        let weights: Vec<i64> =
            (0..linear.weight_count()).map(|_| i64::from(weight(linear.weights, rng))).collect();
        let transformed = Weights::new(choice.params, &layout, &weights).unwrap();
        let t: Vec<u64> = (0..linear.fan_in()).map(|_| rng.random_range(0..2)).collect();
        let r = RingTensor::new(choice.bits, t.iter().map(|_| rng.random()).collect()).unwrap();
        let y0 = RingTensor::new(choice.bits, t.clone()).unwrap().sub(&r).unwrap();
        let masks = key.encrypt(choice.bits, &layout.encode_inputs(r.values()).unwrap(), rng).unwrap();
        let masks = server.masks(&layout, &masks).unwrap();
        let (answer, kept) = server.respond(&layout, &transformed, &rounding, &masks, rng).unwrap();
        let y1 = key.decrypt(&layout, &rounding, &answer).unwrap();
        let sums = |x: &[u64]| -> Vec<i64> {
            let row = |w: &[i64]| w.iter().zip(x).map(|(&w, &x)| w.wrapping_mul(x as i64)).sum();
            weights.chunks(linear.fan_in()).map(row).collect()
        };
        let shares = kept.into_shares(&sums(y0.values())).unwrap();
        for ((&y0, &y1), &expected) in shares.iter().zip(y1.iter()).zip(&sums(&t)) {
            let t = (y0 + y1) >> choice.fraction;
            all += 1;
            wrong += usize::from((t ^ expected as u64) & ((1 << choice.bits) - 1) != 0);
        }
    }
    (wrong, all)
}

#[test]
fn too_small_a_ring_is_seen_and_refused() {
    let linear = Linear::dense(1024, 16, Planes::Sign);
    let (program, reads) = (program(linear, Reads::Bits), Reads::Bits);
    let packing = Packing::Dense([512, 2]);
    let choice = |params| Choice { params, bits: 12, fraction: 1, guard: [8, 3], packing };
    let small = choice(Params::N1024Q21);
    let (seen, all) = wrong(&linear, &small, 10);
    assert!(seen > all / 20, "{seen} of {all} wrong");
    let (seen, all) = wrong(&linear, &choice(Params::N1024Q26), 10);
    assert_eq!(seen, 0, "of {all}");

    let secret = tensors(&linear, reads, vec![1; linear.weight_count()]);
    let refused = |choice| {
        let stage = stage(&linear, reads.ring(14), choice);
        Rlwe.server(&stage, &program, &secret).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(refused(choice(Params::N1024Q26)), Ok(()));
    let reason = refused(small).unwrap_err();
    assert!(reason.starts_with("layer 2: noise with a margin of 0."), "{reason}");
}

#[test]
fn sums_of_several_need_more() {
    let linear = Linear::dense(64, 32, Planes::Sign);
    let find = |terms| rlwe::search(&linear, 1, 1, 8.0, terms).unwrap();
    for terms in [1, 2, 3, 4, 9] {
        let choice = find(terms);
        assert!(2 * terms <= 1 << choice.fraction, "{choice:?}");
        let weights = vec![1; linear.weight_count()];
        let margin = rlwe::margin(&linear, &choice, &weights, terms).unwrap();
        assert!(margin >= 8.0, "{margin}");
        // more of them fail in the same choice
        assert!(rlwe::margin(&linear, &choice, &weights, 16 * terms).unwrap() < 8.0);
    }
    assert!(rlwe::search(&linear, 1 << 40, 1, 8.0, 1).is_none(), "no ring is as large");
    assert!(rlwe::search(&linear, u64::MAX, 1, 8.0, 1).is_none(), "its span overflows");
    assert!(rlwe::search(&linear, 1, u32::MAX, 8.0, 1).is_none());
    assert!(rlwe::search(&linear, 1, 1, 8.0, u32::MAX).is_none());
}
