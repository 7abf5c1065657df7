//! [`MessagingOptions`]: what a program decides about messages and streams.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::messaging::{Compression, SessionOptions};

/// The longest message that may be configured, in bytes: 512 MiB.
pub const MESSAGE_LEN_MAX: u64 = 512 << 20;

/// What a program decides about messages and streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessagingOptions {
    /// The longest message, request or reply, in bytes before compression: 1 to [`MESSAGE_LEN_MAX`]. Streams have no such
    /// limit. Raising it costs up to four times as much memory on every connection in use.
    pub message_len_max: u64,
    /// What messages of 1 KiB and more are compressed with, where the other end understands it. Streams never are.
    pub compression: Compression,
    /// How long a member may be silent on a connection before it is asked for a sign of life; not zero.
    pub heartbeat_interval: Duration,
    /// How long it may be silent before the connection is given up as lost; longer than the interval.
    pub heartbeat_timeout: Duration,
    /// How long a request, a message or the opening of a stream may take where the call does not say; not zero.
    pub request_timeout: Duration,
    /// How long a connection may be unused before it is closed; not zero.
    pub idle_timeout: Duration,
    /// How many messages one subject handles at a time; further ones wait their turn.
    pub handlers_max: NonZeroUsize,
    /// How many one-way messages wait for one subject's handlers and count as taken; further ones wait with their senders.
    pub queue_len_max: NonZeroUsize,
}

impl Default for MessagingOptions {
    /// Zeebe's, where Zeebe has them: 4 MiB, no compression, heartbeats every 5 s and lost after 15 s, requests of 15 s.
    fn default() -> Self {
        let session = SessionOptions::default();
        Self {
            message_len_max: session.message_len_max.into(),
            compression: session.compression,
            heartbeat_interval: session.heartbeat_interval,
            heartbeat_timeout: session.heartbeat_timeout,
            request_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(60),
            handlers_max: NonZeroUsize::new(256).expect("not zero"),
            queue_len_max: NonZeroUsize::new(1_024).expect("not zero"),
        }
    }
}

impl MessagingOptions {
    /// What each connection is made with.
    pub(super) fn session(&self) -> SessionOptions {
        let message_len_max = self.message_len_max.min(MESSAGE_LEN_MAX);
        SessionOptions {
            message_len_max: u32::try_from(message_len_max).expect("it fits"),
            compression: self.compression,
            heartbeat_interval: self.heartbeat_interval,
            heartbeat_timeout: self.heartbeat_timeout,
            ..SessionOptions::default()
        }
    }
}
