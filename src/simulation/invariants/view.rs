//! Checked where a view changes.

use super::super::network::Network;
use super::super::node::{Held, NodeId};
use super::super::transcript::Cause;
use super::Invariant;
use super::violation::Broken;
use crate::member::{Generation, Incarnation, MemberRecord, MemberState, MemberVersion, Standing};
use crate::time::Timestamp;

/// The highest life and version that each node has given itself.
#[derive(Debug, Default)]
pub(in super::super) struct Issued(Vec<Option<(Generation, Incarnation)>>);

impl Issued {
    pub(super) fn raise(&mut self, node: NodeId, issued: (Generation, Incarnation)) {
        if self.0.len() <= node.index() {
            self.0.resize(node.index() + 1, None);
        }
        let held = &mut self.0[node.index()];
        *held = Some(held.map_or(issued, |held| held.max(issued)));
    }

    fn get(&self, node: NodeId) -> Option<(Generation, Incarnation)> {
        self.0.get(node.index()).copied().flatten()
    }
}

/// A change of one view, before it is taken over.
#[derive(Debug)]
pub(in super::super) struct News<'a> {
    pub(in super::super) observer: NodeId,
    pub(in super::super) subject: NodeId,
    pub(in super::super) record: &'a MemberRecord,
    pub(in super::super) to: MemberVersion,
    pub(in super::super) cause: Cause,
}

impl Network {
    /// The node a record is about; a member that was never added is a violation.
    pub(in super::super) fn known_subject(
        &mut self,
        node: NodeId,
        record: &MemberRecord,
    ) -> Option<NodeId> {
        let subject = self.ids.get(record.id.as_str()).copied();
        if subject.is_none() {
            let broken = Invariant::OnlyTheOwnerRaisesItsOwn
                .broken("only members that exist", format!("member {}", record.id));
            self.broken(node, None, broken);
        }
        subject
    }

    pub(in super::super) fn check_news(&mut self, news: &News<'_>) {
        let held = self.held(news);
        let own_time = self.time_at(news.observer);
        let checks = [
            nobody_reports_itself(news),
            self.only_the_owner_raises_its_own(news),
            self.members_are_admissible(news),
            the_left_are_not_reported_dead(news),
            held.map_or(Ok(()), |held| match held.version.state.is_live() {
                true => versions_never_fall(news, held),
                false => self.no_member_returns_from_the_dead(news, held, own_time),
            }),
            self.every_verdict_has_a_cause(news, held),
            self.suspicions_last_between_floor_and_ceiling(news, held, own_time),
        ];
        for broken in checks.into_iter().filter_map(Result::err) {
            self.broken(news.observer, Some(news.subject), broken);
        }
        if let Some(process) = &mut self.nodes[news.observer.index()].process
            && news.cause == Cause::Joined
        {
            process.watch.turns.enter(news.subject);
            process.watch.forgotten.remove(&news.subject);
        }
    }

    fn held(&self, news: &News<'_>) -> Option<Held> {
        let process = self.nodes[news.observer.index()].process.as_ref()?;
        process.view.get(news.subject, &self.versions)
    }

    /// Every life and incarnation seen anywhere was issued by the member itself.
    fn only_the_owner_raises_its_own(&self, news: &News<'_>) -> Result<(), Broken> {
        let issued = self.issued.get(news.subject);
        if issued.is_some_and(|issued| issued >= (news.to.generation, news.to.incarnation)) {
            return Ok(());
        }
        let issued = issued.map_or_else(
            || "nothing, since it never started".to_owned(),
            |(generation, incarnation)| format!("at most {generation}.{incarnation}, its own"),
        );
        Err(Invariant::OnlyTheOwnerRaisesItsOwn.broken(issued, news.to.to_string()))
    }

    /// Members are of one cluster name and one security mode.
    fn members_are_admissible(&self, news: &News<'_>) -> Result<(), Broken> {
        match news.cause != Cause::Joined || self.are_compatible(news.observer, news.subject) {
            true => Ok(()),
            false => Err(Invariant::MembersAreAdmissible.broken(
                "members of one cluster name and one security mode",
                "a member of another",
            )),
        }
    }

    /// A member held dead or left is live again only in a higher incarnation or a later life. Once its tombstone has expired, or
    /// an operator had it dropped, an older version comes back only on the word of another member.
    fn no_member_returns_from_the_dead(
        &self,
        news: &News<'_>,
        held: Held,
        own_time: Timestamp,
    ) -> Result<(), Broken> {
        let observer = &self.nodes[news.observer.index()];
        let ttl = observer.options.params.tombstone_ttl;
        let process = observer.process.as_ref();
        let is_dropped =
            process.is_some_and(|process| process.watch.forgotten.contains(&news.subject));
        let is_forgotten = (is_dropped || held.since + ttl <= own_time) && self.is_told();
        match news.to.supersedes(&held.version) || is_forgotten {
            true => Ok(()),
            false => Err(Invariant::NoMemberReturnsFromTheDead.broken(
                format!("something above {}", held.version),
                news.to.to_string(),
            )),
        }
    }

    /// A suspicion follows a probe that failed in the same step or the word of another; a death follows a suspicion, or the word
    /// of another; both are about a member that is held live.
    fn every_verdict_has_a_cause(&self, news: &News<'_>, held: Option<Held>) -> Result<(), Broken> {
        let Some(process) = &self.nodes[news.observer.index()].process else {
            return Ok(());
        };
        let state = held.map(|held| held.version.state);
        let failed = process.membership.swim().stats().probes_failed;
        let (is_caused, expected) = match news.cause {
            Cause::Accused(_) => (self.is_told(), "somebody's word"),
            Cause::Condemned(_) => (self.is_told(), "somebody's word"),
            Cause::ProbeFailed => (failed > process.watch.stats.probes_failed, "a failed probe"),
            Cause::SuspicionExpired => (state == Some(MemberState::Suspect), "a suspicion"),
            Cause::Joined | Cause::Left | Cause::Refuted | Cause::Replaced | Cause::Updated => {
                return Ok(());
            }
        };
        let invariant = Invariant::EveryVerdictHasACause;
        if !state.is_some_and(MemberState::is_live) {
            return Err(invariant.broken("a verdict on a live member", news.to.to_string()));
        }
        match is_caused {
            true => Ok(()),
            false => Err(invariant.broken(expected, format!("{} without it", news.to))),
        }
    }

    /// A suspicion that runs out has lasted at least its floor and at most its ceiling.
    fn suspicions_last_between_floor_and_ceiling(
        &self,
        news: &News<'_>,
        held: Option<Held>,
        own_time: Timestamp,
    ) -> Result<(), Broken> {
        let observer = &self.nodes[news.observer.index()];
        let (Some(held), Some(process)) = (held, &observer.process) else {
            return Ok(());
        };
        if news.cause != Cause::SuspicionExpired {
            return Ok(());
        }
        let (params, lasted) = (
            &observer.options.params,
            own_time.saturating_since(held.since),
        );
        let (floor, ceiling) = (params.suspicion_floor, params.failure_timeout);
        // Deadlines move by as much as a node comes late.
        let is_late = process.watch.late_at >= held.since;
        match lasted >= floor && (lasted <= ceiling || is_late) {
            true => Ok(()),
            false => Err(Invariant::SuspicionsLastBetweenFloorAndCeiling
                .broken(format!("{floor:?} to {ceiling:?}"), format!("{lasted:?}"))),
        }
    }

    /// Whether the node whose turn it is acts on the word of another.
    pub(in super::super) fn is_told(&self) -> bool {
        self.teller.is_some() || self.is_told_from_beyond
    }

    /// Whether two nodes could be members of one cluster, as far as their settings go.
    pub(in super::super) fn are_compatible(&self, one: NodeId, other: NodeId) -> bool {
        let (one, other) = (&self.nodes[one.index()], &self.nodes[other.index()]);
        one.options.cluster == other.options.cluster
            && one.credentials.is_some() == other.credentials.is_some()
    }
}

/// What a node holds of a member that it holds live only gives way to what supersedes it.
fn versions_never_fall(news: &News<'_>, held: Held) -> Result<(), Broken> {
    match news.to.supersedes(&held.version) {
        true => Ok(()),
        false => Err(Invariant::VersionsNeverFall.broken(
            format!("something above {}", held.version),
            news.to.to_string(),
        )),
    }
}

fn nobody_reports_itself(news: &News<'_>) -> Result<(), Broken> {
    match news.observer == news.subject {
        true => Err(Invariant::NobodyTalksToItself.broken("news of others", "news of itself")),
        false => Ok(()),
    }
}

/// A member that has said goodbye is not reported dead.
fn the_left_are_not_reported_dead(news: &News<'_>) -> Result<(), Broken> {
    match news.to.state == MemberState::Dead && news.record.standing == Standing::Left {
        true => Err(Invariant::TheLeftAreNotReportedDead.broken("left", "dead")),
        false => Ok(()),
    }
}
