//! The steps of one direction.
//!
//! | layer | a step, `x` being what the kernel and the bias make of the input |
//! |---|---|
//! | SimpleRNN | `h = act(x + h U)` |
//! | LSTM | `i, f, g, o` of `x + h U`; `c = f c + i g`, `h = o act(c)` |
//! | GRU | `z, r` of `x + h U`; `g = act(x + r (h U + b))` or `act(x + (r h) U)`; `h = g + z (h - g)` |

use std::collections::BTreeMap;
use std::sync::Arc;

use petgraph::stable_graph::NodeIndex;

use super::{Builder, Built, Direction, Kind, Layer};
use crate::graph::{Alike, Array, BatchNorm, Function, LayerOp};

/// Bits of a cell state beside those of other numbers: it is added to at each step, and may be many times as
/// large as what is added.
const CELL_BITS: u32 = 3;

/// The same of the state of a GRU, which is within the values of its function.
const STATE_BITS: u32 = 2;

/// A layer that is being written out.
pub(super) struct Unrolled<'b, 'a, 'l> {
    builder: &'b mut Builder<'a>,
    layer: &'l Layer<'l>,
    direction: &'l Direction,
    /// What stands for the same at all steps.
    rows: BTreeMap<&'static str, Alike>,
    /// Kernel and bias of the state: of all gates, or of those that are not reset.
    of_state: Arc<Array>,
    bias_of_state: Option<Arc<Array>>,
    /// Of the gate that is reset in front of its kernel.
    of_reset: Option<Arc<Array>>,
}

impl<'b, 'a, 'l> Unrolled<'b, 'a, 'l> {
    pub fn new(builder: &'b mut Builder<'a>, layer: &'l Layer<'l>, direction: &'l Direction) -> Self {
        let (units, recurrent) = (direction.units, &direction.weights.recurrent);
        let (of_state, of_reset) = match direction.kind {
            Kind::Gru { reset_after: false } => {
                let part = |from, to| Arc::new(columns(recurrent, from, to));
                (part(0, 2 * units), Some(part(2 * units, 3 * units)))
            }
            _ => (Arc::clone(recurrent), None),
        };
        // Of the second row of biases those of gates are added at once, those of the candidate are reset.
        let bias_of_state = direction.reset_bias().map(|bias| {
            let zeros = std::iter::repeat_n(0.0, 2 * units);
            Arc::new(Array::vector(zeros.chain(bias.iter().copied()).collect()))
        });
        Self { builder, layer, direction, rows: BTreeMap::new(), of_state, bias_of_state, of_reset }
    }

    /// The states behind `steps` steps of what `read` holds, in the order in which they are computed.
    pub fn states(mut self, read: NodeIndex, steps: usize) -> Built<Vec<NodeIndex>> {
        let Direction { units, kind, backwards, .. } = *self.direction;
        let width = units * kind.gates();
        let op = LayerOp::Dense {
            kernel: Arc::clone(&self.direction.weights.kernel),
            bias: self.direction.bias_of_input(),
            secret_scale: false,
        };
        let all = self.add(op, &[read])?;
        let (mut states, mut state) = (Vec::with_capacity(steps), None);
        for step in 0..steps {
            let at = if backwards { steps - 1 - step } else { step };
            let x = self.part(all, at * width, width)?;
            let next = match kind {
                Kind::Simple => self.simple(x, state)?,
                Kind::Lstm => self.lstm(x, state)?,
                Kind::Gru { reset_after } => self.gru(x, state, reset_after)?,
            };
            states.push(next.h);
            state = Some(next);
        }
        self.builder.graph.alike.extend(self.rows.into_values().filter(|row| !row.nodes.is_empty()));
        Ok(states)
    }

    fn simple(&mut self, x: NodeIndex, state: Option<State>) -> Built<State> {
        let sums = self.with_state(x, state)?;
        let h = self.function(sums, self.direction.activation)?;
        Ok(State { h: self.alike("state", 0, h), c: h })
    }

    fn lstm(&mut self, x: NodeIndex, state: Option<State>) -> Built<State> {
        let units = self.direction.units;
        let (gate, activation) = (self.direction.recurrent_activation, self.direction.activation);
        let sums = self.with_state(x, state)?;
        let input = self.gate(sums, 0, gate, "input")?;
        let candidate = self.gate(sums, 2 * units, activation, "candidate")?;
        let output = self.gate(sums, 3 * units, gate, "output")?;
        let added = self.add(LayerOp::Multiply, &[input, candidate])?;
        let mut c = self.alike("cell", CELL_BITS, added);
        if let Some(state) = state {
            let forget = self.gate(sums, units, gate, "forget")?;
            let kept = self.add(LayerOp::Multiply, &[forget, state.c])?;
            self.alike("cell", CELL_BITS, kept);
            let sum = self.add(LayerOp::Add, &[kept, added])?;
            c = self.alike("cell", CELL_BITS, sum);
        }
        let shown = self.function(c, activation)?;
        let shown = if shown == c { c } else { self.alike("shown", 0, shown) };
        let h = self.add(LayerOp::Multiply, &[output, shown])?;
        Ok(State { h: self.alike("state", 0, h), c })
    }

    fn gru(&mut self, x: NodeIndex, state: Option<State>, reset_after: bool) -> Built<State> {
        let units = self.direction.units;
        let (gate, activation) = (self.direction.recurrent_activation, self.direction.activation);
        let own = self.part(x, 2 * units, units)?;
        let gates = self.part(x, 0, 2 * units)?;
        let (sums, made) = match state {
            None => (gates, None),
            Some(state) => {
                let made = self.of_state(state.h)?;
                let part = if reset_after { self.part(made, 0, 2 * units)? } else { made };
                (self.add(LayerOp::Add, &[gates, part])?, Some(made))
            }
        };
        let update = self.gate(sums, 0, gate, "update")?;
        // What the state adds to the candidate, reset; at the first step there is no more than a bias.
        let added = match (state, made) {
            (Some(_), Some(made)) if reset_after => {
                let reset = self.gate(sums, units, gate, "reset")?;
                let part = self.part(made, 2 * units, units)?;
                Some(self.add(LayerOp::Multiply, &[reset, part])?)
            }
            (Some(state), _) => {
                let reset = self.gate(sums, units, gate, "reset")?;
                let left = self.add(LayerOp::Multiply, &[reset, state.h])?;
                let left = self.alike("left", STATE_BITS, left);
                let kernel =
                    self.of_reset.clone().ok_or_else(|| "it has no kernel behind a reset".to_owned())?;
                let op = LayerOp::Dense { kernel, bias: None, secret_scale: false };
                let sums = self.add(op, &[left])?;
                Some(self.alike("recurrent candidate", 0, sums))
            }
            (None, _) => match self.direction.reset_bias() {
                None => None,
                Some(bias) => {
                    let scale = LayerOp::BatchNorm(times(bias));
                    let reset = self.gate(sums, units, gate, "reset")?;
                    Some(self.add(scale, &[reset])?)
                }
            },
        };
        let sums = match added {
            None => own,
            Some(added) => self.add(LayerOp::Add, &[own, added])?,
        };
        let candidate = self.function(sums, activation)?;
        self.alike("state", STATE_BITS, candidate);
        let negative = self.add(LayerOp::Rescale { scale: -1.0, offset: 0.0 }, &[candidate])?;
        let mut distance = self.alike("state", STATE_BITS, negative);
        if let Some(state) = state {
            distance = self.add(LayerOp::Add, &[state.h, negative])?;
        }
        let moved = self.add(LayerOp::Multiply, &[update, distance])?;
        let h = self.add(LayerOp::Add, &[candidate, moved])?;
        Ok(State { h: self.alike("state", STATE_BITS, h), c: h })
    }

    /// What the state's kernel makes of it.
    fn of_state(&mut self, h: NodeIndex) -> Built<NodeIndex> {
        let kernel = Arc::clone(&self.of_state);
        let op = LayerOp::Dense { kernel, bias: self.bias_of_state.clone(), secret_scale: false };
        let made = self.add(op, &[h])?;
        Ok(self.alike("recurrent", 0, made))
    }

    fn with_state(&mut self, x: NodeIndex, state: Option<State>) -> Built<NodeIndex> {
        let Some(state) = state else { return Ok(x) };
        let made = self.of_state(state.h)?;
        self.add(LayerOp::Add, &[x, made])
    }

    /// A gate: some of the sums, behind its function.
    fn gate(
        &mut self,
        sums: NodeIndex,
        from: usize,
        function: Option<Function>,
        name: &'static str,
    ) -> Built<NodeIndex> {
        let own = self.part(sums, from, self.direction.units)?;
        let gate = self.function(own, function)?;
        Ok(self.alike(name, 0, gate))
    }

    fn function(&mut self, read: NodeIndex, function: Option<Function>) -> Built<NodeIndex> {
        match function {
            None => Ok(read),
            Some(function) => self.add(LayerOp::Function(function), &[read]),
        }
    }

    /// `count` neighbours of a tensor's elements.
    fn part(&mut self, read: NodeIndex, from: usize, count: usize) -> Built<NodeIndex> {
        if from == 0 && self.builder.shape(read) == Some(&[count]) {
            return Ok(read);
        }
        let source = Arc::new((from..from + count).collect());
        self.add(LayerOp::Pick { source, shape: vec![count] }, &[read])
    }

    fn add(&mut self, op: LayerOp, reads: &[NodeIndex]) -> Built<NodeIndex> {
        self.builder.add(self.layer, op, reads)
    }

    fn alike(&mut self, name: &'static str, extra_bits: u32, node: NodeIndex) -> NodeIndex {
        self.rows.entry(name).or_insert(Alike { nodes: Vec::new(), extra_bits }).nodes.push(node);
        node
    }
}

/// What goes from one step to the next.
#[derive(Clone, Copy)]
struct State {
    h: NodeIndex,
    /// Of an LSTM.
    c: NodeIndex,
}

impl Direction {
    /// The bias that is reset with the state.
    fn reset_bias(&self) -> Option<&[f32]> {
        let bias = self.weights.bias.as_deref()?;
        let reset_after = self.kind == Kind::Gru { reset_after: true };
        reset_after.then(|| &bias.data[5 * self.units..])
    }

    /// What is added whatever the state is.
    fn bias_of_input(&self) -> Option<Arc<Array>> {
        let bias = self.weights.bias.as_ref()?;
        if self.kind != (Kind::Gru { reset_after: true }) {
            return Some(Arc::clone(bias));
        }
        let (first, second) = bias.data.split_at(3 * self.units);
        let gates = first.iter().zip(second).take(2 * self.units).map(|(a, b)| a + b);
        Some(Arc::new(Array::vector(gates.chain(first[2 * self.units..].iter().copied()).collect())))
    }
}

/// `x` times a number for each channel.
fn times(factors: &[f32]) -> BatchNorm {
    let all = |x: f32| Arc::new(Array::vector(vec![x; factors.len()]));
    BatchNorm {
        gamma: Some(Arc::new(Array::vector(factors.to_vec()))),
        beta: None,
        mean: all(0.0),
        variance: all(1.0),
        epsilon: 0.0,
        fused: false,
    }
}

/// Some columns of a matrix.
fn columns(matrix: &Array, from: usize, to: usize) -> Array {
    let width = matrix.last_axis();
    let data = matrix.data.chunks(width).flat_map(|row| row[from..to].iter().copied()).collect();
    Array { shape: vec![matrix.shape[0], to - from], data }
}
