//! [`Cluster`]: several members on a virtual network of their own, and what must hold after every step.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::*;
use crate::wire::datagram;

/// One way, in every direction.
const LATENCY: Duration = Duration::from_millis(1);
/// How long a dial into the void takes.
const DIAL_TIMEOUT: Duration = Duration::from_secs(1);

enum Arrival {
    Body {
        from: usize,
        generation: Generation,
        to: usize,
        body: Vec<u8>,
    },
    FallbackProbe {
        from: usize,
        to: usize,
        probe: u64,
    },
    FallbackFailed {
        from: usize,
        probe: u64,
    },
    PushPull {
        from: usize,
        to: usize,
    },
}

struct Node {
    swim: Swim,
    up: bool,
    seen: BTreeMap<MemberId, (MemberState, MemberVersion)>,
    left: bool,
}

/// Members and the network between them.
pub(super) struct Cluster {
    pub(super) now: Timestamp,
    nodes: Vec<Node>,
    arrivals: BTreeMap<(Timestamp, u64), Arrival>,
    sent: u64,
    rng: Pcg64,
    /// The share of datagrams lost.
    pub(super) loss: f64,
    pub(super) latency: Duration,
    datagrams_cut: BTreeSet<(usize, usize)>,
    dials_cut: BTreeSet<(usize, usize)>,
    pub(super) events: Vec<(Timestamp, usize, Event)>,
    pub(super) transcript: String,
}

pub(super) fn name(node: usize) -> String {
    format!("n{node}")
}

impl Cluster {
    /// `n` members that know each other.
    pub(super) fn new(n: usize, params: &Params, seed: u64) -> Self {
        println!("seed {seed}");
        let mut cluster = Self {
            now: START,
            nodes: Vec::new(),
            arrivals: BTreeMap::new(),
            sent: 0,
            rng: Pcg64::seed_from_u64(seed),
            loss: 0.0,
            latency: LATENCY,
            datagrams_cut: BTreeSet::new(),
            dials_cut: BTreeSet::new(),
            events: Vec::new(),
            transcript: String::new(),
        };
        for node in 0..n {
            cluster.nodes.push(Node {
                swim: Swim::new(
                    START,
                    params.clone(),
                    record(&name(node), 1, 0),
                    seed + node as u64,
                ),
                up: true,
                seen: BTreeMap::new(),
                left: false,
            });
        }
        for node in 0..n {
            for other in (0..n).filter(|other| *other != node) {
                hear_record(
                    &mut cluster.nodes[node].swim,
                    START,
                    &record(&name(other), 1, 0),
                );
            }
            cluster.settle(node);
        }
        cluster
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.next_step().filter(|at| *at <= end) {
            self.now = at;
            self.step();
        }
        self.now = end;
    }

    /// Lets time pass until `done`, at most this long. Returns how long it took.
    pub(super) fn run_until(
        &mut self,
        duration: Duration,
        done: impl Fn(&Self) -> bool,
    ) -> Duration {
        let start = self.now;
        while !done(self) {
            let at = self.next_step().unwrap_or(Timestamp::MAX);
            assert!(
                at <= start + duration,
                "not done after {duration:?}\n{}",
                self.transcript
            );
            self.now = at;
            self.step();
        }
        self.now.saturating_since(start)
    }

    /// A node falls silent. Its connections break, unless it vanishes with its host.
    pub(super) fn crash(&mut self, node: usize, resets: bool) {
        self.nodes[node].up = false;
        for other in (0..self.nodes.len()).filter(|_| resets) {
            let (now, name) = (self.now, name(node));
            self.with(other, |swim| swim.handle_link_lost(now, &name));
        }
    }

    pub(super) fn leave(&mut self, node: usize) {
        let now = self.now;
        self.with(node, |swim| swim.leave(now));
    }

    /// Cuts or mends datagrams and dials, one way.
    pub(super) fn cut(&mut self, from: usize, to: usize, datagrams: bool, dials: bool) {
        for (set, cut) in [
            (&mut self.datagrams_cut, datagrams),
            (&mut self.dials_cut, dials),
        ] {
            if cut {
                set.insert((from, to));
            } else {
                set.remove(&(from, to));
            }
        }
    }

    /// Cuts or mends everything between two groups.
    pub(super) fn partition(&mut self, a: &[usize], b: &[usize], cut: bool) {
        for (x, y) in a.iter().flat_map(|x| b.iter().map(move |y| (*x, *y))) {
            self.cut(x, y, cut, cut);
            self.cut(y, x, cut, cut);
        }
    }

    /// Both views come together.
    pub(super) fn push_pull(&mut self, a: usize, b: usize) {
        let now = self.now;
        let (id_a, id_b) = (id(&name(a)), id(&name(b)));
        if self.nodes[a].swim.view_hash() == self.nodes[b].swim.view_hash() {
            return;
        }
        let digest = self.nodes[b].swim.digest();
        let difference = self.nodes[a].swim.compare(&digest);
        let wanted = self.nodes[b].swim.pages_for(&difference.want);
        let mut to_b = difference.give;
        let mut to_a = wanted;
        while !to_a.is_empty() || !to_b.is_empty() {
            let (mut answers_a, mut answers_b) = (Vec::new(), Vec::new());
            for entry in &to_b {
                self.with(b, |swim| {
                    answers_a.extend(swim.merge(now, &id_a, entry).unwrap());
                });
            }
            for entry in &to_a {
                self.with(a, |swim| {
                    answers_b.extend(swim.merge(now, &id_b, entry).unwrap());
                });
            }
            (to_a, to_b) = (answers_a, answers_b);
        }
    }

    pub(super) fn swim(&self, node: usize) -> &Swim {
        &self.nodes[node].swim
    }

    pub(super) fn up(&self) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(|node| self.nodes[*node].up && !self.nodes[*node].left)
    }

    /// Whether every node that is up holds every node in this state.
    pub(super) fn all_hold(&self, node: usize, expected: MemberState) -> bool {
        self.up()
            .filter(|other| *other != node)
            .all(|other| state(self.swim(other), &name(node)) == Some(expected))
    }

    /// Whether all nodes that are up hold each other alive, and nobody else live.
    pub(super) fn is_whole(&self) -> bool {
        let up: Vec<_> = self.up().collect();
        up.iter().all(|node| {
            self.swim(*node).live_len() == up.len() && self.all_hold(*node, MemberState::Alive)
        })
    }

    pub(super) fn events_about(&self, node: usize) -> Vec<&Event> {
        let name = name(node);
        let about = self
            .events
            .iter()
            .filter(|(_, _, event)| about(event).as_str() == name);
        about.map(|(_, _, event)| event).collect()
    }

    fn next_step(&self) -> Option<Timestamp> {
        let arrival = self.arrivals.first_key_value().map(|((at, _), _)| *at);
        let timers = self.nodes.iter().filter(|node| node.up);
        let timer = timers.filter_map(|node| node.swim.next_timeout()).min();
        let timer = timer.map(|(at, _)| at.max(self.now));
        arrival.into_iter().chain(timer).min()
    }

    fn step(&mut self) {
        let now = self.now;
        while let Some(entry) = self.arrivals.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let arrival = entry.remove();
            self.arrive(arrival);
        }
        for node in 0..self.nodes.len() {
            let due = self.nodes[node].swim.next_timeout();
            if self.nodes[node].up && due.is_some_and(|(at, _)| at <= now) {
                self.with(node, |swim| swim.handle_timeout(now));
            }
        }
    }

    fn arrive(&mut self, arrival: Arrival) {
        let now = self.now;
        match arrival {
            Arrival::Body {
                from,
                generation,
                to,
                body,
            } => self.with(to, |swim| {
                let body = Body::decode(&body).unwrap();
                let taken = swim.handle_body(now, &name(from), generation, &body);
                assert!(!matches!(taken, Err(BodyError::Malformed(_))));
            }),
            Arrival::FallbackProbe { from, to, probe } => {
                let generation = self.nodes[from].swim.local().record().generation;
                self.with(to, |swim| swim.handle_contact(now, &name(from), generation));
                let view = self.nodes[to].swim.view_hash();
                self.with(from, |swim| {
                    swim.handle_fallback(now, probe, FallbackOutcome::Answered { view });
                });
            }
            Arrival::FallbackFailed { from, probe } => self.with(from, |swim| {
                swim.handle_fallback(now, probe, FallbackOutcome::Failed);
            }),
            Arrival::PushPull { from, to } => {
                let reached = self.can_dial(from, to);
                if reached {
                    self.push_pull(from, to);
                }
                let outcome = if reached {
                    SyncOutcome::Done
                } else {
                    SyncOutcome::Failed
                };
                self.with(from, |swim| {
                    swim.handle_sync_end(now, &id(&name(to)), outcome)
                });
            }
        }
    }

    /// Feeds one node, if it is up, and does what it asks for.
    pub(super) fn with(&mut self, node: usize, input: impl FnOnce(&mut Swim)) {
        if self.nodes[node].up {
            input(&mut self.nodes[node].swim);
            self.settle(node);
        }
    }

    fn settle(&mut self, from: usize) {
        while let Some(action) = self.nodes[from].swim.poll() {
            match action {
                Action::Event(event) => self.note(from, event),
                Action::Fallback { to, probe } => {
                    let to = index(&to);
                    let (delay, arrival) = if self.can_dial(from, to) {
                        (self.latency * 2, Arrival::FallbackProbe { from, to, probe })
                    } else {
                        (DIAL_TIMEOUT, Arrival::FallbackFailed { from, probe })
                    };
                    self.post(delay, arrival);
                }
                Action::LeaveFinished { acks } => {
                    writeln!(self.transcript, "{} n{from} left, {acks} acks", self.now).unwrap();
                    self.nodes[from].left = true;
                    self.nodes[from].up = false;
                }
                Action::PushPull { with } => {
                    let to = index(&with);
                    self.post(self.latency * 2, Arrival::PushPull { from, to });
                }
                Action::Send { to, body } => self.transmit(from, index(&to), body),
                Action::SendFrame { to, body } => {
                    let to = index(&to);
                    if self.can_dial(from, to) {
                        let generation = self.nodes[from].swim.local().record().generation;
                        let arrival = Arrival::Body {
                            from,
                            generation,
                            to,
                            body,
                        };
                        self.post(self.latency * 2, arrival);
                    }
                }
                Action::Dropped(_) | Action::Forgot(_) | Action::NeedsGeneration { .. } => {}
            }
        }
        self.check(from);
    }

    fn transmit(&mut self, from: usize, to: usize, body: Vec<u8>) {
        assert_ne!(from, to, "a datagram to oneself");
        let params = self.nodes[from].swim.params();
        let len = datagram::overhead(&name(from), &name(to), params.tagged) + body.len();
        assert!(len <= params.datagram_len_max, "{len} bytes");
        let lost = self.rng.random_range(0.0..1.0) < self.loss;
        if !lost && !self.datagrams_cut.contains(&(from, to)) {
            let generation = self.nodes[from].swim.local().record().generation;
            self.post(
                self.latency,
                Arrival::Body {
                    from,
                    generation,
                    to,
                    body,
                },
            );
        }
    }

    fn post(&mut self, delay: Duration, arrival: Arrival) {
        self.sent += 1;
        self.arrivals.insert((self.now + delay, self.sent), arrival);
    }

    fn can_dial(&self, from: usize, to: usize) -> bool {
        self.nodes[to].up && !self.dials_cut.contains(&(from, to))
    }

    /// Folds the events of a node: they come in order and give its view (S11).
    fn note(&mut self, node: usize, event: Event) {
        use MemberState::{Alive, Dead, Left, Suspect};
        let about = about(&event);
        let seen = &mut self.nodes[node].seen;
        let held = seen.get(&about).copied();
        let was = held.map(|(state, _)| state);
        let (record, legal, becomes) = match &event {
            Event::Joined(record) => (record, !was.is_some_and(MemberState::is_live), Alive),
            Event::Suspected { record, .. } => (record, was == Some(Alive), Suspect),
            Event::Alive(record) => (record, was == Some(Suspect), Alive),
            Event::Updated(record) => (record, was == Some(Alive), Alive),
            Event::Died { record, .. } => (record, was.is_some_and(MemberState::is_live), Dead),
            Event::Left(record) => (record, was.is_some_and(MemberState::is_live), Left),
            Event::UdpReachable(_) | Event::UdpUnreachable(_) => {
                self.events.push((self.now, node, event));
                return;
            }
        };
        assert!(legal, "n{node}: {event:?} while {was:?}");
        let version = MemberVersion {
            state: becomes,
            ..record.version()
        };
        seen.insert(about.clone(), (becomes, version));
        writeln!(self.transcript, "{} n{node} {about} {version}", self.now).unwrap();
        self.events.push((self.now, node, event));
    }

    /// What must hold of a node after every step.
    fn check(&mut self, node: usize) {
        let Node { swim, seen, .. } = &self.nodes[node];
        let mut hash = swim.local().term();
        for member in swim.members().filter(|member| member.state().is_live()) {
            let folded = seen.get(member.id()).map(|(state, _)| *state);
            assert_eq!(
                folded,
                Some(member.state()),
                "n{node} about {}",
                member.id()
            );
            hash = hash.wrapping_add(member.term());
        }
        let folded_live = seen.values().filter(|(state, _)| state.is_live()).count();
        assert_eq!(swim.live_len(), folded_live + 1);
        assert!(swim.queue_len() <= seen.len() + 1);
        if swim.farewell.is_none() {
            assert_eq!(swim.view_hash(), hash);
            assert_eq!(swim.local().state(), MemberState::Alive);
        }
    }
}

fn about(event: &Event) -> MemberId {
    match event {
        Event::Alive(record)
        | Event::Died { record, .. }
        | Event::Joined(record)
        | Event::Left(record)
        | Event::Suspected { record, .. }
        | Event::Updated(record) => record.id.clone(),
        Event::UdpReachable(id) | Event::UdpUnreachable(id) => id.clone(),
    }
}

fn index(id: &MemberId) -> usize {
    id.as_str()[1..].parse().unwrap()
}
