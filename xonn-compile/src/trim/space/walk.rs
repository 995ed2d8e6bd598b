//! Follows a layer's channels to the layers that add them up.

use super::{Absorber, Axis, Consumer, Slice, Space};
use crate::graph::{Function, LayerOp, Padding, Quantizer};
use crate::keras::classes::{self, Family};
use crate::keras::config::{LayerConfig, TensorRef};
use crate::keras::fields::Fields;
use crate::trim::model::Model;

/// The field that holds the number of a layer's channels; `None` for layers that make none.
pub(super) fn producer_key(kind: &str) -> Option<&'static str> {
    match family(kind) {
        Some(Family::Dense) => Some("units"),
        Some(Family::Conv | Family::SeparableConv) => Some("filters"),
        _ => None,
    }
}

/// What a class does with channels; `None` if they are not followed through it.
fn family(kind: &str) -> Option<Family> {
    let class = classes::of(kind)?;
    let followed = match class.family {
        Family::DepthwiseConv => class.axes == 2,
        Family::BatchNorm => kind != "SyncBatchNormalization",
        Family::Dense
        | Family::Conv
        | Family::SeparableConv
        | Family::MaxPool
        | Family::GlobalMaxPool
        | Family::AveragePool
        | Family::GlobalAveragePool
        | Family::Border
        | Family::Flatten => true,
        _ => false,
    };
    followed.then_some(class.family)
}

/// The channels of one tensor on the way.
#[derive(Clone)]
struct Tensor {
    from: TensorRef,
    axis: Axis,
    shape: Vec<usize>,
    /// The two numbers of a bit, once a sign has been met.
    values: Option<[f32; 2]>,
    /// Whether the bits have been averaged since.
    averaged: bool,
    /// Whether a border of zeros was put around the image.
    bordered: bool,
}

/// The space of layer `index`.
///
/// # Errors
/// The reason why its channels are kept.
pub(super) fn space(model: &Model, index: usize, key: &'static str) -> Result<Space, String> {
    let layer = &model.config.layers[index];
    called_once(layer)?;
    let channels = Fields(&layer.config).count(key, None)?;
    let axis = Axis { outer: 1, channels, inner: 1 };
    let mut walk = Walk {
        model,
        space: Space {
            name: layer.name.clone(),
            layer: index,
            key,
            channels,
            slices: Vec::new(),
            readers: Vec::new(),
            writers: Vec::new(),
            consumers: Vec::new(),
            is_plain: true,
            is_max_pooled: false,
            is_averaged: false,
        },
    };
    let shape = model.shape(&layer.name).ok_or("its shape is not known")?.to_vec();
    let mut tensor = Tensor {
        from: TensorRef { layer: index, call: 0, tensor: 0 },
        axis,
        shape,
        values: None,
        averaged: false,
        bordered: false,
    };
    walk.produce(layer, axis)?;
    let ops = model.ops(&layer.name);
    let sums = ops.iter().rposition(|op| is_linear(op)).ok_or("it has no sums")?;
    for op in &ops[sums + 1..] {
        walk.elementwise(op, &mut tensor).map_err(|op| format!("its activation {op} is not followed"))?;
    }
    walk.read(tensor)?;
    if walk.space.consumers.is_empty() {
        return Err("nothing reads it".into());
    }
    Ok(walk.space)
}

fn is_linear(op: &LayerOp) -> bool {
    matches!(op, LayerOp::Dense { .. } | LayerOp::Conv2d { .. } | LayerOp::DepthwiseConv2d { .. })
}

/// A pooling, or the reshape of a one-dimensional one into an image and back.
fn is_pool(op: &&LayerOp) -> bool {
    matches!(op, LayerOp::MaxPool2d { .. } | LayerOp::AveragePool2d { .. } | LayerOp::Reshape { .. })
}

fn has_secret_scale(op: &LayerOp) -> bool {
    matches!(
        op,
        LayerOp::Dense { secret_scale: true, .. }
            | LayerOp::Conv2d { secret_scale: true, .. }
            | LayerOp::DepthwiseConv2d { secret_scale: true, .. }
    )
}

/// BinaryNet's scale `Glorot` follows from the numbers of inputs and outputs, which trimming changes.
fn fixed_scale(layer: &LayerConfig) -> Result<(), String> {
    match layer.config["H"].as_str() {
        Some(h) => Err(format!("the scale of layer {:?} depends on its size (H is {h})", layer.name)),
        None => Ok(()),
    }
}

fn called_once(layer: &LayerConfig) -> Result<(), String> {
    match layer.calls.len() {
        1 => Ok(()),
        n => Err(format!("layer {:?} is called {n} times", layer.name)),
    }
}

fn channels_last(layer: &LayerConfig) -> Result<(), String> {
    match layer.config["data_format"].as_str() {
        Some("channels_first") => Err(format!("layer {:?} has its channels first", layer.name)),
        _ => Ok(()),
    }
}

struct Walk<'m> {
    model: &'m Model,
    space: Space,
}

impl Walk<'_> {
    /// Cuts the arrays of the layer that makes the channels.
    fn produce(&mut self, layer: &LayerConfig, axis: Axis) -> Result<(), String> {
        channels_last(layer)?;
        one_group(layer)?;
        fixed_scale(layer)?;
        let roles: &[&str] = match family(&layer.kind) {
            Some(Family::SeparableConv) => &["depthwise_kernel", "pointwise_kernel"],
            _ => &["kernel"],
        };
        let paths = self.paths(layer, roles)?;
        // The kernel that makes the outputs is the last, the bias behind it.
        for path in &paths[roles.len() - 1..] {
            self.slice(layer, path, 0, axis)?;
        }
        self.space.writers.push((self.space.layer, axis));
        Ok(())
    }

    /// Follows a tensor to all its readers.
    fn read(&mut self, tensor: Tensor) -> Result<(), String> {
        let model = self.model;
        if model.config.outputs.contains(&tensor.from) {
            return Err("its channels are the model's scores".into());
        }
        for (index, layer) in model.config.layers.iter().enumerate() {
            if !layer.calls.iter().any(|call| call.reads.contains(&tensor.from)) {
                continue;
            }
            called_once(layer)?;
            if layer.nested.is_some() || layer.calls[0].reads.len() != 1 {
                return Err(format!("its channels go into {} {:?}", layer.class, layer.name));
            }
            channels_last(layer)?;
            self.space.readers.push((index, tensor.axis));
            if self.consume(layer, &tensor)? {
                continue;
            }
            let mut next = tensor.clone();
            self.carry(layer, &mut next)?;
            next.from = TensorRef { layer: index, call: 0, tensor: 0 };
            if let Some(shape) = model.shape(&layer.name) {
                next.shape = shape.to_vec();
            }
            if next.shape.last() != Some(&next.axis.len()) {
                return Err(format!("its channels are not the last axis behind layer {:?}", layer.name));
            }
            self.space.writers.push((index, next.axis));
            self.read(next)?;
        }
        Ok(())
    }

    /// Takes note of a layer that adds the channels up; says whether it is one.
    fn consume(&mut self, layer: &LayerConfig, tensor: &Tensor) -> Result<bool, String> {
        let roles: &[&str] = match family(&layer.kind) {
            Some(Family::Dense | Family::Conv) => &["kernel"],
            Some(Family::SeparableConv) => &["depthwise_kernel", "pointwise_kernel"],
            _ => return Ok(false),
        };
        one_group(layer)?;
        let (mut tensor, name) = (tensor.clone(), &layer.name);
        let ops = self.model.ops(name);
        let sums =
            ops.iter().position(|op| is_linear(op)).ok_or_else(|| format!("layer {name:?} has no sums"))?;
        for op in ops[..sums].iter().filter(|op| !matches!(op, LayerOp::Reshape { .. })) {
            self.elementwise(op, &mut tensor)
                .map_err(|op| format!("layer {name:?} reads it through {op}"))?;
        }
        let conv = match ops[sums] {
            LayerOp::Conv2d { conv, .. } | LayerOp::DepthwiseConv2d { conv, .. } => Some(conv),
            _ => None,
        };
        if ops.iter().any(|op| has_secret_scale(op)) {
            return Err(format!(
                "the kernel of layer {name:?} has a scale that depends on its inputs' weights"
            ));
        }
        fixed_scale(layer)?;
        let values =
            tensor.values.ok_or_else(|| format!("layer {name:?} reads it without a sign in front of it"))?;
        let paths = self.paths(layer, roles)?;
        let mut axis = tensor.axis;
        self.slice(layer, &paths[0], 1, axis)?;
        if roles.len() == 2 {
            axis.inner *= Fields(&layer.config).count("depth_multiplier", Some(1))?;
            self.slice(layer, &paths[1], 1, axis)?;
        }
        let padded = conv.filter(|conv| conv.padding != Padding::Valid).map(|conv| conv.pad_value);
        self.space.consumers.push(Consumer {
            name: name.clone(),
            axis,
            values,
            absorber: self.absorber(layer, &paths[roles.len()..]),
            // A border that a layer put there goes through the sign; NaN is no value of any channel.
            border: if tensor.bordered { Some(f32::NAN) } else { padded },
            is_direct: roles.len() == 1,
        });
        Ok(true)
    }

    /// Follows the channels through a layer that treats each by itself.
    fn carry(&mut self, layer: &LayerConfig, tensor: &mut Tensor) -> Result<(), String> {
        let unknown = || format!("its channels go into {} {:?}", layer.class, layer.name);
        match family(&layer.kind) {
            Some(Family::BatchNorm) => {
                let rank = tensor.shape.len() as i64;
                let axis = match &layer.config["axis"] {
                    serde_json::Value::Array(list) if list.len() == 1 => list[0].as_i64(),
                    other => other.as_i64(),
                };
                if axis.is_some_and(|axis| axis != -1 && axis != rank) {
                    return Err(format!("layer {:?} normalises another axis", layer.name));
                }
                for path in &self.paths(layer, &norm_roles(layer))? {
                    self.slice(layer, path, 0, tensor.axis)?;
                }
                self.space.is_plain &= tensor.values.is_none();
                tensor.values = None;
            }
            Some(Family::DepthwiseConv) => {
                let ops = self.model.ops(&layer.name);
                if ops.iter().any(|op| has_secret_scale(op)) {
                    return Err(format!(
                        "the kernel of layer {:?} has a scale over its channels",
                        layer.name
                    ));
                }
                for op in ops.iter().take_while(|op| !is_linear(op)) {
                    self.elementwise(op, tensor).map_err(|_| unknown())?;
                }
                let paths = self.paths(layer, &["depthwise_kernel"])?;
                self.slice(layer, &paths[0], 1, tensor.axis)?;
                tensor.axis.inner *= Fields(&layer.config).count("depth_multiplier", Some(1))?;
                for bias in &paths[1..] {
                    self.slice(layer, bias, 0, tensor.axis)?;
                }
                self.space.is_plain = false;
                tensor.values = None;
                for op in ops.iter().skip_while(|op| !is_linear(op)).skip(1) {
                    self.elementwise(op, tensor).map_err(|_| unknown())?;
                }
            }
            Some(Family::MaxPool | Family::GlobalMaxPool) => {
                self.space.is_max_pooled |= tensor.values.is_some();
                self.behind_pool(layer, tensor).map_err(|_| unknown())?;
            }
            Some(Family::AveragePool | Family::GlobalAveragePool) => {
                self.space.is_averaged |= tensor.values.is_some();
                tensor.averaged = true;
                self.behind_pool(layer, tensor).map_err(|_| unknown())?;
            }
            Some(Family::Border) => tensor.bordered = true,
            Some(Family::Flatten) => {
                let pixels: usize = tensor.shape.iter().rev().skip(1).product();
                tensor.axis.outer *= pixels;
                tensor.shape = vec![tensor.shape.iter().product()];
            }
            _ => {
                let ops = self.model.ops(&layer.name);
                if ops.is_empty() {
                    return Err(unknown()); // whatever it does is not known by its name
                }
                for op in ops {
                    self.elementwise(op, tensor).map_err(|op| match op {
                        "a softmax" => "its channels are the model's scores".to_owned(),
                        _ => unknown(),
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Follows the channels through the activation that QKeras's poolings have.
    ///
    /// # Errors
    /// As [`Walk::elementwise`].
    fn behind_pool(&mut self, layer: &LayerConfig, tensor: &mut Tensor) -> Result<(), &'static str> {
        let ops = self.model.ops(&layer.name);
        ops.into_iter().filter(|op| !is_pool(op)).try_for_each(|op| self.elementwise(op, tensor))
    }

    /// Follows the channels through an operation on single elements.
    ///
    /// # Errors
    /// The operation's name, if it is none.
    fn elementwise(&mut self, op: &LayerOp, tensor: &mut Tensor) -> Result<(), &'static str> {
        match op {
            LayerOp::NoOp => {}
            LayerOp::Function(Function::Softmax | Function::LogSoftmax) => return Err("a softmax"),
            LayerOp::Function(_) => {
                self.space.is_plain &= tensor.values.is_none();
                tensor.values = None;
            }
            LayerOp::Quantize(quantizer) => {
                // The sign of a sign changes nothing.
                let again = tensor.values.is_some_and(|values| {
                    quantizer.values() == Some(values)
                        && values.iter().all(|&v| quantizer.apply(v) == v)
                        && *quantizer != Quantizer::Identity
                });
                if !again || tensor.averaged {
                    self.space.is_plain &= tensor.values.is_none() && !tensor.averaged;
                    tensor.values = quantizer.values();
                    tensor.averaged = false;
                }
            }
            other => return Err(other.name()),
        }
        Ok(())
    }

    /// What takes up a constant that the sums of `layer` lose; `bias` is the path of its bias, if it has one.
    fn absorber(&self, layer: &LayerConfig, bias: &[String]) -> Option<Absorber> {
        if let [bias] = bias {
            return Some(Absorber::Bias(bias.clone()));
        }
        let layers = &self.model.config.layers;
        let ops = self.model.ops(&layer.name);
        if !ops.last().is_some_and(|op| is_linear(op) || matches!(op, LayerOp::Reshape { .. })) {
            return None; // an activation of its own
        }
        let channels = *self.model.shape(&layer.name)?.last()?;
        let mut at = layers.iter().position(|other| other.name == layer.name)?;
        loop {
            let from = TensorRef { layer: at, call: 0, tensor: 0 };
            let mut readers = layers
                .iter()
                .enumerate()
                .filter(|(_, reader)| reader.calls.iter().any(|call| call.reads.contains(&from)));
            let (next, reader) = readers.next()?;
            if readers.next().is_some()
                || reader.calls.len() != 1
                || self.model.config.outputs.contains(&from)
            {
                return None;
            }
            match family(&reader.kind) {
                Some(Family::BatchNorm) => {
                    let roles = norm_roles(reader);
                    let paths = self.model.places.with_roles(&reader.name, &roles)?;
                    let mean = paths.get(roles.len() - 2)?;
                    let fits = self.model.document.array(mean)?.data.len() == channels;
                    return fits.then(|| Absorber::Mean(mean.clone()));
                }
                // The largest or the mean of sums that all lose the same loses it too.
                Some(
                    Family::MaxPool | Family::GlobalMaxPool | Family::AveragePool | Family::GlobalAveragePool,
                ) if self.is_bare_pool(reader) => at = next,
                None if self.model.ops(&reader.name).iter().all(|op| **op == LayerOp::NoOp) => at = next,
                _ => return None,
            }
        }
    }

    /// Whether a pooling has no activation of its own.
    fn is_bare_pool(&self, layer: &LayerConfig) -> bool {
        self.model.ops(&layer.name).iter().all(is_pool)
    }

    /// The paths of a layer's weights, its bias last if it has one.
    fn paths(&self, layer: &LayerConfig, roles: &[&str]) -> Result<Vec<String>, String> {
        let mut roles = roles.to_vec();
        let has_bias =
            family(&layer.kind) != Some(Family::BatchNorm) && Fields(&layer.config).flag("use_bias", true)?;
        roles.extend(has_bias.then_some("bias"));
        let paths = self.model.places.with_roles(&layer.name, &roles);
        paths.ok_or_else(|| format!("layer {:?} has other weights than {roles:?}", layer.name))
    }

    /// Notes an array to be cut on its last axis but `from_end`.
    fn slice(&mut self, layer: &LayerConfig, path: &str, from_end: usize, axis: Axis) -> Result<(), String> {
        let shape = self.model.document.array(path).map(|array| array.shape.as_slice()).unwrap_or_default();
        match shape.len().checked_sub(1 + from_end) {
            Some(dim) if shape[dim] == axis.len() => {
                self.space.slices.push(Slice { path: path.into(), dim, axis });
                Ok(())
            }
            _ => Err(format!(
                "a weight of layer {:?} has shape {shape:?}, expected {} channels",
                layer.name,
                axis.len()
            )),
        }
    }
}

fn one_group(layer: &LayerConfig) -> Result<(), String> {
    match Fields(&layer.config).count("groups", Some(1))? {
        1 => Ok(()),
        n => Err(format!("layer {:?} has {n} groups", layer.name)),
    }
}

/// The weights that a BatchNorm has, in Keras's order.
fn norm_roles(layer: &LayerConfig) -> Vec<&'static str> {
    let has = |flag: &str| layer.config[flag].as_bool().unwrap_or(true);
    let mut roles = Vec::new();
    roles.extend(has("scale").then_some("gamma"));
    roles.extend(has("center").then_some("beta"));
    roles.extend(["moving_mean", "moving_variance"]);
    roles
}
