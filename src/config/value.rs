//! [`Kind`] and [`Value`]: what a key takes, and what a text became.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::contact::Contact;
use super::parse;
use crate::member::contact::{self, ContactPointError, HostError};
use crate::member::{MemberId, MemberIdError};
use crate::trust::{RuleError, RuleKind, Secret};

/// What a key takes: its type and range, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true`, `on`, `yes`, `1` or their opposites.
    Bool,
    /// One of these words; case, dashes and underscores do not matter.
    Choice(&'static [&'static str]),
    /// `host:port`.
    ContactPoint,
    /// A DNS name or an IP address that others can reach, so no wildcard.
    AdvertisedHost,
    /// A length of time.
    Duration {
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// A DNS name or an IP address to bind to.
    BindHost,
    /// A whole number.
    Int {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// A member id.
    MemberId,
    /// The name of a cluster: 1 to 128 bytes, as many as a connection's first message has room for.
    Name,
    /// A file's path; relative ones start from the working directory.
    Path,
    /// A number of bytes.
    Size {
        /// The least, in bytes.
        min: u64,
        /// The greatest, in bytes.
        max: u64,
    },
    /// A rule for whom a peer's certificate may stand for.
    Rule(RuleKind),
    /// Any text.
    Text,
}

/// A checked scalar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Of [`Kind::Bool`].
    Bool(bool),
    /// Of [`Kind::Choice`], spelled as the kind spells it.
    Choice(&'static str),
    /// Of [`Kind::ContactPoint`].
    ContactPoint(Contact),
    /// Of [`Kind::Duration`].
    Duration(Duration),
    /// Of [`Kind::Int`].
    Int(i64),
    /// Of [`Kind::MemberId`].
    MemberId(MemberId),
    /// Of a secret key, whatever its kind.
    Secret(Secret),
    /// Of [`Kind::Size`], in bytes.
    Size(u64),
    /// Of [`Kind::AdvertisedHost`] or [`Kind::BindHost`] (without brackets), [`Kind::Name`], [`Kind::Path`],
    /// [`Kind::Rule`] or [`Kind::Text`].
    Text(String),
}

/// Why a text is not a value of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// Not a contact point.
    #[error(transparent)]
    ContactPoint(#[from] ContactPointError),
    /// Not a host.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Not a member id.
    #[error(transparent)]
    MemberId(#[from] MemberIdError),
    /// Of the right type, but too small or too large.
    #[error("out of range")]
    OutOfRange,
    /// A duration without a unit, too short for the key.
    #[error("a number without a unit is milliseconds; write {0}s for seconds")]
    OutOfRangeMillis(i128),
    /// Not a rule that could match.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// Not of the type at all.
    #[error("not {0}")]
    Type(&'static str),
}

impl Kind {
    /// Checks `text`, which is not empty.
    ///
    /// # Errors
    ///
    /// [`ValueError`] when the text is of another type or out of range.
    pub fn parse(self, text: &str) -> Result<Value, ValueError> {
        let wrong_type = || ValueError::Type(self.noun());
        Ok(match self {
            Self::AdvertisedHost => match contact::host(text)? {
                host if is_wildcard(host) => return Err(HostError::Wildcard.into()),
                host => Value::Text(host.to_owned()),
            },
            Self::Bool => Value::Bool(parse::boolean(text).ok_or_else(wrong_type)?),
            Self::Choice(choices) => {
                Value::Choice(parse::choice(text, choices).ok_or_else(wrong_type)?)
            }
            Self::ContactPoint => Value::ContactPoint(text.parse()?),
            Self::Duration { min, max } => {
                let nanos = parse::duration(text).ok_or_else(wrong_type)?;
                Value::Duration(duration_within(text, nanos, min, max)?)
            }
            Self::BindHost => Value::Text(contact::host(text)?.to_owned()),
            Self::Int { min, max } => {
                let number = parse::integer(text).ok_or_else(wrong_type)?;
                Value::Int(within(number, min, max)?)
            }
            Self::MemberId => Value::MemberId(MemberId::new(text)?),
            Self::Name if text.len() > NAME_LEN_MAX => return Err(ValueError::OutOfRange),
            Self::Rule(kind) => {
                kind.check(text)?;
                Value::Text(text.to_owned())
            }
            Self::Name | Self::Path | Self::Text => Value::Text(text.to_owned()),
            Self::Size { min, max } => {
                let bytes = parse::size(text).ok_or_else(wrong_type)?;
                Value::Size(within(bytes, min, max)?)
            }
        })
    }

    /// What is accepted in a few words, for tables: `1ms to 1h`, `tcp, quic`, `path`.
    #[must_use]
    pub fn brief(self) -> String {
        match self {
            Self::Bool => "true, false".to_owned(),
            Self::Choice(choices) => choices.join(", "),
            Self::ContactPoint => "host:port".to_owned(),
            Self::Duration { min, max } => {
                let (min, max) = (parse::show_duration(min), parse::show_duration(max));
                format!("{min} to {max}")
            }
            Self::AdvertisedHost | Self::BindHost => "host".to_owned(),
            Self::Int { min, max } => format!("{min} to {max}"),
            Self::MemberId => "1 to 64 characters".to_owned(),
            Self::Name => format!("1 to {NAME_LEN_MAX} bytes"),
            Self::Path => "path".to_owned(),
            Self::Rule(RuleKind::CommonName) => "regular expression".to_owned(),
            Self::Rule(kind) => kind.to_string(),
            Self::Size { min, max } => {
                format!("{} to {}", parse::show_size(min), parse::show_size(max))
            }
            Self::Text => "text".to_owned(),
        }
    }

    /// The type's name with its article, as in "not a whole number".
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Choice(_) => "one of the accepted words",
            Self::ContactPoint => "a contact point",
            Self::Duration { .. } => "a duration",
            Self::AdvertisedHost | Self::BindHost => "a host",
            Self::Int { .. } => "a whole number",
            Self::MemberId => "a member id",
            Self::Name => "a name",
            Self::Path => "a path",
            Self::Rule(_) => "a rule",
            Self::Size { .. } => "a size",
            Self::Text => "a text",
        }
    }
}

impl fmt::Display for Kind {
    /// What is accepted, for error messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Bool => f.write_str("true or false"),
            Self::Choice(choices) => f.write_str(&choices.join(", ")),
            Self::ContactPoint => f.write_str(
                "host:port, IPv6 as [::1]:26502, with tls:// or tcp:// before it if you like",
            ),
            Self::Duration { min, max } => {
                let (min, max) = (parse::show_duration(min), parse::show_duration(max));
                write!(
                    f,
                    "a duration from {min} to {max}, written 250ms, 10s, 5m or PT1.5S"
                )
            }
            Self::AdvertisedHost => f.write_str("a host name or an IP address, no wildcard"),
            Self::BindHost => f.write_str("a host name or an IP address"),
            Self::Int { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::MemberId => f.write_str("1 to 64 printable ASCII characters without spaces"),
            Self::Name => write!(f, "a name of 1 to {NAME_LEN_MAX} bytes"),
            Self::Rule(RuleKind::CommonName) => {
                f.write_str(r"a regular expression for the whole common name, as node-\d+\.zeebe")
            }
            Self::Rule(RuleKind::Dns) => f.write_str("a DNS name"),
            Self::Rule(RuleKind::Ip) => f.write_str("an IP address"),
            Self::Rule(RuleKind::Uri) => f.write_str("a URI, as spiffe://trust.domain/path"),
            Self::Path => f.write_str("a path, relative to the working directory or absolute"),
            Self::Size { min, max } => {
                let (min, max) = (parse::show_size(min), parse::show_size(max));
                write!(
                    f,
                    "a size from {min} to {max}; units B, KB, MB, GB, TB in capitals"
                )
            }
            Self::Text => f.write_str("text"),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Choice(word) => f.write_str(word),
            Self::ContactPoint(point) => point.fmt(f),
            Self::Duration(duration) => f.write_str(&parse::show_duration(*duration)),
            Self::Int(number) => number.fmt(f),
            Self::MemberId(id) => id.fmt(f),
            Self::Secret(secret) => secret.fmt(f),
            Self::Size(bytes) => f.write_str(&parse::show_size(*bytes)),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Serialize for Value {
    /// Truth values and whole numbers as such, everything else as text.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(number) => serializer.serialize_i64(*number),
            other => serializer.collect_str(other),
        }
    }
}

/// The longest [`Kind::Name`], in bytes.
const NAME_LEN_MAX: usize = 128;

fn within<T>(number: i128, min: T, max: T) -> Result<T, ValueError>
where
    T: TryFrom<i128> + PartialOrd,
{
    T::try_from(number)
        .ok()
        .filter(|checked| (&min..=&max).contains(&checked))
        .ok_or(ValueError::OutOfRange)
}

/// A bare number below `min` was most likely meant as seconds, which deserves its own words.
fn duration_within(
    text: &str,
    nanos: i128,
    min: Duration,
    max: Duration,
) -> Result<Duration, ValueError> {
    let (least, most) = (min.as_nanos().cast_signed(), max.as_nanos().cast_signed());
    if (least..=most).contains(&nanos) {
        let nanos = u64::try_from(nanos).map_err(|_| ValueError::OutOfRange)?;
        return Ok(Duration::from_nanos(nanos));
    }
    match parse::integer(text) {
        Some(number) if number > 0 && nanos < least => Err(ValueError::OutOfRangeMillis(number)),
        _ => Err(ValueError::OutOfRange),
    }
}

/// Whether `host` is `0.0.0.0` or `::`.
pub(super) fn is_wildcard(host: &str) -> bool {
    host.parse::<IpAddr>()
        .is_ok_and(|address| address.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_include_both_ends() {
        let int = Kind::Int {
            min: -1,
            max: 65_535,
        };
        let duration = Kind::Duration {
            min: Duration::from_millis(500),
            max: Duration::from_secs(300),
        };
        let size = Kind::Size {
            min: 1_024,
            max: 1 << 30,
        };
        for (kind, text, expected) in [
            (int, "-1", Ok(Value::Int(-1))),
            (int, "65535", Ok(Value::Int(65_535))),
            (int, "007", Ok(Value::Int(7))),
            (int, "-2", Err(ValueError::OutOfRange)),
            (int, "65536", Err(ValueError::OutOfRange)),
            (int, "a", Err(ValueError::Type("a whole number"))),
            (int, "1.0", Err(ValueError::Type("a whole number"))),
            (
                duration,
                "500ms",
                Ok(Value::Duration(Duration::from_millis(500))),
            ),
            (
                duration,
                "5m",
                Ok(Value::Duration(Duration::from_secs(300))),
            ),
            (duration, "15", Err(ValueError::OutOfRangeMillis(15))),
            (duration, "-5s", Err(ValueError::OutOfRange)),
            (duration, "301s", Err(ValueError::OutOfRange)),
            (size, "1KB", Ok(Value::Size(1_024))),
            (size, "1GB", Ok(Value::Size(1 << 30))),
            (size, "1023", Err(ValueError::OutOfRange)),
            (size, "-1", Err(ValueError::OutOfRange)),
            (size, "4mb", Err(ValueError::Type("a size"))),
        ] {
            assert_eq!(kind.parse(text), expected, "{kind:?} {text:?}");
        }
    }
}
