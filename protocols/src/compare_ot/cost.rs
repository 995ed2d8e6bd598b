//! What a layer costs: messages, rows, tweaks.

use crate::steps::frame::Fields;

/// What a layer takes of the link and of both pools. Messages are counted from their fields, as they are
/// written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Ahead: C to S, S to C, C to S.
    pub ahead: [Fields; 3],
    /// Online, by turns: S to C, C to S.
    pub online: Vec<Fields>,
    /// Rows of the S-sender pool.
    pub leaf_rows: usize,
    /// Rows of the C-sender pool.
    pub mask_rows: usize,
    /// Tweaks of the reserved block.
    pub tweaks: usize,
}

impl Cost {
    /// Bits without padding: ahead up, ahead down, online down, online up; "up" is from C to S.
    pub fn bits(&self) -> [usize; 4] {
        self.directions(Fields::bits)
    }

    /// Bytes, in the same order.
    pub fn bytes(&self) -> [usize; 4] {
        self.directions(Fields::bytes)
    }

    fn directions(&self, count: impl Fn(&Fields) -> usize) -> [usize; 4] {
        let [first, second, third] = &self.ahead;
        let online = |turn: usize| self.online.iter().skip(turn).step_by(2).map(&count).sum();
        [count(first) + count(third), count(second), online(0), online(1)]
    }

    /// These messages, and those of a layer behind it, which go with them ahead.
    #[must_use]
    pub fn followed_by(self, next: Self) -> Self {
        let ([a, b, c], [d, e, f]) = (self.ahead, next.ahead);
        let mut online = self.online;
        online.extend(next.online);
        Self {
            ahead: [a.followed_by(d), b.followed_by(e), c.followed_by(f)],
            online,
            leaf_rows: self.leaf_rows + next.leaf_rows,
            mask_rows: self.mask_rows + next.mask_rows,
            tweaks: self.tweaks + next.tweaks,
        }
    }

    /// Round trips online.
    pub fn round_trips(&self) -> usize {
        self.online.len() / 2
    }
}
