//! [`Message`]: a payload as it travels, compressed or not. Decompression is bounded by the length that was announced and
//! judged when the message came.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::wire::messages::{COMPRESSION_GZIP, COMPRESSION_SNAPPY, Encoding};

/// Messages below this length are not compressed: it would cost more than it saves.
pub const COMPRESSED_LEN_MIN: usize = 1024;

/// What messages are compressed with, if anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Nothing.
    #[default]
    None,
    /// Gzip: smaller, slower.
    Gzip,
    /// Snappy: larger, faster.
    Snappy,
}

/// The payload of a request or reply, as it travels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    pub(super) encoding: Encoding,
    pub(super) len: u32,
    pub(super) bytes: Bytes,
}

/// A compressed payload is not what its head announced. The sender is at fault; the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a compressed message is not what was announced")]
pub struct Unreadable;

impl Message {
    /// The payload as it is. One above 4 GiB counts as that long, and is refused as too large.
    #[must_use]
    pub fn plain(payload: Bytes) -> Self {
        Self {
            encoding: Encoding::Plain,
            len: u32::try_from(payload.len()).unwrap_or(u32::MAX),
            bytes: payload,
        }
    }

    /// The payload, compressed for a peer that understands `understood` (see
    /// [`Settings::compressions`](crate::wire::messages::Settings::compressions)), if that makes it shorter. It takes time;
    /// no lock should be held.
    #[must_use]
    pub fn compressed(payload: Bytes, compression: Compression, understood: u8) -> Self {
        let plain = Self::plain(payload);
        let is_short = plain.bytes.len() < COMPRESSED_LEN_MIN;
        if is_short || plain.len == u32::MAX || !compression.is_understood(understood) {
            return plain;
        }
        let (encoding, packed) = match compression {
            Compression::None => return plain,
            Compression::Gzip => (Encoding::Gzip, gzip(&plain.bytes)),
            Compression::Snappy => (Encoding::Snappy, snappy(&plain.bytes)),
        };
        match packed {
            Some(packed) if packed.len() < plain.bytes.len() => Self {
                encoding,
                len: plain.len,
                bytes: packed.into(),
            },
            _ => plain,
        }
    }

    /// The payload again. It takes time; no lock should be held.
    ///
    /// # Errors
    ///
    /// [`Unreadable`]; no more than the announced length was written anywhere.
    pub fn decode(self) -> Result<Bytes, Unreadable> {
        let len = self.len as usize;
        match self.encoding {
            Encoding::Plain => Ok(self.bytes),
            Encoding::Gzip => gunzip(&self.bytes, len),
            Encoding::Snappy => unsnappy(&self.bytes, len),
        }
    }

    /// The payload's length when decoded, in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether the payload has no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn wire_len(&self) -> usize {
        self.bytes.len()
    }
}

impl Compression {
    const fn is_understood(self, understood: u8) -> bool {
        match self {
            Self::None => true,
            Self::Gzip => understood & COMPRESSION_GZIP != 0,
            Self::Snappy => understood & COMPRESSION_SNAPPY != 0,
        }
    }
}

fn gzip(payload: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(payload).ok()?;
    encoder.finish().ok()
}

/// The buffer grows with what comes out, up to one byte more than was announced.
fn gunzip(packed: &[u8], len: usize) -> Result<Bytes, Unreadable> {
    let mut out = Vec::new();
    let mut decoder = GzDecoder::new(packed).take(len as u64 + 1);
    decoder.read_to_end(&mut out).map_err(|_| Unreadable)?;
    exactly(out, len)
}

fn snappy(payload: &[u8]) -> Option<Vec<u8>> {
    snap::raw::Encoder::new().compress_vec(payload).ok()
}

/// Snappy says in front how long it will be, which is held against what was announced before anything is allocated.
fn unsnappy(packed: &[u8], len: usize) -> Result<Bytes, Unreadable> {
    if snap::raw::decompress_len(packed).map_err(|_| Unreadable)? != len {
        return Err(Unreadable);
    }
    let out = snap::raw::Decoder::new()
        .decompress_vec(packed)
        .map_err(|_| Unreadable)?;
    exactly(out, len)
}

fn exactly(out: Vec<u8>, len: usize) -> Result<Bytes, Unreadable> {
    (out.len() == len).then(|| out.into()).ok_or(Unreadable)
}

#[cfg(test)]
mod tests {
    use rand_pcg::Pcg64;
    use rand_pcg::rand_core::{Rng, SeedableRng};

    use super::*;

    const BOTH: u8 = COMPRESSION_GZIP | COMPRESSION_SNAPPY;

    fn text() -> Bytes {
        Bytes::from("all work and no play ".repeat(500))
    }

    /// Bytes that nothing makes shorter.
    fn noise(len: usize) -> Bytes {
        let mut chance = Pcg64::seed_from_u64(1);
        (0..len).map(|_| chance.next_u64() as u8).collect()
    }

    #[test]
    fn what_is_compressed_is_shorter_and_comes_back() {
        for compression in [Compression::Gzip, Compression::Snappy] {
            let message = Message::compressed(text(), compression, BOTH);
            assert!(message.wire_len() < text().len() / 2, "{compression:?}");
            assert_eq!(message.len(), text().len());
            assert_eq!(message.decode(), Ok(text()));
        }
    }

    #[test]
    fn the_short_the_dense_and_what_the_peer_does_not_understand_stay_as_they_are() {
        let short = text().slice(..COMPRESSED_LEN_MIN - 1);
        let dense = noise(4096);
        for (payload, compression, understood) in [
            (short, Compression::Gzip, BOTH),
            (dense.clone(), Compression::Gzip, BOTH),
            (dense, Compression::Snappy, BOTH),
            (text(), Compression::Gzip, COMPRESSION_SNAPPY),
            (text(), Compression::Snappy, 0),
            (text(), Compression::None, BOTH),
        ] {
            let message = Message::compressed(payload.clone(), compression, understood);
            assert_eq!(message, Message::plain(payload));
        }
    }

    #[test]
    fn a_bomb_stops_at_the_announced_length() {
        let zeros = Bytes::from(vec![0; 8 << 20]);
        for compression in [Compression::Gzip, Compression::Snappy] {
            let mut message = Message::compressed(zeros.clone(), compression, BOTH);
            message.len = 4 << 20;
            assert_eq!(message.decode(), Err(Unreadable), "{compression:?}");
        }
    }

    #[test]
    fn less_than_announced_or_nonsense_is_unreadable() {
        for compression in [Compression::Gzip, Compression::Snappy] {
            let message = Message::compressed(text(), compression, BOTH);
            let longer = Message {
                len: message.len + 1,
                ..message.clone()
            };
            assert_eq!(longer.decode(), Err(Unreadable));
            let cut = Message {
                bytes: message.bytes.slice(..message.wire_len() / 2),
                ..message
            };
            assert_eq!(cut.decode(), Err(Unreadable));
        }
    }
}
