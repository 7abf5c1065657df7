//! A replicated key-value store: openraft over Phalanx.
//!
//! | file | owns |
//! |---|---|
//! | `network` | Raft's calls and snapshots on their way between members |
//! | `voters` | who votes, by what Phalanx sees |
//! | `store` | log, vote and snapshot on the disk |
//! | `machine` | the values |
//! | `service` | the port for clients |
//!
//! Phalanx finds the members, proves who they are, encrypts, and says who comes and goes; openraft agrees on one log among them.
//! Raft's node ids are Phalanx's member ids (numbers, here), and there is no address in Raft at all. The first node of a new cluster is started
//! with `--found`; all others join it and are made voters by whoever leads.

mod machine;
mod network;
mod service;
mod store;
mod voters;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use openraft::{Config, EmptyNode, SnapshotPolicy};
use phalanx::Node;
use phalanx::trust::TrustOptions;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};

use machine::Machine;
use network::Network;
use service::Service;
use store::Store;

/// A member id of Phalanx, where it is a number: openraft wants ids that can be copied.
type Id = u64;
type Entry = openraft::Entry<TypeConfig>;
type Raft = openraft::Raft<TypeConfig>;

openraft::declare_raft_types!(
    TypeConfig:
        D = Put,
        R = (),
        NodeId = Id,
        Node = EmptyNode,
        SnapshotData = Vec<u8>,
);

/// What is replicated: a key gets a value.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Put {
    key: String,
    value: String,
}

impl fmt::Display for Put {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.key, self.value)
    }
}

/// How many entries go into one message.
const ENTRIES_MAX: u64 = 64;

const USAGE: &str = "\
replicated_kv serve --id ID --bind ADDR --client ADDR --data DIR --chain FILE --key FILE [--contacts ADDR,..] [--found]
replicated_kv ask ADDR put KEY VALUE | get KEY | status";

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let args = Vec::from_iter(std::env::args().skip(1));
    let args = Vec::from_iter(args.iter().map(String::as_str));
    match &args[..] {
        ["serve", options @ ..] => serve(&options_of(options)?).await,
        ["ask", addr, words @ ..] => ask(addr, &words.join(" ")).await,
        _ => Err(USAGE.into()),
    }
}

type Options<'a> = BTreeMap<&'a str, &'a str>;

fn options_of<'a>(args: &[&'a str]) -> Result<Options<'a>, Failure> {
    let mut options = BTreeMap::from([("--contacts", "")]);
    let mut args = args.iter();
    while let Some(&name) = args.next() {
        let value = match name {
            "--found" => "",
            _ => args.next().ok_or(USAGE)?,
        };
        options.insert(name, value);
    }
    for needed in ["--id", "--bind", "--client", "--data", "--chain", "--key"] {
        options
            .get(needed)
            .ok_or_else(|| format!("{needed} is missing\n{USAGE}"))?;
    }
    Ok(options)
}

async fn serve(options: &Options<'_>) -> Result<(), Failure> {
    let id: Id = options["--id"].parse()?;
    let mut node = Node::builder()
        .member_id(&id.to_string())
        .bind(options["--bind"])
        .tls(TrustOptions {
            certificate_chain: options["--chain"].into(),
            private_key: options["--key"].into(),
            ..TrustOptions::default()
        });
    for contact in options["--contacts"].split_terminator(',') {
        node = node.contact_point(contact);
    }
    let node = node.start().await?;
    node.joined().await?;

    let data = Path::new(options["--data"]);
    std::fs::create_dir_all(data)?;
    let store = Store::open(&data.join("raft.redb"))?;
    let machine = Machine::open(store.clone())?;
    let config = Arc::new(config().validate()?);
    let network = Network(node.messenger());
    let raft = Raft::new(id, config, network, store, machine.clone()).await?;
    let _answering = network::serve(&node.messenger(), &raft);
    if options.contains_key("--found") && !raft.is_initialized().await? {
        let alone = BTreeMap::from([(id, EmptyNode {})]);
        raft.initialize(alone).await?;
    }
    let service = Service {
        id,
        messenger: node.messenger(),
        raft: raft.clone(),
        machine,
    };
    let _leading = service.serve_members();
    let clients = TcpListener::bind(options["--client"]).await?;
    eprintln!("{id} serves clients at {}", clients.local_addr()?);

    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    tokio::select! {
        () = voters::follow(node.clone(), raft.clone(), id) => {}
        failed = service.serve_clients(clients) => failed?,
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    // The others hear that it will not come back by itself, and go on without its vote.
    let ended = node.leave(Duration::from_secs(5)).await;
    raft.shutdown().await?;
    eprintln!("{ended}");
    Ok(())
}

fn config() -> Config {
    Config {
        cluster_name: "replicated_kv".to_owned(),
        heartbeat_interval: 200,
        election_timeout_min: 800,
        election_timeout_max: 1_600,
        max_payload_entries: ENTRIES_MAX,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(500),
        max_in_snapshot_log_to_keep: 100,
        ..Config::default()
    }
}

async fn ask(addr: &str, line: &str) -> Result<(), Failure> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.write_all(format!("{line}\n").as_bytes()).await?;
    stream.shutdown().await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    print!("{answer}");
    Ok(())
}
