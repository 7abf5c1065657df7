//! What cannot be done with real processes in network namespaces, told before anything runs.

use super::lab::{self, Lab, LabError};
use crate::simulation::scenario::{Act, Case, Claim, LinkSpec, Promise, Unable, check_ability};

/// Why a scenario cannot be run here.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli::simulate) enum CannotRun {
    #[error("--runner netns: {0}")]
    Lab(#[from] LabError),
    #[error("{0}")]
    Unable(#[from] Unable),
}

/// Whether this machine and real processes can do all that these cases ask for.
pub(in crate::cli::simulate) fn check<'c>(
    mut cases: impl Iterator<Item = &'c Case>,
) -> Result<(), CannotRun> {
    // The smallest lab shows whether there is a right to build one.
    drop(Lab::up(1)?);
    cases.try_for_each(|case| Ok(check_case(case)?))
}

fn check_case(case: &Case) -> Result<(), Unable> {
    check_ability(case, lacks)?;
    let (nodes, network) = (&case.scenario.nodes, &case.scenario.network);
    let unable = |at, fault, lacks| {
        Err(Unable {
            file: case.file.clone(),
            at,
            fault,
            lacks,
        })
    };
    if network.default.link() != LinkSpec::default().link() || !network.links.is_empty() {
        return unable(nodes.at, "network", "the links of this machine alone");
    }
    if !nodes.service_time.is_zero() {
        return unable(
            nodes.at,
            "nodes.service_time",
            "no hold on how long a message takes",
        );
    }
    let certificates = nodes
        .groups
        .iter()
        .filter_map(|group| group.certificate.as_ref());
    let mut certificates = certificates.chain([&nodes.certificate]);
    if certificates.any(|certificate| certificate.differs()) {
        return unable(nodes.at, "certificate", ONE_AUTHORITY);
    }
    if let Some(at) = case.scenario.expect.place_of(&is_about_keys) {
        return unable(at, "gossip_keys", "no look at a process's gossip keys");
    }
    if let Some(at) = case.scenario.expect.place_of(&is_about_metadata) {
        return unable(at, "metadata", NO_APPLICATION);
    }
    let budget = case
        .scenario
        .expect
        .always
        .iter()
        .find(|one| matches!(one.promise, Promise::Traffic(_)));
    match budget {
        Some(one) => unable(one.at, "traffic", "no count of what a process sends"),
        None => Ok(()),
    }
}

const fn is_about_keys(claim: &Claim) -> bool {
    matches!(claim, Claim::GossipKeys(_))
}

const fn is_about_metadata(claim: &Claim) -> bool {
    matches!(claim, Claim::Metadata(_))
}

const NO_APPLICATION: &str = "no application that says anything of its node";
const ONE_AUTHORITY: &str = "one authority, whose certificates are valid now";

fn lacks(act: &Act) -> Option<&'static str> {
    match act {
        Act::Block(_) | Act::Unblock(_) => Some("no hold on a process between two of its messages"),
        Act::Certify(..) | Act::CertifyInPlace(..) => Some(ONE_AUTHORITY),
        Act::Clock(..) => Some("no clocks of its own"),
        Act::Impose(_, rule) => lab::lacks(rule),
        Act::Inject(..) => Some("nobody to forge datagrams"),
        Act::Readdress(..) => Some("one address for each node"),
        Act::RotateKeys(_) => Some("nobody to call each node's admin API"),
        Act::Say(..) => Some(NO_APPLICATION),
        Act::Slow(..) => Some("no processors of its own"),
        Act::Configure(..)
        | Act::Crash(_)
        | Act::Leave(_)
        | Act::Lift(_)
        | Act::Pause(_)
        | Act::Resume(_)
        | Act::Start(_)
        | Act::Vanish(_) => None,
    }
}
