//! [`Channel`]: calls and streams begun by this end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::timeout_at;

use super::shared::Shared;
use super::stream::ByteStream;
use super::{CallError, Delivery, Usage};
use crate::messaging::{CallId, Message, NewCall, StreamId, Violation};
use crate::time::Timestamp;
use crate::wire::refusal::Code;

/// The handle of a connection of messages. Clones are the same connection, which lives on without them.
#[derive(Clone)]
pub struct Channel {
    shared: Arc<Shared>,
}

impl Channel {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Calls, and waits for the reply, for `timeout` at most. Where the peer has no room it waits for that too, without
    /// anything being sent. Dropping the future gives the call up, and tells the peer.
    ///
    /// # Errors
    ///
    /// [`CallError`], which also says whether a handler can have seen the call.
    pub async fn request(
        &self,
        subject: &str,
        payload: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, CallError> {
        self.call(subject, payload, timeout, true).await
    }

    /// Calls, and waits until a handler's queue has taken it, for `timeout` at most.
    ///
    /// # Errors
    ///
    /// [`CallError`], which also says whether a handler can have seen the call.
    pub async fn send(
        &self,
        subject: &str,
        payload: Bytes,
        timeout: Duration,
    ) -> Result<(), CallError> {
        self.call(subject, payload, timeout, false).await.map(drop)
    }

    /// Opens a stream, and waits until a handler has taken it, for `timeout` at most.
    ///
    /// # Errors
    ///
    /// [`CallError`], which also says whether a handler can have seen the stream.
    pub async fn open_stream(
        &self,
        subject: &str,
        timeout: Duration,
    ) -> Result<ByteStream, CallError> {
        let (opener, answer) = oneshot::channel();
        let id = self.shared.with(|state, now| {
            let id = state.session.open_stream(now, subject, now + timeout)?;
            state.openings.insert(id, opener);
            Ok(id)
        })?;
        let stream = Opening {
            shared: &self.shared,
            id,
        };
        answer.await.unwrap_or(Err(BROKEN))?;
        // Only references: nothing leaks.
        std::mem::forget(stream);
        Ok(ByteStream::new(Arc::clone(&self.shared), id))
    }

    /// Begins nothing more here, and has the peer begin nothing more. Once what is under way has ended, the connection does.
    pub fn drain(&self) {
        self.shared.with(|state, now| state.session.drain(now));
    }

    /// Closes the connection now, in good order.
    pub fn close(&self) {
        self.close_with(Code::ConnectionClosed);
    }

    /// Closes the connection now; the peer is told the code.
    pub fn close_with(&self, code: Code) {
        self.shared
            .with(|state, now| state.session.close(now, code));
    }

    /// Whether calls and streams may be begun.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.shared.lock().session.is_open()
    }

    /// What it is used for.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let state = self.shared.lock();
        let idle_since = state.session.idle_since();
        Usage {
            calls: state.session.calls(),
            streams: state.session.streams(),
            idle_since: idle_since.map(|at| self.shared.instant(at)),
            bytes_in: state.bytes_in,
            bytes_out: state.bytes_out,
            rtt: state.session.rtt(),
        }
    }

    async fn call(
        &self,
        subject: &str,
        payload: Bytes,
        timeout: Duration,
        wants_reply: bool,
    ) -> Result<Bytes, CallError> {
        let deadline = self.shared.now() + timeout;
        let message = self.pack(payload, deadline).await?;
        let (caller, answer) = oneshot::channel();
        let id = self.shared.with(|state, now| {
            let call = NewCall {
                subject,
                message,
                wants_reply,
                deadline,
            };
            let id = state.session.call(now, call)?;
            state.calls.insert(id, caller);
            Ok(id)
        })?;
        let pending = Pending {
            shared: &self.shared,
            id,
        };
        let result = answer.await.unwrap_or(Err(BROKEN));
        std::mem::forget(pending);
        self.unpack(result?)
    }

    async fn pack(&self, payload: Bytes, deadline: Timestamp) -> Result<Message, CallError> {
        if !self.shared.may_compress(&payload) {
            return Ok(Message::plain(payload));
        }
        let deadline = self.shared.instant(deadline);
        let packed = timeout_at(deadline, self.shared.pack(payload)).await;
        packed.map_err(|_| CallError::TimedOut {
            delivery: Delivery::NotSent,
        })
    }

    /// A reply that cannot be decompressed is the peer's fault, and ends the connection.
    fn unpack(&self, message: Message) -> Result<Bytes, CallError> {
        message.decode().map_err(|_| {
            self.shared
                .with(|state, now| state.session.close_for(now, Violation::Unreadable));
            CallError::Closed {
                code: Code::ProtocolViolation,
                delivery: Delivery::Unknown,
            }
        })
    }
}

/// A call that is waited for; dropped if it is not any more.
struct Pending<'a> {
    shared: &'a Shared,
    id: CallId,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        let _caller = self.shared.with(|state, now| {
            state.session.cancel(now, self.id);
            state.calls.remove(&self.id)
        });
    }
}

/// A stream whose opening is waited for; dropped if it is not any more.
struct Opening<'a> {
    shared: &'a Shared,
    id: StreamId,
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        let _opener = self.shared.with(|state, now| {
            state.session.drop_stream(now, self.id);
            state.openings.remove(&self.id)
        });
    }
}

/// The task is gone, and has told nobody: it was dropped while it ran.
const BROKEN: CallError = CallError::Closed {
    code: Code::Unreachable,
    delivery: Delivery::Unknown,
};
