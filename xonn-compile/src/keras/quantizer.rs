//! Quantisers and activations as configurations name them; what is not implemented is refused by name.
//!
//! The names of Larq, QKeras and BinaryNet are built in, with their own meaning each ([`Quantizer`] has the
//! table).

mod qkeras;

use std::collections::HashMap;

use serde_json::Value;

use super::config::{is_of_a_library, is_of_own_package};
use super::functions;
use super::inbound::brief;
use crate::graph::{Function, Quantizer, Steps};

/// What users say their own names mean: `{"my_sign": "ste_sign", "MyDense": "QuantDense"}`.
pub type CustomNames = HashMap<String, String>;

/// What an activation field or layer does.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Activation {
    /// A quantiser.
    Quantize(Quantizer),
    /// `scale * quantizer(x) + offset`.
    Affine {
        /// The quantiser.
        quantizer: Quantizer,
        /// Its results' factor.
        scale: f32,
        /// And what is added.
        offset: f32,
    },
    /// Any other function.
    Function(Function),
}

/// A name with the arguments that came with it.
struct Named<'a> {
    name: &'a str,
    config: &'a Value,
    /// Whether the configuration is of a class or function of the user's own, which built-in names do not
    /// mean.
    own: bool,
}

/// Reads an activation: `null`, a name, or an object with a class or function name. `of_qkeras`: of one of
/// QKeras's layers.
///
/// # Errors
/// The reason why it is refused.
pub fn activation(
    json: &Value,
    custom: &CustomNames,
    keras: u32,
    of_qkeras: bool,
) -> Result<Activation, String> {
    let named = named(json, of_qkeras)?;
    let Some(named) = named else { return Ok(Activation::Quantize(Quantizer::Identity)) };
    let meaning = meaning(&named, custom)?;
    // A layer object, such as LeakyReLU(): that layer with its arguments.
    let object =
        (json.is_object() && meaning == named.short()).then(|| functions::by_class(&meaning, named.config));
    if let Some(function) = object.transpose()?.flatten().or_else(|| functions::by_name(&meaning, keras)) {
        return Ok(Activation::Function(function));
    }
    on_activations(&meaning, named.config)?.ok_or_else(|| unknown("activation", &named, &meaning))
}

/// Reads the quantiser of a kernel.
///
/// # Errors
/// The reason why it is refused.
pub fn kernel(json: &Value, custom: &CustomNames, of_qkeras: bool) -> Result<Quantizer, String> {
    let Some(named) = named(json, of_qkeras)? else { return Ok(Quantizer::Identity) };
    let meaning = meaning(&named, custom)?;
    known(&meaning, named.config, Place::Kernel)?.ok_or_else(|| unknown("quantizer", &named, &meaning))
}

/// Reads the quantiser of a layer's input.
///
/// # Errors
/// The reason why it is refused.
pub fn input(json: &Value, custom: &CustomNames, of_qkeras: bool) -> Result<Activation, String> {
    let Some(named) = named(json, of_qkeras)? else { return Ok(Activation::Quantize(Quantizer::Identity)) };
    let meaning = meaning(&named, custom)?;
    on_activations(&meaning, named.config)?.ok_or_else(|| unknown("quantizer", &named, &meaning))
}

/// A built-in quantiser of activations; `None` if the name is none.
fn on_activations(name: &str, config: &Value) -> Result<Option<Activation>, String> {
    // round(hard_sigmoid(x)): 0 and 1 where binary_tanh gives -1 and +1.
    if matches!(name, "binary_sigmoid" | "binary_sigmoid_unit") {
        let quantizer = Quantizer::BinaryTanh { h: 1.0 };
        return Ok(Some(Activation::Affine { quantizer, scale: 0.5, offset: 0.5 }));
    }
    Ok(known(name, config, Place::Activation)?.map(|quantizer| match quantizer {
        // The scale of three values is a line behind them.
        Quantizer::ScaledTernary { threshold, scale } => {
            Activation::Affine { quantizer: Quantizer::TernaryAt { threshold }, scale, offset: 0.0 }
        }
        quantizer => Activation::Quantize(quantizer),
    }))
}

/// Whether a layer class is itself a quantiser or function (`SteSign()` used as a layer).
///
/// # Errors
/// The reason if it is one that is refused.
pub fn layer(class: &str, config: &Value, keras: u32) -> Result<Option<Activation>, String> {
    if let Some(function) = functions::by_name(class, keras) {
        return Ok(Some(Activation::Function(function)));
    }
    on_activations(class, config)
}

impl Named<'_> {
    fn short(&self) -> &str {
        self.name.rsplit('>').next().unwrap_or(self.name)
    }
}

fn named(json: &Value, of_qkeras: bool) -> Result<Option<Named<'_>>, String> {
    let bad = || format!("{}, expected a name or an object with a class_name", brief(json));
    match json {
        Value::Null => Ok(None),
        Value::String(name) => {
            let own = !of_qkeras && is_class_of_qkeras(name);
            Ok(Some(Named { name, config: &Value::Null, own }))
        }
        Value::Object(object) => {
            let class = object.get("class_name").and_then(Value::as_str).ok_or_else(bad)?;
            let config = object.get("config").unwrap_or(&Value::Null);
            match class {
                // A function: its name stands in the place of a configuration.
                "function" => {
                    let name = config.as_str().ok_or_else(bad)?;
                    let own = name.contains('>') || is_class_of_qkeras(name);
                    Ok(Some(Named { name, config: &Value::Null, own }))
                }
                // A layer that holds an activation, such as Activation(SteSign()) inside of a field.
                "Activation" => named(&config["activation"], of_qkeras),
                _ => Ok(Some(Named { name: class, config, own: is_own_class(object, class) })),
            }
        }
        _ => Err(bad()),
    }
}

/// Names of QKeras's that are classes there: by themselves, and not in a layer of QKeras's, they are
/// functions of the user's.
fn is_class_of_qkeras(name: &str) -> bool {
    matches!(name, "binary" | "ternary" | "stochastic_binary" | "stochastic_ternary")
}

/// Whether the file says that a class is the user's own: by the package it is registered in, or its module.
fn is_own_class(object: &serde_json::Map<String, Value>, class: &str) -> bool {
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    let by_package = text("registered_name").and_then(is_of_own_package).or_else(|| is_of_own_package(class));
    by_package.unwrap_or_else(|| text("module").is_some_and(|module| !is_of_a_library(module)))
}

/// The name after the custom map.
///
/// A name with a package (`bnn>sign`) is the user's own. Where its last part is no library's sign, the map
/// must say what it is; `bnn>sign` itself is taken as a sign with `sign(0) = +1` only if the map says so.
fn meaning(named: &Named<'_>, custom: &CustomNames) -> Result<String, String> {
    let short = named.name.rsplit('>').next().unwrap_or(named.name);
    if let Some(meaning) = custom.get(named.name).or_else(|| custom.get(short)) {
        return Ok(meaning.clone());
    }
    if named.own && !is_distinct(short) {
        return Err(unknown("function", named, short));
    }
    Ok(short.to_owned())
}

/// Names that only one library uses, so that a user's own registration under another package means the same.
fn is_distinct(name: &str) -> bool {
    matches!(
        name,
        "ste_sign"
            | "approx_sign"
            | "swish_sign"
            | "ste_heaviside"
            | "binary_tanh"
            | "magnitude_aware_sign_unclipped"
            | "xnor_weight_scale"
    )
}

fn unknown(what: &str, named: &Named<'_>, meaning: &str) -> String {
    let name = named.name;
    if meaning != name.rsplit('>').next().unwrap_or(name) {
        return format!(
            "the custom map says that {name:?} is {meaning:?}, which is not known as {what}; expected the \
             name of one, such as \"ste_sign\" (+1 from 0 upwards), \"binary_tanh\" (-1 at 0) or \
             \"ste_heaviside\" (0 and 1)"
        );
    }
    let base = name.split('(').next().unwrap_or(name);
    if !named.own && qkeras::is_other(base) {
        return format!(
            "{what} {name:?} is not supported; of QKeras's quantisers use binary or ternary, or \
             quantized_bits, quantized_relu, quantized_tanh or quantized_sigmoid, on activations with a \
             number as alpha"
        );
    }
    if !named.own && is_of_keras(base) {
        return format!(
            "{what} {name:?} is not supported; use a sign, relu, leaky_relu, elu, gelu, silu, softplus, \
             tanh, sigmoid or hard_sigmoid instead, and softmax at the end"
        );
    }
    format!(
        "{what} {name:?} is not supported; if it is a function of your own, say what it means with --custom \
         map.json holding {{\"{name}\": \"ste_sign\"}} (+1 from 0 upwards), \"binary_tanh\" (-1 at 0) or \
         \"ste_heaviside\" (0 and 1)"
    )
}

/// Keras's own activations that are not read.
fn is_of_keras(name: &str) -> bool {
    ["hard_shrink", "sparsemax", "threshold", "glu"].contains(&name)
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Activation,
    Kernel,
}

/// A built-in quantiser; `None` if the name is none.
fn known(name: &str, config: &Value, place: Place) -> Result<Option<Quantizer>, String> {
    let only = |here: Place, quantizer: Quantizer, why: &str| match place == here {
        true => Ok(Some(quantizer)),
        false => Err(format!("quantizer {name:?} {why}")),
    };
    // QKeras also writes calls as text: "binary(alpha=1)".
    let (base, arguments) = match name.split_once('(') {
        Some((base, rest)) => (base, Some(rest.trim_end_matches(')'))),
        None => (name, None),
    };
    match base {
        // larq/quantizers.py: all three compute math.sign, which is +1 at 0; they differ in their gradients
        // only.
        "SteSign" | "ste_sign" | "ApproxSign" | "approx_sign" | "SwishSign" | "swish_sign" => {
            Ok(Some(Quantizer::Sign))
        }
        "MagnitudeAwareSign" | "magnitude_aware_sign" => only(
            Place::Kernel,
            Quantizer::MagnitudeAwareSign,
            "scales activations by the batch's mean, expected ste_sign on activations",
        ),
        "SteHeaviside" | "ste_heaviside" => {
            only(Place::Activation, Quantizer::Heaviside, "gives kernels of 0 and 1, expected kernels of +-1")
        }
        "DoReFa" | "dorefa" | "dorefa_quantizer" | "DoReFaQuantizer" => dorefa(config, place).map(Some),
        "NoOp" | "no_op" | "NoOpQuantizer" | "linear" => Ok(Some(Quantizer::Identity)),
        "SteTern" | "ste_tern" => ternary(config, place).map(Some),
        // Its noise is for training only.
        "binary" | "stochastic_binary" => {
            qkeras::binary(&qkeras::Arguments::of(base, config, arguments)?, place).map(Some)
        }
        "stochastic_ternary" | "ternary" => {
            qkeras::ternary(&qkeras::Arguments::of(base, config, arguments)?, place).map(Some)
        }
        "quantized_bits" | "quantized_relu" | "quantized_po2" | "quantized_relu_po2" | "quantized_tanh"
        | "quantized_sigmoid" => {
            qkeras::steps(base, &qkeras::Arguments::of(base, config, arguments)?, place).map(Some)
        }
        // larq zoo's.
        "magnitude_aware_sign_unclipped" => only(
            Place::Kernel,
            Quantizer::MagnitudeAwareSign,
            "scales activations by the batch's mean, expected ste_sign on activations",
        ),
        "xnor_weight_scale" => only(
            Place::Kernel,
            Quantizer::ClippedMagnitudeAwareSign,
            "scales activations by the batch's mean, expected ste_sign on activations",
        ),
        "binary_tanh" | "binary_tanh_unit" => Ok(Some(Quantizer::BinaryTanh { h: 1.0 })),
        "sign" if place == Place::Activation => Ok(Some(Quantizer::Ternary)),
        _ => Ok(None),
    }
}

/// larq's `SteTern(threshold_value=0.05, ternary_weight_networks=False)`.
fn ternary(config: &Value, place: Place) -> Result<Quantizer, String> {
    let by_weights = config["ternary_weight_networks"].as_bool().unwrap_or(false);
    match (by_weights, place) {
        (true, Place::Kernel) => return Ok(Quantizer::TernaryWeight),
        (true, Place::Activation) => {
            return Err(
                "SteTern with ternary_weight_networks takes its threshold from the batch, expected a \
                        threshold_value on activations"
                    .into(),
            );
        }
        (false, _) => {}
    }
    match config["threshold_value"].as_f64().unwrap_or(0.05) as f32 {
        0.0 => Ok(Quantizer::Ternary),
        threshold if threshold > 0.0 && threshold.is_finite() => Ok(Quantizer::TernaryAt { threshold }),
        threshold => Err(format!("SteTern with a threshold of {threshold}, expected a positive number")),
    }
}

fn dorefa(config: &Value, place: Place) -> Result<Quantizer, String> {
    let bits = config["k_bit"].as_i64().unwrap_or(2);
    let Some(levels) =
        u32::try_from(bits).ok().filter(|bits| (1..=16).contains(bits)).map(|bits| (1 << bits) - 1)
    else {
        return Err(format!("DoReFa with {bits} bits, expected k_bit 1 to 16"));
    };
    match (config["mode"].as_str().unwrap_or("activations"), place) {
        ("weights", Place::Kernel) if bits > 1 => Ok(Quantizer::DoReFaWeights { levels }),
        ("activations", Place::Activation) if bits > 1 => Ok(Quantizer::Steps(Steps::Unit { levels })),
        ("weights", Place::Kernel) => Ok(Quantizer::DoReFaWeight),
        ("activations", Place::Activation) => Ok(Quantizer::DoReFaActivation),
        (mode, _) => Err(format!(
            "DoReFa in mode {mode:?} at this place, expected weights on kernels and activations on inputs"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn act(json: Value) -> Result<Activation, String> {
        activation(&json, &CustomNames::new(), 2, false)
    }

    /// QKeras's are classes; a bare name outside of its layers is a function that the user wrote.
    #[test]
    fn names_of_qkeras_are_its_own_in_its_layers_only() {
        let function = |name: &str| json!({ "class_name": "function", "config": name });
        for name in ["binary", "ternary", "stochastic_binary"] {
            assert!(act(json!(name)).unwrap_err().contains("--custom"), "{name}");
            for json in [function(name), json!(name)] {
                let in_kernel = kernel(&json, &CustomNames::new(), false);
                assert!(in_kernel.unwrap_err().contains("--custom"), "{name}");
            }
        }
        let signs = Ok(Activation::Quantize(Quantizer::TwoValues { low: -1.0, high: 1.0 }));
        assert_eq!(activation(&json!("binary(alpha=1)"), &CustomNames::new(), 2, true), signs);
        let meant = CustomNames::from([("binary".into(), "ste_heaviside".into())]);
        let zeros = Ok(Activation::Quantize(Quantizer::Heaviside));
        assert_eq!(activation(&function("binary"), &meant, 2, false), zeros);
    }

    #[test]
    fn forms_and_names() {
        let sign = Ok(Activation::Quantize(Quantizer::Sign));
        assert_eq!(act(Value::Null), Ok(Activation::Quantize(Quantizer::Identity)));
        assert_eq!(act(json!("ste_sign")), sign);
        assert_eq!(act(json!({ "class_name": "ApproxSign", "config": {} })), sign);
        assert_eq!(act(json!({ "class_name": "larq>SwishSign", "config": {} })), sign);
        assert_eq!(act(json!("sign")), Ok(Activation::Quantize(Quantizer::Ternary)));
        assert_eq!(
            act(json!("hard_sigmoid")),
            Ok(Activation::Function(Function::HardSigmoid { slope: 0.2 }))
        );
        assert!(act(json!("sparsemax")).unwrap_err().contains("\"sparsemax\""));
        assert!(act(json!(3)).is_err());
    }

    #[test]
    fn own_classes_need_the_custom_map() {
        let class = |name: &str, registered: Value, module: Value| {
            let origin = json!({ "registered_name": registered, "module": module });
            let mut class = json!({ "class_name": name, "config": {} });
            class.as_object_mut().unwrap().extend(origin.as_object().unwrap().clone());
            class
        };
        for object in [
            class("SteSign", json!("bnn>SteSign"), json!("mylib")),
            class("bnn>SteSign", Value::Null, Value::Null),
            class("SteSign", json!("SteSign"), json!("__main__")),
            class("binary", json!("bnn>binary"), Value::Null),
        ] {
            assert!(act(object.clone()).unwrap_err().contains("--custom"), "{object}");
            let short = object["class_name"].as_str().unwrap().rsplit('>').next().unwrap();
            let custom = CustomNames::from([(short.to_owned(), "ste_sign".into())]);
            assert_eq!(activation(&object, &custom, 3, false), Ok(Activation::Quantize(Quantizer::Sign)));
        }
        for object in [
            class("SteSign", json!("Larq>SteSign"), json!("larq.quantizers")),
            class("Larq>SteSign", Value::Null, Value::Null),
            class("SteSign", Value::Null, json!("larq.quantizers")),
            class("SteSign", Value::Null, Value::Null),
        ] {
            assert_eq!(act(object), Ok(Activation::Quantize(Quantizer::Sign)));
        }
    }

    #[test]
    fn own_functions_need_the_custom_map() {
        let function =
            json!({ "class_name": "function", "config": "bnn>sign", "registered_name": "function" });
        assert!(act(function.clone()).unwrap_err().contains("bnn>sign"));
        for key in ["bnn>sign", "sign"] {
            let custom = CustomNames::from([(key.into(), "ste_sign".into())]);
            assert_eq!(activation(&function, &custom, 3, false), Ok(Activation::Quantize(Quantizer::Sign)));
        }
        let wrong = CustomNames::from([("f".into(), "nonsense".into())]);
        assert!(activation(&json!("f"), &wrong, 3, false).unwrap_err().contains("\"f\" is \"nonsense\""));
    }

    #[test]
    fn lines_behind_quantisers() {
        let quantizer = Quantizer::BinaryTanh { h: 1.0 };
        assert_eq!(
            act(json!("binary_sigmoid")),
            Ok(Activation::Affine { quantizer, scale: 0.5, offset: 0.5 })
        );
        assert!(kernel(&json!("binary_sigmoid"), &CustomNames::new(), false).is_err());
    }

    /// What is a library's own is not to be called a sign.
    #[test]
    fn advice_knows_the_libraries() {
        for (name, advice) in [
            ("sparsemax", "use a sign"),
            ("quantized_hswish(4)", "binary or ternary"),
            ("my_sign", "--custom"),
        ] {
            let said = act(json!(name)).unwrap_err();
            assert!(said.contains(advice) && said.contains("--custom") == (advice == "--custom"), "{said}");
        }
    }

    #[test]
    fn dorefa_needs_its_place() {
        let q = |bits: u32, mode: &str| {
            let config = json!({ "k_bit": bits, "mode": mode });
            json!({ "class_name": "DoReFa", "config": config })
        };
        assert_eq!(kernel(&q(1, "weights"), &CustomNames::new(), false), Ok(Quantizer::DoReFaWeight));
        assert_eq!(act(q(1, "activations")), Ok(Activation::Quantize(Quantizer::DoReFaActivation)));
        assert_eq!(
            act(q(2, "activations")),
            Ok(Activation::Quantize(Quantizer::Steps(Steps::Unit { levels: 3 })))
        );
        assert!(act(q(40, "activations")).unwrap_err().contains("40 bits"));
        assert!(act(q(1, "weights")).is_err());
    }
}
