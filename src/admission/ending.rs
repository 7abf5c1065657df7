//! How connections end, and what follows for whom.

use std::net::SocketAddr;
use std::time::Duration;

use super::action::{Action, Refusal};
use super::connection::Connection;
use super::link::LinkId;
use super::{Admission, Link, Role, Timer};
use crate::time::Timestamp;
use crate::wire::correlation::CorrelationId;
use crate::wire::frame::{Fault, Frame};
use crate::wire::hello::Purpose;
use crate::wire::refusal::Code;

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// We say goodbye, or stop dialling. The code is for whoever waited for the connection.
    Bye(Code),
    /// It is gone.
    Lost(Code),
    /// We refuse the peer.
    Refuse { code: Code, after: Duration },
    /// The peer refuses us.
    Refused { code: Code, after: Duration },
}

impl End {
    pub(super) const fn busy(after: Duration) -> Self {
        Self::Refuse {
            code: Code::Busy,
            after,
        }
    }

    pub(super) const fn code(self) -> Code {
        match self {
            Self::Bye(code) | Self::Lost(code) => code,
            Self::Refuse { code, .. } | Self::Refused { code, .. } => code,
        }
    }

    /// What is wrong with the other end, or what it finds wrong with us.
    fn fault(self, rejection: Option<String>) -> Fault {
        let is_network = matches!(self.code(), Code::HandshakeTimeout | Code::Unreachable);
        let is_ours = matches!(self, Self::Refuse { .. }) || rejection.is_some() || is_network;
        Fault {
            by_peer: !is_ours,
            ..Fault::new(self.code(), rejection.unwrap_or_default())
        }
    }

    pub(super) const fn after(self) -> Duration {
        match self {
            Self::Bye(_) | Self::Lost(_) => Duration::ZERO,
            Self::Refuse { after, .. } | Self::Refused { after, .. } => after,
        }
    }
}

impl Admission {
    pub(super) fn refuse(&mut self, now: Timestamp, link: LinkId, code: Code) {
        self.end(
            now,
            link,
            End::Refuse {
                code,
                after: Duration::ZERO,
            },
        );
    }

    /// Ends a connection: tells the peer, the driver, the log, and whoever waited for it. One that is unknown has ended
    /// before.
    pub(super) fn end(&mut self, now: Timestamp, link: LinkId, end: End) {
        let Some(held) = self.links.remove(&link) else {
            return;
        };
        let (is_handed_over, correlation) = (held.is_handed_over(), held.correlation());
        let Link {
            role,
            addr,
            connection,
            is_usable,
            rejection,
            failed: _,
        } = held;
        self.deadlines.clear(Timer::Link(link));
        self.introductions.forget_waiting(link);
        if let Some(ours) = connection.as_deref().and_then(Connection::ours) {
            self.local.forget(&ours.nonce);
        }
        if connection.is_some() && !is_handed_over {
            self.say(link, end);
        }
        if !matches!(end, End::Lost(_)) {
            self.actions.push_back(Action::Close(link));
        }
        let is_refusal = matches!(end, End::Refuse { .. } | End::Refused { .. });
        // To dial oneself is no mistake: contact points may name the node itself.
        if is_refusal && end.code() != Code::OwnAddress {
            let connection = connection.as_deref();
            self.actions.push_back(Action::Refused(Refusal {
                link,
                peer: addr,
                id: connection
                    .and_then(Connection::theirs)
                    .map(|hello| hello.id.clone()),
                purpose: connection.and_then(Connection::purpose),
                code: end.code(),
                cause: None,
                by_us: matches!(end, End::Refuse { .. }),
                correlation,
            }));
        }
        if !is_usable {
            let said = (rejection, correlation);
            self.follow(now, link, role, addr, (end, said));
        }
    }

    /// The last frame on a connection.
    fn say(&mut self, link: LinkId, end: End) {
        match end {
            End::Bye(_) => self.send(link, Frame::Bye),
            End::Refuse { code, after } => {
                let after_ms = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
                self.send(link, Frame::Refused { code, after_ms });
            }
            End::Lost(_) | End::Refused { .. } => {}
        }
    }

    /// Tells whoever waited for the connection.
    fn follow(
        &mut self,
        now: Timestamp,
        link: LinkId,
        role: Role,
        addr: SocketAddr,
        (end, (rejection, correlation)): (End, (Option<String>, Option<CorrelationId>)),
    ) {
        match role {
            Role::Accepted => self.joiner_gone(now, link),
            Role::Ask(join) => self.old_address_silent(now, link, join),
            Role::Attempt(join) => self.attempt_failed(join, end, correlation),
            Role::Check(check, _) => {
                // Whatever follows a check that has succeeded changes nothing any more.
                let fault = Some(end.fault(rejection));
                self.actions.push_back(Action::Checked { check, fault });
            }
            Role::DialBack(join) => self.dial_back_failed(now, link, join, end.code()),
            Role::Member(id) | Role::Messages(id) => {
                let code = end.code();
                self.actions.push_back(Action::DialFailed {
                    link,
                    id,
                    addr,
                    code,
                });
            }
        }
    }

    /// A connection took too long.
    pub(super) fn link_expired(&mut self, now: Timestamp, link: LinkId) {
        let Some(held) = self.links.get(&link) else {
            return;
        };
        let is_check = matches!(held.role, Role::Check(..));
        let connection = held.connection.as_ref();
        let is_dial_back = connection.is_some_and(|open| {
            open.proven().is_some() && matches!(open.purpose(), Some(Purpose::DialBack(_)))
        });
        match connection {
            // The contact has met us, and its goodbye is lost: nobody is to blame.
            Some(_) if is_dial_back => self.end(now, link, End::Bye(Code::HandshakeTimeout)),
            // Nothing came in time, from wherever: for a check the one is as good as the other.
            None if is_check => self.end(now, link, End::Bye(Code::HandshakeTimeout)),
            Some(_) => self.refuse(now, link, Code::HandshakeTimeout),
            None => self.end(now, link, End::Bye(Code::Unreachable)),
        }
    }

    /// Says goodbye on every connection.
    pub(super) fn end_all(&mut self, now: Timestamp) {
        let links: Vec<_> = self.links.keys().copied().collect();
        for link in links {
            self.end(now, link, End::Bye(Code::Unreachable));
        }
    }
}
