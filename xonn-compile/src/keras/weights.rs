//! Weights by layer, from both layouts: named (whole-model `.h5`, legacy `save_weights`) and numbered
//! (`model.weights.h5`).
//!
//! Layers of nested models have the path `outer/inner`. A layer's weights carry the name of their role
//! (`kernel`, `gamma`, ...) where the file has one, or else their number.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};

use super::KerasError;
use super::classes::{self, roles};
use super::config::{LayerConfig, ModelConfig};
use super::hdf5::Container;
use crate::graph::Array;

/// Every layer's weights, in the order in which Keras saves them.
#[derive(Default, Debug)]
pub struct Weights {
    by_layer: HashMap<String, Vec<(String, Array)>>,
}

/// Names of the root group of numbered weights: Keras 2.15 and 3, before that 2.12 to 2.14.
const ROOTS: [&str; 2] = ["layers", "_layer_checkpoint_dependencies"];

/// What Keras 3 calls a weight that has another name in Keras 2.
fn other_name(class: &str, wanted: &str) -> Option<&'static str> {
    (wanted == "depthwise_kernel" && class.contains("DepthwiseConv")).then_some("kernel")
}

fn is_for(class: &str, wanted: &str, role: &str) -> bool {
    role == wanted || other_name(class, wanted) == Some(role)
}

/// Whether a layer of this class owns weights that are read.
fn is_weighted(layer: &LayerConfig) -> bool {
    layer.nested.is_some() || !roles(&layer.kind).is_empty()
}

/// The class that a layer's group is named after.
fn class_of_group(layer: &LayerConfig) -> String {
    snake_case(layer.wrapper.as_deref().unwrap_or(&layer.class))
}

impl Weights {
    /// Reads whichever layout the file has.
    ///
    /// # Errors
    /// [`KerasError`].
    pub fn read(h5: &impl Container, model: &ModelConfig, file: &str) -> Result<Self, KerasError> {
        for root in ["/model_weights", "/"] {
            if let Some(layers) = h5.strings_attribute(root, "layer_names")? {
                return Self::named(h5, root.trim_end_matches('/'), layers, model, file);
            }
        }
        let mut weights = Self::default();
        if weights.numbered(h5, "", model, "", file)? {
            return Ok(weights);
        }
        Err(KerasError::NotAModel {
            file: file.into(),
            reason: format!(
                "no weights: it has neither an attribute layer_names nor one of the groups {ROOTS:?}"
            ),
        })
    }

    /// Reads `<root>/<layer>`, following each layer's `weight_names`: the inner paths are not predictable.
    fn named(
        h5: &impl Container,
        root: &str,
        names: Vec<String>,
        model: &ModelConfig,
        file: &str,
    ) -> Result<Self, KerasError> {
        let mut weights = Self::default();
        let configured: HashMap<&str, &LayerConfig> =
            model.layers.iter().map(|l| (l.name.as_str(), l)).collect();
        let mut listed = HashSet::new();
        for layer in names {
            // Weights of layers that are not configured, such as optimiser slots, are nobody's.
            let Some(config) = configured.get(layer.as_str()) else { continue };
            if !listed.insert(layer.clone()) {
                let reason = format!("layer_names has {layer:?} twice, expected unique names");
                return Err(KerasError::Config { file: file.into(), reason });
            }
            let group = format!("{root}/{layer}");
            let mut arrays = Vec::new();
            for name in h5.strings_attribute(&group, "weight_names")?.unwrap_or_default() {
                let path = format!("{group}/{name}");
                let array = match h5.array(&path) {
                    Err(e) if !is_there(h5, &path) => Err(KerasError::MissingWeight {
                        file: file.into(),
                        layer: layer.clone(),
                        weight: name.clone(),
                        found: e.to_string(),
                    }),
                    result => result,
                }?;
                arrays.push(Some((name, array)));
            }
            match &config.nested {
                Some(nested) => weights.distribute(nested, &layer, arrays),
                None => {
                    let mut arrays = arrays;
                    name_directions(&mut arrays, std::iter::once(*config));
                    let arrays =
                        arrays.into_iter().flatten().map(|(name, array)| (role(&name).to_owned(), array));
                    weights.by_layer.insert(layer, arrays.collect());
                }
            }
        }
        Ok(weights)
    }

    /// Gives the flat list of a nested model's weights to its layers: by the layer's name where the weight's
    /// path has it, and what is left in order, which is the layers' order for each role. Of several weights
    /// of one name, which frozen layers put out of order, a layer takes the one whose path is most like its
    /// own.
    fn distribute(&mut self, model: &ModelConfig, path: &str, mut arrays: Vec<Option<(String, Array)>>) {
        let mut leaves = Vec::new();
        collect_leaves(model, path, &mut leaves);
        name_directions(&mut arrays, leaves.iter().map(|(_, layer)| *layer));
        let mut found: Vec<Vec<Option<(String, Array)>>> = Vec::new();
        // By role and any name in front of it: a search of the whole list for every layer would be quadratic.
        let mut places: HashMap<(String, String), Vec<usize>> = HashMap::new();
        for (i, (name, _)) in arrays.iter().enumerate().filter_map(|(i, a)| Some((i, a.as_ref()?))) {
            let parts: BTreeSet<&str> = name.split('/').collect();
            for part in parts {
                places.entry((role(name).to_owned(), part.to_owned())).or_default().push(i);
            }
        }
        for (path, layer) in &leaves {
            let mut take = |role: &str| {
                let key = (role.to_owned(), layer.name.clone());
                let named = places.get_mut(&key)?;
                named.retain(|&i| arrays[i].is_some());
                let likeness = |i: usize| arrays[i].as_ref().map_or(0, |(name, _)| common_end(path, name));
                let best = named.iter().copied().max_by_key(|&i| (likeness(i), Reverse(i)))?;
                arrays[best].take()
            };
            let take = |wanted: &&str| take(wanted).or_else(|| take(other_name(&layer.kind, wanted)?));
            found.push(roles(&layer.kind).iter().map(take).collect());
        }
        for ((path, layer), mut taken) in leaves.into_iter().zip(found) {
            // A layer found by name has all its weights; one without any was renamed by the graph.
            if taken.iter().all(Option::is_none) {
                for (slot, wanted) in taken.iter_mut().zip(roles(&layer.kind)) {
                    if has_role(layer, wanted) {
                        let next = arrays.iter_mut().find(|a| {
                            a.as_ref().is_some_and(|(name, _)| is_for(&layer.kind, wanted, role(name)))
                        });
                        *slot = next.and_then(Option::take);
                    }
                }
            }
            let named = taken.into_iter().zip(roles(&layer.kind));
            let named = named.filter_map(|(taken, wanted)| Some(((*wanted).to_owned(), taken?.1))).collect();
            self.by_layer.insert(path, named);
        }
    }

    /// Reads `<root>/<class>_<k>/vars/<i>`: the k-th configured layer of a class has the group with the k-th
    /// smallest suffix. Where the group names its layer, that is a cross-check. Says whether there is a root
    /// group.
    fn numbered(
        &mut self,
        h5: &impl Container,
        above: &str,
        model: &ModelConfig,
        path: &str,
        file: &str,
    ) -> Result<bool, KerasError> {
        let config = |reason: String| KerasError::Config { file: file.into(), reason };
        let mut found = None;
        for name in ROOTS {
            let root = format!("{above}/{name}");
            if let Some(groups) = h5.groups(&root)? {
                found = Some((root, groups));
                break;
            }
        }
        let Some((root, groups)) = found else { return Ok(false) };
        let mut by_class: HashMap<String, Vec<&LayerConfig>> = HashMap::new();
        for layer in model.layers.iter().filter(|layer| is_weighted(layer) || layer.wrapper.is_some()) {
            by_class.entry(class_of_group(layer)).or_default().push(layer);
        }
        // Classes of the user's own may have weights, too, which must not be lost.
        let mut others: HashMap<String, Vec<&LayerConfig>> = HashMap::new();
        for layer in model
            .layers
            .iter()
            .filter(|layer| !is_weighted(layer) && layer.wrapper.is_none() && layer.class != "InputLayer")
        {
            others.entry(class_of_group(layer)).or_default().push(layer);
        }
        for (class, layers) in others.into_iter().filter(|(class, _)| !by_class.contains_key(class)) {
            let mut numbered: Vec<(u32, &String)> =
                groups.iter().filter_map(|group| Some((suffix(group, &class)?, group))).collect();
            numbered.sort();
            let arrays: Vec<_> = numbered
                .iter()
                .map(|(_, group)| numbered_arrays(h5, &format!("{root}/{group}/vars")))
                .collect::<Result<_, _>>()?;
            if arrays.iter().all(Vec::is_empty) {
                continue;
            }
            if arrays.len() != layers.len() {
                return Err(config(format!(
                    "{} layers of class {} are configured but {root} holds weights of {}",
                    layers.len(),
                    layers[0].class,
                    arrays.len()
                )));
            }
            for (layer, arrays) in layers.iter().zip(arrays) {
                self.by_layer.insert(join(path, &layer.name), arrays);
            }
        }
        for (class, layers) in by_class {
            // Keras 2 wrote "Model" into files whose objects are of class Functional.
            let group_class = if class == "model" { "functional" } else { &class };
            let mut numbered: Vec<(u32, &String)> = groups
                .iter()
                .filter_map(|group| {
                    Some((suffix(group, &class).or_else(|| suffix(group, group_class))?, group))
                })
                .collect();
            numbered.sort();
            if numbered.len() != layers.len() {
                return Err(config(format!(
                    "{} layers of class {} are configured but {root} holds weights of {}",
                    layers.len(),
                    layers[0].class,
                    numbered.len()
                )));
            }
            for (layer, (_, group)) in layers.iter().zip(&numbered) {
                let path = join(path, &layer.name);
                let group = format!("{root}/{group}");
                match &layer.nested {
                    Some(nested) => {
                        self.numbered(h5, &group, nested, &path, file)?;
                    }
                    None if layer.kind == "Bidirectional" => {
                        self.by_layer.insert(path, of_directions(h5, &group)?);
                    }
                    None if layer.kind.ends_with("Batchnorm") => {
                        self.by_layer.insert(path, with_batchnorm(h5, &group, layer)?);
                    }
                    None => {
                        let recurrent = is_recurrent(&layer.kind);
                        let inner = match (layer.wrapper.is_some(), recurrent) {
                            (true, _) => "/layer",
                            (false, true) => "/cell",
                            _ => "",
                        };
                        let vars = format!("{group}{inner}/vars");
                        let is_own = |named: &String| *named == layer.name || !inner.is_empty();
                        if let Some(named) =
                            h5.string_attribute(&vars, "name")?.filter(|named| !is_own(named))
                        {
                            return Err(config(format!(
                                "the weights in {vars} belong to layer {named:?}, expected {:?}",
                                layer.name
                            )));
                        }
                        self.by_layer.insert(path, numbered_arrays(h5, &vars)?);
                    }
                }
            }
        }
        Ok(true)
    }

    /// These weights, by layer.
    #[cfg(test)]
    pub(super) fn of_layers(layers: impl IntoIterator<Item = (String, Vec<(String, Array)>)>) -> Self {
        Self { by_layer: layers.into_iter().collect() }
    }

    /// A layer's weights, empty if it has none.
    #[must_use]
    pub fn of(&self, path: &str) -> &[(String, Array)] {
        self.by_layer.get(path).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Whether there is a dataset, readable or not.
fn is_there(h5: &impl Container, path: &str) -> bool {
    let (group, name) = path.rsplit_once('/').unwrap_or(("", path));
    h5.datasets(group).ok().flatten().is_some_and(|names| names.iter().any(|n| n == name))
}

/// The path of a layer inside of a model.
#[must_use]
pub fn join(outer: &str, name: &str) -> String {
    if outer.is_empty() { name.into() } else { format!("{outer}/{name}") }
}

fn collect_leaves<'m>(model: &'m ModelConfig, path: &str, leaves: &mut Vec<(String, &'m LayerConfig)>) {
    for layer in &model.layers {
        let path = join(path, &layer.name);
        match &layer.nested {
            Some(nested) => collect_leaves(nested, &path, leaves),
            None => leaves.push((path, layer)),
        }
    }
}

/// How many names at the end of a layer's path are also those in front of a weight's role.
fn common_end(path: &str, weight: &str) -> usize {
    let parents = weight.rsplit('/').skip(1);
    path.rsplit('/').zip(parents).take_while(|(a, b)| a == b).count()
}

/// Whether the layer's configuration says that it has this weight.
fn has_role(layer: &LayerConfig, role: &str) -> bool {
    let flag = match role {
        "bias" => "use_bias",
        "gamma" => "scale",
        "beta" => "center",
        _ => return true,
    };
    layer.config[flag].as_bool().unwrap_or(true)
}

fn numbered_arrays(h5: &impl Container, vars: &str) -> Result<Vec<(String, Array)>, KerasError> {
    let Some(names) = h5.datasets(vars)? else { return Ok(Vec::new()) };
    let mut numbers: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
    numbers.sort_unstable();
    numbers.iter().map(|i| Ok((i.to_string(), h5.array(&format!("{vars}/{i}"))?))).collect()
}

/// QKeras's convolutions with a BatchNorm keep its weights in a layer inside of them.
fn with_batchnorm(
    h5: &impl Container,
    group: &str,
    layer: &LayerConfig,
) -> Result<Vec<(String, Array)>, KerasError> {
    let outer = ["kernel", "depthwise_kernel", "bias", "iteration"];
    let inner = ["gamma", "beta", "moving_mean", "moving_variance"];
    let mut named = Vec::new();
    for (vars, of) in [("vars", outer), ("batchnorm/vars", inner)] {
        let roles = roles(&layer.kind).iter().filter(|role| of.contains(role) && has_role(layer, role));
        let arrays = numbered_arrays(h5, &format!("{group}/{vars}"))?;
        named.extend(roles.zip(arrays).map(|(role, (_, array))| ((*role).to_owned(), array)));
    }
    Ok(named)
}

fn is_recurrent(kind: &str) -> bool {
    classes::of(kind).is_some_and(|class| class.family == classes::Family::Recurrent)
}

/// The weights of both layers of a `Bidirectional`, the forward one's first.
fn of_directions(h5: &impl Container, group: &str) -> Result<Vec<(String, Array)>, KerasError> {
    let mut named = Vec::new();
    for (layer, prefix) in [("forward_layer", "forward_"), ("backward_layer", "backward_")] {
        let arrays = numbered_arrays(h5, &format!("{group}/{layer}/cell/vars"))?;
        let roles = ["kernel", "recurrent_kernel", "bias"].map(|role| format!("{prefix}{role}"));
        let count = arrays.len();
        let numbers = (roles.len()..count).map(|i| format!("{prefix}{i}"));
        named.extend(roles.into_iter().chain(numbers).zip(arrays).map(|(role, (_, array))| (role, array)));
    }
    Ok(named)
}

/// Gives the weights of the two layers of each `Bidirectional` names of their own, by the layers' names in
/// their paths: `bidirectional/forward_lstm/lstm_cell/kernel` becomes `.../forward_kernel`.
fn name_directions<'m>(
    arrays: &mut [Option<(String, Array)>],
    layers: impl Iterator<Item = &'m LayerConfig>,
) {
    let mut prefixes: HashMap<String, &'static str> = HashMap::new();
    for layer in layers.filter(|layer| layer.kind == "Bidirectional") {
        let name = |key: &str| layer.config[key]["config"]["name"].as_str();
        let forward = name("layer");
        // Without a layer of its own the second one is a copy of the first.
        let backward = name("backward_layer").or(forward.map(|name| name.trim_start_matches("forward_")));
        for (name, prefix) in [(forward, "forward_"), (backward, "backward_")] {
            let Some(name) = name else { continue };
            prefixes.insert(format!("{prefix}{name}"), prefix);
            if name.starts_with(prefix) || (prefix == "backward_" && Some(name) != forward) {
                prefixes.insert(name.to_owned(), prefix);
            }
        }
    }
    for (name, _) in arrays.iter_mut().flatten() {
        let Some(prefix) = name.split('/').find_map(|part| prefixes.get(part).copied()) else { continue };
        let at = name.rfind('/').map_or(0, |at| at + 1);
        name.insert_str(at, prefix);
    }
}

/// `kernel` of `dense/kernel:0`.
fn role(name: &str) -> &str {
    let last = name.rsplit('/').next().unwrap_or(name);
    last.split(':').next().unwrap_or(last)
}

/// The number behind a class's group name: 0 for the bare name.
fn suffix(group: &str, class: &str) -> Option<u32> {
    match group.strip_prefix(class)? {
        "" => Some(0),
        rest => rest.strip_prefix('_')?.parse().ok(),
    }
}

/// Keras's own `to_snake_case`: drop all but word characters, `(.)([A-Z][a-z]+)` and `([a-z])([A-Z])` get an
/// underscore.
fn snake_case(class: &str) -> String {
    let chars: Vec<char> = class.chars().filter(|c| c.is_alphanumeric() || *c == '_').collect();
    let is = |i: usize, f: fn(&char) -> bool| chars.get(i).is_some_and(f);
    let mut name = String::new();
    for (i, &c) in chars.iter().enumerate() {
        let word_begins = c.is_ascii_uppercase() && is(i + 1, char::is_ascii_lowercase);
        let after_lower = c.is_ascii_uppercase() && i > 0 && is(i - 1, char::is_ascii_lowercase);
        if i > 0 && (word_begins || after_lower) && !name.ends_with('_') {
            name.push('_');
        }
        name.extend(c.to_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn class_names_become_group_names() {
        for (class, group) in [
            ("QuantConv2D", "quant_conv2d"),
            ("DoReFa", "do_re_fa"),
            ("ReLU", "re_lu"),
            ("Dense", "dense"),
            ("BatchNormalization", "batch_normalization"),
            ("LSTM", "lstm"),
            ("QuantDepthwiseConv2D", "quant_depthwise_conv2d"),
            ("SteSign", "ste_sign"),
        ] {
            assert_eq!(snake_case(class), group);
        }
    }

    #[test]
    fn suffixes_are_numbers_not_text() {
        assert_eq!(suffix("dense", "dense"), Some(0));
        assert_eq!(suffix("dense_10", "dense"), Some(10));
        assert_eq!(suffix("dense_layer", "dense"), None);
        assert_eq!(suffix("denser", "dense"), None);
        assert_eq!(role("bn1/bn1_1/beta:0"), "beta");
    }

    /// A file of one dense layer that is listed as said.
    struct Listed {
        layers: &'static [&'static str],
        weights: &'static [&'static str],
    }

    impl Container for Listed {
        fn string_attribute(&self, _: &str, _: &str) -> Result<Option<String>, KerasError> {
            Ok(None)
        }

        fn strings_attribute(&self, group: &str, name: &str) -> Result<Option<Vec<String>>, KerasError> {
            let list = match (group, name) {
                ("/model_weights", "layer_names") => self.layers,
                ("/model_weights/d", "weight_names") => self.weights,
                _ => return Ok(None),
            };
            Ok(Some(list.iter().map(|name| (*name).to_owned()).collect()))
        }

        fn groups(&self, _: &str) -> Result<Option<Vec<String>>, KerasError> {
            Ok(None)
        }

        fn datasets(&self, _: &str) -> Result<Option<Vec<String>>, KerasError> {
            Ok(None)
        }

        fn array(&self, path: &str) -> Result<Array, KerasError> {
            match path.rsplit('/').next() {
                Some("kernel:0") => Ok(Array { shape: vec![2, 1], data: vec![1.0, -1.0] }),
                _ => Err(KerasError::Hdf5 { file: "m".into(), reason: format!("{path} is not there") }),
            }
        }
    }

    #[test]
    fn layers_and_weights_are_listed_once() {
        let dense = json!({ "class_name": "Dense",
                            "config": { "name": "d", "units": 1, "use_bias": false,
                                        "batch_input_shape": [null, 2] } });
        let model = json!({ "class_name": "Sequential", "config": { "layers": [dense] } });
        let model = super::super::config::parse(&model, "m", &Default::default()).unwrap();
        let read = |layers, weights| Weights::read(&Listed { layers, weights }, &model, "m");
        assert_eq!(read(&["d", "other"], &["d/kernel:0"]).unwrap().of("d").len(), 1);
        assert!(read(&["d", "d"], &["d/kernel:0"]).unwrap_err().to_string().contains("\"d\" twice"));
        assert!(read(&["d"], &["d/nothing:0"]).unwrap_err().to_string().contains("d/nothing:0"));

        let options = crate::keras::ReadOptions::default();
        let build = |weights| {
            let origin = crate::keras::layers::Origin { file: "m", keras: 2, options: &options };
            crate::keras::layers::build(&model, Ok(weights), origin)
        };
        assert!(build(read(&["d"], &["d/kernel:0"]).unwrap()).is_ok());
        let two = read(&["d"], &["d/kernel:0", "e/kernel:0"]).unwrap();
        assert!(build(two).unwrap_err().to_string().contains("no others"), "the second kernel would be lost");
    }

    /// A frozen layer's kernel comes behind that of the layer of the same name one model further out.
    #[test]
    fn nested_weights_of_one_name_go_by_their_paths() {
        let config = json!({ "name": "x", "use_bias": false, "batch_input_shape": [null, 2] });
        let dense = json!({ "class_name": "Dense", "config": config });
        let inner =
            json!({ "class_name": "Sequential", "name": "b", "config": { "name": "b", "layers": [dense] } });
        let model = json!({ "class_name": "Sequential", "config": { "layers": [inner, dense] } });
        let model = super::super::config::parse(&model, "m", &Default::default()).unwrap();
        let mut weights = Weights::default();
        let list = ["a/x/kernel", "a/b/x/kernel"].into_iter().zip([1.0, 2.0]);
        weights.distribute(
            &model,
            "a",
            list.map(|(n, w)| Some((n.into(), Array::vector(vec![w])))).collect(),
        );
        let of = |path: &str| weights.of(path)[0].1.data[0];
        assert_eq!((of("a/b/x"), of("a/x")), (2.0, 1.0));
    }

    /// Keras lists a nested model's trainable weights first; names may be those of the graph.
    #[test]
    fn nested_weights_find_their_layers() {
        let inner = json!([
            { "class_name": "Dense",
              "config": { "name": "sd", "use_bias": false, "batch_input_shape": [null, 2] } },
            { "class_name": "BatchNormalization", "config": { "name": "bn", "scale": false } },
            { "class_name": "Dense", "config": { "name": "se", "use_bias": false } }
        ]);
        let model = super::super::config::parse(
            &json!({ "class_name": "Sequential", "config": { "layers": inner } }),
            "m",
            &Default::default(),
        )
        .unwrap();
        let list = |names: &[&str]| -> Vec<Option<(String, Array)>> {
            names
                .iter()
                .enumerate()
                .map(|(i, n)| Some((n.to_string(), Array::vector(vec![i as f32]))))
                .collect()
        };
        for names in [
            ["sd/kernel:0", "bn/beta:0", "se/kernel:0", "bn/moving_mean:0", "bn/moving_variance:0"],
            ["sd_1/kernel:0", "bn_1/beta:0", "se_1/kernel:0", "bn_1/moving_mean:0", "bn_1/moving_variance:0"],
        ] {
            let mut weights = Weights::default();
            weights.distribute(&model, "n", list(&names));
            let of = |layer: &str| -> Vec<(&str, f32)> {
                weights.of(layer).iter().map(|(name, array)| (name.as_str(), array.data[0])).collect()
            };
            assert_eq!(of("n/sd"), [("kernel", 0.0)]);
            assert_eq!(of("n/bn"), [("beta", 1.0), ("moving_mean", 3.0), ("moving_variance", 4.0)]);
            assert_eq!(of("n/se"), [("kernel", 2.0)]);
        }
    }
}
