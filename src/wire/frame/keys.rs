//! Gossip keys on their way: on proven connections only.

use bincode::{BorrowDecode, Encode};
use zeroize::Zeroize;

/// One gossip key as it travels: only on proven connections. The secret is zeroed when dropped.
#[derive(Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct WireKey {
    /// The key's epoch.
    pub epoch: u32,
    /// The secret.
    pub secret: [u8; 32],
}

impl Drop for WireKey {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl std::fmt::Debug for WireKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WireKey")
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

/// Gossip keys as they travel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, BorrowDecode)]
pub struct WireKeyring {
    /// Keys of lower epochs are retired: nobody takes them back.
    pub floor: u32,
    /// The keys held, the active one first.
    pub keys: Vec<WireKey>,
}
