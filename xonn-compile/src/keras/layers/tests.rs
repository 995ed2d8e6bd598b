//! Graphs of configurations without weights.

use super::*;
use crate::graph::Function;
use crate::keras::config;
use crate::keras::quantizer::CustomNames;
use serde_json::{Value, json};

fn graph(json: &Value) -> Result<LayerGraph, KerasError> {
    graph_of(3, json)
}

fn graph_of(keras: u32, json: &Value) -> Result<LayerGraph, KerasError> {
    let model = config::parse(json, "m", &CustomNames::new())?;
    let options = ReadOptions::default();
    build(&model, Ok(Weights::default()), Origin { file: "m", keras, options: &options })
}

/// A border, a sign and a pooling with channels first stand side by side, without moves of elements between
/// them.
#[test]
fn moves_between_images_cancel() {
    let layer = |class: &str, more: Value| {
        let mut config = json!({ "name": class, "data_format": "channels_first" });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "class_name": class, "config": config })
    };
    let names = |layers: Value| -> Vec<&'static str> {
        let graph = graph(&json!({ "class_name": "Sequential", "config": { "layers": layers } })).unwrap();
        graph.order().unwrap().into_iter().map(|node| graph.graph[node].op.name()).collect()
    };
    let images = json!([
        layer("ZeroPadding2D", json!({ "padding": 1, "batch_input_shape": [null, 2, 4, 4] })),
        layer("SteSign", json!({})),
        layer("MaxPooling2D", json!({})),
    ]);
    assert_eq!(names(images), ["input", "transpose", "pad2d", "quantize", "max_pool2d", "transpose"]);
    let rows = json!([
        layer(
            "ZeroPadding1D",
            json!({ "padding": 1, "data_format": null, "batch_input_shape": [null, 4, 2] })
        ),
        layer("SteSign", json!({})),
        layer("MaxPooling1D", json!({ "data_format": null })),
    ]);
    assert_eq!(names(rows), ["input", "reshape", "pad2d", "quantize", "max_pool2d", "reshape"]);
}

/// The graph finds `b` first, but samples come as the model's arguments do.
#[test]
fn inputs_are_in_the_order_of_the_models_arguments() {
    let input = |name: &str| {
        json!({ "class_name": "InputLayer", "name": name, "inbound_nodes": [],
                "config": { "name": name, "batch_shape": [null, 2] } })
    };
    for [first, second] in [["a", "b"], ["b", "a"]] {
        let join = json!({ "class_name": "Concatenate", "name": "c", "config": { "name": "c" },
                           "inbound_nodes": [[["b", 0, 0, {}], ["a", 0, 0, {}]]] });
        let config = json!({
            "layers": [input("b"), input("a"), join],
            "input_layers": [[first, 0, 0], [second, 0, 0]],
            "output_layers": [["c", 0, 0]]
        });
        let graph = graph(&json!({ "class_name": "Functional", "config": config })).unwrap();
        let names: Vec<&str> = graph.inputs.iter().map(|&i| graph.graph[i].name.as_str()).collect();
        assert_eq!(names, [first, second]);
    }
}

/// A functional model of layers, each `(class, name, configuration, what it reads)`.
fn functional(layers: &[(&str, &str, Value, Value)], outputs: Value) -> Value {
    let mut list = vec![];
    for (class, name, config, inbound) in layers {
        let mut config = config.clone();
        config["name"] = json!(name);
        list.push(json!({ "class_name": class, "name": name, "config": config, "inbound_nodes": inbound }));
    }
    let inputs: Vec<Value> = layers
        .iter()
        .filter(|(class, ..)| *class == "InputLayer")
        .map(|(_, name, ..)| json!([name, 0, 0]))
        .collect();
    json!({ "class_name": "Functional",
            "config": { "layers": list, "input_layers": inputs, "output_layers": outputs } })
}

fn input_of(dtype: &str) -> Value {
    json!({ "batch_shape": [null, 2], "dtype": dtype })
}

/// Keras 2 hands the argument on to the layers within.
#[test]
fn a_nested_model_in_training_is_refused() {
    let inner = json!({ "layers": [{ "class_name": "Dropout",
        "config": { "name": "d", "batch_input_shape": [null, 2] } }] });
    for (argument, refused) in [(json!({ "training": true }), true), (json!({ "training": false }), false)] {
        let layers = [
            ("InputLayer", "in", input_of("float32"), json!([])),
            ("Sequential", "block", inner.clone(), json!([[["in", 0, 0, argument]]])),
            ("SteSign", "s", json!({}), json!([[["block", 1, 0, {}]]])),
        ];
        let built = graph(&functional(&layers, json!([["s", 0, 0]])));
        assert_eq!(built.is_err(), refused, "{:?}", built.err());
        if let Err(error) = built {
            let text = error.refusals().iter().map(|r| r.reason.clone()).collect::<String>();
            assert!(text.contains("training=true"), "{text}");
        }
    }
}

/// 200 * 2 is 144 in eight bits, but a division gives float32.
#[test]
fn integers_are_not_scaled_but_divided() {
    let tensor =
        |name: &str| json!({ "class_name": "__keras_tensor__", "config": { "keras_history": [name, 0, 0] } });
    for (class, dtype, refused) in
        [("Multiply", "uint8", true), ("Multiply", "float32", false), ("TrueDivide", "uint8", false)]
    {
        let inbound = json!([{ "args": [tensor("a"), 2], "kwargs": {} }]);
        let layers = json!([
            { "class_name": "InputLayer", "name": "a", "inbound_nodes": [],
              "config": { "name": "a", "batch_shape": [null, 2], "dtype": dtype } },
            { "class_name": class, "module": "keras.src.ops.numpy", "name": "f", "config": { "name": "f" },
              "inbound_nodes": inbound },
        ]);
        let model = json!({ "class_name": "Functional", "config": {
            "layers": layers, "input_layers": [["a", 0, 0]], "output_layers": [["f", 0, 0]] } });
        assert_eq!(graph_of(3, &model).is_err(), refused, "{class} {dtype}");
    }
}

/// 200 + 100 is 44 in eight bits.
#[test]
fn integers_are_not_added_up() {
    for (dtype, refused) in [("uint8", true), ("int32", true), ("float32", false)] {
        let layers = [
            ("InputLayer", "a", input_of(dtype), json!([])),
            ("InputLayer", "b", input_of(dtype), json!([])),
            ("Reshape", "r", json!({ "target_shape": [2] }), json!([[["a", 0, 0, {}]]])),
            ("Add", "sum", json!({}), json!([[["r", 0, 0, {}], ["b", 0, 0, {}]]])),
        ];
        let built = graph(&functional(&layers, json!([["sum", 0, 0]])));
        assert_eq!(built.is_err(), refused, "{dtype}: {:?}", built.err());
    }
    // What a sign makes of them is float32.
    let layers = [
        ("InputLayer", "a", input_of("uint8"), json!([])),
        ("SteSign", "s", json!({}), json!([[["a", 0, 0, {}]]])),
        ("Add", "sum", json!({}), json!([[["s", 0, 0, {}], ["s", 0, 0, {}]]])),
    ];
    graph(&functional(&layers, json!([["sum", 0, 0]]))).unwrap();
}

/// Keras 2's mean of 0, 0, 0 and 255 is 63.
#[test]
fn means_of_integers_are_those_of_keras_3() {
    for (keras, dtype, refused) in [(2, "uint8", true), (2, "float32", false), (3, "uint8", false)] {
        let layers = [
            ("InputLayer", "a", json!({ "batch_shape": [null, 2, 2, 1], "dtype": dtype }), json!([])),
            ("GlobalAveragePooling2D", "mean", json!({}), json!([[["a", 0, 0, {}]]])),
        ];
        let built = graph_of(keras, &functional(&layers, json!([["mean", 0, 0]])));
        assert_eq!(built.is_err(), refused, "Keras {keras}, {dtype}: {:?}", built.err());
    }
}

#[test]
fn an_input_without_axes_is_refused_and_augmentation_is_not() {
    let scalar = [("InputLayer", "a", json!({ "batch_shape": [null] }), json!([]))];
    let refused = graph(&functional(&scalar, json!([["a", 0, 0]]))).unwrap_err().to_string();
    assert!(refused.contains("its shape is []"), "{refused}");
    let layers = [
        ("InputLayer", "a", json!({ "batch_shape": [null, 4, 4, 1] }), json!([])),
        ("RandomFlip", "f", json!({}), json!([[["a", 0, 0, {}]]])),
        ("RandomContrast", "c", json!({}), json!([[["f", 0, 0, {}]]])),
    ];
    graph(&functional(&layers, json!([["c", 0, 0]]))).unwrap();
}

#[test]
fn an_output_of_a_name_that_several_have_is_refused() {
    let layers = [
        ("InputLayer", "a", input_of("float32"), json!([])),
        ("InputLayer", "b", input_of("float32"), json!([])),
        ("SteSign", "s", json!({}), json!([[["a", 0, 0, {}]], [["b", 0, 0, {}]]])),
    ];
    let json = functional(&layers, json!([["s", 0, 0], ["s", 1, 0]]));
    let model = config::parse(&json, "m", &CustomNames::new()).unwrap();
    let options = ReadOptions { output: Some("s".into()), ..ReadOptions::default() };
    let built = build(&model, Ok(Weights::default()), Origin { file: "m", keras: 3, options: &options });
    assert!(built.unwrap_err().to_string().contains("several outputs are named \"s\""));
}

/// Keras's is 0.2 x + 0.5 or x / 6 + 0.5, QKeras's 0.5 x + 0.5; a class from a module of the user's is
/// neither's.
#[test]
fn a_name_means_what_its_library_means() {
    let of = |class: &str, module: Value| {
        let config = json!({ "name": "h", "activation": "hard_sigmoid", "batch_input_shape": [null, 2] });
        let registered = if module.is_null() { json!(class) } else { Value::Null };
        let layer =
            json!({ "class_name": class, "config": config, "module": module, "registered_name": registered });
        graph(&json!({ "class_name": "Sequential", "config": { "layers": [layer] } }))
            .map(|graph| graph.graph[graph.output].op.clone())
    };
    let slope = |slope: f32| LayerOp::Function(Function::HardSigmoid { slope });
    assert_eq!(of("QActivation", json!("qkeras.qlayers")).unwrap(), slope(0.5));
    assert_eq!(of("QActivation", Value::Null).unwrap(), slope(0.5));
    assert_eq!(of("Activation", json!("keras.layers")).unwrap(), slope(1.0 / 6.0));
    for module in [json!("__main__"), Value::Null] {
        let own = of("Activation", module).unwrap_err();
        assert!(own.refusals()[0].reason.contains("--custom"), "{:?}", own.refusals());
    }
}

/// Every class of the table is read, as far as a layer without weights can be, or refused by its name.
#[test]
fn every_known_class_is_read_or_refused_by_name() {
    for class in classes::CLASSES {
        let shape = [json!([null, 4]), json!([null, 8, 4]), json!([null, 8, 8, 4])][class.axes].clone();
        let config = json!({ "batch_shape": shape });
        let (name, own) = (class.name, json!({ "activation": "relu" }));
        if class.family == Family::Input {
            graph(&functional(&[(name, "l", config, json!([]))], json!([["l", 0, 0]]))).unwrap();
            continue;
        }
        let reads = json!([[["in", 0, 0, {}]]]);
        let layers = [("InputLayer", "in", config, json!([])), (name, "l", own, reads)];
        let said = graph(&functional(&layers, json!([["l", 0, 0]]))).err().map(|e| e.to_string());
        let unknown = format!("layers of class {name:?} are not supported");
        match class.family {
            Family::Refused => assert!(said.is_some_and(|said| said.contains(&unknown)), "{name}"),
            // What is missing is a field or a weight, and the layer is named.
            _ => assert!(
                said.as_ref()
                    .is_none_or(|said| said.contains("layer \"l\"") && !said.contains("not supported")),
                "{name}: {said:?}"
            ),
        }
    }
}
