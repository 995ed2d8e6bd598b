//! The messages, in the order in which they go over the wire, and their bytes.
//!
//! The length of each follows from public numbers by `byte_len`, so a host knows it before it reads or
//! allocates. `decode` refuses every other length, and every encoding of a point but the canonical one.
//! Numbers are little-endian, blocks are as [`Block::to_bytes`] has them.

use super::base::WirePoint;
use super::pprf::Proof;
use super::{COLUMNS, OtError, Params};
use crate::block::Block;

/// Message 1, server to client: step 1 of 128 base OTs.
///
/// Bytes: for each base OT the points r_0 and r_1, 32 bytes each; 8,192 in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseRequest {
    pub(super) pairs: Vec<[WirePoint; 2]>,
}

impl BaseRequest {
    const NAME: &str = "base request";

    /// Bytes of the message.
    pub fn byte_len(_params: Params) -> usize {
        COLUMNS * 2 * WirePoint::BYTES
    }

    /// The bytes to send.
    pub fn encode(&self) -> Vec<u8> {
        self.pairs.as_flattened().iter().flat_map(|point| point.bytes).collect()
    }

    /// The message that `bytes` encode.
    ///
    /// # Errors
    /// [`OtError::Length`], [`OtError::Point`], [`OtError::Identity`].
    pub fn decode(params: Params, bytes: &[u8]) -> Result<Self, OtError> {
        check_length(Self::NAME, bytes, Self::byte_len(params))?;
        let points = decode_points(Self::NAME, bytes)?;
        Ok(Self { pairs: points.as_chunks::<2>().0.to_vec() })
    }

    /// # Errors
    /// [`OtError::Shape`] if a pair is missing.
    pub(super) fn check_shape(&self) -> Result<(), OtError> {
        check_shape(Self::NAME, "pairs", self.pairs.len(), COLUMNS)
    }
}

/// Message 2, client to server: step 2 of the base OTs, and the seed trees under their keys.
///
/// Bytes: 128 points Y of 32 bytes; for each base OT the sums of left and of right children under their keys,
/// 16 bytes each; for each tree the total of its check values, 32 bytes; the digest of the check values, 32
/// bytes. In all 8,224 + 4,096 / k.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseReply {
    pub(super) points: Vec<WirePoint>,
    pub(super) sums: Vec<[Block; 2]>,
    pub(super) proof: Proof,
}

impl BaseReply {
    const NAME: &str = "base reply";

    /// Bytes of the message.
    pub fn byte_len(params: Params) -> usize {
        COLUMNS * (WirePoint::BYTES + 2 * Block::BYTES) + params.trees() * 2 * Block::BYTES + 32
    }

    /// The bytes to send.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.points.iter().flat_map(|point| point.bytes).collect();
        bytes.extend(Block::as_bytes(self.sums.as_flattened()));
        bytes.extend(Block::as_bytes(self.proof.totals.as_flattened()));
        bytes.extend(self.proof.digest);
        bytes
    }

    /// The message that `bytes` encode.
    ///
    /// # Errors
    /// [`OtError::Length`], [`OtError::Point`], [`OtError::Identity`].
    pub fn decode(params: Params, bytes: &[u8]) -> Result<Self, OtError> {
        check_length(Self::NAME, bytes, Self::byte_len(params))?;
        let (points, rest) = bytes.split_at(COLUMNS * WirePoint::BYTES);
        let (sums, rest) = rest.split_at(COLUMNS * 2 * Block::BYTES);
        let (totals, digest) = rest.split_at(params.trees() * 2 * Block::BYTES);
        Ok(Self {
            points: decode_points(Self::NAME, points)?,
            sums: decode_blocks(sums).as_chunks::<2>().0.to_vec(),
            proof: Proof {
                totals: decode_blocks(totals).as_chunks::<2>().0.to_vec(),
                digest: digest.try_into().expect("32 bytes are left of the checked length"),
            },
        })
    }

    /// # Errors
    /// [`OtError::Shape`] if the message is one for other trees.
    pub(super) fn check_shape(&self, params: Params) -> Result<(), OtError> {
        check_shape(Self::NAME, "trees", self.proof.totals.len(), params.trees())
    }
}

/// Message 3, client to server, for each extension: corrections that turn the trees' random sums into the
/// choices, and the client's side of the consistency check.
///
/// Bytes: for each of 128 / k trees the corrections of all OTs, one bit each, filled up to whole blocks, and
/// 128 more that mask the check; then 16 bytes of the choices' hash and 32 of the digest of the columns'
/// hashes. In all 48 + 2,048 / k * (1 + number of OTs / 128, rounded up).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extend {
    /// Tree after tree, [`Extend::stride`] blocks each.
    pub(super) corrections: Vec<Block>,
    pub(super) choices_hash: Block,
    pub(super) columns_digest: [u8; 32],
}

impl Extend {
    const NAME: &str = "extension";

    /// Blocks per column for `count` OTs: with the mask block.
    pub(super) fn stride(count: usize) -> usize {
        count.div_ceil(Block::BITS) + 1
    }

    /// Bytes of the message for `count` OTs.
    pub fn byte_len(params: Params, count: usize) -> usize {
        params.trees() * Self::stride(count) * Block::BYTES + Block::BYTES + 32
    }

    /// The bytes to send.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Block::as_bytes(&self.corrections).to_vec();
        bytes.extend(self.choices_hash.to_bytes());
        bytes.extend(self.columns_digest);
        bytes
    }

    /// The message for `count` OTs that `bytes` encode.
    ///
    /// # Errors
    /// [`OtError::Length`].
    pub fn decode(params: Params, count: usize, bytes: &[u8]) -> Result<Self, OtError> {
        check_length(Self::NAME, bytes, Self::byte_len(params, count))?;
        let (corrections, rest) = bytes.split_at(bytes.len() - Block::BYTES - 32);
        let (hash, digest) = rest.split_at(Block::BYTES);
        Ok(Self {
            corrections: decode_blocks(corrections),
            choices_hash: Block::from_bytes(hash.try_into().expect("16 bytes were split off")),
            columns_digest: digest.try_into().expect("32 bytes are left of the checked length"),
        })
    }

    /// # Errors
    /// [`OtError::Shape`] if the message is not one for `count` OTs.
    pub(super) fn check_shape(&self, params: Params, count: usize) -> Result<(), OtError> {
        check_shape(Self::NAME, "corrections", self.corrections.len(), params.trees() * Self::stride(count))
    }
}

/// Message 4, server to client, for each extension: for each OT the block that fits the server's own offset
/// to it.
///
/// Bytes: 16 for each OT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correlate {
    pub(super) differences: Vec<Block>,
}

impl Correlate {
    const NAME: &str = "correlation";

    /// Bytes of the message for `count` OTs.
    pub fn byte_len(count: usize) -> usize {
        count * Block::BYTES
    }

    /// The bytes to send.
    pub fn encode(&self) -> Vec<u8> {
        Block::as_bytes(&self.differences).to_vec()
    }

    /// The message for `count` OTs that `bytes` encode.
    ///
    /// # Errors
    /// [`OtError::Length`].
    pub fn decode(count: usize, bytes: &[u8]) -> Result<Self, OtError> {
        check_length(Self::NAME, bytes, Self::byte_len(count))?;
        Ok(Self { differences: decode_blocks(bytes) })
    }

    /// # Errors
    /// [`OtError::Shape`] if the message is not one for `count` OTs.
    pub(super) fn check_shape(&self, count: usize) -> Result<(), OtError> {
        check_shape(Self::NAME, "blocks", self.differences.len(), count)
    }
}

fn check_length(message: &'static str, bytes: &[u8], expected: usize) -> Result<(), OtError> {
    let found = bytes.len();
    if found == expected { Ok(()) } else { Err(OtError::Length { message, found, expected }) }
}

fn check_shape(
    message: &'static str,
    unit: &'static str,
    found: usize,
    expected: usize,
) -> Result<(), OtError> {
    if found == expected { Ok(()) } else { Err(OtError::Shape { message, unit, found, expected }) }
}

fn decode_points(message: &'static str, bytes: &[u8]) -> Result<Vec<WirePoint>, OtError> {
    let points = bytes.as_chunks().0.iter().enumerate();
    points.map(|(index, &bytes)| WirePoint::decode(bytes, message, index)).collect()
}

/// The blocks of a part whose length was checked to be a multiple of 16.
fn decode_blocks(bytes: &[u8]) -> Vec<Block> {
    bytes.as_chunks().0.iter().map(|&bytes| Block::from_bytes(bytes)).collect()
}
