//! [`Subject`]: one handler, what it works on, and what waits for it.
//!
//! * So many messages are handled at a time; a further one waits unopened, and takes up its sender's credit until its turn
//!   comes. So a slow handler slows its senders down, and nothing is dropped.
//! * A one-way message is taken, and its sender told so, once it is handled or has one of the places in the queue.
//! * A handler is polled once where the message came in, and gets a task of its own only if it is not done by then.
//! * A handler that panics has failed. One whose caller has gone is dropped.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::sync::watch;

use super::request::{HandlerError, Request, Sender};
use crate::transport::messages::{Failure, IncomingCall, Responder};

/// What handles messages.
pub(super) type Handler = dyn Fn(Request) -> Answering + Send + Sync;
/// One message being handled.
pub(super) type Answering = Pin<Box<dyn Future<Output = Result<Bytes, HandlerError>> + Send>>;

/// A message that nobody has begun with.
pub(super) struct Job {
    call: IncomingCall,
    sender: Arc<Sender>,
    /// Whether its sender was told that it is taken.
    is_taken: bool,
}

/// A message that is being handled.
struct Handled {
    answering: Answering,
    responder: Responder,
}

/// One handler.
pub(super) struct Subject {
    handler: Box<Handler>,
    running_max: usize,
    taken_max: usize,
    stop: watch::Receiver<bool>,
    line: Mutex<Line>,
}

/// What is being worked on, and what waits.
#[derive(Default)]
struct Line {
    running: usize,
    waiting: VecDeque<Job>,
    /// How many of those that wait are one-way messages that count as taken.
    taken: usize,
    /// How many are one-way messages that do not.
    untaken: usize,
    is_closed: bool,
}

impl Subject {
    pub(super) fn new(
        handler: Box<Handler>,
        (running_max, taken_max): (NonZeroUsize, NonZeroUsize),
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            handler,
            running_max: running_max.get(),
            taken_max: taken_max.get(),
            stop,
            line: Mutex::default(),
        }
    }

    /// A message has come: it is handled now, or waits.
    pub(super) fn take(self: Arc<Self>, call: IncomingCall, sender: Arc<Sender>) {
        let mut job = Job {
            call,
            sender,
            is_taken: false,
        };
        let mut line = self.lock();
        if line.is_closed {
            drop(line);
            return job.call.refuse(Failure::NoHandler);
        }
        if line.running < self.running_max {
            line.running += 1;
            drop(line);
            return self.run(job);
        }
        if !job.call.wants_reply() {
            if line.taken < self.taken_max && line.untaken == 0 {
                job.is_taken = job.call.accept();
                if !job.is_taken {
                    return;
                }
                line.taken += 1;
            } else {
                line.untaken += 1;
            }
        }
        line.waiting.push_back(job);
    }

    /// The handler is registered no more: what waits is refused, but for messages whose senders know them taken.
    pub(super) fn close(&self) {
        let mut line = self.lock();
        line.is_closed = true;
        line.untaken = 0;
        let waiting = std::mem::take(&mut line.waiting);
        let (taken, others) = waiting.into_iter().partition(|job| job.is_taken);
        line.waiting = taken;
        drop(line);
        let others: VecDeque<Job> = others;
        for job in others {
            job.call.refuse(Failure::NoHandler);
        }
    }

    /// Handles a message where it came in, as far as that goes.
    fn run(self: Arc<Self>, job: Job) {
        let rest = self.begin(job).and_then(Handled::start);
        if rest.is_some() {
            tokio::spawn(self.work(rest));
        } else if let Some(job) = self.next() {
            let begun = self.begin(job);
            tokio::spawn(self.work(begun));
        }
    }

    /// Handles what has been begun, and then whatever waits.
    async fn work(self: Arc<Self>, mut begun: Option<Handled>) {
        let mut stop = self.stop.clone();
        loop {
            if let Some(handled) = begun.take() {
                tokio::select! {
                    () = handled.finish() => {}
                    _ = stop.wait_for(|stop| *stop) => {}
                }
            }
            match self.next() {
                Some(job) => begun = self.begin(job),
                None => return,
            }
        }
    }

    /// `None` if nobody waits for it any more.
    fn begin(&self, job: Job) -> Option<Handled> {
        let Job { call, sender, .. } = job;
        let subject = call.subject().to_owned();
        let deadline = call.deadline();
        let (payload, responder) = call.begin()?;
        let request = Request {
            sender,
            subject,
            payload,
            wants_reply: responder.wants_reply(),
            deadline,
        };
        Some(Handled {
            answering: (self.handler)(request),
            responder,
        })
    }

    /// The next one that waits; without one a place is free again.
    fn next(&self) -> Option<Job> {
        let mut line = self.lock();
        let next = line.waiting.pop_front();
        match &next {
            Some(job) if job.is_taken => line.taken -= 1,
            Some(job) if !job.call.wants_reply() => line.untaken -= 1,
            Some(_) => {}
            None => line.running -= 1,
        }
        while line.taken < self.taken_max && line.untaken > 0 {
            line.take_one();
        }
        next
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// Takes the first one-way message that is not taken, or forgets it if nobody waits for that any more.
    fn take_one(&mut self) {
        let is_untaken = |job: &Job| !job.is_taken && !job.call.wants_reply();
        let first = self.waiting.iter().position(is_untaken);
        let first = first.expect("there is one, as counted");
        self.untaken -= 1;
        let job = &mut self.waiting[first];
        job.is_taken = job.call.accept();
        if job.is_taken {
            self.taken += 1;
        } else {
            self.waiting.remove(first);
        }
    }
}

impl Handled {
    /// Goes as far as it goes at once; what is left, if it is not done by then.
    fn start(mut self) -> Option<Self> {
        // Whoever goes on with it polls it first, so that nothing that wakes nobody is lost.
        let mut cx = Context::from_waker(Waker::noop());
        match poll_guarded(&mut self.answering, &mut cx) {
            Poll::Ready(answer) => {
                self.responder.reply(answer);
                None
            }
            Poll::Pending => Some(self),
        }
    }

    /// Goes on until there is an answer, or nobody to have it.
    async fn finish(mut self) {
        let answer = tokio::select! {
            biased;
            answer = poll_fn(|cx| poll_guarded(&mut self.answering, cx)) => Some(answer),
            () = self.responder.cancelled() => None,
        };
        if let Some(answer) = answer {
            self.responder.reply(answer);
        }
    }
}

/// Polls a handler; one that panics has failed.
fn poll_guarded(answering: &mut Answering, cx: &mut Context<'_>) -> Poll<Result<Bytes, Failure>> {
    let poll = AssertUnwindSafe(|| answering.as_mut().poll(cx));
    match catch_unwind(poll) {
        Ok(poll) => poll.map_err(Failure::from),
        // What it panicked with is for the log here, where it stands already.
        Err(_) => {
            let text = "the handler panicked".to_owned();
            Poll::Ready(Err(Failure::HandlerFailed(text)))
        }
    }
}
