//! What is said about layers whose class is not read.

use super::{Builder, Layer};
use crate::graph::Array;
use crate::keras::classes::is_stock;
use crate::keras::config::LayerConfig;

impl Builder<'_> {
    /// Why the class is refused, and what to do: Keras's own classes have to be replaced, a user's own may be
    /// named.
    pub(super) fn unsupported(&self, layer: &Layer<'_>) -> String {
        unsupported_class(layer.config, self.weights.of(&layer.path))
    }

    /// Refuses a class called as one of BinaryNet's, which no library has, unless the file shows what it
    /// does: by BinaryNet's own field `H`, or by kernels that are -1 and +1 already, which every binary layer
    /// leaves as they are.
    pub(super) fn check_binary_net(&self, layer: &Layer<'_>) -> Result<(), String> {
        let config = layer.config;
        let kernel = self.weights.of(&layer.path).iter().find(|(_, array)| array.shape.len() >= 2);
        let of_signs = kernel.is_some_and(|(_, kernel)| kernel.data.iter().all(|w| w.abs() == 1.0));
        if config.config.get("H").is_some() || of_signs {
            return Ok(());
        }
        let class = &config.class;
        let quant = class.replacen("Binary", "Quant", 1);
        Err(format!(
            "{class:?} is a class of your own{}, and how it makes its kernel binary is in your code, not in \
             the file; say it with --custom map.json holding {{\"{class}\": \"{quant}(ste_sign)\"}} for the \
             weights' signs, +1 at 0, \"{class}\" for BinaryNet's, -1 at 0 and no scale, or \
             \"{quant}(magnitude_aware_sign)\" for signs times alpha = mean(|W|) of each output",
            registered_as(config)
        ))
    }
}

fn registered_as(layer: &LayerConfig) -> String {
    let registered = layer.registered.as_deref().filter(|name| *name != layer.class);
    registered.map_or(String::new(), |name| format!(" (registered as {name:?})"))
}

/// Why a function outside of layers is refused.
pub(super) fn unsupported_function(layer: &LayerConfig, name: &str) -> String {
    let called = layer.config["function"].as_str().unwrap_or(name);
    format!(
        "it is the function {called} outside of any layer, which is not read; expected arithmetic with \
         numbers, a comparison, a sign, an activation, or a function that moves elements; compute it in \
         front of the model's input, or use a layer that does the same"
    )
}

/// As [`Builder::unsupported`].
fn unsupported_class(layer: &LayerConfig, weights: &[(String, Array)]) -> String {
    let name = registered_as(layer);
    let (kind, class) = (&layer.kind, &layer.class);
    if kind != class {
        return format!(
            "the custom map says that {class:?}{name} is {kind:?}, which is no known layer or quantiser; \
             expected one such as \"QuantDense(ste_sign)\", \"BinaryConv2D\", \"BatchNormalization\", \
             \"ste_sign\" or \"ste_sign(x + beta)\""
        );
    }
    let registered = layer.registered.as_deref().filter(|name| *name != layer.class);
    let advice = match (registered, kind.as_str()) {
        (None, "Lambda") => format!(
            "it holds Python code, which is not run; if it is one of Keras's functions or arithmetic, say \
             so with --custom map.json holding {{\"{}\": \"x / 255\"}}, x being what the layer {:?} reads \
             (\"x\" alone if it changes nothing), or use layers",
            layer.name, layer.name
        ),
        (None, "TimeDistributed") => {
            "expected one around a layer that works on the last axis, such as Dense; apply the layer to \
             each step by itself"
                .to_owned()
        }
        (None, "RNN") => {
            "it is made of cells, which are read as layers of their own alone: use SimpleRNN, LSTM or \
            GRU in its place, one behind the other"
                .to_owned()
        }
        (None, "Masking") => {
            "it leaves steps out by what a sample holds, and all samples are computed alike here; \
            train without it, on samples that are padded or cut to one length"
                .to_owned()
        }
        (None, lstm) if lstm.starts_with("ConvLSTM") => {
            "use convolutions, and an LSTM or GRU behind them, of one row of numbers a step".to_owned()
        }
        (None, "Resizing") => "resize before the model's input".to_owned(),
        (None, "LayerNormalization" | "GroupNormalization" | "UnitNormalization") => {
            "it divides by a number that follows from the input, for which there is no circuit yet; use \
             BatchNormalization, whose statistics are constants"
                .to_owned()
        }
        (None, stock) if stock.contains("Attention") => {
            "it divides by sums of exponentials of the input, for which there is no circuit yet".to_owned()
        }
        (None, stock) if !layer.is_of_own_module() && (is_of_a_library(layer) || is_stock(stock)) => {
            "it has no integer form here; replace it, or, at the model's input, compute what it does \
             before"
                .to_owned()
        }
        _ => own_class_advice(class, weights),
    };
    format!("layers of class {kind:?}{name} are not supported; {advice}")
}

/// What a class of the user's own may be, as far as its weights tell: the map that is right is for the user
/// to say.
fn own_class_advice(class: &str, weights: &[(String, Array)]) -> String {
    let names: Vec<&str> = weights.iter().map(|(name, _)| name.as_str()).collect();
    let kernel = weights.iter().find(|(_, array)| array.shape.iter().filter(|&&n| n > 1).count() >= 2);
    let custom = "say what it does with --custom map.json holding";
    match kernel.map(|(_, array)| array.shape.len()) {
        Some(axes @ 2..=4) => {
            let layer = ["Dense", "Conv1D", "Conv2D"][axes - 2];
            format!(
                "if it is a class of your own, {custom} {{\"{class}\": \"Quant{layer}(ste_sign)\"}} for a \
                 {layer} with the weights' signs, +1 at 0, \"Binary{layer}\" with BinaryNet's, -1 at 0, \
                 \"Quant{layer}(magnitude_aware_sign)\" with signs times mean(|W|) of each output, or \
                 \"{layer}\" with the weights as they are"
            )
        }
        _ if !weights.is_empty() => format!(
            "if it is a class of your own, {custom} an expression of x, what it reads, and its weights \
             {names:?}, such as {{\"{class}\": \"ste_sign(x + {})\"}} for a sign of shifted numbers",
            super::expression::shown(names[0])
        ),
        _ => format!(
            "if it is a class of your own, {custom} {{\"{class}\": ...}} and one of \"ste_sign\" (+1 from 0 \
             upwards), \"binary_tanh\" (-1 at 0), \"sign\" (0 at 0), \"ste_heaviside\" (0 and 1), or an \
             expression of x, what it reads, such as \"clip(x, -1, 1)\""
        ),
    }
}

/// Whether the file says that the class is Keras's, Larq's or QKeras's.
fn is_of_a_library(layer: &LayerConfig) -> bool {
    layer.module.is_some() && !layer.is_of_own_module()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(class: &str, registered: Option<&str>, weights: &[(String, Array)]) -> String {
        let layer = LayerConfig {
            class: class.into(),
            kind: class.into(),
            registered: registered.map(str::to_owned),
            module: None,
            name: "l".into(),
            wrapper: None,
            config: serde_json::Value::Null,
            calls: vec![],
            nested: None,
        };
        unsupported_class(&layer, weights)
    }

    #[test]
    fn advice_fits_the_class() {
        assert!(said("LSTM", None, &[]).contains("replace it"));
        assert!(said("Conv3DTranspose", Some("Conv3DTranspose"), &[]).contains("replace it"));
        assert!(said("Lambda", None, &[]).contains("{\"l\": \"x / 255\"}"));
        assert!(said("MyDense", None, &[]).contains("--custom"));
        assert!(said("QuantLocallyConnected2D", None, &[]).contains("replace it"));
        let own = said("Attention", Some("mine>Attention"), &[]);
        assert!(
            own.contains("--custom") && own.contains("mine>Attention"),
            "a class of one's own may have any name"
        );
    }

    /// A hint names maps that can be right: kernels are kernels, shifts are shifts.
    #[test]
    fn advice_fits_the_weights() {
        let weight = |name: &str, shape: &[usize]| {
            let data = vec![0.5; shape.iter().product()];
            (name.to_owned(), Array { shape: shape.to_vec(), data })
        };
        let conv = said("MyLayer", None, &[weight("kernel", &[3, 3, 2, 4])]);
        assert!(conv.contains("{\"MyLayer\": \"QuantConv2D(ste_sign)\"}"), "{conv}");
        let shift = said("RSign", Some("react>RSign"), &[weight("beta", &[1, 1, 1, 4])]);
        assert!(shift.contains("{\"RSign\": \"ste_sign(x + beta)\"}"), "{shift}");
        let numbered = said("RSign", None, &[weight("0", &[4])]);
        assert!(numbered.contains("ste_sign(x + w0)"), "{numbered}");
    }
}
