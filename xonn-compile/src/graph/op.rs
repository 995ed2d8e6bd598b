//! The typed operations of a layer graph.

use std::sync::Arc;

use super::{Array, Function, Line, Quantizer};

/// What a layer computes.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum LayerOp {
    /// A model input of this shape.
    Input {
        /// Without the batch axis.
        shape: Vec<usize>,
    },
    /// `y = x * kernel + bias` over the last axis.
    Dense {
        /// `[input, unit]`, already quantised.
        kernel: Arc<Array>,
        /// One a unit.
        bias: Option<Arc<Array>>,
        /// Whether the quantiser scales each unit by a number that depends on its weights, so that the scale
        /// is secret.
        secret_scale: bool,
    },
    /// A 2D convolution; 1D ones have height 1.
    Conv2d {
        /// `[kernel row, kernel column, input channel of the group, filter]`, already quantised.
        kernel: Arc<Array>,
        /// One a filter.
        bias: Option<Arc<Array>>,
        /// Stride, dilation, padding, groups.
        conv: Conv,
        /// As in [`LayerOp::Dense`].
        secret_scale: bool,
    },
    /// A 2D convolution of each channel by itself.
    DepthwiseConv2d {
        /// `[kernel row, kernel column, channel, multiplier]`, already quantised.
        kernel: Arc<Array>,
        /// One an output channel (`channel * multiplier + m`).
        bias: Option<Arc<Array>>,
        /// Stride, dilation, padding; `groups` is 1 and not used.
        conv: Conv,
        /// As in [`LayerOp::Dense`].
        secret_scale: bool,
    },
    /// Batch normalisation with its moving statistics.
    BatchNorm(BatchNorm),
    /// `y = x * scale + offset`: Keras's `Rescaling`.
    Rescale {
        /// Factor.
        scale: f32,
        /// Offset.
        offset: f32,
    },
    /// `y = x / by`: what a graph divides by, such as the 255 of pixels; no weight.
    Divide {
        /// Not 0.
        by: f32,
    },
    /// `y = (x - mean) / deviation`, by channel or (one element) for all: Keras's `Normalization`.
    Normalize {
        /// Subtracted.
        mean: Arc<Array>,
        /// Divided by; positive.
        deviation: Arc<Array>,
    },
    /// A quantiser on activations.
    Quantize(Quantizer),
    /// Any other function of one element (softmax: of the last axis).
    Function(Function),
    /// `x` from 0 upwards, `slope * x` below, by channel or (one element) for all: Keras's `PReLU`. A slope
    /// may be negative.
    PRelu {
        /// One for all, or one for each of the last axis.
        slope: Arc<Array>,
    },
    /// The largest element of each window.
    MaxPool2d(Pool),
    /// The mean of each window's real elements.
    AveragePool2d(Pool),
    /// The same elements in another shape (one axis may be `None`: whatever is left); `None` flattens.
    Reshape {
        /// Target without the batch axis.
        target: Option<Vec<Option<usize>>>,
    },
    /// Axis `i` of the output is axis `axes[i]` of the input.
    Transpose {
        /// A permutation of the axes, without the batch axis, from 0.
        axes: Vec<usize>,
    },
    /// Some of the elements, in another order, maybe several times: crops, slices, repetitions.
    Pick {
        /// For each element of the output, row-major, the element of the input that it is.
        source: Arc<Vec<usize>>,
        /// Shape of the output without the batch axis.
        shape: Vec<usize>,
    },
    /// A border around the image.
    Pad2d {
        /// Rows and columns added: `[[top, bottom], [left, right]]`.
        border: [[usize; 2]; 2],
        /// The number there.
        value: f32,
    },
    /// Each token `t` of the model's input as `depth` numbers, of which number `t` is 1 and all others are 0.
    OneHot {
        /// How many tokens there are.
        depth: usize,
    },
    /// The sum of all inputs.
    Add,
    /// The product of all inputs, element by element.
    Multiply,
    /// The largest of all inputs, element by element.
    Maximum,
    /// All inputs along the last axis.
    Concatenate,
    /// What does nothing in inference.
    NoOp,
}

impl LayerOp {
    /// The operation's name, for messages and the text form.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Input { .. } => "input",
            Self::Dense { .. } => "dense",
            Self::Conv2d { .. } => "conv2d",
            Self::DepthwiseConv2d { .. } => "depthwise_conv2d",
            Self::BatchNorm(_) => "batch_norm",
            Self::Rescale { .. } => "rescale",
            Self::Divide { .. } => "divide",
            Self::PRelu { .. } => "p_relu",
            Self::Normalize { .. } => "normalize",
            Self::Quantize(_) => "quantize",
            Self::Function(_) => "function",
            Self::MaxPool2d(_) => "max_pool2d",
            Self::AveragePool2d(_) => "average_pool2d",
            Self::Reshape { .. } => "reshape",
            Self::Transpose { .. } => "transpose",
            Self::Pick { .. } => "pick",
            Self::Pad2d { .. } => "pad2d",
            Self::OneHot { .. } => "one_hot",
            Self::Add => "add",
            Self::Multiply => "multiply",
            Self::Maximum => "maximum",
            Self::Concatenate => "concatenate",
            Self::NoOp => "no_op",
        }
    }

    /// Whether it takes any number of tensors of one shape.
    #[must_use]
    pub fn joins(&self) -> bool {
        matches!(self, Self::Add | Self::Multiply | Self::Maximum | Self::Concatenate)
    }
}

/// The hyperparameters of a convolution.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Conv {
    /// Rows and columns between neighbouring outputs.
    pub stride: [usize; 2],
    /// Rows and columns between neighbouring taps.
    pub dilation: [usize; 2],
    /// What stands outside of the image.
    pub padding: Padding,
    /// The number read there: 0 in Keras, any in larq (`pad_values`, put in after the input quantiser).
    pub pad_value: f32,
    /// Into how many runs the input channels are cut.
    pub groups: usize,
}

/// How far windows reach over the edge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Padding {
    /// Not at all.
    Valid,
    /// So far that a stride of 1 keeps the size; the smaller half in front.
    Same,
    /// All in front (1D).
    Causal,
    /// As said: `[[top, bottom], [left, right]]`.
    Explicit([[usize; 2]; 2]),
}

/// The window of a pooling layer.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Pool {
    /// A sliding window.
    Window {
        /// Rows and columns of the window.
        size: [usize; 2],
        /// Rows and columns between neighbouring outputs.
        stride: [usize; 2],
        /// What happens at the edge.
        padding: Padding,
    },
    /// The whole image; the output keeps its two axes of length 1 if `keep_axes`.
    Global {
        /// `keepdims` of the Keras layer.
        keep_axes: bool,
    },
}

/// Batch normalisation over the last axis; every array has one element a channel.
#[derive(Clone, PartialEq, Debug)]
pub struct BatchNorm {
    /// Factor, 1 if absent.
    pub gamma: Option<Arc<Array>>,
    /// Offset, 0 if absent.
    pub beta: Option<Arc<Array>>,
    /// Moving mean.
    pub mean: Arc<Array>,
    /// Moving variance, not negative.
    pub variance: Arc<Array>,
    /// Added to the variance.
    pub epsilon: f32,
    /// Whether TensorFlow's fused kernel computes it, in another order of operations: Keras 2 on images.
    pub fused: bool,
}

impl BatchNorm {
    /// `1 / sqrt(variance + epsilon)`, times gamma if there is one.
    #[must_use]
    pub fn factor(&self, channel: usize) -> f32 {
        let inverse = 1.0 / (self.variance.data[channel] + self.epsilon).sqrt();
        self.gamma.as_ref().map_or(inverse, |gamma| inverse * gamma.data[channel])
    }

    /// What TensorFlow computes in float32, in its order: `x * factor + (beta - mean * factor)`
    /// (`tf.nn.batch_normalization`), or fused `(x - mean) * factor + beta`.
    #[must_use]
    pub fn apply(&self, channel: usize, x: f32) -> f32 {
        let factor = self.factor(channel);
        let mean = self.mean.data[channel];
        let beta = self.beta.as_ref().map(|beta| beta.data[channel]);
        if self.fused {
            (x - mean) * factor + beta.unwrap_or(0.0)
        } else {
            x * factor + beta.map_or(-mean * factor, |beta| beta - mean * factor)
        }
    }

    /// Slope and offset as real numbers: [`BatchNorm::apply`] but for its roundings.
    #[must_use]
    pub fn line(&self, channel: usize) -> Line {
        let factor = f64::from(self.factor(channel));
        let beta = self.beta.as_ref().map_or(0.0, |beta| f64::from(beta.data[channel]));
        Line::new(factor, beta - f64::from(self.mean.data[channel]) * factor)
    }
}
