//! The length-prefixed unit of a connection, and its kinds.
//!
//! | module | owns |
//! |---|---|
//! | `finding` | what a member has found out about others |
//! | `keys` | gossip keys on their way |
//! | `payload` | the bytes behind the header, kind by kind |
//! | `view` | the entries of digests and pages |
//!
//! | offset | bytes | field | meaning |
//! |---|---|---|---|
//! | 0 | 2 | magic | [`FRAME_MAGIC`], `PH`: never 0x16, the first byte of TLS |
//! | 2 | 1 | version | [`FRAME_VERSION`] |
//! | 3 | 1 | kind | which frame |
//! | 4 | 4 | length | of the payload, big endian, at most [`FRAME_LEN_MAX`] |
//! | 8 | … | payload | bincode, except for `Refused` |
//!
//! `Refused` is fixed for all time, so that any version can read it: a code and a delay in milliseconds, two and four
//! bytes, big endian. It carries no name, id or address.

mod finding;
mod keys;
mod payload;
mod view;

use std::net::SocketAddr;

pub use finding::{DETAIL_LEN_MAX, Fault, Finding};
pub use keys::{WireKey, WireKeyring};
pub use view::{DigestEntry, PageEntry, WireVerdict};

use super::codec::DecodeError;
use super::hello::{Introduction, JoinId};
use super::metadata::SealedMetadata;
use super::refusal::Code;
use crate::member::{IntroductionTag, MetadataTag};

/// The first two bytes of every frame.
pub const FRAME_MAGIC: [u8; 2] = *b"PH";
/// The version of the frame layout.
pub const FRAME_VERSION: u8 = 1;
/// The length of a frame's header, in bytes.
pub const FRAME_HEADER_LEN: usize = 8;
/// The longest payload, in bytes.
pub const FRAME_LEN_MAX: usize = 512 * 1024;
/// How many bytes of entries a page or digest should hold at most; the rest goes into further ones.
pub const PAGE_LEN_MAX: usize = 256 * 1024;
/// The most members that one answer may speak of.
pub const FINDINGS_MAX: usize = 128;
/// The most introductions asked for at once.
pub const WANTED_INTRODUCTIONS_MAX: usize = 128;

/// The most metadata asked for at once, in members.
pub const WANTED_METADATA_MAX: usize = 32;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A gossip body for or from a member without a datagram socket; see [`super::message`].
    Body(Vec<u8>),
    /// The sender closes this connection and lives on: no sign of a crash.
    Bye,
    /// Push-pull: what the sender's view holds. `last` ends the digest.
    Digest {
        /// Live members, in any order.
        entries: Vec<DigestEntry>,
        /// Whether the digest ends here.
        last: bool,
    },
    /// Asks a member to dial every live member it holds, anew, and to tell what came of it.
    Examine {
        /// What to call it in the answer.
        request: u64,
    },
    /// The answer to `Examine` or `JudgeChain`.
    Examined {
        /// Which one.
        request: u64,
        /// What is wrong with the chain, or why nobody was dialled.
        fault: Option<Fault>,
        /// What came of dialling, one for each member dialled; at most [`FINDINGS_MAX`].
        findings: Vec<Finding>,
    },
    /// The first words.
    Hello {
        /// The encoded [`super::hello::Hello`].
        hello: Vec<u8>,
        /// The gossip key's signature over [`super::hello::proof_statement`]; empty without TLS.
        proof: Vec<u8>,
    },
    /// The introduction asked for.
    Introduction(Introduction),
    /// Introductions, as asked for by `WantIntroductions`, as far as they are held. `last` ends the answer.
    Introductions {
        /// The introductions.
        entries: Vec<Introduction>,
        /// Whether the answer ends here.
        last: bool,
    },
    /// The contact lets the joiner in. Pages of its view follow.
    JoinAccept {
        /// Which join.
        join: JoinId,
        /// The gossip keys held; none without TLS.
        ring: WireKeyring,
        /// The contact's proof of the join token, where one is configured.
        token: Option<[u8; 32]>,
    },
    /// The joiner has judged the last page; pages of its own view follow.
    JoinDone {
        /// Which join.
        join: JoinId,
        /// The gossip keys held; none if it was alone.
        ring: WireKeyring,
    },
    /// The contact, proven, refuses the join and says why.
    JoinRefused {
        /// Which join.
        join: JoinId,
        /// Why.
        code: Code,
        /// What lies behind a failed dial-back.
        cause: Option<Code>,
        /// The address dialled back.
        address: Option<SocketAddr>,
    },
    /// A node wants in.
    JoinRequest {
        /// Which join.
        join: JoinId,
        /// The joiner's record.
        record: Vec<u8>,
        /// The joiner's proof of the join token, where one is configured.
        token: Option<[u8; 32]>,
    },
    /// The joiner's generation is too low: it starts again with at least this one.
    JoinRetry {
        /// Which join.
        join: JoinId,
        /// The lowest generation that would do.
        generation: u64,
    },
    /// Asks a member how it would judge certificates of the asker that are not in use yet.
    JudgeChain {
        /// What to call it in the answer.
        request: u64,
        /// What the asker would present, its own certificate first; 1 to 16.
        chain: Vec<Vec<u8>>,
    },
    /// The gossip keys held.
    Keys(WireKeyring),
    /// Metadata, as asked for by `WantMetadata`, as far as it is held. `last` ends the answer.
    Metadata {
        /// The contents.
        entries: Vec<SealedMetadata>,
        /// Whether the answer ends here.
        last: bool,
    },
    /// Members, as asked for by `Want`, or unasked where the peer lacks them. `last` ends this side's part.
    Page {
        /// The members.
        entries: Vec<PageEntry>,
        /// Whether this side's part ends here.
        last: bool,
    },
    /// A fallback probe.
    Probe {
        /// Its number.
        probe: u64,
        /// The prober's view hash.
        view: u64,
    },
    /// The answer to a fallback probe.
    ProbeAck {
        /// The probe answered.
        probe: u64,
        /// The answerer's view hash.
        view: u64,
    },
    /// The dialer has proven the listener: the connection is up.
    Ready,
    /// The other end is refused; the connection ends.
    Refused {
        /// Why.
        code: Code,
        /// For [`Code::Busy`]: when to try again, in milliseconds.
        after_ms: u32,
    },
    /// Asks what would come of a join, of which nothing comes. The same fields as those of `JoinRequest`.
    Rehearse {
        /// Which join.
        join: JoinId,
        /// The record of the node that would join.
        record: Vec<u8>,
        /// HMAC of the join token, where one is configured.
        token: Option<[u8; 32]>,
    },
    /// What would have come of the join rehearsed.
    Rehearsed {
        /// Which join.
        join: JoinId,
        /// The contact's clock, in milliseconds since 1970.
        clock: u64,
        /// Why the joiner would not be let in, if so.
        code: Option<Code>,
        /// What lies behind a failed dial-back.
        cause: Option<Code>,
        /// The address dialled back.
        address: Option<SocketAddr>,
    },
    /// Push-pull: both views are the same.
    Same,
    /// Push-pull: the start.
    Sync {
        /// Ids of the gossip keys held.
        key_ids: Vec<u64>,
        /// The sender's view hash.
        view: u64,
    },
    /// Push-pull: what the sender lacks, by [`super::hash::id_hash`].
    Want(Vec<u64>),
    /// Asks for the other end's introduction.
    WantIntroduction,
    /// Asks for introductions of members that the other end has told of, by what their records name them by.
    WantIntroductions(Vec<IntroductionTag>),
    /// Asks for metadata, by what records name it by; at most [`WANTED_METADATA_MAX`].
    WantMetadata(Vec<MetadataTag>),
}

/// A frame's header, as read from the first [`FRAME_HEADER_LEN`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    kind: u8,
    /// The length of the payload, in bytes: at most [`FRAME_LEN_MAX`].
    pub len: usize,
}

impl FrameHeader {
    /// Reads a header.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] on other magic, another version, an unknown kind or too long a payload: the connection cannot go on.
    pub fn decode(bytes: &[u8; FRAME_HEADER_LEN]) -> Result<Self, DecodeError> {
        let [m0, m1, version, kind, len @ ..] = *bytes;
        let len = u32::from_be_bytes(len) as usize;
        let sound = [m0, m1] == FRAME_MAGIC && version == FRAME_VERSION && len <= FRAME_LEN_MAX;
        if sound {
            Ok(Self { kind, len })
        } else {
            Err(DecodeError::Malformed {
                what: "frame header",
            })
        }
    }
}

impl Frame {
    /// The whole frame, header included.
    ///
    /// # Panics
    ///
    /// When the payload is longer than [`FRAME_LEN_MAX`]: pages are cut long before.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![0; FRAME_HEADER_LEN];
        if let Self::Refused { code, after_ms } = self {
            out.extend(code.number().to_be_bytes());
            out.extend(after_ms.to_be_bytes());
        } else {
            payload::encode(self, &mut out);
        }
        let len = out.len() - FRAME_HEADER_LEN;
        assert!(len <= FRAME_LEN_MAX, "a frame of {len} bytes");
        out[..2].copy_from_slice(&FRAME_MAGIC);
        out[2] = FRAME_VERSION;
        out[3] = self.kind();
        out[4..8].copy_from_slice(&u32::try_from(len).expect("checked above").to_be_bytes());
        out
    }

    /// The frame with this header and payload.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the payload is no such frame: the connection cannot go on.
    pub fn decode(header: FrameHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        payload::decode(header.kind, payload)
    }

    /// The frame's name, for logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Body(_) => "Body",
            Self::Bye => "Bye",
            Self::Digest { .. } => "Digest",
            Self::Examine { .. } => "Examine",
            Self::Examined { .. } => "Examined",
            Self::Hello { .. } => "Hello",
            Self::Introduction(_) => "Introduction",
            Self::Introductions { .. } => "Introductions",
            Self::JoinAccept { .. } => "JoinAccept",
            Self::JoinDone { .. } => "JoinDone",
            Self::JoinRefused { .. } => "JoinRefused",
            Self::JoinRequest { .. } => "JoinRequest",
            Self::JoinRetry { .. } => "JoinRetry",
            Self::JudgeChain { .. } => "JudgeChain",
            Self::Keys(_) => "Keys",
            Self::Metadata { .. } => "Metadata",
            Self::Page { .. } => "Page",
            Self::Probe { .. } => "Probe",
            Self::ProbeAck { .. } => "ProbeAck",
            Self::Ready => "Ready",
            Self::Refused { .. } => "Refused",
            Self::Rehearse { .. } => "Rehearse",
            Self::Rehearsed { .. } => "Rehearsed",
            Self::Same => "Same",
            Self::Sync { .. } => "Sync",
            Self::Want(_) => "Want",
            Self::WantIntroduction => "WantIntroduction",
            Self::WantIntroductions(_) => "WantIntroductions",
            Self::WantMetadata(_) => "WantMetadata",
        }
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::Hello { .. } => 0x01,
            Self::Refused { .. } => 0x02,
            Self::WantIntroduction => 0x03,
            Self::Introduction(_) => 0x04,
            Self::Ready => 0x05,
            Self::Bye => 0x06,
            Self::JoinRequest { .. } => 0x10,
            Self::JoinRetry { .. } => 0x11,
            Self::JoinRefused { .. } => 0x12,
            Self::JoinAccept { .. } => 0x13,
            Self::JoinDone { .. } => 0x14,
            Self::Rehearse { .. } => 0x15,
            Self::Rehearsed { .. } => 0x16,
            Self::Keys(_) => 0x20,
            Self::Sync { .. } => 0x21,
            Self::Same => 0x22,
            Self::Digest { .. } => 0x23,
            Self::Want(_) => 0x24,
            Self::Page { .. } => 0x25,
            Self::WantIntroductions(_) => 0x26,
            Self::Introductions { .. } => 0x27,
            Self::WantMetadata(_) => 0x28,
            Self::Metadata { .. } => 0x29,
            Self::Probe { .. } => 0x30,
            Self::ProbeAck { .. } => 0x31,
            Self::Body(_) => 0x32,
            Self::Examine { .. } => 0x40,
            Self::JudgeChain { .. } => 0x41,
            Self::Examined { .. } => 0x42,
        }
    }
}

#[cfg(test)]
mod tests;
