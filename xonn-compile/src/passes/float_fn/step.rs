//! One float32 step of Keras's, in the order in which Keras takes them.

use std::sync::Arc;

use crate::graph::{Array, BatchNorm, Function, Line};

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Step {
    Bias(Arc<Array>),
    Norm(BatchNorm),
    Rescale { scale: f32, offset: f32 },
    Divide(f32),
    PRelu(Arc<Array>),
    Normalize { mean: Arc<Array>, deviation: Arc<Array> },
    Function(Function),
}

impl Step {
    pub fn channels(&self) -> usize {
        match self {
            Self::Bias(bias) => bias.data.len(),
            Self::Norm(norm) => norm.mean.data.len(),
            Self::Normalize { mean, deviation } => mean.data.len().max(deviation.data.len()),
            Self::PRelu(slope) => slope.data.len(),
            Self::Rescale { .. } | Self::Divide(_) | Self::Function(_) => 1,
        }
    }

    pub fn apply(&self, channel: usize, x: f32) -> f32 {
        let of = |array: &Array| array.data[channel % array.data.len()];
        match self {
            Self::Bias(bias) => x + of(bias),
            Self::Norm(norm) => norm.apply(channel % norm.mean.data.len(), x),
            Self::Rescale { scale, offset } => x * scale + offset,
            Self::Normalize { mean, deviation } => (x - of(mean)) / of(deviation),
            Self::Divide(by) => x / by,
            Self::PRelu(slope) => {
                if x >= 0.0 {
                    x
                } else {
                    of(slope) * x
                }
            }
            Self::Function(function) => function.apply(x),
        }
    }

    pub fn line(&self, channel: usize) -> Option<Line> {
        let of = |array: &Array| f64::from(array.data[channel % array.data.len()]);
        match self {
            Self::Bias(bias) => Some(Line::new(1.0, of(bias))),
            Self::Norm(norm) => Some(norm.line(channel % norm.mean.data.len())),
            Self::Rescale { scale, offset } => Some(Line::new(f64::from(*scale), f64::from(*offset))),
            Self::Normalize { mean, deviation } => {
                Some(Line::new(1.0 / of(deviation), -of(mean) / of(deviation)))
            }
            Self::Divide(by) => Some(Line::new(1.0 / f64::from(*by), 0.0)),
            Self::PRelu(_) | Self::Function(_) => None,
        }
    }

    pub fn turn(&self) -> Option<f32> {
        match self {
            Self::PRelu(_) => Some(0.0),
            Self::Function(function) => function.turn(),
            _ => None,
        }
    }
}
