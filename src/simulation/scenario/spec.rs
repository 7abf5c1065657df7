//! [`Scenario`] and its parts, as they are written: what one file says.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::certificate::CertificateSpec;
use super::expect::Expectations;
use super::link::{LinkChange, LinkSpec};
use super::scalar::{Bytes, Overrides};
use super::timeline::Entry;
use super::who::Who;
use super::yaml::{At, Reader, Yaml, mapping, text, words};
use crate::config::raw::Node;

mapping! {
    /// What one file says: who there is, what happens to them, and what is expected.
    pub struct Scenario {
        /// The version of this schema: 1.
        version: Version,
        /// What it is called: the file's name without `.yaml`.
        name: String,
        /// The story in one or two sentences: what happens, and what must become of it.
        about: String,
        /// What a seed may cost.
        cost: Cost = (Cost::Quick),
        /// Where it must work; other runners refuse it.
        runners: Vec<RunnerName> = (vec![RunnerName::Sim]),
        /// How long it runs, in virtual time.
        duration: Duration,
        /// Who there is.
        nodes: At<Nodes>,
        /// What lies between them.
        network: Network = (Network::default()),
        /// What happens to them, and when.
        timeline: Vec<At<Entry>>,
        /// What is expected, besides the invariants, which always hold.
        expect: Expectations,
    }
}

/// The version of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version;

impl Yaml for Version {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let found = text(node, "1", reader)?;
        if found != "1" {
            reader.problem(
                node.at,
                format!("{found} is no version this build reads; it reads 1"),
            );
            return None;
        }
        Some(Self)
    }

    fn write(&self) -> Json {
        json!(1)
    }

    fn schema() -> Json {
        json!({ "const": 1 })
    }
}

words! {
    /// What a seed may cost.
    pub enum Cost {
        /// At most 0.25 s of processor time in a release build.
        Quick = "quick",
        /// More: run on its first seed only, unless asked.
        Large = "large",
    }
}

words! {
    /// What can run a scenario.
    pub enum RunnerName {
        /// Real processes in network namespaces.
        Netns = "netns",
        /// The virtual network in virtual time.
        Sim = "sim",
    }
}

mapping! {
    /// Who there is: `n1` to `n12` for a count of 12, or groups of nodes, numbered on through all of them.
    pub struct Nodes {
        /// How many, all alike.
        count: Option<u32>,
        /// Groups of nodes that differ, instead of a count.
        groups: Vec<At<Group>>,
        /// The contact points that everyone is given.
        contacts: Option<Who>,
        /// Whether they run TLS; as `security.enabled` of the configuration.
        tls: bool = (false),
        /// Their certificates, where they run TLS.
        certificate: CertificateSpec = (CertificateSpec::default()),
        /// Settings that all have, as a configuration file has them.
        config: Option<Overrides>,
        /// When they start.
        start: Start = (Start::default()),
        /// How long a node is busy with each datagram and each frame; the next one waits.
        service_time: Duration = (Duration::ZERO),
        /// What a node keeps of the datagrams that wait for it, as the kernel counts them.
        receive_buffer: Bytes = (Bytes(1024 * 1024)),
    }
}

mapping! {
    /// Nodes that are alike.
    pub struct Group {
        /// What it is called, in `group:NAME`.
        name: String,
        /// How many.
        count: u32,
        /// Which zone they are in, for `zone:NAME`.
        zone: Option<String>,
        /// What kind of node they are.
        role: NodeRole = (NodeRole::Broker),
        /// Other contact points than everyone's.
        contacts: Option<Who>,
        /// Whether they run TLS, where they differ.
        tls: Option<bool>,
        /// Their certificates, where they differ.
        certificate: Option<CertificateSpec>,
        /// Settings that win over everyone's.
        config: Option<Overrides>,
        /// When they start, where they differ.
        start: Option<Start>,
    }
}

words! {
    /// What kind of node.
    pub enum NodeRole {
        /// Configured under `zeebe.broker`.
        Broker = "broker",
        /// Configured under `zeebe.gateway`.
        Gateway = "gateway",
    }
}

mapping! {
    /// When nodes start: the first `at` a time, the next `every` so often, each up to `jitter` later.
    #[derive(Default)]
    pub struct Start {
        /// When the first one starts.
        at: Duration = (Duration::ZERO),
        /// How long after one the next one starts.
        every: Duration = (Duration::ZERO),
        /// By how much each may be late, drawn from the seed.
        jitter: Duration = (Duration::ZERO),
        /// They start only when the timeline says so.
        later: bool = (false),
    }
}

mapping! {
    /// What lies between the nodes.
    #[derive(Default)]
    pub struct Network {
        /// Every direction between two nodes, unless one of `links` is about it.
        default: LinkSpec = (LinkSpec::default()),
        /// Directions that differ. The last one that is about a direction counts.
        links: Vec<At<LinkChange>>,
    }
}
