//! Labels by correlated OT: from rows whose sender is the server.
//!
//! A row: server K, client a random bit c and `M = K + c Delta`. The client's bit is y, `d = y + c` is what
//! the server knows of it. The server takes `h_b = H(K + (d + b) Delta, tweak)`: the client has `h_y = H(M,
//! tweak)` and never the other one. The label of 0 is h_0; `h_0 + h_1 + delta`, which is sent, makes of h_1
//! the label of 1.

use xonn_crypto::Wiped;
use xonn_crypto::block::Block;

use crate::protocol::ProtocolError;
use crate::steps::StepError;
use crate::steps::rows::{ReceiverRows, SenderRows, Tweaks};

/// An error unless there are as many rows as a stage takes.
fn expect(found: usize, expected: usize) -> Result<(), ProtocolError> {
    match found == expected {
        true => Ok(()),
        false => Err(StepError::Shape { what: "rows of labels", expected, actual: found }.into()),
    }
}

/// The server's hashes `h_0, h_1` of each row, given the `d` of each.
pub(super) fn pairs(
    rows: SenderRows<'_>,
    tweaks: Tweaks,
    differences: &[bool],
) -> Result<Wiped<Block>, ProtocolError> {
    expect(rows.keys().len(), differences.len())?;
    // As long as it gets from the start, so that no copy is left behind.
    let mut both = Wiped::zeros(2 * differences.len());
    let each = both.as_chunks_mut::<2>().0.iter_mut().zip(rows.keys()).zip(differences);
    for ((pair, &key), &d) in each {
        let zero = key ^ rows.delta().masked(d);
        *pair = [zero, zero ^ rows.delta()];
    }
    tweaks.leaves.hash::<2>(tweaks.first, &mut both);
    Ok(both)
}

/// The client's hash of each row.
pub(super) fn active(
    rows: ReceiverRows<'_>,
    tweaks: Tweaks,
    expected: usize,
) -> Result<Wiped<Block>, ProtocolError> {
    expect(rows.keys().len(), expected)?;
    let mut active = Wiped::from(rows.keys().to_vec());
    tweaks.leaves.hash::<1>(tweaks.first, &mut active);
    Ok(active)
}
