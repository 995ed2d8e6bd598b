//! What a layer costs: messages, rows, tweaks.

use crate::steps::frame::Fields;

/// What a layer takes of the link and of both pools. Messages are counted from their fields, as they are
/// written.
#[derive(Clone, Debug, PartialEq, Eq)]
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

    /// Round trips online.
    pub fn round_trips(&self) -> usize {
        self.online.len() / 2
    }
}
