//! The program that takes shares of the first layers' sums in place of the numbers.

use xonn_circuits::data::InputEncoding;
use xonn_circuits::program::{Axis, Block, IndexMap, Port, Program, ProgramError, Source};

/// When the server has its shares.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ServersShares {
    /// When it garbles: they are secret bits, which cost nothing.
    Garbling,
    /// Only when the client's input is there: they are input bits, whose labels the server sends.
    Later,
}

/// Replaces each block that has a [`xonn_circuits::program::Linear`] by one on shares.
///
/// The client's input is its shares, instance after instance in the order of layers, blocks and grids, then the server's
/// shares if it has them later, and behind them the original input if anything still reads that. The secret is the
/// original one, and behind it the server's shares if it has them in time.
///
/// # Errors
/// What [`Program::new`] refuses: shares that are more bits than an input may have.
pub(super) fn on_shares(program: &Program, servers: ServersShares) -> Result<Program, ProgramError> {
    let shares: u64 = program.layers().iter().flat_map(|l| &l.blocks).map(share_bits).sum();
    let (inputs, secrets) = match servers {
        ServersShares::Garbling => (shares, shares),
        ServersShares::Later => (2 * shares, 0),
    };
    let mut reads_input = false;
    let mut share = 0;
    let mut layers = program.layers().to_vec();
    for block in layers.iter_mut().flat_map(|layer| &mut layer.blocks) {
        let bits = share_bits(block);
        if let Some(linear) = block.linear.take() {
            let map = |base: u64| IndexMap {
                base,
                outer: row_major(&block.grid).iter().map(|stride| stride * u64::from(linear.bits)).collect(),
                inner: vec![Axis { extent: linear.bits, stride: 1 }],
            };
            let client = Port { source: Source::Input, map: map(share) };
            let server = match servers {
                ServersShares::Garbling => {
                    Port { source: Source::Secret, map: map(program.secret_bits() + share) }
                }
                ServersShares::Later => Port { source: Source::Input, map: map(shares + share) },
            };
            let rest = block.inputs.split_off(linear.summed());
            block.inputs = [client, server]
                .into_iter()
                .chain(rest.into_iter().map(|port| behind(port, inputs)))
                .collect();
            block.template = linear.shared;
            reads_input |= block.inputs[2..].iter().any(|port| port.source == Source::Input);
        } else {
            reads_input |= block.inputs.iter().any(|port| port.source == Source::Input);
            block.inputs = block.inputs.drain(..).map(|port| behind(port, inputs)).collect();
        }
        share += bits;
    }
    let bits = inputs + if reads_input { program.input_bits() as u64 } else { 0 };
    let input = InputEncoding {
        shape: vec![u32::try_from(bits).unwrap_or(u32::MAX)], // as many are refused
        bits: 1,
        signed: false,
        scale: 1.0,
        zero: 0,
    };
    let secret_bits = program.secret_bits() + secrets;
    Program::new(input, program.output().clone(), secret_bits, program.templates().to_vec(), layers)
}

/// Bits of all shares of a block's sums at one host.
fn share_bits(block: &Block) -> u64 {
    block.linear.as_ref().map_or(0, |linear| block.instances() * u64::from(linear.bits))
}

/// A port as it is when `others` bits come before the original input.
fn behind(mut port: Port, others: u64) -> Port {
    if port.source == Source::Input {
        port.map.base += others;
    }
    port
}

/// The strides of instance numbers.
pub(super) fn row_major(grid: &[u32]) -> Vec<u64> {
    let mut strides = vec![1; grid.len()];
    for axis in (1..grid.len()).rev() {
        strides[axis - 1] = strides[axis] * u64::from(grid[axis]);
    }
    strides
}
