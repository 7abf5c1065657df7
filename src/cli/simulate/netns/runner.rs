//! [`NetnsRunner`]: a plan with real processes in network namespaces, in real time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

use super::lab::{self, Lab, LabError};
use super::log::{Log, Said};
use crate::cli::clock::now;
use crate::member::{Generation, MemberState, MemberVersion, Role};
use crate::simulation::scenario::{
    self, Act, Case, Failure, GossipKeys, NodeSetup, Observation, Outcome, Runner,
};
use crate::simulation::{Change, Count, NodeId, Rule};
use crate::time::Timestamp;
use crate::trust::DevCertificates;
use crate::trust::issue::IssueError;

/// A plan with real processes.
#[derive(Debug)]
pub(in crate::cli::simulate) struct NetnsRunner {
    lab: Lab,
    directory: PathBuf,
    program: PathBuf,
    seed: u64,
    nodes: Vec<Node>,
    rules: BTreeMap<usize, Rule>,
    /// Hosts that disappeared: nothing reaches or leaves them.
    vanished: BTreeSet<NodeId>,
    start: Instant,
    /// The lab could not do what it was told; the run ends with it.
    failed: Option<String>,
}

/// A node: how it is started, and its process while it runs.
#[derive(Debug)]
struct Node {
    setup: NodeSetup,
    /// With which it is started the next time.
    settings: serde_json::Value,
    certificate: Option<crate::trust::DevNode>,
    process: Option<Process>,
    lives: u32,
}

#[derive(Debug)]
struct Process {
    child: Child,
    log: Log,
    /// What its log says of the other nodes.
    view: BTreeMap<NodeId, MemberVersion>,
    /// No life that it lives is older.
    started: Generation,
}

/// A run with real processes could not begin.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli::simulate) enum NetnsError {
    #[error("cannot make certificates: {0}")]
    Certificates(#[from] IssueError),
    #[error("cannot write to {}: {cause}; set TMPDIR to a directory that can be written to", directory.display())]
    Directory {
        directory: PathBuf,
        cause: io::Error,
    },
    #[error("{0}")]
    Lab(#[from] LabError),
}

/// The port that every node listens on; each has an address of its own.
const PORT: u16 = 26_502;

impl NetnsRunner {
    /// A lab for a case; none of its processes runs yet.
    ///
    /// # Errors
    ///
    /// Whatever stands in the way: no root, no `ip`, no `nft`, no place for the logs.
    fn new(case: &Case) -> Result<Self, NetnsError> {
        let nodes = u32::try_from(case.nodes_len()).unwrap_or(u32::MAX);
        let lab = Lab::up(nodes)?;
        let directory = make_directory(&case.scenario.name)?;
        let authority = DevCertificates::new(now())?;
        let setups = case.setups();
        let make = |(setup, number): (NodeSetup, u32)| {
            let write = || authority.write_node(&directory, &format!("n{number}"));
            Ok(Node {
                certificate: setup.tls.then(write).transpose()?,
                settings: setup.settings.clone(),
                setup,
                process: None,
                lives: 0,
            })
        };
        let nodes: Result<_, IssueError> = setups.into_iter().zip(1..).map(make).collect();
        Ok(Self {
            lab,
            nodes: nodes?,
            program: env::current_exe().map_err(|cause| NetnsError::Directory {
                directory: directory.clone(),
                cause,
            })?,
            directory,
            seed: case.seed,
            rules: BTreeMap::new(),
            vanished: BTreeSet::new(),
            start: instant(),
            failed: None,
        })
    }

    /// Runs a case. The logs of a run that failed stay, and the failure says where.
    pub(in crate::cli::simulate) fn run(case: &Case) -> Outcome {
        let mut runner = match Self::new(case) {
            Ok(runner) => runner,
            Err(error) => return not_run(case, &error),
        };
        let mut outcome = scenario::run(case, &mut runner);
        match &mut outcome.failure {
            Some(failure) => {
                let logs = format!("; the logs are in {}", runner.directory.display());
                failure.what.push_str(&logs);
            }
            None => {
                // What cannot be removed stays where temporary files are.
                let _ = fs::remove_dir_all(&runner.directory);
            }
        }
        outcome
    }

    fn everyone(&self) -> Vec<NodeId> {
        NodeId::first(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)).collect()
    }

    fn process(&self, node: NodeId) -> Option<&Process> {
        self.nodes[node.index()].process.as_ref()
    }

    fn start_node(&mut self, node: NodeId) -> io::Result<()> {
        if self.process(node).is_some() {
            return Ok(());
        }
        let index = node.index();
        self.nodes[index].lives += 1;
        let name = format!("n{}", index + 1);
        let settings = self.directory.join(format!("{name}.yaml"));
        // JSON is YAML.
        fs::write(&settings, self.nodes[index].settings.to_string())?;
        let log = self
            .directory
            .join(format!("{name}-{}.log", self.nodes[index].lives));
        let mut command = self.lab.command(node, &self.program);
        command
            .arg(match self.nodes[index].setup.role {
                Role::Broker => "broker",
                Role::Gateway => "gateway",
            })
            .args(["--leave-with-stdin", "--log-format", "json", "--config"])
            .arg(&settings)
            .env("PHALANX_LOG", "info,phalanx::node=debug")
            .envs(self.variables(node))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log)?);
        let started = Generation::new(now().as_millis());
        let child = command.spawn()?;
        self.nodes[index].process = Some(Process {
            child,
            log: Log::open(&log)?,
            view: BTreeMap::new(),
            started,
        });
        Ok(())
    }

    /// What follows from a node's place, as environment; the scenario's settings are in its file.
    fn variables(&self, node: NodeId) -> Vec<(String, String)> {
        let held = &self.nodes[node.index()];
        let (number, addr) = (node.index() + 1, lab::addr(node).to_string());
        let contacts: Vec<_> = held
            .setup
            .contacts
            .iter()
            .map(|contact| format!("{}:{PORT}", lab::addr(*contact)))
            .collect();
        let contacts = contacts.join(",");
        let mut variables = match held.setup.role {
            Role::Broker => vec![
                ("ZEEBE_BROKER_CLUSTER_NODEID", number.to_string()),
                ("ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS", contacts),
                ("ZEEBE_BROKER_NETWORK_INTERNALAPI_HOST", addr),
                ("ZEEBE_BROKER_NETWORK_INTERNALAPI_PORT", PORT.to_string()),
            ],
            Role::Gateway => vec![
                ("ZEEBE_GATEWAY_CLUSTER_MEMBERID", format!("n{number}")),
                ("ZEEBE_GATEWAY_CLUSTER_CONTACTPOINT", contacts),
                ("ZEEBE_GATEWAY_CLUSTER_HOST", addr),
                ("ZEEBE_GATEWAY_CLUSTER_PORT", PORT.to_string()),
            ],
        };
        let section = match held.setup.role {
            Role::Broker => "ZEEBE_BROKER_NETWORK_SECURITY",
            Role::Gateway => "ZEEBE_GATEWAY_CLUSTER_SECURITY",
        };
        let mut variables: Vec<_> = variables
            .drain(..)
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        if let Some(certificate) = &held.certificate {
            let text = |path: &PathBuf| path.display().to_string();
            variables.extend([
                (format!("{section}_ENABLED"), "true".to_owned()),
                (
                    format!("{section}_CERTIFICATECHAINPATH"),
                    text(&certificate.certificate_chain),
                ),
                (
                    format!("{section}_PRIVATEKEYPATH"),
                    text(&certificate.private_key),
                ),
            ]);
        }
        variables
    }

    fn kill(&mut self, node: NodeId) {
        if let Some(mut process) = self.nodes[node.index()].process.take() {
            // It may have ended by itself meanwhile.
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }

    fn signal(&self, nodes: &[NodeId], signal: &str) -> io::Result<()> {
        let processes = nodes.iter().filter_map(|node| self.process(*node));
        let mut running = processes
            .map(|process| process.child.id().to_string())
            .peekable();
        if running.peek().is_some() {
            Command::new("kill")
                .arg(signal)
                .args(running)
                .stderr(Stdio::null())
                .status()?;
        }
        Ok(())
    }

    fn impose(&self) -> Result<(), LabError> {
        let everyone = self.everyone();
        let gone: Vec<_> = self.vanished.iter().copied().collect();
        let apart = Rule::partition(&[&everyone
            .iter()
            .copied()
            .filter(|node| !gone.contains(node))
            .collect::<Vec<_>>()]);
        let cut = (!gone.is_empty()).then_some((&apart, &everyone[..]));
        let rules = self.rules.values().map(|rule| (rule, &everyone[..]));
        self.lab.impose(&rules.chain(cut).collect::<Vec<_>>())
    }

    fn carry_out(&mut self, act: &Act) -> io::Result<()> {
        match act {
            Act::Configure(nodes, over) => {
                for node in nodes {
                    let node = &mut self.nodes[node.index()];
                    node.settings = node.setup.settings_with(over);
                }
            }
            Act::Crash(nodes) => nodes.iter().for_each(|node| self.kill(*node)),
            Act::Impose(handle, rule) => {
                self.rules.insert(*handle, rule.clone());
                self.impose().map_err(io::Error::other)?;
            }
            Act::Leave(nodes) => self.signal(nodes, "-TERM")?,
            Act::Lift(handle) => {
                self.rules.remove(handle);
                self.impose().map_err(io::Error::other)?;
            }
            Act::Pause(nodes) => self.signal(nodes, "-STOP")?,
            Act::Resume(nodes) => self.signal(nodes, "-CONT")?,
            Act::Start(nodes) => self.start_all(nodes)?,
            Act::Vanish(nodes) => {
                self.vanished.extend(nodes);
                self.impose().map_err(io::Error::other)?;
                nodes.iter().for_each(|node| self.kill(*node));
            }
            _ => unreachable!("{} was refused before anything ran", act.name()),
        }
        Ok(())
    }

    fn start_all(&mut self, nodes: &[NodeId]) -> io::Result<()> {
        let before = self.vanished.len();
        self.vanished.retain(|node| !nodes.contains(node));
        if self.vanished.len() < before {
            self.impose().map_err(io::Error::other)?;
        }
        nodes.iter().try_for_each(|node| self.start_node(*node))
    }

    /// Reads a node's log and notes whether it still runs.
    fn observe_node(
        &mut self,
        node: NodeId,
        observations: &mut Vec<Observation>,
    ) -> io::Result<()> {
        let at = self.start.elapsed();
        let ids: Vec<_> = self
            .everyone()
            .into_iter()
            .map(|node| (self.id(node), node))
            .collect();
        let Some(process) = &mut self.nodes[node.index()].process else {
            return Ok(());
        };
        let has_ended = process.child.try_wait()?.is_some();
        for said in process.log.read()? {
            match said {
                Said::Refused(code) => observations.push(Observation::Refusal(node, code)),
                Said::Member { id, version, cause } => {
                    let Some((_, subject)) = ids.iter().find(|(known, _)| *known == id) else {
                        continue;
                    };
                    let change = Change {
                        at: Timestamp::from_micros(
                            u64::try_from(at.as_micros()).unwrap_or(u64::MAX),
                        ),
                        observer: node,
                        subject: *subject,
                        from: process
                            .view
                            .insert(*subject, version)
                            .map(|before| before.state),
                        to: version,
                        cause,
                        told_by: None,
                    };
                    observations.push(Observation::Change(at, change));
                }
            }
        }
        if has_ended {
            self.nodes[node.index()].process = None;
        }
        Ok(())
    }

    fn id(&self, node: NodeId) -> String {
        let number = node.index() + 1;
        match self.nodes[node.index()].setup.role {
            Role::Broker => number.to_string(),
            Role::Gateway => format!("n{number}"),
        }
    }
}

impl Runner for NetnsRunner {
    fn act(&mut self, act: &Act) {
        if let Err(error) = self.carry_out(act) {
            self.failed
                .get_or_insert_with(|| format!("{}: {error}", act.name()));
        }
    }

    fn run_to(&mut self, at: Duration) -> Result<(), Failure> {
        thread::sleep(at.saturating_sub(self.start.elapsed()));
        match self.failed.take() {
            None => Ok(()),
            Some(what) => Err(Failure {
                rule: "the lab".into(),
                at: self.start.elapsed(),
                node: None,
                what,
                seed: self.seed,
            }),
        }
    }

    fn is_running(&self, node: NodeId) -> bool {
        self.process(node).is_some()
    }

    fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.rules.values().any(|rule| rule.parts(from, to))
    }

    fn state(&self, observer: NodeId, subject: NodeId) -> Option<MemberState> {
        let held = self.process(observer)?.view.get(&subject)?;
        Some(held.state)
    }

    fn gossip_keys(&self, _: NodeId) -> Option<GossipKeys> {
        unreachable!("expectations of gossip keys were refused before anything ran")
    }

    fn metadata(&self, _: NodeId, _: NodeId, _: &str) -> Option<Vec<u8>> {
        unreachable!("expectations of metadata were refused before anything ran")
    }

    fn knows_present_life(&self, observer: NodeId, subject: NodeId) -> bool {
        let (Some(observer), Some(subject_process)) =
            (self.process(observer), self.process(subject))
        else {
            return false;
        };
        let held = observer.view.get(&subject);
        held.is_none_or(|held| held.generation >= subject_process.started)
    }

    fn live_members(&self, observer: NodeId) -> usize {
        self.process(observer).map_or(0, |process| {
            let states = process.view.values();
            states.filter(|held| held.state.is_live()).count() + 1
        })
    }

    fn observe(&mut self) -> Vec<Observation> {
        let mut observations = Vec::new();
        for node in self.everyone() {
            if let Err(error) = self.observe_node(node, &mut observations) {
                self.failed
                    .get_or_insert_with(|| format!("the log of n{}: {error}", node.index() + 1));
            }
        }
        observations
    }

    fn sent(&self, _: NodeId) -> Count {
        unreachable!("budgets were refused before anything ran")
    }

    /// Real processes never run twice alike: there is nothing to compare.
    fn trace_hash(&self) -> u64 {
        0
    }
}

impl Drop for NetnsRunner {
    fn drop(&mut self) {
        for node in self.everyone() {
            self.kill(node);
        }
    }
}

/// The outcome of a run that could not begin.
fn not_run(case: &Case, error: &NetnsError) -> Outcome {
    let failure = Failure {
        rule: "the lab".into(),
        at: Duration::ZERO,
        node: None,
        what: error.to_string(),
        seed: case.seed,
    };
    Outcome {
        failure: Some(failure),
        trace_hash: 0,
    }
}

fn make_directory(scenario: &str) -> Result<PathBuf, NetnsError> {
    let name = format!(
        "phalanx-{scenario}-{}-{}",
        std::process::id(),
        now().as_micros()
    );
    let directory = env::temp_dir().join(name);
    match fs::create_dir(&directory) {
        Ok(()) => Ok(directory),
        Err(cause) => Err(NetnsError::Directory { directory, cause }),
    }
}

#[expect(clippy::disallowed_methods, reason = "real processes run in real time")]
fn instant() -> Instant {
    Instant::now()
}
