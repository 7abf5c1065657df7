use super::*;

#[test]
fn a_reply_comes_back_whatever_its_length() {
    let mut pair = Pair::new(SessionOptions::default());
    for len in [0, 1, 65_536, 65_537, 4 << 20] {
        let payload = Bytes::from(vec![7; len]);
        let id = pair.call("echo", payload.clone(), true);
        let called = pair.called();
        assert_eq!((&*called.subject, called.wants_reply), ("echo", true));
        assert_eq!(called.deadline, LATER);
        pair.answer(
            called.id,
            called.message.decode().map_err(|_| Failure::NoHandler),
        );
        assert_eq!(pair.dialer.events(), [answered(id, Ok(payload))]);
    }
    assert_eq!(
        pair.dialer.session.calls() + pair.listener.session.calls(),
        0
    );
}

#[test]
fn a_one_way_call_is_taken_before_it_is_handled() {
    let mut pair = Pair::new(SessionOptions::default());
    let id = pair.call("news", Bytes::from_static(b"x"), false);
    let called = pair.called();
    assert!(pair.listener.session.accept(pair.now, called.id));
    pair.exchange();
    assert_eq!(pair.dialer.events(), [answered(id, Ok(Bytes::new()))]);
    assert_eq!(pair.listener.session.calls(), 1, "its bytes count");
    pair.listener.session.release(pair.now, called.id);
    assert_eq!(pair.listener.session.calls(), 0);
}

#[test]
fn failures_are_told_apart() {
    let mut pair = Pair::new(SessionOptions::default());
    let rows = [
        (Failure::NoHandler, CallError::NoHandler),
        (
            Failure::HandlerFailed("no luck".to_owned()),
            CallError::HandlerFailed {
                message: "no luck".to_owned(),
            },
        ),
        (
            Failure::Refused(Code::Leaving),
            CallError::Refused {
                code: Code::Leaving,
            },
        ),
    ];
    for (failure, error) in rows {
        let id = pair.call("x", Bytes::new(), true);
        let called = pair.called();
        pair.answer(called.id, Err(failure));
        assert_eq!(pair.dialer.events(), [answered(id, Err(error))]);
    }
    let id = pair.call("x", Bytes::new(), true);
    let called = pair.called();
    pair.answer(called.id, Ok(vec![0; (4 << 20) + 1].into()));
    let max = 4 << 20;
    let error = CallError::ReplyTooLarge { len: max + 1, max };
    assert_eq!(error.delivery(), Delivery::Unknown);
    assert_eq!(pair.dialer.events(), [answered(id, Err(error))]);
}

#[test]
fn a_call_that_times_out_does_so_at_both_ends() {
    let mut pair = Pair::new(SessionOptions::default());
    let id = pair.call("slow", Bytes::new(), true);
    let called = pair.called();
    assert!(pair.listener.session.is_wanted(called.id));
    pair.pass(LATER.saturating_since(START));
    let error = CallError::TimedOut {
        delivery: Delivery::Unknown,
    };
    assert_eq!(pair.dialer.events(), [answered(id, Err(error))]);
    assert_eq!(pair.listener.events(), [Event::CallerGone(called.id)]);
    assert!(!pair.listener.session.is_wanted(called.id));
    assert_eq!(
        pair.dialer.session.calls(),
        1,
        "its place is taken until the answer"
    );
    pair.answer(called.id, Ok(Bytes::new()));
    assert_eq!(pair.dialer.session.calls(), 0);
    assert_eq!(pair.dialer.events(), []);
}

#[test]
fn a_call_without_a_place_waits_and_times_out_unsent() {
    let options = SessionOptions {
        calls_max: 1,
        ..SessionOptions::default()
    };
    let mut pair = Pair::new(options);
    let first = pair.call("a", Bytes::new(), true);
    let called = pair.called();
    let second = pair.call("b", Bytes::new(), true);
    let third = pair.call("c", Bytes::new(), true);
    assert_eq!(pair.listener.events(), []);
    pair.dialer.session.cancel(pair.now, second);
    pair.answer(called.id, Ok(Bytes::new()));
    assert_eq!(pair.dialer.events(), [answered(first, Ok(Bytes::new()))]);
    let called = pair.called();
    assert_eq!(called.subject, "c");
    let fourth = pair.call("d", Bytes::new(), true);
    pair.pass(LATER.saturating_since(START));
    let timed_out = |id, delivery| answered(id, Err(CallError::TimedOut { delivery }));
    assert_eq!(
        pair.dialer.events(),
        [
            timed_out(third, Delivery::Unknown),
            timed_out(fourth, Delivery::NotSent)
        ]
    );
}

#[test]
fn bytes_count_until_a_handler_has_taken_them() {
    let options = SessionOptions {
        message_len_max: 1_000,
        requests_window: 2_000,
        ..SessionOptions::default()
    };
    let mut pair = Pair::new(options);
    for subject in ["a", "b", "c"] {
        pair.call(subject, vec![0; 1_000].into(), true);
    }
    let events = pair.listener.events();
    let [Event::Called(a), Event::Called(b)] = &events[..] else {
        panic!("{events:?}");
    };
    pair.listener.session.release(pair.now, a.id);
    pair.exchange();
    assert_eq!(
        pair.called().subject,
        "c",
        "the others are not answered yet"
    );
    assert!(pair.listener.session.is_wanted(b.id));
}

#[test]
fn a_cancelled_call_is_not_offered_if_it_is_not_whole() {
    let mut pair = Pair::new(SessionOptions::default());
    let call = NewCall {
        subject: "large",
        message: Message::plain(vec![0; 1 << 20].into()),
        wants_reply: true,
        deadline: LATER,
    };
    let id = pair.dialer.session.call(START, call).unwrap();
    let part = pair.dialer.take_out(START, usize::MAX);
    assert!(part.len() < 1 << 20);
    pair.listener.put_in(START, &part);
    pair.dialer.session.cancel(START, id);
    pair.exchange();
    assert_eq!(pair.listener.events(), []);
    assert_eq!(
        pair.dialer.session.calls() + pair.listener.session.calls(),
        0
    );
}

#[test]
fn a_short_call_does_not_wait_for_a_long_one() {
    let mut pair = Pair::new(SessionOptions::default());
    let call = |subject, len| NewCall {
        subject,
        message: Message::plain(vec![0; len].into()),
        wants_reply: true,
        deadline: LATER,
    };
    let session = &mut pair.dialer.session;
    session.call(START, call("long", 4 << 20)).unwrap();
    session.call(START, call("short", 10)).unwrap();
    let mut sent = 0;
    while pair.listener.session.calls() < 2 {
        let bytes = pair.dialer.take_out(START, usize::MAX);
        sent += bytes.len();
        pair.listener.put_in(START, &bytes);
    }
    assert!(sent < 4 * BURST_LEN, "{sent}");
    assert_eq!(pair.called().subject, "short");
}

#[test]
fn a_drain_lets_everything_finish_and_begins_nothing() {
    let mut pair = Pair::new(SessionOptions::default());
    let id = pair.call("a", Bytes::new(), true);
    let called = pair.called();
    pair.listener.session.drain(pair.now);
    pair.exchange();
    assert!(!pair.dialer.session.is_open() && pair.dialer.session.ending().is_none());
    let late = pair.dialer.session.open_stream(START, "x", LATER);
    assert_eq!(late.unwrap_err().delivery(), Delivery::NotSent);
    pair.answer(called.id, Ok(Bytes::new()));
    assert_eq!(pair.dialer.events(), [answered(id, Ok(Bytes::new()))]);
    for end in [&pair.dialer, &pair.listener] {
        assert_eq!(end.session.ending().unwrap().cause, Cause::Drained);
    }
}

/// A call may have begun that nothing is out of yet when its end wants to drain.
#[test]
fn what_has_begun_goes_out_before_the_word_that_nothing_more_will() {
    let mut pair = Pair::new(SessionOptions::default());
    let call = NewCall {
        subject: "a",
        message: Message::plain(Bytes::from_static(b"x")),
        wants_reply: true,
        deadline: LATER,
    };
    let id = pair.dialer.session.call(pair.now, call).unwrap();
    let opened = pair.dialer.session.open_stream(pair.now, "b", LATER);
    pair.dialer.session.drain(pair.now);
    pair.exchange();
    assert_eq!(pair.listener.violation(), None);
    let events = pair.listener.events();
    let [
        Event::StreamOffered { id: offered, .. },
        Event::Called(called),
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    pair.listener.session.accept_stream(*offered);
    pair.answer(called.id, Ok(Bytes::new()));
    let stream = opened.unwrap();
    let events = pair.dialer.events();
    assert!(events.contains(&answered(id, Ok(Bytes::new()))));
    pair.dialer.session.drop_stream(pair.now, stream);
    pair.listener.session.drop_stream(pair.now, *offered);
    pair.exchange();
    assert_eq!(pair.dialer.session.ending().unwrap().cause, Cause::Drained);
}

#[test]
fn silence_is_asked_about_and_then_ends_the_connection() {
    let options = SessionOptions::default();
    let mut pair = Pair::new(options);
    assert_eq!(pair.dialer.session.rtt(), Some(Duration::ZERO));
    let beat = |end: &End| end.session.next_timeout().unwrap();
    assert_eq!(beat(&pair.dialer), START + options.heartbeat_interval);
    pair.pass(options.heartbeat_interval);
    assert_eq!(beat(&pair.dialer), pair.now + options.heartbeat_interval);
    let lost_at = pair.now + options.heartbeat_timeout;
    let ping_at = pair.now + options.heartbeat_interval;
    pair.dialer.session.handle_timeout(ping_at);
    assert!(!pair.dialer.take_out(ping_at, usize::MAX).is_empty());
    assert_eq!(beat(&pair.dialer), lost_at);
    pair.dialer.session.handle_timeout(lost_at);
    assert_eq!(pair.dialer.session.ending().unwrap().cause, Cause::Lost);
    assert_eq!(pair.dialer.session.next_timeout(), None);
}

#[test]
fn what_breaks_the_protocol_ends_the_connection() {
    let settings = SessionOptions::default().settings();
    let request = |len: u32, data: usize| {
        let head = crate::wire::messages::RequestHead {
            subject: Bytes::from_static(b"x"),
            wants_reply: true,
            remaining_ms: 1_000,
            encoding: crate::wire::messages::Encoding::Plain,
            len,
            wire_len: len,
        };
        Frame::Request(head, vec![0; data].into())
    };
    let max = settings.message_len_max;
    let rows: Vec<(&str, Vec<(u64, Frame)>)> = vec![
        ("settings twice", vec![(0, Frame::Settings(settings))]),
        ("wrong parity", vec![(1, request(1, 1))]),
        ("no number", vec![(2, Frame::Ping(1))]),
        (
            "a number again",
            vec![(2, request(1, 1)), (2, request(1, 1))],
        ),
        ("too long", vec![(2, request(max + 1, 1))]),
        (
            "beyond the window",
            vec![
                (2, request(max, 1)),
                (4, request(max, 1)),
                (6, request(1, 1)),
            ],
        ),
        (
            "more than announced",
            vec![
                (2, request(10, 1)),
                (2, Frame::RequestMore(vec![0; 10].into())),
            ],
        ),
        (
            "more of nothing",
            vec![(2, Frame::RequestMore(vec![0].into()))],
        ),
        ("a reply to nothing", vec![(1, Frame::Accepted)]),
        ("a pong for nothing", vec![(0, Frame::Pong(1))]),
        ("a stream of nothing", vec![(2, Frame::Fin)]),
        ("drained twice", vec![(0, Frame::Drain), (0, Frame::Drain)]),
        (
            "a call behind drain",
            vec![(0, Frame::Drain), (2, request(1, 1))],
        ),
        (
            "too much credit",
            vec![(
                0,
                Frame::Credit {
                    requests: u32::MAX,
                    replies: 0,
                    streams: 0,
                },
            )],
        ),
    ];
    for (what, frames) in rows {
        let mut end = End::new(Side::Listener, SessionOptions::default());
        end.put_frame(0, &Frame::Settings(settings));
        assert_eq!(end.session.ending(), None);
        for (id, frame) in frames {
            assert_eq!(end.session.ending(), None, "{what}: too early");
            end.put_frame(id, &frame);
        }
        assert!(end.violation().is_some(), "{what}");
        assert!(
            !end.take_out(START, usize::MAX).is_empty(),
            "{what}: a farewell"
        );
    }
    let mut end = End::new(Side::Listener, SessionOptions::default());
    end.put_frame(0, &Frame::Ping(1));
    assert!(end.violation().is_some(), "settings come first");
}
