//! Quantisers by their own definition; what is not implemented is refused by name.

use std::collections::HashMap;

use serde_json::Value;

/// What users say their own names mean: `{"my_sign": "ste_sign"}`.
pub type CustomNames = HashMap<String, String>;

/// What a quantiser or sign activation does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quantizer {
    /// Leaves values as they are.
    Identity,
    /// `+1` for `x >= 0`, else `-1`; also `-0.0` and denormals give `+1`.
    Sign,
}

/// Reads a quantiser from its configuration: `null`, a name, or an object with a class or function name.
///
/// # Errors
/// The reason why it is refused.
pub fn parse(json: &Value, custom: &CustomNames) -> Result<Quantizer, String> {
    let name = match json {
        Value::Null => return Ok(Quantizer::Identity),
        Value::String(name) => name.as_str(),
        Value::Object(object) if object.get("class_name").and_then(Value::as_str) == Some("function") => {
            object.get("config").and_then(Value::as_str).ok_or("a function without a name")?
        }
        Value::Object(object) => {
            object.get("class_name").and_then(Value::as_str).ok_or("a quantizer without a class name")?
        }
        other => return Err(format!("quantizer {other}, expected a name or an object")),
    };
    by_name(name, custom)
}

fn by_name(name: &str, custom: &CustomNames) -> Result<Quantizer, String> {
    if let Some(meaning) = custom.get(name) {
        return known(meaning).ok_or_else(|| {
            format!("the custom map says that {name:?} is {meaning:?}, which is not a known quantizer")
        });
    }
    known(name).ok_or_else(|| {
        format!(
            "quantizer or activation {name:?} is not supported, expected ste_sign, approx_sign or swish_sign; if it is \
             a sign function of your own, say so with --custom map.json holding {{\"{name}\": \"ste_sign\"}}"
        )
    })
}

fn known(name: &str) -> Option<Quantizer> {
    match name {
        // larq/quantizers.py: all three compute math.sign, which is +1 at 0; they differ in their gradients only.
        "SteSign" | "ste_sign" | "ApproxSign" | "approx_sign" | "SwishSign" | "swish_sign" => {
            Some(Quantizer::Sign)
        }
        "linear" => Some(Quantizer::Identity),
        _ => None,
    }
}

impl Quantizer {
    /// Applies it to a latent weight. Idempotent, so that files saved quantised and latent files give the same.
    #[must_use]
    pub fn apply(self, x: f32) -> f32 {
        match self {
            Self::Identity => x,
            Self::Sign => {
                if x >= 0.0 {
                    1.0
                } else {
                    -1.0
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn forms_and_names() {
        let none = CustomNames::new();
        assert_eq!(parse(&Value::Null, &none), Ok(Quantizer::Identity));
        assert_eq!(parse(&json!("ste_sign"), &none), Ok(Quantizer::Sign));
        assert_eq!(parse(&json!({ "class_name": "ApproxSign", "config": {} }), &none), Ok(Quantizer::Sign));
        let function =
            json!({ "class_name": "function", "config": "bnn>sign", "registered_name": "function" });
        assert!(parse(&function, &none).expect_err("unknown").contains("bnn>sign"));
        let custom = CustomNames::from([("bnn>sign".into(), "ste_sign".into())]);
        assert_eq!(parse(&function, &custom), Ok(Quantizer::Sign));
        let wrong = CustomNames::from([("f".into(), "nonsense".into())]);
        assert!(parse(&json!("f"), &wrong).expect_err("unknown").contains("nonsense"));
    }

    #[test]
    fn sign_is_plus_one_at_zero() {
        for (x, want) in [(0.0, 1.0), (-0.0, 1.0), (1e-45, 1.0), (-1e-45, -1.0), (3.0, 1.0), (-2.0, -1.0)] {
            assert_eq!(Quantizer::Sign.apply(x), want);
        }
    }
}
