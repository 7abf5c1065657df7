//! Links live no longer than the trust under them: certificates that expire, and trust that is looked at again in time.
//!
//! At the end of a certificate nothing vouches for its owner any more. Its connections are closed, and no new one is made;
//! [`ExpiredMember`] says whether it stays a member. Apart from that every introduction held is judged again whenever its verdict is
//! older than [`Options::trust_age_max`](super::Options::trust_age_max), in place, as when trust is loaded anew.

use std::time::Duration;

use super::{Event, Membership, Output, Stage};
use crate::member::{IntroductionTag, MemberId};
use crate::time::Timestamp;
use crate::wire::refusal::Code;

/// What becomes of a member whose certificate has expired while it was one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ExpiredMember {
    /// It is dropped, as one that is not believed, until it shows a valid certificate.
    Evict,
    /// It stays in views, and gossip with it goes on; it gets no key and no connection.
    #[default]
    Keep,
}

/// The member whose certificate expires first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoonestExpiry {
    /// Who.
    pub member: MemberId,
    /// The last moment of its certificates: its own, or one of those that vouch for it.
    pub not_after: Timestamp,
}

impl Membership {
    /// The live member, this node aside, whose certificate expires first or has expired; `None` without TLS, or alone.
    #[must_use]
    pub fn soonest_expiry(&self) -> Option<SoonestExpiry> {
        let live = self.roster.iter().filter(|introduced| {
            let member = self.swim.member(introduced.fields().id.as_str());
            member.is_some_and(|member| member.state().is_live())
        });
        let first = live.min_by_key(|introduced| introduced.not_after())?;
        Some(SoonestExpiry {
            member: first.fields().id.clone(),
            not_after: first.not_after(),
        })
    }

    /// Deals with what has expired, and judges everybody again who was not for long.
    pub(super) fn review_trust(&mut self, now: Timestamp) {
        if self.stage != Stage::Running {
            return;
        }
        for introduced in self.roster.take_expired(now) {
            let (tag, fields) = (introduced.hash().tag(), introduced.fields().clone());
            self.distrust(now, tag, Code::CertificateExpired, fields);
        }
        if self.next_review().is_some_and(|at| at <= now) {
            self.judge_everybody(now);
        }
    }

    /// When there is something to review.
    pub(super) fn next_trust_timeout(&self) -> Option<Timestamp> {
        let expiry = self.roster.next_expiry();
        let expiry = expiry.map(|at| at + Duration::from_millis(1));
        expiry.into_iter().chain(self.next_review()).min()
    }

    fn next_review(&self) -> Option<Timestamp> {
        let age = self.options.trust_age_max.filter(|_| self.is_tls())?;
        Some(self.trust_judged + age)
    }

    /// Has every introduction held verified again, in place.
    pub(super) fn judge_everybody(&mut self, now: Timestamp) {
        self.trust_judged = now;
        for introduced in self.roster.iter() {
            let introduction = introduced.introduction().clone();
            self.admission.verify_fetched(introduction);
        }
    }

    /// Whether a live member stays although its introduction, which this is, has expired. Then its connections go, and the
    /// application is told.
    pub(super) fn is_kept_expired(
        &mut self,
        now: Timestamp,
        id: &MemberId,
        tag: IntroductionTag,
    ) -> bool {
        let held = self
            .swim
            .member(id.as_str())
            .filter(|held| held.record().introduction == Some(tag) && held.state().is_live());
        let (Some(held), ExpiredMember::Keep) = (held, self.options.expired_member) else {
            return false;
        };
        let record = held.record().clone();
        self.close_links_to(now, id, record.generation);
        let event = Event::CertificateExpired(record);
        self.outbox.push_back(Output::Event(event));
        true
    }
}
