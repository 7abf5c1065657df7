//! [`Admission`]: connections from raw to proven, and who is let into the cluster.
//!
//! | module | owns |
//! |---|---|
//! | `link` | names of connections, and what the driver reports of them |
//! | `options` | what a node decides, and what it shows of itself |
//! | `action` | what admission asks of its parent |

mod action;
mod link;
mod options;

use std::net::SocketAddr;
use std::time::Duration;

pub use action::{Action, JoinOutcome, JoinVerdict, Peer, Refusal};
pub use link::{LinkChange, LinkId, Opened, ProvenLink};
pub use options::{Credentials, DialBack, Identity, Options};

use crate::member::MemberId;
use crate::seal::Secrets;
use crate::time::Timestamp;
use crate::trust::VerifiedIntroduction;
use crate::wire::frame::{Frame, WireKey};
pub use crate::wire::hello::Channel;
use crate::wire::hello::JoinId;
use crate::wire::refusal::Code;

/// How long the address of an older life is asked whether anybody is still there.
pub const ASK_TIMEOUT: Duration = Duration::from_secs(1);

/// A frame that breaks the protocol. The peer is at fault; the refusal and the end of the connection are queued as actions
/// already. Log it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{frame} is out of place: {code}")]
pub struct FrameError {
    /// Which frame.
    pub frame: &'static str,
    /// What the peer was told.
    pub code: Code,
}

/// All connections of one node.
///
/// Inputs are `handle_*`; after any input or command, drain [`Admission::poll`].
#[derive(Debug)]
pub struct Admission {}

// Inputs.
impl Admission {
    /// A node without connections. It answers nobody before [`Admission::set_identity`].
    #[must_use]
    pub fn new(options: Options, secrets: Secrets) -> Self {
        let _ = (options, secrets);
        todo!()
    }

    /// A connection has come up, could not be opened, or is gone.
    pub fn handle_link(&mut self, now: Timestamp, link: LinkId, change: LinkChange) {
        let _ = (now, link, change);
        todo!()
    }

    /// A frame has come. Returns it if it is the parent's: on a connection reported [`Action::Proven`], or a page after
    /// [`Action::Accepted`].
    ///
    /// # Errors
    ///
    /// [`FrameError`] when the peer breaks the protocol.
    pub fn handle_frame(
        &mut self,
        now: Timestamp,
        link: LinkId,
        frame: Frame,
    ) -> Result<Option<Frame>, FrameError> {
        let _ = (now, link, frame);
        todo!()
    }

    /// An introduction was verified or not.
    pub fn handle_verified(
        &mut self,
        now: Timestamp,
        link: LinkId,
        outcome: Result<VerifiedIntroduction, Code>,
    ) {
        let _ = (now, link, outcome);
        todo!()
    }

    /// Deadlines have passed.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        let _ = now;
        todo!()
    }
}

// Commands.
impl Admission {
    /// Sets what this node shows of itself. With another generation, every connection of the former life is closed and every
    /// join under way ends with [`JoinOutcome::Retry`].
    pub fn set_identity(&mut self, now: Timestamp, identity: Identity) {
        let _ = (now, identity);
        todo!()
    }

    /// Sets the ids of the gossip keys held, which every hello carries.
    pub fn set_key_ids(&mut self, key_ids: Vec<u64>) {
        let _ = key_ids;
        todo!()
    }

    /// Refuses everybody from now on.
    pub fn set_leaving(&mut self) {
        todo!()
    }

    /// Forgets what was verified: the truststore has changed. Connections stay.
    pub fn forget_introductions(&mut self) {
        todo!()
    }

    /// Joins through the node at `addr`. [`Action::JoinEnded`] says what came of it. Several attempts may run at once, one to
    /// an address.
    pub fn join(&mut self, now: Timestamp, addr: SocketAddr) {
        let _ = (now, addr);
        todo!()
    }

    /// The last page of [`Action::Accepted`] is judged: tells the contact. Pages of our own view may be sent next. `keys` are
    /// those we held before, if others hold them too.
    pub fn join_done(&mut self, now: Timestamp, join: JoinId, keys: Vec<WireKey>) {
        let _ = (now, join, keys);
        todo!()
    }

    /// Dials a fellow member. [`Action::Proven`] or [`Action::DialFailed`] follows.
    pub fn dial_member(&mut self, now: Timestamp, id: &MemberId, addr: SocketAddr) -> LinkId {
        let _ = (now, id, addr);
        todo!()
    }

    /// Answers [`Action::JudgeMember`].
    pub fn answer_member(&mut self, now: Timestamp, link: LinkId, is_held: bool) {
        let _ = (now, link, is_held);
        todo!()
    }

    /// Answers [`Action::JudgeJoin`].
    pub fn answer_join(&mut self, now: Timestamp, join: JoinId, verdict: JoinVerdict) {
        let _ = (now, join, verdict);
        todo!()
    }

    /// Answers [`Action::Accept`]: hands the keys and the view to a joiner, the active key and then the last page closing it.
    pub fn accept(&mut self, now: Timestamp, join: JoinId, keys: Vec<WireKey>, pages: Vec<Frame>) {
        let _ = (now, join, keys, pages);
        todo!()
    }

    /// Closes a connection: says why if there is a reason to refuse the peer, or goodbye.
    pub fn close(&mut self, link: LinkId, code: Option<Code>) {
        let _ = (link, code);
        todo!()
    }
}

// Output and views.
impl Admission {
    /// The next thing to do; `None` when there is nothing left.
    pub fn poll(&mut self) -> Option<Action> {
        todo!()
    }

    /// When to call [`Admission::handle_timeout`].
    #[must_use]
    pub fn next_timeout(&self) -> Option<Timestamp> {
        todo!()
    }
}
