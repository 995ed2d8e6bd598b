//! What computes first layers, and on shares all layers that can be: names, and their bits in hellos.

use core::fmt;
use core::str::FromStr;

use xonn_protocols::planner::Way;

/// How first layers over the client's numbers are computed, and with them the layers behind.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FirstLayer {
    /// Garbled like all others: a client can bring one input and no more.
    Gc,
    /// By oblivious conditional addition: far less to send, and a client that cheats can bring another
    /// input to each weight.
    Oca,
    /// Sums by lattice encryption and signs by oblivious transfer, on shares, as far as the network goes
    /// so; the rest is garbled. The least to send, a round trip a layer, and a client that cheats can learn
    /// weights.
    Shares,
}

/// A name that is no form's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("first-layer protocol \"{name}\" is unknown, expected one of shares, oca, gc, auto")]
pub struct UnknownForm {
    /// The name as given.
    pub name: String,
}

/// Forms that a host allows, as given on a command line: one, or `auto` for all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Allowed(pub &'static [FirstLayer]);

impl FirstLayer {
    /// Every form.
    pub const ALL: [Self; 3] = [Self::Gc, Self::Oca, Self::Shares];

    /// Whether a client that does not follow it learns no more of the weights than one that does.
    #[must_use]
    pub const fn withstands_cheating_clients(self) -> bool {
        match self {
            Self::Gc => true,
            Self::Oca | Self::Shares => false,
        }
    }

    /// The way of computing a program that it is.
    #[must_use]
    pub const fn way(self) -> Way {
        match self {
            Self::Gc => Way::Garbled,
            Self::Oca => Way::WeightOt,
            Self::Shares => Way::OnShares,
        }
    }

    /// The bit that stands for it in a set of forms on the wire.
    #[must_use]
    pub const fn bit(self) -> u8 {
        match self {
            Self::Gc => 1,
            Self::Oca => 2,
            Self::Shares => 4,
        }
    }

    /// The forms in a set; bits that this version does not know are passed over.
    pub fn in_set(set: u8) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |form| set & form.bit() != 0)
    }

    /// The set of some forms, as it goes over the wire.
    #[must_use]
    pub fn set(forms: &[Self]) -> u8 {
        forms.iter().fold(0, |set, form| set | form.bit())
    }

    /// The names of some forms, for people.
    #[must_use]
    pub fn names(forms: impl IntoIterator<Item = Self>) -> String {
        let names: Vec<&str> = forms.into_iter().map(Self::name).collect();
        if names.is_empty() { "none".into() } else { names.join(", ") }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Gc => "gc",
            Self::Oca => "oca",
            Self::Shares => "shares",
        }
    }
}

impl fmt::Display for FirstLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [one] => one.fmt(f),
            _ => f.pad("auto"),
        }
    }
}

impl FromStr for Allowed {
    type Err = UnknownForm;

    fn from_str(name: &str) -> Result<Self, UnknownForm> {
        match name {
            "gc" => Ok(Self(&[FirstLayer::Gc])),
            "oca" => Ok(Self(&[FirstLayer::Oca])),
            "shares" => Ok(Self(&[FirstLayer::Shares])),
            "auto" => Ok(Self(&FirstLayer::ALL)),
            _ => Err(UnknownForm { name: name.to_owned() }),
        }
    }
}
