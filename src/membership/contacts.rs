//! [`Contacts`]: the rounds in which a node that is alone dials its contact points, when it is ready, and when a refusal
//! ends it (`docs/PROTOCOL.md`, "Refusals").
//!
//! A round looks every contact point up anew and tries every address once. It ends when each has an outcome. Between
//! rounds the node waits, twice as long each time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rand::RngExt;
use rand_pcg::Pcg64;

use super::ContactPoint;
use crate::time::Timestamp;
use crate::wire::correlation::CorrelationId;
use crate::wire::refusal::Code;

/// The wait after the first round.
const BACKOFF_MIN: Duration = Duration::from_millis(500);
/// The longest wait between rounds.
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// How many addresses are dialled at once.
const DIALS_MAX: usize = 3;

/// What became of one address in one round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The node joined through it, or found itself, or a member that it knows already.
    Done,
    /// It did not let the node in.
    Refused {
        /// Why.
        code: Code,
        /// Whether another try without a change of configuration is pointless.
        for_good: bool,
        /// What both ends call the connection.
        correlation: Option<CorrelationId>,
    },
    /// It answered that it is busy until then.
    Busy(Timestamp),
    /// Nothing answered.
    Unreachable,
}

/// What a round that ended means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RoundEnd {
    /// Some address let the node in, or there was none but its own.
    Joined,
    /// Nobody was there, or nobody refused.
    NobodyThere,
    /// Somebody refused; another round may do better.
    Refused,
    /// Every address of every contact point refused for good.
    RefusedForGood {
        /// The refusal to report.
        code: Code,
        /// Who gave it.
        addr: SocketAddr,
        /// What both ends call the connection.
        correlation: Option<CorrelationId>,
    },
}

/// The contact points and the round under way.
#[derive(Debug)]
pub(super) struct Contacts {
    own: SocketAddr,
    points: Vec<ContactPoint>,
    under_way: bool,
    resolving: BTreeSet<ContactPoint>,
    unresolved: bool,
    addrs: BTreeMap<SocketAddr, Progress>,
    next_round: Option<Timestamp>,
    backoff: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Waiting,
    Dialled,
    Ended(Outcome),
}

impl Contacts {
    pub(super) fn new(own: SocketAddr) -> Self {
        Self {
            own,
            points: Vec::new(),
            under_way: false,
            resolving: BTreeSet::new(),
            unresolved: false,
            addrs: BTreeMap::new(),
            next_round: None,
            backoff: BACKOFF_MIN,
        }
    }

    /// Takes the contact points and starts the first round at `now`.
    pub(super) fn set(&mut self, now: Timestamp, points: &[ContactPoint]) {
        self.points = points.to_vec();
        self.points.dedup();
        self.backoff = BACKOFF_MIN;
        self.next_round = Some(now);
    }

    /// Starts a round if one is due: the names to look up.
    pub(super) fn start_round(&mut self, now: Timestamp) -> Vec<ContactPoint> {
        if self.next_round.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.next_round = None;
        self.under_way = true;
        self.addrs.clear();
        self.unresolved = false;
        self.resolving = self.points.iter().cloned().collect();
        self.resolving.iter().cloned().collect()
    }

    /// A contact point's addresses are known; none if its name could not be resolved.
    pub(super) fn resolved(&mut self, point: &ContactPoint, addrs: &[SocketAddr]) {
        if !self.resolving.remove(point) {
            return;
        }
        self.unresolved |= addrs.is_empty();
        for addr in addrs.iter().map(canonical).filter(|addr| *addr != self.own) {
            self.addrs.entry(addr).or_insert(Progress::Waiting);
        }
    }

    /// The next addresses to dial, in random order, within the bound.
    pub(super) fn next_dials(&mut self, rng: &mut Pcg64) -> Vec<SocketAddr> {
        let busy = self
            .addrs
            .values()
            .filter(|progress| **progress == Progress::Dialled)
            .count();
        let mut waiting: Vec<_> = self.waiting().collect();
        let mut dial = Vec::new();
        while busy + dial.len() < DIALS_MAX && !waiting.is_empty() {
            let addr = waiting.swap_remove(rng.random_range(0..waiting.len()));
            self.addrs.insert(addr, Progress::Dialled);
            dial.push(addr);
        }
        dial
    }

    /// What became of an address. Ignored if it is not part of the round.
    pub(super) fn ended(&mut self, addr: SocketAddr, outcome: Outcome) {
        if let Some(progress) = self.addrs.get_mut(&addr) {
            *progress = Progress::Ended(outcome);
        }
    }

    /// Ends the round if nothing is left to wait for. Dials still waiting are dropped once one let the node in.
    pub(super) fn finish_round(&mut self, now: Timestamp, rng: &mut Pcg64) -> Option<RoundEnd> {
        let joined = self.outcomes().any(|(_, outcome)| outcome == Outcome::Done);
        let open = !self.resolving.is_empty()
            || self
                .addrs
                .values()
                .any(|progress| !self.is_over(*progress, joined));
        if !self.under_way || open {
            return None;
        }
        self.under_way = false;
        let end = self.judge(joined);
        self.schedule(now, rng);
        self.addrs.clear();
        Some(end)
    }

    /// No more rounds: the node has company, or leaves.
    pub(super) fn stop(&mut self) {
        self.next_round = None;
        self.under_way = false;
        self.resolving.clear();
        self.addrs.clear();
    }

    /// Rounds again, from `now`: the node is alone once more.
    pub(super) fn resume(&mut self, now: Timestamp) {
        if !self.is_running() && !self.points.is_empty() {
            self.backoff = BACKOFF_MIN;
            self.next_round = Some(now);
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.next_round.is_some() || self.under_way
    }

    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        self.next_round
    }

    pub(super) fn points(&self) -> &[ContactPoint] {
        &self.points
    }

    fn waiting(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.addrs
            .iter()
            .filter(|(_, progress)| **progress == Progress::Waiting)
            .map(|(addr, _)| *addr)
    }

    fn outcomes(&self) -> impl Iterator<Item = (SocketAddr, Outcome)> + '_ {
        self.addrs
            .iter()
            .filter_map(|(addr, progress)| match progress {
                Progress::Ended(outcome) => Some((*addr, *outcome)),
                Progress::Waiting | Progress::Dialled => None,
            })
    }

    fn is_over(&self, progress: Progress, joined: bool) -> bool {
        match progress {
            Progress::Waiting => joined,
            Progress::Dialled => false,
            Progress::Ended(_) => true,
        }
    }

    fn judge(&self, joined: bool) -> RoundEnd {
        if joined || (self.addrs.is_empty() && !self.unresolved) {
            return RoundEnd::Joined;
        }
        let refusals: Vec<_> = self
            .outcomes()
            .filter_map(|(addr, outcome)| match outcome {
                Outcome::Refused {
                    code,
                    for_good,
                    correlation,
                } => Some((addr, code, for_good, correlation)),
                Outcome::Done | Outcome::Busy(_) | Outcome::Unreachable => None,
            })
            .collect();
        let for_good = refusals.len() == self.addrs.len()
            && refusals.iter().all(|(_, _, for_good, _)| *for_good);
        match refusals.last() {
            Some(&(addr, code, _, correlation)) if for_good && !self.unresolved => {
                RoundEnd::RefusedForGood {
                    code,
                    addr,
                    correlation,
                }
            }
            Some(_) => RoundEnd::Refused,
            None if self
                .outcomes()
                .any(|(_, outcome)| matches!(outcome, Outcome::Busy(_))) =>
            {
                RoundEnd::Refused
            }
            None => RoundEnd::NobodyThere,
        }
    }

    fn schedule(&mut self, now: Timestamp, rng: &mut Pcg64) {
        let busy_until = self.outcomes().filter_map(|(_, outcome)| match outcome {
            Outcome::Busy(until) => Some(until),
            Outcome::Done | Outcome::Refused { .. } | Outcome::Unreachable => None,
        });
        let jitter = rng.random_range(75..=125);
        self.next_round = Some(
            busy_until
                .min()
                .unwrap_or(now + self.backoff * jitter / 100),
        );
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
    }
}

/// An IPv4 address in IPv6 clothes is the IPv4 address.
pub(super) fn canonical(addr: &SocketAddr) -> SocketAddr {
    SocketAddr::new(IpAddr::to_canonical(&addr.ip()), addr.port())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(100);

    struct Round {
        contacts: Contacts,
        rng: Pcg64,
    }

    impl Round {
        /// A round over one contact point for each list of ports; port 1 is the node itself.
        fn start(points: &[&[u16]]) -> Self {
            let mut round = Self {
                contacts: Contacts::new(addr(1)),
                rng: Pcg64::seed_from_u64(3),
            };
            let names: Vec<_> = (0..points.len())
                .map(|n| ContactPoint {
                    host: format!("host-{n}"),
                    port: 9,
                })
                .collect();
            round.contacts.set(NOW, &names);
            assert_eq!(round.contacts.start_round(NOW), names);
            for (name, ports) in names.iter().zip(points) {
                let addrs: Vec<_> = ports.iter().map(|port| addr(*port)).collect();
                round.contacts.resolved(name, &addrs);
            }
            round
        }

        fn end(mut self, outcomes: &[(u16, Outcome)]) -> Option<RoundEnd> {
            let mut dialled = Vec::new();
            loop {
                let dial = self.contacts.next_dials(&mut self.rng);
                if dial.is_empty() {
                    break;
                }
                for addr in dial {
                    dialled.push(addr.port());
                    if let Some((_, outcome)) =
                        outcomes.iter().find(|(port, _)| *port == addr.port())
                    {
                        self.contacts.ended(addr, *outcome);
                    }
                }
            }
            dialled.sort_unstable();
            assert_eq!(
                dialled,
                outcomes.iter().map(|(port, _)| *port).collect::<Vec<_>>()
            );
            self.contacts.finish_round(NOW, &mut self.rng)
        }
    }

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    #[test]
    fn a_refusal_ends_the_node_only_if_every_address_of_every_contact_point_refuses_for_good() {
        use Outcome::{Busy, Done, Refused, Unreachable};
        let mismatch = Refused {
            code: Code::SecurityMismatch,
            for_good: true,
            correlation: Some(CorrelationId::of(b"its connection")),
        };
        let leaving = Refused {
            code: Code::Leaving,
            for_good: false,
            correlation: None,
        };
        let for_good = |port| {
            Some(RoundEnd::RefusedForGood {
                code: Code::SecurityMismatch,
                addr: addr(port),
                correlation: Some(CorrelationId::of(b"its connection")),
            })
        };
        assert_eq!(
            Round::start(&[&[2], &[3]]).end(&[(2, mismatch), (3, mismatch)]),
            for_good(3)
        );
        assert_eq!(
            Round::start(&[&[1], &[3]]).end(&[(3, mismatch)]),
            for_good(3),
            "itself does not count"
        );
        let refused = Some(RoundEnd::Refused);
        assert_eq!(
            Round::start(&[&[2, 4]]).end(&[(2, mismatch), (4, Unreachable)]),
            refused
        );
        assert_eq!(Round::start(&[&[2]]).end(&[(2, leaving)]), refused);
        assert_eq!(Round::start(&[&[2]]).end(&[(2, Busy(NOW))]), refused);
        assert_eq!(
            Round::start(&[&[2], &[]]).end(&[(2, mismatch)]),
            refused,
            "a name that is not resolved"
        );
        assert_eq!(
            Round::start(&[&[2], &[3]]).end(&[(2, mismatch), (3, Done)]),
            Some(RoundEnd::Joined)
        );
        assert_eq!(
            Round::start(&[&[2]]).end(&[(2, Unreachable)]),
            Some(RoundEnd::NobodyThere)
        );
        assert_eq!(Round::start(&[&[]]).end(&[]), Some(RoundEnd::NobodyThere));
        assert_eq!(
            Round::start(&[&[1]]).end(&[]),
            Some(RoundEnd::Joined),
            "no contact point but itself"
        );
    }

    #[test]
    fn a_round_over_no_contact_point_or_none_but_itself_ends_at_once_and_only_once() {
        for points in [&[][..], &[&[1][..]]] {
            let mut round = Round::start(points);
            let mut finish = || round.contacts.finish_round(NOW, &mut round.rng);
            assert_eq!(finish(), Some(RoundEnd::Joined));
            assert_eq!(finish(), None);
        }
    }

    #[test]
    fn at_most_three_are_dialled_at_once_and_the_rest_is_dropped_after_a_success() {
        let mut round = Round::start(&[&[2, 3, 4, 5, 6]]);
        let dialled = round.contacts.next_dials(&mut round.rng);
        assert_eq!(dialled.len(), DIALS_MAX);
        assert_eq!(round.contacts.next_dials(&mut round.rng), []);
        for addr in dialled {
            assert_eq!(round.contacts.finish_round(NOW, &mut round.rng), None);
            round.contacts.ended(addr, Outcome::Done);
        }
        assert_eq!(
            round.contacts.finish_round(NOW, &mut round.rng),
            Some(RoundEnd::Joined)
        );
    }

    #[test]
    fn the_wait_between_rounds_doubles_up_to_its_bound() {
        let mut contacts = Contacts::new(addr(1));
        let mut rng = Pcg64::seed_from_u64(3);
        contacts.set(
            NOW,
            &[ContactPoint {
                host: "a".to_owned(),
                port: 2,
            }],
        );
        let mut now = NOW;
        for millis in [500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000] {
            let points = contacts.start_round(now);
            contacts.resolved(&points[0], &[addr(2)]);
            contacts.next_dials(&mut rng);
            contacts.ended(addr(2), Outcome::Unreachable);
            assert_eq!(
                contacts.finish_round(now, &mut rng),
                Some(RoundEnd::NobodyThere)
            );
            let next = contacts.next_timeout().unwrap();
            let wait = next.saturating_since(now).as_millis();
            assert!(
                (millis * 3 / 4..=millis * 5 / 4).contains(&wait),
                "{wait} ms"
            );
            now = next;
        }
    }
}
