//! Predictions by a plan on shares: what this side keeps between them.

use std::collections::VecDeque;

use rand::CryptoRng;
use xonn_crypto::garble::Scheme;
use xonn_crypto::ot::SessionId;
use xonn_program::{InputEncoding, Program};
#[cfg(feature = "fuzzing")]
use xonn_protocols::link::ClientBase;
use xonn_protocols::plan::Plan;
use xonn_protocols::run::{Client, ClientConnection, PreparedClient};
use zeroize::Zeroizing;

use crate::session::FirstLayer;
use crate::session::channel::{Channel, Transport};
use crate::session::error::SessionError;
use crate::session::msgs::{self, Kind};
use crate::session::steps::{Steps, ended};

const SETTING_UP: &str = "setting up shares";
const PREPARING: &str = "preparing a prediction on shares";
const ASKING: &str = "waiting for a prediction on shares";

/// The client's side of all predictions of a connection.
pub(super) struct Planned {
    client: Client,
    connection: ClientConnection,
    input: InputEncoding,
    /// Predictions that wait for an input, the oldest first.
    ready: VecDeque<PreparedClient>,
}

impl Planned {
    /// Takes the server's plan, of which nothing is trusted, and sets up what it needs. It has to be of the
    /// form that the server said.
    pub fn set_up<T: Transport>(
        channel: &mut Channel<T>,
        session: SessionId,
        (form, scheme): (FirstLayer, Scheme),
        program: &Program,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, SessionError> {
        let client = Self::client(channel, (form, scheme), program)?;
        let connection = client
            .set_up(session, &mut Steps::new(channel, SETTING_UP), rng)
            .map_err(|error| ended(error, SETTING_UP))?;
        Ok(Self::new(client, connection, program))
    }

    fn new(client: Client, connection: ClientConnection, program: &Program) -> Self {
        Self { client, connection, input: program.input().clone(), ready: VecDeque::new() }
    }

    /// What runs the server's plan.
    fn client<T: Transport>(
        channel: &mut Channel<T>,
        (form, scheme): (FirstLayer, Scheme),
        program: &Program,
    ) -> Result<Client, SessionError> {
        let doing = "receiving the plan";
        let plan = channel.receive_up_to(Kind::Plan, msgs::MAX_PLAN, doing)?;
        // A reason may quote the plan, whose words are the server's.
        let refused = |error: &dyn std::fmt::Display| {
            let reason = msgs::printable(error.to_string().as_bytes());
            SessionError::Misbehaved { doing, reason }
        };
        let plan = Plan::from_bytes(&plan, program).map_err(|error| refused(&error))?;
        form.way().takes(&plan, scheme).map_err(|error| refused(&error))?;
        Client::new(plan, program).map_err(|error| refused(&error))
    }

    /// The base OTs alone, with the plan that they are for.
    #[cfg(feature = "fuzzing")]
    pub fn set_up_base<T: Transport>(
        channel: &mut Channel<T>,
        session: SessionId,
        chosen: (FirstLayer, Scheme),
        program: &Program,
        rng: &mut impl CryptoRng,
    ) -> Result<(Plan, ClientBase), SessionError> {
        let client = Self::client(channel, chosen, program)?;
        let wire = &mut Steps::new(channel, SETTING_UP);
        let base = client.set_up_base(session, wire, rng).map_err(|error| ended(error, SETTING_UP))?;
        Ok((client.plan().clone(), base))
    }

    /// What follows the base OTs.
    #[cfg(feature = "fuzzing")]
    pub fn behind_base<T: Transport>(
        channel: &mut Channel<T>,
        (program, plan, base): (&Program, Plan, ClientBase),
        rng: &mut impl CryptoRng,
    ) -> Result<Self, SessionError> {
        let client = Client::new(plan, program).map_err(|error| SessionError::Mismatch(error.to_string()))?;
        let wire = &mut Steps::new(channel, SETTING_UP);
        let connection = client.set_up_behind(base, wire, rng).map_err(|error| ended(error, SETTING_UP))?;
        Ok(Self::new(client, connection, program))
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        self.client.plan()
    }

    /// Predictions that wait for an input.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Bits of the client's input.
    pub fn input_bits(&self) -> usize {
        self.input.bit_count()
    }

    /// Memory of a prediction that waits, about: its rows, as much again for what was made of them, and what
    /// came ahead, tables of a circuit above all.
    pub fn bytes_ahead(&self) -> u64 {
        let rows = self.client.rows();
        (rows.leaves + rows.masks) as u64 * 32 + self.client.cost().offline().down
    }

    /// Some predictions as far as they go without an input, to be `kept` for later, or one that is used at
    /// once.
    pub fn prepare<T: Transport>(
        &mut self,
        channel: &mut Channel<T>,
        (count, kept): (usize, bool),
        rng: &mut impl CryptoRng,
    ) -> Result<(), SessionError> {
        let mut left = count;
        while left > 0 {
            let some = left.min(self.client.together());
            left -= some;
            let asked = if kept { some as u32 } else { msgs::AT_ONCE };
            channel.send(Kind::Prepare, &asked.to_le_bytes(), PREPARING)?;
            let wire = &mut Steps::new(channel, PREPARING);
            let prepared = self.client.prepare(&mut self.connection, (some, kept), wire, rng);
            self.ready.extend(prepared.map_err(|error| ended(error, PREPARING))?);
        }
        Ok(())
    }

    /// The oldest prediction that is ready, or one that is prepared now, on `input`.
    pub fn ask<T: Transport>(
        &mut self,
        channel: &mut Channel<T>,
        input: &[bool],
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<bool>, SessionError> {
        if self.ready.is_empty() {
            self.prepare(channel, (1, false), rng)?;
        }
        // Taken off before anything is sent: whatever happens now, it takes no second input.
        let prepared = self.ready.pop_front().expect("one was prepared");
        channel.send(Kind::Ask, &[], ASKING)?;
        let codes = self.codes(input);
        let wire = &mut Steps::new(channel, ASKING);
        let asked = self.client.ask(&mut self.connection, prepared, &codes, wire, rng);
        asked.map_err(|error| ended(error, ASKING))
    }

    /// The codes that these bits are.
    fn codes(&self, input: &[bool]) -> Zeroizing<Vec<i64>> {
        let InputEncoding { bits, signed, .. } = self.input;
        let unused = u64::BITS - bits;
        let code = |bits: &[bool]| {
            let number = bits.iter().rev().fold(0u64, |number, &bit| number << 1 | u64::from(bit));
            if signed { ((number << unused) as i64) >> unused } else { number as i64 }
        };
        Zeroizing::new(input.chunks(bits as usize).map(code).collect())
    }
}
