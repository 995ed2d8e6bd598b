//! `inbound_nodes`, `input_layers` and `output_layers`: how a file says which tensors a layer reads.
//!
//! | writer | a call |
//! |---|---|
//! | Keras 2 | `[["conv", 0, 0, {}], ["input_1", 0, 0, {}]]`, the numbers being call and result |
//! | Keras 3 | `{"args": [TENSOR], "kwargs": {}}`, TENSOR of class `__keras_tensor__` |

use serde_json::Value;

/// An argument of a call.
#[derive(Clone, PartialEq, Debug)]
pub enum Argument {
    /// The tensor of this place among those that the call reads.
    Tensor(usize),
    /// Anything else.
    Value(Value),
}

/// Arguments in the order of the call, with the names of those that have one; tensors in lists stand by
/// themselves.
pub type Arguments = Vec<(Option<String>, Argument)>;

/// A call as the file has it.
#[derive(Clone, Default, Debug)]
pub struct RawCall {
    /// The tensors among the arguments.
    pub reads: Vec<RawRef>,
    /// All arguments, for functions that are called outside of layers.
    pub arguments: Arguments,
    /// The other arguments, if any of them means something.
    pub extra: Option<String>,
}

/// A tensor as the file names it.
#[derive(Clone, Debug)]
pub struct RawRef {
    /// The layer's name.
    pub layer: String,
    /// Its call, counted as the writer counts.
    pub node: usize,
    /// Which result.
    pub tensor: usize,
    /// Whether Keras 2 wrote it.
    pub keras2: bool,
}

/// Reads one element of `inbound_nodes`.
///
/// # Errors
/// What is malformed.
pub fn call(json: &Value) -> Result<RawCall, String> {
    let mut call = RawCall::default();
    match json {
        Value::Array(list) => {
            // A single tensor may stand without the list around it.
            let flat = list.first().is_some_and(Value::is_string);
            let tensors = if flat { std::slice::from_ref(json) } else { list.as_slice() };
            for tensor in tensors {
                // A number in the place of a tensor: `1 - x`.
                if tensor.get(0).and_then(Value::as_str) == Some("_CONSTANT_VALUE") {
                    let constant = tensor.get(2).unwrap_or(&Value::Null);
                    call.value(None, constant);
                } else {
                    call.tensor(None, history(tensor, true)?);
                }
                for (key, value) in tensor.get(3).and_then(Value::as_object).into_iter().flatten() {
                    // Each tensor of a list repeats the arguments behind it.
                    if call.arguments.iter().any(|(known, _)| known.as_ref() == Some(key)) {
                        continue;
                    }
                    // Functions outside of layers (TFOpLambda) take further tensors by name.
                    call.keras2(key, value);
                }
            }
        }
        Value::Object(object) => {
            let args = object.get("args").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            for arg in args {
                call.argument(None, arg)?;
            }
            if let Some(kwargs) = object.get("kwargs").and_then(Value::as_object) {
                for (key, arg) in kwargs {
                    call.argument(Some(key), arg)?;
                }
            }
        }
        other => return Err(format!("a call is {}, expected a list or an object", brief(other))),
    }
    Ok(call)
}

impl RawCall {
    fn argument(&mut self, key: Option<&str>, arg: &Value) -> Result<(), String> {
        match arg {
            Value::Object(object)
                if object.get("class_name").and_then(Value::as_str) == Some("__keras_tensor__") =>
            {
                self.tensor(key, history(&arg["config"]["keras_history"], false)?);
            }
            Value::Array(list) if list.iter().any(|item| item.is_object() || item.is_array()) => {
                for item in list {
                    self.argument(key, item)?;
                }
            }
            // Functions of Keras 3 take their inputs by name in a dictionary.
            Value::Object(object) if object.get("class_name").is_none() && object.values().any(is_tensor) => {
                for item in object.values() {
                    self.argument(key, item)?;
                }
            }
            other => self.value(key, other),
        }
        Ok(())
    }

    /// An argument by name of Keras 2: a tensor, a list of tensors, or anything else.
    fn keras2(&mut self, key: &str, value: &Value) {
        let list = value.as_array().filter(|list| !list.is_empty());
        let tensors = list
            .and_then(|list| list.iter().map(|item| history(item, true).ok()).collect::<Option<Vec<_>>>());
        match (history(value, true), tensors) {
            (Ok(tensor), _) => self.tensor(Some(key), tensor),
            (_, Some(tensors)) => tensors.into_iter().for_each(|tensor| self.tensor(Some(key), tensor)),
            _ => self.value(Some(key), value),
        }
    }

    fn tensor(&mut self, key: Option<&str>, tensor: RawRef) {
        self.arguments.push((key.map(str::to_owned), Argument::Tensor(self.reads.len())));
        self.reads.push(tensor);
    }

    fn value(&mut self, key: Option<&str>, value: &Value) {
        self.arguments.push((key.map(str::to_owned), Argument::Value(value.clone())));
        self.note(std::iter::once((key, value)));
    }

    /// Keeps arguments that change what a layer computes. `training` and `mask` are those of ordinary calls
    /// when they are false or absent.
    fn note<'v>(&mut self, arguments: impl Iterator<Item = (Option<&'v str>, &'v Value)>) {
        for (key, value) in arguments {
            let harmless = value.is_null() || (key == Some("training") && value == &Value::Bool(false));
            if !harmless && self.extra.is_none() {
                let text = brief(value);
                self.extra = Some(key.map_or(text.clone(), |key| format!("{key}={text}")));
            }
        }
    }
}

fn is_tensor(json: &Value) -> bool {
    json["class_name"].as_str() == Some("__keras_tensor__")
}

/// Reads `input_layers` or `output_layers`: a list of tensors, one tensor, or a dictionary of tensors in the
/// order of its names, as Keras flattens it.
///
/// # Errors
/// What is malformed.
pub fn tensors(json: &Value) -> Result<Vec<RawRef>, String> {
    match json {
        Value::Array(list) if list.first().is_some_and(Value::is_string) => Ok(vec![history(json, true)?]),
        Value::Array(list) => list.iter().map(|item| history(item, true)).collect(),
        Value::Object(named) => named.values().map(|item| history(item, true)).collect(),
        other => Err(format!("{}, expected a list", brief(other))),
    }
}

/// `["name", call, result]`.
fn history(json: &Value, keras2: bool) -> Result<RawRef, String> {
    let number = |i: usize| json.get(i).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    match (json.get(0).and_then(Value::as_str), number(1), number(2)) {
        (Some(layer), Some(node), Some(tensor)) => Ok(RawRef { layer: layer.into(), node, tensor, keras2 }),
        _ => Err(format!("a tensor is {}, expected [name, call, result]", brief(json))),
    }
}

/// JSON, cut to what fits into a message.
pub fn brief(json: &Value) -> String {
    let text = json.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn arguments_that_matter_are_kept() {
        let extra = |json: Value| call(&json).unwrap().extra;
        assert_eq!(extra(json!([["a", 0, 0, {}]])), None);
        assert_eq!(extra(json!([["a", 0, 0, { "training": false, "mask": null }]])), None);
        assert_eq!(extra(json!([["a", 0, 0, { "training": true }]])).as_deref(), Some("training=true"));
        let tensor = json!({ "class_name": "__keras_tensor__", "config": { "keras_history": ["a", 0, 0] } });
        assert_eq!(extra(json!({ "args": [tensor, 0.5], "kwargs": {} })).as_deref(), Some("0.5"));
        assert_eq!(extra(json!({ "args": [[tensor, tensor]], "kwargs": { "training": null } })), None);
    }

    #[test]
    fn several_tensors_keep_their_order() {
        let named = call(&json!([["x", 0, 0, { "y": ["z", 1, 0], "name": null }]])).unwrap();
        assert_eq!((named.reads.len(), named.reads[1].layer.as_str(), named.extra), (2, "z", None));
        let two = call(&json!([["x", 0, 0, {}], ["y", 2, 1, {}]])).unwrap();
        let seen: Vec<_> = two.reads.iter().map(|r| (r.layer.as_str(), r.node, r.tensor)).collect();
        assert_eq!(seen, [("x", 0, 0), ("y", 2, 1)]);
        assert_eq!(call(&json!(["x", 0, 0, {}])).unwrap().reads.len(), 1);
        assert!(call(&json!([["x", -1, 0]])).is_err());
        assert!(call(&json!(7)).is_err());
    }

    #[test]
    fn outputs_may_be_flat() {
        assert_eq!(tensors(&json!(["a", 0, 0])).unwrap().len(), 1);
        assert_eq!(tensors(&json!([["a", 0, 0], ["b", 0, 0]])).unwrap().len(), 2);
        let named = tensors(&json!({ "b": ["y", 0, 0], "a": ["x", 0, 0] })).unwrap();
        assert_eq!(named.len(), 2);
        assert!(tensors(&json!({ "x": 3 })).is_err());
    }
}
