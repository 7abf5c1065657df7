//! [`Traffic`]: what each node has sent and received, by kind, so that budgets can be checked.

use crate::wire::datagram;
use crate::wire::frame::Frame;
use crate::wire::message::{Body, Message};

/// What was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A datagram: the answer to a probe.
    Ack,
    /// A datagram: nothing but news.
    Gossip,
    /// A datagram: a relay's word that it has no answer so far.
    Nack,
    /// A datagram: a probe.
    Ping,
    /// A datagram: a request to probe somebody else.
    PingReq,
    /// A datagram of no known kind.
    Garbled,
    /// A segment that opens, secures or ends a connection.
    Control,
    /// A frame by which two ends prove themselves, and one joins.
    Admission,
    /// A frame of a push-pull.
    PushPull,
    /// A frame that probes, or answers a probe.
    StreamProbe,
    /// A frame with the body of a datagram, for members without a datagram socket.
    StreamBody,
    /// A frame with gossip keys.
    Keys,
    /// A frame that asks for metadata, or brings it.
    Metadata,
    /// A message between applications.
    Application,
}

impl Kind {
    /// Every kind, in the order of declaration.
    pub const ALL: [Self; 14] = [
        Self::Ack,
        Self::Gossip,
        Self::Nack,
        Self::Ping,
        Self::PingReq,
        Self::Garbled,
        Self::Control,
        Self::Admission,
        Self::PushPull,
        Self::StreamProbe,
        Self::StreamBody,
        Self::Keys,
        Self::Metadata,
        Self::Application,
    ];

    /// The word used in transcripts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ack => "ack",
            Self::Gossip => "gossip",
            Self::Nack => "nack",
            Self::Ping => "ping",
            Self::PingReq => "ping-req",
            Self::Garbled => "garbled",
            Self::Control => "control",
            Self::Admission => "admission",
            Self::PushPull => "push-pull",
            Self::StreamProbe => "stream probe",
            Self::StreamBody => "stream body",
            Self::Keys => "keys",
            Self::Metadata => "metadata",
            Self::Application => "application",
        }
    }

    /// Whether it travels as a datagram.
    #[must_use]
    pub const fn is_datagram(self) -> bool {
        (self as usize) <= Self::Garbled as usize
    }

    pub(super) fn of_datagram(payload: &[u8]) -> Self {
        let body = datagram::parse(payload).ok().map(|datagram| datagram.body);
        match body.and_then(|body| Body::decode(body).ok()) {
            None => Self::Garbled,
            Some(body) => match body.message {
                Message::Ack { .. } => Self::Ack,
                Message::Gossip => Self::Gossip,
                Message::Nack { .. } => Self::Nack,
                Message::Ping { .. } => Self::Ping,
                Message::PingReq { .. } => Self::PingReq,
            },
        }
    }

    pub(super) const fn of_frame(frame: &Frame) -> Self {
        match frame {
            Frame::Body(_) => Self::StreamBody,
            Frame::Keys(_) => Self::Keys,
            Frame::Metadata { .. } | Frame::WantMetadata(_) => Self::Metadata,
            Frame::Probe { .. } | Frame::ProbeAck { .. } => Self::StreamProbe,
            Frame::Digest { .. }
            | Frame::Page { .. }
            | Frame::Same
            | Frame::Sync { .. }
            | Frame::Want(_) => Self::PushPull,
            _ => Self::Admission,
        }
    }
}

/// How many, and how many bytes of payload: without the headers of UDP, TCP and IP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How many datagrams, frames or segments.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Count {
    pub(super) const fn add(&mut self, len: usize) {
        self.packets += 1;
        self.bytes += len as u64;
    }
}

impl std::iter::Sum for Count {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |sum, count| Self {
            packets: sum.packets + count.packets,
            bytes: sum.bytes + count.bytes,
        })
    }
}

/// What a node has sent and received in all its lives, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    sent: [Count; Kind::ALL.len()],
    received: [Count; Kind::ALL.len()],
}

impl Traffic {
    /// What it sent of one kind, whether it arrived or not.
    #[must_use]
    pub const fn sent(&self, kind: Kind) -> Count {
        self.sent[kind as usize]
    }

    /// What it took in of one kind.
    #[must_use]
    pub const fn received(&self, kind: Kind) -> Count {
        self.received[kind as usize]
    }

    /// All datagrams it sent.
    #[must_use]
    pub fn datagrams_sent(&self) -> Count {
        Self::datagrams(&self.sent)
    }

    /// All datagrams it took in.
    #[must_use]
    pub fn datagrams_received(&self) -> Count {
        Self::datagrams(&self.received)
    }

    /// All it sent, by datagram and on connections.
    #[must_use]
    pub fn all_sent(&self) -> Count {
        self.sent.iter().copied().sum()
    }

    /// All it took in.
    #[must_use]
    pub fn all_received(&self) -> Count {
        self.received.iter().copied().sum()
    }

    pub(super) const fn count_sent(&mut self, kind: Kind, len: usize) {
        self.sent[kind as usize].add(len);
    }

    pub(super) const fn count_received(&mut self, kind: Kind, len: usize) {
        self.received[kind as usize].add(len);
    }

    fn datagrams(counts: &[Count; Kind::ALL.len()]) -> Count {
        let kinds = Kind::ALL.into_iter().filter(|kind| kind.is_datagram());
        kinds.map(|kind| counts[kind as usize]).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_place_and_word() {
        for (place, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
            let same = Kind::ALL
                .iter()
                .filter(|other| other.as_str() == kind.as_str());
            assert_eq!(same.count(), 1, "{kind:?}");
        }
    }

    #[test]
    fn sums_are_by_datagram_and_over_all() {
        let mut traffic = Traffic::default();
        traffic.count_sent(Kind::Ping, 50);
        traffic.count_sent(Kind::Ping, 70);
        traffic.count_sent(Kind::Keys, 40);
        traffic.count_received(Kind::Ack, 60);
        let count = |packets, bytes| Count { packets, bytes };
        assert_eq!(traffic.sent(Kind::Ping), count(2, 120));
        assert_eq!(traffic.datagrams_sent(), count(2, 120));
        assert_eq!(traffic.all_sent(), count(3, 160));
        assert_eq!(traffic.datagrams_received(), count(1, 60));
    }
}
