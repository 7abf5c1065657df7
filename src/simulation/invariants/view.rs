//! Checked where a view changes.

use super::super::network::Network;
use super::super::node::NodeId;
use super::Invariant;
use super::violation::Broken;
use crate::member::{Generation, Incarnation, MemberRecord, MemberVersion};

/// The highest life and version that each node has given itself.
#[derive(Debug, Default)]
pub(in super::super) struct Issued(Vec<Option<(Generation, Incarnation)>>);

impl Issued {
    fn raise(&mut self, node: NodeId, issued: (Generation, Incarnation)) {
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

impl Network {
    pub(in super::super) fn note_issued(&mut self, node: NodeId) {
        if let Some(membership) = self.membership(node) {
            let version = membership.local().version();
            let issued = (version.generation, version.incarnation);
            self.issued.raise(node, issued);
        }
    }

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

    pub(in super::super) fn check_change(
        &mut self,
        node: NodeId,
        subject: NodeId,
        version: &MemberVersion,
    ) {
        let checks = [
            nobody_reports_itself(node, subject),
            self.only_the_owner_raises_its_own(subject, version),
            self.versions_never_fall(node, subject, version),
        ];
        for broken in checks.into_iter().filter_map(Result::err) {
            self.broken(node, Some(subject), broken);
        }
    }

    /// Every life and version seen anywhere was issued by the member itself.
    fn only_the_owner_raises_its_own(
        &self,
        subject: NodeId,
        version: &MemberVersion,
    ) -> Result<(), Broken> {
        let issued = self.issued.get(subject);
        if issued.is_some_and(|issued| issued >= (version.generation, version.incarnation)) {
            return Ok(());
        }
        let issued = issued.map_or_else(
            || "nothing, since it never started".to_owned(),
            |(generation, incarnation)| format!("at most {generation}.{incarnation}, its own"),
        );
        Err(Invariant::OnlyTheOwnerRaisesItsOwn.broken(issued, version.to_string()))
    }

    /// What a node holds of a member only ever gives way to what supersedes it. A tombstone that has expired holds nothing.
    fn versions_never_fall(
        &self,
        node: NodeId,
        subject: NodeId,
        version: &MemberVersion,
    ) -> Result<(), Broken> {
        let observer = &self.nodes[node.index()];
        let process = observer.process.as_ref();
        let Some(held) = process.and_then(|process| process.view.get(subject)) else {
            return Ok(());
        };
        let ttl = observer.options.params.tombstone_ttl;
        let is_expired = !held.version.state.is_live() && held.since + ttl <= self.time_at(node);
        if is_expired || version.supersedes(&held.version) {
            return Ok(());
        }
        let expected = format!("something above {}", held.version);
        Err(Invariant::VersionsNeverFall.broken(expected, version.to_string()))
    }

    /// What a node has told its application adds up to what it holds. One node at a time, since a table is large.
    pub(in super::super) fn audit_one_node(&mut self) {
        let Ok(count) = u64::try_from(self.nodes.len()) else {
            return;
        };
        if count == 0 {
            return;
        }
        let node = NodeId(u32::try_from(self.audits % count).expect("an index of a node"));
        self.audits += 1;
        if let Err((subject, broken)) = self.events_add_up_to_the_view(node) {
            self.broken(node, subject, broken);
        }
    }

    fn events_add_up_to_the_view(&self, node: NodeId) -> Result<(), (Option<NodeId>, Broken)> {
        let Some(process) = &self.nodes[node.index()].process else {
            return Ok(());
        };
        let invariant = Invariant::EventsAddUpToTheView;
        let mut live = 0;
        for member in process.membership.members() {
            let version = member.version();
            let subject = self.ids.get(member.id().as_str()).copied();
            if subject == Some(node) {
                continue;
            }
            live += usize::from(version.state.is_live());
            let told = subject.and_then(|subject| process.view.get(subject));
            if told.is_none_or(|told| told.version != version) {
                let told =
                    told.map_or_else(|| "nothing".to_owned(), |told| told.version.to_string());
                return Err((subject, invariant.broken(version.to_string(), told)));
            }
        }
        let told = process.view.live();
        match live == told {
            true => Ok(()),
            false => Err((
                None,
                invariant.broken(format!("{live} live members"), format!("{told} told of")),
            )),
        }
    }
}

fn nobody_reports_itself(node: NodeId, subject: NodeId) -> Result<(), Broken> {
    match node == subject {
        true => Err(Invariant::NobodyTalksToItself.broken("news of others", "news of itself")),
        false => Ok(()),
    }
}
