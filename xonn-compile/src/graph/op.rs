//! What a layer does, in Keras's own terms.

/// An operation on one tensor.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Op {
    /// The model's input.
    Input,
    /// `y = x kernel + bias` on vectors.
    Dense {
        /// `[input][unit]`, after the kernel quantiser: `+1` or `-1`.
        kernel: Vec<f32>,
        /// Number of outputs.
        units: usize,
        /// One a unit.
        bias: Option<Vec<f32>>,
    },
    /// Batch normalisation over the last axis.
    BatchNorm(BatchNorm),
    /// `+1` for `x >= 0`, else `-1`.
    Sign,
    /// `x * scale + offset`.
    Rescale {
        /// Factor.
        scale: f32,
        /// Summand.
        offset: f32,
    },
    /// All axes into one, the last varying fastest.
    Flatten,
    /// Nothing at prediction time: dropout and its like.
    Identity,
    /// Softmax over the last axis: monotone, so the largest score stays the largest.
    Softmax,
}

/// Parameters of a batch normalisation, one a channel.
#[derive(Clone, PartialEq, Debug)]
pub struct BatchNorm {
    /// Scale, 1 where the layer has none.
    pub gamma: Vec<f32>,
    /// Offset, 0 where the layer has none.
    pub beta: Vec<f32>,
    /// Moving mean.
    pub mean: Vec<f32>,
    /// Moving variance, not negative.
    pub variance: Vec<f32>,
    /// Added to the variance.
    pub epsilon: f32,
}

impl BatchNorm {
    /// `rsqrt(variance + epsilon) * gamma`, the slope of a channel, in float32 in Keras's order of operations.
    #[must_use]
    pub fn slope(&self, channel: usize) -> f32 {
        (self.variance[channel] + self.epsilon).sqrt().recip() * self.gamma[channel]
    }

    /// `beta - mean * slope`, what a channel gives for 0.
    #[must_use]
    pub fn offset(&self, channel: usize) -> f32 {
        self.beta[channel] - self.mean[channel] * self.slope(channel)
    }

    /// `x * slope + offset`, each step rounded to float32: `tf.nn.batch_normalization`, which Keras uses for all but
    /// four-dimensional tensors.
    #[must_use]
    pub fn apply(&self, channel: usize, x: f32) -> f32 {
        x * self.slope(channel) + self.offset(channel)
    }
}

impl Op {
    /// The operation's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Dense { .. } => "dense",
            Self::BatchNorm(_) => "batch_norm",
            Self::Sign => "sign",
            Self::Rescale { .. } => "rescale",
            Self::Flatten => "flatten",
            Self::Identity => "identity",
            Self::Softmax => "softmax",
        }
    }

    /// Shape of the output, given the input's.
    ///
    /// # Errors
    /// What does not fit.
    pub fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, String> {
        let channels = input.last().copied().unwrap_or(1);
        match self {
            Self::Dense { kernel, units, .. } => {
                let [inputs] = input else {
                    return Err(format!(
                        "it reads shape {input:?}, expected a vector; put a Flatten before it"
                    ));
                };
                if kernel.len() != inputs * units {
                    return Err(format!(
                        "its kernel has {} weights for {inputs} inputs and {units} units",
                        kernel.len()
                    ));
                }
                Ok(vec![*units])
            }
            Self::BatchNorm(norm) if norm.mean.len() != channels => {
                Err(format!("it normalises {} channels, its input has {channels}", norm.mean.len()))
            }
            Self::Flatten => Ok(vec![input.iter().product()]),
            _ => Ok(input.to_vec()),
        }
    }

    /// What the operation computes for one sample, in float32: slow and obvious, the reference for passes.
    #[must_use]
    pub fn reference(&self, x: &[f32]) -> Vec<f32> {
        match self {
            Self::Dense { kernel, units, bias } => (0..*units)
                .map(|unit| {
                    let sum: f32 = x.iter().enumerate().map(|(i, &x)| x * kernel[i * units + unit]).sum();
                    sum + bias.as_ref().map_or(0.0, |bias| bias[unit])
                })
                .collect(),
            Self::BatchNorm(norm) => {
                x.iter().enumerate().map(|(i, &x)| norm.apply(i % norm.mean.len(), x)).collect()
            }
            Self::Sign => x.iter().map(|&x| if x >= 0.0 { 1.0 } else { -1.0 }).collect(),
            Self::Rescale { scale, offset } => x.iter().map(|&x| x * scale + offset).collect(),
            Self::Input | Self::Flatten | Self::Identity => x.to_vec(),
            Self::Softmax => {
                let top = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let all: Vec<f32> = x.iter().map(|&x| (x - top).exp()).collect();
                let sum: f32 = all.iter().sum();
                all.iter().map(|x| x / sum).collect()
            }
        }
    }
}
