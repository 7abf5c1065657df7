//! What a peer can make a session hold, if it sends all that it may and reads nothing.

use super::*;
use crate::wire::messages::{Encoding, RequestHead};

const OPTIONS: SessionOptions = SessionOptions {
    message_len_max: 64 * 1024,
    requests_window: 128 * 1024,
    replies_window: 128 * 1024,
    calls_max: 16,
    streams_max: 8,
    stream_window: 32 * 1024,
    compression: Compression::None,
    heartbeat_interval: Duration::from_secs(5),
    heartbeat_timeout: Duration::from_secs(15),
};

/// The windows twice over, since buffers grow by doubling, and something for entries.
const HELD_MAX: usize = 2 * (2 * 128 * 1024 + 8 * 32 * 1024) + 64 * 1024;

/// A listener whose peer does not read a byte.
fn unheard() -> End {
    let mut end = End::new(Side::Listener, OPTIONS);
    end.put_frame(0, &Frame::Settings(OPTIONS.settings()));
    end
}

/// Lets it say what it can, which nobody takes, and holds it to its bound.
fn check(end: &mut End) {
    end.session.poll_transmit(START, &mut end.out, BURST_LEN);
    let held = end.session.held();
    assert!(held <= HELD_MAX, "{held} bytes");
    let out = end.out.len();
    assert!(out <= 3 * BURST_LEN, "{out} bytes on their way out");
}

fn request(wants_reply: bool, len: u32, data: usize) -> Frame {
    let head = RequestHead {
        subject: Bytes::from_static(b"x"),
        wants_reply,
        remaining_ms: 1_000,
        encoding: Encoding::Plain,
        len,
        wire_len: len,
    };
    Frame::Request(head, vec![0; data].into())
}

#[test]
fn pings_pile_up_nothing() {
    let mut end = unheard();
    for number in 0..100_000 {
        end.put_frame(0, &Frame::Ping(number));
        check(&mut end);
    }
    assert_eq!(end.session.ending(), None);
}

#[test]
fn calls_that_are_cancelled_at_once_run_out_of_places() {
    let mut end = unheard();
    for id in 1..10_000 {
        end.put_frame(id * 2, &request(true, 100, 1));
        end.put_frame(id * 2, &Frame::Cancel);
        check(&mut end);
        if end.session.ending().is_some() {
            break;
        }
    }
    assert_eq!(end.violation(), Some(Violation::TooMany("calls")));
}

#[test]
fn calls_that_never_come_whole_take_what_has_arrived() {
    let mut end = unheard();
    end.put_frame(2, &request(true, 64 * 1024, 1));
    end.put_frame(4, &request(true, 64 * 1024, 1));
    check(&mut end);
    assert!(end.session.held() < 16 * 1024);
    end.put_frame(6, &request(true, 1, 1));
    assert_eq!(end.violation(), Some(Violation::Credit("requests")));
}

#[test]
fn replies_that_nobody_reads_hold_further_calls_back() {
    let options = SessionOptions {
        message_len_max: 4 << 20,
        ..SessionOptions::default()
    };
    let mut end = End::new(Side::Listener, options);
    end.put_frame(0, &Frame::Settings(options.settings()));
    let mut handled = 0;
    for id in 1..=1_000 {
        end.put_frame(id * 2, &request(true, 0, 0));
        while let Some(event) = end.session.poll_event() {
            if let Event::Called(called) = event {
                let reply = Message::plain(vec![0; 1 << 20].into());
                end.session.answer(START, called.id, Ok(reply));
                handled += 1;
            }
        }
        end.session.poll_transmit(START, &mut end.out, BURST_LEN);
    }
    assert!(handled <= 12, "{handled} replies of 1 MiB wait");
    assert_eq!(end.session.ending(), None);
}

#[test]
fn a_stream_in_single_bytes_takes_no_more_than_one_in_large_pieces() {
    let mut end = unheard();
    for stream in 1..=8 {
        end.put_frame(stream * 2, &Frame::Open(Bytes::from_static(b"x")));
        for _ in 0..32 * 1024 {
            end.put_frame(stream * 2, &Frame::Data(Bytes::from_static(b"x")));
        }
        check(&mut end);
    }
    assert_eq!(end.session.ending(), None);
    let mut more = unheard();
    more.put_frame(2, &Frame::Open(Bytes::from_static(b"x")));
    more.put_frame(2, &Frame::Data(vec![0; 32 * 1024].into()));
    more.put_frame(2, &Frame::Data(Bytes::from_static(b"x")));
    assert_eq!(more.violation(), Some(Violation::Credit("stream")));
}

#[test]
fn streams_that_are_refused_run_out_of_places() {
    let mut end = unheard();
    for id in 1..1_000 {
        end.put_frame(id * 2, &Frame::Open(Bytes::from_static(b"x")));
        for event in end.events() {
            if let Event::StreamOffered { id, .. } = event {
                end.session.reject_stream(START, id, Failure::NoHandler);
            }
        }
        check(&mut end);
    }
    // Places are given back with what is written, so a peer that opens more has at least made us write.
    assert!(end.out.len() <= 3 * BURST_LEN);
}

#[test]
fn calls_begun_and_given_up_while_nothing_is_read_leave_nothing_behind() {
    let mut end = unheard();
    for _ in 0..10_000 {
        let call = NewCall {
            subject: "x",
            message: Message::plain(vec![0; 1_000].into()),
            wants_reply: true,
            deadline: LATER,
        };
        let id = end.session.call(START, call).unwrap();
        end.session.poll_transmit(START, &mut end.out, BURST_LEN);
        end.session.cancel(START, id);
        let stream = end.session.open_stream(START, "x", LATER).unwrap();
        end.session.drop_stream(START, stream);
        check(&mut end);
    }
    assert!(end.session.calls() <= 16 && end.session.streams() <= 8);
}
