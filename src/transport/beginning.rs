//! [`Beginning`]: a stream whose first bytes are looked at as they go out, for the name that both ends have for it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::wire::correlation::CorrelationId;

/// How much of what is written may be a ClientHello's beginning.
const LOOKED_AT: usize = 64;

/// What a connection is called, once that is known. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Name(Arc<OnceLock<CorrelationId>>);

impl Name {
    pub(super) fn get(&self) -> Option<CorrelationId> {
        self.0.get().copied()
    }

    pub(super) fn set(&self, correlation: CorrelationId) {
        // The first counts.
        let _ = self.0.set(correlation);
    }
}

/// A dialled stream: what is written first gives it its [`Name`], if that is a ClientHello.
#[derive(Debug)]
pub(super) struct Beginning<S> {
    stream: S,
    name: Name,
    written: Vec<u8>,
}

impl<S> Beginning<S> {
    pub(super) const fn new(stream: S, name: Name) -> Self {
        Self {
            stream,
            name,
            written: Vec::new(),
        }
    }

    fn note(&mut self, bytes: &[u8]) {
        let room = LOOKED_AT - self.written.len();
        if room == 0 {
            return;
        }
        self.written.extend(&bytes[..bytes.len().min(room)]);
        if let Some(correlation) = CorrelationId::of_client_hello(&self.written) {
            self.name.set(correlation);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Beginning<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Beginning<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.note(&bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, slices))?;
        let mut left = written;
        for slice in slices {
            let part = left.min(slice.len());
            self.note(&slice[..part]);
            left -= part;
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
