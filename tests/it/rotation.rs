//! All that a cluster's trust hangs on is replaced while it works: each node's certificate, then the authority, then the
//! gossip keys (R13, R101, R103). Probes and push-pulls go on all the time, and each change is put in force while all nodes
//! dial each other anew; not one of them fails, and nobody is ever doubted.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use phalanx::member::{IntroductionTag, MemberState};
use phalanx::membership::{Examined, Params};
use phalanx::swim::Member;
use phalanx::trust::TrustOptions;
use phalanx::trust::issue::{Authority, AuthorityRequest, KeyKind, NodeKey, NodeRequest};
use phalanx::wire::refusal::Code;
use phalanx::{Ended, Event, JoinError, Node, NodeEvent, TrustReload};
use tempfile::TempDir;

use crate::support::now;

/// Longer than any wait takes; only a test that hangs meets it.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many more probes and push-pulls each node must have ended well before the next change.
const ROUNDS: u64 = 2;
const DAY: Duration = Duration::from_secs(86_400);
const IDS: [&str; 3] = ["1", "2", "3"];

#[tokio::test]
async fn certificates_authority_and_gossip_keys_are_replaced_under_traffic() {
    let (old, new) = (authority("old"), authority("new"));
    let (cluster, watch) = Cluster::formed(&old).await;
    for id in IDS {
        cluster.renew(id, &old, "second").await;
    }
    for id in IDS {
        cluster.believe(id, &[&old, &new]).await;
    }
    for id in IDS {
        cluster.renew(id, &new, "third").await;
    }
    for id in IDS {
        cluster.believe(id, &[&new]).await;
    }
    cluster.rotate_keys("2").await;
    watch.assert_nobody_was_doubted(&cluster);

    let late = cluster.start("late", &old, "first").await;
    let refused = within(late.joined()).await.unwrap_err();
    let JoinError(Ended::Refused { code, .. }) = refused else {
        panic!("the old authority is believed still: {refused:?}");
    };
    assert_eq!(code, Code::UnknownIssuer);
    let fourth = cluster.start("4", &new, "first").await;
    within(fourth.joined()).await.unwrap();
}

/// Three nodes, whose certificates are looked at only on request.
struct Cluster {
    files: TempDir,
    nodes: BTreeMap<&'static str, Node>,
}

impl Cluster {
    /// The nodes once they know each other, and what they tell from then on.
    async fn formed(authority: &Authority) -> (Self, Watch) {
        let mut cluster = Self {
            files: tempfile::tempdir().unwrap(),
            nodes: BTreeMap::new(),
        };
        for id in IDS {
            cluster.write_anchors(id, &[authority]);
            let node = cluster.start(id, authority, "first").await;
            within(node.joined()).await.unwrap();
            cluster.nodes.insert(id, node);
        }
        until(|| cluster.agrees()).await;
        cluster.traffic().await;
        let watch = Watch::new(&cluster);
        (cluster, watch)
    }

    async fn start(&self, id: &str, authority: &Authority, name: &str) -> Node {
        self.write_leaf(id, authority, name);
        let trusted = self.file(id, "trusted.pem");
        let files = TrustOptions {
            certificate_chain: self.file(id, "node.pem"),
            private_key: self.file(id, "node.key"),
            trusted_certificates: trusted.exists().then_some(trusted),
            ..TrustOptions::default()
        };
        let builder = Node::builder()
            .member_id(id)
            .bind("127.0.0.1:0")
            .membership(params())
            .tls(files);
        let first = self.nodes.get("1").map(Node::addr);
        let builder = first
            .into_iter()
            .fold(builder, |builder, addr| builder.contact_point(addr));
        let mut config = builder.config().unwrap();
        config.reload_interval = DAY;
        Node::start(config).await.unwrap()
    }

    /// A node gets another certificate.
    async fn renew(&self, id: &str, authority: &Authority, name: &str) {
        let before = introduction(&self.nodes[id]);
        self.write_leaf(id, authority, name);
        let reload = self.reload(id).await;
        assert!(reload.is_renewed, "{reload:?}");
        until(|| match introduction(&self.nodes[id]) == before {
            true => Err("it has the former certificate".to_owned()),
            false => Ok(()),
        })
        .await;
        self.settle().await;
        let shown = self.nodes[id].certificate_status().unwrap().subject;
        assert!(shown.contains(&format!("{name}-{id}")), "{shown}");
    }

    /// A node gets other trust anchors.
    async fn believe(&self, id: &str, authorities: &[&Authority]) {
        self.write_anchors(id, authorities);
        let reload = self.reload(id).await;
        assert!(!reload.is_renewed, "{reload:?}");
        self.settle().await;
    }

    /// Loads a node's files while all nodes dial each other anew.
    async fn reload(&self, id: &str) -> TrustReload {
        let reload = within(self.nodes[id].reload_trust());
        let (reload, ()) = tokio::join!(reload, self.examine());
        reload.unwrap()
    }

    /// A node makes another gossip key; back once it is the only one anybody holds.
    async fn rotate_keys(&self, id: &str) {
        let rotate = within(self.nodes[id].rotate_keys());
        let (rotated, ()) = tokio::join!(rotate, self.examine());
        let newest = rotated.unwrap().newest_epoch;
        until(|| {
            let mut keys = self.nodes.values().map(|node| node.gossip_keys().unwrap());
            match keys.all(|keys| keys.active_epoch == newest && keys.held == 1) {
                true => Ok(()),
                false => Err(format!("{:?}", self.nodes["3"].gossip_keys())),
            }
        })
        .await;
        self.settle().await;
    }

    /// Waits until what was changed is known to all, and the cluster has worked with it.
    async fn settle(&self) {
        until(|| self.agrees()).await;
        self.traffic().await;
        self.examine().await;
    }

    /// All nodes dial each other anew, and each believes the other.
    async fn examine(&self) {
        let examined = within(self.nodes["1"].examine()).await.unwrap();
        assert_eq!(examined.len(), 6, "{examined:?}");
        let at_fault = |examined: &&Examined| examined.fault.is_some();
        assert_eq!(examined.iter().find(at_fault), None);
    }

    /// Whether each node holds all three alive, with the certificate that each has now, and a connection to another.
    fn agrees(&self) -> Result<(), String> {
        let certified = |member: &Member| (member.id().clone(), member.record().introduction);
        let own = self.nodes.values().map(|node| certified(&node.local()));
        let own: BTreeMap<_, _> = own.collect();
        for node in self.nodes.values() {
            let members = node.members();
            let seen: BTreeMap<_, _> = members
                .iter()
                .filter(|member| member.state() == MemberState::Alive)
                .map(certified)
                .collect();
            if seen != own || node.connections().is_empty() || !node.untrusted().is_empty() {
                return Err(format!("{} knows {members:#?}", node.local().id()));
            }
        }
        Ok(())
    }

    /// Waits until each node has ended some more probes and push-pulls well.
    async fn traffic(&self) {
        let count = || self.nodes.values().map(work_done).collect::<Vec<_>>();
        let before = count();
        until(|| {
            let now = count();
            let mut both = before.iter().zip(&now);
            match both.all(|(before, now)| now.0 >= before.0 + ROUNDS && now.1 >= before.1 + ROUNDS)
            {
                true => Ok(()),
                false => Err(format!("{before:?} has become {now:?}")),
            }
        })
        .await;
    }

    fn file(&self, id: &str, name: &str) -> PathBuf {
        let directory = self.files.path().join(id);
        fs::create_dir_all(&directory).unwrap();
        directory.join(name)
    }

    fn write_leaf(&self, id: &str, authority: &Authority, name: &str) {
        let request = NodeRequest {
            common_name: format!("{name}-{id}"),
            life: DAY,
            ..NodeRequest::default()
        };
        let key = NodeKey::New(KeyKind::default());
        let issued = authority.issue(&request, key, now()).unwrap();
        let key = issued.key_pem.expect("the key is new");
        fs::write(self.file(id, "node.key"), key.as_bytes()).unwrap();
        fs::write(self.file(id, "node.pem"), issued.chain_pem).unwrap();
    }

    fn write_anchors(&self, id: &str, authorities: &[&Authority]) {
        let pem: String = authorities
            .iter()
            .map(|authority| authority.certificates_pem())
            .collect();
        fs::write(self.file(id, "trusted.pem"), pem).unwrap();
    }
}

/// What all nodes tell, and what had gone wrong before they began to.
struct Watch {
    told: Arc<Mutex<Vec<(&'static str, NodeEvent)>>>,
    before: Vec<Wrongs>,
}

impl Watch {
    fn new(cluster: &Cluster) -> Self {
        let told = Arc::new(Mutex::new(Vec::new()));
        for (id, node) in &cluster.nodes {
            let (id, mut events, told) = (*id, node.events(), Arc::clone(&told));
            tokio::spawn(async move {
                while let Some(event) = events.next().await {
                    told.lock().unwrap().push((id, event));
                }
            });
        }
        let before = cluster.nodes.values().map(Wrongs::of).collect();
        Self { told, before }
    }

    /// All that may have been told is that a member has another certificate.
    fn assert_nobody_was_doubted(&self, cluster: &Cluster) {
        let is_expected = |event: &NodeEvent| {
            matches!(
                event,
                NodeEvent::Snapshot(_) | NodeEvent::Happened(Event::MemberUpdated(_))
            )
        };
        let told = self.told.lock().unwrap();
        let doubts: Vec<_> = told
            .iter()
            .filter(|(_, event)| !is_expected(event))
            .collect();
        assert!(doubts.is_empty(), "{doubts:#?}");
        // Each node has had two other certificates, of which both others were told.
        assert!(told.len() >= 3 + 3 * 2 * 2, "{told:#?}");
        let after: Vec<_> = cluster.nodes.values().map(Wrongs::of).collect();
        assert_eq!(after, self.before);
    }
}

/// What a node counts that went wrong.
#[derive(Debug, PartialEq, Eq)]
struct Wrongs {
    probes: u64,
    exchanges: u64,
    suspicions: u64,
    refutations: u64,
    forged: u64,
    other_key: u64,
    refusals: Vec<(Code, u64)>,
}

impl Wrongs {
    fn of(node: &Node) -> Self {
        let stats = node.stats().membership;
        let refusals = node.refusals().into_iter();
        Self {
            probes: stats.swim.probes_failed,
            exchanges: stats.exchanges.failed,
            suspicions: stats.swim.suspicions_raised,
            refutations: stats.swim.refutations,
            forged: stats.records.forged,
            other_key: stats.records.other_key,
            refusals: refusals
                .map(|refusal| (refusal.code, refusal.count))
                .collect(),
        }
    }
}

/// Traffic without pause, and time-outs that a starved machine keeps: a probe that has no answer after half a second
/// is repeated over TCP, and has failed after one and a half.
fn params() -> Params {
    Params {
        probe_interval: Duration::from_millis(200),
        probe_timeout: Duration::from_millis(500),
        gossip_interval: Duration::from_millis(50),
        sync_interval: Duration::from_millis(200),
        ..Params::lan()
    }
}

fn authority(name: &str) -> Authority {
    let request = AuthorityRequest {
        common_name: format!("{name} authority"),
        organization: None,
        life: 30 * DAY,
        key: KeyKind::default(),
        path_len: 0,
    };
    Authority::create(&request, now()).unwrap()
}

/// How many probes were answered, leaving out the one that may be under way, and how many push-pulls were completed.
fn work_done(node: &Node) -> (u64, u64) {
    let stats = node.stats().membership;
    let ended = stats.swim.probes_started.saturating_sub(1);
    let answered = ended.saturating_sub(stats.swim.probes_failed);
    (answered, stats.exchanges.completed)
}

fn introduction(node: &Node) -> Option<IntroductionTag> {
    node.local().record().introduction
}

/// Looks until `look` is content; panics with what it saw last.
async fn until(look: impl Fn() -> Result<(), String>) {
    let looks = async {
        while look().is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, looks).await.is_err() {
        panic!("after {PATIENCE:?}: {:?}", look());
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    let timed = tokio::time::timeout(PATIENCE, future).await;
    timed.expect("it does not take that long")
}
