//! What the application decides about membership: [`Options`], and the names it goes by.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use crate::admission::DialBack;
use crate::member::{MemberId, Role};
use crate::swim::Params;

/// What a node says of itself, and what it demands of others.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who this node is.
    pub local: LocalMember,
    /// The cluster's name; nodes of another name are refused.
    pub cluster: String,
    /// The cluster's id; where both sides configure one, they must agree.
    pub cluster_id: Option<String>,
    /// With TLS: the SHA-256 of this node's end-entity certificate. Without it, everything is plain.
    pub certificate: Option<[u8; 32]>,
    /// Failure detection, dissemination and push-pull.
    pub params: Params,
    /// How long an unproven connection may take, and a push-pull may stand still.
    pub handshake_timeout: Duration,
    /// Whether and where a joiner is dialled back.
    pub dial_back: DialBack,
    /// Whether a node that every contact point refuses for good goes on trying instead of stopping.
    pub join_retry_refused: bool,
}

/// Who a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalMember {
    /// Its id.
    pub id: MemberId,
    /// What kind of node it is.
    pub role: Role,
    /// Where others reach it: TCP, and UDP under the same number.
    pub advertised: SocketAddr,
    /// Whether it has a datagram socket.
    pub udp: bool,
}

/// Where to look for the cluster: a host name or address, and a port. Names are resolved anew at every attempt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContactPoint {
    /// A host name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// The port; never 0.
    pub port: u16,
}

/// Why a text is not a [`ContactPoint`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not host:port (an IPv6 address is written in brackets, as in [::1]:26502)")]
pub struct ContactPointError {
    /// The text.
    pub text: String,
}

impl FromStr for ContactPoint {
    type Err = ContactPointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = || {
            let (host, port) = text.trim().rsplit_once(':')?;
            let port = port.parse::<u16>().ok().filter(|port| *port != 0)?;
            let host = match host.strip_prefix('[') {
                Some(bracketed) => bracketed.strip_suffix(']')?,
                None if host.contains(':') => return None,
                None => host,
            };
            let sound = !host.is_empty()
                && !host.contains(|c: char| c.is_whitespace() || "/@[]".contains(c));
            sound.then(|| Self {
                host: host.to_owned(),
                port,
            })
        };
        parsed().ok_or_else(|| ContactPointError {
            text: text.to_owned(),
        })
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
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contact_points_are_host_and_port() {
        for (text, host, port) in [
            ("127.0.0.1:26502", "127.0.0.1", 26502),
            ("zeebe-0.zeebe:1", "zeebe-0.zeebe", 1),
            (" [::1]:26502 ", "::1", 26502),
        ] {
            let contact: ContactPoint = text.parse().unwrap();
            assert_eq!((contact.host.as_str(), contact.port), (host, port));
            assert_eq!(contact.to_string(), text.trim());
        }
        for text in [
            "",
            "host",
            ":1",
            "host:0",
            "host:65536",
            "::1:26502",
            "[::1]",
            "tls://host:1",
            "a b:1",
        ] {
            assert!(text.parse::<ContactPoint>().is_err(), "{text:?}");
        }
    }
}
