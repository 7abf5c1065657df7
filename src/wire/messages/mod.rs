//! What travels on a *connection of messages* once its two ends are proven: calls, streams, and what keeps them flowing.
//!
//! | module | owns |
//! |---|---|
//! | `frame` | the kinds of frame, and the bytes behind their header |
//! | `settings` | what an end can take, said once and first |
//!
//! | offset | bytes | field | meaning |
//! |---|---|---|---|
//! | 0 | 1 | kind | which frame |
//! | 1 | 3 | length | of the payload, big endian, at most [`PAYLOAD_LEN_MAX`] |
//! | 4 | 8 | id | of the call or stream, big endian; 0 where there is none |
//! | 12 | … | payload | fixed fields in big endian, then bytes up to the end |
//!
//! These frames are not those of [`super::frame`], which end with `Ready`. Decoding copies nothing: payloads are slices of
//! the bytes that came.

mod frame;
mod settings;

pub use frame::{Encoding, Failure, Frame, RequestHead, ResponseHead};
pub use settings::{
    COMPRESSION_GZIP, COMPRESSION_SNAPPY, MESSAGES_VERSION, Settings, WINDOW_LEN_MAX,
};

/// The length of a frame's header, in bytes.
pub const HEADER_LEN: usize = 12;
/// The most bytes of a message or stream that one frame carries.
pub const SEGMENT_LEN_MAX: usize = 64 * 1024;
/// The longest payload of a frame, in bytes: a segment and the fields before it.
pub const PAYLOAD_LEN_MAX: usize = SEGMENT_LEN_MAX + 2 * 1024;
/// The longest subject, in bytes; it has at least one.
pub const SUBJECT_LEN_MAX: usize = 255;
/// The longest text about a handler's failure, in bytes; it is cut there.
pub const FAILURE_LEN_MAX: usize = 1024;

/// Why bytes are no frame. The sender is at fault; the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The payload does not have the shape of its kind.
    #[error("malformed {0}")]
    Frame(&'static str),
    /// No frame has this number.
    #[error("unknown kind of frame 0x{0:02x}")]
    Kind(u8),
    /// The payload would be longer than any.
    #[error("a frame of {0} bytes, above {PAYLOAD_LEN_MAX}")]
    TooLong(usize),
}

/// A frame's first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Which frame; whether there is such a kind shows when it is decoded.
    pub kind: u8,
    /// The length of its payload, at most [`PAYLOAD_LEN_MAX`].
    pub len: usize,
    /// Of which call or stream.
    pub id: u64,
}

impl Header {
    /// Reads a header from the start of `bytes`; `None` if it is not there as a whole.
    ///
    /// # Errors
    ///
    /// [`Malformed::TooLong`], before anything is allocated for the payload.
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, Malformed> {
        let Some(bytes) = bytes.first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let [kind, a, b, c, id @ ..] = *bytes;
        let len = u32::from_be_bytes([0, a, b, c]) as usize;
        if len > PAYLOAD_LEN_MAX {
            return Err(Malformed::TooLong(len));
        }
        Ok(Some(Self {
            kind,
            len,
            id: u64::from_be_bytes(id),
        }))
    }

    fn encode(self) -> [u8; HEADER_LEN] {
        let len = u32::try_from(self.len).expect("a payload is below 2^24 bytes");
        let [_, a, b, c] = len.to_be_bytes();
        let [i, d @ ..] = self.id.to_be_bytes();
        [
            self.kind, a, b, c, i, d[0], d[1], d[2], d[3], d[4], d[5], d[6],
        ]
    }
}

#[cfg(test)]
mod tests;
