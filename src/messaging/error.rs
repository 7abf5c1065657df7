//! What can become of calls, streams and connections, told apart.

use std::io;

use crate::wire::messages::{Failure, Malformed, SUBJECT_LEN_MAX};
use crate::wire::refusal::Code;

/// Whether a call that failed can have reached a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// No handler has seen it nor will: it may be sent again without harm.
    NotSent,
    /// A handler may have seen it.
    Unknown,
}

/// Why a call has no reply, or a stream was not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The connection ended, or takes nothing new.
    #[error("the connection was closed: {code}")]
    Closed {
        /// Why.
        code: Code,
        /// Whether the call can have arrived.
        delivery: Delivery,
    },
    /// The handler failed, and says so.
    #[error("the handler failed: {message}")]
    HandlerFailed {
        /// Its words, of at most 1 KiB.
        message: String,
    },
    /// A subject has 1 to 255 bytes. Nothing was sent.
    #[error("a subject of {len} bytes; it has 1 to {SUBJECT_LEN_MAX}")]
    InvalidSubject {
        /// How many this one has.
        len: usize,
    },
    /// Nobody handles the subject there.
    #[error("no handler for the subject")]
    NoHandler,
    /// The node does not take it.
    #[error("refused: {code}")]
    Refused {
        /// Why.
        code: Code,
    },
    /// The handler's reply is longer than a message may be here.
    #[error("a reply of {len} bytes, above the maximum of {max}")]
    ReplyTooLarge {
        /// Its length, in bytes.
        len: usize,
        /// The longest message, in bytes.
        max: usize,
    },
    /// The time given to it ran out.
    #[error("timed out")]
    TimedOut {
        /// Whether the call can have arrived.
        delivery: Delivery,
    },
    /// The payload is longer than a message may be, here or there. Nothing was sent.
    #[error("a message of {len} bytes, above the maximum of {max}")]
    TooLarge {
        /// Its length, in bytes.
        len: usize,
        /// The longest message, in bytes.
        max: usize,
    },
}

impl CallError {
    /// Whether a handler can have seen the call.
    #[must_use]
    pub const fn delivery(&self) -> Delivery {
        match self {
            Self::Closed { delivery, .. } | Self::TimedOut { delivery } => *delivery,
            Self::HandlerFailed { .. } | Self::ReplyTooLarge { .. } => Delivery::Unknown,
            Self::InvalidSubject { .. }
            | Self::NoHandler
            | Self::Refused { .. }
            | Self::TooLarge { .. } => Delivery::NotSent,
        }
    }

    /// What the other end says; `None` for [`Failure::Cancelled`], which answers only those who have gone.
    pub(super) fn from_failure(failure: Failure) -> Option<Self> {
        Some(match failure {
            Failure::HandlerFailed(message) => Self::HandlerFailed { message },
            Failure::NoHandler => Self::NoHandler,
            Failure::Refused(code) => Self::Refused { code },
            Failure::ReplyTooLarge { len, max } => Self::ReplyTooLarge {
                len: len as usize,
                max: max as usize,
            },
            Failure::TimedOut => Self::TimedOut {
                delivery: Delivery::Unknown,
            },
            Failure::Cancelled => return None,
        })
    }
}

/// Why no more can be read from a stream, or written to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The connection ended before the stream did.
    #[error("the connection was closed: {0}")]
    Closed(Code),
    /// This end has finished writing, or has given the stream up.
    #[error("the stream is finished")]
    Finished,
    /// The other end has given up writing; what it sent last may be lost.
    #[error("the stream was reset by the other end ({0})")]
    Reset(u32),
    /// The other end reads no more.
    #[error("the other end has stopped reading ({0})")]
    Stopped(u32),
}

/// The peer broke the protocol. The connection ends with [`Code::ProtocolViolation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// More calls or streams are open than were allowed.
    #[error("more than the allowed number of {0}")]
    TooMany(&'static str),
    /// A message is longer than was allowed.
    #[error("a message of {len} bytes, above {max}")]
    TooLarge {
        /// Its length, in bytes.
        len: u32,
        /// The longest allowed, in bytes.
        max: u32,
    },
    /// Bytes were sent for which there was no credit.
    #[error("more bytes than there was credit for: {0}")]
    Credit(&'static str),
    /// A frame that has no place here.
    #[error("{0} out of place")]
    Unexpected(&'static str),
    /// A frame that is none.
    #[error("a frame that is none")]
    Malformed(#[from] Malformed),
    /// A compressed message that is none.
    #[error("a compressed message is not what was announced")]
    Unreadable,
}

/// How a connection of messages ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// This end closed it.
    Asked,
    /// Both ends had nothing more to do on it, after one of them wanted to drain it.
    Drained,
    /// The peer closed it, and said so.
    Farewell,
    /// It broke, or the peer fell silent.
    Lost,
    /// The peer broke the protocol.
    Violation(Violation),
}

/// The end of a connection of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The word for it.
    pub code: Code,
    /// How it came.
    pub cause: Cause,
}

impl From<Violation> for Ending {
    fn from(violation: Violation) -> Self {
        Self {
            code: Code::ProtocolViolation,
            cause: Cause::Violation(violation),
        }
    }
}

impl From<StreamError> for io::Error {
    fn from(error: StreamError) -> Self {
        let kind = match error {
            StreamError::Closed(_) => io::ErrorKind::ConnectionAborted,
            StreamError::Finished | StreamError::Stopped(_) => io::ErrorKind::BrokenPipe,
            StreamError::Reset(_) => io::ErrorKind::ConnectionReset,
        };
        Self::new(kind, error)
    }
}
