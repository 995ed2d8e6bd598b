//! Arithmetic with tensors, numbers and weights: `x / 255`, `x * 2 - 1`, `x + y`, `alpha * x + beta`.
//!
//! Each operation rounds as Keras's own does, once, so that what is read here has its float32 values.

use std::sync::Arc;

use petgraph::stable_graph::NodeIndex;

use super::norm::line;
use super::{Builder, Built, Layer};
use crate::graph::{Array, Function, LayerOp};

/// What stands in an expression.
#[derive(Clone, Debug)]
pub(super) enum Term {
    /// A tensor of the graph.
    Tensor(NodeIndex),
    /// A number.
    Number(f64),
    /// A weight or constant: one number for each of the last axis.
    Row(Arc<Array>),
}

/// An operation of two terms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Maximum,
    Minimum,
}

impl Binary {
    fn apply(self, a: f32, b: f32) -> f32 {
        match self {
            Self::Add => a + b,
            Self::Subtract => a - b,
            Self::Multiply => a * b,
            Self::Divide => a / b,
            Self::Maximum => a.max(b),
            Self::Minimum => a.min(b),
        }
    }
}

impl Builder<'_> {
    /// `a op b`.
    pub(super) fn combine(&mut self, layer: &Layer<'_>, op: Binary, a: Term, b: Term) -> Built<Term> {
        match (a, b) {
            (Term::Number(a), Term::Number(b)) => {
                let one = |x: f64| f64::from(x as f32);
                Ok(Term::Number(f64::from(op.apply(one(a) as f32, one(b) as f32))))
            }
            (Term::Tensor(a), Term::Tensor(b)) => self.of_tensors(layer, op, a, b).map(Term::Tensor),
            (Term::Tensor(x), c) => self.with_constant(layer, op, x, &c).map(Term::Tensor),
            (c, Term::Tensor(x)) => self.of_constant(layer, op, &c, x).map(Term::Tensor),
            (a, b) => {
                let (a, b) = (row(&a), row(&b));
                let count = a.len().max(b.len());
                let data = (0..count).map(|i| op.apply(a[i % a.len()], b[i % b.len()])).collect();
                Ok(Term::Row(Arc::new(Array::vector(data))))
            }
        }
    }

    /// `x op c`.
    fn with_constant(&mut self, layer: &Layer<'_>, op: Binary, x: NodeIndex, c: &Term) -> Built<NodeIndex> {
        let constants = row(c);
        if constants.iter().any(|c| !c.is_finite()) {
            return Err("it computes with numbers that are not finite".to_owned().into());
        }
        if let Binary::Divide = op
            && let Some(bad) = constants.iter().find(|c| **c <= 0.0)
        {
            return Err(format!("it divides by {bad}, expected numbers above 0; multiply instead").into());
        }
        let done = match (op, &constants[..]) {
            (Binary::Add, &[c]) => LayerOp::Rescale { scale: 1.0, offset: c },
            (Binary::Subtract, &[c]) => LayerOp::Rescale { scale: 1.0, offset: -c },
            (Binary::Multiply, &[c]) => LayerOp::Rescale { scale: c, offset: 0.0 },
            (Binary::Divide, &[by]) => LayerOp::Divide { by },
            (Binary::Maximum, &[low]) => LayerOp::Function(Function::Clip { low, high: f32::INFINITY }),
            (Binary::Minimum, &[high]) => LayerOp::Function(Function::Clip { low: f32::NEG_INFINITY, high }),
            (Binary::Add, row) => line(vec![1.0; row.len()], row.to_vec()),
            (Binary::Subtract, row) => line(vec![1.0; row.len()], row.iter().map(|c| -c).collect()),
            (Binary::Multiply, row) => line(row.to_vec(), vec![0.0; row.len()]),
            (Binary::Divide, row) => LayerOp::Normalize {
                mean: Arc::new(Array::vector(vec![0.0; row.len()])),
                deviation: Arc::new(Array::vector(row.to_vec())),
            },
            (op, row) => {
                return Err(
                    format!("{op:?} of a tensor and {} numbers, expected one number", row.len()).into()
                );
            }
        };
        self.add(layer, done, &[x])
    }

    /// `c op x`.
    fn of_constant(&mut self, layer: &Layer<'_>, op: Binary, c: &Term, x: NodeIndex) -> Built<NodeIndex> {
        match op {
            Binary::Subtract => {
                let negative = self.add(layer, LayerOp::Rescale { scale: -1.0, offset: 0.0 }, &[x])?;
                self.with_constant(layer, Binary::Add, negative, c)
            }
            Binary::Divide => Err("it divides by a tensor, which has no integer form".to_owned().into()),
            _ => self.with_constant(layer, op, x, c),
        }
    }

    /// `a op b` of two tensors, which may have to be repeated to one shape.
    fn of_tensors(&mut self, layer: &Layer<'_>, op: Binary, a: NodeIndex, b: NodeIndex) -> Built<NodeIndex> {
        let reads = self.of_one_shape(layer, &[a, b])?;
        let negative = LayerOp::Rescale { scale: -1.0, offset: 0.0 };
        match op {
            Binary::Add => self.add(layer, LayerOp::Add, &reads),
            Binary::Subtract => {
                let second = self.add(layer, negative, &reads[1..])?;
                self.add(layer, LayerOp::Add, &[reads[0], second])
            }
            Binary::Multiply => self.add(layer, LayerOp::Multiply, &reads),
            Binary::Maximum => self.add(layer, LayerOp::Maximum, &reads),
            Binary::Minimum => self.minimum(layer, &reads),
            Binary::Divide => Err("it divides by a tensor, which has no integer form".to_owned().into()),
        }
    }

    /// The smallest of tensors of one shape: the largest of their negatives, turned round.
    fn minimum(&mut self, layer: &Layer<'_>, reads: &[NodeIndex]) -> Built<NodeIndex> {
        let negative = LayerOp::Rescale { scale: -1.0, offset: 0.0 };
        let turned = reads.iter().map(|&read| self.add(layer, negative.clone(), &[read]));
        let turned = turned.collect::<Result<Vec<_>, _>>()?;
        let largest = self.add(layer, LayerOp::Maximum, &turned)?;
        self.add(layer, negative, &[largest])
    }

    /// Keras's merging layers over all that the layer reads.
    pub(super) fn merge(&mut self, layer: &Layer<'_>, kind: &str) -> Built<NodeIndex> {
        if layer.reads.is_empty() {
            return Err("it reads no tensors, expected at least 1".to_owned().into());
        }
        if kind == "Subtract" {
            let [a, b] = layer.reads[..] else {
                return Err(format!("it reads {} tensors, expected 2", layer.reads.len()).into());
            };
            return self.of_tensors(layer, Binary::Subtract, a, b);
        }
        let reads = self.of_one_shape(layer, &layer.reads.clone())?;
        match kind {
            "Multiply" => self.add(layer, LayerOp::Multiply, &reads),
            "Maximum" => self.add(layer, LayerOp::Maximum, &reads),
            "Minimum" => self.minimum(layer, &reads),
            "Average" => {
                let sum = self.add(layer, LayerOp::Add, &reads)?;
                self.add(layer, LayerOp::Divide { by: reads.len() as f32 }, &[sum])
            }
            _ => self.add(layer, LayerOp::Add, &reads),
        }
    }

    /// Tensors repeated along axes of length 1 until they have one shape, as NumPy's broadcasting does.
    /// Keras's layers put missing axes behind the batch.
    fn of_one_shape(&mut self, layer: &Layer<'_>, reads: &[NodeIndex]) -> Built<Vec<NodeIndex>> {
        let shapes: Option<Vec<Vec<usize>>> =
            reads.iter().map(|&read| self.shape(read).map(<[usize]>::to_vec)).collect();
        let Some(shapes) = shapes.filter(|shapes| shapes.iter().any(|shape| *shape != shapes[0])) else {
            return Ok(reads.to_vec());
        };
        let rank = shapes.iter().map(Vec::len).max().unwrap_or(0);
        let padded: Vec<Vec<usize>> =
            shapes.iter().map(|shape| [vec![1; rank - shape.len()], shape.clone()].concat()).collect();
        let target: Vec<usize> =
            (0..rank).map(|axis| padded.iter().map(|shape| shape[axis]).max().unwrap_or(1)).collect();
        let fits = |shape: &Vec<usize>| shape.iter().zip(&target).all(|(n, all)| n == all || *n == 1);
        if !padded.iter().all(fits) || super::crop::check_size(&target).is_err() {
            return Err(
                format!("it joins tensors of shapes {shapes:?}, expected shapes that fit together").into()
            );
        }
        let mut same = Vec::with_capacity(reads.len());
        for ((&read, shape), padded) in reads.iter().zip(&shapes).zip(&padded) {
            if *shape == target {
                same.push(read);
                continue;
            }
            let mut source = vec![0usize];
            let mut step: usize = padded.iter().product();
            for (&n, &all) in padded.iter().zip(&target) {
                step /= n;
                let at = |i: usize| if n == 1 { 0 } else { i * step };
                source = source.iter().flat_map(|&base| (0..all).map(move |i| base + at(i))).collect();
            }
            let op = LayerOp::Pick { source: Arc::new(source), shape: target.clone() };
            same.push(self.add(layer, op, &[read])?);
        }
        Ok(same)
    }
}

/// The numbers of a constant.
fn row(term: &Term) -> Vec<f32> {
    match term {
        Term::Number(x) => vec![*x as f32],
        Term::Row(row) => row.data.clone(),
        Term::Tensor(_) => Vec::new(),
    }
}
