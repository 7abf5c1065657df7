//! The clock of commands that date or judge certificates without a node.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::time::Timestamp;

/// The time by this machine's clock.
#[expect(
    clippy::disallowed_methods,
    reason = "certificates are dated, and no node runs whose clock could be asked"
)]
pub(super) fn now() -> Timestamp {
    Timestamp::ZERO
        + SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
}
