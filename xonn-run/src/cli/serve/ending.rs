//! How a server ends that is asked to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tracing::info;

use super::events::Totals;
use crate::cli::Outcome;
use crate::service::wake;

/// On the first signal to end has no more clients accepted, and ends when `grace` is over, if it has not by
/// then; on the second ends at once.
pub fn drain_on_signal(
    listening: SocketAddr,
    stop: Arc<AtomicBool>,
    grace: Duration,
    totals: Arc<Totals>,
) -> Outcome {
    ctrlc::set_handler(move || {
        if stop.swap(true, Ordering::AcqRel) {
            std::process::exit(1);
        }
        let seconds = grace.as_secs();
        info!(event = "ending", "ending: no more clients, those that are here have {seconds} s");
        wake(listening);
        let totals = Arc::clone(&totals);
        std::thread::spawn(move || {
            std::thread::sleep(grace);
            totals.log();
            std::process::exit(0);
        });
    })
    .map_err(|e| format!("signals cannot be handled: {e}").into())
}
