//! What a layer over the client's numbers adds up, said in numbers, so that another protocol than garbling can do it.
//!
//! A template is a netlist, and a netlist does not tell that it multiplies numbers by signs. [`Linear`] tells it: two hosts
//! may then hold the sum in two shares, by whatever protocol, and go on with a template that takes the shares. Evaluation
//! in the clear and garbling do not look at it.
//!
//! It is a statement about the tile's own template, made by whoever made the program, and trusted as much as the
//! templates are: what is checked is that nothing in it reaches out of bounds, not that it is true.

use super::{Port, Source, Tile, TiledCircuit};

/// Most bits of a sum.
pub const MAX_SUM_BITS: u32 = 62;

/// A tile's sum: an addend, and numbers times weights that are sums of secret signs.
///
/// The tile's ports are, in this order: the client's numbers; for each number its signs, one for each of `shifts`, 1 for
/// minus; the secret addend if there is one; what else the template takes. With `u` a number of `width` bits (its top bit
/// inverted first if `top_inverted`) and `M = 2^width - 1` the sum is
///
/// ```text
/// T = addend + sum over numbers, shifts of (sign ? M - u : u) << shift,     0 <= T < 2^bits
/// ```
///
/// and the template gives what the template `shared` gives for `x`, `y` of `bits` bits each with `x + y = T` modulo
/// `2^bits`, and the ports that are left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Linear {
    /// Bits of a number, least significant first: 1 to 32.
    pub width: u32,
    /// Whether numbers come in two's complement: their top bit inverted gives `u`.
    pub top_inverted: bool,
    /// What each sign's share of a weight is shifted by, in bits.
    pub shifts: Vec<u32>,
    /// Whether there is an addend.
    pub addend: bool,
    /// Bits of the sum and of each share: at most [`MAX_SUM_BITS`].
    pub bits: u32,
    /// The template that takes two shares and the other ports; index into [`TiledCircuit::templates`].
    pub shared: u32,
}

impl Linear {
    /// The ports that the shares stand for: numbers, signs, addend.
    #[must_use]
    pub fn summed(&self) -> usize {
        2 + usize::from(self.addend)
    }

    /// The largest number `u`.
    #[must_use]
    pub fn largest(&self) -> u64 {
        (1 << self.width) - 1
    }

    /// Bits that are shared of a number whose sign is shifted by `shift`: the others follow.
    #[must_use]
    pub fn message_bits(&self, shift: u32) -> u32 {
        self.bits - 1 - shift
    }

    pub(super) fn verify(&self, program: &TiledCircuit, tile: &Tile) -> Result<(), String> {
        let Self { width, ref shifts, bits, .. } = *self;
        if !(1..=32).contains(&width) || !(1..=MAX_SUM_BITS).contains(&bits) {
            return Err(format!(
                "adds up numbers of {width} bits in {bits} bits, expected 1 to 32 and 1 to {MAX_SUM_BITS}"
            ));
        }
        if shifts.is_empty()
            || shifts.len() > 32
            || shifts.iter().any(|&shift| shift >= 32 || shift + 1 >= bits)
        {
            return Err(format!("the shifts {shifts:?} of its weights do not fit sums of {bits} bits"));
        }
        let Some((summed, rest)) = tile.inputs.split_at_checked(self.summed()) else {
            return Err(format!("has {} ports, expected {} for its sum", tile.inputs.len(), self.summed()));
        };
        let secret = |port: &Port| port.source == Source::Secret;
        if summed[0].source != Source::Input || !summed[1..].iter().all(secret) {
            return Err("its sum must be of the client's input, with secret signs and addend".into());
        }
        let (read, signs) = (summed[0].map.len(), summed[1].map.len());
        let numbers = read / u64::from(width);
        if read % u64::from(width) != 0 || signs != numbers * shifts.len() as u64 {
            return Err(format!("{read} bits of numbers and {signs} signs do not fit {width} bits a number"));
        }
        let addend = summed.get(2).map_or(0, |port| port.map.len());
        if addend > bits.into() {
            return Err(format!("an addend of {addend} bits does not fit sums of {bits} bits"));
        }
        // Factors below 2^32, 2^32, 2^37 and 2^63: template sizes are 32 bits.
        let weight: u128 = shifts.iter().map(|&shift| 1u128 << shift).sum();
        let largest = u128::from(numbers) * u128::from(self.largest()) * weight + ((1u128 << addend) - 1);
        if largest >> bits != 0 {
            return Err(format!("sums of {numbers} numbers do not fit {bits} bits"));
        }
        let templates = program.templates();
        let shared = templates.get(self.shared as usize).ok_or_else(|| {
            format!("template {} of {} for shares does not exist", self.shared, templates.len())
        })?;
        let inputs = 2 * u64::from(bits) + rest.iter().map(|port| port.map.len()).sum::<u64>();
        let outputs = tile.output.len();
        if (shared.input_bits() as u64, shared.output_bits() as u64) != (inputs, outputs) {
            return Err(format!(
                "template {} for shares takes {} bits and gives {}, expected {inputs} and {outputs}",
                self.shared,
                shared.input_bits(),
                shared.output_bits()
            ));
        }
        Ok(())
    }
}
