//! A round trip of a stage, and what it does with the numbers of a window.

use xonn_crypto::Wiped;
use xonn_crypto::share::RingTensor;

use super::curve::Curves;
use super::extend::Extend;
use super::gate::Gate;
use super::product::Product;
use crate::compare_ot::Cost;
use crate::steps::StepError;
use crate::steps::convert::ring_tensor;
use crate::steps::frame::Fields;

/// A round trip. Public.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Round {
    /// The larger ones of two neighbours each of every window; one without a neighbour goes on as it is.
    Pairs {
        /// How many windows.
        windows: usize,
        /// Members of each that are left so far, side by side.
        members: usize,
        gate: Gate,
    },
    /// ReLU, leaky ReLU, clamp.
    Gate(Gate),
    /// A larger ring.
    Extend(Extend),
    /// Squares, or products of two.
    Product(Product),
    /// Curves.
    Curve(Curves),
}

impl Round {
    /// What it costs, with two messages online.
    pub fn cost(&self) -> Cost {
        match self {
            Self::Pairs { gate, .. } | Self::Gate(gate) => gate.cost(),
            Self::Extend(extend) => extend.cost(),
            Self::Product(product) => product.cost(),
            Self::Curve(curve) => curve.cost(),
        }
    }

    /// How many numbers it leaves.
    pub fn results(&self) -> usize {
        match self {
            Self::Pairs { windows, members, .. } => windows * members.div_ceil(2),
            Self::Gate(gate) => gate.results(),
            Self::Extend(extend) => extend.elements(),
            Self::Product(product) => product.elements(),
            Self::Curve(curve) => curve.elements(),
        }
    }

    /// How many numbers of C hide the bits that are dropped from its results.
    pub fn random_low_bits(&self) -> usize {
        match self {
            Self::Gate(gate) if gate.drops() => gate.results(),
            _ => 0,
        }
    }

    /// Bits of what it leaves.
    pub fn ring(&self) -> u32 {
        match self {
            Self::Pairs { gate, .. } | Self::Gate(gate) => gate.to(),
            Self::Extend(extend) => extend.to(),
            Self::Product(product) => product.to(),
            Self::Curve(curve) => curve.to(),
        }
    }

    /// A host's shares of what is computed on, and of what goes on as it is.
    pub fn split(&self, reads: Vec<RingTensor>) -> Result<(Vec<RingTensor>, Wiped<u64>), StepError> {
        let Self::Pairs { windows, members, .. } = self else { return Ok((reads, Wiped::zeros(0))) };
        let share = match &reads[..] {
            [share] if share.len() == windows * members => share,
            _ => {
                return Err(StepError::Shape { what: "shares of windows", expected: 1, actual: reads.len() });
            }
        };
        let all = || share.values().chunks_exact(*members);
        let side = |which: usize| {
            let numbers = all().flat_map(|window| window.as_chunks::<2>().0.iter().map(|pair| pair[which]));
            ring_tensor(share.bits(), numbers.collect())
        };
        let alone: Vec<u64> = all().filter_map(|window| window.as_chunks::<2>().1.first().copied()).collect();
        Ok((vec![side(0)?, side(1)?], alone.into()))
    }

    /// A host's share of what is left, from that of what was computed.
    pub fn join(&self, share: RingTensor, alone: &[u64]) -> Result<RingTensor, StepError> {
        let Self::Pairs { members, .. } = self else { return Ok(share) };
        if alone.is_empty() {
            return Ok(share);
        }
        let pairs = share.values().chunks_exact(members / 2).zip(alone);
        let all = pairs.flat_map(|(pairs, alone)| pairs.iter().chain([alone]).copied());
        ring_tensor(share.bits(), all.collect())
    }
}

/// Rows of a layer and those behind it.
pub(in super::super) fn split_rows<R>(parts: Option<[R; 2]>) -> Result<[R; 2], StepError> {
    parts.ok_or(StepError::Shape {
        what: "rows of a stage of numbers are missing: at least",
        expected: 1,
        actual: 0,
    })
}

/// A message that is several, one after the other.
pub(in super::super) fn parts_of<'m>(
    what: &'static str,
    message: &'m [u8],
    fields: Vec<Fields>,
) -> Result<Vec<&'m [u8]>, StepError> {
    let expected = fields.iter().map(Fields::bytes).sum();
    let wrong = StepError::Length { what, expected, actual: message.len() };
    let mut rest = message;
    let mut parts = Vec::with_capacity(fields.len());
    for fields in &fields {
        let (part, others) = rest.split_at_checked(fields.bytes()).ok_or_else(|| wrong.clone())?;
        parts.push(part);
        rest = others;
    }
    if rest.is_empty() { Ok(parts) } else { Err(wrong) }
}
