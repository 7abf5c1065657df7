//! [`Signer`]: how our own records are signed, where they are. The key itself is the parent's.

use std::fmt;
use std::sync::Arc;

use crate::member::MemberRecord;
use crate::wire::update::{SIGNATURE_LEN, encode_record, record_body};

/// Signs the bodies of our own records, or leaves them unsigned.
///
/// A refutation goes out in the very step in which we hear of an accusation, so it cannot wait for somebody else to sign it.
#[derive(Clone, Default)]
pub struct Signer(Option<Arc<Sign>>);

type Sign = dyn Fn(&[u8]) -> [u8; SIGNATURE_LEN] + Send + Sync;

impl Signer {
    /// Signs with this, which must give the same signature for the same bytes each time.
    #[must_use]
    pub fn new(sign: impl Fn(&[u8]) -> [u8; SIGNATURE_LEN] + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(sign)))
    }

    /// Whether records are signed: then nobody else can speak for us.
    pub(super) const fn is_signing(&self) -> bool {
        self.0.is_some()
    }

    /// A record of ours, encoded.
    pub(super) fn encode(&self, record: &MemberRecord) -> Arc<[u8]> {
        match &self.0 {
            None => encode_record(record, &[]).into(),
            Some(sign) => encode_record(record, &sign(&record_body(record))).into(),
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.is_signing())
    }
}
