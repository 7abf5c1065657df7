//! [`World`]: several [`Admission`]s in memory, in virtual time. Frames take no time; only [`World::pass`] moves the clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use rustls::pki_types::CertificateDer;

use super::super::*;
use crate::member::{
    Generation, Incarnation, MemberRecord, MetadataStamp, ProtocolRange, Role as MemberRole,
    Standing,
};
use crate::seal::Seed;
use crate::trust::{Claim, Signature, Trust, TrustPem};
use crate::wire::frame::{FRAME_HEADER_LEN, FrameHeader, PageEntry, WireKey, WireKeyring};
use crate::wire::hello::{Introduction, IntroductionFields, IntroductionHash, Side};
use crate::wire::update::{encode_record, record_body, record_statement};

pub(super) const KEY: [u8; 32] = [0x5e; 32];
const START: Timestamp = Timestamp::from_secs(1_700_000_000);

/// What happens to a frame on its way: it may be changed, or lost (false) with all that follows it.
pub(super) type Meddle = Box<dyn FnMut(usize, &mut Frame) -> bool>;

pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) nodes: Vec<Node>,
    /// Every frame that was sent, by whom.
    pub(super) frames: Vec<(usize, Frame)>,
    /// Dials to these addresses are never answered.
    pub(super) black_holes: BTreeSet<SocketAddr>,
    /// Connections to here end at another node.
    pub(super) diverted: BTreeMap<SocketAddr, usize>,
    /// Whether a hop between the two ends terminates TLS.
    pub(super) is_relayed: bool,
    /// What dialers see instead of the listener's certificate.
    pub(super) leaf_seen: Option<[u8; 32]>,
    /// Every connection a node has closed.
    pub(super) closed: Vec<(usize, LinkId)>,
    pub(super) meddle: Option<Meddle>,
    queue: VecDeque<(usize, LinkId, Input)>,
    wires: BTreeMap<(usize, LinkId), Wire>,
    connections: u8,
}

pub(super) struct Node {
    pub(super) admission: Admission,
    pub(super) addr: SocketAddr,
    pub(super) trust: Option<Trust>,
    /// What it does not do by itself.
    pub(super) events: Vec<Action>,
    /// Frames that were handed up.
    pub(super) inbox: Vec<(LinkId, Frame)>,
    pub(super) held: BTreeSet<(MemberId, Generation)>,
    pub(super) verdict: JoinVerdict,
    pub(super) verdict_on_listeners: Result<(), Code>,
    pub(super) errors: Vec<FrameError>,
    pub(super) is_down: bool,
    /// Whatever it verifies, it verifies as the others would.
    pub(super) takes_anything: bool,
    /// Verifications are not answered but kept.
    pub(super) is_slow: bool,
    pub(super) verifications: Vec<(VerificationId, Introduction)>,
    /// Whether it hands out its view when asked to.
    pub(super) accepts: bool,
    /// Whether it says done after the last page.
    pub(super) finishes: bool,
    accepted: u64,
    joins: BTreeMap<LinkId, JoinId>,
}

enum Input {
    Closed(Code),
    Failed(Code),
    Frame(Frame),
    Opened(Opened),
}

#[derive(Clone, Copy)]
struct Wire {
    far: (usize, LinkId),
    is_ready: bool,
    /// Nothing that is sent arrives any more.
    is_stalled: bool,
}

impl World {
    pub(super) fn plain(nodes: usize) -> Self {
        Self::new((0..nodes).map(|n| options(n, false)).collect())
    }

    pub(super) fn tls(nodes: usize) -> Self {
        Self::new((0..nodes).map(|n| options(n, true)).collect())
    }

    /// Plaintext and TLS, for what must hold in both.
    pub(super) fn both(nodes: usize) -> [Self; 2] {
        [Self::plain(nodes), Self::tls(nodes)]
    }

    pub(super) fn new(options: Vec<Options>) -> Self {
        let mut world = Self {
            now: START,
            nodes: Vec::new(),
            frames: Vec::new(),
            black_holes: BTreeSet::new(),
            diverted: BTreeMap::new(),
            is_relayed: false,
            leaf_seen: None,
            closed: Vec::new(),
            meddle: None,
            queue: VecDeque::new(),
            wires: BTreeMap::new(),
            connections: 0,
        };
        for options in options {
            world.add(options);
        }
        world
    }

    pub(super) fn add(&mut self, options: Options) -> usize {
        let n = self.nodes.len();
        let secrets = Secrets::new(seed(n));
        self.nodes.push(Node {
            addr: options.advertised,
            trust: options.tls.then(|| trust().clone()),
            admission: Admission::new(options, secrets),
            events: Vec::new(),
            inbox: Vec::new(),
            held: BTreeSet::new(),
            verdict: JoinVerdict::GoOn,
            verdict_on_listeners: Ok(()),
            errors: Vec::new(),
            is_down: false,
            takes_anything: false,
            is_slow: false,
            verifications: Vec::new(),
            accepts: true,
            finishes: true,
            accepted: 0,
            joins: BTreeMap::new(),
        });
        self.identify(n, 1);
        n
    }

    /// Begins a life.
    pub(super) fn identify(&mut self, n: usize, generation: u64) {
        let identity = self.identity(n, Generation::new(generation));
        self.nodes[n].admission.set_identity(self.now, identity);
        self.run();
    }

    /// Names another certificate from now on, in the same life, while TLS still shows the former one.
    pub(super) fn renew_before_tls(&mut self, n: usize) {
        let former = self.nodes[n].trust.replace(another_trust());
        self.identify(n, 1);
        self.nodes[n].trust = former;
    }

    fn identity(&mut self, n: usize, generation: Generation) -> Identity {
        let node = &mut self.nodes[n];
        let options = &node.admission.local.options;
        let credentials = node.trust.as_ref().map(|trust| {
            let mut secrets = Secrets::new(seed(n));
            let pairs = (0..generation.get()).map(|_| secrets.gossip_key_pair());
            let gossip = pairs.last().expect("generations start at 1");
            let fields = IntroductionFields {
                cluster: options.cluster.clone(),
                cluster_id: options.cluster_id.clone(),
                id: options.id.clone(),
                generation,
                serial: 0,
                gossip_key: gossip.public(),
                advertised: options.advertised.to_string(),
                leaf: *trust.leaf_sha256().as_bytes(),
                quic: None,
            };
            Credentials {
                introduction: sign(trust, fields),
                gossip,
            }
        });
        let record = MemberRecord {
            id: options.id.clone(),
            generation,
            incarnation: Incarnation::FIRST,
            standing: Standing::Alive,
            addr: options.advertised,
            udp: true,
            role: MemberRole::Broker,
            protocols: ProtocolRange::CURRENT,
            metadata: MetadataStamp::default(),
            introduction: credentials.as_ref().map(|it| it.introduction.hash().tag()),
        };
        Identity {
            generation,
            record: sign_record(&record, credentials.as_ref(), &options.cluster),
            credentials,
        }
    }

    pub(super) fn join(&mut self, joiner: usize, contact: usize) {
        let addr = self.nodes[contact].addr;
        self.nodes[joiner].admission.join(self.now, addr);
        self.run();
    }

    pub(super) fn rehearse(&mut self, joiner: usize, contact: usize) {
        let addr = self.nodes[contact].addr;
        self.nodes[joiner].admission.rehearse(self.now, addr);
        self.run();
    }

    /// Like [`World::join`], without letting anything happen yet.
    pub(super) fn start_join(&mut self, joiner: usize, contact: usize) {
        let addr = self.nodes[contact].addr;
        self.nodes[joiner].admission.join(self.now, addr);
        self.drain(joiner);
    }

    pub(super) fn dial_member(&mut self, from: usize, to: usize) -> LinkId {
        let (id, addr) = (self.id(to), self.nodes[to].addr);
        let link = self.nodes[from].admission.dial_member(self.now, &id, addr);
        self.run();
        link
    }

    pub(super) fn dial_for_messages(&mut self, from: usize, to: usize) -> LinkId {
        let (id, addr) = (self.id(to), self.nodes[to].addr);
        let admission = &mut self.nodes[from].admission;
        let link = admission.dial_for_messages(self.now, &id, addr);
        self.run();
        link
    }

    /// Lets everything happen that does not wait for time to pass.
    pub(super) fn run(&mut self) {
        for n in 0..self.nodes.len() {
            self.drain(n);
        }
        while self.step() {}
    }

    /// Lets one thing happen.
    pub(super) fn step(&mut self) -> bool {
        let Some((n, link, input)) = self.queue.pop_front() else {
            return false;
        };
        let now = self.now;
        let node = &mut self.nodes[n];
        if node.is_down {
            return true;
        }
        match input {
            Input::Closed(code) => node
                .admission
                .handle_link(now, link, LinkChange::Closed(code)),
            Input::Failed(code) => node
                .admission
                .handle_link(now, link, LinkChange::Failed(code)),
            Input::Opened(opened) => {
                node.admission
                    .handle_link(now, link, LinkChange::Opened(opened))
            }
            Input::Frame(frame) => match node.admission.handle_frame(now, link, frame) {
                Ok(Some(frame)) => self.hand_up(n, link, frame),
                Ok(None) => {}
                Err(error) => node.errors.push(error),
            },
        }
        self.drain(n);
        true
    }

    /// Time passes; timers fire when they are due.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.run();
            let next = self.nodes.iter().filter(|node| !node.is_down);
            let next = next.filter_map(|node| node.admission.next_timeout()).min();
            let Some(at) = next.filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(at);
            for node in self.nodes.iter_mut().filter(|node| !node.is_down) {
                node.admission.handle_timeout(self.now);
            }
        }
        self.now = end;
    }

    /// Kills a node: its connections break.
    pub(super) fn kill(&mut self, n: usize) {
        self.nodes[n].is_down = true;
        let ends = self.wires.iter().filter(|((node, _), _)| *node == n);
        let far_ends: Vec<_> = ends.map(|(_, wire)| wire.far).collect();
        for end in far_ends {
            self.cut(end);
        }
    }

    /// A connection from nowhere: what is sent on it can be read from [`World::frames`].
    pub(super) fn stranger(&mut self, to: usize, source: IpAddr) -> LinkId {
        let link = self.name_accepted(to);
        let peer = SocketAddr::new(source, 40_000);
        let channel = match self.nodes[to].trust {
            Some(_) => Channel::Tls {
                exporter: [0; 32],
                peer_leaf: None,
                our_leaf: None,
            },
            None => Channel::Plain,
        };
        let opened = Opened {
            side: Side::Listener,
            peer,
            channel,
            correlation: None,
        };
        self.queue.push_back((to, link, Input::Opened(opened)));
        self.run();
        link
    }

    /// A frame from nowhere, or forged.
    pub(super) fn inject(&mut self, to: usize, link: LinkId, frame: Frame) {
        self.queue.push_back((to, link, Input::Frame(frame)));
        self.run();
    }

    fn drain(&mut self, n: usize) {
        while let Some(action) = self.nodes[n].admission.poll() {
            self.act(n, action);
        }
    }

    fn act(&mut self, n: usize, action: Action) {
        let now = self.now;
        match action {
            Action::Open { link, addr, .. } => self.open(n, link, addr),
            Action::Send(link, frame) => self.send(n, link, frame),
            Action::Close(link) => {
                self.closed.push((n, link));
                if let Some(wire) = self.wires.remove(&(n, link)) {
                    self.cut(wire.far);
                }
            }
            Action::Verify { id, introduction } if self.nodes[n].is_slow => {
                self.nodes[n].verifications.push((id, introduction));
            }
            Action::Verify { id, introduction } => self.verify(n, id, &introduction),
            Action::JudgeListener { link, .. } => {
                let node = &mut self.nodes[n];
                let verdict = node.verdict_on_listeners;
                node.admission.answer_listener(now, link, verdict);
            }
            Action::JudgeMember { link, ref peer, .. } => {
                let node = &mut self.nodes[n];
                let is_held = node.held.contains(&(peer.id.clone(), peer.generation));
                let verdict = if is_held {
                    Ok(())
                } else {
                    Err(Code::JoinFirst)
                };
                node.admission.answer_member(now, link, verdict);
                node.events.push(action);
            }
            // What takes it over writes this first.
            Action::HandOver {
                link, ref first, ..
            } => {
                if let Some(first) = first.clone() {
                    self.send(n, link.id(), first);
                }
                self.nodes[n].events.push(action);
            }
            Action::JudgeJoin { join, .. } => {
                let node = &mut self.nodes[n];
                node.admission.answer_join(now, join, node.verdict);
                node.events.push(action);
            }
            Action::Accept { join, .. } => {
                if self.nodes[n].accepts {
                    self.accept(n, join);
                }
                self.nodes[n].events.push(action);
            }
            Action::Accepted { join, link, .. } => {
                self.nodes[n].joins.insert(link.id(), join);
                self.nodes[n].events.push(action);
            }
            other => self.nodes[n].events.push(other),
        }
    }

    pub(super) fn accept(&mut self, n: usize, join: JoinId) {
        let pages = vec![
            Frame::Page {
                entries: Vec::new(),
                last: false,
            },
            Frame::Page {
                entries: vec![PageEntry {
                    record: self.record(n),
                    verdict: None,
                }],
                last: true,
            },
        ];
        let ring = WireKeyring {
            floor: 0,
            keys: vec![WireKey {
                epoch: 1,
                secret: KEY,
            }],
        };
        self.nodes[n].admission.accept(self.now, join, ring, pages);
        self.drain(n);
    }

    fn hand_up(&mut self, n: usize, link: LinkId, frame: Frame) {
        let node = &mut self.nodes[n];
        let is_last = matches!(frame, Frame::Page { last: true, .. });
        node.inbox.push((link, frame));
        if let Some(join) = node
            .joins
            .get(&link)
            .copied()
            .filter(|_| is_last && node.finishes)
        {
            node.admission
                .join_done(self.now, join, WireKeyring::default());
        }
    }

    fn open(&mut self, n: usize, link: LinkId, addr: SocketAddr) {
        if self.black_holes.contains(&addr) {
            return;
        }
        let target = self.diverted.get(&addr).copied();
        let target = target.or_else(|| self.nodes.iter().position(|node| node.addr == addr));
        let Some(to) = target.filter(|to| !self.nodes[*to].is_down) else {
            return self
                .queue
                .push_back((n, link, Input::Failed(Code::Unreachable)));
        };
        if self.nodes[n].trust.is_some() != self.nodes[to].trust.is_some() {
            return self
                .queue
                .push_back((n, link, Input::Failed(Code::SecurityMismatch)));
        }
        let far = self.name_accepted(to);
        self.wires.insert(
            (n, link),
            Wire {
                far: (to, far),
                is_ready: false,
                is_stalled: false,
            },
        );
        self.wires.insert(
            (to, far),
            Wire {
                far: (n, link),
                is_ready: false,
                is_stalled: false,
            },
        );
        self.connections = self.connections.wrapping_add(2);
        let source = SocketAddr::new(self.nodes[n].addr.ip(), 40_000);
        let leaf = self.nodes[to]
            .trust
            .as_ref()
            .map(|trust| *trust.leaf_sha256().as_bytes());
        let channel = |side| match leaf {
            None => Channel::Plain,
            Some(leaf) => Channel::Tls {
                exporter: [self.connections + u8::from(self.is_relayed && side == Side::Dialer);
                    32],
                peer_leaf: (side == Side::Dialer).then_some(self.leaf_seen.unwrap_or(leaf)),
                our_leaf: (side == Side::Listener).then_some(leaf),
            },
        };
        let (side, peer) = (Side::Dialer, addr);
        let dialed = Opened {
            side,
            peer,
            channel: channel(side),
            correlation: None,
        };
        let (side, peer) = (Side::Listener, source);
        let accepted = Opened {
            side,
            peer,
            channel: channel(side),
            correlation: None,
        };
        self.queue.push_back((to, far, Input::Opened(accepted)));
        self.queue.push_back((n, link, Input::Opened(dialed)));
    }

    fn send(&mut self, n: usize, link: LinkId, mut frame: Frame) {
        self.frames.push((n, frame.clone()));
        let Some(wire) = self.wires.get_mut(&(n, link)) else {
            assert!(!is_secret(&frame), "{} to a stranger", frame.name());
            return;
        };
        let far = wire.far;
        let is_ready = matches!(frame, Frame::Ready) || wire.is_ready;
        assert!(
            is_ready || !is_secret(&frame),
            "{} before both ends are proven",
            frame.name()
        );
        // TCP loses nothing that stands before what arrives.
        wire.is_stalled |= self
            .meddle
            .as_mut()
            .is_some_and(|meddle| !meddle(n, &mut frame));
        let is_stalled = wire.is_stalled;
        for end in [(n, link), far] {
            if let Some(wire) = self.wires.get_mut(&end) {
                wire.is_ready = is_ready;
            }
        }
        if !is_stalled {
            let frame = over_the_wire(&frame);
            self.queue.push_back((far.0, far.1, Input::Frame(frame)));
        }
    }

    pub(super) fn verify(&mut self, n: usize, id: VerificationId, introduction: &Introduction) {
        let chain: Vec<_> = introduction
            .chain
            .iter()
            .map(|der| CertificateDer::from(der.as_slice()))
            .collect();
        let signature = Signature {
            scheme: introduction.scheme,
            bytes: introduction.signature.clone(),
        };
        let own = self.nodes[n].trust.as_ref().unwrap();
        let trust = if self.nodes[n].takes_anything {
            trust()
        } else {
            own
        };
        let outcome = trust.verify_introduction(
            &introduction.fields,
            &chain,
            &signature,
            &Claim::default(),
            self.now,
        );
        let outcome = outcome.map_err(|_| Code::UnknownIssuer);
        self.nodes[n]
            .admission
            .handle_verified(self.now, id, outcome);
        self.drain(n);
    }

    /// The far end of a connection hears that it is gone, after all that was sent before.
    fn cut(&mut self, (n, link): (usize, LinkId)) {
        if let Some(wire) = self.wires.remove(&(n, link)) {
            self.wires.remove(&wire.far);
        }
        self.queue
            .push_back((n, link, Input::Closed(Code::Unreachable)));
    }

    fn name_accepted(&mut self, to: usize) -> LinkId {
        self.nodes[to].accepted += 1;
        LinkId::accepted(self.nodes[to].accepted)
    }
}

// What a test asks.
impl World {
    pub(super) fn id(&self, n: usize) -> MemberId {
        self.nodes[n].admission.local.options.id.clone()
    }

    pub(super) fn record(&self, n: usize) -> Vec<u8> {
        self.nodes[n]
            .admission
            .local
            .identity
            .as_ref()
            .unwrap()
            .record
            .clone()
    }

    pub(super) fn introduction(&self, n: usize) -> Option<IntroductionHash> {
        self.nodes[n]
            .admission
            .local
            .introduction(&Channel::Plain)
            .map(Introduction::hash)
    }

    /// Makes `n` hold `other` as a member.
    pub(super) fn hold(&mut self, n: usize, other: usize) {
        let generation = self.nodes[other]
            .admission
            .local
            .identity
            .as_ref()
            .unwrap()
            .generation;
        let id = self.id(other);
        self.nodes[n].held.insert((id, generation));
    }

    pub(super) fn outcomes(&self, n: usize) -> Vec<JoinOutcome> {
        let outcome = |event: &Action| match event {
            Action::JoinEnded { outcome, .. } => Some(*outcome),
            _ => None,
        };
        self.nodes[n].events.iter().filter_map(outcome).collect()
    }

    /// Codes and causes of refusals by this node, or of it.
    pub(super) fn refusals(&self, n: usize, by_us: bool) -> Vec<(Code, Option<Code>)> {
        let refusal = |event: &Action| match event {
            Action::Refused(refusal) if refusal.by_us == by_us => {
                Some((refusal.code, refusal.cause))
            }
            _ => None,
        };
        self.nodes[n].events.iter().filter_map(refusal).collect()
    }

    /// What the connections of its refusals are called.
    pub(super) fn refused_names(&self, n: usize) -> Vec<Option<CorrelationId>> {
        let name = |event: &Action| match event {
            Action::Refused(refusal) => Some(refusal.correlation),
            _ => None,
        };
        self.nodes[n].events.iter().filter_map(name).collect()
    }

    pub(super) fn dial_failures(&self, n: usize) -> Vec<Code> {
        let failure = |event: &Action| match event {
            Action::DialFailed { code, .. } => Some(*code),
            _ => None,
        };
        self.nodes[n].events.iter().filter_map(failure).collect()
    }

    pub(super) fn proven(&self, n: usize) -> Vec<(LinkId, Purpose)> {
        let proven = |event: &Action| match event {
            Action::Proven { link, purpose, .. } => Some((link.id(), *purpose)),
            _ => None,
        };
        self.nodes[n].events.iter().filter_map(proven).collect()
    }

    pub(super) fn handed_over(&self, n: usize) -> Vec<(LinkId, Peer)> {
        let handed_over = |event: &Action| match event {
            Action::HandOver { link, peer, .. } => Some((link.id(), peer.clone())),
            _ => None,
        };
        self.nodes[n]
            .events
            .iter()
            .filter_map(handed_over)
            .collect()
    }

    pub(super) fn committed(&self, n: usize) -> Vec<MemberId> {
        let committed = |event: &Action| match event {
            Action::Committed { peer, .. } => Some(peer.id.clone()),
            _ => None,
        };
        self.nodes[n].events.iter().filter_map(committed).collect()
    }

    pub(super) fn joined(&self, n: usize) -> bool {
        self.outcomes(n) == [JoinOutcome::Joined]
    }

    pub(super) fn sent(&self, n: usize) -> Vec<&'static str> {
        self.frames
            .iter()
            .filter(|(from, _)| *from == n)
            .map(|(_, frame)| frame.name())
            .collect()
    }

    /// Nothing is left of anything.
    pub(super) fn assert_idle(&self, n: usize) {
        let admission = &self.nodes[n].admission;
        assert_eq!(admission.next_timeout(), None, "no deadline is left");
        assert!(
            admission.links.values().all(|link| link.is_usable),
            "no connection is left half-way"
        );
    }
}

pub(super) fn options(n: usize, tls: bool) -> Options {
    let [high, low] = u16::try_from(n + 1).unwrap().to_be_bytes();
    Options {
        cluster: "zeebe-cluster".to_owned(),
        cluster_id: None,
        id: MemberId::new(&n.to_string()).unwrap(),
        advertised: SocketAddr::from((Ipv4Addr::new(10, 0, high, low), 26_502)),
        tls,
        handshake_timeout: Duration::from_secs(10),
        dial_back: DialBack::Any,
        token: None,
    }
}

pub(super) fn seed(n: usize) -> Seed {
    let [high, low] = u16::try_from(n).unwrap().to_be_bytes();
    let mut bytes = [low; 32];
    bytes[0] = high;
    Seed::new(bytes)
}

pub(super) fn ip(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

/// One self-signed certificate, shared by all.
pub(super) fn trust() -> &'static Trust {
    static TRUST: OnceLock<Trust> = OnceLock::new();
    TRUST.get_or_init(another_trust)
}

/// A certificate of its own.
pub(super) fn another_trust() -> Trust {
    let made = rcgen::generate_simple_self_signed(["node".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let pem = TrustPem {
        certificate_chain: certificate.as_bytes(),
        private_key: key.as_bytes(),
        ..TrustPem::default()
    };
    Trust::from_pem(&pem, START).unwrap().0
}

pub(super) fn sign(trust: &Trust, fields: IntroductionFields) -> Introduction {
    let fields = fields.encode();
    let Signature { scheme, bytes } = trust.sign_introduction(&fields).unwrap();
    Introduction {
        fields,
        chain: trust.chain().iter().map(|der| der.to_vec()).collect(),
        scheme,
        signature: bytes,
    }
}

fn sign_record(record: &MemberRecord, by: Option<&Credentials>, cluster: &str) -> Vec<u8> {
    let statement = record_statement(cluster, &record_body(record));
    let signature = by.map(|by| by.gossip.sign(&statement));
    encode_record(record, signature.as_ref().map_or(&[], |it| it))
}

/// As it arrives: bytes and back.
fn over_the_wire(frame: &Frame) -> Frame {
    let bytes = frame.encode();
    let (header, payload) = bytes.split_first_chunk::<FRAME_HEADER_LEN>().unwrap();
    Frame::decode(FrameHeader::decode(header).unwrap(), payload).unwrap()
}

fn is_secret(frame: &Frame) -> bool {
    matches!(
        frame,
        Frame::JoinAccept { .. }
            | Frame::JoinDone { .. }
            | Frame::Keys(_)
            | Frame::Page { .. }
            | Frame::JoinRequest { .. }
    )
}
