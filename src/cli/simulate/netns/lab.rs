//! [`Lab`]: a network namespace for each node, all on one bridge in a namespace of its own, so that the network of this
//! machine is never touched.
//!
//! What passes is decided at the bridge: a cut is silent, may be one-way, and the sender's calls succeed, as with a fault in
//! the middle. Address resolution always passes, since without it a cut would show as an error of the host.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::simulation::{Effect, Loss, NodeId, Protocol, Rule};

/// The most nodes: addresses are 10.77.0.1 to 10.77.0.250.
pub(super) const NODES_MAX: u32 = 250;
/// What all names begin with; the process that made a lab follows, so that what it left behind can be told.
const PREFIX: &str = "phalanx-";

/// Namespaces, a bridge and the rules on it. Dropped, they are gone, and whatever runs in them is killed.
#[derive(Debug)]
pub(super) struct Lab {
    name: String,
    nodes: u32,
}

/// A lab could not be built or changed.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli::simulate) enum LabError {
    #[error("{command} failed: {said}; namespaces take root, iproute2 and nftables")]
    Failed { command: String, said: String },
    #[error("cannot run {program}: {cause}; install it: apt-get install iproute2 nftables")]
    Missing {
        program: &'static str,
        cause: io::Error,
    },
    #[error("{nodes} nodes, and the lab has room for {NODES_MAX}")]
    TooMany { nodes: u32 },
}

/// Where a node is, in the lab.
pub(super) fn addr(node: NodeId) -> Ipv4Addr {
    let [.., number] = number(node).to_be_bytes();
    Ipv4Addr::new(10, 77, 0, number)
}

fn number(node: NodeId) -> u32 {
    u32::try_from(node.index() + 1).unwrap_or(u32::MAX)
}

impl Lab {
    /// Builds a lab, and takes away what runs that were killed have left.
    pub(super) fn up(nodes: u32) -> Result<Self, LabError> {
        static LABS: AtomicU32 = AtomicU32::new(0);
        if nodes > NODES_MAX {
            return Err(LabError::TooMany { nodes });
        }
        remove_leftovers()?;
        let (process, count) = (std::process::id(), LABS.fetch_add(1, Ordering::Relaxed));
        // From here on dropping it takes down what there is.
        let lab = Self {
            name: format!("{PREFIX}{process}-{count}"),
            nodes,
        };
        ip(
            &[],
            &lab.namespaces()
                .map(|name| format!("netns add {name}\n"))
                .collect::<String>(),
        )?;
        ip(&["-n", &lab.hub()], &lab.wiring())?;
        for number in 1..=nodes {
            let text = format!(
                "link set lo up\naddr add 10.77.0.{number}/24 dev eth0\nlink set eth0 up\n"
            );
            ip(&["-n", &lab.namespace(number)], &text)?;
        }
        lab.impose(&[])?;
        Ok(lab)
    }

    /// A command that runs in a node's namespace. It is the program's own process: a signal to it reaches the program.
    pub(super) fn command(&self, node: NodeId, program: &Path) -> Command {
        let mut command = Command::new("ip");
        let namespace = self.namespace(number(node));
        command.args(["netns", "exec", &namespace]).arg(program);
        command
    }

    /// Has these rules be in force, and no others: all at once. `gone` are hosts that nothing reaches or leaves.
    pub(super) fn impose(&self, rules: &[(&Rule, &[NodeId])]) -> Result<(), LabError> {
        let table = self.table(rules);
        let mut nft = Command::new("ip");
        nft.args(["netns", "exec", &self.hub(), "nft", "-f", "-"]);
        feed("nft", &mut nft, &table).map(drop)
    }

    fn table(&self, rules: &[(&Rule, &[NodeId])]) -> String {
        let mut chain = String::new();
        for (rule, nodes) in rules {
            let pairs = pairs(rule, nodes);
            if !pairs.is_empty() {
                let what = condition(rule);
                let _ = writeln!(chain, "    iifname . oifname {{ {pairs} }} {what} drop");
            }
        }
        // Declared, deleted and declared anew in one transaction: nothing passes by a half-built table.
        format!(
            "table bridge phalanx\ndelete table bridge phalanx\ntable bridge phalanx {{\n  chain forward {{\n    \
             type filter hook forward priority 0; policy accept;\n    ether type arp accept\n{chain}  }}\n}}\n"
        )
    }

    fn wiring(&self) -> String {
        let mut text = "link set lo up\nlink add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n\
                        link set br0 up\n"
            .to_owned();
        for number in 1..=self.nodes {
            let namespace = self.namespace(number);
            let _ = writeln!(
                text,
                "link add p{number} type veth peer name eth0 netns {namespace}"
            );
            let _ = writeln!(text, "link set p{number} master br0 up");
        }
        text
    }

    fn hub(&self) -> String {
        self.namespace(0)
    }

    /// The hub's, then the nodes'.
    fn namespaces(&self) -> impl Iterator<Item = String> + '_ {
        (0..=self.nodes).map(|number| self.namespace(number))
    }

    fn namespace(&self, number: u32) -> String {
        format!("{}-{number}", self.name)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for namespace in self.namespaces() {
            remove(&namespace);
        }
    }
}

/// What a lab cannot do: in words that fit behind "it has".
pub(super) const fn lacks(rule: &Rule) -> Option<&'static str> {
    match rule.effect {
        Effect::Cut | Effect::Lose(Loss::Even(_)) => None,
        Effect::Lose(Loss::Burst { .. }) => {
            Some("no memory of the packets before, for loss in bursts")
        }
        Effect::Corrupt(_) => Some("nothing that flips bits"),
        Effect::Delay(_) | Effect::Reorder(_) => Some("no delay of its own"),
        Effect::Duplicate(_) => Some("nothing that doubles packets"),
        Effect::Jam => Some("nowhere to hold packets"),
        Effect::Mtu(_) => Some("no packets of its own to shorten"),
        Effect::Throttle(_) => Some("no queues of its own"),
    }
}

/// The paths of a rule, as elements of a set.
fn pairs(rule: &Rule, nodes: &[NodeId]) -> String {
    let paths = nodes
        .iter()
        .flat_map(|from| nodes.iter().map(move |to| (*from, *to)));
    let concerned = paths.filter(|(from, to)| from != to && rule.path.has(*from, *to));
    let elements: Vec<_> = concerned
        .map(|(from, to)| format!("\"p{}\" . \"p{}\"", number(from), number(to)))
        .collect();
    elements.join(", ")
}

fn condition(rule: &Rule) -> String {
    let protocol = match rule.protocol {
        Some(Protocol::Tcp) => "ip protocol tcp ",
        Some(Protocol::Udp) => "ip protocol udp ",
        None => "",
    };
    match rule.effect {
        Effect::Lose(Loss::Even(rate)) => {
            format!(
                "{protocol}numgen random mod 1000000 < {}",
                rate.per_million()
            )
        }
        _ => protocol.trim_end().to_owned(),
    }
}

/// Takes away the labs of processes that are gone.
fn remove_leftovers() -> Result<(), LabError> {
    let listed = ip_output(&["netns", "list"])?;
    let names = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    for name in names.filter(|name| is_left_behind(name)) {
        remove(name);
    }
    Ok(())
}

fn is_left_behind(namespace: &str) -> bool {
    let process = namespace
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.split('-').next());
    process.is_some_and(|process| !Path::new("/proc").join(process).exists())
}

fn remove(namespace: &str) {
    let running = ip_output(&["netns", "pids", namespace]).unwrap_or_default();
    for process in running.split_whitespace() {
        // It may have ended meanwhile.
        let _ = Command::new("kill")
            .args(["-KILL", process])
            .stderr(Stdio::null())
            .status();
    }
    // What was never built cannot be removed.
    let _ = ip_output(&["netns", "del", namespace]);
}

/// Runs many `ip` commands at once.
fn ip(options: &[&str], commands: &str) -> Result<(), LabError> {
    let mut command = Command::new("ip");
    command.args(options).args(["-batch", "-"]);
    feed("ip", &mut command, commands).map(drop)
}

fn ip_output(arguments: &[&str]) -> Result<String, LabError> {
    let output = feed("ip", Command::new("ip").args(arguments), "")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn feed(program: &'static str, command: &mut Command, input: &str) -> Result<Output, LabError> {
    let missing = |cause| LabError::Missing { program, cause };
    let pipes = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = pipes.spawn().map_err(missing)?;
    let stdin = child.stdin.take();
    // If it ended early, its status says why.
    let _ = stdin.map(|mut stdin| stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().map_err(missing)?;
    match output.status.success() {
        true => Ok(output),
        false => Err(LabError::Failed {
            command: format!("{command:?}"),
            said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::{NodeSet, Path, Rate};

    #[test]
    fn rules_become_a_table_at_the_bridge() {
        let nodes: Vec<_> = NodeId::first(3).collect();
        let lab = Lab {
            name: "phalanx-0-0".into(),
            nodes: 0,
        };
        let halves = Rule::partition(&[&nodes[..1], &nodes[1..]]);
        let loss = Rule {
            path: Path::Into(NodeSet::from(nodes[2])),
            protocol: Some(Protocol::Udp),
            effect: Effect::Lose(Loss::Even(Rate::percent(10))),
        };
        let table = lab.table(&[(&halves, &nodes), (&loss, &nodes)]);
        for expected in [
            r#"iifname . oifname { "p1" . "p2", "p1" . "p3", "p2" . "p1", "p3" . "p1" }  drop"#,
            r#"iifname . oifname { "p1" . "p3", "p2" . "p3" } ip protocol udp numgen random mod 1000000 < 100000 drop"#,
        ] {
            assert!(table.contains(expected), "{expected} is not in {table}");
        }
    }

    #[test]
    fn labs_of_processes_that_are_gone_are_left_behind() {
        let own = format!("phalanx-{}-0-3", std::process::id());
        for (name, expected) in [
            (own.as_str(), false),
            ("phalanx-4294967295-0-3", true),
            ("netlab-1", false),
        ] {
            assert_eq!(is_left_behind(name), expected, "{name}");
        }
    }
}
