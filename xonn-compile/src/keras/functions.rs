//! Keras's functions of one element, by name and as layers with arguments: `"elu"`,
//! `LeakyReLU(negative_slope=0.1)`.

use serde_json::Value;

use super::fields::Fields;
use crate::graph::Function;

/// The function of a name, with its default arguments.
pub(super) fn by_name(name: &str, keras: u32) -> Option<Function> {
    Some(match name {
        "softmax" => Function::Softmax,
        "log_softmax" => Function::LogSoftmax,
        "sigmoid" => Function::Sigmoid,
        "hard_sigmoid" if keras >= 3 => Function::HardSigmoid { slope: 1.0 / 6.0 },
        "hard_sigmoid" => Function::HardSigmoid { slope: 0.2 },
        "tanh" => Function::Tanh,
        "hard_tanh" | "HardTanh" => Function::HardTanh,
        "relu" => Function::Relu { slope: 0.0, max: None },
        "relu6" => Function::Relu { slope: 0.0, max: Some(6.0) },
        "leaky_relu" => Function::Relu { slope: 0.2, max: None },
        "elu" | "celu" => Function::Elu { alpha: 1.0 },
        "selu" => Function::Selu,
        "softplus" => Function::Softplus,
        "softsign" => Function::Softsign,
        "exponential" => Function::Exponential,
        "sparse_sigmoid" => Function::HardSigmoid { slope: 0.5 },
        "soft_shrink" => Function::SoftShrink,
        "tanh_shrink" => Function::TanhShrink,
        "squareplus" => Function::SquarePlus,
        "sparse_plus" => Function::SparsePlus,
        "log_sigmoid" => Function::LogSigmoid,
        "silu" | "swish" => Function::Silu,
        "hard_silu" | "hard_swish" => Function::HardSilu,
        "gelu" => Function::Gelu { approximate: false },
        "mish" => Function::Mish,
        _ => return None,
    })
}

/// The function that a layer of this class is, with its arguments; `None` if it is none.
///
/// # Errors
/// The argument that is not supported.
pub(super) fn by_class(class: &str, config: &Value) -> Result<Option<Function>, String> {
    let fields = Fields(config);
    let slope_of = |keys: &[&str], default: f64| -> Result<f32, String> {
        let key = keys.iter().find(|key| !fields.get(key).is_null());
        let slope = key.map_or(Ok(default), |key| fields.number(key, None))? as f32;
        if slope < 0.0 { Err(format!("slope {slope}, expected no negative number")) } else { Ok(slope) }
    };
    Ok(Some(match class {
        "ReLU" => {
            let threshold = fields.number("threshold", Some(0.0))? as f32;
            let max = match fields.get("max_value") {
                Value::Null => None,
                _ => Some(fields.number("max_value", None)? as f32),
            };
            let slope = slope_of(&["negative_slope"], 0.0)?;
            if threshold < 0.0 || max.is_some_and(|max| max < threshold) {
                return Err(format!(
                    "threshold {threshold} and maximum {max:?}, expected a threshold from 0 upwards and a \
                     maximum not below it"
                ));
            }
            match threshold {
                0.0 => Function::Relu { slope, max },
                threshold => Function::ReluFrom { threshold, slope, max },
            }
        }
        // The layer's own default slope is 0.3, unlike the activation's 0.2.
        "LeakyReLU" => Function::Relu { slope: slope_of(&["negative_slope", "alpha"], 0.3)?, max: None },
        "ThresholdedReLU" => Function::ThresholdedRelu { theta: slope_of(&["theta"], 1.0)? },
        "ELU" => Function::Elu { alpha: slope_of(&["alpha"], 1.0)? },
        "Softmax" => {
            let axis = match fields.get("axis") {
                Value::Null => Some(-1),
                Value::Array(list) if list.len() == 1 => list[0].as_i64(),
                other => other.as_i64(),
            };
            match axis {
                Some(-1) => Function::Softmax,
                _ => return Err(format!("axis is {}, expected the last", fields.get("axis"))),
            }
        }
        "PReLU" => {
            return Err("PReLU as an activation of another layer, expected it as a layer behind that one: \
                its slopes are weights"
                .into());
        }
        _ => return Ok(None),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn layers_have_arguments_and_defaults_of_their_own() {
        let of = |class: &str, config: Value| by_class(class, &config).map(|function| function.unwrap());
        assert_eq!(of("LeakyReLU", json!({})), Ok(Function::Relu { slope: 0.3, max: None }));
        assert_eq!(
            of("LeakyReLU", json!({ "negative_slope": 0.1 })),
            Ok(Function::Relu { slope: 0.1, max: None })
        );
        assert_eq!(of("LeakyReLU", json!({ "alpha": [0.5] })), Ok(Function::Relu { slope: 0.5, max: None }));
        assert_eq!(of("ELU", json!({ "alpha": 2.0 })), Ok(Function::Elu { alpha: 2.0 }));
        let from = Function::ReluFrom { threshold: 1.0, slope: 0.0, max: Some(6.0) };
        assert_eq!(of("ReLU", json!({ "threshold": 1.0, "max_value": 6 })), Ok(from));
        assert!(of("ReLU", json!({ "threshold": -1.0 })).is_err());
        assert!(of("LeakyReLU", json!({ "alpha": -0.1 })).is_err());
        assert!(of("Softmax", json!({ "axis": 1 })).is_err());
        assert_eq!(by_class("Dense", &json!({})), Ok(None));
    }
}
