//! What is said about layers whose class is not read.

use crate::keras::config::LayerConfig;

/// Why the class is refused, and what to do: Keras's own classes have to be replaced, a user's own may be named.
pub(super) fn unsupported_class(layer: &LayerConfig) -> String {
    let registered = layer.registered.as_deref().filter(|name| *name != layer.class);
    let name = registered.map_or(String::new(), |name| format!(" (registered as {name:?})"));
    let kind = &layer.kind;
    if kind != &layer.class {
        return format!(
            "the custom map says that {:?}{name} is {kind:?}, which is no known layer or quantiser; expected one such as \
             \"QuantDense(ste_sign)\", \"BinaryConv2D\", \"BatchNormalization\" or \"ste_sign\"",
            layer.class
        );
    }
    let advice = match (registered, kind.as_str()) {
        (None, "Lambda") => {
            "it holds Python code; use layers, or a registered function that --custom names, instead"
                .to_owned()
        }
        (None, "TFOpLambda" | "SlicingOpLambda") => {
            let function = layer.config["function"].as_str().unwrap_or("one");
            format!(
                "it is the TensorFlow function {function} outside of any layer; use a layer that does the same"
            )
        }
        (None, stock) if !layer.is_of_own_module() && (is_of_a_library(layer) || is_stock(stock)) => {
            "replace it, or compute what it does before the model's input".to_owned()
        }
        _ => format!(
            "if it is a class of your own that does what a known one does, say so with --custom map.json holding \
             {{\"{kind}\": \"{}\"}}",
            likely_meaning(kind)
        ),
    };
    format!("layers of class {kind:?}{name} are not supported; {advice}")
}

/// Whether the file says that the class is Keras's, Larq's or QKeras's.
fn is_of_a_library(layer: &LayerConfig) -> bool {
    layer.module.is_some() && !layer.is_of_own_module()
}

/// An example for a class of the user's own.
fn likely_meaning(class: &str) -> &'static str {
    let examples = [
        ("Conv2", "BinaryConv2D"),
        ("Conv1", "BinaryConv1D"),
        ("Norm", "BatchNormalization"),
        ("Sign", "ste_sign"),
        ("Activation", "ste_sign"),
    ];
    examples.iter().find(|(part, _)| class.contains(part)).map_or("BinaryDense", |(_, meaning)| meaning)
}

/// Keras's own classes that nobody means by a class of their own.
fn is_stock(class: &str) -> bool {
    let families = [
        "RNN",
        "LSTM",
        "GRU",
        "Attention",
        "Embedding",
        "3D",
        "Transpose",
        "UpSampling",
        "Cropping",
        "Random",
        "LocallyConnected",
        "Batchnorm",
    ];
    let classes = [
        "Bidirectional",
        "TimeDistributed",
        "Masking",
        "LayerNormalization",
        "GroupNormalization",
        "UnitNormalization",
        "SpectralNormalization",
        "PReLU",
        "ELU",
        "ThresholdedReLU",
        "Subtract",
        "Multiply",
        "Average",
        "Maximum",
        "Minimum",
        "Dot",
        "RepeatVector",
        "Resizing",
        "CenterCrop",
        "CategoryEncoding",
        "Discretization",
        "Hashing",
        "StringLookup",
        "IntegerLookup",
        "TextVectorization",
        "QBatchNormalization",
        "QAdaptiveActivation",
    ];
    classes.contains(&class) || families.iter().any(|family| class.contains(family))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_fits_the_class() {
        let said = |class: &str, registered: Option<&str>| {
            unsupported_class(&LayerConfig {
                class: class.into(),
                kind: class.into(),
                registered: registered.map(str::to_owned),
                module: None,
                name: "l".into(),
                config: serde_json::Value::Null,
                calls: vec![],
                nested: None,
            })
        };
        assert!(said("LSTM", None).contains("replace it"));
        assert!(said("Conv2DTranspose", Some("Conv2DTranspose")).contains("replace it"));
        assert!(said("Lambda", None).contains("Python code"));
        assert!(said("MyDense", None).contains("--custom"));
        assert!(said("QuantLocallyConnected2D", None).contains("replace it"));
        assert!(said("MyConv2D", None).contains("{\"MyConv2D\": \"BinaryConv2D\"}"));
        let own = said("Attention", Some("mine>Attention"));
        assert!(
            own.contains("--custom") && own.contains("mine>Attention"),
            "a class of one's own may have any name"
        );
    }
}
