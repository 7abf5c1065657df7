//! [`Sabotage`]: named ways to break the core, so that tests can see each check of the simulation fail for a cause.
//!
//! A part that can be broken holds a [`Saboteur`] and asks it. Outside this crate's own unit tests a saboteur has no size and
//! its answer is a constant `false`: nothing of all this is in a build that anybody uses.

/// A way to break the core. Each names what goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sabotage {
    // Failure detection.
    /// Answers to probes count for nothing.
    AcksIgnored,
    /// A probe over a connection is never asked for.
    FallbackSkipped,
    /// A probe that failed accuses nobody.
    FailedProbesIgnored,
    /// Local health never recovers.
    LocalHealthNeverLowered,
    /// A relay's word that it lives counts for nothing.
    NacksIgnored,
    /// The same member is probed over and over.
    ProbeOrderUnfair,
    /// Local health stretches no probe.
    ProbesUnstretched,
    /// Neither relays nor a connection are asked for where no answer comes.
    IndirectProbesSkipped,
    /// Nobody else is asked to probe.
    RelaysNotAsked,
    /// A late wake moves no deadline.
    LateWakeIgnored,
    /// After a pause timers fire before what waits is taken in.
    TimersFireFirst,

    // Suspicion.
    /// Our own word, heard again, confirms a suspicion that another raised.
    EchoConfirms,
    /// Accusations of ourselves go unanswered.
    RefutationDropped,
    /// Nobody is told that a member has refuted a suspicion.
    RefutationsUnreported,
    /// A refutation has the incarnation that was accused.
    IncarnationNotRaised,
    /// A refutation has the first incarnation of all.
    IncarnationWraps,
    /// Members are suspected when their probe begins.
    SuspectsUnprobed,
    /// A suspicion runs out at once.
    SuspicionFloorIgnored,
    /// A suspicion that runs out buries nobody.
    SuspicionNeverExpires,

    // Views.
    /// Dead members stay in the order of probing.
    DeadProbedForEver,
    /// Members join with an incarnation one higher than their own.
    ForeignIncarnationRaised,
    /// A later life of a member is not taken for news.
    LaterLivesIgnored,
    /// Our own incarnation rises for no reason, now and then.
    IncarnationRestless,
    /// A farewell counts as a death.
    LeftTreatedAsDead,
    /// Any other record replaces the one held, older ones too.
    StaleRecordsAccepted,
    /// Tombstones are never forgotten.
    TombstonesKept,
    /// The very life and version that died comes back.
    TombstonesIgnored,

    // Dissemination.
    /// Datagrams are as long as the news is.
    DatagramLimitIgnored,
    /// News is never passed on by gossip.
    GossipDropped,
    /// Nobody passes anything on: no gossip, no push-pulls, no comparing of views.
    NewsKept,
    /// News is passed on for ever.
    RetransmitLimitIgnored,
    /// Push-pulls never start.
    SyncSkipped,
    /// The view hash in an answer counts for nothing.
    ViewHashIgnored,

    // Membership and admission.
    /// What a datagram that is refused says of members is believed all the same, and so is what a stranger says on a connection.
    GarbageBelieved,
    /// The next wakeup is always now.
    WakesAtOnce,
    /// Whoever died is not redialled.
    AddressBookEmptied,
    /// Whatever id a cluster has, it is ours.
    ClusterIdIgnored,
    /// A cluster of another name is as good as ours.
    ClusterNameIgnored,
    /// The contact points get a datagram before they let us in.
    ContactsGossipedTo,
    /// The contact points are dialled once, and never again.
    ContactsForgotten,
    /// Nobody is dialled back.
    DialBackSkipped,
    /// Certificates are valid whatever dates they have.
    DatesIgnored,
    /// Certificates are as good as their presenters believe them to be.
    IssuersIgnored,
    /// Only the authority that issued our own certificate is believed.
    #[cfg(feature = "daemon")]
    OtherAuthoritiesIgnored,
    /// A node that leaves says so to nobody.
    FarewellUnsaid,
    /// Keys of others are not taken over.
    KeysIgnored,
    /// What members say of themselves is asked of nobody.
    MetadataUnasked,
    /// Neither whoever died nor contact points are dialled again.
    NobodyRedialled,
    /// A member id in use is given to the next who asks.
    MemberIdShared,
    /// Refusals are not reported.
    RefusalsUnsaid,
    /// Certificates and truststores are not loaded anew while a node runs.
    ReloadsIgnored,
    /// What has been heard counts again.
    ReplaysAccepted,
    /// A node that is started with other settings keeps those it had.
    #[cfg(feature = "daemon")]
    SettingsKept,
    /// Datagrams of the other security mode are let in.
    SecurityModeIgnored,
    /// Datagrams that are refused are answered.
    StrangersAnswered,
    /// Datagrams go to our own address.
    TalksToItself,
    /// Nodes run in plaintext, whatever they were told.
    #[cfg(feature = "daemon")]
    TlsDropped,
    /// Time is what the wall clock shows.
    WallClockBelieved,
}

/// Who commits a [`Sabotage`], if anybody.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Saboteur(#[cfg(test)] Option<Sabotage>);

#[cfg(test)]
impl Saboteur {
    /// Commits this one.
    pub(crate) const fn of(sabotage: Sabotage) -> Self {
        Self(Some(sabotage))
    }

    /// What it commits.
    pub(crate) const fn get(self) -> Option<Sabotage> {
        self.0
    }
}

impl Saboteur {
    /// Nobody breaks anything.
    pub(crate) const fn none() -> Self {
        Self(
            #[cfg(test)]
            None,
        )
    }

    /// Whether it commits this one.
    #[inline]
    pub(crate) fn does(self, sabotage: Sabotage) -> bool {
        self.does_any(&[sabotage])
    }

    /// Whether it commits one of these.
    #[inline]
    pub(crate) fn does_any(self, sabotages: &[Sabotage]) -> bool {
        #[cfg(test)]
        return self.0.is_some_and(|own| sabotages.contains(&own));
        #[cfg(not(test))]
        {
            let _ = sabotages;
            false
        }
    }
}
