//! [`Settings`]: every effective value of a section and who decided it.

use std::time::Duration;

use serde::Serialize;

use super::contact::Contact;
use super::error::{MASK, Problem, Warning, shown};
use super::layer::{Binding, Findings, Given, Layer};
use super::schema::{self, Key, Status};
use super::source::Source;
use super::value::Value;
use crate::member::{MemberId, Role};
use crate::trust::Secret;

/// Every effective value of a section, in the order of the documentation.
#[derive(Clone, Debug)]
pub struct Settings {
    settings: Vec<Setting>,
}

/// A key, its effective value, and who decided it.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The key.
    pub key: &'static Key,
    /// The value.
    pub value: Held,
    /// Who decided it; for a list, where the list as a whole stands.
    pub source: Source,
}

/// What a setting holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// The elements of a list, each with its own source.
    Many(Vec<(Value, Source)>),
    /// A scalar, or none.
    One(Option<Value>),
}

/// One line of `phalanx config show`: a scalar, one element of a list, or an empty list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The dotted path; an element's ends in its index in brackets.
    pub key: String,
    /// The value.
    pub value: Shown,
    /// Who decided it.
    pub source: Source,
}

/// A value as it may be printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Shown {
    /// A list without elements.
    EmptyList([(); 0]),
    /// A secret.
    Masked(&'static str),
    /// Nothing set, and no default.
    None,
    /// A value in the open.
    Value(Value),
}

impl Settings {
    /// The values of a section: the environment's where it has one, else the file's, else the default.
    pub(super) fn resolve(
        section: Role,
        file: &Layer,
        environment: &Layer,
        findings: &mut Findings,
    ) -> Self {
        let mut resolve = |key| match (environment.get(key), file.get(key)) {
            (Some(variable), beneath) if variable.is_blank() => {
                note_blank(variable, beneath, findings);
                Setting::default_of(key)
            }
            (Some(binding), _) | (None, Some(binding)) if !binding.is_blank() => {
                Setting::given(binding, findings)
            }
            _ => Setting::default_of(key),
        };
        let settings = schema::keys_of(section).map(&mut resolve).collect();
        Self { settings }
    }

    /// All settings.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.settings.iter()
    }

    /// All settings as they may be printed, lists element by element.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        self.settings.iter().flat_map(Setting::entries)
    }

    /// The setting at `path`, which must be of this section and spelled as the schema spells it.
    pub(super) fn at(&self, path: &str) -> &Setting {
        let found = self
            .settings
            .iter()
            .find(|setting| setting.key.path == path);
        found.unwrap_or_else(|| panic!("the schema has no key {path} in this section"))
    }
}

impl Setting {
    /// What `binding` says; the default where its text is wrong, which is noted.
    fn given(binding: &Binding, findings: &mut Findings) -> Self {
        let Binding { key, given, place } = binding;
        let fallback = Self::default_of(key);
        let value = match given {
            Given::Many(items) => Self::parse_items(key, items, findings),
            Given::One(text) => {
                parse(key, text, place, findings).map(|value| Held::One(Some(value)))
            }
        };
        let Some(value) = value else { return fallback };
        let setting = Self {
            key,
            value,
            source: place.clone(),
        };
        if setting.value != fallback.value {
            setting.note_status(given, findings);
        }
        setting
    }

    fn default_of(key: &'static Key) -> Self {
        let parse = |text| {
            key.row
                .kind
                .parse(text)
                .expect("defaults are of their kind")
        };
        let value = match (key.row.is_list, key.row.default) {
            (true, "") => Held::Many(Vec::new()),
            (true, text) => Held::Many(vec![(parse(text), Source::Default)]),
            (false, "") => Held::One(None),
            (false, text) => Held::One(Some(parse(text))),
        };
        Self {
            key,
            value,
            source: Source::Default,
        }
    }

    /// The elements; none where one is wrong. Each wrong one is noted.
    fn parse_items(
        key: &'static Key,
        items: &[(String, Source)],
        findings: &mut Findings,
    ) -> Option<Held> {
        let mut values = Vec::with_capacity(items.len());
        for (text, place) in items {
            if let Some(value) = parse(key, text, place, findings) {
                values.push((value, place.clone()));
            }
        }
        (values.len() == items.len()).then_some(Held::Many(values))
    }

    /// Notes that a value other than the default is refused in this version.
    fn note_status(&self, given: &Given, findings: &mut Findings) {
        let (key, place) = (self.key, self.source.clone());
        if key.row.status != Status::Planned {
            return;
        }
        let value = match given {
            Given::One(text) => shown(key, text),
            Given::Many(items) => {
                let texts: Vec<&str> = items.iter().map(|(text, _)| text.as_str()).collect();
                shown(key, &texts.join(","))
            }
        };
        let problem = Problem::Unavailable { key, place, value };
        findings.problems.push(problem);
    }

    /// Whether there is a value at all.
    #[must_use]
    pub fn is_set(&self) -> bool {
        !matches!(&self.value, Held::One(None))
    }

    fn entries(&self) -> Vec<Entry> {
        let path = &self.key.path;
        let entry = |key: String, value, source: &Source| Entry {
            key,
            value,
            source: source.clone(),
        };
        match &self.value {
            Held::Many(items) if items.is_empty() => {
                vec![entry(path.clone(), Shown::EmptyList([]), &self.source)]
            }
            Held::Many(items) => {
                let element = |(index, (value, source)): (usize, &(Value, Source))| {
                    entry(format!("{path}[{index}]"), self.show(value), source)
                };
                items.iter().enumerate().map(element).collect()
            }
            Held::One(None) => vec![entry(path.clone(), Shown::None, &self.source)],
            Held::One(Some(value)) => vec![entry(path.clone(), self.show(value), &self.source)],
        }
    }

    fn show(&self, value: &Value) -> Shown {
        if self.key.row.is_secret {
            Shown::Masked(MASK)
        } else {
            Shown::Value(value.clone())
        }
    }
}

/// Typed access for the assembly of the configuration; the schema's kinds make the other cases impossible.
impl Setting {
    pub(super) fn bool(&self) -> bool {
        match self.one() {
            Some(Value::Bool(value)) => *value,
            other => self.mismatch(other),
        }
    }

    pub(super) fn choice(&self) -> &'static str {
        match self.one() {
            Some(Value::Choice(word)) => word,
            other => self.mismatch(other),
        }
    }

    pub(super) fn duration(&self) -> Duration {
        match self.one() {
            Some(Value::Duration(duration)) => *duration,
            other => self.mismatch(other),
        }
    }

    pub(super) fn int(&self) -> i64 {
        match self.one() {
            Some(Value::Int(number)) => *number,
            other => self.mismatch(other),
        }
    }

    pub(super) fn size(&self) -> Option<u64> {
        match self.one() {
            None => None,
            Some(Value::Size(bytes)) => Some(*bytes),
            other => self.mismatch(other),
        }
    }

    pub(super) fn text(&self) -> Option<String> {
        match self.one() {
            None => None,
            Some(Value::Text(text)) => Some(text.clone()),
            other => self.mismatch(other),
        }
    }

    pub(super) fn secret(&self) -> Option<Secret> {
        match self.one() {
            None => None,
            Some(Value::Secret(secret)) => Some(secret.clone()),
            other => self.mismatch(other),
        }
    }

    pub(super) fn member_id(&self) -> MemberId {
        match self.one() {
            Some(Value::MemberId(id)) => id.clone(),
            other => self.mismatch(other),
        }
    }

    pub(super) fn texts(&self) -> Vec<String> {
        let Held::Many(items) = &self.value else {
            self.mismatch(self.one())
        };
        let text = |(value, _): &(Value, Source)| match value {
            Value::Text(text) => text.clone(),
            other => self.mismatch(Some(other)),
        };
        items.iter().map(text).collect()
    }

    /// The contact points, each with where it was written.
    pub(super) fn contacts(&self) -> Vec<(Contact, Source)> {
        let Held::Many(items) = &self.value else {
            self.mismatch(self.one())
        };
        let contact = |(value, source): &(Value, Source)| match value {
            Value::ContactPoint(contact) => (contact.clone(), source.clone()),
            other => self.mismatch(Some(other)),
        };
        items.iter().map(contact).collect()
    }

    fn one(&self) -> Option<&Value> {
        match &self.value {
            Held::One(value) => value.as_ref(),
            Held::Many(_) => None,
        }
    }

    fn mismatch(&self, found: Option<&Value>) -> ! {
        unreachable!(
            "{} is {:?} and holds {found:?}",
            self.key.path, self.key.row.kind
        )
    }
}

/// Notes that an empty variable takes a value away: the default's, or the one that stands `beneath` it in the file.
fn note_blank(variable: &Binding, beneath: Option<&Binding>, findings: &mut Findings) {
    let Binding { key, place, .. } = variable;
    let has_effect = beneath.is_some_and(|binding| !binding.is_blank());
    if has_effect || !key.row.default.is_empty() {
        let place = place.clone();
        findings
            .warnings
            .push(Warning::EmptyVariable { key, place });
    }
}

/// The value of `text`; none, with a problem noted, where it is not of the key's kind.
fn parse(key: &'static Key, text: &str, place: &Source, findings: &mut Findings) -> Option<Value> {
    let text = if key.row.is_secret { text } else { text.trim() };
    let masked = |value| match value {
        Value::Text(text) if key.row.is_secret => Value::Secret(text.into()),
        value => value,
    };
    let parsed = key.row.kind.parse(text).map(masked);
    let problem = |cause| Problem::Value {
        key,
        place: place.clone(),
        value: shown(key, text),
        cause,
    };
    parsed
        .map_err(|cause| findings.problems.push(problem(cause)))
        .ok()
}
