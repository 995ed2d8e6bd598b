//! What a function is where it is a line, and what of that the architecture tells: the circuit may depend on
//! it.

use super::{Base, FloatFn, Origin, Step};
use crate::graph::Line;

impl FloatFn {
    /// In real numbers, [`FloatFn::apply`] but for its roundings; `None` if it is no line.
    #[must_use]
    pub fn as_line(&self, element: usize) -> Option<Line> {
        let channel = self.channel(element);
        let base = match &self.base {
            Base::Line(lines) => lines[channel % lines.len()],
            Base::Joined { parts, of } => {
                let (part, element) = of[channel % of.len()];
                parts[part].as_line(element)?
            }
        };
        self.steps.iter().try_fold(base, |line, step| Some(line.then(step.line(channel)?)))
    }

    /// The line if it is the same for all channels, which does not depend on the weights even if its numbers
    /// do.
    #[must_use]
    pub fn common_line(&self) -> Option<Line> {
        if self.period() == 1 { self.as_line(0) } else { None }
    }

    /// [`FloatFn::common_line`] if its numbers are the same for every model of this architecture.
    #[must_use]
    pub fn public_line(&self) -> Option<Line> {
        self.common_line().filter(|_| self.origin_of_lines() == Origin::Public)
    }

    /// Whether its lines are the same for every model of this architecture, whichever element they are of.
    #[must_use]
    pub fn origin_of_lines(&self) -> Origin {
        let steps = self.steps.iter().all(|step| matches!(step, Step::Rescale { .. } | Step::Divide(_)));
        match self.base {
            Base::Line(_) if steps => self.origin,
            _ => Origin::Secret,
        }
    }

    /// What a line is multiplied by behind its base, if nothing else is done: a number of the architecture.
    #[must_use]
    pub fn public_factor(&self) -> Option<f64> {
        self.steps.iter().try_fold(1.0, |factor, step| match step {
            Step::Rescale { scale, offset: 0.0 } => Some(factor * f64::from(*scale)),
            Step::Divide(by) => Some(factor / f64::from(*by)),
            _ => None,
        })
    }

    /// The slope if all channels share it and it is the same for every model of this architecture; offsets
    /// may differ.
    #[must_use]
    pub fn public_slope(&self) -> Option<f64> {
        let steps = self
            .steps
            .iter()
            .all(|step| matches!(step, Step::Bias(_) | Step::Rescale { .. } | Step::Divide(_)));
        let slope = match &self.base {
            _ if !steps => return None,
            Base::Line(lines) if self.origin == Origin::Public => {
                Some(lines[0].scale).filter(|&scale| lines.iter().all(|line| line.scale == scale))?
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

    /// Whether every model of this architecture adds nothing: a public slope and no more.
    #[must_use]
    pub fn adds_nothing(&self) -> bool {
        let is_slope = |step: &Step| matches!(step, Step::Rescale { offset: 0.0, .. } | Step::Divide(_));
        let of_slopes =
            matches!(&self.base, Base::Line(lines) if lines.iter().all(|line| line.offset == 0.0));
        of_slopes && self.public_slope().is_some() && self.steps.iter().all(is_slope)
    }

    /// The slope if all channels of every model of this architecture share it and only their offsets differ.
    #[must_use]
    pub fn common_slope(&self) -> Option<f64> {
        let base = matches!(&self.base, Base::Line(lines) if lines.len() == 1);
        let steps = self
            .steps
            .iter()
            .all(|step| matches!(step, Step::Bias(_) | Step::Rescale { .. } | Step::Divide(_)));
        if base && steps { self.as_line(0).map(|line| line.scale) } else { None }
    }

    /// Whether it is the same for all channels and rises whatever the weights are, so that a maximum commutes
    /// with it.
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
            Base::Line(lines) => lines.iter().all(|line| line.scale > 0.0),
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
        let mut f = FloatFn::line(vec![Line::new(0.5, -10.0)], Origin::Public);
        f.rescale(2.0, 1.0);
        f.normalize(&vector(1.0), &vector(4.0));
        assert_eq!(f.common_line(), Some(Line::new(0.25, -5.0)));
        assert_eq!(f.apply(0, 40), 5.0);
        f.function(Function::HardTanh);
        assert_eq!((f.as_line(0), f.apply(0, 40)), (None, 1.0));
    }
}
