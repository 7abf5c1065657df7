//! The header and tag around one UDP payload.
//!
//! | offset | bytes | field | meaning |
//! |---|---|---|---|
//! | 0 | 1 | version | [`DATAGRAM_VERSION`]; below 0x40, so that no QUIC or STUN packet looks like one |
//! | 1 | 1 | mode | 0 plain, 1 tagged |
//! | 2 | 8 | group | plain: hash of the cluster name; tagged: id of the gossip key |
//! | 10 | 8 | newest | tagged: id of the newest gossip key held; plain: 0 |
//! | 18 | 8 | generation | the sender's life |
//! | 26 | 8 | sequence | from 1 in each generation |
//! | 34 | 1 + n | sender | length, then the member id |
//! | | 1 + n | recipient | length, then the member id |
//! | | … | body | see [`super::message`] |
//! | end − 16 | 16 | tag | tagged only: HMAC-SHA-256 over all before it, cut to 16 bytes |
//!
//! Integers are big endian. Everything a receiver needs to judge a datagram stands before the body, and the tag is
//! checked before the body is decoded.

use super::codec::DecodeError;
use super::update::{checked_generation, checked_id};
use crate::member::Generation;

/// The version of this layout.
pub const DATAGRAM_VERSION: u8 = 1;
/// The length of a tag, in bytes.
pub const TAG_LEN: usize = 16;

const FIXED_LEN: usize = 34;
const MODE_PLAIN: u8 = 0;
const MODE_TAGGED: u8 = 1;

/// The first eight bytes of SHA-256 over a gossip key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub u64);

/// Who may read a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Any member of the cluster whose name has this hash.
    Plain(u64),
    /// Any holder of the key.
    Tagged {
        /// The key the tag is made with.
        key: KeyId,
        /// The newest key the sender holds.
        newest: KeyId,
    },
}

/// What stands before the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Who may read it.
    pub group: Group,
    /// The sender's member id.
    pub sender: &'a str,
    /// The sender's life.
    pub generation: Generation,
    /// The recipient's member id.
    pub recipient: &'a str,
    /// Its number within the sender's life, from 1.
    pub sequence: u64,
}

/// A datagram cut into its parts; the tag is not checked yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// The header.
    pub header: Header<'a>,
    /// The body.
    pub body: &'a [u8],
    /// All that the tag covers.
    pub covered: &'a [u8],
    /// The tag, of a tagged datagram.
    pub tag: Option<[u8; TAG_LEN]>,
}

/// How many bytes of a datagram are not body.
#[must_use]
pub fn overhead(sender: &str, recipient: &str, tagged: bool) -> usize {
    FIXED_LEN + 1 + sender.len() + 1 + recipient.len() + if tagged { TAG_LEN } else { 0 }
}

/// Appends the header to `out`. The body follows, then the tag over all of it.
pub fn encode_header(header: &Header<'_>, out: &mut Vec<u8>) {
    let (mode, group, newest) = match header.group {
        Group::Plain(cluster) => (MODE_PLAIN, cluster, 0),
        Group::Tagged { key, newest } => (MODE_TAGGED, key.0, newest.0),
    };
    out.extend([DATAGRAM_VERSION, mode]);
    out.extend(group.to_be_bytes());
    out.extend(newest.to_be_bytes());
    out.extend(header.generation.get().to_be_bytes());
    out.extend(header.sequence.to_be_bytes());
    for id in [header.sender, header.recipient] {
        out.push(u8::try_from(id.len()).expect("member ids have at most 64 bytes"));
        out.extend(id.as_bytes());
    }
}

/// Cuts a datagram into its parts.
///
/// # Errors
///
/// [`DecodeError`] when the bytes are no datagram of this version.
pub fn parse(bytes: &[u8]) -> Result<Datagram<'_>, DecodeError> {
    let malformed = DecodeError::Malformed { what: "datagram" };
    let mut rest = bytes;
    let fixed = take(&mut rest, FIXED_LEN).ok_or(malformed)?;
    let number = |at: usize| u64::from_be_bytes(fixed[at..at + 8].try_into().expect("eight bytes"));
    let group = match (fixed[0], fixed[1]) {
        (DATAGRAM_VERSION, MODE_PLAIN) if number(10) == 0 => Group::Plain(number(2)),
        (DATAGRAM_VERSION, MODE_TAGGED) => Group::Tagged {
            key: KeyId(number(2)),
            newest: KeyId(number(10)),
        },
        _ => return Err(malformed),
    };
    let sender = take_id(&mut rest)?;
    let recipient = take_id(&mut rest)?;
    let header = Header {
        group,
        sender,
        generation: checked_generation(number(18))?,
        recipient,
        sequence: number(26),
    };
    if let Group::Plain(_) = group {
        return Ok(Datagram {
            header,
            body: rest,
            covered: bytes,
            tag: None,
        });
    }
    let (body, tag) = rest.split_last_chunk::<TAG_LEN>().ok_or(malformed)?;
    Ok(Datagram {
        header,
        body,
        covered: &bytes[..bytes.len() - TAG_LEN],
        tag: Some(*tag),
    })
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(head)
}

fn take_id<'a>(rest: &mut &'a [u8]) -> Result<&'a str, DecodeError> {
    let malformed = DecodeError::Malformed { what: "datagram" };
    let len = take(rest, 1).ok_or(malformed)?[0];
    let id = take(rest, usize::from(len)).ok_or(malformed)?;
    checked_id(str::from_utf8(id).map_err(|_| malformed)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(group: Group) -> Header<'static> {
        Header {
            group,
            sender: "0",
            generation: Generation::new(5),
            recipient: "gateway",
            sequence: 9,
        }
    }

    #[test]
    fn a_plain_datagram_comes_back_as_it_was_sent() {
        let sent = header(Group::Plain(42));
        let mut bytes = Vec::new();
        encode_header(&sent, &mut bytes);
        assert_eq!(bytes.len(), overhead("0", "gateway", false));
        bytes.extend(b"body");
        let datagram = parse(&bytes).unwrap();
        assert_eq!(
            (datagram.header, datagram.body, datagram.tag),
            (sent, &b"body"[..], None)
        );
        assert!(bytes[0] < 0x40);
    }

    #[test]
    fn a_tagged_datagram_comes_back_with_what_the_tag_covers() {
        let sent = header(Group::Tagged {
            key: KeyId(1),
            newest: KeyId(2),
        });
        let mut bytes = Vec::new();
        encode_header(&sent, &mut bytes);
        bytes.extend(b"body");
        let covered = bytes.clone();
        bytes.extend([7; TAG_LEN]);
        assert_eq!(bytes.len() - 4, overhead("0", "gateway", true));
        let datagram = parse(&bytes).unwrap();
        assert_eq!(datagram.header, sent);
        assert_eq!(datagram.body, b"body");
        assert_eq!(datagram.covered, covered);
        assert_eq!(datagram.tag, Some([7; TAG_LEN]));
    }

    #[test]
    fn every_cut_of_the_header_is_refused() {
        let mut bytes = Vec::new();
        encode_header(&header(Group::Plain(42)), &mut bytes);
        for len in 0..bytes.len() {
            assert!(parse(&bytes[..len]).is_err(), "{len} bytes");
        }
    }

    proptest! {
        /// R4.
        #[test]
        fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = parse(&bytes);
        }
    }
}
