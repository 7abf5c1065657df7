//! [`Expectations`]: what a scenario demands besides the invariants. Safety first, then liveness.

use std::time::Duration;

use super::scalar::Bytes;
use super::timeline::Moment;
use super::who::Who;
use super::yaml::{At, Reader, Yaml, mapping, suggest, tagged, text, words};
use crate::config::Position;
use crate::config::raw::Node;
use crate::member::MemberState;
use crate::wire::refusal::Code;

mapping! {
    /// What is expected, besides the invariants.
    #[derive(Default)]
    pub struct Expectations {
        /// What holds throughout.
        always: Vec<At<Always>>,
        /// What comes true within a time.
        eventually: Vec<At<Eventually>>,
        /// What holds some time after the last fault is over, and from then on.
        finally: Vec<At<Finally>>,
    }
}

mapping! {
    /// Something that holds throughout.
    pub struct Always {
        /// From when on; from the start without it.
        from: Option<Moment>,
        /// Until when; to the end without it.
        until: Option<Moment>,
    } with {
        /// What holds.
        promise: Promise,
    }
}

mapping! {
    /// Something that comes true within a time.
    pub struct Eventually {
        /// How long it may take.
        within: Duration,
        /// Since when; since the start of the run without it.
        of: Option<Moment>,
    } with {
        /// What comes true.
        claim: Claim,
    }
}

mapping! {
    /// Something that holds after a time of quiet, to the end of the run.
    pub struct Finally {
        /// How long after the last fault is over.
        after: Duration,
    } with {
        /// What holds.
        claim: Claim,
    }
}

tagged! {
    /// Something that can be seen by looking at all nodes at one time.
    pub enum Claim {
        /// All running nodes with TLS hold the same gossip keys, and tag datagrams with the one of this epoch; the first key of
        /// a cluster has epoch 1.
        GossipKeys(u32) = "gossip_keys",
        /// What nodes say of themselves is known.
        Metadata(Known) = "metadata",
        /// A node was refused, or refused another, for this reason.
        Refused(Refused) = "refused",
        /// Their processes run.
        Running(Who) = "running",
        /// How some nodes see others.
        Seen(Seen) = "seen",
        /// Their processes do not run.
        Stopped(Who) = "stopped",
        /// What every running node sees.
        Views(Views) = "views",
    }
}

tagged! {
    /// Something that no event may contradict.
    pub enum Promise {
        /// Nobody ever comes to see them so.
        Never(Seen) = "never",
        /// No node that no fault has touched declares another such node dead.
        NoFalsePositives(Who) = "no_false_positives",
        /// They send no more than this, each on average from `from` to `until`.
        Traffic(Traffic) = "traffic",
        /// Nobody's view of them changes.
        Unchanged(Who) = "unchanged",
    }
}

mapping! {
    /// How much nodes may send.
    pub struct Traffic {
        /// Which.
        nodes: Who = (Who::all()),
        /// How many datagrams and segments a second.
        messages: Option<u32>,
        /// How many bytes of payload a second.
        bytes: Option<Bytes>,
    }
}

words! {
    /// What every running node sees.
    pub enum Views {
        /// Exactly the running nodes that it can reach, over others if need be, and itself, each in the life that it lives now.
        Components = "components",
        /// Exactly the running nodes, each in the life that it lives now.
        Truth = "truth",
    }
}

mapping! {
    /// How some nodes see others.
    pub struct Seen {
        /// The nodes that are seen.
        who: Who,
        /// How.
        state = "as": Sight,
        /// The nodes that see them; every running one without it.
        by: Option<Who>,
    }
}

mapping! {
    /// A value of nodes' metadata, as others know it.
    pub struct Known {
        /// Who says it of themselves.
        who: Who,
        /// Which value.
        key: String,
        /// What it is; that there is none, without it.
        value: Option<String>,
        /// The nodes that know it; every running one without it.
        by: Option<Who>,
    }
}

words! {
    /// How a node sees another.
    pub enum Sight {
        /// As a member without doubt.
        Alive = "alive",
        /// As declared dead.
        Dead = "dead",
        /// As anything but alive or suspect.
        Gone = "gone",
        /// As having left.
        Left = "left",
        /// As alive or suspect.
        Live = "live",
        /// As a member in doubt.
        Suspect = "suspect",
        /// Not at all: it was never told of it.
        Unknown = "unknown",
    }
}

impl Sight {
    /// Whether a member held in `state` is seen so.
    pub(super) const fn is(self, state: Option<MemberState>) -> bool {
        match self {
            Self::Alive => matches!(state, Some(MemberState::Alive)),
            Self::Dead => matches!(state, Some(MemberState::Dead)),
            Self::Gone => !matches!(state, Some(MemberState::Alive | MemberState::Suspect)),
            Self::Left => matches!(state, Some(MemberState::Left)),
            Self::Live => matches!(state, Some(MemberState::Alive | MemberState::Suspect)),
            Self::Suspect => matches!(state, Some(MemberState::Suspect)),
            Self::Unknown => state.is_none(),
        }
    }
}

mapping! {
    /// A refusal.
    pub struct Refused {
        /// Who was refused, or refused another.
        who: Who,
        /// Why.
        code: Code,
    }
}

impl Yaml for Code {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let word = text(node, "a reason code, such as SecurityMismatch", reader)?;
        let code = Self::ALL.iter().copied().find(|code| code.as_str() == word);
        if code.is_none() {
            let words: Vec<_> = Self::ALL.iter().map(|code| code.as_str()).collect();
            reader.problem(
                node.at,
                format!("{word} is no reason code{}", suggest(word, &words)),
            );
        }
        code
    }

    fn write(&self) -> serde_json::Value {
        serde_json::json!(self.as_str())
    }

    fn schema() -> serde_json::Value {
        serde_json::json!({ "enum": Self::ALL.iter().map(|code| code.as_str()).collect::<Vec<_>>() })
    }
}

impl Expectations {
    /// Every moment that it names.
    pub(super) fn moments(&self) -> Vec<&Moment> {
        let always = self.always.iter().flat_map(|one| [&one.from, &one.until]);
        let eventually = self.eventually.iter().map(|one| &one.of);
        always.chain(eventually).flatten().collect()
    }

    /// Every set of nodes that it names.
    /// Where the first claim of a kind stands.
    pub(crate) fn place_of(&self, is_it: &dyn Fn(&Claim) -> bool) -> Option<Position> {
        let eventually = self.eventually.iter().map(|one| (one.at, &one.claim));
        let finally = self.finally.iter().map(|one| (one.at, &one.claim));
        let found = eventually.chain(finally).find(|(_, claim)| is_it(claim));
        found.map(|(at, _)| at)
    }

    pub(super) fn sets(&self) -> Vec<&Who> {
        let always = self.always.iter().flat_map(|one| match &one.promise {
            Promise::Never(seen) => seen.sets(),
            Promise::NoFalsePositives(nodes)
            | Promise::Traffic(Traffic { nodes, .. })
            | Promise::Unchanged(nodes) => vec![nodes],
        });
        let claims = self.eventually.iter().map(|one| &one.claim);
        let claims = claims.chain(self.finally.iter().map(|one| &one.claim));
        always.chain(claims.flat_map(Claim::sets)).collect()
    }
}

// What a smaller scenario replaces.
impl Expectations {
    /// Every moment that it names, to be replaced.
    pub(super) fn moments_mut(&mut self) -> Vec<&mut Moment> {
        let always = self.always.iter_mut().map(|one| &mut one.value);
        let always = always.flat_map(|one| [&mut one.from, &mut one.until]);
        let eventually = self.eventually.iter_mut().map(|one| &mut one.value.of);
        always.chain(eventually).flatten().collect()
    }

    /// Every set of nodes that it names, in the order in which they are drawn, to be replaced.
    pub(super) fn sets_mut(&mut self) -> Vec<&mut Who> {
        let always = self
            .always
            .iter_mut()
            .flat_map(|one| match &mut one.value.promise {
                Promise::Never(seen) => seen.sets_mut(),
                Promise::NoFalsePositives(nodes)
                | Promise::Traffic(Traffic { nodes, .. })
                | Promise::Unchanged(nodes) => vec![nodes],
            });
        let claims = self.eventually.iter_mut().map(|one| &mut one.value.claim);
        let claims = claims.chain(self.finally.iter_mut().map(|one| &mut one.value.claim));
        always.chain(claims.flat_map(Claim::sets_mut)).collect()
    }
}

impl Claim {
    fn sets_mut(&mut self) -> Vec<&mut Who> {
        match self {
            Self::Metadata(Known { who, by, .. }) => {
                [Some(who), by.as_mut()].into_iter().flatten().collect()
            }
            Self::Refused(refused) => vec![&mut refused.who],
            Self::Running(nodes) | Self::Stopped(nodes) => vec![nodes],
            Self::Seen(seen) => seen.sets_mut(),
            Self::GossipKeys(_) | Self::Views(_) => Vec::new(),
        }
    }

    fn sets(&self) -> Vec<&Who> {
        match self {
            Self::Metadata(Known { who, by, .. }) => {
                [Some(who), by.as_ref()].into_iter().flatten().collect()
            }
            Self::Refused(refused) => vec![&refused.who],
            Self::Running(nodes) | Self::Stopped(nodes) => vec![nodes],
            Self::Seen(seen) => seen.sets(),
            Self::GossipKeys(_) | Self::Views(_) => Vec::new(),
        }
    }
}

impl Seen {
    fn sets_mut(&mut self) -> Vec<&mut Who> {
        [Some(&mut self.who), self.by.as_mut()]
            .into_iter()
            .flatten()
            .collect()
    }

    fn sets(&self) -> Vec<&Who> {
        [Some(&self.who), self.by.as_ref()]
            .into_iter()
            .flatten()
            .collect()
    }
}
