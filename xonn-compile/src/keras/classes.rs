//! The classes of layers that there are: who has them, what they do, and which of them are read.
//!
//! This is the one list of class names. What a class does is its [`Family`]: from it follow its weights, the
//! fields that are looked at, how it is built (`layers.rs`), and how trimming follows channels through it.

use Family as F;
use Library::{BinaryNet, Keras, Larq, QKeras};

/// Where a class comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Library {
    /// Keras, under any of its names.
    Keras,
    Larq,
    QKeras,
    /// No library: everybody has a copy of BinaryNet's, which may have been changed.
    BinaryNet,
}

/// What layers of a class do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    Input,
    Dense,
    Conv,
    DepthwiseConv,
    SeparableConv,
    TransposedConv,
    /// A convolution with a BatchNorm folded into its kernel.
    FoldedConv,
    FoldedDepthwiseConv,
    BatchNorm,
    /// Means and deviations that were adapted to the data.
    Normalization,
    Rescaling,
    /// Whatever its field `activation` names.
    Activation,
    Softmax,
    /// A function of one element with parameters but no weights.
    Function,
    PRelu,
    MaxPool,
    AveragePool,
    GlobalMaxPool,
    GlobalAveragePool,
    /// A border of zeros.
    Border,
    Flatten,
    Reshape,
    Permute,
    /// Arithmetic on several tensors.
    Merge,
    Concatenate,
    Crop,
    CenterCrop,
    Repeat,
    UpSampling,
    /// A table of which tokens take rows.
    Embedding,
    /// Steps with a state between them.
    Recurrent,
    /// Two recurrent layers, one of them from the end.
    Bidirectional,
    /// Nothing in inference.
    Nothing,
    /// It has no integer form here.
    Refused,
}

/// A class of layers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Class {
    /// Its name, without a package.
    pub name: &'static str,
    pub library: Library,
    pub family: Family,
    /// How many axes of images it works on, 0 where there are none.
    pub axes: usize,
}

/// What is called `class`, if it is known.
pub(crate) fn of(class: &str) -> Option<&'static Class> {
    CLASSES.iter().find(|known| known.name == class)
}

/// Whether a class is one of `library`.
pub(crate) fn is_of(library: Library, class: &str) -> bool {
    of(class).is_some_and(|class| class.library == library)
}

/// Whether a class is one that is not read and that nobody means by a class of their own.
pub(crate) fn is_stock(class: &str) -> bool {
    of(class).is_some_and(|class| class.family == F::Refused)
        || REFUSED_PARTS.iter().any(|part| class.contains(part))
}

/// The weights that layers of a class have, in Keras's order: trainable ones, then those that are not.
pub(crate) fn roles(class: &str) -> &'static [&'static str] {
    match of(class).map(|class| class.family) {
        Some(F::Dense | F::Conv | F::TransposedConv) => &["kernel", "bias"],
        Some(F::DepthwiseConv) => &["depthwise_kernel", "bias"],
        Some(F::SeparableConv) => &["depthwise_kernel", "pointwise_kernel", "bias"],
        Some(F::BatchNorm) => &["gamma", "beta", "moving_mean", "moving_variance"],
        Some(F::FoldedConv) => {
            &["kernel", "bias", "gamma", "beta", "iteration", "moving_mean", "moving_variance"]
        }
        Some(F::FoldedDepthwiseConv) => {
            &["depthwise_kernel", "bias", "gamma", "beta", "iteration", "moving_mean", "moving_variance"]
        }
        Some(F::PRelu) => &["alpha"],
        Some(F::Embedding) => &["embeddings"],
        Some(F::Recurrent) => &["kernel", "recurrent_kernel", "bias"],
        Some(F::Bidirectional) => &[
            "forward_kernel",
            "forward_recurrent_kernel",
            "forward_bias",
            "backward_kernel",
            "backward_recurrent_kernel",
            "backward_bias",
        ],
        Some(F::Normalization) => &["mean", "variance", "count"],
        _ => &[],
    }
}

const fn class(name: &'static str, library: Library, family: Family, axes: usize) -> Class {
    Class { name, library, family, axes }
}

/// All of them.
pub(crate) const CLASSES: &[Class] = &[
    class("InputLayer", Keras, F::Input, 0),
    class("Dense", Keras, F::Dense, 0),
    class("QuantDense", Larq, F::Dense, 0),
    class("QDense", QKeras, F::Dense, 0),
    class("BinaryDense", BinaryNet, F::Dense, 0),
    class("Conv1D", Keras, F::Conv, 1),
    class("Convolution1D", Keras, F::Conv, 1),
    class("QuantConv1D", Larq, F::Conv, 1),
    class("QConv1D", QKeras, F::Conv, 1),
    class("BinaryConv1D", BinaryNet, F::Conv, 1),
    class("Conv2D", Keras, F::Conv, 2),
    class("Convolution2D", Keras, F::Conv, 2),
    class("QuantConv2D", Larq, F::Conv, 2),
    class("QConv2D", QKeras, F::Conv, 2),
    class("BinaryConv2D", BinaryNet, F::Conv, 2),
    class("DepthwiseConv1D", Keras, F::DepthwiseConv, 1),
    class("DepthwiseConv2D", Keras, F::DepthwiseConv, 2),
    class("QuantDepthwiseConv2D", Larq, F::DepthwiseConv, 2),
    class("QDepthwiseConv2D", QKeras, F::DepthwiseConv, 2),
    class("SeparableConv1D", Keras, F::SeparableConv, 1),
    class("QuantSeparableConv1D", Larq, F::SeparableConv, 1),
    class("QSeparableConv1D", QKeras, F::SeparableConv, 1),
    class("SeparableConv2D", Keras, F::SeparableConv, 2),
    class("QuantSeparableConv2D", Larq, F::SeparableConv, 2),
    class("QSeparableConv2D", QKeras, F::SeparableConv, 2),
    class("QConv2DBatchnorm", QKeras, F::FoldedConv, 2),
    class("QDepthwiseConv2DBatchnorm", QKeras, F::FoldedDepthwiseConv, 2),
    class("BatchNormalization", Keras, F::BatchNorm, 0),
    class("SyncBatchNormalization", Keras, F::BatchNorm, 0),
    class("QBatchNormalization", QKeras, F::BatchNorm, 0),
    class("Normalization", Keras, F::Normalization, 0),
    class("Rescaling", Keras, F::Rescaling, 0),
    class("Activation", Keras, F::Activation, 0),
    class("QActivation", QKeras, F::Activation, 0),
    class("Softmax", Keras, F::Softmax, 0),
    class("ReLU", Keras, F::Function, 0),
    class("LeakyReLU", Keras, F::Function, 0),
    class("ELU", Keras, F::Function, 0),
    class("ThresholdedReLU", Keras, F::Function, 0),
    class("PReLU", Keras, F::PRelu, 0),
    class("MaxPooling1D", Keras, F::MaxPool, 1),
    class("MaxPool1D", Keras, F::MaxPool, 1),
    class("MaxPooling2D", Keras, F::MaxPool, 2),
    class("MaxPool2D", Keras, F::MaxPool, 2),
    class("AveragePooling1D", Keras, F::AveragePool, 1),
    class("AvgPool1D", Keras, F::AveragePool, 1),
    class("AveragePooling2D", Keras, F::AveragePool, 2),
    class("AvgPool2D", Keras, F::AveragePool, 2),
    class("QAveragePooling2D", QKeras, F::AveragePool, 2),
    class("GlobalMaxPooling1D", Keras, F::GlobalMaxPool, 1),
    class("GlobalMaxPool1D", Keras, F::GlobalMaxPool, 1),
    class("GlobalMaxPooling2D", Keras, F::GlobalMaxPool, 2),
    class("GlobalMaxPool2D", Keras, F::GlobalMaxPool, 2),
    class("GlobalAveragePooling1D", Keras, F::GlobalAveragePool, 1),
    class("GlobalAvgPool1D", Keras, F::GlobalAveragePool, 1),
    class("GlobalAveragePooling2D", Keras, F::GlobalAveragePool, 2),
    class("GlobalAvgPool2D", Keras, F::GlobalAveragePool, 2),
    class("QGlobalAveragePooling2D", QKeras, F::GlobalAveragePool, 2),
    class("ZeroPadding1D", Keras, F::Border, 1),
    class("ZeroPadding2D", Keras, F::Border, 2),
    class("Flatten", Keras, F::Flatten, 0),
    class("Reshape", Keras, F::Reshape, 0),
    class("Permute", Keras, F::Permute, 0),
    class("Add", Keras, F::Merge, 0),
    class("Subtract", Keras, F::Merge, 0),
    class("Multiply", Keras, F::Merge, 0),
    class("Maximum", Keras, F::Merge, 0),
    class("Minimum", Keras, F::Merge, 0),
    class("Average", Keras, F::Merge, 0),
    class("Concatenate", Keras, F::Concatenate, 0),
    class("Conv1DTranspose", Keras, F::TransposedConv, 1),
    class("Conv2DTranspose", Keras, F::TransposedConv, 2),
    class("QuantConv2DTranspose", Larq, F::TransposedConv, 2),
    class("Cropping1D", Keras, F::Crop, 1),
    class("Cropping2D", Keras, F::Crop, 2),
    class("CenterCrop", Keras, F::CenterCrop, 2),
    class("RepeatVector", Keras, F::Repeat, 0),
    class("UpSampling1D", Keras, F::UpSampling, 1),
    class("UpSampling2D", Keras, F::UpSampling, 2),
    class("Dropout", Keras, F::Nothing, 0),
    class("SpatialDropout1D", Keras, F::Nothing, 1),
    class("SpatialDropout2D", Keras, F::Nothing, 2),
    class("GaussianDropout", Keras, F::Nothing, 0),
    class("GaussianNoise", Keras, F::Nothing, 0),
    class("AlphaDropout", Keras, F::Nothing, 0),
    class("ActivityRegularization", Keras, F::Nothing, 0),
    class("RandomFlip", Keras, F::Nothing, 2),
    class("RandomRotation", Keras, F::Nothing, 2),
    class("RandomTranslation", Keras, F::Nothing, 2),
    class("RandomZoom", Keras, F::Nothing, 2),
    class("RandomHeight", Keras, F::Nothing, 2),
    class("RandomWidth", Keras, F::Nothing, 2),
    class("RandomContrast", Keras, F::Nothing, 2),
    class("RandomBrightness", Keras, F::Nothing, 2),
    class("Identity", Keras, F::Nothing, 0),
    class("Embedding", Keras, F::Embedding, 0),
    class("SimpleRNN", Keras, F::Recurrent, 1),
    class("LSTM", Keras, F::Recurrent, 1),
    class("GRU", Keras, F::Recurrent, 1),
    class("Bidirectional", Keras, F::Bidirectional, 1),
    class("TimeDistributed", Keras, F::Refused, 0),
    class("Masking", Keras, F::Refused, 0),
    class("LayerNormalization", Keras, F::Refused, 0),
    class("GroupNormalization", Keras, F::Refused, 0),
    class("UnitNormalization", Keras, F::Refused, 0),
    class("SpectralNormalization", Keras, F::Refused, 0),
    class("Dot", Keras, F::Refused, 0),
    class("Resizing", Keras, F::Refused, 2),
    class("CategoryEncoding", Keras, F::Refused, 0),
    class("Discretization", Keras, F::Refused, 0),
    class("Hashing", Keras, F::Refused, 0),
    class("StringLookup", Keras, F::Refused, 0),
    class("IntegerLookup", Keras, F::Refused, 0),
    class("TextVectorization", Keras, F::Refused, 0),
    class("QAdaptiveActivation", QKeras, F::Refused, 0),
];

/// Parts of the names of further classes that are not read, in all libraries.
const REFUSED_PARTS: [&str; 10] = [
    "RNN",
    "LSTM",
    "GRU",
    "Attention",
    "Embedding",
    "3D",
    "Transpose",
    "Random",
    "LocallyConnected",
    "Batchnorm",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_tell_their_axes() {
        for (i, class) in CLASSES.iter().enumerate() {
            assert!(CLASSES[..i].iter().all(|other| other.name != class.name), "{} stands twice", class.name);
            for axes in [1, 2] {
                assert!(!class.name.contains(&format!("{axes}D")) || class.axes == axes, "{}", class.name);
            }
        }
    }

    /// Prefixes are those of the libraries.
    #[test]
    fn classes_are_called_as_their_libraries_call_them() {
        for class in CLASSES {
            let rest =
                |prefix| class.name.strip_prefix(prefix).filter(|rest| rest.starts_with(char::is_uppercase));
            let library = match (rest("Quant"), rest("Q"), rest("Binary")) {
                (Some(_), _, _) => Larq,
                (_, Some(_), _) => QKeras,
                (_, _, Some(_)) => BinaryNet,
                _ => Keras,
            };
            assert_eq!(class.library, library, "{}", class.name);
        }
    }
}
