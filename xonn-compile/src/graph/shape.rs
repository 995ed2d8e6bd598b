//! Shapes of layers, from the shapes of what they read.

use super::{Array, Conv, Layer, LayerOp, Padding, Pool};
use xonn_program::op::Window2d;

/// Most elements of a tensor.
pub const MAX_ELEMENTS: usize = 1 << 26;

/// The number of elements of a shape.
///
/// # Errors
/// The reason if it is 0 or more than [`MAX_ELEMENTS`].
pub fn elements(shape: &[usize]) -> Result<usize, String> {
    match shape.iter().try_fold(1usize, |n, &axis| n.checked_mul(axis)) {
        Some(n) if (1..=MAX_ELEMENTS).contains(&n) => Ok(n),
        _ => Err(format!("a tensor of shape {shape:?}, expected 1 to {MAX_ELEMENTS} elements")),
    }
}

/// The shape that `layer` makes of `inputs`.
///
/// # Errors
/// The reason why the layer does not fit its inputs, for the end of a sentence.
pub fn infer(layer: &Layer, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
    let first = inputs.first().copied().unwrap_or_default();
    let shape = match &layer.op {
        LayerOp::Input { shape } => shape.clone(),
        LayerOp::OneHot { depth } => first.iter().copied().chain([*depth]).collect(),
        LayerOp::Dense { kernel, bias, .. } => dense(first, kernel, bias.as_deref())?,
        LayerOp::Conv2d { kernel, bias, conv, .. } => {
            let window = conv_window(first, kernel, conv)?;
            let (channels, filters) = (first[2], kernel.last_axis());
            if conv.groups == 0 || channels % conv.groups != 0 || filters % conv.groups != 0 {
                return Err(format!("{} groups of {channels} channels and {filters} filters", conv.groups));
            }
            if kernel.shape[2] != channels / conv.groups {
                return Err(mismatch(kernel, &format!("{} input channels", channels / conv.groups)));
            }
            check_length(bias.as_deref(), filters, "bias")?;
            vec![window.output[0], window.output[1], filters]
        }
        LayerOp::DepthwiseConv2d { kernel, bias, conv, .. } => {
            let window = conv_window(first, kernel, conv)?;
            if kernel.shape[2] != first[2] {
                return Err(mismatch(kernel, &format!("{} input channels", first[2])));
            }
            let channels = kernel.shape[2] * kernel.shape[3];
            check_length(bias.as_deref(), channels, "bias")?;
            vec![window.output[0], window.output[1], channels]
        }
        LayerOp::BatchNorm(norm) => {
            let channels = first.last().copied().unwrap_or(1);
            let arrays = [("gamma", norm.gamma.as_deref()), ("beta", norm.beta.as_deref())];
            let moving = [("moving_mean", Some(&*norm.mean)), ("moving_variance", Some(&*norm.variance))];
            for (name, array) in arrays.into_iter().chain(moving) {
                check_length(array, channels, name)?;
            }
            first.to_vec()
        }
        LayerOp::Normalize { mean, deviation } => {
            for (name, array) in [("mean", mean), ("variance", deviation)] {
                if array.data.len() != 1 {
                    check_length(Some(array), first.last().copied().unwrap_or(1), name)?;
                }
            }
            first.to_vec()
        }
        LayerOp::MaxPool2d(pool) | LayerOp::AveragePool2d(pool) => {
            let window = pool_window(first, pool)?;
            match pool {
                Pool::Global { keep_axes: false } => vec![first[2]],
                _ => vec![window.output[0], window.output[1], first[2]],
            }
        }
        LayerOp::Reshape { target } => reshape(first, target.as_deref())?,
        LayerOp::Transpose { axes } => {
            let mut sorted = axes.clone();
            sorted.sort_unstable();
            if !sorted.iter().copied().eq(0..first.len()) {
                return Err(format!("axes {axes:?} of a tensor of shape {first:?}, expected each axis once"));
            }
            axes.iter().map(|&axis| first[axis]).collect()
        }
        LayerOp::PRelu { slope } => {
            if slope.data.len() != 1 {
                check_length(Some(slope), first.last().copied().unwrap_or(1), "slope")?;
            }
            first.to_vec()
        }
        LayerOp::Pick { source, shape } => {
            let count = elements(first)?;
            if source.len() != elements(shape)? || source.iter().any(|&i| i >= count) {
                return Err(format!("it picks {} elements of {count} for shape {shape:?}", source.len()));
            }
            shape.clone()
        }
        LayerOp::Pad2d { border, .. } => {
            let image = image(first)?;
            vec![image[0] + border[0][0] + border[0][1], image[1] + border[1][0] + border[1][1], image[2]]
        }
        LayerOp::Add | LayerOp::Multiply | LayerOp::Maximum => {
            match inputs.iter().find(|shape| **shape != first) {
                Some(other) => {
                    return Err(format!(
                        "it joins tensors of shapes {first:?} and {other:?}, expected equal shapes"
                    ));
                }
                None => first.to_vec(),
            }
        }
        LayerOp::Concatenate => concatenate(inputs)?,
        LayerOp::Rescale { .. }
        | LayerOp::Divide { .. }
        | LayerOp::Quantize(_)
        | LayerOp::Function(_)
        | LayerOp::NoOp => first.to_vec(),
    };
    elements(&shape)?;
    Ok(shape)
}

fn mismatch(kernel: &Array, expected: &str) -> String {
    format!("its kernel has shape {:?}, expected {expected}", kernel.shape)
}

fn check_length(array: Option<&Array>, expected: usize, name: &str) -> Result<(), String> {
    match array {
        Some(array) if array.data.len() != expected => {
            Err(format!("its {name} has shape {:?}, expected [{expected}]", array.shape))
        }
        _ => Ok(()),
    }
}

fn dense(input: &[usize], kernel: &Array, bias: Option<&Array>) -> Result<Vec<usize>, String> {
    let [fan_in, units] = kernel.shape[..] else { return Err(mismatch(kernel, "two axes [input, unit]")) };
    let (&last, leading) = input.split_last().ok_or("it reads a scalar, expected a vector")?;
    if fan_in != last {
        return Err(mismatch(kernel, &format!("[{last}, {units}] for an input of shape {input:?}")));
    }
    check_length(bias, units, "bias")?;
    Ok(leading.iter().copied().chain([units]).collect())
}

fn image(shape: &[usize]) -> Result<[usize; 3], String> {
    shape
        .try_into()
        .map_err(|_| format!("it reads a tensor of shape {shape:?}, expected [height, width, channels]"))
}

fn concatenate(inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
    let (first, leading) = match inputs.first().and_then(|shape| shape.split_last()) {
        Some((_, leading)) => (inputs[0], leading),
        None => return Err("it joins scalars, expected tensors with a channel axis".into()),
    };
    if let Some(other) =
        inputs.iter().find(|shape| shape.split_last().is_none_or(|(_, lead)| lead != leading))
    {
        return Err(format!(
            "it joins tensors of shapes {first:?} and {other:?}, expected the same but for the last axis"
        ));
    }
    let channels = inputs.iter().filter_map(|shape| shape.last()).sum();
    Ok(leading.iter().copied().chain([channels]).collect())
}

fn reshape(input: &[usize], target: Option<&[Option<usize>]>) -> Result<Vec<usize>, String> {
    let count = elements(input)?;
    let Some(target) = target else { return Ok(vec![count]) };
    let wrong = || format!("it reshapes {input:?} to {target:?}, which has another number of elements");
    let known = target.iter().flatten().try_fold(1usize, |n, &axis| n.checked_mul(axis)).ok_or_else(wrong)?;
    let open = target.iter().filter(|axis| axis.is_none()).count();
    let fits = known > 0 && count.is_multiple_of(known) && (open == 1 || (open == 0 && count == known));
    if !fits {
        return Err(wrong());
    }
    Ok(target.iter().map(|axis| axis.unwrap_or(count / known)).collect())
}

/// The window of a convolution over an image of shape `input`.
///
/// # Errors
/// The reason why they do not fit.
pub fn conv_window(input: &[usize], kernel: &Array, conv: &Conv) -> Result<Window2d, String> {
    let [rows, columns, _, _] = kernel.shape[..] else {
        return Err(mismatch(kernel, "four axes"));
    };
    window(image(input)?, [rows, columns], conv.stride, conv.dilation, conv.padding)
}

/// The window of a pooling layer over an image of shape `input`.
///
/// # Errors
/// The reason why they do not fit.
pub fn pool_window(input: &[usize], pool: &Pool) -> Result<Window2d, String> {
    let image = image(input)?;
    match *pool {
        Pool::Window { size, stride, padding } => window(image, size, stride, [1, 1], padding),
        Pool::Global { .. } => window(image, [image[0], image[1]], [1, 1], [1, 1], Padding::Valid),
    }
}

/// Keras's geometry: `same` gives `ceil(n / stride)` positions with the smaller half of the padding in front,
/// `causal` all of it.
fn window(
    input: [usize; 3],
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    padding: Padding,
) -> Result<Window2d, String> {
    let mut pad_low = [0; 2];
    let mut output = [0; 2];
    for axis in 0..2 {
        let (n, k, s, d) = (input[axis], kernel[axis], stride[axis], dilation[axis]);
        if [k, s, d].iter().any(|&x| x == 0 || x > MAX_ELEMENTS) {
            return Err(format!(
                "a kernel of {kernel:?} with stride {stride:?} and dilation {dilation:?}, expected at least 1"
            ));
        }
        // At most 2^52, for k and d are bounded.
        let reach = (k - 1) * d + 1;
        match padding {
            Padding::Valid if n < reach => {
                return Err(format!("its window reaches over {reach} numbers, the image has {n}"));
            }
            Padding::Valid => output[axis] = (n - reach) / s + 1,
            Padding::Same => {
                output[axis] = n.div_ceil(s);
                pad_low[axis] = ((output[axis] - 1) * s + reach).saturating_sub(n) / 2;
            }
            Padding::Explicit(border) => {
                let padded = border[axis][0] + n + border[axis][1];
                if padded < reach {
                    return Err(format!(
                        "its window reaches over {reach} numbers, the padded image has {padded}"
                    ));
                }
                pad_low[axis] = border[axis][0];
                output[axis] = (padded - reach) / s + 1;
            }
            Padding::Causal => {
                pad_low[axis] = reach - 1;
                output[axis] = (n - 1) / s + 1;
            }
        }
    }
    Ok(Window2d { input, kernel, stride, dilation, pad_low, output })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `out = ceil(n / s)`, `total = max((out - 1) s + (k - 1) d + 1 - n, 0)`, `low = total / 2`.
    #[test]
    fn same_padding_by_hand() {
        let w = |n, k, s, d| {
            let window = window([n, 1, 1], [k, 1], [s, 1], [d, 1], Padding::Same).unwrap();
            (window.output[0], window.pad_low[0])
        };
        assert_eq!(w(28, 3, 1, 1), (28, 1));
        assert_eq!(w(28, 3, 2, 1), (14, 0));
        assert_eq!(w(28, 4, 1, 1), (28, 1));
        assert_eq!(w(27, 3, 2, 1), (14, 1));
        assert_eq!(w(9, 3, 1, 2), (9, 2));
        assert_eq!(w(5, 2, 3, 1), (2, 0));
    }

    #[test]
    fn valid_and_causal_by_hand() {
        let w = |n, k, s, d, padding| window([n, 1, 1], [k, 1], [s, 1], [d, 1], padding);
        assert_eq!(w(28, 5, 2, 1, Padding::Valid).unwrap().output[0], 12);
        let causal = w(10, 3, 2, 2, Padding::Causal).unwrap();
        assert_eq!((causal.output[0], causal.pad_low[0]), (5, 4));
        assert!(w(4, 5, 1, 1, Padding::Valid).unwrap_err().contains("reaches over 5"));
        assert!(w(4, 2, 0, 1, Padding::Valid).is_err());
    }

    #[test]
    fn reshapes_must_keep_the_elements() {
        assert_eq!(reshape(&[4, 6], None), Ok(vec![24]));
        assert_eq!(reshape(&[4, 6], Some(&[Some(2), None])), Ok(vec![2, 12]));
        assert!(reshape(&[4, 6], Some(&[Some(5), None])).is_err());
        assert!(reshape(&[4, 6], Some(&[Some(0)])).is_err());
        assert!(elements(&[1 << 40, 1 << 40]).is_err());
    }
}
