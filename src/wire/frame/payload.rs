//! The bytes behind a frame's header, kind by kind.

use std::net::SocketAddr;

use super::finding::{self, WireFault, WireFinding};
use super::{FINDINGS_MAX, Frame, WANTED_INTRODUCTIONS_MAX, WANTED_METADATA_MAX};
use crate::member::{IntroductionTag, MetadataTag};
use crate::wire::codec::{self, DecodeError};
use crate::wire::hello::{CHAIN_LEN_MAX, Introduction, JoinId};
use crate::wire::refusal::Code;

/// Appends the payload of any frame but [`Frame::Refused`].
pub(super) fn encode(frame: &Frame, out: &mut Vec<u8>) {
    match frame {
        Frame::Body(body) => out.extend_from_slice(body),
        Frame::Digest { entries, last } => codec::encode_into(&(entries, last), out),
        Frame::Examine { request } => codec::encode_into(request, out),
        Frame::Examined {
            request,
            fault,
            findings,
        } => {
            let fault = fault.as_ref().map(finding::to_wire);
            let findings: Vec<WireFinding> = findings.iter().map(Into::into).collect();
            codec::encode_into(&(request, fault, findings), out);
        }
        Frame::Hello { hello, proof } => codec::encode_into(&(hello, proof), out),
        Frame::Introduction(introduction) => codec::encode_into(introduction, out),
        Frame::Introductions { entries, last } => codec::encode_into(&(entries, last), out),
        Frame::JoinAccept { join, ring, token } => codec::encode_into(&(join, ring, token), out),
        Frame::JoinDone { join, ring } => codec::encode_into(&(join, ring), out),
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
        }
        | Frame::Rehearse {
            join,
            record,
            token,
        } => codec::encode_into(&(join, record, token), out),
        Frame::Rehearsed {
            join,
            clock,
            code,
            cause,
            address,
        } => {
            let (code, cause) = (code.map(Code::number), cause.map(Code::number));
            codec::encode_into(&(join, clock, code, cause, address), out);
        }
        Frame::JoinRetry { join, generation } => codec::encode_into(&(join, generation), out),
        Frame::JudgeChain { request, chain } => codec::encode_into(&(request, chain), out),
        Frame::Keys(ring) => codec::encode_into(ring, out),
        Frame::Metadata { entries, last } => codec::encode_into(&(entries, last), out),
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
        Frame::WantMetadata(tags) => {
            let tags: Vec<_> = tags.iter().map(|tag| tag.0).collect();
            codec::encode_into(&tags, out);
        }
    }
}

/// The frame of this kind with this payload.
pub(super) fn decode(kind: u8, payload: &[u8]) -> Result<Frame, DecodeError> {
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
            let (join, ring, token) = codec::decode("JoinAccept", payload)?;
            Frame::JoinAccept { join, ring, token }
        }
        0x14 => {
            let (join, ring) = codec::decode("JoinDone", payload)?;
            Frame::JoinDone { join, ring }
        }
        0x15 => {
            let (join, record, token) = codec::decode("Rehearse", payload)?;
            Frame::Rehearse {
                join,
                record,
                token,
            }
        }
        0x16 => {
            let (join, clock, code, cause, address) =
                codec::decode::<(_, _, Option<u16>, Option<u16>, _)>("Rehearsed", payload)?;
            Frame::Rehearsed {
                join,
                clock,
                code: code.map(Code::from_number),
                cause: cause.map(Code::from_number),
                address,
            }
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
        0x28 => {
            let tags: Vec<[u8; 16]> = codec::decode("WantMetadata", payload)?;
            if tags.len() > WANTED_METADATA_MAX {
                return Err(DecodeError::Malformed {
                    what: "WantMetadata",
                });
            }
            Frame::WantMetadata(tags.into_iter().map(MetadataTag).collect())
        }
        0x29 => {
            let (entries, last) = codec::decode("Metadata", payload)?;
            Frame::Metadata { entries, last }
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
        0x40 => Frame::Examine {
            request: codec::decode("Examine", payload)?,
        },
        0x41 => {
            let (request, chain): (u64, Vec<Vec<u8>>) = codec::decode("JudgeChain", payload)?;
            if !(1..=CHAIN_LEN_MAX).contains(&chain.len()) {
                return Err(DecodeError::Malformed { what: "JudgeChain" });
            }
            Frame::JudgeChain { request, chain }
        }
        0x42 => {
            let (request, fault, findings): (u64, Option<WireFault>, Vec<WireFinding>) =
                codec::decode("Examined", payload)?;
            if findings.len() > FINDINGS_MAX {
                return Err(DecodeError::Malformed { what: "Examined" });
            }
            Frame::Examined {
                request,
                fault: fault.map(finding::from_wire),
                findings: findings.into_iter().map(Into::into).collect(),
            }
        }
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
