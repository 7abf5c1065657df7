//! [`Invariant`]: every promise by number, name and statement.

use std::fmt;

macro_rules! invariants {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $number:literal $name:ident, )+) => {
        /// A promise that holds in every run, whatever the faults. Numbers starting with S are safety, checked after every
        /// step; those with L are liveness, judged once the network is healed; A is an application's own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Invariant {
            $( $(#[doc = $doc])+ $variant, )+
        }

        impl Invariant {
            /// Every invariant, by number.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )+];

            /// The number in the list of the [`simulation`](crate::simulation) module.
            #[must_use]
            pub const fn number(self) -> &'static str {
                match self { $( Self::$variant => $number, )+ }
            }

            /// The name: a sentence, and the function that checks it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => stringify!($name), )+ }
            }

            /// What it says.
            #[must_use]
            pub const fn statement(self) -> &'static str {
                match self { $( Self::$variant => concat!($( $doc ),+), )+ }
            }

            /// The invariant of this name or number.
            #[must_use]
            pub fn find(word: &str) -> Option<Self> {
                let mut all = Self::ALL.iter().copied();
                all.find(|invariant| word == invariant.name() || word == invariant.number())
            }
        }
    };
}

invariants! {
    /// What a node holds of a member that it holds live only gives way to what supersedes it.
    VersionsNeverFall = "S1" versions_never_fall,
    /// A member held dead or left is live again only in a higher incarnation or a later life. Once its tombstone has expired,
    /// an older version comes back only on the word of another member.
    NoMemberReturnsFromTheDead = "S2" no_member_returns_from_the_dead,
    /// Every life and incarnation seen anywhere was issued by the member itself.
    OnlyTheOwnerRaisesItsOwn = "S3" only_the_owner_raises_its_own,
    /// What a node calls itself never falls while it runs.
    OwnNumbersNeverFall = "S4" own_numbers_never_fall,
    /// No node suspects itself, reports itself or writes to itself.
    NobodyTalksToItself = "S5" nobody_talks_to_itself,
    /// A node that takes in what its own version does not outrank has outranked it by the end of the step.
    AccusationsAreRefutedAtOnce = "S6" accusations_are_refuted_at_once,
    /// A suspicion follows a probe that failed in the same step or the word of another; a death follows a suspicion, or the
    /// word of another; both are about a member that is held live.
    EveryVerdictHasACause = "S7" every_verdict_has_a_cause,
    /// A suspicion that runs out has lasted at least its floor and at most its ceiling.
    SuspicionsLastBetweenFloorAndCeiling = "S8" suspicions_last_between_floor_and_ceiling,
    /// Local health stays within its bounds, and stretches the time between probes by one more than its score.
    LocalHealthStretchesProbes = "S9" local_health_stretches_probes,
    /// Only live members are probed, none over and over while others wait, and none waits for longer than two rounds.
    MembersAreProbedInTurn = "S10" members_are_probed_in_turn,
    /// What a node told its application adds up to what it holds.
    EventsAddUpToTheView = "S11" events_add_up_to_the_view,
    /// No datagram is longer than agreed.
    DatagramsAreWithinTheLimit = "S12" datagrams_are_within_the_limit,
    /// A datagram that is refused changes no view.
    RefusedDatagramsChangeNothing = "S13" refused_datagrams_change_nothing,
    /// Members are of one cluster name and one security mode.
    MembersAreAdmissible = "S14" members_are_admissible,
    /// Once views have come together, none holds two live members at one address.
    OneAddressLeadsToOneMember = "S15" one_address_leads_to_one_member,
    /// A member that has said goodbye is not reported dead.
    TheLeftAreNotReportedDead = "S16" the_left_are_not_reported_dead,
    /// No tombstone outlasts its time.
    TombstonesAreForgotten = "S18" tombstones_are_forgotten,
    /// No node asks to be woken in the past, or over and over without time going on.
    NobodyIsWokenForNothing = "S20" nobody_is_woken_for_nothing,
    /// Datagrams go only to members that were admitted.
    DatagramsGoToMembersOnly = "S21" datagrams_go_to_members_only,
    /// A datagram that is refused is answered with no more bytes than came, so that nobody is used to hit others harder.
    NobodyAmplifies = "S22" nobody_amplifies,
    /// No update is sent more often than the number of members demands.
    UpdatesAreSentSoOften = "S23" updates_are_sent_so_often,
    /// Whatever [`Network::check_after_every_step`](super::super::Network::check_after_every_step) was given.
    TheApplicationKeepsItsPromise = "A1" the_application_keeps_its_promise,
    /// Whoever does not run is held live by nobody.
    TheCrashedAreDeadEverywhere = "L1" the_crashed_are_dead_everywhere,
    /// Whoever runs is held alive by all who belong with it, in the version it gave itself.
    ViewsAgreeWithTheTruth = "L3" views_agree_with_the_truth,
    /// Nobody who runs is held in a life that is over.
    ANewLifeReplacesTheOld = "L6" a_new_life_replaces_the_old,
    /// No news waits to be passed on any more.
    NewsDiesDown = "L7" news_dies_down,
    /// Local health is back at 0.
    LocalHealthRecovers = "L8" local_health_recovers,
    /// What each running node says of itself last is known to all who belong with it.
    TheLastMetadataIsEverywhere = "L10" the_last_metadata_is_everywhere,
    /// Views that have come together stay as they are.
    NobodyFlaps = "L9" nobody_flaps,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number(), self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_lead_back() {
        for invariant in Invariant::ALL {
            assert_eq!(Invariant::find(invariant.name()), Some(*invariant));
            assert_eq!(Invariant::find(invariant.number()), Some(*invariant));
            assert!(!invariant.statement().is_empty());
        }
        assert_eq!(Invariant::find("S0"), None);
    }
}
