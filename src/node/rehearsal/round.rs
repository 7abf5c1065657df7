//! [`Round`]: one rehearsal at several addresses at once, over real connections.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::super::clock::{Clock, wall_clock};
use super::super::log::Chain;
use super::super::work::{self, Dialling, Outcome as Done};
use super::report::{Attempt, Failure, Outcome, OwnCertificate, Step};
use super::skew::{self, Told};
use crate::admission::{
    ATTEMPTS_MAX, Action, JoinOutcome, JoinVerdict, LinkChange, LinkId, Opened,
};
use crate::member::Generation;
use crate::membership::{Guest, Options, Over};
use crate::seal::Seed;
use crate::time::Timestamp;
use crate::transport::door::Secured;
use crate::transport::link::{self, LinkEvent, LinkHandle};
use crate::transport::tcp::Listener;
use crate::transport::{LINGER, LinkError};
use crate::trust::Trust;
use crate::wire::frame::Frame;
use crate::wire::hello::{Introduction, Side};
use crate::wire::refusal::Code;

/// How many outcomes and link events wait to be taken.
const WAITING_MAX: usize = 64;
/// When those are told to come back who want to join a node that does not run.
const NOT_HERE: Duration = Duration::from_secs(1);

/// The sockets, and the tasks that serve them.
pub(super) struct Door {
    clock: Clock,
    trust: Option<Trust>,
    dialling: Dialling,
    tasks: JoinSet<()>,
    accepting: AbortHandle,
    outcomes: mpsc::Receiver<Done>,
    report: mpsc::Sender<Done>,
    events: mpsc::Receiver<(LinkId, LinkEvent)>,
    link_report: mpsc::Sender<(LinkId, LinkEvent)>,
    accepted: u64,
}

impl Door {
    /// Starts accepting: a contact dials back.
    pub(super) fn open(
        clock: Clock,
        trust: Option<Trust>,
        listener: Listener,
        dialling: Dialling,
    ) -> Self {
        let (report, outcomes) = mpsc::channel(WAITING_MAX);
        let (link_report, events) = mpsc::channel(WAITING_MAX);
        let mut tasks = JoinSet::new();
        let accepting = tasks.spawn(work::accept(
            listener,
            dialling.security.subscribe(),
            dialling.deadline,
            report.clone(),
        ));
        Self {
            clock,
            trust,
            dialling,
            tasks,
            accepting,
            outcomes,
            report,
            events,
            link_report,
            accepted: 0,
        }
    }

    /// Stops accepting, and lets what was said last go out.
    pub(super) async fn close(mut self) {
        self.accepting.abort();
        self.events.close();
        self.outcomes.close();
        let _ = timeout(LINGER / 4, async {
            while self.tasks.join_next().await.is_some() {}
        })
        .await;
        self.tasks.shutdown().await;
    }
}

/// What came of a round.
pub(super) struct Answers {
    pub(super) attempts: BTreeMap<SocketAddr, Attempt>,
    /// Where a higher generation is asked for, and which would do.
    pub(super) retry: BTreeMap<SocketAddr, Generation>,
}

/// One node that would be, and its rehearsals.
pub(super) struct Round<'a> {
    door: &'a mut Door,
    guest: Guest,
    certificate: Option<&'a OwnCertificate>,
    /// The rehearsals under way, by connection.
    under_way: BTreeMap<LinkId, Attempt>,
    links: BTreeMap<LinkId, LinkHandle>,
    /// Names that led to the addresses.
    names: BTreeMap<SocketAddr, Vec<String>>,
    /// Addresses that find no room yet.
    waiting: Vec<SocketAddr>,
    /// Why an introduction was refused last.
    rejection: Option<String>,
    answers: Answers,
}

impl<'a> Round<'a> {
    pub(super) fn new(
        door: &'a mut Door,
        (options, generation, seed): (Options, Generation, Seed),
        certificate: Option<&'a OwnCertificate>,
    ) -> Self {
        Self {
            door,
            guest: Guest::new(options, generation, seed),
            certificate,
            under_way: BTreeMap::new(),
            links: BTreeMap::new(),
            names: BTreeMap::new(),
            waiting: Vec::new(),
            rejection: None,
            answers: Answers {
                attempts: BTreeMap::new(),
                retry: BTreeMap::new(),
            },
        }
    }

    /// Rehearses at each of these addresses, until each has come to something.
    pub(super) async fn run(mut self, names: &BTreeMap<SocketAddr, Vec<String>>) -> Answers {
        self.names.clone_from(names);
        match (self.guest.unsigned(), &self.door.trust) {
            (Some(fields), Some(trust)) => {
                let sign = work::sign(trust.clone(), fields, self.door.report.clone());
                self.door.tasks.spawn(sign);
            }
            _ => self.begin(None),
        }
        while self.answers.attempts.len() + self.answers.retry.len() < self.names.len() {
            self.step().await;
        }
        self.answers
    }

    /// The node can introduce itself: all addresses are dialled.
    fn begin(&mut self, introduction: Option<Introduction>) {
        let mut addrs: Vec<_> = self.names.keys().copied().collect();
        self.waiting = addrs.split_off(addrs.len().min(ATTEMPTS_MAX));
        self.feed(|guest, now| {
            guest.introduce(now, introduction);
            for addr in addrs {
                guest.admission.rehearse(now, addr);
            }
        });
    }

    /// Waits for one thing to happen, and does what follows.
    async fn step(&mut self) {
        let deadline = self.guest.admission.next_timeout();
        let clock = self.door.clock;
        let due = async {
            match deadline {
                Some(at) => sleep(clock.until(at)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(done) = self.door.outcomes.recv() => self.take(done),
            Some((link, event)) = self.door.events.recv() => self.take_event(link, event),
            Some(_) = self.door.tasks.join_next() => {}
            () = due => self.feed(|guest, now| guest.admission.handle_timeout(now)),
        }
    }

    fn take(&mut self, done: Done) {
        match done {
            Done::Signed(introduction) => self.begin(Some(introduction)),
            Done::Accepted { peer, secured, .. } => {
                self.door.accepted += 1;
                let link = LinkId::accepted(self.door.accepted);
                self.open(link, (peer, Side::Listener), secured);
            }
            Done::Dialled(link, Ok(secured)) => {
                let Some(attempt) = self.under_way.get_mut(&link) else {
                    return;
                };
                attempt.session.clone_from(&secured.session);
                attempt.certificate.clone_from(&secured.peer);
                attempt.reach(Step::Prove);
                let addr = attempt.addr;
                self.open(link, (addr, Side::Dialer), secured);
            }
            Done::Dialled(link, Err(error)) => {
                self.dial_failed(link, &error);
                let change = LinkChange::Failed(error.code);
                self.feed(|guest, now| guest.admission.handle_link(now, link, change));
            }
            Done::Verified(id, result) => {
                let result = result.map_err(|rejected| {
                    let source = rejected.source.as_ref();
                    self.rejection = source.map(|source| Chain(source).to_string());
                    rejected.code
                });
                self.feed(|guest, now| guest.admission.handle_verified(now, id, result));
            }
            _ => {}
        }
    }

    fn dial_failed(&mut self, link: LinkId, error: &LinkError) {
        let Some(attempt) = self.under_way.get_mut(&link) else {
            return;
        };
        if error.code != Code::Unreachable {
            attempt.reach(Step::Secure);
        }
        attempt.blame(
            !error.is_peers_word(),
            error
                .source
                .as_ref()
                .map(|source| Chain(source).to_string()),
        );
        attempt.skew = error
            .certificate_error()
            .and_then(|wrong| skew::diagnose(wall_clock(), self.certificate, Told::Theirs(wrong)));
    }

    fn open(&mut self, link: LinkId, (peer, side): (SocketAddr, Side), secured: Secured) {
        let (handle, task) = link::open(secured.stream, link, self.door.link_report.clone());
        self.door.tasks.spawn(task);
        self.links.insert(link, handle);
        let opened = Opened {
            side,
            peer,
            channel: secured.channel,
            correlation: secured.correlation,
        };
        self.feed(|guest, now| {
            guest
                .admission
                .handle_link(now, link, LinkChange::Opened(opened));
        });
    }

    fn take_event(&mut self, link: LinkId, event: LinkEvent) {
        if !self.links.contains_key(&link) {
            return;
        }
        let is_proven = matches!(event, LinkEvent::Frame(Frame::Ready));
        self.feed(|guest, now| match event {
            LinkEvent::Frame(frame) => {
                // The refusal is among the actions.
                let _ = guest.admission.handle_frame(now, link, frame);
            }
            LinkEvent::Closed(error) => {
                let change = LinkChange::Closed(error.code);
                guest.admission.handle_link(now, link, change);
            }
        });
        if let (Some(handle), true) = (self.links.get(&link), is_proven) {
            handle.lift_limit();
        }
    }

    /// Feeds one input, and does all that comes of it.
    fn feed(&mut self, input: impl FnOnce(&mut Guest, Timestamp)) {
        let now = self.door.clock.now();
        input(&mut self.guest, now);
        while let Some(action) = self.guest.admission.poll() {
            self.act(now, action);
        }
        self.rejection = None;
    }

    fn act(&mut self, now: Timestamp, action: Action) {
        match action {
            Action::Close(link) => {
                self.links.remove(&link);
            }
            Action::JoinEnded { addr, outcome, .. } => {
                self.ended(addr, &outcome);
                if let Some(next) = self.waiting.pop() {
                    self.guest.admission.rehearse(now, next);
                }
            }
            Action::JudgeJoin { join, .. } => {
                let verdict = JoinVerdict::Busy(NOT_HERE);
                self.guest.admission.answer_join(now, join, verdict);
            }
            // A guest holds nobody to whom an id could belong.
            Action::JudgeListener { link, .. } => {
                self.guest.admission.answer_listener(now, link, Ok(()));
            }
            Action::JudgeMember { link, .. } => {
                let verdict = Err(Code::JoinFirst);
                self.guest.admission.answer_member(now, link, verdict);
            }
            Action::Open { link, addr, .. } => {
                let names = self.names.get(&addr).cloned().unwrap_or_default();
                let (how, report) = (self.door.dialling.clone(), self.door.report.clone());
                let dial = work::dial(link, (addr, names), Over::Tcp, how, report);
                self.door.tasks.spawn(dial);
                self.under_way.insert(link, Attempt::new(addr));
            }
            Action::Refused(refusal) => {
                if let Some(attempt) = self.under_way.get_mut(&refusal.link) {
                    attempt.member = attempt.member.take().or(refusal.id);
                    attempt.blame(refusal.by_us, self.rejection.take());
                }
            }
            Action::Send(link, frame) => self.send(link, &frame),
            Action::Verify { id, introduction } => {
                let trust = self.door.trust.clone().expect("only a TLS node verifies");
                let report = self.door.report.clone();
                self.door
                    .tasks
                    .spawn(work::verify(trust, id, introduction, report));
            }
            // A guest is let in by nobody, lets nobody in, and dials no member.
            Action::Accept { .. }
            | Action::Accepted { .. }
            | Action::Checked { .. }
            | Action::Committed { .. }
            | Action::DialFailed { .. }
            | Action::HandOver { .. }
            | Action::Judged { .. }
            | Action::Proven { .. } => {}
        }
    }

    fn send(&mut self, link: LinkId, frame: &Frame) {
        if let (Frame::Rehearse { .. }, Some(attempt)) = (frame, self.under_way.get_mut(&link)) {
            attempt.reach(Step::Judge);
            attempt.member = self.guest.admission.peer(link).map(|peer| peer.id);
        }
        if let Some(handle) = self.links.get(&link) {
            // So little is sent that no queue can overflow.
            let _ = handle.send(frame);
        }
    }

    /// A rehearsal has come to something.
    fn ended(&mut self, addr: SocketAddr, outcome: &JoinOutcome) {
        let mut under_way = self.under_way.iter();
        let Some(link) = under_way.find_map(|(link, held)| (held.addr == addr).then_some(*link))
        else {
            return;
        };
        let mut attempt = self.under_way.remove(&link).expect("just seen");
        if let JoinOutcome::Retry { min } = outcome {
            self.answers.retry.insert(addr, *min);
            return;
        }
        attempt.conclude(outcome);
        let told = match (outcome, attempt.failure()) {
            (JoinOutcome::Rehearsed { clock, .. }, _) => Some(Told::Clock(*clock)),
            (_, Some(failure)) if !failure.by_us => Some(Told::Refusal(failure.code)),
            _ => None,
        };
        let diagnosed = told.and_then(|told| skew::diagnose(wall_clock(), self.certificate, told));
        attempt.skew = attempt.skew.or(diagnosed);
        self.answers.attempts.insert(addr, attempt);
    }
}

// How far a rehearsal has come.
impl Attempt {
    fn failing(&mut self) -> Option<&mut Failure> {
        match &mut self.outcome {
            Outcome::Fails(failure) => Some(failure),
            Outcome::Itself | Outcome::LetIn => None,
        }
    }

    fn reach(&mut self, step: Step) {
        if let Some(failure) = self.failing() {
            failure.step = step;
        }
    }

    /// Who refuses whom, and what is known of it here.
    fn blame(&mut self, by_us: bool, detail: Option<String>) {
        if let Some(failure) = self.failing() {
            failure.by_us = by_us;
            failure.detail = detail;
        }
    }

    fn conclude(&mut self, outcome: &JoinOutcome) {
        let (code, cause, dialed_back) = match *outcome {
            JoinOutcome::Joined | JoinOutcome::Rehearsed { refused: None, .. } => {
                return self.outcome = Outcome::LetIn;
            }
            JoinOutcome::OwnAddress => return self.outcome = Outcome::Itself,
            JoinOutcome::Rehearsed {
                refused: Some((code, cause)),
                dialed_back,
                ..
            } => {
                self.blame(false, None);
                (code, cause, dialed_back)
            }
            JoinOutcome::Refused {
                code,
                cause,
                dialed_back,
                ..
            } => (code, cause, dialed_back),
            JoinOutcome::Busy { .. } => (Code::Busy, None, None),
            JoinOutcome::Unreachable { code } => (code, None, None),
            JoinOutcome::Retry { .. } => (Code::TooManyRetries, None, None),
        };
        if let Some(failure) = self.failing() {
            if code == Code::DialBackFailed {
                failure.step = Step::DialBack;
            }
            failure.code = code;
            failure.cause = cause;
            failure.dialed_back = dialed_back;
        }
    }
}
