//! S's side of squares and products. `client.rs` mirrors it.

use rand::CryptoRng;
use xonn_crypto::Wiped;
use xonn_crypto::block::Block;
use xonn_crypto::share::RingTensor;

use super::super::round::split_rows;
use super::Product;
use crate::steps::StepError;
use crate::steps::convert::{corrected, ring_tensor};
use crate::steps::error::expect;
use crate::steps::frame::{Reader, Writer};
use crate::steps::ole::ServerProducts;
use crate::steps::rows::{SenderRows, Tweaks};
use crate::steps::table;
use crate::steps::truncate::Drop;

/// S has nothing yet.
#[derive(Debug)]
pub(in super::super) struct Ready {
    plan: Product,
    tweaks: Tweaks,
}

/// S sent its products and waits for C's bits.
#[derive(Debug)]
pub(in super::super) struct AwaitBits {
    plan: Product,
    tweaks: Tweaks,
    /// m1, and the others in the order of the OLEs.
    masks: Vec<Wiped<u64>>,
    products: Vec<ServerProducts>,
}

/// S waits for its own shares.
#[derive(Debug)]
pub(in super::super) struct AwaitShare {
    plan: Product,
    masks: Vec<Wiped<u64>>,
    /// Pads of all entries.
    pads: Vec<Wiped<u128>>,
    share: RingTensor,
}

/// S sent its tables and waits for F2.
#[derive(Debug)]
pub(in super::super) struct AwaitAnswer {
    plan: Product,
    share: RingTensor,
}

impl Ready {
    pub fn new(plan: &Product, tweaks: Tweaks) -> Self {
        Self { plan: *plan, tweaks }
    }

    pub fn start(
        self,
        leaves: SenderRows<'_>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Vec<u8>, AwaitBits), StepError> {
        let Self { plan, tweaks } = self;
        let mut random = || -> Wiped<u64> { (0..plan.elements).map(|_| rng.next_u64()).collect() };
        let mut out = Writer::new(&plan.messages());
        let (mut masks, mut products) = (vec![random()], Vec::new());
        let (mut rest, mut at) = (leaves, tweaks);
        for ole in plan.oles() {
            let [own, others] = split_rows(rest.split_at(ole.rows()))?;
            let mask = random();
            products.push(ole.server(&tweaks.leaves, at, own, mask.clone(), &mut out)?);
            masks.push(mask);
            (rest, at) = (others, at.behind(ole.rows()));
        }
        Ok((out.finish(), AwaitBits { plan, tweaks, masks, products }))
    }
}

impl AwaitBits {
    pub fn on_corrections(self, message: &[u8], leaves: SenderRows<'_>) -> Result<AwaitShare, StepError> {
        let Self { plan, tweaks, masks, products } = self;
        let n = plan.elements;
        let mut corrections = Reader::new("bits of factors", message, &plan.corrections())?;
        // S's share of the result is known by now.
        let mut sums = masks.first().map_or_else(|| Wiped::zeros(n), Clone::clone);
        for products in products {
            let shares = products.on_corrections(&mut corrections)?;
            sums.iter_mut().zip(shares.iter()).for_each(|(sum, share)| *sum = sum.wrapping_add(*share));
        }
        let share = Drop::new(plan.drop).server(&ring_tensor(plan.ring(), sums.to_vec())?)?;
        let used: usize = plan.oles().iter().map(super::Ole::rows).sum();
        let [_, rest] = split_rows(leaves.split_at(used))?;
        expect("rows of tables", n * plan.factors().count(), rest.keys().len())?;
        let rows: Vec<&[Block]> = rest.keys().chunks_exact(n).collect();
        let pads = |tweak: u64, rows: &[&[Block]], corrections: &[u64]| {
            table::sent(&tweaks.leaves, tweak, rows, leaves.delta(), corrections)
        };
        let [first, second, third] = plan.tweaks(tweaks);
        let pads = match &rows[..] {
            [h, g] => {
                let of_h = corrections.numbers(n, 1)?;
                let of_g = corrections.numbers(n, 1)?;
                let both: Wiped<u64> = of_h.iter().zip(of_g.iter()).map(|(h, g)| h | g << 1).collect();
                vec![pads(first, &[h], &of_h), pads(second, &[g], &of_g), pads(third, &[h, g], &both)]
            }
            rows => vec![pads(first, rows, &corrections.numbers(n, 1)?)],
        };
        Ok(AwaitShare { plan, masks, pads, share })
    }
}

/// The number of this share and C's top bit, without C's low bits, as an integer.
#[inline(always)]
fn base(share: u64, bits: u32, top: u64) -> u64 {
    // above -3 2^(bits - 2)
    let least = (3u64 << (bits - 2)).wrapping_neg().wrapping_add(1);
    let number = share.wrapping_add(top << (bits - 1));
    least.wrapping_add(number.wrapping_sub(least) & ((1 << bits) - 1))
}

impl AwaitShare {
    pub fn on_share(self, reads: &[RingTensor]) -> Result<(Vec<u8>, AwaitAnswer), StepError> {
        let Self { plan, masks, pads, share } = self;
        plan.check(reads)?;
        let (n, ring) = (plan.elements, plan.ring());
        let mut out = Writer::new(&plan.tables());
        // A column of as many entries an element, less a mask, under their pads.
        let mut column =
            |entries: usize, mask: &[u64], pads: &[u128], shift: u32, f: &dyn Fn(usize, u64) -> u64| {
                let one = |at: usize| {
                    let (i, j) = (at / entries, (at % entries) as u64);
                    f(i, j).wrapping_sub(mask[i]) ^ (pads[at] >> shift) as u64
                };
                out.numbers(&(0..entries * n).map(one).collect::<Wiped<u64>>(), ring);
            };
        match (reads, &masks[..], &pads[..]) {
            ([x, y], [both, m2, m3], [of_x, of_y, of_both]) => {
                let x = |i: usize, j: u64| base(x.values()[i], x.bits(), j);
                let y = |i: usize, j: u64| base(y.values()[i], y.bits(), j);
                column(2, m2, of_x, 0, &x);
                column(2, m3, of_y, 0, &y);
                column(4, both, of_both, 0, &|i, j| x(i, j & 1).wrapping_mul(y(i, j >> 1)));
            }
            ([x], [m1, m2], [pads]) => {
                let x = |i: usize, j: u64| base(x.values()[i], x.bits(), j);
                column(2, m1, pads, 0, &|i, j| x(i, j).wrapping_mul(x(i, j)));
                column(2, m2, pads, ring, &|i, j| x(i, j).wrapping_mul(2));
            }
            _ => return Err(StepError::Shape { what: "factors", expected: 2, actual: reads.len() }),
        }
        Ok((out.finish(), AwaitAnswer { plan, share }))
    }
}

impl AwaitAnswer {
    pub fn on_answer(self, message: &[u8]) -> Result<RingTensor, StepError> {
        let Self { plan, share } = self;
        let mut answer = Reader::new("corrections of products", message, &plan.answer())?;
        corrected(&share, &mut answer, plan.to)
    }
}
