//! A round: its messages, and the rows that come of it. The steps are numbered in `silent.rs`.

use rand::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::check::{answer, challenge, choices, dot, packed, weigh, weight};
use super::set::MASKS;
use super::{Code, Set, tree};
use crate::Wiped;
use crate::block::{Block, Tccr};
use crate::ot::{OtError, SessionId};

/// What both hosts know of a connection and direction.
#[derive(Clone)]
pub(crate) struct Public {
    pub session: SessionId,
    /// Hash of all that was said so far.
    pub transcript: [u8; 64],
    /// The H of the trees.
    pub hash: Tccr,
    pub code: Code,
    /// Rounds so far.
    pub rounds: u64,
    /// Trees so far.
    pub trees: u64,
}

impl Public {
    /// After a setup with this transcript.
    pub fn new(session: SessionId, transcript: &[u8; 64]) -> Self {
        let start = crate::ot::oracle::oracle_block("silent: start point", &session, &[transcript]);
        Self {
            session,
            transcript: *transcript,
            hash: Tccr::new(start),
            code: Code::new(&session, transcript),
            rounds: 0,
            trees: 0,
        }
    }

    /// A round begins: which it is and its first tree. `transcript` is that of the extension that its rows
    /// came from.
    fn begin(&mut self, set: Set, transcript: &[u8; 64]) -> (u64, u64) {
        let numbers = (self.rounds, self.trees);
        let parts: [&[u8]; 4] = [&self.transcript, transcript, &[set as u8], &self.rounds.to_le_bytes()];
        self.transcript = crate::ot::oracle::oracle("silent: round", &self.session, &parts);
        self.rounds += 1;
        self.trees += set.trees() as u64;
        numbers
    }
}

/// One host's trees of a round.
pub(crate) trait Trees {
    /// The leaves of tree `tree`, which has number `number` in the session.
    fn leaves(&self, set: Set, tree: usize, number: u64, hash: &Tccr, leaves: &mut [Block]);
}

/// The sender's trees.
pub(crate) struct SenderTrees {
    delta: Zeroizing<Block>,
    /// The root key of each.
    keys: Wiped<Block>,
}

/// The receiver's trees.
pub(crate) struct ReceiverTrees {
    /// Of each tree and level, the sum of the side off the path.
    sums: Wiped<Block>,
    /// Of each tree the choices of its rows, which are its path.
    choices: Wiped<u32>,
}

impl Trees for SenderTrees {
    fn leaves(&self, set: Set, tree: usize, number: u64, hash: &Tccr, leaves: &mut [Block]) {
        let mut sums = Zeroizing::new([Block::ZERO; 16]);
        tree::grow(hash, number, *self.delta, self.keys[tree], leaves, &mut sums[..set.depth()]);
    }
}

impl Trees for ReceiverTrees {
    fn leaves(&self, set: Set, tree: usize, number: u64, hash: &Tccr, leaves: &mut [Block]) {
        let sums = &self.sums[tree * set.depth()..][..set.depth()];
        tree::regrow(hash, number, self.choices[tree], sums, leaves);
    }
}

/// Rows of a round that was checked, made as they are wanted.
pub(crate) struct Round<T> {
    set: Set,
    /// Which round and which tree was its first.
    numbers: (u64, u64),
    /// Masks of the check, the word of the code, rows of the trees.
    base: Wiped<Block>,
    trees: T,
    next_tree: usize,
    /// Rows of a tree of which a part was taken.
    open: Wiped<Block>,
    /// How many.
    taken: usize,
}

impl<T: Trees> Round<T> {
    fn new(set: Set, numbers: (u64, u64), base: Wiped<Block>, (trees, ahead): (T, Ahead)) -> Self {
        let next_tree = ahead.0.len() / set.leaves();
        Self { set, numbers, base, trees, next_tree, open: ahead.0, taken: 0 }
    }

    /// Rows that are left.
    pub fn left(&self) -> usize {
        (self.set.trees() - self.next_tree) * self.set.leaves() + self.open.len() - self.taken
    }

    /// The next rows, as many as fit and are left; returns how many.
    pub fn draw(&mut self, public: &Public, rows: &mut [Block]) -> usize {
        let wanted = rows.len().min(self.left());
        let mut done = 0;
        while done < wanted {
            let rows = &mut rows[done..wanted];
            let open = &self.open[self.taken..];
            if !open.is_empty() {
                let some = open.len().min(rows.len());
                rows[..some].copy_from_slice(&open[..some]);
                self.taken += some;
                done += some;
            } else if let Some(whole) = rows.get_mut(..self.set.leaves()) {
                done += whole.len();
                self.tree(public, whole);
            } else {
                let mut open = Wiped::zeros(self.set.leaves());
                self.tree(public, &mut open);
                (self.open, self.taken) = (open, 0);
            }
        }
        wanted
    }

    /// Step 4 for the next tree.
    fn tree(&mut self, public: &Public, rows: &mut [Block]) {
        let (set, (round, first)) = (self.set, self.numbers);
        self.trees.leaves(set, self.next_tree, first + self.next_tree as u64, &public.hash, rows);
        public.code.add(set, (round, self.next_tree), &self.base[MASKS..][..set.word()], rows);
        self.next_tree += 1;
    }
}

/// Rows of the first trees, made while their leaves are there, so that these are not grown twice. They are
/// handed out after the check only.
struct Ahead(Wiped<Block>);

impl Ahead {
    /// Room for at least so many rows, in whole trees.
    fn new(set: Set, rows: usize) -> Self {
        Self(Wiped::zeros(rows.div_ceil(set.leaves()).min(set.trees()) * set.leaves()))
    }

    /// Where the leaves of a tree go: to where its rows will be, or to `scratch`.
    fn room<'a>(&'a mut self, set: Set, tree: usize, scratch: &'a mut [Block]) -> &'a mut [Block] {
        self.0.chunks_exact_mut(set.leaves()).nth(tree).unwrap_or(scratch)
    }

    /// Makes rows of the leaves of a tree, if that is where they are.
    fn add(&mut self, public: &Public, set: Set, at: (u64, usize), base: &[Block]) {
        if let Some(rows) = self.0.chunks_exact_mut(set.leaves()).nth(at.1) {
            public.code.add(set, at, &base[MASKS..][..set.word()], rows);
        }
    }
}

/// The sender between its corrections and its answer.
pub(crate) struct SenderRound {
    round: Round<SenderTrees>,
    /// Its weighted sum so far.
    sum: Zeroizing<Block>,
}

impl SenderRound {
    /// Step 1: what to send. `base` are rows that nothing else uses; `ahead` rows are made at once.
    pub fn start(
        public: &mut Public,
        (set, ahead, transcript): (Set, usize, &[u8; 64]),
        (delta, base): (Zeroizing<Block>, Wiped<Block>),
        rng: &mut dyn CryptoRng,
    ) -> (Self, Vec<u8>) {
        let numbers = public.begin(set, transcript);
        let depth = set.depth();
        let keys: Wiped<Block> = (0..set.trees()).map(|_| Block::random(rng)).collect();
        let (mut scratch, mut ahead) = (Wiped::zeros(set.leaves()), Ahead::new(set, ahead));
        let mut sums = Zeroizing::new([Block::ZERO; 16]);
        let sums = &mut sums[..depth];
        let (mut bytes, mut sum) =
            (Vec::with_capacity(set.corrections_len()), Zeroizing::new(packed(&base[..MASKS])));
        let rows = base[MASKS + set.word()..].chunks_exact(depth);
        for (tree, (&key, rows)) in keys.iter().zip(rows).enumerate() {
            let leaves = ahead.room(set, tree, &mut scratch);
            tree::grow(&public.hash, numbers.1 + tree as u64, *delta, key, leaves, sums);
            // From here on they are corrections.
            sums.iter_mut().zip(rows).for_each(|(sum, &row)| *sum ^= row);
            let corrections = Block::as_bytes(sums);
            bytes.extend_from_slice(corrections);
            *sum ^= weigh(challenge(&public.session, &mut public.transcript, corrections), leaves);
            ahead.add(public, set, (numbers.0, tree), &base);
        }
        (Self { round: Round::new(set, numbers, base, (SenderTrees { delta, keys }, ahead)), sum }, bytes)
    }

    /// Step 3: the answer to the receiver's mask, and the rows.
    pub fn answer(self, public: &mut Public, masked: Block) -> (Round<SenderTrees>, [u8; 32]) {
        let sum = Zeroizing::new(*self.sum ^ dot(masked, *self.round.trees.delta));
        (self.round, answer(&public.session, &mut public.transcript, masked, *sum))
    }
}

/// The receiver between its mask and the sender's answer.
pub(crate) struct ReceiverRound {
    round: Round<ReceiverTrees>,
    /// What the sender has to answer.
    expected: Zeroizing<[u8; 32]>,
}

impl ReceiverRound {
    /// Steps 1 and 2: takes the corrections, whose length was checked; returns what to send. `ahead` rows are
    /// made at once.
    pub fn start(
        public: &mut Public,
        (set, ahead, transcript): (Set, usize, &[u8; 64]),
        base: Wiped<Block>,
        corrections: &[u8],
    ) -> (Self, Block) {
        let numbers = public.begin(set, transcript);
        let depth = set.depth();
        let mut trees =
            ReceiverTrees { sums: Wiped::zeros(set.trees() * depth), choices: Wiped::zeros(set.trees()) };
        let (mut scratch, mut ahead) = (Wiped::zeros(set.leaves()), Ahead::new(set, ahead));
        let (mut sum, mut noise) = (Zeroizing::new(packed(&base[..MASKS])), Zeroizing::new(Block::ZERO));
        let rows = base[MASKS + set.word()..].chunks_exact(depth);
        let each = corrections.chunks_exact(depth * Block::BYTES).zip(rows);
        for (tree, (corrections, rows)) in each.enumerate() {
            let sums = &mut trees.sums[tree * depth..][..depth];
            let blocks = corrections.as_chunks().0.iter().map(|&bytes| Block::from_bytes(bytes));
            sums.iter_mut().zip(rows.iter().zip(blocks)).for_each(|(sum, (&row, block))| *sum = row ^ block);
            let choices = rows.iter().rev().fold(0, |bits, row| bits << 1 | u32::from(row.lsb()));
            trees.choices[tree] = choices;
            let leaves = ahead.room(set, tree, &mut scratch);
            tree::regrow(&public.hash, numbers.1 + tree as u64, choices, sums, leaves);
            let key = challenge(&public.session, &mut public.transcript, corrections);
            *sum ^= weigh(key, leaves);
            *noise ^= weight(key, set.leaves(), tree::place(choices, depth));
            ahead.add(public, set, (numbers.0, tree), &base);
        }
        let masked = *noise ^ choices(&base[..MASKS]);
        let expected = Zeroizing::new(answer(&public.session, &mut public.transcript, masked, *sum));
        (Self { round: Round::new(set, numbers, base, (trees, ahead)), expected }, masked)
    }

    /// Step 3: the rows, if the sender's answer is right.
    ///
    /// # Errors
    /// [`OtError::SilentCheck`]: the sender cheats, the connection must end.
    pub fn finish(self, found: &[u8]) -> Result<Round<ReceiverTrees>, OtError> {
        if bool::from(self.expected.as_slice().ct_eq(found)) {
            Ok(self.round)
        } else {
            Err(OtError::SilentCheck)
        }
    }
}

#[cfg(test)]
impl SenderRound {
    /// Goes on as if it had sent these corrections, and adds `error` of the number and the key of each tree
    /// to its sum. `public` is what was known before the round.
    pub fn pretend(
        &mut self,
        public: &mut Public,
        (transcript, corrections): (&[u8; 64], &[u8]),
        error: impl Fn(usize, Block) -> Block,
    ) {
        let set = self.round.set;
        let (_, first) = public.begin(set, transcript);
        let mut leaves = vec![Block::ZERO; set.leaves()];
        *self.sum = packed(&self.round.base[..MASKS]);
        for (tree, corrections) in corrections.chunks_exact(set.depth() * Block::BYTES).enumerate() {
            self.round.trees.leaves(set, tree, first + tree as u64, &public.hash, &mut leaves);
            let key = challenge(&public.session, &mut public.transcript, corrections);
            *self.sum ^= weigh(key, &leaves) ^ error(tree, key);
        }
    }
}
