//! Programs: every rule is enforced, and a flat netlist computes what the program computes.

use proptest::prelude::*;
use xonn_circuits::bristol;
use xonn_circuits::builder::Builder;
use xonn_circuits::eval::evaluate_bits;
use xonn_circuits::netlist::Netlist;
use xonn_circuits::tiled::evaluate::{LengthError, evaluate};
use xonn_circuits::tiled::flatten::flatten;
use xonn_circuits::tiled::{
    Axis, CircuitError, IndexMap, Layer, LayerInfo, Port, Source, Tile, TiledCircuit,
};

fn axis(extent: u32, stride: u64) -> Axis {
    Axis { extent, stride }
}

fn map(base: u64, outer: &[u64], inner: &[Axis]) -> IndexMap {
    IndexMap { base, outer: outer.to_vec(), inner: inner.to_vec() }
}

/// `(a ^ key) & b` of two data bits and a secret bit, and the same for a constant and a copy.
fn template() -> Netlist {
    let mut b = Builder::new();
    let (x, key) = (b.input(2), b.input(1));
    let masked = b.xor(x[0], key[0]);
    let y = b.and(masked, x[1]);
    let one = b.constant(true);
    b.finish(&[vec![y, x[0], one]])
}

/// A 3x4 image, 2x1 windows with stride 1: six instances a filter, two filters with a key each; then all 36 bits through
/// a second layer of pairs.
fn parts() -> (u64, u64, Vec<Netlist>, Vec<Layer>) {
    let window = Tile {
        template: 0,
        grid: vec![2, 4, 2],
        inputs: vec![
            Port { source: Source::Input, map: map(0, &[4, 1, 0], &[axis(2, 4)]) },
            Port { source: Source::Secret, map: map(0, &[0, 0, 1], &[axis(1, 0)]) },
        ],
        output: map(0, &[24, 6, 3], &[axis(3, 1)]),
    };
    let pairs = Tile {
        template: 0,
        grid: vec![24],
        inputs: vec![
            Port { source: Source::Layer(0), map: map(0, &[2], &[axis(2, 1)]) },
            Port { source: Source::Secret, map: map(2, &[0], &[axis(1, 0)]) },
        ],
        output: map(0, &[3], &[axis(3, 1)]),
    };
    let layer = |bits, tile| Layer { info: LayerInfo::default(), bits, tiles: vec![tile] };
    (12, 3, vec![template()], vec![layer(48, window), layer(72, pairs)])
}

fn program() -> TiledCircuit {
    let (input, secret, templates, layers) = parts();
    TiledCircuit::new(input, secret, templates, layers).expect("it obeys every rule")
}

/// What the program computes, written out.
fn model(secret: &[bool], x: &[bool]) -> Vec<bool> {
    let cell = |a: bool, b: bool, key: bool| [(a ^ key) & b, a, true];
    let mut first = Vec::new();
    for row in 0..2 {
        for column in 0..4 {
            for &key in &secret[..2] {
                first.extend(cell(x[4 * row + column], x[4 * (row + 1) + column], key));
            }
        }
    }
    first.chunks(2).flat_map(|pair| cell(pair[0], pair[1], secret[2])).collect()
}

proptest! {
    #[test]
    fn circuit_and_flat_netlist_agree(secret in prop::collection::vec(any::<bool>(), 3), x in prop::collection::vec(any::<bool>(), 12)) {
        let want = model(&secret, &x);
        let program = program();
        prop_assert_eq!(&evaluate(&program, &secret, std::slice::from_ref(&x)).expect("lengths fit")[0], &want);
        let mut text = Vec::new();
        let flat = flatten(&program, &mut text, |_, _| ()).expect("it can be written");
        let netlist = bristol::read(&text[..], "flat").expect("it is valid").netlist;
        prop_assert_eq!((netlist.gates().len() as u64, u64::from(netlist.wires())), (flat.gates, flat.wires));
        let all: Vec<bool> = secret.iter().chain(&x).copied().collect();
        prop_assert_eq!(&evaluate_bits(&netlist, &all), &want);
    }
}

#[test]
fn more_samples_than_lanes_are_told_apart() {
    let inputs: Vec<Vec<bool>> =
        (0..600usize).map(|i| (0..12).map(|k| (i * 2654435761) >> (k + 7) & 1 == 1).collect()).collect();
    let secret = [true, false, true];
    let outputs = evaluate(&program(), &secret, &inputs).expect("lengths fit");
    assert!(outputs.iter().zip(&inputs).all(|(out, x)| *out == model(&secret, x)));
    let error = evaluate(&program(), &secret[..2], &inputs).expect_err("too short");
    assert_eq!(error, LengthError { what: "secret", found: 2, expected: 3 });
}

/// Breaks the valid program in one place and gives the error.
fn broken(change: impl FnOnce(&mut Vec<Layer>)) -> CircuitError {
    let (input, secret, templates, mut layers) = parts();
    change(&mut layers);
    TiledCircuit::new(input, secret, templates, layers).expect_err("it breaks a rule")
}

#[test]
fn every_rule_is_enforced() {
    assert_eq!(broken(Vec::clear), CircuitError::NoLayers);
    assert!(matches!(broken(|l| l[0].bits = 1 << 40), CircuitError::TooLong { .. }));
    assert!(matches!(broken(|l| l[0].bits = 49), CircuitError::Coverage { layer: 0, bit: 48, times: 0 }));
    let twice = broken(|l| l[1].tiles[0].output.outer[0] = 2);
    assert!(matches!(twice, CircuitError::Coverage { layer: 1, times: 2, .. }), "{twice}");
    for (what, change) in [
        ("template", (|l: &mut Vec<Layer>| l[0].tiles[0].template = 1) as fn(&mut Vec<Layer>)),
        ("instances", |l| l[0].tiles[0].grid = vec![2, 0, 2]),
        ("instances", |l| l[0].tiles[0].grid = vec![u32::MAX, u32::MAX, u32::MAX]),
        ("outer strides", |l| l[0].tiles[0].grid = vec![2, 4]),
        ("earlier layer", |l| l[0].tiles[0].inputs[0].source = Source::Layer(0)),
        ("earlier layer", |l| l[1].tiles[0].inputs[0].source = Source::Layer(7)),
        ("reaches bit 12 of the input", |l| l[0].tiles[0].inputs[0].map.base = 1),
        ("reaches bit", |l| l[1].tiles[0].inputs[1].map.base = 3),
        ("overflows", |l| l[0].tiles[0].inputs[0].map.outer[0] = u64::MAX),
        ("the ports bring 2 bits", |l| drop(l[0].tiles[0].inputs.pop())),
        ("must enumerate", |l| l[0].tiles[0].inputs[0].map.inner = vec![axis(0, 1)]),
        ("must enumerate", |l| l[0].tiles[0].inputs[0].map.inner = vec![axis(u32::MAX, 1); 3]),
        ("the output map takes 2 bits", |l| l[0].tiles[0].output.inner = vec![axis(2, 1)]),
        ("reaches bit", |l| l[0].tiles[0].output.base = 1),
    ] {
        let error = broken(change).to_string();
        assert!(error.contains(what), "{what}: {error}");
    }
    assert!(matches!(
        TiledCircuit::from_netlist(template(), &[2]),
        Err(CircuitError::NoSuchGroup { group: 2, groups: 2 })
    ));
}

/// What would make of a small file much work or memory is refused before anything goes through it.
#[test]
fn a_program_that_would_take_long_or_much_is_refused() {
    let refused = |what: &str, change: &dyn Fn(&mut Vec<Netlist>, &mut Vec<Layer>)| {
        let (input, secret, mut templates, mut layers) = parts();
        change(&mut templates, &mut layers);
        let error = TiledCircuit::new(input, secret, templates, layers).expect_err(what);
        assert!(matches!(error, CircuitError::TooMuch { .. }), "{what}: {error}");
        assert!(error.to_string().contains(what), "{what}: {error}");
    };
    refused("axes", &|_, l| {
        // Without a limit each of the 24 instances takes a million divisions.
        l[1].tiles[0].grid.extend(vec![1; 1_000_000]);
        for port in &mut l[1].tiles[0].inputs {
            port.map.outer.extend(vec![0; 1_000_000]);
        }
        l[1].tiles[0].output.outer.extend(vec![0; 1_000_000]);
    });
    refused("axes", &|_, l| l[0].tiles[0].inputs[1].map.inner = vec![axis(1, 0); 9]);
    refused("layers", &|_, l| {
        let last = l[1].clone();
        l.extend(vec![last; 1 << 14]);
    });
    // A million inputs in 45 bytes of Bristol Fashion, read by each of 40 tiles: all of them the same input bit.
    let wide = b"1 1048577\n1 1048576\n1 1\n\n1 1 0 1048576 EQW\n";
    let wide = bristol::read(&wide[..], "wide").expect("a netlist").netlist;
    let tile = Tile {
        template: 1,
        grid: vec![1],
        inputs: vec![Port { source: Source::Input, map: map(0, &[0], &[axis(1 << 20, 0)]) }],
        output: map(0, &[0], &[axis(1, 1)]),
    };
    let layer = |tiles| Layer { info: LayerInfo::default(), bits: 40, tiles };
    let forty = |base: u64| Tile { output: map(base, &[0], &[axis(1, 1)]), ..tile.clone() };
    refused("input and output bits of templates", &|t, l| {
        t.push(wide.clone());
        l.push(layer((0..40).map(forty).collect()));
    });
    // A long template, 40 times, and in a million instances.
    let mut b = Builder::new();
    let bits = b.input(2);
    let mut last = bits[0];
    for _ in 0..1 << 19 {
        last = b.and(last, bits[1]);
    }
    let long = b.finish(&[vec![last]]);
    let tile = |base: u64, grid: u32| Tile {
        inputs: vec![Port { source: Source::Input, map: map(0, &[0], &[axis(2, 1)]) }],
        grid: vec![grid],
        output: map(base, &[1], &[axis(1, 1)]),
        ..tile.clone()
    };
    refused("counted for each tile", &|t, l| {
        t.push(long.clone());
        l.push(layer((0..40).map(|base| tile(base, 1)).collect()));
    });
    refused("counted for each instance", &|t, l| {
        t.push(long.clone());
        l.push(Layer { info: LayerInfo::default(), bits: 1 << 20, tiles: vec![tile(0, 1 << 20)] });
    });
}
