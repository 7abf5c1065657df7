//! Updates: what travels about members. A record is its owner's word; an accusation is someone else's.
//!
//! Updates are decoded by reference: most of what gossip brings is known already, and a known update must cost no
//! allocation. A record's bytes are kept as they came and relayed unchanged, since its signature covers them.

use std::net::SocketAddr;

use bincode::{BorrowDecode, Encode};

use super::codec::{self, DecodeError};
use crate::member::{
    Generation, Incarnation, IntroductionTag, MemberId, MemberRecord, MemberState, MemberVersion,
    MetadataStamp, MetadataTag, ProtocolRange, Role, Standing,
};

/// The length of an Ed25519 signature, in bytes.
pub const SIGNATURE_LEN: usize = 64;

/// One update, borrowed from the bytes it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpdateRef<'a> {
    /// Someone else's word about a member.
    Accusation(AccusationRef<'a>),
    /// A member's own word.
    Record(RecordRef<'a>),
}

/// A member's record as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// Whose record; checked to be a valid [`MemberId`].
    pub id: &'a str,
    /// Which life of it.
    pub generation: Generation,
    /// Which version of that life.
    pub incarnation: Incarnation,
    /// Here, or gone by its own word.
    pub standing: Standing,
    /// The advertised address.
    pub addr: SocketAddr,
    /// Whether it has a datagram socket.
    pub udp: bool,
    /// What kind of node it is.
    pub role: Role,
    /// The protocol versions it speaks.
    pub protocols: ProtocolRange,
    /// Which metadata belongs to it.
    pub metadata: MetadataStamp,
    /// Which introduction vouches for it.
    pub introduction: Option<IntroductionTag>,
    /// The signed bytes.
    pub body: &'a [u8],
    /// The owner's signature over `body`: empty, or [`SIGNATURE_LEN`] bytes.
    pub signature: &'a [u8],
    /// The whole update as received, to be kept and relayed.
    pub encoded: &'a [u8],
}

impl RecordRef<'_> {
    /// Generation, incarnation and state of this record.
    #[must_use]
    pub fn version(&self) -> MemberVersion {
        let state = match self.standing {
            Standing::Alive => MemberState::Alive,
            Standing::Left => MemberState::Left,
        };
        MemberVersion {
            generation: self.generation,
            incarnation: self.incarnation,
            state,
        }
    }

    /// The record, owned.
    #[must_use]
    pub fn to_record(&self) -> MemberRecord {
        MemberRecord {
            id: MemberId::new(self.id).expect("checked when decoded"),
            generation: self.generation,
            incarnation: self.incarnation,
            standing: self.standing,
            addr: self.addr,
            udp: self.udp,
            role: self.role,
            protocols: self.protocols,
            metadata: self.metadata,
            introduction: self.introduction,
        }
    }
}

/// What kind of accusation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It missed a probe.
    Suspect,
    /// Its suspicion ran out.
    Dead,
    /// An operator has whoever holds it dead, or gone, forget it.
    Forgotten,
}

impl Verdict {
    /// The state this verdict puts a member in.
    #[must_use]
    pub const fn state(self) -> MemberState {
        match self {
            Self::Suspect => MemberState::Suspect,
            Self::Dead | Self::Forgotten => MemberState::Dead,
        }
    }
}

/// Someone's word about another member's version. Unsigned; it refers to a record the receiver must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccusationRef<'a> {
    /// Who is accused; checked to be a valid [`MemberId`].
    pub id: &'a str,
    /// The life accused.
    pub generation: Generation,
    /// The version accused.
    pub incarnation: Incarnation,
    /// Of what.
    pub verdict: Verdict,
    /// Who missed the probe or watched the timer run out; checked to be a valid [`MemberId`].
    pub accuser: &'a str,
}

impl AccusationRef<'_> {
    /// Generation, incarnation and state of this accusation.
    #[must_use]
    pub fn version(&self) -> MemberVersion {
        MemberVersion {
            generation: self.generation,
            incarnation: self.incarnation,
            state: self.verdict.state(),
        }
    }
}

/// Encodes a record as an update, with its signature (empty where records are not signed).
#[must_use]
pub fn encode_record(record: &MemberRecord, signature: &[u8]) -> Vec<u8> {
    let body = record_body(record);
    codec::encode(&WireUpdate::Record {
        body: &body,
        signature,
    })
}

/// The bytes of a record that its owner signs.
#[must_use]
pub fn record_body(record: &MemberRecord) -> Vec<u8> {
    codec::encode(&WireRecord {
        id: record.id.as_str(),
        generation: record.generation.get(),
        incarnation: record.incarnation.get(),
        left: record.standing == Standing::Left,
        addr: record.addr,
        udp: record.udp,
        gateway: record.role == Role::Gateway,
        protocol_min: record.protocols.min,
        protocol_max: record.protocols.max,
        metadata_version: record.metadata.version,
        metadata_commitment: record.metadata.commitment.map(|tag| tag.0),
        introduction: record.introduction.map(|tag| tag.0),
    })
}

/// Encodes an accusation as an update.
#[must_use]
pub fn encode_accusation(accusation: &AccusationRef<'_>) -> Vec<u8> {
    let AccusationRef {
        id,
        generation,
        incarnation,
        verdict,
        accuser,
    } = *accusation;
    let (generation, incarnation) = (generation.get(), incarnation.get());
    codec::encode(&match verdict {
        Verdict::Suspect => WireUpdate::Suspect {
            id,
            generation,
            incarnation,
            accuser,
        },
        Verdict::Dead => WireUpdate::Dead {
            id,
            generation,
            incarnation,
            accuser,
        },
        Verdict::Forgotten => WireUpdate::Forgotten {
            id,
            generation,
            incarnation,
            accuser,
        },
    })
}

/// What the owner's gossip key signs for a record with this body. The cluster's name stands behind its length, so that no
/// byte can be taken for one of the other part.
#[must_use]
pub fn record_statement(cluster: &str, body: &[u8]) -> Vec<u8> {
    let mut statement = Vec::with_capacity(CONTEXT.len() + 1 + cluster.len() + body.len());
    statement.extend(CONTEXT);
    statement.push(u8::try_from(cluster.len()).expect("cluster names have at most 128 bytes"));
    statement.extend(cluster.as_bytes());
    statement.extend(body);
    statement
}

/// Decodes the update at the start of `bytes` and says how long it was.
///
/// # Errors
///
/// [`DecodeError`] when the bytes are no update; nothing else may be read from them then.
pub fn decode_update(bytes: &[u8]) -> Result<(UpdateRef<'_>, usize), DecodeError> {
    let (wire, used) = codec::decode_prefix::<WireUpdate<'_>>("update", bytes)?;
    let update = match wire {
        WireUpdate::Record { body, signature } => {
            UpdateRef::Record(record_ref(body, signature, &bytes[..used])?)
        }
        WireUpdate::Suspect {
            id,
            generation,
            incarnation,
            accuser,
        } => accusation_ref(id, generation, incarnation, Verdict::Suspect, accuser)?,
        WireUpdate::Dead {
            id,
            generation,
            incarnation,
            accuser,
        } => accusation_ref(id, generation, incarnation, Verdict::Dead, accuser)?,
        WireUpdate::Forgotten {
            id,
            generation,
            incarnation,
            accuser,
        } => accusation_ref(id, generation, incarnation, Verdict::Forgotten, accuser)?,
    };
    Ok((update, used))
}

/// Decodes bytes that hold exactly one record.
///
/// # Errors
///
/// [`DecodeError`] when they hold anything else.
pub fn decode_record(bytes: &[u8]) -> Result<RecordRef<'_>, DecodeError> {
    match decode_update(bytes)? {
        (UpdateRef::Record(record), used) if used == bytes.len() => Ok(record),
        (UpdateRef::Record(_), used) => Err(DecodeError::Trailing {
            what: "record",
            left: bytes.len() - used,
        }),
        (UpdateRef::Accusation(_), _) => Err(DecodeError::Malformed { what: "record" }),
    }
}

/// What a record's signature is for.
const CONTEXT: &[u8] = b"Phalanx record v1";

#[derive(Encode, BorrowDecode)]
enum WireUpdate<'a> {
    Record {
        body: &'a [u8],
        signature: &'a [u8],
    },
    Suspect {
        id: &'a str,
        generation: u64,
        incarnation: u32,
        accuser: &'a str,
    },
    Dead {
        id: &'a str,
        generation: u64,
        incarnation: u32,
        accuser: &'a str,
    },
    Forgotten {
        id: &'a str,
        generation: u64,
        incarnation: u32,
        accuser: &'a str,
    },
}

#[derive(Encode, BorrowDecode)]
struct WireRecord<'a> {
    id: &'a str,
    generation: u64,
    incarnation: u32,
    left: bool,
    addr: SocketAddr,
    udp: bool,
    gateway: bool,
    protocol_min: u8,
    protocol_max: u8,
    metadata_version: u64,
    metadata_commitment: Option<[u8; 16]>,
    introduction: Option<[u8; 16]>,
}

fn record_ref<'a>(
    body: &'a [u8],
    signature: &'a [u8],
    encoded: &'a [u8],
) -> Result<RecordRef<'a>, DecodeError> {
    let wire: WireRecord<'a> = codec::decode("record", body)?;
    let sound = (signature.is_empty() || signature.len() == SIGNATURE_LEN)
        && wire.protocol_min <= wire.protocol_max
        && wire.addr.port() != 0
        && !wire.addr.ip().is_unspecified();
    if !sound {
        return Err(DecodeError::Malformed { what: "record" });
    }
    Ok(RecordRef {
        id: checked_id(wire.id)?,
        generation: checked_generation(wire.generation)?,
        incarnation: Incarnation::new(wire.incarnation),
        standing: if wire.left {
            Standing::Left
        } else {
            Standing::Alive
        },
        addr: wire.addr,
        udp: wire.udp,
        role: if wire.gateway {
            Role::Gateway
        } else {
            Role::Broker
        },
        protocols: ProtocolRange {
            min: wire.protocol_min,
            max: wire.protocol_max,
        },
        metadata: MetadataStamp {
            version: wire.metadata_version,
            commitment: wire.metadata_commitment.map(MetadataTag),
        },
        introduction: wire.introduction.map(IntroductionTag),
        body,
        signature,
        encoded,
    })
}

fn accusation_ref<'a>(
    id: &'a str,
    generation: u64,
    incarnation: u32,
    verdict: Verdict,
    accuser: &'a str,
) -> Result<UpdateRef<'a>, DecodeError> {
    Ok(UpdateRef::Accusation(AccusationRef {
        id: checked_id(id)?,
        generation: checked_generation(generation)?,
        incarnation: Incarnation::new(incarnation),
        verdict,
        accuser: checked_id(accuser)?,
    }))
}

pub(super) fn checked_id(id: &str) -> Result<&str, DecodeError> {
    MemberId::check(id)
        .map(|()| id)
        .map_err(|_| DecodeError::Malformed { what: "member id" })
}

pub(super) fn checked_generation(value: u64) -> Result<Generation, DecodeError> {
    if value > Generation::MAX.get() {
        return Err(DecodeError::Malformed { what: "generation" });
    }
    Ok(Generation::new(value))
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn record(id: &str) -> MemberRecord {
        MemberRecord {
            id: MemberId::new(id).unwrap(),
            generation: Generation::new(1_700_000_000_000),
            incarnation: Incarnation::new(3),
            standing: Standing::Alive,
            addr: "10.0.0.7:26502".parse().unwrap(),
            udp: true,
            role: Role::Broker,
            protocols: ProtocolRange::CURRENT,
            metadata: MetadataStamp::default(),
            introduction: None,
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was_sent() {
        let mut sent = record("gateway-1");
        sent.role = Role::Gateway;
        sent.standing = Standing::Left;
        sent.udp = false;
        sent.addr = "[fd77::1]:9".parse().unwrap();
        sent.metadata = MetadataStamp {
            version: 9,
            commitment: Some(MetadataTag([7; 16])),
        };
        sent.introduction = Some(IntroductionTag([5; 16]));
        let bytes = encode_record(&sent, &[9; SIGNATURE_LEN]);
        let received = decode_record(&bytes).unwrap();
        assert_eq!(received.to_record(), sent);
        assert_eq!(received.signature, [9; SIGNATURE_LEN]);
        assert_eq!(received.body, record_body(&sent));
        assert_eq!(received.encoded, bytes);
    }

    #[test]
    fn an_accusation_comes_back_as_it_was_sent() {
        for verdict in [Verdict::Suspect, Verdict::Dead, Verdict::Forgotten] {
            let sent = AccusationRef {
                id: "1",
                generation: Generation::new(8),
                incarnation: Incarnation::MAX,
                verdict,
                accuser: "2",
            };
            let bytes = encode_accusation(&sent);
            assert_eq!(
                decode_update(&bytes).unwrap(),
                (UpdateRef::Accusation(sent), bytes.len())
            );
        }
    }

    #[test]
    fn a_plain_record_with_a_short_id_takes_about_thirty_bytes() {
        let len = encode_record(&record("17"), &[]).len();
        assert!((25..=35).contains(&len), "{len} bytes");
    }

    #[test]
    fn refuses_what_no_member_could_say() {
        type Spoil = fn(&mut WireRecord<'_>);
        let cases: [(&str, Spoil); 6] = [
            ("empty id", |wire| wire.id = ""),
            ("a space in the id", |wire| wire.id = "a b"),
            ("generation above 2^53", |wire| {
                wire.generation = (1 << 53) + 1
            }),
            ("port 0", |wire| wire.addr.set_port(0)),
            ("the unspecified address", |wire| {
                wire.addr = "0.0.0.0:1".parse().unwrap()
            }),
            ("an empty protocol range", |wire| wire.protocol_min = 2),
        ];
        for (what, spoil) in cases {
            let mut wire = WireRecord {
                id: "1",
                generation: 1,
                incarnation: 0,
                left: false,
                addr: "10.0.0.7:26502".parse().unwrap(),
                udp: true,
                gateway: false,
                protocol_min: 1,
                protocol_max: 1,
                metadata_version: 0,
                metadata_commitment: None,
                introduction: None,
            };
            let update = |wire: &WireRecord<'_>| {
                codec::encode(&WireUpdate::Record {
                    body: &codec::encode(wire),
                    signature: &[],
                })
            };
            assert!(decode_record(&update(&wire)).is_ok());
            spoil(&mut wire);
            assert!(decode_record(&update(&wire)).is_err(), "{what}");
        }
        let short = codec::encode(&WireUpdate::Record {
            body: &record_body(&record("1")),
            signature: &[0; 63],
        });
        assert!(decode_record(&short).is_err(), "a signature of 63 bytes");
    }

    proptest! {
        #[test]
        fn decoding_an_update_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_update(&bytes);
        }
    }
}
