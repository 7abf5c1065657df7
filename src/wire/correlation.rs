//! [`CorrelationId`]: what both ends of a connection call it in their logs.
//!
//! Nothing is sent for it. It is the first four bytes of SHA-256 over `Phalanx correlation v1` and random bytes that travel anyhow,
//! from the dialer, before anything can be refused:
//!
//! | connection | random bytes |
//! |---|---|
//! | TLS over TCP | the 32 of the ClientHello (RFC 8446 §4.1.2), which pass in the clear |
//! | plaintext | the nonce of the dialer's hello |
//! | QUIC | the connection id that the dialer makes up for the listener (RFC 9000 §7.2) |
//!
//! So a node that speaks only the other kind finds it too: a TLS node in a hello, a plaintext node in a ClientHello. It proves
//! nothing, and 32 bits are enough to find one line among those of a day, not to be unique for ever.

use std::fmt;

use super::frame::{FRAME_HEADER_LEN, Frame, FrameHeader};
use super::hash::sha256;
use super::hello::Hello;

/// What both ends of a connection call it: 8 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CorrelationId([u8; 4]);

/// Where the random bytes of a ClientHello are that begins a TLS record.
const CLIENT_RANDOM: std::ops::Range<usize> = 11..43;
/// How many bytes of a connection's beginning are enough to find its id, whatever it is: those of the longest hello.
pub const BEGINNING_LEN: usize = 1_024;

impl CorrelationId {
    /// The id that these random bytes make.
    #[must_use]
    pub fn of(random: &[u8]) -> Self {
        let hash = sha256(&[b"Phalanx correlation v1", random].concat());
        Self(*hash.first_chunk().expect("32 bytes hold 4"))
    }

    /// The id of a connection that begins with these bytes of the dialer's: a ClientHello or a [`Frame::Hello`]. `None` if they are
    /// neither, or too few.
    #[must_use]
    pub fn of_beginning(bytes: &[u8]) -> Option<Self> {
        Self::of_client_hello(bytes).or_else(|| Self::of_frame(bytes))
    }

    /// As [`CorrelationId::of_beginning`], of TLS alone.
    #[must_use]
    pub fn of_client_hello(bytes: &[u8]) -> Option<Self> {
        // A handshake record, and in it a ClientHello.
        let is_one = bytes.first() == Some(&0x16) && bytes.get(5) == Some(&1);
        let random = bytes.get(CLIENT_RANDOM).filter(|_| is_one)?;
        Some(Self::of(random))
    }

    fn of_frame(bytes: &[u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<FRAME_HEADER_LEN>()?;
        let header = FrameHeader::decode(header).ok()?;
        let payload = rest.get(..header.len)?;
        match Frame::decode(header, payload).ok()? {
            Frame::Hello { hello, .. } => Some(Hello::decode(&hello).ok()?.correlation()),
            _ => None,
        }
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_hello_is_known_by_its_random_bytes_alone() {
        let mut record = vec![0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3];
        record.extend([7; 32]);
        let expected = Some(CorrelationId::of(&[7; 32]));
        assert_eq!(CorrelationId::of_beginning(&record[..42]), None, "too few");
        assert_eq!(CorrelationId::of_beginning(&record), expected);
        record.extend([9; 100]);
        assert_eq!(CorrelationId::of_beginning(&record), expected);
        record[5] = 2;
        assert_eq!(CorrelationId::of_beginning(&record), None, "a ServerHello");
    }

    #[test]
    fn it_is_eight_digits() {
        // printf 'Phalanx correlation v1' | sha256sum
        assert_eq!(CorrelationId::of(&[]).to_string(), "32ad3686");
        assert_eq!(CorrelationId([0, 0, 0, 0x1a]).to_string(), "0000001a");
    }
}
