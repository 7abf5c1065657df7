//! [`Registry`]: who handles which subject; [`Registration`]: for how long.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use tokio::sync::watch;

use super::handling::{Handler, Subject};
use super::options::MessagingOptions;
use super::request::{IncomingStream, Sender};
use crate::transport::messages::{self, Failure, IncomingCall};
use crate::wire::messages::SUBJECT_LEN_MAX;

/// What handles streams.
pub(super) type StreamHandler = dyn Fn(IncomingStream) -> StreamHandling + Send + Sync;
/// One stream being handled.
pub(super) type StreamHandling = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Handlers by subject, and whether they may still run.
pub(super) struct Registry {
    options: MessagingOptions,
    table: RwLock<Table>,
    /// Turns true when the node ends, and then stays so.
    stop: watch::Sender<bool>,
}

#[derive(Default)]
struct Table {
    messages: BTreeMap<String, (u64, Arc<Subject>)>,
    streams: BTreeMap<String, (u64, Arc<StreamHandler>)>,
    registered: u64,
}

/// What a registration is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Messages,
    Streams,
}

/// A handler is registered for as long as this is kept. What it works on already it finishes; what waits for it is refused as
/// if it had never been.
#[must_use = "dropping it unregisters the handler"]
pub struct Registration {
    registry: Weak<Registry>,
    kind: Kind,
    subject: String,
    number: u64,
}

impl Registry {
    pub(super) fn new(options: MessagingOptions) -> Self {
        Self {
            options,
            table: RwLock::default(),
            stop: watch::Sender::new(false),
        }
    }

    /// Registers a handler of messages, in the place of one that there may be.
    pub(super) fn handle(self: &Arc<Self>, subject: &str, handler: Box<Handler>) -> Registration {
        let options = (self.options.handlers_max, self.options.queue_len_max);
        let handled = Arc::new(Subject::new(handler, options, self.stop.subscribe()));
        let mut table = self.write();
        let number = table.number();
        let former = table
            .messages
            .insert(subject.to_owned(), (number, Arc::clone(&handled)));
        drop(table);
        if let Some((_, former)) = former {
            former.close();
        }
        if *self.stop.borrow() {
            self.stop();
        }
        self.registration(Kind::Messages, subject, number)
    }

    /// Registers a handler of streams, in the place of one that there may be.
    pub(super) fn handle_streams(
        self: &Arc<Self>,
        subject: &str,
        handler: Box<StreamHandler>,
    ) -> Registration {
        let mut table = self.write();
        let number = table.number();
        let handler = Arc::from(handler);
        let former = table.streams.insert(subject.to_owned(), (number, handler));
        drop((table, former));
        if *self.stop.borrow() {
            self.stop();
        }
        self.registration(Kind::Streams, subject, number)
    }

    /// A member calls.
    pub(super) fn call(&self, sender: &Arc<Sender>, call: IncomingCall) {
        let found = self.read().messages.get(call.subject()).cloned();
        match found {
            Some((_, subject)) => subject.take(call, Arc::clone(sender)),
            None => call.refuse(Failure::NoHandler),
        }
    }

    /// A member opens a stream.
    pub(super) fn stream(&self, sender: &Arc<Sender>, stream: messages::IncomingStream) {
        let found = self.read().streams.get(stream.subject()).cloned();
        let Some((_, handler)) = found else {
            return stream.refuse(Failure::NoHandler);
        };
        let stream = IncomingStream {
            sender: Arc::clone(sender),
            stream,
        };
        let mut stop = self.stop.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                () = handler(stream) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        });
    }

    /// How many subjects are handled: messages' and streams'.
    pub(super) fn len(&self) -> usize {
        let table = self.read();
        table.messages.len() + table.streams.len()
    }

    /// The node ends: nothing is handled any more, and what is being handled is dropped.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
        let table = std::mem::take(&mut *self.write());
        for (_, subject) in table.messages.into_values() {
            subject.close();
        }
    }

    fn registration(self: &Arc<Self>, kind: Kind, subject: &str, number: u64) -> Registration {
        Registration {
            registry: Arc::downgrade(self),
            kind,
            subject: subject.to_owned(),
            number,
        }
    }

    fn remove(&self, kind: Kind, subject: &str, number: u64) {
        let mut table = self.write();
        match kind {
            Kind::Messages => {
                let held = table.messages.get(subject);
                if held.is_some_and(|(held, _)| *held == number) {
                    let former = table.messages.remove(subject);
                    drop(table);
                    former.expect("just seen").1.close();
                }
            }
            Kind::Streams => {
                let held = table.streams.get(subject);
                if held.is_some_and(|(held, _)| *held == number) {
                    let former = table.streams.remove(subject);
                    drop((table, former));
                }
            }
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn number(&mut self) -> u64 {
        self.registered += 1;
        self.registered
    }
}

/// Whether a subject has a length that subjects may have.
pub(super) const fn is_subject(subject: &str) -> bool {
    !subject.is_empty() && subject.len() <= SUBJECT_LEN_MAX
}

impl Registration {
    /// Whose messages or streams it handles.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Keeps the handler registered for as long as the node runs.
    pub fn forever(mut self) {
        self.registry = Weak::new();
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(registry) = self.registry.upgrade() {
            registry.remove(self.kind, &self.subject, self.number);
        }
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("kind", &self.kind)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}
