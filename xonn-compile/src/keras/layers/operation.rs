//! Functions that a functional model calls outside of any layer: `keras.ops.sign(x)` of Keras 3,
//! `tf.sign(x)`, `x / 255` and
//! `x + y` of Keras 2.

use std::sync::Arc;

use petgraph::stable_graph::NodeIndex;
use serde_json::Value;

use super::arithmetic::{Binary, Term};
use super::{Builder, Built, Layer};
use crate::graph::{Array, Function, LayerOp, Pool, Quantizer};
use crate::keras::config::{LayerConfig, is_of_a_library};
use crate::keras::fields::Fields;
use crate::keras::functions;
use crate::keras::inbound::{Argument, brief};

/// The function's name without package and underscores: `truediv`, `reducemean`; `None` for a layer.
pub(super) fn name(layer: &LayerConfig) -> Option<String> {
    let plain = |name: &str| name.chars().filter(|c| *c != '_').collect::<String>().to_ascii_lowercase();
    match layer.class.as_str() {
        "TFOpLambda" => Some(plain(layer.config["function"].as_str()?.rsplit('.').next()?)),
        "SlicingOpLambda" => Some("getitem".into()),
        // Layers of these names would be the user's own, and have the fields that all layers have.
        class => {
            let of_functions = match layer.module.as_deref() {
                Some(module) => module.contains(".ops.") && is_of_a_library(module),
                // Whole-model files of Keras 3 name no modules.
                None => layer.config["trainable"].is_null() && is_function(layer, class),
            };
            (of_functions && !layer.is_own()).then(|| plain(class))
        }
    }
}

/// Whether a class without the fields of a layer is a function: by its name, or by numbers among its
/// arguments.
fn is_function(layer: &LayerConfig, class: &str) -> bool {
    let functions = [
        "Abs",
        "Absolute",
        "Cast",
        "Clip",
        "Divide",
        "Elu",
        "Exp",
        "ExpandDims",
        "Gelu",
        "GetItem",
        "Greater",
        "GreaterEqual",
        "HardSigmoid",
        "HardSilu",
        "HardTanh",
        "LeakyRelu",
        "Less",
        "LessEqual",
        "LogSigmoid",
        "LogSoftmax",
        "Max",
        "Mean",
        "Negative",
        "Relu",
        "Relu6",
        "Selu",
        "Sigmoid",
        "Sign",
        "Silu",
        "Softplus",
        "Softsign",
        "Square",
        "Squeeze",
        "Sum",
        "Tanh",
        "Transpose",
        "TrueDivide",
        "Where",
    ];
    let has_numbers = || {
        let arguments = layer.calls.iter().flat_map(|call| &call.arguments);
        arguments.clone().any(|(_, argument)| matches!(argument, Argument::Value(value) if !value.is_null()))
    };
    match class {
        "Add" | "Subtract" | "Multiply" | "Maximum" | "Minimum" => has_numbers(),
        "Reshape" => layer.config.get("newshape").is_some(),
        class => functions.contains(&class),
    }
}

/// The arguments of a call.
struct Arguments<'l> {
    layer: &'l Layer<'l>,
    arguments: &'l [(Option<String>, Argument)],
}

impl Arguments<'_> {
    /// The argument of a place or name.
    fn get(&self, place: usize, names: &[&str]) -> Option<&Argument> {
        let named =
            self.arguments.iter().find(|(key, _)| key.as_deref().is_some_and(|key| names.contains(&key)));
        let by_place = || self.arguments.iter().filter(|(key, _)| key.is_none()).nth(place);
        named.or_else(by_place).map(|(_, argument)| argument)
    }

    /// An argument that is no tensor, or the field of the configuration that holds it.
    fn value(&self, place: usize, names: &[&str]) -> &Value {
        match self.get(place, names) {
            Some(Argument::Value(value)) => value,
            _ => names
                .iter()
                .map(|name| self.layer.fields().get(name))
                .find(|v| !v.is_null())
                .unwrap_or(&Value::Null),
        }
    }

    fn term(&self, place: usize, names: &[&str]) -> Built<Term> {
        match self.get(place, names) {
            Some(&Argument::Tensor(at)) => self
                .layer
                .reads
                .get(at)
                .map(|&read| Term::Tensor(read))
                .ok_or_else(|| "it is called with a tensor that is not there".to_owned().into()),
            Some(Argument::Value(value)) => constant(value).map_err(Into::into),
            None => constant(self.value(place, names)).map_err(Into::into),
        }
    }

    fn number(&self, place: usize, names: &[&str], default: f64) -> Result<f32, String> {
        match self.value(place, names) {
            Value::Null => Ok(default as f32),
            value => value.as_f64().map(|x| x as f32).ok_or_else(|| {
                format!("{} is {}, expected a number", names.first().unwrap_or(&"an argument"), brief(value))
            }),
        }
    }
}

/// A number, or a list of them along the last axis.
fn constant(json: &Value) -> Result<Term, String> {
    let mut list = Fields(json).value();
    while let Some([inner @ Value::Array(_)]) = list.as_array().map(Vec::as_slice) {
        list = inner;
    }
    let wrong =
        || format!("it is called with {}, expected a tensor, a number or a list of numbers", brief(json));
    match list {
        Value::Array(numbers) if !numbers.is_empty() => {
            let row: Option<Vec<f32>> = numbers.iter().map(|x| x.as_f64().map(|x| x as f32)).collect();
            match row.ok_or_else(wrong)? {
                row if row.len() == 1 => Ok(Term::Number(f64::from(row[0]))),
                row => Ok(Term::Row(Arc::new(Array::vector(row)))),
            }
        }
        one => one.as_f64().map(Term::Number).ok_or_else(wrong),
    }
}

impl Builder<'_> {
    /// Builds a call of the function `name`.
    pub(super) fn operation(&mut self, layer: &Layer<'_>, call: usize, name: &str) -> Built<NodeIndex> {
        let arguments = &layer.config.calls[call].arguments;
        let args = Arguments { layer, arguments };
        let keeps = [
            "truediv",
            "truedivide",
            "divide",
            "cast",
            "identity",
            "stopgradient",
            "reshape",
            "transpose",
            "getitem",
            "expanddims",
            "squeeze",
            "concat",
            "concatenate",
        ];
        if layer.reads.iter().any(|read| self.integers.contains(read)) && !keeps.contains(&name) {
            return Err(
                "it computes with integers, which Keras may do in their own type, where numbers wrap \
                around; expected float32: set the dtype of the model's inputs, or divide first"
                    .to_owned()
                    .into(),
            );
        }
        let binary = match name {
            "add" | "addv2" | "radd" => Some((Binary::Add, false)),
            "subtract" | "sub" => Some((Binary::Subtract, false)),
            "rsub" => Some((Binary::Subtract, true)),
            "multiply" | "mul" | "rmul" => Some((Binary::Multiply, false)),
            "truediv" | "truedivide" | "divide" | "div" | "realdiv" => Some((Binary::Divide, false)),
            "maximum" => Some((Binary::Maximum, false)),
            "minimum" => Some((Binary::Minimum, false)),
            _ => None,
        };
        if let Some((op, turned)) = binary {
            let (a, b) = (args.term(0, &["x", "x1", "a"])?, args.term(1, &["y", "x2", "b"])?);
            let (a, b) = if turned { (b, a) } else { (a, b) };
            return match self.combine(layer, op, a, b)? {
                Term::Tensor(node) => Ok(node),
                _ => Err("it computes with numbers alone, expected a tensor".to_owned().into()),
            };
        }
        let function = |function: Function| Ok(LayerOp::Function(function));
        let op: Result<LayerOp, String> = match name {
            "sign" => Ok(LayerOp::Quantize(Quantizer::Ternary)),
            "stopgradient" | "identity" | "cast" | "checknumerics" | "ensureshape" => {
                return self.unchanged(layer, name, &args);
            }
            "negative" | "neg" => Ok(LayerOp::Rescale { scale: -1.0, offset: 0.0 }),
            "abs" | "absolute" => function(Function::Abs),
            "square" => function(Function::Square),
            "clip" | "clipbyvalue" => {
                let low = args.number(1, &["clip_value_min", "x_min", "min"], f64::NEG_INFINITY)?;
                let high = args.number(2, &["clip_value_max", "x_max", "max"], f64::INFINITY)?;
                if low > high {
                    return Err(
                        format!("it clips to {low} and {high}, expected the smaller number first").into()
                    );
                }
                function(Function::Clip { low, high })
            }
            "leakyrelu" => {
                let slope = args.number(1, &["alpha", "negative_slope"], 0.2)?;
                if slope < 0.0 {
                    return Err(format!("its slope is {slope}, expected no negative number").into());
                }
                function(Function::Relu { slope, max: None })
            }
            "elu" => function(Function::Elu { alpha: args.number(1, &["alpha"], 1.0)?.max(0.0) }),
            "gelu" => {
                let approximate = args.value(1, &["approximate"]).as_bool().unwrap_or(self.origin.keras >= 3);
                function(Function::Gelu { approximate })
            }
            "softmax" | "logsoftmax" => {
                let rank =
                    layer.reads.first().and_then(|&read| self.shape(read)).map(|shape| shape.len() as i64);
                let axis = args.value(1, &["axis"]).as_i64().unwrap_or(-1);
                if axis != -1 && rank != Some(axis) {
                    return Err(format!("axis is {axis}, expected the last").into());
                }
                function(if name == "softmax" { Function::Softmax } else { Function::LogSoftmax })
            }
            "greater" | "greaterequal" | "less" | "lessequal" => return self.comparison(layer, name, &args),
            "where" => return self.choice(layer, &args),
            "reshape" => return self.reshape_to(layer, &args),
            "transpose" => return self.transpose_by(layer, &args),
            "expanddims" | "squeeze" => return self.axis_of_one(layer, name, &args),
            "concat" | "concatenate" => {
                let axis = args.value(usize::MAX, &["axis"]).as_i64();
                // tf.concat([a, b], 1): the only argument that is no tensor.
                let numbers = arguments.iter().find_map(|(_, a)| match a {
                    Argument::Value(value) => value.as_i64(),
                    Argument::Tensor(_) => None,
                });
                return self.concatenate_along(layer, axis.or(numbers).unwrap_or(-1));
            }
            "getitem" => {
                let items = arguments.iter().filter_map(|(_, argument)| match argument {
                    Argument::Value(Value::Array(list)) => Some(list.clone()),
                    Argument::Value(item) if !item.is_null() => Some(vec![item.clone()]),
                    _ => None,
                });
                return self.sliced(layer, &items.flatten().collect::<Vec<_>>());
            }
            "addn" => return self.merge(layer, "Add"),
            "reducemean" | "mean" | "reducemax" | "max" | "reducesum" | "sum" | "amax" => {
                return self.reduction(layer, name, &args);
            }
            _ => {
                // Names as Keras has them, but for underscores.
                let known = [
                    "relu", "relu6", "sigmoid", "tanh", "selu", "softplus", "softsign", "silu", "swish",
                    "mish",
                ];
                let with_underscores = [
                    ("hardtanh", "hard_tanh"),
                    ("hardsilu", "hard_silu"),
                    ("exp", "exponential"),
                    ("logsigmoid", "log_sigmoid"),
                    ("hardsigmoid", "hard_sigmoid"),
                ];
                let keras = known.iter().find(|known| **known == name).copied().or_else(|| {
                    with_underscores.iter().find(|(plain, _)| *plain == name).map(|(_, keras)| *keras)
                });
                match keras.and_then(|keras| functions::by_name(keras, self.origin.keras)) {
                    Some(known) => function(known),
                    None => return Err(super::unsupported::unsupported_function(layer.config, name).into()),
                }
            }
        };
        let read = layer.only_read()?;
        self.add(layer, op?, &[read])
    }

    /// Functions that change nothing, and casts to float32.
    fn unchanged(&mut self, layer: &Layer<'_>, name: &str, args: &Arguments<'_>) -> Built<NodeIndex> {
        if name == "cast" {
            let dtype = args.value(1, &["dtype"]);
            if !matches!(dtype.as_str(), Some("float32" | "float")) {
                return Err(format!("it casts to {}, expected float32", brief(dtype)).into());
            }
        }
        let read = layer.only_read()?;
        let node = self.add(layer, LayerOp::NoOp, &[read])?;
        if name == "cast" {
            self.integers.remove(&node);
        }
        Ok(node)
    }

    /// `x >= c` and its kin with a number: 0 or 1.
    fn comparison(&mut self, layer: &Layer<'_>, name: &str, args: &Arguments<'_>) -> Built<NodeIndex> {
        let (a, b) = (args.term(0, &["x", "x1", "a"])?, args.term(1, &["y", "x2", "b"])?);
        let (read, at, name) = match (a, b) {
            (Term::Tensor(x), Term::Number(c)) => (x, c as f32, name),
            (Term::Number(c), Term::Tensor(x)) => {
                let turned = match name {
                    "greater" => "less",
                    "less" => "greater",
                    "greaterequal" => "lessequal",
                    _ => "greaterequal",
                };
                (x, c as f32, turned)
            }
            _ => return Err("it compares two tensors, expected a tensor and a number".to_owned().into()),
        };
        let (quantizer, sign) = match name {
            "greaterequal" => (Quantizer::From { at }, 0.5),
            "greater" => (Quantizer::Above { at }, 0.5),
            "less" => (Quantizer::From { at }, -0.5),
            _ => (Quantizer::Above { at }, -0.5),
        };
        let fires = self.add(layer, LayerOp::Quantize(quantizer), &[read])?;
        self.add(layer, LayerOp::Rescale { scale: sign, offset: 0.5 }, &[fires])
    }

    /// `where(condition, a, b)` with numbers: a line of the condition's 0 and 1.
    fn choice(&mut self, layer: &Layer<'_>, args: &Arguments<'_>) -> Built<NodeIndex> {
        let condition = args.term(0, &["condition"])?;
        let (a, b) = (args.term(1, &["x", "x1"])?, args.term(2, &["y", "x2"])?);
        let (Term::Tensor(condition), Term::Number(a), Term::Number(b)) = (condition, a, b) else {
            return Err("where chooses between tensors, expected two numbers: where(x >= 0, 1.0, -1.0)"
                .to_owned()
                .into());
        };
        if !self.is_comparison(condition) {
            return Err("where reads no comparison with a number, expected where(x >= 0, 1.0, -1.0)"
                .to_owned()
                .into());
        }
        let (scale, offset) = ((a - b) as f32, b as f32);
        self.add(layer, LayerOp::Rescale { scale, offset }, &[condition])
    }

    /// Whether a node is what [`Builder::comparison`] makes.
    fn is_comparison(&self, node: NodeIndex) -> bool {
        let op = |node: NodeIndex| &self.graph.graph[node].op;
        matches!(op(node), LayerOp::Rescale { scale, offset: 0.5 } if scale.abs() == 0.5)
            && matches!(
                self.graph.inputs_of(node)[..],
                [read]
                    if matches!(
                        op(read),
                        LayerOp::Quantize(Quantizer::From { .. } | Quantizer::Above { .. })
                    )
            )
    }

    /// `reshape(x, (-1, n))`: the first length is the batch's.
    fn reshape_to(&mut self, layer: &Layer<'_>, args: &Arguments<'_>) -> Built<NodeIndex> {
        let json = args.value(1, &["shape", "newshape"]);
        let read = layer.only_read()?;
        let axis = |axis: &Value| match axis.as_i64() {
            Some(-1) => Some(None),
            Some(n) if n > 0 => usize::try_from(n).ok().map(Some),
            None if axis.is_null() => Some(None),
            _ => None,
        };
        let axes = json.as_array().and_then(|list| list.iter().map(axis).collect::<Option<Vec<_>>>());
        let count = self.shape(read).map(|shape| shape.iter().product::<usize>());
        match axes.as_deref() {
            // (-1, 28, 28): the rest makes up a sample.
            Some([None, target @ ..]) if !target.is_empty() => {
                let known: usize = target.iter().flatten().product();
                let all_known = target.iter().all(Option::is_some);
                if all_known && count.is_some_and(|count| count != known) {
                    return Err(format!(
                        "it reshapes to {json}, which mixes samples of {} numbers",
                        count.unwrap_or(0)
                    )
                    .into());
                }
                self.add(layer, LayerOp::Reshape { target: Some(target.to_vec()) }, &[read])
            }
            _ => Err(format!(
                "it reshapes to {}, expected -1 for the batch and the lengths of a sample",
                brief(json)
            )
            .into()),
        }
    }

    /// `transpose(x, (0, 3, 1, 2))`: the batch stays first.
    fn transpose_by(&mut self, layer: &Layer<'_>, args: &Arguments<'_>) -> Built<NodeIndex> {
        let json = args.value(1, &["perm", "axes"]);
        let read = layer.only_read()?;
        let axes: Option<Vec<usize>> = json
            .as_array()
            .and_then(|list| list.iter().map(|axis| axis.as_u64().map(|axis| axis as usize)).collect());
        match axes.as_deref() {
            Some([0, axes @ ..]) if axes.iter().all(|&axis| axis > 0) => {
                let axes: Vec<usize> = axes.iter().map(|axis| axis - 1).collect();
                self.transposed(layer, read, &axes)
            }
            _ => Err(format!(
                "it transposes by {}, expected a list of axes that begins with 0, the batch",
                brief(json)
            )
            .into()),
        }
    }

    /// `expand_dims` and `squeeze`, of any axis but the batch.
    fn axis_of_one(&mut self, layer: &Layer<'_>, name: &str, args: &Arguments<'_>) -> Built<NodeIndex> {
        let json = args.value(1, &["axis"]);
        let read = layer.only_read()?;
        let Some(shape) = self.shape(read).map(<[usize]>::to_vec) else {
            return self.add(layer, LayerOp::NoOp, &[read]);
        };
        let axis = match json {
            Value::Array(list) if list.len() == 1 => list[0].as_i64(),
            one => one.as_i64(),
        };
        let grows = name == "expanddims";
        let rank = (shape.len() + usize::from(grows)) as i64;
        let place = axis.map(|axis| if axis < 0 { axis + rank } else { axis - 1 });
        let place = place.and_then(|place| usize::try_from(place).ok()).filter(|_| axis != Some(0));
        let mut target: Vec<usize> = shape.clone();
        match place {
            Some(place) if grows && place <= shape.len() => target.insert(place, 1),
            Some(place) if !grows && shape.get(place) == Some(&1) && shape.len() > 1 => {
                target.remove(place);
            }
            _ => {
                return Err(format!(
                    "axis is {} of a sample of shape {shape:?}, expected one that fits",
                    brief(json)
                )
                .into());
            }
        }
        let target = Some(target.into_iter().map(Some).collect());
        self.add(layer, LayerOp::Reshape { target }, &[read])
    }

    /// Means, sums and maxima over the image axes.
    fn reduction(&mut self, layer: &Layer<'_>, name: &str, args: &Arguments<'_>) -> Built<NodeIndex> {
        let json = args.value(1, &["axis"]);
        let keep_axes = args.value(2, &["keepdims"]).as_bool().unwrap_or(false);
        let read = layer.only_read()?;
        let Some(shape) = self.shape(read).map(<[usize]>::to_vec) else {
            return self.add(layer, LayerOp::NoOp, &[read]);
        };
        let rank = shape.len() as i64;
        let axis = |axis: &Value| {
            let axis = axis.as_i64()?;
            usize::try_from(if axis < 0 { axis + rank } else { axis - 1 }).ok().filter(|_| axis != 0)
        };
        let axes: Option<Vec<usize>> = match json {
            Value::Array(list) => list.iter().map(axis).collect(),
            one => axis(one).map(|axis| vec![axis]),
        };
        let mut axes = axes.unwrap_or_default();
        axes.sort_unstable();
        // Axes that are next to each other become the rows of an image of one column.
        let run = axes.windows(2).all(|pair| pair[1] == pair[0] + 1);
        let (Some(&first), Some(&last), true) = (axes.first(), axes.last(), run) else {
            return Err(format!(
                "axis is {} of a sample of shape {shape:?}, expected image axes",
                brief(json)
            )
            .into());
        };
        if first != 0 || last + 1 != shape.len() - 1 {
            return Err(format!(
                "axis is {} of a sample of shape {shape:?}, expected all axes but the batch and the \
                 channels, as in global pooling",
                brief(json)
            )
            .into());
        }
        let pixels: usize = shape[first..=last].iter().product();
        let channels = shape[shape.len() - 1];
        let image = vec![Some(pixels), Some(1), Some(channels)];
        let image = self.add(layer, LayerOp::Reshape { target: Some(image) }, &[read])?;
        let pool = Pool::Global { keep_axes: false };
        let mut made = match name {
            "reducemax" | "max" | "amax" => self.add(layer, LayerOp::MaxPool2d(pool), &[image])?,
            _ => self.add(layer, LayerOp::AveragePool2d(pool), &[image])?,
        };
        if matches!(name, "reducesum" | "sum") {
            made = self.add(layer, LayerOp::Rescale { scale: pixels as f32, offset: 0.0 }, &[made])?;
        }
        if keep_axes {
            let target = vec![Some(1); last + 1].into_iter().chain([Some(channels)]).collect();
            made = self.add(layer, LayerOp::Reshape { target: Some(target) }, &[made])?;
        }
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn layer(class: &str, module: Option<&str>, config: Value) -> LayerConfig {
        LayerConfig {
            class: class.into(),
            kind: class.into(),
            registered: None,
            module: module.map(str::to_owned),
            name: "l".into(),
            wrapper: None,
            config,
            calls: vec![],
            nested: None,
        }
    }

    #[test]
    fn functions_are_no_layers_of_the_same_name() {
        let of = |class: &str, module: Option<&str>, config: Value| name(&layer(class, module, config));
        let sign = Some("sign".to_owned());
        assert_eq!(of("Sign", None, json!({ "name": "sign" })), sign);
        assert_eq!(of("Sign", None, json!({ "name": "sign", "trainable": true })), None);
        assert_eq!(of("TFOpLambda", None, json!({ "trainable": true, "function": "math.sign" })), sign);
        assert_eq!(of("TrueDivide", Some("keras.src.ops.numpy"), json!({})).as_deref(), Some("truedivide"));
        for class in ["Subtract", "Reshape", "InputLayer"] {
            assert_eq!(of(class, Some("keras.layers"), json!({})), None);
            assert_eq!(of(class, None, json!({})), None);
            assert_eq!(of(class, Some("mine.ops.layers"), json!({})), None);
        }
        assert_eq!(of("Subtract", Some("keras.src.ops.numpy"), json!({})).as_deref(), Some("subtract"));
    }

    #[test]
    fn constants_are_numbers_or_rows() {
        assert!(matches!(constant(&json!(2)), Ok(Term::Number(2.0))));
        assert!(matches!(constant(&json!([[0.5]])), Ok(Term::Number(0.5))));
        assert!(matches!(constant(&json!([[1.0, 2.0]])), Ok(Term::Row(row)) if row.data == [1.0, 2.0]));
        for wrong in [json!("x"), json!([[1.0], [2.0]]), json!([]), Value::Null] {
            assert!(constant(&wrong).is_err(), "{wrong}");
        }
    }
}
