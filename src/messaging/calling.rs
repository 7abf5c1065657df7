//! [`Calling`]: calls that this end has begun.
//!
//! ```text
//! waiting ──slot, credit──> sending ──last segment──> sent ──Response, Accepted, Failed──> answered
//!    └──────────────── cancelled or timed out: Cancel, and its place stays taken until the answer ──┘
//! ```
//!
//! A call takes one of the peer's places and its whole length of the peer's window before its first byte goes out, first come,
//! first served; so whatever is begun can be finished. Until its last segment is out it was not sent: the peer hands over
//! whole messages only.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::agenda::{Agenda, Timer, Turn};
use super::chunks::{Assembly, kept};
use super::compression::Message;
use super::error::{CallError, Delivery, Violation};
use super::event::{CallId, Event};
use super::outgoing::Outgoing;
use crate::time::Timestamp;
use crate::wire::messages::{
    Failure, Frame, RequestHead, ResponseHead, SEGMENT_LEN_MAX, Settings, WINDOW_LEN_MAX,
};
use crate::wire::refusal::Code;

#[derive(Debug)]
pub(super) struct Calling {
    calls: BTreeMap<u64, Call>,
    waiting: BTreeSet<u64>,
    next: u64,
    begun: u32,
    window: u32,
    replies_left: u32,
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) subject: Bytes,
    pub(super) message: Message,
    pub(super) wants_reply: bool,
    pub(super) deadline: Timestamp,
    pub(super) phase: Phase,
    pub(super) is_abandoned: bool,
    pub(super) reply: Option<(ResponseHead, Assembly)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Waiting,
    /// So many bytes of it, and its head, are out; `None` before its head.
    Sending(Option<usize>),
    Sent,
}

impl Calling {
    pub(super) fn new(first: u64, replies_window: u32) -> Self {
        Self {
            calls: BTreeMap::new(),
            waiting: BTreeSet::new(),
            next: first,
            begun: 0,
            window: 0,
            replies_left: replies_window,
        }
    }

    pub(super) fn settle(&mut self, peer: &Settings) {
        self.window = peer.requests_window;
    }

    pub(super) fn add(&mut self, call: Call, agenda: &mut Agenda) -> CallId {
        let id = self.next;
        self.next += 2;
        agenda.timers.insert((call.deadline, Timer::Call(id)));
        self.calls.insert(id, call);
        self.waiting.insert(id);
        CallId(id)
    }

    /// Begins what the peer has room for.
    pub(super) fn begin_waiting(&mut self, peer: &Settings, agenda: &mut Agenda) {
        while let Some(id) = self.waiting.first().copied() {
            if let Some(call) = self.calls.get_mut(&id) {
                if call.message.len > peer.message_len_max {
                    let error = CallError::TooLarge {
                        len: call.message.len(),
                        max: peer.message_len_max as usize,
                    };
                    self.conclude(id, Err(error), agenda);
                } else if self.begun < peer.calls_max && call.message.len <= self.window {
                    self.begun += 1;
                    self.window -= call.message.len;
                    call.phase = Phase::Sending(None);
                    agenda.turns.push_back(Turn::Request(id));
                } else {
                    return;
                }
            }
            self.waiting.remove(&id);
        }
    }

    /// The peer takes so many bytes of requests more.
    pub(super) fn handle_credit(&mut self, more: u32) -> Result<(), Violation> {
        let window = self.window.checked_add(more);
        self.window = window
            .filter(|window| *window <= WINDOW_LEN_MAX)
            .ok_or(Violation::Credit("requests"))?;
        Ok(())
    }

    /// Sends one segment.
    pub(super) fn take_turn(
        &mut self,
        now: Timestamp,
        id: u64,
        out: &mut Outgoing,
        agenda: &mut Agenda,
    ) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Phase::Sending(progress) = call.phase else {
            return;
        };
        if call.is_abandoned {
            return;
        }
        let sent = progress.unwrap_or(0);
        let end = call.message.wire_len().min(sent + SEGMENT_LEN_MAX);
        let segment = call.message.bytes.slice(sent..end);
        let frame = match progress {
            None => Frame::Request(call.head(now), segment),
            Some(_) => Frame::RequestMore(segment),
        };
        out.push_frame(id, &frame);
        if end == call.message.wire_len() {
            call.phase = Phase::Sent;
            call.message.bytes = Bytes::new();
        } else {
            call.phase = Phase::Sending(Some(end));
            agenda.turns.push_back(Turn::Request(id));
        }
    }

    /// The caller has gone.
    pub(super) fn cancel(&mut self, id: u64, agenda: &mut Agenda) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if call.is_abandoned {
            return;
        }
        agenda.timers.remove(&(call.deadline, Timer::Call(id)));
        match call.phase {
            Phase::Waiting => {
                self.waiting.remove(&id);
                self.calls.remove(&id);
            }
            Phase::Sending(None) => {
                self.window += call.message.len;
                self.begun -= 1;
                self.calls.remove(&id);
                agenda.turns.retain(|turn| *turn != Turn::Request(id));
            }
            Phase::Sending(Some(_)) | Phase::Sent => {
                call.is_abandoned = true;
                call.message.bytes = Bytes::new();
                agenda.tell(id, Frame::Cancel);
            }
        }
    }

    pub(super) fn time_out(&mut self, id: u64, agenda: &mut Agenda) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let error = CallError::TimedOut {
            delivery: call.delivery(),
        };
        self.cancel(id, agenda);
        agenda.events.push_back(Event::Answered {
            id: CallId(id),
            result: Err(error),
        });
    }

    /// The reply begins.
    pub(super) fn handle_response(
        &mut self,
        id: u64,
        head: ResponseHead,
        segment: Bytes,
        len_max: u32,
        agenda: &mut Agenda,
    ) -> Result<(), Violation> {
        if head.len > len_max {
            return Err(Violation::TooLarge {
                len: head.len,
                max: len_max,
            });
        }
        let call = self.calls.get_mut(&id);
        let call = call
            .filter(|call| call.phase == Phase::Sent || call.is_abandoned)
            .filter(|call| call.wants_reply && call.reply.is_none())
            .ok_or(Violation::Unexpected("Response"))?;
        self.replies_left = self
            .replies_left
            .checked_sub(head.len)
            .ok_or(Violation::Credit("replies"))?;
        if segment.len() == head.wire_len as usize {
            self.complete(id, head, kept(segment), agenda);
        } else {
            call.reply = Some((head, Assembly::new(&segment)));
        }
        Ok(())
    }

    /// More of it.
    pub(super) fn handle_response_more(
        &mut self,
        id: u64,
        segment: &[u8],
        agenda: &mut Agenda,
    ) -> Result<(), Violation> {
        let reply = self
            .calls
            .get_mut(&id)
            .and_then(|call| call.reply.as_mut())
            .ok_or(Violation::Unexpected("ResponseMore"))?;
        let (head, assembly) = reply;
        assembly.push(segment);
        let head = *head;
        match assembly.len().cmp(&(head.wire_len as usize)) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => {
                let bytes = std::mem::take(assembly).finish();
                self.complete(id, head, bytes, agenda);
            }
            std::cmp::Ordering::Greater => return Err(Violation::Unexpected("ResponseMore")),
        }
        Ok(())
    }

    /// A handler has taken a one-way call.
    pub(super) fn handle_accepted(
        &mut self,
        id: u64,
        agenda: &mut Agenda,
    ) -> Result<(), Violation> {
        self.calls
            .get(&id)
            .filter(|call| !call.wants_reply && (call.phase == Phase::Sent || call.is_abandoned))
            .ok_or(Violation::Unexpected("Accepted"))?;
        self.conclude(id, Ok(Message::default()), agenda);
        Ok(())
    }

    /// There will be no reply.
    pub(super) fn handle_failed(
        &mut self,
        id: u64,
        failure: Failure,
        agenda: &mut Agenda,
    ) -> Result<(), Violation> {
        const UNEXPECTED: Violation = Violation::Unexpected("Failed");
        let call = self
            .calls
            .get(&id)
            .filter(|call| call.is_begun())
            .filter(|call| call.reply.is_none())
            .ok_or(UNEXPECTED)?;
        let is_abandoned = call.is_abandoned;
        match CallError::from_failure(failure) {
            Some(error) => self.conclude(id, Err(error), agenda),
            None if is_abandoned => self.conclude(id, Ok(Message::default()), agenda),
            None => return Err(UNEXPECTED),
        }
        Ok(())
    }

    /// Ends the calls that have not begun, since nothing new begins here.
    pub(super) fn refuse_waiting(&mut self, code: Code, agenda: &mut Agenda) {
        for id in std::mem::take(&mut self.waiting) {
            let delivery = Delivery::NotSent;
            if self.calls.contains_key(&id) {
                self.conclude(id, Err(CallError::Closed { code, delivery }), agenda);
            }
        }
    }

    /// Whether a call has begun of which nothing is out.
    pub(super) fn has_unsent_head(&self) -> bool {
        let mut calls = self.calls.values();
        calls.any(|call| call.phase == Phase::Sending(None))
    }

    /// Ends all calls with the connection.
    pub(super) fn end(&mut self, code: Code, agenda: &mut Agenda) {
        self.waiting.clear();
        for (id, call) in std::mem::take(&mut self.calls) {
            if !call.is_abandoned {
                let delivery = call.delivery();
                agenda.events.push_back(Event::Answered {
                    id: CallId(id),
                    result: Err(CallError::Closed { code, delivery }),
                });
            }
        }
    }

    /// Returns to the caller's window what has been given back to the peer.
    pub(super) fn give_back_replies(&mut self, more: u32) {
        self.replies_left += more;
    }

    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// The memory that replies take.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        let replies = self.calls.values().filter_map(|call| call.reply.as_ref());
        replies.map(|(_, assembly)| assembly.held()).sum()
    }

    fn complete(&mut self, id: u64, head: ResponseHead, bytes: Bytes, agenda: &mut Agenda) {
        agenda.credit.replies += head.len;
        let message = Message {
            encoding: head.encoding,
            len: head.len,
            bytes,
        };
        self.conclude(id, Ok(message), agenda);
    }

    fn conclude(&mut self, id: u64, result: Result<Message, CallError>, agenda: &mut Agenda) {
        let Some(call) = self.calls.remove(&id) else {
            return;
        };
        if call.phase != Phase::Waiting {
            self.begun -= 1;
        }
        if call.is_abandoned {
            return;
        }
        agenda.timers.remove(&(call.deadline, Timer::Call(id)));
        agenda.events.push_back(Event::Answered {
            id: CallId(id),
            result,
        });
    }
}

impl Call {
    fn head(&self, now: Timestamp) -> RequestHead {
        let remaining = self.deadline.saturating_since(now).as_micros();
        RequestHead {
            subject: self.subject.clone(),
            wants_reply: self.wants_reply,
            remaining_ms: u32::try_from(remaining.div_ceil(1_000)).unwrap_or(u32::MAX),
            encoding: self.message.encoding,
            len: self.message.len,
            wire_len: u32::try_from(self.message.wire_len()).expect("judged when it was added"),
        }
    }

    const fn is_begun(&self) -> bool {
        matches!(self.phase, Phase::Sending(Some(_)) | Phase::Sent)
    }

    fn delivery(&self) -> Delivery {
        match self.phase {
            Phase::Sent => Delivery::Unknown,
            Phase::Waiting | Phase::Sending(_) => Delivery::NotSent,
        }
    }
}
