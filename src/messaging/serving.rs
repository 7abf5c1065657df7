//! [`Serving`]: calls that the peer has begun.
//!
//! ```text
//! receiving ──last segment──> complete ──event──> offered ──answer──> replying ──last segment──> gone
//!                                                    │ release: its bytes no longer count
//! ```
//!
//! * Every call gets one last word: a reply, `Accepted` or `Failed`. Its place is taken until then, and its bytes count until
//!   a handler has taken them, so whatever a peer does, no more is held for it than the windows say.
//! * While a peer does not read its replies, its further calls are not offered.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::agenda::{Agenda, Timer, Turn};
use super::chunks::{Assembly, kept};
use super::compression::Message;
use super::error::Violation;
use super::event::{Called, Event, ServedId};
use super::outgoing::Outgoing;
use crate::time::Timestamp;
use crate::wire::messages::{
    Failure, Frame, RequestHead, ResponseHead, SEGMENT_LEN_MAX, Settings, WINDOW_LEN_MAX,
};

/// Bytes of replies that may wait to be sent before further calls have to wait to be offered.
pub(super) const REPLIES_WAITING_MAX: usize = 8 << 20;

#[derive(Debug)]
pub(super) struct Serving {
    calls: BTreeMap<u64, Served>,
    complete: BTreeSet<u64>,
    replies: BTreeSet<u64>,
    last: u64,
    /// How many of the peer's places are taken.
    unanswered: u32,
    /// What the peer may still send.
    requests_left: u32,
    /// What we may still send.
    window: u32,
    /// Bytes of replies that wait to be sent.
    backlog: usize,
}

#[derive(Debug)]
struct Served {
    head: RequestHead,
    deadline: Timestamp,
    stage: Stage,
    /// What still counts against the peer.
    charged: u32,
    /// Nobody waits for it, and this will be said once the handler has let go.
    gone: Option<Failure>,
}

#[derive(Debug)]
enum Stage {
    Receiving(Assembly),
    Complete(Bytes),
    Offered,
    /// A one-way call that was taken; its bytes are not released yet.
    Accepted,
    ReplyWaiting(Message),
    Replying {
        message: Message,
        sent: Option<usize>,
    },
}

impl Serving {
    pub(super) fn new(requests_window: u32) -> Self {
        Self {
            calls: BTreeMap::new(),
            complete: BTreeSet::new(),
            replies: BTreeSet::new(),
            last: 0,
            unanswered: 0,
            requests_left: requests_window,
            window: 0,
            backlog: 0,
        }
    }

    pub(super) fn settle(&mut self, peer: &Settings) {
        self.window = peer.replies_window;
    }

    /// The peer calls. `ours` is what it was told.
    pub(super) fn handle_request(
        &mut self,
        now: Timestamp,
        id: u64,
        (head, segment): (RequestHead, Bytes),
        ours: &Settings,
        agenda: &mut Agenda,
    ) -> Result<(), Violation> {
        if id <= self.last {
            return Err(Violation::Unexpected("Request"));
        }
        if head.len > ours.message_len_max {
            return Err(Violation::TooLarge {
                len: head.len,
                max: ours.message_len_max,
            });
        }
        if self.unanswered >= ours.calls_max {
            return Err(Violation::TooMany("calls"));
        }
        self.requests_left = self
            .requests_left
            .checked_sub(head.len)
            .ok_or(Violation::Credit("requests"))?;
        self.last = id;
        self.unanswered += 1;
        let deadline = now + std::time::Duration::from_millis(head.remaining_ms.into());
        agenda.timers.insert((deadline, Timer::Served(id)));
        let stage = if segment.len() == head.wire_len as usize {
            self.complete.insert(id);
            Stage::Complete(kept(segment))
        } else {
            Stage::Receiving(Assembly::new(&segment))
        };
        let head = RequestHead {
            subject: Bytes::copy_from_slice(&head.subject),
            ..head
        };
        let call = Served {
            deadline,
            stage,
            charged: head.len,
            gone: None,
            head,
        };
        self.calls.insert(id, call);
        Ok(())
    }

    /// More of a request. It may be for one that is over already.
    pub(super) fn handle_request_more(&mut self, id: u64, segment: &[u8]) -> Result<(), Violation> {
        const UNEXPECTED: Violation = Violation::Unexpected("RequestMore");
        if id > self.last {
            return Err(UNEXPECTED);
        }
        let Some(call) = self.calls.get_mut(&id) else {
            return Ok(());
        };
        let Stage::Receiving(assembly) = &mut call.stage else {
            return Err(UNEXPECTED);
        };
        assembly.push(segment);
        match assembly.len().cmp(&(call.head.wire_len as usize)) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => {
                call.stage = Stage::Complete(std::mem::take(assembly).finish());
                self.complete.insert(id);
            }
            std::cmp::Ordering::Greater => return Err(UNEXPECTED),
        }
        Ok(())
    }

    /// The caller has gone.
    pub(super) fn handle_cancel(&mut self, id: u64, agenda: &mut Agenda) -> Result<(), Violation> {
        if id > self.last {
            return Err(Violation::Unexpected("Cancel"));
        }
        self.abandon(id, Failure::Cancelled, agenda);
        Ok(())
    }

    pub(super) fn time_out(&mut self, id: u64, agenda: &mut Agenda) {
        self.abandon(id, Failure::TimedOut, agenda);
    }

    /// Whether there is a call to be handled.
    pub(super) fn has_called(&self) -> bool {
        self.backlog <= REPLIES_WAITING_MAX && !self.complete.is_empty()
    }

    /// The next call to be handled, unless too many replies wait.
    pub(super) fn poll_called(&mut self) -> Option<Called> {
        if self.backlog > REPLIES_WAITING_MAX {
            return None;
        }
        while let Some(id) = self.complete.pop_first() {
            let Some(call) = self.calls.get_mut(&id) else {
                continue;
            };
            if let Stage::Complete(bytes) = &mut call.stage {
                let bytes = std::mem::take(bytes);
                call.stage = Stage::Offered;
                return Some(call.called(id, bytes));
            }
        }
        None
    }

    /// A handler has taken the bytes of the call.
    pub(super) fn release(&mut self, id: u64, agenda: &mut Agenda) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        agenda.credit.requests += std::mem::take(&mut call.charged);
        if matches!(call.stage, Stage::Accepted) {
            self.calls.remove(&id);
        }
    }

    /// A handler has taken a one-way call; `false` if nobody waits for that any more.
    pub(super) fn accept(&mut self, id: u64, agenda: &mut Agenda) -> bool {
        let Some(call) = self.calls.get_mut(&id) else {
            return false;
        };
        if call.head.wants_reply || call.gone.is_some() || !matches!(call.stage, Stage::Offered) {
            return false;
        }
        agenda.timers.remove(&(call.deadline, Timer::Served(id)));
        agenda.tell(id, Frame::Accepted);
        call.stage = Stage::Accepted;
        if call.charged == 0 {
            self.calls.remove(&id);
        }
        true
    }

    /// An `Accepted` or `Failed` has gone out: a place is free. Not before, or a peer that reads nothing could have as many
    /// of them wait as it likes.
    pub(super) fn told(&mut self) {
        self.unanswered -= 1;
    }

    /// The last word of a call that was offered. Releases it too.
    pub(super) fn answer(
        &mut self,
        id: u64,
        result: Result<Message, Failure>,
        peer: &Settings,
        agenda: &mut Agenda,
    ) {
        self.release(id, agenda);
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if !matches!(call.stage, Stage::Offered) {
            return;
        }
        agenda.timers.remove(&(call.deadline, Timer::Served(id)));
        let result = call.gone.take().map_or(result, Err);
        match result {
            Ok(_) if !call.head.wants_reply => {
                self.accept(id, agenda);
            }
            Ok(message) if message.len > peer.message_len_max => {
                let failure = Failure::ReplyTooLarge {
                    len: message.len,
                    max: peer.message_len_max,
                };
                self.fail(id, failure, agenda);
            }
            Ok(message) => {
                self.backlog += message.wire_len();
                call.stage = Stage::ReplyWaiting(message);
                self.replies.insert(id);
                self.begin_replies(agenda);
            }
            Err(failure) => self.fail(id, failure, agenda),
        }
    }

    /// The peer takes so many bytes of replies more.
    pub(super) fn handle_credit(
        &mut self,
        more: u32,
        agenda: &mut Agenda,
    ) -> Result<(), Violation> {
        let window = self.window.checked_add(more);
        self.window = window
            .filter(|window| *window <= WINDOW_LEN_MAX)
            .ok_or(Violation::Credit("replies"))?;
        self.begin_replies(agenda);
        Ok(())
    }

    /// Sends one segment.
    pub(super) fn take_turn(&mut self, id: u64, out: &mut Outgoing, agenda: &mut Agenda) {
        let Some(Served {
            stage: Stage::Replying { message, sent },
            ..
        }) = self.calls.get_mut(&id)
        else {
            return;
        };
        let start = sent.unwrap_or(0);
        let end = message.wire_len().min(start + SEGMENT_LEN_MAX);
        let segment = message.bytes.slice(start..end);
        let frame = match sent {
            None => Frame::Response(
                ResponseHead {
                    encoding: message.encoding,
                    len: message.len,
                    wire_len: u32::try_from(message.wire_len()).expect("judged in `answer`"),
                },
                segment,
            ),
            Some(_) => Frame::ResponseMore(segment),
        };
        out.push_frame(id, &frame);
        self.backlog -= end - start;
        if end == message.wire_len() {
            self.calls.remove(&id);
            self.unanswered -= 1;
        } else {
            *sent = Some(end);
            agenda.turns.push_back(Turn::Reply(id));
        }
    }

    /// Ends all calls with the connection.
    pub(super) fn end(&mut self, agenda: &mut Agenda) {
        for (id, call) in std::mem::take(&mut self.calls) {
            if matches!(call.stage, Stage::Offered) && call.gone.is_none() {
                agenda.events.push_back(Event::CallerGone(ServedId(id)));
            }
        }
        self.complete.clear();
        self.replies.clear();
        self.backlog = 0;
    }

    /// Returns to the peer's window what has been given back to it.
    pub(super) fn give_back_requests(&mut self, more: u32) {
        self.requests_left += more;
    }

    /// Whether an offered call still has somebody waiting for it, or is taken.
    pub(super) fn is_wanted(&self, id: u64) -> bool {
        self.calls.get(&id).is_some_and(|call| call.gone.is_none())
    }

    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// The memory that requests and replies take.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        let held = |call: &Served| match &call.stage {
            Stage::Receiving(assembly) => assembly.held(),
            Stage::Complete(bytes) => bytes.len(),
            Stage::Offered | Stage::Accepted => 0,
            Stage::ReplyWaiting(message) | Stage::Replying { message, .. } => message.wire_len(),
        };
        let entries = self.calls.len() + self.complete.len() + self.replies.len();
        let bytes: usize = self.calls.values().map(held).sum();
        bytes + entries * size_of::<Served>()
    }

    fn abandon(&mut self, id: u64, failure: Failure, agenda: &mut Agenda) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        match &call.stage {
            Stage::Receiving(_) | Stage::Complete(_) => self.fail(id, failure, agenda),
            Stage::Offered => {
                agenda.timers.remove(&(call.deadline, Timer::Served(id)));
                if call.gone.is_none() {
                    call.gone = Some(failure);
                    agenda.events.push_back(Event::CallerGone(ServedId(id)));
                }
            }
            Stage::ReplyWaiting(message) => {
                self.backlog -= message.wire_len();
                self.fail(id, failure, agenda);
            }
            Stage::Accepted | Stage::Replying { .. } => {}
        }
    }

    fn fail(&mut self, id: u64, failure: Failure, agenda: &mut Agenda) {
        let Some(call) = self.calls.remove(&id) else {
            return;
        };
        agenda.timers.remove(&(call.deadline, Timer::Served(id)));
        agenda.credit.requests += call.charged;
        agenda.tell(id, Frame::Failed(failure));
        self.complete.remove(&id);
        self.replies.remove(&id);
    }

    fn begin_replies(&mut self, agenda: &mut Agenda) {
        while let Some(id) = self.replies.first().copied() {
            if let Some(call) = self.calls.get_mut(&id)
                && let Stage::ReplyWaiting(message) = &mut call.stage
            {
                if message.len > self.window {
                    return;
                }
                self.window -= message.len;
                call.stage = Stage::Replying {
                    message: std::mem::take(message),
                    sent: None,
                };
                agenda.turns.push_back(Turn::Reply(id));
            }
            self.replies.remove(&id);
        }
    }
}

impl Served {
    fn called(&self, id: u64, bytes: Bytes) -> Called {
        Called {
            id: ServedId(id),
            subject: String::from_utf8_lossy(&self.head.subject).into_owned(),
            wants_reply: self.head.wants_reply,
            deadline: self.deadline,
            message: Message {
                encoding: self.head.encoding,
                len: self.head.len,
                bytes,
            },
        }
    }
}
