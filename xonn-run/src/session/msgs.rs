//! The messages of a session that are not oblivious transfer's own: kinds, hellos, refusals.

use rand::CryptoRng;
use sha2::{Digest as _, Sha256};
use xonn_program::package::{Digest, MAX_PACKAGE};

use super::error::SessionError;
use super::{Clients, FirstLayer, Offer};
use xonn_crypto::block::Block;
use xonn_crypto::garble::Scheme;
use xonn_crypto::ot::{self, Params};

/// Version of the wire format. Any change of a message, of the order of ciphertexts or of a hash is a new version.
pub const VERSION: u16 = 8;
/// In the place of how many predictions are to be prepared: one, whose input follows at once. No count is
/// near to it.
pub const AT_ONCE: u32 = u32::from_le_bytes(*b"once");

/// The bit beside garbling schemes that stands for one delta a connection: a client accepts it, a server
/// takes it. A server that does not know it passes it over, and sets it only where the client did.
const SHARED_DELTA: u8 = 0x80;

/// First bytes of a hello.
const MAGIC: [u8; 4] = *b"XONN";

/// Longest text of a refusal in bytes.
pub const MAX_REFUSAL: usize = 512;

/// Longest plan that is read.
pub const MAX_PLAN: usize = 1 << 20;

/// Longest hello that is read, of whatever version.
pub const MAX_HELLO: usize = 256;

/// Bytes of a package sent in one message.
pub const PACKAGE_PART: usize = 1 << 20;

/// The kind of a message, its frame's first byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// Client to server: [`ClientHello`].
    ClientHello = 1,
    /// Server to client: [`ServerHello`].
    ServerHello = 2,
    /// Server to client: part of the package.
    Package = 3,
    /// Server to client: base OT, first message.
    BaseRequest = 4,
    /// Client to server: base OT, second message.
    BaseReply = 5,
    /// Client to server: OT extension for one inference, or for one circuit ahead.
    Extend = 6,
    /// Server to client: start point of the hash (16 bytes) and OT corrections.
    Correlate = 7,
    /// Server to client: a segment of garbled tables.
    Tables = 8,
    /// Server to client: hashes of the output labels, under a key of the labels' OTs.
    Decoding = 9,
    /// Client to server: no more inferences.
    Bye = 10,
    // 11 to 15 are left out: they were those of first layers by conditional addition, which are a plan's now.
    /// Client to server: an input, masked, for the oldest circuit garbled ahead.
    Masked = 16,
    /// Server to client: the labels that could not be sent ahead.
    Labels = 17,
    /// Server to client: all places are taken. How many clients are before this one, and seconds that it is
    /// likely to take, 0 if that is not known: two numbers of four bytes, little endian.
    Wait = 18,
    /// Server to client: which protocol computes which layers, if they are computed on shares.
    Plan = 19,
    // 20 to 23 are left out: TLS's records begin with them, by which a host knows a peer that speaks TLS.
    /// Client to server: how many predictions are to be prepared on shares, four bytes, little endian.
    Prepare = 24,
    /// Client to server: the oldest prediction that is prepared takes its input now.
    Ask = 25,
    /// Either way: a message of one of the plan's protocols, whose kind and length follow from the plan.
    Step = 26,
    /// Either way: the session is over, with a text for people.
    Refusal = 255,
}

impl Kind {
    /// The kind with this number, if there is one.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        use Kind::*;
        [
            ClientHello,
            ServerHello,
            Package,
            BaseRequest,
            BaseReply,
            Extend,
            Correlate,
            Tables,
            Decoding,
            Bye,
            Masked,
            Labels,
            Wait,
            Plan,
            Prepare,
            Ask,
            Step,
            Refusal,
        ]
        .into_iter()
        .find(|&kind| kind as u8 == byte)
    }

    /// Whether it brings a first layer's operands to where they are needed, whatever protocol that is.
    #[must_use]
    pub fn is_of_first_layer(self) -> bool {
        use Kind::*;
        matches!(self, Extend | Correlate | Masked | Labels)
    }
}

/// A client's first message: magic, version, whether it names a circuit, the circuit's digest, the bits of its input (0
/// if it does not know the circuit yet), the garbling schemes and the protocols for first layers that it accepts, how many
/// circuits it would like to hold ahead of its inputs, 32 random bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientHello {
    /// The client's version.
    pub version: u16,
    /// The circuit that the client has, or none if it asks for the package.
    pub wanted: Option<Digest>,
    /// Bits of the client's input, 0 if unknown.
    pub input_bits: u32,
    /// The garbling schemes that the client accepts, as [`Scheme::set`] writes them.
    pub schemes: u8,
    /// The protocols for first layers that the client accepts, as [`FirstLayer::set`] writes them.
    pub first_layers: u8,
    /// The most circuits that the client would hold ahead of its inputs, 0 to have each garbled when its input is there.
    pub ahead: u16,
    /// Whether the client accepts one delta for all inferences of the connection: the highest bit of the
    /// schemes' byte.
    pub shared_delta: bool,
    /// Random.
    pub nonce: [u8; 32],
}

/// A server's first message: magic, version, the circuit's digest, bytes of the package that follows, the garbling scheme
/// and the protocol for first layers of this session, how many circuits the client may hold ahead, 32 random bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerHello {
    /// The server's version.
    pub version: u16,
    /// The circuit that it serves.
    pub digest: Digest,
    /// Bytes of the package that follows; 0 if the client has it.
    pub package_bytes: u64,
    /// How it garbles.
    pub scheme: Scheme,
    /// How it computes first layers.
    pub first_layer: FirstLayer,
    /// What it takes its clients for, which is the highest bit of the byte before.
    pub clients: Clients,
    /// The most circuits that the client may hold ahead of its inputs; 0 if each is garbled when its input is there.
    pub ahead: u16,
    /// Whether all inferences of the connection have one delta: the highest bit of the scheme's byte.
    pub shared_delta: bool,
    /// Random.
    pub nonce: [u8; 32],
}

impl ClientHello {
    /// Length in bytes.
    pub const BYTES: usize = 4 + 2 + 1 + 32 + 4 + 1 + 1 + 2 + 32;

    /// A hello of this version.
    pub fn new(wanted: Option<Digest>, input_bits: u32, offer: &Offer, rng: &mut impl CryptoRng) -> Self {
        let (schemes, first_layers) = (Scheme::set(&offer.schemes), FirstLayer::set(&offer.first_layers));
        let (version, ahead, shared_delta) = (VERSION, offer.ahead, offer.shared_delta);
        let nonce = nonce(rng);
        Self { version, wanted, input_bits, schemes, first_layers, ahead, shared_delta, nonce }
    }

    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = head(self.version);
        bytes.push(self.wanted.is_some().into());
        bytes.extend(self.wanted.map_or([0; 32], |d| d.0));
        bytes.extend(self.input_bits.to_le_bytes());
        bytes.push(self.schemes | if self.shared_delta { SHARED_DELTA } else { 0 });
        bytes.push(self.first_layers);
        bytes.extend(self.ahead.to_le_bytes());
        bytes.extend(self.nonce);
        bytes
    }

    /// Reads the bytes; the version is checked before anything else is looked at.
    ///
    /// # Errors
    /// [`SessionError::Mismatch`] for another version, [`SessionError::Misbehaved`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, SessionError> {
        let doing = "reading the client's hello";
        let mut fields = Fields::new(bytes, "client", doing)?;
        let named = fields.take::<1>()?;
        let digest = Digest(fields.take()?);
        let wanted = match named {
            [0] => None,
            [1] => Some(digest),
            [other] => {
                let reason = format!("the flag for a digest is {other}, expected 0 or 1");
                return Err(SessionError::Misbehaved { doing, reason });
            }
        };
        let input_bits = u32::from_le_bytes(fields.take()?);
        let [schemes, first_layers] = fields.take()?;
        let (schemes, shared_delta) = (schemes & !SHARED_DELTA, schemes & SHARED_DELTA != 0);
        let (version, ahead) = (VERSION, u16::from_le_bytes(fields.take()?));
        let nonce = fields.take()?;
        fields.end()?;
        Ok(Self { version, wanted, input_bits, schemes, first_layers, ahead, shared_delta, nonce })
    }
}

impl ServerHello {
    /// Length in bytes.
    pub const BYTES: usize = 4 + 2 + 32 + 8 + 1 + 1 + 2 + 32;

    /// A hello of this version.
    pub fn new(
        digest: Digest,
        package_bytes: u64,
        scheme: Scheme,
        (first_layer, clients): (FirstLayer, Clients),
        ahead: u16,
        rng: &mut impl CryptoRng,
    ) -> Self {
        let (version, nonce, shared_delta) = (VERSION, nonce(rng), false);
        Self { version, digest, package_bytes, scheme, first_layer, clients, ahead, shared_delta, nonce }
    }

    /// The same with one delta for all inferences, or not.
    #[must_use]
    pub fn with_shared_delta(self, shared_delta: bool) -> Self {
        Self { shared_delta, ..self }
    }

    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = head(self.version);
        bytes.extend(self.digest.0);
        bytes.extend(self.package_bytes.to_le_bytes());
        bytes.push(self.scheme.bit() | if self.shared_delta { SHARED_DELTA } else { 0 });
        bytes.push(self.first_layer.bit() | self.clients.bit());
        bytes.extend(self.ahead.to_le_bytes());
        bytes.extend(self.nonce);
        bytes
    }

    /// Reads the bytes.
    ///
    /// # Errors
    /// As [`ClientHello::decode`]; also for a package longer than any that is read.
    pub fn decode(bytes: &[u8]) -> Result<Self, SessionError> {
        let doing = "reading the server's hello";
        let mut fields = Fields::new(bytes, "server", doing)?;
        let digest = Digest(fields.take()?);
        let package_bytes = u64::from_le_bytes(fields.take()?);
        if package_bytes > MAX_PACKAGE {
            let reason = format!("a package of {package_bytes} bytes, at most {MAX_PACKAGE} are read");
            return Err(SessionError::Misbehaved { doing, reason });
        }
        let [set, form] = fields.take()?;
        let (set, shared_delta) = (set & !SHARED_DELTA, set & SHARED_DELTA != 0);
        let Some(scheme) = Scheme::ALL.into_iter().find(|scheme| scheme.bit() == set) else {
            let reason = format!("garbling scheme number {set} is unknown to this side");
            return Err(SessionError::Misbehaved { doing, reason });
        };
        let (clients, form) = Clients::split(form);
        let Some(first_layer) = FirstLayer::ALL.into_iter().find(|known| known.bit() == form) else {
            let reason = format!("first-layer protocol number {form} is unknown to this side");
            return Err(SessionError::Misbehaved { doing, reason });
        };
        if !clients.permit(first_layer) {
            let reason = format!("first layers by {first_layer} are not for clients taken for {clients}");
            return Err(SessionError::Misbehaved { doing, reason });
        }
        let (version, ahead) = (VERSION, u16::from_le_bytes(fields.take()?));
        let nonce = fields.take()?;
        fields.end()?;
        Ok(Self { version, digest, package_bytes, scheme, first_layer, clients, ahead, shared_delta, nonce })
    }
}

/// Parameters of the OTs of labels.
pub(super) fn label_params(shared_delta: bool) -> Params {
    let params = Params::default();
    if shared_delta { params.with_shared_delta() } else { params }
}

/// Bytes of [`Kind::Correlate`] for so many labels: the start point, and what fits the extension to the
/// circuit's delta where that is not the extension's own.
pub(super) fn correlate_bytes(labels: usize, shared_delta: bool) -> usize {
    Block::BYTES + if shared_delta { 0 } else { ot::msgs::Correlate::byte_len(labels) }
}

/// The session's id, to which oblivious transfer is bound: the hash of both hellos.
#[must_use]
pub fn session_id(client: &ClientHello, server: &ServerHello) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(b"xonn session");
    hash.update(client.encode());
    hash.update(server.encode());
    hash.finalize().into()
}

/// A peer's text for people: one line of the first [`MAX_REFUSAL`] bytes, without control characters and without those
/// that reorder or hide text.
#[must_use]
pub fn printable(text: &[u8]) -> String {
    if text.is_empty() {
        return "no reason given".into();
    }
    let unseen = |c| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}');
    let text = String::from_utf8_lossy(&text[..text.len().min(MAX_REFUSAL)]);
    text.chars().map(|c| if c.is_control() || unseen(c) { ' ' } else { c }).collect()
}

fn nonce(rng: &mut impl CryptoRng) -> [u8; 32] {
    let mut nonce = [0; 32];
    rng.fill_bytes(&mut nonce);
    nonce
}

fn head(version: u16) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(version.to_le_bytes());
    bytes
}

/// Fields of a hello, after its magic and version.
struct Fields<'a> {
    rest: &'a [u8],
    doing: &'static str,
}

impl<'a> Fields<'a> {
    fn new(bytes: &'a [u8], peer: &str, doing: &'static str) -> Result<Self, SessionError> {
        let mut fields = Self { rest: bytes, doing };
        if fields.take::<4>()? != MAGIC {
            return Err(SessionError::Misbehaved { doing, reason: "it does not begin with XONN".into() });
        }
        let version = u16::from_le_bytes(fields.take()?);
        if version != VERSION {
            return Err(SessionError::Mismatch(format!(
                "the {peer} speaks version {version} of the wire format, this side version {VERSION}"
            )));
        }
        Ok(fields)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], SessionError> {
        let (field, rest) = self.rest.split_first_chunk().ok_or_else(|| SessionError::Misbehaved {
            doing: self.doing,
            reason: "it is too short".into(),
        })?;
        self.rest = rest;
        Ok(*field)
    }

    /// Nothing may be left.
    fn end(self) -> Result<(), SessionError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(SessionError::Misbehaved {
                doing: self.doing,
                reason: format!("it is {left} bytes too long"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hellos_round_trip_and_mismatches_are_named() {
        let mut rng = rand::rng();
        for wanted in [None, Some(Digest([3; 32]))] {
            let offer = &Offer { shared_delta: wanted.is_some(), ..Offer::default() };
            let hello = ClientHello::new(wanted, 6272, offer, &mut rng);
            let bytes = hello.encode();
            assert_eq!(bytes.len(), ClientHello::BYTES);
            assert_eq!(ClientHello::decode(&bytes).expect("valid"), hello);
            let mut newer = bytes.clone();
            newer[4] = 9;
            assert!(ClientHello::decode(&newer).expect_err("version").to_string().contains("version 9"));
            for cut in 0..bytes.len() {
                assert!(ClientHello::decode(&bytes[..cut]).is_err());
            }
        }
        for (scheme, form) in Scheme::ALL.into_iter().zip(FirstLayer::ALL) {
            let form = (form, Clients::SemiHonest);
            let hello = ServerHello::new(Digest([3; 32]), 17, scheme, form, 300, &mut rng);
            let hello = hello.with_shared_delta(scheme == Scheme::HalfGates);
            assert_eq!(hello.encode().len(), ServerHello::BYTES);
            assert_eq!(ServerHello::decode(&hello.encode()).expect("valid"), hello);
        }
        let form = (FirstLayer::Gc, Clients::Hostile);
        let hello = ServerHello::new(Digest([3; 32]), 17, Scheme::HalfGates, form, 0, &mut rng);
        let mut contradiction = hello.encode();
        contradiction[47] = FirstLayer::Oca.bit();
        let error = ServerHello::decode(&contradiction).expect_err("oca is for others").to_string();
        assert!(error.contains("by oca are not for clients taken for hostile"), "{error}");
        let mut both = hello.encode();
        both[47] = FirstLayer::set(&FirstLayer::ALL);
        assert!(ServerHello::decode(&both).expect_err("one form").to_string().contains("protocol number 7"));
        let mut both = hello.encode();
        both[46] = Scheme::set(&Scheme::ALL);
        assert!(ServerHello::decode(&both).expect_err("one scheme").to_string().contains("scheme number 3"));
        let huge = ServerHello { package_bytes: u64::MAX, ..hello };
        assert!(ServerHello::decode(&huge.encode()).is_err());
    }

    #[test]
    fn a_peers_text_cannot_control_a_terminal() {
        assert_eq!(printable(b"no\x1b[2J\nway\xff"), "no [2J way\u{fffd}");
        assert_eq!(printable("a\u{202e}b\u{2028}c\u{200b}d".as_bytes()), "a b c d");
        assert_eq!(printable(b""), "no reason given");
        assert!(printable(&[b'a'; 4 * MAX_REFUSAL]).len() <= MAX_REFUSAL);
    }
}
