//! Names of connections, and what the driver reports of them.

use std::fmt;
use std::net::SocketAddr;

use crate::member::MemberId;
use crate::wire::correlation::CorrelationId;
use crate::wire::hello::{Channel, Purpose, Side};
use crate::wire::refusal::Code;

/// The name of one connection, never used twice. Even ones are dialled and named by [`super::Admission`]; odd ones are
/// accepted and named by the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

impl LinkId {
    /// The n-th connection accepted.
    #[must_use]
    pub const fn accepted(n: u64) -> Self {
        Self(2 * n + 1)
    }

    /// The n-th connection dialled.
    #[must_use]
    pub const fn dialed(n: u64) -> Self {
        Self(2 * n)
    }

    /// Whether we dialled it.
    #[must_use]
    pub const fn is_dialed(self) -> bool {
        self.0.is_multiple_of(2)
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A connection whose other end is proven. Only admission makes one, so what takes a `ProvenLink` cannot be given to a
/// stranger. It may have closed since; then what is sent on it goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProvenLink(LinkId);

impl ProvenLink {
    pub(super) const fn new(link: LinkId) -> Self {
        Self(link)
    }

    /// Its name.
    #[must_use]
    pub const fn id(self) -> LinkId {
        self.0
    }
}

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkChange {
    /// It is gone, by the peer's doing or the network's: [`Code::Unreachable`] unless more is known. Not reported for one
    /// that we asked to be closed.
    Closed(Code),
    /// It could not be dialled or secured.
    Failed(Code),
    /// It is secured, and raw.
    Opened(Opened),
}

/// What is known of a connection, for the log. Nothing of it is proven.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkFacts {
    /// What both ends call it.
    pub correlation: Option<CorrelationId>,
    /// What it is for.
    pub purpose: Option<Purpose>,
    /// Who the other end says it is.
    pub member: Option<MemberId>,
    /// Of a dial-back: the connection on which the join was asked for.
    pub first: Option<LinkId>,
}

/// A secured connection, as the driver knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Which end we are.
    pub side: Side,
    /// The peer's address.
    pub peer: SocketAddr,
    /// Plaintext or TLS.
    pub channel: Channel,
    /// What both ends call it, as far as its handshake says; else the nonce of the dialer's hello does.
    pub correlation: Option<CorrelationId>,
}

impl Opened {
    /// The same, whichever certificate this end shows on it.
    pub(super) const fn whatever_is_shown(mut self) -> Self {
        if let Channel::Tls { our_leaf, .. } = &mut self.channel {
            *our_leaf = None;
        }
        self
    }
}
