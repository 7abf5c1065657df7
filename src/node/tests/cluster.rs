//! [`Cluster`]: three real nodes with TLS, each behind a [`Tap`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use tokio::time::{sleep, timeout};

use super::tap::Tap;
use crate::member::{Generation, MemberRecord, MemberState};
use crate::membership::Params;
use crate::node::Node;
use crate::node::clock::wall_clock;
use crate::swim::Member;
use crate::trust::{ClientAuth, Trust, TrustPem};

pub(super) const SIZE: usize = 3;
/// For what takes milliseconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who signs certificates.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(super) fn der(&self) -> &[u8] {
        self.0.der()
    }

    /// A certificate of `name`, for a node that asks those who dial it for theirs.
    pub(super) fn trust(&self, name: &str) -> Trust {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let (chain, key) = (certificate.pem() + &self.0.pem(), key.serialize_pem());
        let pem = TrustPem {
            certificate_chain: chain.as_bytes(),
            private_key: key.as_bytes(),
            client_auth: ClientAuth::Optional,
            ..TrustPem::default()
        };
        Trust::from_pem(&pem, wall_clock()).unwrap().0
    }
}

/// Three members, and the lines to them.
pub(super) struct Cluster {
    pub(super) authority: Authority,
    pub(super) nodes: Vec<Node>,
    pub(super) taps: Vec<Arc<Tap>>,
    /// A restarted node has the certificate that it had.
    trusts: Vec<Trust>,
}

/// What one node knows of all members.
pub(super) type View = Vec<(MemberRecord, MemberState)>;

impl Cluster {
    /// Three nodes that know each other, the last one in its second life.
    pub(super) async fn form() -> Self {
        let authority = Authority::new("cluster");
        let mut cluster = Self {
            trusts: (0..SIZE)
                .map(|number| authority.trust(&name(number)))
                .collect(),
            authority,
            nodes: Vec::new(),
            taps: Vec::new(),
        };
        for host in 10..10 + SIZE {
            cluster
                .taps
                .push(Tap::open(u8::try_from(host).unwrap()).await);
        }
        for number in 0..SIZE {
            let node = cluster.start(number).await;
            cluster.nodes.push(node);
        }
        cluster.until_all_know(Generation::new(0)).await;
        let former = cluster.nodes[SIZE - 1].local().record().generation;
        cluster.nodes[SIZE - 1].abort().await;
        cluster.nodes[SIZE - 1] = cluster.start(SIZE - 1).await;
        cluster.until_all_know(former).await;
        cluster
    }

    async fn start(&self, number: usize) -> Node {
        let tap = &self.taps[number];
        // Verdicts of a busy machine are not what is looked at.
        let params = Params {
            probe_timeout: Duration::from_secs(2),
            failure_timeout: Duration::from_secs(60),
            suspicion_floor: Duration::from_secs(60),
            ..Params::lan()
        };
        let builder = Node::builder()
            .member_id(&number.to_string())
            .bind(&tap.behind.to_string())
            .advertise(&tap.addr.to_string())
            .contact_point(self.taps[0].addr)
            .trust(self.trusts[number].clone())
            .membership(params);
        builder.start().await.unwrap()
    }

    /// Waits until all know all, the last one in a life later than `former`, and all is quiet.
    async fn until_all_know(&self, former: Generation) {
        let last = (SIZE - 1).to_string();
        let is_later = |(record, state): &(MemberRecord, MemberState)| {
            *state == MemberState::Alive
                && (record.id.as_str() != last || record.generation > former)
        };
        let know = || {
            let views = self.views();
            views
                .iter()
                .all(|view| view.len() == SIZE && view.iter().all(is_later))
        };
        until("all know all", know, || format!("{:#?}", self.sights())).await;
    }

    /// What each node says of all members, and whom it refused.
    fn sights(&self) -> Vec<String> {
        let sight = |node: &Node| {
            let members = node.members();
            let members = members.iter().map(|member| format!("{member:?}"));
            format!(
                "{:?}, refused {:?}",
                members.collect::<Vec<_>>(),
                node.refusals()
            )
        };
        self.nodes.iter().map(sight).collect()
    }

    /// What each node knows.
    pub(super) fn views(&self) -> Vec<View> {
        let view = |node: &Node| {
            let mut members: Vec<_> = node.members().iter().map(known).collect();
            members.sort_by(|one, other| one.0.id.cmp(&other.0.id));
            members
        };
        self.nodes.iter().map(view).collect()
    }

    /// How many datagrams this node has dropped, for whatever reason.
    pub(super) fn dropped(&self, number: usize) -> u64 {
        let stats = self.nodes[number].stats().membership.datagrams;
        stats.malformed
            + stats.other_mode
            + stats.other_cluster
            + stats.unknown_key
            + stats.bad_tag
            + stats.other_recipient
            + stats.unknown_sender
            + stats.replayed
    }

    /// Where this node listens, behind its tap.
    pub(super) fn behind(&self, number: usize) -> SocketAddr {
        self.taps[number].behind
    }

    pub(super) async fn stop(self) {
        for node in &self.nodes {
            node.abort().await;
        }
    }
}

/// What a node's certificate calls it.
pub(super) fn name(number: usize) -> String {
    format!("node-{number}")
}

fn known(member: &Member) -> (MemberRecord, MemberState) {
    (member.record().clone(), member.state())
}

/// Waits until `holds`; in vain, it says what was `seen`.
pub(super) async fn until(what: &str, holds: impl Fn() -> bool, seen: impl Fn() -> String) {
    let satisfied = async {
        while !holds() {
            sleep(Duration::from_micros(200)).await;
        }
    };
    let waited = timeout(PATIENCE, satisfied).await;
    assert!(
        waited.is_ok(),
        "waited {PATIENCE:?} until {what}; seen: {}",
        seen()
    );
}
