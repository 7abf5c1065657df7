//! What tests with real processes need: processes that end with the test, free ports, waits that say what they saw.

#[cfg(feature = "daemon")]
pub(crate) mod browser;
mod ports;
mod process;
mod wait;
#[cfg(feature = "daemon")]
pub(crate) mod webdriver;

pub(crate) use ports::free_ports;
pub(crate) use process::{Process, is_installed};
pub(crate) use wait::wait_until;

use phalanx::time::Timestamp;

/// The real time, by which openssl dates certificates.
#[expect(
    clippy::disallowed_methods,
    reason = "certificates made by openssl are dated by the real clock"
)]
pub(crate) fn now() -> Timestamp {
    let since_epoch = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    Timestamp::from_secs(since_epoch.as_secs())
}
