//! Loops over plain numbers, compiled once for any processor and once for the vectors that this one has.

/// A loop without intrinsics, of which the compiler makes vectors.
pub trait Loop {
    /// What comes of it.
    type Output;

    /// Runs it. Implementations are `inline(always)`, and so is what they call: a processor's instructions
    /// reach only as far as inlining.
    fn run(self) -> Self::Output;
}

/// Runs `work` compiled for AVX2 if this processor has it: vectors of 256 bits, where every x86-64 has 128.
/// The same source makes both, so results are the same.
pub fn vectorised<L: Loop>(work: L) -> L::Output {
    #[cfg(all(target_arch = "x86_64", not(xonn_portable)))]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has the instructions.
        return unsafe { with_avx2(work) };
    }
    work.run()
}

/// Calls `work` where AVX2 is enabled.
#[cfg(all(target_arch = "x86_64", not(xonn_portable)))]
#[target_feature(enable = "avx2")]
fn with_avx2<L: Loop>(work: L) -> L::Output {
    work.run()
}
