//! The environment's layer: Spring's relaxed binding of variables to keys.
//!
//! A key's variable is its path in capitals, dots as underscores; an underscore may also stand at each hump of a
//! camelCase name. Where both spellings are set, the one without the extra underscores wins. A list is one variable
//! with commas, or else numbered ones, `…_0_`, `…_1_` or `…_0`, `…_1`, without a gap.

use std::collections::BTreeMap;

use super::error::{Problem, Warning};
use super::layer::{Binding, Findings, Given, Layer};
use super::names::{self, Referent};
use super::schema::{self, Key};
use super::source::Source;
use crate::member::Role;

/// What `variables` say to a node of `section`.
pub(super) fn layer(
    variables: impl Iterator<Item = (String, String)>,
    section: Role,
    findings: &mut Findings,
) -> Layer {
    let mut binder = Binder {
        layer: Layer::new(section),
        elements: BTreeMap::new(),
        findings,
    };
    let mut ours: Vec<Variable> = variables.filter_map(Variable::new).collect();
    ours.sort_by(|a, b| (a.rank(), &a.name).cmp(&(b.rank(), &b.name)));
    for variable in ours {
        binder.bind(variable);
    }
    binder.bind_elements();
    binder.layer.without_deprecated(binder.findings)
}

/// A variable that may concern us.
struct Variable {
    name: String,
    value: String,
    target: Target,
}

/// What a variable's name refers to.
enum Target {
    Element(&'static Key, usize),
    Name(Referent),
}

/// The numbered variables of one list.
struct Elements {
    key: &'static Key,
    by_index: BTreeMap<usize, (String, Source)>,
}

struct Binder<'f> {
    layer: Layer,
    /// By path.
    elements: BTreeMap<&'static str, Elements>,
    findings: &'f mut Findings,
}

impl Variable {
    fn new((name, value): (String, String)) -> Option<Self> {
        let upper = name.to_ascii_uppercase();
        if !upper.starts_with("ZEEBE_") && !upper.starts_with("MANAGEMENT_SERVER_") {
            return None;
        }
        let target = match names::variable(&name) {
            Referent::Key(key) => Target::Name(Referent::Key(key)),
            other => match split_index(&name) {
                Some((key, index)) => Target::Element(key, index),
                None => Target::Name(other),
            },
        };
        Some(Self {
            name,
            value,
            target,
        })
    }

    /// The order of precedence among variables of the same key: collapsed, underscored, any other spelling.
    fn rank(&self) -> u8 {
        let (Target::Element(key, _) | Target::Name(Referent::Key(key))) = self.target else {
            return 0;
        };
        if self.name.starts_with(&key.variable) {
            0
        } else {
            1 + u8::from(!self.name.starts_with(&key.underscore_variable()))
        }
    }
}

impl Binder<'_> {
    fn bind(&mut self, variable: Variable) {
        let Variable {
            name,
            value,
            target,
        } = variable;
        let place = Source::environment(&name);
        match target {
            Target::Element(key, index) => self.element(key, index, value, place),
            Target::Name(Referent::Key(key)) => self.whole(key, &value, place),
            Target::Name(Referent::Negative(key)) => {
                self.findings
                    .problems
                    .push(Problem::Negative { name, place, key });
            }
            Target::Name(Referent::Other) => {
                if let Some(nearest) = names::misspelled(&name) {
                    let warning = Warning::Misspelled {
                        name,
                        place,
                        nearest,
                    };
                    self.findings.warnings.push(warning);
                }
            }
            Target::Name(Referent::Unknown(nearest)) => {
                self.findings.problems.push(Problem::UnknownName {
                    name,
                    place,
                    nearest,
                });
            }
        }
    }

    fn whole(&mut self, key: &'static Key, value: &str, place: Source) {
        if let Some(winner) = self.layer.get(key) {
            let winner = winner.place.clone();
            return self
                .findings
                .warnings
                .push(Warning::Overruled { place, winner });
        }
        let given = Given::text(key, value, &place);
        self.layer
            .set(&key.path, Binding { key, given, place }, self.findings);
    }

    fn element(&mut self, key: &'static Key, index: usize, value: String, place: Source) {
        let by_index = BTreeMap::new();
        let list = self
            .elements
            .entry(&key.path)
            .or_insert(Elements { key, by_index });
        if let Some((_, winner)) = list.by_index.get(&index) {
            let winner = winner.clone();
            return self
                .findings
                .warnings
                .push(Warning::Overruled { place, winner });
        }
        list.by_index.insert(index, (value, place));
    }

    /// Binds the numbered variables, once all are known.
    fn bind_elements(&mut self) {
        for (path, Elements { key, by_index }) in std::mem::take(&mut self.elements) {
            if let Some(winner) = self.layer.get(key) {
                let winner = winner.place.clone();
                let overruled = |(_, place)| Warning::Overruled {
                    place,
                    winner: winner.clone(),
                };
                self.findings
                    .warnings
                    .extend(by_index.into_values().map(overruled));
                continue;
            }
            if let Some(problem) = gap(key, &by_index).filter(|_| self.layer.reads(key)) {
                self.findings.problems.push(problem);
                continue;
            }
            let Some((_, place)) = by_index.get(&0).cloned() else {
                continue;
            };
            let given = Given::many(
                by_index
                    .values()
                    .map(|(item, place)| (item.as_str(), place.clone())),
            );
            self.layer
                .set(path, Binding { key, given, place }, self.findings);
        }
    }
}

/// The first index that follows a gap.
fn gap(key: &'static Key, by_index: &BTreeMap<usize, (String, Source)>) -> Option<Problem> {
    let (gap, (index, (_, place))) = by_index
        .iter()
        .enumerate()
        .find(|(at, (index, _))| at != *index)?;
    Some(Problem::Gap {
        key,
        place: place.clone(),
        index: *index,
        gap,
    })
}

/// The list that `…_12_` or `…_12` is an element of, and which.
fn split_index(name: &str) -> Option<(&'static Key, usize)> {
    let name = name.strip_suffix('_').unwrap_or(name);
    let (list, index) = name.rsplit_once('_')?;
    let index = index
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| index.parse().ok())??;
    let word = schema::collapse(list);
    let key = schema::keys().iter().find(|key| key.word == word)?;
    key.row.is_list.then_some((key, index))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTACTS: &str = "ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS";

    fn bind(variables: &[(&str, &str)]) -> (Layer, Findings) {
        let mut findings = Findings::default();
        let owned = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let layer = layer(owned, Role::Broker, &mut findings);
        (layer, findings)
    }

    fn key(path: &str) -> &'static Key {
        schema::key(path)
    }

    fn contacts(layer: &Layer) -> Option<Vec<(String, String)>> {
        let binding = layer.get(key("zeebe.broker.cluster.initialContactPoints"))?;
        let Given::Many(items) = &binding.given else {
            panic!("not a list")
        };
        Some(
            items
                .iter()
                .map(|(item, place)| (item.clone(), place.to_string()))
                .collect(),
        )
    }

    #[test]
    fn lists_come_by_comma_or_by_index() {
        let name = |suffix: &str| format!("{CONTACTS}{suffix}");
        type Case = (
            &'static [(&'static str, &'static str)],
            &'static [&'static str],
        );
        let cases: [Case; 8] = [
            (&[("", "a:1,b:2")], &["a:1", "b:2"]),
            (&[("", " a:1 , ,b:2, ")], &["a:1", "b:2"]),
            (&[("", "")], &[]),
            (&[("_0_", "a:1"), ("_1_", "b:2")], &["a:1", "b:2"]),
            (&[("_0", "a:1"), ("_1", "b:2")], &["a:1", "b:2"]),
            (
                &[("_0", "a:1"), ("_1", " "), ("_2", "c:3")],
                &["a:1", "c:3"],
            ),
            (&[("", "x:1"), ("_0", "a:1")], &["x:1"]),
            (&[("_0_", "a:1"), ("_0", "b:2")], &["b:2"]),
        ];
        for (variables, expected) in cases {
            let names: Vec<(String, &str)> = variables.iter().map(|(n, v)| (name(n), *v)).collect();
            let borrowed: Vec<(&str, &str)> = names.iter().map(|(n, v)| (n.as_str(), *v)).collect();
            let (layer, findings) = bind(&borrowed);
            assert!(findings.problems.is_empty(), "{variables:?}: {findings:?}");
            let items = contacts(&layer).unwrap();
            let items: Vec<&str> = items.iter().map(|(item, _)| item.as_str()).collect();
            assert_eq!(items, expected, "{variables:?}");
        }
    }

    #[test]
    fn an_index_after_a_gap_is_an_error() {
        for (suffixes, index, gap) in [(["_0_", "_2_"], 2, 1), (["_1", "_2"], 1, 0)] {
            let names = suffixes.map(|suffix| format!("{CONTACTS}{suffix}"));
            let (_, findings) = bind(&[(&names[0], "a:1"), (&names[1], "b:2")]);
            let [
                Problem::Gap {
                    index: found,
                    gap: missing,
                    ..
                },
            ] = &findings.problems[..]
            else {
                panic!("{findings:?}");
            };
            assert_eq!((*found, *missing), (index, gap));
        }
    }

    #[test]
    fn the_collapsed_spelling_wins_and_the_other_is_reported() {
        let (layer, findings) = bind(&[
            ("ZEEBE_BROKER_CLUSTER_NODE_ID", "1"),
            ("ZEEBE_BROKER_CLUSTER_NODEID", "2"),
        ]);
        let binding = layer.get(key("zeebe.broker.cluster.nodeId")).unwrap();
        assert_eq!(
            binding.place.to_string(),
            "environment variable ZEEBE_BROKER_CLUSTER_NODEID"
        );
        assert_eq!(
            findings.warnings[0].to_string(),
            "environment variable ZEEBE_BROKER_CLUSTER_NODE_ID is ignored: \
             environment variable ZEEBE_BROKER_CLUSTER_NODEID sets the same key"
        );
    }

    #[test]
    fn each_element_remembers_its_variable() {
        let (first, second) = (format!("{CONTACTS}_0_"), format!("{CONTACTS}_1"));
        let (layer, _) = bind(&[(&first, "a:1"), (&second, "b:2")]);
        let places: Vec<String> = contacts(&layer)
            .unwrap()
            .into_iter()
            .map(|(_, place)| place)
            .collect();
        assert_eq!(
            places,
            [
                format!("environment variable {first}"),
                format!("environment variable {second}")
            ]
        );
    }

    #[test]
    fn the_other_sections_names_are_checked_and_its_values_are_not() {
        let (layer, findings) = bind(&[
            ("ZEEBE_GATEWAY_CLUSTER_PORT", "not a port"),
            ("ZEEBE_GATEWAY_CLUSTER_PROT", "1"),
            ("ZEEBE_LOG_LEVEL", "debug"),
            ("HOME", "/root"),
        ]);
        assert!(layer.get(key("zeebe.gateway.cluster.port")).is_none());
        let [Problem::UnknownName { name, nearest, .. }] = &findings.problems[..] else {
            panic!("{findings:?}");
        };
        assert_eq!(
            (name.as_str(), nearest.variable.as_str()),
            ("ZEEBE_GATEWAY_CLUSTER_PROT", "ZEEBE_GATEWAY_CLUSTER_PORT")
        );
    }
}
