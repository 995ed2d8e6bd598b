//! Gates on many labels at a time: what garbler and evaluator compute, on every backend.
//!
//! A [`Wide`] holds one label of [`LANES`] instances (or of as many independent gates of one instance). [`Gates`] is what
//! is done with them. The code that runs a circuit is generic in it: [`Tccr::run`] calls such a [`Work`] inside a
//! function in which the instructions of the hash's backend are enabled, so that gates are inlined into the circuit's loop
//! and a label is loaded once, hashed, combined and stored.
//!
//! Half gates [Zahur, Rosulek, Evans, EUROCRYPT 2015, figure 2], and three halves (`three_halves.rs`); four lanes of a gate
//! share a tweak, and so a key.

use zeroize::DefaultIsZeroes;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::tccr::Offsets;
use super::tccr::SHARING;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::vector;
use super::{Backend, Block, Tccr};

mod portable;
#[cfg(test)]
mod tests;
mod three_halves;

/// Blocks side by side in a [`Wide`].
pub const LANES: usize = 16;

/// [`LANES`] blocks, aligned to a cache line.
#[derive(Clone, Copy, Default)]
#[repr(C, align(64))]
pub struct Wide(pub [Block; LANES]);

impl Wide {
    /// All blocks zero.
    pub const ZERO: Self = Self([Block::ZERO; LANES]);
}

impl DefaultIsZeroes for Wide {}

/// The ciphertexts of a full AND: TG of each lane, then TE of each lane.
pub type Tables = [[Block; LANES]; 2];

/// Tweaks that a gate uses up in `lanes` lanes: four lanes share one, and in it one AES key.
pub const fn tweaks(lanes: usize) -> u64 {
    lanes.div_ceil(SHARING) as u64
}

/// Gates on [`LANES`] labels at a time, under one hash.
///
/// `tweak` is that of the first lanes; [`tweaks`] says how many a gate uses up. Zero labels at the garbler, active ones at the
/// evaluator.
pub trait Gates {
    /// `block` in every lane.
    fn splat(&self, block: &Block) -> Wide;

    /// `a ^ b`
    fn xor(&self, a: &Wide, b: &Wide) -> Wide;

    /// `a`, with `other` added in each lane whose bit of `bits` is 1.
    fn xor_where(&self, a: &Wide, other: &Wide, bits: u16) -> Wide;

    /// `a ^ b ^ c`
    fn xor3(&self, a: &Wide, b: &Wide, c: &Wide) -> Wide;

    /// A full AND of `a ^ c` and `b ^ c`, to which `c` is added, at the garbler: with `c` zero a plain AND. Writes the ciphertexts, returns the zero labels.
    fn garble_and(&mut self, delta: &Block, operands: [&Wide; 3], tweak: u64, tables: &mut Tables) -> Wide;

    /// An AND with a bit that the garbler knows, one a lane [ZRE15, section 3.1].
    fn garble_half(
        &mut self,
        delta: &Block,
        a: &Wide,
        bits: u16,
        tweak: u64,
        table: &mut [Block; LANES],
    ) -> Wide;

    /// [`Gates::garble_and`] at the evaluator, `operands` being `[a, b, c]` there too.
    fn evaluate_and(
        &mut self,
        operands: [&Wide; 3],
        tweak: u64,
        tg: &[Block; LANES],
        te: &[Block; LANES],
    ) -> Wide;

    /// [`Gates::garble_half`] at the evaluator.
    fn evaluate_half(&mut self, a: &Wide, tweak: u64, table: &[Block; LANES]) -> Wide;

    /// What [`Gates::garble_and`] is, by three halves. `dice`: two uniform secret bits a lane. Writes G0 and G1 of each
    /// lane to `pairs`, G2 to `slices`; returns the zero labels and the five control bits, one bit a lane.
    fn garble_sliced(
        &mut self,
        delta: &Block,
        operands: [&Wide; 3],
        tweak: u64,
        dice: [u16; 2],
        pairs: &mut [Block; LANES],
        slices: &mut [[u8; 8]; LANES],
    ) -> (Wide, [u16; 5]);

    /// [`Gates::garble_sliced`] at the evaluator.
    fn evaluate_sliced(
        &mut self,
        operands: [&Wide; 3],
        tweak: u64,
        pairs: &[Block; LANES],
        slices: &[[u8; 8]; LANES],
        control: [u16; 5],
    ) -> Wide;
}

/// Something to be done with gates of any backend.
pub trait Work {
    /// What comes of it.
    type Output;

    /// Does it. Implementations are `inline(always)`, for the instructions of a backend reach only as far as inlining.
    fn run<G: Gates>(self, gates: &mut G) -> Self::Output;
}

/// Gates on any processor: also what other backends leave to it, because it occurs too rarely for a kernel.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[cold]
#[inline(never)]
pub(super) fn portable(start: Block, offsets: Offsets) -> impl Gates {
    portable::Gates::new(start, offsets)
}

impl Tccr {
    /// Does `work` with the gates of this hash, on its backend.
    pub fn run<W: Work>(&self, work: W) -> W::Output {
        match self.backend {
            Backend::Portable => work.run(&mut portable::Gates::new(self.start, self.offsets)),
            // SAFETY (all of them): `self.backend` was found available on this processor when `self` was made.
            #[cfg(target_arch = "x86_64")]
            Backend::AesNi => unsafe { vector::run_aes_ni(self.start, self.offsets, work) },
            #[cfg(target_arch = "x86_64")]
            Backend::Vaes256 => unsafe { vector::run_vaes_256(self.start, self.offsets, work) },
            #[cfg(target_arch = "x86_64")]
            Backend::Vaes512 => unsafe { vector::run_vaes_512(self.start, self.offsets, work) },
            #[cfg(target_arch = "aarch64")]
            Backend::Armv8 => unsafe { vector::run_armv8(self.start, self.offsets, work) },
            _ => unreachable!("no other backend is available on this architecture"),
        }
    }
}
