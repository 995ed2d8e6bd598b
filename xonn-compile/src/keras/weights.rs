//! Weights by layer, from both layouts: named (whole-model `.h5`) and numbered (`model.weights.h5`).

use std::collections::HashMap;

use super::KerasError;
use super::config::ModelConfig;
use super::hdf5::{Array, Container};

/// Every layer's weights, in the order in which Keras saves them.
#[derive(Default, Debug)]
pub struct Weights {
    by_layer: HashMap<String, Vec<(String, Array)>>,
}

/// Names of the root group of numbered weights, newest first.
const ROOTS: [&str; 2] = ["layers", "_layer_checkpoint_dependencies"];

impl Weights {
    /// Reads `model_weights/<layer>` of a whole-model file, following each layer's `weight_names`: the inner paths are not
    /// predictable.
    ///
    /// # Errors
    /// [`KerasError`].
    pub fn legacy(h5: &impl Container, file: &str) -> Result<Self, KerasError> {
        let root = "/model_weights";
        let layers = h5.strings_attribute(root, "layer_names")?.ok_or_else(|| KerasError::NotAModel {
            file: file.into(),
            reason: "it holds a model_config but no model_weights".into(),
        })?;
        let mut by_layer = HashMap::new();
        for layer in layers {
            let group = format!("{root}/{layer}");
            let names = h5.strings_attribute(&group, "weight_names")?.unwrap_or_default();
            let mut arrays = Vec::new();
            for name in names {
                let array = h5.array(&format!("{group}/{name}")).map_err(|e| KerasError::MissingWeight {
                    file: file.into(),
                    layer: layer.clone(),
                    weight: name.clone(),
                    found: e.to_string(),
                })?;
                arrays.push((short(&name), array));
            }
            by_layer.insert(layer, arrays);
        }
        Ok(Self { by_layer })
    }

    /// Reads `layers/<class>_<k>/vars/<i>`: the k-th configured layer of a class has the group with the k-th smallest
    /// suffix. Where the group names its layer, that is a cross-check.
    ///
    /// # Errors
    /// [`KerasError`].
    pub fn numbered(h5: &impl Container, model: &ModelConfig, file: &str) -> Result<Self, KerasError> {
        let not = |reason: String| KerasError::NotAModel { file: file.into(), reason };
        let mut root = None;
        for name in ROOTS {
            if let Some(groups) = h5.groups(name)? {
                root = Some((name, groups));
                break;
            }
        }
        let (root, groups) =
            root.ok_or_else(|| not(format!("its weights have none of the groups {ROOTS:?}")))?;

        // The order of the configuration counts, not the topological one.
        let mut configured: Vec<_> = model.layers.iter().filter(|l| l.position != usize::MAX).collect();
        configured.sort_by_key(|l| l.position);
        let mut by_class: HashMap<String, Vec<&str>> = HashMap::new();
        for layer in &configured {
            by_class.entry(snake_case(&layer.class)).or_default().push(&layer.name);
        }
        let mut by_layer = HashMap::new();
        for (class, layers) in by_class {
            let mut numbered: Vec<(u32, &String)> =
                groups.iter().filter_map(|group| Some((suffix(group, &class)?, group))).collect();
            numbered.sort();
            for (layer, (_, group)) in layers.iter().zip(&numbered) {
                let arrays = numbered_arrays(h5, &format!("{root}/{group}/vars"), layer, file)?;
                by_layer.insert((*layer).to_owned(), arrays);
            }
        }
        Ok(Self { by_layer })
    }

    /// Takes a layer's weights, empty if it has none.
    pub fn take(&mut self, layer: &str) -> Vec<(String, Array)> {
        self.by_layer.remove(layer).unwrap_or_default()
    }
}

fn numbered_arrays(
    h5: &impl Container,
    vars: &str,
    layer: &str,
    file: &str,
) -> Result<Vec<(String, Array)>, KerasError> {
    let Some(names) = h5.datasets(vars)? else { return Ok(Vec::new()) };
    if let Some(named) = h5.string_attribute(vars, "name")?.filter(|named| named != layer) {
        let reason = format!("the weights in {vars} belong to layer {named:?}, expected {layer:?}");
        return Err(KerasError::Config { file: file.into(), reason });
    }
    let mut numbers: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
    numbers.sort_unstable();
    numbers.iter().map(|i| Ok((i.to_string(), h5.array(&format!("{vars}/{i}"))?))).collect()
}

/// `kernel` of `dense/kernel:0`.
fn short(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    last.split(':').next().unwrap_or(last).to_owned()
}

/// The number behind a class's group name: 0 for the bare name.
fn suffix(group: &str, class: &str) -> Option<u32> {
    match group.strip_prefix(class)? {
        "" => Some(0),
        rest => rest.strip_prefix('_')?.parse().ok(),
    }
}

/// Keras's own `to_snake_case`: drop all but word characters, `(.)([A-Z][a-z]+)` and `([a-z])([A-Z])` get an underscore.
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
        assert_eq!(short("bn1/bn1_1/beta:0"), "beta");
    }
}
