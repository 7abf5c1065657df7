//! [`Action`]: all that admission ever asks of its parent, or tells it.

use std::net::SocketAddr;
use std::time::Duration;

use super::introductions::VerificationId;
use super::link::{LinkId, ProvenLink};
use crate::member::{Generation, IntroductionTag, MemberId, MemberRecord};
use crate::time::Timestamp;
use crate::wire::correlation::CorrelationId;
use crate::wire::frame::{Fault, Frame, WireKeyring};
use crate::wire::hello::{
    Introduction, IntroductionFields, IntroductionHash, JoinId, Purpose, Side,
};
use crate::wire::refusal::Code;

/// One thing for the parent to do or to know.
#[derive(Clone, Debug)]
#[must_use]
pub enum Action {
    /// A joiner was dialled back and found. Answer with [`super::Admission::accept`] or [`super::Admission::decline`].
    Accept {
        /// Which join.
        join: JoinId,
        /// Who joins.
        peer: Peer,
        /// Its record.
        record: MemberRecord,
    },
    /// A contact lets us in. Its pages follow as frames; when the last is judged, call [`super::Admission::join_done`].
    Accepted {
        /// Which join.
        join: JoinId,
        /// The connection the pages come on.
        link: ProvenLink,
        /// Who lets us in.
        peer: Peer,
        /// The gossip keys of the cluster; none without TLS.
        ring: WireKeyring,
    },
    /// What came of [`super::Admission::check_member`].
    Checked {
        /// Which check.
        check: u64,
        /// What is wrong, if both ends are not proven.
        fault: Option<Fault>,
    },
    /// Close a connection once what was sent on it has gone out, or give up dialling it. No answer is owed.
    Close(LinkId),
    /// A joiner has taken our view: it is a member now. Its connection was reported [`Action::Proven`] just before, and its
    /// pages follow as frames.
    Committed {
        /// Which join.
        join: JoinId,
        /// The connection its pages come on.
        link: ProvenLink,
        /// Who joined.
        peer: Peer,
        /// Its record, as it came.
        record: Vec<u8>,
        /// The gossip keys it brings; none if it was alone.
        ring: WireKeyring,
    },
    /// A dial by [`super::Admission::dial_member`] or [`super::Admission::dial_for_messages`] has come to nothing. On [`Code::JoinFirst`], join at that address.
    DialFailed {
        /// The connection.
        link: LinkId,
        /// Who was to be met.
        id: MemberId,
        /// Where.
        addr: SocketAddr,
        /// Why not.
        code: Code,
    },
    /// Both ends of a connection for messages are proven. From now on it is no concern of admission's but for its end: no frame
    /// is sent on it, and none is taken.
    HandOver {
        /// The connection.
        link: ProvenLink,
        /// Who is at the other end.
        peer: Peer,
        /// Which end we are.
        side: Side,
        /// What goes out before anything else: a dialer's last word. The listener says nothing before it.
        first: Option<Frame>,
    },
    /// An attempt by [`super::Admission::join`] has ended.
    JoinEnded {
        /// The address dialled.
        addr: SocketAddr,
        /// How.
        outcome: JoinOutcome,
        /// What both ends call the connection, as far as it is known.
        correlation: Option<CorrelationId>,
    },
    /// What came of an introduction given to [`super::Admission::verify_fetched`]. If it is sound,
    /// [`super::Admission::introduced`] has it.
    Judged {
        /// What records name it by.
        tag: IntroductionTag,
        /// Why it is not believed, if so.
        outcome: Result<(), Code>,
        /// What it says, if that can be read.
        fields: Option<Box<IntroductionFields>>,
    },
    /// Is this joiner's id free? Answer with [`super::Admission::answer_join`].
    JudgeJoin {
        /// Which join.
        join: JoinId,
        /// Who joins.
        peer: Peer,
        /// Its record.
        record: MemberRecord,
    },
    /// May this peer, which has answered our dial, have the id it shows, and does it serve the purpose? Nothing that is secret
    /// has passed. Answer with [`super::Admission::answer_listener`].
    JudgeListener {
        /// The connection.
        link: LinkId,
        /// Who has answered.
        peer: Peer,
        /// What we have dialled for: [`Purpose::Join`], [`Purpose::Member`] or [`Purpose::Messages`].
        purpose: Purpose,
    },
    /// Is this very life held as alive, suspect or dead, and does it serve the purpose? Answer with
    /// [`super::Admission::answer_member`].
    JudgeMember {
        /// The connection.
        link: LinkId,
        /// Who says it is a member.
        peer: Peer,
        /// What it has dialled for: [`Purpose::Member`] or [`Purpose::Messages`].
        purpose: Purpose,
    },
    /// Dial a peer; the outcome comes back as a [`super::LinkChange`].
    Open {
        /// How the connection will be called.
        link: LinkId,
        /// Where to.
        addr: SocketAddr,
        /// What for.
        purpose: Purpose,
    },
    /// From now on, and not before, frames of all other kinds pass on this connection, both ways. If the key ids of the two
    /// ends differ, send `Keys` first.
    Proven {
        /// The connection.
        link: ProvenLink,
        /// Who is at the other end.
        peer: Peer,
        /// Which end we are.
        side: Side,
        /// What it was opened for: [`Purpose::Member`], or [`Purpose::Join`] once the join is done.
        purpose: Purpose,
    },
    /// Somebody was refused, by us or by the peer. For the log and the metric; the connection is taken care of.
    Refused(Refusal),
    /// Send one frame on a connection.
    Send(LinkId, Frame),
    /// Have an introduction verified; the answer goes to [`super::Admission::handle_verified`], even if nobody waits for it by
    /// then.
    Verify {
        /// What to call it in the answer.
        id: VerificationId,
        /// What was shown.
        introduction: Introduction,
    },
}

/// The other end of a connection. In an action it is proven (with TLS), except in a [`Refusal`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Where the connection leads or comes from; an ephemeral port if it was accepted.
    pub addr: SocketAddr,
    /// Its member id.
    pub id: MemberId,
    /// Its life.
    pub generation: Generation,
    /// Its introduction; none without TLS.
    pub introduction: Option<IntroductionHash>,
    /// SHA-256 of its end-entity certificate; none without TLS.
    pub leaf: Option<[u8; 32]>,
    /// Ids of the gossip keys it held when it said hello, in rank order.
    pub key_ids: Vec<u64>,
}

/// How an attempt to join ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinOutcome {
    /// The contact has no room now.
    Busy {
        /// When to try again, from now.
        after: Duration,
    },
    /// We are in. The connection was reported [`Action::Proven`] just before.
    Joined,
    /// The address is our own; no failure.
    OwnAddress,
    /// The contact does not let us in.
    Refused {
        /// Why.
        code: Code,
        /// What lies behind a failed dial-back.
        cause: Option<Code>,
        /// The address dialled back.
        dialed_back: Option<SocketAddr>,
        /// Whether trying again without a change of configuration is pointless.
        is_permanent: bool,
    },
    /// What would have come of the join that was rehearsed.
    Rehearsed {
        /// The contact's clock.
        clock: Timestamp,
        /// Why we would not be let in, and what lies behind a failed dial-back; nothing if we would be.
        refused: Option<(Code, Option<Code>)>,
        /// The address dialled back, if that failed.
        dialed_back: Option<SocketAddr>,
    },
    /// Our generation is too low. If it is still below `min`, set an identity of at least `min`; then join again.
    Retry {
        /// The lowest generation that would do.
        min: Generation,
    },
    /// Nobody answers there, or no longer.
    Unreachable {
        /// How that showed.
        code: Code,
    },
}

/// The parent's word on a joiner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinVerdict {
    /// Another life is held alive at another address: ask there first, for at most [`super::ASK_TIMEOUT`]. A proven answer by
    /// another life than the joiner's refuses the joiner with [`Code::MemberIdInUse`]; none lets it go on or, if a time is
    /// given, sends it away for so long.
    AskOldAddress(SocketAddr, Option<Duration>),
    /// Its id is not free yet: it may come back after this time.
    Busy(Duration),
    /// Its id is free, or its own.
    GoOn,
    /// It is refused.
    Refuse(Code),
    /// It must come back with at least this generation.
    Retry(Generation),
}

/// Who was refused, by whom, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The connection.
    pub link: LinkId,
    /// The peer's address.
    pub peer: SocketAddr,
    /// Its member id, if it said so; not proven.
    pub id: Option<MemberId>,
    /// What the connection was for, if known.
    pub purpose: Option<Purpose>,
    /// Why.
    pub code: Code,
    /// What lies behind a failed dial-back.
    pub cause: Option<Code>,
    /// Whether we refused; otherwise the peer did.
    pub by_us: bool,
    /// What both ends call the connection, as far as it is known.
    pub correlation: Option<CorrelationId>,
}
