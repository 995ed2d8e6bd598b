//! Bits, or ORs of them, become numbers of a ring: C answers a message for each value that S's shares can
//! have, S opens the one of those that it has.
//!
//! With `b_i = b0_i + b1_i`, and a correlated OT on each b0_i of which C is the sender
//! ([`compare`](super::compare)): entry j of a window is `OR_i (b1_i + j_i) - rho` mod 2^l under `H(sum x^i
//! (KK_i + j_i Delta_C))`. S's share is the bit less rho, C's is rho, fixed ahead. One tweak a window.
//!
//! Where S flips an OR the flip is one more member of its window, the last: S's choice bit of a row of the
//! C-sender pool is its share of it, C's is what S opened of the flip + that choice, and entry j is
//! `OR_i (b1_i + j_i) + (b1_last + j_last) - rho` with the OR over the others.

use xonn_crypto::Wiped;
use xonn_crypto::block::{Block, Tccr, mask};
use xonn_crypto::share::{RingTensor, ShareError};

use super::StepError;
use super::compare::{ClientBits, ServerBits};
use super::error::expect;
use super::frame::{Fields, Reader, Writer};
use super::keys::{CHUNK, multiples, times_x};
use super::parts;
use super::windows::{MOST_MEMBERS, Windows};

/// What C's messages are of. Public.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Conversion {
    windows: Windows,
    /// 1 if the last member of each window flips the OR of the others.
    flips: u32,
}

impl Conversion {
    /// Of these windows.
    ///
    /// # Errors
    /// [`StepError::Range`] if they have more than 4 elements.
    pub fn of(windows: &Windows) -> Result<Self, StepError> {
        windows.check_written_out()?;
        Ok(Self { windows: windows.clone(), flips: 0 })
    }

    /// The same, with a flip for each window: element `windows.elements() + w` flips window w.
    ///
    /// # Errors
    /// [`StepError::Range`] if they have more than 4 elements, or there are 2^32 elements and more.
    pub fn flipped(windows: &Windows) -> Result<Self, StepError> {
        windows.check_written_out()?;
        Ok(Self { windows: windows.with_own()?, flips: 1 })
    }

    /// Whether each window has a flip.
    pub fn flips(&self) -> bool {
        self.flips == 1
    }

    /// How many results.
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// The field of C's messages: `2^members` numbers of the ring a window, the flip being a member.
    pub fn fields(&self, ring: u32) -> Fields {
        Fields::default().with(self.len() << self.windows.members(), ring)
    }

    /// The result of a window whose members' bits are these.
    #[inline(always)]
    fn result(&self, bits: u64) -> u64 {
        let low = self.windows.members() as u32 - self.flips;
        let or = (bits & !(u64::MAX << low)).wrapping_neg() >> 63;
        or ^ (bits >> low & u64::from(self.flips))
    }
}

/// Of a window with the most members, and a flip.
const MOST_ENTRIES: usize = 1 << (MOST_MEMBERS + 1);

/// The keys of some windows, from those of their elements.
#[inline(always)]
fn combine(keys: &[Block], windows: &[&[u32]], members: usize, sums: &mut [Block]) {
    sums.fill(Block::ZERO);
    for i in (0..members).rev() {
        for (sum, window) in sums.iter_mut().zip(windows) {
            *sum = times_x(*sum) ^ keys[window[i] as usize];
        }
    }
}

/// Windows from number `first` on, some at a time, with the number of the first.
fn chunks(windows: &Windows, first: usize) -> impl Iterator<Item = (usize, Vec<&[u32]>)> {
    let starts = (first..windows.len()).step_by(CHUNK);
    starts.map(|start| (start, windows.iter().skip(start).take(CHUNK).collect()))
}

/// C's messages, written into `out`. `rho` is C's share of each result.
///
/// # Errors
/// [`StepError`] if bits or rho are not as many as the plan says.
pub fn send(
    conversion: &Conversion,
    bits: &ClientBits,
    rho: &RingTensor,
    hash: &Tccr,
    first_tweak: u64,
    out: &mut Writer,
) -> Result<(), StepError> {
    let windows = &conversion.windows;
    let members = windows.members();
    expect("bits of windows", windows.elements(), bits.bits.len())?;
    expect("shares of windows", windows.len(), rho.len())?;
    let (entries, ring) = (1 << members, (1 << rho.bits()) - 1);
    let multiples = multiples(bits.delta(), members as u32);
    let mut messages = Wiped::zeros(entries * windows.len());
    parts::fill(&mut messages, entries, |first, messages| {
        let (mut sums, mut keys) = (Wiped::zeros(CHUNK), Wiped::zeros(entries * CHUNK));
        let mut ones: Wiped<u64> = Wiped::zeros(CHUNK);
        for ((start, chunk), messages) in chunks(windows, first).zip(messages.chunks_mut(entries * CHUNK)) {
            let count = chunk.len();
            let (sums, keys, ones) = (&mut sums[..count], &mut keys[..entries * count], &mut ones[..count]);
            combine(&bits.keys, &chunk, members, sums);
            for (one, window) in ones.iter_mut().zip(&chunk) {
                let bit = |i: usize| bits.bits.bit(window[i] as usize) << i;
                *one = (0..members).fold(0, |all, i| all | bit(i));
            }
            for (keys, &offset) in keys.chunks_exact_mut(count).zip(multiples.iter()) {
                keys.iter_mut().zip(&*sums).for_each(|(key, &sum)| *key = sum ^ offset);
            }
            hash.hash_strided(first_tweak.wrapping_add(start as u64), count, keys);
            let rho = &rho.values()[start..][..count];
            for (j, pads) in keys.chunks_exact(count).enumerate() {
                let all = messages.chunks_exact_mut(entries).zip(pads).zip(ones.iter().zip(rho));
                for ((messages, &pad), (&ones, rho)) in all {
                    let result = conversion.result(j as u64 ^ ones);
                    messages[j] = (result.wrapping_sub(*rho) ^ u128::from(pad) as u64) & ring;
                }
            }
        }
    });
    out.numbers(&messages, rho.bits());
    Ok(())
}

/// S's shares of the results, from C's messages, which are the next field of `messages`.
///
/// # Errors
/// [`StepError`] if bits are not as many as the plan says, the message ends early, or the ring is none of 1
/// to 63 bits.
pub fn receive(
    conversion: &Conversion,
    bits: &ServerBits,
    ring: u32,
    hash: &Tccr,
    first_tweak: u64,
    messages: &mut Reader<'_>,
) -> Result<RingTensor, StepError> {
    let windows = &conversion.windows;
    let members = windows.members();
    expect("bits of windows", windows.elements(), bits.bits.len())?;
    let entries = 1 << members;
    let messages = messages.numbers(entries * windows.len(), ring)?;
    let mut shares = vec![0; windows.len()];
    parts::fill(&mut shares, 1, |first, shares| {
        let mut sums = Wiped::zeros(CHUNK);
        for ((start, chunk), shares) in chunks(windows, first).zip(shares.chunks_mut(CHUNK)) {
            let sums = &mut sums[..chunk.len()];
            combine(&bits.keys, &chunk, members, sums);
            hash.hash::<1>(first_tweak.wrapping_add(start as u64), sums);
            let messages = messages[entries * start..].chunks_exact(entries);
            let all = shares.iter_mut().zip(&*sums).zip(messages).zip(&chunk);
            for (((share, &pad), messages), window) in all {
                let mut entries: [u64; MOST_ENTRIES] = [0; MOST_ENTRIES];
                entries[..messages.len()].copy_from_slice(messages);
                // Of the entries those with the right highest bit, and so on.
                for (i, &element) in window.iter().enumerate().rev() {
                    let mask = mask(bits.bits.bit(element as usize) == 1);
                    let (low, high) = entries.split_at_mut(1 << i);
                    low.iter_mut().zip(high).for_each(|(low, high)| *low ^= (*low ^ *high) & mask);
                }
                *share = entries[0] ^ u128::from(pad) as u64;
            }
        }
    });
    ring_tensor(ring, shares)
}

/// A share and the corrections to it that a message of the other host has, added up modulo `2^bits`.
pub(crate) fn corrected(
    share: &RingTensor,
    answer: &mut Reader<'_>,
    bits: u32,
) -> Result<RingTensor, StepError> {
    let corrections = answer.numbers(share.len(), bits)?;
    let all = share.values().iter().zip(corrections.iter());
    ring_tensor(bits, all.map(|(share, correction)| share.wrapping_add(*correction)).collect())
}

/// Numbers of a ring of the plan.
pub(crate) fn ring_tensor(bits: u32, values: Vec<u64>) -> Result<RingTensor, StepError> {
    RingTensor::new(bits, values).map_err(|error| match error {
        ShareError::Bits { bits, most } => {
            StepError::Range { what: "bits of a ring", actual: bits as usize, least: 1, most: most as usize }
        }
        _ => StepError::Shape { what: "numbers of a ring", expected: 0, actual: 0 },
    })
}
