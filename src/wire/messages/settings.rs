//! [`Settings`]: what an end can take, said once and first.
//!
//! The payload is a list of fields, each `number u8, length u8 (1 to 8), value (big endian)`. A field of a number that is
//! unknown here is skipped, so a later version may add some; each known one stands there once.

use super::Malformed;

/// The version of the frames on connections of messages.
pub const MESSAGES_VERSION: u16 = 1;
/// The bit of gzip in [`Settings::compressions`].
pub const COMPRESSION_GZIP: u8 = 1;
/// The bit of snappy in [`Settings::compressions`].
pub const COMPRESSION_SNAPPY: u8 = 2;
/// The largest window, in bytes: 1 GiB.
pub const WINDOW_LEN_MAX: u32 = 1 << 30;

/// What one end can take. The other keeps to it, and to nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// [`MESSAGES_VERSION`] of the sender.
    pub version: u16,
    /// The longest message, request or reply, in bytes after decompression.
    pub message_len_max: u32,
    /// Bytes of requests that may be on their way or wait for a handler: at least 2 × `message_len_max`.
    pub requests_window: u32,
    /// Bytes of replies that may be on their way: at least 2 × `message_len_max`.
    pub replies_window: u32,
    /// Calls that may be unanswered at a time.
    pub calls_max: u32,
    /// Streams that may be open at a time, of those that the receiver of these settings opens.
    pub streams_max: u32,
    /// Bytes of one stream that may be on their way or wait to be read.
    pub stream_window: u32,
    /// Compressions understood: [`COMPRESSION_GZIP`], [`COMPRESSION_SNAPPY`].
    pub compressions: u8,
}

impl Settings {
    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (number, value) in self.fields() {
            out.extend_from_slice(&[number, 4]);
            out.extend_from_slice(&value.to_be_bytes());
        }
        out
    }

    /// The settings that `bytes` hold.
    ///
    /// # Errors
    ///
    /// [`Malformed`] where a field is missing, repeated, or outside what makes sense.
    pub fn decode(mut bytes: &[u8]) -> Result<Self, Malformed> {
        const BAD: Malformed = Malformed::Frame("settings");
        let mut values = [None; FIELDS];
        while let [number, len, rest @ ..] = bytes {
            let (value, rest) = rest.split_at_checked(usize::from(*len)).ok_or(BAD)?;
            bytes = rest;
            let Some(slot) = usize::from(*number)
                .checked_sub(1)
                .and_then(|index| values.get_mut(index))
            else {
                continue;
            };
            if slot.replace(number_of(value).ok_or(BAD)?).is_some() {
                return Err(BAD);
            }
        }
        if !bytes.is_empty() {
            return Err(BAD);
        }
        let value = |index: usize| values[index].ok_or(BAD);
        let settings = Self {
            version: u16::try_from(value(0)?).map_err(|_| BAD)?,
            message_len_max: value(1)?,
            requests_window: value(2)?,
            replies_window: value(3)?,
            calls_max: value(4)?,
            streams_max: value(5)?,
            stream_window: value(6)?,
            compressions: (value(7)? & 0xff) as u8,
        };
        settings.is_sound().then_some(settings).ok_or(BAD)
    }

    /// Whether an end that keeps to these settings can always go on: no message is longer than a window that is
    /// given back by quarters.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let least = u64::from(self.message_len_max) * 2;
        let windows = [self.requests_window, self.replies_window];
        self.version >= 1
            && self.message_len_max > 0
            && windows
                .iter()
                .all(|window| u64::from(*window) >= least && *window <= WINDOW_LEN_MAX)
            && self.calls_max > 0
            && (1..=WINDOW_LEN_MAX).contains(&self.stream_window)
    }

    fn fields(&self) -> [(u8, u32); FIELDS] {
        [
            (1, u32::from(self.version)),
            (2, self.message_len_max),
            (3, self.requests_window),
            (4, self.replies_window),
            (5, self.calls_max),
            (6, self.streams_max),
            (7, self.stream_window),
            (8, u32::from(self.compressions)),
        ]
    }
}

const FIELDS: usize = 8;

/// A number of up to eight bytes, cut at what 32 bits hold: larger ones say "more than will ever be used".
fn number_of(bytes: &[u8]) -> Option<u32> {
    if bytes.is_empty() || bytes.len() > 8 {
        return None;
    }
    let number = bytes
        .iter()
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    Some(u32::try_from(number).unwrap_or(u32::MAX))
}
