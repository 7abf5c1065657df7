//! What clients get: lines over TCP, at any node. Only the leader can answer, so the others pass on to it what they are asked.
//!
//! | line | answer |
//! |---|---|
//! | `put KEY VALUE` | `ok`: it is on the disks of a majority |
//! | `get KEY` | `value VALUE`, or `none` |
//! | `status` | `leader ID voters ID,ID,ID`, as this node sees it |
//! | | `refused WHY`: nothing was done, ask again |
//! | | `unknown WHY`: it may have been done, may still be, or not |
//!
//! This port is for demonstration: it has no TLS and trusts everybody. Between the nodes everything goes over Phalanx.

use std::io;
use std::time::Duration;

use phalanx::member::MemberId;
use phalanx::messaging::Delivery;
use phalanx::{HandlerError, Messenger, Registration, Request};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::machine::Machine;
use crate::voters::voters;
use crate::{Id, Put, Raft};

const SUBJECT: &str = "kv";
/// The longest line. With [`crate::ENTRIES_MAX`] entries in a message, Phalanx's 4 MiB for a message are more than enough.
const LINE_LEN_MAX: u64 = 16 << 10;
/// How long the leader may take.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) id: Id,
    pub(crate) messenger: Messenger,
    pub(crate) raft: Raft,
    pub(crate) machine: Machine,
}

#[derive(Deserialize, Serialize)]
enum Command {
    Get { key: String },
    Put(Put),
}

impl Service {
    /// Does what other members pass on to this one, for as long as the registration is kept.
    pub(crate) fn serve_members(&self) -> Registration {
        let service = self.clone();
        self.messenger.handle(SUBJECT, move |request: Request| {
            let service = service.clone();
            async move {
                let command = serde_json::from_slice(request.payload())?;
                Ok::<_, HandlerError>(service.lead(command).await)
            }
        })
    }

    /// Serves clients for as long as it runs.
    pub(crate) async fn serve_clients(self, listener: TcpListener) -> io::Result<()> {
        loop {
            let (client, _) = listener.accept().await?;
            let service = self.clone();
            tokio::spawn(async move { service.serve_client(client).await });
        }
    }

    async fn serve_client(self, client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let mut client = BufReader::new(client);
        loop {
            let mut line = String::new();
            let mut limited = (&mut client).take(LINE_LEN_MAX);
            if limited.read_line(&mut line).await? == 0 || !line.ends_with('\n') {
                return Ok(());
            }
            let mut answer = self.answer(line.trim_end()).await;
            answer.push('\n');
            client.write_all(answer.as_bytes()).await?;
        }
    }

    async fn answer(&self, line: &str) -> String {
        let mut words = line.splitn(3, ' ').map(str::to_owned);
        let command = match (words.next().as_deref(), words.next(), words.next()) {
            (Some("put"), Some(key), Some(value)) => Command::Put(Put { key, value }),
            (Some("get"), Some(key), None) => Command::Get { key },
            (Some("status"), None, None) => return self.status().await,
            _ => return "refused try: put KEY VALUE, get KEY, status".to_owned(),
        };
        match self.raft.current_leader().await {
            Some(leader) if leader == self.id => self.lead(command).await,
            Some(leader) => self.pass_on(leader, command).await,
            None => "refused no leader yet".to_owned(),
        }
    }

    async fn status(&self) -> String {
        let leader = self.raft.current_leader().await;
        let leader = leader.map_or("none".to_owned(), |leader| leader.to_string());
        let voters = Vec::from_iter(voters(&self.raft).iter().map(Id::to_string));
        format!("leader {leader} voters {}", voters.join(","))
    }

    async fn pass_on(&self, leader: Id, command: Command) -> String {
        let (Ok(leader), Ok(command)) = (
            MemberId::new(&leader.to_string()),
            serde_json::to_vec(&command),
        ) else {
            return "refused no such leader".to_owned();
        };
        let passed = self
            .messenger
            .request_within(2 * PATIENCE, &leader, SUBJECT, command);
        match passed.await {
            Ok(answer) => String::from_utf8_lossy(&answer).into_owned(),
            Err(error) => match error.delivery() {
                Delivery::NotSent => format!("refused {error}"),
                Delivery::Unknown => format!("unknown {error}"),
            },
        }
    }

    async fn lead(&self, command: Command) -> String {
        if self.raft.current_leader().await != Some(self.id) {
            return "refused not the leader any more".to_owned();
        }
        let work = async {
            match command {
                Command::Get { key } => self.get(&key).await,
                Command::Put(put) => self.put(put).await,
            }
        };
        timeout(PATIENCE, work)
            .await
            .unwrap_or_else(|_| "unknown no majority in time".to_owned())
    }

    async fn put(&self, put: Put) -> String {
        match self.raft.client_write(put).await {
            Ok(_) => "ok".to_owned(),
            // It is in this node's log, and a later leader may find it in another's.
            Err(error) => format!("unknown {error}"),
        }
    }

    async fn get(&self, key: &str) -> String {
        // Waits until a majority has confirmed that this is still the leader, and all that was committed before is applied.
        match self.raft.ensure_linearizable().await {
            Ok(_) => match self.machine.value(key) {
                Some(value) => format!("value {value}"),
                None => "none".to_owned(),
            },
            Err(error) => format!("refused {error}"),
        }
    }
}
