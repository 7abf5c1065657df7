//! Byte streams between members: in order, both ways, many at once.

use bytes::Bytes;
use phalanx::messaging::StreamError;
use phalanx::transport::messages::ByteStream;
use phalanx::{HandlerError, IncomingStream, MessageError, Node, Registration};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::site::{Site, ask, id, open, until, within};

/// Hands whatever is opened to the test.
fn taken(node: &Node, subject: &str) -> (Registration, mpsc::UnboundedReceiver<ByteStream>) {
    let (takes, taken) = mpsc::unbounded_channel();
    let registration = node
        .messenger()
        .handle_streams(subject, move |stream: IncomingStream| {
            let _ = takes.send(stream.accept());
            async {}
        });
    (registration, taken)
}

#[tokio::test]
async fn a_stream_is_read_to_its_end_while_the_other_way_goes_on() {
    for site in Site::all() {
        let (one, two) = site.pair().await;
        let _upper = two
            .messenger()
            .handle_streams("upper", async |stream: IncomingStream| {
                assert_eq!((stream.sender(), stream.subject()), (&id("1"), "upper"));
                let mut stream = stream.accept();
                let mut text = String::new();
                stream.read_to_string(&mut text).await.unwrap();
                stream
                    .write_all(text.to_uppercase().as_bytes())
                    .await
                    .unwrap();
                stream.shutdown().await.unwrap();
            });
        let _refuses = two
            .messenger()
            .handle_streams("full", async |stream: IncomingStream| {
                stream.refuse(HandlerError::new("no room"));
            });
        let mut stream = open(&one, "2", "upper").await.unwrap();
        stream.write_all(b"half ").await.unwrap();
        stream.write_all(b"closed").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut reply = String::new();
        within(stream.read_to_string(&mut reply)).await.unwrap();
        assert_eq!(reply, "HALF CLOSED");
        drop(stream);
        let refused = open(&one, "2", "full").await.err();
        let message = "no room".to_owned();
        assert_eq!(refused, Some(MessageError::HandlerFailed { message }));
        until(|| one.stats().messaging.streams == 0).await;
        until(|| two.stats().messaging.streams == 0).await;
    }
}

#[tokio::test]
async fn either_end_may_give_a_stream_up_and_says_why() {
    for site in Site::all() {
        let (one, two) = site.pair().await;
        let (_log, mut opened) = taken(&two, "log");
        let mut here = open(&one, "2", "log").await.unwrap();
        let mut there = within(opened.recv()).await.unwrap();
        here.write_bytes(Bytes::from_static(b"x")).await.unwrap();
        assert_eq!(within(there.read_bytes()).await.unwrap().unwrap(), "x");
        there.reset(7);
        let read = within(here.read_bytes()).await;
        assert_eq!(read, Err(StreamError::Reset(7)));
        let written = within(async {
            loop {
                if let Err(error) = here.write_bytes(Bytes::from_static(b"x")).await {
                    return error;
                }
                tokio::task::yield_now().await;
            }
        });
        assert_eq!(written.await, StreamError::Stopped(7));
        // A node that dies ends its streams.
        let mut here = open(&one, "2", "log").await.unwrap();
        let there = within(opened.recv()).await.unwrap();
        two.abort().await;
        let read = within(here.read_bytes()).await;
        assert!(matches!(read, Err(StreamError::Closed(_))), "{read:?}");
        drop(there);
    }
}

/// 64 MiB go over one stream while a sibling on the same connection is full and nobody reads it, and a request passes both.
#[tokio::test]
async fn a_stream_that_is_not_read_holds_up_no_other() {
    const LEN: usize = 64 << 20;
    for site in Site::all() {
        let (one, two) = site.pair().await;
        let _echo = two.messenger().handle("echo", super::echo);
        let (_stalled, mut stalled) = taken(&two, "stalled");
        let (_bulk, mut bulk) = taken(&two, "bulk");
        let mut full = open(&one, "2", "stalled").await.unwrap();
        let unread = within(stalled.recv()).await.unwrap();
        let chunk = Bytes::from(vec![3; 64 << 10]);
        let filler = tokio::spawn(async move {
            let mut written = 0_usize;
            while written < LEN && full.write_bytes(chunk.clone()).await.is_ok() {
                written += chunk.len();
            }
            written
        });
        let mut sends = open(&one, "2", "bulk").await.unwrap();
        let mut reads = within(bulk.recv()).await.unwrap();
        let sender = tokio::spawn(async move {
            for n in 0..LEN / (64 << 10) {
                let chunk = vec![u8::try_from(n % 251).unwrap(); 64 << 10];
                sends.write_bytes(chunk.into()).await.unwrap();
            }
            sends.finish().unwrap();
            // Both ways have an end, or it would count as given up.
            assert_eq!(sends.read_bytes().await.unwrap(), None);
        });
        let mut read = 0;
        while let Some(bytes) = within(reads.read_bytes()).await.unwrap() {
            for byte in bytes {
                assert_eq!(usize::from(byte), read / (64 << 10) % 251);
                read += 1;
            }
        }
        assert_eq!(read, LEN);
        reads.finish().unwrap();
        within(sender).await.unwrap();
        let reply = ask(&one, "2", "echo", "x").await;
        assert_eq!(reply.unwrap(), "x");
        assert!(!filler.is_finished(), "it waits for credit");
        drop(unread);
        let written = within(filler).await.unwrap();
        assert!(written < LEN / 8, "{written} bytes were buffered");
        assert_eq!(one.stats().messaging.connections, 1);
    }
}

#[tokio::test]
async fn a_node_may_open_streams_to_itself() {
    let site = Site::tls();
    let (one, _two) = site.pair().await;
    let (_log, mut opened) = taken(&one, "log");
    let mut here = open(&one, "1", "log").await.unwrap();
    let mut there = within(opened.recv()).await.unwrap();
    here.write_all(b"to myself").await.unwrap();
    here.shutdown().await.unwrap();
    let mut text = String::new();
    within(there.read_to_string(&mut text)).await.unwrap();
    assert_eq!(text, "to myself");
    assert_eq!(one.stats().messaging.connections, 0, "no socket is in it");
}
