//! [`Connection`]: what an application can see of the proven connections of a node.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::handle::Shared;
use crate::admission::LinkId;
use crate::member::MemberId;
use crate::transport::Transport;
use crate::transport::session::Session;

/// One proven connection to a member.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connection {
    /// Who is at the other end.
    pub member: MemberId,
    /// The address of the other end: the member's own where this node dialled, else whatever port it dialled from.
    pub peer: SocketAddr,
    /// Whether this node dialled.
    pub is_dialed: bool,
    /// What TLS was agreed on; `None` without TLS.
    pub session: Option<Session>,
    /// What carries it.
    pub transport: Transport,
    /// Whether messages and streams are what it carries.
    pub has_messages: bool,
}

/// Where each open link leads, and how it is secured. The driver writes, handles read.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<BTreeMap<LinkId, Seen>>);

type Seen = (SocketAddr, Option<Session>, Transport);

impl Sessions {
    pub(super) fn insert(
        &self,
        link: LinkId,
        peer: SocketAddr,
        session: Option<Session>,
        transport: Transport,
    ) {
        self.lock().insert(link, (peer, session, transport));
    }

    pub(super) fn remove(&self, link: LinkId) {
        self.lock().remove(&link);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<LinkId, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// The proven connections, by member.
    pub(super) fn connections(&self) -> Vec<Connection> {
        let core = self.core();
        let sessions = self.sessions.lock();
        let links = core
            .connections()
            .map(|(link, member)| (link, member, false));
        let with_messages = core.message_links();
        let links = links.chain(with_messages.map(|(link, member)| (link, member, true)));
        let seen = links.filter_map(|(link, member, has_messages)| {
            let (peer, session, transport) = *sessions.get(&link)?;
            Some(Connection {
                member: member.clone(),
                peer,
                is_dialed: link.is_dialed(),
                session,
                transport,
                has_messages,
            })
        });
        let mut connections: Vec<_> = seen.collect();
        connections.sort_by(|one, other| one.member.cmp(&other.member));
        connections
    }
}
