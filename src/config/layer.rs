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
    /// Whether anything is set for this kind of node alone.
    has_own: bool,
    /// Something set for the other kind of node.
    elsewhere: Option<Source>,
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

impl Binding {
    /// Whether a scalar is given without a text. An empty list is a value.
    pub(super) fn is_blank(&self) -> bool {
        matches!(&self.given, Given::One(text) if text.trim().is_empty())
    }
}

impl Layer {
    pub(super) fn new(section: Role) -> Self {
        Self {
            section,
            bindings: Vec::new(),
            has_own: false,
            elsewhere: None,
        }
    }

    /// Takes `binding` unless its key belongs to the other section or to Zeebe alone.
    pub(super) fn set(&mut self, path: &str, binding: Binding, findings: &mut Findings) {
        let key = binding.key;
        if !self.reads(key) {
            self.elsewhere.get_or_insert(binding.place);
            return;
        }
        self.has_own |= key.section.is_some();
        if matches!(key.row.status, Status::Foreign { .. }) {
            findings.warnings.push(Warning::Foreign {
                path: path.to_owned(),
                place: binding.place,
            });
        } else {
            self.bindings.push(binding);
        }
    }

    /// What this layer says, and what `beneath` says of keys that it leaves alone.
    pub(super) fn over(mut self, beneath: Self) -> Self {
        for binding in beneath.bindings {
            if self.get(binding.key).is_none() {
                self.bindings.push(binding);
            }
        }
        self.has_own |= beneath.has_own;
        self.elsewhere = self.elsewhere.or(beneath.elsewhere);
        self
    }

    /// Turns bindings of deprecated keys into bindings of their successors, which win where both are set.
    pub(super) fn without_deprecated(mut self, findings: &mut Findings) -> Self {
        let is_deprecated = |b: &mut Binding| matches!(b.key.row.status, Status::Deprecated { .. });
        let deprecated: Vec<Binding> = self.bindings.extract_if(.., is_deprecated).collect();
        for binding in deprecated.into_iter().filter(|binding| !binding.is_blank()) {
            let Binding { key, given, place } = binding;
            let Given::One(text) = given else { continue };
            let successor = schema::successor(key);
            findings.warnings.push(Warning::Deprecated {
                key,
                place: place.clone(),
                instead: successor.path.clone(),
            });
            if let Some(winner) = self.get(successor) {
                let winner = winner.place.clone();
                findings.warnings.push(Warning::Overruled { place, winner });
            } else {
                let given = Given::text(successor, &text, &place);
                self.bindings.push(Binding {
                    key: successor,
                    given,
                    place,
                });
            }
        }
        self
    }

    /// Notes it when the layers say something to the other kind of node and nothing to this one.
    pub(super) fn compare_sections(layers: [&Self; 2], findings: &mut Findings) {
        if layers.iter().any(|layer| layer.has_own) {
            return;
        }
        let elsewhere = |layer: &&Self| Some((layer.section, layer.elsewhere.clone()?));
        if let Some((section, place)) = layers.iter().find_map(elsewhere) {
            let warning = Warning::OtherSection { section, place };
            findings.warnings.push(warning);
        }
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
