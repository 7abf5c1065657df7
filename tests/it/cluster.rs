//! Whole nodes on loopback sockets, in one process: they form, refuse each other, leave, die and come back.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use phalanx::member::{MemberId, MemberState};
use phalanx::swim::{Member, Params};
use phalanx::time::Timestamp;
use phalanx::trust::{ClientAuth, HostnameVerification, IdentityOptions, Trust, TrustPem};
use phalanx::wire::refusal::Code;
use phalanx::{Ended, Event, JoinError, Node, NodeBuilder, NodeEvent, StartError};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
};

/// Longer than any test takes; only a test that hangs meets it.
const PATIENCE: Duration = Duration::from_secs(60);

/// R1.
#[tokio::test]
async fn three_tls_nodes_form_one_cluster_and_see_a_leave() {
    let nodes = Authority::new("ours").cluster(3).await;
    for node in &nodes {
        see(node, &[("1", Alive), ("2", Alive), ("3", Alive)]).await;
    }
    let ids = |node: &Node| -> Vec<_> {
        let members = node.members();
        members
            .iter()
            .map(|member| member.id().to_string())
            .collect()
    };
    assert_eq!(ids(&nodes[1]), ["2", "1", "3"], "itself first");
    let ended = nodes[1].leave(PATIENCE).await;
    assert_eq!(ended, Ended::Left { acknowledged: 2 });
    for node in [&nodes[0], &nodes[2]] {
        see(node, &[("1", Alive), ("2", Left), ("3", Alive)]).await;
    }
}

#[tokio::test]
async fn plaintext_nodes_form_with_and_without_udp() {
    for udp in [true, false] {
        let one = start(builder("1").udp(udp)).await;
        let two = start(builder("2").udp(udp).contact_point(one.addr())).await;
        for node in [&one, &two] {
            see(node, &[("1", Alive), ("2", Alive)]).await;
            assert_eq!(node.local().record().udp, udp);
        }
        two.leave(PATIENCE).await;
        see(&one, &[("1", Alive), ("2", Left)]).await;
    }
}

/// R10, R11.
#[tokio::test]
async fn nodes_that_differ_in_tls_refuse_each_other_and_both_know_why() {
    let authority = Authority::new("ours");
    let secure = |id| authority.node(id);
    let plain = builder;
    for (inside, outside) in [(secure("1"), plain("9")), (plain("1"), secure("9"))] {
        let inside = start(inside).await;
        let outside = start(outside.contact_point(inside.addr())).await;
        let Err(JoinError(refused)) = within(outside.joined()).await else {
            panic!("it is let in");
        };
        let Ended::Refused {
            code,
            addr,
            correlation,
        } = refused
        else {
            panic!("{refused}");
        };
        assert_eq!(code, Code::SecurityMismatch);
        assert_eq!(addr, Some(inside.addr()));
        assert_eq!(within(outside.stopped()).await, refused);
        until_refused(&inside, Code::SecurityMismatch).await;
        assert!(correlation.is_some() && correlation == inside.refusals()[0].last_correlation);
        assert_eq!(inside.members().len(), 1, "not one member is admitted");
        assert_eq!(outside.members().len(), 1);
    }
}

/// R12: from plaintext to TLS by changing every node, stopping all and starting all, on the addresses they had.
#[tokio::test]
async fn a_cluster_moves_from_plaintext_to_tls_by_a_full_restart() {
    let ports: Vec<_> = crate::support::free_ports(3).collect();
    let addr = |at: usize| format!("127.0.0.1:{}", ports[at]);
    let settle = async |node: &dyn Fn(&str) -> NodeBuilder| {
        let mut nodes = Vec::new();
        for (at, id) in ["1", "2", "3"].into_iter().enumerate() {
            let contacts = (0..3).map(addr);
            let node = contacts.fold(node(id).bind(&addr(at)), NodeBuilder::contact_point);
            nodes.push(start(node).await);
        }
        for node in &nodes {
            see(node, &[("1", Alive), ("2", Alive), ("3", Alive)]).await;
        }
        nodes
    };
    let plain = settle(&|id| builder(id)).await;
    let addrs: Vec<_> = plain.iter().map(Node::addr).collect();
    for node in plain {
        node.leave(PATIENCE).await;
    }
    let authority = Authority::new("ours");
    let secure = settle(&|id| authority.node(id)).await;
    assert_eq!(secure.iter().map(Node::addr).collect::<Vec<_>>(), addrs);
}

/// R76.
#[tokio::test]
async fn a_stranger_to_the_authority_is_refused() {
    let inside = start(Authority::new("ours").node("1")).await;
    let outside = Authority::new("theirs")
        .node("2")
        .contact_point(inside.addr());
    let outside = start(outside).await;
    let Err(JoinError(Ended::Refused { code, .. })) = within(outside.joined()).await else {
        panic!("another authority's certificate is no way in");
    };
    assert_eq!(code, Code::UnknownIssuer);
    assert_eq!(inside.members().len(), 1);
    // P8: whoever was refused has the word of whoever refused.
    for node in [&inside, &outside] {
        let codes = || node.refusals().into_iter().map(|refusal| refusal.code);
        within(async {
            while codes().next().is_none() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(codes().collect::<Vec<_>>(), [Code::UnknownIssuer]);
    }
}

/// R53, JOIN rule 7: with `{memberId}` in a rule, a sound certificate of the cluster is no way to take another's id.
#[tokio::test]
async fn a_certificate_admits_only_the_member_it_names() {
    let authority = Authority::new("ours");
    let rules = || TrustPem {
        identity: IdentityOptions {
            common_name: vec!["node-{memberId}".to_owned()],
            ..IdentityOptions::default()
        },
        ..TrustPem::default()
    };
    let node = |id, name| authority.node_with(id, Authority::named(name), rules());
    let first = start(node("1", "node-1")).await;
    let second = start(node("2", "node-2").contact_point(first.addr())).await;
    within(second.joined()).await.unwrap();
    let thief = start(node("3", "node-2").contact_point(first.addr())).await;
    assert_eq!(refused(&thief).await, Code::IdentityMismatch);
    assert_eq!(first.members().len(), 2);
}

/// R61: the contact point is dialled by name, and what answers there must have it.
#[tokio::test]
async fn a_contact_point_dialled_by_name_must_have_that_name() {
    let authority = Authority::new("ours");
    let verifying = || TrustPem {
        identity: IdentityOptions {
            hostname_verification: HostnameVerification::Require,
            ..IdentityOptions::default()
        },
        ..TrustPem::default()
    };
    let node = |id, names: &[&str]| {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let params = CertificateParams::new(names).unwrap();
        authority.node_with(id, params, verifying())
    };
    let first = start(node("1", &["127.0.0.1", "localhost"])).await;
    let port = first.addr().port();
    let by_name = node("2", &["127.0.0.1"]).contact_point(format!("localhost:{port}"));
    let by_name = start(by_name).await;
    within(by_name.joined()).await.unwrap();
    let other = start(node("3", &["127.0.0.1"])).await;
    let port = other.addr().port();
    let misled = node("4", &["127.0.0.1"]).contact_point(format!("localhost:{port}"));
    let misled = start(misled).await;
    within(async {
        while !misled
            .refusals()
            .iter()
            .any(|refusal| refusal.code == Code::NameMismatch)
        {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let advertises_another = node("5", &["10.0.0.1"]).contact_point(first.addr());
    let advertises_another = start(advertises_another).await;
    assert_eq!(refused(&advertises_another).await, Code::NameMismatch);
}

/// R73, R75, T0 to T2: listeners that ask, that ask and insist, and that do not ask make one cluster.
#[tokio::test]
async fn client_certificates_are_asked_for_as_the_listener_says() {
    let authority = Authority::new("ours");
    let node = |id: &str, client_auth| {
        let more = TrustPem {
            client_auth,
            ..TrustPem::default()
        };
        authority.node_with(id, CertificateParams::default(), more)
    };
    let first = start(node("1", ClientAuth::Required)).await;
    let mut nodes = vec![first];
    for (id, client_auth) in [("2", ClientAuth::Optional), ("3", ClientAuth::None)] {
        let node = node(id, client_auth).contact_point(nodes[0].addr());
        nodes.push(start(node).await);
    }
    for node in &nodes {
        within(node.joined()).await.unwrap();
        until(node, |members| members.len() == 3).await;
    }
    let mut serves_only = CertificateParams::default();
    serves_only.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let one_way = authority.node_with("4", serves_only, TrustPem::default());
    let one_way = start(one_way.contact_point(nodes[0].addr())).await;
    assert_eq!(refused(&one_way).await, Code::WrongUsage);
}

#[tokio::test]
async fn a_member_that_dies_is_seen_to_and_comes_back_as_a_new_life() {
    let authority = Authority::new("ours");
    let nodes = authority.cluster(3).await;
    let first_life = nodes[2].local().record().generation;
    let port = nodes[2].addr();
    assert_eq!(nodes[2].abort().await, Ended::Aborted);
    for node in &nodes[..2] {
        see(node, &[("3", Dead)]).await;
    }
    let again = authority.node("3").bind(&port.to_string());
    let again = start(again.contact_point(nodes[0].addr())).await;
    for node in [&nodes[0], &nodes[1], &again] {
        see(node, &[("1", Alive), ("2", Alive), ("3", Alive)]).await;
        let seen = node.member(&id("3")).unwrap();
        assert!(seen.record().generation > first_life);
        assert_eq!(seen.record().addr, port);
    }
}

#[tokio::test]
async fn a_quick_restart_needs_nobody_to_have_noticed_the_death() {
    let authority = Authority::new("ours");
    let nodes = authority.cluster(2).await;
    nodes[1].abort().await;
    let again = authority.node("2").contact_point(nodes[0].addr());
    let again = start(again).await;
    within(again.joined()).await.unwrap();
    let generation = again.local().record().generation;
    until(&nodes[0], |members| {
        members.get("2").is_some_and(|member| {
            member.state() == Alive && member.record().generation == generation
        })
    })
    .await;
}

#[tokio::test]
async fn an_id_in_use_is_refused_and_the_holder_keeps_it() {
    let authority = Authority::new("ours");
    let nodes = authority.cluster(2).await;
    let holder = nodes[1].addr();
    let impostor = authority.node("2").contact_point(nodes[0].addr());
    let impostor = start(impostor).await;
    let Err(JoinError(Ended::Refused { code, .. })) = within(impostor.joined()).await else {
        panic!("two nodes of one id");
    };
    assert_eq!(code, Code::MemberIdInUse);
    assert_eq!(nodes[0].member(&id("2")).unwrap().record().addr, holder);
}

#[tokio::test]
async fn a_node_alone_is_ready_and_one_without_an_answer_too() {
    let alone = start(builder("1")).await;
    within(alone.joined()).await.unwrap();
    let nobody = *crate::support::free_ports(1).start();
    let addr = std::net::SocketAddr::from(([127, 0, 0, 1], nobody));
    let hopeful = start(builder("2").contact_point(addr)).await;
    within(hopeful.joined()).await.unwrap();
    assert_eq!(hopeful.members().len(), 1);
}

#[tokio::test]
async fn events_begin_with_a_snapshot_and_end_with_the_node() {
    let one = start(builder("1")).await;
    let mut events = one.events();
    let Some(NodeEvent::Snapshot(members)) = events.next().await else {
        panic!("the snapshot comes first");
    };
    assert_eq!(members.len(), 1);
    let two = start(builder("2").contact_point(one.addr())).await;
    let mut story = Vec::new();
    within(async {
        while let Some(event) = events.next().await {
            match event {
                NodeEvent::Happened(Event::MemberJoined(record)) => {
                    story.push(format!("{} joined", record.id));
                    two.leave(PATIENCE).await;
                }
                NodeEvent::Happened(Event::MemberLeft(record)) => {
                    story.push(format!("{} left", record.id));
                    one.abort().await;
                }
                _ => {}
            }
        }
    })
    .await;
    assert_eq!(story, ["2 joined", "2 left"]);
}

#[tokio::test]
async fn the_last_handle_dropped_is_a_farewell() {
    let one = start(builder("1")).await;
    let two = start(builder("2").contact_point(one.addr())).await;
    see(&one, &[("2", Alive)]).await;
    let same = two.clone();
    drop(two);
    within(same.joined()).await.unwrap();
    drop(same);
    see(&one, &[("2", Left)]).await;
}

#[tokio::test]
async fn a_stopped_node_has_given_its_port_back() {
    let node = start(builder("1")).await;
    let addr = node.addr();
    let taken = builder("2").bind(&addr.to_string()).start().await;
    let Err(StartError::Bind(error)) = taken else {
        panic!("the port is taken");
    };
    assert_eq!(error.addr, addr);
    node.leave(PATIENCE).await;
    start(builder("2").bind(&addr.to_string())).await;
}

#[tokio::test]
async fn nodes_meet_over_ipv6_and_by_name() {
    let Ok(one) = builder("1").bind("[::1]:0").start().await else {
        eprintln!("no IPv6 here: not tested");
        return;
    };
    let two = start(builder("2").bind("[::1]:0").contact_point(one.addr())).await;
    see(&two, &[("1", Alive), ("2", Alive)]).await;

    let three = start(builder("3").cluster_name("names")).await;
    let name = format!("localhost:{}", three.addr().port());
    let four = start(builder("4").cluster_name("names").contact_point(name)).await;
    see(&four, &[("3", Alive), ("4", Alive)]).await;
}

use MemberState::{Alive, Dead, Left};

fn id(text: &str) -> MemberId {
    MemberId::new(text).unwrap()
}

/// A node on a free port, with timings for people who wait.
fn builder(id: &str) -> NodeBuilder {
    let params = Params {
        probe_interval: Duration::from_millis(200),
        probe_timeout: Duration::from_millis(60),
        failure_timeout: Duration::from_secs(2),
        suspicion_floor: Duration::from_millis(800),
        gossip_interval: Duration::from_millis(50),
        ..Params::lan()
    };
    Node::builder()
        .member_id(id)
        .bind("127.0.0.1:0")
        .membership(params)
}

async fn start(builder: NodeBuilder) -> Node {
    builder.start().await.unwrap()
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it does not take that long")
}

/// Waits until `node` holds each of these in its state.
async fn see(node: &Node, expected: &[(&str, MemberState)]) {
    until(node, |members| {
        expected.iter().all(|(id, state)| {
            members
                .get(*id)
                .is_some_and(|member| member.state() == *state)
        })
    })
    .await;
}

/// Waits until `node` counts a refusal with this code.
async fn until_refused(node: &Node, code: Code) {
    let mut events = node.events();
    within(async {
        while !node.refusals().iter().any(|refusal| refusal.code == code) {
            events.next().await.expect("the node runs");
        }
    })
    .await;
}

/// Waits until what `node` knows is as wanted; panics with what it knows instead.
async fn until(node: &Node, wanted: impl Fn(&BTreeMap<String, Member>) -> bool) {
    let mut events = node.events();
    let satisfied = async {
        loop {
            let members = node.members();
            let by_id = members
                .iter()
                .map(|member| (member.record().id.to_string(), member.clone()));
            if wanted(&by_id.collect()) {
                return;
            }
            events.next().await.expect("the node runs");
        }
    };
    if tokio::time::timeout(PATIENCE, satisfied).await.is_err() {
        panic!(
            "{} knows only {:#?}",
            node.local().record().id,
            node.members()
        );
    }
}

/// Why a node that is refused for good has ended.
async fn refused(node: &Node) -> Code {
    match within(node.joined()).await {
        Err(JoinError(Ended::Refused { code, .. })) => code,
        other => panic!("not refused: {other:?}"),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "certificates are valid by the wall clock"
)]
fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp::ZERO + since_epoch.unwrap()
}

/// A certificate authority that exists in this test alone.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// A node with a certificate of its own.
    fn node(&self, id: &str) -> NodeBuilder {
        self.node_with(id, CertificateParams::default(), TrustPem::default())
    }

    /// The same with a certificate of this kind, and more to decide about trust.
    fn node_with(&self, id: &str, params: CertificateParams, more: TrustPem<'_>) -> NodeBuilder {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let chain = certificate.pem() + &self.0.pem();
        let key = key.serialize_pem();
        let pem = TrustPem {
            certificate_chain: chain.as_bytes(),
            private_key: key.as_bytes(),
            ..more
        };
        let (trust, _warnings) = Trust::from_pem(&pem, now()).unwrap();
        builder(id).trust(trust)
    }

    /// A certificate for a node of this name.
    fn named(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params
    }

    /// Nodes 1 to `count`, all joining through the first, once everybody knows everybody.
    async fn cluster(&self, count: usize) -> Vec<Node> {
        let first = start(self.node("1")).await;
        let mut nodes = vec![first];
        for id in 2..=count {
            let node = self.node(&id.to_string()).contact_point(nodes[0].addr());
            nodes.push(start(node).await);
        }
        for node in &nodes {
            within(node.joined()).await.unwrap();
            until(node, |members| members.len() == count).await;
        }
        nodes
    }
}
