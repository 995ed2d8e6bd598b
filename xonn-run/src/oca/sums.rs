//! What both hosts derive from the public program: the OTs, and the order in which sums are shared.

use core::ops::Range;

use xonn_circuits::tiled::shared::{self, Sharing};
use xonn_circuits::tiled::{Linear, Tile, TiledCircuit};

use super::numbers::Values;

/// Length in bytes from which on no further group goes into a part.
const PART: usize = 1 << 19;

/// The oblivious conditional addition of a program's first layers.
pub struct Oca {
    program: TiledCircuit,
    /// The program for a server that has its shares later, unless its inputs are too many bits.
    ahead: Option<TiledCircuit>,
    pub(super) values: Values,
    input_bits: usize,
    original_secret: usize,
    /// Whether the program on shares reads the original input, too.
    pub(super) reads_input: bool,
    pub(super) sums: Vec<Sum>,
    /// The secret bits that choose, rising: one OT each.
    choices: Vec<u64>,
    pub(super) groups: Vec<Group>,
    parts: Vec<Range<usize>>,
    /// Messages of one inference, which is tweaks.
    pub(super) messages: u64,
}

/// The sums of one block. Instances that have their signs in common are a group: the positions of a convolution's filter,
/// or a single neuron.
pub(super) struct Sum {
    pub linear: Linear,
    /// Bit `k` of number `i` is input bit `at + bits[i * width + k]`, `at` depending on the instance.
    pub bits: Vec<usize>,
    /// The block itself: grid, numbers, signs, addend.
    pub block: Tile,
    /// For each group its OTs, number after number, for each number sign after sign.
    pub ots: Vec<u32>,
    /// The instances of a group, counted from its first.
    pub positions: Vec<u64>,
    /// Index of the first share's first bit among the shares' bits.
    pub first_bit: usize,
    /// Whether all groups read the same numbers.
    pub same_numbers: bool,
}

/// Instances with the same signs.
#[derive(Clone, Copy)]
pub(super) struct Group {
    /// Index of the sum.
    pub sum: usize,
    /// Number among the sum's groups.
    pub number: usize,
    /// The first instance.
    pub instance: u64,
    /// The first message's number.
    pub first_message: u64,
    /// Bytes of its corrections.
    pub bytes: usize,
}

impl Sum {
    /// OTs of a group.
    pub fn weights(&self) -> usize {
        self.bits.len() / self.linear.width as usize * self.linear.shifts.len()
    }

    /// Where the numbers of an instance begin in the client's input.
    pub fn begin(&self, instance: u64) -> usize {
        self.block.inputs[0].map.offset(&self.block.grid, instance)
    }

    /// How many [`Sum::begins`] there are.
    pub fn count_of_begins(&self) -> usize {
        let axes = self.block.grid.iter().zip(&self.block.inputs[0].map.outer);
        axes.filter(|&(_, &stride)| stride != 0)
            .fold(1, |all, (&extent, _)| all.saturating_mul(extent as usize))
    }

    /// Where the numbers of all instances begin, without those that differ in axes along which nothing moves.
    pub fn begins(&self) -> Vec<usize> {
        let read = &self.block.inputs[0].map;
        let mut begins = vec![read.base as usize];
        let axes = self.block.grid.iter().zip(&read.outer).filter(|&(_, &stride)| stride != 0);
        for (&extent, &stride) in axes {
            let steps = (0..extent as usize).map(|i| i * stride as usize);
            begins = steps.flat_map(|step| begins.iter().map(move |&begin| begin + step)).collect();
        }
        begins
    }

    /// The OTs of group number `group`.
    pub fn ots_of(&self, group: usize) -> &[u32] {
        &self.ots[group * self.weights()..][..self.weights()]
    }

    /// Bits that are shared of a number under `shift`.
    pub fn message_bits(&self, shift: u32) -> u32 {
        self.linear.message_bits(shift)
    }
}

impl Oca {
    /// The conditional additions of `program`; none if it describes no sums or has too many of them, as [`Sharing::of`] says, or
    /// reads more numbers than are looked at.
    #[must_use]
    pub fn of(program: &TiledCircuit) -> Option<Self> {
        let sharing = Sharing::of(program)?;
        let (mut sums, mut groups) = (Vec::new(), Vec::new());
        let (mut shares, mut messages) = (0usize, 0u64);
        for block in program.layers().iter().flat_map(|layer| &layer.tiles) {
            let Some(linear) = block.linear.clone() else { continue };
            let signs = &block.inputs[1].map;
            let (firsts, positions) = shared::groups(&block.grid, &signs.outer);
            let weights = signs.len();
            let a_number: u64 =
                linear.shifts.iter().map(|&shift| u64::from(linear.message_bits(shift))).sum();
            let group_bits = weights / linear.shifts.len() as u64 * a_number * positions.len() as u64;
            let first_message = messages;
            messages += weights * firsts.len() as u64;
            groups.extend(firsts.iter().enumerate().map(|(number, &instance)| Group {
                sum: sums.len(),
                number,
                instance,
                first_message: first_message + number as u64 * weights,
                bytes: group_bits.div_ceil(8) as usize,
            }));
            let inner = signs.inner_offsets();
            let begins = firsts.iter().map(|&instance| signs.offset(&block.grid, instance) as u64);
            let number = |bit| sharing.choices.partition_point(|&choice| choice < bit) as u32;
            let ots = begins
                .flat_map(|begin| inner.iter().map(move |&offset| number(begin + offset as u64)))
                .collect();
            let read = &block.inputs[0].map;
            let own = read.outer.iter().zip(&signs.outer).filter(|&(_, &sign)| sign != 0);
            let first_bit = shares;
            shares += block.instances() as usize * linear.bits as usize;
            sums.push(Sum {
                same_numbers: own.clone().all(|(&stride, _)| stride == 0),
                linear,
                bits: read.inner_offsets(),
                block: block.clone(),
                ots,
                positions,
                first_bit,
            });
        }
        let values = Values::of(&sums, program.input_bits())?;
        let parts = parts(&groups);
        Some(Self {
            input_bits: program.input_bits(),
            original_secret: program.secret_bits() as usize,
            reads_input: sharing.program.input_bits() > shares,
            program: sharing.program,
            ahead: sharing.ahead,
            values,
            sums,
            choices: sharing.choices,
            groups,
            parts,
            messages: sharing.messages,
        })
    }

    /// The program that takes the shares.
    #[must_use]
    pub fn program(&self) -> &TiledCircuit {
        &self.program
    }

    /// The program that takes the shares if the server has its own only after garbling: its input bits are the client's
    /// shares, the server's shares, and the original input if [`Oca::reads_input`]. None if these are more bits than an
    /// input may have.
    #[must_use]
    pub fn program_ahead(&self) -> Option<&TiledCircuit> {
        self.ahead.as_ref()
    }

    /// Whether anything behind the sums reads the client's own input, too.
    #[must_use]
    pub fn reads_input(&self) -> bool {
        self.reads_input
    }

    /// Bits of the client's own input.
    #[must_use]
    pub fn input_bits(&self) -> usize {
        self.input_bits
    }

    /// OTs: secret bits that are signs of a first layer.
    #[must_use]
    pub fn ots(&self) -> usize {
        self.choices.len()
    }

    /// What the server chooses in each OT.
    ///
    /// # Panics
    /// If `secret` is not the original program's.
    #[must_use]
    pub fn choices(&self, secret: &[bool]) -> Vec<bool> {
        assert_eq!(secret.len(), self.original_secret, "the secret bits of the program that numbers go into");
        self.choices.iter().map(|&bit| secret[bit as usize]).collect()
    }

    /// Bytes of each part of an inference's corrections.
    pub fn part_lengths(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.parts.iter().map(|part| self.groups[part.clone()].iter().map(|group| group.bytes).sum())
    }

    /// Bytes of an inference's corrections.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.part_lengths().map(|bytes| bytes as u64).sum()
    }

    pub(super) fn part(&self, number: usize) -> Option<&[Group]> {
        self.parts.get(number).map(|part| &self.groups[part.clone()])
    }

    pub(super) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// Shares of one host, in bits.
    #[must_use]
    pub fn share_bits(&self) -> usize {
        let last = self.sums.last().map_or(0, |sum| sum.first_bit + sum.share_bits());
        debug_assert_eq!(last as u64, self.program.secret_bits() - self.original_secret as u64);
        last
    }
}

impl Sum {
    fn share_bits(&self) -> usize {
        self.block.instances() as usize * self.linear.bits as usize
    }

    /// Reads the share of an instance from `bits`, those of all shares.
    pub fn load(&self, instance: u64, bits: &[bool]) -> u64 {
        let width = self.linear.bits as usize;
        let at = self.first_bit + instance as usize * width;
        bits[at..at + width].iter().rev().fold(0, |share, &bit| share << 1 | u64::from(bit))
    }

    /// Puts a group's shares where the program on shares reads them: among `bits`, those of all shares.
    pub fn store(&self, group: &Group, shares: &[u64], bits: &mut [bool]) {
        let width = self.linear.bits as usize;
        for (position, share) in self.positions.iter().zip(shares) {
            let at = self.first_bit + (group.instance + position) as usize * width;
            bits[at..at + width].iter_mut().enumerate().for_each(|(k, bit)| *bit = share >> k & 1 == 1);
        }
    }
}

fn parts(groups: &[Group]) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let (mut first, mut bytes) = (0, 0);
    for (i, group) in groups.iter().enumerate() {
        bytes += group.bytes;
        if bytes >= PART || i + 1 == groups.len() {
            parts.push(first..i + 1);
            (first, bytes) = (i + 1, 0);
        }
    }
    parts
}
