//! Where a function crosses an edge: the integer cut that stands for a sign.

use xonn_program::Range;
use xonn_program::op::Cut;

use super::FloatFn;
use crate::graph::Quantizer;

impl FloatFn {
    /// Where the quantised value is the larger of its two, over the integers of `range`.
    ///
    /// Every step is monotone and stays so in float32 (a product with a constant and a sum with a constant
    /// round monotonically), so one edge is enough. It is found by bisection of the float function itself: no
    /// rounding case is left to argue about.
    ///
    /// # Errors
    /// The value if the function gives no finite number at an end of the range.
    pub fn cut(&self, element: usize, range: Range, quantizer: Quantizer) -> Result<Cut, f32> {
        let high = quantizer.values().map_or(1.0, |[_, high]| high);
        self.edge(element, range, |x| quantizer.apply(x) == high)
    }

    /// The integers of `range` for which the function gives exactly 0, as the first and the one after the
    /// last.
    ///
    /// # Errors
    /// As [`FloatFn::cut`].
    pub fn zeros(&self, element: usize, range: Range) -> Result<std::ops::Range<i64>, f32> {
        let integers = |cut: Cut| if cut.rising { cut.at..range.hi + 1 } else { range.lo..cut.at + 1 };
        let above = integers(self.edge(element, range, |x| x > 0.0)?);
        let from = integers(self.edge(element, range, |x| x >= 0.0)?);
        // The first holds the second, and they share an end unless the second is empty.
        Ok(match (above.is_empty(), from.start < above.start) {
            (true, _) => from,
            (false, true) => from.start..above.start,
            (false, false) => above.end..from.end,
        })
    }

    /// Where `fires(apply(y))` holds, `fires` being true from some number upwards.
    fn edge(&self, element: usize, range: Range, fires: impl Fn(f32) -> bool) -> Result<Cut, f32> {
        let ends = [range.lo, range.hi].map(|y| self.apply(element, y));
        if let Some(value) = ends.into_iter().find(|value| !value.is_finite()) {
            return Err(value);
        }
        let fires = |y: i64| fires(self.apply(element, y));
        // The smallest y from which on `holds`, hi + 1 if there is none.
        let first = |holds: &dyn Fn(i64) -> bool| {
            let (mut low, mut high) = (range.lo, range.hi + 1);
            while low < high {
                let middle = low + (high - low) / 2;
                if holds(middle) { high = middle } else { low = middle + 1 }
            }
            low
        };
        if fires(range.lo) && !fires(range.hi) {
            Ok(Cut { rising: false, at: first(&|y| !fires(y)) - 1 })
        } else {
            Ok(Cut { rising: true, at: first(&fires) })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::graph::{Array, BatchNorm};

    fn vector(x: f32) -> Arc<Array> {
        Arc::new(Array::vector(vec![x]))
    }

    fn norm(gamma: f32, beta: f32, mean: f32, variance: f32, epsilon: f32, fused: bool) -> BatchNorm {
        BatchNorm {
            gamma: Some(vector(gamma)),
            beta: Some(vector(beta)),
            mean: vector(mean),
            variance: vector(variance),
            epsilon,
            fused,
        }
    }

    /// Every integer of the range agrees with the float layer, for every sign and size of gamma and every
    /// quantiser.
    #[test]
    fn cuts_agree_with_the_float_layer_on_every_integer() {
        let range = Range { lo: -784, hi: 784 };
        let quantizers = [
            Quantizer::Sign,
            Quantizer::Heaviside,
            Quantizer::DoReFaActivation,
            Quantizer::BinaryTanh { h: 1.0 },
        ];
        let mut crossings = 0;
        for gamma in [1.0f32, -1.0, 0.0, -0.0, 1e-30, -1e-30, 0.37, -12.5] {
            for beta in [0.0f32, 0.3, -0.3, 1e-30, 40.0, -40.0] {
                for mean in [0.0f32, 3.0, -17.25, 900.0] {
                    for (variance, epsilon) in [(0.0f32, 1e-3f32), (255.3, 1e-3), (1e6, 0.01), (0.0, 1e-12)] {
                        for (fused, quantizer) in
                            [false, true].into_iter().flat_map(|f| quantizers.map(|q| (f, q)))
                        {
                            let mut f = FloatFn::default();
                            f.bias(&vector(0.125));
                            f.norm(&norm(gamma, beta, mean, variance, epsilon, fused));
                            let cut = f.cut(0, range, quantizer).unwrap();
                            for y in range.lo..=range.hi {
                                let want = quantizer.apply(f.apply(0, y)) == quantizer.values().unwrap()[1];
                                assert_eq!(
                                    cut.fires(y),
                                    want,
                                    "gamma {gamma} beta {beta} mean {mean} y {y} {quantizer:?}"
                                );
                            }
                            crossings += u32::from(cut.fires(range.lo) != cut.fires(range.hi));
                        }
                    }
                }
            }
        }
        assert!(crossings > 500, "the cases must have edges, found {crossings}");
    }

    #[test]
    fn a_tie_at_the_mean_fires_for_either_sign_of_gamma() {
        for (gamma, fused) in [(0.7f32, true), (-0.7, true), (0.7, false), (-0.7, false)] {
            let mut f = FloatFn::default();
            f.norm(&norm(gamma, 0.0, 5.0, 2.0, 1e-3, fused));
            let cut = f.cut(0, Range { lo: -10, hi: 10 }, Quantizer::Sign).unwrap();
            assert!(cut.fires(5), "x == mean gives exactly 0, so +1");
        }
    }

    #[test]
    fn zeros_are_the_integers_that_give_exactly_0() {
        let range = Range { lo: -9, hi: 9 };
        for gamma in [0.5f32, -0.5] {
            let mut f = FloatFn::default();
            f.norm(&norm(gamma, 0.0, 5.0, 2.0, 1e-3, false));
            assert_eq!(f.zeros(0, range), Ok(5..6));
            f.bias(&vector(0.25));
            assert!(f.zeros(0, range).unwrap().is_empty());
        }
        let mut constant = FloatFn::default();
        constant.norm(&norm(0.0, 0.0, 5.0, 2.0, 1e-3, false));
        assert_eq!(constant.zeros(0, range), Ok(-9..10));
    }

    #[test]
    fn overflow_is_an_error() {
        let mut f = FloatFn::default();
        f.norm(&norm(f32::MAX, 0.0, 0.0, 0.0, 1e-3, false));
        assert!(f.cut(0, Range { lo: -9, hi: 9 }, Quantizer::Sign).is_err());
    }
}
