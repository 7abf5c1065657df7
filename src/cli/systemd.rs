//! What systemd is told of a node that it started with `Type=notify` (sd_notify(3)); nothing where it did not.
//!
//! `READY=1` once the node may serve, `WATCHDOG=1` for as long as its loop comes round, `STOPPING=1` when it begins to leave.

use std::time::Duration;

use sd_notify::NotifyState;

use crate::node::Node;

/// Tells systemd of the node's life until it ends.
pub(super) async fn watch(node: Node) {
    if node.joined().await.is_err() {
        return;
    }
    tell(&[NotifyState::Ready]);
    let Some(pause) = sd_notify::watchdog_enabled().map(half) else {
        return;
    };
    // Whatever holds the loop up holds this up as well, and systemd acts.
    while node.responds().await {
        tell(&[NotifyState::Watchdog]);
        tokio::time::sleep(pause).await;
    }
}

/// The node begins to leave, and may take a while.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// As sd_watchdog_enabled(3) recommends.
const fn half(timeout: Duration) -> Duration {
    timeout.checked_div(2).expect("2 is not 0")
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd cannot be told; is NOTIFY_SOCKET of another service?");
    }
}
