//! Each way in which a message does not get through has its name, and says whether it can have arrived.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use phalanx::messaging::Delivery::{NotSent, Unknown};
use phalanx::messaging::SessionOptions;
use phalanx::transport::messages::{self, Inbox, IncomingCall, IncomingStream, Opened};
use phalanx::transport::tcp::SocketOptions;
use phalanx::transport::{Security, door};
use phalanx::trust::{Trust, TrustPem};
use phalanx::wire::hello::Side;
use phalanx::{HandlerError, MessageError, MessagingOptions, Request};
use tokio::sync::{Notify, mpsc};

use super::echo;
use super::site::{Site, ask, id, open, until, within};

#[tokio::test]
async fn what_cannot_be_handled_says_why() {
    for site in Site::all() {
        let options = MessagingOptions {
            message_len_max: 100_000,
            ..MessagingOptions::default()
        };
        let (one, two) = site.pair_with(options).await;
        let served = two.messenger();
        let _handlers = [
            served.handle("echo", echo),
            served.handle("long", async |_: Request| {
                Ok::<_, HandlerError>(vec![0; 100_001])
            }),
            served.handle("fails", async |_: Request| {
                let number: u32 = "seven".parse()?;
                Ok::<_, HandlerError>(number.to_string())
            }),
            served.handle("panics", async |request: Request| {
                assert!(request.payload().is_empty(), "not today");
                Ok::<_, HandlerError>("")
            }),
            served.handle("panics later", async |request: Request| {
                tokio::task::yield_now().await;
                assert!(request.payload().is_empty(), "not today");
                Ok::<_, HandlerError>("")
            }),
        ];
        let failed = |message: &str| MessageError::HandlerFailed {
            message: message.to_owned(),
        };
        let too_large = MessageError::TooLarge {
            len: 100_001,
            max: 100_000,
        };
        let reply_too_large = MessageError::ReplyTooLarge {
            len: 100_001,
            max: 100_000,
        };
        let rows = [
            ("2", "nobody", 1, MessageError::NoHandler, NotSent),
            ("9", "echo", 1, MessageError::NotAMember, NotSent),
            (
                "2",
                "fails",
                1,
                failed("invalid digit found in string"),
                Unknown,
            ),
            ("2", "panics", 1, failed("the handler panicked"), Unknown),
            (
                "2",
                "panics later",
                1,
                failed("the handler panicked"),
                Unknown,
            ),
            ("2", "echo", 100_001, too_large, NotSent),
            ("2", "long", 1, reply_too_large, Unknown),
            ("2", "", 1, MessageError::InvalidSubject { len: 0 }, NotSent),
        ];
        // From another member and to oneself it is the same.
        for sender in [&one, &two] {
            for (to, subject, len, error, delivery) in &rows {
                let payload = vec![7; *len];
                let failed = ask(sender, to, subject, payload).await.unwrap_err();
                assert_eq!(failed, *error, "{subject}");
                assert_eq!(failed.delivery(), *delivery, "{subject}");
            }
            let longest = vec![7; 100_000];
            let reply = ask(sender, "2", "echo", longest.clone()).await.unwrap();
            assert_eq!(reply, longest);
        }
        let refused = open(&one, "2", "echo").await.err();
        assert_eq!(
            refused,
            Some(MessageError::NoHandler),
            "no handler of streams"
        );
    }
}

#[tokio::test]
async fn a_handler_may_come_late_and_go() {
    for site in Site::all() {
        let (one, two) = site.pair().await;
        let (messenger, to) = (one.messenger(), id("2"));
        let ask = async || within(messenger.request(&to, "late", "x")).await;
        assert_eq!(ask().await, Err(MessageError::NoHandler));
        let first = two.messenger().handle("late", echo);
        assert_eq!(ask().await.unwrap(), "x");
        let second = two
            .messenger()
            .handle("late", async |_: Request| Ok::<_, HandlerError>("second"));
        assert_eq!(ask().await.unwrap(), "second");
        drop(first);
        assert_eq!(ask().await.unwrap(), "second", "it was replaced before");
        drop(second);
        assert_eq!(ask().await, Err(MessageError::NoHandler));
    }
}

/// Counts the handlers that were begun and dropped.
#[derive(Clone, Default)]
struct Watched(Arc<(AtomicUsize, AtomicUsize)>);

impl Watched {
    async fn never(self) -> Result<Bytes, HandlerError> {
        struct OnDrop(Watched);
        impl Drop for OnDrop {
            fn drop(&mut self) {
                self.0.0.1.fetch_add(1, Ordering::SeqCst);
            }
        }
        self.0.0.fetch_add(1, Ordering::SeqCst);
        let _counted = OnDrop(self);
        std::future::pending().await
    }

    fn begun(&self) -> usize {
        self.0.0.load(Ordering::SeqCst)
    }

    fn dropped(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_handler_is_dropped_once_nobody_waits_for_it() {
    for site in Site::all() {
        let (one, two) = site.pair().await;
        let watched = Watched::default();
        let handled = watched.clone();
        let _never = two
            .messenger()
            .handle("never", move |_| handled.clone().never());
        let (messenger, to) = (one.messenger(), id("2"));
        let soon = Duration::from_millis(50);
        let timed_out = messenger.request_within(soon, &to, "never", "x").await;
        let expected = MessageError::TimedOut { delivery: Unknown };
        assert_eq!(timed_out, Err(expected));
        until(|| watched.dropped() == 1).await;
        // Whoever waits may give up.
        let waits = tokio::spawn(async move { messenger.request(&id("2"), "never", "x").await });
        until(|| watched.begun() == 2).await;
        waits.abort();
        until(|| watched.dropped() == 2).await;
        assert_eq!(one.stats().messaging.calls, 0);
    }
}

#[tokio::test]
async fn a_node_that_is_killed_leaves_nobody_waiting() {
    for site in Site::all() {
        let (one, two) = site.pair().await;
        let watched = Watched::default();
        let handled = watched.clone();
        let _never = two
            .messenger()
            .handle("never", move |_| handled.clone().never());
        let [here, there] = [(&one, "2"), (&two, "2")].map(|(node, to)| {
            let (messenger, to) = (node.messenger(), id(to));
            tokio::spawn(async move { messenger.request(&to, "never", "x").await })
        });
        until(|| watched.begun() == 2).await;
        two.abort().await;
        let error = within(here).await.unwrap().unwrap_err();
        assert!(matches!(error, MessageError::Closed { .. }), "{error}");
        assert_eq!(error.delivery(), Unknown);
        let error = within(there).await.unwrap().unwrap_err();
        assert_eq!(error, MessageError::NodeStopped { delivery: Unknown });
        until(|| watched.dropped() == 2).await;
        let error = ask(&two, "1", "x", "").await;
        assert_eq!(error, Err(MessageError::NodeStopped { delivery: NotSent }));
        // It is a member still, and nobody is there.
        let error = ask(&one, "2", "x", "").await.unwrap_err();
        let is_gone = matches!(
            error,
            MessageError::Unreachable { .. } | MessageError::NotAMember
        );
        assert!(is_gone, "{error}");
        assert_eq!(error.delivery(), NotSent);
    }
}

#[tokio::test]
async fn a_node_that_leaves_lets_what_is_under_way_end_but_not_for_ever() {
    for site in Site::all() {
        let (one, two) = site.pair().await;
        let (begun, mut begins) = mpsc::unbounded_channel();
        let go_on = Arc::new(Notify::new());
        let (watched, waits) = (Watched::default(), Arc::clone(&go_on));
        let never = watched.clone();
        let _handlers = [
            two.messenger().handle("soon", move |_| {
                let waits = Arc::clone(&waits);
                begun.send(()).unwrap();
                async move {
                    waits.notified().await;
                    Ok::<_, HandlerError>("done")
                }
            }),
            two.messenger()
                .handle("never", move |_| never.clone().never()),
        ];
        let [soon, never] = ["soon", "never"].map(|subject| {
            let messenger = one.messenger();
            tokio::spawn(async move { messenger.request(&id("2"), subject, "x").await })
        });
        within(begins.recv()).await.unwrap();
        until(|| watched.begun() == 1).await;
        let leaving = two.clone();
        let leaves = tokio::spawn(async move { leaving.leave(Duration::from_secs(4)).await });
        // Nothing new is begun by a node that leaves.
        until(|| two.messenger().stats().waiting == 0).await;
        go_on.notify_one();
        assert_eq!(within(soon).await.unwrap().unwrap(), "done");
        let error = within(never).await.unwrap().unwrap_err();
        assert!(matches!(error, MessageError::Closed { .. }), "{error}");
        assert_eq!(error.delivery(), Unknown);
        within(leaves).await.unwrap();
    }
}

/// A stranger that speaks the protocol of messages perfectly well, and has proven nothing.
#[tokio::test]
async fn no_byte_of_a_message_is_taken_from_whoever_has_not_proven_itself() {
    for site in Site::all() {
        let (one, _two) = site.pair().await;
        let handled = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&handled);
        let _secret = one.messenger().handle("secret", move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            async { Ok::<_, HandlerError>("42") }
        });
        let security = match site.authority_pem() {
            None => Security::Plain,
            Some(authority) => Security::Tls(stranger(&authority)),
        };
        let sockets = SocketOptions::default();
        let patience = Duration::from_secs(10);
        let dialled = door::dial(one.addr().into(), &sockets, &security, patience);
        let secured = within(dialled).await.unwrap();
        let opened = Opened {
            io: secured.stream,
            early: Vec::new(),
            first: Vec::new(),
            side: Side::Dialer,
        };
        let options = SessionOptions::default();
        let (channel, task) = messages::open(opened, options, Arc::new(Deaf));
        let task = tokio::spawn(task);
        let asked = channel.request("secret", Bytes::from_static(b"x"), patience);
        within(asked).await.unwrap_err();
        within(task).await.unwrap();
        assert_eq!(handled.load(Ordering::SeqCst), 0);
        assert_eq!(one.stats().messaging.connections, 0);
    }
}

pub(super) struct Deaf;

impl Inbox for Deaf {
    fn call(&self, _: IncomingCall) {}

    fn stream(&self, _: IncomingStream) {}
}

/// It believes the cluster's authority, and its certificate is its own.
pub(super) fn stranger(authority: &str) -> Trust {
    let made = rcgen::generate_simple_self_signed(["stranger".to_owned()]).unwrap();
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let pem = TrustPem {
        certificate_chain: chain.as_bytes(),
        private_key: key.as_bytes(),
        trusted_certificates: Some(authority.as_bytes()),
        ..TrustPem::default()
    };
    Trust::from_pem(&pem, crate::support::now()).unwrap().0
}
