//! Layers that shares let through without a message: each host computes on its own share.
//!
//! | layer | shares | offsets, the server's |
//! |---|---|---|
//! | recode | as they are, with another step | recoded |
//! | round without dropped bits, of exact numbers | as they are, from the least one on | the least one |
//! | permute | picked | picked |
//! | concatenate | brought to one step and one fraction | as they are |
//! | add, sum pool | the same, and added | added |
//!
//! Bringing shares to a smaller step multiplies them by a public number, and noise with them: [`Ring::terms`]
//! counts how often a share was rounded down, and the server moves its share so that noise of either sign is
//! met alike.

use std::sync::Arc;

use xonn_crypto::Wiped;
use xonn_crypto::share::RingTensor;
use xonn_program::op::{Window2d, gcd};
use xonn_program::{Op, Program, Tensor};

use crate::cost::StageCost;
use crate::plan::{How, Stage};
use crate::protocol::{
    ClientContext, ClientRun, ClientSide, Phase, Protocol, ProtocolError, ServerContext, ServerRun,
    ServerSide, StageError, Trust,
};
use crate::steps::windows::MOST_PLACES;
use crate::value::{ClientValue, Form, Ring, ServerValue};

/// The protocol.
pub struct Local;

/// Which elements of which tensors make each element: those of one group are added.
#[derive(Debug)]
enum Gather {
    /// Element by element.
    Add,
    /// Picked from the tensors, laid one behind the other.
    Pick(Vec<u32>),
    /// Sums of elements of the one tensor, as many as there are.
    Sums(Vec<Vec<u32>>),
}

/// Both sides of a stage.
#[derive(Debug)]
struct Side {
    gather: Gather,
    /// What each share is multiplied by; a power of two of it goes into the fraction.
    factors: Vec<u64>,
    reads: Vec<Ring>,
    leaves: Ring,
    /// What values become: `a x + b`.
    recode: [i64; 2],
    /// The least number of a result, if all offsets become that.
    least: Option<i64>,
}

/// How shares of `op` are held, if shares in these rings let it through.
#[must_use]
pub fn leaves(op: &Op, reads: &[Ring]) -> Option<Ring> {
    let first = *reads.first()?;
    let step = reads.iter().fold(0, |all, ring| gcd(all, ring.step));
    let fraction = reads.iter().map(|ring| ring.fraction).max()?;
    let factor = |ring: &Ring| u64::try_from(ring.step / step).ok()?.checked_shl(fraction - ring.fraction);
    let whole = |ring: &Ring| u64::try_from(ring.step / step).ok()?.checked_mul(ring.span);
    let bits = reads.iter().map(|ring| ring.bits + fraction - ring.fraction).min()?;
    let terms = |ring: &Ring| u32::try_from(factor(ring)?.checked_mul(ring.terms.into())?).ok();
    let (span, terms) = match op {
        &Op::Recode { step, .. } => {
            return Some(Ring { step: first.step.checked_mul(step)?, ..first });
        }
        Op::Permute { .. } => return Some(first),
        // The same numbers, which fit fewer bits.
        Op::Round(round) => {
            let [lo, hi] = round.ends();
            let ring = Ring { span: hi.abs_diff(lo), ..first };
            let fits = round.drop == 0 && first.is_exact() && first.step == 1 && ring.span >> first.bits == 0;
            return fits.then_some(ring);
        }
        Op::Concatenate => (reads.iter().map(whole).max()??, reads.iter().map(terms).max()??),
        Op::Add => {
            let span = reads.iter().try_fold(0u64, |all, ring| all.checked_add(whole(ring)?))?;
            (span, reads.iter().try_fold(0u32, |all, ring| all.checked_add(terms(ring)?))?)
        }
        Op::SumPool { window } => {
            let most = (window.kernel[0] * window.kernel[1]) as u64;
            (first.span.checked_mul(most)?, u32::try_from(u64::from(first.terms).checked_mul(most)?).ok()?)
        }
        _ => return None,
    };
    let ring = Ring { bits, fraction, terms, step, span };
    let fits = bits <= Ring::MOST_BITS && fraction < bits && span >> ring.whole() == 0;
    (fits && (terms == 0 || 2 * u64::from(terms) <= 1 << fraction)).then_some(ring)
}

/// The members of each pooled element: all taps inside of the image. None if they are too many, which a small
/// file could ask for.
fn windows(window: &Window2d) -> Option<Vec<Vec<u32>>> {
    let channels = window.input[2];
    let pixels: usize = window.positions().map(|at| window.taps(at).flatten().count()).sum();
    pixels.checked_mul(channels).filter(|&places| places <= MOST_PLACES)?;
    let position = |at| {
        let taps: Vec<usize> = window.taps(at).flatten().collect();
        (0..channels).map(move |channel| taps.iter().map(|&tap| (tap * channels + channel) as u32).collect())
    };
    Some(window.positions().flat_map(position).collect())
}

impl Side {
    fn of(stage: &Stage, program: &Program) -> Result<Self, StageError> {
        let layer = &program.layers()[stage.last()];
        if stage.how != How::Local || stage.layers.len() != 1 {
            return Err(stage.error("one layer at a time is computed on shares alone"));
        }
        let named = stage.reads.iter().map(|&(read, _)| read).eq(layer.reads.iter().copied());
        let rings: Option<Vec<Ring>> = stage
            .reads
            .iter()
            .map(|&(_, form)| if let Form::Shares(ring) = form { Some(ring) } else { None })
            .collect();
        let (Some(reads), Form::Shares(leaves), true) = (rings, stage.leaves, named) else {
            return Err(stage.error("shares of all that it reads become shares"));
        };
        if self::leaves(&layer.op, &reads) != Some(leaves) {
            return Err(stage.error(format!("{} of {reads:?} does not leave {leaves:?}", layer.op.name())));
        }
        let shapes = || layer.reads.iter().map(|&read| &program.layers()[read]);
        let mut recode = [1, 0];
        let least = if let Op::Round(round) = &layer.op { Some(round.ends()[0]) } else { None };
        let gather = match &layer.op {
            &Op::Recode { step, offset } => {
                recode = [step, offset];
                Gather::Add
            }
            Op::Permute { source } => Gather::Pick(source.iter().map(|&at| at as u32).collect()),
            Op::SumPool { window } => {
                let too_many =
                    || stage.error(format!("more than {MOST_PLACES} elements in all windows of a pool"));
                Gather::Sums(windows(window).ok_or_else(too_many)?)
            }
            Op::Add | Op::Round(_) => Gather::Add,
            _ => {
                let rows = shapes().next().map_or(0, |read| read.elements() / read.channels().max(1));
                let mut begin = 0;
                let mut parts = Vec::new();
                for read in shapes() {
                    parts.push((begin, read.channels()));
                    begin += read.elements();
                }
                let row = |row: usize| {
                    let parts = parts.iter();
                    parts.flat_map(move |&(begin, n)| {
                        (begin + row * n..begin + (row + 1) * n).map(|at| at as u32)
                    })
                };
                Gather::Pick((0..rows).flat_map(row).collect())
            }
        };
        let scaled = |ring: &Ring| match layer.op {
            Op::Recode { .. } => 1,
            _ => ((ring.step / leaves.step) as u64) << (leaves.fraction - ring.fraction),
        };
        Ok(Self { gather, factors: reads.iter().map(scaled).collect(), reads, leaves, recode, least })
    }

    /// What the tensors' elements make. `parts` are all of one length where they are added.
    fn gather(&self, parts: &[Vec<u64>]) -> Vec<u64> {
        match &self.gather {
            Gather::Add => {
                let sum = |i: usize| parts.iter().fold(0u64, |sum, part| sum.wrapping_add(part[i]));
                (0..parts[0].len()).map(sum).collect()
            }
            Gather::Pick(source) => {
                let all = parts.concat();
                source.iter().map(|&at| all[at as usize]).collect()
            }
            Gather::Sums(sums) => {
                let sum = |members: &Vec<u32>| {
                    members.iter().fold(0u64, |sum, &at| sum.wrapping_add(parts[0][at as usize]))
                };
                sums.iter().map(sum).collect()
            }
        }
    }

    fn scaled(&self, shares: &[&RingTensor]) -> Vec<Vec<u64>> {
        let scale = |(share, &factor): (&&RingTensor, &u64)| {
            share.values().iter().map(|y| y.wrapping_mul(factor)).collect()
        };
        shares.iter().zip(&self.factors).map(scale).collect()
    }

    /// What the server adds to an element that is made of `members` of the first tensor, or of one of each,
    /// so that noise is in the middle: in units of the shares, rounded down.
    fn centre(&self, parts: impl Iterator<Item = usize>) -> u64 {
        let before: i64 = parts
            .map(|part| (self.factors[part] as i64).wrapping_mul(self.reads[part].centre_halves()))
            .sum();
        (self.leaves.centre_halves() - before).div_euclid(2) as u64
    }

    /// What the server's shares make.
    fn centred(&self, shares: &[&RingTensor]) -> Vec<u64> {
        let mut parts = self.scaled(shares);
        match &self.gather {
            Gather::Pick(_) => {
                for (part, share) in parts.iter_mut().enumerate() {
                    let more = self.centre(std::iter::once(part));
                    share.iter_mut().for_each(|y| *y = y.wrapping_add(more));
                }
                self.gather(&parts)
            }
            Gather::Add => {
                let more = self.centre(0..parts.len());
                self.gather(&parts).iter().map(|y| y.wrapping_add(more)).collect()
            }
            Gather::Sums(sums) => {
                let more = |members: &Vec<u32>| self.centre(std::iter::repeat_n(0, members.len()));
                let sums = sums.iter().map(more);
                self.gather(&parts).iter().zip(sums).map(|(y, more)| y.wrapping_add(more)).collect()
            }
        }
    }
}

impl Protocol for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    fn holds(&self) -> Trust {
        Trust::SemiHonest
    }

    fn server(
        &self,
        stage: &Stage,
        program: &Program,
        _tensors: &[Tensor],
    ) -> Result<Arc<dyn ServerSide>, StageError> {
        Ok(Arc::new(Arc::new(Side::of(stage, program)?)))
    }

    fn client(&self, stage: &Stage, program: &Program) -> Result<Arc<dyn ClientSide>, StageError> {
        Ok(Arc::new(Arc::new(Side::of(stage, program)?)))
    }
}

impl ServerSide for Arc<Side> {
    fn cost(&self) -> StageCost {
        StageCost::default()
    }

    fn begin(&self) -> Box<dyn ServerRun> {
        Box::new(Arc::clone(self))
    }
}

impl ServerRun for Arc<Side> {
    fn prepare(&mut self, _phase: Phase, _context: &mut ServerContext<'_>) -> Result<(), ProtocolError> {
        Ok(())
    }

    fn run(
        self: Box<Self>,
        _context: &mut ServerContext<'_>,
        reads: &[&ServerValue],
    ) -> Result<ServerValue, ProtocolError> {
        let (mut shares, mut moved) = (Vec::new(), Vec::new());
        for read in reads {
            let (share, offsets) = read.shares().ok_or_else(|| ProtocolError::missing("shares"))?;
            shares.push(share);
            moved.push(offsets.iter().map(|&offset| offset as u64).collect::<Vec<u64>>());
        }
        let share = RingTensor::new(self.leaves.bits, self.centred(&shares))?;
        if let (Some(least), Some(offsets), Some(ring)) = (self.least, moved.first(), self.reads.first()) {
            let offsets: Vec<i64> = offsets.iter().map(|&offset| offset as i64).collect();
            let numbers = ring.numbers_of_server(&share, &offsets, self.leaves.bits)?;
            return Ok(ServerValue::of_numbers(&numbers, least)?);
        }
        let [a, b] = self.recode;
        let offsets: Wiped<i64> =
            self.gather(&moved).iter().map(|&offset| a.wrapping_mul(offset as i64).wrapping_add(b)).collect();
        Ok(ServerValue::Shares { share, offsets })
    }
}

impl ClientSide for Arc<Side> {
    fn cost(&self) -> StageCost {
        StageCost::default()
    }

    fn begin(&self) -> Box<dyn ClientRun> {
        Box::new(Once { side: Arc::clone(self), done: false })
    }
}

/// The client's share of what a stage leaves, once that of all it reads is known.
struct Once {
    side: Arc<Side>,
    done: bool,
}

impl Once {
    fn share(&mut self, shares: &[&RingTensor]) -> Result<Option<ClientValue>, ProtocolError> {
        self.done = true;
        let side = &self.side;
        Ok(Some(ClientValue::Shares(RingTensor::new(side.leaves.bits, side.gather(&side.scaled(shares)))?)))
    }
}

impl ClientRun for Once {
    fn prepare(
        &mut self,
        _phase: Phase,
        _context: &mut ClientContext<'_>,
        reads: &[Option<&ClientValue>],
    ) -> Result<Option<ClientValue>, ProtocolError> {
        let shares: Option<Vec<&RingTensor>> =
            reads.iter().map(|read| read.and_then(ClientValue::share)).collect();
        match shares {
            Some(shares) if !self.done => self.share(&shares),
            _ => Ok(None),
        }
    }

    fn run(
        mut self: Box<Self>,
        _context: &mut ClientContext<'_>,
        reads: &[&ClientValue],
    ) -> Result<Option<ClientValue>, ProtocolError> {
        let shares: Option<Vec<&RingTensor>> = reads.iter().map(|read| read.share()).collect();
        match shares {
            Some(shares) if !self.done => self.share(&shares),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_of_too_many_elements_is_none() {
        let pool = |side: usize, channels| Window2d {
            input: [side, side, channels],
            kernel: [side, side],
            stride: [1, 1],
            dilation: [1, 1],
            pad_low: [side / 2; 2],
            output: [side, side],
        };
        assert_eq!(windows(&pool(4, 3)).map(|all| all.len()), Some(4 * 4 * 3));
        // A page of JSON; with all elements listed it would take 2^34 numbers and more.
        assert_eq!(windows(&pool(64, 4096)), None);
    }
}
