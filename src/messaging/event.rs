//! [`Event`]: what a session tells the program that drives it, and the names of calls and streams in it.

use super::compression::Message;
use super::error::CallError;
use crate::time::Timestamp;

macro_rules! ids {
    ($( $(#[doc = $doc:literal])+ $name:ident, )+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct $name(pub(super) u64);

            impl $name {
                /// The number on the wire.
                #[must_use]
                pub const fn number(self) -> u64 {
                    self.0
                }
            }
        )+
    };
}

ids! {
    /// A call that this end has begun.
    CallId,
    /// A call that the peer has begun.
    ServedId,
    /// A stream, whoever opened it.
    StreamId,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A call of this end has ended, by its reply, by having been taken (a one-way call: an empty message), or by an error.
    /// Said once for every call that was begun and not cancelled.
    Answered {
        /// Which.
        id: CallId,
        /// Its end.
        result: Result<Message, CallError>,
    },
    /// The peer calls. It waits for [`super::Session::answer`]; its bytes count against the peer until
    /// [`super::Session::release`].
    Called(Called),
    /// Nobody waits for this call any more: cancelled, timed out, or the connection has ended. It still wants its answer,
    /// which goes nowhere, so that its place is free again.
    CallerGone(ServedId),
    /// A stream that was closed for reading has bytes, its end, or an error.
    Readable(StreamId),
    /// The peer's settings are here: what it understands is known.
    Settled,
    /// A stream opened by this end was taken, or not. Said once.
    StreamAnswered {
        /// Which.
        id: StreamId,
        /// What became of it; after an error it is forgotten.
        result: Result<(), CallError>,
    },
    /// The peer opens a stream. It waits for [`super::Session::accept_stream`] or [`super::Session::reject_stream`].
    StreamOffered {
        /// Which.
        id: StreamId,
        /// Whom it is for.
        subject: String,
    },
    /// A stream that took no more bytes takes some, or none for ever.
    Writable(StreamId),
}

/// A call of the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// Which.
    pub id: ServedId,
    /// Whom it is for.
    pub subject: String,
    /// Whether an answer is wanted, or only that a handler has taken it.
    pub wants_reply: bool,
    /// Until when the caller waits.
    pub deadline: Timestamp,
    /// What it says.
    pub message: Message,
}
