//! Clients that write down what they do and what they hear.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::RngExt;
use rand_pcg::Pcg64;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::history::{Call, Moment, What};

/// Longer than a node takes to give up.
const PATIENCE: Duration = Duration::from_secs(15);
/// How many keys all clients share.
const SHARED_KEYS: usize = 3;

/// One connection, to one of the nodes at a time.
pub(crate) struct Client {
    ports: Vec<u16>,
    connection: Option<BufReader<TcpStream>>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lost {
    /// The node was not there.
    Before,
    /// It had been asked.
    After,
}

impl Client {
    pub(crate) fn new(ports: Vec<u16>) -> Self {
        Self {
            ports,
            connection: None,
        }
    }

    pub(crate) async fn ask(&mut self, line: &str) -> Result<String, Lost> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                self.ports.rotate_left(1);
                let connecting = TcpStream::connect(("127.0.0.1", self.ports[0])).await;
                BufReader::new(connecting.map_err(|_| Lost::Before)?)
            }
        };
        let mut answer = String::new();
        let asking = async {
            connection.write_all(format!("{line}\n").as_bytes()).await?;
            connection.read_line(&mut answer).await
        };
        match timeout(PATIENCE, asking).await {
            Ok(Ok(len)) if len > 0 => self.connection = Some(connection),
            _ => return Err(Lost::After),
        }
        Ok(answer.trim_end().to_owned())
    }

    /// Asks until there is an answer that says something, and not for ever.
    pub(crate) async fn read(&mut self, key: &str) -> Option<String> {
        let deadline = Instant::now() + 4 * PATIENCE;
        loop {
            let answer = self.ask(&format!("get {key}")).await;
            match answer.as_deref() {
                Ok("none") => return None,
                Ok(answer) if answer.starts_with("value ") => return Some(answer[6..].to_owned()),
                answer => assert!(Instant::now() < deadline, "{key}: {answer:?}"),
            }
            self.connection = None;
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// What all clients together did.
#[derive(Default)]
pub(crate) struct Record {
    calls: Mutex<Vec<Call>>,
    answered: AtomicUsize,
    pub(crate) is_over: AtomicBool,
}

impl Record {
    pub(crate) fn add(&self, call: Call) {
        if call.ended.is_some() {
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
        self.calls.lock().unwrap().push(call);
    }

    /// How many calls have had their answers.
    pub(crate) fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

/// Writes and reads until it is over. Every value is written once in all, so that a read says which write it saw. Some keys are
/// this client's own and are written once: none of those may ever be missing.
pub(crate) async fn work(id: u64, seed: u64, ports: Vec<u16>, start: Instant, record: Arc<Record>) {
    let mut rng = Pcg64::new(seed.into(), id.into());
    let mut client = Client::new(ports);
    for count in 0_u64.. {
        if record.is_over.load(Ordering::Relaxed) {
            return;
        }
        let key = match rng.random_range(0..SHARED_KEYS + 1) {
            SHARED_KEYS => format!("own-{id}-{count}"),
            shared => format!("shared-{shared}"),
        };
        let what = match rng.random_bool(0.5) || key.starts_with("own") {
            true => What::Wrote(format!("{id}-{count}")),
            false => What::Read(None),
        };
        let begun = moment(start);
        let answer = match &what {
            What::Wrote(value) => client.ask(&format!("put {key} {value}")).await,
            What::Read(_) => client.ask(&format!("get {key}")).await,
        };
        let ended = moment(start);
        let (what, ended) = match answer
            .as_deref()
            .map(|line| line.split_once(' ').unwrap_or((line, "")))
        {
            Ok(("ok", "")) => (what, Some(ended)),
            Ok(("none", "")) => (What::Read(None), Some(ended)),
            Ok(("value", value)) => (What::Read(Some(value.to_owned())), Some(ended)),
            Ok(("unknown", _)) | Err(Lost::After) => (what, None),
            Ok(("refused", _)) | Err(Lost::Before) => {
                client.connection = None;
                sleep(Duration::from_millis(20)).await;
                continue;
            }
            Ok(other) => panic!("no such answer: {other:?}"),
        };
        record.add(Call {
            key,
            what,
            begun,
            ended,
        });
    }
}

pub(crate) fn moment(start: Instant) -> Moment {
    start
        .elapsed()
        .as_nanos()
        .try_into()
        .expect("it has not run for centuries")
}
