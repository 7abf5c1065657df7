//! What digests and pages consist of.

use bincode::{BorrowDecode, Encode};

use crate::wire::codec::DecodeError;
use crate::wire::update::{RecordRef, Verdict, decode_record};

/// One member in a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, BorrowDecode)]
pub struct DigestEntry {
    /// [`crate::wire::hash::id_hash`] of its id.
    pub id: u64,
    /// Its life.
    pub generation: u64,
    /// Its version.
    pub incarnation: u32,
}

/// One member in a page: its record, and what is held against it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, BorrowDecode)]
pub struct PageEntry {
    /// The record, as its owner encoded it.
    pub record: Vec<u8>,
    /// What the sender holds against this version of it.
    pub verdict: Option<WireVerdict>,
}

impl PageEntry {
    /// The record.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the bytes are none.
    pub fn record(&self) -> Result<RecordRef<'_>, DecodeError> {
        decode_record(&self.record)
    }
}

/// A [`Verdict`] as it travels in a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, BorrowDecode)]
pub enum WireVerdict {
    /// Suspect.
    Suspect,
    /// Dead.
    Dead,
}

impl From<WireVerdict> for Verdict {
    fn from(verdict: WireVerdict) -> Self {
        match verdict {
            WireVerdict::Suspect => Self::Suspect,
            WireVerdict::Dead => Self::Dead,
        }
    }
}

impl From<Verdict> for WireVerdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Suspect => Self::Suspect,
            // To be forgotten is no state that a page could tell of.
            Verdict::Dead | Verdict::Forgotten => Self::Dead,
        }
    }
}
