//! The one table of keys: every name Phalanx reads, and every name of Zeebe's it knows to ignore.
//!
//! Variables, suggestions, `phalanx config env` and the checks of the example file all derive from it. A row stands
//! once for all the places it occurs in. Names and defaults are Zeebe's.

#[rustfmt::skip]
mod table;

use std::sync::LazyLock;

use super::value::Kind;
use crate::member::Role;
use table::{GROUPS, Group};

/// A key: one row of the table under one prefix.
#[derive(Debug)]
pub struct Key {
    /// The dotted path, `zeebe.broker.network.security.enabled`.
    pub path: String,
    /// The environment variable in its collapsed spelling, `ZEEBE_BROKER_NETWORK_SECURITY_ENABLED`.
    pub variable: String,
    /// The section it belongs to; none: to every node.
    pub section: Option<Role>,
    /// What the table says.
    pub row: &'static Row,
    /// The path as [`fold`] makes it.
    pub(super) folded: String,
    /// The variable as [`collapse`] makes it.
    pub(super) word: String,
}

/// What is said of a key, whatever its prefix.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The path below the prefix.
    pub name: &'static str,
    /// What a value, or each element of a list, must be.
    pub kind: Kind,
    /// Whether it takes a list.
    pub is_list: bool,
    /// The value when nobody sets one; empty: none, or the empty list.
    pub default: &'static str,
    /// What Phalanx does with it.
    pub status: Status,
    /// Whether the value is masked wherever it would be printed.
    pub is_secret: bool,
    /// One line for people.
    pub help: &'static str,
}

/// What Phalanx does with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Reads it.
    Active,
    /// Reads it as another key's only element, and warns.
    Deprecated {
        /// The name of that other key, below the same prefix.
        instead: &'static str,
    },
    /// Knows it as Zeebe's and has no use for it: a warning when set.
    Foreign {
        /// Whether that goes for everything below its path as well.
        is_subtree: bool,
    },
    /// Will read it one day: an error when set to other than the default.
    Planned,
}

/// The names under which nothing unknown is let pass.
pub(super) const CHECKED_PREFIXES: [&str; 4] = [
    "zeebe.broker.network",
    "zeebe.broker.cluster",
    "zeebe.gateway.cluster",
    "management.server",
];

/// Every key, in the order of the documentation.
pub fn keys() -> &'static [Key] {
    static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
        let in_group = |group: &'static Group| {
            let key = move |row| Key::new(group, row);
            group.rows.iter().copied().flatten().map(key)
        };
        GROUPS.iter().flat_map(in_group).collect()
    });
    &KEYS
}

/// The keys that mean something to a node of this section, the ones Phalanx has no use for left out.
pub fn keys_of(section: Role) -> impl Iterator<Item = &'static Key> {
    keys().iter().filter(move |key| {
        key.section.is_none_or(|owner| owner == section)
            && !matches!(
                key.row.status,
                Status::Foreign { .. } | Status::Deprecated { .. }
            )
    })
}

/// The key at `path`, spelled as the table spells it.
///
/// # Panics
///
/// When the table has no such key.
pub(super) fn key(path: &str) -> &'static Key {
    let found = keys().iter().find(|key| key.path == path);
    found.unwrap_or_else(|| panic!("the schema has no key {path}"))
}

/// The key that a deprecated `key` gives its value to.
pub(super) fn successor(key: &Key) -> &'static Key {
    let Status::Deprecated { instead } = key.row.status else {
        panic!("{} is not deprecated", key.path);
    };
    let prefix = key.path.strip_suffix(key.row.name).unwrap_or_default();
    self::key(&format!("{prefix}{instead}"))
}

/// The key that turns TLS on for nodes of `section`.
pub(super) fn tls_switch(section: Role) -> &'static Key {
    match section {
        Role::Broker => key("zeebe.broker.network.security.enabled"),
        Role::Gateway => key("zeebe.gateway.cluster.security.enabled"),
    }
}

/// Whether keys stand below `path`, so that it takes no value itself.
pub(super) fn is_section(path: &str) -> bool {
    let below = format!("{}.", fold(path));
    path.is_empty() || keys().iter().any(|key| key.folded.starts_with(&below))
}

/// Lower case without dashes and underscores: equal for camelCase, kebab-case and snake_case.
pub(super) fn fold(path: &str) -> String {
    path.chars()
        .filter(|c| !matches!(c, '-' | '_'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Lower-case letters and digits alone: equal for a path and each spelling of its variable.
pub(super) fn collapse(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// The collapsed variable of a path.
pub(super) fn variable(path: &str) -> String {
    path.chars()
        .filter(|c| *c != '-')
        .map(|c| {
            if c == '.' {
                '_'
            } else {
                c.to_ascii_uppercase()
            }
        })
        .collect()
}

impl Key {
    fn new(group: &Group, row: &'static Row) -> Self {
        let path = format!("{}.{}", group.prefix, row.name);
        Self {
            variable: variable(&path),
            section: group.section,
            row,
            folded: fold(&path),
            word: collapse(&path),
            path,
        }
    }

    /// The other spelling that binds, an underscore at each hump; the same where there is no hump.
    #[must_use]
    pub fn underscore_variable(&self) -> String {
        let mut name = String::with_capacity(self.variable.len() + 4);
        for c in self.path.chars() {
            match c {
                '.' | '-' => name.push('_'),
                _ if c.is_ascii_uppercase() => name.extend(['_', c]),
                _ => name.push(c.to_ascii_uppercase()),
            }
        }
        name
    }

    /// What the key takes, in a few words: `list of host:port`.
    #[must_use]
    pub fn takes(&self) -> String {
        let list = if self.row.is_list { "list of " } else { "" };
        format!("{list}{}", self.row.kind.brief())
    }

    /// What the key is for, in one line, with a word on keys that are not to be used.
    #[must_use]
    pub fn meaning(&self) -> String {
        let help = self.row.help;
        match self.row.status {
            Status::Deprecated { instead } => format!("{help} Deprecated: use {instead}."),
            Status::Planned => format!("{help} Not available in this version."),
            Status::Active | Status::Foreign { .. } => help.to_owned(),
        }
    }

    /// Whether the key stands for everything below its path as well.
    pub(super) fn is_subtree(&self) -> bool {
        self.row.status == Status::Foreign { is_subtree: true }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn no_two_keys_collapse_to_the_same_word() {
        let mut words = BTreeMap::new();
        for key in keys() {
            let earlier = words.insert(&key.word, &key.path);
            assert_eq!(earlier, None, "{}", key.path);
        }
    }

    /// `a_1` would be element 1 of the list `a`.
    #[test]
    fn no_key_looks_like_an_element_of_a_list() {
        for key in keys() {
            assert!(
                !key.path.ends_with(|c: char| c.is_ascii_digit()),
                "{}",
                key.path
            );
        }
    }

    #[test]
    fn each_key_has_two_spellings_of_its_variable() {
        for (path, collapsed, underscored) in [
            (
                "zeebe.broker.network.internalApi.advertisedHost",
                "ZEEBE_BROKER_NETWORK_INTERNALAPI_ADVERTISEDHOST",
                "ZEEBE_BROKER_NETWORK_INTERNAL_API_ADVERTISED_HOST",
            ),
            (
                "management.server.port",
                "MANAGEMENT_SERVER_PORT",
                "MANAGEMENT_SERVER_PORT",
            ),
        ] {
            let key = key(path);
            assert_eq!(key.variable, collapsed);
            assert_eq!(key.underscore_variable(), underscored);
        }
    }

    #[test]
    fn defaults_are_of_their_kind_and_ours_have_help() {
        for key in keys() {
            let Row {
                kind,
                default,
                help,
                status,
                ..
            } = *key.row;
            assert!(
                default.is_empty() || kind.parse(default).is_ok(),
                "{}",
                key.path
            );
            let is_documented = help.ends_with('.') && help.len() < 100;
            assert!(
                is_documented || matches!(status, Status::Foreign { .. }),
                "{}: {help}",
                key.path
            );
        }
    }

    #[test]
    fn every_key_is_checked_and_every_successor_exists() {
        for key in keys() {
            let is_checked = CHECKED_PREFIXES
                .iter()
                .any(|prefix| key.path.starts_with(prefix));
            assert!(is_checked, "{}", key.path);
            if let Status::Deprecated { .. } = key.row.status {
                assert!(successor(key).row.is_list, "{}", key.path);
            }
        }
    }

    /// R80.
    #[test]
    fn whatever_sounds_like_a_secret_is_one() {
        for key in keys() {
            let name = key.path.rsplit('.').next().unwrap().to_lowercase();
            let is_place = matches!(key.row.kind, Kind::Path);
            let is_time = name.ends_with("interval");
            let sounds_secret = ["pass", "secret", "token", "key"]
                .iter()
                .any(|word| name.contains(word));
            assert_eq!(
                key.row.is_secret,
                sounds_secret && !is_place && !is_time,
                "{}",
                key.path
            );
        }
    }
}
