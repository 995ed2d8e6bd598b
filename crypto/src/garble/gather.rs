//! Where the instances of a group find their inputs and leave their outputs; shared by both roles.

use xonn_circuits::tiled::{IndexMap, Port, Source, TiledCircuit};

use super::schedule::{LANES, Schedule, Segment, TileSchedule};
use crate::block::{Gates, Wide};
use crate::label::AnyLabel;

/// The label vectors alive: the client's input and the layers that are still read.
pub(super) struct Vectors<L: AnyLabel> {
    input: Vec<L>,
    layers: Vec<Vec<L>>,
}

impl<L: AnyLabel> Vectors<L> {
    /// Starts with the labels of the client's input bits.
    pub fn new(input: Vec<L>, layers: usize) -> Self {
        Self { input, layers: (0..layers).map(|_| Vec::new()).collect() }
    }

    fn source(&self, source: Source) -> &[L] {
        match source {
            Source::Input => &self.input,
            Source::Layer(l) => &self.layers[l as usize],
            Source::Secret => &[], // bits, not labels: the tape never loads a label from here
        }
    }

    /// Writes the outputs of a segment: template outputs of the first instance, then of the next.
    pub fn scatter(&mut self, schedule: &Schedule, segment: &Segment, outputs: &[L]) {
        let layer = &schedule.program.layers()[segment.layer];
        let block = &layer.tiles[segment.block];
        let inner = &schedule.layers[segment.layer][segment.block].outputs;
        let vector = &mut self.layers[segment.layer];
        vector.resize(layer.bits as usize, L::default());
        for (instance, values) in segment.instances.clone().zip(outputs.chunks(inner.len())) {
            let at = block.output.offset(&block.grid, instance);
            inner.iter().zip(values).for_each(|(&offset, &value)| vector[at + offset] = value);
        }
    }

    /// Drops the vectors that nobody reads after `layer`.
    pub fn finish_layer(&mut self, schedule: &Schedule, layer: usize) {
        for (read, vector) in self.layers.iter_mut().enumerate().take(layer) {
            if schedule.last_use[read] <= layer {
                wipe(vector);
            }
        }
    }

    /// The labels of the program's output.
    pub fn output(&self) -> &[L] {
        self.layers.last().map_or(&[], Vec::as_slice)
    }
}

impl<L: AnyLabel> Drop for Vectors<L> {
    fn drop(&mut self) {
        wipe(&mut self.input);
        self.layers.iter_mut().for_each(wipe);
    }
}

fn wipe<L: AnyLabel>(labels: &mut Vec<L>) {
    crate::wiped::wipe(labels);
    labels.clear();
    labels.shrink_to_fit();
}

/// The inputs of up to [`LANES`] instances.
pub(super) struct Inputs<'a, L> {
    inputs: &'a [(u32, u32)],
    ports: Vec<PortInputs<'a, L>>,
    lanes: usize,
}

/// One port of up to [`LANES`] instances.
struct PortInputs<'a, L> {
    vector: &'a [L],
    /// Where each lane begins in the vector.
    begins: [usize; LANES],
    /// Whether that is one place for all, as for the neurons of a dense layer.
    shared: bool,
}

impl<'a, L: AnyLabel> Inputs<'a, L> {
    /// The inputs of instances `first..first + lanes` of a block.
    pub fn new(
        program: &TiledCircuit,
        schedule: &'a TileSchedule,
        segment: &Segment,
        first: u64,
        lanes: usize,
        vectors: &'a Vectors<L>,
    ) -> Self {
        let block = &program.layers()[segment.layer].tiles[segment.block];
        let port = |port: &Port| {
            let begins = begins(&port.map, &block.grid, first, lanes);
            let shared = begins[..lanes].iter().all(|&begin| begin == begins[0]);
            PortInputs { vector: vectors.source(port.source), begins, shared }
        };
        Self { inputs: &schedule.inputs, ports: block.inputs.iter().map(port).collect(), lanes }
    }

    /// Template input `input` of the first instance, as a label.
    #[inline(always)]
    pub fn label(&self, input: u32) -> L {
        let (port, offset) = self.inputs[input as usize];
        let port = &self.ports[port as usize];
        port.vector[port.begins[0] + offset as usize]
    }

    /// Template input `input` of every instance, as labels.
    #[inline(always)]
    pub fn labels<G: Gates>(&self, gates: &G, input: u32) -> Wide {
        let (port, offset) = self.inputs[input as usize];
        let port = &self.ports[port as usize];
        if port.shared {
            return gates.splat(&port.vector[port.begins[0] + offset as usize].block());
        }
        let mut labels = Wide::ZERO;
        for (label, begin) in labels.0.iter_mut().zip(port.begins).take(self.lanes) {
            *label = port.vector[begin + offset as usize].block();
        }
        labels
    }

    /// Template input `input` of every instance, as the garbler's bits: one bit a lane.
    #[inline(always)]
    pub fn bits(&self, input: u32, secret: &[bool]) -> u16 {
        let (port, offset) = self.inputs[input as usize];
        let lanes = self.ports[port as usize].begins.iter().take(self.lanes).enumerate();
        lanes.fold(0, |bits, (lane, begin)| bits | u16::from(secret[begin + offset as usize]) << lane)
    }

    /// [`Inputs::bits`] of template inputs `input..input + 8`, if they are neighbours among the secret bits.
    ///
    /// A neuron reads a weight a synapse: eight bytes of a lane at a time, added up with the lane's number as
    /// shift, leave one byte of eight lanes for each input.
    #[inline(always)]
    pub fn eight_bits(&self, input: u32, secret: &[bool]) -> Option<[u16; 8]> {
        let eight = self.inputs.get(input as usize..)?.first_chunk::<8>()?;
        let (port, first) = eight[0];
        if (1..8).any(|i| eight[i] != (port, first + i as u32)) {
            return None;
        }
        let mut halves = [0u64; 2];
        for (lane, begin) in self.ports[port as usize].begins.iter().take(self.lanes).enumerate() {
            let bits = secret.get(begin + first as usize..)?.first_chunk::<8>()?;
            halves[lane / 8] |= u64::from_le_bytes(bits.map(u8::from)) << (lane % 8);
        }
        let [low, high] = halves.map(u64::to_le_bytes);
        Some(std::array::from_fn(|i| u16::from_le_bytes([low[i], high[i]])))
    }
}

/// Where instances `first..first + lanes` begin; the other lanes are as the first.
fn begins(map: &IndexMap, grid: &[u32], first: u64, lanes: usize) -> [usize; LANES] {
    let begin = map.offset(grid, first);
    let mut begins = [begin; LANES];
    // Within a row of the grid's last axis instances are one stride apart, which spares a division a lane and
    // axis.
    let (row, stride) = match (grid.last(), map.outer.last()) {
        (Some(&row), Some(&stride)) => (u64::from(row), stride as usize),
        _ => (1, 0),
    };
    let in_row = (row - first % row).min(lanes as u64) as usize;
    for (lane, to) in begins.iter_mut().take(lanes).enumerate().skip(1) {
        *to = if lane < in_row { begin + lane * stride } else { map.offset(grid, first + lane as u64) };
    }
    begins
}
