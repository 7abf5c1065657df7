//! [`Cluster`]: processes of the example on this machine, with certificates of their own.

use std::fs::{self, File};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::client::Client;

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// As many nodes as there are certificates; not all need run.
pub(crate) struct Cluster {
    root: TempDir,
    /// By node: where it serves members, and where clients.
    ports: Vec<(u16, u16)>,
    running: Vec<Option<Child>>,
}

impl Cluster {
    pub(crate) fn new(size: usize) -> Self {
        let root = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = CertifiedIssuer::self_signed(params, key).unwrap();
        for id in 0..size {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
            let certificate = params.signed_by(&key, &authority).unwrap();
            let file = |kind| root.path().join(format!("{id}.{kind}"));
            fs::write(file("pem"), certificate.pem() + &authority.pem()).unwrap();
            fs::write(file("key"), key.serialize_pem()).unwrap();
            fs::set_permissions(file("key"), fs::Permissions::from_mode(0o600)).unwrap();
        }
        let mut free = free_ports();
        let mut port = || free.next().expect("there are free ports");
        Self {
            root,
            ports: (0..size).map(|_| (port(), port())).collect(),
            running: (0..size).map(|_| None).collect(),
        }
    }

    /// Starts a node that does not run, on the data it left.
    pub(crate) fn start(&mut self, id: usize) {
        let (members, clients) = self.ports[id];
        let file = |kind| self.root.path().join(format!("{id}.{kind}"));
        let contacts: Vec<_> = self
            .ports
            .iter()
            .map(|(port, _)| format!("127.0.0.1:{port}"))
            .collect();
        let log = File::options()
            .create(true)
            .append(true)
            .open(file("log"))
            .unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_replicated_kv"));
        command
            .args(["serve", "--id", &id.to_string()])
            .args(["--bind", &format!("127.0.0.1:{members}")])
            .args(["--client", &format!("127.0.0.1:{clients}")])
            .args(["--contacts", &contacts.join(",")])
            .arg("--data")
            .arg(file("data"))
            .arg("--chain")
            .arg(file("pem"))
            .arg("--key")
            .arg(file("key"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true);
        if id == 0 {
            command.arg("--found");
        }
        let earlier = self.running[id].replace(command.spawn().unwrap());
        assert!(earlier.is_none(), "node {id} runs already");
    }

    /// SIGKILL.
    pub(crate) async fn kill(&mut self, id: usize) {
        let mut child = self.running[id].take().expect("it runs");
        child.kill().await.unwrap();
    }

    /// SIGTERM, and waits until it has gone by itself.
    pub(crate) async fn dismiss(&mut self, id: usize) {
        let mut child = self.running[id].take().expect("it runs");
        let pid = child.id().expect("it runs").to_string();
        let kill = Command::new("sh")
            .args(["-c", "kill -TERM $0", &pid])
            .status()
            .await;
        assert!(kill.unwrap().success());
        assert!(child.wait().await.unwrap().success(), "{}", self.logs());
    }

    pub(crate) fn client_ports(&self) -> Vec<u16> {
        self.ports.iter().map(|(_, port)| *port).collect()
    }

    /// Waits until all that run see the same leader, which runs, and these voters; returns the leader.
    pub(crate) async fn settled(&self, voters: &str) -> usize {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while Instant::now() < deadline {
            seen.clear();
            for (id, (_, port)) in self.ports.iter().enumerate() {
                if self.running[id].is_some() {
                    let answer = Client::new(vec![*port]).ask("status").await;
                    seen.push(answer.unwrap_or_else(|lost| format!("{lost:?}")));
                }
            }
            for (id, _) in self
                .running
                .iter()
                .enumerate()
                .filter(|(_, child)| child.is_some())
            {
                let wanted = format!("leader {id} voters {voters}");
                if seen.iter().all(|status| *status == wanted) {
                    return id;
                }
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("waited for voters {voters}, saw {seen:?}\n{}", self.logs());
    }

    /// What the nodes said.
    pub(crate) fn logs(&self) -> String {
        let log = |id| {
            let log = self.root.path().join(format!("{id}.log"));
            format!(
                "node {id}:\n{}\n",
                fs::read_to_string(log).unwrap_or_default()
            )
        };
        (0..self.ports.len()).map(log).collect()
    }
}

/// Waits for this.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Below the ports that systems give to whoever asks for any: a node that starts again finds its own still free.
fn free_ports() -> impl Iterator<Item = u16> {
    let first = 20_000 + u16::try_from(std::process::id() % 1_000).expect("it fits") * 10;
    (first..32_000).filter(|port| {
        let tcp = TcpListener::bind(("127.0.0.1", *port));
        tcp.is_ok() && UdpSocket::bind(("127.0.0.1", *port)).is_ok()
    })
}
