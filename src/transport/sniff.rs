//! TLS or plaintext? The first byte of an accepted connection decides, and the wrong kind gets one fixed answer.
//!
//! | node | first byte | answer |
//! |---|---|---|
//! | TLS | 0x16, a TLS handshake record | the handshake |
//! | TLS | [`FRAME_MAGIC`] | the frame `Refused(SecurityMismatch)`, then half-close and drain |
//! | plaintext | the first byte of [`FRAME_MAGIC`] | frames |
//! | plaintext | 0x16 | [`UNEXPECTED_MESSAGE`], then half-close and drain |
//! | either | anything else | none: closed and counted |
//!
//! No TLS 1.3 server answers a sound ClientHello with that alert, so a TLS dialer knows what it means (RFC 8446 §6.2).

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::drain;
use crate::wire::correlation::{BEGINNING_LEN, CorrelationId};
use crate::wire::frame::{FRAME_MAGIC, Frame};
use crate::wire::refusal::Code;

/// The content type of a TLS handshake record, the first byte of every TLS connection (RFC 8446 §5.1).
pub const TLS_HANDSHAKE: u8 = 0x16;
/// A plaintext TLS record with the fatal alert `unexpected_message` (10).
pub const UNEXPECTED_MESSAGE: [u8; 7] = [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x0A];

/// What a dialer speaks, by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// Perhaps our frames: the first byte of their magic.
    Frames,
    /// Nothing: it closed without a word.
    Nothing,
    /// Neither.
    Other,
    /// TLS.
    Tls,
}

/// Waits for the first byte and leaves it, and what has come with it, in the socket. From that the connection has its name, if it
/// is enough; nothing else is done with what lies behind the first byte.
///
/// # Errors
///
/// What the socket says.
pub async fn first_byte(stream: &TcpStream) -> io::Result<(Spoken, Option<CorrelationId>)> {
    let mut beginning = [0; BEGINNING_LEN];
    let len = stream.peek(&mut beginning).await?;
    let spoken = match (len, beginning[0]) {
        (0, _) => Spoken::Nothing,
        (_, TLS_HANDSHAKE) => Spoken::Tls,
        (_, first) if first == FRAME_MAGIC[0] => Spoken::Frames,
        (_, _) => Spoken::Other,
    };
    Ok((spoken, CorrelationId::of_beginning(&beginning[..len])))
}

/// A TLS node's answer to a dialer whose first byte could be a frame's: the refusal, if the second could be too. Says
/// what the dialer is to be counted as.
///
/// # Errors
///
/// What the socket says, if it ends before the second byte.
pub async fn refuse_plaintext(mut stream: TcpStream) -> io::Result<Code> {
    let mut magic = [0; FRAME_MAGIC.len()];
    stream.read_exact(&mut magic).await?;
    if magic != FRAME_MAGIC {
        return Ok(Code::ProtocolViolation);
    }
    let refused = Frame::Refused {
        code: Code::SecurityMismatch,
        after_ms: 0,
    };
    say_and_close(stream, &refused.encode()).await;
    Ok(Code::SecurityMismatch)
}

/// A plaintext node's answer to a ClientHello.
pub async fn refuse_tls(stream: TcpStream) {
    say_and_close(stream, &UNEXPECTED_MESSAGE).await;
}

/// A failed write means that the peer is gone: there is nobody left to tell.
async fn say_and_close(mut stream: TcpStream, last_words: &[u8]) {
    if stream.write_all(last_words).await.is_ok() && stream.shutdown().await.is_ok() {
        drain(stream).await;
    }
}
