//! [`Contact`]: a contact point with the scheme it may have.

use std::fmt;
use std::str::FromStr;

use crate::member::{ContactPoint, ContactPointError};

/// A contact point as written: `host:port`, `tcp://host:port` or `tls://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// What it says of TLS. It turns nothing on: it must agree with `security.enabled`.
    pub scheme: Option<Scheme>,
    /// Where.
    pub point: ContactPoint,
}

/// Whether a contact point is said to run TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `tcp://`: it does not.
    Tcp,
    /// `tls://`: it does.
    Tls,
}

impl FromStr for Contact {
    type Err = ContactPointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("tcp") => (Some(Scheme::Tcp), rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("tls") => (Some(Scheme::Tls), rest),
            _ => (None, text),
        };
        let point = rest.parse()?;
        Ok(Self { scheme, point })
    }
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scheme {
            Some(scheme) => write!(f, "{scheme}://{}", self.point),
            None => self.point.fmt(f),
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        })
    }
}
