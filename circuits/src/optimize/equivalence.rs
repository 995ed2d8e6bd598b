//! Whether two netlists compute the same.
//!
//! All inputs are tried if there are at most [`EXHAUSTIVE_BITS`] of them: a proof. Otherwise many random inputs are, which
//! is no proof, but an error in one gate shows on a large part of them unless the gate hardly ever matters; a quarter of
//! the inputs has few ones and a quarter few zeros, where long carries and wide ANDs show.

use sha2::{Digest as _, Sha256};

use crate::eval::{LANES, Lanes, evaluate_lanes};
use crate::netlist::Netlist;

/// Up to this many input bits, all inputs are tried.
pub const EXHAUSTIVE_BITS: usize = 20;

/// Where two netlists differ.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Difference {
    /// Their groups differ, so that they cannot be compared.
    Groups,
    /// An output bit differs.
    Output {
        /// The first output bit that differs, counted over all groups.
        output: usize,
        /// An input for which it does, bit by bit in wire order.
        input: Vec<bool>,
    },
}

/// What was compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Compared {
    /// Inputs tried.
    pub inputs: u64,
    /// Whether these were all that there are.
    pub exhaustive: bool,
}

/// Compares `a` and `b` on all inputs, or on `rounds` times 256 random ones.
///
/// The random inputs follow from `seed`.
///
/// # Errors
/// The first [`Difference`] found.
pub fn compare(a: &Netlist, b: &Netlist, rounds: u64, seed: u64) -> Result<Compared, Difference> {
    if a.inputs() != b.inputs() || a.outputs() != b.outputs() {
        return Err(Difference::Groups);
    }
    let bits = a.input_bits();
    let exhaustive = bits <= EXHAUSTIVE_BITS;
    let rounds = if exhaustive { (1u64 << bits).div_ceil(LANES as u64) } else { rounds };
    let mut random = Random::new(seed);
    let (mut scratch, mut inputs) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        inputs.clear();
        inputs
            .extend((0..bits).map(|bit| if exhaustive { counted(round, bit) } else { random.lanes(round) }));
        let first = evaluate_lanes(a, &inputs, &mut scratch);
        let second = evaluate_lanes(b, &inputs, &mut scratch);
        if let Some(output) = (0..first.len()).find(|&i| first[i] != second[i]) {
            let lane = (0..LANES).find(|&l| lane_of(&first[output], l) != lane_of(&second[output], l));
            let lane = lane.expect("lanes that differ differ in some bit");
            return Err(Difference::Output {
                output,
                input: inputs.iter().map(|v| lane_of(v, lane)).collect(),
            });
        }
    }
    let inputs = if exhaustive { 1 << bits } else { rounds * LANES as u64 };
    Ok(Compared { inputs, exhaustive })
}

fn lane_of(lanes: &Lanes, lane: usize) -> bool {
    lanes[lane / 64] >> (lane % 64) & 1 == 1
}

/// Bit number `bit` of the numbers `256 * round ..`, one a lane.
fn counted(round: u64, bit: usize) -> Lanes {
    const LOW: [u64; 6] = [
        0xaaaa_aaaa_aaaa_aaaa,
        0xcccc_cccc_cccc_cccc,
        0xf0f0_f0f0_f0f0_f0f0,
        0xff00_ff00_ff00_ff00,
        0xffff_0000_ffff_0000,
        0xffff_ffff_0000_0000,
    ];
    let mask = |set: bool| if set { u64::MAX } else { 0 };
    match bit {
        0..6 => [LOW[bit]; 4],
        6 | 7 => std::array::from_fn(|word| mask(word >> (bit - 6) & 1 == 1)),
        _ => [mask(round >> (bit - 8) & 1 == 1); 4],
    }
}

/// A stream of random words: SHA-256 of a seed, then xorshift (Marsaglia 2003), which is random enough for test inputs.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        let digest: [u8; 32] = Sha256::digest(seed.to_le_bytes()).into();
        Self(u64::from_le_bytes(std::array::from_fn(|i| digest[i])) | 1)
    }

    fn word(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn lanes(&mut self, round: u64) -> Lanes {
        let words: Lanes = std::array::from_fn(|_| self.word());
        match round % 4 {
            1 => words.map(|w| w & self.word() & self.word() & self.word()),
            3 => words.map(|w| w | self.word() | self.word() | self.word()),
            _ => words,
        }
    }
}
