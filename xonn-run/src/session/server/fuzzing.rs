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

/// A session behind its set-up.
pub struct SetUp<'m> {
    model: &'m Model,
    hello: ClientHello,
    scheme: Scheme,
    chosen: Chosen<'m>,
    ahead: u16,
    clients: Clients,
    sender: ot::Sender,
    session: SessionId,
}

impl<'m, T: Transport> Greeted<'m, T> {
    /// The set-up and nothing else.
    ///
    /// # Errors
    /// What [`Greeted::serve`] says of a set-up.
    pub fn set_up_only(mut self, rng: &mut impl CryptoRng) -> Result<SetUp<'m>, SessionError> {
        let session = self.answer_hello(rng)?;
        let (sender, session) = self.set_up(session, rng)?;
        let Self { model, hello, scheme, chosen, ahead, clients, .. } = self;
        Ok(SetUp { model, hello, scheme, chosen, ahead, clients, sender, session })
    }
}

impl SetUp<'_> {
    /// The OTs of labels.
    #[must_use]
    pub fn sender(&self) -> &ot::Sender {
        &self.sender
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
        let set_up = (self.sender.clone(), self.session);
        let mut done = Done::default();
        let result = greeted.inferences(set_up, (limits, &()), rng, &mut done);
        greeted.end(result, done, &())
    }
}
