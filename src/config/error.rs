//! [`ConfigError`], its [`Problem`]s, and [`Warning`]s: one line each, for the person who has to fix it.

use std::path::PathBuf;
use std::{fmt, io};

use super::contact;
use super::schema::Key;
use super::source::{Position, Source};
use super::value::{Kind, ValueError};
use crate::member::Role;
use crate::seal::TokenError;

/// Why there is no configuration. The operator's fault; nothing was started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read the configuration file {}", file.display())]
    Read {
        /// The file, as an absolute path.
        file: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The file is not YAML.
    #[error("{}:{at}: not valid YAML: {message}", file.display())]
    Syntax {
        /// The file as it was named.
        file: PathBuf,
        /// Where reading stopped.
        at: Position,
        /// What the parser said.
        message: String,
    },
    /// One or more settings are wrong; all of them are listed.
    #[error("{}", lines(problems))]
    Settings {
        /// What is wrong, at least one thing.
        problems: Vec<Problem>,
        /// What may have led to it.
        warnings: Vec<Warning>,
    },
}

/// One wrong setting.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Two variables, or two keys of the file, set the same list or key in ways that contradict each other.
    #[error("{first} and {second} both set {key}; remove one of them", key = key.path)]
    Duplicate {
        /// The key.
        key: &'static Key,
        /// The one.
        first: Source,
        /// The other.
        second: Source,
    },
    /// An indexed variable whose predecessor is missing.
    #[error(
        "{place}: element {index} of {key} is set, but element {gap} is not; \
         number the elements from 0 without a gap, or use {variable} with commas",
        key = key.path,
        variable = key.variable
    )]
    Gap {
        /// The list.
        key: &'static Key,
        /// Its source.
        place: Source,
        /// The index set.
        index: usize,
        /// The first index not set.
        gap: usize,
    },
    /// TLS is on and one file or both are missing.
    #[error(
        "{} not set, but {enabled} turns TLS on; set {} to a PEM file, or turn TLS off",
        missing(keys),
        if keys.len() == 1 { "it" } else { "each" }
    )]
    MissingPaths {
        /// The missing keys.
        keys: Vec<&'static Key>,
        /// Who turned TLS on.
        enabled: Source,
    },
    /// A setting under a name that says the opposite of ours.
    #[error(
        "{place}: {name} is not a setting; there is one switch, {}, and it says when TLS is on",
        suggestion(place, key)
    )]
    Negative {
        /// The name as written.
        name: String,
        /// Where it was written.
        place: Source,
        /// The right key.
        key: &'static Key,
    },
    /// Two settings for the same thing.
    #[error("{place}: {} and {} are both set; set one of them", key.path, other.path)]
    Both {
        /// One of the two.
        key: &'static Key,
        /// Where it was written.
        place: Source,
        /// The other.
        other: &'static Key,
    },
    /// One of two settings that belong together.
    #[error("{place}: {} is set, but {} is not; set both", key.path, missing.path)]
    Half {
        /// The one that is set.
        key: &'static Key,
        /// Where it was written.
        place: Source,
        /// The other.
        missing: &'static Key,
    },
    /// A management server that others than this machine could ask, without what guards it.
    #[error(
        "{}: {address} can be reached from other machines, which takes {} as well; set {}, or bind to 127.0.0.1",
        at(key, place),
        missing.join(" and "),
        if missing.len() == 1 { "it" } else { "both" }
    )]
    Unguarded {
        /// The address's key.
        key: &'static Key,
        /// Who set it.
        place: Source,
        /// The address.
        address: String,
        /// The settings that are not set.
        missing: Vec<&'static str>,
    },
    /// QUIC without TLS.
    #[error(
        "{}: quic takes TLS, and {switch} is false; set {switch} = true, or {} = tcp",
        at(key, place),
        key.path,
        switch = switch.path
    )]
    QuicWithoutTls {
        /// The transport's key.
        key: &'static Key,
        /// Where it was written.
        place: Source,
        /// The switch.
        switch: &'static Key,
    },
    /// A contact point's scheme says otherwise than the switch for TLS.
    #[error(
        "{place}: {written} does not agree with {switch} = {enabled}; write the scheme that does, or none, or {} {switch}",
        if *enabled { "unset" } else { "set" },
        switch = switch.path
    )]
    Scheme {
        /// The list.
        key: &'static Key,
        /// Where it was written.
        place: Source,
        /// The contact point as written.
        written: String,
        /// The switch.
        switch: &'static Key,
        /// What it says.
        enabled: bool,
    },
    /// A list or a mapping where one value belongs, or a mapping within a list.
    #[error("{place}: {path} takes {expected}")]
    Shape {
        /// The path as written.
        path: String,
        /// Where it was written.
        place: Source,
        /// What belongs there.
        expected: &'static str,
    },
    /// A join token that cannot be used. It is not repeated.
    #[error("{}: {cause}; `openssl rand -hex 32` makes a good one", at(key, place))]
    Token {
        /// The key.
        key: &'static Key,
        /// Who set it.
        place: Source,
        /// What is wrong with it.
        cause: TokenError,
    },
    /// Two contact points with different tokens.
    #[error("{place}: {} has another token than an element before it; a cluster has one", key.path)]
    Tokens {
        /// The list.
        key: &'static Key,
        /// Where the second one was written.
        place: Source,
    },
    /// A connection would be given up before anybody had asked for a sign of life on it.
    #[error(
        "{}: not longer than {}; raise it, or lower the other",
        at(key, place),
        interval.path
    )]
    HeartbeatTooLate {
        /// The time-out's key.
        key: &'static Key,
        /// Who set it.
        place: Source,
        /// The interval's key.
        interval: &'static Key,
    },
    /// The port plus ten times the offset is no port.
    #[error(
        "{}: {offset}: {} is {port}, and ten times the offset more than that is above 65535; lower one of them",
        at(offset_key, place),
        key.path
    )]
    PortTooLarge {
        /// The port's key.
        key: &'static Key,
        /// The port.
        port: u16,
        /// The offset's key.
        offset_key: &'static Key,
        /// The offset.
        offset: u16,
        /// Who set the offset.
        place: Source,
    },
    /// A setting this version has no code for.
    #[error(
        "{}: {value:?} is not available in this version; remove it{}",
        at(key, place),
        default_of(key)
    )]
    Unavailable {
        /// The key.
        key: &'static Key,
        /// Who set it.
        place: Source,
        /// The value as written; masked where secret.
        value: String,
    },
    /// A name that is neither ours nor Zeebe's.
    #[error(
        "{place}: {}; did you mean {}?",
        unknown(place, name),
        suggestion(place, nearest)
    )]
    UnknownName {
        /// The name as written.
        name: String,
        /// Where it was written.
        place: Source,
        /// The nearest known one.
        nearest: &'static Key,
    },
    /// A value that its key does not take.
    #[error("{}: {value:?}: {cause}; accepted: {accepted}", at(key, place), accepted = key.row.kind)]
    Value {
        /// The key.
        key: &'static Key,
        /// Who set it.
        place: Source,
        /// The value as written; masked where secret.
        value: String,
        /// What is wrong with it.
        cause: ValueError,
    },
}

/// Something to tell the operator that does not keep the node from starting.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// A key that has a successor.
    #[error("{}: deprecated; use {instead}", at(key, place))]
    Deprecated {
        /// The key.
        key: &'static Key,
        /// Who set it.
        place: Source,
        /// The path of the successor.
        instead: String,
    },
    /// An empty variable, which leaves the default in force.
    #[error("{place} is empty, so {key} has {}", default_or_none(key), key = key.path)]
    EmptyVariable {
        /// The key.
        key: &'static Key,
        /// The variable.
        place: Source,
    },
    /// A key of Zeebe's that means nothing here.
    #[error("{place}: {path} is Zeebe's; Phalanx has no use for it")]
    Foreign {
        /// The path.
        path: String,
        /// Who set it.
        place: Source,
    },
    /// A name outside of the checked prefixes that looks like a known one.
    #[error(
        "{place}: {name} is not read by Phalanx; did you mean {}?",
        suggestion(place, nearest)
    )]
    Misspelled {
        /// The name as written.
        name: String,
        /// Where it was written.
        place: Source,
        /// The known one.
        nearest: &'static Key,
    },
    /// A node id beyond the configured cluster size.
    #[error(
        "{place}: zeebe.broker.cluster.nodeId is {node_id}, but the cluster has {size} brokers, numbered from 0"
    )]
    NodeIdBeyondSize {
        /// Who set the node id.
        place: Source,
        /// The node id.
        node_id: i64,
        /// The cluster size.
        size: i64,
    },
    /// Everything that is set is meant for the other kind of node.
    #[error("nothing is set under zeebe.{section}, but {place} is, under zeebe.{}; is this a {section}?", other(*section))]
    OtherSection {
        /// The section in use.
        section: Role,
        /// One of the settings of the other one.
        place: Source,
    },
    /// A variable whose key another spelling has already set.
    #[error("{place} is ignored: {winner} sets the same key")]
    Overruled {
        /// The one that lost.
        place: Source,
        /// The one that won.
        winner: Source,
    },
    /// TLS paths are set while TLS is off.
    #[error(
        "{}: configured but not in force, since {enabled} is false",
        at(key, place)
    )]
    PathWithoutTls {
        /// The path's key.
        key: &'static Key,
        /// Who set it.
        place: Source,
        /// The path of the switch.
        enabled: String,
    },
    /// A probe takes longer than the time between two.
    #[error(
        "{path} is more than a third of the probe interval, which is lengthened to three times the time-out"
    )]
    ProbeIntervalLengthened {
        /// The time-out's path.
        path: &'static str,
    },
}

/// What stands for a secret wherever it would be printed.
pub const MASK: &str = "******";

/// The longest value that is shown whole, in characters.
const SHOWN_LEN_MAX: usize = 80;

/// `value` as it may be shown: masked where secret, shortened where long.
pub(super) fn shown(key: &Key, value: &str) -> String {
    if key.row.is_secret {
        return MASK.to_owned();
    }
    let value = match key.row.kind {
        Kind::ContactPoint => contact::masked(value),
        _ => value.to_owned(),
    };
    match value.char_indices().nth(SHOWN_LEN_MAX) {
        Some((end, _)) => format!("{}...", &value[..end]),
        None => value,
    }
}

/// The place first, then the key, with its variable where the place is not one.
fn at(key: &Key, place: &Source) -> String {
    match place {
        Source::Environment { .. } => format!("{place}: {}", key.path),
        _ => format!("{place}: {} ({})", key.path, key.variable),
    }
}

fn other(section: Role) -> Role {
    match section {
        Role::Broker => Role::Gateway,
        Role::Gateway => Role::Broker,
    }
}

fn unknown(place: &Source, name: &str) -> String {
    match place {
        Source::Environment { .. } => "unknown variable".to_owned(),
        _ => format!("unknown key {name}"),
    }
}

/// A variable for a variable, a key for a key.
fn suggestion<'k>(place: &Source, key: &'k Key) -> &'k str {
    match place {
        Source::Environment { .. } => &key.variable,
        _ => &key.path,
    }
}

fn default_or_none(key: &Key) -> String {
    match key.row.default {
        "" => "no value".to_owned(),
        default => format!("its default, {default}"),
    }
}

fn default_of(key: &Key) -> String {
    match key.row.default {
        "" => String::new(),
        default => format!(" or set {default}"),
    }
}

fn lines(problems: &[impl fmt::Display]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// `key (variable) is`, or both, which are.
fn missing(keys: &[&Key]) -> String {
    let named = |key: &&Key| format!("{} ({})", key.path, key.variable);
    let names: Vec<_> = keys.iter().map(named).collect();
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", names.join(" and "))
}
