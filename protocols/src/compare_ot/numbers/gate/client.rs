//! C's side of numbers times bits. `server.rs` mirrors it.

use xonn_crypto::Wiped;
use xonn_crypto::share::RingTensor;

use super::{Gate, Kind};
use crate::steps::StepError;
use crate::steps::compare::{self, AwaitProducts, ClientBits};
use crate::steps::convert::ring_tensor;
use crate::steps::error::expect;
use crate::steps::extend::ClientRows;
use crate::steps::frame::{Reader, Writer};
use crate::steps::rows::{ReceiverRows, SenderRows, Tweaks};
use crate::steps::scaled::Scaled;
use crate::steps::{messages, parts};

use super::super::compared::Value;

/// C sent its cross terms and waits for S's shares of products.
#[derive(Debug)]
pub(in super::super) struct Started {
    plan: Gate,
    tweaks: Tweaks,
    comparisons: Vec<AwaitProducts>,
    extension: Option<ClientRows>,
}

/// C is ready, and waits for the tables.
#[derive(Debug)]
pub(in super::super) struct Ready {
    plan: Gate,
    tweaks: Tweaks,
    comparisons: Vec<compare::AwaitTables>,
    /// What extends C's share, or the share where the ring stays.
    value: Value,
    scaled: Scaled,
    /// What is added to each result, where that is more than the number times its bit.
    added: Option<RingTensor>,
    rho: RingTensor,
}

impl Started {
    pub fn new(plan: &Gate, tweaks: Tweaks, masks: SenderRows<'_>) -> Result<(Vec<u8>, Self), StepError> {
        let (message, comparisons, rest) = plan.compared.start(tweaks, masks)?;
        let [at, ..] = plan.tweaks();
        let rows = |extension| ClientRows::new(extension, &tweaks.masks, tweaks.behind(at).first, rest);
        let extension = plan.extension().map(rows).transpose()?;
        Ok((message, Self { plan: plan.clone(), tweaks, comparisons, extension }))
    }

    /// `low` is random, of the bits of results that are dropped.
    pub fn on_products(
        self,
        message: &[u8],
        reads: Vec<RingTensor>,
        [rho, low]: [RingTensor; 2],
        leaves: ReceiverRows<'_>,
    ) -> Result<(Vec<u8>, Ready), StepError> {
        let Self { plan, tweaks, comparisons, extension } = self;
        expect("shares of results", plan.results(), rho.len())?;
        expect("bits of the results' ring", plan.to as usize, rho.bits() as usize)?;
        let (y1, added) = plan.operands(reads)?;
        let (mut corrections, ready, rest) = plan.compared.on_products(comparisons, message, &y1, leaves)?;
        let mut out = Writer::default();
        let value = Value::of(extension, y1, &mut out)?;
        corrections.extend(out.finish());
        let [_, at, _] = plan.tweaks();
        let scaled = Scaled::new(&tweaks.leaves, tweaks.behind(at).first, rest, plan.elements())?;
        let rho = plan.widened(&rho, &low)?;
        Ok((corrections, Ready { plan, tweaks, comparisons: ready, value, scaled, added, rho }))
    }
}

impl Ready {
    pub fn on_tables(self, message: &[u8]) -> Result<Vec<u8>, StepError> {
        let Self { plan, tweaks, comparisons, value, scaled, added, rho } = self;
        let (n, ring) = (plan.elements(), plan.ring());
        let mut tables = Reader::new("tables of numbers", message, &plan.tables())?;
        let mut out = Writer::new(&plan.answer());
        let bits = comparisons.into_iter().map(|comparison| comparison.on_tables(&mut tables, &mut out));
        let bits: Vec<ClientBits> = bits.collect::<Result<_, _>>()?;
        let share = value.share(&mut tables)?;
        let masked = tables.numbers(n, ring)?;
        // the bit that the number is multiplied by, as far as C has it
        let gate = match &bits[..] {
            [above, below] => &above.bits ^ &below.bits,
            [bit, ..] => bit.bits.clone(),
            [] => return Err(StepError::Shape { what: "comparisons", expected: 1, actual: 0 }),
        };
        let opened = scaled.opened(&gate);
        out.column(&opened);
        let [.., at] = plan.tweaks();
        let pads = messages::pads(&bits, &tweaks.masks, tweaks.behind(at).first);

        let [factor, rest] = plan.kind.factors();
        let entries = 1 << bits.len();
        let mut all: Wiped<u64> = Wiped::zeros(entries * n);
        parts::fill(&mut all, entries, |first, all| {
            for (entries, i) in all.chunks_exact_mut(entries).zip(first..) {
                let own = share.values()[i];
                let number = own.wrapping_add(masked[i]);
                let product = scaled.product(i, opened.mask(i));
                // times the bit, for C's part of it as a mask, and a part of S's
                let times =
                    |kept: u64, product: u64| factor.wrapping_mul((number & kept).wrapping_add(product));
                let other = product.wrapping_neg();
                match (&bits[..], plan.kind) {
                    ([above, below], Kind::Clamp { lo, hi }) => {
                        let [above, below] = [above, below].map(|bits| bits.bits.mask(i));
                        for (entry, j) in entries.iter_mut().zip(0..4u64) {
                            // S's shares of both bits are those of j
                            let [above, below] = [(above, j & 1), (below, j >> 1)]
                                .map(|(mask, part): (u64, u64)| mask ^ part.wrapping_neg());
                            let product = if j.count_ones() == 1 { product } else { other };
                            let ends = (hi as u64 & above).wrapping_add(lo as u64 & below);
                            *entry = times(!(above ^ below), product).wrapping_add(ends);
                        }
                    }
                    _ => {
                        let added = added.as_ref().map_or(0, |added| added.values()[i]);
                        let more = rest.wrapping_mul(own).wrapping_add(added);
                        let mask = gate.mask(i);
                        let both = [times(mask, product), times(!mask, other)];
                        entries
                            .iter_mut()
                            .zip(both)
                            .for_each(|(entry, times)| *entry = times.wrapping_add(more));
                    }
                }
            }
        });
        match &plan.sums {
            None => {
                let messages = all.iter().zip(pads.iter()).zip(0..);
                let messages: Wiped<u64> = messages
                    .map(|((number, pad), at)| number.wrapping_sub(rho.values()[at / entries]) ^ pad)
                    .collect();
                out.numbers(&messages, ring);
            }
            Some(windows) => {
                let pairs = || all.as_chunks::<2>().0.iter().zip(pads.as_chunks::<2>().0);
                let differences: Wiped<u64> = pairs()
                    .map(|([zero, one], [p, q])| one.wrapping_sub(*zero).wrapping_add(*p).wrapping_sub(*q))
                    .collect();
                out.numbers(&differences, ring);
                let own: Wiped<u64> = pairs().map(|([zero, _], [pad, _])| zero.wrapping_sub(*pad)).collect();
                let sum = |window: &[u32]| {
                    window.iter().fold(0u64, |sum, &element| sum.wrapping_add(own[element as usize]))
                };
                let sums = windows.iter().zip(rho.values());
                let sums: Wiped<u64> = sums.map(|(window, rho)| sum(window).wrapping_sub(*rho)).collect();
                out.numbers(&sums, ring);
            }
        }
        Ok(out.finish())
    }
}

impl Gate {
    /// A host's share of what is compared, and of what is added to the result.
    pub(super) fn operands(
        &self,
        reads: Vec<RingTensor>,
    ) -> Result<(RingTensor, Option<RingTensor>), StepError> {
        let wrong = |actual| StepError::Shape { what: "shares that are read", expected: 1, actual };
        let mut reads = reads.into_iter();
        match (reads.next(), reads.next()) {
            (Some(a), Some(b)) if matches!(self.kind, Kind::Larger) => {
                let difference = a.sub(&b).map_err(|_| wrong(2))?;
                Ok((difference, Some(b)))
            }
            (Some(share), None) if !matches!(self.kind, Kind::Larger) => Ok((share, None)),
            (first, second) => Err(wrong(first.iter().len() + second.iter().len())),
        }
    }

    /// C's share of results before bits are dropped.
    fn widened(&self, rho: &RingTensor, low: &RingTensor) -> Result<RingTensor, StepError> {
        let drop = self.kind.dropped();
        if drop == 0 {
            return Ok(rho.clone());
        }
        expect("random low bits", rho.len(), low.len())?;
        let all = rho.values().iter().zip(low.values());
        ring_tensor(self.ring(), all.map(|(rho, low)| rho << drop | low & ((1 << drop) - 1)).collect())
    }
}
