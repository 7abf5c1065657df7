//! Connections: bytes in order, late but never with a gap.
//!
//! ```text
//! dialer                            listener
//!   | 0  SYN ------------------------> |   nobody listens: refused; nobody there: silence
//!   | <------------------- SYN-ACK  1  |   plaintext: the dialer's end is open
//!   | 2  ACK, ClientHello -----------> |   plaintext: the listener's end is open
//!   | <--------------- ServerHello  3  |   TLS: the dialer has verified the listener; its end is open
//!   | 4  Finished -------------------> |   TLS: the listener's end is open
//! ```
//!
//! A lost segment is sent again, so it and all behind it arrive later. While the path is cut, what is sent waits; when the
//! cut is lifted it goes on. An end whose bytes are not acknowledged for longer than the options allow is *forgotten*: its
//! node is told that the connection is gone, and says nothing, as nothing gets through. So does a host that vanishes. The
//! other end is half open then: it goes on until it sends something itself, and is reset if there is a host again to do so.

use std::collections::BTreeMap;

use super::node::NodeId;
use super::traffic::Kind;
use crate::admission::LinkId;
use crate::time::Timestamp;
use crate::wire::hello::Side;
use crate::wire::refusal::Code;

/// The steps of the handshake.
pub(super) const SYN: u8 = 0;
pub(super) const SYN_ACK: u8 = 1;
pub(super) const CLIENT_HELLO: u8 = 2;
pub(super) const SERVER_HELLO: u8 = 3;
pub(super) const FINISHED: u8 = 4;

/// A connection, by the order of dialling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ConnectionId(u64);

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EndId {
    pub(super) connection: ConnectionId,
    pub(super) side: Side,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    dialer: End,
    listener: End,
    /// TLS: the value both ends export.
    pub(super) exporter: [u8; 32],
}

/// What one end knows, and what is on its way to it.
#[derive(Debug)]
pub(super) struct End {
    pub(super) node: NodeId,
    pub(super) link: Option<LinkId>,
    pub(super) phase: Phase,
    /// Closed without a word: it answers what still comes with a reset.
    pub(super) is_forgotten: bool,
    /// Since when something that was sent to it is not acknowledged, as far as that is worth noting.
    pub(super) unacknowledged: Option<Timestamp>,
    last_arrival: Timestamp,
    waiting: Vec<Segment>,
}

/// How far an end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Opening,
    Open,
    Closed,
}

/// What travels on a connection.
#[derive(Debug)]
pub(super) enum Segment {
    /// The sending end is closed, or there is none: FIN or RST.
    End,
    /// One frame.
    Frame(Kind, Vec<u8>),
    /// A step of the handshake, of so many bytes; see the module's drawing.
    Handshake(u8, usize),
    /// The listener does not want the handshake to go on.
    Refusal(Code),
}

impl Segment {
    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::Frame(kind, _) => *kind,
            Self::End | Self::Handshake(..) | Self::Refusal(_) => Kind::Control,
        }
    }

    /// How many bytes of the stream it is.
    pub(super) const fn len(&self) -> usize {
        match self {
            Self::Frame(_, bytes) => bytes.len(),
            Self::Handshake(_, len) => *len,
            Self::End | Self::Refusal(_) => 0,
        }
    }
}

impl EndId {
    pub(super) const fn dialer(connection: ConnectionId) -> Self {
        Self {
            connection,
            side: Side::Dialer,
        }
    }

    /// The end at the other side.
    pub(super) const fn other(self) -> Self {
        let side = match self.side {
            Side::Dialer => Side::Listener,
            Side::Listener => Side::Dialer,
        };
        Self { side, ..self }
    }
}

impl Connection {
    pub(super) const fn end(&self, side: Side) -> &End {
        match side {
            Side::Dialer => &self.dialer,
            Side::Listener => &self.listener,
        }
    }

    pub(super) const fn end_mut(&mut self, side: Side) -> &mut End {
        match side {
            Side::Dialer => &mut self.dialer,
            Side::Listener => &mut self.listener,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.dialer.phase == Phase::Closed && self.listener.phase == Phase::Closed
    }
}

impl End {
    const fn new(node: NodeId, link: Option<LinkId>) -> Self {
        Self {
            node,
            link,
            phase: Phase::Opening,
            is_forgotten: false,
            unacknowledged: None,
            last_arrival: Timestamp::ZERO,
            waiting: Vec::new(),
        }
    }

    /// When a segment arrives that would by itself arrive `at` this time: never before the one sent earlier.
    pub(super) fn arrival(&mut self, at: Timestamp) -> Timestamp {
        self.last_arrival = self.last_arrival.max(at);
        self.last_arrival
    }

    /// Keeps a segment until the path is whole.
    pub(super) fn wait(&mut self, segment: Segment) {
        self.waiting.push(segment);
    }

    /// Whether segments wait, so that later ones have to.
    pub(super) const fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Closes it without a word.
    pub(super) fn forget(&mut self) {
        self.phase = Phase::Closed;
        self.is_forgotten = true;
    }

    pub(super) fn take_waiting(&mut self) -> Vec<Segment> {
        std::mem::take(&mut self.waiting)
    }
}

/// All connections there are.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: BTreeMap<ConnectionId, Connection>,
    dialled: u64,
}

impl Connections {
    pub(super) fn insert(
        &mut self,
        dialer: NodeId,
        link: LinkId,
        listener: NodeId,
        exporter: [u8; 32],
    ) -> ConnectionId {
        let id = ConnectionId(self.dialled);
        self.dialled += 1;
        let connection = Connection {
            dialer: End::new(dialer, Some(link)),
            listener: End::new(listener, None),
            exporter,
        };
        self.open.insert(id, connection);
        id
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.open.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.open.get_mut(&id)
    }

    pub(super) fn end_mut(&mut self, id: EndId) -> Option<&mut End> {
        self.get_mut(id.connection)
            .map(|connection| connection.end_mut(id.side))
    }

    pub(super) fn remove(&mut self, id: ConnectionId) {
        self.open.remove(&id);
    }

    /// The ends to which something was sent that is not acknowledged, in the order of dialling.
    pub(super) fn unacknowledged(&self) -> Vec<EndId> {
        self.ends(|end| end.unacknowledged.is_some())
    }

    /// The ends a node holds that are not closed, in the order of dialling.
    pub(super) fn ends_of(&self, node: NodeId) -> Vec<EndId> {
        self.ends(|end| end.node == node && end.phase != Phase::Closed)
    }

    fn ends(&self, is_wanted: impl Fn(&End) -> bool) -> Vec<EndId> {
        let ids = self.open.keys().flat_map(|id| {
            let dialer = EndId::dialer(*id);
            [dialer, dialer.other()]
        });
        ids.filter(|id| is_wanted(self.open[&id.connection].end(id.side)))
            .collect()
    }
}
