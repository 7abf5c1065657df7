//! Two sessions and the pipe between them, in virtual time.

mod bounds;
mod calls;
mod random;
mod streams;

use bytes::{Bytes, BytesMut};

use super::*;

/// How much waits to be written at most, about.
const BURST_LEN: usize = 64 * 1024;
const START: Timestamp = Timestamp::from_secs(100);
const LATER: Timestamp = Timestamp::from_secs(110);

/// One end: a session, and what has left it and arrived at it.
#[derive(Debug)]
struct End {
    session: Session,
    out: Outgoing,
    buffer: BytesMut,
}

impl End {
    fn new(side: Side, options: SessionOptions) -> Self {
        Self {
            session: Session::new(START, side, options),
            out: Outgoing::default(),
            buffer: BytesMut::new(),
        }
    }

    /// The next bytes on their way out, at most `max`.
    fn take_out(&mut self, now: Timestamp, max: usize) -> Vec<u8> {
        self.session.poll_transmit(now, &mut self.out, BURST_LEN);
        let mut slices = [std::io::IoSlice::new(&[]); 8];
        let count = self.out.fill(&mut slices);
        let pieces = slices[..count].iter().flat_map(|slice| slice.iter());
        let bytes: Vec<u8> = pieces.copied().take(max).collect();
        self.out.advance(bytes.len());
        bytes
    }

    fn put_in(&mut self, now: Timestamp, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        self.session.handle_bytes(now, &mut self.buffer);
    }

    fn put_frame(&mut self, id: u64, frame: &Frame) {
        let mut out = BytesMut::new();
        frame.encode_head(id, &mut out);
        out.extend_from_slice(frame.data().map_or(&[], |data| data));
        self.put_in(START, &out);
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }

    fn violation(&self) -> Option<Violation> {
        match self.session.ending()?.cause {
            Cause::Violation(violation) => Some(violation),
            _ => None,
        }
    }
}

/// Two ends that hear each other at once.
struct Pair {
    now: Timestamp,
    dialer: End,
    listener: End,
}

impl Pair {
    fn new(options: SessionOptions) -> Self {
        let mut pair = Self {
            now: START,
            dialer: End::new(Side::Dialer, options),
            listener: End::new(Side::Listener, options),
        };
        pair.exchange();
        assert_eq!(pair.dialer.events(), [Event::Settled]);
        assert_eq!(pair.listener.events(), [Event::Settled]);
        pair
    }

    /// Carries bytes until neither end has any.
    fn exchange(&mut self) {
        loop {
            let there = self.dialer.take_out(self.now, usize::MAX);
            let back = self.listener.take_out(self.now, usize::MAX);
            if there.is_empty() && back.is_empty() {
                return;
            }
            for (end, bytes) in [(&mut self.listener, there), (&mut self.dialer, back)] {
                if !bytes.is_empty() {
                    end.put_in(self.now, &bytes);
                }
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.dialer.session.handle_timeout(self.now);
        self.listener.session.handle_timeout(self.now);
        self.exchange();
    }

    fn call(&mut self, subject: &str, payload: Bytes, wants_reply: bool) -> CallId {
        let id = self.dialer.session.call(
            self.now,
            NewCall {
                subject,
                message: Message::plain(payload),
                wants_reply,
                deadline: LATER,
            },
        );
        self.exchange();
        id.unwrap()
    }

    /// The call that has just reached the listener.
    fn called(&mut self) -> Called {
        let events = self.listener.events();
        let [Event::Called(called)] = &events[..] else {
            panic!("{events:?}");
        };
        called.clone()
    }

    fn answer(&mut self, id: ServedId, result: Result<Bytes, Failure>) {
        let result = result.map(Message::plain);
        self.listener.session.answer(self.now, id, result);
        self.exchange();
    }
}

fn answered(id: CallId, result: Result<Bytes, CallError>) -> Event {
    let result = result.map(Message::plain);
    Event::Answered { id, result }
}
