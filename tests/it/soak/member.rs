//! One member: what it is made of, what it answers, and the process of its own that a killed one is.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use phalanx::member::MemberState;
use phalanx::transport::Transport;
use phalanx::trust::TrustOptions;
use phalanx::{
    HandlerError, IncomingStream, MessageError, MessagingOptions, Node, Registration, Request,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::traffic::{Traffic, id, sum};
use super::{PATIENCE, number};
use crate::support::Process;

/// Member 1 is the survivor.
pub(super) const MEMBERS: usize = 4;
/// The subject under which a member is told to begin nothing more.
pub(super) const REST: &str = "rest";

/// What a process of its own is told by its environment.
const NUMBER: &str = "PHALANX_SOAK_MEMBER";
const CONTACT: &str = "PHALANX_SOAK_CONTACT";
const DIRECTORY: &str = "PHALANX_SOAK_DIRECTORY";
const MEMBER_SEED: &str = "PHALANX_SOAK_MEMBER_SEED";

/// Writes a certificate for each member.
pub(super) fn issue(directory: &Path) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "soak");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    for number in 1..=MEMBERS {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![format!("member-{number}")]).unwrap();
        let leaf = params.signed_by(&key, &authority).unwrap();
        let files = files(directory, number);
        fs::write(files.private_key, key.serialize_pem()).unwrap();
        fs::write(files.certificate_chain, leaf.pem() + &authority.pem()).unwrap();
    }
}

fn files(directory: &Path, number: usize) -> TrustOptions {
    TrustOptions {
        certificate_chain: directory.join(format!("{number}.pem")),
        private_key: directory.join(format!("{number}.key")),
        ..TrustOptions::default()
    }
}

/// Starts a member. All but the last one have QUIC.
pub(super) async fn start(number: usize, directory: &Path, contact: Option<SocketAddr>) -> Node {
    let transport = match number {
        MEMBERS => Transport::Tcp,
        _ => Transport::Quic,
    };
    let mut builder = Node::builder()
        .member_id(&number.to_string())
        .bind("127.0.0.1:0")
        .tls(files(directory, number))
        .transport(transport)
        .messaging(MessagingOptions {
            idle_timeout: Duration::from_secs(1),
            ..MessagingOptions::default()
        });
    if let Some(contact) = contact {
        builder = builder.contact_point(contact);
    }
    let node = builder.start().await.unwrap();
    node.joined().await.unwrap();
    node
}

/// What every member answers.
pub(super) fn handlers(node: &Node) -> Vec<Registration> {
    let messenger = node.messenger();
    vec![
        messenger.handle("echo", async |request: Request| {
            Ok::<_, HandlerError>(request.into_payload())
        }),
        messenger.handle("slow", async |request: Request| {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok::<_, HandlerError>(request.into_payload())
        }),
        messenger.handle("never", async |_| {
            std::future::pending::<()>().await;
            Ok::<_, HandlerError>("")
        }),
        messenger.handle("fails", async |_| {
            Err::<Vec<u8>, _>(HandlerError::new("as it must"))
        }),
        messenger.handle("news", async |_| Ok::<_, HandlerError>("")),
        messenger.handle_streams("sum", async |stream: IncomingStream| {
            let mut stream = stream.accept();
            let mut bytes = Vec::new();
            if stream.read_to_end(&mut bytes).await.is_ok() {
                let _ = stream.write_all(&sum(&bytes)).await;
                let _ = stream.shutdown().await;
            }
        }),
    ]
}

/// The processes of the other members.
pub(super) struct Others<'a> {
    directory: &'a Path,
    contact: SocketAddr,
    processes: BTreeMap<usize, Process>,
}

impl<'a> Others<'a> {
    pub(super) fn start(directory: &'a Path, contact: SocketAddr, seed: u64) -> Self {
        let mut others = Self {
            directory,
            contact,
            processes: BTreeMap::new(),
        };
        for number in 2..=MEMBERS {
            others.spawn(number, seed);
        }
        others
    }

    /// Kills a member and starts it again at once.
    pub(super) fn kill_and_start(&mut self, number: usize, seed: u64) {
        self.check();
        self.processes.remove(&number);
        self.spawn(number, seed);
    }

    /// Waits until all of them answer a member.
    pub(super) async fn all_answer(&mut self, node: &Node) {
        let messenger = node.messenger();
        for number in 2..=MEMBERS {
            self.until_done(number, async || {
                messenger.request(&id(number), "echo", "").await
            })
            .await;
        }
    }

    /// Asks a member until it has answered.
    pub(super) async fn until_done<T>(
        &mut self,
        number: usize,
        ask: impl AsyncFn() -> Result<T, MessageError>,
    ) {
        let until = Instant::now() + PATIENCE;
        while let Err(error) = ask().await {
            self.check();
            assert!(
                Instant::now() < until,
                "member {number} does not answer: {error}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// None has ended by itself, as one does that has seen something wrong.
    fn check(&mut self) {
        for (number, process) in &mut self.processes {
            let ended = process.ended();
            assert!(ended.is_none(), "member {number} has ended: {ended:?}");
        }
    }

    fn spawn(&mut self, number: usize, seed: u64) {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--exact", "soak::member::a_process_of_its_own"])
            .args(["--ignored", "--nocapture"])
            .env(NUMBER, number.to_string())
            .env(CONTACT, self.contact.to_string())
            .env(DIRECTORY, self.directory)
            .env(MEMBER_SEED, seed.to_string());
        let name = format!("member-{number}");
        let process = Process::spawn(&name, &mut command, self.directory);
        self.processes.insert(number, process);
    }
}

#[ignore = "the soak starts it"]
#[tokio::test(flavor = "multi_thread")]
async fn a_process_of_its_own() {
    let Some(own) = number(NUMBER) else {
        return;
    };
    let own = usize::try_from(own).unwrap();
    let directory = env::var(DIRECTORY).unwrap();
    let contact = env::var(CONTACT).unwrap().parse().unwrap();
    let node = start(own, Path::new(&directory), Some(contact)).await;
    let _handlers = handlers(&node);
    let traffic = Traffic::start(&node, own, number(MEMBER_SEED).unwrap());
    let rest = traffic.resting();
    let _rest = node.messenger().handle(REST, move |request: Request| {
        rest.send_replace(request.payload()[..] == [1]);
        async { Ok::<_, HandlerError>("") }
    });
    // Whoever has started it kills it; if that one is gone first, there is nothing to do.
    let is_alone = || {
        let survivor = node.member(&id(1));
        survivor.is_none_or(|it| matches!(it.state(), MemberState::Dead | MemberState::Left))
    };
    tokio::select! {
        counts = traffic.watched() => unreachable!("traffic goes on until it is stopped: {counts}"),
        () = async {
            while !is_alone() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        } => {}
    }
}
