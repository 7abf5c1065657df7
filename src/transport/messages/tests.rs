use std::sync::Mutex;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::*;
use crate::messaging::Violation;
use crate::wire::refusal::Code;

const SOON: Duration = Duration::from_secs(20);

/// Hands over what comes, or deals with it at once by its subject.
struct TestInbox {
    calls: mpsc::UnboundedSender<IncomingCall>,
    streams: mpsc::UnboundedSender<IncomingStream>,
    subjects: Mutex<Vec<String>>,
}

impl Inbox for TestInbox {
    fn call(&self, call: IncomingCall) {
        let subject = call.subject().to_owned();
        self.subjects.lock().unwrap().push(subject.clone());
        match &*subject {
            "echo" => {
                if let Some((payload, responder)) = call.begin() {
                    responder.reply(Ok(payload));
                }
            }
            "fail" => call.refuse(Failure::HandlerFailed("no luck".to_owned())),
            "drop" => drop(call),
            "keep" => self.calls.send(call).map_err(drop).unwrap(),
            _ => call.refuse(Failure::NoHandler),
        }
    }

    fn stream(&self, stream: IncomingStream) {
        if stream.subject() == "keep" {
            self.streams.send(stream).map_err(drop).unwrap();
        } else {
            stream.refuse(Failure::NoHandler);
        }
    }
}

/// One end of a connection under test.
struct End {
    channel: Channel,
    inbox: Arc<TestInbox>,
    calls: mpsc::UnboundedReceiver<IncomingCall>,
    streams: mpsc::UnboundedReceiver<IncomingStream>,
    task: JoinHandle<Closed>,
}

fn end(io: Stream, side: Side, options: SessionOptions, early: Vec<u8>, first: &[u8]) -> End {
    let (calls_in, calls) = mpsc::unbounded_channel();
    let (streams_in, streams) = mpsc::unbounded_channel();
    let inbox = Arc::new(TestInbox {
        calls: calls_in,
        streams: streams_in,
        subjects: Mutex::default(),
    });
    let opened = Opened {
        io,
        early,
        first: first.to_vec(),
        side,
    };
    let (channel, task) = open(opened, options, Arc::<TestInbox>::clone(&inbox));
    End {
        channel,
        inbox,
        calls,
        streams,
        task: tokio::spawn(task),
    }
}

fn piped(options: SessionOptions) -> (End, End) {
    let (dialer, listener) = tokio::io::duplex(8 * 1024);
    (
        end(Box::new(dialer), Side::Dialer, options, Vec::new(), &[]),
        end(Box::new(listener), Side::Listener, options, Vec::new(), &[]),
    )
}

async fn over_tcp(options: SessionOptions) -> (End, End) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (dialer, accepted) = tokio::join!(TcpStream::connect(addr), listener.accept());
    (
        end(
            Box::new(dialer.unwrap()),
            Side::Dialer,
            options,
            Vec::new(),
            &[],
        ),
        end(
            Box::new(accepted.unwrap().0),
            Side::Listener,
            options,
            Vec::new(),
            &[],
        ),
    )
}

fn pattern(len: usize) -> Bytes {
    (0..len).map(|i| (i * 31 % 251) as u8).collect()
}

#[tokio::test]
async fn calls_go_both_ways_and_their_ends_are_told_apart() {
    let (dialer, mut listener) = over_tcp(SessionOptions::default()).await;
    for (near, far) in [(&dialer, &listener), (&listener, &dialer)] {
        for len in [0, 1, 70_000, 4 << 20] {
            let echo = near.channel.request("echo", pattern(len), SOON).await;
            assert_eq!(echo, Ok(pattern(len)));
        }
        let request = async |subject| near.channel.request(subject, Bytes::new(), SOON).await;
        assert_eq!(request("nobody").await, Err(CallError::NoHandler));
        let failed = |message: &str| {
            let message = message.to_owned();
            Err(CallError::HandlerFailed { message })
        };
        assert_eq!(request("fail").await, failed("no luck"));
        assert_eq!(request("drop").await, failed("the handler gave no answer"));
        assert_eq!(request("").await, Err(CallError::InvalidSubject { len: 0 }));
        let large = near.channel.send("echo", pattern((4 << 20) + 1), SOON);
        let max = 4 << 20;
        assert_eq!(large.await, Err(CallError::TooLarge { len: max + 1, max }));
        assert_eq!(far.inbox.subjects.lock().unwrap().len(), 7);
    }
    let sent = dialer.channel.send("keep", pattern(10), SOON);
    let taken = async {
        let mut call = listener.calls.recv().await.unwrap();
        assert!(!call.wants_reply() && call.accept());
        call
    };
    let (sent, call) = tokio::join!(sent, taken);
    assert_eq!(sent, Ok(()));
    let (payload, _) = call.begin().unwrap();
    assert_eq!(payload, pattern(10));
}

#[tokio::test]
async fn a_stream_carries_everything_both_ways_and_each_way_ends_by_itself() {
    for (mut dialer, mut listener) in [
        over_tcp(SessionOptions::default()).await,
        piped(SessionOptions::default()),
    ] {
        let none = dialer.channel.open_stream("nobody", SOON).await;
        assert_eq!(none.err(), Some(CallError::NoHandler));
        let opening = dialer.channel.open_stream("keep", SOON);
        let taking = async { listener.streams.recv().await.unwrap().accept() };
        let (opened, mut taken) = tokio::join!(opening, taking);
        let (mut reader, mut writer) = opened.unwrap().into_split();
        let sending = async {
            writer.write_bytes(pattern(3 << 20)).await.unwrap();
            writer.write_all(&pattern(1_000_000)).await.unwrap();
            writer.shutdown().await.unwrap();
        };
        let receiving = async {
            let mut got = Vec::new();
            taken.read_to_end(&mut got).await.unwrap();
            got
        };
        let ((), got) = tokio::join!(sending, receiving);
        assert!(got[..3 << 20] == pattern(3 << 20) && got[3 << 20..] == pattern(1_000_000));
        taken.write_all(b"and back").await.unwrap();
        taken.finish().unwrap();
        drop(taken);
        let mut back = Vec::new();
        reader.read_to_end(&mut back).await.unwrap();
        assert_eq!(back, b"and back");
        drop((reader, writer));
        dialer.channel.drain();
        let closed = (&mut dialer.task).await.unwrap();
        assert_eq!(closed.ending.cause, Cause::Drained);
        let closed = (&mut listener.task).await.unwrap();
        assert_eq!(closed.ending.cause, Cause::Drained);
    }
}

#[tokio::test]
async fn what_was_read_early_counts_and_what_is_to_come_first_does() {
    let (near, mut far) = tokio::io::duplex(1024);
    let near = end(
        Box::new(near),
        Side::Listener,
        SessionOptions::default(),
        vec![0xff; 12],
        b"ready",
    );
    let closed = near.task.await.unwrap();
    assert!(matches!(
        closed.ending.cause,
        Cause::Violation(Violation::Malformed(_))
    ));
    let mut said = Vec::new();
    far.read_to_end(&mut said).await.unwrap();
    assert!(said.starts_with(b"ready"));
}

#[tokio::test]
async fn a_caller_that_goes_stops_its_handler() {
    let (dialer, mut listener) = piped(SessionOptions::default());
    let channel = dialer.channel.clone();
    let asking = tokio::spawn(async move { channel.request("keep", Bytes::new(), SOON).await });
    let call = listener.calls.recv().await.unwrap();
    let (_, responder) = call.begin().unwrap();
    asking.abort();
    responder.cancelled().await;
    drop(responder);
    let echo = dialer.channel.request("echo", pattern(3), SOON).await;
    assert_eq!(echo, Ok(pattern(3)));
    assert_eq!(dialer.channel.usage().calls, 0);
}

#[tokio::test]
async fn an_end_is_told_to_everybody_who_waits() {
    let (dialer, mut listener) = piped(SessionOptions::default());
    let opening = dialer.channel.open_stream("keep", SOON);
    let taking = async { listener.streams.recv().await.unwrap().accept() };
    let (opened, mut taken) = tokio::join!(opening, taking);
    let mut opened = opened.unwrap();
    let asking = dialer.channel.request("keep", Bytes::new(), SOON);
    let reading = opened.read_bytes();
    let ending = async {
        let call = listener.calls.recv().await.unwrap();
        listener.channel.close_with(Code::Leaving);
        assert!(call.begin().is_none(), "nobody waits for it");
        let ours = taken.read_bytes().await;
        assert_eq!(ours, Err(StreamError::Closed(Code::Leaving)));
    };
    let (asked, read, ()) = tokio::join!(asking, reading, ending);
    let code = Code::Leaving;
    let delivery = Delivery::Unknown;
    assert_eq!(asked, Err(CallError::Closed { code, delivery }));
    assert_eq!(read, Err(StreamError::Closed(code)));
    let closed = dialer.task.await.unwrap();
    assert_eq!(
        (closed.ending.code, closed.ending.cause),
        (code, Cause::Farewell)
    );
    assert_eq!(listener.task.await.unwrap().ending.cause, Cause::Asked);
    let late = dialer.channel.send("echo", Bytes::new(), SOON).await;
    let delivery = Delivery::NotSent;
    assert_eq!(late, Err(CallError::Closed { code, delivery }));
}

#[tokio::test]
async fn a_task_that_is_dropped_leaves_nobody_waiting() {
    let (dialer, mut listener) = piped(SessionOptions::default());
    let asking = dialer.channel.request("keep", Bytes::new(), SOON);
    let dropping = async {
        let call = listener.calls.recv().await.unwrap();
        dialer.task.abort();
        assert!(dialer.task.await.is_err());
        drop(call);
    };
    let (asked, ()) = tokio::join!(asking, dropping);
    assert_eq!(asked.unwrap_err().delivery(), Delivery::Unknown);
    assert!(!dialer.channel.is_open());
    assert!(listener.task.await.unwrap().is_loss());
}

#[tokio::test]
async fn compressed_payloads_arrive_as_they_were() {
    for compression in [Compression::Gzip, Compression::Snappy] {
        let options = SessionOptions {
            compression,
            ..SessionOptions::default()
        };
        let (dialer, _listener) = piped(options);
        let text = Bytes::from(vec![7; 1 << 20]);
        let echo = dialer.channel.request("echo", text.clone(), SOON).await;
        assert_eq!(echo, Ok(text));
        let usage = dialer.channel.usage();
        assert!(
            usage.bytes_out < 200_000 && usage.bytes_in < 200_000,
            "{usage:?}"
        );
    }
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_given_up_and_nothing_was_sent() {
    let options = SessionOptions {
        heartbeat_interval: Duration::from_millis(100),
        heartbeat_timeout: Duration::from_millis(300),
        ..SessionOptions::default()
    };
    let (near, _far) = tokio::io::duplex(64);
    let near = end(Box::new(near), Side::Dialer, options, Vec::new(), &[]);
    let short = Duration::from_millis(10);
    let delivery = Delivery::NotSent;
    let timed_out = near.channel.request("x", pattern(10), short).await;
    assert_eq!(timed_out, Err(CallError::TimedOut { delivery }));
    let code = Code::Unreachable;
    let closed = near.channel.request("x", pattern(10), SOON).await;
    assert_eq!(closed, Err(CallError::Closed { code, delivery }));
    assert!(near.task.await.unwrap().is_loss());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_and_streams_at_once_lose_nothing() {
    let (dialer, mut listener) = piped(SessionOptions::default());
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..32 {
        let channel = dialer.channel.clone();
        callers.spawn(async move {
            for round in 0..10 {
                let payload = pattern((caller * 7_919 + round * 6_007) % 100_000);
                let echo = channel.request("echo", payload.clone(), SOON).await;
                assert_eq!(echo, Ok(payload));
            }
        });
    }
    for _ in 0..8 {
        let channel = dialer.channel.clone();
        callers.spawn(async move {
            let mut stream = channel.open_stream("keep", SOON).await.unwrap();
            stream.write_all(&pattern(1 << 20)).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut back = Vec::new();
            stream.read_to_end(&mut back).await.unwrap();
            assert!(back == pattern(1 << 20));
        });
        let (mut reader, mut writer) = listener.streams.recv().await.unwrap().accept().into_split();
        callers.spawn(async move {
            tokio::io::copy(&mut reader, &mut writer).await.unwrap();
            writer.shutdown().await.unwrap();
        });
    }
    while let Some(done) = callers.join_next().await {
        done.unwrap();
    }
    dialer.channel.close();
    assert_eq!(dialer.task.await.unwrap().ending.cause, Cause::Asked);
    assert_eq!(listener.task.await.unwrap().ending.cause, Cause::Farewell);
}
