//! What must hold after every step, one function each, and what becomes known through [`Event`]s.

use std::fmt;
use std::net::SocketAddr;

use super::network::Network;
use super::node::{Held, NodeId};
use super::transcript::Change;
use crate::member::{Generation, Incarnation, MemberId, MemberRecord, MemberState, MemberVersion};
use crate::membership::Event;

/// A promise that a run has broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The seed that shows it again.
    pub seed: u64,
    /// When, since the start of the run.
    pub after: std::time::Duration,
    /// At whom.
    pub node: MemberId,
    /// What, in words.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            after,
            node,
            what,
        } = self;
        write!(f, "seed {seed}, after {after:?}, at {node}: {what}")
    }
}

impl std::error::Error for Violation {}

/// The highest life and version that each node has given itself.
#[derive(Debug, Default)]
pub(super) struct Issued(Vec<Option<(Generation, Incarnation)>>);

impl Issued {
    fn raise(&mut self, node: NodeId, issued: (Generation, Incarnation)) {
        if self.0.len() <= node.index() {
            self.0.resize(node.index() + 1, None);
        }
        let held = &mut self.0[node.index()];
        *held = Some(held.map_or(issued, |held| held.max(issued)));
    }

    fn covers(&self, node: NodeId, version: &MemberVersion) -> bool {
        let issued = self.0.get(node.index()).copied().flatten();
        issued.is_some_and(|issued| issued >= (version.generation, version.incarnation))
    }
}

// What becomes known.
impl Network {
    pub(super) fn note_issued(&mut self, node: NodeId) {
        if let Some(membership) = self.membership(node) {
            let version = membership.local().version();
            let issued = (version.generation, version.incarnation);
            self.issued.raise(node, issued);
        }
    }

    pub(super) fn on_event(&mut self, node: NodeId, event: Event) {
        match event {
            Event::MemberJoined(record)
            | Event::MemberRefuted(record)
            | Event::MemberUpdated(record) => {
                self.on_change(node, &record, MemberState::Alive, None);
            }
            Event::MemberSuspected { record, by } => {
                self.on_change(node, &record, MemberState::Suspect, Some(&by));
            }
            Event::MemberDied { record, by } => {
                self.on_change(node, &record, MemberState::Dead, Some(&by));
            }
            Event::MemberLeft(record) => self.on_change(node, &record, MemberState::Left, None),
            Event::LeaveFinished { .. } | Event::Stopped { .. } => {
                self.remark(Some(node), &format!("{event:?}"));
                if let Some(process) = &mut self.nodes[node.index()].process {
                    process.is_ending = true;
                }
            }
            other => self.remark(Some(node), &format!("{other:?}")),
        }
    }
}

impl Network {
    /// A node has come to see a member in `state`, on the word of `by`.
    fn on_change(
        &mut self,
        node: NodeId,
        record: &MemberRecord,
        state: MemberState,
        by: Option<&MemberId>,
    ) {
        let Some(&subject) = self.ids.get(record.id.as_str()) else {
            return self.broken(
                node,
                format!("knows member {}, which was never added", record.id),
            );
        };
        let version = MemberVersion {
            generation: record.generation,
            incarnation: record.incarnation,
            state,
        };
        if let Err(what) = self.check_change(node, subject, &version) {
            return self.broken(node, format!("{} {version}: {what}", record.id));
        }
        let by = by.and_then(|by| self.ids.get(by.as_str()).copied());
        self.note(node, subject, version, by);
    }

    fn check_change(
        &self,
        node: NodeId,
        subject: NodeId,
        version: &MemberVersion,
    ) -> Result<(), String> {
        nobody_reports_itself(node, subject)?;
        self.only_the_owner_raises_its_own(subject, version)?;
        self.versions_never_fall(node, subject, version)
    }

    fn note(
        &mut self,
        observer: NodeId,
        subject: NodeId,
        version: MemberVersion,
        by: Option<NodeId>,
    ) {
        let at = self.now;
        let Some(process) = &mut self.nodes[observer.index()].process else {
            return;
        };
        let from = process.view.get(subject).map(|held| held.version.state);
        process.view.set(subject, Held { version, since: at });
        self.transcript.change(Change {
            at,
            observer,
            subject,
            from,
            to: version,
            by,
        });
    }

    /// Every life and version seen anywhere was issued by the member itself.
    fn only_the_owner_raises_its_own(
        &self,
        subject: NodeId,
        version: &MemberVersion,
    ) -> Result<(), String> {
        match self.issued.covers(subject, version) {
            true => Ok(()),
            false => Err("it never gave itself this version".to_owned()),
        }
    }

    /// What a node holds of a member only ever gives way to what supersedes it. A tombstone that has expired holds nothing.
    fn versions_never_fall(
        &self,
        node: NodeId,
        subject: NodeId,
        version: &MemberVersion,
    ) -> Result<(), String> {
        let held_node = &self.nodes[node.index()];
        let Some(held) = held_node
            .process
            .as_ref()
            .and_then(|process| process.view.get(subject))
        else {
            return Ok(());
        };
        let ttl = held_node.options.params.tombstone_ttl;
        let is_expired = !held.version.state.is_live() && held.since + ttl <= self.now;
        match is_expired || version.supersedes(&held.version) {
            true => Ok(()),
            false => Err(format!("it was held {} before", held.version)),
        }
    }

    /// Datagrams are within the agreed length and go to members only: never to a stranger, never to oneself.
    pub(super) fn check_datagram(&mut self, from: NodeId, to: SocketAddr, payload: &[u8]) {
        let len_max = self.nodes[from.index()].options.params.datagram_len_max;
        if payload.len() > len_max {
            self.broken(
                from,
                format!("a datagram of {} bytes, more than {len_max}", payload.len()),
            );
        }
        match self.addrs.get(&to) {
            Some(&recipient) if recipient != from => self.recipients.push(recipient),
            Some(_) => self.broken(from, "a datagram to itself".to_owned()),
            None => self.broken(from, format!("a datagram to {to}, where nobody is")),
        }
    }

    /// A wakeup that lies in the past would make every call a late one.
    pub(super) fn no_wakeup_lies_in_the_past(&mut self, node: NodeId) {
        let process = self.nodes[node.index()].process.as_ref();
        if let Some(at) = process.and_then(|process| process.wakeup)
            && at < self.now
        {
            let late = self.now.saturating_since(at);
            self.broken(node, format!("asks to be woken {late:?} ago"));
        }
    }

    /// A machine that asks to be woken at once, over and over, would keep a processor busy for nothing.
    pub(super) fn nobody_is_woken_for_nothing(&mut self, node: NodeId) {
        let Some(process) = &mut self.nodes[node.index()].process else {
            return;
        };
        let (at, times) = process.wakes;
        process.wakes = (self.now, if at == self.now { times + 1 } else { 1 });
        if process.wakes.1 > WAKES_MAX {
            self.broken(
                node,
                format!("was woken {WAKES_MAX} times in one microsecond"),
            );
        }
    }

    /// Checked once the node has told all that it knows: whoever was sent a datagram is a member it has admitted.
    pub(super) fn datagrams_go_to_members_only(&mut self, from: NodeId) {
        let recipients = std::mem::take(&mut self.recipients);
        let Some(process) = &self.nodes[from.index()].process else {
            return;
        };
        let is_stranger = |recipient: &NodeId| process.view.get(*recipient).is_none();
        if let Some(stranger) = recipients.iter().copied().find(is_stranger) {
            let name = self.nodes[stranger.index()].name();
            self.broken(
                from,
                format!("a datagram to {name}, which it never admitted"),
            );
        }
    }

    /// What a node has told its application adds up to what it holds. One node at a time, since a table is large.
    pub(super) fn audit_one_node(&mut self) {
        let Ok(count) = u64::try_from(self.nodes.len()) else {
            return;
        };
        if count == 0 {
            return;
        }
        let node = NodeId(u32::try_from(self.audits % count).expect("an index of a node"));
        self.audits += 1;
        if let Err(what) = self.events_add_up_to_the_view(node) {
            self.broken(node, what);
        }
    }

    fn events_add_up_to_the_view(&self, node: NodeId) -> Result<(), String> {
        let Some(process) = &self.nodes[node.index()].process else {
            return Ok(());
        };
        let mut live = 0;
        for member in process.membership.members() {
            let (id, version) = (member.id(), member.version());
            let subject = self.ids.get(id.as_str()).copied();
            let subject = subject.ok_or_else(|| format!("holds {id}, which was never added"))?;
            if subject == node {
                continue;
            }
            live += usize::from(version.state.is_live());
            let told = process.view.get(subject).map(|held| held.version);
            if told != Some(version) {
                let told = told.map_or_else(|| "nothing".to_owned(), |told| told.to_string());
                return Err(format!("holds {id} {version}, told {told}"));
            }
        }
        match live == process.view.live() {
            true => Ok(()),
            false => Err(format!(
                "holds {live} members live, told of {}",
                process.view.live()
            )),
        }
    }

    fn broken(&mut self, node: NodeId, what: String) {
        self.violation.get_or_insert_with(|| Violation {
            seed: self.seed,
            after: self.now.saturating_since(self.options.start),
            node: self.nodes[node.index()].options.local.id.clone(),
            what,
        });
    }
}

/// How often a node may be woken in one microsecond.
const WAKES_MAX: u32 = 1_000;

fn nobody_reports_itself(node: NodeId, subject: NodeId) -> Result<(), String> {
    match node == subject {
        true => Err("an event about itself".to_owned()),
        false => Ok(()),
    }
}
