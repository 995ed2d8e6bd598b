//! The layered program: layers of template netlists, each run on many instances, wired by geometry.
//!
//! A network's circuit is millions of gates but only a few different neurons. A [`TiledCircuit`] holds one template netlist a
//! kind of neuron and says, by strides, which bits each instance reads and which it writes. Nobody ever has to hold the
//! flat netlist: evaluation, garbling and [`flatten`] all walk the instances.
//!
//! A circuit is public and the same for every model of one architecture: weights and thresholds are *secret bits*, the
//! garbler's inputs, read by index like any other bits.
//!
//! Bits live in vectors: the client's input, the garbler's secret bits, and one vector a layer. The output is the last
//! layer's vector.

pub mod evaluate;
pub mod flatten;
pub mod index;
pub mod sample;
pub mod traffic;
mod verify;

use std::sync::Arc;

use crate::knowledge::{self, AndCosts, Class};
use crate::netlist::Netlist;
pub use index::{Axis, IndexMap};
pub use verify::CircuitError;

/// Where an instance reads bits from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// The client's input.
    Input,
    /// The garbler's secret bits.
    Secret,
    /// The output vector of an earlier layer.
    Layer(u32),
}

/// Some of the template's inputs, and the bits they read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Port {
    /// The vector read.
    pub source: Source,
    /// Which bits, for each instance; the inner axes enumerate the template's inputs in row-major order.
    pub map: IndexMap,
}

/// One template on a grid of instances.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tile {
    /// Index into [`TiledCircuit::templates`].
    pub template: u32,
    /// The grid of instances, row-major, for instance `[rows, columns, filters]`. No axis is empty.
    pub grid: Vec<u32>,
    /// The template's inputs, port after port.
    pub inputs: Vec<Port>,
    /// Which bits of the layer's vector the template's outputs become.
    pub output: IndexMap,
}

impl Tile {
    /// Number of instances.
    #[must_use]
    pub fn instances(&self) -> u64 {
        self.grid.iter().map(|&n| u64::from(n)).product()
    }

    /// The class of each of the template's inputs.
    ///
    /// Knowledge does not cross the border of a layer: what the garbler knows there is given a label again, which costs
    /// nothing because the evaluator's label for it is zero.
    #[must_use]
    pub fn input_classes(&self) -> Vec<Class> {
        self.inputs
            .iter()
            .flat_map(|port| {
                let class = if port.source == Source::Secret { Class::Garbler } else { Class::Hidden };
                std::iter::repeat_n(class, port.map.len() as usize)
            })
            .collect()
    }
}

/// What a layer is, for people: nothing here changes what is computed.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct LayerInfo {
    /// A name made of the layer's place and kind, such as `1_dense`; never the model's own name, which would make the
    /// public file depend on more than the architecture.
    pub name: String,
    /// What it computes, such as `dense + threshold`.
    pub kind: String,
    /// Shape of the output, channels last.
    pub shape: Vec<u32>,
    /// Numbers added up for each output; 0 where nothing is added up.
    pub fan_in: u32,
}

/// A layer: tiles that together fill one vector of bits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layer {
    /// What it is.
    pub info: LayerInfo,
    /// Length of its output vector in bits.
    pub bits: u64,
    /// The tiles; each bit of the vector is written by exactly one instance.
    pub tiles: Vec<Tile>,
}

/// A verified tiled circuit. A clone is another handle on the same one.
#[derive(Clone, PartialEq, Debug)]
pub struct TiledCircuit {
    input_bits: u64,
    secret_bits: u64,
    templates: Arc<[Netlist]>,
    layers: Arc<[Layer]>,
}

impl TiledCircuit {
    /// Makes a circuit of its parts, if they obey every rule of [`CircuitError`].
    ///
    /// * `input_bits`: what the client brings.   * `secret_bits`: what the garbler brings.
    ///
    /// # Errors
    /// The first rule broken, with the layer.
    pub fn new(
        input_bits: u64,
        secret_bits: u64,
        templates: Vec<Netlist>,
        layers: Vec<Layer>,
    ) -> Result<Self, CircuitError> {
        let (templates, layers) = (templates.into(), layers.into());
        let circuit = Self { input_bits, secret_bits, templates, layers };
        verify::verify(&circuit)?;
        Ok(circuit)
    }

    /// A netlist as a circuit of one layer with one instance.
    ///
    /// `garbler_groups`: the input groups that the garbler holds; their bits, in order, are the secret bits. The
    /// evaluator holds the other groups, in order; either may hold no bit.
    ///
    /// # Errors
    /// [`CircuitError::NoSuchGroup`] for a group that the netlist does not have, [`CircuitError::NoOutputs`],
    /// and what [`TiledCircuit::new`] refuses.
    pub fn from_netlist(netlist: Netlist, garbler_groups: &[usize]) -> Result<Self, CircuitError> {
        let groups = netlist.inputs().len();
        if let Some(&group) = garbler_groups.iter().find(|&&g| g >= groups) {
            return Err(CircuitError::NoSuchGroup { group, groups });
        }
        let (mut secret_bits, mut input_bits) = (0u64, 0u64);
        let mut inputs = Vec::new();
        for (group, &bits) in netlist.inputs().iter().enumerate() {
            let (source, base) = if garbler_groups.contains(&group) {
                (Source::Secret, &mut secret_bits)
            } else {
                (Source::Input, &mut input_bits)
            };
            if bits > 0 {
                let inner = vec![Axis { extent: bits, stride: 1 }];
                inputs.push(Port { source, map: IndexMap { base: *base, outer: vec![], inner } });
            }
            *base += u64::from(bits);
        }
        let bits = netlist.output_bits() as u32;
        if bits == 0 {
            return Err(CircuitError::NoOutputs);
        }
        let output = IndexMap { base: 0, outer: vec![], inner: vec![Axis { extent: bits, stride: 1 }] };
        let layer = Layer {
            info: LayerInfo { name: "netlist".into(), kind: "netlist".into(), shape: vec![bits], fan_in: 0 },
            bits: bits.into(),
            tiles: vec![Tile { template: 0, grid: vec![], inputs, output }],
        };
        Self::new(input_bits, secret_bits, vec![netlist], vec![layer])
    }

    /// Bits that the client brings.
    #[must_use]
    pub fn input_bits(&self) -> usize {
        self.input_bits as usize
    }

    /// Bits that the garbler brings: weights and thresholds.
    #[must_use]
    pub fn secret_bits(&self) -> u64 {
        self.secret_bits
    }

    /// Bits that the client learns.
    #[must_use]
    pub fn output_bits(&self) -> usize {
        self.layers.last().map_or(0, |l| l.bits as usize)
    }

    /// The netlists that tiles name.
    #[must_use]
    pub fn templates(&self) -> &[Netlist] {
        &self.templates
    }

    /// The template of `tile`.
    #[must_use]
    pub fn template(&self, tile: &Tile) -> &Netlist {
        &self.templates[tile.template as usize]
    }

    /// The layers, in order.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// For each layer, the last layer that reads it (itself if none does): its vector can be dropped after that.
    #[must_use]
    pub fn last_use(&self) -> Vec<usize> {
        let mut last: Vec<usize> = (0..self.layers.len()).collect();
        for (i, layer) in self.layers.iter().enumerate() {
            for port in layer.tiles.iter().flat_map(|b| &b.inputs) {
                if let Source::Layer(read) = port.source {
                    last[read as usize] = i;
                }
            }
        }
        last
    }

    /// AND gates of one layer by their cost.
    #[must_use]
    pub fn layer_costs(&self, layer: &Layer) -> AndCosts {
        let mut costs = AndCosts::default();
        for tile in &layer.tiles {
            costs += knowledge::and_costs(self.template(tile), &tile.input_classes()).times(tile.instances());
        }
        costs
    }

    /// AND gates of the program by their cost.
    #[must_use]
    pub fn costs(&self) -> AndCosts {
        let mut costs = AndCosts::default();
        self.layers.iter().for_each(|layer| costs += self.layer_costs(layer));
        costs
    }
}
