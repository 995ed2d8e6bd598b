//! The circuit of a run of layers up to the program's end, which reads what other protocols left.
//!
//! # Input bits
//! The circuit takes, in this order, each number least significant bit first:
//!
//! 1. the client's input ([`Run::input_bits`]), if the run reads it: the bits of its codes, as in
//!    [`super::lower`];
//! 2. the client's shares ([`Run::share_bits`]): of each tensor in shares, in the order of the reads, the low
//!    bits of each element's share that are looked at;
//! 3. the server's shares ([`Run::server_bits`]): the same, and behind each element's share a small number
//!    where its step is not 1.

use xonn_circuits::tiled::TiledCircuit;

use super::joined::{self, How, Joined};
use super::{LowerError, Lowering};
use crate::op::Op;
use crate::program::{LayerId, Program};
use crate::tensor::Tensor;

/// How the hosts hold a tensor that a run reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Held {
    /// The client's own input.
    Client,
    /// Both have a share of each element.
    Shares(Sharing),
}

/// Shares y0 of the server's and y1 of the client's modulo `2^bits`, and an offset of each element's that
/// only the server knows: `value = step floor((y0 + y1 mod 2^bits) / 2^fraction) + offset`, the rounded
/// number being `0..=span`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sharing {
    /// Bits of the shares.
    pub bits: u32,
    /// Bits of fraction.
    pub fraction: u32,
    /// Value of one.
    pub step: i64,
    /// The largest number that is shared.
    pub span: u64,
}

impl Sharing {
    /// Most bits of shares that a circuit reads.
    pub const MOST_BITS: u32 = 62;
}

/// The circuit of a run, and how values become its input bits.
pub struct Run {
    circuit: TiledCircuit,
    input_bits: usize,
    joined: Vec<Joined>,
}

/// A run with what one model brings to it.
pub struct RunOfModel {
    /// As a client makes it, but that it knows the model's cuts.
    pub run: Run,
    /// The garbler's secret bits.
    pub secret: Vec<bool>,
}

/// The circuit of `layers` and of the program's output, as a client makes it. Nothing that is given is
/// trusted.
///
/// * `layers`: rising.   * `reads`: the tensors that they read, and how they are held. A layer that is also
///   named here is not computed, so that the run may be the output alone.
///
/// # Errors
/// [`LowerError`] naming the layer.
pub fn run(program: &Program, layers: &[LayerId], reads: &[(LayerId, Held)]) -> Result<Run, LowerError> {
    Ok(lowered(program, None, layers, reads)?.run)
}

/// The same, and what the garbler brings.
///
/// * `tensors`: one for each of [`Program::tensors`].
///
/// # Errors
/// [`LowerError`] naming the layer.
///
/// # Panics
/// If the tensors are not those of this program.
pub fn run_with(
    program: &Program,
    tensors: &[Tensor],
    layers: &[LayerId],
    reads: &[(LayerId, Held)],
) -> Result<RunOfModel, LowerError> {
    lowered(program, Some(tensors), layers, reads)
}

fn lowered(
    program: &Program,
    tensors: Option<&[Tensor]>,
    layers: &[LayerId],
    reads: &[(LayerId, Held)],
) -> Result<RunOfModel, LowerError> {
    check(program, layers, reads)?;
    let mut lowering = Lowering::new(program, tensors);
    let is_held = |id: &LayerId| reads.iter().any(|(read, _)| read == id);
    lowering.computed.fill(false);
    for &id in layers.iter().filter(|id| !is_held(id)) {
        lowering.computed[id] = true;
    }
    lowering.only_readers = super::only_readers(program, |id| lowering.computed[id]);
    let mut input_bits = 0;
    for &(id, held) in reads {
        match held {
            Held::Client => {
                input_bits = program.input().bit_count();
                lowering.places[id] = Some(lowering.input_place(id));
            }
            Held::Shares(sharing) => {
                let joined = Joined::new(program, id, sharing, lowering.cut_by(id));
                lowering.joined.push(joined.map_err(|reason| lowering.unsupported(id, reason))?);
            }
        }
    }
    let mut at = input_bits as u64;
    for joined in &mut lowering.joined {
        joined.client = at;
        at += joined.client_bits();
    }
    for joined in &mut lowering.joined {
        joined.server = at;
        at += joined.server_bits();
    }
    for index in 0..lowering.joined.len() {
        let layer = lowering.joined[index].layer;
        lowering.places[layer] = joined::number(&mut lowering, index)?;
    }
    for id in 0..program.layers().len() {
        if lowering.computed[id] {
            lowering.layer(id)?;
        }
    }
    lowering.output()?;
    let joined = std::mem::take(&mut lowering.joined);
    let (circuit, secret) = lowering.finish(at)?;
    Ok(RunOfModel { run: Run { circuit, input_bits, joined }, secret })
}

/// Whether `layers` can be computed up to the program's end of these `reads`.
fn check(program: &Program, layers: &[LayerId], reads: &[(LayerId, Held)]) -> Result<(), LowerError> {
    let all = program.layers();
    let refused = |layer, reason: &str| LowerError::Unsupported { layer, reason: reason.into() };
    for (number, &(id, held)) in reads.iter().enumerate() {
        match all.get(id) {
            None => return Err(refused(id, "it is read, and there is no such layer")),
            Some(_) if reads[..number].iter().any(|(other, _)| *other == id) => {
                return Err(refused(id, "it is read in two forms"));
            }
            Some(layer) if held == Held::Client && !matches!(layer.op, Op::Input) => {
                return Err(refused(id, "it is not the client's input"));
            }
            Some(_) => {}
        }
    }
    if !layers.windows(2).all(|pair| pair[0] < pair[1]) || layers.last().is_some_and(|&id| id >= all.len()) {
        return Err(refused(
            layers.last().copied().unwrap_or(0),
            "it is not a layer of the program, in order",
        ));
    }
    let is_held = |id: LayerId| reads.iter().any(|&(read, _)| read == id);
    let is_there = |id: LayerId| is_held(id) || layers.binary_search(&id).is_ok();
    for &id in layers.iter().filter(|&&id| !is_held(id)) {
        if matches!(all[id].op, Op::Input) {
            return Err(refused(id, "it is computed, and the client's input is read"));
        }
        if !all[id].reads.iter().all(|&read| is_there(read)) {
            return Err(refused(id, "it reads a tensor that nobody holds"));
        }
    }
    match is_there(all.len() - 1) {
        true => Ok(()),
        false => Err(refused(all.len() - 1, "the program's last tensor is neither computed nor read")),
    }
}

impl Run {
    /// The circuit: public.
    #[must_use]
    pub fn circuit(&self) -> &TiledCircuit {
        &self.circuit
    }

    /// The client's own input bits that it takes.
    #[must_use]
    pub fn input_bits(&self) -> usize {
        self.input_bits
    }

    /// Bits of the client's shares.
    #[must_use]
    pub fn share_bits(&self) -> usize {
        self.joined.iter().map(Joined::client_bits).sum::<u64>() as usize
    }

    /// Bits that the server brings with the input.
    #[must_use]
    pub fn server_bits(&self) -> usize {
        self.joined.iter().map(Joined::server_bits).sum::<u64>() as usize
    }

    /// Appends the bits of the client's shares, given of each tensor in shares.
    ///
    /// # Errors
    /// [`LowerError`] if there are not as many as the program says.
    pub fn bits_of_client(&self, shares: &[&[u64]], bits: &mut Vec<bool>) -> Result<(), LowerError> {
        self.check(shares.iter().map(|share| share.len()))?;
        bits.reserve_exact(self.share_bits());
        for (joined, share) in self.joined.iter().zip(shares) {
            bits.extend(share.iter().flat_map(|&y| bits_of(y, joined.bits)));
        }
        Ok(())
    }

    /// Appends what the server brings, given its share of each tensor in shares and the offsets.
    ///
    /// # Errors
    /// [`LowerError`] if there are not as many as the program says, or an offset is not one of such a
    /// tensor's.
    pub fn bits_of_server(
        &self,
        shares: &[(&[u64], &[i64])],
        bits: &mut Vec<bool>,
    ) -> Result<(), LowerError> {
        self.check(shares.iter().map(|(share, _)| share.len()))?;
        self.check(shares.iter().map(|(_, offsets)| offsets.len()))?;
        bits.reserve_exact(self.server_bits());
        let mut fits = true;
        for (joined, (share, offsets)) in self.joined.iter().zip(shares) {
            for (element, (&y, &offset)) in share.iter().zip(*offsets).enumerate() {
                let both = joined.servers(element, y, offset);
                fits &= both.is_some();
                let [y, rest] = both.unwrap_or_default();
                bits.extend(bits_of(y, joined.bits).chain(bits_of(rest, joined.rest)));
            }
        }
        let layer = self.joined.first().map_or(0, |joined| joined.layer);
        let reason = "its offsets are not those of its values".into();
        if fits { Ok(()) } else { Err(LowerError::Unsupported { layer, reason }) }
    }

    fn check(&self, lengths: impl ExactSizeIterator<Item = usize>) -> Result<(), LowerError> {
        let (found, expected) = (lengths.len(), self.joined.len());
        let right = self.joined.iter().zip(lengths).find(|(joined, length)| joined.elements != *length);
        let wrong = |layer, reason| Err(LowerError::Unsupported { layer, reason });
        match right {
            Some((joined, length)) => {
                wrong(joined.layer, format!("shares of {length} elements, expected {}", joined.elements))
            }
            None if found != expected => wrong(0, format!("shares of {found} tensors, expected {expected}")),
            None => Ok(()),
        }
    }
}

impl core::fmt::Debug for Run {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let cuts = self.joined.iter().filter(|joined| matches!(joined.how, How::Cut { .. })).count();
        write!(f, "Run of {} input bits, {cuts} fused", self.circuit.input_bits())
    }
}

fn bits_of(number: u64, width: usize) -> impl Iterator<Item = bool> {
    (0..width).map(move |i| number >> i & 1 == 1)
}
