//! Clients whose set-up is done once and asked with many times, as no client may: a fuzzer has no time for
//! base OTs.

use super::circuits::Circuits;
use super::planned::Planned;
use super::{Greeted, Session, Way};
use crate::session::channel::{Channel, Transport};
use crate::session::error::SessionError;
use crate::session::{Limits, Traffic};
use rand::CryptoRng;
use xonn_circuits::tiled::TiledCircuit;
use xonn_crypto::garble::Scheme;
use xonn_crypto::garble::schedule::{Role, Schedule};
use xonn_crypto::ot::{Receiver, SessionId};
use xonn_program::Program;
use xonn_protocols::link::ClientBase;
use xonn_protocols::plan::Plan;

/// A session on shares behind its base OTs.
pub struct SetUpShares {
    program: Program,
    plan: Plan,
    base: ClientBase,
    ahead: u16,
}

impl<T: Transport> Greeted<T> {
    /// The base OTs of a plan on shares and nothing else.
    ///
    /// # Errors
    /// What [`Greeted::start_program`] says.
    pub fn set_up_shares_only(
        mut self,
        program: &Program,
        rng: &mut impl CryptoRng,
    ) -> Result<SetUpShares, SessionError> {
        let (plan, base) =
            Planned::set_up_base(&mut self.channel, self.session, (self.form, self.scheme), program, rng)?;
        Ok(SetUpShares { program: program.clone(), plan, base, ahead: self.ahead })
    }
}

impl SetUpShares {
    /// The session behind the base OTs; a server that fails there is told, and it is over.
    ///
    /// # Errors
    /// What [`Greeted::start_program`] says.
    pub fn session<T: Transport>(
        &self,
        transport: T,
        limits: &Limits,
        rng: &mut impl CryptoRng,
    ) -> Result<Session<T>, SessionError> {
        let mut channel = Channel::new(transport, limits.message);
        let begin = (&self.program, self.plan.clone(), self.base.clone());
        match Planned::behind_base(&mut channel, begin, rng) {
            Ok(planned) => Ok(Session {
                channel,
                way: Way::Planned(Box::new(planned)),
                ahead: self.ahead,
                online: Traffic::default(),
                failed: None,
                over: false,
            }),
            Err(error) => {
                channel.refuse(&error);
                Err(error)
            }
        }
    }
}

/// A session behind its set-up.
pub struct SetUp {
    circuit: TiledCircuit,
    receiver: Receiver,
    scheme: Scheme,
    session: SessionId,
    ahead: u16,
}

impl<T: Transport> Session<T> {
    /// What it was set up with; the server has the last message of the set-up and no other.
    ///
    /// # Errors
    /// If the transport fails.
    pub fn set_up_only(mut self) -> Result<SetUp, SessionError> {
        self.flush()?;
        self.over = true; // without a goodbye
        let Way::Circuits(circuits) = &self.way else {
            let reason = "a plan has no circuit to be fuzzed";
            return Err(SessionError::Mismatch(reason.into()));
        };
        Ok(SetUp {
            circuit: circuits.schedule.program().clone(),
            receiver: circuits.receiver.clone(),
            scheme: circuits.scheme,
            session: circuits.session,
            ahead: self.ahead,
        })
    }
}

impl SetUp {
    /// The OTs of labels.
    #[must_use]
    pub fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// The session behind the set-up.
    pub fn session<T: Transport>(&self, transport: T, limits: &Limits) -> Session<T> {
        let schedule = Schedule::new(&self.circuit, Role::Evaluator);
        let circuits = Circuits::new(schedule, self.receiver.clone(), self.scheme, self.session);
        Session {
            channel: Channel::new(transport, limits.message),
            way: Way::Circuits(Box::new(circuits)),
            ahead: self.ahead,
            online: Traffic::default(),
            failed: None,
            over: false,
        }
    }
}
