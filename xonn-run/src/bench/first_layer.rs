//! First layers over numbers, of any size, with what they add up described: to measure, and to test with.

use xonn_circuits::builder::Builder;
use xonn_circuits::gadgets::adder::{Columns, add_mod};
use xonn_circuits::gadgets::popcount::width_of;
use xonn_circuits::netlist::Netlist;
use xonn_circuits::tiled::{Axis, IndexMap, Layer, LayerInfo, Linear, Port, Tile};
use xonn_circuits::tiled::{CircuitError, Source, TiledCircuit};

/// A convolution along one axis with one input channel, and thresholds; with one position it is a dense layer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FirstLayerShape {
    /// Bits of a number.
    pub width: u32,
    /// Whether numbers are in two's complement.
    pub signed: bool,
    /// Shifts of a weight's signs.
    pub shifts: Vec<u32>,
    /// Weights of a filter.
    pub taps: u32,
    /// Output positions, all taps within the input.
    pub positions: u32,
    /// Filters.
    pub filters: u32,
    /// Whether there is one more position at each end, which lacks the first or last tap.
    pub padded: bool,
    /// Whether there are outputs, behind those of the filters, that are no sums: each bit of the input AND a secret bit.
    pub also_bits: bool,
}

impl FirstLayerShape {
    /// A dense layer of `units` neurons with binary weights over `inputs` numbers of `width` bits.
    #[must_use]
    pub fn dense(inputs: u32, width: u32, units: u32) -> Self {
        Self {
            width,
            signed: false,
            shifts: vec![0],
            taps: inputs,
            positions: 1,
            filters: units,
            padded: false,
            also_bits: false,
        }
    }

    /// The layer as a program whose output is one bit for each position and filter.
    ///
    /// # Errors
    /// If the layer is too large for a program, or the sums for the description of one.
    pub fn program(&self) -> Result<TiledCircuit, CircuitError> {
        let (taps, filters, positions) = (self.taps, u64::from(self.filters), self.positions);
        let per_filter = u64::from(taps) * self.shifts.len() as u64;
        let mut secret = per_filter * filters;
        let (mut templates, mut blocks) = (Vec::new(), Vec::new());
        // For each class of positions: how many, its first output position, the taps it has.
        let mut classes = vec![(positions, u32::from(self.padded), 0..taps)];
        if self.padded {
            classes.extend([(1, 0, 1..taps), (1, positions + 1, 0..taps - 1)]);
        }
        let outputs = classes.iter().map(|class| u64::from(class.0)).sum::<u64>() * filters;
        for (count, first, taps) in classes {
            let n = taps.len() as u32;
            let sum = self.sum_bits(n);
            let template = templates.len() as u32;
            templates.extend([self.template(n), shared(sum)]);
            let axis = |extent: u32| vec![Axis { extent, stride: 1 }];
            let constants = u64::from(sum) + 1;
            let secrets = |base: u64, stride: u64, bits: u32| Port {
                source: Source::Secret,
                map: IndexMap { base, outer: vec![0, stride], inner: axis(bits) },
            };
            let planes = self.shifts.len() as u32;
            let (pixel, begin) = (u64::from(self.width), first - u32::from(self.padded && first > 0));
            blocks.push(Tile {
                template,
                grid: vec![count, self.filters],
                inputs: vec![
                    Port {
                        source: Source::Input,
                        map: IndexMap {
                            base: u64::from(begin) * pixel,
                            outer: vec![pixel, 0],
                            inner: axis(n * self.width),
                        },
                    },
                    secrets(u64::from(taps.start * planes), per_filter, n * planes),
                    secrets(secret, constants, sum),
                    secrets(secret + u64::from(sum), constants, 1),
                ],
                output: IndexMap {
                    base: u64::from(first) * filters,
                    outer: vec![filters, 1],
                    inner: axis(1),
                },
                linear: Some(Linear {
                    width: self.width,
                    top_inverted: self.signed,
                    shifts: self.shifts.clone(),
                    addend: true,
                    bits: sum + 1,
                    shared: template + 1,
                }),
            });
            secret += constants * filters;
        }
        let shape = vec![outputs as u32 / self.filters, self.filters];
        let mut outputs = outputs;
        if self.also_bits {
            let bits = (positions + taps - 1) * self.width;
            let read = |source, base| Port {
                source,
                map: IndexMap { base, outer: vec![1], inner: vec![Axis { extent: 1, stride: 1 }] },
            };
            blocks.push(Tile {
                template: templates.len() as u32,
                grid: vec![bits],
                inputs: vec![read(Source::Input, 0), read(Source::Secret, secret)],
                output: read(Source::Input, outputs).map,
                linear: None,
            });
            templates.push(both());
            secret += u64::from(bits);
            outputs += u64::from(bits);
        }
        let info = LayerInfo { name: "1_conv".into(), kind: "conv + threshold".into(), shape, fan_in: taps };
        TiledCircuit::new(
            u64::from(positions + taps - 1) * u64::from(self.width),
            secret,
            templates,
            vec![Layer { info, bits: outputs, tiles: blocks }],
        )
    }

    /// Bits of a sum of `n` weighted numbers.
    fn sum_bits(&self, n: u32) -> u32 {
        let weight: u64 = self.shifts.iter().map(|&shift| 1u64 << shift).sum();
        let largest = u64::from(n) * weight * ((1u64 << self.width) - 1);
        (width_of(largest) as u32).max(self.shifts.iter().max().map_or(1, |shift| shift + 1))
    }

    /// `n` numbers, their signs, an addend, a flip.
    fn template(&self, n: u32) -> Netlist {
        let (n, width, planes) = (n as usize, self.width as usize, self.shifts.len());
        let mut b = Builder::new();
        let (x, signs) = (b.input(n * width), b.input(n * planes));
        let (addend, flip) = (b.input(self.sum_bits(n as u32) as usize), b.input(1));
        let mut columns = Columns::new(&mut b);
        for (x, signs) in x.chunks(width).zip(signs.chunks(planes)) {
            let mut u = x.to_vec();
            if self.signed {
                u[width - 1] = columns.builder().inv(u[width - 1]);
            }
            for (&sign, &shift) in signs.iter().zip(&self.shifts) {
                for (k, &bit) in u.iter().enumerate() {
                    let product = columns.builder().xor(bit, sign);
                    columns.add(k + shift as usize, product);
                }
            }
        }
        let fires = columns.carry_out(&addend);
        let out = b.xor(fires, flip[0]);
        b.finish(&[vec![out]])
    }
}

/// The AND of two bits.
fn both() -> Netlist {
    let mut b = Builder::new();
    let (x, y) = (b.input(1)[0], b.input(1)[0]);
    let out = b.and(x, y);
    b.finish(&[vec![out]])
}

/// Two shares of a sum of `sum` bits and an addend, a flip.
fn shared(sum: u32) -> Netlist {
    let mut b = Builder::new();
    let bits = sum as usize + 1;
    let (client, server, flip) = (b.input(bits), b.input(bits), b.input(1));
    let total = add_mod(&mut b, &client, &server);
    let out = b.xor(total[bits - 1], flip[0]);
    b.finish(&[vec![out]])
}
