//! Certificates and gossip keys.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::words::CodeName;
use crate::member::MemberId;
use crate::membership::{Examined, KeyStatus};
use crate::node::{CertificateStatus, Node, TrustReload};
use crate::time::{Timestamp, Utc};
use crate::trust::CertificateFacts;
use crate::wire::refusal::Code;

/// The certificates of the node that answers and of its cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CertificatesView {
    /// The subject of the node's own certificate.
    pub subject: String,
    /// Its last moment, in UTC (RFC 3339).
    pub not_after: String,
    /// How many whole days that is from now; 0 once it is over.
    pub days_left: u64,
    /// The other live member whose certificate expires first; null if there is none.
    pub soonest: Option<ExpiryView>,
    /// All certificates in use: the node's own first, then those of the other live members, by member id.
    pub members: Vec<MemberCertificateView>,
}

/// When the certificates of a member expire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExpiryView {
    /// Which member.
    pub member: String,
    /// The last moment of its certificate, or of the first that vouches for it and ends, in UTC (RFC 3339).
    pub not_after: String,
}

/// The certificate of a live member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemberCertificateView {
    /// Which member.
    pub member: String,
    /// Its subject.
    pub subject: String,
    /// The issuer's subject.
    pub issuer: String,
    /// The DNS names and addresses it names.
    pub hosts: Vec<String>,
    /// SHA-256 of the certificate, in hexadecimal.
    pub sha256: String,
    /// SHA-256 of its public key, in hexadecimal: the same for members that share a key.
    pub key_sha256: String,
    /// The last moment of its certificate, or of the first that vouches for it and ends, in UTC (RFC 3339).
    pub not_after: String,
    /// How many whole days that is from now; 0 once it is over.
    pub days_left: u64,
    /// The rules of `peerIdentity` that it matches at the node that answers, each with its setting; who matches only the older of
    /// two still needs it.
    pub rules: Vec<String>,
}

/// How the gossip keys stand at the node that answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeysView {
    /// The epoch of the key that datagrams are tagged with.
    pub active_epoch: u32,
    /// The epoch of the newest key held.
    pub newest_epoch: u32,
    /// How many keys are held.
    pub held: usize,
}

/// What a reload of the certificate files put in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReloadView {
    /// Whether the node has another certificate than before.
    pub renewed: bool,
    /// The subject of its certificate.
    pub subject: String,
    /// The last moment of its certificate, in UTC (RFC 3339).
    pub not_after: String,
    /// How many trust anchors there are.
    pub anchors: usize,
}

/// Whether one member verifies another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExaminedView {
    /// Who verifies.
    pub from: String,
    /// Who is verified.
    pub to: String,
    /// Whether it does.
    pub ok: bool,
    /// Why not.
    #[schemars(with = "Option<CodeName>")]
    pub code: Option<Code>,
    /// What is wrong, where more is known than the code.
    pub detail: Option<String>,
}

impl CertificatesView {
    pub(in crate::admin) fn new(
        status: CertificateStatus,
        members: Vec<MemberCertificateView>,
    ) -> Self {
        Self {
            subject: status.subject,
            not_after: Utc(status.not_after).to_string(),
            days_left: status.remaining.as_secs() / 86_400,
            soonest: status.soonest.map(|soonest| ExpiryView {
                member: soonest.member.to_string(),
                not_after: Utc(soonest.not_after).to_string(),
            }),
            members,
        }
    }
}

impl MemberCertificateView {
    /// All that are in use: the node's own first, then those of the others, by id; none without TLS.
    pub(in crate::admin) fn all(node: &Node, now: Timestamp) -> Vec<Self> {
        let (introduced, own) = (node.introduced(), node.own_chain());
        let own = node.certificate_status().and_then(|status| {
            let end = status.not_after;
            Self::new(node, (node.local().id(), own.first()?, end), now)
        });
        let others = introduced.iter().filter_map(|introduced| {
            let leaf = introduced.introduction().chain.first()?;
            let end = introduced.not_after();
            Self::new(node, (&introduced.fields().id, leaf, end), now)
        });
        own.into_iter().chain(others).collect()
    }

    /// `None` if the certificate cannot be read, which does not happen to one that was verified.
    fn new(
        node: &Node,
        (id, leaf, not_after): (&MemberId, &[u8], Timestamp),
        now: Timestamp,
    ) -> Option<Self> {
        let facts = CertificateFacts::of(leaf, now)?;
        Some(Self {
            member: id.to_string(),
            rules: node.matching_rules(leaf, id),
            subject: facts.subject,
            issuer: facts.issuer,
            hosts: facts.hosts,
            sha256: facts.sha256.to_string(),
            key_sha256: facts.key_sha256.to_string(),
            not_after: Utc(not_after).to_string(),
            days_left: not_after.saturating_since(now).as_secs() / 86_400,
        })
    }
}

impl From<KeyStatus> for KeysView {
    fn from(keys: KeyStatus) -> Self {
        Self {
            active_epoch: keys.active_epoch,
            newest_epoch: keys.newest_epoch,
            held: keys.held,
        }
    }
}

impl From<TrustReload> for ReloadView {
    fn from(reload: TrustReload) -> Self {
        Self {
            renewed: reload.is_renewed,
            subject: reload.subject,
            not_after: Utc(reload.not_after).to_string(),
            anchors: reload.anchors,
        }
    }
}

impl From<Examined> for ExaminedView {
    fn from(examined: Examined) -> Self {
        let detail = examined.fault.as_ref().map(|fault| fault.detail.clone());
        Self {
            from: examined.from.to_string(),
            to: examined.to.to_string(),
            ok: examined.fault.is_none(),
            code: examined.fault.map(|fault| fault.code),
            detail: detail.filter(|detail| !detail.is_empty()),
        }
    }
}
