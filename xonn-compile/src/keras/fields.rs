//! Reading the fields of a layer's configuration, with errors that name the field.

use serde_json::Value;

use super::inbound::brief;
use crate::graph::Padding;

/// A layer's `config` object.
#[derive(Clone, Copy)]
pub struct Fields<'a>(pub &'a Value);

/// Largest number taken for a size, stride or count.
const MAX_NUMBER: u64 = 1 << 26;

impl<'a> Fields<'a> {
    /// The whole object, an array of NumPy's as its numbers.
    pub fn value(self) -> &'a Value {
        match self.0["class_name"].as_str() {
            Some("__numpy__" | "__tensor__") => &self.0["config"]["value"],
            _ => self.0,
        }
    }

    /// The field as it is, an array of NumPy's as its numbers; `null` if it is absent.
    pub fn get(self, key: &str) -> &'a Value {
        Fields(&self.0[key]).value()
    }

    fn wrong(self, key: &str, expected: &str) -> String {
        format!("{key} is {}, expected {expected}", brief(self.get(key)))
    }

    /// A boolean, with a default for files that leave it out.
    pub fn flag(self, key: &str, default: bool) -> Result<bool, String> {
        match self.get(key) {
            Value::Null => Ok(default),
            value => value.as_bool().ok_or_else(|| self.wrong(key, "true or false")),
        }
    }

    /// A text; `None` if it is absent.
    pub fn text(self, key: &str) -> Result<Option<&'a str>, String> {
        match self.get(key) {
            Value::Null => Ok(None),
            value => value.as_str().map(Some).ok_or_else(|| self.wrong(key, "a text")),
        }
    }

    /// A finite number, with a default for files that leave it out.
    pub fn number(self, key: &str, default: Option<f64>) -> Result<f64, String> {
        let value = match self.get(key) {
            Value::Null => default,
            // A constant may be wrapped into a list of one element.
            Value::Array(list) if list.len() == 1 => list[0].as_f64(),
            value => value.as_f64(),
        };
        value.filter(|v| v.is_finite()).ok_or_else(|| self.wrong(key, "one number"))
    }

    /// A positive integer.
    pub fn count(self, key: &str, default: Option<usize>) -> Result<usize, String> {
        let value = match self.get(key) {
            Value::Null => default,
            value => count(value),
        };
        value.ok_or_else(|| self.wrong(key, "a positive integer"))
    }

    /// Sizes along the image axes: one number for all, or one each. 1D layers get 1 for the rows.
    pub fn sizes(self, key: &str, axes: usize, default: Option<[usize; 2]>) -> Result<[usize; 2], String> {
        let expected = if axes == 1 { "a positive integer" } else { "a positive integer or two of them" };
        let wrong = || self.wrong(key, expected);
        let list: Vec<usize> = match self.get(key) {
            Value::Null => return default.ok_or_else(wrong),
            Value::Array(list) => list.iter().map(count).collect::<Option<_>>().ok_or_else(wrong)?,
            value => vec![count(value).ok_or_else(wrong)?; axes],
        };
        match (axes, list.as_slice()) {
            (1, &[columns]) => Ok([1, columns]),
            (2, &[rows, columns]) => Ok([rows, columns]),
            _ => Err(wrong()),
        }
    }

    /// `padding`: `valid` (the default), `same`, or for 1D layers `causal`.
    pub fn padding(self, axes: usize) -> Result<Padding, String> {
        match self.text("padding")?.map(str::to_ascii_lowercase).as_deref() {
            None | Some("valid") => Ok(Padding::Valid),
            Some("same") => Ok(Padding::Same),
            Some("causal") if axes == 1 => Ok(Padding::Causal),
            _ => {
                Err(self.wrong("padding", if axes == 1 { "valid, same or causal" } else { "valid or same" }))
            }
        }
    }

    /// Whether `data_format` is `channels_first`.
    pub fn channels_first(self) -> Result<bool, String> {
        match self.text("data_format")? {
            None | Some("channels_last") => Ok(false),
            Some("channels_first") => Ok(true),
            _ => Err(self.wrong("data_format", "channels_last or channels_first")),
        }
    }

    /// Whether an input takes numbers that float32 holds as they are.
    pub fn check_input_dtype(self) -> Result<(), String> {
        let exact = ["uint8", "int8", "uint16", "int16", "int32", "int64", "uint32", "bool"];
        match self.get("dtype") {
            Value::String(name) if exact.contains(&name.as_str()) => Ok(()),
            Value::String(name) if name == "string" => {
                Err("dtype is \"string\", expected numbers; turn texts into numbers before the model".into())
            }
            _ => self.check_dtype(),
        }
    }

    /// Whether the layer computes in float64.
    pub fn is_float64(self) -> bool {
        let dtype = self.get("dtype");
        dtype.as_str().or_else(|| dtype["config"]["name"].as_str()) == Some("float64")
    }

    /// Whether it is a layer of Keras 3 with an int8 kernel, quantised from float32.
    pub fn is_int8(self) -> bool {
        let policy = &self.get("dtype")["config"];
        policy["mode"] == "int8" && matches!(policy["source_name"].as_str(), None | Some("float32"))
    }

    /// Whether the layer computes in float32, in which all cuts are found.
    pub fn check_dtype(self) -> Result<(), String> {
        let name = match self.get("dtype") {
            Value::Null => return Ok(()),
            Value::String(name) => Some(name.as_str()),
            policy => policy["config"]["name"].as_str(),
        };
        let found = match name {
            // Float64 is noted where it rounds (`rounds_in_float64`).
            Some("float32" | "float64") => return Ok(()),
            _ if self.is_int8() => return Ok(()),
            Some(name) => format!("{name:?}"),
            // A policy for each part of a layer, or one with integer kernels.
            None => brief(self.get("dtype")),
        };
        Err(format!(
            "dtype is {found}, expected float32, for another precision rounds in other places; set the \
             layer's dtype to float32, check its accuracy and save it again"
        ))
    }
}

fn count(value: &Value) -> Option<usize> {
    value.as_u64().filter(|n| (1..=MAX_NUMBER).contains(n)).and_then(|n| usize::try_from(n).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sizes_come_in_several_forms() {
        let json = json!({ "a": 3, "b": [2, 5], "c": [4], "d": 0, "e": 1e30, "f": [1, 2, 3] });
        let f = Fields(&json);
        assert_eq!(f.sizes("a", 2, None), Ok([3, 3]));
        assert_eq!(f.sizes("b", 2, None), Ok([2, 5]));
        assert_eq!(f.sizes("c", 1, None), Ok([1, 4]));
        assert_eq!(f.sizes("a", 1, None), Ok([1, 3]));
        assert_eq!(f.sizes("absent", 2, Some([1, 1])), Ok([1, 1]));
        for key in ["d", "e", "f", "c", "absent"] {
            assert!(f.sizes(key, 2, None).unwrap_err().starts_with(key));
        }
    }

    #[test]
    fn precisions_other_than_float32_are_refused() {
        let policy =
            |name: &str| json!({ "dtype": { "class_name": "DTypePolicy", "config": { "name": name } } });
        assert_eq!(Fields(&policy("float32")).check_dtype(), Ok(()));
        assert_eq!(Fields(&json!({ "dtype": "float32" })).check_dtype(), Ok(()));
        assert_eq!(Fields(&json!({ "dtype": "uint8" })).check_input_dtype(), Ok(()));
        assert!(Fields(&json!({ "dtype": "uint8" })).check_dtype().is_err());
        assert!(Fields(&json!({ "dtype": "string" })).check_input_dtype().is_err());
        assert!(Fields(&policy("mixed_bfloat16")).check_dtype().unwrap_err().contains("float32"));
    }
}
