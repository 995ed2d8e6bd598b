//! What is moved before a network of numbers is folded: lines into the kernels in front of them, pools in
//! front of functions.

use std::sync::Arc;

use super::{is_exact, real_tensors};
use crate::graph::{Array, Function, LayerGraph, LayerOp, Line};
use crate::passes::{PassError, Rewrite};

/// Rewrites of networks of numbers, behind the others.
pub(in crate::passes) const REWRITES: &[Rewrite] = &[
    Rewrite { name: "fold_lines", rewrite: fold_lines },
    Rewrite { name: "pool_before_function", rewrite: pool_before_function },
    Rewrite { name: "infer_shapes", rewrite: crate::passes::infer_shapes::run },
];

/// Takes the line behind a real kernel, a BatchNorm above all, into kernel and bias, so that it costs
/// nothing.
fn fold_lines(graph: &mut LayerGraph, _: &mut Vec<String>) -> Result<(), PassError> {
    let real = real_tensors(graph)?;
    for node in graph.order()? {
        while node != graph.output && real.contains(&node) {
            let [reader] = graph.readers_of(node)[..] else { break };
            let Some(line) = line_of(&graph.graph[reader].op) else { break };
            let op = &mut graph.graph[node].op;
            let depthwise = matches!(op, LayerOp::DepthwiseConv2d { .. });
            let (LayerOp::Dense { kernel, bias, secret_scale }
            | LayerOp::Conv2d { kernel, bias, secret_scale, .. }
            | LayerOp::DepthwiseConv2d { kernel, bias, secret_scale, .. }) = op
            else {
                break;
            };
            if is_exact(kernel, depthwise, *secret_scale) {
                break;
            }
            let outputs: usize = kernel.shape.iter().rev().take(if depthwise { 2 } else { 1 }).product();
            let scaled = |(at, &w): (usize, &f32)| (f64::from(w) * line(at % outputs).scale) as f32;
            let data = kernel.data.iter().enumerate().map(scaled).collect();
            let offset = |o: usize| bias.as_ref().map_or(0.0, |bias| f64::from(bias.data[o]));
            let offsets = (0..outputs).map(|o| line(o).at(offset(o)) as f32).collect();
            *kernel = Arc::new(Array { shape: kernel.shape.clone(), data });
            *bias = Some(Arc::new(Array::vector(offsets)));
            graph.bypass(reader);
        }
    }
    Ok(())
}

/// The line of each channel that an operation is, if it is one.
fn line_of(op: &LayerOp) -> Option<Box<dyn Fn(usize) -> Line>> {
    let of = |array: &Array, i: usize| f64::from(array.data[i % array.data.len()]);
    match op {
        LayerOp::BatchNorm(norm) => {
            let norm = norm.clone();
            Some(Box::new(move |channel| norm.line(channel)))
        }
        LayerOp::Normalize { mean, deviation } => {
            let (mean, deviation) = (Arc::clone(mean), Arc::clone(deviation));
            Some(Box::new(move |i| Line::new(1.0 / of(&deviation, i), -of(&mean, i) / of(&deviation, i))))
        }
        &LayerOp::Rescale { scale, offset } => {
            Some(Box::new(move |_| Line::new(f64::from(scale), f64::from(offset))))
        }
        &LayerOp::Divide { by } => Some(Box::new(move |_| Line::new(1.0 / f64::from(by), 0.0))),
        _ => None,
    }
}

/// Largest values are taken before a ReLU, of which fewer are needed then: they commute.
fn pool_before_function(graph: &mut LayerGraph, _: &mut Vec<String>) -> Result<(), PassError> {
    for node in graph.order()? {
        let rises = |op: &LayerOp| match op {
            LayerOp::Function(Function::Softmax | Function::LogSoftmax) => false,
            LayerOp::Function(function) => function.turn().is_none(),
            _ => false,
        };
        let [reader] = graph.readers_of(node)[..] else { continue };
        if node == graph.output
            || !rises(&graph.graph[node].op)
            || !matches!(graph.graph[reader].op, LayerOp::MaxPool2d(_))
        {
            continue;
        }
        // The nodes stay where they are and exchange what they do.
        let (a, b) = graph.graph.index_twice_mut(node, reader);
        std::mem::swap(a, b);
        graph.graph[node].shape.clear();
    }
    Ok(())
}
