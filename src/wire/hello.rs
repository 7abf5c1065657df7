//! How the two ends of a connection introduce themselves: [`Hello`], [`Introduction`] and the statements that are signed.

use bincode::{BorrowDecode, Encode};

use super::codec::{self, DecodeError};
use super::correlation::CorrelationId;
use super::hash::sha256;
use super::update::{checked_generation, checked_id};
use crate::member::{Generation, IntroductionTag, MemberId, ProtocolRange};

/// The most certificates an introduction may carry.
pub const CHAIN_LEN_MAX: usize = 16;
/// The most gossip key ids a hello may carry.
pub const KEY_IDS_MAX: usize = 8;
/// The longest cluster name or cluster id, in bytes.
pub const CLUSTER_NAME_LEN_MAX: usize = 128;

/// The id of one join attempt: 16 random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, BorrowDecode)]
pub struct JoinId(pub [u8; 16]);

/// The hash an introduction is known by: SHA-256 over fields, chain and signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntroductionHash(pub [u8; 32]);

impl IntroductionHash {
    /// The half of the hash that records carry.
    #[must_use]
    pub fn tag(&self) -> IntroductionTag {
        IntroductionTag(*self.0.first_chunk().expect("32 bytes hold 16"))
    }
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, BorrowDecode)]
pub enum Purpose {
    /// To join the cluster of the node dialled.
    Join,
    /// To meet a joiner at the address it advertises.
    DialBack(JoinId),
    /// To talk to a fellow member.
    Member,
    /// To carry messages and streams to or from a fellow member: no frame follows the handshake.
    Messages,
}

impl Purpose {
    /// The word for it in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::DialBack(_) => "dial-back",
            Self::Member => "member",
            Self::Messages => "messages",
        }
    }
}

/// The first words of either end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The protocol versions spoken.
    pub protocols: ProtocolRange,
    /// The cluster's name.
    pub cluster: String,
    /// The cluster's id, where configured.
    pub cluster_id: Option<String>,
    /// Whether the speaker runs TLS.
    pub tls: bool,
    /// The speaker's member id.
    pub id: MemberId,
    /// The speaker's life.
    pub generation: Generation,
    /// The speaker's introduction; none without TLS.
    pub introduction: Option<IntroductionHash>,
    /// Ids of the gossip keys held.
    pub key_ids: Vec<u64>,
    /// Fresh random bytes.
    pub nonce: [u8; 32],
    /// The nonce of another hello: without TLS a dial-back repeats the joiner's, and its answer the contact's.
    pub echo: Option<[u8; 32]>,
    /// What the connection is for; the answer repeats the dialer's.
    pub purpose: Purpose,
}

#[derive(Encode, BorrowDecode)]
struct WireHello<'a> {
    protocol_min: u8,
    protocol_max: u8,
    cluster: &'a str,
    cluster_id: Option<&'a str>,
    tls: bool,
    id: &'a str,
    generation: u64,
    introduction: Option<[u8; 32]>,
    key_ids: Vec<u64>,
    nonce: [u8; 32],
    echo: Option<[u8; 32]>,
    purpose: Purpose,
}

impl Hello {
    /// The bytes that travel, and whose hash the proof covers.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(&WireHello {
            protocol_min: self.protocols.min,
            protocol_max: self.protocols.max,
            cluster: &self.cluster,
            cluster_id: self.cluster_id.as_deref(),
            tls: self.tls,
            id: self.id.as_str(),
            generation: self.generation.get(),
            introduction: self.introduction.map(|hash| hash.0),
            key_ids: self.key_ids.clone(),
            nonce: self.nonce,
            echo: self.echo,
            purpose: self.purpose,
        })
    }

    /// What both ends call a plaintext connection on which the dialer has said this.
    #[must_use]
    pub fn correlation(&self) -> CorrelationId {
        CorrelationId::of(&self.nonce)
    }

    /// Decodes a hello.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the bytes are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wire: WireHello<'_> = codec::decode("hello", bytes)?;
        let names = [Some(wire.cluster), wire.cluster_id];
        let sound = wire.protocol_min <= wire.protocol_max
            && wire.key_ids.len() <= KEY_IDS_MAX
            && names
                .into_iter()
                .flatten()
                .all(|name| name.len() <= CLUSTER_NAME_LEN_MAX);
        if !sound {
            return Err(DecodeError::Malformed { what: "hello" });
        }
        Ok(Self {
            protocols: ProtocolRange {
                min: wire.protocol_min,
                max: wire.protocol_max,
            },
            cluster: wire.cluster.to_owned(),
            cluster_id: wire.cluster_id.map(str::to_owned),
            tls: wire.tls,
            id: MemberId::new(checked_id(wire.id)?).expect("just checked"),
            generation: checked_generation(wire.generation)?,
            introduction: wire.introduction.map(IntroductionHash),
            key_ids: wire.key_ids,
            nonce: wire.nonce,
            echo: wire.echo,
            purpose: wire.purpose,
        })
    }
}

/// Which end of a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that dialled.
    Dialer,
    /// The one that listened.
    Listener,
}

impl Side {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Dialer => Self::Listener,
            Self::Listener => Self::Dialer,
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::Dialer => 0,
            Self::Listener => 1,
        }
    }
}

/// What is known of a secured connection, apart from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Plaintext.
    Plain,
    /// TLS.
    Tls {
        /// The exporter value: the same at both ends, different on every connection. Proofs are bound to it.
        exporter: [u8; 32],
        /// SHA-256 of the end-entity certificate the peer showed; a client shows one only when asked.
        peer_leaf: Option<[u8; 32]>,
        /// SHA-256 of the certificate that this end shows, if it is asked to; `None` if that does not matter.
        our_leaf: Option<[u8; 32]>,
    },
}

/// What the gossip key signs to prove itself on one connection: the side, the connection's exporter value and the hash
/// of the speaker's own hello.
#[must_use]
pub fn proof_statement(side: Side, exporter: &[u8; 32], hello: &[u8]) -> Vec<u8> {
    let mut statement = Vec::with_capacity(96);
    statement.extend(b"Phalanx proof v1");
    statement.push(side.number());
    statement.extend(exporter);
    statement.extend(sha256(hello));
    statement
}

/// What a join token proves itself on: the side of whoever proves, the connection's exporter value where it has one, and the
/// hashes of both ends' hellos, whose nonces make it one of its kind where it has none.
#[must_use]
pub fn token_statement(
    side: Side,
    channel: &Channel,
    dialer_hello: &[u8],
    listener_hello: &[u8],
) -> Vec<u8> {
    let mut statement = Vec::with_capacity(128);
    statement.extend(b"Phalanx token v1");
    statement.push(side.number());
    match channel {
        Channel::Plain => statement.push(0),
        Channel::Tls { exporter, .. } => {
            statement.push(1);
            statement.extend(exporter);
        }
    }
    statement.extend(sha256(dialer_hello));
    statement.extend(sha256(listener_hello));
    statement
}

/// What the certificate's key vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntroductionFields {
    /// The cluster's name.
    pub cluster: String,
    /// The cluster's id, where configured.
    pub cluster_id: Option<String>,
    /// The member's id.
    pub id: MemberId,
    /// Its life.
    pub generation: Generation,
    /// Raised at every change of certificate within a life.
    pub serial: u32,
    /// The public half of its gossip key (Ed25519).
    pub gossip_key: [u8; 32],
    /// The advertised address, as `host:port`.
    pub advertised: String,
    /// SHA-256 of the end-entity certificate.
    pub leaf: [u8; 32],
    /// The UDP port at which it takes QUIC connections for messages, at the host of `advertised`; none: it takes none.
    pub quic: Option<u16>,
}

#[derive(Encode, BorrowDecode)]
struct WireFields<'a> {
    cluster: &'a str,
    cluster_id: Option<&'a str>,
    id: &'a str,
    generation: u64,
    serial: u32,
    gossip_key: [u8; 32],
    advertised: &'a str,
    leaf: [u8; 32],
    quic: Option<u16>,
}

impl IntroductionFields {
    /// The bytes that are signed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(&WireFields {
            cluster: &self.cluster,
            cluster_id: self.cluster_id.as_deref(),
            id: self.id.as_str(),
            generation: self.generation.get(),
            serial: self.serial,
            gossip_key: self.gossip_key,
            advertised: &self.advertised,
            leaf: self.leaf,
            quic: self.quic,
        })
    }

    /// Decodes the fields.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the bytes are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wire: WireFields<'_> = codec::decode("introduction", bytes)?;
        if wire.quic == Some(0) {
            return Err(DecodeError::Malformed {
                what: "introduction",
            });
        }
        Ok(Self {
            cluster: wire.cluster.to_owned(),
            cluster_id: wire.cluster_id.map(str::to_owned),
            id: MemberId::new(checked_id(wire.id)?).expect("just checked"),
            generation: checked_generation(wire.generation)?,
            serial: wire.serial,
            gossip_key: wire.gossip_key,
            advertised: wire.advertised.to_owned(),
            leaf: wire.leaf,
            quic: wire.quic,
        })
    }
}

/// An introduction: who a member is, vouched for by the key of its certificate. It is public and proves nothing without
/// a proof over the connection it is shown on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Introduction {
    /// The encoded [`IntroductionFields`], as signed.
    pub fields: Vec<u8>,
    /// The certificate chain, end-entity first, each in DER.
    pub chain: Vec<Vec<u8>>,
    /// The TLS 1.3 signature scheme, as numbered by IANA.
    pub scheme: u16,
    /// The end-entity key's signature.
    pub signature: Vec<u8>,
}

impl Introduction {
    /// How many bytes it takes on the wire.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        codec::encode(self).len()
    }

    /// The hash it is known by.
    #[must_use]
    pub fn hash(&self) -> IntroductionHash {
        IntroductionHash(sha256(&codec::encode(self)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_comes_back_as_it_was_sent() {
        let sent = Hello {
            protocols: ProtocolRange::CURRENT,
            cluster: "zeebe-cluster".to_owned(),
            cluster_id: Some("blue".to_owned()),
            tls: true,
            id: MemberId::new("1").unwrap(),
            generation: Generation::new(3),
            introduction: Some(IntroductionHash([4; 32])),
            key_ids: vec![5, 6],
            nonce: [7; 32],
            echo: Some([8; 32]),
            purpose: Purpose::DialBack(JoinId([9; 16])),
        };
        assert_eq!(Hello::decode(&sent.encode()).unwrap(), sent);
        let crowded = Hello {
            key_ids: vec![0; KEY_IDS_MAX + 1],
            ..sent.clone()
        };
        assert!(Hello::decode(&crowded.encode()).is_err());
        let long = Hello {
            cluster: "x".repeat(CLUSTER_NAME_LEN_MAX + 1),
            ..sent
        };
        assert!(Hello::decode(&long.encode()).is_err());
    }

    #[test]
    fn the_fields_of_an_introduction_come_back_as_they_were_signed() {
        let sent = IntroductionFields {
            cluster: "zeebe-cluster".to_owned(),
            cluster_id: None,
            id: MemberId::new("1").unwrap(),
            generation: Generation::new(3),
            serial: 4,
            gossip_key: [5; 32],
            advertised: "[::1]:26502".to_owned(),
            leaf: [6; 32],
            quic: Some(26_503),
        };
        let bytes = sent.encode();
        assert_eq!(IntroductionFields::decode(&bytes).unwrap(), sent);
        assert_eq!(
            bytes[bytes.len() - 4..],
            [1, 251, 0x87, 0x67],
            "the port comes last"
        );
        let none = IntroductionFields { quic: None, ..sent };
        assert_eq!(IntroductionFields::decode(&none.encode()).unwrap(), none);
        for (port, wrong) in [(Some(0), "no port"), (Some(1), "cut")] {
            let mut bytes = IntroductionFields {
                quic: port,
                ..none.clone()
            }
            .encode();
            if port == Some(1) {
                bytes.pop();
            }
            assert!(IntroductionFields::decode(&bytes).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_proof_is_bound_to_side_connection_and_hello() {
        let statements = [
            proof_statement(Side::Dialer, &[1; 32], b"hello"),
            proof_statement(Side::Listener, &[1; 32], b"hello"),
            proof_statement(Side::Dialer, &[2; 32], b"hello"),
            proof_statement(Side::Dialer, &[1; 32], b"hullo"),
        ];
        for (i, one) in statements.iter().enumerate() {
            assert!(statements[i + 1..].iter().all(|other| other != one));
        }
    }
}
