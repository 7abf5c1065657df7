//! The one place that calls bincode.
//!
//! Standard configuration (little endian, variable-length integers), decoded natively and under a limit. Native decoding
//! charges in-memory sizes against the limit (`size_of::<T>() × len` for a sequence), so the limit is a multiple of the
//! frame cap: it bounds memory, while the frame cap bounds bytes. Encodings are not canonical (a number may take a longer
//! form than it needs): received bytes are hashed, compared and relayed as they came, never re-encoded.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::{BorrowDecode, Encode};

/// The most memory decoding one value may claim, in bytes: 8 × the largest frame.
pub const DECODE_CLAIM_MAX: usize = 8 * super::frame::FRAME_LEN_MAX;

type Limited = Configuration<LittleEndian, Varint, Limit<DECODE_CLAIM_MAX>>;

const CONFIG: Limited = bincode::config::standard().with_limit::<DECODE_CLAIM_MAX>();

/// Why bytes are not the value they should be. The sender is at fault; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end inside the value, claim more than the limit, or hold an impossible value.
    #[error("malformed {what}")]
    Malformed {
        /// What was being decoded.
        what: &'static str,
    },
    /// Bytes are left over behind the value.
    #[error("{left} bytes behind {what}")]
    Trailing {
        /// What was being decoded.
        what: &'static str,
        /// How many bytes are left over.
        left: usize,
    },
}

/// Appends `value` to `out`.
pub(crate) fn encode_into<T: Encode>(value: &T, out: &mut Vec<u8>) {
    bincode::encode_into_std_write(value, out, bincode::config::standard())
        .expect("wire types have no unsized or fallible parts, and a Vec takes every byte");
}

/// The encoding of `value`.
pub(crate) fn encode<T: Encode>(value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    encode_into(value, &mut out);
    out
}

/// Decodes one value from the start of `bytes` and says how long it was.
pub(crate) fn decode_prefix<'a, T: BorrowDecode<'a, ()>>(
    what: &'static str,
    bytes: &'a [u8],
) -> Result<(T, usize), DecodeError> {
    bincode::borrow_decode_from_slice(bytes, CONFIG).map_err(|_| DecodeError::Malformed { what })
}

/// Decodes the one value that `bytes` hold.
pub(crate) fn decode<'a, T: BorrowDecode<'a, ()>>(
    what: &'static str,
    bytes: &'a [u8],
) -> Result<T, DecodeError> {
    let (value, used) = decode_prefix(what, bytes)?;
    match bytes.len() - used {
        0 => Ok(value),
        left => Err(DecodeError::Trailing { what, left }),
    }
}
