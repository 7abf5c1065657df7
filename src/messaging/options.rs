//! [`SessionOptions`]: what one end of a connection of messages decides for itself.

use std::time::Duration;

use super::compression::Compression;
use crate::wire::messages::{
    COMPRESSION_GZIP, COMPRESSION_SNAPPY, MESSAGES_VERSION, Settings, WINDOW_LEN_MAX,
};

/// What one end decides for itself. Its limits are what the other end has to keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionOptions {
    /// The longest message, request or reply, in bytes before compression; 1 to 512 MiB. Raising it costs four times as
    /// much memory on every connection, if a peer wants it so.
    pub message_len_max: u32,
    /// Bytes of requests that may wait here for a handler; twice `message_len_max` if that is more.
    pub requests_window: u32,
    /// Bytes of replies that may be on their way here; twice `message_len_max` if that is more.
    pub replies_window: u32,
    /// Calls of the peer that may be unanswered at a time; at least one is allowed.
    pub calls_max: u32,
    /// Streams opened by the peer that may be there at a time.
    pub streams_max: u32,
    /// Bytes of one stream that may wait here to be read; at least one. A stream moves no more than this in a round trip.
    pub stream_window: u32,
    /// What longer messages are compressed with, where the peer understands it.
    pub compression: Compression,
    /// How long the peer may be silent before it is asked for a sign of life.
    pub heartbeat_interval: Duration,
    /// How long the peer may be silent before the connection is given up.
    pub heartbeat_timeout: Duration,
}

impl Default for SessionOptions {
    /// Messages of 4 MiB, as Zeebe's `maxMessageSize`; heartbeats every 5 s, lost after 15 s, as Zeebe's.
    fn default() -> Self {
        Self {
            message_len_max: 4 << 20,
            requests_window: 8 << 20,
            replies_window: 8 << 20,
            calls_max: 1_024,
            streams_max: 128,
            stream_window: 1 << 20,
            compression: Compression::None,
            heartbeat_interval: Duration::from_secs(5),
            heartbeat_timeout: Duration::from_secs(15),
        }
    }
}

impl SessionOptions {
    /// What the peer is told.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let message_len_max = self.message_len_max.clamp(1, WINDOW_LEN_MAX / 2);
        let window = |wanted: u32| wanted.clamp(message_len_max * 2, WINDOW_LEN_MAX);
        Settings {
            version: MESSAGES_VERSION,
            message_len_max,
            requests_window: window(self.requests_window),
            replies_window: window(self.replies_window),
            calls_max: self.calls_max.max(1),
            streams_max: self.streams_max,
            stream_window: self.stream_window.clamp(1, WINDOW_LEN_MAX),
            compressions: COMPRESSION_GZIP | COMPRESSION_SNAPPY,
        }
    }
}
