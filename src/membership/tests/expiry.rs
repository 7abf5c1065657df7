//! Certificates that expire while the cluster runs.

use std::time::Duration;

use super::super::*;
use super::tls::{Authority, STEP, options};
use crate::member::MemberState;
use crate::simulation::{Network, NetworkOptions, NodeId, plain_options};

/// How long the certificate of the last node is valid.
const LIFE: Duration = Duration::from_secs(60);

/// Three nodes that know each other; the certificate of the last one expires after [`LIFE`].
fn formed(policy: ExpiredMember, age: Option<Duration>) -> (Network, [NodeId; 3]) {
    let mut network = Network::new(NetworkOptions::default(), 31);
    let authority = Authority::new(1);
    let end = NetworkOptions::default().start + LIFE;
    let contact = plain_options(0).local.advertised;
    let nodes = [0, 1, 2].map(|number| {
        let trust = match number {
            2 => authority.trust_until(number, end),
            _ => authority.trust(number, 0),
        };
        let options = Options {
            expired_member: policy,
            trust_age_max: age,
            ..options(number, &trust)
        };
        network.add_node(options, Some(trust), vec![contact.into()])
    });
    network.start_all();
    let formed = network.run_until(Duration::from_secs(10), STEP, Network::views_are_complete);
    assert!(formed.unwrap().is_some(), "{}", network.transcript());
    (network, nodes)
}

fn links_to(network: &Network, node: NodeId, number: u32) -> usize {
    let id = plain_options(number).local.id;
    let held = network.membership(node).unwrap();
    held.connections()
        .filter(|(_, member)| **member == id)
        .count()
}

fn untrusted(network: &Network, node: NodeId) -> Vec<Code> {
    let held = network.membership(node).unwrap();
    held.untrusted().iter().map(|member| member.code).collect()
}

#[test]
fn a_member_kept_beyond_its_certificate_stays_in_views_without_connections() {
    let (mut network, [first, second, last]) = formed(ExpiredMember::Keep, None);
    assert_eq!(links_to(&network, first, 2), 1, "it has joined there");
    let soonest = network.membership(first).unwrap().soonest_expiry().unwrap();
    assert_eq!(soonest.member, plain_options(2).local.id);
    network.run_for(LIFE + Duration::from_secs(60)).unwrap();
    for node in [first, second] {
        let seen = network.state_seen_by(node, last);
        assert_eq!(seen, Some(MemberState::Alive), "{}", network.transcript());
        assert_eq!(links_to(&network, node, 2), 0);
    }
    assert!(links_to(&network, first, 1) > 0, "others keep theirs");
}

#[test]
fn a_member_evicted_with_its_certificate_is_untrusted() {
    let (mut network, [first, second, last]) = formed(ExpiredMember::Evict, None);
    network.run_for(LIFE + Duration::from_secs(30)).unwrap();
    for node in [first, second] {
        assert_eq!(untrusted(&network, node), [Code::CertificateExpired]);
        assert_ne!(network.state_seen_by(node, last), Some(MemberState::Alive));
        assert_eq!(links_to(&network, node, 2), 0);
    }
}

#[test]
fn a_verdict_that_is_old_is_made_again_in_place() {
    let age = Some(Duration::from_secs(10));
    let (mut network, [first, ..]) = formed(ExpiredMember::Keep, age);
    let before = links_to(&network, first, 1);
    let membership = network.membership(first).unwrap();
    let judged = membership.trust_judged;
    network.run_for(Duration::from_secs(25)).unwrap();
    let membership = network.membership(first).unwrap();
    assert_eq!(
        membership.trust_judged.saturating_since(judged),
        Duration::from_secs(20)
    );
    assert_eq!(links_to(&network, first, 1), before, "nobody notices");
    assert!(network.views_are_complete());
}
