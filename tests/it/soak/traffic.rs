//! [`Traffic`]: what a member sends to others, and whether that ends as it must.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use phalanx::member::MemberId;
use phalanx::transport::messages::ByteStream;
use phalanx::wire::hash::sha256;
use phalanx::{MessageError, Messenger, Node};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::member::MEMBERS;

/// How many send requests and messages, and how many write streams, at a time.
const CALLERS: usize = 8;
const WRITERS: usize = 2;
/// How long requests and messages may take.
const DEADLINE: Duration = Duration::from_secs(2);
/// By how much an end may be late. The deadline is ours; a busy machine is not.
const LATENESS_MAX: Duration = Duration::from_secs(10);
/// How long a stream may take, to its end or its failure.
const STREAM_DEADLINE: Duration = Duration::from_secs(60);
/// The lengths of payloads: none, some that travel in one segment, some in many, and the longest that there may be.
const LENGTHS: [usize; 7] = [0, 1, 128, 4 << 10, 65 << 10, 700 << 10, 4 << 20];
/// The longest stream, in bytes.
const STREAM_LEN_MAX: usize = 3 << 20;

/// What goes on until it is stopped.
pub(super) struct Traffic {
    rest: watch::Sender<bool>,
    stop: watch::Sender<bool>,
    counts: Arc<Mutex<Counts>>,
    workers: JoinSet<()>,
}

/// How what was begun has ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    ends: BTreeMap<(&'static str, String), u64>,
    latest: Duration,
}

/// One of those that send.
struct Worker {
    messenger: Messenger,
    own: usize,
    rng: Pcg64,
    counts: Arc<Mutex<Counts>>,
}

impl Traffic {
    pub(super) fn start(node: &Node, own: usize, seed: u64) -> Self {
        let (rest, stop) = (watch::Sender::new(false), watch::Sender::new(false));
        let counts = Arc::default();
        let mut workers = JoinSet::new();
        let mut seeds = Pcg64::seed_from_u64(seed ^ own as u64);
        for number in 0..CALLERS + WRITERS {
            let mut worker = Worker {
                messenger: node.messenger(),
                own,
                rng: Pcg64::seed_from_u64(seeds.random()),
                counts: Arc::clone(&counts),
            };
            let (mut rest, stop) = (rest.subscribe(), stop.subscribe());
            workers.spawn(async move {
                loop {
                    let _ = rest.wait_for(|rest| !rest).await;
                    if *stop.borrow() {
                        return;
                    }
                    match number < CALLERS {
                        true => worker.call().await,
                        false => worker.stream().await,
                    }
                    worker.pause().await;
                }
            });
        }
        Self {
            rest,
            stop,
            counts,
            workers,
        }
    }

    /// Whether it is to begin nothing more.
    pub(super) fn rest(&self, is_resting: bool) {
        self.rest.send_replace(is_resting);
    }

    /// The switch of [`Traffic::rest`].
    pub(super) fn resting(&self) -> watch::Sender<bool> {
        self.rest.clone()
    }

    /// Ends it.
    pub(super) async fn stop(self) -> Counts {
        self.stop.send_replace(true);
        self.rest(false);
        self.watched().await
    }

    /// Waits for its end; panics with whoever has seen something wrong.
    pub(super) async fn watched(mut self) -> Counts {
        while let Some(ended) = self.workers.join_next().await {
            ended.unwrap();
        }
        self.counts.lock().unwrap().clone()
    }
}

impl Worker {
    async fn call(&mut self) {
        let len = LENGTHS[self.rng.random_range(0..LENGTHS.len())];
        let payload = self.bytes(len);
        let subject = match self.rng.random_range(0..20) {
            0 => "never",
            1 => "fails",
            2 => "nobody handles this",
            3..6 => "slow",
            6..9 => "news",
            _ => "echo",
        };
        let to = self.somebody();
        let began = Instant::now();
        let (messenger, sent) = (&self.messenger, payload.clone());
        let ended = match subject {
            "news" => {
                let taken = messenger.send_within(DEADLINE, &to, subject, sent);
                taken.await.map(|()| None)
            }
            _ => {
                let asked = messenger.request_within(DEADLINE, &to, subject, sent);
                asked.await.map(Some)
            }
        };
        let lateness = began.elapsed().saturating_sub(DEADLINE);
        assert!(
            lateness < LATENESS_MAX,
            "{subject} {len} to {to} took {DEADLINE:?} and {lateness:?}"
        );
        match (&ended, subject) {
            (Ok(reply), "echo" | "slow") => {
                assert!(reply.as_ref() == Some(&payload), "another reply")
            }
            (Ok(_), "never" | "fails" | "nobody handles this") => panic!("{subject} was answered"),
            (Err(MessageError::HandlerFailed { message }), "fails") => {
                assert_eq!(message, "as it must")
            }
            _ => {}
        }
        self.count(subject, ended.map(drop), lateness);
    }

    async fn stream(&mut self) {
        let len = self.rng.random_range(0..STREAM_LEN_MAX);
        let bytes = self.bytes(len);
        let to = self.somebody();
        let ended = timeout(STREAM_DEADLINE, self.write(&to, &bytes)).await;
        let ended = ended.unwrap_or_else(|_| panic!("a stream of {len} bytes to {to} never ends"));
        if let Ok(reply) = &ended {
            assert!(
                reply[..] == sum(&bytes),
                "a stream of {len} bytes to {to} arrived otherwise"
            );
        }
        self.count("stream", ended.map(drop), Duration::ZERO);
    }

    async fn write(&mut self, to: &MemberId, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let text = |error: std::io::Error| format!("{:?}", error.kind());
        let opened = self.messenger.open_stream_within(DEADLINE, to, "sum").await;
        let mut stream: ByteStream = opened.map_err(|error| name(&error))?;
        let mut left = bytes;
        while !left.is_empty() {
            let count = self.rng.random_range(1..=left.len().min(200 << 10));
            let (now, later) = left.split_at(count);
            stream.write_all(now).await.map_err(text)?;
            left = later;
        }
        stream.shutdown().await.map_err(text)?;
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).await.map_err(text)?;
        Ok(reply)
    }

    async fn pause(&mut self) {
        let pause = Duration::from_millis(self.rng.random_range(0..40));
        tokio::time::sleep(pause).await;
    }

    /// Any member but this one; or, now and then, this one.
    fn somebody(&mut self) -> MemberId {
        let number = self.rng.random_range(1..=MEMBERS);
        match number == self.own && self.rng.random_range(0..4) > 0 {
            true => id(number % MEMBERS + 1),
            false => id(number),
        }
    }

    fn bytes(&mut self, len: usize) -> Bytes {
        let first = self.rng.random_range(0..=u8::MAX);
        let bytes = (0..len).map(|at| first.wrapping_add((at ^ (at >> 8)) as u8));
        bytes.collect()
    }

    fn count<E: ToName>(&self, subject: &'static str, ended: Result<(), E>, lateness: Duration) {
        let end = ended.map_or_else(|error| error.name(), |()| "done".to_owned());
        let mut counts = self.counts.lock().unwrap();
        *counts.ends.entry((subject, end)).or_default() += 1;
        counts.latest = counts.latest.max(lateness);
    }
}

impl Counts {
    /// All kinds of things were done, and those were answered that could be.
    pub(super) fn check(&self) {
        for subject in ["echo", "slow", "news", "stream"] {
            assert!(
                self.ends.contains_key(&(subject, "done".to_owned())),
                "{self}"
            );
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: u64 = self.ends.values().sum();
        write!(f, "{all} begun here, late by {:?} at most", self.latest)?;
        for ((subject, end), count) in &self.ends {
            write!(f, "\n  {count:>7} {subject}: {end}")?;
        }
        Ok(())
    }
}

/// What an end is counted under.
trait ToName {
    fn name(&self) -> String;
}

impl ToName for MessageError {
    fn name(&self) -> String {
        name(self)
    }
}

impl ToName for String {
    fn name(&self) -> String {
        self.clone()
    }
}

/// The kind of an error, without what differs from one to the next.
fn name(error: &MessageError) -> String {
    format!("{error:?}")
        .replace("message: ", "")
        .replace('"', "")
}

/// What is said of a stream's bytes at its end.
pub(super) fn sum(bytes: &[u8]) -> [u8; 32] {
    sha256(bytes)
}

pub(super) fn id(number: usize) -> MemberId {
    MemberId::new(&number.to_string()).unwrap()
}
