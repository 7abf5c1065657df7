//! How [`Swim`] drives its probes, relays and suspicions.
//!
//! A member that does not know us answers no datagram: while news of a joiner is still spreading, its probes go unanswered.
//! Over the connection it does answer, and refuses us as a stranger. So it is there, and such a probe accuses nobody.

use std::time::Duration;

use rand::RngExt;

use super::probe::{Probe, Step, Verdict};
use super::table::MemberIndex;
use super::{Action, Event, FallbackOutcome, Swim, Timer};
use crate::member::MemberState;
use crate::sabotage::Sabotage;
use crate::time::Timestamp;
use crate::wire::message::Message;

impl Swim {
    /// The probe over a connection that [`Action::Fallback`] asked for has ended.
    pub fn handle_fallback(&mut self, now: Timestamp, probe: u64, outcome: FallbackOutcome) {
        let target = self.probes.handle_fallback(probe, outcome);
        if let (Some(target), FallbackOutcome::Answered { view }) = (target, outcome) {
            self.compare_hash(now, target, view);
        }
        self.finish(now);
    }

    /// A link to this member ended without a farewell: it is the next probe's target, once.
    pub fn handle_link_lost(&mut self, now: Timestamp, member: &str) {
        if let Some(index) = self.table.find(member) {
            self.order.bring_forward(index);
        }
        self.finish(now);
    }

    /// The first member: probes start at a random time, so that nodes started together do not beat together.
    pub(super) fn start_probing(&mut self, now: Timestamp) {
        let interval = self.params.effective_probe_interval();
        self.probe_at = now + interval.mul_f64(self.rng.random_range(0.0..1.0));
    }

    /// Starts the next probe.
    pub(super) fn start_probe(&mut self, now: Timestamp) {
        let timeout = self.stretched(self.params.probe_timeout);
        let interval = self.stretched(self.params.effective_probe_interval());
        self.probe_at = now + interval;
        let first = self.order.all().first().copied();
        let next = match self.saboteur.does(Sabotage::ProbeOrderUnfair) {
            true => first,
            false => self.order.next(&mut self.rng),
        };
        let Some(target) = next else {
            return;
        };
        let number = self.next_number();
        let version = self.table.version(target);
        let spans = (timeout, interval);
        self.probes
            .start(Probe::new(now, number, target, version, spans));
        self.stats.probes_started += 1;
        if self.saboteur.does(Sabotage::IncarnationRestless) && number.is_multiple_of(16) {
            self.set_local(now, self.local.record().clone());
        }
        if self.saboteur.does(Sabotage::SuspectsUnprobed) && version.state == MemberState::Alive {
            let by = self.local.id().clone();
            self.suspect(now, target, by);
        }
        self.ping(target, number);
        if self.blocking.is_on() {
            self.probes.stick(number);
        }
    }

    /// Asks relays and concludes probes, as far as either is due.
    pub(super) fn advance_probes(&mut self, now: Timestamp) {
        while let Some(step) = self.probes.step(now) {
            match step {
                Step::Ask { number, target } => self.ask(now, number, target),
                Step::Verdict(probe) => self.conclude(now, &probe),
            }
        }
    }

    /// Sends the nacks that are due.
    pub(super) fn advance_relays(&mut self, now: Timestamp) {
        while let Some(relay) = self.relays.nack_one(now) {
            self.send(
                relay.asker,
                &Message::Nack {
                    probe: relay.probe,
                    generation: relay.generation,
                },
            );
        }
    }

    /// Buries those whose suspicion has run out.
    pub(super) fn advance_suspicions(&mut self, now: Timestamp) {
        let due = match self.saboteur.does(Sabotage::SuspicionFloorIgnored) {
            true => now + self.params.failure_timeout,
            false => now,
        };
        while let Some(index) = self.suspicions.expire_one(due) {
            if self.saboteur.does(Sabotage::SuspicionNeverExpires) {
                continue;
            }
            let by = self.local.id().clone();
            self.bury(now, index, by);
        }
    }

    /// The target itself has answered our probe.
    pub(super) fn handle_direct_ack(&mut self, now: Timestamp, probe: &Probe) {
        let round_trip = probe.age(now);
        self.stats.round_trips.note(round_trip);
        self.pairs.note(probe.target, Some(round_trip));
        self.improve();
        self.note_udp(probe.target, false);
    }

    pub(super) fn ping(&mut self, to: MemberIndex, number: u64) {
        let view = self.view_hash();
        self.send(
            to,
            &Message::Ping {
                probe: number,
                view,
            },
        );
    }

    /// The next probe number: never used twice, whoever the probe is for.
    pub(super) fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn ask(&mut self, now: Timestamp, number: u64, target: MemberIndex) {
        let relays = self.choose_relays(target);
        let to = self.table.member(target).id().clone();
        for relay in &relays {
            self.send(
                *relay,
                &Message::PingReq {
                    probe: number,
                    target: to.as_str(),
                },
            );
        }
        self.probes.asked(now, number, relays);
        if self.blocking.is_on() {
            self.probes.stick(number);
            // Whoever is stuck asking would have started the next probe.
            self.blocking.lets(Timer::ProbeInterval);
        }
        let skipped = [Sabotage::FallbackSkipped, Sabotage::IndirectProbesSkipped];
        if self.saboteur.does_any(&skipped) {
            return;
        }
        self.actions
            .push_back(Action::Fallback { to, probe: number });
    }

    /// Random members to probe through: those alive before those suspect, those our datagrams reach before others.
    fn choose_relays(&mut self, target: MemberIndex) -> Vec<MemberIndex> {
        let skipped = [Sabotage::IndirectProbesSkipped, Sabotage::RelaysNotAsked];
        if self.saboteur.does_any(&skipped) {
            return Vec::new();
        }
        let count = self.params.suspect_probes.get() - 1;
        let mut relays = self.order.sample(&mut self.rng, 2 * count + 1);
        relays.retain(|relay| *relay != target);
        relays.sort_by_key(|relay| {
            let member = self.table.member(*relay);
            (member.state(), member.is_udp_unreachable())
        });
        relays.truncate(count);
        relays
    }

    fn conclude(&mut self, now: Timestamp, probe: &Probe) {
        if !self.table.version(probe.target).state.is_live() {
            return;
        }
        self.pairs.note(probe.target, None);
        match probe.verdict() {
            Verdict::Indirect { udp_unreachable } => {
                self.improve();
                if udp_unreachable {
                    self.note_udp(probe.target, true);
                }
            }
            Verdict::Failed { nacks_missing } => self.fail(now, probe, nacks_missing),
            Verdict::Refused => {}
        }
    }

    fn fail(&mut self, now: Timestamp, probe: &Probe, nacks_missing: u32) {
        if self.saboteur.does(Sabotage::FailedProbesIgnored) {
            return;
        }
        self.stats.probes_failed += 1;
        self.awareness.worsen(nacks_missing.saturating_add(1));
        // A newer record than the one probed: its owner has spoken since.
        let held = self.table.version(probe.target);
        if !held.is_about(&probe.version) {
            return;
        }
        let by = self.local.id().clone();
        if held.state == MemberState::Alive {
            self.stats.suspicions_raised += 1;
            self.suspect(now, probe.target, by);
            self.tell(probe.target);
        } else {
            self.confirm(probe.target, by.as_str());
        }
    }

    fn stretched(&self, base: Duration) -> Duration {
        match self.saboteur.does(Sabotage::ProbesUnstretched) {
            true => base,
            false => self.awareness.stretch(base),
        }
    }

    fn improve(&mut self) {
        if !self.saboteur.does(Sabotage::LocalHealthNeverLowered) {
            self.awareness.improve();
        }
    }

    fn note_udp(&mut self, index: MemberIndex, unreachable: bool) {
        let both_udp = self.local.record().udp && self.table.member(index).record().udp;
        if both_udp && self.table.set_udp_unreachable(index, unreachable) {
            let id = self.table.member(index).id().clone();
            self.report(if unreachable {
                Event::UdpUnreachable(id)
            } else {
                Event::UdpReachable(id)
            });
        }
    }
}
