//! [`Streams`]: ordered byte streams, opened by either side, many on one connection.
//!
//! ```text
//! opener                                 acceptor
//!   |---- Open{subject} ------------------->|   one of the acceptor's places is taken
//!   |<--- Opened, or Rejected --------------|
//!   |<=== Data, as far as Window says ====>|   both ways, independently
//!   |---- Fin, or Reset ------------------->|   this direction is over
//!   |<--- Stop -----------------------------|   "I read no more": answered with Reset, unless all is sent
//! ```
//!
//! Each direction has a window of its own, which grows as its reader reads: a stream that nobody reads stalls itself alone. A
//! place is given back once both directions are over and what came has been read or dropped.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::agenda::{Agenda, Timer, Turn};
use super::error::{CallError, Delivery, StreamError, Violation};
use super::event::{Event, StreamId};
use super::outgoing::Outgoing;
use super::stream::{Incoming, Opening, Outbound, Read, Stream, Taken};
use crate::time::Timestamp;
use crate::wire::messages::{Failure, Frame, Settings, WINDOW_LEN_MAX};
use crate::wire::refusal::Code;

#[derive(Debug)]
pub(super) struct Streams {
    streams: BTreeMap<u64, Stream>,
    waiting: BTreeSet<u64>,
    windows: VecDeque<u64>,
    next: u64,
    /// The last one that the peer has opened.
    last: u64,
    /// How many more the peer lets us open.
    places: u32,
    /// How many more we let the peer open.
    places_left: u32,
    window: u32,
    peer_window: u32,
    ended: Option<Code>,
}

impl Streams {
    pub(super) fn new(first: u64, ours: &Settings) -> Self {
        Self {
            streams: BTreeMap::new(),
            waiting: BTreeSet::new(),
            windows: VecDeque::new(),
            next: first,
            last: 0,
            places: 0,
            places_left: ours.streams_max,
            window: ours.stream_window,
            peer_window: 0,
            ended: None,
        }
    }

    pub(super) fn settle(&mut self, peer: &Settings) {
        self.places = peer.streams_max;
        self.peer_window = peer.stream_window;
    }

    pub(super) fn open(
        &mut self,
        subject: Bytes,
        deadline: Timestamp,
        agenda: &mut Agenda,
    ) -> StreamId {
        let id = self.next;
        self.next += 2;
        agenda.timers.insert((deadline, Timer::Opening(id)));
        let opening = Opening::Waiting { subject, deadline };
        self.streams.insert(id, Stream::new(opening, self.window));
        self.waiting.insert(id);
        StreamId(id)
    }

    /// Opens what the peer has places for.
    pub(super) fn begin_waiting(&mut self, agenda: &mut Agenda) {
        while self.places > 0
            && let Some(id) = self.waiting.pop_first()
        {
            let Some(stream) = self.streams.get_mut(&id) else {
                continue;
            };
            let Opening::Waiting { subject, deadline } = &mut stream.opening else {
                continue;
            };
            self.places -= 1;
            agenda.tell(id, Frame::Open(std::mem::take(subject)));
            stream.opening = Opening::Asked {
                deadline: *deadline,
            };
            stream.outbound.credit = self.peer_window;
        }
    }

    pub(super) fn handle_credit(&mut self, more: u32) {
        self.places = self.places.saturating_add(more);
    }

    pub(super) fn handle_open(
        &mut self,
        id: u64,
        subject: &Bytes,
        agenda: &mut Agenda,
    ) -> Result<(), Violation> {
        if id <= self.last {
            return Err(Violation::Unexpected("Open"));
        }
        self.places_left = self
            .places_left
            .checked_sub(1)
            .ok_or(Violation::TooMany("streams"))?;
        self.last = id;
        let mut stream = Stream::new(Opening::Offered, self.window);
        stream.outbound.credit = self.peer_window;
        self.streams.insert(id, stream);
        agenda.events.push_back(Event::StreamOffered {
            id: StreamId(id),
            subject: String::from_utf8_lossy(subject).into_owned(),
        });
        Ok(())
    }

    pub(super) fn handle_opened(&mut self, id: u64, agenda: &mut Agenda) -> Result<(), Violation> {
        self.answered(id, "Opened", Ok(()), agenda)
    }

    pub(super) fn handle_rejected(
        &mut self,
        id: u64,
        failure: Failure,
        agenda: &mut Agenda,
    ) -> Result<(), Violation> {
        let delivery = Delivery::Unknown;
        let error = CallError::from_failure(failure);
        let result = Err(error.unwrap_or(CallError::TimedOut { delivery }));
        self.answered(id, "Rejected", result, agenda)
    }

    /// What became of a stream that we asked for. We may have given it up meanwhile.
    fn answered(
        &mut self,
        id: u64,
        frame: &'static str,
        result: Result<(), CallError>,
        agenda: &mut Agenda,
    ) -> Result<(), Violation> {
        let stream = self.streams.get_mut(&id);
        let stream = stream.ok_or(Violation::Unexpected(frame))?;
        let Opening::Asked { deadline } = stream.opening else {
            return Err(Violation::Unexpected(frame));
        };
        agenda.timers.remove(&(deadline, Timer::Opening(id)));
        stream.opening = Opening::Open;
        let is_wanted = stream.has_handle;
        if result.is_err() {
            self.streams.remove(&id);
        }
        self.forget_if_over(id, agenda);
        if is_wanted {
            let id = StreamId(id);
            agenda
                .events
                .push_back(Event::StreamAnswered { id, result });
        }
        Ok(())
    }

    pub(super) fn accept(&mut self, id: u64, agenda: &mut Agenda) -> bool {
        let Some(stream) = self.streams.get_mut(&id) else {
            return false;
        };
        if !matches!(stream.opening, Opening::Offered) {
            return false;
        }
        stream.opening = Opening::Open;
        agenda.tell(id, Frame::Opened);
        true
    }

    pub(super) fn reject(&mut self, id: u64, failure: Failure, agenda: &mut Agenda) {
        let is_offered = |stream: &Stream| matches!(stream.opening, Opening::Offered);
        if self.streams.get(&id).is_some_and(is_offered) {
            self.streams.remove(&id);
            agenda.tell(id, Frame::Rejected(failure));
            agenda.credit.streams += 1;
        }
    }

    /// The time to open it ran out.
    pub(super) fn time_out(&mut self, id: u64, agenda: &mut Agenda) {
        let Some(stream) = self.streams.get(&id) else {
            return;
        };
        let delivery = match stream.opening {
            Opening::Waiting { .. } => Delivery::NotSent,
            _ => Delivery::Unknown,
        };
        let is_wanted = stream.has_handle;
        self.drop_handle(id, agenda);
        if is_wanted {
            agenda.events.push_back(Event::StreamAnswered {
                id: StreamId(id),
                result: Err(CallError::TimedOut { delivery }),
            });
        }
    }

    pub(super) fn write(
        &mut self,
        id: u64,
        bytes: Bytes,
        agenda: &mut Agenda,
    ) -> Result<Taken, StreamError> {
        self.write_with(id, agenda, |outbound| outbound.put(bytes))
    }

    pub(super) fn write_slice(
        &mut self,
        id: u64,
        bytes: &[u8],
        agenda: &mut Agenda,
    ) -> Result<usize, StreamError> {
        self.write_with(id, agenda, |outbound| outbound.put_slice(bytes))
    }

    fn write_with<T>(
        &mut self,
        id: u64,
        agenda: &mut Agenda,
        put: impl FnOnce(&mut Outbound) -> Result<T, StreamError>,
    ) -> Result<T, StreamError> {
        let gone = self.gone();
        let stream = self.streams.get_mut(&id).ok_or(gone)?;
        let taken = put(&mut stream.outbound)?;
        Self::queue(id, stream, agenda);
        Ok(taken)
    }

    pub(super) fn finish(&mut self, id: u64, agenda: &mut Agenda) -> Result<(), StreamError> {
        let gone = self.gone();
        let stream = self.streams.get_mut(&id).ok_or(gone)?;
        stream.outbound.finish()?;
        Self::queue(id, stream, agenda);
        Ok(())
    }

    pub(super) fn reset(&mut self, id: u64, code: u32, agenda: &mut Agenda) {
        if let Some(stream) = self.streams.get_mut(&id)
            && stream.outbound.give_up(StreamError::Finished)
        {
            if stream.is_told() {
                agenda.tell(id, Frame::Reset(code));
            }
            self.forget_if_over(id, agenda);
        }
    }

    pub(super) fn read(&mut self, id: u64, agenda: &mut Agenda) -> Result<Read, StreamError> {
        let ended = self.ended;
        let Some(stream) = self.streams.get_mut(&id) else {
            return Err(self.gone());
        };
        let read = stream.inbound.take(ended)?;
        if stream.inbound.has_window_due(self.window) && !stream.is_window_queued {
            stream.is_window_queued = true;
            self.windows.push_back(id);
        }
        self.forget_if_over(id, agenda);
        Ok(read)
    }

    pub(super) fn stop(&mut self, id: u64, code: u32, agenda: &mut Agenda) {
        if let Some(stream) = self.streams.get_mut(&id)
            && stream.inbound.stop()
        {
            if stream.is_told() {
                agenda.tell(id, Frame::Stop(code));
            }
            self.forget_if_over(id, agenda);
        }
    }

    /// The application has let go of the stream, both its halves.
    pub(super) fn drop_handle(&mut self, id: u64, agenda: &mut Agenda) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        stream.has_handle = false;
        if let Opening::Waiting { deadline, .. } | Opening::Asked { deadline } = stream.opening {
            agenda.timers.remove(&(deadline, Timer::Opening(id)));
        }
        if self.ended.is_some() || matches!(stream.opening, Opening::Waiting { .. }) {
            self.waiting.remove(&id);
            self.streams.remove(&id);
            return;
        }
        if stream.outbound.is_open() {
            self.reset(id, 0, agenda);
        }
        self.stop(id, 0, agenda);
        self.forget_if_over(id, agenda);
    }

    /// One of the frames of an open stream. Those for one that is over here may still be on their way.
    pub(super) fn handle_frame(
        &mut self,
        id: u64,
        frame: Frame,
        agenda: &mut Agenda,
    ) -> Result<(), Violation> {
        let Some(stream) = self.streams.get_mut(&id) else {
            let is_past = id <= self.last || (id % 2 == self.next % 2 && id < self.next);
            return if is_past {
                Ok(())
            } else {
                Err(Violation::Unexpected("a frame of an unknown stream"))
            };
        };
        match frame {
            Frame::Data(bytes) => {
                if stream.inbound.push(bytes)? {
                    agenda.events.push_back(Event::Readable(StreamId(id)));
                }
            }
            Frame::Fin => stream.end_inbound(id, Incoming::Finished, agenda)?,
            Frame::Reset(code) => stream.end_inbound(id, Incoming::Reset(code), agenda)?,
            Frame::Stop(code) => {
                if stream.outbound.give_up(StreamError::Stopped(code)) {
                    agenda.tell(id, Frame::Reset(0));
                }
                agenda.events.push_back(Event::Writable(StreamId(id)));
            }
            Frame::Window(more) => {
                let credit = stream.outbound.credit.checked_add(more);
                stream.outbound.credit = credit
                    .filter(|credit| *credit <= WINDOW_LEN_MAX)
                    .ok_or(Violation::Credit("stream"))?;
                Self::queue(id, stream, agenda);
            }
            _ => return Err(Violation::Unexpected("a frame")),
        }
        self.forget_if_over(id, agenda);
        Ok(())
    }

    /// Sends one segment, and the end behind the last one.
    pub(super) fn take_turn(&mut self, id: u64, out: &mut Outgoing, agenda: &mut Agenda) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        stream.is_queued = false;
        if let Some(bytes) = stream.outbound.next_segment() {
            out.push_frame(id, &Frame::Data(bytes));
        }
        if stream.outbound.take_fin() {
            out.push_frame(id, &Frame::Fin);
        }
        if stream.outbound.take_writable() {
            agenda.events.push_back(Event::Writable(StreamId(id)));
        }
        Self::queue(id, stream, agenda);
        self.forget_if_over(id, agenda);
    }

    /// Whether a window may have to be given back.
    pub(super) fn has_window(&self) -> bool {
        !self.windows.is_empty()
    }

    /// The next window to be given back.
    pub(super) fn poll_window(&mut self) -> Option<(u64, u32)> {
        while let Some(id) = self.windows.pop_front() {
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.is_window_queued = false;
                if let Some(more) = stream.inbound.give_back() {
                    return Some((id, more));
                }
            }
        }
        None
    }

    pub(super) fn refuse_waiting(&mut self, code: Code, agenda: &mut Agenda) {
        for id in std::mem::take(&mut self.waiting) {
            let is_waiting = |stream: &Stream| matches!(stream.opening, Opening::Waiting { .. });
            if self.streams.get(&id).is_some_and(is_waiting) {
                self.drop_handle(id, agenda);
                let delivery = Delivery::NotSent;
                agenda.events.push_back(Event::StreamAnswered {
                    id: StreamId(id),
                    result: Err(CallError::Closed { code, delivery }),
                });
            }
        }
    }

    /// Ends all streams with the connection. What has arrived can still be read.
    pub(super) fn end(&mut self, code: Code, agenda: &mut Agenda) {
        self.ended = Some(code);
        self.waiting.clear();
        self.windows.clear();
        self.streams.retain(|id, stream| {
            let id = StreamId(*id);
            let delivery = match stream.opening {
                Opening::Waiting { .. } => Delivery::NotSent,
                _ => Delivery::Unknown,
            };
            stream.outbound.give_up(StreamError::Closed(code));
            match stream.opening {
                Opening::Waiting { .. } | Opening::Asked { .. } => {
                    if stream.has_handle {
                        agenda.events.push_back(Event::StreamAnswered {
                            id,
                            result: Err(CallError::Closed { code, delivery }),
                        });
                    }
                    false
                }
                Opening::Offered | Opening::Open => {
                    agenda.events.push_back(Event::Readable(id));
                    agenda.events.push_back(Event::Writable(id));
                    stream.has_handle
                }
            }
        });
    }

    /// Returns to the peer's places what has been given back to it.
    pub(super) fn give_back_places(&mut self, more: u32) {
        self.places_left += more;
    }

    pub(super) fn len(&self) -> usize {
        self.streams.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Whether no stream will send or receive any more.
    pub(super) fn are_over(&self) -> bool {
        let is_over = |stream: &Stream| stream.outbound.is_over() && stream.inbound.has_ended();
        self.streams.values().all(is_over)
    }

    /// The memory that streams take.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        let bytes: usize = self.streams.values().map(Stream::held).sum();
        bytes + self.windows.len() * 8
    }

    fn gone(&self) -> StreamError {
        self.ended
            .map_or(StreamError::Finished, StreamError::Closed)
    }

    fn queue(id: u64, stream: &mut Stream, agenda: &mut Agenda) {
        if !stream.is_queued && stream.outbound.has_turn() {
            stream.is_queued = true;
            agenda.turns.push_back(Turn::Stream(id));
        }
    }

    /// A stream that is over both ways, and that the application has let go of, is forgotten.
    fn forget_if_over(&mut self, id: u64, agenda: &mut Agenda) {
        let is_over = |stream: &Stream| {
            let is_settled = matches!(stream.opening, Opening::Open);
            is_settled
                && !stream.has_handle
                && stream.outbound.is_over()
                && stream.inbound.is_over()
        };
        if self.streams.get(&id).is_some_and(is_over) {
            self.streams.remove(&id);
            if id % 2 != self.next % 2 {
                agenda.credit.streams += 1;
            }
        }
    }
}
