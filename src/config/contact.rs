//! [`Contact`]: a contact point with the scheme and the join token it may have.

use std::fmt;
use std::str::FromStr;

use super::error::MASK;
use crate::member::{ContactPoint, ContactPointError};
use crate::trust::Secret;

/// A contact point as written: `host:port`, `tcp://host:port` or `tls://host:port`, with `token@` before the host where the
/// join token is given here. A character of the token that means something in a URL is written as `%` and two hexadecimal
/// digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// What it says of TLS. It turns nothing on: it must agree with `security.enabled`.
    pub scheme: Option<Scheme>,
    /// The join token. It is the whole node's, not this contact point's alone.
    pub token: Option<Secret>,
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

/// A contact point's text, right or wrong, without the token in it.
pub(super) fn masked(text: &str) -> String {
    let Some((before, host)) = text.rsplit_once('@') else {
        return text.to_owned();
    };
    match before.split_once("://") {
        Some((scheme, _)) => format!("{scheme}://{MASK}@{host}"),
        None => format!("{MASK}@{host}"),
    }
}

/// The bytes that a token in a URL stands for; `None` if they are no text, or a percent sign is out of place.
fn percent_decoded(text: &str) -> Option<Secret> {
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digit = |digit: u8| char::from(digit).to_digit(16);
                u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()?
            }
            other => other,
        });
    }
    Some(std::str::from_utf8(&bytes).ok()?.into())
}

impl FromStr for Contact {
    type Err = ContactPointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("tcp") => (Some(Scheme::Tcp), rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("tls") => (Some(Scheme::Tls), rest),
            _ => (None, text),
        };
        let (token, host) = match rest.rsplit_once('@') {
            Some((token, host)) => (
                Some(percent_decoded(token).ok_or(ContactPointError::Token)?),
                host,
            ),
            None => (None, rest),
        };
        Ok(Self {
            scheme,
            token,
            point: host.parse()?,
        })
    }
}

impl fmt::Display for Contact {
    /// As written, the token masked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = self.scheme {
            write!(f, "{scheme}://")?;
        }
        if self.token.is_some() {
            write!(f, "{MASK}@")?;
        }
        self.point.fmt(f)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_may_stand_before_the_host_and_is_never_shown() {
        for (text, token, shown) in [
            (
                "tls://s3cr%21t@leader:4200",
                Some("s3cr!t"),
                "tls://******@leader:4200",
            ),
            ("a%40b@[::1]:1", Some("a@b"), "******@[::1]:1"),
            ("a@b@host:1", Some("a@b"), "******@host:1"),
            ("TCP://host:1", None, "tcp://host:1"),
        ] {
            let contact: Contact = text.parse().unwrap();
            assert_eq!(contact.token.as_ref().map(Secret::expose), token, "{text}");
            assert_eq!(contact.to_string(), shown);
            assert!(!format!("{contact:?}").contains("s3cr"));
        }
    }

    #[test]
    fn a_wrong_one_is_shown_without_its_token() {
        for (text, shown) in [
            ("tls://s3cr%2@leader:4200", "tls://******@leader:4200"),
            ("s3cret@leader", "******@leader"),
            ("leader", "leader"),
        ] {
            let error = text.parse::<Contact>().unwrap_err().to_string();
            assert!(!error.contains("s3cr"), "{error}");
            assert_eq!(masked(text), shown);
        }
    }
}
