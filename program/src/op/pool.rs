//! Poolings: the largest value or the sum of each window and channel.

use super::Window2d;

/// `[row, column, channel]`, each window of `x` put together by `f`; what is outside of the image takes no part.
pub(super) fn evaluate(x: &[i64], window: &Window2d, f: impl Fn(i64, i64) -> i64) -> Vec<i64> {
    let channels = window.input[2];
    let mut y = Vec::with_capacity(window.output[0] * window.output[1] * channels);
    for position in window.positions() {
        let taps: Vec<usize> = window.taps(position).flatten().collect();
        y.extend((0..channels).map(|channel| {
            let values = taps.iter().map(|pixel| x[pixel * channels + channel]);
            values.reduce(&f).unwrap_or(0)
        }));
    }
    y
}

/// The fewest and the most pixels of any window that lie inside of the image.
pub(crate) fn counts(window: &Window2d) -> [usize; 2] {
    let counts = || window.positions().map(|position| window.taps(position).flatten().count());
    [counts().min().unwrap_or(0), counts().max().unwrap_or(0)]
}
