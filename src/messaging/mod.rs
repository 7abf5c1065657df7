//! [`Session`]: one connection of messages as a state machine: calls, streams, credit, heartbeats, drain.
//!
//! It begins where `admission` ends, on a connection whose two ends are proven, and knows nothing of members. Like
//! [`crate::membership`] it reads no clock and no socket, so that `transport` and the simulator drive the very same code.
//!
//! | module | owns |
//! |---|---|
//! | `agenda` | what the parts leave to do: frames, turns, timers, events |
//! | `calling`, `serving` | calls of this end, and of the peer |
//! | `streams`, `stream` | byte streams; one of them |
//! | `chunks`, `outgoing` | bytes that wait, and bytes on their way out |
//! | `compression` | payloads as they travel |
//! | `incoming` | frames to their parts |
//! | `error`, `event`, `options` | what may happen, and what an end decides |
//!
//! # Contract
//!
//! `now` comes first and never goes back. Inputs are [`Session::handle_bytes`], [`Session::handle_timeout`] and
//! [`Session::handle_closed`]; commands are the application's. After any of them [`Session::poll_event`] and
//! [`Session::poll_transmit`] are drained, and [`Session::next_timeout`] says when to call again. Nothing waits for the network:
//! what cannot go out now is kept, within bounds, or handed back.
//!
//! # Bounds
//!
//! For a peer that sends and does not read, or reads and does not answer, a session holds no more than the windows of its
//! [`SessionOptions`], `calls_max` and `streams_max` small entries, `serving::REPLIES_WAITING_MAX` bytes of replies and what the
//! calls being handled reply at most. What this end's own application has begun is kept for it, since each call has a
//! deadline and each writer is sent back.

mod agenda;
mod calling;
mod chunks;
mod compression;
mod error;
mod event;
mod incoming;
mod options;
mod outgoing;
mod serving;
mod stream;
mod streams;

use std::time::Duration;

use bytes::Bytes;

pub use compression::{COMPRESSED_LEN_MIN, Compression, Message, Unreadable};
pub use error::{CallError, Cause, Delivery, Ending, StreamError, Violation};
pub use event::{CallId, Called, Event, ServedId, StreamId};
pub use options::SessionOptions;
pub use outgoing::Outgoing;
pub use stream::{Read, Taken};

use crate::time::Timestamp;
use crate::wire::hello::Side;
use crate::wire::messages::{Failure, Frame, SUBJECT_LEN_MAX, Settings};
use crate::wire::refusal::Code;
use agenda::{Agenda, Timer, Turn};
use calling::{Call, Calling, Phase};
use serving::Serving;
use streams::Streams;

/// One connection of messages, seen from one of its ends.
#[derive(Debug)]
pub struct Session {
    side: Side,
    options: SessionOptions,
    ours: Settings,
    peer: Option<Settings>,
    agenda: Agenda,
    calling: Calling,
    serving: Serving,
    streams: Streams,
    heart: Heart,
    draining: Draining,
    ending: Option<Ending>,
    farewell: Option<Code>,
    idle_since: Option<Timestamp>,
}

/// A call to be begun.
#[derive(Clone, Debug)]
pub struct NewCall<'a> {
    /// Whom it is for.
    pub subject: &'a str,
    /// What it says.
    pub message: Message,
    /// Whether an answer is wanted, or only that a handler has taken it.
    pub wants_reply: bool,
    /// Until when it may take.
    pub deadline: Timestamp,
}

#[derive(Debug)]
struct Heart {
    heard: Timestamp,
    is_ping_due: bool,
    /// When the ping that is unanswered was sent.
    pinged: Option<Timestamp>,
    /// Which ping is to be answered: the last one, whatever there was before.
    pong: Option<u64>,
    rtt: Option<Duration>,
}

#[derive(Debug, Default)]
struct Draining {
    /// We begin nothing more.
    ours: bool,
    is_told: bool,
    /// The peer begins nothing more.
    theirs: bool,
}

impl Session {
    /// The end `side` of a connection that has just been handed over.
    #[must_use]
    pub fn new(now: Timestamp, side: Side, options: SessionOptions) -> Self {
        let ours = options.settings();
        let first = match side {
            Side::Dialer => 2,
            Side::Listener => 1,
        };
        let mut agenda = Agenda::default();
        agenda.tell(0, Frame::Settings(ours));
        Self {
            side,
            options,
            ours,
            peer: None,
            agenda,
            calling: Calling::new(first, ours.replies_window),
            serving: Serving::new(ours.requests_window),
            streams: Streams::new(first, &ours),
            heart: Heart {
                heard: now,
                is_ping_due: true,
                pinged: None,
                pong: None,
                rtt: None,
            },
            draining: Draining::default(),
            ending: None,
            farewell: None,
            idle_since: Some(now),
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        if self.ending.is_some() {
            return;
        }
        while let Some(timer) = self.agenda.take_due(now) {
            match timer {
                Timer::Call(id) => self.calling.time_out(id, &mut self.agenda),
                Timer::Opening(id) => self.streams.time_out(id, &mut self.agenda),
                Timer::Served(id) => self.serving.time_out(id, &mut self.agenda),
            }
        }
        if now >= self.heart.heard + self.options.heartbeat_timeout {
            self.end(Ending {
                code: Code::Unreachable,
                cause: Cause::Lost,
            });
        } else if now >= self.heart.heard + self.options.heartbeat_interval
            && self.heart.pinged.is_none()
        {
            self.heart.is_ping_due = true;
        }
        self.settle(now);
    }

    /// The connection is gone.
    pub fn handle_closed(&mut self, now: Timestamp) {
        self.end(Ending {
            code: Code::Unreachable,
            cause: Cause::Lost,
        });
        self.settle(now);
    }

    /// Begins a call. [`Event::Answered`] tells its end.
    ///
    /// # Errors
    ///
    /// [`CallError`] with [`Delivery::NotSent`].
    pub fn call(&mut self, now: Timestamp, call: NewCall<'_>) -> Result<CallId, CallError> {
        let subject = self.check_new(call.subject)?;
        self.check_len(&call.message)?;
        let call = Call {
            subject,
            message: call.message,
            wants_reply: call.wants_reply,
            deadline: call.deadline.max(now),
            phase: Phase::Waiting,
            is_abandoned: false,
            reply: None,
        };
        let id = self.calling.add(call, &mut self.agenda);
        self.settle(now);
        Ok(id)
    }

    /// Gives a call up. Nothing more is said of it, unless it has ended already and [`Event::Answered`] waits.
    pub fn cancel(&mut self, now: Timestamp, id: CallId) {
        self.calling.cancel(id.0, &mut self.agenda);
        self.settle(now);
    }

    /// A handler has taken the bytes of a call: they no longer count against the peer.
    pub fn release(&mut self, now: Timestamp, id: ServedId) {
        self.serving.release(id.0, &mut self.agenda);
        self.settle(now);
    }

    /// A one-way call stands in a handler's queue and will be handled: its caller is told so. Its bytes count until
    /// [`Session::release`].
    /// `false` if nobody waits for that any more; then it wants its [`Session::answer`].
    pub fn accept(&mut self, now: Timestamp, id: ServedId) -> bool {
        let is_accepted = self.serving.accept(id.0, &mut self.agenda);
        self.settle(now);
        is_accepted
    }

    /// The last word on a call of the peer. For a one-way call `Ok` says that it was taken.
    pub fn answer(&mut self, now: Timestamp, id: ServedId, result: Result<Message, Failure>) {
        if let Some(peer) = &self.peer {
            self.serving.answer(id.0, result, peer, &mut self.agenda);
            self.settle(now);
        }
    }

    /// Opens a stream. [`Event::StreamAnswered`] tells what became of it.
    ///
    /// # Errors
    ///
    /// [`CallError`] with [`Delivery::NotSent`].
    pub fn open_stream(
        &mut self,
        now: Timestamp,
        subject: &str,
        deadline: Timestamp,
    ) -> Result<StreamId, CallError> {
        let subject = self.check_new(subject)?;
        let deadline = deadline.max(now);
        let id = self.streams.open(subject, deadline, &mut self.agenda);
        self.settle(now);
        Ok(id)
    }

    /// Takes a stream that was offered; `false` if it is no longer.
    pub fn accept_stream(&mut self, id: StreamId) -> bool {
        self.ending.is_none() && self.streams.accept(id.0, &mut self.agenda)
    }

    /// Does not take a stream that was offered.
    pub fn reject_stream(&mut self, now: Timestamp, id: StreamId, failure: Failure) {
        self.streams.reject(id.0, failure, &mut self.agenda);
        self.settle(now);
    }

    /// Writes bytes to a stream, all of them or none.
    ///
    /// # Errors
    ///
    /// [`StreamError`]; no more can be written.
    pub fn write(&mut self, id: StreamId, bytes: Bytes) -> Result<Taken, StreamError> {
        self.streams.write(id.0, bytes, &mut self.agenda)
    }

    /// Copies bytes to a stream, and says how many; 0 if too many wait, and [`Event::Writable`] will tell.
    ///
    /// # Errors
    ///
    /// [`StreamError`]; no more can be written.
    pub fn write_slice(&mut self, id: StreamId, bytes: &[u8]) -> Result<usize, StreamError> {
        self.streams.write_slice(id.0, bytes, &mut self.agenda)
    }

    /// No more will be written to the stream. What was goes out.
    ///
    /// # Errors
    ///
    /// [`StreamError`], if it was given up or the other end reads no more.
    pub fn finish(&mut self, id: StreamId) -> Result<(), StreamError> {
        self.streams.finish(id.0, &mut self.agenda)
    }

    /// No more will be written to the stream, and what waits is dropped. The other end reads `code`.
    pub fn reset(&mut self, id: StreamId, code: u32) {
        self.streams.reset(id.0, code, &mut self.agenda);
    }

    /// The next bytes of a stream.
    ///
    /// # Errors
    ///
    /// [`StreamError`]; no more will come.
    pub fn read(&mut self, id: StreamId) -> Result<Read, StreamError> {
        self.streams.read(id.0, &mut self.agenda)
    }

    /// No more will be read from the stream. The other end's writer reads `code`.
    pub fn stop(&mut self, id: StreamId, code: u32) {
        self.streams.stop(id.0, code, &mut self.agenda);
    }

    /// Lets go of a stream: what is not finished is reset and stopped.
    pub fn drop_stream(&mut self, now: Timestamp, id: StreamId) {
        self.streams.drop_handle(id.0, &mut self.agenda);
        self.settle(now);
    }

    /// Begins nothing more here, and has the peer begin nothing more. Once what is under way has ended, the connection does.
    pub fn drain(&mut self, now: Timestamp) {
        if self.ending.is_none() {
            self.draining.ours = true;
            let code = Code::ConnectionClosed;
            self.calling.refuse_waiting(code, &mut self.agenda);
            self.streams.refuse_waiting(code, &mut self.agenda);
            self.settle(now);
        }
    }

    /// Closes the connection now. The peer is told the code.
    pub fn close(&mut self, now: Timestamp, code: Code) {
        self.end(Ending {
            code,
            cause: Cause::Asked,
        });
        self.settle(now);
    }

    /// A compressed message of the peer could not be read: it has broken the protocol.
    pub fn close_for(&mut self, now: Timestamp, violation: Violation) {
        self.end(violation.into());
        self.settle(now);
    }

    /// What happened next; `None` when that was all.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.agenda.events.pop_front();
        event.or_else(|| self.serving.poll_called().map(Event::Called))
    }

    /// Appends what is to be sent until about `len_max` bytes wait.
    pub fn poll_transmit(&mut self, now: Timestamp, out: &mut Outgoing, len_max: usize) {
        self.send_control(now, out, len_max);
        while out.len() < len_max
            && let Some(turn) = self.agenda.turns.pop_front()
        {
            let agenda = &mut self.agenda;
            match turn {
                Turn::Request(id) => self.calling.take_turn(now, id, out, agenda),
                Turn::Reply(id) => self.serving.take_turn(id, out, agenda),
                Turn::Stream(id) => self.streams.take_turn(id, out, agenda),
            }
        }
        // Not before the heads of calls that have begun: behind it none may follow.
        if self.draining.ours && !self.draining.is_told && !self.calling.has_unsent_head() {
            self.draining.is_told = true;
            out.push_frame(0, &Frame::Drain);
        }
        self.settle(now);
        if self.is_drained() {
            self.end(Ending {
                code: Code::ConnectionClosed,
                cause: Cause::Drained,
            });
            self.send_control(now, out, len_max);
        }
    }

    /// When to call [`Session::handle_timeout`] at the latest; `None` once it has ended.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Timestamp> {
        if self.ending.is_some() {
            return None;
        }
        let has_asked = self.heart.pinged.is_some() || self.heart.is_ping_due;
        let beat = match has_asked {
            false => self.options.heartbeat_interval,
            true => self.options.heartbeat_timeout,
        };
        let beat = self.heart.heard + beat.min(self.options.heartbeat_timeout);
        let deadline = self.agenda.timers.first().map(|(at, _)| *at);
        Some(deadline.map_or(beat, |at| at.min(beat)))
    }

    /// Whether there is something for [`Session::poll_event`] or [`Session::poll_transmit`].
    #[must_use]
    pub fn has_output(&self) -> bool {
        let has_words = !self.agenda.control.is_empty()
            || !self.agenda.turns.is_empty()
            || self.streams.has_window()
            || self.heart.is_ping_due
            || self.heart.pong.is_some()
            || self.draining.ours && !self.draining.is_told
            || self.is_credit_due();
        self.has_event() || self.farewell.is_some() || (self.ending.is_none() && has_words)
    }

    /// How it ended, if it did.
    #[must_use]
    pub const fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// Whether calls and streams may be begun.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.ending.is_none() && !self.draining.ours && !self.draining.theirs
    }

    /// What the peer takes, once it has said so.
    #[must_use]
    pub const fn peer(&self) -> Option<&Settings> {
        self.peer.as_ref()
    }

    /// What this end decides.
    #[must_use]
    pub const fn options(&self) -> &SessionOptions {
        &self.options
    }

    /// Calls that are not over, of both ends.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calling.len() + self.serving.len()
    }

    /// Streams that are not over, of both ends.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Since when there has been neither call nor stream; `None` while there is one.
    #[must_use]
    pub const fn idle_since(&self) -> Option<Timestamp> {
        self.idle_since
    }

    /// The last round trip measured.
    #[must_use]
    pub const fn rtt(&self) -> Option<Duration> {
        self.heart.rtt
    }

    /// Whether anybody still waits for a call of the peer.
    #[must_use]
    pub fn is_wanted(&self, id: ServedId) -> bool {
        self.serving.is_wanted(id.0)
    }

    /// The memory it takes, about.
    #[cfg(test)]
    fn held(&self) -> usize {
        let agenda = &self.agenda;
        let small = agenda.control.len() + agenda.turns.len() + agenda.timers.len();
        let small = (small + agenda.events.len()) * size_of::<Event>();
        small + self.calling.held() + self.serving.held() + self.streams.held()
    }

    fn check_new(&self, subject: &str) -> Result<Bytes, CallError> {
        if !self.is_open() {
            let code = self
                .ending
                .map_or(Code::ConnectionClosed, |ending| ending.code);
            let delivery = Delivery::NotSent;
            return Err(CallError::Closed { code, delivery });
        }
        match subject.len() {
            1..=SUBJECT_LEN_MAX => Ok(Bytes::copy_from_slice(subject.as_bytes())),
            len => Err(CallError::InvalidSubject { len }),
        }
    }

    fn check_len(&self, message: &Message) -> Result<(), CallError> {
        let peer = self.peer.map_or(u32::MAX, |peer| peer.message_len_max);
        let max = self.ours.message_len_max.min(peer);
        if message.len > max {
            return Err(CallError::TooLarge {
                len: message.bytes.len().max(message.len()),
                max: max as usize,
            });
        }
        Ok(())
    }

    /// What any input or command may have made possible.
    fn settle(&mut self, now: Timestamp) {
        if let Some(peer) = &self.peer
            && self.ending.is_none()
        {
            self.calling.begin_waiting(peer, &mut self.agenda);
            self.streams.begin_waiting(&mut self.agenda);
        }
        let is_idle = self.calling.is_empty() && self.serving.is_empty() && self.streams.is_empty();
        self.idle_since = match self.idle_since {
            _ if !is_idle => None,
            None => Some(now),
            since => since,
        };
    }

    /// What comes before all turns. While the socket takes nothing, nothing is added: what a peer can make us say must not
    /// pile up because it does not listen.
    fn send_control(&mut self, now: Timestamp, out: &mut Outgoing, len_max: usize) {
        if let Some(code) = self.farewell.take() {
            out.push_frame(0, &Frame::Farewell(code));
        }
        if self.ending.is_some() {
            return;
        }
        while out.len() < len_max
            && let Some((id, frame)) = self.agenda.control.pop_front()
        {
            if matches!(frame, Frame::Accepted | Frame::Failed(_)) {
                self.serving.told();
            }
            out.push_frame(id, &frame);
        }
        if out.len() >= len_max {
            return;
        }
        if std::mem::take(&mut self.heart.is_ping_due) {
            self.heart.pinged = Some(now);
            out.push_frame(0, &Frame::Ping(now.as_micros()));
        }
        if let Some(number) = self.heart.pong.take() {
            out.push_frame(0, &Frame::Pong(number));
        }
        self.send_credit(out);
    }

    /// Gives credit back by quarters of a window: the peer always has what one message needs.
    fn send_credit(&mut self, out: &mut Outgoing) {
        if self.is_credit_due() {
            let credit = std::mem::take(&mut self.agenda.credit);
            self.serving.give_back_requests(credit.requests);
            self.calling.give_back_replies(credit.replies);
            self.streams.give_back_places(credit.streams);
            let frame = Frame::Credit {
                requests: credit.requests,
                replies: credit.replies,
                streams: credit.streams,
            };
            out.push_frame(0, &frame);
        }
        while let Some((id, more)) = self.streams.poll_window() {
            out.push_frame(id, &Frame::Window(more));
        }
    }

    const fn is_credit_due(&self) -> bool {
        let credit = &self.agenda.credit;
        credit.requests > self.ours.requests_window / 4
            || credit.replies > self.ours.replies_window / 4
            || credit.streams > self.ours.streams_max / 4
    }

    fn has_event(&self) -> bool {
        !self.agenda.events.is_empty() || self.serving.has_called()
    }

    fn is_drained(&self) -> bool {
        let is_agreed = self.draining.is_told && self.draining.theirs;
        let is_done = self.agenda.control.is_empty() && self.agenda.turns.is_empty();
        let has_calls = !self.calling.is_empty() || !self.serving.is_empty();
        is_agreed && is_done && self.ending.is_none() && !has_calls && self.streams.are_over()
    }

    fn end(&mut self, ending: Ending) {
        if self.ending.is_some() {
            return;
        }
        self.ending = Some(ending);
        self.agenda.control.clear();
        self.agenda.turns.clear();
        self.agenda.timers.clear();
        self.calling.end(ending.code, &mut self.agenda);
        self.serving.end(&mut self.agenda);
        self.streams.end(ending.code, &mut self.agenda);
        if !matches!(ending.cause, Cause::Lost | Cause::Farewell) {
            self.farewell = Some(ending.code);
        }
    }
}

#[cfg(test)]
mod tests;
