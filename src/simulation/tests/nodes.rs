//! What can be done to nodes: new addresses, new ids, new certificates.

use super::*;
use crate::member::{MemberId, MemberState};
use crate::membership::Membership;
use crate::simulation::Rule;
use crate::wire::refusal::Code;

fn cluster(count: u32) -> (Network, Vec<NodeId>) {
    formed(count, NetworkOptions::default(), 5)
}

fn complete_within(network: &mut Network, limit: Duration) {
    let complete = network.run_until(limit, TEN_MS, Network::views_are_complete);
    assert!(complete.unwrap().is_some(), "{}", network.transcript());
}

#[test]
fn a_vanished_host_is_found_dead_and_comes_back() {
    let (mut network, nodes) = cluster(4);
    network.vanish(nodes[2]);
    network.run_for(secs(30)).unwrap();
    let seen = network.state_seen_by(nodes[0], nodes[2]);
    assert_eq!(seen, Some(MemberState::Dead));
    network.start(nodes[2]);
    complete_within(&mut network, secs(30));
}

#[test]
fn a_forgotten_node_is_gone_everywhere_and_a_live_one_comes_back() {
    let (mut network, nodes) = cluster(5);
    let id = MemberId::new("2").unwrap();
    network.vanish(nodes[2]);
    network.run_for(secs(30)).unwrap();
    let forget = |membership: &mut Membership, now| membership.forget(now, &id);
    network.command(nodes[0], forget).unwrap().unwrap();
    let others = [0, 1, 3, 4].map(|other| nodes[other]);
    let is_gone = |network: &Network| {
        let held = |node| network.membership(node).unwrap().member(&id);
        others.iter().all(|node| held(*node).is_none())
    };
    let took = network.run_until(secs(10), TEN_MS, is_gone).unwrap();
    assert!(took.is_some(), "{}", network.transcript());
    network.run_for(secs(60)).unwrap();
    assert!(is_gone(&network), "a push-pull brought it back");
    network.start(nodes[2]);
    complete_within(&mut network, secs(30));
}

/// Cut off, it is dead to the others, and they to it; forgotten, it is dialled by nobody, but dials.
#[test]
fn a_node_forgotten_while_it_was_cut_off_comes_back_by_itself() {
    let (mut network, nodes) = cluster(4);
    let id = MemberId::new("3").unwrap();
    let cut = network.impose(Rule::partition(&[&nodes[3..], &nodes[..3]]));
    network.run_for(secs(30)).unwrap();
    let forget = |membership: &mut Membership, now| membership.forget(now, &id);
    network.command(nodes[1], forget).unwrap().unwrap();
    network.run_for(secs(10)).unwrap();
    assert!(network.membership(nodes[0]).unwrap().member(&id).is_none());
    network.lift(cut);
    complete_within(&mut network, secs(60));
}

#[test]
fn a_node_that_moves_is_found_at_its_new_address() {
    let (mut network, nodes) = cluster(4);
    let addr = ([10, 9, 9, 9], 26_502).into();
    network.restart_at(nodes[2], addr);
    network.run_for(secs(30)).unwrap();
    assert!(network.views_are_complete(), "{}", network.transcript());
    let id = MemberId::new("2").unwrap();
    let held = network.membership(nodes[0]).unwrap().member(&id).unwrap();
    assert_eq!(held.record().addr, addr);
}

#[test]
fn an_address_may_be_taken_over_by_another_member() {
    let (mut network, nodes) = cluster(4);
    let addr = plain_options(2).local.advertised;
    network.vanish(nodes[2]);
    network.restart_at(nodes[3], addr);
    complete_within(&mut network, secs(60));
    let seen = network.state_seen_by(nodes[0], nodes[2]);
    assert_ne!(seen, Some(MemberState::Alive));
}

#[test]
fn a_node_may_come_back_under_another_id() {
    let (mut network, nodes) = cluster(4);
    let heir = network.restart_as(nodes[2], MemberId::new("heir").unwrap());
    complete_within(&mut network, secs(60));
    assert_eq!(network.nodes().len(), 5);
    assert!(network.is_running(heir) && !network.is_running(nodes[2]));
}

#[cfg(feature = "daemon")]
mod with_tls {
    use super::*;
    use crate::simulation::{
        CertificateAuthority, ClockChange, Clocks, NodeCertificate, Path, RefusalKind, Rule,
        Validity, tls_options,
    };
    use crate::trust::Trust;
    use crate::wire::refusal::Code;

    fn add(network: &mut Network, number: u32, trust: Trust) -> NodeId {
        let contact = plain_options(0).local.advertised;
        network.add_node(
            tls_options(number, &trust),
            Some(trust),
            vec![contact.into()],
        )
    }

    fn refused_with(network: &Network, code: Code) -> bool {
        network.transcript().entries().iter().any(|entry| {
            matches!(entry, Entry::Refusal(refusal) if refusal.code == code && refusal.kind != RefusalKind::ByNode)
        })
    }

    #[test]
    fn a_certificate_that_expires_keeps_a_node_out_until_it_is_replaced() {
        let mut network = Network::new(NetworkOptions::default(), 5);
        let now = network.now();
        let long = Validity::lasting(now, secs(86_400));
        let mut authority = CertificateAuthority::new(5, "red", long);
        let mut trust = |validity, at| {
            authority
                .issue("node", validity, &[])
                .load(None, at)
                .unwrap()
        };
        let lives = [long, long, Validity::lasting(now, secs(60))];
        let nodes: Vec<_> = lives
            .into_iter()
            .zip(0..)
            .map(|(life, number)| add(&mut network, number, trust(life, now)))
            .collect();
        network.start_all();
        complete_within(&mut network, secs(30));
        network.run_for(secs(60)).unwrap();
        network.restart(nodes[2]);
        network.run_for(secs(60)).unwrap();
        assert!(
            !network.is_running(nodes[2]),
            "a node refused for good stops"
        );
        assert!(
            refused_with(&network, Code::CertificateExpired),
            "{}",
            network.transcript()
        );
        let renewed = trust(long, network.now());
        network.set_trust(nodes[2], renewed);
        network.start(nodes[2]);
        complete_within(&mut network, secs(60));
    }

    /// The certificate is fine; the judge's clock is not.
    #[test]
    fn certificates_are_judged_by_the_wall_clock_of_the_judge() {
        for (change, code) in [
            (ClockChange::Ahead(secs(7_200)), Code::CertificateExpired),
            (ClockChange::Back(secs(7_200)), Code::CertificateNotYetValid),
        ] {
            let mut network = Network::new(NetworkOptions::default(), 5);
            let now = network.now();
            let validity = Validity::lasting(now - secs(3_600), secs(7_200));
            let mut authority = CertificateAuthority::new(5, "red", validity);
            let nodes = [0, 1].map(|number| {
                let trust = authority
                    .issue("node", validity, &[])
                    .load(None, now)
                    .unwrap();
                add(&mut network, number, trust)
            });
            network.set_clock(nodes[1], Clocks::Wall, change);
            network.start_all();
            network.run_for(secs(20)).unwrap();
            let wrong = network.transcript().entries().iter().any(|entry| {
                matches!(entry, Entry::Refusal(refusal) if refusal.node == nodes[1] && refusal.code == code)
            });
            assert!(wrong, "{change}: {}", network.transcript());
        }
    }

    /// Two runs with RSA certificates, whose signatures are random: the transcripts are the same all the same.
    #[test]
    fn nodes_with_the_recipes_certificates_form_a_cluster_and_leave_no_randomness_behind() {
        let run = || {
            let options = NetworkOptions {
                detail: Detail::Packets,
                ..NetworkOptions::default()
            };
            let mut network = Network::new(options, 5);
            let now = network.now();
            for (certificate, number) in NodeCertificate::of_the_recipe().into_iter().zip(0..) {
                add(&mut network, number, certificate.load(None, now).unwrap());
            }
            network.start_all();
            complete_within(&mut network, secs(30));
            let cut = network.impose(Rule {
                path: Path::Into(network.nodes()[2].into()),
                protocol: None,
                effect: crate::simulation::Effect::Cut,
            });
            network.run_for(secs(30)).unwrap();
            network.lift(cut);
            complete_within(&mut network, secs(60));
            network.transcript().to_string()
        };
        assert_eq!(run(), run());
    }
}

/// A member that was cut off holds others dead and closes its connections to them; they hear so once the cut has healed.
#[test]
fn no_goodbye_is_taken_for_a_breach_of_the_protocol() {
    let (mut network, nodes) = formed(5, options(PLAIN), 6);
    let cut = network.impose(Rule::partition(&[&nodes[..2], &nodes[2..]]));
    network.run_for(secs(15)).unwrap();
    network.lift(cut);
    network.run_for(secs(60)).unwrap();
    assert!(network.views_are_complete(), "{}", network.transcript());
    network.leave(nodes[4]);
    network.run_for(secs(5)).unwrap();
    let refusals: Vec<_> = network
        .transcript()
        .entries()
        .iter()
        .filter(|entry| {
            matches!(entry, Entry::Refusal(refusal) if refusal.code == Code::ProtocolViolation)
        })
        .collect();
    assert!(refusals.is_empty(), "{refusals:#?}");
}
