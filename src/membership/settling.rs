//! The parts' actions are drained here, so that no part ever calls another.

use super::{Event, FailedHandshake, Membership, Output, links};
use crate::admission;
use crate::member::MemberId;
use crate::sabotage::Sabotage;
use crate::swim;
use crate::time::Timestamp;

impl Membership {
    /// Works off what the parts have asked for, until nothing is left.
    pub(super) fn settle(&mut self, now: Timestamp) {
        self.notice_lateness(now);
        self.now = now;
        loop {
            self.work_on_contacts(now);
            if let Some(action) = self.admission.poll() {
                self.on_admission(now, action);
            } else if let Some(action) = self.swim.poll() {
                self.on_swim(now, action);
            } else {
                self.fetch(now);
                self.fetch_metadata(now);
                self.work_on_examinations(now);
                if self.admission.is_settled() && self.swim.is_settled() {
                    break;
                }
            }
            self.show_record(now);
        }
    }

    /// Works off what admission has asked for, before something else is sent on the same connection.
    pub(super) fn settle_admission(&mut self, now: Timestamp) {
        while let Some(action) = self.admission.poll() {
            self.on_admission(now, action);
        }
    }

    fn on_admission(&mut self, now: Timestamp, action: admission::Action) {
        use admission::Action;
        match action {
            Action::Accept { join, peer, .. } => self.accept_joiner(now, join, &peer),
            Action::Accepted {
                join,
                link,
                peer,
                ring,
            } => self.on_accepted(now, join, link, peer, &ring),
            Action::Checked { check, fault } => self.on_checked(check, fault),
            Action::Close(link) => {
                self.on_link_gone(now, link, true);
                self.outbox.push_back(Output::Close(link));
            }
            Action::Committed {
                link,
                peer,
                record,
                ring,
                ..
            } => self.commit_joiner(now, (link.id(), &peer), &record, &ring),
            Action::DialFailed {
                link, addr, code, ..
            } => self.on_dial_failed(now, link, addr, code),
            Action::HandOver {
                link,
                peer,
                side,
                first,
            } => self.on_hand_over(now, link, peer, (side, first)),
            Action::JoinEnded {
                addr,
                outcome,
                correlation,
            } => self.on_join_ended(now, (addr, correlation), outcome),
            Action::Judged {
                tag,
                outcome,
                fields,
            } => self.on_judged(now, tag, outcome, fields.map(|fields| *fields)),
            Action::JudgeJoin { join, peer, record } => {
                let verdict = self.judge_joiner(now, &peer, &record);
                self.admission.answer_join(now, join, verdict);
            }
            Action::JudgeListener {
                link,
                peer,
                purpose,
            } => self.on_listener(now, link, &peer, purpose),
            Action::JudgeMember {
                link,
                peer,
                purpose,
            } => {
                let verdict = self.judge_member(now, &peer, purpose);
                self.admission.answer_member(now, link, verdict);
            }
            Action::Open { link, addr, .. } => {
                let over = self.may_go_over(link);
                self.outbox.push_back(Output::Open { link, addr, over });
            }
            Action::Proven { link, peer, .. } => self.on_proven(now, link, &peer),
            Action::Refused(refusal) => self.on_refused(now, &refusal),
            Action::Send(link, frame) => self.outbox.push_back(Output::Send(link, frame)),
            Action::Verify { id, introduction } => {
                self.outbox
                    .push_back(Output::VerifyIntroduction { id, introduction });
            }
        }
    }

    fn on_swim(&mut self, now: Timestamp, action: swim::Action) {
        use swim::Action;
        match action {
            Action::Event(event) => self.on_member_event(now, event),
            Action::Fallback { to, probe } => self.with_link(now, &to, links::Job::Probe(probe)),
            Action::Dropped(id) => {
                self.healing.book.forget(&id);
                self.on_forgotten(id);
            }
            Action::Forgot(id) => self.on_forgotten(id),
            Action::LeaveFinished { acks } => self.finish_leave(acks),
            Action::NeedsGeneration { above } => self.on_other_life(above),
            Action::PushPull { with } => self.with_link(now, &with, links::Job::PushPull),
            Action::Send { to, body } => self.send_body(now, &to, body),
            Action::SendFrame { to, body } => self.with_link(now, &to, links::Job::Body(body)),
        }
    }

    fn on_forgotten(&mut self, id: MemberId) {
        self.roster.remove(&id);
        self.links.forget(&id);
        self.gate.replay.forget(&id);
        self.forget_metadata(&id);
        let event = Event::MemberForgotten(id);
        self.outbox.push_back(Output::Event(event));
    }

    fn on_member_event(&mut self, now: Timestamp, event: swim::Event) {
        use swim::Event as Said;
        let event = match event {
            Said::Joined(record) => {
                self.healing.book.remove(&record.id, record.addr);
                self.close_former_lives(now, &record.id, record.generation);
                self.on_company();
                self.follow_metadata(&record);
                Event::MemberJoined(record)
            }
            Said::Suspected { record, by } => Event::MemberSuspected { record, by },
            Said::Alive(record) => {
                self.follow_metadata(&record);
                Event::MemberRefuted(record)
            }
            Said::Died { record, by } => {
                if !self.does_any(&[Sabotage::AddressBookEmptied, Sabotage::NobodyRedialled]) {
                    self.healing
                        .book
                        .insert(&record.id, record.addr, &mut self.rng);
                }
                self.close_links_to(now, &record.id, record.generation);
                self.look_again_if_alone(now);
                self.unfollow_metadata(&record.id);
                Event::MemberDied { record, by }
            }
            Said::Left(record) => {
                self.healing.book.remove(&record.id, record.addr);
                self.close_links_to(now, &record.id, record.generation);
                self.look_again_if_alone(now);
                self.unfollow_metadata(&record.id);
                Event::MemberLeft(record)
            }
            Said::Updated(record) => {
                self.healing.book.remove(&record.id, record.addr);
                self.close_former_lives(now, &record.id, record.generation);
                self.follow_metadata(&record);
                Event::MemberUpdated(record)
            }
            Said::UdpUnreachable(id) => Event::UdpUnreachable(id),
            Said::UdpReachable(id) => Event::UdpReachable(id),
        };
        self.outbox.push_back(Output::Event(event));
    }

    fn on_refused(&mut self, now: Timestamp, refusal: &admission::Refusal) {
        self.note_refusal(
            now,
            FailedHandshake {
                peer: refusal.peer,
                code: refusal.code,
                by_us: refusal.by_us,
                correlation: refusal.correlation,
            },
            refusal.id.clone(),
        );
    }

    pub(super) fn note_refusal(
        &mut self,
        now: Timestamp,
        refused: FailedHandshake,
        id: Option<MemberId>,
    ) {
        let FailedHandshake {
            peer,
            code,
            by_us,
            correlation,
        } = refused;
        self.refusals.note(now, code, (peer, correlation));
        if self.does(Sabotage::RefusalsUnsaid) {
            return;
        }
        let event = Event::Refused {
            peer,
            id,
            code,
            by_us,
            correlation,
        };
        self.outbox.push_back(Output::Event(event));
    }
}
