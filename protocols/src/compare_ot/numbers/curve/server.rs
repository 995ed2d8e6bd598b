//! S's side of curves. `client.rs` mirrors it.

use rand::CryptoRng;
use xonn_crypto::Wiped;
use xonn_crypto::block::Block;
use xonn_crypto::share::RingTensor;

use super::super::round::split_rows;
use super::Curves;
use super::lines::Lines;
use crate::steps::compare::{self, AwaitInput, AwaitOpenings, ServerBits};
use crate::steps::convert::ring_tensor;
use crate::steps::extend::{ServerRows, ServerShares};
use crate::steps::frame::{Reader, Writer};
use crate::steps::ole::ServerProducts;
use crate::steps::rows::{ReceiverRows, SenderRows, Tweaks};
use crate::steps::scaled::{Scale, negated};
use crate::steps::truncate::Drop;
use crate::steps::{StepError, messages, parts, table};

/// S waits for C's cross terms.
#[derive(Debug)]
pub(in super::super) struct AwaitCrossTerms {
    plan: Curves,
    tweaks: Tweaks,
    comparisons: Vec<compare::AwaitCrossTerms>,
    extension: Option<ServerRows>,
}

/// S sent its products and waits for C's digits.
#[derive(Debug)]
pub(in super::super) struct AwaitDigits {
    plan: Curves,
    tweaks: Tweaks,
    comparisons: Vec<compare::AwaitDigits>,
    extension: Option<ServerRows>,
    /// m1 and m2, and the products of the latter.
    masks: [Wiped<u64>; 2],
    products: Option<ServerProducts>,
}

/// S waits for its own share.
#[derive(Debug)]
pub(in super::super) struct AwaitShare {
    plan: Curves,
    tweaks: Tweaks,
    comparisons: Vec<AwaitInput>,
    extension: Option<ServerShares>,
    masks: [Wiped<u64>; 2],
    /// Pads of all entries, and S's share of what the table gives.
    table: Option<(Wiped<u128>, RingTensor)>,
    scales: Vec<Scale>,
}

/// S sent its tables and waits for F2.
#[derive(Debug)]
pub(in super::super) struct AwaitAnswer {
    plan: Curves,
    tweaks: Tweaks,
    comparisons: Vec<AwaitOpenings>,
    middle: RingTensor,
    scales: Vec<Scale>,
}

impl AwaitCrossTerms {
    pub fn new(plan: &Curves, tweaks: Tweaks, masks: ReceiverRows<'_>) -> Result<Self, StepError> {
        let (comparisons, rest) = plan.compared.wait(tweaks, masks)?;
        let [at, ..] = plan.tweaks();
        let rows = |extension| ServerRows::new(extension, &tweaks.masks, tweaks.behind(at).first, rest);
        let extension = plan.extension().map(rows).transpose()?;
        Ok(Self { plan: plan.clone(), tweaks, comparisons, extension })
    }

    pub fn on_cross_terms(
        self,
        message: &[u8],
        leaves: SenderRows<'_>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Vec<u8>, AwaitDigits), StepError> {
        let Self { plan, tweaks, comparisons, extension } = self;
        let (mut message, comparisons) = plan.compared.on_cross_terms(comparisons, message)?;
        let count = if plan.has_table() { plan.elements() } else { 0 };
        let masks = [(); 2].map(|()| (0..count).map(|_| rng.next_u64()).collect::<Wiped<u64>>());
        let mut out = Writer::new(&plan.ole().messages());
        let [_, rest] = split_rows(leaves.split_at(plan.compared.leaf_rows()))?;
        let [own, _] = split_rows(rest.split_at(plan.ole().rows()))?;
        let [_, at, ..] = plan.tweaks();
        let products = match plan.has_table() {
            true => {
                let tweaks = tweaks.behind(at);
                Some(plan.ole().server(&tweaks.leaves, tweaks, own, masks[1].clone(), &mut out)?)
            }
            false => None,
        };
        message.extend(out.finish());
        Ok((message, AwaitDigits { plan, tweaks, comparisons, extension, masks, products }))
    }
}

impl AwaitDigits {
    pub fn on_digits(self, message: &[u8], leaves: SenderRows<'_>) -> Result<AwaitShare, StepError> {
        let Self { plan, tweaks, comparisons, extension, masks, products } = self;
        let n = plan.elements();
        let fields = plan.corrections();
        let (comparisons, message, rest) =
            plan.compared.on_digits(comparisons, message, fields.clone(), leaves)?;
        let mut corrections = Reader::new("corrections of a curve", message, &fields)?;
        let extension = extension.map(|rows| rows.on_corrections(&mut corrections)).transpose()?;
        let [_, rest] = split_rows(rest.split_at(plan.ole().rows()))?;
        let [own, mut rest] = split_rows(rest.split_at(plan.index_rows()))?;
        let [.., at, first, _] = plan.tweaks();
        let table = match products {
            Some(products) => {
                // S's share of the result is known by now.
                let shares = products.on_corrections(&mut corrections)?;
                let sums = shares.iter().zip(masks[0].iter());
                let sums = sums.map(|(share, mask)| share.wrapping_add(*mask)).collect();
                let share = Drop::new(plan.curve.guard).server(&ring_tensor(plan.ring(), sums)?)?;
                let rows: Vec<&[Block]> = own.keys().chunks_exact(n).collect();
                let corrections = corrections.numbers(n, plan.index())?;
                let tweak = tweaks.behind(at).first;
                Some((table::sent(&tweaks.leaves, tweak, &rows, leaves.delta(), &corrections), share))
            }
            None => None,
        };
        let mut scales = Vec::new();
        for number in 0..plan.compared.count {
            let [own, others] = split_rows(rest.split_at(n))?;
            rest = others;
            scales.push(Scale::new(&tweaks.leaves, tweaks.behind(first + number * n).first, own, n)?);
        }
        Ok(AwaitShare { plan, tweaks, comparisons, extension, masks, table, scales })
    }
}

impl AwaitShare {
    pub fn on_share(self, y0: &RingTensor) -> Result<(Vec<u8>, AwaitAnswer), StepError> {
        let Self { plan, tweaks, comparisons, extension, masks, table, scales } = self;
        plan.check(y0)?;
        let mut out = Writer::new(&plan.tables());
        let comparisons = plan.compared.tables(comparisons, y0, &plan.cuts(), &mut out)?;
        let x = match extension {
            Some(extension) => extension.open(y0, &mut out)?,
            None => y0.clone(),
        };
        let lines = plan.lines();
        let middle = match table {
            Some((pads, share)) => {
                write_table(&plan, y0, &masks, &pads, &mut out);
                share
            }
            None => plan.line(lines[1], &x, true)?,
        };
        for (line, scale) in lines.into_iter().zip(&scales) {
            let line = plan.line(line, &x, true)?;
            let all = line.values().iter().zip(middle.values()).enumerate();
            let other = |(i, (line, middle)): (usize, (&u64, &u64))| {
                line.wrapping_sub(*middle).wrapping_sub(scale.alpha(i))
            };
            out.numbers(&all.map(other).collect::<Wiped<u64>>(), plan.to);
        }
        Ok((out.finish(), AwaitAnswer { plan, tweaks, comparisons, middle, scales }))
    }
}

/// Base and slope of each entry, masked, under its pad.
fn write_table(plan: &Curves, y0: &RingTensor, [m1, m2]: &[Wiped<u64>; 2], pads: &[u128], out: &mut Writer) {
    let (entries, ring) = (1 << plan.index(), plan.ring());
    let mut all: Wiped<[u64; 2]> = Wiped::zeros(entries * plan.elements());
    parts::fill(&mut all, entries, |first, all| {
        let mut lines = Lines::new(plan);
        for (all, i) in all.chunks_exact_mut(entries).zip(first..) {
            let [bases, slopes] = lines.of(plan, y0.values()[i]);
            let pads = &pads[entries * i..][..entries];
            for ((entry, (&base, &slope)), &pad) in
                all.iter_mut().zip(bases.iter().zip(slopes.iter())).zip(pads)
            {
                let base = base.wrapping_sub(m1[i]) ^ pad as u64;
                *entry = [base, slope.wrapping_sub(m2[i]) ^ (pad >> ring) as u64];
            }
        }
    });
    for column in 0..2 {
        out.numbers(&all.iter().map(|entry| entry[column]).collect::<Wiped<u64>>(), ring);
    }
}

impl AwaitAnswer {
    pub fn on_answer(self, message: &[u8]) -> Result<RingTensor, StepError> {
        let Self { plan, tweaks, comparisons, middle, scales } = self;
        let n = plan.elements();
        let mut answer = Reader::new("openings and messages of curves", message, &plan.answer())?;
        let bits = comparisons.into_iter().map(|comparison| comparison.on_openings(&mut answer));
        let bits: Vec<ServerBits> = bits.collect::<Result<_, _>>()?;
        let opened = bits.iter().map(|_| answer.column(n)).collect::<Result<Vec<_>, _>>()?;
        let [.., at] = plan.tweaks();
        let pads = messages::pad(&bits, &tweaks.masks, tweaks.behind(at).first);
        let entries = 1 << bits.len();
        let messages = answer.numbers(entries * n, plan.to)?;
        let mut shares: Wiped<u64> = Wiped::zeros(n);
        parts::fill(&mut shares, 1, |first, shares| {
            for ((share, messages), i) in
                shares.iter_mut().zip(messages[entries * first..].chunks_exact(entries)).zip(first..)
            {
                // The message of S's bits: all are read.
                let mut message = 0;
                for (j, &entry) in messages.iter().enumerate() {
                    let same = bits.iter().enumerate().fold(u64::MAX, |same, (which, bits)| {
                        let mask = bits.bits.mask(i);
                        same & if j >> which & 1 == 1 { mask } else { !mask }
                    });
                    message |= entry & same;
                }
                let mut sum = (message ^ pads[i]).wrapping_add(middle.values()[i]);
                for ((bits, scale), opened) in bits.iter().zip(&scales).zip(&opened) {
                    let part = bits.bits.mask(i);
                    let product = negated(scale.product(i, opened.mask(i)), part);
                    sum = sum.wrapping_add(scale.alpha(i) & part).wrapping_add(product);
                }
                *share = sum;
            }
        });
        ring_tensor(plan.to, shares.to_vec())
    }
}
