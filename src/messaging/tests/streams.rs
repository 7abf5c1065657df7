use super::*;

fn opened(pair: &mut Pair) -> StreamId {
    let id = pair.dialer.session.open_stream(pair.now, "log", LATER);
    let id = id.unwrap();
    pair.exchange();
    let subject = "log".to_owned();
    assert_eq!(
        pair.listener.events(),
        [Event::StreamOffered { id, subject }]
    );
    assert!(pair.listener.session.accept_stream(id));
    pair.exchange();
    let result = Ok(());
    assert_eq!(pair.dialer.events(), [Event::StreamAnswered { id, result }]);
    id
}

fn write(end: &mut End, id: StreamId, bytes: &'static [u8]) {
    let taken = end.session.write(id, Bytes::from_static(bytes));
    assert_eq!(taken, Ok(Taken::All));
}

fn read(end: &mut End, id: StreamId) -> Result<Read, StreamError> {
    end.session.read(id)
}

fn got(bytes: &'static [u8]) -> Result<Read, StreamError> {
    Ok(Read::Bytes(Bytes::from_static(bytes)))
}

#[test]
fn each_way_ends_by_itself_and_the_place_is_free_again() {
    let options = SessionOptions {
        streams_max: 1,
        ..SessionOptions::default()
    };
    let mut pair = Pair::new(options);
    for _ in 0..3 {
        let id = opened(&mut pair);
        assert_eq!(read(&mut pair.listener, id), Ok(Read::Nothing));
        write(&mut pair.dialer, id, b"one");
        pair.dialer.session.finish(id).unwrap();
        pair.exchange();
        assert_eq!(pair.listener.events()[0], Event::Readable(id));
        assert_eq!(read(&mut pair.listener, id), got(b"one"));
        assert_eq!(read(&mut pair.listener, id), Ok(Read::End));
        write(&mut pair.listener, id, b"two");
        pair.listener.session.finish(id).unwrap();
        pair.listener.session.drop_stream(pair.now, id);
        pair.exchange();
        assert_eq!(read(&mut pair.dialer, id), got(b"two"));
        assert_eq!(read(&mut pair.dialer, id), Ok(Read::End));
        pair.dialer.session.drop_stream(pair.now, id);
        pair.exchange();
        pair.dialer.events();
        pair.listener.events();
        assert_eq!(pair.dialer.session.streams(), 0);
        assert_eq!(pair.listener.session.streams(), 0);
    }
}

#[test]
fn a_stream_that_nobody_reads_stalls_itself_alone() {
    let options = SessionOptions {
        stream_window: 1_000,
        ..SessionOptions::default()
    };
    let mut pair = Pair::new(options);
    let stalled = opened(&mut pair);
    let flowing = opened(&mut pair);
    let bytes = Bytes::from(vec![1; 10_000]);
    for id in [stalled, flowing] {
        let taken = pair.dialer.session.write(id, bytes.clone());
        assert_eq!(taken, Ok(Taken::All));
    }
    pair.exchange();
    let mut total = 0;
    while let Ok(Read::Bytes(bytes)) = read(&mut pair.listener, flowing) {
        total += bytes.len();
        pair.exchange();
    }
    assert_eq!(total, 10_000);
    assert_eq!(
        read(&mut pair.listener, stalled).map(|read| match read {
            Read::Bytes(bytes) => bytes.len(),
            _ => 0,
        }),
        Ok(1_000)
    );
}

#[test]
fn a_writer_is_sent_back_and_called_again() {
    let mut pair = Pair::new(SessionOptions::default());
    let id = opened(&mut pair);
    let mut total = 0;
    let bytes = Bytes::from(vec![1; 100_000]);
    let taken = loop {
        pair.exchange();
        match pair.dialer.session.write(id, bytes.clone()).unwrap() {
            Taken::All => total += bytes.len(),
            back => break back,
        }
    };
    assert_eq!(taken, Taken::Back(bytes));
    assert!(total < (1 << 20) + 2 * stream::UNSENT_LEN_MAX, "{total}");
    assert_eq!(pair.dialer.session.write_slice(id, b"x"), Ok(0));
    while let Ok(Read::Bytes(_)) = read(&mut pair.listener, id) {}
    pair.exchange();
    assert_eq!(pair.dialer.events(), [Event::Writable(id)]);
    assert_eq!(pair.dialer.session.write_slice(id, b"x"), Ok(1));
}

#[test]
fn a_reset_is_read_as_one_and_a_stop_ends_the_writer() {
    let mut pair = Pair::new(SessionOptions::default());
    let id = opened(&mut pair);
    write(&mut pair.dialer, id, b"lost");
    pair.exchange();
    pair.dialer.session.reset(id, 7);
    pair.listener.session.stop(id, 8);
    pair.exchange();
    assert_eq!(read(&mut pair.listener, id), Err(StreamError::Finished));
    let id = opened_after(&mut pair);
    pair.dialer.session.reset(id, 7);
    pair.exchange();
    assert_eq!(read(&mut pair.listener, id), Err(StreamError::Reset(7)));
    let id = opened_after(&mut pair);
    pair.listener.session.stop(id, 8);
    pair.exchange();
    let refused = pair.dialer.session.write_slice(id, b"x");
    assert_eq!(refused, Err(StreamError::Stopped(8)));
}

fn opened_after(pair: &mut Pair) -> StreamId {
    pair.dialer.events();
    pair.listener.events();
    opened(pair)
}

#[test]
fn a_stream_that_is_let_go_of_unfinished_is_an_error_at_the_other_end() {
    let mut pair = Pair::new(SessionOptions::default());
    let id = opened(&mut pair);
    write(&mut pair.dialer, id, b"lost");
    pair.dialer.session.drop_stream(pair.now, id);
    pair.exchange();
    assert_eq!(read(&mut pair.listener, id), Err(StreamError::Reset(0)));
    let refused = pair.listener.session.write_slice(id, b"x");
    assert_eq!(refused, Err(StreamError::Stopped(0)));
    pair.listener.session.drop_stream(pair.now, id);
    pair.exchange();
    assert_eq!(
        pair.dialer.session.streams() + pair.listener.session.streams(),
        0
    );
}

#[test]
fn a_stream_is_refused_given_up_or_has_no_place() {
    let options = SessionOptions {
        streams_max: 2,
        ..SessionOptions::default()
    };
    let mut pair = Pair::new(options);
    let open = |pair: &mut Pair| {
        let id = pair.dialer.session.open_stream(pair.now, "x", LATER);
        pair.exchange();
        id.unwrap()
    };
    let [refused, late, given_up] = std::array::from_fn(|_| open(&mut pair));
    assert_eq!(pair.listener.events().len(), 2, "there are two places");
    let failure = Failure::NoHandler;
    pair.listener
        .session
        .reject_stream(pair.now, refused, failure);
    pair.exchange();
    let result = Err(CallError::NoHandler);
    let answered = |id, result| Event::StreamAnswered { id, result };
    assert_eq!(pair.dialer.events(), [answered(refused, result)]);
    assert_eq!(pair.listener.events().len(), 1, "a place is free");
    pair.dialer.session.drop_stream(pair.now, given_up);
    pair.exchange();
    assert!(pair.listener.session.accept_stream(given_up));
    assert_eq!(
        read(&mut pair.listener, given_up),
        Err(StreamError::Reset(0))
    );
    pair.listener.session.drop_stream(pair.now, given_up);
    pair.exchange();
    let [unanswered, placeless] = std::array::from_fn(|_| open(&mut pair));
    pair.pass(LATER.saturating_since(START));
    let timed_out = |id, delivery| answered(id, Err(CallError::TimedOut { delivery }));
    assert_eq!(
        pair.dialer.events(),
        [
            timed_out(late, Delivery::Unknown),
            timed_out(unanswered, Delivery::Unknown),
            timed_out(placeless, Delivery::NotSent)
        ]
    );
}

#[test]
fn what_has_arrived_can_be_read_after_the_connection_has_ended() {
    let mut pair = Pair::new(SessionOptions::default());
    let whole = opened(&mut pair);
    let cut = opened(&mut pair);
    for id in [whole, cut] {
        write(&mut pair.dialer, id, b"here");
    }
    pair.dialer.session.finish(whole).unwrap();
    pair.exchange();
    pair.dialer.session.close(pair.now, Code::Leaving);
    pair.exchange();
    for id in [whole, cut] {
        assert_eq!(read(&mut pair.listener, id), got(b"here"));
    }
    assert_eq!(read(&mut pair.listener, whole), Ok(Read::End));
    let closed = Err(StreamError::Closed(Code::Leaving));
    assert_eq!(read(&mut pair.listener, cut), closed);
    for id in [whole, cut] {
        pair.listener.session.drop_stream(pair.now, id);
    }
    assert_eq!(pair.listener.session.streams(), 0);
}
