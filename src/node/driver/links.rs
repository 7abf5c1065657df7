//! Links that carry frames: opened, heard, spoken on, closed.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use tokio::task::AbortHandle;

use super::Driver;
use super::spans::Spans;
use crate::admission::{LinkChange, LinkFacts, LinkId, Opened};
use crate::membership::Membership;
use crate::node::log::Chain;
use crate::node::quic::may_carry;
use crate::transport::door::Secured;
use crate::transport::link::{self, LinkEvent, LinkHandle};
use crate::transport::tcp::Place;
use crate::transport::{Transport, quic};
use crate::wire::frame::Frame;
use crate::wire::hello::Side;
use crate::wire::refusal::Code;

/// A dial under way.
pub(super) struct Dial {
    pub(super) addr: SocketAddr,
    pub(super) task: AbortHandle,
    pub(super) spans: Spans,
}

/// One open link.
pub(super) struct Link {
    pub(super) handle: LinkHandle,
    /// Its place among the unproven, until it has proven itself.
    place: Option<Place>,
    /// The connection it is a stream of.
    pub(super) quic: Option<quic::Connection>,
    /// What its log lines have in common.
    spans: Spans,
}

impl Driver {
    pub(super) fn take_link_event(&mut self, id: LinkId, event: LinkEvent) {
        // A link that we closed may have said something before it knew.
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        if let LinkEvent::Frame(Frame::Hello { hello, .. }) = &event {
            link.spans.heed(hello);
        }
        let span = link.spans.innermost().clone();
        let _within = span.enter();
        match event {
            LinkEvent::Frame(frame) => self.take_frame(id, frame),
            LinkEvent::Closed(error) => {
                tracing::debug!(link = %id, error = %Chain(&error), "a link has ended");
                self.cut(id, error.code);
            }
        }
    }

    pub(super) fn take_frame(&mut self, id: LinkId, frame: Frame) {
        let name = frame.name();
        let quic = self.links.get(&id).and_then(|link| link.quic.as_ref());
        if let Some(quic) = quic
            && !may_carry(&frame)
        {
            tracing::debug!(link = %id, frame = name, "QUIC is for messages alone");
            quic.close(Code::ProtocolViolation);
            return self.cut(id, Code::ProtocolViolation);
        }
        // Nothing else passes the core unless the other end is proven.
        let proves = matches!(frame, Frame::Ready) || !link::is_handshake(&frame);
        let mut result = Ok(());
        self.feed(|core, now| result = core.handle_frame(now, id, frame));
        match (result, self.links.get_mut(&id)) {
            (Ok(()), Some(link)) if proves => {
                link.handle.lift_limit();
                link.place = None;
            }
            (Ok(()), _) => {}
            (Err(error), _) => {
                tracing::debug!(link = %id, frame = name, error = %Chain(&error), "a frame breaks the protocol");
                self.cut(id, error.code);
            }
        }
    }

    pub(super) fn open(
        &mut self,
        id: LinkId,
        (peer, side): (SocketAddr, Side),
        secured: Secured,
        (place, spans): (Option<Place>, Spans),
    ) {
        let Secured {
            stream,
            channel,
            session,
            quic,
            correlation,
            ..
        } = secured;
        let transport = match quic {
            Some(_) => Transport::Quic,
            None => Transport::Tcp,
        };
        if let Some(session) = &session {
            let is_post_quantum = session.is_post_quantum();
            tracing::debug!(link = %id, %peer, %transport, %session, is_post_quantum, "a connection is secured");
        }
        self.shared.handshakes.succeeded(side, session.as_ref());
        self.shared.sessions.insert(id, peer, session, transport);
        let (handle, task) = link::open(stream, id, self.link_report.clone());
        self.tasks.spawn(task);
        let link = Link {
            handle,
            place,
            quic,
            spans,
        };
        let span = link.spans.innermost().clone();
        let _within = span.enter();
        self.links.insert(id, link);
        let opened = Opened {
            side,
            peer,
            channel,
            correlation,
        };
        let mut facts = LinkFacts::default();
        self.feed(|core, now| {
            core.handle_link(now, id, LinkChange::Opened(opened));
            facts = core.link_facts(id);
        });
        if let Some(link) = self.links.get_mut(&id) {
            link.spans.learn(facts);
        }
    }

    /// The spans of a dial that the core asks for: a dial-back belongs to the join it is for.
    pub(super) fn spans_of_dial(&self, core: &Membership, id: LinkId, addr: SocketAddr) -> Spans {
        let facts = core.link_facts(id);
        let join = facts.first.and_then(|first| self.links.get(&first));
        let mut spans = Spans::new(id, addr, join.map(|link| link.spans.innermost()));
        spans.learn(facts);
        spans
    }

    /// The hosts of the contact points that led to an address; none for one that members have told of.
    pub(super) fn names_of(&self, addr: SocketAddr) -> Vec<String> {
        let leads = |addrs: &Vec<SocketAddr>| addrs.contains(&addr);
        let contacts = self.names.iter().filter(|(_, addrs)| leads(addrs));
        contacts.map(|(contact, _)| contact.host.clone()).collect()
    }

    /// Closes a link, unless the core has done so itself, and tells the core why.
    pub(super) fn cut(&mut self, id: LinkId, code: Code) {
        if self.forget(id).is_some() {
            self.feed(|core, now| core.handle_link(now, id, LinkChange::Closed(code)));
        }
    }

    pub(super) fn forget(&mut self, id: LinkId) -> Option<Link> {
        self.shared.sessions.remove(id);
        self.links.remove(&id)
    }

    pub(super) fn send(&mut self, id: LinkId, frame: &Frame) {
        let Some(link) = self.links.get(&id) else {
            return;
        };
        if let Err(overflow) = link.handle.send(frame) {
            tracing::warn!(link = %id, %overflow, "closing a link whose peer does not read");
            let overflows = &self.shared.counters.overflows;
            overflows.fetch_add(1, Ordering::Relaxed);
            self.overflowed.push(id);
        }
    }
}
