//! [`Site`]: the brokers of one test, their ports and their certificates; [`Broker`]: one of them, running.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use phalanx::trust::{DevCertificates, DevNode};
use serde_json::Value;
use tempfile::TempDir;

use crate::recipes::NodeFiles;
use crate::support::{Process, free_ports, now, wait_until};

/// Longer than any wait takes; only a test that fails meets it.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// The brokers of one test: 0 and up, each with every other among its contact points.
pub(super) struct Site {
    directory: TempDir,
    ports: Vec<u16>,
    size: usize,
}

/// TLS or not, with which files, which may be relative to the site's directory.
#[derive(Clone, Debug)]
pub(super) enum Security {
    Plain,
    Tls(NodeFiles),
}

impl Site {
    /// Room for `size` brokers.
    pub(super) fn new(size: u16) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            ports: free_ports(2 * size + 1).collect(),
            size: size.into(),
        }
    }

    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Certificates for all, of one authority.
    pub(super) fn certificates(&self) -> Vec<Security> {
        let authority = DevCertificates::new(now()).unwrap();
        let node = |id| {
            let DevNode {
                certificate_chain,
                private_key,
            } = authority
                .write_node(&self.directory().join("certificates"), &format!("node{id}"))
                .unwrap();
            Security::Tls(NodeFiles {
                chain: certificate_chain,
                key: private_key,
                trusted: None,
            })
        };
        (0..self.size).map(node).collect()
    }

    pub(super) fn port(&self, id: usize) -> u16 {
        self.ports[id]
    }

    pub(super) fn admin_port(&self, id: usize) -> u16 {
        self.ports[self.size + id]
    }

    /// The ports of all brokers' TCP and gossip, and one more, which is nobody's.
    pub(super) fn cluster_ports(&self) -> RangeInclusive<u16> {
        self.ports[0]..=self.ports[0] + 2 * u16::try_from(self.size).expect("few brokers")
    }

    /// What broker `id` is told, its contact points being `contacts`.
    pub(super) fn variables(
        &self,
        id: usize,
        security: &Security,
        contacts: &[usize],
    ) -> Vec<(&'static str, String)> {
        let contacts = contacts
            .iter()
            .map(|id| format!("127.0.0.1:{}", self.port(*id)));
        let mut variables = vec![
            ("ZEEBE_BROKER_CLUSTER_NODEID", id.to_string()),
            ("ZEEBE_BROKER_CLUSTER_CLUSTERSIZE", self.size.to_string()),
            (
                "ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS",
                contacts.collect::<Vec<_>>().join(","),
            ),
            ("ZEEBE_BROKER_NETWORK_HOST", "127.0.0.1".to_owned()),
            (
                "ZEEBE_BROKER_NETWORK_INTERNALAPI_PORT",
                self.port(id).to_string(),
            ),
            ("MANAGEMENT_SERVER_PORT", self.admin_port(id).to_string()),
        ];
        if let Security::Tls(files) = security {
            let text = |path: &Path| path.display().to_string();
            variables.extend([
                ("ZEEBE_BROKER_NETWORK_SECURITY_ENABLED", "true".to_owned()),
                (
                    "ZEEBE_BROKER_NETWORK_SECURITY_CERTIFICATECHAINPATH",
                    text(&files.chain),
                ),
                (
                    "ZEEBE_BROKER_NETWORK_SECURITY_PRIVATEKEYPATH",
                    text(&files.key),
                ),
            ]);
            variables.extend(files.trusted.as_ref().map(|trusted| {
                (
                    "ZEEBE_BROKER_NETWORK_SECURITY_TRUSTEDCERTIFICATESPATH",
                    text(trusted),
                )
            }));
        }
        variables
    }

    /// Starts broker `id` with every broker among its contact points, itself included.
    pub(super) fn start(&self, id: usize, security: &Security) -> Broker {
        let all: Vec<usize> = (0..self.size).collect();
        self.start_with(id, security, &all)
    }

    /// Starts broker `id` with these contact points.
    pub(super) fn start_with(&self, id: usize, security: &Security, contacts: &[usize]) -> Broker {
        self.start_as(id, &self.variables(id, security, contacts))
    }

    /// Starts broker `id`, told exactly this.
    pub(super) fn start_as(&self, id: usize, variables: &[(&str, String)]) -> Broker {
        self.start_from(id, variables, &[])
    }

    /// Starts broker `id`, told exactly this, by variables and by arguments.
    pub(super) fn start_from(
        &self,
        id: usize,
        variables: &[(&str, String)],
        args: &[&str],
    ) -> Broker {
        let mut command = phalanx(variables);
        command
            .arg("broker")
            .args(args)
            .current_dir(self.directory());
        Broker {
            id,
            admin_port: self.admin_port(id),
            process: Process::spawn(&format!("broker{id}"), &mut command, self.directory()),
        }
    }

    /// Starts all, and waits until every one sees every one alive.
    pub(super) fn form(&self, security: &[Security]) -> Vec<Broker> {
        let brokers: Vec<Broker> = security
            .iter()
            .enumerate()
            .map(|(id, security)| self.start(id, security))
            .collect();
        let all: Vec<&Broker> = brokers.iter().collect();
        all_see(&all, &alive(0..brokers.len()));
        brokers
    }
}

/// One broker, running; killed when dropped.
pub(super) struct Broker {
    pub(super) id: usize,
    pub(super) process: Process,
    admin_port: u16,
}

impl Broker {
    /// What it holds everybody to be, itself included; an error while it does not answer.
    pub(super) fn states(&self) -> Result<States, String> {
        let members = self.get("/members")?;
        let members = members.as_array().ok_or("no array")?;
        let text = |member: &Value, name| member[name].as_str().unwrap().to_owned();
        Ok(members
            .iter()
            .map(|member| (text(member, "id"), text(member, "state")))
            .collect())
    }

    /// How often it refused or was refused with `code`.
    pub(super) fn refusals(&self, code: &str) -> u64 {
        let refusals = self.get("/refusals").unwrap();
        let mut refusals = refusals.as_array().unwrap().iter();
        refusals
            .find(|refusal| refusal["code"] == code)
            .map_or(0, |refusal| refusal["count"].as_u64().unwrap())
    }

    /// The answer of its management server.
    pub(super) fn get(&self, path: &str) -> Result<Value, String> {
        let (head, body) = request(self.admin_port, "GET", path)?;
        match head.starts_with("HTTP/1.0 200") {
            true => serde_json::from_str(&body).map_err(|error| error.to_string()),
            false => Err(head),
        }
    }

    pub(super) fn signal(&self, signal: &str) {
        self.process.signal(signal);
    }

    /// Waits until it has ended by itself.
    pub(super) fn wait(&mut self) -> ExitStatus {
        self.process.wait(PATIENCE)
    }
}

/// Member ids and what each is held to be.
pub(super) type States = BTreeMap<String, String>;

/// These ids, all alive.
pub(super) fn alive(ids: impl IntoIterator<Item = usize>) -> States {
    ids.into_iter()
        .map(|id| (id.to_string(), "alive".to_owned()))
        .collect()
}

/// These ids, all alive but one.
pub(super) fn all_but(ids: impl IntoIterator<Item = usize>, one: usize, state: &str) -> States {
    let mut states = alive(ids);
    states.insert(one.to_string(), state.to_owned());
    states
}

/// Waits until each of `brokers` sees exactly `expected`.
pub(super) fn all_see(brokers: &[&Broker], expected: &States) {
    wait_until(&format!("all see {expected:?}"), PATIENCE, || {
        brokers.iter().try_for_each(|broker| match broker.states() {
            Ok(states) if states == *expected => Ok(()),
            seen => Err(format!("by {}: {seen:?}", broker.id)),
        })
    });
}

/// The binary with nothing in its environment but `variables`.
pub(super) fn phalanx(variables: &[(&str, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phalanx"));
    command
        .env_clear()
        .envs(variables.iter().map(|(name, value)| (name, value)));
    command
}

/// Head and body of what a management server answers.
pub(super) fn request(port: u16, method: &str, path: &str) -> Result<(String, String), String> {
    request_with(port, method, path, "")
}

/// The same, with headers, each ended by a line break.
pub(super) fn request_with(
    port: u16,
    method: &str,
    path: &str,
    headers: &str,
) -> Result<(String, String), String> {
    let text = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(text)?;
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .map_err(text)?;
    write!(stream, "{method} {path} HTTP/1.0\r\n{headers}\r\n").map_err(text)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(text)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no HTTP")?;
    Ok((head.to_owned(), body.to_owned()))
}
