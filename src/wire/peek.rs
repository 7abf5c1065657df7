//! [`Peek`]: the first fields of an update, read without the rest.
//!
//! Most of what gossip brings is known already, and these fields tell. They are read by hand, a few times as fast as by
//! bincode. What is read here, bincode reads alike; what cannot be read here is left to it, as orders to forget are, which are rare.

use crate::member::{Generation, Incarnation, MemberState, MemberVersion};

/// What an update is about, as far as is needed to tell whether it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peek<'a> {
    /// Whom it is about; not checked to be a member id, nor text.
    pub id: &'a [u8],
    /// What it says: generation, incarnation and state.
    pub version: MemberVersion,
    /// For an accusation: who accuses; not checked either.
    pub accuser: Option<&'a [u8]>,
    /// How long the update is, in bytes.
    pub(super) len: usize,
}

impl<'a> Peek<'a> {
    /// Nothing, to be looked at later.
    pub const NONE: Self = Self {
        id: &[],
        version: MemberVersion {
            generation: Generation::new(0),
            incarnation: Incarnation::new(0),
            state: MemberState::Alive,
        },
        accuser: None,
        len: 0,
    };

    /// Looks at the update at the start of `bytes`; `None` if it cannot be read, as far as it is read at all.
    pub(super) fn at(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = Reader(bytes);
        // The order of the variants of `WireUpdate`.
        let (state, mut body) = match rest.u32()? {
            0 => (None, Reader(rest.bytes()?)),
            1 => (Some(MemberState::Suspect), Reader(rest.0)),
            2 => (Some(MemberState::Dead), Reader(rest.0)),
            _ => return None,
        };
        let id = body.bytes()?;
        let generation = Generation::new(body.u64()?);
        let incarnation = Incarnation::new(body.u32()?);
        let (state, accuser) = match state {
            Some(state) => {
                let accuser = body.bytes()?;
                rest = body;
                (state, Some(accuser))
            }
            None => {
                let left = body.byte()?;
                rest.bytes()?;
                match left {
                    0 => (MemberState::Alive, None),
                    1 => (MemberState::Left, None),
                    _ => return None,
                }
            }
        };
        let version = MemberVersion {
            generation,
            incarnation,
            state,
        };
        (generation <= Generation::MAX).then_some(Self {
            id,
            version,
            accuser,
            len: bytes.len() - rest.0.len(),
        })
    }
}

/// Reads bincode's standard encoding.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn array<const LEN: usize>(&mut self) -> Option<[u8; LEN]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.u64()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    /// Up to 250 in one byte; above it, a byte that says how many follow.
    fn u64(&mut self) -> Option<u64> {
        match self.byte()? {
            253 => self.array().map(u64::from_le_bytes),
            254.. => None,
            first => self.short(first).map(u64::from),
        }
    }

    fn u32(&mut self) -> Option<u32> {
        match self.byte()? {
            253.. => None,
            first => self.short(first),
        }
    }

    fn short(&mut self, first: u8) -> Option<u32> {
        match first {
            251 => self.array().map(u16::from_le_bytes).map(u32::from),
            252 => self.array().map(u32::from_le_bytes),
            _ => Some(first.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::update::{
        AccusationRef, UpdateRef, Verdict, decode_update, encode_accusation, encode_record,
        tests::record,
    };

    fn of(update: &UpdateRef<'_>, len: usize) -> Peek<'static> {
        let (id, version, accuser) = match update {
            UpdateRef::Record(record) => (record.id, record.version(), None),
            UpdateRef::Accusation(accusation) => (
                accusation.id,
                accusation.version(),
                Some(accusation.accuser),
            ),
        };
        Peek {
            id: id.as_bytes().to_vec().leak(),
            version,
            accuser: accuser.map(|accuser| &*accuser.as_bytes().to_vec().leak()),
            len,
        }
    }

    #[test]
    fn updates_of_every_kind_are_read_as_they_are_decoded() {
        let mut updates = vec![encode_record(&record("1"), &[7; 64])];
        for generation in [0, 250, 251, 65_535, 65_536, 1 << 40] {
            for verdict in [Verdict::Suspect, Verdict::Dead] {
                updates.push(encode_accusation(&AccusationRef {
                    id: "gateway",
                    generation: Generation::new(generation),
                    incarnation: Incarnation::new(u32::try_from(generation / 2).unwrap_or(300)),
                    verdict,
                    accuser: "2",
                }));
            }
        }
        for mut bytes in updates {
            bytes.extend([9; 3]);
            let (update, len) = decode_update(&bytes).unwrap();
            assert_eq!(Peek::at(&bytes), Some(of(&update, len)));
            for end in 0..len {
                assert_eq!(Peek::at(&bytes[..end]), None, "cut at {end}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_can_be_decoded_is_read_alike(
            kind in 0u8..3,
            bytes in proptest::collection::vec(prop_oneof![0u8..5, 48u8..58, 250u8..=255], 0..60),
        ) {
            let bytes = [&[kind][..], &bytes].concat();
            if let Ok((update, len)) = decode_update(&bytes) {
                prop_assert_eq!(Peek::at(&bytes), Some(of(&update, len)));
            }
        }

        #[test]
        fn a_spoiled_record_is_read_alike_if_it_can_be_decoded(at in 0usize..60, byte: u8) {
            let mut bytes = encode_record(&record("member-1"), &[]);
            let at = at % bytes.len();
            bytes[at] = byte;
            if let Ok((update, len)) = decode_update(&bytes) {
                prop_assert_eq!(Peek::at(&bytes), Some(of(&update, len)));
            }
        }
    }
}
