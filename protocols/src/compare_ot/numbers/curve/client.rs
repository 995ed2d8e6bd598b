//! C's side of curves. `server.rs` mirrors it.

use xonn_crypto::Wiped;
use xonn_crypto::block::Block;
use xonn_crypto::share::RingTensor;

use super::super::compared::Value;
use super::super::round::{parts_of, split_rows};
use super::Curves;
use crate::steps::StepError;
use crate::steps::compare::{self, AwaitProducts, ClientBits, Comparison};
use crate::steps::convert::ring_tensor;
use crate::steps::error::expect;
use crate::steps::extend::ClientRows;
use crate::steps::frame::{Reader, Writer};
use crate::steps::rows::{ReceiverRows, SenderRows, Tweaks};
use crate::steps::scaled::Scaled;
use crate::steps::truncate::Drop;
use crate::steps::{leaves, messages, parts, table};

/// C sent its cross terms and waits for S's products and its own share.
#[derive(Debug)]
pub(in super::super) struct Started {
    plan: Curves,
    tweaks: Tweaks,
    comparisons: Vec<AwaitProducts>,
    extension: Option<ClientRows>,
}

/// C is ready, and waits for the tables.
#[derive(Debug)]
pub(in super::super) struct AwaitTables {
    plan: Curves,
    tweaks: Tweaks,
    comparisons: Vec<compare::AwaitTables>,
    value: Value,
    places: Option<Places>,
    scaled: Vec<Scaled>,
    rho: RingTensor,
}

/// C's index of each number, its place on the piece, and its share of the place times the mask.
#[derive(Debug)]
struct Places {
    indices: Wiped<u64>,
    places: Wiped<u64>,
    shares: Wiped<u64>,
    pads: Wiped<u128>,
}

impl Started {
    pub fn new(plan: &Curves, tweaks: Tweaks, masks: SenderRows<'_>) -> Result<(Vec<u8>, Self), StepError> {
        let (message, comparisons, rest) = plan.compared.start(tweaks, masks)?;
        let [at, ..] = plan.tweaks();
        let rows = |extension| ClientRows::new(extension, &tweaks.masks, tweaks.behind(at).first, rest);
        let extension = plan.extension().map(rows).transpose()?;
        Ok((message, Self { plan: plan.clone(), tweaks, comparisons, extension }))
    }

    pub fn on_products(
        self,
        message: &[u8],
        y1: &RingTensor,
        rho: RingTensor,
        leaves: ReceiverRows<'_>,
    ) -> Result<(Vec<u8>, AwaitTables), StepError> {
        let Self { plan, tweaks, comparisons, extension } = self;
        plan.check(y1)?;
        expect("shares of results", plan.elements(), rho.len())?;
        expect("bits of the results' ring", plan.to as usize, rho.bits() as usize)?;
        let fields = vec![plan.compared.fields(Comparison::product_bits), plan.ole().messages()];
        let parts = parts_of("products of a curve", message, fields)?;
        let [bits, products] = [0, 1].map(|part| parts.get(part).copied().unwrap_or_default());
        let (mut corrections, comparisons, rest) =
            plan.compared.on_products(comparisons, bits, y1, leaves)?;
        let mut out = Writer::new(&plan.corrections());
        let value = Value::of(extension, y1.clone(), &mut out)?;
        let [own, rest] = split_rows(rest.split_at(plan.ole().rows() + plan.index_rows()))?;
        let places = match plan.has_table() {
            true => Some(Places::new(&plan, tweaks, y1, products, own, &mut out)?),
            false => None,
        };
        corrections.extend(out.finish());
        let [.., at, _] = plan.tweaks();
        let (mut scaled, mut rest) = (Vec::new(), rest);
        for number in 0..plan.compared.count {
            let [own, others] = split_rows(rest.split_at(plan.elements()))?;
            rest = others;
            let first = tweaks.behind(at + number * plan.elements()).first;
            scaled.push(Scaled::new(&tweaks.leaves, first, own, plan.elements())?);
        }
        Ok((corrections, AwaitTables { plan, tweaks, comparisons, value, places, scaled, rho }))
    }
}

impl Places {
    fn new(
        plan: &Curves,
        tweaks: Tweaks,
        y1: &RingTensor,
        message: &[u8],
        rows: ReceiverRows<'_>,
        out: &mut Writer,
    ) -> Result<Self, StepError> {
        let n = plan.elements();
        let (piece, low) = (plan.curve.piece, plan.curve.low);
        let mut messages = Reader::new("products of masks with places", message, &plan.ole().messages())?;
        let [own, rest] = split_rows(rows.split_at(plan.ole().rows()))?;
        let place = |y1: &u64| y1 >> (piece - low) & ((1 << low) - 1);
        let places: Wiped<u64> = y1.values().iter().map(place).collect();
        let [_, ole, at, ..] = plan.tweaks();
        let shares =
            plan.ole().client(&tweaks.leaves, tweaks.behind(ole), own, &places, &mut messages, out)?;
        let index = |y1: &u64| y1 >> piece & ((1 << plan.index()) - 1);
        let indices: Wiped<u64> = y1.values().iter().map(index).collect();
        out.numbers(&leaves::corrections(rest, plan.digit(), &indices), plan.index());
        let rows: Vec<&[Block]> = rest.keys().chunks_exact(n).collect();
        let pads = table::received(&tweaks.leaves, tweaks.behind(at).first, &rows);
        Ok(Self { indices, places, shares, pads })
    }

    /// C's share of what the table gives.
    fn share(self, plan: &Curves, tables: &mut Reader<'_>) -> Result<RingTensor, StepError> {
        let Self { indices, places, shares, pads } = self;
        let (n, ring, entries) = (plan.elements(), plan.ring(), 1 << plan.index());
        let bases = tables.numbers(entries * n, ring)?;
        let slopes = tables.numbers(entries * n, ring)?;
        let one = |i: usize| {
            let entry = |table: &[u64]| table::select(&table[entries * i..][..entries], indices[i]);
            let base = entry(&bases) ^ pads[i] as u64;
            let slope = entry(&slopes) ^ (pads[i] >> ring) as u64;
            base.wrapping_add(slope.wrapping_mul(places[i])).wrapping_add(shares[i])
        };
        let share = ring_tensor(ring, (0..n).map(one).collect())?;
        Drop::new(plan.curve.guard).client(&share)
    }
}

impl AwaitTables {
    pub fn on_tables(self, message: &[u8]) -> Result<Vec<u8>, StepError> {
        let Self { plan, tweaks, comparisons, value, places, scaled, rho } = self;
        let (n, to) = (plan.elements(), plan.to);
        let mut tables = Reader::new("tables of curves", message, &plan.tables())?;
        let mut out = Writer::new(&plan.answer());
        let bits = comparisons.into_iter().map(|comparison| comparison.on_tables(&mut tables, &mut out));
        let bits: Vec<ClientBits> = bits.collect::<Result<_, _>>()?;
        let x = value.share(&mut tables)?;
        let lines = plan.lines();
        let middle = match places {
            Some(places) => places.share(&plan, &mut tables)?,
            None => plan.line(lines[1], &x, false)?,
        };
        // Of each comparison C's part of what is in the middle's place, with the masked part of S.
        let mut others = Vec::new();
        for (line, _) in lines.into_iter().zip(&bits) {
            let masked = tables.numbers(n, to)?;
            let line = plan.line(line, &x, false)?;
            let all = line.values().iter().zip(middle.values()).zip(masked.iter());
            let other = all.map(|((line, middle), masked)| line.wrapping_sub(*middle).wrapping_add(*masked));
            others.push(other.collect::<Wiped<u64>>());
        }
        let opened: Vec<_> =
            scaled.iter().zip(&bits).map(|(scaled, bits)| scaled.opened(&bits.bits)).collect();
        opened.iter().for_each(|opened| out.column(opened));
        let [.., at] = plan.tweaks();
        let pads = messages::pads(&bits, &tweaks.masks, tweaks.behind(at).first);
        let entries = 1 << bits.len();
        let mut all: Wiped<u64> = Wiped::zeros(entries * n);
        parts::fill(&mut all, entries, |first, all| {
            for (entries, i) in all.chunks_exact_mut(entries).zip(first..) {
                entries.fill(middle.values()[i].wrapping_sub(rho.values()[i]));
                for (which, ((bits, scaled), other)) in bits.iter().zip(&scaled).zip(&others).enumerate() {
                    let (mask, product) = (bits.bits.mask(i), scaled.product(i, opened[which].mask(i)));
                    // S's share of the bit is the one of j
                    let both =
                        [(other[i] & mask).wrapping_add(product), (other[i] & !mask).wrapping_sub(product)];
                    for (j, entry) in entries.iter_mut().enumerate() {
                        *entry = entry.wrapping_add(both[j >> which & 1]);
                    }
                }
            }
        });
        let messages: Wiped<u64> = all.iter().zip(pads.iter()).map(|(number, pad)| number ^ pad).collect();
        out.numbers(&messages, to);
        Ok(out.finish())
    }
}
