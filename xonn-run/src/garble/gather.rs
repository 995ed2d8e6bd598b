//! Where the instances of a group find their inputs and leave their outputs; shared by both roles.

use xonn_circuits::program::{Program, Source};

use super::plan::{BlockPlan, Plan, Segment};
use crate::block::Block;

/// The label vectors alive: the client's input and the layers that are still read.
pub(super) struct Vectors {
    input: Vec<Block>,
    layers: Vec<Vec<Block>>,
}

impl Vectors {
    /// Starts with the labels of the client's input bits.
    pub fn new(input: Vec<Block>, layers: usize) -> Self {
        Self { input, layers: (0..layers).map(|_| Vec::new()).collect() }
    }

    fn source(&self, source: Source) -> &[Block] {
        match source {
            Source::Input => &self.input,
            Source::Layer(l) => &self.layers[l as usize],
            Source::Secret => &[], // bits, not labels: the tape never loads a label from here
        }
    }

    /// Writes the outputs of a segment: template outputs of the first instance, then of the next.
    pub fn scatter(&mut self, plan: &Plan<'_>, segment: &Segment, outputs: &[Block]) {
        let layer = &plan.program.layers()[segment.layer];
        let block = &layer.blocks[segment.block];
        let inner = &plan.layers[segment.layer][segment.block].outputs;
        let vector = &mut self.layers[segment.layer];
        vector.resize(layer.bits as usize, Block::ZERO);
        for (instance, values) in segment.instances.clone().zip(outputs.chunks(inner.len())) {
            let at = block.output.offset(&block.grid, instance);
            inner.iter().zip(values).for_each(|(&offset, &value)| vector[at + offset] = value);
        }
    }

    /// Drops the vectors that nobody reads after `layer`.
    pub fn finish_layer(&mut self, plan: &Plan<'_>, layer: usize) {
        for (read, vector) in self.layers.iter_mut().enumerate().take(layer) {
            if plan.last_use[read] <= layer {
                wipe(vector);
            }
        }
    }

    /// The labels of the program's output.
    pub fn output(&self) -> &[Block] {
        self.layers.last().map_or(&[], Vec::as_slice)
    }
}

impl Drop for Vectors {
    fn drop(&mut self) {
        wipe(&mut self.input);
        self.layers.iter_mut().for_each(wipe);
    }
}

fn wipe(labels: &mut Vec<Block>) {
    zeroize::Zeroize::zeroize(labels);
    labels.shrink_to_fit();
}

/// The inputs of up to `L` instances.
pub(super) struct Inputs<'a, const L: usize> {
    inputs: &'a [(u32, u32)],
    /// For each port its vector and where each lane begins in it.
    ports: Vec<(&'a [Block], [usize; L])>,
    secret: &'a [bool],
    lanes: usize,
}

impl<'a, const L: usize> Inputs<'a, L> {
    /// The inputs of instances `first..first + lanes` of a block. `secret` is empty at the evaluator.
    pub fn new(
        program: &Program,
        plan: &'a BlockPlan,
        segment: &Segment,
        first: u64,
        lanes: usize,
        vectors: &'a Vectors,
        secret: &'a [bool],
    ) -> Self {
        let block = &program.layers()[segment.layer].blocks[segment.block];
        let ports = block
            .inputs
            .iter()
            .map(|port| {
                let mut begins = [0; L];
                for (lane, begin) in begins.iter_mut().take(lanes).enumerate() {
                    *begin = port.map.offset(&block.grid, first + lane as u64);
                }
                (vectors.source(port.source), begins)
            })
            .collect();
        Self { inputs: &plan.inputs, ports, secret, lanes }
    }

    /// Template input `input` of every instance, as labels.
    #[inline]
    pub fn labels(&self, input: u32) -> [Block; L] {
        let (port, offset) = self.inputs[input as usize];
        let (vector, begins) = &self.ports[port as usize];
        let mut labels = [Block::ZERO; L];
        for (label, begin) in labels.iter_mut().zip(begins).take(self.lanes) {
            *label = vector[begin + offset as usize];
        }
        labels
    }

    /// Template input `input` of every instance, as the garbler's bits: one bit a lane.
    #[inline]
    pub fn bits(&self, input: u32) -> u16 {
        let (port, offset) = self.inputs[input as usize];
        let (_, begins) = &self.ports[port as usize];
        let lanes = begins.iter().take(self.lanes).enumerate();
        lanes.fold(0, |bits, (lane, begin)| bits | u16::from(self.secret[begin + offset as usize]) << lane)
    }
}
