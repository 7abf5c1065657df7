//! What flows on proven connections: push-pull, keys, fallback probes, and gossip for members without a datagram socket.

use std::net::SocketAddr;

use super::exchange::{self, DigestStep};
use super::links::Job;
use super::{Membership, Output, Stage};
use crate::admission::{FrameError, LinkId, Peer, ProvenLink};
use crate::member::{Generation, MemberId};
use crate::swim::{BodyError, FallbackOutcome, SyncOutcome};
use crate::time::Timestamp;
use crate::wire::frame::{DigestEntry, Frame, PageEntry};
use crate::wire::message::Body;
use crate::wire::refusal::Code;

// Connections.
impl Membership {
    /// A connection is up, and its other end proven.
    pub(super) fn on_proven(&mut self, now: Timestamp, link: ProvenLink, peer: &Peer) {
        let (jobs, surplus) = self.links.insert(now, link.id(), &peer.id, peer.generation);
        if self.is_tls() && peer.key_ids != self.keyring.key_ids() && self.holds_life(now, peer) {
            self.send_keys(now, link.id(), &peer.id);
        }
        for job in jobs {
            self.do_job(now, link.id(), &peer.id, job);
        }
        if self.parking.asking.is_dialling(&peer.id) {
            self.ask(now, link.id(), &peer.id);
        }
        if self.metadata.is_dialling(&peer.id) {
            self.ask_metadata(now, link.id(), &peer.id);
        }
        if let Some(surplus) = surplus {
            self.close_link(now, surplus);
        }
    }

    /// A connection is gone, by our doing or not. A connection lost without farewell is a reason to probe its member.
    pub(super) fn on_link_gone(&mut self, now: Timestamp, link: LinkId, by_us: bool) {
        self.end_pull(now, link, SyncOutcome::Failed);
        self.end_request(now, link);
        self.end_metadata_request(now, link);
        self.forget_join(link);
        self.forget_examination(link, by_us);
        self.on_messages_gone(now, link, by_us);
        if let Some((far, last)) = self.links.remove(link)
            && last
            && !by_us
        {
            self.swim.handle_link_lost(now, far.id.as_str());
        }
    }

    /// A dial to a member has come to nothing.
    pub(super) fn on_dial_failed(
        &mut self,
        now: Timestamp,
        link: LinkId,
        addr: SocketAddr,
        code: Code,
    ) {
        if self.messages.dial_failed(link).is_some() {
            return self.on_connect_failed(now, link, addr, code);
        }
        let Some((id, jobs)) = self.links.dial_failed(link) else {
            return;
        };
        // Whoever says so is there, unless it is known to be somebody else.
        let outcome = match code {
            Code::Busy | Code::JoinFirst if !self.links.is_displaced(&id) => {
                FallbackOutcome::Refused
            }
            _ => FallbackOutcome::Failed,
        };
        for job in jobs {
            match job {
                Job::Ask(request) => self.cannot_ask(&id, request, code),
                Job::Body(_) | Job::Introductions | Job::Metadata => {}
                Job::Probe(probe) => self.swim.handle_fallback(now, probe, outcome),
                Job::PushPull => self.note_pull_end(now, &id, SyncOutcome::Failed),
            }
        }
        self.on_unreachable(now, &id);
        self.metadata_unreachable(now, &id);
        if code == Code::JoinFirst && self.stage == Stage::Running {
            self.admission.join(now, addr);
        }
    }

    /// Does a job on a connection to a member, dialling one if there is none.
    pub(super) fn with_link(&mut self, now: Timestamp, id: &MemberId, job: Job) {
        if let Some(link) = self.links.to(now, id) {
            self.do_job(now, link, id, job);
            return;
        }
        if let Err(job) = self.links.enqueue(id, job) {
            let Some(addr) = self
                .swim
                .member(id.as_str())
                .map(|member| member.record().addr)
            else {
                return;
            };
            let link = self.admission.dial_member(now, id, addr);
            self.links.dialling(id, link, job);
        }
    }

    fn do_job(&mut self, now: Timestamp, link: LinkId, id: &MemberId, job: Job) {
        let frame = match job {
            Job::Ask(request) => return self.put_question(link, id, request),
            Job::Body(body) => Frame::Body(body),
            Job::Introductions => return self.ask(now, link, id),
            Job::Metadata => return self.ask_metadata(now, link, id),
            Job::Probe(probe) => Frame::Probe {
                probe,
                view: self.swim.view_hash(),
            },
            Job::PushPull if self.pulls.start(now, link, id) => Frame::Sync {
                key_ids: self.keyring.key_ids(),
                view: self.swim.view_hash(),
            },
            Job::PushPull => return,
        };
        self.send(link, frame);
    }

    fn end_pull(&mut self, now: Timestamp, link: LinkId, outcome: SyncOutcome) {
        if let Some(with) = self.pulls.end(link) {
            self.note_pull_end(now, &with, outcome);
        }
    }

    /// A push-pull of ours is over, or could not begin.
    fn note_pull_end(&mut self, now: Timestamp, with: &MemberId, outcome: SyncOutcome) {
        match outcome {
            SyncOutcome::Done => self.exchanges.completed += 1,
            SyncOutcome::Failed => self.exchanges.failed += 1,
        }
        self.swim.handle_sync_end(now, with, outcome);
    }

    pub(super) fn close_link(&mut self, now: Timestamp, link: LinkId) {
        self.on_link_gone(now, link, true);
        self.admission.close(now, link, None);
    }

    /// Closes the connections to a life that has ended; those to a later life stay.
    pub(super) fn close_links_to(&mut self, now: Timestamp, id: &MemberId, generation: Generation) {
        let for_messages = self.message_links_to(id, generation);
        for link in self
            .links
            .all_to(id, generation)
            .into_iter()
            .chain(for_messages)
        {
            self.close_link(now, link);
        }
    }

    fn send(&mut self, link: LinkId, frame: Frame) {
        self.outbox.push_back(Output::Send(link, frame));
    }
}

// Frames.
impl Membership {
    /// A frame that is not admission's, on a connection whose other end is proven.
    pub(super) fn on_frame(
        &mut self,
        now: Timestamp,
        link: LinkId,
        frame: Frame,
    ) -> Result<(), FrameError> {
        let name = frame.name();
        let violation = FrameError {
            frame: name,
            code: Code::ProtocolViolation,
        };
        if frame == Frame::Bye {
            self.close_link(now, link);
            return Ok(());
        }
        if let (Frame::WantIntroductions(tags), true) = (&frame, self.is_tls()) {
            // From a proven end, a joiner that we have accepted included.
            self.on_want_introductions(link, tags);
            return Ok(());
        }
        if self.joining.is_under_way(link) {
            return self.on_join_page(now, link, frame);
        }
        let Some(from) = self
            .links
            .far(link)
            .map(|far| (far.id.clone(), far.generation))
        else {
            return Ok(());
        };
        let done = match frame {
            Frame::Body(body) => self.on_body(now, &from.0, from.1, &body).ok_or(violation),
            Frame::Digest { entries, last } => {
                self.on_digest(now, link, entries, last).ok_or(violation)
            }
            Frame::Examine { request } => {
                self.on_examine(now, (link, &from.0), request);
                Ok(())
            }
            Frame::Examined {
                request,
                fault,
                findings,
            } => {
                self.on_examined(&from.0, request, fault, findings);
                Ok(())
            }
            Frame::JudgeChain { request, chain } => {
                self.on_judge_chain((link, &from.0), request, chain);
                Ok(())
            }
            Frame::Introductions { entries, last } => self
                .on_introductions(now, link, entries, last)
                .ok_or(violation),
            Frame::Metadata { entries, last } => {
                self.on_metadata(now, link, entries, last).ok_or(violation)
            }
            Frame::Keys(ring) => {
                self.on_keys(now, (link, &from.0), &ring);
                Ok(())
            }
            Frame::Page { entries, last } => {
                let merged = self.on_page(now, link, &from.0, entries).ok_or(violation);
                if self.pulls.page(now, link, last) {
                    self.note_pull_end(now, &from.0, SyncOutcome::Done);
                }
                merged
            }
            Frame::Probe { probe, .. } => {
                self.swim.handle_contact(now, from.0.as_str(), from.1);
                self.send(
                    link,
                    Frame::ProbeAck {
                        probe,
                        view: self.swim.view_hash(),
                    },
                );
                Ok(())
            }
            Frame::ProbeAck { probe, view } => {
                self.swim
                    .handle_fallback(now, probe, FallbackOutcome::Answered { view });
                Ok(())
            }
            Frame::Same => {
                self.end_pull(now, link, SyncOutcome::Done);
                Ok(())
            }
            Frame::Sync { key_ids, view } => {
                self.swim.handle_contact(now, from.0.as_str(), from.1);
                self.on_sync(now, (link, &from.0), &key_ids, view);
                Ok(())
            }
            Frame::WantMetadata(tags) => {
                self.on_want_metadata(link, &tags);
                Ok(())
            }
            Frame::Want(ids) => {
                let entries = self.swim.pages_for(&ids);
                self.send_pages(link, entries);
                Ok(())
            }
            _ => Err(violation),
        };
        self.close_on_error(now, link, done)
    }

    /// A page of the view of the contact that lets us in, or an introduction that its records name.
    fn on_join_page(
        &mut self,
        now: Timestamp,
        link: LinkId,
        frame: Frame,
    ) -> Result<(), FrameError> {
        let violation = FrameError {
            frame: frame.name(),
            code: Code::ProtocolViolation,
        };
        let done = match (frame, self.joining.contact(link)) {
            (Frame::Introductions { entries, last }, Some(_)) => {
                self.on_introductions(now, link, entries, last)
            }
            (Frame::Page { entries, last }, Some(contact)) => {
                self.on_contacts_page(now, link, &contact, entries, last)
            }
            _ => None,
        };
        self.close_on_error(now, link, done.ok_or(violation))
    }

    fn on_contacts_page(
        &mut self,
        now: Timestamp,
        link: LinkId,
        contact: &MemberId,
        entries: Vec<PageEntry>,
        last: bool,
    ) -> Option<()> {
        let answers = self.merge_page(now, (contact, link), entries)?;
        self.joining.note_answers(link, answers);
        if last {
            self.joining.note_last_page(link);
            if !self.parking.holds_from(link) {
                self.finish_join(now, link);
            }
        }
        Some(())
    }

    /// Sends what supersedes an entry of a page: at once, or behind our own view.
    pub(super) fn answer(&mut self, link: LinkId, answers: Vec<PageEntry>) {
        if self.joining.is_under_way(link) {
            self.joining.note_answers(link, answers);
        } else if self.links.far(link).is_some() && !answers.is_empty() {
            self.send_pages(link, answers);
        }
    }

    fn close_on_error(
        &mut self,
        now: Timestamp,
        link: LinkId,
        done: Result<(), FrameError>,
    ) -> Result<(), FrameError> {
        if done.is_err() {
            self.on_link_gone(now, link, true);
            self.admission
                .close(now, link, Some(Code::ProtocolViolation));
        }
        done
    }

    /// Gossip by connection. A sender that is no member any more is no violation; it will hear so.
    fn on_body(
        &mut self,
        now: Timestamp,
        from: &MemberId,
        generation: Generation,
        body: &[u8],
    ) -> Option<()> {
        let body = Body::decode(body).ok()?;
        match self.take_body(now, from.as_str(), generation, &body) {
            Err(BodyError::Malformed(_)) => None,
            _ => Some(()),
        }
    }

    fn on_sync(
        &mut self,
        now: Timestamp,
        (link, from): (LinkId, &MemberId),
        key_ids: &[u64],
        view: u64,
    ) {
        if self.is_tls() && key_ids != self.keyring.key_ids() {
            self.send_keys(now, link, from);
        }
        if view == self.swim.view_hash() {
            self.send(link, Frame::Same);
        } else {
            for frame in exchange::digests(self.swim.digest()) {
                self.send(link, frame);
            }
        }
    }

    fn on_digest(
        &mut self,
        now: Timestamp,
        link: LinkId,
        entries: Vec<DigestEntry>,
        last: bool,
    ) -> Option<()> {
        match self.pulls.digest(now, link, entries, last) {
            DigestStep::Complete(theirs) => {
                let difference = self.swim.compare(&theirs);
                self.send(link, Frame::Want(difference.want));
                self.send_pages(link, difference.give);
                Some(())
            }
            DigestStep::More => Some(()),
            DigestStep::Unasked => None,
        }
    }

    /// Merges a page. Returns the entries of ours that supersede its own; `None` if an entry is broken, while those before it
    /// stand.
    fn merge_page(
        &mut self,
        now: Timestamp,
        (from, link): (&MemberId, LinkId),
        entries: Vec<PageEntry>,
    ) -> Option<Vec<PageEntry>> {
        let mut answers = Vec::new();
        for entry in entries {
            answers.extend(self.take_entry(now, (from.clone(), Some(link)), entry)?);
        }
        Some(answers)
    }

    fn on_page(
        &mut self,
        now: Timestamp,
        link: LinkId,
        from: &MemberId,
        entries: Vec<PageEntry>,
    ) -> Option<()> {
        let answers = self.merge_page(now, (from, link), entries)?;
        self.answer(link, answers);
        Some(())
    }

    pub(super) fn send_pages(&mut self, link: LinkId, entries: Vec<PageEntry>) {
        for page in exchange::pages(entries) {
            self.send(link, page);
        }
    }
}
