//! [`Driver`]: the one loop around a [`Membership`]. It waits, feeds exactly one input, and does what comes out.
//!
//! ```text
//!   datagram ─┐
//! link event ─┤                                       ┌─> datagrams, frames
//!    outcome ─┼─> one input ──> Membership ──> drain ─┼─> work: dial, resolve, sign, verify ──> outcome
//!    command ─┤                                       └─> events
//!   deadline ─┘
//! ```
//!
//! Whatever takes time is done by tasks of its own, which report an [`Outcome`]; the loop itself never waits for a peer.
//!
//! **Waking late.** After a pause of the process the timers are due first, while what would have answered them lies unread
//! in the sockets. So a wake that is late by more than a quarter of the probe interval reads those first, bounded, and only
//! then lets the timers fire.

mod examining;
mod links;
mod messages;
mod spans;
mod trust;

use links::{Dial, Link};
use spans::Spans;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tracing::Instrument;

use super::clock::Clock;
use super::error::Ended;
use super::examination::{ExaminationAnswer, RehearsalAnswer, Waiting};
use super::expiry::Notices;
use super::handle::Shared;
use super::log::Log;
use super::reload;
use super::work::{self, Dialling, Outcome};
use crate::admission::{LinkChange, LinkId};
use crate::member::{MemberId, MetadataError};
use crate::membership::{
    ContactPoint, Event, FailedHandshake, ForgetError, KeyStatus, Membership, Output, RotateError,
};
use crate::time::Timestamp;
use crate::transport::link::LinkEvent;
use crate::transport::tcp::Listener;
use crate::transport::udp::{DATAGRAM_LEN_MAX, Udp};
use crate::transport::{LINGER, LinkError};
use crate::trust::{Trust, TrustOptions};
use crate::wire::hello::Side;
use crate::wire::refusal::Code;

/// How many datagrams are read at a late wake: more than a socket's buffer holds by default.
const CATCH_UP_DATAGRAMS_MAX: usize = 4_096;
/// What the tasks of the links are given at a late wake to read theirs.
const CATCH_UP_PAUSE: Duration = Duration::from_millis(10);
/// How long a node whose last handle was dropped waits for its farewell to be acknowledged.
const FAREWELL: Duration = Duration::from_secs(5);
/// How many link events wait for the loop; a link whose event finds no room is not read from.
const LINK_EVENTS_MAX: usize = 256;
/// How many outcomes wait for the loop; a task whose outcome finds no room waits.
const OUTCOMES_MAX: usize = 256;

/// What the application wants of the node.
#[derive(Debug)]
pub(super) enum Command {
    /// Stop without a word.
    Abort,
    /// Have all members dial each other, and say what came of it.
    Examine(ExaminationAnswer),
    /// Have all members judge the certificates of a chain file that is not in use yet.
    RehearseCertificates(Vec<u8>, RehearsalAnswer),
    /// Drop the tombstone of a member, and say what came of it.
    Forget(MemberId, oneshot::Sender<Result<(), ForgetError>>),
    /// Load the certificate files anew, and say what came of it.
    ReloadTrust(reload::Answer),
    /// Say that the loop has come round.
    Respond(oneshot::Sender<()>),
    /// Say goodbye, then stop: after this long, if nobody acknowledges it.
    Leave(Duration),
    /// Set or remove a value of our metadata, and say which version that makes.
    SetMetadata(
        String,
        Option<Vec<u8>>,
        oneshot::Sender<Result<u64, MetadataError>>,
    ),
    /// Make a new gossip key, and say what came of it.
    RotateKeys(oneshot::Sender<Result<KeyStatus, RotateError>>),
}

/// Everything that can wake the loop.
enum Input {
    /// `None`: there is no handle any more.
    Command(Option<Command>),
    Datagram {
        from: SocketAddr,
        len: usize,
    },
    Due,
    Link(LinkId, LinkEvent),
    Outcome(Outcome),
    /// A member to exchange messages with.
    Wanted(MemberId),
}

/// What a driver is made of.
pub(super) struct Setup {
    pub(super) shared: Arc<Shared>,
    pub(super) clock: Clock,
    pub(super) trust: Option<Trust>,
    pub(super) listener: Listener,
    pub(super) udp: Option<Udp>,
    pub(super) dialling: Dialling,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) wanted: mpsc::UnboundedReceiver<MemberId>,
    /// Where the certificates come from, if from files, and how often those are looked at.
    pub(super) files: Option<TrustOptions>,
    pub(super) reload_interval: Duration,
    /// How much too late a wake may be without reading the sockets first.
    pub(super) slack: Duration,
}

/// The loop's state: the sockets, the links, and what is under way.
pub(super) struct Driver {
    shared: Arc<Shared>,
    clock: Clock,
    /// What verifies and signs.
    trust: Option<Trust>,
    /// The same, with a certificate that TLS will show once our introduction names it.
    renewing: Option<Trust>,
    /// Who waits for an examination.
    examining: Option<Waiting>,
    files: Option<TrustOptions>,
    udp: Option<Udp>,
    dialling: Dialling,
    commands: mpsc::Receiver<Command>,
    /// Whom messages are for, and nobody is connected with.
    wanted: mpsc::UnboundedReceiver<MemberId>,
    has_handles: bool,
    slack: Duration,
    outcomes: mpsc::Receiver<Outcome>,
    report: mpsc::Sender<Outcome>,
    link_events: mpsc::Receiver<(LinkId, LinkEvent)>,
    link_report: mpsc::Sender<(LinkId, LinkEvent)>,
    /// What goes on for as long as the node does.
    background: JoinSet<()>,
    /// What ends by itself.
    tasks: JoinSet<()>,
    links: BTreeMap<LinkId, Link>,
    /// Those that carry messages: what stops the tasks that do.
    handed_over: BTreeMap<LinkId, AbortHandle>,
    dials: BTreeMap<LinkId, Dial>,
    /// What the contact points resolved to last.
    names: BTreeMap<ContactPoint, Vec<SocketAddr>>,
    log: Log,
    notices: Notices,
    accepted: u64,
    overflowed: Vec<LinkId>,
    wakeup: Option<Timestamp>,
    ended: Option<Ended>,
    buffer: Vec<u8>,
}

impl Driver {
    /// Starts accepting.
    pub(super) fn new(setup: Setup) -> Self {
        let Setup {
            shared,
            clock,
            trust,
            listener,
            udp,
            dialling,
            commands,
            wanted,
            slack,
            files,
            reload_interval,
        } = setup;
        let (report, outcomes) = mpsc::channel(OUTCOMES_MAX);
        let (link_report, link_events) = mpsc::channel(LINK_EVENTS_MAX);
        let mut background = JoinSet::new();
        background.spawn(work::accept(
            listener,
            dialling.security.subscribe(),
            dialling.deadline,
            report.clone(),
        ));
        if let Some(quic) = &dialling.quic {
            background.spawn(work::accept_quic(
                quic.endpoint().clone(),
                dialling.security.subscribe(),
                dialling.deadline,
                report.clone(),
            ));
        }
        background.spawn(Arc::clone(&shared.messaging).close_idle());
        if let Some(files) = &files {
            background.spawn(reload::watch(
                files.clone(),
                reload_interval,
                report.clone(),
            ));
        }
        Self {
            shared,
            clock,
            files,
            renewing: None,
            examining: None,
            trust,
            udp,
            dialling,
            commands,
            wanted,
            slack,
            outcomes,
            report,
            link_events,
            link_report,
            background,
            tasks: JoinSet::new(),
            has_handles: true,
            links: BTreeMap::new(),
            handed_over: BTreeMap::new(),
            dials: BTreeMap::new(),
            names: BTreeMap::new(),
            log: Log::default(),
            notices: Notices::default(),
            accepted: 0,
            overflowed: Vec::new(),
            wakeup: None,
            ended: None,
            buffer: vec![0; DATAGRAM_LEN_MAX],
        }
    }

    /// Drives the node until it ends; then nothing of it is open any more, and everybody who waits for that is told.
    pub(super) async fn run(mut self, start: impl FnOnce(&mut Membership, Timestamp)) {
        self.feed(start);
        while self.ended.is_none() {
            let input = self.wait().await;
            let is_late = self.is_overdue_by(self.slack);
            self.take(input);
            if is_late {
                self.catch_up().await;
            }
            if self.is_overdue_by(Duration::ZERO) {
                self.feed(Membership::handle_timeout);
            }
            self.log.catch_up(self.clock.now());
            let certificate = self.shared.certificate.borrow().clone();
            self.notices.give(self.clock.now(), certificate);
        }
        self.close().await;
    }

    /// Waits for whatever comes first.
    async fn wait(&mut self) -> Input {
        let due = async |wakeup: Option<Timestamp>, clock: Clock| match wakeup {
            Some(at) => sleep(clock.until(at)).await,
            None => std::future::pending().await,
        };
        let datagram = async |udp: Option<&Udp>, buffer: &mut [u8]| match udp {
            Some(udp) => udp.receive(buffer).await,
            None => std::future::pending().await,
        };
        tokio::select! {
            (from, len) = datagram(self.udp.as_ref(), &mut self.buffer) => Input::Datagram { from, len },
            Some((link, event)) = self.link_events.recv() => Input::Link(link, event),
            Some(to) = self.wanted.recv() => Input::Wanted(to),
            Some(outcome) = self.outcomes.recv() => Input::Outcome(outcome),
            command = self.commands.recv(), if self.has_handles => Input::Command(command),
            Some(_) = self.tasks.join_next() => Input::Due,
            () = due(self.wakeup, self.clock) => Input::Due,
        }
    }

    /// Feeds one input.
    fn take(&mut self, input: Input) {
        match input {
            Input::Command(Some(Command::Abort)) => self.ended = Some(Ended::Aborted),
            Input::Command(Some(Command::Respond(answer))) => drop(answer.send(())),
            Input::Command(Some(Command::Leave(patience))) => self.leave(patience),
            Input::Command(Some(Command::RotateKeys(answer))) => {
                self.feed(|core, now| {
                    // Whoever asked may have stopped waiting.
                    let _ = answer.send(core.rotate_keys(now));
                });
            }
            Input::Command(Some(Command::SetMetadata(key, value, answer))) => {
                self.feed(|core, now| {
                    let _ = answer.send(core.set_metadata(now, &key, value));
                });
            }
            Input::Command(Some(Command::Forget(id, answer))) => {
                self.feed(|core, now| {
                    let _ = answer.send(core.forget(now, &id));
                });
            }
            Input::Command(Some(Command::Examine(answer))) => self.examine(answer),
            Input::Command(Some(Command::RehearseCertificates(pem, answer))) => {
                self.read_candidate(pem, answer);
            }
            Input::Command(Some(Command::ReloadTrust(answer))) => self.reload(answer),
            Input::Command(None) => {
                self.has_handles = false;
                self.leave(FAREWELL);
            }
            Input::Datagram { from, len } => self.take_datagram(from, len),
            Input::Due => {}
            Input::Link(link, event) => self.take_link_event(link, event),
            Input::Outcome(outcome) => self.take_outcome(outcome),
            Input::Wanted(to) => self.connect(to),
        }
    }

    fn take_datagram(&mut self, from: SocketAddr, len: usize) {
        let buffer = std::mem::take(&mut self.buffer);
        self.feed(|core, now| {
            // What is wrong with it is counted by the core; nothing is answered.
            let _ = core.handle_datagram(now, from, &buffer[..len]);
        });
        self.buffer = buffer;
    }

    fn take_outcome(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Accepted {
                peer,
                secured,
                place,
            } => {
                self.accepted += 1;
                let id = LinkId::accepted(self.accepted);
                let spans = Spans::new(id, peer, None);
                self.open(id, (peer, Side::Listener), secured, (Some(place), spans));
            }
            Outcome::CandidateRead(read, answer) => self.rehearse(*read, answer),
            Outcome::ChainJudged(id, fault) => {
                self.feed(|core, now| core.handle_chain_judged(now, id, fault));
            }
            Outcome::Dialled(id, result) => {
                let Some(Dial { addr, spans, .. }) = self.dials.remove(&id) else {
                    return;
                };
                let span = spans.innermost().clone();
                let _within = span.enter();
                match result {
                    Ok(secured) => self.open(id, (addr, Side::Dialer), secured, (None, spans)),
                    Err(error) => {
                        self.log.dial_failed(self.clock.now(), addr, &error);
                        let code = error.code;
                        self.shared.handshakes.failed(Side::Dialer, code);
                        let rejection = error.certificate_error().map(ToString::to_string);
                        self.feed(|core, now| {
                            core.note_failure(id, rejection, error.correlation);
                            if !matches!(code, Code::HandshakeTimeout | Code::Unreachable) {
                                core.handle_refused(
                                    now,
                                    failed_handshake(Side::Dialer, addr, &error),
                                );
                            }
                            core.handle_link(now, id, LinkChange::Failed(code));
                        });
                    }
                }
            }
            Outcome::Refused { peer, error } => {
                self.log.refused_at_the_door(self.clock.now(), peer, &error);
                self.shared.handshakes.failed(Side::Listener, error.code);
                self.feed(|core, now| {
                    core.handle_refused(now, failed_handshake(Side::Listener, peer, &error))
                });
            }
            Outcome::Drained(patience) => {
                self.feed(|core, now| core.leave(now, now + patience));
            }
            Outcome::MessagesEnded(link, closed) => self.messages_ended(link, closed),
            Outcome::Resolved(contact, addrs) => {
                self.names.insert(contact.clone(), addrs.clone());
                self.feed(|core, now| core.handle_resolved(now, &contact, &addrs));
            }
            Outcome::TrustJudged(judged, answer) => self.take_judged(judged, answer),
            Outcome::TrustRead(read, answer) => self.take_trust(read, answer),
            Outcome::Signed(introduction) => self.take_introduction(introduction),
            Outcome::Verified(id, result) => {
                let result = result.map_err(|rejected| {
                    self.log.introduction_refused(self.clock.now(), &rejected);
                    rejected.code
                });
                self.feed(|core, now| core.handle_verified(now, id, result));
            }
        }
    }

    /// Reads what came while the process stood still, before the timers judge its absence.
    async fn catch_up(&mut self) {
        self.log.woken_late(self.clock.now());
        let late_wakes = &self.shared.counters.late_wakes;
        late_wakes.fetch_add(1, Ordering::Relaxed);
        for _ in 0..CATCH_UP_DATAGRAMS_MAX {
            let received = match &self.udp {
                Some(udp) => udp.try_receive(&mut self.buffer),
                None => None,
            };
            let Some((from, len)) = received else { break };
            self.take_datagram(from, len);
        }
        if !self.links.is_empty() {
            sleep(CATCH_UP_PAUSE).await;
        }
        for _ in 0..LINK_EVENTS_MAX {
            let Ok((link, event)) = self.link_events.try_recv() else {
                break;
            };
            self.take_link_event(link, event);
        }
    }

    fn is_overdue_by(&self, slack: Duration) -> bool {
        self.wakeup.is_some_and(|at| self.clock.now() >= at + slack)
    }

    /// Feeds one input and does everything that comes of it.
    fn feed(&mut self, input: impl FnOnce(&mut Membership, Timestamp)) {
        let shared = Arc::clone(&self.shared);
        let mut core = shared.core();
        let now = self.clock.now();
        input(&mut core, now);
        loop {
            match core.poll_output() {
                Output::Wait(wakeup) => break self.wakeup = wakeup.map(|wakeup| wakeup.at),
                output => self.act(&core, output),
            }
        }
        drop(core);
        for id in std::mem::take(&mut self.overflowed) {
            self.cut(id, Code::Overflow);
        }
    }

    /// Does one thing the core asks for.
    fn act(&mut self, core: &Membership, output: Output) {
        match output {
            Output::Close(id) => {
                self.forget(id);
                self.end_messages(id);
                if let Some(dial) = self.dials.remove(&id) {
                    dial.task.abort();
                }
            }
            Output::ConnectFailed { link, code } => self.shared.messaging.dial_failed(link, code),
            Output::Event(event) => self.tell(event),
            Output::HandOver {
                link,
                peer,
                side,
                first,
            } => self.hand_over(link, peer, (side, first)),
            Output::Examined(said) => {
                if let Some(waiting) = self.examining.take() {
                    waiting.answer(said);
                }
            }
            Output::JudgeChain { id, judged } => {
                let trust = self.trust.clone().expect("only a TLS node judges");
                let report = self.report.clone();
                self.tasks
                    .spawn(work::judge_chain(trust, id, judged, report));
            }
            Output::Open { link, addr, over } => {
                let target = (addr, self.names_of(addr));
                let (how, report) = (self.dialling.clone(), self.report.clone());
                let spans = self.spans_of_dial(core, link, addr);
                let task = work::dial(link, target, over, how, report);
                let task = self.tasks.spawn(task.instrument(spans.innermost().clone()));
                self.dials.insert(link, Dial { addr, task, spans });
            }
            Output::Resolve(contact) => {
                self.tasks
                    .spawn(work::resolve(contact, self.report.clone()));
            }
            Output::Send(id, frame) => self.send(id, &frame),
            Output::SignIntroduction(fields) => {
                let trust = self.trust.clone().expect("only a TLS node signs");
                self.tasks
                    .spawn(work::sign(trust, fields, self.report.clone()));
            }
            Output::Transmit { to, payload } => {
                if let Some(udp) = &self.udp {
                    udp.send(to, &payload);
                }
            }
            Output::VerifyIntroduction { id, introduction } => {
                let trust = self.trust.clone().expect("only a TLS node verifies");
                let report = self.report.clone();
                self.tasks
                    .spawn(work::verify(trust, id, introduction, report));
            }
            Output::Wait(_) => unreachable!("the drain ends there"),
        }
    }

    fn tell(&mut self, event: Event) {
        let now = self.clock.now();
        self.log.event(now, &event);
        match event {
            Event::Ready => self.shared.set_ready(),
            Event::LeaveFinished { acknowledged } => {
                self.ended = Some(Ended::Left { acknowledged })
            }
            Event::Stopped {
                code,
                addr,
                correlation,
            } => {
                self.ended = Some(Ended::Refused {
                    code,
                    addr,
                    correlation,
                });
            }
            _ => {}
        }
        self.shared.publish(now, event);
    }

    /// Stops: links send what is queued, unless the node is aborted, and everything is closed.
    async fn close(mut self) {
        let ended = self.ended.unwrap_or(Ended::Aborted);
        self.shared.messaging.stop();
        self.background.shutdown().await;
        self.link_events.close();
        self.outcomes.close();
        self.links.clear();
        self.dials.values().for_each(|dial| dial.task.abort());
        if ended != Ended::Aborted {
            let all = async { while self.tasks.join_next().await.is_some() {} };
            if timeout(2 * LINGER, all).await.is_err() {
                tracing::debug!(
                    left = self.tasks.len(),
                    "connections are cut that would not close"
                );
            }
        }
        self.tasks.shutdown().await;
        if let Some(quic) = self.dialling.quic.take().and_then(Arc::into_inner) {
            quic.close(LINGER).await;
        }
        self.udp = None;
        self.shared.set_ended(ended);
    }
}

fn failed_handshake(side: Side, peer: SocketAddr, error: &LinkError) -> FailedHandshake {
    // Whoever dials is told that the other end speaks otherwise; whoever listens says so.
    let is_ours = side == Side::Listener && error.code == Code::SecurityMismatch;
    FailedHandshake {
        peer,
        code: error.code,
        by_us: is_ours || !error.is_peers_word(),
        correlation: error.correlation,
    }
}

impl Drop for Driver {
    /// The runtime may go away under a node; whoever waits for its end is told all the same.
    fn drop(&mut self) {
        self.shared.messaging.stop();
        self.shared.set_ended(Ended::Aborted);
    }
}
