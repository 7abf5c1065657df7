//! [`Level`]: what a process holds of files and memory, as Linux tells it.

use std::fmt;
use std::fs;
use std::time::Duration;

use phalanx::Node;
use tokio::time::Instant;

use super::PATIENCE;

/// How many files more are none too many: links between members come and go, two for a pair for a moment.
const FILES_MORE: usize = 4;
/// How many KiB more are none too many. An allocator keeps what was freed, in more pieces the longer it goes on; a
/// request that were kept would take as much thousands of times.
const MEMORY_MORE: usize = 128 * 1024;

#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    files: usize,
    /// Resident memory, in KiB.
    memory: usize,
}

impl Level {
    /// Once there is no connection for messages.
    pub(super) async fn at_rest(node: &Node) -> Self {
        let until = Instant::now() + PATIENCE;
        while node.stats().messaging.connections > 0 {
            let stats = node.stats().messaging;
            assert!(Instant::now() < until, "connections stay in use: {stats:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Self::now()
    }

    /// The level of now, once it is this one again, about.
    pub(super) async fn wait_to_return_to(self, node: &Node) -> Self {
        let until = Instant::now() + PATIENCE;
        loop {
            let now = Self::at_rest(node).await;
            let is_back = now.files <= self.files + FILES_MORE
                && now.memory <= self.memory + self.memory / 4 + MEMORY_MORE;
            if is_back {
                return now;
            }
            assert!(Instant::now() < until, "{self} before, and now {now}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let memory = memory.unwrap().trim().trim_end_matches(" kB");
        Self {
            files: fs::read_dir("/proc/self/fd").unwrap().count(),
            memory: memory.parse().unwrap(),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} files and {} MiB", self.files, self.memory / 1024)
    }
}
