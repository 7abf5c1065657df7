//! Whom a rule is about: [`NodeSet`], [`Groups`] and [`Path`].

use std::collections::BTreeSet;
use std::fmt;

use super::NodeId;

/// A set of nodes, one bit for each.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct NodeSet(Vec<u64>);

impl NodeSet {
    /// Adds a node.
    pub fn insert(&mut self, node: NodeId) {
        let word = node.index() / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (node.index() % 64);
    }

    /// Whether a node is in it.
    #[must_use]
    pub fn contains(&self, node: NodeId) -> bool {
        let word = self.0.get(node.index() / 64).copied().unwrap_or(0);
        word >> (node.index() % 64) & 1 == 1
    }

    /// Its nodes, in order.
    pub fn iter(&self) -> impl Iterator<Item = NodeId> {
        let count = u32::try_from(self.0.len() * 64).unwrap_or(u32::MAX);
        (0..count).map(NodeId).filter(|node| self.contains(*node))
    }
}

impl FromIterator<NodeId> for NodeSet {
    fn from_iter<T: IntoIterator<Item = NodeId>>(nodes: T) -> Self {
        let mut set = Self::default();
        nodes.into_iter().for_each(|node| set.insert(node));
        set
    }
}

impl From<&[NodeId]> for NodeSet {
    fn from(nodes: &[NodeId]) -> Self {
        nodes.iter().copied().collect()
    }
}

impl From<NodeId> for NodeSet {
    fn from(node: NodeId) -> Self {
        std::iter::once(node).collect()
    }
}

impl fmt::Debug for NodeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.iter().map(NodeId::index))
            .finish()
    }
}

/// Groups of nodes, in any number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups(Vec<NodeSet>);

impl Groups {
    /// The groups, each a list of its nodes.
    #[must_use]
    pub fn new(groups: &[&[NodeId]]) -> Self {
        groups.iter().map(|group| NodeSet::from(*group)).collect()
    }

    fn share(&self, one: NodeId, other: NodeId) -> bool {
        self.0
            .iter()
            .any(|group| group.contains(one) && group.contains(other))
    }
}

impl FromIterator<NodeSet> for Groups {
    fn from_iter<T: IntoIterator<Item = NodeSet>>(groups: T) -> Self {
        Self(groups.into_iter().collect())
    }
}

/// A set of directed pairs of nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Path {
    /// Between nodes that share no group. A node of two groups is a bridge; a node of none is alone.
    Across(Groups),
    /// Every path.
    All,
    /// Between any of the one and any of the other, both ways.
    Between(NodeSet, NodeSet),
    /// From any other node to any of these.
    Into(NodeSet),
    /// From any of the first to any of the second.
    OneWay {
        /// The senders.
        from: NodeSet,
        /// The recipients.
        to: NodeSet,
    },
    /// From any of these to any other node.
    OutOf(NodeSet),
    /// These, each from its first node to its second.
    Pairs(BTreeSet<(NodeId, NodeId)>),
}

impl Path {
    /// The nodes it names; none if it is about most of the network.
    pub(super) fn nodes(&self) -> NodeSet {
        match self {
            Self::Across(_) | Self::All => NodeSet::default(),
            Self::Between(one, other)
            | Self::OneWay {
                from: one,
                to: other,
            } => one.iter().chain(other.iter()).collect(),
            Self::Into(nodes) | Self::OutOf(nodes) => nodes.clone(),
            Self::Pairs(pairs) => pairs.iter().flat_map(|(from, to)| [*from, *to]).collect(),
        }
    }

    /// Whether it leads from one node to another.
    #[must_use]
    pub fn has(&self, from: NodeId, to: NodeId) -> bool {
        match self {
            Self::Across(groups) => from != to && !groups.share(from, to),
            Self::All => true,
            Self::Between(one, other) => {
                one.contains(from) && other.contains(to) || one.contains(to) && other.contains(from)
            }
            Self::Into(nodes) => nodes.contains(to) && from != to,
            Self::OneWay {
                from: senders,
                to: recipients,
            } => senders.contains(from) && recipients.contains(to),
            Self::OutOf(nodes) => nodes.contains(from) && from != to,
            Self::Pairs(pairs) => pairs.contains(&(from, to)),
        }
    }
}

/// What a node is called.
pub(super) type Name<'n> = &'n dyn Fn(NodeId) -> &'n str;

/// How many names a list spells out.
const NAMES_MAX: usize = 8;

impl NodeSet {
    /// Its nodes by name: all of a few, the first of many.
    fn text(&self, name: Name<'_>) -> String {
        let names: Vec<_> = self.iter().map(name).collect();
        match names.len() {
            ..=NAMES_MAX => names.join(", "),
            len => format!("{}, … ({len})", names[..NAMES_MAX].join(", ")),
        }
    }
}

impl Path {
    /// The path in words.
    pub(super) fn text(&self, name: Name<'_>) -> String {
        let of = |nodes: &NodeSet| nodes.text(name);
        match self {
            Self::Across(Groups(groups)) => {
                let groups: Vec<_> = groups.iter().map(of).collect();
                format!("between {}", groups.join(" | "))
            }
            Self::All => "everywhere".into(),
            Self::Between(one, other) => format!("between {} | {}", of(one), of(other)),
            Self::Into(nodes) => format!("into {}", of(nodes)),
            Self::OneWay { from, to } => format!("from {} to {}", of(from), of(to)),
            Self::OutOf(nodes) => format!("out of {}", of(nodes)),
            Self::Pairs(pairs) => {
                let arrow =
                    |(from, to): &(NodeId, NodeId)| format!("{} → {}", name(*from), name(*to));
                let shown: Vec<_> = pairs.iter().take(NAMES_MAX).map(arrow).collect();
                match pairs.len() {
                    ..=NAMES_MAX => format!("on {}", shown.join(", ")),
                    len => format!("on {}, … ({len} paths)", shown.join(", ")),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(0);
    const B: NodeId = NodeId(1);
    const C: NodeId = NodeId(2);
    /// Beyond the first word of a set.
    const Z: NodeId = NodeId(100);

    #[test]
    fn sets_hold_what_was_put_in_and_list_it_in_order() {
        let set: NodeSet = [Z, A, Z].into_iter().collect();
        assert!(set.contains(A) && set.contains(Z) && !set.contains(B));
        assert_eq!(set.iter().collect::<Vec<_>>(), [A, Z]);
        assert_eq!(format!("{set:?}"), "{0, 100}");
        assert!(!NodeSet::default().contains(A));
    }

    /// Which of the pairs A-B, B-A, A-Z, Z-A, B-Z, Z-B, A-A a path has.
    #[test]
    fn paths_have_the_pairs_that_they_name() {
        let set = |nodes: &[NodeId]| NodeSet::from(nodes);
        let pairs = [(A, B), (B, A), (A, Z), (Z, A), (B, Z), (Z, B), (A, A)];
        for (path, expected) in [
            (Path::All, [true; 7]),
            (
                Path::Across(Groups::new(&[&[A, Z], &[B, Z]])),
                [true, true, false, false, false, false, false],
            ),
            (
                Path::Across(Groups::new(&[&[A, B]])),
                [false, false, true, true, true, true, false],
            ),
            (
                Path::Between(set(&[A]), set(&[B, C])),
                [true, true, false, false, false, false, false],
            ),
            (
                Path::OneWay {
                    from: set(&[A]),
                    to: set(&[B, Z]),
                },
                [true, false, true, false, false, false, false],
            ),
            (
                Path::Into(set(&[B])),
                [true, false, false, false, false, true, false],
            ),
            (
                Path::OutOf(set(&[B])),
                [false, true, false, false, true, false, false],
            ),
            (
                Path::Pairs(BTreeSet::from([(Z, A)])),
                [false, false, false, true, false, false, false],
            ),
        ] {
            let has = pairs.map(|(from, to)| path.has(from, to));
            assert_eq!(has, expected, "{path:?}");
        }
    }

    #[test]
    fn a_path_in_words_names_a_few_nodes_and_counts_many() {
        const NAMES: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let set = |range: std::ops::Range<u32>| range.map(NodeId).collect::<NodeSet>();
        let groups = [set(0..2), set(2..4)].into_iter().collect();
        for (path, expected) in [
            (Path::Across(groups), "between a, b | c, d"),
            (Path::Into(set(0..8)), "into a, b, c, d, e, f, g, h"),
            (
                Path::OutOf(set(0..10)),
                "out of a, b, c, d, e, f, g, h, … (10)",
            ),
            (Path::Pairs([(A, B), (C, A)].into()), "on a → b, c → a"),
        ] {
            assert_eq!(path.text(&|node| NAMES[node.index()]), expected);
        }
    }
}
