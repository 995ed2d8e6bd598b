//! Which channels may be removed, and every place that holds something of them.
//!
//! A space is the set of a linear layer's output channels together with all that carries them to the layers
//! that add them up: normalisations, signs, poolings, flattening, depthwise kernels. Channels that reach
//! anything else (a sum with another tensor, a reshape, a layer that is called twice, the model's output) are
//! kept, with the reason.

mod walk;

use serde::Serialize;

use super::model::Model;

/// Where a space's channels are on a tensor's last axis: element `i` belongs to channel
/// `i / inner % channels`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Axis {
    /// How often all channels are repeated: the pixels of a flattened image.
    pub outer: usize,
    /// Number of channels.
    pub channels: usize,
    /// Neighbouring elements of one channel: the multiplier of a depthwise convolution.
    pub inner: usize,
}

impl Axis {
    /// Length of the axis.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "an axis is never empty")]
    pub fn len(self) -> usize {
        self.outer * self.channels * self.inner
    }

    /// The channel of element `i`.
    #[must_use]
    pub fn channel(self, i: usize) -> usize {
        i / self.inner % self.channels
    }

    /// The elements of a channel.
    pub fn elements(self, channel: usize) -> impl Iterator<Item = usize> {
        (0..self.outer).flat_map(move |o| {
            let first = (o * self.channels + channel) * self.inner;
            first..first + self.inner
        })
    }
}

/// A weight array that has the space's channels on one of its axes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slice {
    /// Where the array is in the file.
    pub path: String,
    /// Which of its axes.
    pub dim: usize,
    /// How the channels lie on that axis.
    pub axis: Axis,
}

/// What can take up a constant that a layer's sums lose.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Absorber {
    /// The layer's own bias: add.
    Bias(String),
    /// The moving mean of the BatchNorm behind it: subtract.
    Mean(String),
}

/// A layer that adds up a space's channels.
#[derive(Clone, PartialEq, Debug)]
pub struct Consumer {
    /// The layer's name.
    pub name: String,
    /// The channels on the axis that it adds up.
    pub axis: Axis,
    /// The two numbers that a channel's bits stand for.
    pub values: [f32; 2],
    /// What takes up constants.
    pub absorber: Option<Absorber>,
    /// The number that it reads outside of its image, where it reads there.
    pub border: Option<f32>,
    /// Whether its kernel is what multiplies the channels; not so behind the depthwise half of a separable
    /// convolution.
    pub is_direct: bool,
}

/// Channels that can be removed.
#[derive(Clone, PartialEq, Debug)]
pub struct Space {
    /// The layer whose outputs they are.
    pub name: String,
    /// Its index in the configuration.
    pub layer: usize,
    /// The configuration's name for their number: `units` or `filters`.
    pub key: &'static str,
    /// How many there are.
    pub channels: usize,
    /// All arrays to cut.
    pub slices: Vec<Slice>,
    /// Layers whose input has the channels on its last axis.
    pub readers: Vec<(usize, Axis)>,
    /// Layers whose output has the channels on its last axis.
    pub writers: Vec<(usize, Axis)>,
    /// The layers that add the channels up.
    pub consumers: Vec<Consumer>,
    /// Whether each channel is one bit from the first sign to the consumers, at most pooled on the way: then
    /// what is known of the sign holds at the consumers.
    pub is_plain: bool,
    /// Whether a maximum is taken of the bits.
    pub is_max_pooled: bool,
    /// Whether a mean is taken of them.
    pub is_averaged: bool,
}

/// A layer whose channels are kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Kept {
    /// The layer.
    pub layer: String,
    /// Why.
    pub reason: String,
}

/// The spaces of a model, in the order of the file, and the layers whose channels are kept.
#[must_use]
pub fn find(model: &Model) -> (Vec<Space>, Vec<Kept>) {
    let (mut spaces, mut kept) = (Vec::new(), Vec::new());
    for (index, layer) in model.config.layers.iter().enumerate() {
        if layer.nested.is_some() {
            kept.push(Kept {
                layer: layer.name.clone(),
                reason: "layers inside of a nested model are kept".into(),
            });
            continue;
        }
        let Some(key) = walk::producer_key(&layer.kind) else { continue };
        match walk::space(model, index, key) {
            Ok(space) => spaces.push(space),
            Err(reason) => kept.push(Kept { layer: layer.name.clone(), reason }),
        }
    }
    (spaces, kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_a_channel_are_those_that_name_it() {
        let axis = Axis { outer: 3, channels: 4, inner: 2 };
        assert_eq!(axis.len(), 24);
        for channel in 0..4 {
            let by_name: Vec<usize> = (0..axis.len()).filter(|&i| axis.channel(i) == channel).collect();
            assert_eq!(axis.elements(channel).collect::<Vec<_>>(), by_name);
        }
    }
}
