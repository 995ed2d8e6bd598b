//! The model's configuration: layers with their classes, names and connections, from Keras 2 and Keras 3 JSON.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::KerasError;

/// Most layers of a model.
const MAX_LAYERS: usize = 4096;

/// A model as configured.
#[derive(Clone, Debug)]
pub struct ModelConfig {
    /// The layers, each after all layers that it reads.
    pub layers: Vec<LayerConfig>,
    /// Index of the layer that gives the output.
    pub output: usize,
}

/// A layer as configured.
#[derive(Clone, Debug)]
pub struct LayerConfig {
    /// Class name without package, such as `QuantDense`.
    pub class: String,
    /// The name that Keras registered the class under, such as `bnn>BinaryDense`, if it gave one.
    pub registered: Option<String>,
    /// Layer name.
    pub name: String,
    /// The `config` object.
    pub config: Value,
    /// Indices of the layers read; none for an input.
    pub inputs: Vec<usize>,
    /// The layer's place among the configured layers, which names its weights in `.keras` files.
    pub position: usize,
}

/// Reads the configuration.
///
/// # Errors
/// [`KerasError::Config`].
pub fn parse(json: &Value, file: &str) -> Result<ModelConfig, KerasError> {
    Parser { file }.model(json)
}

struct Parser<'a> {
    file: &'a str,
}

impl Parser<'_> {
    fn error(&self, reason: String) -> KerasError {
        KerasError::Config { file: self.file.into(), reason }
    }

    fn model(&self, json: &Value) -> Result<ModelConfig, KerasError> {
        let class = json["class_name"].as_str().unwrap_or_default();
        match class {
            "Sequential" => self.sequential(&json["config"]),
            "Functional" | "Model" => self.functional(&json["config"]),
            _ => {
                Err(self.error(format!("the model is of class {class:?}, expected Sequential or Functional")))
            }
        }
    }

    fn layer(&self, json: &Value, position: usize) -> Result<LayerConfig, KerasError> {
        let class = json["class_name"].as_str();
        let class = class.ok_or_else(|| self.error(format!("layer {position} has no class_name")))?;
        let config = json["config"].clone();
        let name = json["name"].as_str().or_else(|| config["name"].as_str());
        let name = name.ok_or_else(|| self.error(format!("layer {position} ({class}) has no name")))?;
        let class = class.rsplit('>').next().unwrap_or(class).to_owned();
        let registered = json["registered_name"].as_str().map(str::to_owned);
        Ok(LayerConfig { class, registered, name: name.into(), config, inputs: vec![], position })
    }

    fn layers(&self, list: &Value) -> Result<Vec<LayerConfig>, KerasError> {
        let list = list.as_array().ok_or_else(|| self.error("there is no list of layers".into()))?;
        if list.is_empty() || list.len() > MAX_LAYERS {
            return Err(self.error(format!("{} layers, expected 1 to {MAX_LAYERS}", list.len())));
        }
        let layers: Vec<LayerConfig> =
            list.iter().enumerate().map(|(i, json)| self.layer(json, i)).collect::<Result<_, _>>()?;
        let mut names = HashSet::new();
        match layers.iter().find(|layer| !names.insert(&layer.name)) {
            Some(twice) => Err(self.error(format!("two layers have the name {:?}", twice.name))),
            None => Ok(layers),
        }
    }

    /// A chain. Old files have no InputLayer: the first layer names the input's shape.
    fn sequential(&self, config: &Value) -> Result<ModelConfig, KerasError> {
        // Keras before 2.2.3 saved the bare list.
        let list = if config.is_array() { config } else { &config["layers"] };
        let mut layers = self.layers(list)?;
        if layers[0].class != "InputLayer" {
            let shape =
                ["batch_input_shape", "batch_shape"].into_iter().find_map(|key| layers[0].config.get(key));
            let shape = match shape {
                Some(shape) => shape.clone(),
                None => config.get("build_input_shape").cloned().ok_or_else(|| {
                    self.error("the input shape is not known; build the model before it is saved".into())
                })?,
            };
            let input = LayerConfig {
                class: "InputLayer".into(),
                registered: None,
                name: "input".into(),
                config: serde_json::json!({ "batch_input_shape": shape }),
                inputs: vec![],
                position: usize::MAX,
            };
            layers.insert(0, input);
        }
        for (i, layer) in layers.iter_mut().enumerate().skip(1) {
            layer.inputs = vec![i - 1];
        }
        let output = layers.len() - 1;
        Ok(ModelConfig { layers, output })
    }

    fn functional(&self, config: &Value) -> Result<ModelConfig, KerasError> {
        let list = &config["layers"];
        let mut layers = self.layers(list)?;
        let index: HashMap<String, usize> =
            layers.iter().enumerate().map(|(i, layer)| (layer.name.clone(), i)).collect();
        let find = |name: &str, of: &str| {
            index
                .get(name)
                .copied()
                .ok_or_else(|| self.error(format!("{of} reads the layer {name:?}, which does not exist")))
        };
        for (i, layer) in layers.iter_mut().enumerate() {
            let nodes = list[i]["inbound_nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
            if nodes.len() > 1 {
                return Err(self.error(format!(
                    "layer {:?} is called {} times, shared layers are not supported yet",
                    layer.name,
                    nodes.len()
                )));
            }
            for node in nodes {
                let mut names = Vec::new();
                tensors(node, &mut names);
                layer.inputs = names
                    .iter()
                    .map(|name| find(name, &format!("layer {:?}", layer.name)))
                    .collect::<Result<_, _>>()?;
            }
        }
        let mut outputs = Vec::new();
        match &config["output_layers"] {
            // Keras 3 with one output: ["name", 0, 0].
            Value::Array(flat) if flat.first().is_some_and(Value::is_string) => {
                outputs.extend(flat[0].as_str().map(str::to_owned));
            }
            other => tensors(other, &mut outputs),
        }
        let [output] = outputs.as_slice() else {
            return Err(
                self.error(format!("the model has {} outputs {outputs:?}, expected 1", outputs.len()))
            );
        };
        let output = find(output, "the model's output")?;
        self.sort(layers, output)
    }

    /// Puts the layers that the output needs into topological order.
    fn sort(&self, layers: Vec<LayerConfig>, output: usize) -> Result<ModelConfig, KerasError> {
        // Depth-first with an explicit stack: a hostile file may be deep, and may have cycles.
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            Open,
            Done,
        }
        let mut mark = vec![Mark::New; layers.len()];
        let mut order = Vec::new();
        let mut stack = vec![(output, 0usize)];
        mark[output] = Mark::Open;
        while let Some((at, next)) = stack.pop() {
            match layers[at].inputs.get(next) {
                None => {
                    mark[at] = Mark::Done;
                    order.push(at);
                }
                Some(&read) => {
                    stack.push((at, next + 1));
                    match mark[read] {
                        Mark::New => {
                            mark[read] = Mark::Open;
                            stack.push((read, 0));
                        }
                        Mark::Open => {
                            return Err(
                                self.error(format!("layer {:?} depends on itself", layers[read].name))
                            );
                        }
                        Mark::Done => {}
                    }
                }
            }
        }
        let place: HashMap<usize, usize> = order.iter().enumerate().map(|(new, &old)| (old, new)).collect();
        let sorted = order
            .iter()
            .map(|&old| {
                let mut layer = layers[old].clone();
                layer.inputs.iter_mut().for_each(|read| *read = place[read]);
                layer
            })
            .collect();
        Ok(ModelConfig { layers: sorted, output: place[&output] })
    }
}

/// The layer names in `inbound_nodes` or `output_layers`: Keras 2 `["name", 0, 0, ...]`, Keras 3 `__keras_tensor__`.
fn tensors(json: &Value, names: &mut Vec<String>) {
    match json {
        Value::Array(list) => match list.first() {
            Some(Value::String(name)) => names.push(name.clone()),
            _ => list.iter().for_each(|item| tensors(item, names)),
        },
        Value::Object(object) => {
            if object.get("class_name").and_then(Value::as_str) == Some("__keras_tensor__") {
                let name = json["config"]["keras_history"][0].as_str();
                names.extend(name.map(str::to_owned));
            } else {
                ["args", "kwargs"]
                    .iter()
                    .filter_map(|key| object.get(*key))
                    .for_each(|part| tensors(part, names));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn functional(layers: Value, output: Value) -> Result<ModelConfig, KerasError> {
        parse(
            &json!({ "class_name": "Functional", "config": { "layers": layers, "output_layers": output } }),
            "m",
        )
    }

    fn layer(name: &str, reads: Value) -> Value {
        json!({ "class_name": "Dense", "name": name, "config": { "name": name }, "inbound_nodes": reads })
    }

    #[test]
    fn both_forms_of_connections_are_read_in_topological_order() {
        let tensor = |name: &str| json!({ "class_name": "__keras_tensor__", "config": { "keras_history": [name, 0, 0] } });
        let keras2 = functional(
            json!([
                layer("b", json!([[["a", 0, 0, {}]]])),
                layer("a", json!([])),
                layer("unused", json!([]))
            ]),
            json!([["b", 0, 0]]),
        );
        let keras3 = functional(
            json!([layer("b", json!([{ "args": [[tensor("a")]], "kwargs": {} }])), layer("a", json!([]))]),
            json!(["b", 0, 0]),
        );
        for model in [keras2, keras3] {
            let model = model.expect("valid");
            let names: Vec<_> = model.layers.iter().map(|l| l.name.as_str()).collect();
            assert_eq!((names.as_slice(), model.output), (&["a", "b"][..], 1));
            assert_eq!(model.layers[1].inputs, [0]);
        }
    }

    #[test]
    fn malformed_graphs_are_refused() {
        let reason = |model: Result<ModelConfig, KerasError>| model.expect_err("malformed").to_string();
        let cycle = json!([layer("a", json!([[["b", 0, 0, {}]]])), layer("b", json!([[["a", 0, 0, {}]]]))]);
        assert!(reason(functional(cycle, json!([["b", 0, 0]]))).contains("depends on itself"));
        let twice = json!([layer("a", json!([])), layer("a", json!([]))]);
        assert!(reason(functional(twice, json!([["a", 0, 0]]))).contains("two layers"));
        let dangling = json!([layer("a", json!([[["nowhere", 0, 0, {}]]]))]);
        assert!(reason(functional(dangling, json!([["a", 0, 0]]))).contains("nowhere"));
        assert!(reason(functional(json!([]), json!([]))).contains("0 layers"));
        let two = json!([layer("a", json!([])), layer("b", json!([]))]);
        assert!(reason(functional(two, json!([["a", 0, 0], ["b", 0, 0]]))).contains("2 outputs"));
        assert!(reason(parse(&json!({ "class_name": "Subclassed" }), "m")).contains("Subclassed"));
    }
}
