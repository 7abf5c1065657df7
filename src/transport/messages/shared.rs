//! [`Shared`]: the session and who waits for what in it, behind one lock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::{CallError, IncomingCall, IncomingStream, SessionOptions};
use crate::messaging::{
    COMPRESSED_LEN_MIN, CallId, Compression, Event, Message, Outgoing, ServedId, Session, StreamId,
};
use crate::time::Timestamp;
use crate::wire::hello::Side;

/// How much is put together for one write.
pub(super) const BURST_LEN: usize = 256 * 1024;

/// What handles and task share.
pub(super) struct Shared {
    state: Mutex<State>,
    started: Instant,
    compression: Compression,
    /// Which compressions the peer understands, once it has said so.
    understood: OnceLock<u8>,
    settled: Notify,
}

pub(super) struct State {
    pub(super) session: Session,
    pub(super) calls: BTreeMap<CallId, oneshot::Sender<Result<Message, CallError>>>,
    pub(super) openings: BTreeMap<StreamId, oneshot::Sender<Result<(), CallError>>>,
    pub(super) responders: BTreeMap<ServedId, Waker>,
    pub(super) readers: BTreeMap<StreamId, Waker>,
    pub(super) writers: BTreeMap<StreamId, Waker>,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    /// The task, while it sleeps.
    pub(super) sleeping: Option<Waker>,
    /// When the task wakes up by itself.
    pub(super) wakes_at: Timestamp,
}

/// What an event of the session means, to be done without the lock.
pub(super) enum Action {
    Answer(
        oneshot::Sender<Result<Message, CallError>>,
        Result<Message, CallError>,
    ),
    Open(
        oneshot::Sender<Result<(), CallError>>,
        Result<(), CallError>,
    ),
    Call(IncomingCall),
    Stream(IncomingStream),
    Settle(u8),
    Wake(Waker),
}

impl Shared {
    pub(super) fn new(side: Side, options: SessionOptions) -> Self {
        let started = Instant::now();
        Self {
            state: Mutex::new(State {
                session: Session::new(Timestamp::ZERO, side, options),
                calls: BTreeMap::new(),
                openings: BTreeMap::new(),
                responders: BTreeMap::new(),
                readers: BTreeMap::new(),
                writers: BTreeMap::new(),
                bytes_in: 0,
                bytes_out: 0,
                sleeping: None,
                wakes_at: Timestamp::ZERO,
            }),
            started,
            compression: options.compression,
            understood: OnceLock::new(),
            settled: Notify::new(),
        }
    }

    /// A command of a handle. Wakes the task if it has something to do now. Wakers and senders that a command replaces are
    /// returned by it, so that they are dropped without the lock: their drop may run code of others.
    pub(super) fn with<T>(&self, command: impl FnOnce(&mut State, Timestamp) -> T) -> T {
        let now = self.now();
        let mut state = self.lock();
        let result = command(&mut state, now);
        let task = state.task_to_wake();
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
        result
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.timestamp(Instant::now())
    }

    pub(super) fn timestamp(&self, instant: Instant) -> Timestamp {
        Timestamp::ZERO + instant.saturating_duration_since(self.started)
    }

    pub(super) fn instant(&self, at: Timestamp) -> Instant {
        let since = at.saturating_since(Timestamp::ZERO);
        // A deadline beyond what the clock can show never comes.
        self.started
            .checked_add(since)
            .unwrap_or_else(|| self.started + FAR)
    }

    /// Whether it matters to a payload what the peer understands.
    pub(super) fn may_compress(&self, payload: &Bytes) -> bool {
        self.compression != Compression::None && payload.len() >= COMPRESSED_LEN_MIN
    }

    /// The payload as it is to travel, once the peer has said what it understands.
    pub(super) async fn pack(&self, payload: Bytes) -> Message {
        let understood = loop {
            let settled = self.settled.notified();
            if let Some(understood) = self.understood.get() {
                break *understood;
            }
            settled.await;
        };
        Message::compressed(payload, self.compression, understood)
    }

    /// The payload as it is to travel. The peer's settings are there, since it has called.
    pub(super) fn pack_now(&self, payload: Bytes) -> Message {
        let understood = self.understood.get().copied().unwrap_or(0);
        Message::compressed(payload, self.compression, understood)
    }

    /// Does what an event means, the lock not held.
    pub(super) fn act(&self, action: Action, inbox: Option<&dyn super::Inbox>) {
        match (action, inbox) {
            (Action::Answer(caller, result), _) => drop(caller.send(result)),
            (Action::Open(opener, result), _) => drop(opener.send(result)),
            (Action::Call(call), Some(inbox)) => inbox.call(call),
            (Action::Stream(stream), Some(inbox)) => inbox.stream(stream),
            (Action::Settle(understood), _) => {
                let _ = self.understood.set(understood);
                self.settled.notify_waiters();
            }
            (Action::Wake(waker), _) => waker.wake(),
            (Action::Call(_) | Action::Stream(_), None) => {}
        }
    }
}

impl State {
    /// Takes what the session has to send, up to a burst.
    pub(super) fn take_out(&mut self, now: Timestamp, out: &mut Outgoing) {
        let before = out.len();
        if before < BURST_LEN {
            self.session.poll_transmit(now, out, BURST_LEN);
            self.bytes_out += (out.len() - before) as u64;
        }
    }

    /// Turns the session's events into actions.
    pub(super) fn collect(&mut self, shared: &Arc<Shared>, actions: &mut Vec<Action>) {
        while let Some(event) = self.session.poll_event() {
            let action = match event {
                Event::Answered { id, result } => {
                    let caller = self.calls.remove(&id);
                    caller.map(|caller| Action::Answer(caller, result))
                }
                Event::Called(called) => {
                    let call = IncomingCall::new(Arc::clone(shared), called);
                    Some(Action::Call(call))
                }
                Event::CallerGone(id) => self.responders.remove(&id).map(Action::Wake),
                Event::Readable(id) => self.readers.remove(&id).map(Action::Wake),
                Event::Settled => {
                    let peer = self.session.peer();
                    peer.map(|peer| Action::Settle(peer.compressions))
                }
                Event::StreamAnswered { id, result } => {
                    let opener = self.openings.remove(&id);
                    opener.map(|opener| Action::Open(opener, result))
                }
                Event::StreamOffered { id, subject } => {
                    let stream = IncomingStream::new(Arc::clone(shared), id, subject);
                    Some(Action::Stream(stream))
                }
                Event::Writable(id) => self.writers.remove(&id).map(Action::Wake),
            };
            actions.extend(action);
        }
        if self.session.ending().is_some() {
            // Whoever waits for settings waits for nothing: the call itself will say how the connection ended.
            actions.push(Action::Settle(0));
        }
    }

    fn task_to_wake(&mut self) -> Option<Waker> {
        let is_early = || {
            let next = self.session.next_timeout();
            next.is_some_and(|at| at < self.wakes_at)
        };
        if self.session.has_output() || is_early() {
            return self.sleeping.take();
        }
        None
    }
}

const FAR: std::time::Duration = std::time::Duration::from_secs(365 * 24 * 60 * 60);
