//! [`MessageError`]: why a message or a stream did not get through, and whether it can have.

use crate::messaging::{CallError, Delivery};
use crate::wire::messages::SUBJECT_LEN_MAX;
use crate::wire::refusal::Code;

/// Why a request has no reply, a message was not taken, or a stream was not opened. [`MessageError::delivery`] says whether a
/// handler can have seen it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The connection ended meanwhile: the member has died or left, was lost, or broke the protocol.
    #[error("the connection was closed: {code}")]
    Closed {
        /// Why.
        code: Code,
        /// Whether a handler can have seen it.
        delivery: Delivery,
    },
    /// The handler failed or panicked.
    #[error("the handler failed: {message}")]
    HandlerFailed {
        /// Its words, of at most 1 KiB.
        message: String,
    },
    /// A subject has 1 to 255 bytes.
    #[error("a subject of {len} bytes; it has 1 to {SUBJECT_LEN_MAX}")]
    InvalidSubject {
        /// How many this one has.
        len: usize,
    },
    /// Nobody handles the subject there.
    #[error("no handler for the subject")]
    NoHandler,
    /// This node has ended, or is about to.
    #[error("the node has stopped")]
    NodeStopped {
        /// Whether a handler can have seen it.
        delivery: Delivery,
    },
    /// No live member has this id.
    #[error("no live member has this id")]
    NotAMember,
    /// The member does not take it, or this node has too much waiting for that member: [`Code::Busy`].
    #[error("refused: {code}")]
    Refused {
        /// Why.
        code: Code,
    },
    /// The handler's reply is longer than a message may be.
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
        /// Whether a handler can have seen it.
        delivery: Delivery,
    },
    /// It is longer than a message may be, here or there.
    #[error("a message of {len} bytes, above the maximum of {max}")]
    TooLarge {
        /// Its length, in bytes.
        len: usize,
        /// The longest message, in bytes.
        max: usize,
    },
    /// The member does not answer at its address.
    #[error("the member cannot be reached: {code}")]
    Unreachable {
        /// How that showed.
        code: Code,
    },
}

impl MessageError {
    /// Every [`Self::name`], in order of the alphabet.
    pub const NAMES: [&'static str; 11] = [
        "Closed",
        "HandlerFailed",
        "InvalidSubject",
        "NoHandler",
        "NodeStopped",
        "NotAMember",
        "Refused",
        "ReplyTooLarge",
        "TimedOut",
        "TooLarge",
        "Unreachable",
    ];

    /// The word for it in metrics and logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Closed { .. } => "Closed",
            Self::HandlerFailed { .. } => "HandlerFailed",
            Self::InvalidSubject { .. } => "InvalidSubject",
            Self::NoHandler => "NoHandler",
            Self::NodeStopped { .. } => "NodeStopped",
            Self::NotAMember => "NotAMember",
            Self::Refused { .. } => "Refused",
            Self::ReplyTooLarge { .. } => "ReplyTooLarge",
            Self::TimedOut { .. } => "TimedOut",
            Self::TooLarge { .. } => "TooLarge",
            Self::Unreachable { .. } => "Unreachable",
        }
    }

    /// Whether a handler can have seen it. What was not sent may be sent again without harm.
    #[must_use]
    pub const fn delivery(&self) -> Delivery {
        match self {
            Self::Closed { delivery, .. }
            | Self::NodeStopped { delivery }
            | Self::TimedOut { delivery } => *delivery,
            Self::HandlerFailed { .. } | Self::ReplyTooLarge { .. } => Delivery::Unknown,
            Self::InvalidSubject { .. }
            | Self::NoHandler
            | Self::NotAMember
            | Self::Refused { .. }
            | Self::TooLarge { .. }
            | Self::Unreachable { .. } => Delivery::NotSent,
        }
    }
}

impl From<CallError> for MessageError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Closed { code, delivery } => Self::Closed { code, delivery },
            CallError::HandlerFailed { message } => Self::HandlerFailed { message },
            CallError::InvalidSubject { len } => Self::InvalidSubject { len },
            CallError::NoHandler => Self::NoHandler,
            CallError::Refused { code } => Self::Refused { code },
            CallError::ReplyTooLarge { len, max } => Self::ReplyTooLarge { len, max },
            CallError::TimedOut { delivery } => Self::TimedOut { delivery },
            CallError::TooLarge { len, max } => Self::TooLarge { len, max },
        }
    }
}
