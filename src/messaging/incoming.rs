//! Frames to the parts that they are for.

use bytes::{Buf, BytesMut};

use super::Session;
use super::error::{Cause, Ending, Violation};
use super::event::Event;
use crate::time::Timestamp;
use crate::wire::hello::Side;
use crate::wire::messages::{Frame, HEADER_LEN, Header};
use crate::wire::refusal::Code;

impl Session {
    /// Takes the whole frames at the start of `buffer`. What is left is the start of one more, of at most
    /// [`HEADER_LEN`] + [`PAYLOAD_LEN_MAX`](crate::wire::messages::PAYLOAD_LEN_MAX) bytes. A peer that breaks the protocol ends
    /// the connection; see [`Session::ending`].
    pub fn handle_bytes(&mut self, now: Timestamp, buffer: &mut BytesMut) {
        if !buffer.is_empty() {
            self.heart.heard = now;
        }
        while self.ending.is_none() {
            match self.next_frame(buffer) {
                Ok(None) => break,
                Ok(Some((id, frame))) => {
                    if let Err(violation) = self.handle_frame(now, id, frame) {
                        self.end(violation.into());
                    }
                }
                Err(violation) => self.end(violation.into()),
            }
        }
        if self.ending.is_some() {
            buffer.clear();
        }
        self.settle(now);
    }

    fn next_frame(&self, buffer: &mut BytesMut) -> Result<Option<(u64, Frame)>, Violation> {
        let Some(header) = Header::decode(buffer)? else {
            return Ok(None);
        };
        if buffer.len() < HEADER_LEN + header.len {
            return Ok(None);
        }
        buffer.advance(HEADER_LEN);
        let payload = buffer.split_to(header.len).freeze();
        Ok(Some((header.id, Frame::decode(header.kind, payload)?)))
    }

    fn handle_frame(&mut self, now: Timestamp, id: u64, frame: Frame) -> Result<(), Violation> {
        self.check_place(id, &frame)?;
        let agenda = &mut self.agenda;
        match frame {
            Frame::Settings(_)
            | Frame::Ping(_)
            | Frame::Pong(_)
            | Frame::Drain
            | Frame::Farewell(_)
            | Frame::Credit { .. } => self.handle_connection_frame(now, frame),
            Frame::Request(head, segment) => {
                let request = (head, segment);
                self.serving
                    .handle_request(now, id, request, &self.ours, agenda)
            }
            Frame::RequestMore(segment) => self.serving.handle_request_more(id, &segment),
            Frame::Cancel => self.serving.handle_cancel(id, agenda),
            Frame::Response(head, segment) => {
                let max = self.ours.message_len_max;
                self.calling.handle_response(id, head, segment, max, agenda)
            }
            Frame::ResponseMore(segment) => self.calling.handle_response_more(id, &segment, agenda),
            Frame::Accepted => self.calling.handle_accepted(id, agenda),
            Frame::Failed(failure) => self.calling.handle_failed(id, failure, agenda),
            Frame::Open(subject) => self.streams.handle_open(id, &subject, agenda),
            Frame::Opened => self.streams.handle_opened(id, agenda),
            Frame::Rejected(failure) => self.streams.handle_rejected(id, failure, agenda),
            Frame::Data(_) | Frame::Fin | Frame::Reset(_) | Frame::Stop(_) | Frame::Window(_) => {
                self.streams.handle_frame(id, frame, agenda)
            }
        }
    }

    /// Whether the peer may send such a frame at all, under this number.
    fn check_place(&self, id: u64, frame: &Frame) -> Result<(), Violation> {
        let is_first = self.peer.is_none();
        let may_be_first = matches!(frame, Frame::Settings(_) | Frame::Farewell(_));
        if is_first && !may_be_first || !is_first && matches!(frame, Frame::Settings(_)) {
            return Err(Violation::Unexpected("Settings, or what stands for them"));
        }
        if self.draining.theirs && matches!(frame, Frame::Request(..) | Frame::Open(_)) {
            return Err(Violation::Unexpected("a call or stream behind Drain"));
        }
        let theirs = match self.side {
            Side::Dialer => 1,
            Side::Listener => 0,
        };
        let is_sound = match frame {
            Frame::Settings(_)
            | Frame::Ping(_)
            | Frame::Pong(_)
            | Frame::Drain
            | Frame::Farewell(_)
            | Frame::Credit { .. } => id == 0,
            Frame::Request(..) | Frame::RequestMore(_) | Frame::Cancel | Frame::Open(_) => {
                id != 0 && id % 2 == theirs
            }
            Frame::Response(..)
            | Frame::ResponseMore(_)
            | Frame::Accepted
            | Frame::Failed(_)
            | Frame::Opened
            | Frame::Rejected(_) => id != 0 && id % 2 != theirs,
            Frame::Data(_) | Frame::Fin | Frame::Reset(_) | Frame::Stop(_) | Frame::Window(_) => {
                id != 0
            }
        };
        is_sound
            .then_some(())
            .ok_or(Violation::Unexpected("a number"))
    }

    fn handle_connection_frame(&mut self, now: Timestamp, frame: Frame) -> Result<(), Violation> {
        match frame {
            Frame::Settings(peer) => {
                self.peer = Some(peer);
                self.calling.settle(&peer);
                self.serving.settle(&peer);
                self.streams.settle(&peer);
                self.agenda.events.push_back(Event::Settled);
            }
            Frame::Ping(number) => self.heart.pong = Some(number),
            Frame::Pong(number) => {
                let sent = self.heart.pinged.take();
                let sent = sent.filter(|sent| sent.as_micros() == number);
                let sent = sent.ok_or(Violation::Unexpected("Pong"))?;
                self.heart.rtt = Some(now.saturating_since(sent));
            }
            Frame::Drain => self.handle_drain(now)?,
            Frame::Farewell(code) => {
                let is_drained = self.draining.ours && self.draining.theirs;
                let cause = if is_drained && code == Code::ConnectionClosed {
                    Cause::Drained
                } else {
                    Cause::Farewell
                };
                self.end(Ending { code, cause });
            }
            Frame::Credit {
                requests,
                replies,
                streams,
            } => {
                self.calling.handle_credit(requests)?;
                self.serving.handle_credit(replies, &mut self.agenda)?;
                self.streams.handle_credit(streams);
            }
            _ => return Err(Violation::Unexpected("a frame")),
        }
        Ok(())
    }

    fn handle_drain(&mut self, now: Timestamp) -> Result<(), Violation> {
        if std::mem::replace(&mut self.draining.theirs, true) {
            return Err(Violation::Unexpected("Drain"));
        }
        self.drain(now);
        Ok(())
    }
}
