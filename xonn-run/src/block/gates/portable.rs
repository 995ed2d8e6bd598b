//! Gates lane by lane, as half gates are written down: the oracle of the other backends.

use std::array::from_fn;

use super::super::{Block, portable};
use super::{LANES, Tables, Wide};

/// Gates under the hash with this start point.
pub(super) struct Gates(pub Block);

impl Gates {
    /// The hashes of each lane's group of blocks, under a tweak a lane.
    fn hash<const PER: usize>(&self, tweak: u64, mut groups: [[Block; PER]; LANES]) -> [[Block; PER]; LANES] {
        portable::hash(self.0, tweak, &mut groups);
        groups
    }
}

impl super::Gates for Gates {
    #[inline(always)]
    fn splat(&self, block: &Block) -> Wide {
        Wide([*block; LANES])
    }

    #[inline(always)]
    fn xor(&self, a: &Wide, b: &Wide) -> Wide {
        Wide(from_fn(|i| a.0[i] ^ b.0[i]))
    }

    #[inline(always)]
    fn xor3(&self, a: &Wide, b: &Wide, c: &Wide) -> Wide {
        Wide(from_fn(|i| a.0[i] ^ b.0[i] ^ c.0[i]))
    }

    #[inline(always)]
    fn xor_where(&self, a: &Wide, other: &Wide, bits: u16) -> Wide {
        Wide(from_fn(|i| a.0[i] ^ other.0[i].masked(bits >> i & 1 == 1)))
    }

    fn garble_and(
        &self,
        delta: &Block,
        [a, b, c]: [&Wide; 3],
        tweaks: [u64; 2],
        tables: &mut Tables,
    ) -> Wide {
        let (a, b) = (self.xor(a, c), self.xor(b, c));
        let ha = self.hash(tweaks[0], a.0.map(|w| [w, w ^ *delta]));
        let hb = self.hash(tweaks[1], b.0.map(|w| [w, w ^ *delta]));
        Wide(from_fn(|i| {
            let (pa, pb) = (a.0[i].lsb(), b.0[i].lsb());
            let tg = ha[i][0] ^ ha[i][1] ^ delta.masked(pb);
            let te = hb[i][0] ^ hb[i][1] ^ a.0[i];
            (tables[0][i], tables[1][i]) = (tg, te);
            ha[i][0] ^ tg.masked(pa) ^ hb[i][0] ^ (te ^ a.0[i]).masked(pb) ^ c.0[i]
        }))
    }

    fn garble_half(
        &self,
        delta: &Block,
        a: &Wide,
        bits: u16,
        tweak: u64,
        table: &mut [Block; LANES],
    ) -> Wide {
        let h = self.hash(tweak, a.0.map(|w| [w, w ^ *delta]));
        Wide(from_fn(|i| {
            table[i] = h[i][0] ^ h[i][1] ^ delta.masked(bits >> i & 1 == 1);
            h[i][0] ^ table[i].masked(a.0[i].lsb())
        }))
    }

    fn evaluate_and(
        &self,
        [a, b, c]: [&Wide; 3],
        tweaks: [u64; 2],
        tg: &[Block; LANES],
        te: &[Block; LANES],
    ) -> Wide {
        let (a, b) = (self.xor(a, c), self.xor(b, c));
        let ha = self.hash(tweaks[0], a.0.map(|w| [w]));
        let hb = self.hash(tweaks[1], b.0.map(|w| [w]));
        Wide(from_fn(|i| {
            let (sa, sb) = (a.0[i].lsb(), b.0[i].lsb());
            ha[i][0] ^ tg[i].masked(sa) ^ hb[i][0] ^ (te[i] ^ a.0[i]).masked(sb) ^ c.0[i]
        }))
    }

    fn evaluate_half(&self, a: &Wide, tweak: u64, table: &[Block; LANES]) -> Wide {
        let h = self.hash(tweak, a.0.map(|w| [w]));
        Wide(from_fn(|i| h[i][0] ^ table[i].masked(a.0[i].lsb())))
    }
}
