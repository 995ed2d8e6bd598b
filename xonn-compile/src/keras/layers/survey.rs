//! Everything that is wrong with one layer: where building it stopped, the other fields are still looked at.

use super::{Builder, Layer, Trouble, check_dtype};
use crate::keras::Refusal;
use crate::keras::classes::{self, Class, Family};
use crate::keras::quantizer;

/// Why a call is refused that passes more than tensors.
pub(super) fn extra_argument(layer: &Layer<'_>, call: usize) -> Option<String> {
    let extra = layer.config.calls[call].extra.as_ref()?;
    // Functions are called with numbers as well.
    if super::operation::name(layer.config).is_some() {
        return None;
    }
    Some(format!("it is called with the argument {extra}, expected tensors only, as in inference"))
}

impl Builder<'_> {
    /// Takes down what stopped a layer, and what else is wrong with its fields.
    pub(super) fn note(&mut self, layer: &Layer<'_>, call: usize, trouble: Trouble) {
        let mut others = self.survey(layer, call);
        match trouble {
            // Known with its field from the survey, in most cases.
            Trouble::Refused(reason) if others.iter().any(|(_, other)| *other == reason) => {}
            Trouble::Refused(reason) => others.insert(0, (first_word(layer, &reason), reason)),
            Trouble::Broken(error) => {
                for refusal in error.refusals() {
                    self.refuse(Refusal { class: layer.config.class.clone(), ..refusal });
                }
                self.broken.get_or_insert(*error);
            }
            Trouble::NoWeights => {}
        }
        for (attribute, reason) in others {
            let (layer, class) = (layer.path.clone(), layer.config.class.clone());
            self.refuse(Refusal { layer, class, attribute, reason });
        }
    }

    /// Calls of a shared layer are refused once.
    fn refuse(&mut self, refusal: Refusal) {
        if !self.refusals.contains(&refusal) {
            self.refusals.push(refusal);
        }
    }

    /// The fields that are wrong by themselves, each with its reason.
    fn survey(&self, layer: &Layer<'_>, call: usize) -> Vec<(Option<String>, String)> {
        let fields = layer.fields();
        let mut wrong: Vec<(Option<String>, String)> = Vec::new();
        let mut check = |field: &str, result: Result<(), String>| {
            if let Err(reason) = result {
                let field = (!field.is_empty()).then(|| field.to_owned());
                // Two fields may be read by one check.
                if wrong.iter().all(|(_, other)| *other != reason) {
                    wrong.push((field, reason));
                }
            }
        };
        check("", extra_argument(layer, call).map_or(Ok(()), Err));
        check("dtype", check_dtype(layer.config));
        let (custom, keras) = (&self.origin.options.custom, self.origin.keras);
        let of_qkeras = layer.config.is_of_qkeras();
        // Only what these classes are known to mean by a field; a class that is refused may mean anything.
        let Some(&Class { family, axes, .. }) = classes::of(&layer.config.kind) else { return wrong };
        let conv = matches!(
            family,
            Family::Conv | Family::DepthwiseConv | Family::SeparableConv | Family::TransposedConv
        );
        let pool = matches!(family, Family::MaxPool | Family::AveragePool);
        let linear = conv || family == Family::Dense;
        if linear || family == Family::Activation {
            check(
                "activation",
                quantizer::activation(fields.get("activation"), custom, keras, of_qkeras).map(drop),
            );
        }
        if linear {
            check(
                "input_quantizer",
                quantizer::input(fields.get("input_quantizer"), custom, of_qkeras).map(drop),
            );
            for field in ["kernel_quantizer", "depthwise_quantizer", "pointwise_quantizer"] {
                check(field, self.kernel_quantizer(layer, field).map(drop));
            }
            check("use_bias", fields.flag("use_bias", true).map(drop));
            if fields.flag("use_bias", true) == Ok(true) {
                check("bias_quantizer", self.bias_quantizer(layer).map(drop));
            }
        }
        if conv || pool {
            check("padding", fields.padding(axes).map(drop));
            check("data_format", fields.channels_first().map(drop));
            check("strides", fields.sizes("strides", axes, Some([1, 1])).map(drop));
        }
        if conv {
            check("dilation_rate", fields.sizes("dilation_rate", axes, Some([1, 1])).map(drop));
            check("kernel_size", fields.sizes("kernel_size", axes, Some([1, 1])).map(drop));
        }
        wrong
    }
}

/// The field that a reason begins with: `padding is "full", expected ...`.
fn first_word(layer: &Layer<'_>, reason: &str) -> Option<String> {
    let word = reason.split([' ', ',', ':']).next()?;
    layer.config.config.get(word).map(|_| word.to_owned())
}
