//! [`Layer`]: what one source, a file or an environment, says about the keys of a section; and [`Findings`].

use super::error::{Problem, Warning};
use super::schema::{self, Key, Status};
use super::source::Source;
use crate::member::Role;

/// What one source says.
#[derive(Debug)]
pub(super) struct Layer {
    section: Role,
    bindings: Vec<Binding>,
}

/// A key and the text given for it.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    pub(super) key: &'static Key,
    pub(super) given: Given,
    pub(super) place: Source,
}

/// A text as a source gives it, not yet parsed.
#[derive(Clone, Debug)]
pub(super) enum Given {
    /// For a scalar.
    One(String),
    /// For a list: the elements, each with its own place.
    Many(Vec<(String, Source)>),
}

/// What there is to say to the operator so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Warning>,
}

impl Given {
    /// `text` as `key` takes it: as it is, or split at commas, trimmed, without blanks.
    pub(super) fn text(key: &Key, text: &str, place: &Source) -> Self {
        if key.row.is_list {
            Self::many(text.split(',').map(|item| (item, place.clone())))
        } else {
            Self::One(text.to_owned())
        }
    }

    /// A list of `items`, trimmed, without blanks.
    pub(super) fn many<'t>(items: impl Iterator<Item = (&'t str, Source)>) -> Self {
        Self::Many(
            items
                .map(|(item, place)| (item.trim().to_owned(), place))
                .filter(|(item, _)| !item.is_empty())
                .collect(),
        )
    }
}

impl Layer {
    pub(super) fn new(section: Role) -> Self {
        Self {
            section,
            bindings: Vec::new(),
        }
    }

    /// Takes `binding` unless its key belongs to the other section or to Zeebe alone.
    pub(super) fn set(&mut self, path: &str, binding: Binding, findings: &mut Findings) {
        let key = binding.key;
        if !self.reads(key) {
            return;
        }
        if matches!(key.row.status, Status::Foreign { .. }) {
            findings.warnings.push(Warning::Foreign {
                path: path.to_owned(),
                place: binding.place,
            });
        } else {
            self.bindings.push(binding);
        }
    }

    /// Turns bindings of deprecated keys into bindings of their successors, which win where both are set.
    pub(super) fn without_deprecated(mut self, findings: &mut Findings) -> Self {
        let is_deprecated = |b: &mut Binding| matches!(b.key.row.status, Status::Deprecated { .. });
        let deprecated: Vec<Binding> = self.bindings.extract_if(.., is_deprecated).collect();
        for Binding { key, given, place } in deprecated {
            let successor = schema::successor(key);
            findings.warnings.push(Warning::Deprecated {
                key,
                place: place.clone(),
                instead: successor.path.clone(),
            });
            if let (Given::One(text), None) = (&given, self.get(successor)) {
                let given = Given::text(successor, text, &place);
                self.bindings.push(Binding {
                    key: successor,
                    given,
                    place,
                });
            }
        }
        self
    }

    /// Whether a node of this section reads `key`.
    pub(super) fn reads(&self, key: &Key) -> bool {
        key.section.is_none_or(|owner| owner == self.section)
    }

    /// What is given for `key`.
    pub(super) fn get(&self, key: &Key) -> Option<&Binding> {
        self.bindings
            .iter()
            .find(|binding| binding.key.path == key.path)
    }
}
