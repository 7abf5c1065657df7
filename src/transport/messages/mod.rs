//! A connection of messages: [`messaging::Session`](crate::messaging::Session) on a real one, driven by one task.
//!
//! | module | owns |
//! |---|---|
//! | `call` | a call of the peer on its way to a handler, and its answer on the way back |
//! | `channel` | the handle: calls and streams begun by this end |
//! | `shared` | what handles and task share, behind one lock |
//! | `stream` | a byte stream's two halves |
//! | `task` | reading, writing, flushing; who is woken |
//!
//! ```text
//! Channel, ByteStream, Responder ──command──> lock { Session } ──poll_transmit──> one write, one flush
//!         oneshot, wakers, Inbox <──events─── lock { Session } <──handle_bytes─── one read buffer
//! ```
//!
//! A command is one short section under the lock and one wake of the task, an answer one oneshot. There is no task per
//! message. Nothing that belongs to others runs under the lock: neither [`Inbox`] nor a waker.

mod call;
mod channel;
mod shared;
mod stream;
mod task;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub use call::{IncomingCall, Responder};
pub use channel::Channel;
pub use stream::{ByteStream, IncomingStream, StreamReader, StreamWriter};

use super::door::Stream;
pub use crate::messaging::{CallError, Compression, Delivery, SessionOptions, StreamError};
use crate::messaging::{Cause, Ending};
use crate::wire::hello::Side;
pub use crate::wire::messages::Failure;
use shared::Shared;
use task::Task;

/// A connection whose ends are proven, as it was handed over.
pub struct Opened {
    /// Its bytes.
    pub io: Stream,
    /// What was read beyond the handshake.
    pub early: Vec<u8>,
    /// What is written before anything else.
    pub first: Vec<u8>,
    /// Which end this is.
    pub side: Side,
}

/// Where goes what the peer begins. It is called on the connection's task and must not block; what it is given may be kept,
/// and takes up the peer's places and windows until it is dealt with.
pub trait Inbox: Send + Sync {
    /// The peer calls.
    fn call(&self, call: IncomingCall);

    /// The peer opens a stream.
    fn stream(&self, stream: IncomingStream);
}

/// How a connection of messages ended.
#[derive(Debug)]
pub struct Closed {
    /// The word for it, and how it came.
    pub ending: Ending,
    /// What the socket said, if it did.
    pub source: Option<io::Error>,
}

impl Closed {
    /// Whether it broke, or the peer fell silent, without a farewell of either side.
    #[must_use]
    pub const fn is_loss(&self) -> bool {
        matches!(self.ending.cause, Cause::Lost)
    }
}

/// What a connection is used for.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Calls that are not over, of both ends.
    pub calls: usize,
    /// Streams that are not over, of both ends.
    pub streams: usize,
    /// Since when there has been neither; `None` while there is one.
    pub idle_since: Option<Instant>,
    /// Bytes received so far.
    pub bytes_in: u64,
    /// Bytes sent so far.
    pub bytes_out: u64,
    /// The last round trip measured: at the start, and after silence.
    pub rtt: Option<Duration>,
}

/// Makes a connection of messages of one that was handed over: a handle, and the task that runs it, which ends when it does.
/// Dropping the task breaks the connection; dropping handles does not.
pub fn open(
    opened: Opened,
    options: SessionOptions,
    inbox: Arc<dyn Inbox>,
) -> (Channel, impl Future<Output = Closed> + Send + 'static) {
    let shared = Arc::new(Shared::new(opened.side, options));
    let channel = Channel::new(Arc::clone(&shared));
    (channel, Task::new(opened, shared, inbox).run())
}

#[cfg(test)]
mod tests;
