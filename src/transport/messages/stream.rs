//! [`ByteStream`]: an ordered byte stream, and its two halves.
//!
//! Each is tokio's `AsyncRead` and `AsyncWrite`; [`StreamReader::read_bytes`] and [`StreamWriter::write_bytes`] do without
//! copying. What was written goes out by itself; flushing waits for nothing.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::shared::Shared;
use super::{Failure, StreamError};
use crate::messaging::{Read, StreamId, Taken};

/// A stream that the peer has opened and nobody has taken. Dropped, it is refused as one whose handler gave no answer.
pub struct IncomingStream {
    shared: Arc<Shared>,
    id: StreamId,
    subject: String,
    is_answered: bool,
}

/// A byte stream. Dropped before its end, it is reset and stopped: the other end reads an error instead of an end.
pub struct ByteStream {
    reader: StreamReader,
    writer: StreamWriter,
}

/// The reading half. Dropped before the end, it tells the other end to stop writing.
pub struct StreamReader {
    handle: Arc<Handle>,
    rest: Bytes,
    has_ended: bool,
}

/// The writing half. Dropped before [`StreamWriter::finish`], it resets the stream.
pub struct StreamWriter {
    handle: Arc<Handle>,
    has_ended: bool,
}

/// Lets go of the stream with its last half.
struct Handle {
    shared: Arc<Shared>,
    id: StreamId,
}

impl IncomingStream {
    pub(super) const fn new(shared: Arc<Shared>, id: StreamId, subject: String) -> Self {
        Self {
            shared,
            id,
            subject,
            is_answered: false,
        }
    }

    /// Whom it is for.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Takes it. If its other end has gone meanwhile, reading and writing say so.
    #[must_use]
    pub fn accept(mut self) -> ByteStream {
        self.is_answered = true;
        let id = self.id;
        self.shared.with(|state, _| state.session.accept_stream(id));
        ByteStream::new(Arc::clone(&self.shared), id)
    }

    /// Does not take it, for this reason.
    pub fn refuse(mut self, failure: Failure) {
        self.answer(failure);
    }

    fn answer(&mut self, failure: Failure) {
        self.is_answered = true;
        self.shared
            .with(|state, now| state.session.reject_stream(now, self.id, failure));
    }
}

impl Drop for IncomingStream {
    fn drop(&mut self) {
        if !self.is_answered {
            let text = "the handler gave no answer".to_owned();
            self.answer(Failure::HandlerFailed(text));
        }
    }
}

impl ByteStream {
    pub(super) fn new(shared: Arc<Shared>, id: StreamId) -> Self {
        let handle = Arc::new(Handle { shared, id });
        Self {
            reader: StreamReader {
                handle: Arc::clone(&handle),
                rest: Bytes::new(),
                has_ended: false,
            },
            writer: StreamWriter {
                handle,
                has_ended: false,
            },
        }
    }

    /// The two halves, which may go to different tasks.
    #[must_use]
    pub fn into_split(self) -> (StreamReader, StreamWriter) {
        (self.reader, self.writer)
    }

    /// See [`StreamReader::read_bytes`].
    ///
    /// # Errors
    ///
    /// [`StreamError`].
    pub async fn read_bytes(&mut self) -> Result<Option<Bytes>, StreamError> {
        self.reader.read_bytes().await
    }

    /// See [`StreamWriter::write_bytes`].
    ///
    /// # Errors
    ///
    /// [`StreamError`].
    pub async fn write_bytes(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        self.writer.write_bytes(bytes).await
    }

    /// See [`StreamWriter::finish`].
    ///
    /// # Errors
    ///
    /// [`StreamError`].
    pub fn finish(&mut self) -> Result<(), StreamError> {
        self.writer.finish()
    }

    /// Gives the stream up both ways. The other end reads `code`.
    pub fn reset(self, code: u32) {
        self.reader.stop(code);
        self.writer.reset(code);
    }
}

impl StreamReader {
    /// The next bytes, as they came; `None` at the end. Cancel-safe.
    ///
    /// # Errors
    ///
    /// [`StreamError`]; no more will come.
    pub async fn read_bytes(&mut self) -> Result<Option<Bytes>, StreamError> {
        poll_fn(|cx| self.poll_bytes(cx)).await
    }

    /// No more will be read. The other end's writer reads `code`.
    pub fn stop(mut self, code: u32) {
        self.give_up(code);
    }

    fn poll_bytes(&mut self, cx: &Context<'_>) -> Poll<Result<Option<Bytes>, StreamError>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Ok(Some(std::mem::take(&mut self.rest))));
        }
        let id = self.handle.id;
        let (read, _former) = self.handle.shared.with(|state, _| {
            let read = state.session.read(id);
            let waits = matches!(read, Ok(Read::Nothing));
            let waker = waits.then(|| cx.waker().clone());
            (
                read,
                waker.and_then(|waker| state.readers.insert(id, waker)),
            )
        });
        match read {
            Ok(Read::Bytes(bytes)) => Poll::Ready(Ok(Some(bytes))),
            Ok(Read::End) => {
                self.has_ended = true;
                Poll::Ready(Ok(None))
            }
            Ok(Read::Nothing) => Poll::Pending,
            Err(error) => {
                self.has_ended = true;
                Poll::Ready(Err(error))
            }
        }
    }

    fn give_up(&mut self, code: u32) {
        if !std::mem::replace(&mut self.has_ended, true) {
            let id = self.handle.id;
            let _former = self.handle.shared.with(|state, _| {
                state.session.stop(id, code);
                state.readers.remove(&id)
            });
        }
    }
}

impl StreamWriter {
    /// Writes all of it, without copying where it is long. Waits while too much is on its way. Cancelled, nothing of it was
    /// written.
    ///
    /// # Errors
    ///
    /// [`StreamError`]; no more can be written.
    pub async fn write_bytes(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        let id = self.handle.id;
        let mut bytes = Some(bytes).filter(|bytes| !bytes.is_empty());
        poll_fn(|cx| {
            let Some(waiting) = bytes.take() else {
                return Poll::Ready(Ok(()));
            };
            let (taken, _former) = self.handle.shared.with(|state, _| {
                let taken = state.session.write(id, waiting);
                let waits = matches!(taken, Ok(Taken::Back(_)));
                let waker = waits.then(|| cx.waker().clone());
                (
                    taken,
                    waker.and_then(|waker| state.writers.insert(id, waker)),
                )
            });
            match taken {
                Ok(Taken::All) => Poll::Ready(Ok(())),
                Ok(Taken::Back(back)) => {
                    bytes = Some(back);
                    Poll::Pending
                }
                Err(error) => Poll::Ready(Err(error)),
            }
        })
        .await
    }

    /// No more will be written: the other end reads what was, then the end. Idempotent.
    ///
    /// # Errors
    ///
    /// [`StreamError`], if the other end reads no more or the connection has ended.
    pub fn finish(&mut self) -> Result<(), StreamError> {
        self.has_ended = true;
        let id = self.handle.id;
        self.handle.shared.with(|state, _| state.session.finish(id))
    }

    /// No more will be written, and what waits is dropped. The other end reads `code`.
    pub fn reset(mut self, code: u32) {
        self.has_ended = true;
        self.give_up(code);
    }

    fn give_up(&self, code: u32) {
        let id = self.handle.id;
        let _former = self.handle.shared.with(|state, _| {
            state.session.reset(id, code);
            state.writers.remove(&id)
        });
    }
}

impl Drop for StreamReader {
    fn drop(&mut self) {
        self.give_up(0);
    }
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        if !self.has_ended {
            self.give_up(0);
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let _former = self.shared.with(|state, now| {
            state.session.drop_stream(now, self.id);
            let reader = state.readers.remove(&self.id);
            (reader, state.writers.remove(&self.id))
        });
    }
}

impl AsyncRead for StreamReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(mut bytes) = ready!(self.poll_bytes(cx))? {
            let count = bytes.len().min(buf.remaining());
            buf.put_slice(&bytes[..count]);
            bytes.advance(count);
            self.rest = bytes;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for StreamWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let id = self.handle.id;
        let (count, _former) = self.handle.shared.with(|state, _| {
            let count = state.session.write_slice(id, buf);
            let waker = matches!(count, Ok(0)).then(|| cx.waker().clone());
            (
                count,
                waker.and_then(|waker| state.writers.insert(id, waker)),
            )
        });
        match count? {
            0 => Poll::Pending,
            count => Poll::Ready(Ok(count)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.finish().map_err(io::Error::from))
    }
}

impl AsyncRead for ByteStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.reader).poll_read(cx, buf)
    }
}

impl AsyncWrite for ByteStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writer).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_shutdown(cx)
    }
}
