//! What a server takes its clients for, and so which protocols it runs with them.

use core::fmt;
use core::str::FromStr;

use xonn_protocols::protocol::Trust;

use super::FirstLayer;

/// What a server takes its clients for. The default is the one that is right whatever they are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Clients {
    /// They may do anything: only protocols that protect the model from a client that cheats.
    #[default]
    Hostile,
    /// They follow the protocol, and may be curious: all protocols.
    SemiHonest,
}

/// A name that is none of them.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("\"{name}\" is nothing that clients can be taken for, expected one of hostile, semi-honest")]
pub struct UnknownClients {
    /// The name as given.
    pub name: String,
}

impl Clients {
    /// Both, the safe one first.
    pub const ALL: [Self; 2] = [Self::Hostile, Self::SemiHonest];

    /// Whether this server may compute first layers by `form`.
    #[must_use]
    pub fn permit(self, form: FirstLayer) -> bool {
        self == Self::SemiHonest || form.withstands_cheating_clients()
    }

    /// The bit that says it in a server's hello.
    #[must_use]
    pub const fn bit(self) -> u8 {
        match self {
            Self::Hostile => 0,
            Self::SemiHonest => 0x80,
        }
    }

    /// What a protocol has to hold against.
    #[must_use]
    pub const fn trust(self) -> Trust {
        match self {
            Self::Hostile => Trust::Hostile,
            Self::SemiHonest => Trust::SemiHonest,
        }
    }

    /// What a byte of a server's hello says, and the byte without it.
    #[must_use]
    pub const fn split(byte: u8) -> (Self, u8) {
        let clients = if byte & Self::SemiHonest.bit() == 0 { Self::Hostile } else { Self::SemiHonest };
        (clients, byte & !Self::SemiHonest.bit())
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Hostile => "hostile",
            Self::SemiHonest => "semi-honest",
        }
    }
}

impl fmt::Display for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Clients {
    type Err = UnknownClients;

    fn from_str(name: &str) -> Result<Self, UnknownClients> {
        let known = Self::ALL.into_iter().find(|clients| clients.name() == name);
        known.ok_or_else(|| UnknownClients { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_permits_what_holds_against_anybody() {
        assert_eq!(Clients::default(), Clients::Hostile);
        let permitted =
            |clients: Clients| FirstLayer::ALL.into_iter().filter(move |&form| clients.permit(form));
        assert_eq!(permitted(Clients::Hostile).collect::<Vec<_>>(), [FirstLayer::Gc]);
        assert_eq!(permitted(Clients::SemiHonest).collect::<Vec<_>>(), FirstLayer::ALL);
        for clients in Clients::ALL {
            assert_eq!(clients.to_string().parse(), Ok(clients));
            assert_eq!(Clients::split(clients.bit() | 2), (clients, 2));
        }
        assert!("honest".parse::<Clients>().is_err());
    }
}
