//! The model's configuration: layers with their classes, names and calls, from Keras 2 and Keras 3 JSON.
//!
//! A layer may be called several times (shared layers) and may be a whole model (nested models). Every
//! reference to a tensor is resolved here to a layer and the number of its call, and the calls are put into
//! topological order.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::KerasError;
use super::classes::{self, Library};
use super::inbound::{self, Arguments, RawCall, RawRef};
use super::quantizer::CustomNames;

/// Most layers of a model, and most calls of layers.
const MAX_LAYERS: usize = 1 << 14;

/// A model as configured.
#[derive(Clone, Debug)]
pub struct ModelConfig {
    /// The layers, in the order of the file.
    pub layers: Vec<LayerConfig>,
    /// All calls of layers, each after those that it reads.
    pub order: Vec<TensorRef>,
    /// The input layers, in the order of the model's arguments.
    pub inputs: Vec<usize>,
    /// The tensors that the model returns.
    pub outputs: Vec<TensorRef>,
    /// The class of a user's own that the model is, if it is no plain Sequential or Functional.
    pub own_class: Option<String>,
}

/// A layer as configured.
#[derive(Clone, Debug)]
pub struct LayerConfig {
    /// Class name without package, such as `QuantDense`.
    pub class: String,
    /// The class that it is taken for: the custom map's meaning of its name, or else the class itself.
    pub kind: String,
    /// The name that Keras registered the class under, such as `bnn>BinaryDense`, if it gave one.
    pub registered: Option<String>,
    /// Where its class comes from, such as `keras.layers`, if the file says so.
    pub module: Option<String>,
    /// Layer name.
    pub name: String,
    /// The class around it that changes nothing, such as `TimeDistributed`.
    pub wrapper: Option<String>,
    /// The `config` object.
    pub config: Value,
    /// Its calls.
    pub calls: Vec<Call>,
    /// The layers of a nested model.
    pub nested: Option<Box<ModelConfig>>,
}

/// One call of a layer.
#[derive(Clone, Default, Debug)]
pub struct Call {
    /// The tensors read.
    pub reads: Vec<TensorRef>,
    /// All arguments, for functions that are called outside of layers.
    pub arguments: Arguments,
    /// Arguments that are no tensors but mean something, as text; such calls of layers are refused.
    pub extra: Option<String>,
}

/// The result of one call of a layer; models return one tensor or, by `tensor`, several.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TensorRef {
    /// Index of the layer.
    pub layer: usize,
    /// Number of its call.
    pub call: usize,
    /// Which of the call's results.
    pub tensor: usize,
}

/// Reads the configuration.
///
/// * `custom`: what the user's own class names mean.
///
/// # Errors
/// [`KerasError::Config`].
pub fn parse(json: &Value, file: &str, custom: &CustomNames) -> Result<ModelConfig, KerasError> {
    Parser { file, custom }.model(json, "the model")
}

/// Whether a class is a model of layers.
#[must_use]
pub fn is_model(class: &str) -> bool {
    matches!(class, "Sequential" | "Functional" | "Model")
}

/// Whether a configuration holds the layers of a model: that of a subclass of Keras's models.
fn holds_layers(config: &Value) -> bool {
    let first = config["layers"].as_array().and_then(|layers| layers.first());
    first.is_some_and(|layer| layer["class_name"].is_string())
}

impl LayerConfig {
    /// Whether the class is the user's own: registered in a package, named by the custom map, or one of
    /// BinaryNet's, which every user has a copy of. Its configuration may lack any field.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.kind != self.class || self.is_registered() || classes::is_of(Library::BinaryNet, &self.class)
    }

    /// Whether the file says that the class is defined in a module that is none of a library's: a user's own
    /// class, whatever its name. Keras 3 names the module; Keras 2.13 to 2.15 name none, which they do for
    /// their own classes. Before that files do not say.
    #[must_use]
    pub fn is_of_own_module(&self) -> bool {
        match self.module.as_deref() {
            Some(module) => !is_of_a_library(module),
            None => {
                self.registered.as_ref() == Some(&self.class) && classes::is_of(Library::Keras, &self.class)
            }
        }
    }

    /// Whether it is a class of QKeras's: `QDense`, `QActivation`, but not Larq's `QuantDense`.
    #[must_use]
    pub fn is_of_qkeras(&self) -> bool {
        classes::is_of(Library::QKeras, &self.kind)
    }

    /// The class, with what the custom map takes it for.
    #[must_use]
    pub fn shown_class(&self) -> String {
        if self.kind == self.class { self.class.clone() } else { format!("{} as {}", self.class, self.kind) }
    }

    /// Whether it was registered in a package of the user's, as `bnn>BinaryDense`.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.registered.as_deref().and_then(is_of_own_package).unwrap_or(false)
    }
}

/// Whether a module is of a package whose classes mean what this reader takes them to mean.
pub(super) fn is_of_a_library(module: &str) -> bool {
    let package = module.split('.').next().unwrap_or_default();
    matches!(package, "keras" | "tf_keras" | "tensorflow" | "larq" | "qkeras" | "keras_core" | "builtins")
}

/// Whether a registered name (`bnn>sign`) is of a package of the user's; `None` if it names no package.
pub(super) fn is_of_own_package(registered: &str) -> Option<bool> {
    let (package, _) = registered.split_once('>')?;
    Some(!matches!(package.to_ascii_lowercase().as_str(), "larq" | "qkeras"))
}

struct Parser<'a> {
    file: &'a str,
    custom: &'a CustomNames,
}

impl Parser<'_> {
    fn error(&self, reason: String) -> KerasError {
        KerasError::Config { file: self.file.into(), reason }
    }

    fn model(&self, json: &Value, what: &str) -> Result<ModelConfig, KerasError> {
        let class = json["class_name"].as_str().unwrap_or_default();
        let config = &json["config"];
        match class {
            "Sequential" => self.sequential(config),
            "Functional" | "Model" => self.functional(config),
            // Subclasses that were made from inputs and outputs are saved with their whole graph.
            _ if holds_layers(config) => {
                let own_class = Some(class.to_owned());
                let functional = config.get("input_layers").is_some();
                let model = if functional { self.functional(config) } else { self.sequential(config) }?;
                Ok(ModelConfig { own_class, ..model })
            }
            _ => Err(self.error(format!(
                "{what} is of class {class:?}, whose file holds no layers: what it computes is in its \
                 call(), in Python; expected Sequential or Functional, or a subclass made from its inputs \
                 and outputs, as by super().__init__(inputs, outputs)"
            ))),
        }
    }

    fn layer(&self, json: &Value, position: usize) -> Result<LayerConfig, KerasError> {
        let class = json["class_name"].as_str();
        let class = class.ok_or_else(|| self.error(format!("layer {position} has no class_name")))?;
        if let Some(wrapped) = self.wrapped(class, json, position)? {
            return Ok(wrapped);
        }
        let mut config = json["config"].clone();
        let name = json["name"].as_str().or_else(|| config["name"].as_str());
        let name =
            name.ok_or_else(|| self.error(format!("layer {position} ({class}) has no name")))?.to_owned();
        // Whole-model files have the registered name in the place of the class.
        let registered =
            json["registered_name"].as_str().or_else(|| Some(class).filter(|class| class.contains('>')));
        let registered = registered.map(str::to_owned);
        let class = class.rsplit('>').next().unwrap_or(class).to_owned();
        let module = json["module"].as_str().map(str::to_owned);
        let nested = match is_model(&class) || holds_layers(&config) {
            true => Some(Box::new(self.model(json, &format!("layer {name:?}"))?)),
            false => None,
        };
        // Code in a Lambda has no name but the layer's.
        let by_layer = || self.custom.get(&name).filter(|_| class == "Lambda");
        let by_name = registered.as_ref().and_then(|name| self.custom.get(name));
        let meaning = by_name.or_else(by_layer).or_else(|| self.custom.get(&class));
        let kind = meaning.map_or(class.as_str(), |meaning| layer_with_quantizer(meaning, &mut config));
        let kind = kind.to_owned();
        Ok(LayerConfig {
            class,
            kind,
            registered,
            module,
            name,
            wrapper: None,
            config,
            calls: vec![],
            nested,
        })
    }

    /// The layer inside of a `TimeDistributed`, if it works on the last axis and so is the same without it.
    fn wrapped(&self, class: &str, json: &Value, position: usize) -> Result<Option<LayerConfig>, KerasError> {
        let inner = &json["config"]["layer"];
        if class != "TimeDistributed" || !inner.is_object() || inner["class_name"] == "TimeDistributed" {
            return Ok(None);
        }
        let layer = self.layer(inner, position)?;
        let kind = layer.kind.as_str();
        let of_last_axis = kind.ends_with("Dense")
            || kind.ends_with("Activation")
            || kind.ends_with("Dropout")
            || matches!(kind, "BatchNormalization" | "ReLU" | "LeakyReLU" | "ELU" | "Softmax" | "Rescaling")
            || matches!(
                kind,
                "SteSign" | "ApproxSign" | "SwishSign" | "ste_sign" | "approx_sign" | "swish_sign"
            );
        let name = json["name"].as_str().or_else(|| json["config"]["name"].as_str());
        let Some(name) = name.filter(|_| of_last_axis && layer.nested.is_none()) else { return Ok(None) };
        let mut layer = LayerConfig { name: name.to_owned(), wrapper: Some(class.to_owned()), ..layer };
        // The axis of a batch of steps is one further in the whole tensor.
        if let Some(axis) = layer.config.get_mut("axis") {
            let one = axis.as_array().and_then(|list| list.first()).unwrap_or(axis).as_i64();
            if let Some(place) = one.filter(|&place| place > 0) {
                *axis = (place + 1).into();
            }
        }
        if let Some(shape) = json["config"].get("batch_input_shape") {
            layer.config["batch_input_shape"] = shape.clone();
        }
        Ok(Some(layer))
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
            Some(twice) => {
                Err(self.error(format!("two layers have the name {:?}, expected unique names", twice.name)))
            }
            None => Ok(layers),
        }
    }

    /// A chain. Old files have no InputLayer: the first layer names the input's shape.
    fn sequential(&self, config: &Value) -> Result<ModelConfig, KerasError> {
        // Keras before 2.2.3 saved the bare list.
        let list = if config.is_array() { config } else { &config["layers"] };
        let mut layers = self.layers(list)?;
        let first = if layers[0].class == "InputLayer" {
            0
        } else {
            let own = input_shape_of(&layers[0]);
            let shape = own.or_else(|| config.get("build_input_shape")).cloned().unwrap_or(Value::Null);
            // Behind the others, so that the layers keep their places in the file.
            let input = LayerConfig {
                class: "InputLayer".into(),
                kind: "InputLayer".into(),
                registered: None,
                module: None,
                name: "input".into(),
                wrapper: None,
                config: serde_json::json!({ "batch_input_shape": shape }),
                calls: vec![],
                nested: None,
            };
            layers.push(input);
            layers.len() - 1
        };
        let mut order = vec![TensorRef { layer: first, call: 0, tensor: 0 }];
        layers[first].calls = vec![Call::default()];
        for layer in (0..layers.len()).filter(|&i| i != first) {
            let read = order[order.len() - 1];
            layers[layer].calls = vec![Call { reads: vec![read], ..Call::default() }];
            order.push(TensorRef { layer, call: 0, tensor: 0 });
        }
        let outputs = vec![order[order.len() - 1]];
        Ok(ModelConfig { layers, order, inputs: vec![first], outputs, own_class: None })
    }

    fn functional(&self, config: &Value) -> Result<ModelConfig, KerasError> {
        let list = &config["layers"];
        let mut layers = self.layers(list)?;
        let index: HashMap<String, usize> =
            layers.iter().enumerate().map(|(i, layer)| (layer.name.clone(), i)).collect();
        let mut raw: Vec<Vec<RawCall>> = Vec::with_capacity(layers.len());
        for (i, layer) in layers.iter().enumerate() {
            let nodes = list[i]["inbound_nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
            let calls = nodes.iter().map(inbound::call).collect::<Result<Vec<_>, _>>();
            let mut calls =
                calls.map_err(|reason| self.error(format!("layer {:?}: {reason}", layer.name)))?;
            // Keras 3 gives an input layer a call without arguments, Keras 2 none.
            if layer.class == "InputLayer" {
                calls = vec![RawCall::default()];
            }
            raw.push(calls);
        }
        if raw.iter().map(Vec::len).sum::<usize>() > MAX_LAYERS {
            return Err(self.error(format!("more than {MAX_LAYERS} calls of layers")));
        }
        let tensors =
            |key: &str| inbound::tensors(&config[key]).map_err(|r| self.error(format!("{key}: {r}")));
        let (inputs, outputs) = (tensors("input_layers")?, tensors("output_layers")?);
        let references = raw.iter().flatten().flat_map(|call| &call.reads).chain(&outputs);
        let from_0 = references.filter(|r| r.node == 0).map(|r| r.layer.as_str()).collect();
        let resolver = Resolver { index: &index, layers: &layers, raw: &raw, from_0 };
        let resolve =
            |r: &RawRef, of: &str| resolver.resolve(r).map_err(|reason| self.error(format!("{of} {reason}")));
        let mut calls: Vec<Vec<Call>> = Vec::with_capacity(layers.len());
        for (layer, raw) in layers.iter().zip(&raw) {
            let of = format!("layer {:?}", layer.name);
            let resolved = raw.iter().map(|call| {
                let reads = call.reads.iter().map(|r| resolve(r, &of)).collect::<Result<_, _>>()?;
                Ok(Call { reads, arguments: call.arguments.clone(), extra: call.extra.clone() })
            });
            calls.push(resolved.collect::<Result<_, KerasError>>()?);
        }
        let inputs: Vec<usize> = inputs
            .iter()
            .map(|r| Ok(resolve(r, "the model's input")?.layer))
            .collect::<Result<_, KerasError>>()?;
        let outputs: Vec<TensorRef> =
            outputs.iter().map(|r| resolve(r, "the model's output")).collect::<Result<_, KerasError>>()?;
        if inputs.is_empty() || outputs.is_empty() {
            return Err(
                self.error("the model has no inputs or no outputs, expected at least one of each".into())
            );
        }
        for (layer, calls) in layers.iter_mut().zip(calls) {
            layer.calls = calls;
        }
        let order = self.order(&layers)?;
        Ok(ModelConfig { layers, order, inputs, outputs, own_class: None })
    }

    /// Puts all calls into topological order (Kahn), in time linear in their number.
    fn order(&self, layers: &[LayerConfig]) -> Result<Vec<TensorRef>, KerasError> {
        let mut first = Vec::with_capacity(layers.len());
        let mut calls = Vec::new();
        for (layer, config) in layers.iter().enumerate() {
            first.push(calls.len());
            calls.extend((0..config.calls.len()).map(|call| TensorRef { layer, call, tensor: 0 }));
        }
        let mut readers: Vec<Vec<usize>> = vec![Vec::new(); calls.len()];
        let mut missing = vec![0usize; calls.len()];
        for (id, call) in calls.iter().enumerate() {
            for read in &layers[call.layer].calls[call.call].reads {
                readers[first[read.layer] + read.call].push(id);
                missing[id] += 1;
            }
        }
        let mut ready: Vec<usize> = (0..calls.len()).rev().filter(|&id| missing[id] == 0).collect();
        let mut order = Vec::with_capacity(calls.len());
        while let Some(id) = ready.pop() {
            order.push(calls[id]);
            for &reader in &readers[id] {
                missing[reader] -= 1;
                if missing[reader] == 0 {
                    ready.push(reader);
                }
            }
        }
        match (0..calls.len()).find(|&id| missing[id] > 0) {
            Some(id) => Err(self.error(format!(
                "layer {:?} depends on itself, expected connections without a cycle",
                layers[calls[id].layer].name
            ))),
            None => Ok(order),
        }
    }
}

/// What the custom map means by a layer: its class, and in brackets how its kernels are quantised,
/// `QuantDense(ste_sign)`.
fn layer_with_quantizer<'m>(meaning: &'m str, config: &mut Value) -> &'m str {
    let parts = meaning.strip_suffix(')').and_then(|meaning| meaning.split_once('('));
    match (parts, config) {
        (Some((class, quantizer)), Value::Object(config)) if class.starts_with("Quant") => {
            for field in ["kernel_quantizer", "depthwise_quantizer", "pointwise_quantizer"] {
                config.insert(field.into(), quantizer.into());
            }
            class
        }
        _ => meaning,
    }
}

/// The shape that a first layer declares, also one that is inside of nested models.
fn input_shape_of(layer: &LayerConfig) -> Option<&Value> {
    let own = ["batch_input_shape", "batch_shape"].into_iter().find_map(|key| layer.config.get(key));
    own.filter(|shape| !shape.is_null()).or_else(|| {
        let nested = layer.nested.as_ref()?;
        let first = nested.layers.get(*nested.inputs.first()?)?;
        ["batch_input_shape", "batch_shape"].into_iter().find_map(|key| first.config.get(key))
    })
}

/// Finds the layer and call that a reference in the file means.
struct Resolver<'a> {
    index: &'a HashMap<String, usize>,
    layers: &'a [LayerConfig],
    raw: &'a [Vec<RawCall>],
    /// Layers whose call 0 is referred to.
    from_0: HashSet<&'a str>,
}

impl Resolver<'_> {
    fn resolve(&self, r: &RawRef) -> Result<TensorRef, String> {
        let layer = *self
            .index
            .get(&r.layer)
            .ok_or_else(|| format!("reads the layer {:?}, which does not exist", r.layer))?;
        let calls = self.raw[layer].len();
        // Keras 2 counts a nested model's own construction as its call 0, Keras 3 does not.
        let shift = usize::from(
            self.layers[layer].nested.is_some() && r.keras2 && !self.from_0.contains(r.layer.as_str()),
        );
        let call = r.node.checked_sub(shift).filter(|&call| call < calls).ok_or_else(|| {
            format!("reads call {} of the layer {:?}, which has {calls} calls", r.node, r.layer)
        })?;
        let results = self.layers[layer].nested.as_ref().map_or(1, |nested| nested.outputs.len());
        if r.tensor >= results {
            let inner = &self.layers[layer].config["layer"]["config"];
            let states = [&self.layers[layer].config, inner].iter().any(|c| c["return_state"] == true);
            if states {
                return Err(format!(
                    "reads a state of the layer {:?} (return_state), and only what the layer itself gives is \
                     known; expected return_state=False: the last state of an LSTM or GRU is what it gives \
                     without return_sequences",
                    r.layer
                ));
            }
            if self.layers[layer].config.get("merge_mode").is_some_and(Value::is_null) {
                return Err(format!(
                    "reads one direction of the layer {:?} (merge_mode=None), which gives both as one tensor \
                     here; expected merge_mode concat, sum, ave or mul",
                    r.layer
                ));
            }
            return Err(format!("reads result {} of the layer {:?}, which has {results}", r.tensor, r.layer));
        }
        Ok(TensorRef { layer, call, tensor: r.tensor })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn functional(layers: Value, output: Value) -> Result<ModelConfig, KerasError> {
        let config = json!({ "layers": layers, "input_layers": [["a", 0, 0]], "output_layers": output });
        parse(&json!({ "class_name": "Functional", "config": config }), "m", &CustomNames::new())
    }

    fn layer(name: &str, reads: Value) -> Value {
        json!({ "class_name": "Dense", "name": name, "config": { "name": name }, "inbound_nodes": reads })
    }

    fn input(name: &str) -> Value {
        json!({ "class_name": "InputLayer", "name": name, "config": { "name": name }, "inbound_nodes": [] })
    }

    fn names(model: &ModelConfig) -> Vec<&str> {
        model.order.iter().map(|call| model.layers[call.layer].name.as_str()).collect()
    }

    #[test]
    fn both_forms_of_connections_are_read_in_topological_order() {
        let tensor = |name: &str| {
            json!({ "class_name": "__keras_tensor__",
                                          "config": { "keras_history": [name, 0, 0] } })
        };
        let keras2 =
            functional(json!([layer("b", json!([[["a", 0, 0, {}]]])), input("a")]), json!([["b", 0, 0]]));
        let keras3 = functional(
            json!([layer("b", json!([{ "args": [[tensor("a")]], "kwargs": {} }])), input("a")]),
            json!(["b", 0, 0]),
        );
        for model in [keras2, keras3] {
            let model = model.unwrap();
            assert_eq!(names(&model), ["a", "b"]);
            assert_eq!(model.layers[0].calls[0].reads, [TensorRef { layer: 1, call: 0, tensor: 0 }]);
            assert_eq!(model.outputs, [TensorRef { layer: 0, call: 0, tensor: 0 }]);
        }
    }

    /// `class_name` is the registered name in whole-model files; the map may say how kernels are quantised.
    #[test]
    fn own_classes_are_found_in_the_custom_map() {
        let own = |class: &str, registered: Value, custom: &[(&str, &str)]| {
            let layer = json!({ "class_name": class, "registered_name": registered,
                                "config": { "name": "d", "batch_input_shape": [null, 3] } });
            let custom = custom.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
            let model = json!({ "class_name": "Sequential", "config": { "layers": [layer] } });
            parse(&model, "m", &custom).unwrap().layers.swap_remove(0)
        };
        for (class, registered) in [("bnn>D", Value::Null), ("D", json!("bnn>D"))] {
            for key in ["bnn>D", "D"] {
                let layer = own(class, registered.clone(), &[(key, "QuantDense(ste_sign)")]);
                assert_eq!((layer.class.as_str(), layer.kind.as_str()), ("D", "QuantDense"));
                assert_eq!(layer.config["kernel_quantizer"], "ste_sign");
                assert!(layer.is_own() && layer.is_registered());
            }
        }
        assert!(!own("larq>QuantDense", Value::Null, &[]).is_own());
        assert!(!own("Dense", json!("Dense"), &[]).is_own());
        assert!(own("BinaryDense", Value::Null, &[]).is_own());
        // Keras 2.13 to 2.15 register a user's class under its name alone, and name the module of their own.
        for class in ["Dense", "Multiply", "PReLU", "Identity"] {
            assert!(own(class, json!(class), &[]).is_of_own_module(), "{class}");
            assert!(!own(class, Value::Null, &[]).is_of_own_module(), "{class}");
        }
        assert!(!own("QuantDense", json!("QuantDense"), &[]).is_of_own_module());
    }

    #[test]
    fn shared_layers_have_several_calls() {
        let model = functional(
            json!([input("a"), layer("s", json!([[["a", 0, 0, {}]], [["s", 0, 0, {}]]]))]),
            json!([["s", 1, 0]]),
        )
        .unwrap();
        assert_eq!(names(&model), ["a", "s", "s"]);
        assert_eq!(model.outputs[0].call, 1);
    }

    #[test]
    fn nested_models_count_calls_by_version() {
        let nested = |reads: Value| {
            let inner =
                json!([{ "class_name": "Dense", "config": { "name": "d", "batch_input_shape": [null, 3] } }]);
            json!({ "class_name": "Sequential", "name": "n", "config": { "layers": inner },
                    "inbound_nodes": reads })
        };
        let keras2 =
            functional(json!([input("a"), nested(json!([[["a", 0, 0, {}]]]))]), json!([["n", 1, 0]]))
                .unwrap();
        assert_eq!(keras2.outputs[0].call, 0);
        let tensor = json!({ "class_name": "__keras_tensor__", "config": { "keras_history": ["a", 0, 0] } });
        let call = json!([{ "args": [tensor], "kwargs": {} }]);
        let keras3 = functional(json!([input("a"), nested(call)]), json!(["n", 0, 0])).unwrap();
        assert_eq!(keras3.outputs[0].call, 0);
    }

    #[test]
    fn malformed_graphs_are_refused() {
        let reason = |model: Result<ModelConfig, KerasError>| model.unwrap_err().to_string();
        let cycle = json!([
            input("a"),
            layer("b", json!([[["c", 0, 0, {}]]])),
            layer("c", json!([[["b", 0, 0, {}]]]))
        ]);
        assert!(reason(functional(cycle, json!([["b", 0, 0]]))).contains("depends on itself"));
        let twice = json!([input("a"), input("a")]);
        assert!(reason(functional(twice, json!([["a", 0, 0]]))).contains("two layers have the name \"a\""));
        let dangling = json!([input("a"), layer("b", json!([[["nowhere", 0, 0, {}]]]))]);
        assert!(reason(functional(dangling, json!([["b", 0, 0]]))).contains("nowhere"));
        let uncalled = json!([input("a"), layer("b", json!([[["a", 1, 0, {}]]]))]);
        assert!(reason(functional(uncalled, json!([["b", 0, 0]]))).contains("call 1 of the layer \"a\""));
        assert!(reason(functional(json!([]), json!([]))).contains("0 layers"));
        assert!(reason(functional(json!([input("a")]), json!([]))).contains("no outputs"));
        assert!(
            reason(parse(&json!({ "class_name": "Subclassed" }), "m", &CustomNames::new()))
                .contains("Subclassed")
        );
        assert!(
            reason(parse(&json!({ "class_name": "Sequential", "config": 3 }), "m", &CustomNames::new()))
                .contains("no list of layers")
        );
    }
}
