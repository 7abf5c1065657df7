//! What [`Swim`] sends: every body is composed here.
//!
//! A body to a member that is suspect, dead or gone begins with what is held against it, so that it hears of it first and
//! from whoever speaks to it next (Lifeguard's buddy system, arXiv:1707.00788, section IV-C). Then comes news, as far as
//! there is room.

use std::sync::Arc;

use super::dissemination::{Room, transmissions_max};
use super::table::MemberIndex;
use super::{Action, BROADCAST_FANOUT, BROADCAST_MEMBERS_MAX, Swim};
use crate::member::MemberState;
use crate::sabotage::Sabotage;
use crate::time::Timestamp;
use crate::wire::datagram;
use crate::wire::message::{Message, encode_message};
use crate::wire::update::{AccusationRef, Verdict, encode_accusation};

/// The most datagrams one gossip tick sends to one member.
pub const GOSSIP_DATAGRAMS_MAX: usize = 8;
/// The most members a gossip tick tells first what is held against them.
pub(super) const UNTOLD_MAX: usize = 8;
/// The most members a gossip tick tells what push-pulls say against them.
pub const HEARSAY_MAX: usize = 64;

impl Swim {
    /// Sends a message, with news behind it.
    pub(super) fn send(&mut self, to: MemberIndex, message: &Message<'_>) {
        let mut bodies = vec![self.begin(to, message)];
        let room = self.room(to, 1);
        if !self.keeps_news() {
            self.queue.fill(&mut bodies, &[], room);
        }
        let by_frame = *message == Message::Gossip && self.is_deaf(to);
        self.hand_out(to, bodies, by_frame);
    }

    /// Sends news by connection: to a member that has just spoken over one.
    pub(super) fn send_by_frame(&mut self, to: MemberIndex) {
        let body = self.begin(to, &Message::Gossip);
        self.hand_out(to, vec![body], true);
    }

    /// Sends an update at once, without waiting for a gossip tick: to all members of a small cluster, to some of a larger.
    /// It does not count as a transmission of the queued update.
    pub(super) fn broadcast(&mut self, update: &[u8]) {
        let targets = if self.live_len() <= BROADCAST_MEMBERS_MAX {
            self.order.all().to_vec()
        } else {
            self.order.sample(&mut self.rng, BROADCAST_FANOUT)
        };
        for to in targets {
            let mut body = self.begin(to, &Message::Gossip);
            body.extend_from_slice(update);
            let by_frame = self.is_deaf(to);
            self.hand_out(to, vec![body], by_frame);
        }
    }

    /// Says goodbye to one member. Its ack says that it has heard.
    pub(super) fn ping_left(&mut self, to: MemberIndex, probe: u64) {
        let view = self.view_hash();
        let mut body = self.begin(to, &Message::Ping { probe, view });
        body.extend_from_slice(self.local.encoded());
        let by_frame = self.is_deaf(to);
        self.hand_out(to, vec![body], by_frame);
    }

    /// One gossip tick: news to some random members, and what is held against them to those who have not heard it.
    pub(super) fn gossip(&mut self, now: Timestamp) {
        self.gossip_at = now + self.params.gossip_interval;
        let mut untold = std::mem::take(&mut self.untold);
        untold.extend(self.hearsay.keys().take(HEARSAY_MAX));
        for to in untold {
            self.send(to, &Message::Gossip);
            self.hearsay.remove(&to);
        }
        let fanout = self.params.gossip_fanout.get();
        let targets = self.order.sample(&mut self.rng, fanout);
        let mut left_over = false;
        for to in targets {
            left_over |= self.gossip_to(to);
        }
        if left_over {
            self.exchanges
                .hasten(now + self.params.effective_probe_interval());
        }
    }

    /// Has the next gossip tick tell a member first what is held against it.
    pub(super) fn tell(&mut self, index: MemberIndex) {
        if self.params.notify_suspect {
            self.send(index, &Message::Gossip);
        } else if self.params.buddy
            && self.untold.len() < UNTOLD_MAX
            && !self.untold.contains(&index)
        {
            self.untold.push(index);
        }
    }

    /// What is held against a member, encoded.
    pub(super) fn charge(&self, index: MemberIndex) -> Option<Arc<[u8]>> {
        let member = self.table.member(index);
        let local = self.local.id();
        match member.state() {
            MemberState::Alive => {
                let by = self.hearsay.get(&index)?;
                Some(self.accusation(index, Verdict::Suspect, by.as_str()))
            }
            MemberState::Suspect => {
                let accuser = self.suspicions.accuser(index).unwrap_or(local);
                Some(self.accusation(index, Verdict::Suspect, accuser.as_str()))
            }
            MemberState::Dead => Some(self.accusation(index, Verdict::Dead, local.as_str())),
            MemberState::Left => Some(Arc::clone(member.encoded())),
        }
    }

    /// An accusation of the version held, encoded.
    pub(super) fn accusation(
        &self,
        index: MemberIndex,
        verdict: Verdict,
        accuser: &str,
    ) -> Arc<[u8]> {
        let record = self.table.member(index).record();
        let encoded = encode_accusation(&AccusationRef {
            id: record.id.as_str(),
            generation: record.generation,
            incarnation: record.incarnation,
            verdict,
            accuser,
        });
        self.table.accusation(&encoded)
    }

    /// Sends one member the news; says whether there is more than went out.
    fn gossip_to(&mut self, to: MemberIndex) -> bool {
        let mut start = Vec::new();
        encode_message(&Message::Gossip, &mut start);
        let first = self.begin(to, &Message::Gossip);
        let mut bodies = Vec::new();
        if first.len() > start.len() {
            bodies.push(first);
        }
        let room = self.room(to, GOSSIP_DATAGRAMS_MAX);
        let left_over = self.queue.fill(&mut bodies, &start, room);
        let by_frame = self.is_deaf(to);
        self.hand_out(to, bodies, by_frame);
        left_over
    }

    /// A message, and what is held against the recipient.
    fn begin(&self, to: MemberIndex, message: &Message<'_>) -> Vec<u8> {
        let mut body = Vec::with_capacity(64);
        encode_message(message, &mut body);
        let unspoken = !self.params.buddy && self.table.member(to).state() == MemberState::Suspect;
        if !unspoken && let Some(charge) = self.charge(to) {
            body.extend_from_slice(&charge);
        }
        body
    }

    fn room(&self, to: MemberIndex, bodies_max: usize) -> Room {
        let (local, to) = (self.local.id(), self.table.member(to).id());
        let overhead = datagram::overhead(local.as_str(), to.as_str(), self.params.tagged);
        let len_max = match self.saboteur.does(Sabotage::DatagramLimitIgnored) {
            true => usize::MAX,
            false => self.params.datagram_len_max,
        };
        let transmissions_max = match self.saboteur.does(Sabotage::RetransmitLimitIgnored) {
            true => u32::MAX,
            false => transmissions_max(self.live_len()),
        };
        Room {
            bodies_max,
            len_max: len_max.saturating_sub(overhead),
            transmissions_max,
        }
    }

    /// Whether datagrams do not reach a member. Probes go out as datagrams all the same, to see whether they do again.
    fn is_deaf(&self, index: MemberIndex) -> bool {
        self.table.member(index).is_udp_unreachable()
    }

    fn hand_out(&mut self, to: MemberIndex, bodies: Vec<Vec<u8>>, by_frame: bool) {
        for body in bodies {
            self.stats.sends += 1;
            let to = self.table.member(to).id().clone();
            self.actions.push_back(if by_frame {
                Action::SendFrame { to, body }
            } else {
                Action::Send { to, body }
            });
        }
    }
}
