//! Nodes and the edges between them.

/// A node or its negation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(in super::super) struct Lit(u32);

impl Lit {
    /// The constant 0.
    pub const FALSE: Lit = Lit(0);

    pub fn new(node: u32, negated: bool) -> Self {
        Self(node << 1 | u32::from(negated))
    }

    pub fn node(self) -> u32 {
        self.0 >> 1
    }

    pub fn index(self) -> usize {
        (self.0 >> 1) as usize
    }

    pub fn is_negated(self) -> bool {
        self.0 & 1 == 1
    }

    /// The node itself.
    pub fn plain(self) -> Self {
        Self(self.0 & !1)
    }

    pub fn negate_if(self, negate: bool) -> Self {
        Self(self.0 ^ u32::from(negate))
    }
}

/// What a node is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum Node {
    /// Node 0.
    False,
    Input,
    And(Lit, Lit),
    /// Operands are not negated.
    Xor(Lit, Lit),
}

impl Node {
    pub fn operands(self) -> impl DoubleEndedIterator<Item = Lit> {
        let pair = match self {
            Node::False | Node::Input => None,
            Node::And(a, b) | Node::Xor(a, b) => Some([a, b]),
        };
        pair.into_iter().flatten()
    }

    pub fn is_and(self) -> bool {
        matches!(self, Node::And(..))
    }

    pub fn is_xor(self) -> bool {
        matches!(self, Node::Xor(..))
    }
}
