//! [`Connection`]: what an application can see of the proven connections of a node.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::handle::Shared;
use crate::admission::LinkId;
use crate::member::MemberId;
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
}

/// Where each open link leads, and how it is secured. The driver writes, handles read.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<BTreeMap<LinkId, (SocketAddr, Option<Session>)>>);

impl Sessions {
    pub(super) fn insert(&self, link: LinkId, peer: SocketAddr, session: Option<Session>) {
        self.lock().insert(link, (peer, session));
    }

    pub(super) fn remove(&self, link: LinkId) {
        self.lock().remove(&link);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<LinkId, (SocketAddr, Option<Session>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// The proven connections, by member.
    pub(super) fn connections(&self) -> Vec<Connection> {
        let core = self.core();
        let sessions = self.sessions.lock();
        let seen = core.connections().filter_map(|(link, member)| {
            let (peer, session) = *sessions.get(&link)?;
            Some(Connection {
                member: member.clone(),
                peer,
                is_dialed: link.is_dialed(),
                session,
            })
        });
        let mut connections: Vec<_> = seen.collect();
        connections.sort_by(|one, other| one.member.cmp(&other.member));
        connections
    }
}
