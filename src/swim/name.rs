//! [`Name`]: a member id as a key of the table, short ones in place.
//!
//! A lookup compares the id with the one in the slot. An id behind a pointer would be one more cache miss for every known
//! update, which is most of what gossip brings.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};

use crate::member::MemberId;

/// The longest id kept in place, in bytes: a key is two words.
const SHORT_LEN_MAX: usize = 14;

/// A member id as a key; looked up by its bytes.
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

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Long(id) => id.as_str().as_bytes(),
            Self::Short { len, bytes } => &bytes[..usize::from(*len)],
        }
    }
}

impl Borrow<[u8]> for Name {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Hash for Name {
    /// As the bytes hash, which [`Borrow`] demands.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Name {}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::member::MEMBER_ID_LEN_MAX;

    #[test]
    fn ids_of_every_length_are_found_by_their_bytes() {
        let ids = (1..=MEMBER_ID_LEN_MAX).map(|len| MemberId::new(&"x".repeat(len)).unwrap());
        let names: HashMap<_, _> = ids.map(|id| (Name::new(&id), id)).collect();
        for len in 1..=MEMBER_ID_LEN_MAX {
            let text = "x".repeat(len);
            assert_eq!(names[text.as_bytes()].as_str(), text);
        }
        assert_eq!(size_of::<Name>(), 16);
    }
}
