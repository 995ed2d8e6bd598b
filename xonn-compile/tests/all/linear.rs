//! What a package says about its first layer's sums is what their netlists compute.
//!
//! A protocol that works on shares follows the description, one that garbles follows the netlist: on any
//! input, and for any weights and constants, both must come to the same bits.

use crate::common::{compile, fixture};
use xonn_circuits::eval::evaluate_bits;
use xonn_circuits::tiled::{Linear, Source, Tile, TiledCircuit};

/// Random draws for each tile.
const DRAWS: usize = 40;

/// SplitMix64, which is random enough to choose test inputs.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

fn number(bits: &[bool]) -> u64 {
    bits.iter().rev().fold(0, |number, &bit| number << 1 | u64::from(bit))
}

fn bits(number: u64, count: u32) -> impl Iterator<Item = bool> {
    (0..count).map(move |k| number >> k & 1 == 1)
}

/// The sum as the description says it, number by number and sign by sign.
fn sum(linear: &Linear, numbers: &[bool], signs: &[bool], addend: &[bool]) -> u64 {
    let planes = linear.shifts.len();
    let mut total = number(addend);
    for (number_bits, signs) in numbers.chunks(linear.width as usize).zip(signs.chunks(planes)) {
        let mut u = number(number_bits);
        if linear.top_inverted {
            u ^= 1 << (linear.width - 1);
        }
        for (&sign, &shift) in signs.iter().zip(&linear.shifts) {
            total += (if sign { linear.largest() - u } else { u }) << shift;
        }
    }
    total
}

fn check(program: &TiledCircuit, tile: &Tile, rng: &mut Draws, name: &str) {
    let linear = tile.linear.as_ref().expect("it was asked for");
    let lengths: Vec<usize> = tile.inputs.iter().map(|port| port.map.len() as usize).collect();
    let split: usize = lengths[..linear.summed()].iter().sum();
    let mut fired = 0;
    for draw in 0..DRAWS {
        let mut inputs: Vec<bool> = (0..lengths.iter().sum()).map(|_| rng.next() & 1 == 1).collect();
        match draw {
            0 => inputs[..split].fill(false),
            1 => {
                // The largest sum that there is, but for a sign bit.
                inputs[..split].fill(true);
                inputs[lengths[0]..lengths[0] + lengths[1]].fill(false);
            }
            _ => {}
        }
        let (numbers, others) = inputs[..split].split_at(lengths[0]);
        let (signs, addend) = others.split_at(lengths[1]);
        let total = sum(linear, numbers, signs, addend);
        assert!(total >> linear.bits == 0, "{name}: {total} does not fit {} bits", linear.bits);
        let share = rng.next();
        let shares = [share, total.wrapping_sub(share)].into_iter().flat_map(|s| bits(s, linear.bits));
        let shared: Vec<bool> = shares.chain(inputs[split..].iter().copied()).collect();
        let clear = evaluate_bits(program.template(tile), &inputs);
        let from_shares = &program.templates()[linear.shared as usize];
        let from_shares = evaluate_bits(from_shares, &shared);
        assert_eq!(clear, from_shares, "{name}");
        fired += usize::from(clear[0]);
    }
    assert!(fired > 0, "{name}: one answer everywhere shows nothing");
}

#[test]
fn a_first_layers_description_is_its_netlist() {
    let mut rng = Draws(1);
    // Dense and convolutions; padded borders; pools before and behind the threshold; sums that are stored,
    // not compared; groups; ternary weights and weights of several bits; a threshold that stands apart.
    let models = [
        "tiny_mlp.h5",
        "bare_norm.h5",
        "stock_dense.h5",
        "conv_valid.h5",
        "conv_same.h5",
        "conv_pad_one.h5",
        "conv_pool_before.h5",
        "conv_pool_after.h5",
        "conv_depthwise.h5",
        "conv_groups.h5",
        "conv_average.h5",
        "residual_integer.h5",
        "real_weights.h5",
        "ternary.h5",
        "max_pool_numbers.h5",
        "standardised.h5",
    ];
    let (mut planes, mut kinds, mut corrected, mut signed) = (0, std::collections::HashSet::new(), 0, 0);
    for name in models {
        let network = compile(&fixture(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let program = network.lower().unwrap_or_else(|e| panic!("{name}: {e}")).circuit;
        for layer in program.layers() {
            for tile in layer.tiles.iter().filter(|tile| tile.linear.is_some()) {
                check(&program, tile, &mut rng, name);
                let linear = tile.linear.as_ref().expect("filtered");
                planes = planes.max(linear.shifts.len());
                corrected += usize::from(layer.info.kind.contains("threshold") && layer.tiles.len() > 1);
                signed += usize::from(linear.top_inverted);
                kinds.insert(layer.info.kind.split(',').next().unwrap_or_default().to_owned());
            }
            let reads_input = |tile: &&Tile| tile.inputs.iter().any(|p| p.source == Source::Input);
            let secret = |tile: &&Tile| tile.inputs.iter().any(|p| p.source == Source::Secret);
            let described = layer.tiles.iter().filter(reads_input).filter(secret).all(|b| b.linear.is_some());
            assert!(
                described || !layer.info.kind.contains("dense") && !layer.info.kind.contains("conv"),
                "{name}"
            );
        }
    }
    println!("{planes} planes, {corrected} border classes, {signed} signed, {kinds:?}");
    assert!(planes > 2 && corrected > 0, "several planes, and padded borders");
    for kind in ["dense + threshold", "conv2d + threshold", "conv2d"] {
        assert!(kinds.contains(kind), "no {kind} among {kinds:?}");
    }
}
