//! Opening and sealing datagrams: what must hold before a byte of a body is believed.
//!
//! Every datagram that is not let in is counted by the step it failed at, and never answered (P1, P9).

use std::net::SocketAddr;

use super::links::Job;
use super::{Membership, Output};
use crate::member::MemberId;
use crate::sabotage::Sabotage;
use crate::seal::{Replay, Sequence, TagError};
use crate::swim::BodyError;
use crate::time::Timestamp;
use crate::wire::codec::DecodeError;
use crate::wire::datagram::{self, Datagram, Group, Header};
use crate::wire::hash::cluster_hash;
use crate::wire::message::{Body, Kind};

/// Why a datagram was not let in. Nothing was changed; drop it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DatagramError {
    /// It is no datagram of this protocol, or its body is broken. Updates before the break stand.
    #[error("not a datagram of this protocol")]
    Malformed(#[from] DecodeError),
    /// It is plain and this node runs TLS, or the other way round.
    #[error("a datagram of the other security mode")]
    OtherMode,
    /// It belongs to a cluster of another name.
    #[error("a datagram of another cluster")]
    OtherCluster,
    /// Its tag does not verify.
    #[error(transparent)]
    Tag(#[from] TagError),
    /// It is meant for someone else.
    #[error("meant for {recipient}")]
    OtherRecipient {
        /// For whom.
        recipient: String,
    },
    /// It has been here before, or is too old to tell.
    #[error("number {sequence} of its sender was here before, or is too old to tell")]
    Replayed {
        /// Its number.
        sequence: u64,
    },
    /// Its sender is no member, or an update in it is broken; what the error says of the rest holds.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The node takes no datagrams any more, or not yet.
    #[error("the node does not take part")]
    NotRunning,
}

/// Counters of datagrams, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatagramStats {
    /// Sent.
    pub sent: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Received and let in.
    pub received: u64,
    /// Bytes received and let in.
    pub received_bytes: u64,
    /// Malformed.
    pub malformed: u64,
    /// Of the other security mode.
    pub other_mode: u64,
    /// Of another cluster.
    pub other_cluster: u64,
    /// Under an unknown key.
    pub unknown_key: u64,
    /// With a tag that does not verify.
    pub bad_tag: u64,
    /// For another recipient.
    pub other_recipient: u64,
    /// From a sender that is no member, or from an earlier life of one.
    pub unknown_sender: u64,
    /// Here before, or too old to tell.
    pub replayed: u64,
    /// Those sent, by the kind of their message, in the order of [`Kind::ALL`].
    pub sent_by_kind: [Traffic; Kind::ALL.len()],
    /// Those let in, likewise.
    pub received_by_kind: [Traffic; Kind::ALL.len()],
}

/// Datagrams of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// How many.
    pub datagrams: u64,
    /// Their payloads together, in bytes.
    pub bytes: u64,
}

impl Traffic {
    fn add(traffic: &mut [Self; Kind::ALL.len()], body: &[u8], len: usize) {
        if let Some(kind) = Kind::of(body) {
            let traffic = &mut traffic[kind as usize];
            traffic.datagrams += 1;
            traffic.bytes += len as u64;
        }
    }
}

/// What sealing needs to remember.
#[derive(Debug)]
pub(super) struct Gate {
    cluster: u64,
    sequence: Sequence,
    pub(super) replay: Replay,
    pub(super) stats: DatagramStats,
}

impl Gate {
    pub(super) fn new(cluster: &str) -> Self {
        Self {
            cluster: cluster_hash(cluster),
            sequence: Sequence::default(),
            replay: Replay::default(),
            stats: DatagramStats::default(),
        }
    }

    /// Sequence numbers start again with each life.
    pub(super) fn begin_life(&mut self) {
        self.sequence = Sequence::default();
    }

    fn count(&mut self, error: &DatagramError) {
        let stats = &mut self.stats;
        let counter = match error {
            DatagramError::Malformed(_) | DatagramError::NotRunning => &mut stats.malformed,
            DatagramError::OtherMode => &mut stats.other_mode,
            DatagramError::OtherCluster => &mut stats.other_cluster,
            DatagramError::Tag(TagError::UnknownKey { .. }) => &mut stats.unknown_key,
            DatagramError::Tag(_) => &mut stats.bad_tag,
            DatagramError::OtherRecipient { .. } => &mut stats.other_recipient,
            DatagramError::Replayed { .. } => &mut stats.replayed,
            DatagramError::Body(BodyError::Malformed(_)) => &mut stats.malformed,
            DatagramError::Body(_) => &mut stats.unknown_sender,
        };
        *counter += 1;
    }
}

impl Membership {
    /// Judges a datagram and hands its body to failure detection.
    pub(super) fn open_datagram(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        payload: &[u8],
    ) -> Result<(), DatagramError> {
        let result = self.judge_datagram(now, from, payload);
        match &result {
            Ok(()) => {
                self.gate.stats.received += 1;
                self.gate.stats.received_bytes += payload.len() as u64;
            }
            Err(error) => {
                self.gate.count(error);
                if self.does(Sabotage::StrangersAnswered) {
                    let payload = [payload, payload].concat();
                    self.outbox
                        .push_back(Output::Transmit { to: from, payload });
                }
            }
        }
        result
    }

    fn judge_datagram(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        payload: &[u8],
    ) -> Result<(), DatagramError> {
        if !self.is_running() {
            return Err(DatagramError::NotRunning);
        }
        let datagram = datagram::parse(payload)?;
        let header = datagram.header;
        if self.does(Sabotage::GarbageBelieved) {
            self.believe(now, datagram.body);
        }
        self.check_group(now, from, &datagram)?;
        if header.recipient != self.options.local.id.as_str() {
            return Err(DatagramError::OtherRecipient {
                recipient: header.recipient.to_owned(),
            });
        }
        self.check_replay(&header)?;
        if let Group::Tagged { newest, .. } = header.group {
            self.note_newest(now, header.sender, newest);
        }
        let body = Body::decode(datagram.body)?;
        self.take_body(now, header.sender, header.generation, &body)?;
        let received = &mut self.gate.stats.received_by_kind;
        Traffic::add(received, datagram.body, payload.len());
        Ok(())
    }

    fn check_group(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        datagram: &Datagram<'_>,
    ) -> Result<(), DatagramError> {
        match (datagram.header.group, datagram.tag, self.is_tls()) {
            (Group::Plain(cluster), _, false) if cluster == self.gate.cluster => Ok(()),
            (Group::Plain(_), _, false) => Err(DatagramError::OtherCluster),
            (Group::Tagged { key, .. }, Some(tag), true) => {
                let checked = self.keyring.verify(key, datagram.covered, &tag);
                if let Err(TagError::UnknownKey { .. }) = checked {
                    self.on_unknown_key(now, from, datagram.header.sender);
                }
                Ok(checked?)
            }
            _ if self.does(Sabotage::SecurityModeIgnored) => Ok(()),
            _ => Err(DatagramError::OtherMode),
        }
    }

    /// Lets each tagged datagram of a member count once. Without a tag the number proves nothing, and others have no window.
    fn check_replay(&mut self, header: &Header<'_>) -> Result<(), DatagramError> {
        if !self.is_tls() || self.does(Sabotage::ReplaysAccepted) {
            return Ok(());
        }
        let sequence = header.sequence;
        let sender = self.swim.member(header.sender);
        match sender.filter(|held| held.record().generation == header.generation) {
            Some(held)
                if !self
                    .gate
                    .replay
                    .accept(held.id(), header.generation, sequence) =>
            {
                Err(DatagramError::Replayed { sequence })
            }
            _ => Ok(()),
        }
    }

    /// Seals a body and sends it to a member: as a datagram, or as a frame where one side has no datagram socket.
    pub(super) fn send_body(&mut self, now: Timestamp, to: &MemberId, body: Vec<u8>) {
        let Some(member) = self.swim.member(to.as_str()) else {
            return;
        };
        let (addr, udp) = (
            member.record().addr,
            member.record().udp && self.options.local.udp,
        );
        if !udp {
            self.with_link(now, to, Job::Body(body));
            return;
        }
        // Whoever takes over an address hears of the member that had it. What is sent there comes back to ourselves.
        if addr == self.options.local.advertised {
            return;
        }
        let addr = match self.does(Sabotage::TalksToItself) {
            true => self.options.local.advertised,
            false => addr,
        };
        let payload = self.seal_datagram(to, &body);
        self.gate.stats.sent += 1;
        self.gate.stats.sent_bytes += payload.len() as u64;
        Traffic::add(&mut self.gate.stats.sent_by_kind, &body, payload.len());
        self.outbox
            .push_back(Output::Transmit { to: addr, payload });
    }

    pub(super) fn seal_datagram(&mut self, to: &MemberId, body: &[u8]) -> Vec<u8> {
        let tls = self.is_tls();
        let sender = self.options.local.id.as_str();
        let group = if tls {
            Group::Tagged {
                key: self.keyring.active(),
                newest: self.keyring.newest(),
            }
        } else {
            Group::Plain(self.gate.cluster)
        };
        let sequence = self.gate.sequence.advance();
        let header = Header {
            group,
            sender,
            generation: self.generation,
            recipient: to.as_str(),
            sequence,
        };
        let mut payload =
            Vec::with_capacity(datagram::overhead(sender, to.as_str(), tls) + body.len());
        datagram::encode_header(&header, &mut payload);
        payload.extend_from_slice(body);
        if tls {
            let tag = self.keyring.tag(&payload);
            payload.extend_from_slice(&tag);
        }
        payload
    }
}
