//! Layers that keep some of the elements, or repeat them: crops, `RepeatVector`, `UpSampling`.

use std::sync::Arc;

use petgraph::stable_graph::NodeIndex;
use serde_json::Value;

use super::{Builder, Built, Layer};
use crate::graph::LayerOp;
use crate::keras::inbound::brief;

/// Most elements of a tensor whose elements are listed one by one.
const MAX_PICKED: usize = 1 << 22;

/// Refuses a tensor that a few numbers in a file would make as large as they like.
pub(super) fn check_size(shape: &[usize]) -> Result<(), String> {
    match crate::graph::shape::elements(shape)? {
        0..=MAX_PICKED => Ok(()),
        _ => Err(format!("it makes a tensor of shape {shape:?}, expected at most {MAX_PICKED} elements")),
    }
}

impl Builder<'_> {
    /// `Cropping1D` and `Cropping2D`: numbers for both ends of each axis.
    pub(super) fn cropping(&mut self, layer: &Layer<'_>, axes: usize) -> Built<NodeIndex> {
        let json = layer.fields().get("cropping");
        let number = |json: &Value| json.as_u64().filter(|&n| n < 1 << 20).map(|n| n as usize);
        let pair = |json: &Value| match json {
            Value::Array(list) if list.len() == 2 => Some([number(&list[0])?, number(&list[1])?]),
            one => number(one).map(|n| [n, n]),
        };
        let ends = match (axes, json) {
            (1, json) => pair(json).map(|ends| vec![ends]),
            (_, Value::Array(list)) if list.len() == 2 => {
                pair(&list[0]).zip(pair(&list[1])).map(|(r, c)| vec![r, c])
            }
            (_, json) => number(json).map(|n| vec![[n, n]; 2]),
        };
        let ends =
            ends.ok_or_else(|| format!("cropping is {}, expected numbers of rows and columns", brief(json)))?;
        let first = layer.fields().channels_first()?;
        self.cropped(layer, |shape| {
            let at = usize::from(first);
            let mut kept: Vec<std::ops::Range<usize>> = shape.iter().map(|&n| 0..n).collect();
            for (range, [low, high]) in kept.get_mut(at..at + axes)?.iter_mut().zip(&ends) {
                *range = *low..range.end.checked_sub(*high)?;
            }
            kept.iter().all(|range| range.start < range.end).then_some(kept)
        })
    }

    /// `CenterCrop` of an image that is at least as large; a smaller one would be resized.
    pub(super) fn center_crop(&mut self, layer: &Layer<'_>) -> Built<NodeIndex> {
        let fields = layer.fields();
        let sizes = [fields.count("height", None)?, fields.count("width", None)?];
        let first = fields.channels_first()?;
        let at = usize::from(first);
        self.cropped(layer, |shape| {
            let mut kept: Vec<std::ops::Range<usize>> = shape.iter().map(|&n| 0..n).collect();
            for (range, size) in kept.get_mut(at..at + 2)?.iter_mut().zip(sizes) {
                // Keras's (n - size) / 2, rounded down; a smaller image is resized instead.
                let low = range.end.checked_sub(size)? / 2;
                *range = low..low + size;
            }
            Some(kept)
        })
    }

    /// The elements of a box.
    fn cropped(
        &mut self,
        layer: &Layer<'_>,
        kept: impl Fn(&[usize]) -> Option<Vec<std::ops::Range<usize>>>,
    ) -> Built<NodeIndex> {
        let read = layer.only_read()?;
        let Some(shape) = self.shape(read).map(<[usize]>::to_vec) else {
            return self.add(layer, LayerOp::NoOp, &[read]);
        };
        let kept = kept(&shape).ok_or_else(|| {
            format!(
                "it crops a tensor of shape {shape:?} to nothing, or to more than there is (Keras would \
                resize it), expected an image that is larger"
            )
        })?;
        let choices: Vec<Vec<usize>> = kept.into_iter().map(Iterator::collect).collect();
        self.picked(layer, read, &shape, &choices)
    }

    /// `x[:, 1:-1, ::2, 0]`: the batch whole, then ranges and single indices.
    pub(super) fn sliced(&mut self, layer: &Layer<'_>, items: &[Value]) -> Built<NodeIndex> {
        let read = layer.only_read()?;
        let Some(shape) = self.shape(read).map(<[usize]>::to_vec) else {
            return self.add(layer, LayerOp::NoOp, &[read]);
        };
        let wrong = |what: &Value| {
            format!(
                "it takes the slice {} of a sample of shape {shape:?}, expected one that fits",
                brief(what)
            )
        };
        // An ellipsis stands for as many whole axes as are left.
        let whole = serde_json::json!({ "start": null, "stop": null, "step": null });
        let is_ellipsis = |item: &Value| item["class_name"] == "__ellipsis__";
        let mut all: Vec<Value> = Vec::new();
        for item in items {
            match is_ellipsis(item) {
                true => all.extend(vec![whole.clone(); (shape.len() + 2).saturating_sub(items.len())]),
                false => all.push(item.clone()),
            }
        }
        let field = |item: &Value, key: &str| {
            let slice = if item["config"].is_object() { &item["config"] } else { item };
            slice[key].clone()
        };
        let Some((batch, all)) = all.split_first() else {
            return Err("it takes a slice of nothing".to_owned().into());
        };
        let is_whole = batch.is_object()
            && ["start", "stop", "step"].iter().all(|key| {
                let value = field(batch, key);
                value.is_null() || (*key == "step" && value == 1) || (*key == "start" && value == 0)
            });
        if !is_whole || all.len() > shape.len() {
            return Err(wrong(batch).into());
        }
        let (mut choices, mut target) = (Vec::with_capacity(shape.len()), Vec::new());
        for (axis, &n) in shape.iter().enumerate() {
            let item = all.get(axis).unwrap_or(&whole);
            let place = |i: i64| if i < 0 { i + n as i64 } else { i };
            if let Some(index) = item.as_i64() {
                let index = usize::try_from(place(index))
                    .ok()
                    .filter(|&index| index < n)
                    .ok_or_else(|| wrong(item))?;
                choices.push(vec![index]);
                continue;
            }
            if !item.is_object() {
                return Err(wrong(item).into());
            }
            let number = |key: &str, default: i64| match field(item, key) {
                Value::Null => Ok(default),
                value => value.as_i64().ok_or_else(|| wrong(item)),
            };
            let step = number("step", 1)?;
            if step < 1 {
                return Err(wrong(item).into());
            }
            let inside = |i: i64| place(i).clamp(0, n as i64) as usize;
            let (start, stop) = (inside(number("start", 0)?), inside(number("stop", n as i64)?));
            let chosen: Vec<usize> =
                (start..stop).step_by(usize::try_from(step).unwrap_or(usize::MAX)).collect();
            target.push(Some(chosen.len()));
            choices.push(chosen);
        }
        let made = self.picked(layer, read, &shape, &choices)?;
        if target.len() == shape.len() {
            return Ok(made);
        }
        let target = if target.is_empty() { vec![Some(1)] } else { target };
        self.add(layer, LayerOp::Reshape { target: Some(target) }, &[made])
    }

    /// The elements whose index along each axis is one of `choices`, in their order.
    fn picked(
        &mut self,
        layer: &Layer<'_>,
        read: NodeIndex,
        shape: &[usize],
        choices: &[Vec<usize>],
    ) -> Built<NodeIndex> {
        let target: Vec<usize> = choices.iter().map(Vec::len).collect();
        check_size(&target)?;
        let mut source = vec![0usize];
        let mut step: usize = shape.iter().product();
        for (choices, &n) in choices.iter().zip(shape) {
            step /= n.max(1);
            source = source.iter().flat_map(|&base| choices.iter().map(move |i| base + i * step)).collect();
        }
        self.add(layer, LayerOp::Pick { source: Arc::new(source), shape: target }, &[read])
    }

    /// `RepeatVector(n)`: a vector as `n` equal rows.
    pub(super) fn repeat_vector(&mut self, layer: &Layer<'_>) -> Built<NodeIndex> {
        let count = layer.fields().count("n", None)?;
        let read = layer.only_read()?;
        match self.shape(read) {
            Some(&[n]) => {
                check_size(&[count, n])?;
                let source = (0..count).flat_map(|_| 0..n).collect();
                self.add(layer, LayerOp::Pick { source: Arc::new(source), shape: vec![count, n] }, &[read])
            }
            Some(shape) => Err(format!("it repeats a tensor of shape {shape:?}, expected a vector").into()),
            None => self.add(layer, LayerOp::NoOp, &[read]),
        }
    }

    /// `UpSampling` by repetition; other interpolations compute new numbers.
    pub(super) fn up_sampling(&mut self, layer: &Layer<'_>, axes: usize) -> Built<NodeIndex> {
        let fields = layer.fields();
        let interpolation = fields.text("interpolation")?.unwrap_or("nearest");
        if interpolation != "nearest" {
            return Err(format!("interpolation is {interpolation:?}, expected nearest").into());
        }
        let [rows, columns] = fields.sizes("size", axes, Some([if axes == 1 { 1 } else { 2 }, 2]))?;
        let at = usize::from(fields.channels_first()?);
        let read = layer.only_read()?;
        let Some(shape) = self.shape(read).map(<[usize]>::to_vec) else {
            return self.add(layer, LayerOp::NoOp, &[read]);
        };
        if shape.len() != axes + 1 {
            return Err(format!("it reads a tensor of shape {shape:?}, expected {} axes", axes + 1).into());
        }
        let times: &[usize] = if axes == 1 { &[columns] } else { &[rows, columns] };
        let mut target = shape.clone();
        for (n, by) in target[at..].iter_mut().zip(times) {
            *n = n.saturating_mul(*by);
        }
        check_size(&target)?;
        let choice = |(axis, &n): (usize, &usize)| {
            let by = axis.checked_sub(at).and_then(|axis| times.get(axis)).copied().unwrap_or(1);
            (0..n).flat_map(|i| std::iter::repeat_n(i, by)).collect()
        };
        let choices: Vec<Vec<usize>> = shape.iter().enumerate().map(choice).collect();
        self.picked(layer, read, &shape, &choices)
    }
}
