//! Sets of nodes, `n3`, `n2..n5`, `group:a`, `not:random:25%`; and [`Cast`], who there is to choose from.

use std::fmt;

use serde_json::{Value as Json, json};

use super::scalar::percentage;
use super::yaml::{Reader, Yaml, suggest, text};
use crate::config::Position;
use crate::config::raw::{Content, Node};
use crate::simulation::NodeId;
use crate::simulation::chance::Chance;

/// A set of nodes: all that one of its terms names.
#[derive(Clone, Debug)]
pub struct Who {
    /// Where it stands.
    pub at: Position,
    pub(super) terms: Vec<Term>,
}

/// One part of a [`Who`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Term {
    /// `all`
    All,
    /// `group:NAME`
    Group(String),
    /// `majority`: more than half, as few as possible, drawn.
    Majority,
    /// `minority`: less than half, as many as possible, drawn.
    Minority,
    /// `n3`
    Node(u32),
    /// `not:TERM`
    Not(Box<Self>),
    /// `random:3`
    Random(u32),
    /// `random:25%`, in millionths.
    RandomShare(u32),
    /// `n2..n5`, both ends included.
    Range(u32, u32),
    /// `rest`: in a list of sets, the nodes that no other set has.
    Rest,
    /// `zone:NAME`
    Zone(String),
}

const TAKES: &str = "nodes: n3, n2..n5, all, group:NAME, zone:NAME, random:2, random:25%, minority, majority, \
                     not:..., or a list of these";

impl Who {
    /// Everyone.
    pub(super) fn all() -> Self {
        Self {
            at: Position { line: 0, column: 0 },
            terms: vec![Term::All],
        }
    }

    /// These nodes.
    pub(super) fn of(nodes: &[NodeId]) -> Self {
        let terms = nodes.iter().map(|node| Term::Node(number(*node))).collect();
        Self {
            at: Position { line: 0, column: 0 },
            terms,
        }
    }

    /// Names the nodes that are meant, by number, unless all are.
    pub(super) fn freeze(&mut self, cast: &Cast, chance: &mut Chance) {
        if self.terms != [Term::All] {
            *self = Self::of(&cast.select(self, chance));
        }
    }

    /// Gives nodes named by number other numbers; none: the node is gone. Whether anybody is left.
    pub(super) fn renumber(&mut self, moved: &dyn Fn(u32) -> Option<u32>) -> bool {
        self.terms.retain_mut(|term| match term {
            Term::Node(number) => moved(*number).map(|to| *number = to).is_some(),
            _ => true,
        });
        !self.terms.is_empty()
    }
}

impl Yaml for Who {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let terms = match &node.content {
            Content::Sequence(items) if !items.is_empty() => {
                let terms = items.iter().map(|item| term(item, reader));
                terms
                    .collect::<Vec<_>>()
                    .into_iter()
                    .collect::<Option<_>>()?
            }
            _ => vec![term(node, reader)?],
        };
        Some(Self { at: node.at, terms })
    }

    fn write(&self) -> Json {
        match &self.terms[..] {
            [term] => json!(term.to_string()),
            terms => terms.iter().map(|term| json!(term.to_string())).collect(),
        }
    }

    fn schema() -> Json {
        let pattern = "^(not:)*(all|rest|minority|majority|n[0-9]+(\\.\\.n[0-9]+)?|group:.+|zone:.+|random:[0-9.]+%?)$";
        let term = json!({ "title": "nodes", "type": "string", "pattern": pattern });
        json!({ "anyOf": [term, { "title": "nodes", "type": "array", "minItems": 1, "items": term }] })
    }
}

fn term(node: &Node, reader: &mut Reader) -> Option<Term> {
    let text = text(node, TAKES, reader)?;
    let term = parse(text);
    if term.is_none() {
        let words = ["all", "majority", "minority", "random:1", "rest"];
        let hint = match suggest(text, &words) {
            hint if hint.starts_with("; did") => hint,
            _ => format!("; it takes {TAKES}"),
        };
        reader.problem(node.at, format!("{text} names no nodes{hint}"));
    }
    term
}

fn parse(text: &str) -> Option<Term> {
    let node = |text: &str| text.strip_prefix('n')?.parse().ok();
    Some(match text {
        "all" => Term::All,
        "majority" => Term::Majority,
        "minority" => Term::Minority,
        "rest" => Term::Rest,
        _ => {
            if let Some(inner) = text.strip_prefix("not:") {
                Term::Not(Box::new(parse(inner)?))
            } else if let Some(name) = text.strip_prefix("group:") {
                Term::Group(name.to_owned())
            } else if let Some(name) = text.strip_prefix("zone:") {
                Term::Zone(name.to_owned())
            } else if let Some(amount) = text.strip_prefix("random:") {
                match percentage(amount) {
                    Some(share) => Term::RandomShare(share),
                    None => Term::Random(amount.parse().ok()?),
                }
            } else if let Some((first, last)) = text.split_once("..") {
                Term::Range(node(first)?, node(last)?)
            } else {
                Term::Node(node(text)?)
            }
        }
    })
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Group(name) => write!(f, "group:{name}"),
            Self::Majority => f.write_str("majority"),
            Self::Minority => f.write_str("minority"),
            Self::Node(number) => write!(f, "n{number}"),
            Self::Not(term) => write!(f, "not:{term}"),
            Self::Random(count) => write!(f, "random:{count}"),
            Self::RandomShare(share) => {
                let percent = crate::simulation::Rate::new(*share).write();
                write!(f, "random:{}", percent.as_str().unwrap_or_default())
            }
            Self::Range(first, last) => write!(f, "n{first}..n{last}"),
            Self::Rest => f.write_str("rest"),
            Self::Zone(name) => write!(f, "zone:{name}"),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let terms: Vec<_> = self.terms.iter().map(Term::to_string).collect();
        f.write_str(&terms.join(", "))
    }
}

/// Who there is to choose from.
#[derive(Clone, Debug, Default)]
pub(super) struct Cast {
    members: Vec<Member>,
}

/// What a node is called and belongs to.
#[derive(Clone, Debug, Default)]
pub(super) struct Member {
    pub(super) group: Option<String>,
    pub(super) zone: Option<String>,
}

/// `n1` is the first node.
pub(super) fn number(node: NodeId) -> u32 {
    node.0 + 1
}

impl Cast {
    pub(super) fn push(&mut self, member: Member) {
        self.members.push(member);
    }

    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.members.len()).expect("a scenario has fewer nodes than 2^32")
    }

    /// Why a set makes no sense here.
    pub(super) fn objection(&self, set: &Who) -> Option<String> {
        set.terms.iter().find_map(|term| self.term_objection(term))
    }

    fn term_objection(&self, term: &Term) -> Option<String> {
        let (count, text) = (self.len(), term);
        let known = |name: fn(&Member) -> Option<&str>| {
            let mut names: Vec<_> = self.members.iter().filter_map(name).collect();
            names.dedup();
            names
        };
        let unknown = |kind, name: &str, known: &[&str]| {
            let hint = match known {
                [] => format!("; there are no {kind}s"),
                known => suggest(name, known),
            };
            (!known.contains(&name)).then(|| format!("no {kind} is called {name}{hint}"))
        };
        match term {
            Term::All | Term::Majority | Term::Minority | Term::Rest | Term::RandomShare(_) => None,
            Term::Group(name) => unknown("group", name, &known(|member| member.group.as_deref())),
            Term::Zone(name) => unknown("zone", name, &known(|member| member.zone.as_deref())),
            Term::Node(number) if (1..=count).contains(number) => None,
            Term::Range(first, last) if 1 <= *first && first <= last && *last <= count => None,
            Term::Node(_) | Term::Range(..) => Some(format!("{text} is not within n1..n{count}")),
            Term::Not(term) => self.term_objection(term),
            Term::Random(wanted) if *wanted <= count => None,
            Term::Random(_) => Some(format!(
                "{text} wants more than the {count} nodes there are"
            )),
        }
    }

    /// Every node.
    pub(super) fn all(&self) -> Vec<NodeId> {
        (0..self.len()).map(NodeId).collect()
    }

    /// The nodes of a set, in order. `chance` draws where the set leaves it to the seed.
    pub(super) fn select(&self, set: &Who, chance: &mut Chance) -> Vec<NodeId> {
        self.select_beside(set, &[], chance)
    }

    /// The nodes of each of several sets; `rest` is whom no other set has.
    pub(super) fn select_each(&self, sets: &[Who], chance: &mut Chance) -> Vec<Vec<NodeId>> {
        let mut taken = Vec::new();
        let is_rest = |set: &Who| set.terms.contains(&Term::Rest);
        let mut groups = vec![Vec::new(); sets.len()];
        for pass in [false, true] {
            for (group, set) in groups.iter_mut().zip(sets) {
                if is_rest(set) == pass {
                    *group = self.select_beside(set, &taken, chance);
                    taken.extend(group.iter().copied());
                }
            }
        }
        groups
    }

    fn select_beside(&self, set: &Who, taken: &[NodeId], chance: &mut Chance) -> Vec<NodeId> {
        let terms = set.terms.iter();
        let mut nodes: Vec<_> = terms
            .flat_map(|term| self.select_term(term, taken, chance))
            .collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    fn select_term(&self, term: &Term, taken: &[NodeId], chance: &mut Chance) -> Vec<NodeId> {
        let count = self.len();
        let of = |has: &dyn Fn(&Member) -> bool| {
            let all = self.all().into_iter();
            all.filter(|node| has(&self.members[node.index()]))
                .collect()
        };
        match term {
            Term::All => self.all(),
            Term::Group(name) => of(&|member| member.group.as_ref() == Some(name)),
            Term::Zone(name) => of(&|member| member.zone.as_ref() == Some(name)),
            Term::Majority => self.draw(count / 2 + 1, chance),
            Term::Minority => self.draw(count.saturating_sub(1) / 2, chance),
            Term::Node(number) => vec![NodeId(number - 1)],
            Term::Range(first, last) => (first - 1..*last).map(NodeId).collect(),
            Term::Not(term) => {
                let excluded = self.select_term(term, taken, chance);
                self.without(&excluded)
            }
            Term::Random(wanted) => self.draw(*wanted, chance),
            Term::RandomShare(share) => {
                let wanted = u64::from(count) * u64::from(*share) / 1_000_000;
                self.draw(u32::try_from(wanted.max(1)).unwrap_or(count), chance)
            }
            Term::Rest => self.without(taken),
        }
    }

    fn without(&self, excluded: &[NodeId]) -> Vec<NodeId> {
        let all = self.all().into_iter();
        all.filter(|node| !excluded.contains(node)).collect()
    }

    /// Draws `wanted` nodes, each set of them as likely: the first steps of a Fisher-Yates shuffle.
    fn draw(&self, wanted: u32, chance: &mut Chance) -> Vec<NodeId> {
        let mut nodes = self.all();
        let wanted = (wanted as usize).min(nodes.len());
        for at in 0..wanted {
            let other = at + chance.below(nodes.len() - at);
            nodes.swap(at, other);
        }
        nodes.truncate(wanted);
        nodes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::raw;

    fn cast() -> Cast {
        let mut cast = Cast::default();
        for (group, zone) in [
            ("a", "east"),
            ("a", "west"),
            ("b", "west"),
            ("b", "west"),
            ("b", "east"),
        ] {
            cast.push(Member {
                group: Some(group.to_owned()),
                zone: Some(zone.to_owned()),
            });
        }
        cast
    }

    fn set(text: &str) -> Who {
        let mut reader = Reader::default();
        let set = Who::read(&raw::parse(text).unwrap(), &mut reader);
        set.unwrap_or_else(|| panic!("{:?}", reader.problems))
    }

    #[test]
    fn sets_name_who_they_say() {
        for (text, expected) in [
            ("n2", &[2][..]),
            ("n2..n4", &[2, 3, 4]),
            ("[n4, n1, n4]", &[1, 4]),
            ("all", &[1, 2, 3, 4, 5]),
            ("group:a", &[1, 2]),
            ("[group:a, zone:west]", &[1, 2, 3, 4]),
            ("not:zone:west", &[1, 5]),
            ("not:not:n3", &[3]),
        ] {
            let nodes = cast().select(&set(text), &mut Chance::new(1, "sets"));
            let numbers: Vec<_> = nodes.into_iter().map(number).collect();
            assert_eq!(numbers, expected, "{text}");
        }
    }

    #[test]
    fn drawn_sets_have_the_size_they_say_and_differ_by_seed() {
        for (text, expected) in [
            ("minority", 2),
            ("majority", 3),
            ("random:4", 4),
            ("random:40%", 2),
            ("random:1%", 1),
            ("not:minority", 3),
        ] {
            let draw = |seed| cast().select(&set(text), &mut Chance::new(seed, "sets"));
            assert_eq!(draw(1).len(), expected, "{text}");
            assert_eq!(draw(1), draw(1));
            assert!((2..50).any(|seed| draw(seed) != draw(1)), "{text}");
        }
    }

    #[test]
    fn the_rest_is_whom_no_other_set_has() {
        let sets = [set("rest"), set("n2"), set("n4..n5")];
        let groups = cast().select_each(&sets, &mut Chance::new(1, "sets"));
        assert_eq!(groups[0], [NodeId(0), NodeId(2)]);
    }

    #[test]
    fn what_names_nobody_is_refused_with_a_hint() {
        for (text, expected) in [
            ("n6", "n6 is not within n1..n5"),
            ("n0", "n0 is not within"),
            ("n4..n2", "n4..n2 is not within"),
            ("group:c", "no group is called c"),
            ("zone:wst", "did you mean west?"),
            ("random:9", "wants more than the 5 nodes"),
        ] {
            let objection = cast().objection(&set(text)).unwrap();
            assert!(objection.contains(expected), "{text}: {objection}");
        }
        for (text, expected) in [
            ("al", "did you mean all?"),
            ("node3", "names no nodes; it takes"),
            ("{}", "takes nodes"),
        ] {
            let mut reader = Reader::default();
            assert!(Who::read(&raw::parse(text).unwrap(), &mut reader).is_none());
            assert!(
                reader.problems[0].what.contains(expected),
                "{:?}",
                reader.problems
            );
        }
    }

    #[test]
    fn sets_are_written_as_they_were_read() {
        for text in [
            "n3",
            "n2..n5",
            "group:a",
            "not:random:2.5%",
            "majority",
            "rest",
        ] {
            assert_eq!(set(text).write(), json!(text));
        }
    }
}
