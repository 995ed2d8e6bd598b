//! Functions that a functional model calls outside of any layer: `keras.ops.sign(x)` of Keras 3, `tf.sign(x)` and `x + y` of
//! Keras 2.

use crate::graph::{Function, Quantizer};
use crate::keras::config::LayerConfig;
use crate::keras::quantizer::Activation;

/// A function outside of any layer that is also known as an activation: `keras.ops.sign(x)`, `tf.sign(x)`.
pub(super) fn activation(layer: &LayerConfig) -> Option<Activation> {
    let name = match layer.class.as_str() {
        "TFOpLambda" => layer.config["function"].as_str()?.rsplit('.').next()?.to_owned(),
        // Layers of these names would be the user's own, and have the fields that all layers have.
        class if layer.config["trainable"].is_null() && !layer.is_own() => class.to_ascii_lowercase(),
        _ => return None,
    };
    match name.as_str() {
        "sign" => Some(Activation::Quantize(Quantizer::Ternary)),
        "relu" => Some(Activation::Function(Function::Relu { slope: 0.0, max: None })),
        "relu6" => Some(Activation::Function(Function::Relu { slope: 0.0, max: Some(6.0) })),
        "sigmoid" => Some(Activation::Function(Function::Sigmoid)),
        "tanh" => Some(Activation::Function(Function::Tanh)),
        _ => None,
    }
}

/// Whether it is `x + y` of Keras 2, outside of any layer.
pub(super) fn is_sum(layer: &LayerConfig) -> bool {
    let function = layer.config["function"].as_str().unwrap_or_default();
    layer.class == "TFOpLambda" && matches!(function, "__operators__.add" | "math.add")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn layer(class: &str, config: Value) -> LayerConfig {
        LayerConfig {
            class: class.into(),
            kind: class.into(),
            registered: None,
            module: None,
            name: "l".into(),
            config,
            calls: vec![],
            nested: None,
        }
    }

    #[test]
    fn functions_are_no_layers_of_the_same_name() {
        let ternary = Some(Activation::Quantize(Quantizer::Ternary));
        assert_eq!(activation(&layer("Sign", json!({ "name": "sign" }))), ternary);
        assert_eq!(activation(&layer("Sign", json!({ "name": "sign", "trainable": true }))), None);
        let tf = |function: &str| {
            layer("TFOpLambda", json!({ "name": "f", "trainable": true, "function": function }))
        };
        assert_eq!(activation(&tf("math.sign")), ternary);
        assert_eq!(activation(&tf("math.floor")), None);
        assert!(is_sum(&tf("__operators__.add")) && !is_sum(&tf("math.sign")));
        assert_eq!(activation(&LayerConfig { kind: "ste_sign".into(), ..layer("Sign", json!({})) }), None);
    }
}
