//! Three nodes in one process, over TLS with development certificates: a request and its reply, a message that wants none, and
//! a stream.

use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use phalanx::member::MemberId;
use phalanx::time::Timestamp;
use phalanx::trust::{DevCertificates, TrustOptions};
use phalanx::{HandlerError, IncomingStream, Node, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

/// Makes certificates and runs the three nodes; returns what was said, line by line.
pub(crate) async fn run() -> Result<Vec<String>, Box<dyn Error>> {
    let directory = std::env::temp_dir().join(format!("phalanx-messages-{}", std::process::id()));
    let names = ["1", "2", "3"].map(str::to_owned);
    let files = DevCertificates::new(now()?)?.write_nodes(&directory, &names)?;
    let mut nodes: Vec<Node> = Vec::new();
    for (name, files) in names.iter().zip(files) {
        let mut node = Node::builder()
            .member_id(name)
            .bind("127.0.0.1:0")
            .tls(TrustOptions {
                certificate_chain: files.certificate_chain,
                private_key: files.private_key,
                ..TrustOptions::default()
            });
        if let Some(contact) = nodes.first() {
            node = node.contact_point(contact.addr());
        }
        let node = node.start().await?;
        node.joined().await?;
        nodes.push(node);
    }
    std::fs::remove_dir_all(&directory)?;
    for node in &nodes {
        until_it_knows(node, nodes.len()).await;
    }
    let [one, two, three] = &nodes[..] else {
        unreachable!("three were started");
    };
    let said = talk(one, two, three).await?;
    for node in &nodes {
        node.leave(Duration::from_secs(5)).await;
    }
    Ok(said)
}

/// News of a member takes a moment to reach all others.
async fn until_it_knows(node: &Node, count: usize) {
    let mut events = node.events();
    while node.members().len() < count && events.next().await.is_some() {}
}

async fn talk(one: &Node, two: &Node, three: &Node) -> Result<Vec<String>, Box<dyn Error>> {
    // Whoever is asked has a handler; it knows who asks.
    let _adds = two.messenger().handle("add", async |request: Request| {
        let text = std::str::from_utf8(request.payload())?;
        let sum = text
            .split('+')
            .map(str::parse::<i64>)
            .sum::<Result<i64, _>>()?;
        Ok::<_, HandlerError>(format!("{sum}, dear {}", request.sender()))
    });
    let to = MemberId::new("2")?;
    let reply = one.messenger().request(&to, "add", "2+40").await?;
    let failed = three.messenger().request(&to, "add", "two").await;
    let mut said = vec![
        String::from_utf8(reply.to_vec())?,
        failed.expect_err("that is no sum").to_string(),
    ];

    // A message that wants no reply: once it is sent, it is in the hands of its handler.
    let (sender, mut heard) = mpsc::unbounded_channel();
    let _news = three.messenger().handle("news", move |request: Request| {
        let heard = sender.send(request.into_payload());
        async move { heard.map(|()| "").map_err(HandlerError::from) }
    });
    let to = MemberId::new("3")?;
    two.messenger().send(&to, "news", "it rains").await?;
    let news = heard.recv().await.ok_or("nothing was heard")?;
    said.push(String::from_utf8(news.to_vec())?);

    // A stream: bytes in order, both ways, for as long as you like.
    let _log = three
        .messenger()
        .handle_streams("log", async |stream: IncomingStream| {
            let mut stream = stream.accept();
            let mut log = String::new();
            if stream.read_to_string(&mut log).await.is_ok() {
                let lines = format!("{} lines", log.lines().count());
                let _ = stream.write_all(lines.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
    let mut log = one.messenger().open_stream(&to, "log").await?;
    for line in ["x = 1\n", "y = 2\n", "z = 3\n"] {
        log.write_all(line.as_bytes()).await?;
    }
    log.shutdown().await?;
    let mut answer = String::new();
    log.read_to_string(&mut answer).await?;
    said.push(answer);
    Ok(said)
}

#[expect(
    clippy::disallowed_methods,
    reason = "certificates are valid by the wall clock"
)]
fn now() -> Result<Timestamp, Box<dyn Error>> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(Timestamp::ZERO + since_epoch)
}

#[tokio::main]
#[allow(dead_code, reason = "a test runs the rest")]
async fn main() -> Result<(), Box<dyn Error>> {
    for line in run().await? {
        println!("{line}");
    }
    Ok(())
}
