//! What changes while a life goes on: the node's certificate, and whom it trusts.

use std::collections::{BTreeMap, VecDeque};

use super::joining::introduction_fields;
use super::{FailedHandshake, Membership, Output, Stage};
use crate::admission::Credentials;
use crate::member::{IntroductionTag, MemberRecord};
use crate::seal::GossipKeyPair;
use crate::swim::UNTRUSTED_MAX;
use crate::time::Timestamp;
use crate::wire::hello::{Introduction, IntroductionFields};
use crate::wire::refusal::Code;

/// Introductions that are not believed here, until trust is loaded anew.
#[derive(Debug, Default)]
pub(super) struct Rejected {
    by_tag: BTreeMap<IntroductionTag, (Code, IntroductionFields)>,
    oldest_first: VecDeque<IntroductionTag>,
}

impl Rejected {
    pub(super) fn get(&self, tag: &IntroductionTag) -> Option<&(Code, IntroductionFields)> {
        self.by_tag.get(tag)
    }

    fn insert(&mut self, tag: IntroductionTag, code: Code, fields: IntroductionFields) {
        if self.by_tag.insert(tag, (code, fields)).is_none() {
            self.oldest_first.push_back(tag);
        }
        if self.by_tag.len() > UNTRUSTED_MAX
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.by_tag.remove(&oldest);
        }
    }
}

/// A member whom others see and this node does not believe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UntrustedMember {
    /// Its record, which its own key has signed.
    pub record: MemberRecord,
    /// Why its introduction is not believed.
    pub code: Code,
}

// The certificate.
impl Membership {
    /// Shows another certificate from now on, within the same life, of which `leaf` is the SHA-256. An introduction with the
    /// next serial is asked for ([`Output::SignIntroduction`], with the new certificate's key); once it is signed the record
    /// names it, under the next incarnation. Only then should connections show the new certificate in TLS. Without TLS nothing
    /// happens.
    pub fn renew_certificate(&mut self, now: Timestamp, leaf: [u8; 32]) {
        let is_over = matches!(self.stage, Stage::Leaving | Stage::Stopped);
        if let (Some(gossip), false) = (self.joining.gossip().cloned(), is_over) {
            self.options.certificate = Some(leaf);
            let serial = self.joining.serial().saturating_add(1);
            self.ask_for_introduction(&gossip, serial);
        }
        self.settle(now);
    }

    /// Has the certificate's key sign what it vouches for.
    pub(super) fn ask_for_introduction(&mut self, gossip: &GossipKeyPair, serial: u32) {
        let fields = introduction_fields(&self.options, self.generation, gossip, serial);
        let Some(fields) = fields else {
            return;
        };
        let encoded = fields.encode();
        self.joining.expect(fields);
        self.outbox.push_back(Output::SignIntroduction(encoded));
    }

    pub(super) fn on_signed(&mut self, now: Timestamp, introduction: Introduction) {
        let signed = IntroductionFields::decode(&introduction.fields);
        let is_expected = signed.is_ok_and(|fields| self.joining.is_expected(&fields));
        let gossip = self.joining.gossip().cloned().filter(|_| is_expected);
        let credentials = gossip.map(|gossip| Credentials {
            gossip,
            introduction,
        });
        match (credentials, self.stage) {
            (Some(credentials), Stage::Signing) => self.take_part(now, Some(credentials)),
            (Some(credentials), Stage::Running) => self.renewed(now, credentials),
            _ => {}
        }
    }

    fn renewed(&mut self, now: Timestamp, credentials: Credentials) {
        let record = MemberRecord {
            introduction: Some(credentials.introduction.hash().tag()),
            ..self.swim.local().record().clone()
        };
        self.joining.set_credentials(Some(credentials));
        self.swim.set_local(now, record);
        self.show_record(now);
    }
}

// Trust.
impl Membership {
    /// Whom this node trusts has changed: everybody is judged again, in place. Those who pass notice nothing; who fails is
    /// dropped. Who was not believed before is heard again.
    pub fn reload_trust(&mut self, now: Timestamp) {
        self.rejected = Rejected::default();
        self.swim.forget_untrusted(now);
        self.admission.forget_introductions();
        self.judge_everybody(now);
        self.settle(now);
    }

    /// The introductions of all other members held alive or suspect.
    pub(crate) fn live_introductions(&self) -> Vec<Introduction> {
        let live = self.roster.iter().filter(|introduced| {
            let member = self.swim.member(introduced.fields().id.as_str());
            member.is_some_and(|member| member.state().is_live())
        });
        live.map(|introduced| introduced.introduction().clone())
            .collect()
    }

    /// Members whom others see and this node does not believe, by id.
    #[must_use]
    pub fn untrusted(&self) -> Vec<UntrustedMember> {
        let named = |record: &MemberRecord| {
            let rejected = self.rejected.get(&record.introduction?);
            rejected.map(|(code, _)| *code)
        };
        self.swim
            .untrusted()
            .map(|record| UntrustedMember {
                code: named(record).unwrap_or(Code::CertificateRejected),
                record: record.clone(),
            })
            .collect()
    }

    /// An introduction is not believed: its member, if it is one, is none here any more.
    pub(super) fn distrust(
        &mut self,
        now: Timestamp,
        tag: IntroductionTag,
        code: Code,
        fields: IntroductionFields,
    ) {
        let id = fields.id.clone();
        if code == Code::CertificateExpired && self.is_kept_expired(now, &id, tag) {
            return;
        }
        // That passes by itself.
        if code != Code::CertificateNotYetValid {
            self.rejected.insert(tag, code, fields);
        }
        let held = self.swim.member(id.as_str());
        let named = held.filter(|held| held.record().introduction == Some(tag));
        let Some((addr, generation)) =
            named.map(|held| (held.record().addr, held.record().generation))
        else {
            return;
        };
        self.swim.distrust(now, id.as_str());
        self.close_links_to(now, &id, generation);
        let refused = FailedHandshake {
            peer: addr,
            code,
            by_us: true,
            correlation: None,
        };
        self.note_refusal(now, refused, Some(id));
    }
}
