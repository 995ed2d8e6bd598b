//! What is said about layers whose class is not read.

use crate::keras::config::LayerConfig;

/// Why the class is refused, and what to do: Keras's own classes have to be replaced, a user's own may be named.
pub(super) fn unsupported_class(layer: &LayerConfig) -> String {
    let registered = layer.registered.as_deref().filter(|name| *name != layer.class);
    let name = registered.map_or(String::new(), |name| format!(" (registered as {name:?})"));
    let kind = &layer.kind;
    let advice = match (registered, kind.as_str()) {
        (None, "Lambda" | "TFOpLambda") => {
            "it holds Python code; use layers, or a registered function that --custom names, instead"
                .to_owned()
        }
        (None, stock) if is_stock(stock) => {
            "replace it, or compute what it does before the model's input".to_owned()
        }
        _ => format!(
            "if it is a class of your own that does what a known one does, say so with --custom map.json holding \
             {{\"{kind}\": \"QuantDense\"}}"
        ),
    };
    format!("layers of class {kind:?}{name} are not supported; {advice}")
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
        "LocallyConnected1D",
        "LocallyConnected2D",
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
        let own = said("Attention", Some("mine>Attention"));
        assert!(
            own.contains("--custom") && own.contains("mine>Attention"),
            "a class of one's own may have any name"
        );
    }
}
