//! [`Frame`]: the kinds, and the bytes behind their header.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{
    FAILURE_LEN_MAX, HEADER_LEN, Header, Malformed, SEGMENT_LEN_MAX, SUBJECT_LEN_MAX, Settings,
};
use crate::wire::refusal::Code;

/// How the bytes of a message are encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// As they are.
    #[default]
    Plain,
    /// Gzip, RFC 1952.
    Gzip,
    /// Snappy, raw format.
    Snappy,
}

/// What stands before the first segment of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// Whom it is for: 1 to [`SUBJECT_LEN_MAX`] bytes of UTF-8, checked.
    pub subject: Bytes,
    /// Whether an answer is wanted, or only that a handler has taken it.
    pub wants_reply: bool,
    /// How long the caller still waits, in milliseconds.
    pub remaining_ms: u32,
    /// How the payload is encoded.
    pub encoding: Encoding,
    /// The payload's length when decoded, in bytes.
    pub len: u32,
    /// The payload's length as it travels, in bytes.
    pub wire_len: u32,
}

/// What stands before the first segment of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// How the payload is encoded.
    pub encoding: Encoding,
    /// The payload's length when decoded, in bytes.
    pub len: u32,
    /// The payload's length as it travels, in bytes.
    pub wire_len: u32,
}

/// Why a call has no reply, or a stream was not opened, as its other end says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The caller gave up first. No handler will see the call, or its reply is dropped.
    Cancelled,
    /// The handler failed.
    HandlerFailed(String),
    /// Nobody handles the subject.
    NoHandler,
    /// The node does not take it, for this reason.
    Refused(Code),
    /// The reply is longer than its receiver takes.
    ReplyTooLarge {
        /// Its length, in bytes.
        len: u32,
        /// What the receiver takes.
        max: u32,
    },
    /// The time of the call ran out.
    TimedOut,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// What the sender can take. Its first frame, once.
    Settings(Settings),
    /// Answer with the same number.
    Ping(u64),
    /// The answer.
    Pong(u64),
    /// The sender begins nothing more here. What is under way goes on.
    Drain,
    /// The sender closes; nothing follows.
    Farewell(Code),
    /// What the receiver of this frame may use once more.
    Credit {
        /// Bytes of requests.
        requests: u32,
        /// Bytes of replies.
        replies: u32,
        /// Streams to open.
        streams: u32,
    },
    /// A call begins.
    Request(RequestHead, Bytes),
    /// More of its payload.
    RequestMore(Bytes),
    /// The caller has given up.
    Cancel,
    /// The reply begins.
    Response(ResponseHead, Bytes),
    /// More of it.
    ResponseMore(Bytes),
    /// A handler has taken the call, and no reply was wanted.
    Accepted,
    /// There will be no reply.
    Failed(Failure),
    /// Opens a stream, for this subject.
    Open(Bytes),
    /// A handler has taken it.
    Opened,
    /// Nobody takes it.
    Rejected(Failure),
    /// The next bytes of the stream, at least one.
    Data(Bytes),
    /// No more bytes come.
    Fin,
    /// No more bytes come, and those on their way are void. The number is the application's.
    Reset(u32),
    /// The sender reads no more of the stream.
    Stop(u32),
    /// So many bytes of the stream more may be sent.
    Window(u32),
}

impl Frame {
    /// Appends the frame, its bytes of a message or stream excepted, which the caller sends behind it.
    pub fn encode_head(&self, id: u64, out: &mut BytesMut) {
        let start = out.len();
        out.put_bytes(0, HEADER_LEN);
        self.encode_fields(out);
        let len = out.len() - start - HEADER_LEN + self.data().map_or(0, Bytes::len);
        let header = Header {
            kind: self.kind(),
            len,
            id,
        };
        out[start..start + HEADER_LEN].copy_from_slice(&header.encode());
    }

    /// The bytes of a message or stream that it carries.
    #[must_use]
    pub const fn data(&self) -> Option<&Bytes> {
        match self {
            Self::Request(_, data)
            | Self::RequestMore(data)
            | Self::Response(_, data)
            | Self::ResponseMore(data)
            | Self::Data(data) => Some(data),
            _ => None,
        }
    }

    /// The number of its kind.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Settings(_) => 0x01,
            Self::Ping(_) => 0x02,
            Self::Pong(_) => 0x03,
            Self::Drain => 0x04,
            Self::Farewell(_) => 0x05,
            Self::Credit { .. } => 0x06,
            Self::Request(..) => 0x10,
            Self::RequestMore(_) => 0x11,
            Self::Cancel => 0x12,
            Self::Response(..) => 0x13,
            Self::ResponseMore(_) => 0x14,
            Self::Accepted => 0x15,
            Self::Failed(_) => 0x16,
            Self::Open(_) => 0x20,
            Self::Opened => 0x21,
            Self::Rejected(_) => 0x22,
            Self::Data(_) => 0x23,
            Self::Fin => 0x24,
            Self::Reset(_) => 0x25,
            Self::Stop(_) => 0x26,
            Self::Window(_) => 0x27,
        }
    }

    /// The frame of this kind with this payload.
    ///
    /// # Errors
    ///
    /// [`Malformed`]; the connection cannot go on.
    pub fn decode(kind: u8, mut payload: Bytes) -> Result<Self, Malformed> {
        let bytes = &mut payload;
        let frame = match kind {
            0x01 => return Settings::decode(bytes).map(Self::Settings),
            0x02 => Self::Ping(take_u64(bytes)?),
            0x03 => Self::Pong(take_u64(bytes)?),
            0x04 => Self::Drain,
            0x05 => Self::Farewell(take_code(bytes)?),
            0x06 => Self::Credit {
                requests: take_u32(bytes)?,
                replies: take_u32(bytes)?,
                streams: take_u32(bytes)?,
            },
            0x10 => return Self::request(payload),
            0x11 => return Ok(Self::RequestMore(segment(payload)?)),
            0x12 => Self::Cancel,
            0x13 => return Self::response(payload),
            0x14 => return Ok(Self::ResponseMore(segment(payload)?)),
            0x15 => Self::Accepted,
            0x16 => return Failure::decode(payload).map(Self::Failed),
            0x20 => return subject(payload).map(Self::Open),
            0x21 => Self::Opened,
            0x22 => return Failure::decode(payload).map(Self::Rejected),
            0x23 => return Ok(Self::Data(segment(payload)?)),
            0x24 => Self::Fin,
            0x25 => Self::Reset(take_u32(bytes)?),
            0x26 => Self::Stop(take_u32(bytes)?),
            0x27 => Self::Window(take_u32(bytes)?),
            _ => return Err(Malformed::Kind(kind)),
        };
        if payload.is_empty() {
            Ok(frame)
        } else {
            Err(SHAPE)
        }
    }

    fn request(mut payload: Bytes) -> Result<Self, Malformed> {
        let bytes = &mut payload;
        let flags = take_u8(bytes)?;
        let remaining_ms = take_u32(bytes)?;
        let (len, wire_len) = (take_u32(bytes)?, take_u32(bytes)?);
        let subject_len = usize::from(take_u8(bytes)?);
        if bytes.len() < subject_len {
            return Err(SHAPE);
        }
        let head = RequestHead {
            subject: subject(bytes.split_to(subject_len))?,
            wants_reply: flags & WANTS_REPLY != 0,
            remaining_ms,
            encoding: Encoding::from_number(flags & !WANTS_REPLY)?,
            len,
            wire_len,
        };
        first_segment(head.encoding, len, wire_len, payload.len())?;
        Ok(Self::Request(head, payload))
    }

    fn response(mut payload: Bytes) -> Result<Self, Malformed> {
        let bytes = &mut payload;
        let head = ResponseHead {
            encoding: Encoding::from_number(take_u8(bytes)?)?,
            len: take_u32(bytes)?,
            wire_len: take_u32(bytes)?,
        };
        first_segment(head.encoding, head.len, head.wire_len, payload.len())?;
        Ok(Self::Response(head, payload))
    }

    fn encode_fields(&self, out: &mut BytesMut) {
        match self {
            Self::Settings(settings) => out.put_slice(&settings.encode()),
            Self::Ping(number) | Self::Pong(number) => out.put_u64(*number),
            Self::Farewell(code) => out.put_u16(code.number()),
            Self::Credit {
                requests,
                replies,
                streams,
            } => {
                out.put_u32(*requests);
                out.put_u32(*replies);
                out.put_u32(*streams);
            }
            Self::Request(head, _) => head.encode(out),
            Self::Response(head, _) => head.encode(out),
            Self::Failed(failure) | Self::Rejected(failure) => failure.encode(out),
            Self::Open(subject) => out.put_slice(subject),
            Self::Reset(number) | Self::Stop(number) | Self::Window(number) => out.put_u32(*number),
            Self::Drain
            | Self::RequestMore(_)
            | Self::Cancel
            | Self::ResponseMore(_)
            | Self::Accepted
            | Self::Opened
            | Self::Data(_)
            | Self::Fin => {}
        }
    }
}

impl RequestHead {
    fn encode(&self, out: &mut BytesMut) {
        let flag = if self.wants_reply { WANTS_REPLY } else { 0 };
        out.put_u8(flag | self.encoding.number());
        out.put_u32(self.remaining_ms);
        out.put_u32(self.len);
        out.put_u32(self.wire_len);
        out.put_u8(u8::try_from(self.subject.len()).expect("a subject has at most 255 bytes"));
        out.put_slice(&self.subject);
    }
}

impl ResponseHead {
    fn encode(self, out: &mut BytesMut) {
        out.put_u8(self.encoding.number());
        out.put_u32(self.len);
        out.put_u32(self.wire_len);
    }
}

impl Encoding {
    const fn number(self) -> u8 {
        match self {
            Self::Plain => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
        }
    }

    const fn from_number(number: u8) -> Result<Self, Malformed> {
        match number {
            0 => Ok(Self::Plain),
            1 => Ok(Self::Gzip),
            2 => Ok(Self::Snappy),
            _ => Err(SHAPE),
        }
    }
}

impl Failure {
    fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::NoHandler => out.put_u8(1),
            Self::HandlerFailed(text) => {
                out.put_u8(2);
                out.put_slice(cut(text, FAILURE_LEN_MAX).as_bytes());
            }
            Self::TimedOut => out.put_u8(3),
            Self::ReplyTooLarge { len, max } => {
                out.put_u8(4);
                out.put_u32(*len);
                out.put_u32(*max);
            }
            Self::Cancelled => out.put_u8(5),
            Self::Refused(code) => {
                out.put_u8(6);
                out.put_u16(code.number());
            }
        }
    }

    fn decode(mut bytes: Bytes) -> Result<Self, Malformed> {
        let bytes = &mut bytes;
        let failure = match take_u8(bytes)? {
            1 => Self::NoHandler,
            2 if bytes.len() <= FAILURE_LEN_MAX => {
                let text = std::mem::take(bytes);
                Self::HandlerFailed(str::from_utf8(&text).map_err(|_| SHAPE)?.to_owned())
            }
            3 => Self::TimedOut,
            4 => Self::ReplyTooLarge {
                len: take_u32(bytes)?,
                max: take_u32(bytes)?,
            },
            5 => Self::Cancelled,
            6 => Self::Refused(take_code(bytes)?),
            _ => return Err(SHAPE),
        };
        bytes.is_empty().then_some(failure).ok_or(SHAPE)
    }
}

const WANTS_REPLY: u8 = 0x80;
const SHAPE: Malformed = Malformed::Frame("frame");

/// A text's start, of at most `max` bytes, cut between two characters.
fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

fn subject(bytes: Bytes) -> Result<Bytes, Malformed> {
    let is_subject = (1..=SUBJECT_LEN_MAX).contains(&bytes.len()) && str::from_utf8(&bytes).is_ok();
    is_subject
        .then_some(bytes)
        .ok_or(Malformed::Frame("subject"))
}

/// A segment has something in it, so that whoever sends many gets on.
fn segment(bytes: Bytes) -> Result<Bytes, Malformed> {
    let is_segment = (1..=SEGMENT_LEN_MAX).contains(&bytes.len());
    is_segment
        .then_some(bytes)
        .ok_or(Malformed::Frame("segment"))
}

fn first_segment(
    encoding: Encoding,
    len: u32,
    wire_len: u32,
    here: usize,
) -> Result<(), Malformed> {
    let is_plain = encoding == Encoding::Plain;
    let lengths = if is_plain {
        len == wire_len
    } else {
        // What does not get shorter is sent as it is.
        wire_len < len
    };
    let gets_on = here > 0 || wire_len == 0;
    if lengths && gets_on && here <= SEGMENT_LEN_MAX && here as u64 <= u64::from(wire_len) {
        Ok(())
    } else {
        Err(Malformed::Frame("message"))
    }
}

fn take_u8(bytes: &mut Bytes) -> Result<u8, Malformed> {
    bytes.try_get_u8().map_err(|_| SHAPE)
}

fn take_u32(bytes: &mut Bytes) -> Result<u32, Malformed> {
    bytes.try_get_u32().map_err(|_| SHAPE)
}

fn take_u64(bytes: &mut Bytes) -> Result<u64, Malformed> {
    bytes.try_get_u64().map_err(|_| SHAPE)
}

fn take_code(bytes: &mut Bytes) -> Result<Code, Malformed> {
    let number = bytes.try_get_u16().map_err(|_| SHAPE)?;
    Ok(Code::from_number(number))
}
