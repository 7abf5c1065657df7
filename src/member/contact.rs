//! Hosts and [`ContactPoint`]s as people write them.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// Where to look for the cluster: a host name or an IP address, and a TCP port. Names are resolved anew at every attempt.
///
/// Written `host:port`; an IPv6 address stands in brackets, `[2001:db8::1]:26502`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContactPoint {
    /// A DNS name or an IP address, without brackets.
    pub host: String,
    /// The port, never 0.
    pub port: u16,
}

/// Why a text is not a [`ContactPoint`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContactPointError {
    /// The host is not a name or an address.
    #[error(transparent)]
    Host(#[from] HostError),
    /// No port.
    #[error("no port; write {host}:26502")]
    NoPort {
        /// The host as written.
        host: String,
    },
    /// The port is not a number from 1 to 65535.
    #[error("port {port:?} is not a number from 1 to 65535")]
    Port {
        /// The port as written.
        port: String,
    },
    /// A join token before the host, or what cannot be one.
    #[error(
        "what stands before @ is not a join token that can be read here; give it as the node's token"
    )]
    Token,
    /// A URL instead of host and port.
    #[error("{scheme}:// is no scheme of a contact point; write host:port alone")]
    Scheme {
        /// The scheme as written.
        scheme: String,
    },
    /// An IPv6 address without brackets.
    #[error("an IPv6 address stands in brackets before the port, as in [::1]:26502")]
    Unbracketed,
}

/// Why a text is not a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// A character that neither names nor addresses have.
    #[error("character {0:?} does not belong in a host")]
    Character(char),
    /// Nothing at all.
    #[error("the host is empty")]
    Empty,
    /// Brackets around something else than an IPv6 address, or a colon outside of one.
    #[error("not an IPv6 address, and nothing else has brackets or colons")]
    NotIpv6,
    /// `0.0.0.0` or `::` where others are to reach a node.
    #[error("a wildcard address is good for binding only")]
    Wildcard,
}

/// The host that `text` names, without the brackets an IPv6 address may have.
pub(crate) fn host(text: &str) -> Result<&str, HostError> {
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').ok_or(HostError::NotIpv6)?,
        None => text,
    };
    if bare.is_empty() {
        return Err(HostError::Empty);
    }
    if bare.len() < text.len() || bare.contains(':') {
        return is_ipv6(bare).then_some(bare).ok_or(HostError::NotIpv6);
    }
    match bare
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !"-._".contains(*c))
    {
        Some(found) => Err(HostError::Character(found)),
        None => Ok(bare),
    }
}

/// Whether `text` is an IPv6 address, with or without a zone (`fe80::1%eth0`).
fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, "0"));
    !zone.is_empty() && address.parse::<Ipv6Addr>().is_ok()
}

impl FromStr for ContactPoint {
    type Err = ContactPointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some((scheme, _)) = text.split_once("://") {
            let scheme = scheme.to_owned();
            return Err(ContactPointError::Scheme { scheme });
        }
        if text.contains('@') {
            return Err(ContactPointError::Token);
        }
        if is_ipv6(text) || text.rsplit_once(':').is_some_and(|(name, _)| is_ipv6(name)) {
            return Err(ContactPointError::Unbracketed);
        }
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, port),
            _ => {
                let host = text.to_owned();
                return Err(ContactPointError::NoPort { host });
            }
        };
        let host = host(name)?.to_owned();
        match port.parse() {
            Ok(number) if number > 0 && !port.starts_with('+') => Ok(Self { host, port: number }),
            _ => Err(ContactPointError::Port {
                port: port.to_owned(),
            }),
        }
    }
}

impl From<SocketAddr> for ContactPoint {
    fn from(addr: SocketAddr) -> Self {
        Self {
            host: addr.ip().to_string(),
            port: addr.port(),
        }
    }
}

impl fmt::Display for ContactPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contact_points_are_host_and_port() {
        for (text, expected_host, port) in [
            ("127.0.0.1:26502", "127.0.0.1", 26_502),
            ("broker-0.zeebe.svc:1", "broker-0.zeebe.svc", 1),
            ("[::1]:26502", "::1", 26_502),
            ("[fe80::1%eth0]:26502", "fe80::1%eth0", 26_502),
            ("my_host:65535", "my_host", 65_535),
        ] {
            let point: ContactPoint = text.parse().unwrap();
            assert_eq!((point.host.as_str(), point.port), (expected_host, port));
            assert_eq!(point.to_string(), text);
        }
    }

    #[test]
    fn a_wrong_contact_point_says_what_is_wrong() {
        for (text, expected) in [
            ("broker-0", "no port; write broker-0:26502"),
            ("[::1]", "no port"),
            ("::1", "stands in brackets"),
            ("2001:db8::1:26502", "stands in brackets"),
            ("broker-0:0", "\"0\" is not a number from 1 to 65535"),
            ("broker-0:65536", "\"65536\" is not a number from 1"),
            ("broker-0:+1", "\"+1\" is not a number from 1"),
            ("broker-0:", "\"\" is not a number from 1"),
            (":26502", "the host is empty"),
            ("bro ker:26502", "character ' '"),
            ("a:b:1", "not an IPv6 address"),
            ("[broker]:1", "not an IPv6 address"),
            ("tls://broker-0:26502", "tls:// is no scheme"),
            ("t0k3n@broker-0:26502", "before @ is not a join token"),
        ] {
            let error = text.parse::<ContactPoint>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }
}
