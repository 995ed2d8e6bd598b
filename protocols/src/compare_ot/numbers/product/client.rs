//! C's side of squares and products. `server.rs` mirrors it.

use xonn_crypto::Wiped;
use xonn_crypto::block::Block;
use xonn_crypto::share::RingTensor;

use super::super::round::split_rows;
use super::Product;
use crate::steps::StepError;
use crate::steps::column::Column;
use crate::steps::convert::ring_tensor;
use crate::steps::error::expect;
use crate::steps::frame::{Reader, Writer};
use crate::steps::rows::{ReceiverRows, Tweaks};
use crate::steps::table;
use crate::steps::truncate::Drop;

/// C waits for S's products and its own shares.
#[derive(Debug)]
pub(in super::super) struct Started {
    plan: Product,
    tweaks: Tweaks,
}

/// C is ready, and waits for the tables.
#[derive(Debug)]
pub(in super::super) struct AwaitTables {
    plan: Product,
    reads: Vec<RingTensor>,
    /// C's share of the products of masks with its numbers, added up.
    shares: Wiped<u64>,
    /// Pads of its entries.
    pads: Vec<Wiped<u128>>,
    rho: RingTensor,
}

impl Started {
    pub fn new(plan: &Product, tweaks: Tweaks) -> Self {
        Self { plan: *plan, tweaks }
    }

    pub fn on_messages(
        self,
        message: &[u8],
        reads: Vec<RingTensor>,
        rho: RingTensor,
        leaves: ReceiverRows<'_>,
    ) -> Result<(Vec<u8>, AwaitTables), StepError> {
        let Self { plan, tweaks } = self;
        let n = plan.elements;
        plan.check(&reads)?;
        expect("shares of results", n, rho.len())?;
        expect("bits of the results' ring", plan.to as usize, rho.bits() as usize)?;
        let mut messages = Reader::new("products of masks with numbers", message, &plan.messages())?;
        let mut out = Writer::new(&plan.corrections());
        let mut shares: Wiped<u64> = Wiped::zeros(n);
        let (mut rest, mut at) = (leaves, tweaks);
        // with t and with s
        for (ole, read) in plan.oles().into_iter().zip(reads.iter().rev()) {
            let [own, others] = split_rows(rest.split_at(ole.rows()))?;
            let low = Product::low(read.bits());
            let numbers: Wiped<u64> = read.values().iter().map(|number| number & low).collect();
            let products = ole.client(&tweaks.leaves, at, own, &numbers, &mut messages, &mut out)?;
            shares.iter_mut().zip(products.iter()).for_each(|(sum, share)| *sum = sum.wrapping_add(*share));
            (rest, at) = (others, at.behind(ole.rows()));
        }
        expect("rows of tables", n * reads.len(), rest.keys().len())?;
        let rows: Vec<&[Block]> = rest.keys().chunks_exact(n).collect();
        for (read, row) in reads.iter().zip(&rows) {
            out.column(&(&Column::of_bit(read.values(), read.bits() - 1) ^ &Column::of_lsbs(row)));
        }
        let pads = |tweak: u64, rows: &[&[Block]]| table::received(&tweaks.leaves, tweak, rows);
        let [first, second, third] = plan.tweaks(tweaks);
        let pads = match &rows[..] {
            [h, g] => vec![pads(first, &[h]), pads(second, &[g]), pads(third, &[h, g])],
            rows => vec![pads(first, rows)],
        };
        Ok((out.finish(), AwaitTables { plan, reads, shares, pads, rho }))
    }
}

impl AwaitTables {
    pub fn on_tables(self, message: &[u8]) -> Result<Vec<u8>, StepError> {
        let Self { plan, reads, shares, pads, rho } = self;
        let (n, ring) = (plan.elements, plan.ring());
        let mut tables = Reader::new("tables of products", message, &plan.tables())?;
        let mut table = |entries: usize| tables.numbers(entries * n, ring);
        let top = |read: &RingTensor, i: usize| read.values()[i] >> (read.bits() - 1);
        let low = |read: &RingTensor, i: usize| read.values()[i] & Product::low(read.bits());
        let sums: Vec<u64> = match (&reads[..], &pads[..]) {
            ([x, y], [of_x, of_y, of_both]) => {
                let [xs, ys, both] = [table(2)?, table(2)?, table(4)?];
                let one = |i: usize| {
                    let ([h, g], [s, t]) = ([top(x, i), top(y, i)], [low(x, i), low(y, i)]);
                    let x = table::select(&xs[2 * i..][..2], h) ^ of_x[i] as u64;
                    let y = table::select(&ys[2 * i..][..2], g) ^ of_y[i] as u64;
                    let both = table::select(&both[4 * i..][..4], h | g << 1) ^ of_both[i] as u64;
                    let sum = both.wrapping_add(x.wrapping_mul(t)).wrapping_add(y.wrapping_mul(s));
                    sum.wrapping_add(s.wrapping_mul(t)).wrapping_add(shares[i])
                };
                (0..n).map(one).collect()
            }
            ([x], [pads]) => {
                let [squares, lines] = [table(2)?, table(2)?];
                let one = |i: usize| {
                    let (h, s) = (top(x, i), low(x, i));
                    let square = table::select(&squares[2 * i..][..2], h) ^ pads[i] as u64;
                    let line = table::select(&lines[2 * i..][..2], h) ^ (pads[i] >> ring) as u64;
                    let sum = square.wrapping_add(line.wrapping_add(s).wrapping_mul(s));
                    sum.wrapping_add(shares[i])
                };
                (0..n).map(one).collect()
            }
            _ => return Err(StepError::Shape { what: "factors", expected: 2, actual: reads.len() }),
        };
        let share = Drop::new(plan.drop).client(&ring_tensor(ring, sums)?)?;
        let all = share.values().iter().zip(rho.values());
        let corrections: Wiped<u64> = all.map(|(share, rho)| share.wrapping_sub(*rho)).collect();
        let mut out = Writer::new(&plan.answer());
        out.numbers(&corrections, plan.to);
        Ok(out.finish())
    }
}

impl Product {
    /// An error unless these are shares of the factors.
    pub(super) fn check(&self, reads: &[RingTensor]) -> Result<(), StepError> {
        expect("factors", self.factors().count(), reads.len())?;
        for (read, bits) in reads.iter().zip(self.factors()) {
            expect("bits of a factor", bits as usize, read.bits() as usize)?;
            expect("numbers to multiply", self.elements, read.len())?;
        }
        Ok(())
    }
}
