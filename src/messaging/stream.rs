//! [`Stream`]: one stream's two directions.

use bytes::Bytes;

use super::agenda::Agenda;
use super::chunks::Chunks;
use super::error::{StreamError, Violation};
use super::event::{Event, StreamId};
use crate::time::Timestamp;
use crate::wire::messages::SEGMENT_LEN_MAX;
use crate::wire::refusal::Code;

/// A writer may leave this many bytes waiting, and one piece more, before it has to wait itself.
pub(super) const UNSENT_LEN_MAX: usize = 512 * 1024;

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) opening: Opening,
    pub(super) outbound: Outbound,
    pub(super) inbound: Inbound,
    pub(super) has_handle: bool,
    pub(super) is_queued: bool,
    pub(super) is_window_queued: bool,
}

#[derive(Debug)]
pub(super) enum Opening {
    /// Of ours, and the peer has no place for it yet.
    Waiting { subject: Bytes, deadline: Timestamp },
    /// Of ours, and the peer has not answered.
    Asked { deadline: Timestamp },
    /// Of the peer, and we have not answered.
    Offered,
    /// Taken.
    Open,
}

/// What became of bytes to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// They are on their way.
    All,
    /// Too many wait already; here they are again. [`Event::Writable`] says when to try again.
    Back(Bytes),
}

/// What there is to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// The next bytes, at least one.
    Bytes(Bytes),
    /// The other end has finished.
    End,
    /// Nothing yet. [`Event::Readable`] says when to try again.
    Nothing,
}

#[derive(Debug, Default)]
pub(super) struct Outbound {
    waiting: Chunks,
    pub(super) credit: u32,
    end: Outgoing,
    /// A writer was sent back.
    is_blocked: bool,
}

#[derive(Debug, Default)]
enum Outgoing {
    #[default]
    Open,
    /// The end comes behind what waits.
    Finishing,
    Over(StreamError),
}

#[derive(Debug)]
pub(super) struct Inbound {
    arrived: Chunks,
    /// What the peer may still send.
    left: u32,
    /// What was read and not given back.
    read: u32,
    end: Option<Incoming>,
    is_stopped: bool,
    /// A reader was sent away.
    is_awaited: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    Finished,
    Reset(u32),
}

impl Stream {
    pub(super) fn new(opening: Opening, window: u32) -> Self {
        Self {
            opening,
            outbound: Outbound::default(),
            inbound: Inbound {
                arrived: Chunks::default(),
                left: window,
                read: 0,
                end: None,
                is_stopped: false,
                is_awaited: false,
            },
            has_handle: true,
            is_queued: false,
            is_window_queued: false,
        }
    }

    /// Whether the peer knows of it, and wants to hear of its end.
    pub(super) const fn is_told(&self) -> bool {
        !matches!(self.opening, Opening::Waiting { .. })
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.inbound.arrived.held() + self.outbound.waiting.held() + size_of::<Self>()
    }

    pub(super) fn end_inbound(
        &mut self,
        id: u64,
        end: Incoming,
        agenda: &mut Agenda,
    ) -> Result<(), Violation> {
        if self.inbound.end.replace(end).is_some() {
            return Err(Violation::Unexpected("a second end of a stream"));
        }
        if let Incoming::Reset(_) = end {
            self.inbound.arrived.clear();
        }
        if self.has_handle {
            agenda.events.push_back(Event::Readable(StreamId(id)));
        }
        Ok(())
    }
}

impl Outbound {
    pub(super) fn put(&mut self, bytes: Bytes) -> Result<Taken, StreamError> {
        if self.room()? == 0 {
            return Ok(Taken::Back(bytes));
        }
        self.waiting.push(bytes);
        Ok(Taken::All)
    }

    pub(super) fn put_slice(&mut self, bytes: &[u8]) -> Result<usize, StreamError> {
        let count = bytes.len().min(self.room()?);
        self.waiting.push_slice(&bytes[..count]);
        Ok(count)
    }

    pub(super) fn finish(&mut self) -> Result<(), StreamError> {
        match self.end {
            Outgoing::Open => self.end = Outgoing::Finishing,
            Outgoing::Finishing | Outgoing::Over(StreamError::Finished) => {}
            Outgoing::Over(error) => return Err(error),
        }
        Ok(())
    }

    /// Ends it without what waits; whether that made a difference.
    pub(super) fn give_up(&mut self, why: StreamError) -> bool {
        if let Outgoing::Over(_) = self.end {
            return false;
        }
        self.waiting.clear();
        self.end = Outgoing::Over(why);
        true
    }

    pub(super) fn next_segment(&mut self) -> Option<Bytes> {
        let max = SEGMENT_LEN_MAX.min(self.credit as usize);
        if max == 0 {
            return None;
        }
        let bytes = self.waiting.pop(max)?;
        self.credit -= u32::try_from(bytes.len()).expect("at most the credit");
        Some(bytes)
    }

    pub(super) fn take_fin(&mut self) -> bool {
        let is_due = matches!(self.end, Outgoing::Finishing) && self.waiting.is_empty();
        if is_due {
            self.end = Outgoing::Over(StreamError::Finished);
        }
        is_due
    }

    pub(super) fn take_writable(&mut self) -> bool {
        self.waiting.len() <= UNSENT_LEN_MAX / 2 && std::mem::take(&mut self.is_blocked)
    }

    pub(super) const fn has_turn(&self) -> bool {
        let has_bytes = !self.waiting.is_empty() && self.credit > 0;
        has_bytes || (matches!(self.end, Outgoing::Finishing) && self.waiting.is_empty())
    }

    /// Whether nobody has said that it ends.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.end, Outgoing::Open)
    }

    pub(super) const fn is_over(&self) -> bool {
        matches!(self.end, Outgoing::Over(_))
    }

    fn room(&mut self) -> Result<usize, StreamError> {
        match self.end {
            Outgoing::Open => {
                let room = UNSENT_LEN_MAX.saturating_sub(self.waiting.len());
                self.is_blocked = room == 0;
                Ok(room)
            }
            Outgoing::Finishing => Err(StreamError::Finished),
            Outgoing::Over(error) => Err(error),
        }
    }
}

impl Inbound {
    /// Takes what has arrived; whether somebody waits for it.
    pub(super) fn push(&mut self, bytes: Bytes) -> Result<bool, Violation> {
        if self.end.is_some() {
            return Err(Violation::Unexpected("Data behind the end of a stream"));
        }
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.left = self
            .left
            .checked_sub(len)
            .ok_or(Violation::Credit("stream"))?;
        if self.is_stopped {
            return Ok(false);
        }
        self.arrived.push(bytes);
        Ok(std::mem::take(&mut self.is_awaited))
    }

    /// The next bytes, where there are any, else what came behind them.
    pub(super) fn take(&mut self, ended: Option<Code>) -> Result<Read, StreamError> {
        if self.is_stopped {
            return Err(StreamError::Finished);
        }
        if let Some(bytes) = self.arrived.pop(usize::MAX) {
            self.read += u32::try_from(bytes.len()).expect("at most a window");
            return Ok(Read::Bytes(bytes));
        }
        match (self.end, ended) {
            (Some(Incoming::Finished), _) => Ok(Read::End),
            (Some(Incoming::Reset(code)), _) => Err(StreamError::Reset(code)),
            (None, Some(code)) => Err(StreamError::Closed(code)),
            (None, None) => {
                self.is_awaited = true;
                Ok(Read::Nothing)
            }
        }
    }

    /// Stops reading; whether the peer should be told.
    pub(super) fn stop(&mut self) -> bool {
        let was_stopped = std::mem::replace(&mut self.is_stopped, true);
        self.arrived.clear();
        !was_stopped && self.end.is_none()
    }

    pub(super) const fn has_window_due(&self, window: u32) -> bool {
        self.end.is_none() && self.read > window / 4
    }

    pub(super) fn give_back(&mut self) -> Option<u32> {
        if self.end.is_some() || self.is_stopped {
            return None;
        }
        self.left += self.read;
        Some(std::mem::take(&mut self.read))
    }

    /// Whether nothing comes any more.
    pub(super) const fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// Whether nothing comes any more, and nothing waits to be read.
    pub(super) const fn is_over(&self) -> bool {
        self.end.is_some() && self.arrived.is_empty()
    }
}
