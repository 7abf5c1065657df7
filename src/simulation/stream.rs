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
//! A lost segment is sent again, so it and all behind it arrive later. While the path is cut in either direction, what
//! is sent waits; when the cut is lifted it goes on, and if that takes longer than the options allow, both ends close.

use std::collections::BTreeMap;
use std::time::Duration;

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
    /// Since when the path is cut.
    pub(super) cut: Option<Timestamp>,
}

/// What one end knows, and what is on its way to it.
#[derive(Debug)]
pub(super) struct End {
    pub(super) node: NodeId,
    pub(super) link: Option<LinkId>,
    pub(super) phase: Phase,
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
    /// The sending end is closed, or its process is gone.
    End,
    /// One frame.
    Frame(Kind, Vec<u8>),
    /// A step of the handshake; see the module's drawing.
    Handshake(u8),
    /// The listener does not want the handshake to go on.
    Refusal(Code),
}

impl Segment {
    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::Frame(kind, _) => *kind,
            Self::End | Self::Handshake(_) | Self::Refusal(_) => Kind::Control,
        }
    }

    /// The length, in bytes.
    pub(super) const fn len(&self) -> usize {
        match self {
            Self::Frame(_, bytes) => bytes.len(),
            Self::End | Self::Handshake(_) | Self::Refusal(_) => 0,
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
            last_arrival: Timestamp::ZERO,
            waiting: Vec::new(),
        }
    }

    /// When a segment arrives that takes `delay`: never before the one sent earlier.
    pub(super) fn arrival(&mut self, now: Timestamp, delay: Duration) -> Timestamp {
        self.last_arrival = self.last_arrival.max(now + delay);
        self.last_arrival
    }

    /// Keeps a segment until the path is whole.
    pub(super) fn wait(&mut self, segment: Segment) {
        self.waiting.push(segment);
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
            cut: None,
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

    pub(super) fn cut(&mut self, id: ConnectionId, now: Timestamp) {
        if let Some(connection) = self.open.get_mut(&id) {
            connection.cut = Some(now);
        }
    }

    pub(super) fn remove(&mut self, id: ConnectionId) {
        self.open.remove(&id);
    }

    pub(super) fn ids(&self) -> Vec<ConnectionId> {
        self.open.keys().copied().collect()
    }

    /// The ends a node holds that are not closed, in the order of dialling.
    pub(super) fn ends_of(&self, node: NodeId) -> Vec<EndId> {
        let ends = |(id, connection): (&ConnectionId, &Connection)| {
            [Side::Dialer, Side::Listener].map(|side| {
                let end = connection.end(side);
                let is_held = end.node == node && end.phase != Phase::Closed;
                is_held.then_some(EndId {
                    connection: *id,
                    side,
                })
            })
        };
        self.open.iter().flat_map(ends).flatten().collect()
    }
}
