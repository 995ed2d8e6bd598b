//! QKeras's convolutions with a BatchNorm folded in: the kernel is scaled by it, then quantised.

use std::sync::Arc;

use petgraph::stable_graph::NodeIndex;

use super::linear::conv;
use super::{Builder, Built, Layer};
use crate::graph::{Array, LayerOp, Quantizer};

/// The kernel as it is convolved with, and what is added.
struct Folded {
    kernel: Arc<Array>,
    bias: Arc<Array>,
    secret_scale: bool,
}

impl Builder<'_> {
    /// `QConv2DBatchnorm` in inference.
    pub(super) fn folded_conv(&mut self, layer: &Layer<'_>) -> Built<NodeIndex> {
        let conv = conv(layer.fields(), 2)?;
        let quantizer = self.kernel_quantizer(layer, "kernel_quantizer")?;
        let Folded { kernel, bias, secret_scale } = self.folded(layer, "kernel", quantizer)?;
        self.around_image(layer, 2, |builder, read| {
            let bias = Some(bias);
            builder.add(layer, LayerOp::Conv2d { kernel, bias, conv, secret_scale }, &[read])
        })
    }

    /// `QDepthwiseConv2DBatchnorm` in inference.
    pub(super) fn folded_depthwise_conv(&mut self, layer: &Layer<'_>) -> Built<NodeIndex> {
        let conv = conv(layer.fields(), 2)?;
        let quantizer = self.kernel_quantizer(layer, "depthwise_quantizer")?;
        let Folded { kernel, bias, secret_scale } = self.folded(layer, "depthwise_kernel", quantizer)?;
        self.around_image(layer, 2, |builder, read| {
            let bias = Some(bias);
            builder.add(layer, LayerOp::DepthwiseConv2d { kernel, bias, conv, secret_scale }, &[read])
        })
    }

    /// `quantised(inv * kernel)` and `quantised(inv * (bias - mean) + beta)` with `inv = gamma /
    /// sqrt(variance + epsilon)`.
    fn folded(&mut self, layer: &Layer<'_>, role: &'static str, quantizer: Quantizer) -> Built<Folded> {
        let fields = layer.fields();
        let epsilon = fields.number("epsilon", Some(1e-3))? as f32;
        let [use_bias, scale, center] = [("use_bias", false), ("scale", true), ("center", true)]
            .map(|(key, default)| fields.flag(key, default));
        let (use_bias, scale, center) = (use_bias?, scale?, center?);
        let mut roles = vec![role];
        roles.extend(use_bias.then_some("bias"));
        roles.extend(scale.then_some("gamma"));
        roles.extend(center.then_some("beta"));
        roles.extend(["iteration", "moving_mean", "moving_variance"]);
        let arrays = self.weights(layer, &roles)?;
        let of = |role: &str| roles.iter().position(|r| *r == role).map(|at| &arrays[at]);
        let (Some(kernel), Some(mean), Some(variance)) = (of(role), of("moving_mean"), of("moving_variance"))
        else {
            return Err("it has no kernel or no moving statistics".to_owned().into());
        };
        let [_, _, inputs, last] = kernel.shape[..] else {
            return Err(format!("its kernel has shape {:?}, expected four axes", kernel.shape).into());
        };
        let channels = if role == "kernel" { last } else { inputs * last };
        for (name, array) in
            roles.iter().zip(&arrays).filter(|(name, _)| **name != role && **name != "iteration")
        {
            self.check_shape(layer, name, array, &[Some(channels)])?;
        }
        let at = |array: Option<&Arc<Array>>, i: usize, default: f32| array.map_or(default, |a| a.data[i]);
        let inverse: Vec<f32> = (0..channels)
            .map(|i| 1.0 / (variance.data[i] + epsilon).sqrt() * at(of("gamma"), i, 1.0))
            .collect();
        let bias = (0..channels)
            .map(|i| inverse[i] * (at(of("bias"), i, 0.0) - mean.data[i]) + at(of("beta"), i, 0.0))
            .collect();
        // Channel and multiplier of a depthwise kernel count its outputs.
        let data = kernel.data.iter().enumerate().map(|(i, w)| inverse[i % channels] * w).collect();
        let kernel = Array { shape: kernel.shape.clone(), data };
        let bias = Array::vector(bias);
        if kernel.data.iter().chain(&bias.data).any(|w| !w.is_finite()) {
            return Err("its kernel times its BatchNorm is not finite, expected a positive variance"
                .to_owned()
                .into());
        }
        let secret_scale = quantizer.scales_by_weights() || quantizer == Quantizer::Identity;
        Ok(Folded {
            kernel: Arc::new(quantizer.kernel(&kernel)),
            bias: Arc::new(self.bias_quantizer(layer)?.constant(&bias)),
            secret_scale,
        })
    }
}
