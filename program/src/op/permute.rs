//! Any reordering or selection of elements; free in a circuit.
//!
//! In a file it is runs of sources at equal distances, so that a transposition takes a few lines.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Most elements of one reordering.
const MAX_ELEMENTS: usize = 1 << 24;

/// `[first, distance, count]`.
type Run = (usize, i64, usize);

/// Writes sources as runs.
pub(super) fn serialize<S: Serializer>(source: &[usize], serializer: S) -> Result<S::Ok, S::Error> {
    runs(source).serialize(serializer)
}

/// Reads runs as sources, of which there are at most 2^24.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<usize>, D::Error> {
    let mut source = Vec::new();
    for (first, distance, count) in Vec::<Run>::deserialize(deserializer)? {
        if count > MAX_ELEMENTS - source.len() {
            return Err(serde::de::Error::custom(format!(
                "a permutation of more than {MAX_ELEMENTS} elements"
            )));
        }
        for i in 0..count {
            let at = i64::try_from(first).ok().and_then(|first| {
                first.checked_add(distance.checked_mul(i as i64)?).and_then(|at| usize::try_from(at).ok())
            });
            source.push(at.ok_or_else(|| serde::de::Error::custom("a permutation reads before element 0"))?);
        }
    }
    Ok(source)
}

fn runs(source: &[usize]) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut at = 0;
    while at < source.len() {
        let distance = |i: usize| source[i + 1] as i64 - source[i] as i64;
        let mut end = at + 1;
        while end < source.len() && distance(end - 1) == distance(at) {
            end += 1;
        }
        let step = if end > at + 1 { distance(at) } else { 1 };
        runs.push((source[at], step, end - at));
        at = end;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Sources(#[serde(with = "super")] Vec<usize>);

    #[test]
    fn sources_come_back_from_their_runs() {
        for source in [vec![], vec![7], vec![0, 1, 2, 3], vec![0, 3, 1, 4, 2, 5], vec![5, 4, 3, 3, 3, 9, 2]] {
            let text = serde_json::to_string(&Sources(source.clone())).expect("numbers");
            assert_eq!(serde_json::from_str::<Sources>(&text).expect("as written").0, source);
        }
        assert_eq!(runs(&[0, 2, 4, 1, 3, 5]), [(0, 2, 3), (1, 2, 3)]);
        for wrong in ["[[1,-1,3]]", "[[0,1,99999999]]", "[[0,9223372036854775807,3]]"] {
            assert!(serde_json::from_str::<Sources>(wrong).is_err(), "{wrong}");
        }
    }
}
