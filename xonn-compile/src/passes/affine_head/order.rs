//! Whether fixed-point scores come in the order of Keras's float32 scores.

use xonn_program::Range;

use crate::passes::float_fn::FloatFn;

/// Most (class, value) pairs whose order is compared with Keras's.
const MAX_COMPARED: i64 = 1 << 20;

/// A score of one class at one value of its sum.
#[derive(Clone, Copy)]
struct Score {
    class: usize,
    float: f32,
    fixed: i64,
}

/// How the order of all scores of different classes differs between float32 and fixed point.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Comparison {
    /// Pairs of scores of different classes.
    pairs: u64,
    /// Those that float32 and fixed point order differently (also: one ties them and the other does not).
    differ: u64,
    /// Largest difference in float32 of such a pair.
    margin: f32,
}

pub(super) fn order_note(
    f: &FloatFn,
    scale: &[i64],
    offset: &[i64],
    range: Range,
    parity: Option<i64>,
) -> String {
    let values = range.hi - range.lo + 1;
    if values.saturating_mul(scale.len() as i64) > MAX_COMPARED {
        return format!(
            "scores: whether fixed point keeps the order of all {values} possible sums of a class was not \
             tried, they are too many"
        );
    }
    let score = |class, y| Score { class, float: f.apply(class, y), fixed: scale[class] * y + offset[class] };
    let scores =
        (0..scale.len()).flat_map(|class| possible(range, parity).map(move |y| score(class, y))).collect();
    match compare(scores, scale.len()) {
        Comparison { differ: 0, .. } => {
            "scores: fixed point keeps the order of all possible sums, so the class is Keras's".into()
        }
        Comparison { pairs, differ, margin: 0.0 } => format!(
            "scores: fixed point keeps the order of all possible sums but for {differ} of {pairs} pairs that \
             tie in float32"
        ),
        Comparison { pairs, differ, margin } => format!(
            "scores: {differ} of {pairs} pairs of possible sums are ordered otherwise in fixed point, all of \
             them closer than {margin:.1e}; more --head-bits make it fewer"
        ),
    }
}

/// The sums that can occur: all, or every second one.
fn possible(range: Range, parity: Option<i64>) -> impl Iterator<Item = i64> {
    (range.lo..=range.hi).filter(move |y| parity.is_none_or(|parity| y.rem_euclid(2) == parity.rem_euclid(2)))
}

/// Counts by sorting and a Fenwick tree, in `n log n`.
fn compare(mut scores: Vec<Score>, classes: usize) -> Comparison {
    // Ranks of the fixed-point scores, equal ones sharing theirs.
    let mut fixed: Vec<i64> = scores.iter().map(|s| s.fixed).collect();
    fixed.sort_unstable();
    fixed.dedup();
    let rank = |s: &Score| fixed.partition_point(|&f| f < s.fixed);
    // In float order, those of one tie from large to small fixed scores: then a pair differs exactly if the
    // later one has a smaller or equal rank, unless both tie in both.
    scores.sort_by(|a, b| a.float.total_cmp(&b.float).then(b.fixed.cmp(&a.fixed)));
    let all = discordant(scores.iter().map(&rank), fixed.len());
    let mut pairs = (scores.len() as u64 * (scores.len() as u64 - 1)) / 2;
    let mut differ = all - ties_in_both(&scores, None);
    for class in 0..classes {
        let own: Vec<Score> = scores.iter().filter(|s| s.class == class).copied().collect();
        pairs -= (own.len() as u64 * own.len().saturating_sub(1) as u64) / 2;
        differ -= discordant(own.iter().map(&rank), fixed.len()) - ties_in_both(&own, Some(class));
    }
    Comparison { pairs, differ, margin: if differ == 0 { 0.0 } else { widest(scores) } }
}

/// Pairs `i < j` with `rank[i] >= rank[j]`.
fn discordant(ranks: impl Iterator<Item = usize>, size: usize) -> u64 {
    let mut tree = vec![0u64; size + 1];
    let (mut seen, mut total) = (0, 0);
    for rank in ranks {
        // Ranks below `rank` seen so far.
        let (mut i, mut below) = (rank, 0);
        while i > 0 {
            below += tree[i];
            i &= i - 1;
        }
        total += seen - below;
        seen += 1;
        let mut i = rank + 1;
        while i <= size {
            tree[i] += 1;
            i += i & i.wrapping_neg();
        }
    }
    total
}

/// Pairs that are equal in float32 and in fixed point; `scores` are sorted, so that these stand together.
fn ties_in_both(scores: &[Score], class: Option<usize>) -> u64 {
    let same = |a: &Score, b: &Score| a.float == b.float && a.fixed == b.fixed;
    debug_assert!(class.is_none_or(|class| scores.iter().all(|s| s.class == class)));
    scores.chunk_by(same).map(|run| run.len() as u64 * (run.len() as u64 - 1) / 2).sum()
}

/// The largest float difference of a pair of classes whose fixed scores go the other way.
fn widest(mut scores: Vec<Score>) -> f32 {
    // Among equal fixed-point scores the largest float comes first, so that it is compared with the others.
    scores.sort_by(|a, b| a.fixed.cmp(&b.fixed).then(b.float.total_cmp(&a.float)));
    // The largest float so far, and the largest of another class.
    let mut best: [Option<Score>; 2] = [None, None];
    let mut widest = 0.0f32;
    for score in scores {
        if let Some(other) = best.iter().flatten().find(|b| b.class != score.class) {
            widest = widest.max(other.float - score.float);
        }
        match best[0] {
            Some(top) if top.class == score.class => {
                if score.float > top.float {
                    best[0] = Some(score);
                }
            }
            Some(top) if score.float > top.float => best = [Some(score), Some(top)],
            Some(_) if best[1].is_none_or(|b| score.float > b.float) => best[1] = Some(score),
            Some(_) => {}
            None => best[0] = Some(score),
        }
    }
    widest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The count against the definition, pair by pair.
    #[test]
    fn order_is_compared_as_defined() {
        let mut state = 1u32;
        let mut random = |n: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % n
        };
        for _ in 0..200 {
            let scores: Vec<Score> = (0..12)
                .map(|_| Score {
                    class: random(3) as usize,
                    float: random(6) as f32,
                    fixed: i64::from(random(6)),
                })
                .collect();
            let mut want = Comparison { pairs: 0, differ: 0, margin: 0.0 };
            for (i, a) in scores.iter().enumerate() {
                for b in scores[..i].iter().filter(|b| b.class != a.class) {
                    want.pairs += 1;
                    if a.float.total_cmp(&b.float) != a.fixed.cmp(&b.fixed) {
                        want.differ += 1;
                        want.margin = want.margin.max((a.float - b.float).abs());
                    }
                }
            }
            assert_eq!(compare(scores, 3), want);
        }
    }
}
