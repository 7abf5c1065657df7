//! [`Invariant`]: every promise by number, name and statement.

use std::fmt;

macro_rules! invariants {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $number:literal $name:ident, )+) => {
        /// A promise that holds in every run, whatever the faults. Numbers starting with S are safety, checked after every
        /// step; those starting with L are liveness, judged once the network is healed.
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
    /// What a node holds of a member only gives way to what supersedes it, until its tombstone expires.
    VersionsNeverFall = "S1" versions_never_fall,
    /// Every life and incarnation seen anywhere was issued by the member itself.
    OnlyTheOwnerRaisesItsOwn = "S3" only_the_owner_raises_its_own,
    /// No node suspects itself, reports itself or writes to itself.
    NobodyTalksToItself = "S5" nobody_talks_to_itself,
    /// What a node told its application adds up to what it holds.
    EventsAddUpToTheView = "S11" events_add_up_to_the_view,
    /// No datagram is longer than agreed.
    DatagramsAreWithinTheLimit = "S12" datagrams_are_within_the_limit,
    /// Datagrams go only to members that were admitted.
    DatagramsGoToMembersOnly = "S14" datagrams_go_to_members_only,
    /// No node asks to be woken in the past, or over and over without time going on.
    NobodyIsWokenForNothing = "S20" nobody_is_woken_for_nothing,
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
