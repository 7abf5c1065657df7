//! Getting the introductions that parked records wait for, and handing out those we have.

use std::sync::Arc;

use super::links::Job;
use super::parking::ASKED_MAX;
use super::parking::Parked;
use super::{Membership, Output, exchange};
use crate::admission::{LinkId, UNPROVEN_LEN_MAX};
use crate::member::{IntroductionTag, MemberId};
use crate::time::Timestamp;
use crate::wire::frame::{Frame, PageEntry};
use crate::wire::hello::{Introduction, IntroductionFields};
use crate::wire::refusal::Code;

// What is wanted.
impl Membership {
    /// Keeps a record until what vouches for it is here.
    pub(super) fn park(
        &mut self,
        now: Timestamp,
        tag: IntroductionTag,
        relayer: (MemberId, Option<LinkId>),
        entry: PageEntry,
    ) {
        let Ok(id) = entry.record().map(|record| record.to_record().id) else {
            return;
        };
        let is_parked = self.parking.park(now, id, tag, relayer, entry);
        self.records.parked += u64::from(is_parked);
    }

    /// Asks for what is wanted, as far as there are slots.
    pub(super) fn fetch(&mut self, now: Timestamp) {
        if self.parking.is_empty() {
            return;
        }
        self.parking.expire(now);
        let known: Vec<_> = self
            .parking
            .asking
            .idle()
            .filter(|tag| self.introduced(now, tag).is_some())
            .copied()
            .collect();
        for tag in known {
            self.release(now, &tag);
        }
        for link in self.parking.asking.links_to_ask() {
            if let Some(with) = self.far_end(link) {
                self.ask(now, link, &with);
            }
        }
        while let Some(peer) = self.parking.asking.next_peer(now) {
            let held = self.swim.member(peer.as_str());
            match held.is_some_and(|member| member.state().is_live()) {
                true => self.with_link(now, &peer, Job::Introductions),
                false => self.on_unreachable(now, &peer),
            }
        }
    }

    /// Who is at the other end of a connection, while we join too.
    fn far_end(&self, link: LinkId) -> Option<MemberId> {
        let far = self.links.far(link).map(|far| far.id.clone());
        far.or_else(|| self.joining.contact(link))
    }

    /// Asks a member for what is wanted, first for what it relayed.
    pub(super) fn ask(&mut self, now: Timestamp, link: LinkId, with: &MemberId) {
        let deadline = now + self.options.handshake_timeout;
        let tags = self.parking.asking.ask(now, link, with, deadline);
        if !tags.is_empty() {
            let frame = Frame::WantIntroductions(tags);
            self.outbox.push_back(Output::Send(link, frame));
        }
    }

    /// An answer, or part of one. `None` if nobody asked for it.
    pub(super) fn on_introductions(
        &mut self,
        now: Timestamp,
        link: LinkId,
        entries: Vec<Introduction>,
        last: bool,
    ) -> Option<()> {
        if !self.parking.asking.is_asking(link) {
            return None;
        }
        for introduction in entries {
            let is_short = introduction.encoded_len() <= UNPROVEN_LEN_MAX;
            let tag = introduction.hash().tag();
            if !is_short || !self.parking.asking.arrived(link, &tag) {
                return None;
            }
            self.records.fetched += 1;
            self.admission.verify_fetched(introduction);
        }
        match last {
            true => self.end_request(now, link),
            false => {
                let deadline = now + self.options.handshake_timeout;
                self.parking.asking.prolong(link, deadline);
            }
        }
        Some(())
    }

    /// What a request has left open is asked of somebody else.
    pub(super) fn end_request(&mut self, now: Timestamp, link: LinkId) {
        if self.parking.asking.is_asking(link) {
            let other = self.random_live(1).pop();
            let (_, open) = self.parking.asking.finish_request(link);
            self.ask_somebody_else(now, open, other.as_ref());
        }
    }

    /// A member that was to be asked cannot be reached.
    pub(super) fn on_unreachable(&mut self, now: Timestamp, peer: &MemberId) {
        if self.parking.asking.is_dialling(peer) {
            let mut others = self.random_live(2);
            others.retain(|other| other != peer);
            let open = self.parking.asking.unreachable(peer);
            self.ask_somebody_else(now, open, others.first());
        }
    }

    fn ask_somebody_else(
        &mut self,
        now: Timestamp,
        open: Vec<(IntroductionTag, u32)>,
        other: Option<&MemberId>,
    ) {
        let mut lost = Vec::new();
        for (tag, asked) in open {
            match other.filter(|_| asked < ASKED_MAX) {
                Some(peer) => self.parking.asking.ask_again(tag, peer.clone(), now),
                None => lost.push(tag),
            }
        }
        self.give_up(now, lost);
    }

    fn give_up(&mut self, now: Timestamp, lost: Vec<IntroductionTag>) {
        for tag in lost {
            let dropped = self.parking.release(&tag);
            self.finish_joins(now, &dropped);
        }
    }

    /// An introduction is verified, or not believed: one that we asked for, or one that is judged again.
    pub(super) fn on_judged(
        &mut self,
        now: Timestamp,
        tag: IntroductionTag,
        outcome: Result<(), Code>,
        fields: Option<IntroductionFields>,
    ) {
        if let (Err(code), Some(fields)) = (outcome, fields) {
            self.distrust(now, tag, code, fields);
        }
        if let Some(renewed) = self.admission.introduced(now, &tag)
            && self.roster.find(&tag).is_some()
        {
            self.roster.set(Arc::clone(renewed));
        }
        match outcome.is_ok() || self.rejected.get(&tag).is_some() {
            true => self.release(now, &tag),
            false => self.give_up(now, vec![tag]),
        }
    }

    /// Takes in what waited for an introduction.
    fn release(&mut self, now: Timestamp, tag: &IntroductionTag) {
        let released = self.parking.release(tag);
        for Parked {
            entry, from, via, ..
        } in &released
        {
            let answer = self.take_entry(now, (from.clone(), *via), entry.clone());
            if let (Some(link), Some(Some(answer))) = (*via, answer) {
                self.answer(link, vec![answer]);
            }
        }
        self.finish_joins(now, &released);
    }

    /// The contact's pages may have been waiting for nothing but this.
    fn finish_joins(&mut self, now: Timestamp, released: &[Parked]) {
        for link in released.iter().filter_map(|parked| parked.via) {
            if self.joining.has_all_pages(link) && !self.parking.holds_from(link) {
                self.finish_join(now, link);
            }
        }
    }
}

// What is asked of us.
impl Membership {
    /// Hands out introductions, as far as we have them.
    pub(super) fn on_want_introductions(&mut self, link: LinkId, tags: &[IntroductionTag]) {
        let entries = tags.iter().filter_map(|tag| self.introduction(tag));
        for frame in exchange::introductions(entries.collect()) {
            self.outbox.push_back(Output::Send(link, frame));
        }
    }

    fn introduction(&self, tag: &IntroductionTag) -> Option<Introduction> {
        let ours = self.joining.introduction();
        if let Some(ours) = ours.filter(|ours| ours.hash().tag() == *tag) {
            return Some(ours.clone());
        }
        let held = self.roster.find(tag)?;
        Some(held.introduction().clone())
    }
}
