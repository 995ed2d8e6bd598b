//! 128 base OTs from Diffie-Hellman on Ristretto.
//!
//! Masny and Rindal, "Endemic Oblivious Transfer", CCS 2019: the two-message protocol from a key agreement
//! and a random oracle H onto the group, here with a fresh key of the sender per OT. Written additively, for
//! one OT with choice c:
//!
//! 1. Receiver (server): draws a scalar a and a random point r_{1-c}, sets r_c = a G - H_c(r_{1-c}), sends
//!    r_0, r_1.
//! 2. Sender (client): draws y, sends Y = y G; its keys are KDF(y (r_b + H_b(r_{1-b}))) for b = 0, 1.
//! 3. Receiver: its key is KDF(a Y).
//!
//! Both points of a pair are uniform whatever c is, so c is hidden without any assumption. The receiver
//! cannot know the discrete logarithm of both r_b + H_b(r_{1-b}), each being shifted by a hash of the other
//! point, so one key stays secret under the computational Diffie-Hellman assumption in the random-oracle
//! model. "Endemic": a cheating party may choose the keys it learns; the seed trees, which are sent under
//! these keys, do not mind.

use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity;
use rand::CryptoRng;
use rayon::prelude::*;
use subtle::{Choice, ConditionallySelectable};
use zeroize::{Zeroize, Zeroizing};

use super::oracle::{oracle, oracle_block};
use super::{COLUMNS, OtError, SessionId, bits};
use crate::block::Block;

/// A point and its canonical encoding; never the identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WirePoint {
    pub(super) bytes: [u8; 32],
    point: RistrettoPoint,
}

impl WirePoint {
    /// Bytes of a point.
    pub(super) const BYTES: usize = 32;

    fn new(point: RistrettoPoint) -> Self {
        Self { bytes: point.compress().to_bytes(), point }
    }

    /// Decodes point number `index` of a message.
    ///
    /// # Errors
    /// [`OtError::Point`] if the bytes are not canonical, [`OtError::Identity`] if they are the identity.
    pub(super) fn decode(bytes: [u8; 32], message: &'static str, index: usize) -> Result<Self, OtError> {
        match CompressedRistretto(bytes).decompress() {
            None => Err(OtError::Point { message, index }),
            Some(point) if point == RistrettoPoint::identity() => Err(OtError::Identity { message, index }),
            Some(point) => Ok(Self { bytes, point }),
        }
    }
}

/// The receiver between its message and the sender's; wiped on drop.
pub(super) struct Receiver {
    scalars: Zeroizing<Vec<Scalar>>,
    /// The scalars' public keys: not for the sender, which would see the choices by them.
    own: Zeroizing<Vec<RistrettoPoint>>,
}

// All OTs are computed side by side: while one host does that the other one waits, so cores are free. What is
// random is drawn before, in the order of the OTs.
impl Receiver {
    /// Step 1, with bit i of `choices` for OT i.
    pub(super) fn request<R: CryptoRng + ?Sized>(
        session: &SessionId,
        choices: Block,
        rng: &mut R,
    ) -> (Self, Vec<[WirePoint; 2]>) {
        let mut scalars = Zeroizing::new(Vec::with_capacity(COLUMNS));
        let mut others = Vec::with_capacity(COLUMNS);
        for _ in 0..COLUMNS {
            scalars.push(random_scalar(rng));
            others.push(random_bytes(rng));
        }
        let choices = Zeroizing::new(bits(choices).collect::<Vec<bool>>());
        let drawn = choices.par_iter().zip(scalars.par_iter()).zip(&others).enumerate();
        let (mut own, mut pairs) = (Zeroizing::new(Vec::with_capacity(COLUMNS)), Vec::new());
        drawn
            .map(|(i, ((&choice, scalar), other))| {
                let other = WirePoint::new(RistrettoPoint::from_uniform_bytes(other));
                let own = RistrettoPoint::mul_base(scalar);
                let chosen = own - shift(session, i, choice, &other);
                let mut pair = [WirePoint::new(chosen), other];
                // The chosen point belongs at place `choice`.
                let exchange = Choice::from(u8::from(choice));
                let [first, second] = &mut pair;
                RistrettoPoint::conditional_swap(&mut first.point, &mut second.point, exchange);
                <[u8; 32]>::conditional_swap(&mut first.bytes, &mut second.bytes, exchange);
                (own, pair)
            })
            .unzip_into_vecs(&mut own, &mut pairs);
        (Self { scalars, own }, pairs)
    }

    /// Step 3: the chosen key of each OT.
    pub(super) fn keys(
        &self,
        session: &SessionId,
        choices: Block,
        replies: &[WirePoint],
    ) -> Zeroizing<Vec<Block>> {
        let choices = Zeroizing::new(bits(choices).collect::<Vec<bool>>());
        let known = choices.par_iter().zip(self.scalars.par_iter()).zip(self.own.par_iter());
        let mut keys = Zeroizing::new(Vec::with_capacity(COLUMNS));
        known
            .zip(replies)
            .enumerate()
            .map(|(i, (((&choice, scalar), own), reply))| {
                derive(session, i, choice, &reply.bytes, own.compress(), scalar * reply.point)
            })
            .collect_into_vec(&mut keys);
        keys
    }
}

/// Step 2: the sender's message and both keys of each OT.
pub(super) fn reply<R: CryptoRng + ?Sized>(
    session: &SessionId,
    pairs: &[[WirePoint; 2]],
    rng: &mut R,
) -> (Vec<WirePoint>, Zeroizing<Vec<[Block; 2]>>) {
    let scalars = Zeroizing::new(pairs.iter().map(|_| random_scalar(rng)).collect::<Vec<_>>());
    let (mut points, mut keys) = (Vec::new(), Zeroizing::new(Vec::with_capacity(pairs.len())));
    pairs
        .par_iter()
        .zip(scalars.par_iter())
        .enumerate()
        .map(|(i, (pair, scalar))| {
            let own = WirePoint::new(RistrettoPoint::mul_base(scalar));
            let key = |choice: bool| {
                let (this, other) = (&pair[usize::from(choice)], &pair[usize::from(!choice)]);
                let theirs = this.point + shift(session, i, choice, other);
                derive(session, i, choice, &own.bytes, theirs.compress(), scalar * theirs)
            };
            (own, [key(false), key(true)])
        })
        .unzip_into_vecs(&mut points, &mut keys);
    (points, keys)
}

/// H_b: a random oracle onto the group, of its own for each session, OT and place in the pair.
fn shift(session: &SessionId, index: usize, place: bool, other: &WirePoint) -> RistrettoPoint {
    let parts: [&[u8]; 3] = [&(index as u64).to_le_bytes(), &[u8::from(place)], &other.bytes];
    RistrettoPoint::from_uniform_bytes(&oracle("base shift", session, &parts))
}

/// KDF of the shared point, bound to both public keys, session, OT and place.
fn derive(
    session: &SessionId,
    index: usize,
    place: bool,
    sender: &[u8; 32],
    receiver: CompressedRistretto,
    mut shared: RistrettoPoint,
) -> Block {
    let bytes = Zeroizing::new(shared.compress().to_bytes());
    shared.zeroize();
    let parts: [&[u8]; 5] =
        [&(index as u64).to_le_bytes(), &[u8::from(place)], sender, receiver.as_bytes(), bytes.as_slice()];
    oracle_block("base key", session, &parts)
}

fn random_bytes<R: CryptoRng + ?Sized>(rng: &mut R) -> [u8; 64] {
    let mut bytes = [0; 64];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// Uniform but for a bias of 2^-259 or so, 512 bits being reduced by the group order.
fn random_scalar<R: CryptoRng + ?Sized>(rng: &mut R) -> Scalar {
    let mut bytes = random_bytes(rng);
    let scalar = Scalar::from_bytes_mod_order_wide(&bytes);
    bytes.zeroize();
    scalar
}

#[cfg(test)]
mod tests {
    use chacha20::ChaCha12Rng;
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn the_receiver_gets_the_key_it_chose_and_no_other() {
        let (mut rng, session) = (ChaCha12Rng::seed_from_u64(1), [1; 32]);
        let choices = Block::random(&mut rng);
        let (receiver, pairs) = Receiver::request(&session, choices, &mut rng);
        let (points, both) = reply(&session, &pairs, &mut rng);
        let keys = receiver.keys(&session, choices, &points);
        for (i, choice) in bits(choices).enumerate() {
            assert_eq!(keys[i], both[i][usize::from(choice)], "OT {i}");
            assert_ne!(keys[i], both[i][usize::from(!choice)], "OT {i}");
            assert_eq!(
                pairs[i].map(|point| WirePoint::new(point.point)),
                pairs[i],
                "encodings follow the points"
            );
        }
        let elsewhere = receiver.keys(&[2; 32], choices, &points);
        assert!(
            keys.iter().zip(elsewhere.iter()).all(|(here, there)| here != there),
            "keys belong to a session"
        );
    }

    #[test]
    fn bad_points_are_refused_by_number() {
        let decode = |bytes| WirePoint::decode(bytes, "base request", 7);
        assert_eq!(decode([0; 32]), Err(OtError::Identity { message: "base request", index: 7 }));
        let refused = Err(OtError::Point { message: "base request", index: 7 });
        // p itself, for 0: not canonical. 1: an odd ("negative") coordinate. All ones: above the field.
        let mut prime = [0xff; 32];
        (prime[0], prime[31]) = (0xed, 0x7f);
        let mut one = [0; 32];
        one[0] = 1;
        for bytes in [prime, one, [0xff; 32]] {
            assert_eq!(decode(bytes), refused);
        }
        let good = WirePoint::new(RistrettoPoint::mul_base(&Scalar::ONE));
        assert_eq!(decode(good.bytes), Ok(good));
    }
}
