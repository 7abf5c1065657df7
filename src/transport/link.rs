//! [`LinkHandle`] and the task behind it: frames in and out of one secured connection.
//!
//! ```text
//! driver ──send──> queue (bounded in bytes) ──> burst ──> stream, flush
//! driver <──LinkEvent── frame <── payload <── header, judged first <── stream
//! ```
//!
//! * The length of a frame is judged before anything is allocated for it, and the buffer grows with what has arrived.
//! * Until a frame beyond the handshake has passed, no more than [`RAW_LEN_MAX`] bytes are read at all.
//! * **Every burst of writes ends with a flush.** `poll_write` of tokio-rustls may leave encrypted bytes in its own
//!   buffer; only a flush promises that they go out. Without it a link stalls once in tens of thousands of times.
//! * After `Ready`, the last frame of a handshake, nothing is read until the driver has decided what becomes of the stream:
//!   it may go on with frames, or be given up with all that was read beyond them ([`LinkHandle::give_up`]).
//! * A handle that is dropped closes its link: what was sent goes out, the sending half is shut, the peer's last bytes
//!   are drained, all within [`LINGER`], so that the peer can read a refusal.

use std::fmt;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, ReadHalf, WriteHalf};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;

use super::door::Stream;
use super::{LINGER, LinkError, drain, tls};
use crate::wire::codec::DecodeError;
use crate::wire::frame::{FRAME_HEADER_LEN, Frame, FrameHeader};
use crate::wire::refusal::Code;

/// How many bytes may wait to be sent on one link.
pub const QUEUE_LEN_MAX: usize = 8 * 1024 * 1024;
/// How many bytes are read from a peer that has not got beyond the handshake. What it may say then takes 32 KiB at most,
/// which `admission` enforces; this is the wall behind it.
pub const RAW_LEN_MAX: usize = 64 * 1024;

/// Frames waiting to be sent are written together up to this many bytes.
const BURST_LEN: usize = 64 * 1024;

/// What happened on a link.
#[derive(Debug)]
pub enum LinkEvent {
    /// It ended: closed by the peer, cut, or its peer broke the protocol. Said last, once, and not after the handle is
    /// dropped.
    Closed(LinkError),
    /// A frame came.
    Frame(Frame),
}

/// Too many bytes wait: the peer does not read. The frame was not queued; close the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {QUEUE_LEN_MAX} bytes wait to be sent")]
pub struct Overflow;

/// The driver's end of a link. Dropping it closes the link.
#[derive(Debug)]
pub struct LinkHandle {
    queue: mpsc::UnboundedSender<Vec<u8>>,
    shared: Arc<Shared>,
    release: oneshot::Sender<oneshot::Sender<GivenUp>>,
}

/// The stream of a link that carries frames no more.
pub struct GivenUp {
    /// Its bytes.
    pub stream: Stream,
    /// What was read of it beyond the last frame.
    pub early: Vec<u8>,
}

#[derive(Debug, Default)]
struct Shared {
    queued: AtomicUsize,
    unlimited: AtomicBool,
    going_on: Notify,
}

impl fmt::Debug for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let early = &self.early.len();
        f.debug_struct("GivenUp")
            .field("early", early)
            .finish_non_exhaustive()
    }
}

impl LinkHandle {
    /// Queues a frame. On a link that has ended it goes nowhere; [`LinkEvent::Closed`] says so.
    ///
    /// # Errors
    ///
    /// [`Overflow`] when more than [`QUEUE_LEN_MAX`] bytes would wait.
    pub fn send(&self, frame: &Frame) -> Result<(), Overflow> {
        if !is_handshake(frame) {
            self.lift_limit();
        }
        let bytes = frame.encode();
        let queued = self.shared.queued.fetch_add(bytes.len(), Ordering::Relaxed);
        if queued + bytes.len() > QUEUE_LEN_MAX {
            return Err(Overflow);
        }
        let _ = self.queue.send(bytes);
        Ok(())
    }

    /// The peer is proven: it may send more than [`RAW_LEN_MAX`], and frames behind its `Ready` are read. Sending it a frame
    /// beyond the handshake says so too.
    pub fn lift_limit(&self) {
        self.shared.unlimited.store(true, Ordering::Relaxed);
        self.shared.going_on.notify_one();
    }

    /// Gives the stream up for something else than frames, once what was sent has gone out. Nothing comes of it if the link
    /// has ended. What has come of a frame that is not complete yet is lost: after `Ready` there is none such at the end
    /// that it was sent to, and the one that sent it expects nothing.
    pub fn give_up(self) -> oneshot::Receiver<GivenUp> {
        let (heir, given_up) = oneshot::channel();
        let _ = self.release.send(heir);
        given_up
    }
}

/// Makes a link of a secured connection: a handle, and the task that moves its frames, which ends when the link does.
/// What happens is reported to `events` under the name `id`; while that queue is full the peer is not read from.
pub fn open<Id: Copy>(
    stream: Stream,
    id: Id,
    events: mpsc::Sender<(Id, LinkEvent)>,
) -> (LinkHandle, impl Future<Output = ()>) {
    let (queue, frames) = mpsc::unbounded_channel();
    let (release, released) = oneshot::channel();
    let shared = Arc::<Shared>::default();
    let (reader, writer) = tokio::io::split(stream);
    let writer = Writer {
        stream: writer,
        frames,
        burst: Vec::new(),
        written: 0,
        shared: Arc::clone(&shared),
    };
    let handle = LinkHandle {
        queue,
        shared: Arc::clone(&shared),
        release,
    };
    (handle, run(reader, writer, shared, released, (id, events)))
}

/// How a link ends.
enum End {
    Broken(LinkError),
    /// Its handle was dropped.
    Closed,
    GivenUp(oneshot::Sender<GivenUp>),
}

async fn run<Id: Copy>(
    reader: ReadHalf<Stream>,
    mut writer: Writer,
    shared: Arc<Shared>,
    released: oneshot::Receiver<oneshot::Sender<GivenUp>>,
    (id, events): (Id, mpsc::Sender<(Id, LinkEvent)>),
) {
    let mut reader = BufReader::new(reader);
    let ended = {
        let reading = pin!(read_frames(&mut reader, &shared, id, &events));
        let writing = pin!(writer.run());
        tokio::select! {
            error = reading => End::Broken(error),
            Err(error) = writing => End::Broken(cut(error)),
            heir = released => heir.map_or(End::Closed, End::GivenUp),
        }
    };
    if let End::GivenUp(heir) = ended {
        if let Ok(Ok(())) = timeout(LINGER, writer.run()).await {
            let early = reader.buffer().to_vec();
            let stream = reader.into_inner().unsplit(writer.stream);
            let _ = heir.send(GivenUp { stream, early });
        }
        return;
    }
    if let End::Broken(error) = ended {
        let is_violation = error.code == Code::ProtocolViolation;
        let _ = events.send((id, LinkEvent::Closed(error))).await;
        if !is_violation {
            return;
        }
        writer.refuse(Code::ProtocolViolation);
    }
    let _ = tokio::join!(timeout(LINGER, writer.finish()), drain(reader));
}

/// Reads frames until there are no more, and says why.
async fn read_frames<Id: Copy>(
    reader: &mut BufReader<ReadHalf<Stream>>,
    shared: &Shared,
    id: Id,
    events: &mpsc::Sender<(Id, LinkEvent)>,
) -> LinkError {
    let mut read = 0;
    loop {
        let frame = match read_frame(reader, shared, &mut read).await {
            Ok(frame) => frame,
            Err(error) => return error,
        };
        let is_last_of_handshake = frame == Frame::Ready;
        if events.send((id, LinkEvent::Frame(frame))).await.is_err() {
            return Code::Leaving.into();
        }
        if is_last_of_handshake {
            while !shared.unlimited.load(Ordering::Relaxed) {
                shared.going_on.notified().await;
            }
        }
    }
}

async fn read_frame(
    reader: &mut BufReader<ReadHalf<Stream>>,
    shared: &Shared,
    read: &mut usize,
) -> Result<Frame, LinkError> {
    let mut header = [0; FRAME_HEADER_LEN];
    reader.read_exact(&mut header).await.map_err(cut)?;
    let header = FrameHeader::decode(&header).map_err(violation)?;
    *read = read.saturating_add(FRAME_HEADER_LEN + header.len);
    if *read > RAW_LEN_MAX && !shared.unlimited.load(Ordering::Relaxed) {
        return Err(Code::ProtocolViolation.into());
    }
    let mut payload = Vec::new();
    let mut rest = reader.take(header.len as u64);
    rest.read_to_end(&mut payload).await.map_err(cut)?;
    if payload.len() < header.len {
        return Err(cut(io::ErrorKind::UnexpectedEof.into()));
    }
    Frame::decode(header, &payload).map_err(violation)
}

/// The sending half. Its progress lives here and not in a future, so that it can be cancelled and resumed mid-frame.
struct Writer {
    stream: WriteHalf<Stream>,
    frames: mpsc::UnboundedReceiver<Vec<u8>>,
    burst: Vec<u8>,
    written: usize,
    shared: Arc<Shared>,
}

impl Writer {
    /// Writes what is queued, burst by burst, until the handle is gone and the queue empty.
    async fn run(&mut self) -> io::Result<()> {
        loop {
            if self.burst.is_empty() {
                let Some(frame) = self.frames.recv().await else {
                    return Ok(());
                };
                self.burst = frame;
                self.gather();
            }
            while self.written < self.burst.len() {
                match self.stream.write(&self.burst[self.written..]).await? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    len => self.written += len,
                }
            }
            self.stream.flush().await?;
            self.shared
                .queued
                .fetch_sub(self.burst.len(), Ordering::Relaxed);
            self.burst.clear();
            self.written = 0;
        }
    }

    /// Adds the frames that wait already: one flush for all of them.
    fn gather(&mut self) {
        while self.burst.len() < BURST_LEN
            && let Ok(frame) = self.frames.try_recv()
        {
            self.burst.extend_from_slice(&frame);
        }
    }

    /// Throws away what is queued and puts a refusal behind the frame that is on its way.
    fn refuse(&mut self, code: Code) {
        self.frames.close();
        while self.frames.try_recv().is_ok() {}
        self.burst
            .extend(Frame::Refused { code, after_ms: 0 }.encode());
    }

    /// Writes the rest and shuts the sending half.
    async fn finish(&mut self) -> io::Result<()> {
        self.run().await?;
        self.stream.shutdown().await
    }
}

/// Whether a frame belongs to the exchange that makes a connection a proven one.
#[must_use]
pub const fn is_handshake(frame: &Frame) -> bool {
    matches!(
        frame,
        Frame::Bye
            | Frame::Hello { .. }
            | Frame::Introduction(_)
            | Frame::Ready
            | Frame::Refused { .. }
            | Frame::WantIntroduction
    )
}

fn cut(error: io::Error) -> LinkError {
    LinkError::new(
        tls::established_code(&error).unwrap_or(Code::Unreachable),
        error,
    )
}

fn violation(error: DecodeError) -> LinkError {
    LinkError::new(
        Code::ProtocolViolation,
        io::Error::new(io::ErrorKind::InvalidData, error),
    )
}
