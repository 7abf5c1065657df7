//! The length-prefixed unit of a connection, and its kinds.
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

use std::net::SocketAddr;

use bincode::{BorrowDecode, Encode};
use zeroize::Zeroize;

use super::codec::{self, DecodeError};
use super::hello::{CHAIN_LEN_MAX, Introduction, JoinId};
use super::refusal::Code;
use super::update::{RecordRef, Verdict, decode_record};
use crate::member::IntroductionTag;

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
/// The most introductions asked for at once.
pub const WANTED_INTRODUCTIONS_MAX: usize = 128;

/// One gossip key as it travels: only on proven connections. The secret is zeroed when dropped.
#[derive(Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct WireKey {
    /// The key's epoch.
    pub epoch: u32,
    /// The secret.
    pub secret: [u8; 32],
}

impl Drop for WireKey {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl std::fmt::Debug for WireKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WireKey")
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

/// Gossip keys as they travel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, BorrowDecode)]
pub struct WireKeyring {
    /// Keys of lower epochs are retired: nobody takes them back.
    pub floor: u32,
    /// The keys held, the active one first.
    pub keys: Vec<WireKey>,
}

/// One member in a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, BorrowDecode)]
pub struct DigestEntry {
    /// [`super::hash::id_hash`] of its id.
    pub id: u64,
    /// Its life.
    pub generation: u64,
    /// Its version.
    pub incarnation: u32,
}

/// One member in a page: its record, and what is held against it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, BorrowDecode)]
pub struct PageEntry {
    /// The record, as its owner encoded it.
    pub record: Vec<u8>,
    /// What the sender holds against this version of it.
    pub verdict: Option<WireVerdict>,
}

impl PageEntry {
    /// The record.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the bytes are none.
    pub fn record(&self) -> Result<RecordRef<'_>, DecodeError> {
        decode_record(&self.record)
    }
}

/// A [`Verdict`] as it travels in a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, BorrowDecode)]
pub enum WireVerdict {
    /// Suspect.
    Suspect,
    /// Dead.
    Dead,
}

impl From<WireVerdict> for Verdict {
    fn from(verdict: WireVerdict) -> Self {
        match verdict {
            WireVerdict::Suspect => Self::Suspect,
            WireVerdict::Dead => Self::Dead,
        }
    }
}

impl From<Verdict> for WireVerdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Suspect => Self::Suspect,
            Verdict::Dead => Self::Dead,
        }
    }
}

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
        /// HMAC of the join token, where one is configured.
        token: Option<[u8; 32]>,
    },
    /// The joiner's generation is too low: it starts again with at least this one.
    JoinRetry {
        /// Which join.
        join: JoinId,
        /// The lowest generation that would do.
        generation: u64,
    },
    /// The gossip keys held.
    Keys(WireKeyring),
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
            encode_payload(self, &mut out);
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
        decode_payload(header.kind, payload)
    }

    /// The frame's name, for logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Body(_) => "Body",
            Self::Bye => "Bye",
            Self::Digest { .. } => "Digest",
            Self::Hello { .. } => "Hello",
            Self::Introduction(_) => "Introduction",
            Self::Introductions { .. } => "Introductions",
            Self::JoinAccept { .. } => "JoinAccept",
            Self::JoinDone { .. } => "JoinDone",
            Self::JoinRefused { .. } => "JoinRefused",
            Self::JoinRequest { .. } => "JoinRequest",
            Self::JoinRetry { .. } => "JoinRetry",
            Self::Keys(_) => "Keys",
            Self::Page { .. } => "Page",
            Self::Probe { .. } => "Probe",
            Self::ProbeAck { .. } => "ProbeAck",
            Self::Ready => "Ready",
            Self::Refused { .. } => "Refused",
            Self::Same => "Same",
            Self::Sync { .. } => "Sync",
            Self::Want(_) => "Want",
            Self::WantIntroduction => "WantIntroduction",
            Self::WantIntroductions(_) => "WantIntroductions",
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
            Self::Keys(_) => 0x20,
            Self::Sync { .. } => 0x21,
            Self::Same => 0x22,
            Self::Digest { .. } => 0x23,
            Self::Want(_) => 0x24,
            Self::Page { .. } => 0x25,
            Self::WantIntroductions(_) => 0x26,
            Self::Introductions { .. } => 0x27,
            Self::Probe { .. } => 0x30,
            Self::ProbeAck { .. } => 0x31,
            Self::Body(_) => 0x32,
        }
    }
}

fn encode_payload(frame: &Frame, out: &mut Vec<u8>) {
    match frame {
        Frame::Body(body) => out.extend_from_slice(body),
        Frame::Digest { entries, last } => codec::encode_into(&(entries, last), out),
        Frame::Hello { hello, proof } => codec::encode_into(&(hello, proof), out),
        Frame::Introduction(introduction) => codec::encode_into(introduction, out),
        Frame::Introductions { entries, last } => codec::encode_into(&(entries, last), out),
        Frame::JoinAccept { join, ring } | Frame::JoinDone { join, ring } => {
            codec::encode_into(&(join, ring), out)
        }
        Frame::JoinRefused {
            join,
            code,
            cause,
            address,
        } => {
            codec::encode_into(
                &(join, code.number(), cause.map(Code::number), address),
                out,
            );
        }
        Frame::JoinRequest {
            join,
            record,
            token,
        } => codec::encode_into(&(join, record, token), out),
        Frame::JoinRetry { join, generation } => codec::encode_into(&(join, generation), out),
        Frame::Keys(ring) => codec::encode_into(ring, out),
        Frame::Page { entries, last } => codec::encode_into(&(entries, last), out),
        Frame::Probe { probe, view } | Frame::ProbeAck { probe, view } => {
            codec::encode_into(&(probe, view), out)
        }
        Frame::Bye
        | Frame::Ready
        | Frame::Refused { .. }
        | Frame::Same
        | Frame::WantIntroduction => {}
        Frame::Sync { key_ids, view } => codec::encode_into(&(key_ids, view), out),
        Frame::Want(ids) => codec::encode_into(ids, out),
        Frame::WantIntroductions(tags) => {
            let tags: Vec<_> = tags.iter().map(|tag| tag.0).collect();
            codec::encode_into(&tags, out);
        }
    }
}

fn decode_payload(kind: u8, payload: &[u8]) -> Result<Frame, DecodeError> {
    Ok(match kind {
        0x01 => {
            let (hello, proof) = codec::decode("Hello", payload)?;
            Frame::Hello { hello, proof }
        }
        0x02 => refused(payload)?,
        0x03 => empty(payload, Frame::WantIntroduction)?,
        0x04 => {
            let introduction = codec::decode("Introduction", payload)?;
            Frame::Introduction(sound(introduction)?)
        }
        0x05 => empty(payload, Frame::Ready)?,
        0x06 => empty(payload, Frame::Bye)?,
        0x10 => {
            let (join, record, token) = codec::decode("JoinRequest", payload)?;
            Frame::JoinRequest {
                join,
                record,
                token,
            }
        }
        0x11 => {
            let (join, generation) = codec::decode("JoinRetry", payload)?;
            Frame::JoinRetry { join, generation }
        }
        0x12 => {
            let (join, code, cause, address) =
                codec::decode::<(JoinId, u16, Option<u16>, Option<SocketAddr>)>(
                    "JoinRefused",
                    payload,
                )?;
            let cause = cause.map(Code::from_number);
            Frame::JoinRefused {
                join,
                code: Code::from_number(code),
                cause,
                address,
            }
        }
        0x13 => {
            let (join, ring) = codec::decode("JoinAccept", payload)?;
            Frame::JoinAccept { join, ring }
        }
        0x14 => {
            let (join, ring) = codec::decode("JoinDone", payload)?;
            Frame::JoinDone { join, ring }
        }
        0x20 => Frame::Keys(codec::decode("Keys", payload)?),
        0x21 => {
            let (key_ids, view) = codec::decode("Sync", payload)?;
            Frame::Sync { key_ids, view }
        }
        0x22 => empty(payload, Frame::Same)?,
        0x23 => {
            let (entries, last) = codec::decode("Digest", payload)?;
            Frame::Digest { entries, last }
        }
        0x24 => Frame::Want(codec::decode("Want", payload)?),
        0x25 => {
            let (entries, last) = codec::decode("Page", payload)?;
            Frame::Page { entries, last }
        }
        0x26 => {
            let tags: Vec<[u8; 16]> = codec::decode("WantIntroductions", payload)?;
            if tags.len() > WANTED_INTRODUCTIONS_MAX {
                return Err(DecodeError::Malformed {
                    what: "WantIntroductions",
                });
            }
            Frame::WantIntroductions(tags.into_iter().map(IntroductionTag).collect())
        }
        0x27 => {
            let (entries, last): (Vec<Introduction>, bool) =
                codec::decode("Introductions", payload)?;
            let entries = entries.into_iter().map(sound).collect::<Result<_, _>>()?;
            Frame::Introductions { entries, last }
        }
        0x30 => {
            let (probe, view) = codec::decode("Probe", payload)?;
            Frame::Probe { probe, view }
        }
        0x31 => {
            let (probe, view) = codec::decode("ProbeAck", payload)?;
            Frame::ProbeAck { probe, view }
        }
        0x32 => Frame::Body(payload.to_vec()),
        _ => return Err(DecodeError::Malformed { what: "frame kind" }),
    })
}

fn sound(introduction: Introduction) -> Result<Introduction, DecodeError> {
    match introduction.chain.len() {
        1..=CHAIN_LEN_MAX => Ok(introduction),
        _ => Err(DecodeError::Malformed {
            what: "Introduction",
        }),
    }
}

fn empty(payload: &[u8], frame: Frame) -> Result<Frame, DecodeError> {
    match payload.len() {
        0 => Ok(frame),
        left => Err(DecodeError::Trailing {
            what: frame.name(),
            left,
        }),
    }
}

fn refused(payload: &[u8]) -> Result<Frame, DecodeError> {
    let Ok([c0, c1, after @ ..]) = <[u8; 6]>::try_from(payload) else {
        return Err(DecodeError::Malformed { what: "Refused" });
    };
    let code = Code::from_number(u16::from_be_bytes([c0, c1]));
    Ok(Frame::Refused {
        code,
        after_ms: u32::from_be_bytes(after),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Frame, DecodeError> {
        let (header, payload) = bytes.split_first_chunk().unwrap();
        let header = FrameHeader::decode(header)?;
        assert_eq!(header.len, payload.len());
        Frame::decode(header, payload)
    }

    fn one_of_each() -> Vec<Frame> {
        let join = JoinId([1; 16]);
        let ring = WireKeyring {
            floor: 1,
            keys: vec![WireKey {
                epoch: 1,
                secret: [2; 32],
            }],
        };
        vec![
            Frame::Body(vec![1, 2, 3]),
            Frame::Bye,
            Frame::Digest {
                entries: vec![DigestEntry {
                    id: 1,
                    generation: 2,
                    incarnation: 3,
                }],
                last: true,
            },
            Frame::Hello {
                hello: vec![1],
                proof: vec![2; 64],
            },
            Frame::Introduction(Introduction {
                fields: vec![1],
                chain: vec![vec![2]],
                scheme: 0x0804,
                signature: vec![3],
            }),
            Frame::Introductions {
                entries: vec![Introduction {
                    fields: vec![1],
                    chain: vec![vec![2], vec![3]],
                    scheme: 0x0807,
                    signature: vec![4],
                }],
                last: true,
            },
            Frame::JoinAccept {
                join,
                ring: ring.clone(),
            },
            Frame::JoinDone {
                join,
                ring: ring.clone(),
            },
            Frame::JoinRefused {
                join,
                code: Code::DialBackFailed,
                cause: Some(Code::Unreachable),
                address: Some("10.0.0.1:9".parse().unwrap()),
            },
            Frame::JoinRequest {
                join,
                record: vec![4],
                token: Some([5; 32]),
            },
            Frame::JoinRetry {
                join,
                generation: 6,
            },
            Frame::Keys(ring),
            Frame::Page {
                entries: vec![PageEntry {
                    record: vec![7],
                    verdict: Some(WireVerdict::Dead),
                }],
                last: false,
            },
            Frame::Probe { probe: 8, view: 9 },
            Frame::ProbeAck { probe: 8, view: 9 },
            Frame::Ready,
            Frame::Refused {
                code: Code::Busy,
                after_ms: 250,
            },
            Frame::Same,
            Frame::Sync {
                key_ids: vec![1],
                view: 2,
            },
            Frame::Want(vec![3, 4]),
            Frame::WantIntroduction,
            Frame::WantIntroductions(vec![IntroductionTag([5; 16]); WANTED_INTRODUCTIONS_MAX]),
        ]
    }

    #[test]
    fn every_frame_comes_back_as_it_was_sent() {
        for frame in one_of_each() {
            let bytes = frame.encode();
            assert_ne!(bytes[0], 0x16);
            assert_eq!(read(&bytes), Ok(frame));
        }
    }

    #[test]
    fn every_frame_and_every_code_is_in_the_manual() {
        let manual = include_str!("../../docs/PROTOCOL.md");
        for frame in one_of_each() {
            let row = format!("| 0x{:02x} | {} |", frame.kind(), frame.name());
            assert!(manual.contains(&row), "{row}");
        }
        for code in Code::ALL {
            let kind = if code.is_permanent() {
                "permanent"
            } else {
                "passing"
            };
            let row = format!("| {} | {code} | {kind} |", code.number());
            assert!(manual.contains(&row), "{row}");
        }
    }

    #[test]
    fn every_frame_refuses_bytes_behind_it() {
        for frame in one_of_each()
            .into_iter()
            .filter(|frame| !matches!(frame, Frame::Body(_)))
        {
            let mut bytes = frame.encode();
            bytes.push(0);
            let len = u32::try_from(bytes.len() - FRAME_HEADER_LEN).unwrap();
            bytes[4..8].copy_from_slice(&len.to_be_bytes());
            assert!(read(&bytes).is_err(), "{}", frame.name());
        }
    }

    #[test]
    fn a_refusal_looks_the_same_in_every_version() {
        let bytes = Frame::Refused {
            code: Code::SecurityMismatch,
            after_ms: 0,
        }
        .encode();
        assert_eq!(bytes, [b'P', b'H', 1, 2, 0, 0, 0, 6, 0, 1, 0, 0, 0, 0]);
    }

    #[test]
    fn a_header_is_refused_for_magic_version_and_length() {
        let sound = [b'P', b'H', 1, 5, 0, 0, 0, 0];
        assert!(FrameHeader::decode(&sound).is_ok());
        for (at, value) in [(0, 0x16), (1, b'T'), (2, 2), (4, 1)] {
            let mut bytes = sound;
            bytes[at] = value;
            assert!(FrameHeader::decode(&bytes).is_err(), "byte {at} = {value}");
        }
    }

    #[test]
    fn a_full_page_and_a_full_digest_fit_the_decoding_limit() {
        let entries = vec![
            PageEntry {
                record: vec![7; 30],
                verdict: None
            };
            PAGE_LEN_MAX / 32
        ];
        let page = Frame::Page {
            entries,
            last: true,
        };
        assert_eq!(read(&page.encode()), Ok(page));
        let entry = DigestEntry {
            id: u64::MAX,
            generation: 1 << 52,
            incarnation: 3,
        };
        let digest = Frame::Digest {
            entries: vec![entry; PAGE_LEN_MAX / 19],
            last: true,
        };
        assert_eq!(read(&digest.encode()), Ok(digest));
    }

    proptest! {
        #[test]
        fn decoding_a_payload_never_panics(kind: u8, payload in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode_payload(kind, &payload);
        }
    }
}
