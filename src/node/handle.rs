//! [`Node`]: the handle applications hold, and [`EventStream`].
//!
//! The core lies in a mutex that the driver and all handles share, so that views are exact and cost no round trip. The
//! lock is held for one input or one view, never across an `await`.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::connections::{Connection, Sessions};
use super::driver::Command;
use super::error::{Ended, JoinError, StartError};
use super::examination::RehearseError;
use super::expiry::CertificateStatus;
use super::handshakes::Handshakes;
use super::messenger::{Messaging, MessagingStats, Messenger};
use super::options::{NodeBuilder, NodeConfig};
use super::quic::QuicSeen;
use super::reload::{ReloadError, TrustReload};
use super::start;
use crate::member::{MemberId, MetadataError};
use crate::membership::{
    Event, ExamineError, Examined, KeyStatus, MemberMetadata, Membership, Refusal, RotateError,
    Stats, UntrustedMember,
};
use crate::swim::Member;
use crate::time::Timestamp;
use crate::trust::Trust;

/// How many events a reader may fall behind before it misses some.
pub const EVENTS_MAX: usize = 1_024;
/// How many commands wait for the driver.
pub(super) const COMMANDS_MAX: usize = 8;

/// A running node: cheap to clone, and the same node in every clone.
///
/// When the last clone is dropped the node leaves the cluster by itself, in the background, as long as the runtime lives.
/// [`Node::leave`] does the same and waits for it.
#[derive(Clone, Debug)]
pub struct Node {
    pub(super) shared: Arc<Shared>,
    pub(super) commands: mpsc::Sender<Command>,
}

impl Node {
    /// Takes settings one by one, as people write them.
    pub fn builder() -> NodeBuilder {
        NodeBuilder::new()
    }

    /// Starts a node: binds its sockets, then joins through its contact points in the background; see [`Node::joined`].
    /// Call it within a tokio runtime with time and I/O enabled.
    ///
    /// # Errors
    ///
    /// [`StartError`] names what is wrong; nothing stays open.
    pub async fn start(config: NodeConfig) -> Result<Self, StartError> {
        Ok(start::start(config).await?.0)
    }

    /// As [`Node::start`], with all that happens from the very start on. [`Node::events`] has what happens after it is called, and
    /// by then the node may have been ready for long.
    ///
    /// # Errors
    ///
    /// As [`Node::start`].
    pub async fn start_watched(config: NodeConfig) -> Result<(Self, EventStream), StartError> {
        start::start(config).await
    }

    pub(super) fn new(shared: Arc<Shared>, commands: mpsc::Sender<Command>) -> Self {
        Self { shared, commands }
    }

    /// Waits until the node may serve: it knows another member, or it has no contact point but itself, or it tried every
    /// contact point once and none refused it. Dialling goes on in any case.
    ///
    /// # Errors
    ///
    /// [`JoinError`] when the node has ended before: refused for good, mostly, with the code.
    pub async fn joined(&self) -> Result<(), JoinError> {
        let mut progress = self.shared.progress.subscribe();
        let progress = progress
            .wait_for(|progress| progress.is_ready || progress.ended.is_some())
            .await
            .expect("the sender is in `shared`");
        match (progress.is_ready, progress.ended) {
            (false, Some(ended)) => Err(JoinError(ended)),
            _ => Ok(()),
        }
    }

    /// The node itself, as others see it.
    #[must_use]
    pub fn local(&self) -> Member {
        self.shared.core().local().clone()
    }

    /// The address others reach it by.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.shared.core().local().record().addr
    }

    /// The UDP port at which it takes QUIC connections for messages, where that is configured.
    #[must_use]
    pub fn quic_port(&self) -> Option<u16> {
        self.shared.quic.as_ref().map(|quic| quic.port)
    }

    /// Everybody it knows: itself first, the others by id; the dead and those who left as well, as long as they are
    /// remembered (an hour by default).
    #[must_use]
    pub fn members(&self) -> Arc<[Member]> {
        self.shared.snapshot(&self.shared.core())
    }

    /// One member.
    #[must_use]
    pub fn member(&self, id: &MemberId) -> Option<Member> {
        self.shared.core().member(id).cloned()
    }

    /// What happens from now on, after a snapshot of what is. Nothing falls between the two.
    #[must_use]
    pub fn events(&self) -> EventStream {
        let core = self.shared.core();
        EventStream {
            snapshot: Some(self.shared.snapshot(&core)),
            events: self.shared.events.subscribe(),
            position: self.shared.position(),
            at: Timestamp::ZERO,
            shared: Arc::clone(&self.shared),
        }
    }

    /// Everybody the node knows, as [`Node::members`], and which event that is after: see [`EventStream::position`].
    #[must_use]
    pub fn snapshot(&self) -> (u64, Arc<[Member]>) {
        let core = self.shared.core();
        (self.shared.position(), self.shared.snapshot(&core))
    }

    /// Whom this node refused, and who refused it, by code.
    #[must_use]
    pub fn refusals(&self) -> Vec<Refusal> {
        self.shared.core().refusals()
    }

    /// Members whom others see and this node does not believe, by id.
    #[must_use]
    pub fn untrusted(&self) -> Vec<UntrustedMember> {
        self.shared.core().untrusted()
    }

    /// The proven connections to other members, and how each is secured, by member.
    #[must_use]
    pub fn connections(&self) -> Vec<Connection> {
        self.shared.connections()
    }

    /// Sends messages to members, opens streams to them, and has theirs handled. It does not keep the node running.
    #[must_use]
    pub fn messenger(&self) -> Messenger {
        self.shared.messaging.messenger()
    }

    /// How long the certificates of this node and of its cluster are valid; with TLS only.
    #[must_use]
    pub fn certificate_status(&self) -> Option<CertificateStatus> {
        self.shared.certificate_status()
    }

    /// How the gossip keys stand; with TLS only.
    #[must_use]
    pub fn gossip_keys(&self) -> Option<KeyStatus> {
        self.shared.core().gossip_keys()
    }

    /// Makes a new gossip key and spreads it. It takes over once all members hold it, or after three push-pull intervals;
    /// the old ones are retired as long after that.
    ///
    /// # Errors
    ///
    /// [`RotateError`]; nothing was changed.
    pub async fn rotate_keys(&self) -> Result<KeyStatus, RotateError> {
        let (answer, answered) = oneshot::channel();
        let _ = self.commands.send(Command::RotateKeys(answer)).await;
        answered.await.unwrap_or(Err(RotateError::NotRunning))
    }

    /// Has all live members dial each other anew, this node included, and says for each pair whether the one verifies the
    /// other. It takes twenty seconds at most.
    ///
    /// # Errors
    ///
    /// [`ExamineError`]; nobody was asked.
    pub async fn examine(&self) -> Result<Vec<Examined>, ExamineError> {
        let (answer, answered) = oneshot::channel();
        let _ = self.commands.send(Command::Examine(answer)).await;
        answered.await.unwrap_or(Err(ExamineError::NotRunning))
    }

    /// Has all live members judge the certificates of a chain file that is not in use yet, as they would in a handshake, and
    /// judges theirs by it: what would come of putting it in the place of the present one. Its key is not needed.
    ///
    /// # Errors
    ///
    /// [`RehearseError`]; nobody was asked.
    pub async fn rehearse_certificates(
        &self,
        pem: Vec<u8>,
    ) -> Result<Vec<Examined>, RehearseError> {
        let (answer, answered) = oneshot::channel();
        let command = Command::RehearseCertificates(pem, answer);
        let _ = self.commands.send(command).await;
        answered
            .await
            .unwrap_or_else(|_| Err(ExamineError::NotRunning.into()))
    }

    /// A member's metadata, this node's included; `None` if it has none, or it is not here yet.
    #[must_use]
    pub fn metadata(&self, id: &MemberId) -> Option<MemberMetadata> {
        self.shared.core().metadata(id).cloned()
    }

    /// Sets one value of this node's metadata, for all members to see: [`Event::MetadataChanged`] there. Returns its version.
    /// Metadata is small and changes seldom; what is large or changes many times a second belongs on a stream.
    ///
    /// # Errors
    ///
    /// [`MetadataError`]; nothing was changed.
    pub async fn set_metadata(
        &self,
        key: &str,
        value: impl Into<Vec<u8>>,
    ) -> Result<u64, MetadataError> {
        self.change_metadata(key, Some(value.into())).await
    }

    /// Removes one value of this node's metadata, here and at all members. Returns the version.
    ///
    /// # Errors
    ///
    /// [`MetadataError::NotRunning`].
    pub async fn remove_metadata(&self, key: &str) -> Result<u64, MetadataError> {
        self.change_metadata(key, None).await
    }

    async fn change_metadata(
        &self,
        key: &str,
        value: Option<Vec<u8>>,
    ) -> Result<u64, MetadataError> {
        let (answer, answered) = oneshot::channel();
        let command = Command::SetMetadata(key.to_owned(), value, answer);
        let _ = self.commands.send(command).await;
        answered.await.unwrap_or(Err(MetadataError::NotRunning))
    }

    /// Counters since the start, and gauges of now.
    #[must_use]
    pub fn stats(&self) -> NodeStats {
        let Counters {
            late_wakes,
            overflows,
            datagram_errors,
        } = &self.shared.counters;
        NodeStats {
            membership: self.shared.core().stats(),
            datagram_errors: datagram_errors.load(Ordering::Relaxed),
            late_wakes: late_wakes.load(Ordering::Relaxed),
            overflows: overflows.load(Ordering::Relaxed),
            quic_fallbacks: self.shared.quic.as_ref().map_or(0, |quic| quic.fallbacks()),
            commands_queued: self.commands.max_capacity() - self.commands.capacity(),
            messaging: self.shared.messaging.stats(),
        }
    }

    /// Loads the certificate files anew, at once instead of at the next look: key, certificate and anchors together, or
    /// none of them. New connections use the new ones; members whose certificates no longer lead to trust are dropped, all
    /// others notice nothing.
    ///
    /// # Errors
    ///
    /// [`ReloadError`]; what was in force stays so.
    pub async fn reload_trust(&self) -> Result<TrustReload, ReloadError> {
        let (answer, answered) = oneshot::channel();
        let _ = self.commands.send(Command::ReloadTrust(answer)).await;
        answered.await.unwrap_or(Err(ReloadError::NotRunning))
    }

    /// Waits until the node's loop has come round once; `false` once it has ended. For watchdogs: a loop that is held up keeps
    /// whoever asks waiting.
    pub async fn responds(&self) -> bool {
        let (answer, answered) = oneshot::channel();
        let _ = self.commands.send(Command::Respond(answer)).await;
        answered.await.is_ok()
    }

    /// Says goodbye and stops: others see this node as left within about a gossip round. If their acknowledgements take
    /// longer than `patience`, the node stops all the same. Returns how it ended, which may be otherwise if it was ending
    /// already.
    pub async fn leave(&self, patience: Duration) -> Ended {
        let _ = self.commands.send(Command::Leave(patience)).await;
        self.stopped().await
    }

    /// Stops without a word, as a crash would; the others will find it dead. For tests and emergencies.
    pub async fn abort(&self) -> Ended {
        let _ = self.commands.send(Command::Abort).await;
        self.stopped().await
    }

    /// Waits until the node has ended, and says how. Its ports are free then.
    pub async fn stopped(&self) -> Ended {
        let mut progress = self.shared.progress.subscribe();
        let progress = progress.wait_for(|progress| progress.ended.is_some()).await;
        let ended = progress.expect("the sender is in `shared`").ended;
        ended.expect("waited for")
    }
}

#[cfg(all(test, target_os = "linux"))]
impl Node {
    /// Breaks it.
    pub(super) fn sabotage(&self, sabotage: crate::sabotage::Sabotage) {
        self.shared.core().sabotage(sabotage);
    }
}

/// Counters since the start, and gauges of now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeStats {
    /// What the state machine counts.
    pub membership: Stats,
    /// Calls on the datagram socket that the system refused: mostly datagrams lost before they left.
    pub datagram_errors: u64,
    /// How often the process stood still for longer than a quarter of the probe interval.
    pub late_wakes: u64,
    /// Links closed because their peer did not read.
    pub overflows: u64,
    /// Connections for messages that were dialled over TCP although this node speaks QUIC: the member advertises none, or it did
    /// not get through.
    pub quic_fallbacks: u64,
    /// Commands that wait for the node.
    pub commands_queued: usize,
    /// Messages and streams.
    pub messaging: MessagingStats,
}

/// What a node tells its application.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NodeEvent {
    /// Something happened.
    Happened(Event),
    /// The reader was too slow and missed this many events. A snapshot follows.
    Missed(u64),
    /// Everybody the node knows, as [`Node::members`]: first of all, and after each [`NodeEvent::Missed`].
    Snapshot(Arc<[Member]>),
}

/// A node's events, beginning with a snapshot; see [`Node::events`]. It does not keep the node running.
#[derive(Debug)]
pub struct EventStream {
    shared: Arc<Shared>,
    events: broadcast::Receiver<(Timestamp, Event)>,
    snapshot: Option<Arc<[Member]>>,
    position: u64,
    at: Timestamp,
}

impl EventStream {
    /// The next event; `None` once the node has ended and everything was read. Cancel safe.
    pub async fn next(&mut self) -> Option<NodeEvent> {
        if let Some(snapshot) = self.snapshot.take() {
            return Some(NodeEvent::Snapshot(snapshot));
        }
        let mut progress = self.shared.progress.subscribe();
        let received = tokio::select! {
            biased;
            received = self.events.recv() => received.ok_or_missed(),
            _ = progress.wait_for(|progress| progress.ended.is_some()) => {
                self.events.try_recv().ok_or_missed()
            }
        };
        match received? {
            Ok((at, event)) => {
                self.position += 1;
                self.at = at;
                Some(NodeEvent::Happened(event))
            }
            Err(count) => {
                // What is still buffered lies before the snapshot, so it is missed too.
                let core = self.shared.core();
                let buffered = self.events.len() as u64;
                self.events = self.events.resubscribe();
                self.snapshot = Some(self.shared.snapshot(&core));
                self.position = self.shared.position();
                Some(NodeEvent::Missed(count + buffered))
            }
        }
    }
}

impl EventStream {
    /// How many events the node has had up to the last one returned, or, after a [`NodeEvent::Snapshot`], up to that.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// When the last event returned happened.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }
}

/// What the driver and all handles share.
#[derive(Debug)]
pub(super) struct Shared {
    core: Mutex<Membership>,
    events: broadcast::Sender<(Timestamp, Event)>,
    /// How many events there were; changed with the core locked.
    published: AtomicU64,
    progress: watch::Sender<Progress>,
    pub(super) counters: Counters,
    pub(super) sessions: Sessions,
    pub(super) handshakes: Handshakes,
    pub(super) messaging: Arc<Messaging>,
    /// Where it is configured.
    pub(super) quic: Option<Arc<QuicSeen>>,
    /// Subject and last moment of the node's own certificate, with TLS.
    pub(super) certificate: watch::Sender<Option<(String, Timestamp)>>,
    /// By what others are judged, with TLS.
    pub(super) trust: watch::Sender<Option<Trust>>,
}

/// What the driver counts.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) late_wakes: AtomicU64,
    pub(super) overflows: AtomicU64,
    /// The socket counts; stays 0 where there is none.
    pub(super) datagram_errors: Arc<AtomicU64>,
}

/// How far the node has come.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    is_ready: bool,
    ended: Option<Ended>,
}

impl Shared {
    pub(super) fn new(
        core: Membership,
        datagram_errors: Arc<AtomicU64>,
        quic: Option<Arc<QuicSeen>>,
        messaging: Arc<Messaging>,
    ) -> Self {
        Self {
            messaging,
            quic,
            core: Mutex::new(core),
            counters: Counters {
                datagram_errors,
                ..Counters::default()
            },
            events: broadcast::Sender::new(EVENTS_MAX),
            published: AtomicU64::new(0),
            progress: watch::Sender::default(),
            sessions: Sessions::default(),
            handshakes: Handshakes::default(),
            certificate: watch::Sender::default(),
            trust: watch::Sender::default(),
        }
    }

    /// The core, for one input or one view.
    pub(super) fn core(&self) -> MutexGuard<'_, Membership> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called with the core locked, so that no snapshot falls between an event and its effect.
    pub(super) fn publish(&self, at: Timestamp, event: Event) {
        self.published.fetch_add(1, Ordering::Relaxed);
        // Nobody may be listening.
        let _ = self.events.send((at, event));
    }

    fn position(&self) -> u64 {
        self.published.load(Ordering::Relaxed)
    }

    pub(super) fn set_ready(&self) {
        self.progress
            .send_modify(|progress| progress.is_ready = true);
    }

    pub(super) fn set_ended(&self, ended: Ended) {
        self.progress.send_modify(|progress| {
            progress.ended.get_or_insert(ended);
        });
    }

    fn snapshot(&self, core: &Membership) -> Arc<[Member]> {
        let mut members: Vec<_> = core.members().cloned().collect();
        members[1..].sort_unstable_by(|one, other| one.id().cmp(other.id()));
        members.into()
    }
}

trait Received {
    /// The event, or how many were missed; `None` when there is none and will be none.
    fn ok_or_missed(self) -> Option<Result<(Timestamp, Event), u64>>;
}

impl Received for Result<(Timestamp, Event), RecvError> {
    fn ok_or_missed(self) -> Option<Result<(Timestamp, Event), u64>> {
        match self {
            Ok(event) => Some(Ok(event)),
            Err(RecvError::Lagged(count)) => Some(Err(count)),
            Err(RecvError::Closed) => None,
        }
    }
}

impl Received for Result<(Timestamp, Event), TryRecvError> {
    fn ok_or_missed(self) -> Option<Result<(Timestamp, Event), u64>> {
        match self {
            Ok(event) => Some(Ok(event)),
            Err(TryRecvError::Lagged(count)) => Some(Err(count)),
            Err(TryRecvError::Closed | TryRecvError::Empty) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::{Metadata, Role};
    use crate::membership::{DialBack, LocalMember, Options, Params};
    use crate::node::MessagingOptions;
    use crate::seal::Seed;

    fn shared() -> Arc<Shared> {
        let options = Options {
            local: LocalMember {
                id: MemberId::new("1").unwrap(),
                role: Role::Broker,
                advertised: "127.0.0.1:1".parse().unwrap(),
                host: None,
                udp: true,
                quic: None,
                metadata: Metadata::default(),
            },
            cluster: "test".to_owned(),
            cluster_id: None,
            certificate: None,
            params: Params::lan(),
            handshake_timeout: Duration::from_secs(1),
            dial_back: DialBack::Any,
            key_rotation: None,
            join_retry_refused: false,
            token: None,
            expired_member: crate::membership::ExpiredMember::Keep,
            trust_age_max: None,
        };
        let core = Membership::new(Timestamp::from_secs(1), options, Seed::new([1; 32]));
        let (messaging, _) = Messaging::new(core.local().id().clone(), MessagingOptions::default());
        Arc::new(Shared::new(core, Arc::default(), None, messaging))
    }

    #[tokio::test]
    async fn a_slow_reader_is_told_what_it_missed_and_given_a_new_snapshot() {
        let shared = shared();
        let node = Node::new(Arc::clone(&shared), mpsc::channel(1).0);
        let mut events = node.events();
        let sent = EVENTS_MAX as u64 + 10;
        (0..sent).for_each(|_| shared.publish(Timestamp::ZERO, Event::Ready));
        assert!(matches!(events.next().await, Some(NodeEvent::Snapshot(_))));
        let Some(NodeEvent::Missed(count)) = events.next().await else {
            panic!("more was sent than is kept");
        };
        assert_eq!(count, sent);
        assert!(matches!(events.next().await, Some(NodeEvent::Snapshot(_))));
        shared.publish(Timestamp::ZERO, Event::Alone);
        let Some(NodeEvent::Happened(Event::Alone)) = events.next().await else {
            panic!("what comes after the snapshot is not missed");
        };
    }

    #[tokio::test]
    async fn the_stream_ends_with_the_node_but_not_before_its_last_event() {
        let shared = shared();
        let node = Node::new(Arc::clone(&shared), mpsc::channel(1).0);
        let mut events = node.events();
        events.next().await;
        shared.publish(Timestamp::ZERO, Event::Alone);
        shared.set_ended(Ended::Aborted);
        assert!(matches!(
            events.next().await,
            Some(NodeEvent::Happened(Event::Alone))
        ));
        assert!(events.next().await.is_none());
        assert_eq!(node.joined().await, Err(JoinError(Ended::Aborted)));
        assert_eq!(node.stopped().await, Ended::Aborted);
    }

    #[tokio::test]
    async fn a_node_that_was_ready_stays_so_for_whoever_asks_late() {
        let shared = shared();
        let node = Node::new(Arc::clone(&shared), mpsc::channel(1).0);
        shared.set_ready();
        shared.set_ended(Ended::Left { acknowledged: 1 });
        assert_eq!(node.joined().await, Ok(()));
    }
}
