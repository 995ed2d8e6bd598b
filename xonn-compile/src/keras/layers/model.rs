//! A whole model: its layers in order, models within it, its inputs and its output.

use std::collections::{HashMap, HashSet};

use petgraph::stable_graph::NodeIndex;

use super::{Builder, Layer, Origin, Trouble, survey};
use crate::graph::LayerGraph;
use crate::keras::KerasError;
use crate::keras::config::{ModelConfig, TensorRef};
use crate::keras::weights::{Weights, join};

/// Most operations of a graph; nested models that are called several times multiply.
const MAX_NODES: usize = 1 << 15;

/// Deepest nesting of models.
const MAX_DEPTH: usize = 16;

/// Builds the graph of a model; with what is wrong with the weights as a whole, if they could not be read.
///
/// # Errors
/// [`KerasError::Refused`] with everything that is wrong; the error itself if it is one about a weight.
pub(in crate::keras) fn build(
    model: &ModelConfig,
    weights: Result<Weights, KerasError>,
    origin: Origin<'_>,
) -> Result<LayerGraph, KerasError> {
    let file = origin.file.to_owned();
    let (weights, unread) = match weights {
        Ok(weights) => (weights, None),
        Err(error) => (Weights::default(), Some(error)),
    };
    let mut builder = Builder {
        graph: LayerGraph::default(),
        weights: &weights,
        weights_are_known: unread.is_none(),
        arrays: HashMap::new(),
        origin,
        refusals: Vec::new(),
        broken: unread,
        integers: HashSet::new(),
    };
    if let Some(error) = &builder.broken {
        builder.refusals = error.refusals();
    }
    let outputs = builder.model(model, "", None, 0)?;
    // Found in the order of the graph; samples come in the order of the model's arguments.
    let place = |node: &NodeIndex, graph: &LayerGraph| {
        model.inputs.iter().position(|&input| model.layers[input].name == graph.graph[*node].name)
    };
    let mut inputs = std::mem::take(&mut builder.graph.inputs);
    inputs.sort_by_key(|node| place(node, &builder.graph).unwrap_or(usize::MAX));
    builder.graph.inputs = inputs;
    let output = choose_output(model, &outputs, &builder.origin);
    if let (Err(error), false) = (&output, builder.refusals.is_empty()) {
        builder.refusals.extend(error.refusals());
    }
    match (builder.refusals.len(), builder.broken) {
        (0, _) => {}
        (1, Some(broken)) => return Err(broken),
        _ => {
            let rest = Box::new(rest_of(builder.graph));
            return Err(KerasError::Refused { file, refusals: builder.refusals, rest });
        }
    }
    let mut graph = builder.graph;
    graph.notes.extend(model.own_class.as_ref().map(|class| {
        format!(
            "the model is of your own class {class:?} and is taken as the graph of layers in its file; if \
             its call() does more than run that graph, the circuit is not yours"
        )
    }));
    graph.output = output?;
    graph.retain_ancestors_of_output();
    graph.verify().map_err(|e| KerasError::Config { file: file.clone(), reason: e.to_string() })?;
    Ok(graph)
}

/// What does not depend on a refused layer: such layers, and those behind them, have no shape.
fn rest_of(mut graph: LayerGraph) -> LayerGraph {
    graph.graph.retain_nodes(|graph, node| !graph[node].shape.is_empty());
    let LayerGraph { graph: nodes, inputs, .. } = &mut graph;
    inputs.retain(|&input| nodes.contains_node(input));
    graph
}

/// The output that the user named, or the only one.
fn choose_output(
    model: &ModelConfig,
    outputs: &[NodeIndex],
    origin: &Origin<'_>,
) -> Result<NodeIndex, KerasError> {
    let names: Vec<&str> = model.outputs.iter().map(|r| model.layers[r.layer].name.as_str()).collect();
    let error = |reason: String| Err(KerasError::Config { file: origin.file.into(), reason });
    match &origin.options.output {
        Some(name) => match (0..names.len()).filter(|&i| names[i] == name).collect::<Vec<_>>()[..] {
            [i] => Ok(outputs[i]),
            [_, _, ..] => error(format!(
                "several outputs are named {name:?}, of {names:?}; expected one, call the layer once or save \
                 a model with that output alone"
            )),
            [] => error(format!("no output is named {name:?}, expected one of {names:?}")),
        },
        None if outputs.len() == 1 => Ok(outputs[0]),
        None => {
            error(format!("the model has the outputs {names:?}, expected one; choose it with --output-layer"))
        }
    }
}

impl Builder<'_> {
    /// Adds all layers of a model and gives its outputs; `arguments` are the tensors that a nested model is
    /// called with.
    fn model(
        &mut self,
        model: &ModelConfig,
        outer: &str,
        arguments: Option<&[NodeIndex]>,
        depth: usize,
    ) -> Result<Vec<NodeIndex>, KerasError> {
        let config_error = |reason: String| KerasError::Config { file: self.origin.file.into(), reason };
        if depth > MAX_DEPTH {
            return Err(config_error(format!("models are nested more than {MAX_DEPTH} deep")));
        }
        if let Some(arguments) = arguments.filter(|arguments| arguments.len() != model.inputs.len()) {
            let reason = format!(
                "model {outer:?} is called with {} tensors, expected {}",
                arguments.len(),
                model.inputs.len()
            );
            return Err(config_error(reason));
        }
        // A refused layer gives what it reads, so that all refusals are found at once; such tensors have no
        // shape.
        let mut results: HashMap<(usize, usize), Vec<NodeIndex>> = HashMap::new();
        for &TensorRef { layer, call, .. } in &model.order {
            let config = &model.layers[layer];
            let path = join(outer, &config.name);
            if self.graph.graph.node_count() > MAX_NODES {
                let reason = format!("more than {MAX_NODES} operations with all nested models written out");
                return Err(KerasError::Config { file: self.origin.file.into(), reason });
            }
            let reads: Vec<NodeIndex> =
                config.calls[call].reads.iter().map(|r| results[&(r.layer, r.call)][r.tensor]).collect();
            let argument =
                arguments.and_then(|a| Some(a[model.inputs.iter().position(|&input| input == layer)?]));
            let made = match (&config.nested, argument) {
                (_, Some(argument)) => vec![argument],
                (Some(nested), None) => {
                    let layer = Layer { config, path, reads };
                    // With training=True its BatchNorm takes the batch's statistics.
                    if let Some(reason) = survey::extra_argument(&layer, call) {
                        self.note(&layer, call, Trouble::Refused(reason));
                    }
                    self.model(nested, &layer.path, Some(&layer.reads), depth + 1)?
                }
                (None, None) => {
                    let layer = Layer { config, path, reads };
                    vec![self.layer_or_refusal(&layer, call)]
                }
            };
            results.insert((layer, call), made);
        }
        Ok(model.outputs.iter().map(|r| results[&(r.layer, r.call)][r.tensor]).collect())
    }
}
