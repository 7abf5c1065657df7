//! [`IncomingCall`]: a call of the peer on its way to a handler; [`Responder`]: its answer on the way back.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use tokio::time::Instant;

use super::Failure;
use super::shared::Shared;
use crate::messaging::{Called, Message, ServedId, Violation};

/// A call of the peer that no handler has begun with. Its bytes take up the peer's window until then. Dropped, it fails as
/// one whose handler gave no answer.
pub struct IncomingCall {
    place: Place,
    subject: String,
    message: Message,
    wants_reply: bool,
    deadline: Instant,
    is_accepted: bool,
}

/// What a call of the peer wants in the end. Dropped unanswered, the call fails as one whose handler gave no answer.
pub struct Responder {
    place: Place,
    wants_reply: bool,
}

/// The place of a call in the session, until its last word.
struct Place {
    shared: Arc<Shared>,
    id: ServedId,
    is_free: bool,
}

impl IncomingCall {
    pub(super) fn new(shared: Arc<Shared>, called: Called) -> Self {
        let deadline = shared.instant(called.deadline);
        Self {
            place: Place {
                shared,
                id: called.id,
                is_free: false,
            },
            subject: called.subject,
            message: called.message,
            wants_reply: called.wants_reply,
            deadline,
            is_accepted: false,
        }
    }

    /// Whom it is for.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The payload's length, in bytes.
    #[must_use]
    pub const fn payload_len(&self) -> usize {
        self.message.len()
    }

    /// Whether an answer is wanted, or only that a handler has taken it.
    #[must_use]
    pub const fn wants_reply(&self) -> bool {
        self.wants_reply
    }

    /// Until when the caller waits.
    #[must_use]
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether anybody still waits for it. A one-way call that was accepted is wanted for ever.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.is_accepted || self.place.is_wanted()
    }

    /// A one-way call has its place in a handler's queue and will be handled, whatever becomes of the connection: its
    /// caller is told so. `false` if nobody waits for that any more; drop it then. Of other calls it says nothing.
    pub fn accept(&mut self) -> bool {
        if !self.wants_reply && !self.is_accepted {
            let id = self.place.id;
            let accept = |state: &mut super::shared::State, now| state.session.accept(now, id);
            self.is_accepted = self.place.shared.with(accept);
            return self.is_accepted;
        }
        self.is_wanted()
    }

    /// Begins with it: what it says, and who is to have the answer. `None` if nobody waits any more, or if it cannot be
    /// decompressed, which ends the connection. A one-way call is accepted by that.
    #[must_use]
    pub fn begin(mut self) -> Option<(Bytes, Responder)> {
        if !self.accept() {
            return None;
        }
        let id = self.place.id;
        let release = |state: &mut super::shared::State, now| state.session.release(now, id);
        self.place.shared.with(release);
        match std::mem::take(&mut self.message).decode() {
            Ok(payload) => {
                let responder = Responder {
                    place: self.place,
                    wants_reply: self.wants_reply,
                };
                Some((payload, responder))
            }
            Err(_) => {
                let shared = &self.place.shared;
                shared.with(|state, now| state.session.close_for(now, Violation::Unreadable));
                None
            }
        }
    }

    /// Does not handle it, for this reason.
    pub fn refuse(mut self, failure: Failure) {
        self.place.answer(Err(failure));
    }
}

impl Responder {
    /// Answers. Compresses where that was agreed. A one-way call needs no answer, and gets none.
    pub fn reply(mut self, result: Result<Bytes, Failure>) {
        let result = match result {
            Ok(payload) if self.wants_reply => Ok(self.place.shared.pack_now(payload)),
            Ok(_) => Ok(Message::default()),
            Err(failure) => Err(failure),
        };
        self.place.answer(result);
    }

    /// Whether an answer is wanted.
    #[must_use]
    pub const fn wants_reply(&self) -> bool {
        self.wants_reply
    }

    /// Waits until nobody waits for the answer any more: cancelled, timed out, or the connection has ended. For a one-way
    /// call it waits for ever, since it was taken.
    pub async fn cancelled(&self) {
        poll_fn(|cx| {
            if !self.wants_reply {
                return Poll::Pending;
            }
            let id = self.place.id;
            let mut state = self.place.shared.lock();
            if !state.session.is_wanted(id) {
                return Poll::Ready(());
            }
            let former = state.responders.insert(id, cx.waker().clone());
            drop(state);
            drop(former);
            Poll::Pending
        })
        .await;
    }
}

impl Place {
    fn is_wanted(&self) -> bool {
        self.shared.lock().session.is_wanted(self.id)
    }

    fn answer(&mut self, result: Result<Message, Failure>) {
        self.is_free = true;
        let _former = self.shared.with(|state, now| {
            state.session.answer(now, self.id, result);
            state.responders.remove(&self.id)
        });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_free {
            let text = "the handler gave no answer".to_owned();
            self.answer(Err(Failure::HandlerFailed(text)));
        }
    }
}
