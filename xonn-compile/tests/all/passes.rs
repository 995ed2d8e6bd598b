//! What each pass makes of a small graph, as text: the graph as it is read, behind each pass that changes it,
//! and the program in the end.
//!
//! The texts are in `passes/`; `XONN_BLESS=1 cargo test -p xonn-compile --test all passes` writes them anew.

use std::path::Path;
use std::sync::Arc;

use xonn_compile::graph::{Array, Conv, Function, LayerGraph, LayerOp, Padding, Pool, Quantizer};
use xonn_compile::passes::{self, Options, PIPELINE};

/// Signs, one after another -1 and +1.
fn signs(shape: &[usize]) -> Arc<Array> {
    let data = (0..shape.iter().product()).map(|i: usize| if i.is_multiple_of(2) { -1.0 } else { 1.0 });
    Arc::new(Array { shape: shape.to_vec(), data: data.collect() })
}

fn dense(inputs: usize, units: usize) -> LayerOp {
    LayerOp::Dense { kernel: signs(&[inputs, units]), bias: None, secret_scale: false }
}

fn conv(kernel: &[usize], stride: usize, padding: Padding) -> LayerOp {
    let conv = Conv { stride: [stride; 2], dilation: [1, 1], padding, pad_value: 0.0, groups: 1 };
    LayerOp::Conv2d { kernel: signs(kernel), bias: None, conv, secret_scale: false }
}

fn reshape(target: Option<&[usize]>) -> LayerOp {
    LayerOp::Reshape { target: target.map(|axes| axes.iter().copied().map(Some).collect()) }
}

/// Layers one behind another, each with a name.
fn chain(shape: &[usize], ops: Vec<(&str, LayerOp)>) -> LayerGraph {
    let mut graph = LayerGraph::default();
    let mut last = graph.add("in", "InputLayer", LayerOp::Input { shape: shape.to_vec() }, &[]);
    graph.inputs = vec![last];
    for (name, op) in ops {
        last = graph.add(name, "Layer", op, &[last]);
    }
    graph.output = last;
    graph
}

/// Compares what becomes of `graph` with the text `NAME.txt`; the pass of that name must do something.
fn becomes(name: &str, graph: LayerGraph) {
    let program = passes::run(&graph, &Options::default()).expect("it compiles").network.program().clone();
    let mut found = format!("read\n{graph}");
    let (mut graph, mut notes, mut changed) = (graph, Vec::new(), false);
    for pass in PIPELINE {
        let before = graph.to_string();
        pass.run(&mut graph, &mut notes).expect("it compiles");
        let after = graph.to_string();
        if after != before {
            found.push_str(&format!("\n{}\n{after}", pass.name));
            changed |= pass.name == name;
        }
    }
    assert!(changed, "{name} changes nothing:\n{found}");
    notes.iter().for_each(|note| found.push_str(&format!("\nnote: {note}\n")));
    found.push_str("\nprogram\n");
    for layer in program.layers() {
        found.push_str(&format!("{}\n", serde_json::to_string(layer).expect("a layer is JSON")));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/passes").join(format!("{name}.txt"));
    if std::env::var_os("XONN_BLESS").is_some() {
        std::fs::write(&path, &found).expect("it can be written");
    }
    let expected = std::fs::read_to_string(&path).expect("there is a text for each pass");
    assert!(found == expected, "{}: expected\n{expected}\nfound\n{found}", path.display());
}

#[test]
fn infer_shapes() {
    let ops = vec![
        ("conv", conv(&[3, 3, 2, 4], 2, Padding::Same)),
        ("sign", LayerOp::Quantize(Quantizer::Sign)),
        ("flat", reshape(None)),
        ("fc", dense(36, 3)),
    ];
    becomes("infer_shapes", chain(&[6, 6, 2], ops));
}

#[test]
fn drop_no_ops() {
    let ops = vec![
        ("dropout", LayerOp::NoOp),
        ("fc", dense(4, 3)),
        ("identity", LayerOp::NoOp),
        ("softmax", LayerOp::Function(Function::Softmax)),
    ];
    becomes("drop_no_ops", chain(&[4], ops));
}

#[test]
fn sign_before_pool() {
    let pool = LayerOp::MaxPool2d(Pool::Window { size: [2, 2], stride: [2, 2], padding: Padding::Valid });
    let ops = vec![
        ("conv", conv(&[1, 1, 1, 2], 1, Padding::Valid)),
        ("pool", pool),
        ("flat", reshape(None)),
        ("sign", LayerOp::Quantize(Quantizer::Sign)),
        ("fc", dense(8, 2)),
    ];
    becomes("sign_before_pool", chain(&[4, 4, 1], ops));
}

#[test]
fn fold_padding() {
    let ops = vec![
        ("border", LayerOp::Pad2d { border: [[1, 0], [0, 1]], value: 0.0 }),
        ("sign", LayerOp::Quantize(Quantizer::Sign)),
        ("conv", conv(&[2, 2, 1, 2], 1, Padding::Valid)),
        ("line", reshape(Some(&[1, 9, 2]))),
        ("flat", reshape(None)),
        ("fc", dense(18, 2)),
    ];
    becomes("fold_padding", chain(&[3, 3, 1], ops));
}
