//! Gates on every backend against the portable ones, and those against the truth table.

use chacha20::ChaCha12Rng;
use rand::SeedableRng;

use super::*;

/// Samples a test looks at; Miri, which computes every AES round in an interpreter, sees those with tweaks at the edges.
const SAMPLES: u64 = if cfg!(miri) { 2 } else { 20 };

/// Random labels and an odd offset.
struct Sample {
    delta: Block,
    a: Wide,
    b: Wide,
    bits: u16,
    tweaks: [u64; 2],
    tables: Tables,
}

fn sample(seed: u64) -> Sample {
    let rng = &mut ChaCha12Rng::seed_from_u64(seed);
    let mut wide = || Wide(std::array::from_fn(|_| Block::random(rng)));
    let (a, b, delta, t) = (wide(), wide(), wide(), wide());
    let number = |block: Block| u128::from(block) as u64;
    let tweaks = match seed {
        0 => [u64::MAX - 5, u64::MAX - 20],
        1 => [(7 << 32) - 15, (7 << 32) - 17], // the lower half overflows in the last lane, and just not
        2 => [0, 16],
        _ => [number(delta.0[1]), number(delta.0[2])],
    };
    let bits = number(delta.0[3]) as u16;
    Sample { delta: delta.0[0].with_lsb_set(), a, b, bits, tweaks, tables: [t.0, wide().0] }
}

/// Everything that gates compute on a sample.
struct All(Sample);

impl Work for All {
    type Output = Vec<Block>;

    #[inline(always)]
    fn run<G: Gates>(self, gates: &mut G) -> Vec<Block> {
        let Sample { delta, a, b, bits, tweaks, tables } = self.0;
        let c = Wide(tables[0]);
        let (mut full, mut half) = ([[Block::ZERO; LANES]; 2], [Block::ZERO; LANES]);
        let wides = [
            gates.splat(&delta),
            gates.xor(&a, &b),
            gates.xor3(&a, &b, &c),
            gates.xor_where(&a, &b, bits),
            gates.garble_and(&delta, [&a, &b, &c], tweaks[0], &mut full),
            gates.garble_half(&delta, &a, bits, tweaks[0], &mut half),
            gates.evaluate_and([&a, &b, &c], tweaks[0], &tables[0], &tables[1]),
            gates.evaluate_half(&a, tweaks[1], &tables[1]),
        ];
        let (dice, mut slices) = ([bits, tweaks[0] as u16], [[7; 8]; LANES]);
        let control = [bits, !bits, dice[1], dice[1].rotate_left(3), bits ^ dice[1]];
        let evaluated = gates.evaluate_sliced([&a, &b, &c], tweaks[1], &tables[1], &slices, control);
        let (sliced, control) =
            gates.garble_sliced(&delta, [&a, &b, &c], tweaks[0], dice, &mut half, &mut slices);
        let small = slices.map(u64::from_le_bytes).into_iter().chain(control.map(u64::from));
        let small: Vec<Block> = small.map(|x| Block::from(u128::from(x))).collect();
        let wides = wides.into_iter().chain([evaluated, sliced]).collect::<Vec<_>>();
        let half = half.into_iter().chain(small);
        wides.iter().flat_map(|w| w.0).chain(full.into_iter().flatten()).chain(half).collect()
    }
}

#[test]
fn every_backend_gives_the_portable_bytes() {
    for seed in 0..SAMPLES {
        let on = |backend| Tccr::with_backend(Block::from(77), backend).unwrap().run(All(sample(seed)));
        let expected = on(Backend::Portable);
        for backend in Backend::available() {
            assert_eq!(on(backend), expected, "{backend}, seed {seed}");
        }
    }
}

/// Gates one after the other, whose tweaks go on, jump and come again: round keys are computed some gates' at a time.
struct Sequence<'a>(&'a [u64]);

impl Work for Sequence<'_> {
    type Output = Vec<Block>;

    #[inline(always)]
    fn run<G: Gates>(self, gates: &mut G) -> Vec<Block> {
        let Sample { delta, mut a, b, bits, mut tables, .. } = sample(3);
        for &tweak in self.0 {
            let and = gates.garble_and(&delta, [&a, &b, &Wide::ZERO], tweak, &mut tables);
            a = gates.garble_half(&delta, &and, bits, tweak + 2, &mut tables[0]);
        }
        a.0.to_vec()
    }
}

#[test]
fn round_keys_are_those_of_the_tweak_whatever_came_before() {
    let tweaks = [0, 4, 8, 12, 16, 15, 14, 13, 12, 11, 29, 1, 1 << 32, (1 << 32) - 1, (1 << 32) + 9, 3, 0];
    let on = |backend| Tccr::with_backend(Block::from(78), backend).unwrap().run(Sequence(&tweaks));
    let expected = on(Backend::Portable);
    for backend in Backend::available() {
        assert_eq!(on(backend), expected, "{backend}");
    }
}

/// Each lane garbled, then evaluated with the labels of given bits: the label for the AND comes out.
struct Truth {
    sample: Sample,
    x: u16,
    y: u16,
    z: u16,
}

impl Work for Truth {
    type Output = ();

    #[inline(always)]
    fn run<G: Gates>(self, gates: &mut G) {
        let Sample { delta, a, b, bits, tweaks, mut tables } = self.sample;
        let (deltas, c) = (gates.splat(&delta), Wide(tables[0]));
        let zero = gates.garble_and(&delta, [&a, &b, &c], tweaks[0], &mut tables);
        let (x, y) = (gates.xor_where(&a, &deltas, self.x), gates.xor_where(&b, &deltas, self.y));
        let z = gates.xor_where(&c, &deltas, self.z);
        let got = gates.evaluate_and([&x, &y, &z], tweaks[0], &tables[0], &tables[1]);
        assert_eq!(got.0, gates.xor_where(&zero, &deltas, (self.x ^ self.z) & (self.y ^ self.z) ^ self.z).0);
        let ([pairs, _], mut slices) = (&mut tables, [[0; 8]; LANES]);
        let dice = [bits.rotate_left(5), bits.rotate_right(2)];
        let (zero, control) = gates.garble_sliced(&delta, [&a, &b, &c], tweaks[0], dice, pairs, &mut slices);
        let got = gates.evaluate_sliced([&x, &y, &z], tweaks[0], pairs, &slices, control);
        assert_eq!(got.0, gates.xor_where(&zero, &deltas, (self.x ^ self.z) & (self.y ^ self.z) ^ self.z).0);
        let zero = gates.garble_half(&delta, &a, bits, tweaks[1], &mut tables[0]);
        let got = gates.evaluate_half(&x, tweaks[1], &tables[0]);
        assert_eq!(got.0, gates.xor_where(&zero, &deltas, self.x & bits).0);
    }
}

#[test]
fn evaluated_gates_are_ands() {
    for backend in Backend::available() {
        for seed in 0..SAMPLES {
            let z = 0x0f33_u16.rotate_left(3 * seed as u32);
            let (x, y) = (0x3535_u16.rotate_left(seed as u32), 0x0ff3_u16.rotate_right(seed as u32));
            let hash = Tccr::with_backend(Block::from(u128::from(seed)), backend).unwrap();
            hash.run(Truth { sample: sample(seed), x, y, z });
        }
    }
}
