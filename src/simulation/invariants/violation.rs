//! [`Violation`]: a promise that a run has broken.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::Invariant;
use crate::member::MemberId;

/// A promise that a run has broken: which, when, by whom, about whom, and what was expected and seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Violation {
    /// The seed that shows it again.
    #[serde(skip)]
    pub seed: u64,
    /// When, since the start of the run.
    #[serde(skip)]
    pub after: Duration,
    /// Which promise.
    #[serde(skip)]
    pub invariant: Invariant,
    /// Who broke it; `None`: the run as a whole.
    pub node: Option<MemberId>,
    /// About whom.
    pub subject: Option<MemberId>,
    /// What was expected.
    pub expected: String,
    /// What was seen instead.
    pub seen: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            after,
            invariant,
            ..
        } = self;
        write!(f, "seed {seed}, after {after:?}, {invariant}")?;
        if let Some(node) = &self.node {
            write!(f, ", at {node}")?;
        }
        if let Some(subject) = &self.subject {
            write!(f, " about {subject}")?;
        }
        write!(f, ": expected {}, seen {}", self.expected, self.seen)
    }
}

impl std::error::Error for Violation {}

/// What a check found, before it is known where and when.
#[derive(Debug)]
pub(in super::super) struct Broken {
    pub(in super::super) invariant: Invariant,
    pub(in super::super) expected: String,
    pub(in super::super) seen: String,
}

impl Invariant {
    /// This one is broken: what was expected, and what was seen.
    pub(in super::super) fn broken(
        self,
        expected: impl Into<String>,
        seen: impl Into<String>,
    ) -> Broken {
        Broken {
            invariant: self,
            expected: expected.into(),
            seen: seen.into(),
        }
    }
}
