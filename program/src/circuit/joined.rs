//! Tensors that both hosts hold in shares: how a circuit reads them.
//!
//! With `value = step t + offset` and the layer's public range `lo..=hi`, `value - lo = step t + (offset -
//! lo)`. The server splits `offset - lo = step q + r`, `0 <= r < step`, and adds `q` to its share of t. So
//! the circuit adds both shares, drops the fraction, and has `t + q`; what it stores is `step (t + q) + r`,
//! with r brought by the server as a number beside its share. No bit of t above those that the range needs is
//! looked at.
//!
//! A threshold that alone reads such a tensor needs no number: `value >= cut` is `t - T >= 0`, and the server
//! takes its T from its share. The same holds of one behind a max-pooling that alone reads it: the largest
//! number passes a rising cut if any does, and a falling one if all do, so the cuts come first, and bits are
//! pooled.

use xonn_circuits::gadgets::popcount::width_of;
use xonn_circuits::tiled::{Axis, IndexMap, Port, Source, Tile};
use zeroize::Zeroizing;

use super::run::Sharing;
use super::template::Template;
use super::{Encoding, LowerError, Lowering, Place, pool};
use crate::op::{Cut, Op, split};
use crate::program::{Kind, LayerId, Program};
use crate::tensor::Tensor;

/// Most bits of a number that shares are of.
const MOST_BITS: usize = 60;

/// A tensor in shares, and what the circuit reads of them.
pub(crate) struct Joined {
    pub layer: LayerId,
    pub elements: usize,
    pub sharing: Sharing,
    /// Low bits of each share that the circuit takes.
    pub bits: usize,
    /// Bits of the server's number beside its share.
    pub rest: usize,
    /// What becomes of it.
    pub how: How,
    /// Which of the circuit's input bits are the client's shares, from here on.
    pub client: u64,
    /// The same of the server's.
    pub server: u64,
}

/// What becomes of a tensor in shares.
pub(crate) enum How {
    /// A number.
    Number {
        /// Smallest of the layer's range.
        lo: i64,
        /// As it is stored.
        encoding: Encoding,
    },
    /// A threshold's bit.
    Cut {
        /// The threshold, behind the tensor or behind its pooling.
        by: LayerId,
        /// One a channel, the last axis; known to the server.
        cuts: Zeroizing<Vec<Cut>>,
    },
}

impl Joined {
    /// How the tensor of `layer` is read. `cut_by`: the threshold that alone is made of it ([`cut_by`]).
    pub fn new(
        program: &Program,
        layer: LayerId,
        sharing: Sharing,
        cut_by: Option<LayerId>,
    ) -> Result<Self, String> {
        let Sharing { bits, fraction, step, span } = sharing;
        if !(1..=Sharing::MOST_BITS).contains(&bits)
            || fraction >= bits
            || step < 1
            || span >> (bits - fraction) != 0
        {
            return Err(format!("{sharing:?} are no shares that a circuit can read"));
        }
        let (of, fraction) = (&program.layers()[layer], fraction as usize);
        let (range, whole) = (of.kind.range(), bits as usize - fraction);
        let joined = |whole: usize, rest, how| Self {
            layer,
            elements: of.elements(),
            sharing,
            bits: fraction + whole,
            rest,
            how,
            client: 0,
            server: 0,
        };
        // All of t - T, -(span + 1) to span, needs a sign.
        let signed = width_of(span) + 1;
        if let Some(by) = cut_by.filter(|_| signed <= whole) {
            return Ok(joined(signed, 0, How::Cut { by, cuts: Zeroizing::default() }));
        }
        let most = range.hi.abs_diff(range.lo);
        let (width, needed) = (width_of(most).max(1), width_of(most / step.unsigned_abs()).max(1));
        if width > MOST_BITS {
            return Err(format!("numbers from {} to {} are wider than {MOST_BITS} bits", range.lo, range.hi));
        }
        if needed > whole {
            return Err(format!(
                "{whole} bits in steps of {step} do not hold numbers from {} to {}",
                range.lo, range.hi
            ));
        }
        // Of a bit, -1 or 1, nothing is left beside steps of 2.
        let bit = of.kind == Kind::Bit;
        let rest = if bit && step == 2 { 0 } else { width_of(step.unsigned_abs() - 1).min(width) };
        let encoding = match bit {
            true => Encoding::BIT,
            false => Encoding { width, lo: range.lo, step: 1, top_inverted: false },
        };
        Ok(joined(needed, rest, How::Number { lo: range.lo, encoding }))
    }

    /// Whether nothing but this threshold is made of it.
    pub fn is_cut_by(&self, threshold: LayerId) -> bool {
        matches!(self.how, How::Cut { by, .. } if by == threshold)
    }

    /// Bits of the client's shares.
    pub fn client_bits(&self) -> u64 {
        (self.elements * self.bits) as u64
    }

    /// Bits of the server's shares, and of the numbers beside them.
    pub fn server_bits(&self) -> u64 {
        (self.elements * (self.bits + self.rest)) as u64
    }

    /// The server's share and number of an element, or none if they are not of this tensor.
    pub fn servers(&self, element: usize, share: u64, offset: i64) -> Option<[u64; 2]> {
        let Sharing { fraction, step, span, .. } = self.sharing;
        match &self.how {
            &How::Number { lo, .. } => {
                let (q, r) = split(i128::from(offset.wrapping_sub(lo)), step.unsigned_abs());
                let share = share.wrapping_add((q as u64) << fraction);
                (r >> self.rest == 0).then_some([share, r])
            }
            How::Cut { cuts, .. } => {
                let cut = cuts.get(element % cuts.len().max(1))?;
                let from = cut.edge(step.unsigned_abs(), span, offset);
                Some([share.wrapping_sub(from << fraction), 0])
            }
        }
    }

    /// The ports that read each element's shares.
    fn ports(&self, outer: impl Fn(usize) -> Vec<u64>) -> [Port; 2] {
        let port = |base, bits: usize| Port {
            source: Source::Input,
            map: IndexMap { base, outer: outer(bits), inner: line(bits) },
        };
        [port(self.client, self.bits), port(self.server, self.bits + self.rest)]
    }
}

fn line(extent: usize) -> Vec<Axis> {
    vec![Axis { extent: extent as u32, stride: 1 }]
}

/// Makes numbers of the shares with this index.
pub(super) fn number(lowering: &mut Lowering<'_>, index: usize) -> Result<Option<Place>, LowerError> {
    let joined = &lowering.joined[index];
    let How::Number { encoding, .. } = joined.how else { return Ok(None) };
    let layer = &lowering.program.layers()[joined.layer];
    let range = layer.kind.range();
    // Of a bit, value - lo is 0 or 2.
    let (out, drop) =
        if layer.kind == Kind::Bit { (2, 1) } else { (width_of(range.hi.abs_diff(range.lo)), 0) };
    let (fraction, step) = (joined.sharing.fraction as usize, joined.sharing.step.unsigned_abs());
    let template =
        Template::Unshare { bits: joined.bits, fraction, step, rest: joined.rest, out: out.max(1), drop };
    let grid = vec![joined.elements as u32];
    let inputs = joined.ports(|bits| vec![bits as u64]).to_vec();
    let output = IndexMap { base: 0, outer: vec![encoding.width as u64], inner: line(encoding.width) };
    let template = lowering.templates.get(&template)?;
    let tile = Tile { template, grid, inputs, output };
    lowering.push("unshare", 0, &layer.shape, encoding, vec![tile]).map(Some)
}

/// Lowers the threshold of layer `id`, and the pooling in front of it, of the shares with this index.
pub(super) fn threshold(
    lowering: &mut Lowering<'_>,
    id: LayerId,
    index: usize,
    channels: usize,
) -> Result<Place, LowerError> {
    let base = lowering.secret.next();
    match lowering.tensor(id) {
        Some(tensor) => {
            // The sign is that of a number below the cut.
            tensor.cuts().iter().for_each(|cut| lowering.secret.bit(cut.rising));
            lowering.joined[index].how = How::Cut { by: id, cuts: Zeroizing::new(tensor.cuts().to_vec()) };
        }
        None => lowering.secret.skip(channels as u64),
    }
    let joined = &lowering.joined[index];
    let shape = lowering.program.layers()[joined.layer].shape.clone();
    let outer = |bits: usize| vec![(channels * bits) as u64, bits as u64];
    let [client, server] = joined.ports(outer);
    let flip = IndexMap { base, outer: vec![0, 1], inner: line(1) };
    let template = Template::SharedThreshold { bits: joined.bits };
    let tile = Tile {
        template: lowering.templates.get(&template)?,
        grid: vec![(joined.elements / channels) as u32, channels as u32],
        inputs: vec![client, server, Port { source: Source::Secret, map: flip }],
        output: IndexMap { base: 0, outer: outer(1), inner: line(1) },
    };
    let (of, pooled) = (joined.layer, lowering.program.layers()[id].reads[0]);
    let bits = lowering.push("threshold", 0, &shape, Encoding::BIT, vec![tile])?;
    match &lowering.program.layers()[pooled].op {
        Op::MaxPool { window } if pooled != of => {
            let cuts = lowering.tensor(id).map(Tensor::cuts);
            pool::pool_bits(lowering, pooled, &bits, window, cuts)
        }
        _ => Ok(bits),
    }
}

/// The threshold that alone is made of the tensor of `id`, among the layers that are computed: the only one
/// that reads it ([`only_readers`]), or, with a cut for each channel, the only one that reads a max-pooling
/// that is the only one to read it. A circuit that reads the tensor in shares compares them then, if they
/// have a bit more than their largest number, and makes no numbers of them.
#[must_use]
pub fn cut_by(program: &Program, id: LayerId, only_readers: &[Option<LayerId>]) -> Option<LayerId> {
    let op = |id: LayerId| &program.layers()[id].op;
    let reader = only_readers[id]?;
    match op(reader) {
        Op::Threshold { .. } => Some(reader),
        // Bits are pooled as they are.
        Op::MaxPool { window } if program.layers()[id].kind != Kind::Bit => {
            let cuts = window.input[2];
            let behind = only_readers[reader]?;
            matches!(op(behind), Op::Threshold { cuts: found } if *found == cuts).then_some(behind)
        }
        _ => None,
    }
}

/// Of each layer the one that reads it, if there is no other among the layers that are computed.
#[must_use]
pub fn only_readers(program: &Program, computed: impl Fn(LayerId) -> bool) -> Vec<Option<LayerId>> {
    let layers = program.layers();
    let mut readers: Vec<(Option<LayerId>, bool)> = vec![(None, true); layers.len()];
    for (reader, layer) in layers.iter().enumerate().filter(|(reader, _)| computed(*reader)) {
        for &read in &layer.reads {
            let (first, alone) = &mut readers[read];
            *alone &= first.is_none_or(|first| first == reader);
            *first = Some(reader);
        }
    }
    readers.into_iter().map(|(reader, alone)| reader.filter(|_| alone)).collect()
}
