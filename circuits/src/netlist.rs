//! Boolean netlists: wires, gates in topological order, input and output groups.
//!
//! A netlist is data, stored as a struct of arrays (13 bytes a gate) because circuits have millions of gates. It can
//! only be made by [`crate::builder::Builder`] or by reading a file ([`crate::bristol`]), and both end in
//! [`Netlist::from_parts`], which runs [`crate::verify`]. So whoever holds a `Netlist` may index by its wires unchecked
//! in spirit: every operand is in range and defined before it is used.

use sha2::{Digest as _, Sha256};

use crate::verify::{self, NetlistError};

/// A wire, numbered from 0. Wires `0..input_bits` are the inputs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(transparent)]
pub struct WireId(pub u32);

impl WireId {
    /// The wire's number as an index into per-wire arrays.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl std::fmt::Display for WireId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "w{}", self.0)
    }
}

/// One gate. `Const` and `Copy` are Bristol Fashion's `EQ` and `EQW`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gate {
    /// `out = a & b`: the only gate that costs anything when garbled.
    And {
        /// First operand.
        a: WireId,
        /// Second operand.
        b: WireId,
        /// Defined wire.
        out: WireId,
    },
    /// `out = a ^ b`.
    Xor {
        /// First operand.
        a: WireId,
        /// Second operand.
        b: WireId,
        /// Defined wire.
        out: WireId,
    },
    /// `out = !a`.
    Inv {
        /// Operand.
        a: WireId,
        /// Defined wire.
        out: WireId,
    },
    /// `out = value`, known to everybody (`EQ`).
    Const {
        /// The constant.
        value: bool,
        /// Defined wire.
        out: WireId,
    },
    /// `out = a` (`EQW`).
    Copy {
        /// Operand.
        a: WireId,
        /// Defined wire.
        out: WireId,
    },
}

impl Gate {
    /// The wire this gate defines.
    #[must_use]
    pub fn out(self) -> WireId {
        match self {
            Gate::And { out, .. }
            | Gate::Xor { out, .. }
            | Gate::Inv { out, .. }
            | Gate::Const { out, .. }
            | Gate::Copy { out, .. } => out,
        }
    }

    /// The wires this gate reads, in order.
    pub fn operands(self) -> impl Iterator<Item = WireId> {
        let (a, b) = match self {
            Gate::And { a, b, .. } | Gate::Xor { a, b, .. } => (Some(a), Some(b)),
            Gate::Inv { a, .. } | Gate::Copy { a, .. } => (Some(a), None),
            Gate::Const { .. } => (None, None),
        };
        a.into_iter().chain(b)
    }

    /// The same gate on other wires: `f` maps each operand, `g` the defined wire.
    #[must_use]
    pub fn map(self, f: impl Fn(WireId) -> WireId, g: impl Fn(WireId) -> WireId) -> Gate {
        match self {
            Gate::And { a, b, out } => Gate::And { a: f(a), b: f(b), out: g(out) },
            Gate::Xor { a, b, out } => Gate::Xor { a: f(a), b: f(b), out: g(out) },
            Gate::Inv { a, out } => Gate::Inv { a: f(a), out: g(out) },
            Gate::Const { value, out } => Gate::Const { value, out: g(out) },
            Gate::Copy { a, out } => Gate::Copy { a: f(a), out: g(out) },
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
enum Kind {
    And,
    Xor,
    Inv,
    Zero,
    One,
    Copy,
}

/// Gates in topological order, as a struct of arrays.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Gates {
    kind: Vec<Kind>,
    a: Vec<u32>,
    b: Vec<u32>,
    out: Vec<u32>,
}

impl Gates {
    /// Appends a gate.
    pub fn push(&mut self, gate: Gate) {
        let (kind, a, b) = match gate {
            Gate::And { a, b, .. } => (Kind::And, a.0, b.0),
            Gate::Xor { a, b, .. } => (Kind::Xor, a.0, b.0),
            Gate::Inv { a, .. } => (Kind::Inv, a.0, 0),
            Gate::Const { value, .. } => (if value { Kind::One } else { Kind::Zero }, 0, 0),
            Gate::Copy { a, .. } => (Kind::Copy, a.0, 0),
        };
        self.kind.push(kind);
        self.a.push(a);
        self.b.push(b);
        self.out.push(gate.out().0);
    }

    /// Number of gates.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kind.len()
    }

    /// Whether there are no gates.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kind.is_empty()
    }

    /// Gate number `i` in topological order.
    #[must_use]
    pub fn get(&self, i: usize) -> Gate {
        let (a, b, out) = (WireId(self.a[i]), WireId(self.b[i]), WireId(self.out[i]));
        match self.kind[i] {
            Kind::And => Gate::And { a, b, out },
            Kind::Xor => Gate::Xor { a, b, out },
            Kind::Inv => Gate::Inv { a, out },
            Kind::Zero => Gate::Const { value: false, out },
            Kind::One => Gate::Const { value: true, out },
            Kind::Copy => Gate::Copy { a, out },
        }
    }

    /// All gates in topological order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Gate> + ExactSizeIterator + '_ {
        (0..self.len()).map(|i| self.get(i))
    }
}

impl FromIterator<Gate> for Gates {
    fn from_iter<I: IntoIterator<Item = Gate>>(gates: I) -> Self {
        let mut all = Gates::default();
        gates.into_iter().for_each(|g| all.push(g));
        all
    }
}

/// A verified Boolean circuit.
///
/// Inputs are the wires `0..`, group after group; outputs are the last wires, group after group (Bristol Fashion's
/// convention, so that a netlist and its file number wires alike).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Netlist {
    wires: u32,
    inputs: Vec<u32>,
    outputs: Vec<u32>,
    gates: Gates,
}

impl Netlist {
    /// Makes a netlist of its parts, if they obey every rule of [`crate::verify`].
    ///
    /// * `wires`: number of wires.   * `inputs`, `outputs`: bits of each group.   * `gates`: in topological order.
    ///
    /// # Errors
    /// The first rule broken, with the gate's index.
    pub fn from_parts(
        wires: u32,
        inputs: Vec<u32>,
        outputs: Vec<u32>,
        gates: Gates,
    ) -> Result<Self, NetlistError> {
        verify::verify(wires, &inputs, &outputs, &gates)?;
        Ok(Self { wires, inputs, outputs, gates })
    }

    /// Number of wires, inputs included.
    #[must_use]
    pub fn wires(&self) -> u32 {
        self.wires
    }

    /// Bits of each input group.
    #[must_use]
    pub fn inputs(&self) -> &[u32] {
        &self.inputs
    }

    /// Bits of each output group.
    #[must_use]
    pub fn outputs(&self) -> &[u32] {
        &self.outputs
    }

    /// Bits of all input groups together.
    #[must_use]
    pub fn input_bits(&self) -> usize {
        self.inputs.iter().map(|&n| n as usize).sum()
    }

    /// Bits of all output groups together.
    #[must_use]
    pub fn output_bits(&self) -> usize {
        self.outputs.iter().map(|&n| n as usize).sum()
    }

    /// The output wires, in order.
    pub fn output_wires(&self) -> impl ExactSizeIterator<Item = WireId> + use<> {
        let bits = self.output_bits() as u32; // verified to be at most `wires`
        let first = self.wires - bits;
        (0..bits).map(move |i| WireId(first + i))
    }

    /// The gates, in topological order.
    #[must_use]
    pub fn gates(&self) -> &Gates {
        &self.gates
    }

    /// SHA-256 over groups and gates: two hosts that read one file get one digest, whatever the file's white space.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for groups in [&self.inputs, &self.outputs] {
            hash.update((groups.len() as u64).to_le_bytes());
            groups.iter().for_each(|bits| hash.update(bits.to_le_bytes()));
        }
        hash.update(self.wires.to_le_bytes());
        let gates = &self.gates;
        for i in 0..gates.len() {
            let mut record = [0; 13];
            record[0] = gates.kind[i] as u8;
            for (field, value) in [gates.a[i], gates.b[i], gates.out[i]].iter().enumerate() {
                record[1 + 4 * field..5 + 4 * field].copy_from_slice(&value.to_le_bytes());
            }
            hash.update(record);
        }
        hash.finalize().into()
    }

    /// Gate counts and depth.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = Stats { wires: self.wires.into(), ..Stats::default() };
        let mut depth = vec![0u32; self.wires as usize];
        for gate in self.gates.iter() {
            let below = gate.operands().map(|w| depth[w.index()]).max().unwrap_or(0);
            let is_and = matches!(gate, Gate::And { .. });
            depth[gate.out().index()] = below + u32::from(is_and);
            match gate {
                Gate::And { .. } => stats.and += 1,
                Gate::Xor { .. } => stats.xor += 1,
                Gate::Inv { .. } => stats.inv += 1,
                Gate::Const { .. } | Gate::Copy { .. } => stats.eq += 1,
            }
        }
        stats.and_depth = self.output_wires().map(|w| depth[w.index()]).max().unwrap_or(0);
        stats
    }
}

/// What a netlist consists of.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, serde::Serialize)]
pub struct Stats {
    /// AND gates: the cost.
    pub and: u64,
    /// XOR gates: free.
    pub xor: u64,
    /// INV gates: free.
    pub inv: u64,
    /// EQ and EQW gates: free.
    pub eq: u64,
    /// Largest number of AND gates on a way from an input to an output.
    pub and_depth: u32,
    /// Wires, inputs included.
    pub wires: u64,
}

impl Stats {
    /// Gates that cost nothing when garbled.
    #[must_use]
    pub fn free(&self) -> u64 {
        self.xor + self.inv + self.eq
    }
}
