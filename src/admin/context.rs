//! [`Context`]: what all handlers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Semaphore;

use super::access::Denied;
use super::timeline::Timeline;
use super::view::SettingView;
use crate::node::{Node, wall_clock};
use crate::time::Timestamp;

/// The most streams of events open at once.
pub(super) const STREAMS_MAX: usize = 256;

/// What all handlers share.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) node: Node,
    pub(super) timeline: Timeline,
    /// The configuration in force.
    pub(super) settings: Arc<[SettingView]>,
    pub(super) requests: Requests,
    /// Places for streams of events.
    pub(super) streams: Arc<Semaphore>,
}

impl Context {
    pub(super) fn new(node: Node, settings: Arc<[SettingView]>) -> Self {
        let life = node.local().record().generation.get();
        Self {
            node,
            timeline: Timeline::new(life),
            settings,
            requests: Requests::default(),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
        }
    }

    /// The time by which certificates are judged.
    #[expect(clippy::unused_self, reason = "handlers have no other place to ask")]
    pub(super) fn now(&self) -> Timestamp {
        wall_clock()
    }

    /// How many streams of events are open.
    pub(super) fn streams_open(&self) -> usize {
        STREAMS_MAX - self.streams.available_permits()
    }
}

/// Requests that were denied, and connections that found no place, since the start.
#[derive(Debug, Default)]
pub(super) struct Requests {
    denied: [AtomicU64; 3],
    turned_away: AtomicU64,
}

impl Requests {
    pub(super) const REASONS: [Denied; 3] =
        [Denied::ForeignHost, Denied::ForeignOrigin, Denied::NoToken];

    pub(super) fn deny(&self, denied: Denied) {
        self.denied[denied as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn turn_away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }

    pub(super) fn denied(&self, denied: Denied) -> u64 {
        self.denied[denied as usize].load(Ordering::Relaxed)
    }
}
