//! [`Forger`]: datagrams of somebody who hears the whole cluster and holds none of its keys.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use crate::member::{Incarnation, MemberId, MetadataStamp, MetadataTag, Standing};
use crate::node::DEFAULT_CLUSTER;
use crate::seal::{Keyring, Secrets, Seed};
use crate::swim::Member;
use crate::time::Timestamp;
use crate::wire::datagram::{Group, Header, KeyId, encode_header, parse};
use crate::wire::hash::cluster_hash;
use crate::wire::message::{Message, encode_message};
use crate::wire::update::{
    AccusationRef, SIGNATURE_LEN, Verdict, encode_accusation, encode_record,
};

/// The ways in which a datagram is not a member's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Forgery {
    /// Every kind of message, under the cluster's key id, with a tag at random.
    BadTag,
    /// A captured one with bytes behind it.
    Extended,
    /// A captured one with one bit flipped.
    Flipped,
    /// Every kind of message, as nodes without TLS send it.
    Plain,
    /// Noise.
    Random,
    /// A captured one, as it was; former lives' included.
    Replayed,
    /// Every kind of message, soundly tagged with another cluster's key.
    Stranger,
    /// The same, under the id of this cluster's key.
    StrangerInDisguise,
    /// A captured one, cut short.
    Truncated,
}

impl Forgery {
    pub(super) const ALL: [Self; 9] = [
        Self::BadTag,
        Self::Extended,
        Self::Flipped,
        Self::Plain,
        Self::Random,
        Self::Replayed,
        Self::Stranger,
        Self::StrangerInDisguise,
        Self::Truncated,
    ];
}

/// What it has heard, and what it makes of that.
pub(super) struct Forger {
    pub(super) rng: Pcg64,
    /// Datagrams as they were sent.
    heard: Vec<Vec<u8>>,
    /// All members, as gossip tells of them.
    members: Vec<Member>,
    /// The id of the key that the cluster tags with.
    key: KeyId,
    /// Another cluster's key.
    stranger: Keyring,
}

impl Forger {
    pub(super) fn new(seed: u64, heard: Vec<Vec<u8>>, members: Vec<Member>) -> Self {
        let last = parse(heard.last().expect("something was heard")).unwrap();
        let Group::Tagged { key, .. } = last.header.group else {
            panic!("the cluster runs TLS");
        };
        let own = Secrets::new(Seed::new([0x5e; 32])).gossip_key();
        Self {
            rng: Pcg64::seed_from_u64(seed),
            heard,
            members,
            key,
            stranger: Keyring::new(Timestamp::ZERO, own, Duration::from_secs(30)),
        }
    }

    /// A datagram for this member.
    pub(super) fn forge(&mut self, forgery: Forgery, to: &MemberId) -> Vec<u8> {
        match forgery {
            Forgery::Plain => {
                let cluster = Group::Plain(cluster_hash(DEFAULT_CLUSTER));
                self.speak(cluster, to)
            }
            Forgery::BadTag => {
                let mut datagram = self.speak(tagged(self.key), to);
                datagram.extend(self.rng.random::<[u8; 16]>());
                datagram
            }
            Forgery::Stranger => self.speak_tagged(self.stranger.active(), to),
            Forgery::StrangerInDisguise => self.speak_tagged(self.key, to),
            Forgery::Random => {
                let len = self.rng.random_range(0..1_400);
                (0..len).map(|_| self.rng.random()).collect()
            }
            Forgery::Extended | Forgery::Flipped | Forgery::Replayed | Forgery::Truncated => {
                self.spoil(forgery)
            }
        }
    }

    /// One that was heard, spoiled.
    fn spoil(&mut self, forgery: Forgery) -> Vec<u8> {
        let mut datagram = self.heard[self.rng.random_range(0..self.heard.len())].clone();
        let at = self.rng.random_range(0..datagram.len());
        match forgery {
            Forgery::Extended => datagram.extend_from_within(at..),
            Forgery::Flipped => datagram[at] ^= 1 << self.rng.random_range(0..8),
            Forgery::Truncated => datagram.truncate(at),
            _ => {}
        }
        datagram
    }

    fn speak_tagged(&mut self, key: KeyId, to: &MemberId) -> Vec<u8> {
        let mut datagram = self.speak(tagged(key), to);
        datagram.extend(self.stranger.tag(&datagram));
        datagram
    }

    /// A header in some member's name, and a body.
    fn speak(&mut self, group: Group, to: &MemberId) -> Vec<u8> {
        let sender = self.pick();
        let header = Header {
            group,
            sender: sender.id().as_str(),
            generation: sender.record().generation,
            recipient: to.as_str(),
            sequence: self.rng.random(),
        };
        let mut datagram = Vec::new();
        encode_header(&header, &mut datagram);
        datagram.extend(self.body(sender.id()));
        datagram
    }

    /// A message of any kind, with lies behind it.
    pub(super) fn body(&mut self, target: &MemberId) -> Vec<u8> {
        let (probe, view) = (self.rng.random(), self.rng.random());
        let generation = self.pick().record().generation;
        let target = target.as_str();
        let messages = [
            Message::Ack {
                probe,
                generation,
                view,
            },
            Message::Gossip,
            Message::Nack { probe, generation },
            Message::Ping { probe, view },
            Message::PingReq { probe, target },
        ];
        let mut body = Vec::new();
        encode_message(
            &messages[self.rng.random_range(0..messages.len())],
            &mut body,
        );
        for _ in 0..self.rng.random_range(1..4) {
            body.extend(self.lie());
        }
        body
    }

    /// Something untrue of a member.
    fn lie(&mut self) -> Vec<u8> {
        let of = self.pick();
        let mut record = of.record().clone();
        record.incarnation = Incarnation::new(record.incarnation.get() + 1);
        match self.rng.random_range(0..8) {
            0 => return accuse(&of, Verdict::Dead),
            1 => return accuse(&of, Verdict::Suspect),
            2 => return of.encoded().to_vec(),
            3 => record.standing = Standing::Left,
            4 => record.addr.set_port(9),
            5 => record.generation = record.generation.next(),
            6 => record.id = MemberId::new("stranger").unwrap(),
            _ => {
                record.metadata = MetadataStamp {
                    version: 7,
                    commitment: Some(MetadataTag([7; 16])),
                }
            }
        }
        let signature: [u8; SIGNATURE_LEN] = self.rng.random();
        encode_record(&record, &signature)
    }

    pub(super) fn pick(&mut self) -> Member {
        self.members[self.rng.random_range(0..self.members.len())].clone()
    }
}

const fn tagged(key: KeyId) -> Group {
    Group::Tagged { key, newest: key }
}

fn accuse(of: &Member, verdict: Verdict) -> Vec<u8> {
    encode_accusation(&AccusationRef {
        id: of.id().as_str(),
        generation: of.record().generation,
        incarnation: of.record().incarnation,
        verdict,
        accuser: "0",
    })
}
