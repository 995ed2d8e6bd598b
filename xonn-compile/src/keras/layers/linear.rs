//! Dense layers and convolutions of Keras, Larq, QKeras and BinaryNet: they differ in where the kernel's
//! quantiser is.

use std::sync::Arc;

use petgraph::stable_graph::NodeIndex;
use serde_json::Value;

use super::{Builder, Built, Layer, broken};
use crate::graph::{Array, Conv, LayerOp, Padding, Quantizer};
use crate::keras::KerasError;
use crate::keras::classes::{self, Library};
use crate::keras::fields::Fields;
use crate::keras::quantizer;

/// Quantised kernels, and the bias if there is one.
type KernelsAndBias = (Vec<Arc<Array>>, Option<Arc<Array>>);

impl Builder<'_> {
    pub(super) fn dense(&mut self, layer: &Layer<'_>) -> Built<NodeIndex> {
        if layer.fields().is_int8() {
            return self.int8_dense(layer);
        }
        let read = self.quantized_input(layer)?;
        let quantizer = self.kernel_quantizer(layer, "kernel_quantizer")?;
        let (mut arrays, bias) = self.kernels(layer, &[("kernel", quantizer)])?;
        let units = layer.fields().count("units", own_length(layer, &arrays[0], 1))?;
        let inputs = self.shape(read).and_then(|shape| shape.last().copied());
        self.check_shape(layer, "kernel", &arrays[0], &[inputs, Some(units)])?;
        self.check_bias(layer, bias.as_deref(), units)?;
        let dense = self.add(
            layer,
            LayerOp::Dense { kernel: arrays.remove(0), bias, secret_scale: quantizer.scales_by_weights() },
            &[read],
        )?;
        self.activation(layer, layer.fields().get("activation"), dense)
    }

    /// A dense layer of Keras 3 after `quantize("int8")`: `sum(round(127 x / max|x|) W) max|x| / (127
    /// scale)`. Of inputs that are
    /// `-s` and `+s` that is a sum with the real kernel `W / scale`; any others are rounded by the largest of
    /// each sample.
    fn int8_dense(&mut self, layer: &Layer<'_>) -> Built<NodeIndex> {
        let read = layer.only_read()?;
        if layer.config.kind != "Dense" || !self.is_of_signs(read) {
            return Err("it was quantised to int8, which rounds its inputs anew for each sample unless a \
                sign stands in front of it, expected a Dense layer behind a sign; save the model before \
                model.quantize(\"int8\") is called"
                .to_owned()
                .into());
        }
        let use_bias = layer.fields().flag("use_bias", true)?;
        let roles: &[&'static str] =
            if use_bias { &["kernel", "bias", "kernel_scale"] } else { &["kernel", "kernel_scale"] };
        let arrays = self.weights(layer, roles)?;
        let (kernel, scale) = (&arrays[0], &arrays[roles.len() - 1]);
        let units = layer.fields().count("units", None)?;
        let inputs = self.shape(read).and_then(|shape| shape.last().copied());
        self.check_shape(layer, "kernel", kernel, &[inputs, Some(units)])?;
        if scale.data.len() != units || scale.data.iter().any(|scale| *scale <= 0.0) {
            return Err(
                format!("its kernel has {} scales, expected {units} above 0", scale.data.len()).into()
            );
        }
        let bias = use_bias.then(|| Arc::clone(&arrays[1]));
        self.check_bias(layer, bias.as_deref(), units)?;
        let data = kernel.data.iter().enumerate().map(|(i, w)| w / scale.data[i % units]).collect();
        let kernel = Arc::new(Array { shape: kernel.shape.clone(), data });
        let dense = self.add(layer, LayerOp::Dense { kernel, bias, secret_scale: true }, &[read])?;
        self.activation(layer, layer.fields().get("activation"), dense)
    }

    /// Whether a tensor holds `-s` and `+s` and nothing else.
    fn is_of_signs(&self, node: NodeIndex) -> bool {
        self.two_values(node, 0).is_some_and(|[low, high]| low == -high && low != 0.0)
    }

    /// The two values of a tensor that is made of a sign by lines and moves.
    fn two_values(&self, node: NodeIndex, depth: u32) -> Option<[f32; 2]> {
        let before = || match self.graph.inputs_of(node)[..] {
            [read] if depth < 64 => self.two_values(read, depth + 1),
            _ => None,
        };
        match &self.graph.graph[node].op {
            LayerOp::Quantize(Quantizer::Ternary | Quantizer::TernaryAt { .. }) => None,
            LayerOp::Quantize(quantizer) => quantizer.values(),
            LayerOp::Rescale { scale, offset } => before().map(|values| values.map(|x| x * scale + offset)),
            LayerOp::Reshape { .. } | LayerOp::Transpose { .. } | LayerOp::Pick { .. } => before(),
            LayerOp::MaxPool2d(_) | LayerOp::NoOp => before(),
            _ => None,
        }
    }

    /// A convolution over `axes` image axes.
    pub(super) fn conv(&mut self, layer: &Layer<'_>, axes: usize) -> Built<NodeIndex> {
        let fields = layer.fields();
        let quantizer = self.kernel_quantizer(layer, "kernel_quantizer")?;
        let conv = Conv { groups: fields.count("groups", Some(1))?, ..conv(fields, axes)? };
        let (mut arrays, bias) = self.kernels(layer, &[("kernel", quantizer)])?;
        let kernel = with_rows(arrays.remove(0), axes);
        let [rows, columns] = fields.sizes("kernel_size", axes, own_window(layer, &kernel))?;
        let filters = fields.count("filters", own_length(layer, &kernel, 3))?;
        self.check_shape(layer, "kernel", &kernel, &[Some(rows), Some(columns), None, Some(filters)])?;
        self.check_bias(layer, bias.as_deref(), filters)?;
        let secret_scale = quantizer.scales_by_weights();
        self.around_image(layer, axes, |builder, read| {
            builder.add(layer, LayerOp::Conv2d { kernel, bias, conv, secret_scale }, &[read])
        })
    }

    pub(super) fn depthwise_conv(&mut self, layer: &Layer<'_>, axes: usize) -> Built<NodeIndex> {
        let quantizer = self.kernel_quantizer(layer, "depthwise_quantizer")?;
        let conv = conv(layer.fields(), axes)?;
        let (mut arrays, bias) = self.kernels(layer, &[("depthwise_kernel", quantizer)])?;
        let kernel = with_rows(arrays.remove(0), axes);
        let [rows, columns] = layer.fields().sizes("kernel_size", axes, own_window(layer, &kernel))?;
        let multiplier = layer.fields().count("depth_multiplier", Some(1))?;
        self.check_shape(
            layer,
            "depthwise_kernel",
            &kernel,
            &[Some(rows), Some(columns), None, Some(multiplier)],
        )?;
        let secret_scale = quantizer.scales_by_weights();
        self.around_image(layer, axes, |builder, read| {
            builder.add(layer, LayerOp::DepthwiseConv2d { kernel, bias, conv, secret_scale }, &[read])
        })
    }

    /// A depthwise convolution whose sums go, not binarised, into a 1x1 convolution.
    pub(super) fn separable_conv(&mut self, layer: &Layer<'_>, axes: usize) -> Built<NodeIndex> {
        let depthwise = self.kernel_quantizer(layer, "depthwise_quantizer")?;
        let pointwise = self.kernel_quantizer(layer, "pointwise_quantizer")?;
        let conv = conv(layer.fields(), axes)?;
        let wanted = [("depthwise_kernel", depthwise), ("pointwise_kernel", pointwise)];
        let (mut arrays, bias) = self.kernels(layer, &wanted)?;
        let secret = wanted.map(|(_, quantizer)| quantizer.scales_by_weights());
        let pointwise = with_rows(arrays.remove(1), axes);
        let depthwise = with_rows(arrays.remove(0), axes);
        let fields = layer.fields();
        let [rows, columns] = fields.sizes("kernel_size", axes, own_window(layer, &depthwise))?;
        let filters = fields.count("filters", own_length(layer, &pointwise, 3))?;
        let multiplier = fields.count("depth_multiplier", Some(1))?;
        self.check_shape(
            layer,
            "depthwise_kernel",
            &depthwise,
            &[Some(rows), Some(columns), None, Some(multiplier)],
        )?;
        self.check_shape(layer, "pointwise_kernel", &pointwise, &[Some(1), Some(1), None, Some(filters)])?;
        self.check_bias(layer, bias.as_deref(), filters)?;
        self.around_image(layer, axes, |builder, read| {
            let sums =
                LayerOp::DepthwiseConv2d { kernel: depthwise, bias: None, conv, secret_scale: secret[0] };
            let sums = builder.add(layer, sums, &[read])?;
            let one =
                Conv { stride: [1, 1], dilation: [1, 1], padding: Padding::Valid, pad_value: 0.0, groups: 1 };
            builder.add(
                layer,
                LayerOp::Conv2d { kernel: pointwise, bias, conv: one, secret_scale: secret[1] },
                &[sums],
            )
        })
    }

    /// Input quantiser, then `body` on an image with channels last, then the activation.
    pub(super) fn around_image(
        &mut self,
        layer: &Layer<'_>,
        axes: usize,
        body: impl FnOnce(&mut Self, NodeIndex) -> Built<NodeIndex>,
    ) -> Built<NodeIndex> {
        let first = layer.fields().channels_first()?;
        let read = self.quantized_input(layer)?;
        let image = self.as_image(layer, read, axes, first)?;
        let made = body(self, image)?;
        let made = self.in_layer_order(layer, made, axes, first)?;
        self.activation(layer, layer.fields().get("activation"), made)
    }

    /// Larq's `input_quantizer` in front of the layer; `null` and other libraries have none.
    fn quantized_input(&mut self, layer: &Layer<'_>) -> Built<NodeIndex> {
        let read = layer.only_read()?;
        let of_qkeras = layer.config.is_of_qkeras();
        let quantizer =
            quantizer::input(layer.fields().get("input_quantizer"), &self.origin.options.custom, of_qkeras)?;
        self.apply(layer, quantizer, read)
    }

    /// How the latent kernel is quantised.
    pub(super) fn kernel_quantizer(&self, layer: &Layer<'_>, key: &str) -> Result<Quantizer, String> {
        let fields = layer.fields();
        if classes::is_of(Library::BinaryNet, &layer.config.kind) {
            return Ok(Quantizer::BinaryTanh { h: self.binary_net_scale(layer)? });
        }
        quantizer::kernel(fields.get(key), &self.origin.options.custom, layer.config.is_of_qkeras())
    }

    /// How the bias is quantised: QKeras's, which is a constant in inference.
    pub(super) fn bias_quantizer(&self, layer: &Layer<'_>) -> Result<Quantizer, String> {
        let json = layer.fields().get("bias_quantizer");
        let quantizer = quantizer::kernel(json, &self.origin.options.custom, layer.config.is_of_qkeras())?;
        if matches!(quantizer, Quantizer::FittedBits { .. } | Quantizer::FittedTernary { .. }) {
            return Err(format!(
                "bias_quantizer is {}, whose scale is fitted to the bias; expected a number as alpha",
                crate::keras::inbound::brief(json)
            ));
        }
        Ok(quantizer)
    }

    /// BinaryNet's `H`: a number, or `Glorot`, `sqrt(1.5 / (fan in + fan out))`.
    fn binary_net_scale(&self, layer: &Layer<'_>) -> Result<f32, String> {
        match layer.fields().get("H") {
            Value::String(text) if text == "Glorot" && !self.weights_are_known => Ok(1.0),
            Value::String(text) if text == "Glorot" => {
                let weights = self.weights.of(&layer.path);
                let shape = weights.iter().map(|(_, a)| a.shape.as_slice()).find(|shape| shape.len() >= 2);
                let [taps @ .., inputs, outputs] =
                    shape.ok_or("H is Glorot and there is no kernel to take it from")?
                else {
                    return Err("H is Glorot and the kernel has fewer than two axes".into());
                };
                let taps: usize = taps.iter().product();
                Ok((1.5 / (taps as f64 * (*inputs as f64 + *outputs as f64))).sqrt() as f32)
            }
            _ => {
                let h = layer.fields().number("H", Some(1.0))? as f32;
                if h > 0.0 { Ok(h) } else { Err(format!("H is {h}, expected a positive number or Glorot")) }
            }
        }
    }

    /// Refuses a weight whose shape is not the configured one; `None` stands for a length that is checked
    /// elsewhere.
    pub(super) fn check_shape(
        &self,
        layer: &Layer<'_>,
        weight: &str,
        array: &Array,
        expected: &[Option<usize>],
    ) -> Built<()> {
        let fits = |(found, expected): (&usize, &Option<usize>)| expected.is_none_or(|e| e == *found);
        if array.shape.len() == expected.len() && array.shape.iter().zip(expected).all(fits) {
            return Ok(());
        }
        let found = array.shape.clone();
        let expected =
            expected.iter().enumerate().map(|(i, e)| e.or(found.get(i).copied()).unwrap_or(1)).collect();
        Err(broken(KerasError::WeightShape {
            file: self.origin.file.to_owned(),
            layer: layer.path.clone(),
            weight: weight.into(),
            found,
            expected,
        }))
    }

    pub(super) fn check_bias(&self, layer: &Layer<'_>, bias: Option<&Array>, outputs: usize) -> Built<()> {
        bias.map_or(Ok(()), |bias| self.check_shape(layer, "bias", bias, &[Some(outputs)]))
    }

    /// Whether the layer has a bias. Classes of the user's own may not say so; then their number of weights
    /// does.
    fn use_bias(&self, layer: &Layer<'_>, kernels: usize) -> Result<bool, String> {
        match layer.fields().get("use_bias") {
            Value::Null if layer.config.is_own() => Ok(self.weights.of(&layer.path).len() > kernels),
            _ => layer.fields().flag("use_bias", true),
        }
    }

    /// The quantised kernels and the bias.
    pub(super) fn kernels(
        &mut self,
        layer: &Layer<'_>,
        wanted: &[(&'static str, Quantizer)],
    ) -> Built<KernelsAndBias> {
        let mut roles: Vec<&'static str> = wanted.iter().map(|(role, _)| *role).collect();
        let use_bias = self.use_bias(layer, wanted.len())?;
        roles.extend(use_bias.then_some("bias"));
        let mut arrays = self.weights(layer, &roles)?;
        let bias = if use_bias { arrays.pop() } else { None };
        let bias = match (self.bias_quantizer(layer)?, bias) {
            (Quantizer::Identity, bias) => bias,
            (quantizer, bias) => bias.map(|bias| Arc::new(quantizer.constant(&bias))),
        };
        if let Some(kernel) = arrays.iter().find(|kernel| !says_its_quantizer(layer) && !is_binary(kernel)) {
            let shape = &kernel.shape;
            let kind = &layer.config.kind;
            return Err(format!(
                "its class is taken for {kind}, but its configuration has no quantizer for the kernel, \
                 {shape:?} numbers that are not +-1; say in the custom map \"{kind}(ste_sign)\" (+1 at 0), \
                 \"{kind}(binary_tanh)\" (-1 at 0), or \"{}\" if these numbers are used as they are",
                kind.strip_prefix("Quant").or_else(|| kind.strip_prefix('Q')).unwrap_or(kind)
            )
            .into());
        }
        let kernels = arrays.iter().zip(wanted).map(|(kernel, (_, quantizer))| match quantizer {
            Quantizer::Identity => Arc::clone(kernel),
            quantizer => Arc::new(quantizer.kernel(kernel)),
        });
        Ok((kernels.collect(), bias))
    }
}

/// Whether the configuration says how kernels are quantised: a class of the user's own that is called a
/// `Quant` or `Q` layer may do it in its code.
fn says_its_quantizer(layer: &Layer<'_>) -> bool {
    let fields = ["kernel_quantizer", "depthwise_quantizer", "pointwise_quantizer"];
    let quantized = layer.config.kind.starts_with('Q');
    !layer.config.is_own() || !quantized || fields.iter().any(|key| layer.config.config.get(key).is_some())
}

/// Whether every output of a kernel has weights of one magnitude.
fn is_binary(kernel: &Array) -> bool {
    let outputs = kernel.last_axis().max(1);
    let magnitude = |at: usize| kernel.data.get(at).map(|w| w.abs());
    (0..kernel.data.len()).all(|at| magnitude(at) == magnitude(at % outputs))
}

/// A length of the kernel, for classes of the user's own whose configuration may not have it.
fn own_length(layer: &Layer<'_>, kernel: &Array, axis: usize) -> Option<usize> {
    kernel.shape.get(axis).copied().filter(|_| layer.config.is_own())
}

/// Rows and columns of the kernel, as [`own_length`].
fn own_window(layer: &Layer<'_>, kernel: &Array) -> Option<[usize; 2]> {
    Some([own_length(layer, kernel, 0)?, own_length(layer, kernel, 1)?])
}

/// The hyperparameters that all convolutions share.
pub(super) fn conv(fields: Fields<'_>, axes: usize) -> Result<Conv, String> {
    Ok(Conv {
        stride: fields.sizes("strides", axes, Some([1, 1]))?,
        dilation: fields.sizes("dilation_rate", axes, Some([1, 1]))?,
        padding: fields.padding(axes)?,
        pad_value: fields.number("pad_values", Some(0.0))? as f32,
        groups: 1,
    })
}

/// A 1D kernel as one of a single row.
pub(super) fn with_rows(kernel: Arc<Array>, axes: usize) -> Arc<Array> {
    if axes == 2 {
        return kernel;
    }
    let shape = [1].iter().chain(&kernel.shape).copied().collect();
    Arc::new(Array { shape, data: kernel.data.clone() })
}
