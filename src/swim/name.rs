//! [`Name`]: a member id to compare with, short ones in place.
//!
//! A lookup compares the id with that of the row it comes to. An id behind a pointer would be one more cache miss for every known
//! update, which is most of what gossip brings.

use crate::member::MemberId;

/// The longest id kept in place, in bytes: a name is two words.
const SHORT_LEN_MAX: usize = 14;

/// A member id, compared by its bytes.
#[derive(Clone, Debug)]
pub(super) enum Name {
    Long(Box<MemberId>),
    Short { len: u8, bytes: [u8; SHORT_LEN_MAX] },
}

impl Name {
    pub(super) fn new(id: &MemberId) -> Self {
        let text = id.as_str().as_bytes();
        let mut bytes = [0; SHORT_LEN_MAX];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(start), Ok(len)) => {
                start.copy_from_slice(text);
                Self::Short { len, bytes }
            }
            _ => Self::Long(Box::new(id.clone())),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("the bytes of a member id")
    }

    /// Whether these are its bytes.
    pub(super) fn is(&self, id: &[u8]) -> bool {
        match self {
            Self::Long(long) => long.as_str().as_bytes() == id,
            // Without a call: it would take longer than to compare so few.
            Self::Short { len, bytes } => {
                usize::from(*len) == id.len()
                    && bytes.iter().zip(id).all(|(one, other)| one == other)
            }
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Long(id) => id.as_str().as_bytes(),
            Self::Short { len, bytes } => &bytes[..usize::from(*len)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::MEMBER_ID_LEN_MAX;

    #[test]
    fn ids_of_every_length_keep_their_bytes() {
        for len in 1..=MEMBER_ID_LEN_MAX {
            let id = MemberId::new(&"x".repeat(len)).unwrap();
            let name = Name::new(&id);
            assert_eq!(name.as_bytes(), id.as_str().as_bytes());
            assert!(name.is(name.as_bytes()));
            assert!(!name.is(&name.as_bytes()[1..]) && !name.is(&[b'y'].repeat(len)));
        }
        assert_eq!(size_of::<Name>(), 16);
    }
}
