//! What both hosts derive from the public program and stage: the OTs, and the order and cut of their
//! messages.
//!
//! OTs and messages: filter after filter, in each the kernel's rows and columns that see the image at all,
//! channels, signs of a weight.

use core::ops::Range;

use xonn_crypto::Wiped;
use xonn_crypto::ot::MAX_COUNT;
use xonn_program::op::{Linear, Pad};
use xonn_program::{Op, Program};

use crate::plan::{How, Stage};
use crate::protocol::StageError;
use crate::value::{Form, Ring};

/// Bytes of a run of a filter's messages from which on no further one goes into it.
const RUN: usize = 1 << 16;

/// Bytes of a part from which on no further run goes into it.
const PART: usize = 1 << 19;

/// Most bits of a message, which are in memory at once.
const MESSAGE: u64 = 1 << 26;

/// The sums of a stage.
#[derive(Debug)]
pub(super) struct Sums {
    pub linear: Linear,
    pub reads: Ring,
    pub leaves: Ring,
    /// What all weights are multiples of.
    pub factor: i64,
    /// The largest weight, divided by that.
    pub most: u64,
    /// For each sign of a weight the power of two that it stands for, if a sum has that bit.
    places: Vec<u32>,
    /// Rows and columns of the kernel.
    axes: [Vec<Tap>; 2],
    runs: Vec<Run>,
    /// Runs of all filters, by number.
    pub parts: Vec<Range<usize>>,
}

/// A row or column of the kernel that sees the image.
#[derive(Debug)]
struct Tap {
    number: usize,
    /// Output rows or columns from which it does.
    positions: Range<usize>,
    /// What the first of them sees.
    first: usize,
}

/// Some messages of a filter, filled up to a byte.
#[derive(Debug)]
struct Run {
    messages: Range<usize>,
    bytes: usize,
}

/// A run of one filter.
pub(super) struct Unit {
    pub filter: usize,
    /// Of the filter's messages.
    pub messages: Range<usize>,
    pub bytes: usize,
}

/// A message: a sign at all positions that use it.
pub(super) struct Message<'s> {
    sums: &'s Sums,
    rows: &'s Tap,
    columns: &'s Tap,
    /// Channel of the filter's group.
    pub channel: usize,
    pub place: u32,
    /// Bits at each position.
    pub bits: u32,
}

/// Adds `more` to `sums`, number by number. Never a part of its caller: there the compiler compares the
/// addresses of both before it adds, and which instructions run would depend on the allocator.
#[inline(never)]
pub(super) fn add(sums: &mut [u64], more: &[u64]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum = sum.wrapping_add(*more);
    }
}

impl Sums {
    /// Of a stage that the other host may have made up.
    pub fn of(stage: &Stage, program: &Program) -> Result<Self, StageError> {
        let layer = match program.layers().get(stage.last()) {
            Some(layer) if stage.how == How::WeightOt && stage.layers.len() == 1 => layer,
            _ => return Err(stage.error("one layer at a time is computed by conditional addition")),
        };
        let Op::Linear(linear) = layer.op else {
            return Err(stage.error(format!("{} is no sum for conditional addition", layer.op.name())));
        };
        let (&[(read, Form::Shares(reads))], Form::Shares(leaves)) = (&stage.reads[..], stage.leaves) else {
            return Err(stage.error("shares of the one tensor that it reads become shares"));
        };
        if layer.reads != [read] {
            return Err(stage.error(format!("it reads {:?}, and not layer {read}", layer.reads)));
        }
        if !holds(reads) {
            return Err(stage.error(format!("exact shares are read, not {reads:?}")));
        }
        let factor = linear.common_factor();
        let most = (linear.weights.largest() / factor) as u64;
        let expected = super::leaves(&linear, reads, leaves.bits);
        let Some(expected) = expected else { return Err(stage.error("its sums are too large")) };
        if leaves != expected || !holds(leaves) || leaves.bits > reads.bits {
            return Err(stage.error(format!(
                "sums of {reads:?} in at most as many bits are {expected:?}, not {leaves:?}"
            )));
        }
        let signs = linear.weight_count().checked_mul(linear.weights.count());
        if signs.is_none_or(|signs| signs > MAX_COUNT) {
            return Err(stage.error(format!("more than {MAX_COUNT} signs of weights")));
        }
        let positions = (linear.window.output[0] * linear.window.output[1]) as u64;
        if positions * u64::from(leaves.bits) > MESSAGE {
            return Err(stage.error(format!("{positions} positions of {} bits at once", leaves.bits)));
        }
        let doubled = if factor == 1 { 1 } else { 0 };
        let places = linear.weights.shifts().into_iter().map(|shift| shift as u32 + doubled);
        let places = places.filter(|&place| place < leaves.bits).collect();
        let axes = [0, 1].map(|axis| taps(&linear, axis));
        let mut sums =
            Self { linear, reads, leaves, factor, most, places, axes, runs: Vec::new(), parts: Vec::new() };
        sums.runs = sums.cut();
        sums.parts = sums.parts();
        Ok(sums)
    }

    /// A filter's messages in runs.
    fn cut(&self) -> Vec<Run> {
        let (mut runs, mut first, mut bits) = (Vec::new(), 0, 0);
        for message in 0..self.messages() {
            bits += self.message(message).bits();
            if bits.div_ceil(8) >= RUN || message + 1 == self.messages() {
                runs.push(Run { messages: first..message + 1, bytes: bits.div_ceil(8) });
                (first, bits) = (message + 1, 0);
            }
        }
        runs
    }

    fn parts(&self) -> Vec<Range<usize>> {
        let (mut parts, mut first, mut bytes) = (Vec::new(), 0, 0);
        let units = self.linear.filters * self.runs.len();
        for unit in 0..units {
            bytes += self.runs[unit % self.runs.len()].bytes;
            if bytes >= PART || unit + 1 == units {
                parts.push(first..unit + 1);
                (first, bytes) = (unit + 1, 0);
            }
        }
        parts
    }

    /// Messages of a filter, and OTs.
    pub fn messages(&self) -> usize {
        self.axes[0].len() * self.axes[1].len() * self.linear.channels() * self.places.len()
    }

    /// OTs: signs of weights.
    pub fn ots(&self) -> usize {
        self.linear.filters * self.messages()
    }

    /// Bytes of a prediction's corrections.
    pub fn bytes(&self) -> u64 {
        let filter: u64 = self.runs.iter().map(|run| run.bytes as u64).sum();
        self.linear.filters as u64 * filter
    }

    /// Output positions.
    pub fn positions(&self) -> usize {
        self.linear.window.output[0] * self.linear.window.output[1]
    }

    /// Numbers that are read.
    pub fn inputs(&self) -> usize {
        self.linear.window.input.iter().product()
    }

    /// Run number `unit`, all filters' being counted.
    pub fn unit(&self, unit: usize) -> Unit {
        let run = &self.runs[unit % self.runs.len()];
        Unit { filter: unit / self.runs.len(), messages: run.messages.clone(), bytes: run.bytes }
    }

    /// Bytes of a part.
    pub fn part_bytes(&self, part: &Range<usize>) -> usize {
        part.clone().map(|unit| self.runs[unit % self.runs.len()].bytes).sum()
    }

    /// Message number `message` of each filter.
    #[inline]
    pub fn message(&self, message: usize) -> Message<'_> {
        let number = message / self.places.len();
        let (tap, channel) = (number / self.linear.channels(), number % self.linear.channels());
        let [rows, columns] = &self.axes;
        let place = self.places[message % self.places.len()];
        Message {
            sums: self,
            rows: &rows[tap / columns.len()],
            columns: &columns[tap % columns.len()],
            channel,
            place,
            bits: self.leaves.bits - place,
        }
    }

    /// The place of each sign of a weight.
    pub fn places(&self) -> &[u32] {
        &self.places
    }

    /// The first channel that a filter reads.
    fn first_channel(&self, filter: usize) -> usize {
        filter / (self.linear.filters / self.linear.groups) * self.linear.channels()
    }

    /// What the server chooses in each OT: 1 for a minus.
    pub fn choices(&self, weights: &[i32]) -> Wiped<bool> {
        let Linear { window, weights: planes, .. } = self.linear;
        let (fan_in, channels) = (self.linear.fan_in(), self.linear.channels());
        let [rows, columns] = &self.axes;
        let mut choices = Vec::with_capacity(self.ots());
        for filter in weights.chunks(fan_in) {
            for (row, column) in rows.iter().flat_map(|row| columns.iter().map(move |column| (row, column))) {
                let tap = row.number * window.kernel[1] + column.number;
                for &weight in &filter[tap * channels..][..channels] {
                    choices.extend(planes.negative(weight).take(self.places.len()));
                }
            }
        }
        choices.into()
    }

    /// The numbers of an image, channel after channel.
    pub fn channels_of(&self, image: &[u64]) -> Wiped<u64> {
        let [rows, columns, channels] = self.linear.window.input;
        let pixels = rows * columns;
        (0..channels * pixels).map(|i| image[i % pixels * channels + i / pixels]).collect()
    }

    /// Of such numbers the pixels of a filter's channel.
    pub fn pixels<'a>(&self, channels: &'a [u64], filter: usize, channel: usize) -> &'a [u64] {
        let pixels = self.linear.window.input[0] * self.linear.window.input[1];
        &channels[(self.first_channel(filter) + channel) * pixels..][..pixels]
    }

    /// The numbers that a filter reads at the one position that there is, in the order of messages.
    pub fn numbers(&self, channels: &[u64], filter: usize) -> Wiped<u64> {
        let count = self.messages() / self.places.len().max(1);
        let number = |number: usize| {
            let message = self.message(number * self.places.len());
            let (_, pixel, _) = message.lines().next().expect("it sees the image");
            self.pixels(channels, filter, message.channel)[pixel]
        };
        (0..count).map(number).collect()
    }

    /// The sums with weights that are not the layer's, without anything outside of the image.
    pub fn inside(&self, filters: usize, weights: &[i32], x: &[i64]) -> Wiped<i64> {
        Linear { filters, pad: Pad::Drop, ..self.linear }.evaluate(weights, x).into()
    }

    /// Sums as they are shared, filter after filter, become a tensor: `own(position, filter)` is added.
    pub fn tensor(&self, sums: &[u64], own: impl Fn(usize, usize) -> u64) -> Vec<u64> {
        let (positions, filters) = (self.positions(), self.linear.filters);
        let element = |i: usize| {
            let (position, filter) = (i / filters, i % filters);
            sums[filter * positions + position].wrapping_add(own(position, filter))
        };
        (0..positions * filters).map(element).collect()
    }
}

impl Message<'_> {
    /// Positions that use it.
    pub fn count(&self) -> usize {
        self.rows.positions.len() * self.columns.positions.len()
    }

    /// Bits of the message.
    fn bits(&self) -> usize {
        self.count() * self.bits as usize
    }

    /// Row after row of positions: the first of them, the pixel that it sees, and how many there are.
    pub fn lines(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        let window = self.sums.linear.window;
        let Range { start, end } = self.columns.positions;
        let (rows, columns) = (self.rows.first, self.columns.first);
        let line = move |(number, row): (usize, usize)| {
            let pixel = (rows + number * window.stride[0]) * window.input[1] + columns;
            (row * window.output[1] + start, pixel, end - start)
        };
        self.rows.positions.clone().enumerate().map(line)
    }

    /// Pixels between those of neighbouring positions.
    pub fn stride(&self) -> usize {
        self.sums.linear.window.stride[1]
    }
}

/// Whether exact shares can be of this ring.
pub(super) fn holds(ring: Ring) -> bool {
    let Ring { bits, fraction, terms, step, span } = ring;
    (1..=Ring::MOST_BITS).contains(&bits) && fraction == 0 && terms == 0 && step >= 1 && span >> bits == 0
}

/// Rows or columns of the kernel that see the image from some position.
fn taps(linear: &Linear, axis: usize) -> Vec<Tap> {
    let window = &linear.window;
    let (stride, low, input) = (window.stride[axis], window.pad_low[axis], window.input[axis]);
    let tap = |number: usize| {
        let at = number * window.dilation[axis];
        // position * stride + at is one of low .. low + input.
        let start = low.saturating_sub(at).div_ceil(stride);
        let end = (low + input).saturating_sub(at).div_ceil(stride).min(window.output[axis]);
        (start < end).then(|| Tap { number, positions: start..end, first: start * stride + at - low })
    };
    (0..window.kernel[axis]).filter_map(tap).collect()
}
