//! The departures from webpki, as `docs/SECURITY.md` lists them, each with how to mend a chain of what it is about.

use std::fmt;

use super::Verdicts;
use super::plan::{Authority, Facts, Issue, Listed, Plan, Validity};

/// Who accepts more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// We accept what webpki refuses.
    Laxer,
    /// We refuse what webpki accepts.
    Stricter,
}

impl Direction {
    /// `None` where the verdicts are equal.
    pub(super) const fn of(verdicts: Verdicts) -> Option<Self> {
        match (verdicts.ours, verdicts.webpki) {
            (true, false) => Some(Self::Laxer),
            (false, true) => Some(Self::Stricter),
            _ => None,
        }
    }
}

pub(super) struct Departure {
    pub(super) name: &'static str,
    pub(super) direction: Direction,
    pub(super) mend: fn(&mut Plan),
}

impl fmt::Debug for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Departure {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

pub(super) const DEPARTURES: &[Departure] = &[
    // First, since it makes a leaf out of what was an anchor.
    Departure {
        name: "a listed certificate is that peer",
        direction: Direction::Laxer,
        mend: |plan| {
            if is_leaf_listed(plan) {
                let leaf = Facts {
                    issue: Issue::Sound,
                    ..leaf(plan).clone()
                };
                plan.certificates = vec![Facts::authority(), leaf];
                plan.listed = Listed::Root;
            }
        },
    },
    Departure {
        name: "a version 1 end-entity",
        direction: Direction::Laxer,
        mend: |plan| {
            if leaf(plan).is_version_1 {
                *leaf_mut(plan) = Facts {
                    issue: leaf(plan).issue,
                    validity: leaf(plan).validity,
                    ..Facts::leaf()
                };
            }
        },
    },
    Departure {
        name: "an end-entity that says CA:TRUE",
        direction: Direction::Laxer,
        mend: |plan| {
            if let Some(Authority::Yes(_)) = leaf(plan).authority {
                leaf_mut(plan).authority = None;
            }
        },
    },
    Departure {
        name: "anyExtendedKeyUsage",
        direction: Direction::Laxer,
        mend: |plan| {
            for facts in &mut plan.certificates {
                if facts
                    .extended_key_usage
                    .is_some_and(|usages| usages.contains(&0))
                {
                    facts.extended_key_usage = None;
                }
            }
        },
    },
    Departure {
        name: "up to 8 authorities between",
        direction: Direction::Laxer,
        mend: |plan| {
            // webpki takes 6.
            while plan.certificates.len() > 8 {
                plan.certificates.remove(1);
            }
        },
    },
    Departure {
        name: "an anchor must be an authority",
        direction: Direction::Stricter,
        mend: |plan| {
            each_anchor(plan, |facts| {
                if facts.is_version_1 {
                    // webpki does not even look at the algorithms that such an anchor names.
                    let issue = match facts.issue {
                        Issue::AlgorithmsDiffer => Issue::Sound,
                        other => other,
                    };
                    *facts = Facts {
                        issue,
                        validity: facts.validity,
                        ..Facts::authority()
                    };
                }
                if !matches!(facts.authority, Some(Authority::Yes(_))) {
                    facts.authority = Some(Authority::Yes(None));
                }
                drop_unless(&mut facts.key_usage, CERT_SIGN);
            });
        },
    },
    Departure {
        name: "an anchor is held to what it says",
        direction: Direction::Stricter,
        mend: |plan| {
            each_anchor(plan, |facts| {
                facts.validity = Validity::Within;
                facts.unknown = None;
                facts.extended_key_usage = None;
                if let Some(Authority::Yes(path_len)) = &mut facts.authority {
                    *path_len = None;
                }
            });
        },
    },
    Departure {
        name: "an end-entity's key usage must have digitalSignature",
        direction: Direction::Stricter,
        mend: |plan| drop_unless(&mut leaf_mut(plan).key_usage, DIGITAL_SIGNATURE),
    },
    Departure {
        name: "an authority's key usage must have keyCertSign",
        direction: Direction::Stricter,
        mend: |plan| {
            let last = plan.certificates.len() - 1;
            for facts in &mut plan.certificates[..last] {
                drop_unless(&mut facts.key_usage, CERT_SIGN);
            }
        },
    },
];

const DIGITAL_SIGNATURE: u8 = 0x80;
const CERT_SIGN: u8 = 0x04;

fn drop_unless(key_usage: &mut Option<u8>, bit: u8) {
    *key_usage = key_usage.filter(|usage| usage & bit != 0);
}

fn is_leaf_listed(plan: &Plan) -> bool {
    match plan.listed {
        Listed::Leaf | Listed::RootAndLeaf => true,
        Listed::Root | Listed::NamesakeAndRoot => plan.certificates.len() == 1,
        Listed::LastAuthority | Listed::Nothing => false,
    }
}

fn leaf(plan: &Plan) -> &Facts {
    plan.certificates.last().expect("a chain has a certificate")
}

fn leaf_mut(plan: &mut Plan) -> &mut Facts {
    plan.certificates
        .last_mut()
        .expect("a chain has a certificate")
}

/// What is listed and is not the peer's own certificate.
fn each_anchor(plan: &mut Plan, mend: impl Fn(&mut Facts)) {
    let authorities = plan.certificates.len() - 1;
    match plan.listed {
        Listed::LastAuthority => plan.certificates[..authorities].last_mut().map(mend),
        Listed::Leaf | Listed::Nothing => None,
        Listed::Root | Listed::RootAndLeaf | Listed::NamesakeAndRoot => {
            plan.certificates[..authorities].first_mut().map(mend)
        }
    };
}
