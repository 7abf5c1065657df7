//! [`Messenger`]: messages and streams between members, whoever dialled whom.
//!
//! | module | owns |
//! |---|---|
//! | `pool` | the connections at hand, by member, and who waits for one |
//! | `registry` | who handles which subject |
//! | `handling` | one handler, what it works on, and what waits for it |
//! | `request` | what a handler is given, and what it may answer |
//! | `options` | what a program decides about all this |
//! | `error` | why something did not get through |
//!
//! ```text
//! request(member) ── Pool ──┬── a connection that is there ──────────────────────────┐
//!                           └── driver ── core ── dial, proof ── HandOver ── driver ─┤
//!                                                                                    └── transport::messages
//! a member's call ── transport::messages ── Registry ── its handler ── answer
//! ```
//!
//! The core proves both ends of a connection before the pool hears of it, and closes it when its member is one no more. The
//! node itself is served by a connection in memory: the same code, the same limits, no socket.

mod error;
mod handling;
mod options;
mod pool;
mod registry;
mod request;
mod tally;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

pub use error::MessageError;
pub use options::{MESSAGE_LEN_MAX, MessagingOptions};
pub use pool::MessagingStats;
pub(super) use pool::Unconnected;
pub use registry::Registration;
pub use request::{HandlerError, IncomingStream, Request};
pub use tally::CallOutcomes;

use crate::admission::LinkId;
use crate::member::MemberId;
use crate::messaging::Delivery;
use crate::messaging::SessionOptions;
use crate::transport::messages::{self, ByteStream, CallError, Channel, Inbox, IncomingCall};
use crate::wire::refusal::Code;
use pool::Pool;
use registry::{Registry, is_subject};
use request::Sender;
use tally::Tally;

/// How often a call is begun anew on another connection, when the one it was meant for had just been closed.
const TRIES_MAX: usize = 3;

/// Sends messages to members, opens streams to them, and has theirs handled. Cheap to clone. It does not keep the node
/// running; once the node has ended, everything fails as [`MessageError::NodeStopped`].
///
/// Messages are independent of each other: they may be handled in another order than they were sent in, and at the same
/// time. What has an order goes on a stream. A message is sent once: nothing is repeated that may have arrived.
#[derive(Clone)]
pub struct Messenger(Arc<Messaging>);

impl Messenger {
    /// Handles the requests and one-way messages of a subject until the registration is dropped. A handler of the same subject
    /// that is there already is replaced.
    ///
    /// It runs where the message came in, so it must not block; it may wait. It is dropped when nobody waits for its answer any
    /// more. A panic is a failure like another. If the handler holds a [`Node`](crate::Node), that keeps the node running.
    ///
    /// # Panics
    ///
    /// When the subject is empty or longer than 255 bytes.
    pub fn handle<H, F, R>(&self, subject: &str, handler: H) -> Registration
    where
        H: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<R, HandlerError>> + Send + 'static,
        R: Into<Bytes>,
    {
        assert!(is_subject(subject), "a subject has 1 to 255 bytes");
        let handler = Arc::new(handler);
        let boxed = Box::new(move |request| {
            let handler = Arc::clone(&handler);
            let answering = async move {
                let answer = handler(request).await?;
                Ok(answer.into())
            };
            Box::pin(answering) as handling::Answering
        });
        self.0.registry.handle(subject, boxed)
    }

    /// Handles the streams that are opened under a subject until the registration is dropped, each in a task of its own. A
    /// handler of the same subject that is there already is replaced.
    ///
    /// # Panics
    ///
    /// When the subject is empty or longer than 255 bytes.
    pub fn handle_streams<H, F>(&self, subject: &str, handler: H) -> Registration
    where
        H: Fn(IncomingStream) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        assert!(is_subject(subject), "a subject has 1 to 255 bytes");
        let handler = Arc::new(handler);
        let boxed = Box::new(move |stream| {
            let handler = Arc::clone(&handler);
            Box::pin(async move { handler(stream).await }) as registry::StreamHandling
        });
        self.0.registry.handle_streams(subject, boxed)
    }

    /// Asks a member, and waits for its reply within [`MessagingOptions::request_timeout`]. Dropping the future gives the
    /// request up, and its handler is told.
    ///
    /// # Errors
    ///
    /// [`MessageError`]; [`MessageError::delivery`] says whether a handler can have seen it.
    pub async fn request(
        &self,
        to: &MemberId,
        subject: &str,
        payload: impl Into<Bytes>,
    ) -> Result<Bytes, MessageError> {
        let timeout = self.0.options.request_timeout;
        self.request_within(timeout, to, subject, payload).await
    }

    /// The same within another time.
    ///
    /// # Errors
    ///
    /// As [`Messenger::request`].
    pub async fn request_within(
        &self,
        timeout: Duration,
        to: &MemberId,
        subject: &str,
        payload: impl Into<Bytes>,
    ) -> Result<Bytes, MessageError> {
        let payload = payload.into();
        self.0
            .counted(async {
                let mut tries = Tries::within(timeout);
                loop {
                    let (channel, left) = tries.next(&self.0, to).await?;
                    let done = channel.request(subject, payload.clone(), left).await;
                    if let Some(done) = tries.judge(&self.0, done) {
                        return done;
                    }
                }
            })
            .await
    }

    /// Sends a member a message that wants no reply. It is taken by the end of this: it is being handled, or has its place in
    /// the handler's queue.
    ///
    /// # Errors
    ///
    /// [`MessageError`]; [`MessageError::delivery`] says whether a handler can have seen it.
    pub async fn send(
        &self,
        to: &MemberId,
        subject: &str,
        payload: impl Into<Bytes>,
    ) -> Result<(), MessageError> {
        let timeout = self.0.options.request_timeout;
        self.send_within(timeout, to, subject, payload).await
    }

    /// The same within another time.
    ///
    /// # Errors
    ///
    /// As [`Messenger::send`].
    pub async fn send_within(
        &self,
        timeout: Duration,
        to: &MemberId,
        subject: &str,
        payload: impl Into<Bytes>,
    ) -> Result<(), MessageError> {
        let payload = payload.into();
        self.0
            .counted(async {
                let mut tries = Tries::within(timeout);
                loop {
                    let (channel, left) = tries.next(&self.0, to).await?;
                    let done = channel.send(subject, payload.clone(), left).await;
                    if let Some(done) = tries.judge(&self.0, done) {
                        return done;
                    }
                }
            })
            .await
    }

    /// Opens a stream to a member: bytes in order, both ways, for as long as wanted. Many go over one connection, and one that
    /// is not read holds up none of the others.
    ///
    /// # Errors
    ///
    /// [`MessageError`]; [`MessageError::delivery`] says whether a handler can have seen it.
    pub async fn open_stream(
        &self,
        to: &MemberId,
        subject: &str,
    ) -> Result<ByteStream, MessageError> {
        let timeout = self.0.options.request_timeout;
        self.open_stream_within(timeout, to, subject).await
    }

    /// The same within another time; it says nothing about how long the stream may last.
    ///
    /// # Errors
    ///
    /// As [`Messenger::open_stream`].
    pub async fn open_stream_within(
        &self,
        timeout: Duration,
        to: &MemberId,
        subject: &str,
    ) -> Result<ByteStream, MessageError> {
        let mut tries = Tries::within(timeout);
        loop {
            let (channel, left) = tries.next(&self.0, to).await?;
            let done = channel.open_stream(subject, left).await;
            if let Some(done) = tries.judge(&self.0, done) {
                return done;
            }
        }
    }

    /// What it is used for.
    #[must_use]
    pub fn stats(&self) -> MessagingStats {
        self.0.stats()
    }
}

impl fmt::Debug for Messenger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messenger").finish_non_exhaustive()
    }
}

/// What messengers and driver share.
pub(super) struct Messaging {
    options: MessagingOptions,
    pool: Pool,
    registry: Arc<Registry>,
    tally: Tally,
}

impl Messaging {
    /// Also says where to hear whom to dial.
    pub(super) fn new(
        local: MemberId,
        options: MessagingOptions,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<MemberId>) {
        let (wants, wanted) = mpsc::unbounded_channel();
        let messaging = Self {
            options,
            pool: Pool::new(local, wants),
            registry: Arc::new(Registry::new(options)),
            tally: Tally::default(),
        };
        (Arc::new(messaging), wanted)
    }

    pub(super) fn messenger(self: &Arc<Self>) -> Messenger {
        Messenger(Arc::clone(self))
    }

    /// A call, counted when it has ended; one that its caller gives up is not.
    async fn counted<T>(
        &self,
        call: impl Future<Output = Result<T, MessageError>>,
    ) -> Result<T, MessageError> {
        let began = Instant::now();
        let outcome = call.await;
        self.tally.note(began.elapsed(), &outcome);
        outcome
    }

    pub(super) fn stats(&self) -> MessagingStats {
        MessagingStats {
            subjects: self.registry.len(),
            outcomes: self.tally.outcomes(),
            ..self.pool.stats()
        }
    }
}

// For the driver.
impl Messaging {
    pub(super) fn dialling(&self, to: MemberId, link: LinkId) {
        self.pool.dialling(to, link);
    }

    pub(super) fn not_dialled(&self, to: &MemberId, why: Unconnected) {
        self.pool.not_dialled(to, why);
    }

    pub(super) fn dial_failed(&self, link: LinkId, code: Code) {
        self.pool.dial_failed(link, code);
    }

    /// Takes a connection into use. `link` is none for the one to oneself. What is returned ends with the connection.
    pub(super) fn open(
        self: &Arc<Self>,
        (sender, certificate): (MemberId, Option<[u8; 32]>),
        link: Option<LinkId>,
        opened: messages::Opened,
    ) -> impl Future<Output = messages::Closed> + Send + 'static {
        let sender = Arc::new(Sender {
            id: sender,
            certificate,
        });
        let inbox = Arc::new(Door {
            registry: Arc::clone(&self.registry),
            sender: Arc::clone(&sender),
        });
        let (channel, task) = messages::open(opened, self.session(), inbox);
        if !self.pool.add(&sender.id, link, &channel) {
            channel.close_with(Code::Leaving);
        }
        let place = PlaceInPool {
            messaging: Arc::clone(self),
            id: sender.id.clone(),
            link,
        };
        async move {
            let _place = place;
            task.await
        }
    }

    /// Serves the other end of the connection to oneself.
    pub(super) fn serve_oneself(
        self: &Arc<Self>,
        (id, certificate): (MemberId, Option<[u8; 32]>),
        opened: messages::Opened,
    ) -> impl Future<Output = messages::Closed> + Send + 'static {
        let sender = Arc::new(Sender { id, certificate });
        let inbox = Arc::new(Door {
            registry: Arc::clone(&self.registry),
            sender,
        });
        messages::open(opened, self.session(), inbox).1
    }

    pub(super) fn close(&self, link: LinkId, code: Code) -> bool {
        self.pool.close(link, code)
    }

    /// Another certificate is in force.
    pub(super) fn renew(&self) {
        self.pool.renew();
    }

    /// Lets go of idle connections for as long as it runs.
    pub(super) async fn close_idle(self: Arc<Self>) {
        let idle_timeout = self.options.idle_timeout;
        loop {
            tokio::time::sleep(idle_timeout / 4).await;
            self.pool.close_idle(idle_timeout);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pool.is_empty()
    }

    /// Takes nothing new, and waits for what is under way, for so long at most.
    pub(super) async fn drain(self: Arc<Self>, patience: Duration) {
        self.pool.drain(patience).await;
    }

    /// It is over: connections are closed and handlers dropped.
    pub(super) fn stop(&self) {
        self.pool.stop(Code::Leaving);
        self.registry.stop();
    }

    fn session(&self) -> SessionOptions {
        self.options.session()
    }
}

impl fmt::Debug for Messaging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messaging").finish_non_exhaustive()
    }
}

/// A connection is in the pool for as long as its task is there.
struct PlaceInPool {
    messaging: Arc<Messaging>,
    id: MemberId,
    link: Option<LinkId>,
}

impl Drop for PlaceInPool {
    fn drop(&mut self) {
        self.messaging.pool.remove(&self.id, self.link);
    }
}

/// Attempts at one thing: anew, where the connection was closed before anything had been sent on it.
struct Tries {
    left: usize,
    deadline: Instant,
}

impl Tries {
    fn within(timeout: Duration) -> Self {
        Self {
            left: TRIES_MAX,
            deadline: Instant::now() + timeout,
        }
    }

    /// A connection to try it on, and how long it may take.
    async fn next(
        &mut self,
        messaging: &Messaging,
        to: &MemberId,
    ) -> Result<(Channel, Duration), MessageError> {
        self.left -= 1;
        let channel = messaging.pool.connection(to, self.deadline).await?;
        let left = self.deadline.saturating_duration_since(Instant::now());
        Ok((channel, left))
    }

    /// What came of it in the end; `None`: to be tried again.
    fn judge<T>(
        &self,
        messaging: &Messaging,
        done: Result<T, CallError>,
    ) -> Option<Result<T, MessageError>> {
        Some(match done.map_err(MessageError::from) {
            Err(MessageError::Closed { delivery, .. }) if messaging.pool.is_stopped() => {
                Err(MessageError::NodeStopped { delivery })
            }
            Err(MessageError::Closed {
                delivery: Delivery::NotSent,
                ..
            }) if self.left > 0 => return None,
            done => done,
        })
    }
}

/// What one connection brings goes to the handlers, in the name of the member that has proven itself on it.
struct Door {
    registry: Arc<Registry>,
    sender: Arc<Sender>,
}

impl Inbox for Door {
    fn call(&self, call: IncomingCall) {
        self.registry.call(&self.sender, call);
    }

    fn stream(&self, stream: messages::IncomingStream) {
        self.registry.stream(&self.sender, stream);
    }
}
