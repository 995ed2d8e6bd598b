//! First layers on shares: the program that takes shares of sums in place of the numbers, and how much makes the shares.
//!
//! Two hosts come to the shares by one oblivious transfer a sign (`docs/protocol.md`, *First layers*); what of that follows from
//! the public program is here, because whoever shows costs needs it as much as whoever runs it.

use crate::tiled::{Axis, CircuitError, IndexMap, Port, Source, Tile, TiledCircuit};

/// Most messages of an inference: those of as many oblivious transfers as one extension has.
const MAX_MESSAGES: u64 = 1 << 24;

/// Most corrections of one inference, in bits.
const MAX_BITS: u64 = 1 << 33;

/// Most corrections of one group, in bits: what is in memory at a time is a few groups.
const MAX_GROUP_BITS: u64 = 1 << 28;

/// A program whose first layers' sums are shared.
#[derive(Clone, Debug)]
pub struct Sharing {
    /// The program on shares. Its input is the client's shares, in the order of layers, tiles and instances, and behind them the
    /// original input if anything still reads that; its secret is the original one and behind it the server's shares.
    pub program: TiledCircuit,
    /// The program for a server that has its shares only after it has garbled: they are input bits between the client's shares
    /// and the original input, and its secret is the original one. None if these are more bits than an input may have.
    pub ahead: Option<TiledCircuit>,
    /// The secret bits that choose, rising: one oblivious transfer each.
    pub choices: Vec<u64>,
    /// Messages of one inference.
    pub messages: u64,
    /// Bytes of one inference's corrections.
    pub bytes: u64,
}

impl Sharing {
    /// `program` on shares; none if it describes no sums, or has too many of them: more than 2^24 messages, 1 GiB of
    /// corrections, or more shares than an input may have bits.
    #[must_use]
    pub fn of(program: &TiledCircuit) -> Option<Self> {
        let (mut choices, mut messages, mut bits, mut bytes) = (Vec::new(), 0u64, 0u64, 0u64);
        for tile in program.layers().iter().flat_map(|layer| &layer.tiles) {
            let Some(linear) = &tile.linear else { continue };
            let signs = &tile.inputs[1].map;
            let (firsts, positions) = groups(&tile.grid, &signs.outer);
            let (weights, count) = (signs.len(), firsts.len() as u64);
            messages = messages.checked_add(weights.checked_mul(count)?)?;
            if messages > MAX_MESSAGES {
                return None;
            }
            let numbers = weights / linear.shifts.len() as u64;
            let a_number: u64 =
                linear.shifts.iter().map(|&shift| u64::from(linear.message_bits(shift))).sum();
            let group_bits = (numbers * a_number).checked_mul(positions.len() as u64)?;
            bits = bits.checked_add(group_bits.checked_mul(count)?)?;
            if group_bits > MAX_GROUP_BITS || bits > MAX_BITS {
                return None;
            }
            bytes += group_bits.div_ceil(8) * count;
            let inner = signs.inner_offsets();
            let begins = firsts.iter().map(|&instance| signs.offset(&tile.grid, instance) as u64);
            choices.extend(begins.flat_map(|begin| inner.iter().map(move |&offset| begin + offset as u64)));
        }
        if choices.is_empty() {
            return None;
        }
        choices.sort_unstable();
        choices.dedup();
        let [program, ahead] =
            [ServersShares::Garbling, ServersShares::Later].map(|servers| on_shares(program, servers).ok());
        Some(Self { program: program?, ahead, choices, messages, bytes })
    }
}

/// Instances that have their signs in common, by the strides of these: the first instance of each group, and a group's
/// instances counted from it. Positions are the axes along which the signs stay where they are.
#[must_use]
pub fn groups(grid: &[u32], signs: &[u64]) -> (Vec<u64>, Vec<u64>) {
    let strides = row_major(grid);
    let (mut firsts, mut positions) = (vec![0], vec![0]);
    for ((&extent, &stride), &sign) in grid.iter().zip(&strides).zip(signs) {
        let along = if sign == 0 { &mut positions } else { &mut firsts };
        *along = along.iter().flat_map(|&at| (0..u64::from(extent)).map(move |i| at + i * stride)).collect();
    }
    (firsts, positions)
}

/// When the server has its shares.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ServersShares {
    /// When it garbles: they are secret bits, which cost nothing.
    Garbling,
    /// Only when the client's input is there: they are input bits, whose labels the server sends.
    Later,
}

/// Replaces each tile that has a [`Linear`](super::Linear) by one on shares.
///
/// The client's input is its shares, instance after instance in the order of layers, tiles and grids, then the server's
/// shares if it has them later, and behind them the original input if anything still reads that. The secret is the
/// original one, and behind it the server's shares if it has them in time.
///
/// # Errors
/// What [`TiledCircuit::new`] refuses: shares that are more bits than an input may have.
fn on_shares(program: &TiledCircuit, servers: ServersShares) -> Result<TiledCircuit, CircuitError> {
    let shares: u64 = program.layers().iter().flat_map(|l| &l.tiles).map(share_bits).sum();
    let (inputs, secrets) = match servers {
        ServersShares::Garbling => (shares, shares),
        ServersShares::Later => (2 * shares, 0),
    };
    let mut reads_input = false;
    let mut share = 0;
    let mut layers = program.layers().to_vec();
    for tile in layers.iter_mut().flat_map(|layer| &mut layer.tiles) {
        let bits = share_bits(tile);
        if let Some(linear) = tile.linear.take() {
            let map = |base: u64| IndexMap {
                base,
                outer: row_major(&tile.grid).iter().map(|stride| stride * u64::from(linear.bits)).collect(),
                inner: vec![Axis { extent: linear.bits, stride: 1 }],
            };
            let client = Port { source: Source::Input, map: map(share) };
            let server = match servers {
                ServersShares::Garbling => {
                    Port { source: Source::Secret, map: map(program.secret_bits() + share) }
                }
                ServersShares::Later => Port { source: Source::Input, map: map(shares + share) },
            };
            let rest = tile.inputs.split_off(linear.summed());
            tile.inputs = [client, server]
                .into_iter()
                .chain(rest.into_iter().map(|port| behind(port, inputs)))
                .collect();
            tile.template = linear.shared;
            reads_input |= tile.inputs[2..].iter().any(|port| port.source == Source::Input);
        } else {
            reads_input |= tile.inputs.iter().any(|port| port.source == Source::Input);
            tile.inputs = tile.inputs.drain(..).map(|port| behind(port, inputs)).collect();
        }
        share += bits;
    }
    let bits = inputs + if reads_input { program.input_bits() as u64 } else { 0 };
    let secret_bits = program.secret_bits() + secrets;
    TiledCircuit::new(bits, secret_bits, program.templates().to_vec(), layers)
}

/// Bits of all shares of a tile's sums at one host.
fn share_bits(tile: &Tile) -> u64 {
    tile.linear.as_ref().map_or(0, |linear| tile.instances() * u64::from(linear.bits))
}

/// A port as it is when `others` bits come before the original input.
fn behind(mut port: Port, others: u64) -> Port {
    if port.source == Source::Input {
        port.map.base += others;
    }
    port
}

/// The strides of instance numbers of a grid, the last axis being the fastest.
#[must_use]
pub fn row_major(grid: &[u32]) -> Vec<u64> {
    let mut strides = vec![1; grid.len()];
    for axis in (1..grid.len()).rev() {
        strides[axis - 1] = strides[axis] * u64::from(grid[axis]);
    }
    strides
}
