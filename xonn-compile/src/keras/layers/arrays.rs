//! A layer's weights as it computes with them: all that it needs, no others, finite.

use std::sync::Arc;

use super::{Builder, Built, Layer, Trouble, broken};
use crate::graph::Array;
use crate::keras::KerasError;

impl Builder<'_> {
    /// A layer's weights with the names in `roles`, in Keras's order: finite arrays, by role or, where the
    /// file has numbers only, by place.
    pub(super) fn weights(&mut self, layer: &Layer<'_>, roles: &[&'static str]) -> Built<Vec<Arc<Array>>> {
        if !self.weights_are_known {
            return Err(Trouble::NoWeights);
        }
        let found = self.weights.of(&layer.path);
        // Names of the user's own classes may be others; then the places count.
        let by_name = roles.iter().all(|role| found.iter().any(|(name, _)| name == role));
        // A BatchNormalization that is renormalised in training has three more weights behind those of
        // inference.
        let found = match layer.config.config["renorm"].as_bool() {
            Some(true) if !by_name && found.len() == roles.len() + 3 => &found[..roles.len()],
            _ => found,
        };
        // A second kernel, or one that is added to the first (low-rank adaptation), would be lost without a
        // word.
        let kernels = by_name && roles.iter().any(|role| role.ends_with("kernel"));
        if kernels && found.len() > roles.len() {
            let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
            return Err(Trouble::Refused(format!(
                "it has the weights {names:?}, expected {roles:?} and no others"
            )));
        }
        roles
            .iter()
            .enumerate()
            .map(|(i, &role)| {
                if let Some(array) = self.arrays.get(&(layer.path.clone(), role)) {
                    return Ok(Arc::clone(array));
                }
                let own = match by_name {
                    true => found.iter().find(|(name, _)| name == role),
                    false if found.len() == roles.len() => found.get(i),
                    false => None,
                };
                let file = self.origin.file.to_owned();
                let (_, array) = own.ok_or_else(|| {
                    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
                    let found = format!("found {names:?}, expected {roles:?}");
                    let missing = roles.iter().find(|role| !names.contains(role)).unwrap_or(&role);
                    broken(KerasError::MissingWeight {
                        file: file.clone(),
                        layer: layer.path.clone(),
                        weight: (*missing).into(),
                        found,
                    })
                })?;
                let negative = role.ends_with("variance");
                let bad = |x: &f32| !x.is_finite() || (negative && *x < 0.0);
                if let Some(index) = array.data.iter().position(bad) {
                    return Err(broken(KerasError::WeightValue {
                        file,
                        layer: layer.path.clone(),
                        weight: role.into(),
                        index,
                        value: array.data[index],
                        expected: if negative {
                            "a finite number that is not negative"
                        } else {
                            "a finite number"
                        },
                    }));
                }
                let array = Arc::new(array.clone());
                self.arrays.insert((layer.path.clone(), role), Arc::clone(&array));
                Ok(array)
            })
            .collect()
    }
}
