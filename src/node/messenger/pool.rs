//! [`Pool`]: the connections of messages at hand, by member, and who waits for one.
//!
//! A connection is used by both of its ends, whoever dialled. Where there are two, because both dialled at once, both ends
//! prefer the one that the lower id dialled, and the other falls idle and is closed. One whose certificates have been replaced
//! stays in use until there is another in its place, and then until what is under way on it has ended.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout, timeout_at};

use super::error::MessageError;
use super::tally::CallOutcomes;
use crate::admission::LinkId;
use crate::member::MemberId;
use crate::messaging::Delivery;
use crate::transport::messages::Channel;
use crate::wire::refusal::Code;

/// The most calls that wait for a connection to one member; further ones are refused as [`Code::Busy`].
const WAITING_MAX: usize = 4_096;
/// How long a caller waits before it asks again for a connection that was refused for a reason that passes.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Who is to be dialled.
pub(super) type Wants = mpsc::UnboundedSender<MemberId>;

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::node) enum Unconnected {
    /// Refused, or not answered.
    Failed(Code),
    /// No live member has this id.
    NotAMember,
}

pub(super) struct Pool {
    local: MemberId,
    wants: Wants,
    state: Mutex<State>,
    /// How many there are.
    open: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    members: BTreeMap<MemberId, Entry>,
    /// Whom a connection leads to, dialled or open.
    links: BTreeMap<LinkId, MemberId>,
    /// The node takes nothing new.
    is_stopped: bool,
    /// What went over connections that have ended.
    bytes_in: u64,
    bytes_out: u64,
}

/// What there is to one member.
#[derive(Default)]
struct Entry {
    open: Vec<Open>,
    is_dialling: bool,
    waiting: Vec<oneshot::Sender<Result<Channel, Unconnected>>>,
}

struct Open {
    /// None for the one to oneself.
    link: Option<LinkId>,
    channel: Channel,
    /// Another is to take its place.
    is_stale: bool,
}

/// What the connections are used for, together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessagingStats {
    /// Connections of messages to other members.
    pub connections: usize,
    /// Calls under way, of both ends: requests and one-way messages.
    pub calls: usize,
    /// Streams that are open, of both ends.
    pub streams: usize,
    /// Callers that wait for a connection.
    pub waiting: usize,
    /// Bytes received since the start, messages and streams and what is around them.
    pub bytes_in: u64,
    /// Bytes sent since the start.
    pub bytes_out: u64,
    /// Subjects that are handled here.
    pub subjects: usize,
    /// How calls of this node ended.
    pub outcomes: CallOutcomes,
}

// For callers.
impl Pool {
    pub(super) fn new(local: MemberId, wants: Wants) -> Self {
        Self {
            local,
            wants,
            state: Mutex::default(),
            open: watch::Sender::new(0),
        }
    }

    /// A connection to a member: one that is there, or one that is dialled now, if that succeeds by `deadline`.
    pub(super) async fn connection(
        &self,
        to: &MemberId,
        deadline: Instant,
    ) -> Result<Channel, MessageError> {
        loop {
            let waiting = match self.find(to)? {
                Found::Open(channel) => return Ok(channel),
                Found::Dialled(waiting) => waiting,
            };
            let Ok(dialled) = timeout_at(deadline, waiting).await else {
                return Err(NOT_IN_TIME);
            };
            match dialled.map_err(|_| STOPPED)? {
                Ok(channel) => return Ok(channel),
                // We are not known there yet, or there is no room for now.
                Err(Unconnected::Failed(code @ (Code::Busy | Code::JoinFirst))) => {
                    let again = Instant::now() + RETRY_PAUSE;
                    if again >= deadline {
                        return Err(MessageError::Refused { code });
                    }
                    tokio::time::sleep_until(again).await;
                }
                Err(unconnected) => return Err(unconnected.into()),
            }
        }
    }

    fn find(&self, to: &MemberId) -> Result<Found, MessageError> {
        let mut state = self.lock();
        if state.is_stopped {
            return Err(STOPPED);
        }
        if let Some(entry) = state.members.get(to)
            && let Some(channel) = entry.best(*to < self.local)
        {
            return Ok(Found::Open(channel));
        }
        let entry = state.members.entry(to.clone()).or_default();
        if entry.waiting.len() >= WAITING_MAX {
            entry.waiting.retain(|waiting| !waiting.is_closed());
        }
        if entry.waiting.len() >= WAITING_MAX {
            return Err(MessageError::Refused { code: Code::Busy });
        }
        let (caller, waiting) = oneshot::channel();
        entry.waiting.push(caller);
        if !std::mem::replace(&mut entry.is_dialling, true) {
            // A driver that is gone has stopped the pool, or is about to.
            let _ = self.wants.send(to.clone());
        }
        Ok(Found::Dialled(waiting))
    }

    /// What the connections are used for.
    pub(super) fn stats(&self) -> MessagingStats {
        let state = self.lock();
        let mut stats = MessagingStats {
            bytes_in: state.bytes_in,
            bytes_out: state.bytes_out,
            ..MessagingStats::default()
        };
        for entry in state.members.values() {
            stats.waiting += entry.waiting.len();
            for open in &entry.open {
                let usage = open.channel.usage();
                stats.connections += usize::from(open.link.is_some());
                stats.calls += usage.calls;
                stats.streams += usage.streams;
                stats.bytes_in += usage.bytes_in;
                stats.bytes_out += usage.bytes_out;
            }
        }
        stats
    }
}

// For the driver.
impl Pool {
    /// A member is being dialled under this name.
    pub(super) fn dialling(&self, to: MemberId, link: LinkId) {
        self.lock().links.insert(link, to);
    }

    /// It was not dialled at all.
    pub(super) fn not_dialled(&self, to: &MemberId, why: Unconnected) {
        self.lock().dial_ended(to, Err(why));
    }

    /// A dial has come to nothing; or what was dialled has ended before it could be used.
    pub(super) fn dial_failed(&self, link: LinkId, code: Code) {
        let mut state = self.lock();
        let Some(to) = state.links.remove(&link) else {
            return;
        };
        state.dial_ended(&to, Err(Unconnected::Failed(code)));
    }

    /// A connection is up. `false` if the node takes none any more; close it then.
    pub(super) fn add(&self, to: &MemberId, link: Option<LinkId>, channel: &Channel) -> bool {
        let mut state = self.lock();
        if state.is_stopped {
            return false;
        }
        if let Some(link) = link {
            state.links.insert(link, to.clone());
        }
        let entry = state.members.entry(to.clone()).or_default();
        for former in entry.open.iter().filter(|open| open.is_stale) {
            former.channel.drain();
        }
        entry.open.push(Open {
            link,
            channel: channel.clone(),
            is_stale: false,
        });
        let is_ours = link.is_none_or(LinkId::is_dialed);
        if is_ours {
            state.dial_ended(to, Ok(channel));
        } else {
            entry.answer(Ok(channel));
        }
        self.count(&state);
        true
    }

    /// A connection has ended.
    pub(super) fn remove(&self, to: &MemberId, link: Option<LinkId>) {
        let mut state = self.lock();
        if let Some(link) = link {
            state.links.remove(&link);
        }
        let Some(entry) = state.members.get_mut(to) else {
            return;
        };
        let ended = entry.open.iter().position(|open| open.link == link);
        if let Some(open) = ended.map(|at| entry.open.swap_remove(at)) {
            let usage = open.channel.usage();
            state.bytes_in += usage.bytes_in;
            state.bytes_out += usage.bytes_out;
        }
        state.forget_if_empty(to);
        self.count(&state);
    }

    /// Closes a connection at once; `false` if it is not up.
    pub(super) fn close(&self, link: LinkId, code: Code) -> bool {
        let state = self.lock();
        let to = state.links.get(&link);
        let entry = to.and_then(|to| state.members.get(to));
        let open = entry.and_then(|entry| {
            let mut open = entry.open.iter();
            open.find(|open| open.link == Some(link))
        });
        open.is_some_and(|open| {
            open.channel.close_with(code);
            true
        })
    }

    /// Another certificate is in force: whatever is in use is replaced, and ends once nothing is under way on it.
    pub(super) fn renew(&self) {
        let mut state = self.lock();
        for (to, entry) in &mut state.members {
            let remote = entry.open.iter_mut().filter(|open| open.link.is_some());
            let mut is_used = false;
            for open in remote {
                open.is_stale = true;
                is_used |= open.channel.is_open();
            }
            if is_used && !std::mem::replace(&mut entry.is_dialling, true) {
                let _ = self.wants.send(to.clone());
            }
        }
    }

    /// Lets go of what has not been used for so long.
    pub(super) fn close_idle(&self, idle_timeout: Duration) {
        let now = Instant::now();
        for open in self.lock().members.values().flat_map(|entry| &entry.open) {
            let idle_since = open.channel.usage().idle_since;
            if idle_since.is_some_and(|at| now.saturating_duration_since(at) >= idle_timeout) {
                open.channel.drain();
            }
        }
    }

    /// Takes nothing new, and waits until what is under way has ended: for so long at most.
    pub(super) async fn drain(&self, patience: Duration) {
        let mut open = self.open.subscribe();
        self.refuse_all();
        for open in self.lock().members.values().flat_map(|entry| &entry.open) {
            open.channel.drain();
        }
        let _ = timeout(patience, open.wait_for(|open| *open == 0)).await;
    }

    /// Takes nothing new, and closes everything.
    pub(super) fn stop(&self, code: Code) {
        self.refuse_all();
        for open in self.lock().members.values().flat_map(|entry| &entry.open) {
            open.channel.close_with(code);
        }
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.lock().is_stopped
    }

    /// Whether anything is open.
    pub(super) fn is_empty(&self) -> bool {
        *self.open.borrow() == 0
    }

    fn refuse_all(&self) {
        let mut state = self.lock();
        state.is_stopped = true;
        for entry in state.members.values_mut() {
            entry.waiting.clear();
        }
    }

    fn count(&self, state: &State) {
        let open = state.members.values().map(|entry| entry.open.len()).sum();
        self.open.send_replace(open);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn dial_ended(&mut self, to: &MemberId, result: Result<&Channel, Unconnected>) {
        if let Some(entry) = self.members.get_mut(to) {
            entry.is_dialling = false;
            entry.answer(result);
        }
        self.forget_if_empty(to);
    }

    fn forget_if_empty(&mut self, to: &MemberId) {
        let entry = self.members.get(to);
        if entry.is_some_and(|entry| entry.open.is_empty() && !entry.is_dialling) {
            self.members.remove(to);
        }
    }
}

impl Entry {
    /// The connection to use. Ids say which end's dials are preferred.
    fn best(&self, prefers_accepted: bool) -> Option<Channel> {
        let usable = self.open.iter().filter(|open| open.channel.is_open());
        let best = usable.min_by_key(|open| {
            let is_accepted = open.link.is_some_and(|link| !link.is_dialed());
            (open.is_stale, is_accepted != prefers_accepted, open.link)
        });
        best.map(|open| open.channel.clone())
    }

    fn answer(&mut self, result: Result<&Channel, Unconnected>) {
        for waiting in self.waiting.drain(..) {
            let _ = waiting.send(result.cloned());
        }
    }
}

enum Found {
    Open(Channel),
    Dialled(oneshot::Receiver<Result<Channel, Unconnected>>),
}

impl From<Unconnected> for MessageError {
    fn from(unconnected: Unconnected) -> Self {
        match unconnected {
            Unconnected::Failed(code @ (Code::HandshakeTimeout | Code::Unreachable)) => {
                Self::Unreachable { code }
            }
            Unconnected::Failed(code) => Self::Refused { code },
            Unconnected::NotAMember => Self::NotAMember,
        }
    }
}

const STOPPED: MessageError = MessageError::NodeStopped {
    delivery: Delivery::NotSent,
};

const NOT_IN_TIME: MessageError = MessageError::TimedOut {
    delivery: Delivery::NotSent,
};
