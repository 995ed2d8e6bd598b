//! What both hosts derive from the public program: the order of all ciphertexts, in segments, and every
//! gate's tweak.

use std::collections::HashMap;
use std::sync::Arc;

use xonn_circuits::knowledge::Class;
use xonn_circuits::tiled::{Port, Source, Tile, TiledCircuit};

use super::scheme::{Ands, Scheme};
pub use super::tape::Role;
use super::tape::{Piece, SEGMENT_CIPHERTEXTS, Tape};
use crate::block::Wide;

/// Instances garbled side by side. Part of the protocol: it fixes the order of ciphertexts.
pub const LANES: usize = crate::block::LANES;

/// Most memory for labels of running templates, in bytes, but for one that takes more by itself: a template
/// can be made to keep millions of labels alive, and each processor would run one. Those of neurons take some
/// 100 KB.
const LABEL_MEMORY: usize = 1 << 30;

/// Groups of a long template that go piece by piece side by side: the first piece of all of them, then the
/// second. Part of the protocol.
pub(super) const SIDE_BY_SIDE: usize = 8;

/// A program as one host runs it.
pub struct Schedule {
    pub(super) program: TiledCircuit,
    pub(super) role: Role,
    pub(super) layers: Vec<Vec<TileSchedule>>,
    pub(super) last_use: Vec<usize>,
    segments: Vec<Segment>,
}

/// How one block is run.
pub(super) struct TileSchedule {
    pub tape: Arc<Tape>,
    /// Whether there is one instance, so that its own gates are garbled side by side.
    pub single: bool,
    /// For each template input: its port, and its offset from where the port begins for an instance.
    pub inputs: Vec<(u32, u32)>,
    /// For each template output: its offset in the layer's vector.
    pub outputs: Vec<usize>,
}

/// Consecutive ciphertexts that are made, sent and consumed together: a few groups of [`LANES`] instances, or
/// a piece of one group where a template is long.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Segment {
    pub layer: usize,
    pub block: usize,
    /// Instances, by their number in the block's grid.
    pub instances: std::ops::Range<u64>,
    /// Index into the tape's pieces, or `None` for the whole tape of every group.
    pub piece: Option<usize>,
    /// Tweak of the first AND that costs something; they count up by one an AND.
    pub first_tweak: u64,
    /// ANDs that cost something.
    pub ands: Ands,
}

impl Segment {
    /// Which of the groups that go side by side it is of: where the labels of a piece are.
    pub fn place(&self) -> usize {
        (self.instances.start / LANES as u64 % SIDE_BY_SIDE as u64) as usize
    }
}

impl Schedule {
    /// Plans `program` for `role`.
    #[must_use]
    pub fn new(program: &TiledCircuit, role: Role) -> Self {
        let mut tapes = Tapes::new();
        let layers: Vec<Vec<TileSchedule>> = program
            .layers()
            .iter()
            .map(|layer| {
                layer.tiles.iter().map(|block| schedule_tile(program, block, role, &mut tapes)).collect()
            })
            .collect();
        let segments = segments(program, &layers);
        Self { program: program.clone(), role, layers, last_use: program.last_use(), segments }
    }

    /// The program planned.
    #[must_use]
    pub fn program(&self) -> &TiledCircuit {
        &self.program
    }

    /// Bytes of the ciphertexts of each segment, in order: what the evaluator expects to receive. Some are 0.
    pub fn segment_lengths(&self, scheme: Scheme) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.segments.iter().map(move |s| scheme.bytes(s.ands))
    }

    /// For each segment whether it is of a layer that reads the client's input.
    pub fn segments_of_first_layers(&self) -> impl ExactSizeIterator<Item = bool> + '_ {
        let reads = |port: &Port| port.source == Source::Input;
        let layers = self.program.layers().iter();
        let first: Vec<bool> = layers.map(|l| l.tiles.iter().flat_map(|b| &b.inputs).any(reads)).collect();
        self.segments.iter().map(move |segment| first[segment.layer])
    }

    /// Bytes of the ciphertexts of the whole program.
    #[must_use]
    pub fn bytes(&self, scheme: Scheme) -> u64 {
        self.segment_lengths(scheme).map(|n| n as u64).sum()
    }

    /// The next segments from `first` on that may run side by side: of one layer, at most `most`, no more
    /// than [`LABEL_MEMORY`] has room for; of pieces the same one of different groups.
    pub(super) fn batch(&self, first: usize, most: usize) -> &[Segment] {
        let rest = self.segments.get(first..).unwrap_or_default();
        let Some(head) = rest.first() else { return rest };
        let together = |s: &&Segment| match head.piece {
            None => s.layer == head.layer && s.piece.is_none(),
            piece => (s.layer, s.block, s.piece) == (head.layer, head.block, piece),
        };
        let slots = self.layers[head.layer].iter().map(|block| block.tape.label_slots).max();
        let room = LABEL_MEMORY / (slots.unwrap_or(0) as usize * size_of::<Wide>()).max(1);
        let length = rest.iter().take(most.min(room)).take_while(together).count();
        &rest[..length.max(1)]
    }
}

/// The tapes made so far, by template and whether it is for one instance by itself, then by the classes of
/// its inputs.
type Tapes = HashMap<(u32, bool), Vec<(Vec<Class>, Arc<Tape>)>>;

fn schedule_tile(program: &TiledCircuit, block: &Tile, role: Role, tapes: &mut Tapes) -> TileSchedule {
    let classes = block.input_classes();
    let single = block.instances() == 1;
    let known = tapes.entry((block.template, single)).or_default();
    let tape = match known.iter().find(|(of, _)| *of == classes) {
        Some((_, tape)) => Arc::clone(tape),
        None => {
            let tape = Arc::new(Tape::new(program.template(block), &classes, role, single));
            known.push((classes, Arc::clone(&tape)));
            tape
        }
    };
    let inputs = block.inputs.iter().enumerate().flat_map(|(port, p)| {
        // Verified: a vector has at most 2^32 bits, so offsets within it fit.
        p.map.inner_offsets().into_iter().map(move |offset| (port as u32, offset as u32))
    });
    let (inputs, outputs) = (inputs.collect(), block.output.inner_offsets());
    TileSchedule { tape, single, inputs, outputs }
}

/// How many groups of a template with so many wires go side by side: their labels stay in memory from piece
/// to piece.
fn side_by_side(wires: u32) -> u64 {
    (LABEL_MEMORY as u64 / (u64::from(wires) * size_of::<Wide>() as u64).max(1)).clamp(1, SIDE_BY_SIDE as u64)
}

fn segments(program: &TiledCircuit, layers: &[Vec<TileSchedule>]) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut tweak = 0u64;
    for (layer, blocks) in layers.iter().enumerate() {
        for (block, schedule) in blocks.iter().enumerate() {
            let total = program.layers()[layer].tiles[block].instances();
            let mut push = |instances: std::ops::Range<u64>, piece: Option<usize>, per_instance: Ands| {
                let ands = per_instance.times(instances.end - instances.start);
                segments.push(Segment { layer, block, instances, piece, first_tweak: tweak, ands });
                tweak += ands.tweaks();
            };
            let pieces: &[Piece] = &schedule.tape.pieces;
            if let [only] = pieces {
                let step = (SEGMENT_CIPHERTEXTS / schedule.tape.ands.ciphertexts().max(1))
                    .max(1)
                    .next_multiple_of(LANES as u64);
                for first in (0..total).step_by(step as usize) {
                    push(first..total.min(first + step), None, only.ands);
                }
                continue;
            }
            let groups = side_by_side(program.template(&program.layers()[layer].tiles[block]).wires());
            let lanes = LANES as u64;
            for first in (0..total).step_by((groups * lanes) as usize) {
                let end = total.min(first + groups * lanes);
                for (i, piece) in pieces.iter().enumerate() {
                    for group in (first..end).step_by(LANES) {
                        push(group..end.min(group + lanes), Some(i), piece.ands);
                    }
                }
            }
        }
    }
    segments
}
