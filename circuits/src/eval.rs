//! Plaintext evaluation, many inputs at a time: the oracle for everything that is garbled.
//!
//! Values are transposed: one machine word a wire, one input a bit of the word ([`Lanes`] is 256 inputs).

use crate::netlist::{Gate, Netlist};

/// The value of one wire under 256 inputs: input `i` is bit `i % 64` of word `i / 64`.
pub type Lanes = [u64; 4];

/// Inputs evaluated at once.
pub const LANES: usize = 256;

/// Evaluates `netlist` on up to 256 inputs at once.
///
/// * `inputs`: one [`Lanes`] an input bit, in wire order.   Returns one [`Lanes`] an output bit.
/// * `scratch` is cleared and reused, so that a caller with many runs allocates once.
///
/// # Panics
/// If `inputs` does not have the netlist's input bits.
#[must_use]
pub fn evaluate_lanes(netlist: &Netlist, inputs: &[Lanes], scratch: &mut Vec<Lanes>) -> Vec<Lanes> {
    assert_eq!(inputs.len(), netlist.input_bits(), "one value for each input bit");
    scratch.clear();
    scratch.extend_from_slice(inputs);
    scratch.resize(netlist.wires() as usize, [0; 4]);
    let v = scratch;
    for gate in netlist.gates().iter() {
        match gate {
            Gate::And { a, b, out } => v[out.index()] = zip(v[a.index()], v[b.index()], |a, b| a & b),
            Gate::Xor { a, b, out } => v[out.index()] = zip(v[a.index()], v[b.index()], |a, b| a ^ b),
            Gate::Inv { a, out } => v[out.index()] = v[a.index()].map(|w| !w),
            Gate::Const { value, out } => v[out.index()] = [if value { u64::MAX } else { 0 }; 4],
            Gate::Copy { a, out } => v[out.index()] = v[a.index()],
        }
    }
    netlist.output_wires().map(|w| v[w.index()]).collect()
}

fn zip(a: Lanes, b: Lanes, f: impl Fn(u64, u64) -> u64) -> Lanes {
    std::array::from_fn(|i| f(a[i], b[i]))
}

/// Evaluates `netlist` on one input, bit by bit in wire order; returns the output bits.
///
/// # Panics
/// If `inputs` does not have the netlist's input bits.
#[must_use]
pub fn evaluate_bits(netlist: &Netlist, inputs: &[bool]) -> Vec<bool> {
    let lanes: Vec<Lanes> = inputs.iter().map(|&bit| [u64::from(bit), 0, 0, 0]).collect();
    evaluate_lanes(netlist, &lanes, &mut Vec::new()).into_iter().map(|v| v[0] & 1 == 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::Builder;

    #[test]
    fn lanes_are_independent() {
        let mut b = Builder::new();
        let x = b.input(3);
        let t = b.xor(x[0], x[1]);
        let u = b.and(t, x[2]);
        let n = b.inv(u);
        let netlist = b.finish(&[vec![u, n]]);
        // Lane i carries the input i % 8.
        let word = |k: u32| (0..64).fold(0u64, |w, i| w | ((i >> k & 1) << i));
        let inputs: Vec<Lanes> = (0..3).map(|k| [word(k); 4]).collect();
        let out = evaluate_lanes(&netlist, &inputs, &mut Vec::new());
        for lane in 0..LANES {
            let bit = |v: &Lanes| v[lane / 64] >> (lane % 64) & 1 == 1;
            let x: Vec<bool> = (0..3).map(|k| (lane % 8) >> k & 1 == 1).collect();
            let want = (x[0] ^ x[1]) & x[2];
            assert_eq!((bit(&out[0]), bit(&out[1])), (want, !want));
        }
    }
}
