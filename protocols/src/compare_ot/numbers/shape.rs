//! What is public of a stage of numbers: the function, rings and windows.

use std::sync::Arc;

use super::curve::{Curve, Curves};
use super::extend::Extend;
use super::gate::{Gate, Kind};
use super::product::Product;
use super::round::Round;
use crate::steps::StepError;
use crate::steps::error::{expect, within};
use crate::steps::windows::Windows;

/// Most bits of numbers that are read: as many as are compared.
pub(in super::super) const MOST_FROM: usize = crate::steps::digits::MOST_BITS as usize + 1;

/// Most bits that are written out, of results and of what is dropped from them.
pub(super) const MOST_RING: usize = xonn_crypto::share::MOST_BITS as usize;

/// A stage: perhaps the largest number of each window, then a function, then perhaps sums of windows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Numbers that are read; of a product, of each factor.
    pub elements: usize,
    /// Bits k of the shares that are read.
    pub from: u32,
    /// Bits L of the shares that are left, at least `from` but for squares and products.
    pub to: u32,
    /// Windows over the elements, of whose numbers only the largest goes on: a max pool, or the larger one
    /// of several tensors, which are read one behind the other. Windows may name an element several times.
    pub largest: Option<Windows>,
    /// What is computed of each number.
    pub function: Function,
    /// Windows over the results, whose sums are left in their place; for ReLU and leaky ReLU, where that
    /// saves bytes. Others are added by each host on its own.
    pub sums: Option<Windows>,
}

/// What is computed of each number x.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    /// x.
    Same,
    /// `max(x, 0)`.
    Relu,
    /// `2^(bits - drop) x` from 0 upwards, below it `slope x / 2^drop`, rounded by chance.
    LeakyRelu {
        /// Numerator of the slope, below 2^bits.
        slope: u32,
        /// Its binary digits, 1 to 16.
        bits: u32,
        /// How many of them are dropped; the numbers that are dropped from have `to + drop` bits.
        drop: u32,
    },
    /// `min(max(x, lo), hi)`.
    Clamp {
        /// The lower end.
        lo: i64,
        /// The upper end, not below `lo`.
        hi: i64,
    },
    /// `x x / 2^drop`, rounded by chance.
    Square {
        /// How many bits are dropped.
        drop: u32,
    },
    /// `x y / 2^drop`, rounded by chance; y is the second tensor that is read, as large as the first one.
    Product {
        /// Bits of the shares of y, `|y| < 2^(second - 2)`.
        second: u32,
        /// How many bits are dropped.
        drop: u32,
    },
    /// A curve of x, nearly, and rounded by chance.
    Curve(Arc<Curve>),
}

impl Shape {
    /// A function of numbers without windows.
    pub fn of(elements: usize, [from, to]: [u32; 2], function: Function) -> Self {
        Self { elements, from, to, largest: None, function, sums: None }
    }

    /// Bits of each share that is read.
    pub fn reads(&self) -> Vec<u32> {
        match self.function {
            Function::Product { second, .. } => vec![self.from, second],
            _ => vec![self.from],
        }
    }

    /// The round trips.
    pub(super) fn rounds(&self) -> Result<Vec<Round>, StepError> {
        let Self { elements, from, to, largest, function, sums } = self;
        within("numbers of a layer", *elements, [1, u32::MAX as usize])?;
        within("bits of numbers", *from as usize, [3, MOST_FROM])?;
        let mut rounds = Vec::new();
        let mut count = *elements;
        if let Some(windows) = largest {
            expect("elements of windows", *elements, windows.elements())?;
            count = within("windows", windows.len(), [1, u32::MAX as usize])?;
            let mut members = windows.members();
            while members > 1 {
                let gate = Gate::new(count * (members / 2), [*from, *from], Kind::Larger, None)?;
                rounds.push(Round::Pairs { windows: count, members, gate });
                members = members.div_ceil(2);
            }
        }
        let gate = |kind| Ok(Some(Round::Gate(Gate::new(count, [*from, *to], kind, sums.clone())?)));
        let product =
            |second, drop| Ok(Some(Round::Product(Product::new(count, *from, second, [*to, drop])?)));
        let last = match function.clone() {
            Function::Same if to > from => Some(Round::Extend(Extend::new(count, [*from, *to])?)),
            Function::Same => None,
            Function::Relu => gate(Kind::Relu { slope: 0, bits: 0, drop: 0 })?,
            Function::LeakyRelu { slope, bits, drop } => {
                within("bits of a slope", bits as usize, [1, 16])?;
                within("a slope", slope as usize, [0, (1 << bits) - 1])?;
                within("bits that are dropped", drop as usize, [0, bits as usize])?;
                gate(Kind::Relu { slope, bits, drop })?
            }
            Function::Clamp { lo, hi } => gate(Kind::clamp([lo, hi], *from)?)?,
            Function::Square { drop } => product(None, drop)?,
            Function::Product { second, drop } => {
                within("bits of the second factor", second as usize, [3, MOST_FROM])?;
                expect("largest ones of two factors", 0, largest.iter().len())?;
                product(Some(second), drop)?
            }
            Function::Curve(curve) => {
                // A table in a larger ring would be larger: its results are brought there afterwards.
                let own = if curve.lines.len() > 2 { curve.bits.min(*to) } else { *to };
                let table = Round::Curve(Curves::new(count, [*from, own], &curve)?);
                if own < *to {
                    within("bits of a curve's results", own as usize, [2, MOST_RING])?;
                    rounds.push(table);
                    Some(Round::Extend(Extend::new(count, [own, *to])?))
                } else {
                    Some(table)
                }
            }
        };
        if !matches!(last, Some(Round::Gate(_))) {
            expect("sums behind what is no ReLU", 0, sums.iter().len())?;
        }
        rounds.extend(last);
        match rounds.last() {
            None => Err(StepError::Range { what: "round trips of a layer", actual: 0, least: 1, most: 40 }),
            Some(last) => expect("bits of results", *to as usize, last.ring() as usize).map(|()| rounds),
        }
    }
}
