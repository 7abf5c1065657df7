//! What the state machine asks for and reports: [`Action`], [`Event`], [`Timer`], [`Stats`].

use super::RoundTrips;
use crate::member::{Generation, MemberId, MemberRecord};

/// One thing to do. Drain them with [`super::Swim::poll`] after every input and command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Action {
    /// Tell the application.
    Event(Event),
    /// Probe `to` over a connection, dialled now if there is none, and hand the outcome to
    /// [`super::Swim::handle_fallback`]. The verdict waits for it, for at most one more probe interval.
    Fallback {
        /// Whom.
        to: MemberId,
        /// The number to answer under; also the frame's.
        probe: u64,
    },
    /// An operator has the tombstone of this member dropped: nothing is known of it any more, and it is not to be looked for.
    Dropped(MemberId),
    /// The tombstone of this member has expired: nothing is known of it any more.
    Forgot(MemberId),
    /// We have said goodbye, and at least `acks` members have heard it.
    LeaveFinished {
        /// How many members acknowledged it.
        acks: usize,
    },
    /// Our id is taken beyond what an incarnation can outrank. Another life of this id has a generation of at least
    /// `above`, or a forged record claims so; with `above` our own, our incarnations are used up. Only joining again may
    /// raise a generation; hand the new record to [`super::Swim::set_local`].
    NeedsGeneration {
        /// The generation to rise above.
        above: Generation,
    },
    /// Start a push-pull with this member, and call [`super::Swim::handle_sync_end`] when it is over.
    PushPull {
        /// With whom.
        with: MemberId,
    },
    /// Send one datagram, or a frame where there is no datagram socket at either end. With header and tag it is at most
    /// `datagram_len_max` bytes long.
    Send {
        /// To whom: at the address of its record.
        to: MemberId,
        /// The body.
        body: Vec<u8>,
    },
    /// Send one body as a frame: datagrams do not reach this member, or it has just spoken over a connection.
    SendFrame {
        /// To whom.
        to: MemberId,
        /// The body.
        body: Vec<u8>,
    },
}

/// A change of the view. Per member the stream is `Joined (Suspected Alive)* (Left | Died) Joined …`, with `Updated` and
/// the UDP pair anywhere between `Joined` and its end; folding it gives exactly the view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It has refuted a suspicion.
    Alive(MemberRecord),
    /// It is held dead, or a later life has replaced it.
    Died {
        /// Its last record.
        record: MemberRecord,
        /// Whose verdict it is; the member itself, where a later life replaced it or its certificate is not believed any more.
        by: MemberId,
    },
    /// It is a member now.
    Joined(MemberRecord),
    /// It has said goodbye.
    Left(MemberRecord),
    /// It has missed a probe.
    Suspected {
        /// Its record.
        record: MemberRecord,
        /// Whose probe it missed.
        by: MemberId,
    },
    /// Datagrams between it and us pass again.
    UdpReachable(MemberId),
    /// It answers over a connection but not by datagram.
    UdpUnreachable(MemberId),
    /// Its record has changed.
    Updated(MemberRecord),
}

/// Why [`super::Swim::handle_timeout`] wants to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// News goes out.
    Gossip,
    /// The farewell is repeated, or given up.
    Leave,
    /// Relays are asked, or a probe's verdict falls.
    Probe,
    /// The next probe starts.
    ProbeInterval,
    /// A relay owes a nack, or has waited long enough.
    Relay,
    /// A suspicion runs out.
    Suspicion,
    /// The next push-pull is due.
    Sync,
    /// A tombstone expires.
    Tombstone,
}

/// How the probe over a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FallbackOutcome {
    /// It answered.
    Answered {
        /// Its view hash.
        view: u64,
    },
    /// It could not be reached, or did not answer.
    Failed,
    /// It is there, but does not know us (yet, or any more), or has no room for us now.
    Refused,
}

/// Counters since start. They never wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bodies that ended in an update that could not be decoded.
    pub bodies_malformed: u64,
    /// Bodies from senders we do not know, from an earlier life of one, or under our own id.
    pub bodies_unknown: u64,
    /// Accusations of ourselves and records passed off as ours, at our version or above it, that could be outranked.
    pub contested: u64,
    /// Suspicions started on our own probe that were refuted.
    pub false_alarms: u64,
    /// Members not added for want of room.
    pub members_refused: u64,
    /// Probes that ended without an answer.
    pub probes_failed: u64,
    /// Probes started.
    pub probes_started: u64,
    /// Times we refuted an accusation or outranked a record.
    pub refutations: u64,
    /// Requests to probe for others that were turned down for want of room.
    pub relays_refused: u64,
    /// How long the answers to our probes took.
    pub round_trips: RoundTrips,
    /// Datagram bodies handed out.
    pub sends: u64,
    /// Suspicions started on our own probe.
    pub suspicions_raised: u64,
    /// Updates that told us something new.
    pub updates_news: u64,
    /// Updates received.
    pub updates_received: u64,
}
