//! [`Reading`]: everything that is measured, read at one time.

use crate::admin::context::{Context, Requests};
use crate::membership::Refusal;
use crate::node::{CertificateStatus, HandshakeCount, NodeStats};
use crate::swim::Member;

/// Everything that is measured, read at one time.
pub(super) struct Reading {
    pub(super) members: std::sync::Arc<[Member]>,
    pub(super) stats: NodeStats,
    pub(super) handshakes: Vec<HandshakeCount>,
    pub(super) refusals: Vec<Refusal>,
    pub(super) certificates: Option<CertificateStatus>,
    pub(super) is_ready: bool,
    pub(super) untrusted: usize,
    pub(super) denied: [(&'static str, u64); 3],
    pub(super) turned_away: u64,
    pub(super) streams_open: usize,
}

impl Reading {
    pub(super) fn of(context: &Context) -> Self {
        let node = &context.node;
        let requests = &context.requests;
        Self {
            members: node.members(),
            stats: node.stats(),
            handshakes: node.handshakes(),
            refusals: node.refusals(),
            certificates: node.certificate_status(),
            is_ready: node.is_ready(),
            untrusted: node.untrusted().len(),
            denied: Requests::REASONS.map(|reason| (reason.as_str(), requests.denied(reason))),
            turned_away: requests.turned_away(),
            streams_open: context.streams_open(),
        }
    }
}
