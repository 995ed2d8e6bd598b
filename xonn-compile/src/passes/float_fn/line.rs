//! What a function is where it is a line, and what of that the architecture tells: the circuit may depend on it.

use super::{Base, FloatFn, Step};

impl FloatFn {
    /// Slope and offset as real numbers: [`FloatFn::apply`] but for its roundings; `None` if it is no line.
    #[must_use]
    pub fn as_line(&self, element: usize) -> Option<(f64, f64)> {
        let channel = self.channel(element);
        let base = match &self.base {
            Base::Line(line) => line[channel % line.len()],
            Base::Joined { parts, of } => {
                let (part, element) = of[channel % of.len()];
                parts[part].as_line(element)?
            }
        };
        self.steps.iter().try_fold(base, |(slope, offset), step| {
            let (a, b) = step.line(channel)?;
            Some((slope * a, offset * a + b))
        })
    }

    /// The line if it is the same for all channels, which does not depend on the weights even if its numbers do.
    #[must_use]
    pub fn common_line(&self) -> Option<(f64, f64)> {
        if self.period() == 1 { self.as_line(0) } else { None }
    }

    /// [`FloatFn::common_line`] if its numbers are the same for every model of this architecture.
    #[must_use]
    pub fn public_line(&self) -> Option<(f64, f64)> {
        let steps = self.steps.iter().all(|step| matches!(step, Step::Rescale { .. } | Step::Divide(_)));
        if self.public && steps { self.common_line() } else { None }
    }

    /// Whether slopes and offsets are the same for every model of this architecture, whichever element they are of.
    #[must_use]
    pub fn has_public_lines(&self) -> bool {
        let steps = self.steps.iter().all(|step| matches!(step, Step::Rescale { .. } | Step::Divide(_)));
        self.public && steps && matches!(self.base, Base::Line(_))
    }

    /// The slope if all channels share it and it is the same for every model of this architecture; offsets may differ.
    #[must_use]
    pub fn public_slope(&self) -> Option<f64> {
        let steps = self
            .steps
            .iter()
            .all(|step| matches!(step, Step::Bias(_) | Step::Rescale { .. } | Step::Divide(_)));
        let slope = match &self.base {
            _ if !steps => return None,
            Base::Line(line) if self.public => {
                Some(line[0].0).filter(|&slope| line.iter().all(|l| l.0 == slope))?
            }
            Base::Line(_) => return None,
            Base::Joined { parts, .. } => {
                let slope = parts[0].public_slope()?;
                Some(slope).filter(|&slope| parts.iter().all(|part| part.public_slope() == Some(slope)))?
            }
        };
        let of = |step: &Step| match step {
            Step::Rescale { scale, .. } => f64::from(*scale),
            Step::Divide(by) => 1.0 / f64::from(*by),
            _ => 1.0,
        };
        Some(self.steps.iter().map(of).product::<f64>() * slope)
    }

    /// The slope if all channels of every model of this architecture share it and only their offsets differ.
    #[must_use]
    pub fn common_slope(&self) -> Option<f64> {
        let base = matches!(&self.base, Base::Line(line) if line.len() == 1);
        let steps = self
            .steps
            .iter()
            .all(|step| matches!(step, Step::Bias(_) | Step::Rescale { .. } | Step::Divide(_)));
        if base && steps { self.as_line(0).map(|(slope, _)| slope) } else { None }
    }

    /// Whether it is the same for all channels and rises whatever the weights are, so that a maximum commutes with it.
    #[must_use]
    pub fn rises(&self) -> bool {
        let steps = self.steps.iter().all(|step| match step {
            Step::Norm(_) | Step::PRelu(_) => false,
            Step::Rescale { scale, .. } => *scale > 0.0,
            Step::Divide(by) => *by > 0.0,
            Step::Function(function) => function.turn().is_none(),
            Step::Bias(_) | Step::Normalize { .. } => true,
        });
        let base = match &self.base {
            Base::Line(line) => line.iter().all(|(scale, _)| *scale > 0.0),
            Base::Joined { parts, .. } => parts.iter().all(Self::rises),
        };
        steps && base
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::graph::{Array, Function};

    fn vector(x: f32) -> Arc<Array> {
        Arc::new(Array::vector(vec![x]))
    }

    #[test]
    fn lines_compose() {
        let mut f = FloatFn::line(vec![(0.5, -10.0)]);
        f.rescale(2.0, 1.0);
        f.normalize(&vector(1.0), &vector(4.0));
        assert_eq!(f.common_line(), Some((0.25, -5.0)));
        assert_eq!(f.apply(0, 40), 5.0);
        f.function(Function::HardTanh);
        assert_eq!((f.as_line(0), f.apply(0, 40)), (None, 1.0));
    }
}
