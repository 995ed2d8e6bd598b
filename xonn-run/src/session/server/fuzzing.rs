//! Servers whose set-up is done once and served from many times, as no server may: a fuzzer has no time for
//! base OTs.

use rand::CryptoRng;

use super::{Chosen, Done, Greeted, Model};
use crate::session::channel::{Channel, Transport};
use crate::session::error::SessionError;
use crate::session::masked;
use crate::session::msgs::ClientHello;
use crate::session::server::Served;
use crate::session::{Clients, Limits};
use xonn_crypto::garble::Scheme;
use xonn_crypto::ot::{self, SessionId};
use xonn_protocols::link::ServerBase;

/// A session behind its set-up.
pub struct SetUp<'m> {
    model: &'m Model,
    hello: ClientHello,
    scheme: Scheme,
    chosen: Chosen<'m>,
    ahead: u16,
    clients: Clients,
    session: SessionId,
    state: State,
}

/// What the set-up gave.
enum State {
    /// OTs of labels.
    Garbled(ot::Sender),
    /// Base OTs of a plan on shares.
    Planned(ServerBase),
}

impl<'m, T: Transport> Greeted<'m, T> {
    /// The set-up and nothing else.
    ///
    /// # Errors
    /// What [`Greeted::serve`] says of a set-up.
    pub fn set_up_only(mut self, rng: &mut impl CryptoRng) -> Result<SetUp<'m>, SessionError> {
        let session = self.answer_hello(rng)?;
        let state = match self.chosen {
            Chosen::Planned(_, server) => State::Planned(self.set_up_base(server, session, rng)?),
            Chosen::Garbled => State::Garbled(self.set_up(session, rng)?.0),
        };
        let Self { model, hello, scheme, chosen, ahead, clients, .. } = self;
        Ok(SetUp { model, hello, scheme, chosen, ahead, clients, session, state })
    }
}

impl SetUp<'_> {
    /// The OTs of labels, but of a plan on shares.
    #[must_use]
    pub fn sender(&self) -> Option<&ot::Sender> {
        match &self.state {
            State::Garbled(sender) => Some(sender),
            State::Planned(_) => None,
        }
    }

    /// How many bits a masked input for circuit `number` has.
    ///
    /// # Errors
    /// What a session says of the message.
    pub fn take_masked(&self, number: u64, message: &[u8]) -> Result<usize, SessionError> {
        let bits = self.model.circuit.program.input_bits();
        Ok(masked::decode(&self.session, number, bits, message)?.len())
    }

    /// The inferences, to the goodbye.
    ///
    /// # Errors
    /// What [`Greeted::serve`] says.
    pub fn serve<T: Transport>(
        &self,
        transport: T,
        limits: &Limits,
        rng: &mut (impl CryptoRng + Send),
    ) -> Result<Served, SessionError> {
        let mut greeted = Greeted {
            channel: Channel::new(transport, limits.message),
            model: self.model,
            hello: self.hello.clone(),
            package: &[],
            scheme: self.scheme,
            chosen: self.chosen,
            ahead: self.ahead,
            clients: self.clients,
            shared_delta: false,
        };
        let mut done = Done::default();
        let result = match (&self.state, self.chosen) {
            (State::Planned(base), Chosen::Planned(_, server)) => {
                greeted.behind_base((server, base.clone()), limits, rng, &mut done)
            }
            (State::Planned(_), _) => Err(SessionError::Mismatch("a plan that was not chosen".into())),
            (State::Garbled(sender), _) => {
                let set_up = (sender.clone(), self.session);
                greeted.inferences(set_up, (limits, &()), rng, &mut done)
            }
        };
        greeted.end(result, done, &())
    }
}
