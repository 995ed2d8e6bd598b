//! The rules that every [`crate::netlist::Netlist`] obeys, checked once when it is made.
//!
//! 1. The input groups together have at most as many bits as there are wires; so have the output groups.
//! 2. Every wire that a gate names is in range.
//! 3. Every operand is an input or was defined by an earlier gate (topological order).
//! 4. No wire is defined twice, and no gate defines an input.
//! 5. Every output wire is defined. (Other wires may stay undefined: public files leave some unused.)

use crate::netlist::{Gates, WireId};

/// A broken rule. Gates are counted from 0 in file order.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetlistError {
    /// Rule 1.
    #[error("the {side} groups hold {bits} bits, more than the {wires} wires of the circuit")]
    TooManyBits {
        /// `input` or `output`.
        side: &'static str,
        /// Bits of all groups.
        bits: u64,
        /// Declared wires.
        wires: u32,
    },
    /// Rule 2.
    #[error("gate {gate}: wire {wire} is out of range, the circuit has {wires} wires")]
    OutOfRange {
        /// Index of the gate.
        gate: usize,
        /// The wire named.
        wire: u32,
        /// Declared wires.
        wires: u32,
    },
    /// Rule 3.
    #[error("gate {gate}: wire {wire} is read before it is defined, gates must be in topological order")]
    Undefined {
        /// Index of the gate.
        gate: usize,
        /// The wire read.
        wire: u32,
    },
    /// Rule 4.
    #[error("gate {gate}: wire {wire} is already defined, each wire may be defined once")]
    DefinedTwice {
        /// Index of the gate.
        gate: usize,
        /// The wire defined again.
        wire: u32,
    },
    /// Rule 5.
    #[error("output wire {wire} is never defined")]
    OutputUndefined {
        /// The output wire.
        wire: u32,
    },
}

impl NetlistError {
    /// Index of the gate at fault, if it is a gate.
    #[must_use]
    pub fn gate(&self) -> Option<usize> {
        match *self {
            Self::OutOfRange { gate, .. }
            | Self::Undefined { gate, .. }
            | Self::DefinedTwice { gate, .. } => Some(gate),
            Self::TooManyBits { .. } | Self::OutputUndefined { .. } => None,
        }
    }
}

/// Checks every rule of the module's list, in one walk over the gates.
///
/// # Errors
/// The first rule broken.
pub fn verify(wires: u32, inputs: &[u32], outputs: &[u32], gates: &Gates) -> Result<(), NetlistError> {
    let mut state = Definitions::new(wires, inputs, outputs)?;
    for (i, gate) in gates.iter().enumerate() {
        for wire in gate.operands() {
            state.read(i, wire)?;
        }
        state.define(i, gate.out())?;
    }
    state.finish(outputs)
}

/// Which wires are defined so far. Readers of files use it to name the line of a broken rule.
pub struct Definitions {
    defined: Vec<u64>,
    wires: u32,
}

impl Definitions {
    /// Starts with the inputs defined. Memory: one bit a wire.
    ///
    /// # Errors
    /// Rule 1.
    pub fn new(wires: u32, inputs: &[u32], outputs: &[u32]) -> Result<Self, NetlistError> {
        let total = |groups: &[u32]| groups.iter().map(|&n| u64::from(n)).sum::<u64>();
        for (side, bits) in [("input", total(inputs)), ("output", total(outputs))] {
            if bits > u64::from(wires) {
                return Err(NetlistError::TooManyBits { side, bits, wires });
            }
        }
        let mut defined = vec![0u64; (wires as usize).div_ceil(64)];
        (0..total(inputs) as usize).for_each(|w| defined[w / 64] |= 1 << (w % 64));
        Ok(Self { defined, wires })
    }

    fn is_defined(&self, wire: u32) -> bool {
        self.defined[wire as usize / 64] >> (wire % 64) & 1 == 1
    }

    fn in_range(&self, gate: usize, wire: WireId) -> Result<(), NetlistError> {
        if wire.0 < self.wires {
            return Ok(());
        }
        Err(NetlistError::OutOfRange { gate, wire: wire.0, wires: self.wires })
    }

    /// Gate number `gate` reads `wire`.
    ///
    /// # Errors
    /// Rules 2 and 3.
    pub fn read(&self, gate: usize, wire: WireId) -> Result<(), NetlistError> {
        self.in_range(gate, wire)?;
        if self.is_defined(wire.0) { Ok(()) } else { Err(NetlistError::Undefined { gate, wire: wire.0 }) }
    }

    /// Gate number `gate` defines `wire`.
    ///
    /// # Errors
    /// Rules 2 and 4.
    pub fn define(&mut self, gate: usize, wire: WireId) -> Result<(), NetlistError> {
        self.in_range(gate, wire)?;
        if self.is_defined(wire.0) {
            return Err(NetlistError::DefinedTwice { gate, wire: wire.0 });
        }
        self.defined[wire.index() / 64] |= 1 << (wire.0 % 64);
        Ok(())
    }

    /// All gates are read.
    ///
    /// # Errors
    /// Rule 5.
    pub fn finish(&self, outputs: &[u32]) -> Result<(), NetlistError> {
        let bits: u32 = outputs.iter().sum();
        match (self.wires - bits..self.wires).find(|&w| !self.is_defined(w)) {
            Some(wire) => Err(NetlistError::OutputUndefined { wire }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlist::Gate;

    fn and(a: u32, b: u32, out: u32) -> Gate {
        Gate::And { a: WireId(a), b: WireId(b), out: WireId(out) }
    }

    fn check(wires: u32, inputs: &[u32], outputs: &[u32], gates: &[Gate]) -> Result<(), NetlistError> {
        verify(wires, inputs, outputs, &gates.iter().copied().collect())
    }

    #[test]
    fn each_rule_is_enforced() {
        use NetlistError as E;
        assert_eq!(check(3, &[1, 1], &[1], &[and(0, 1, 2)]), Ok(()));
        assert_eq!(check(3, &[4], &[1], &[]), Err(E::TooManyBits { side: "input", bits: 4, wires: 3 }));
        assert_eq!(check(3, &[2], &[u32::MAX, 9], &[]).map_err(|e| e.gate()), Err(None));
        assert_eq!(check(3, &[2], &[1], &[and(0, 9, 2)]), Err(E::OutOfRange { gate: 0, wire: 9, wires: 3 }));
        assert_eq!(check(3, &[2], &[1], &[and(0, 1, 3)]), Err(E::OutOfRange { gate: 0, wire: 3, wires: 3 }));
        assert_eq!(
            check(4, &[2], &[1], &[and(0, 3, 2), and(0, 1, 3)]),
            Err(E::Undefined { gate: 0, wire: 3 })
        );
        assert_eq!(check(3, &[2], &[1], &[and(0, 2, 2)]), Err(E::Undefined { gate: 0, wire: 2 }));
        assert_eq!(check(3, &[2], &[1], &[and(0, 1, 1)]), Err(E::DefinedTwice { gate: 0, wire: 1 }));
        assert_eq!(check(4, &[2], &[2], &[and(0, 1, 2)]), Err(E::OutputUndefined { wire: 3 }));
    }
}
