//! QKeras's `binary` and `ternary`, given by a configuration or as the text of a call.

use std::collections::HashMap;

use serde_json::Value;

use super::Place;
use crate::graph::{Quantizer, Steps};
use crate::keras::inbound::brief;

/// The arguments of a QKeras quantiser, from its configuration or from a call as text.
pub(super) struct Arguments {
    by_name: HashMap<&'static str, Value>,
}

impl Arguments {
    /// * `text`: what stands between the brackets of a call such as `binary(use_01=True, alpha='auto')`.
    pub(super) fn of(base: &str, config: &Value, text: Option<&str>) -> Result<Self, String> {
        let order: &[&'static str] = match base {
            "binary" => &["use_01", "alpha", "use_stochastic_rounding"],
            "ternary" => &["alpha", "threshold", "use_stochastic_rounding", "number_of_unrolls"],
            "stochastic_ternary" => {
                &["alpha", "threshold", "temperature", "use_real_sigmoid", "number_of_unrolls"]
            }
            "quantized_bits" => &[
                "bits",
                "integer",
                "symmetric",
                "keep_negative",
                "alpha",
                "use_stochastic_rounding",
                "scale_axis",
                "qnoise_factor",
            ],
            "quantized_relu" => &[
                "bits",
                "integer",
                "use_sigmoid",
                "negative_slope",
                "use_stochastic_rounding",
                "relu_upper_bound",
                "is_quantized_clip",
                "qnoise_factor",
            ],
            "quantized_po2" => &[
                "bits",
                "max_value",
                "use_stochastic_rounding",
                "quadratic_approximation",
                "log2_rounding",
                "qnoise_factor",
            ],
            "quantized_relu_po2" => &[
                "bits",
                "max_value",
                "negative_slope",
                "use_stochastic_rounding",
                "quadratic_approximation",
                "log2_rounding",
                "qnoise_factor",
            ],
            "quantized_tanh" => &["bits", "use_stochastic_rounding", "symmetric", "use_real_tanh"],
            "quantized_sigmoid" => &["bits", "symmetric", "use_real_sigmoid", "use_stochastic_rounding"],
            _ => &["alpha", "temperature", "use_real_sigmoid"],
        };
        let mut by_name: HashMap<&'static str, Value> = HashMap::new();
        for &name in order {
            by_name.insert(name, config[name].clone());
        }
        let arguments = text.unwrap_or_default().split(',').map(str::trim).filter(|a| !a.is_empty());
        for (place, argument) in arguments.enumerate() {
            let named = argument.split_once('=').map(|(key, value)| (key.trim(), value.trim()));
            let (key, value) = named.unwrap_or((order.get(place).copied().unwrap_or_default(), argument));
            let name = order.iter().find(|name| **name == key).ok_or_else(|| {
                format!("QKeras {base} with the argument {argument:?}, expected some of {order:?}")
            })?;
            by_name.insert(name, literal(value));
        }
        Ok(Self { by_name })
    }

    fn get(&self, name: &str) -> &Value {
        self.by_name.get(name).unwrap_or(&Value::Null)
    }

    fn flag(&self, name: &str) -> bool {
        self.get(name)
            .as_bool()
            .unwrap_or_else(|| self.get(name).as_f64().is_some_and(|number| number != 0.0))
    }
}

/// A Python literal.
fn literal(text: &str) -> Value {
    match text {
        "None" => Value::Null,
        "True" => Value::Bool(true),
        "False" => Value::Bool(false),
        text => text.parse::<f64>().map_or_else(|_| Value::from(text.trim_matches(['"', '\''])), Value::from),
    }
}

/// `alpha` as a number, 1 if there is none; `None` if it is fitted to the kernel.
fn alpha(what: &str, alpha: &Value) -> Result<Option<f32>, String> {
    let scale = match alpha {
        Value::Null => 1.0,
        Value::Number(number) => number.as_f64().unwrap_or(f64::NAN) as f32,
        Value::String(text) if text == "auto" || text == "auto_po2" => return Ok(None),
        other => return Err(format!("QKeras {what} with alpha {}, expected a number", brief(other))),
    };
    if scale.is_finite() && scale > 0.0 {
        Ok(Some(scale))
    } else {
        Err(format!("QKeras {what} with alpha {scale}, expected a positive number"))
    }
}

/// QKeras `binary(use_01, alpha)`.
pub(super) fn binary(arguments: &Arguments, place: Place) -> Result<Quantizer, String> {
    let use_01 = arguments.flag("use_01");
    match (alpha("binary", arguments.get("alpha"))?, use_01, place) {
        (_, true, Place::Kernel) => {
            Err("QKeras binary with use_01 gives kernels of 0 and 1, expected use_01=False".into())
        }
        (Some(scale), true, Place::Activation) => Ok(Quantizer::TwoValues { low: 0.0, high: scale }),
        (Some(scale), false, _) => Ok(Quantizer::TwoValues { low: -scale, high: scale }),
        (None, _, Place::Kernel) => {
            Ok(Quantizer::FittedSign { power_of_two: *arguments.get("alpha") == "auto_po2" })
        }
        (None, _, Place::Activation) => Err(format!(
            "QKeras binary with alpha {} takes its scale from the batch, expected a number on activations",
            arguments.get("alpha")
        )),
    }
}

/// QKeras `ternary(alpha, threshold)`, whose threshold is 0.33 unless it is fitted.
pub(super) fn ternary(arguments: &Arguments, place: Place) -> Result<Quantizer, String> {
    match (alpha("ternary", arguments.get("alpha"))?, place) {
        (Some(scale), _) => {
            let threshold = match arguments.get("threshold") {
                Value::Null => Some(0.33),
                threshold => threshold.as_f64().filter(|t| t.is_finite() && *t > 0.0),
            };
            let threshold = threshold.ok_or_else(|| {
                format!(
                    "QKeras ternary with the threshold {}, expected a positive number",
                    brief(arguments.get("threshold"))
                )
            })? as f32;
            match scale {
                1.0 => Ok(Quantizer::TernaryAt { threshold }),
                scale => Ok(Quantizer::ScaledTernary { threshold, scale }),
            }
        }
        (None, Place::Kernel) => Ok(Quantizer::FittedTernary {
            power_of_two: *arguments.get("alpha") == "auto_po2",
            rounds: arguments
                .get("number_of_unrolls")
                .as_f64()
                .map_or(5, |rounds| rounds.clamp(0.0, 64.0) as u32),
        }),
        (None, Place::Activation) => Err(format!(
            "QKeras ternary with alpha {} takes its scale from the batch, expected a number on activations",
            arguments.get("alpha")
        )),
    }
}

/// `quantized_bits`, `quantized_relu`, `quantized_po2`, `quantized_relu_po2`, `quantized_tanh`,
/// `quantized_sigmoid`.
pub(super) fn steps(base: &str, arguments: &Arguments, place: Place) -> Result<Quantizer, String> {
    let whole = |name: &str, default: i32| -> Result<i32, String> {
        let number = match arguments.get(name) {
            Value::Null => Some(f64::from(default)),
            number => number.as_f64(),
        };
        let fits = number.filter(|n| n.fract() == 0.0 && n.abs() <= 32.0);
        fits.map(|n| n as i32).ok_or_else(|| {
            format!("QKeras {base} with {name} {}, expected a small whole number", brief(arguments.get(name)))
        })
    };
    let number = |name: &str| -> Result<Option<f32>, String> {
        match arguments.get(name) {
            Value::Null => Ok(None),
            number => number
                .as_f64()
                .filter(|n| n.is_finite() && *n >= 0.0)
                .map(|n| Some(n as f32))
                .ok_or_else(|| {
                    format!("QKeras {base} with {name} {}, expected a number from 0 upwards", brief(number))
                }),
        }
    };
    if number("qnoise_factor")?.is_some_and(|noise| noise != 1.0) {
        return Err(format!("QKeras {base} with a qnoise_factor, expected 1: it quantises in part only"));
    }
    let bits = whole("bits", 8)?;
    if !(1..=24).contains(&bits) {
        return Err(format!("QKeras {base} of {bits} bits, expected 1 to 24"));
    }
    let slope = number("negative_slope")?.unwrap_or(0.0);
    let bits_number = bits as u32;
    match base {
        "quantized_bits" => {
            let keep_negative = arguments.get("keep_negative").is_null() || arguments.flag("keep_negative");
            let Some(scale) = alpha(base, arguments.get("alpha"))? else {
                let power_of_two = *arguments.get("alpha") == "auto_po2";
                return match (place, bits) {
                    (Place::Kernel, 2..) if keep_negative && arguments.get("scale_axis").is_null() => {
                        Ok(Quantizer::FittedBits { bits: bits_number, power_of_two })
                    }
                    _ => Err(format!(
                        "QKeras quantized_bits({bits}) with alpha {}, expected a number as alpha: this one \
                         is taken from a kernel of at least 2 bits, or from the batch",
                        arguments.get("alpha")
                    )),
                };
            };
            // Its one bit is the sign.
            if bits == 1 && keep_negative {
                return Ok(Quantizer::TwoValues { low: -scale, high: scale });
            }
            let symmetric = arguments.flag("symmetric");
            Ok(Quantizer::Steps(Steps::Bits {
                bits: bits_number,
                integer: whole("integer", 0)?,
                symmetric,
                keep_negative,
                scale,
            }))
        }
        "quantized_tanh" | "quantized_sigmoid" => {
            if let Some(real) =
                ["use_real_tanh", "use_real_sigmoid"].into_iter().find(|real| arguments.flag(real))
            {
                return Err(format!(
                    "QKeras {base} with {real}, expected the piecewise one, which is the default"
                ));
            }
            let symmetric = arguments.flag("symmetric");
            Ok(Quantizer::Steps(match base {
                // 2 clip(x / 2 + 1/2, 0, 1) - 1 is clip(x, -1, 1).
                "quantized_tanh" if bits > 1 => {
                    Steps::Bits { bits: bits_number, integer: 0, symmetric, keep_negative: true, scale: 1.0 }
                }
                "quantized_tanh" => return Err("QKeras quantized_tanh of one bit, expected 2 or more".into()),
                _ => Steps::Sigmoid { bits: bits_number, symmetric },
            }))
        }
        "quantized_relu" => {
            if arguments.flag("use_sigmoid") {
                return Err("QKeras quantized_relu with use_sigmoid, expected use_sigmoid=0".into());
            }
            let clips = arguments.get("is_quantized_clip").is_null() || arguments.flag("is_quantized_clip");
            if !clips && arguments.get("relu_upper_bound").as_f64().is_some() {
                return Err(
                    "QKeras quantized_relu with relu_upper_bound, expected is_quantized_clip=True".into()
                );
            }
            Ok(Quantizer::Steps(Steps::Relu { bits: bits_number, integer: whole("integer", 0)?, slope }))
        }
        _ => {
            let relu = base == "quantized_relu_po2";
            let quadratic = arguments.flag("quadratic_approximation");
            let max = number("max_value")?;
            let sign_of_exponent = i32::from(max.is_none_or(|max| max > 1.0));
            let effective = bits - i32::from(!relu) - sign_of_exponent;
            if effective < 0 {
                return Err(format!(
                    "QKeras {base} of {bits} bits leaves none for the exponent, expected more"
                ));
            }
            // Exponents of float32 end at 127.
            let reach = 1i32 << effective.min(8);
            let most = if quadratic { 2 * ((reach - 1) / 2) } else { reach - 1 };
            Ok(Quantizer::Steps(Steps::PowerOfTwo {
                least: -reach,
                most,
                max,
                quadratic,
                floor: *arguments.get("log2_rounding") == "floor",
                slope: relu.then_some(slope),
            }))
        }
    }
}

/// QKeras's quantisers that are not read.
pub(super) fn is_other(name: &str) -> bool {
    name.starts_with("quantized_") || matches!(name, "bernoulli" | "smooth_sigmoid")
}

#[cfg(test)]
mod tests {
    use super::super::{Activation, CustomNames, activation, kernel};
    use super::*;
    use serde_json::json;

    fn act(json: Value) -> Result<Activation, String> {
        activation(&json, &CustomNames::new(), 2, true)
    }

    #[test]
    fn qkeras_binary_by_its_arguments() {
        let q = |json: Value| kernel(&json, &CustomNames::new(), true);
        let dict =
            |alpha: Value| json!({ "class_name": "binary", "config": { "use_01": false, "alpha": alpha } });
        assert_eq!(q(dict(json!("auto_po2"))), Ok(Quantizer::FittedSign { power_of_two: true }));
        assert_eq!(q(dict(json!(0.5))), Ok(Quantizer::TwoValues { low: -0.5, high: 0.5 }));
        assert_eq!(
            act(json!("binary(alpha=1)")),
            Ok(Activation::Quantize(Quantizer::TwoValues { low: -1.0, high: 1.0 }))
        );
        assert_eq!(
            act(json!("binary(1, 2.0)")),
            Ok(Activation::Quantize(Quantizer::TwoValues { low: 0.0, high: 2.0 }))
        );
        assert_eq!(act(json!("stochastic_binary()")), act(json!("binary(alpha=None)")));
        assert!(act(json!("binary(alpha='auto')")).unwrap_err().contains("from the batch"));
        assert!(act(json!("binary(beta=2)")).unwrap_err().contains("beta=2"));
        assert!(q(dict(json!(-1.0))).is_err());
        assert!(q(json!({ "class_name": "binary", "config": { "use_01": true, "alpha": 1.0 } })).is_err());
    }

    #[test]
    fn qkeras_ternary_by_its_arguments() {
        assert_eq!(act(json!("ternary")), Ok(Activation::Quantize(Quantizer::TernaryAt { threshold: 0.33 })));
        assert_eq!(
            act(json!("ternary(alpha=0.5,threshold=1.5)")),
            Ok(Activation::Affine {
                quantizer: Quantizer::TernaryAt { threshold: 1.5 },
                scale: 0.5,
                offset: 0.0
            })
        );
        let q = |json: Value| kernel(&json, &CustomNames::new(), true);
        let auto = json!({ "class_name": "ternary",
                           "config": { "alpha": "auto_po2", "threshold": null, "number_of_unrolls": 5 } });
        assert_eq!(q(auto), Ok(Quantizer::FittedTernary { power_of_two: true, rounds: 5 }));
        assert_eq!(q(json!("ternary(0.5)")), Ok(Quantizer::ScaledTernary { threshold: 0.33, scale: 0.5 }));
        assert!(q(json!("ternary(threshold=-1)")).unwrap_err().contains("-1"));
        assert!(act(json!("ternary(alpha='auto')")).unwrap_err().contains("from the batch"));
    }

    #[test]
    fn qkeras_values_by_their_arguments() {
        let q = |text: &str| kernel(&json!(text), &CustomNames::new(), true);
        assert_eq!(q("quantized_bits(1)"), Ok(Quantizer::TwoValues { low: -1.0, high: 1.0 }));
        assert_eq!(
            q("quantized_bits(4,0,1,alpha='auto')"),
            Ok(Quantizer::FittedBits { bits: 4, power_of_two: false })
        );
        let po2 = |least, most, max, slope| {
            Ok(Quantizer::Steps(Steps::PowerOfTwo {
                least,
                most,
                max,
                quadratic: false,
                floor: false,
                slope,
            }))
        };
        assert_eq!(q("quantized_po2(5)"), po2(-8, 7, None, None));
        assert_eq!(q("quantized_relu_po2(6,2048)"), po2(-32, 31, Some(2048.0), Some(0.0)));
        assert_eq!(q("stochastic_ternary(0.5)"), q("ternary(0.5)"));
        let relu = Quantizer::Steps(Steps::Relu { bits: 2, integer: 1, slope: 0.0 });
        assert_eq!(act(json!("quantized_relu(2,1)")), Ok(Activation::Quantize(relu)));
        for (text, expected) in [
            ("quantized_relu(2,use_sigmoid=1)", "use_sigmoid"),
            ("quantized_bits(3,alpha='auto')", "from the batch"),
            ("quantized_bits(99)", "99"),
            ("quantized_bits(2.5)", "2.5"),
            ("quantized_bits(4,qnoise_factor=0.5)", "qnoise_factor"),
        ] {
            let said = act(json!(text)).unwrap_err();
            assert!(said.contains(expected), "{text}: {said}");
        }
    }
}
