//! The gossip keys of the cluster: how they spread, when they take over, and when new ones are made (`docs/PROTOCOL.md`,
//! "Keys").

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use rand::seq::IteratorRandom;

use super::links::Job;
use super::{Membership, Output};
use crate::admission::LinkId;
use crate::member::MemberId;
use crate::sabotage::Sabotage;
use crate::time::Timestamp;
use crate::wire::datagram::KeyId;
use crate::wire::frame::{Frame, WireKeyring};

/// How many members hear of a new key at once.
const KEY_NEWS_FANOUT: usize = 3;
/// How often a member is asked for a key that it has and we do not.
const UNKNOWN_KEY_INTERVAL: Duration = Duration::from_secs(5);

/// What is known of the keys of others.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// Which members have shown our newest key as theirs, while it is not active.
    shown: BTreeSet<MemberId>,
    /// The key that `shown` is about.
    newest: KeyId,
    /// Members that have a key unknown here, and when they were asked for it.
    asked: BTreeMap<MemberId, Timestamp>,
    /// When the schedule is looked at again, as it was not ours to keep.
    postponed_to: Timestamp,
}

/// How the gossip keys stand at one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyStatus {
    /// The epoch of the key that datagrams are tagged with.
    pub active_epoch: u32,
    /// The epoch of the newest key held.
    pub newest_epoch: u32,
    /// How many keys are held.
    pub held: usize,
}

/// Why no new gossip key was made. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RotateError {
    /// The node does not run, or not yet, or is leaving.
    #[error("the node does not take part in a cluster")]
    NotRunning,
    /// Without TLS there are no gossip keys.
    #[error("without TLS there are no gossip keys")]
    Plaintext,
    /// The epochs are used up: the cluster has to be restarted.
    #[error("no epoch is left for another gossip key")]
    UsedUp,
}

// Commands and views.
impl Membership {
    /// Makes a new gossip key and spreads it. It takes over once all members hold it, and the old ones are retired after
    /// that. Any member may; what several make at once comes together.
    ///
    /// # Errors
    ///
    /// [`RotateError`]; nothing was changed.
    pub fn rotate_keys(&mut self, now: Timestamp) -> Result<KeyStatus, RotateError> {
        if !self.is_tls() {
            return Err(RotateError::Plaintext);
        }
        if self.stage != super::Stage::Running {
            return Err(RotateError::NotRunning);
        }
        let fresh = self.secrets.gossip_key();
        self.keyring
            .rotate(now, &fresh)
            .ok_or(RotateError::UsedUp)?;
        self.on_new_keys(now);
        self.settle(now);
        Ok(self.key_status())
    }

    /// How the gossip keys stand; with TLS only.
    #[must_use]
    pub fn gossip_keys(&self) -> Option<KeyStatus> {
        self.is_tls().then(|| self.key_status())
    }

    /// What tells the gossip keys apart that are held, in ascending order; none without TLS.
    #[cfg(feature = "daemon")]
    pub(crate) fn gossip_key_ids(&self) -> Vec<u64> {
        let mut ids = match self.is_tls() {
            true => self.keyring.key_ids(),
            false => Vec::new(),
        };
        ids.sort_unstable();
        ids
    }

    fn key_status(&self) -> KeyStatus {
        let (active_epoch, newest_epoch) = self.keyring.epochs();
        KeyStatus {
            active_epoch,
            newest_epoch,
            held: self.keyring.key_ids().len(),
        }
    }
}

// Schedule.
impl Membership {
    /// Does what is due.
    pub(super) fn advance_keys(&mut self, now: Timestamp) {
        if self.keyring.handle_timeout(now) {
            self.admission.set_key_ids(self.keyring.key_ids());
        }
        if self.next_rotation().is_none_or(|at| at > now) {
            return;
        }
        // The others have the same schedule: one of them keeps it, or the next one does should it be gone.
        match self.is_lowest() && self.swim.live_len() > 1 {
            true => drop(self.rotate_keys(now)),
            false => self.keys.postponed_to = now + self.options.params.sync_interval,
        }
    }

    /// When the schedule asks for a new key, or to look again.
    pub(super) fn next_rotation(&self) -> Option<Timestamp> {
        let interval = self.options.key_rotation.filter(|_| self.is_tls())?;
        let due = self.keyring.newest_since() + interval;
        Some(due.max(self.keys.postponed_to))
    }

    /// Whether no live member's id is below ours.
    fn is_lowest(&self) -> bool {
        let mut live = self.swim.members().filter(|held| held.state().is_live());
        live.all(|held| *held.id() > self.options.local.id)
    }
}

// What passes between members.
impl Membership {
    /// Sends our keys to a member whose certificates are still valid.
    pub(super) fn send_keys(&mut self, now: Timestamp, link: LinkId, to: &MemberId) {
        let introduced = self.roster.get(to.as_str());
        if introduced.is_none_or(|introduced| now <= introduced.not_after()) {
            let ring = self.keyring.hand_out();
            self.outbox.push_back(Output::Send(link, Frame::Keys(ring)));
        }
    }

    pub(super) fn on_keys(
        &mut self,
        now: Timestamp,
        (link, from): (LinkId, &MemberId),
        ring: &WireKeyring,
    ) {
        if !self.is_tls() || self.does(Sabotage::KeysIgnored) {
            return;
        }
        self.take_keys(now, ring);
        if self.keyring.has_more_than(ring) {
            self.send_keys(now, link, from);
        }
    }

    /// Takes in what another member holds.
    pub(super) fn take_keys(&mut self, now: Timestamp, ring: &WireKeyring) {
        let is_news = self.keyring.install(now, ring);
        self.admission.set_key_ids(self.keyring.key_ids());
        if is_news {
            self.on_new_keys(now);
        }
    }

    /// Keys that were not held before: the others should hear of them without waiting for the next push-pull.
    pub(super) fn on_new_keys(&mut self, now: Timestamp) {
        self.admission.set_key_ids(self.keyring.key_ids());
        for id in self.random_live(KEY_NEWS_FANOUT) {
            self.with_link(now, &id, Job::PushPull);
        }
    }

    /// A member has shown, in a datagram that is its own, which key is the newest it holds. Ours takes over once all have
    /// shown it; of one that we lack we ask.
    pub(super) fn note_newest(&mut self, now: Timestamp, sender: &str, newest: KeyId) {
        let ours = self.keyring.newest();
        if newest != ours {
            if !self.keyring.holds(newest) {
                self.ask_for_keys(now, sender);
            }
            return;
        }
        if self.keyring.active() == ours {
            return;
        }
        let keys = &mut self.keys;
        if keys.newest != ours {
            keys.newest = ours;
            keys.shown.clear();
        }
        let Some(id) = self.swim.member(sender).map(|held| held.id().clone()) else {
            return;
        };
        if keys.shown.insert(id) && keys.shown.len() + 1 >= self.swim.live_len() {
            let mut live = self.swim.members().filter(|held| held.state().is_live());
            if live.all(|held| keys.shown.contains(held.id())) {
                self.keyring.activate(now);
            }
        }
    }

    /// A datagram under a key we do not hold: if it came from a member's address, that member may know a key that we should.
    pub(super) fn on_unknown_key(&mut self, now: Timestamp, from: SocketAddr, sender: &str) {
        let member = self.swim.member(sender);
        if member.is_some_and(|member| member.record().addr == from) {
            self.ask_for_keys(now, sender);
        }
    }

    /// Starts a push-pull with a live member that has a key unknown here, not too often.
    fn ask_for_keys(&mut self, now: Timestamp, of: &str) {
        let Some(member) = self.swim.member(of) else {
            return;
        };
        if !member.state().is_live() {
            return;
        }
        let id = member.id().clone();
        let asked = &mut self.keys.asked;
        asked.retain(|_, at| now.saturating_since(*at) < UNKNOWN_KEY_INTERVAL);
        if !asked.contains_key(&id) {
            asked.insert(id.clone(), now);
            self.with_link(now, &id, Job::PushPull);
        }
    }

    /// Distinct live members, drawn at random.
    pub(super) fn random_live(&mut self, count: usize) -> Vec<MemberId> {
        let live = self
            .swim
            .members()
            .filter(|member| member.state().is_live());
        let drawn = live.sample(&mut self.rng, count);
        drawn
            .into_iter()
            .map(|member| member.id().clone())
            .collect()
    }
}
