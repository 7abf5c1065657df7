//! Messages while nodes restart, move, renew their certificates, and connections fall idle.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use phalanx::{MessageError, MessagingOptions, Node};

use super::echo;
use super::site::{PATIENCE, Site, all_see, ask, id, until, within};

/// A member comes back in another life, at another address; the same messenger reaches it there.
#[tokio::test]
async fn a_member_that_comes_back_elsewhere_is_reached_there() {
    for site in Site::all() {
        let (one, two) = site.pair().await;
        let echoes = two.messenger().handle("echo", echo);
        let asked = async || ask(&one, "2", "echo", "x").await;
        assert_eq!(asked().await.unwrap(), "x");
        let former = two.addr();
        two.abort().await;
        drop(echoes);
        let two = site.start("2", Some(&one)).await;
        assert_ne!(two.addr(), former);
        let _echo = two.messenger().handle("echo", echo);
        all_see(&[&one, &two]).await;
        until(|| one.member(&id("2")).unwrap().record().addr == two.addr()).await;
        assert_eq!(asked().await.unwrap(), "x");
        // And back.
        let _here = one.messenger().handle("echo", echo);
        let back = ask(&two, "1", "echo", "y").await;
        assert_eq!(back.unwrap(), "y");
        assert_eq!(one.stats().messaging.connections, 1);
        two.leave(PATIENCE).await;
        let gone = asked().await;
        assert_eq!(gone, Err(MessageError::NotAMember));
        until(|| one.stats().messaging.connections == 0).await;
    }
}

/// Both ends renew their certificates, again and again, while calls go back and forth: not one fails, and what is used in the
/// end was made with the last of them.
#[tokio::test]
async fn certificates_are_renewed_without_a_failed_call() {
    for site in [Site::tls(), Site::quic()] {
        renews_without_a_failed_call(&site).await;
    }
}

async fn renews_without_a_failed_call(site: &Site) {
    let (one, two) = site.pair().await;
    let _echo = [&one, &two].map(|node| node.messenger().handle("echo", echo));
    let stop = Arc::new(AtomicBool::new(false));
    let calls = Arc::new(AtomicUsize::new(0));
    let callers = [(&one, "2"), (&two, "1")].map(|(node, to)| {
        let (messenger, to) = (node.messenger(), id(to));
        let (stop, calls) = (Arc::clone(&stop), Arc::clone(&calls));
        tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                assert_eq!(messenger.request(&to, "echo", "x").await.unwrap(), "x");
                calls.fetch_add(1, Ordering::SeqCst);
            }
        })
    });
    for _ in 0..3 {
        for (node, other, name) in [(&one, &two, "1"), (&two, &one, "2")] {
            let before = introduction(other, name);
            site.issue(name);
            assert!(within(node.reload_trust()).await.unwrap().is_renewed);
            until(|| introduction(other, name) != before).await;
            let so_far = calls.load(Ordering::SeqCst);
            until(|| calls.load(Ordering::SeqCst) > so_far + 100).await;
        }
    }
    stop.store(true, Ordering::SeqCst);
    for caller in callers {
        within(caller).await.unwrap();
    }
    // Those that were replaced are gone.
    until(|| one.stats().messaging.connections <= 2).await;
    let _who = one
        .messenger()
        .handle("who", async |request: phalanx::Request| {
            let certificate = request.sender_certificate().copied();
            Ok::<_, phalanx::HandlerError>(certificate.map_or_else(Vec::new, Vec::from))
        });
    let who = ask(&two, "1", "who", "").await.unwrap();
    assert_eq!(who[..], site.certificate("2").unwrap());
}

fn introduction(node: &Node, name: &str) -> Option<phalanx::member::IntroductionTag> {
    node.member(&id(name))?.record().introduction
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_made_again_when_it_is_wanted() {
    for site in Site::all() {
        let options = MessagingOptions {
            idle_timeout: Duration::from_millis(200),
            ..MessagingOptions::default()
        };
        let (one, two) = site.pair_with(options).await;
        let _echo = two.messenger().handle("echo", echo);
        let mut before = 0;
        for _ in 0..3 {
            let reply = ask(&one, "2", "echo", "x").await;
            assert_eq!(reply.unwrap(), "x");
            until(|| one.stats().messaging.connections == 0).await;
            until(|| two.stats().messaging.connections == 0).await;
            let bytes = one.stats().messaging.bytes_out;
            assert!(bytes > before, "what has ended still counts");
            before = bytes;
        }
        let suspected = one.stats().membership.swim.probes_failed;
        assert_eq!(suspected, 0);
    }
}

/// Handles may outlive their node; they do not keep it running, and nothing hangs.
#[tokio::test]
async fn a_messenger_does_not_keep_its_node_running() {
    let site = Site::plain();
    let (one, two) = site.pair().await;
    let messenger = two.messenger();
    let _echo = messenger.handle("echo", echo);
    drop(two);
    until(|| {
        let left = phalanx::member::MemberState::Left;
        one.member(&id("2")).is_some_and(|it| it.state() == left)
    })
    .await;
    until(|| messenger.stats().subjects == 0).await;
    let error = within(messenger.request(&id("1"), "x", ""))
        .await
        .unwrap_err();
    assert!(matches!(error, MessageError::NodeStopped { .. }), "{error}");
}
