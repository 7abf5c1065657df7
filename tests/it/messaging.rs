//! Messages and streams between whole nodes, on loopback sockets: in plaintext, over TLS and over QUIC.

mod failures;
#[cfg(target_os = "linux")]
mod flood;
mod lives;
mod quic;
mod site;
mod streams;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use phalanx::{HandlerError, MessagingOptions, Request};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use self::site::{Site, ask, id, until, within};

#[tokio::test]
async fn requests_are_answered_and_messages_taken_whoever_dialled() {
    for site in Site::all() {
        let [one, two, three] = site.trio().await;
        let _echo = [&one, &two, &three].map(|node| {
            let name = node.local().record().id.to_string();
            node.messenger().handle("echo", move |request: Request| {
                let payload = String::from_utf8_lossy(request.payload()).into_owned();
                let reply = format!("{name} heard {payload} from {}", request.sender());
                async move { Ok::<_, HandlerError>(reply) }
            })
        });
        for (from, to) in [
            (&one, "2"),
            (&two, "1"),
            (&three, "1"),
            (&one, "3"),
            (&two, "2"),
        ] {
            let reply = ask(from, to, "echo", "x").await.unwrap();
            let sender = from.local().record().id.clone();
            assert_eq!(reply, format!("{to} heard x from {sender}"));
        }
        // One connection for each pair, used by both of its ends.
        assert_eq!(one.stats().messaging.connections, 2);
        let carries = one.connections();
        let carries = carries.iter().filter(|it| it.has_messages);
        assert!(carries.clone().count() == 2);
        assert!(carries.into_iter().all(|it| it.transport == site.transport));
        assert_eq!(one.stats().quic_fallbacks, 0);
        assert_eq!(two.stats().messaging.connections, 1);
        let stats = one.stats().messaging;
        assert_eq!((stats.calls, stats.waiting, stats.subjects), (0, 0, 1));
        assert!(stats.bytes_in > 0 && stats.bytes_out > 0);

        let (news, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let _news = two.messenger().handle("news", move |request: Request| {
            let sent = news.send((request.wants_reply(), request.into_payload()));
            async move {
                sent.map(|()| "nobody reads this")
                    .map_err(HandlerError::from)
            }
        });
        within(three.messenger().send(&id("2"), "news", "it rains"))
            .await
            .unwrap();
        let (wants_reply, payload) = within(heard.recv()).await.unwrap();
        assert_eq!((wants_reply, &payload[..]), (false, &b"it rains"[..]));
    }
}

/// The sender is the member that has proven itself, with the certificate that it has done so with.
#[tokio::test]
async fn a_handler_knows_who_has_sent_a_message() {
    for site in Site::all() {
        let [one, two, three] = site.trio().await;
        let _who = one.messenger().handle("who", |request: Request| {
            let who = format!("{} {:?}", request.sender(), request.sender_certificate());
            async move { Ok::<_, HandlerError>(who) }
        });
        let mut said = BTreeSet::new();
        for (node, name) in [(&one, "1"), (&two, "2"), (&three, "3")] {
            let who = ask(node, "1", "who", "").await.unwrap();
            let expected = format!("{name} {:?}", site.certificate(name).as_ref());
            assert_eq!(who, expected);
            said.insert(who);
        }
        assert_eq!(said.len(), 3);
    }
}

#[tokio::test]
async fn both_ends_may_dial_at_once() {
    for site in Site::all() {
        let (one, two) = site.pair().await;
        let _echo = [&one, &two].map(|node| node.messenger().handle("echo", echo));
        let (here, there) = (one.messenger(), two.messenger());
        let (to, back) = (id("2"), id("1"));
        let mut requests = JoinSet::new();
        for _ in 0..20 {
            let (here, there, to, back) = (here.clone(), there.clone(), to.clone(), back.clone());
            requests.spawn(async move { here.request(&to, "echo", "x").await });
            requests.spawn(async move { there.request(&back, "echo", "x").await });
        }
        while let Some(done) = within(requests.join_next()).await {
            assert_eq!(done.unwrap().unwrap(), "x");
        }
        assert!(one.stats().messaging.connections <= 2);
    }
}

/// A thousand at once, more than are handled at a time, and nothing is lost or refused.
#[tokio::test]
async fn a_thousand_requests_at_once_are_all_answered_and_few_are_handled_at_a_time() {
    const HANDLED_MAX: usize = 16;
    for site in Site::all() {
        let options = MessagingOptions {
            handlers_max: NonZeroUsize::new(HANDLED_MAX).unwrap(),
            ..MessagingOptions::default()
        };
        let (one, two) = site.pair_with(options).await;
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (count, top) = (Arc::clone(&running), Arc::clone(&most));
        let _slow = two.messenger().handle("slow", move |request: Request| {
            let (running, most) = (Arc::clone(&count), Arc::clone(&top));
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(1)).await;
                running.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, HandlerError>(request.into_payload())
            }
        });
        let messenger = one.messenger();
        let mut requests = JoinSet::new();
        for n in 0..1_000_u32 {
            let messenger = messenger.clone();
            requests.spawn(async move {
                let payload = n.to_string().repeat(1_000);
                let reply = messenger.request(&id("2"), "slow", payload.clone()).await;
                assert_eq!(reply.unwrap(), payload);
            });
        }
        while let Some(done) = within(requests.join_next()).await {
            done.unwrap();
        }
        assert_eq!(most.load(Ordering::SeqCst), HANDLED_MAX);
        assert_eq!(running.load(Ordering::SeqCst), 0);
        assert_eq!(one.stats().messaging.connections, 1);
    }
}

/// A full queue withholds its senders' word that a message is taken, and drops nothing.
#[tokio::test]
async fn a_full_queue_holds_senders_up_and_loses_nothing() {
    let site = Site::tls();
    let options = MessagingOptions {
        handlers_max: NonZeroUsize::new(1).unwrap(),
        queue_len_max: NonZeroUsize::new(2).unwrap(),
        ..MessagingOptions::default()
    };
    let (one, two) = site.pair_with(options).await;
    let gate = Arc::new(Mutex::new(()));
    let handled = Arc::new(AtomicUsize::new(0));
    let (entry, count) = (Arc::clone(&gate), Arc::clone(&handled));
    let _slow = two.messenger().handle("slow", move |_| {
        let (entry, count) = (Arc::clone(&entry), Arc::clone(&count));
        async move {
            let _open = entry.lock().await;
            count.fetch_add(1, Ordering::SeqCst);
            Ok::<_, HandlerError>("")
        }
    });
    let closed = gate.lock().await;
    let taken = Arc::new(AtomicUsize::new(0));
    let mut sends = JoinSet::new();
    for _ in 0..10 {
        let (messenger, taken) = (one.messenger(), Arc::clone(&taken));
        sends.spawn(async move {
            messenger.send(&id("2"), "slow", "x").await.unwrap();
            taken.fetch_add(1, Ordering::SeqCst);
        });
    }
    // One is being handled, two have places.
    until(|| taken.load(Ordering::SeqCst) == 3).await;
    assert_eq!(handled.load(Ordering::SeqCst), 0);
    drop(closed);
    while let Some(done) = within(sends.join_next()).await {
        done.unwrap();
    }
    until(|| handled.load(Ordering::SeqCst) == 10).await;
}

/// What is compressed by one end is read by the other, whatever that one would compress with.
#[tokio::test]
async fn ends_need_not_compress_alike() {
    use phalanx::messaging::Compression;
    let all = [Compression::None, Compression::Gzip, Compression::Snappy];
    for (ours, theirs) in all.into_iter().zip(all.into_iter().cycle().skip(1)) {
        let site = Site::tls();
        let options = |compression| MessagingOptions {
            compression,
            ..MessagingOptions::default()
        };
        let one = site.start_with("1", None, options(ours)).await;
        let two = site.start_with("2", Some(&one), options(theirs)).await;
        site::all_see(&[&one, &two]).await;
        let _echo = two.messenger().handle("echo", echo);
        let long = "compresses well ".repeat(10_000);
        let reply = ask(&one, "2", "echo", long.clone()).await.unwrap();
        assert_eq!(reply, long);
    }
}

async fn echo(request: Request) -> Result<bytes::Bytes, HandlerError> {
    Ok(request.into_payload())
}
