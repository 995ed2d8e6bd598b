//! Predictions by a plan on shares; `client/planned.rs` mirrors this file.

use std::collections::VecDeque;
use std::time::Instant;

use rand::CryptoRng;
use xonn_crypto::ot::SessionId;
#[cfg(feature = "fuzzing")]
use xonn_protocols::link::ServerBase;
use xonn_protocols::run::{PreparedServer, Server, ServerConnection};

use super::supervisor::await_question;
use super::{Done, Greeted, Supervisor};
use crate::session::Limits;
use crate::session::channel::Transport;
use crate::session::error::SessionError;
use crate::session::msgs::{self, Kind};
use crate::session::steps::{Steps, ended};

const SETTING_UP: &str = "setting up shares";
const PREPARING: &str = "preparing a prediction on shares";
const ANSWERING: &str = "answering a prediction on shares";

impl<T: Transport> Greeted<'_, T> {
    /// Sends the plan and sets up what it needs.
    pub(super) fn set_up_shares(
        &mut self,
        server: &Server,
        session: SessionId,
        rng: &mut impl CryptoRng,
    ) -> Result<ServerConnection, SessionError> {
        self.channel.send(Kind::Plan, &server.plan().to_bytes(), SETTING_UP)?;
        let wire = &mut Steps::new(&mut self.channel, SETTING_UP);
        server.set_up(session, wire, rng).map_err(|error| ended(error, SETTING_UP))
    }

    /// The base OTs alone.
    #[cfg(feature = "fuzzing")]
    pub(super) fn set_up_base(
        &mut self,
        server: &Server,
        session: SessionId,
        rng: &mut impl CryptoRng,
    ) -> Result<ServerBase, SessionError> {
        self.channel.send(Kind::Plan, &server.plan().to_bytes(), SETTING_UP)?;
        let wire = &mut Steps::new(&mut self.channel, SETTING_UP);
        server.set_up_base(session, wire, rng).map_err(|error| ended(error, SETTING_UP))
    }

    /// What follows the base OTs, to the goodbye.
    #[cfg(feature = "fuzzing")]
    pub(super) fn behind_base(
        &mut self,
        (server, base): (&Server, ServerBase),
        limits: &Limits,
        rng: &mut impl CryptoRng,
        done: &mut Done,
    ) -> Result<(), SessionError> {
        let wire = &mut Steps::new(&mut self.channel, SETTING_UP);
        let connection = server.set_up_behind(base, wire, rng).map_err(|error| ended(error, SETTING_UP))?;
        self.predictions((server, connection), (limits, &()), rng, done)
    }

    /// All predictions, to the goodbye.
    pub(super) fn predictions(
        &mut self,
        (server, mut connection): (&Server, ServerConnection),
        (limits, supervisor): (&Limits, &impl Supervisor),
        rng: &mut impl CryptoRng,
        done: &mut Done,
    ) -> Result<(), SessionError> {
        // Without circuits ahead one may be prepared, whose input follows.
        let (channel, most) = (&mut self.channel, usize::from(self.ahead).max(1));
        let mut ready = VecDeque::<PreparedServer>::new();
        loop {
            let doing = "waiting for an inference";
            let before = channel.traffic();
            let kept = !ready.is_empty() && self.ahead > 0;
            let idle = if kept { limits.idle_ahead } else { limits.idle };
            let limit = await_question(channel, (idle, limits.message), supervisor, doing)?;
            let begin = Instant::now();
            let misbehaved = |reason| Err(SessionError::Misbehaved { doing, reason });
            match channel.head(limit, doing)? {
                (Kind::Bye, 0) => return Ok(()),
                (Kind::Refusal, length) => return Err(channel.refusal(length, doing)?),
                (Kind::Prepare, 4) => {
                    let count = channel.payload(4, doing)?;
                    let count = u32::from_le_bytes(count.try_into().expect("four bytes were asked for"));
                    let kept = count != msgs::AT_ONCE;
                    let count = if kept { usize::try_from(count).unwrap_or(usize::MAX) } else { 1 };
                    let room = (most - ready.len()).min(server.together());
                    if count == 0 || count > room {
                        let expected = if room == 0 { "an input".into() } else { format!("1 to {room}") };
                        return misbehaved(format!("{count} predictions to prepare, expected {expected}"));
                    }
                    if done.prepared + count as u64 > limits.inferences {
                        let granted = limits.inferences;
                        return misbehaved(format!(
                            "an inference too many, a connection is granted {granted}"
                        ));
                    }
                    for _ in 0..count {
                        supervisor.count().map_err(SessionError::Exhausted)?;
                        done.counted += 1;
                    }
                    let wire = &mut Steps::new(channel, PREPARING);
                    let prepared = server.prepare(&mut connection, (count, kept), wire, rng);
                    ready.extend(prepared.map_err(|error| ended(error, PREPARING))?);
                    done.prepared += count as u64;
                    if self.ahead == 0 {
                        done.online += channel.traffic() - before;
                    }
                }
                (Kind::Ask, 0) => {
                    // Taken off before anything is said: whatever happens now, it answers no second input.
                    let Some(prepared) = ready.pop_front() else {
                        return misbehaved("an input, and no prediction is left that was prepared".into());
                    };
                    let wire = &mut Steps::new(channel, ANSWERING);
                    let answered = server.answer(&mut connection, prepared, wire, rng);
                    answered.map_err(|error| ended(error, ANSWERING))?;
                    done.inferences += 1;
                    done.online += channel.traffic() - before;
                    supervisor.answered(begin.elapsed());
                }
                (found, length) => {
                    return misbehaved(format!(
                        "{found:?} of {length} bytes, expected Prepare of 4 bytes, Ask or Bye"
                    ));
                }
            }
        }
    }
}
