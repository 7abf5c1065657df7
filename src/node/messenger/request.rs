//! What a handler is given, and what it may answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::member::MemberId;
use crate::transport::messages::{self, ByteStream, Failure};

/// The proven other end of a connection.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) id: MemberId,
    pub(super) certificate: Option<[u8; 32]>,
}

/// A request, or a one-way message, on its way to its handler.
#[derive(Clone, Debug)]
pub struct Request {
    pub(super) sender: Arc<Sender>,
    pub(super) subject: String,
    pub(super) payload: Bytes,
    pub(super) wants_reply: bool,
    pub(super) deadline: Instant,
}

impl Request {
    /// Who has sent it: the member that has proven itself on this connection, whatever the payload says.
    #[must_use]
    pub fn sender(&self) -> &MemberId {
        &self.sender.id
    }

    /// SHA-256 of the end-entity certificate that the sender has proven itself with; `None` without TLS.
    #[must_use]
    pub fn sender_certificate(&self) -> Option<&[u8; 32]> {
        self.sender.certificate.as_ref()
    }

    /// Whom it is for.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// What it says.
    #[must_use]
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// What it says, to be kept.
    #[must_use]
    pub fn into_payload(self) -> Bytes {
        self.payload
    }

    /// Whether the sender waits for a reply. If not, what the handler returns goes nowhere.
    #[must_use]
    pub fn wants_reply(&self) -> bool {
        self.wants_reply
    }

    /// For how long the sender still waits; the handler of a request is dropped then.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// Why a handler fails; the sender reads the text, up to 1 KiB of it. Any error converts into one with `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerError(String);

impl HandlerError {
    /// Fails with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<E: std::error::Error> From<E> for HandlerError {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

impl From<HandlerError> for Failure {
    fn from(HandlerError(text): HandlerError) -> Self {
        Self::HandlerFailed(text)
    }
}

/// A stream that another member opens; its handler takes it or does not. Dropped, it is refused.
pub struct IncomingStream {
    pub(super) sender: Arc<Sender>,
    pub(super) stream: messages::IncomingStream,
}

impl IncomingStream {
    /// Who opens it: the member that has proven itself on this connection.
    #[must_use]
    pub fn sender(&self) -> &MemberId {
        &self.sender.id
    }

    /// SHA-256 of the end-entity certificate that the sender has proven itself with; `None` without TLS.
    #[must_use]
    pub fn sender_certificate(&self) -> Option<&[u8; 32]> {
        self.sender.certificate.as_ref()
    }

    /// Whom it is for.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.stream.subject()
    }

    /// Takes it. If its other end has gone meanwhile, reading and writing say so.
    #[must_use]
    pub fn accept(self) -> ByteStream {
        self.stream.accept()
    }

    /// Does not take it; the sender reads why.
    pub fn refuse(self, why: HandlerError) {
        self.stream.refuse(why.into());
    }
}

impl fmt::Debug for IncomingStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncomingStream")
            .field("sender", &self.sender.id)
            .field("subject", &self.subject())
            .finish_non_exhaustive()
    }
}
