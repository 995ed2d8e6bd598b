//! S's side of numbers times bits. `client.rs` mirrors it.

use xonn_crypto::Wiped;
use xonn_crypto::share::RingTensor;

use super::{Gate, Kind};
use crate::steps::StepError;
use crate::steps::compare::{self, AwaitInput, AwaitOpenings, ServerBits};
use crate::steps::convert::ring_tensor;
use crate::steps::extend::{ServerRows, ServerShares};
use crate::steps::frame::{Fields, Reader, Writer};
use crate::steps::rows::{ReceiverRows, SenderRows, Tweaks};
use crate::steps::scaled::{Scale, negated};
use crate::steps::truncate::Drop;
use crate::steps::{messages, parts};

/// S waits for C's cross terms.
#[derive(Debug)]
pub(in super::super) struct AwaitCrossTerms {
    plan: Gate,
    tweaks: Tweaks,
    comparisons: Vec<compare::AwaitCrossTerms>,
    extension: Option<ServerRows>,
}

/// S sent its shares of products and waits for C's digits.
#[derive(Debug)]
pub(in super::super) struct AwaitDigits {
    plan: Gate,
    tweaks: Tweaks,
    comparisons: Vec<compare::AwaitDigits>,
    extension: Option<ServerRows>,
}

/// S is ready, and waits for its own share.
#[derive(Debug)]
pub(in super::super) struct AwaitShare {
    plan: Gate,
    tweaks: Tweaks,
    comparisons: Vec<AwaitInput>,
    extension: Option<ServerShares>,
    scale: Scale,
}

/// S sent its tables and waits for F2.
#[derive(Debug)]
pub(in super::super) struct AwaitAnswer {
    plan: Gate,
    tweaks: Tweaks,
    comparisons: Vec<AwaitOpenings>,
    scale: Scale,
    /// What is added to each result, where that is more than the number times its bit.
    added: Option<RingTensor>,
}

impl AwaitCrossTerms {
    pub fn new(plan: &Gate, tweaks: Tweaks, masks: ReceiverRows<'_>) -> Result<Self, StepError> {
        let (comparisons, rest) = plan.compared.wait(tweaks, masks)?;
        let [at, ..] = plan.tweaks();
        let rows = |extension| ServerRows::new(extension, &tweaks.masks, tweaks.behind(at).first, rest);
        let extension = plan.extension().map(rows).transpose()?;
        Ok(Self { plan: plan.clone(), tweaks, comparisons, extension })
    }

    pub fn on_cross_terms(self, message: &[u8]) -> Result<(Vec<u8>, AwaitDigits), StepError> {
        let Self { plan, tweaks, comparisons, extension } = self;
        let (products, next) = plan.compared.on_cross_terms(comparisons, message)?;
        Ok((products, AwaitDigits { plan, tweaks, comparisons: next, extension }))
    }
}

impl AwaitDigits {
    pub fn on_digits(self, message: &[u8], leaves: SenderRows<'_>) -> Result<AwaitShare, StepError> {
        let Self { plan, tweaks, comparisons, extension } = self;
        let fields = plan.extension().map_or_else(Fields::default, |extension| extension.corrections());
        let (next, last, rest) = plan.compared.on_digits(comparisons, message, fields, leaves)?;
        let extension = match (extension, plan.extension()) {
            (Some(rows), Some(extension)) => {
                let fields = extension.corrections();
                Some(rows.on_corrections(&mut Reader::new("corrections of numbers", last, &fields)?)?)
            }
            _ => None,
        };
        let [_, at, _] = plan.tweaks();
        let scale = Scale::new(&tweaks.leaves, tweaks.behind(at).first, rest, plan.elements())?;
        Ok(AwaitShare { plan, tweaks, comparisons: next, extension, scale })
    }
}

impl AwaitShare {
    pub fn on_share(self, reads: Vec<RingTensor>) -> Result<(Vec<u8>, AwaitAnswer), StepError> {
        let Self { plan, tweaks, comparisons, extension, scale } = self;
        let (y0, added) = plan.operands(reads)?;
        let mut out = Writer::new(&plan.tables());
        let next = plan.compared.tables(comparisons, &y0, &plan.kind.cuts(), &mut out)?;
        let share = match extension {
            Some(extension) => extension.open(&y0, &mut out)?,
            None => y0,
        };
        let masked = share.values().iter().enumerate().map(|(i, share)| share.wrapping_sub(scale.alpha(i)));
        out.numbers(&masked.collect::<Wiped<u64>>(), plan.ring());
        let [_, rest] = plan.kind.factors();
        let added = match added {
            None if rest > 0 => {
                Some(ring_tensor(plan.ring(), share.values().iter().map(|x| x.wrapping_mul(rest)).collect())?)
            }
            added => added,
        };
        Ok((out.finish(), AwaitAnswer { plan, tweaks, comparisons: next, scale, added }))
    }
}

impl AwaitAnswer {
    pub fn on_answer(self, message: &[u8]) -> Result<RingTensor, StepError> {
        let Self { plan, tweaks, comparisons, scale, added } = self;
        let (n, ring) = (plan.elements(), plan.ring());
        let mut answer = Reader::new("openings and messages of numbers", message, &plan.answer())?;
        let bits = comparisons.into_iter().map(|comparison| comparison.on_openings(&mut answer));
        let bits: Vec<ServerBits> = bits.collect::<Result<_, _>>()?;
        let opened = answer.column(n)?;
        let [.., at] = plan.tweaks();
        let pads = messages::pad(&bits, &tweaks.masks, tweaks.behind(at).first);
        let entries = if plan.sums.is_some() { 1 } else { 1 << bits.len() };
        let messages = answer.numbers(entries * n, ring)?;
        let [factor, _] = plan.kind.factors();
        let mut shares: Wiped<u64> = Wiped::zeros(n);
        parts::fill(&mut shares, 1, |first, shares| {
            for ((share, messages), i) in
                shares.iter_mut().zip(messages[entries * first..].chunks_exact(entries)).zip(first..)
            {
                let pad = pads[i];
                let one = |pair: [u64; 2], mask: u64| pair[0] ^ (pair[0] ^ pair[1]) & mask;
                // S's part of the bit that the number is multiplied by, as a mask, and its message
                let (part, message) = match (&bits[..], messages) {
                    ([bit], [difference]) => {
                        let mask = bit.bits.mask(i);
                        (mask, pad.wrapping_add(difference & mask))
                    }
                    ([bit], [zero, other]) => {
                        let mask = bit.bits.mask(i);
                        (mask, one([*zero, *other], mask) ^ pad)
                    }
                    ([above, below], [a, b, c, d]) => {
                        let [above, below] = [above, below].map(|bits| bits.bits.mask(i));
                        let pair = [[*a, *b], [*c, *d]].map(|pair| one(pair, above));
                        (!(above ^ below), one(pair, below) ^ pad)
                    }
                    // As many messages as comparisons have, see `entries`.
                    _ => (0, 0),
                };
                let product = negated(scale.product(i, opened.mask(i)), part);
                let own = (scale.alpha(i) & part).wrapping_add(product);
                let more = added.as_ref().map_or(0, |added| added.values()[i]);
                *share = message.wrapping_add(factor.wrapping_mul(own)).wrapping_add(more);
            }
        });
        let results = match &plan.sums {
            None => ring_tensor(ring, shares.to_vec())?,
            Some(windows) => {
                let corrections = answer.numbers(windows.len(), ring)?;
                let sum = |(window, &correction): (&[u32], &u64)| {
                    let all = window.iter().map(|&element| shares[element as usize]);
                    all.fold(correction, u64::wrapping_add)
                };
                ring_tensor(ring, windows.iter().zip(corrections.iter()).map(sum).collect())?
            }
        };
        Drop::new(plan.kind.dropped()).server(&results)
    }
}

impl Kind {
    /// What the numbers are compared with: that they are as large, or, for the second one, smaller.
    fn cuts(self) -> [i64; 2] {
        if let Self::Clamp { lo, hi } = self { [hi, lo] } else { [0, 0] }
    }
}
