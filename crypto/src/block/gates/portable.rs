//! Gates lane by lane, as half gates are written down: the oracle of the other backends.

use std::array::from_fn;

use super::super::tccr::{Offsets, SHARING, sigma};
use super::super::{Block, portable};
use super::three_halves::Sliced;
use super::{LANES, Tables, Wide};

/// Gates under the hash with this start point.
pub(super) struct Gates {
    start: Block,
    offsets: Offsets,
}

impl Gates {
    /// Gates under the hash with this start point and its offsets.
    pub fn new(start: Block, offsets: Offsets) -> Self {
        Self { start, offsets }
    }

    fn sliced(&self) -> Sliced {
        Sliced { start: self.start, offsets: self.offsets }
    }

    /// The hashes of each lane's labels of a gate's first or second wire.
    fn hash<const N: usize>(
        &self,
        tweak: u64,
        wire: usize,
        labels: [[Block; N]; LANES],
    ) -> [[Block; N]; LANES] {
        let mut hashes = labels;
        let ciphers = portable::Cipher::of_gate(self.start, tweak);
        for (cipher, lanes) in ciphers.iter().zip(hashes.as_chunks_mut::<SHARING>().0) {
            for (labels, &offset) in lanes.iter_mut().zip(&self.offsets[SHARING * wire..]) {
                *labels = labels.map(|x| sigma(x) ^ offset);
            }
            let inputs = *lanes;
            cipher.encrypt(lanes.as_flattened_mut());
            let inputs = inputs.as_flattened();
            lanes.as_flattened_mut().iter_mut().zip(inputs).for_each(|(hash, &input)| *hash ^= input);
        }
        hashes
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

    fn garble_and(&mut self, delta: &Block, [a, b, c]: [&Wide; 3], tweak: u64, tables: &mut Tables) -> Wide {
        let (a, b) = (self.xor(a, c), self.xor(b, c));
        let ha = self.hash(tweak, 0, a.0.map(|w| [w, w ^ *delta]));
        let hb = self.hash(tweak, 1, b.0.map(|w| [w, w ^ *delta]));
        Wide(from_fn(|i| {
            let (pa, pb) = (a.0[i].lsb(), b.0[i].lsb());
            let tg = ha[i][0] ^ ha[i][1] ^ delta.masked(pb);
            let te = hb[i][0] ^ hb[i][1] ^ a.0[i];
            (tables[0][i], tables[1][i]) = (tg, te);
            ha[i][0] ^ tg.masked(pa) ^ hb[i][0] ^ (te ^ a.0[i]).masked(pb) ^ c.0[i]
        }))
    }

    fn garble_half(
        &mut self,
        delta: &Block,
        a: &Wide,
        bits: u16,
        tweak: u64,
        table: &mut [Block; LANES],
    ) -> Wide {
        let h = self.hash(tweak, 0, a.0.map(|w| [w, w ^ *delta]));
        Wide(from_fn(|i| {
            table[i] = h[i][0] ^ h[i][1] ^ delta.masked(bits >> i & 1 == 1);
            h[i][0] ^ table[i].masked(a.0[i].lsb())
        }))
    }

    fn evaluate_and(
        &mut self,
        [a, b, c]: [&Wide; 3],
        tweak: u64,
        tg: &[Block; LANES],
        te: &[Block; LANES],
    ) -> Wide {
        let (a, b) = (self.xor(a, c), self.xor(b, c));
        let ha = self.hash(tweak, 0, a.0.map(|w| [w]));
        let hb = self.hash(tweak, 1, b.0.map(|w| [w]));
        Wide(from_fn(|i| {
            let (sa, sb) = (a.0[i].lsb(), b.0[i].lsb());
            ha[i][0] ^ tg[i].masked(sa) ^ hb[i][0] ^ (te[i] ^ a.0[i]).masked(sb) ^ c.0[i]
        }))
    }

    fn evaluate_half(&mut self, a: &Wide, tweak: u64, table: &[Block; LANES]) -> Wide {
        let h = self.hash(tweak, 0, a.0.map(|w| [w]));
        Wide(from_fn(|i| h[i][0] ^ table[i].masked(a.0[i].lsb())))
    }

    fn garble_sliced(
        &mut self,
        delta: &Block,
        operands: [&Wide; 3],
        tweak: u64,
        dice: [u16; 2],
        pairs: &mut [Block; LANES],
        slices: &mut [[u8; 8]; LANES],
    ) -> (Wide, [u16; 5]) {
        self.sliced().garble(delta, operands, tweak, dice, pairs, slices)
    }

    fn evaluate_sliced(
        &mut self,
        operands: [&Wide; 3],
        tweak: u64,
        pairs: &[Block; LANES],
        slices: &[[u8; 8]; LANES],
        control: [u16; 5],
    ) -> Wide {
        self.sliced().evaluate(operands, tweak, pairs, slices, control)
    }
}
