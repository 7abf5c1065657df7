//! [`Task`]: reading, writing, flushing; who is woken.
//!
//! * Reads go into one buffer, and long payloads leave it as they are; it is as large as reads have filled it, within bounds.
//! * Whatever is queued goes out in one vectored write, and **every burst of writes ends with a flush**: see
//!   [`crate::transport::link`].
//! * It always reads: what the peer may send is bounded by credit, so a slow application stops its own callers alone.
//! * After a pause it reads first and lets its timers fire then: a silence may have been our own.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Sleep, sleep_until, timeout};

use super::shared::{Action, BURST_LEN, Shared};
use super::{Closed, Inbox, Opened};
use crate::messaging::{Cause, Ending, Outgoing};
use crate::time::Timestamp;
use crate::transport::door::Stream;
use crate::transport::{LINGER, drain};
use crate::wire::refusal::Code;

/// The least room to read into.
const READ_LEN_MIN: usize = 16 * 1024;
/// The most room to read into. A payload that is passed on as it came keeps this much alive.
const READ_LEN_MAX: usize = 256 * 1024;
/// How many pieces are written at a time.
const PIECES_MAX: usize = 32;

pub(super) struct Task {
    io: Stream,
    shared: Arc<Shared>,
    inbox: Arc<dyn Inbox>,
    buffer: BytesMut,
    read_len: usize,
    /// How many bytes have come that the session has not seen.
    news: usize,
    out: Outgoing,
    needs_flush: bool,
    sleep: Pin<Box<Sleep>>,
    actions: Vec<Action>,
}

/// Why the loop ended, apart from what the session says.
type Broken = Option<io::Error>;

impl Task {
    pub(super) fn new(opened: Opened, shared: Arc<Shared>, inbox: Arc<dyn Inbox>) -> Self {
        let mut out = Outgoing::default();
        out.push(opened.first.into());
        let sleep = Box::pin(sleep_until(shared.instant(Timestamp::ZERO)));
        Self {
            io: opened.io,
            shared,
            inbox,
            news: opened.early.len(),
            buffer: opened.early[..].into(),
            read_len: READ_LEN_MIN,
            out,
            needs_flush: false,
            sleep,
            actions: Vec::new(),
        }
    }

    pub(super) async fn run(mut self) -> Closed {
        let source = poll_fn(|cx| self.poll(cx)).await;
        let ending = self.shared.lock().session.ending();
        let ending = ending.unwrap_or(LOST);
        let has_farewell = !matches!(ending.cause, Cause::Lost | Cause::Farewell);
        if has_farewell {
            let _ = timeout(LINGER, self.say_farewell()).await;
            drain(&mut self.io).await;
        } else if source.is_none() {
            let _ = timeout(LINGER, self.io.shutdown()).await;
        }
        Closed { ending, source }
    }

    /// Runs the connection until it has ended and everybody has been told.
    ///
    /// A round reads, feeds the session and writes. A message that comes alone takes one: its answer is written, and the socket
    /// has said already that it will wake us. Where there is more to do, others have their turn first: whoever was just woken
    /// here, and could not run elsewhere, has something to do by then, and we may go on in another thread.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Broken> {
        let (is_drained, broken) = match self.read_all(cx) {
            Poll::Pending => (true, None),
            Poll::Ready(read) => (false, read.err()),
        };
        if self.turn(broken.is_some()) {
            return Poll::Ready(broken.filter(|error| !is_end(error)));
        }
        if let Poll::Ready(Err(error)) = self.poll_write(cx) {
            self.turn(true);
            return Poll::Ready(Some(error));
        }
        if !is_drained || !self.may_sleep(cx) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Feeds the session and does what it says; whether it has ended.
    fn turn(&mut self, is_broken: bool) -> bool {
        let mut now = self.shared.now();
        let mut state = self.shared.lock();
        state.sleeping = None;
        let news = std::mem::take(&mut self.news);
        if news > 0 {
            state.bytes_in += news as u64;
            state.session.handle_bytes(now, &mut self.buffer);
        }
        if is_broken {
            state.session.handle_closed(now);
        } else if state.session.next_timeout().is_some_and(|at| at <= now) {
            state.session.handle_timeout(now);
        }
        loop {
            state.take_out(now, &mut self.out);
            state.collect(&self.shared, &mut self.actions);
            let has_ended = state.session.ending().is_some();
            drop(state);
            let is_done = self.actions.is_empty() || has_ended;
            for action in self.actions.drain(..) {
                self.shared.act(action, Some(&*self.inbox));
            }
            if is_done {
                return has_ended;
            }
            // What handlers have answered at once goes out in the same write.
            now = self.shared.now();
            state = self.shared.lock();
        }
    }

    /// Whether there is nothing to do but to wait for socket, commands or time; they will wake us.
    fn may_sleep(&mut self, cx: &mut Context<'_>) -> bool {
        let mut state = self.shared.lock();
        let is_blocked = self.out.len() >= BURST_LEN;
        let has_more = state.session.has_output() && !is_blocked;
        if has_more || state.session.ending().is_some() {
            return false;
        }
        // Most deadlines move away before they come: the timer is set anew when it must ring earlier, or has rung.
        let next = state.session.next_timeout().unwrap_or(Timestamp::MAX);
        if next < state.wakes_at || self.sleep.is_elapsed() {
            state.wakes_at = next;
            self.sleep.as_mut().reset(self.shared.instant(next));
        }
        state.sleeping = Some(cx.waker().clone());
        drop(state);
        self.sleep.as_mut().poll(cx).is_pending()
    }

    /// Reads what is there, up to a buffer full. `Pending`: that was all for now.
    fn read_all(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut read = 0;
        let mut is_drained = false;
        while read < self.read_len {
            if self.buffer.capacity() - self.buffer.len() < READ_LEN_MIN / 2 {
                self.buffer.reserve(self.read_len);
            }
            match pin!(self.io.read_buf(&mut self.buffer)).poll(cx) {
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                Poll::Ready(Ok(len)) => {
                    read += len;
                    self.news += len;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    is_drained = true;
                    break;
                }
            }
        }
        if read >= self.read_len / 2 {
            self.read_len = (self.read_len * 2).min(READ_LEN_MAX);
        }
        if is_drained {
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what waits and flushes behind the last byte.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            let mut slices = [IoSlice::new(&[]); PIECES_MAX];
            let count = self.out.fill(&mut slices);
            let io = Pin::new(&mut self.io);
            let written = ready!(io.poll_write_vectored(cx, &slices[..count]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out.advance(written);
            self.needs_flush = true;
        }
        if self.needs_flush {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.needs_flush = false;
        }
        Poll::Ready(Ok(()))
    }

    async fn say_farewell(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_write(cx)).await?;
        self.io.shutdown().await
    }
}

impl Drop for Task {
    /// Nobody hangs on a connection whose task was dropped.
    fn drop(&mut self) {
        let now = self.shared.now();
        let mut state = self.shared.lock();
        state.session.handle_closed(now);
        state.collect(&self.shared, &mut self.actions);
        drop(state);
        for action in self.actions.drain(..) {
            self.shared.act(action, None);
        }
    }
}

const LOST: Ending = Ending {
    code: Code::Unreachable,
    cause: Cause::Lost,
};

/// The peer has closed its sending half, which is no error of the socket.
fn is_end(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof && error.get_ref().is_none()
}
