//! [`JoinReport`]: what came of rehearsing the joins of a node, contact point by contact point, address by address.

use std::io;
use std::net::SocketAddr;

use super::skew::Skew;
use crate::member::{ContactPoint, MemberId};
use crate::time::Timestamp;
use crate::transport::session::Session;
use crate::trust::VerifiedPeer;
use crate::wire::refusal::Code;

/// What came of rehearsing the joins of a node that does not run.
#[derive(Debug)]
#[non_exhaustive]
pub struct JoinReport {
    /// Who would join.
    pub id: MemberId,
    /// The port that was bound for it, and is free again.
    pub bound: SocketAddr,
    /// Where the others would be told to reach it.
    pub advertised: SocketAddr,
    /// Whether a datagram socket was bound under the same number. That datagrams get through is not checked: no node
    /// answers those of an outsider.
    pub udp: bool,
    /// Its certificate; none without TLS.
    pub certificate: Option<OwnCertificate>,
    /// Its contact points, in their order.
    pub contacts: Vec<ContactReport>,
}

/// The certificate that the node shows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnCertificate {
    /// Its subject.
    pub subject: String,
    /// Its first moment.
    pub not_before: Timestamp,
    /// Its last moment.
    pub not_after: Timestamp,
}

/// One contact point.
#[derive(Debug)]
#[non_exhaustive]
pub struct ContactReport {
    /// As it is configured.
    pub contact: ContactPoint,
    /// What came of each of its addresses, or why it has none.
    pub attempts: Result<Vec<Attempt>, io::Error>,
}

/// One address of a contact point.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The address.
    pub addr: SocketAddr,
    /// What TLS has agreed on; none without it, or before it has.
    pub session: Option<Session>,
    /// The certificate of whoever answered, once it was believed.
    pub certificate: Option<VerifiedPeer>,
    /// The member id of whoever answered, once it was proven.
    pub member: Option<MemberId>,
    /// What would come of the join.
    pub outcome: Outcome,
    /// How far the clocks of the two nodes are apart, where that can be told and matters.
    pub skew: Option<Skew>,
}

/// What would come of a join.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The address is the node's own; no failure.
    Itself,
    /// It fails.
    Fails(Failure),
    /// The node would be let in.
    LetIn,
}

/// Why a join would fail.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// How far it gets.
    pub step: Step,
    /// Why.
    pub code: Code,
    /// What lies behind a failed dial-back.
    pub cause: Option<Code>,
    /// The address dialled back, if that failed.
    pub dialed_back: Option<SocketAddr>,
    /// Whether it is this node that refuses the other, or finds nobody; otherwise the other refuses this one.
    pub by_us: bool,
    /// What is wrong, where more is known here than the code.
    pub detail: Option<String>,
}

/// The steps of a join, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Step {
    /// Connecting over TCP.
    Connect,
    /// TLS: each end judges the other's certificate.
    Secure,
    /// Each end proves to be the member it says it is.
    Prove,
    /// The contact judges who wants to join.
    Judge,
    /// The contact dials the advertised address.
    DialBack,
}

impl Step {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Secure => "secure",
            Self::Prove => "prove",
            Self::Judge => "judge",
            Self::DialBack => "dial back",
        }
    }
}

impl Attempt {
    /// Nothing has come of it yet.
    pub(super) const fn new(addr: SocketAddr) -> Self {
        Self {
            addr,
            session: None,
            certificate: None,
            member: None,
            outcome: Outcome::Fails(Failure {
                step: Step::Connect,
                code: Code::HandshakeTimeout,
                cause: None,
                dialed_back: None,
                by_us: true,
                detail: None,
            }),
            skew: None,
        }
    }

    /// Why the join would fail, if it would.
    #[must_use]
    pub const fn failure(&self) -> Option<&Failure> {
        match &self.outcome {
            Outcome::Fails(failure) => Some(failure),
            Outcome::Itself | Outcome::LetIn => None,
        }
    }
}

impl JoinReport {
    /// Whether every address of every contact point would let the node in, or is its own.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.contacts.iter().all(|contact| match &contact.attempts {
            Ok(attempts) => attempts.iter().all(|attempt| attempt.failure().is_none()),
            Err(_) => false,
        })
    }
}
