//! [`Spans`]: what all log lines about one connection have in common, and those about one join.
//!
//! The fields of a connection are `link`, `peer`, `role` (whether this node is its `dialer` or its `listener`), `purpose`,
//! `member` (who the other end says it is) and `correlation`; the last three once they are known. A connection on which a join is
//! asked for has a span `join` within, whose role is `joiner` or `contact`; the dial-back of that join is within it in turn, so that
//! whatever a join consists of can be found by the first connection.

use std::net::SocketAddr;

use tracing::Span;
use tracing::field::{Empty, display};

use crate::admission::{LinkFacts, LinkId};
use crate::wire::hello::{Hello, Purpose};

/// The spans of one connection, from the dial on.
#[derive(Debug)]
pub(super) struct Spans {
    is_dialed: bool,
    connection: Span,
    join: Option<Span>,
    said: LinkFacts,
}

impl Spans {
    /// Of a connection of which nothing but its other end is known. A dial-back's is within that of the join it is for.
    pub(super) fn new(link: LinkId, peer: SocketAddr, join: Option<&Span>) -> Self {
        let is_dialed = link.is_dialed();
        let role = if is_dialed { "dialer" } else { "listener" };
        let connection = tracing::info_span!(
            parent: join.and_then(Span::id),
            "connection",
            %link,
            %peer,
            role,
            purpose = Empty,
            member = Empty,
            correlation = Empty,
        );
        Self {
            is_dialed,
            connection,
            join: None,
            said: LinkFacts::default(),
        }
    }

    /// Writes down what was not known before.
    pub(super) fn learn(&mut self, facts: LinkFacts) {
        let said = &mut self.said;
        if let (None, Some(purpose)) = (said.purpose, facts.purpose) {
            said.purpose = facts.purpose;
            self.connection.record("purpose", purpose.as_str());
            if purpose == Purpose::Join {
                let role = if self.is_dialed { "joiner" } else { "contact" };
                self.join = Some(tracing::info_span!(parent: &self.connection, "join", role));
            }
        }
        if let (None, Some(id)) = (said.correlation, facts.correlation) {
            said.correlation = facts.correlation;
            self.connection.record("correlation", display(id));
        }
        if let (None, Some(id)) = (&said.member, facts.member) {
            self.connection.record("member", display(&id));
            said.member = Some(id);
        }
    }

    /// Writes down what the other end's hello says, before anything is made of it.
    pub(super) fn heed(&mut self, hello: &[u8]) {
        let Ok(hello) = Hello::decode(hello) else {
            return;
        };
        self.learn(LinkFacts {
            correlation: (!self.is_dialed).then(|| hello.correlation()),
            purpose: Some(hello.purpose),
            member: Some(hello.id),
            first: None,
        });
    }

    /// The innermost one.
    pub(super) fn innermost(&self) -> &Span {
        self.join.as_ref().unwrap_or(&self.connection)
    }
}
