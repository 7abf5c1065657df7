//! [`IdentityRules`]: whom a certificate may stand for, once a path leads from it to a trust anchor.
//!
//! Without a rule, any certificate that leads to trust will do, for any member. With rules, one that matches is enough,
//! whichever it is: so identities migrate, the old and the new form side by side. What no rule mentions is not checked.
//!
//! `{memberId}` in a rule stands for the id that the peer claims, inserted so that nothing in it has a meaning of its own.
//! That id is known when the peer introduces itself, behind the handshake. A rule with it cannot match before; so in the
//! handshake a certificate that only such a rule could match passes, and its introduction is judged.
//!
//! Sources: RFC 6125 §6.4 (host names), SPIFFE X509-SVID §2 (one URI), RFC 3986 §2.3 (what needs no escape in a URI).

use std::fmt;

use regex::{Regex, RegexBuilder};
use rustls::pki_types::CertificateDer;
use thiserror::Error;

use super::names::{Names, server_name};
use super::verify_error::VerifyError;

/// Whom a peer's certificate may stand for. Rules are texts as people write them; see [`RuleKind::check`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentityOptions {
    /// Regular expressions, each for the whole of the subject's only common name.
    pub common_name: Vec<String>,
    /// DNS names, of which the subjectAltName must have one, literally or by a wildcard of its own.
    pub dns: Vec<String>,
    /// IP addresses, of which the subjectAltName must have one.
    pub ip: Vec<String>,
    /// URIs, such as SPIFFE ids, of which one must be the subjectAltName's only URI.
    pub uri: Vec<String>,
    /// Whether the certificate must name the host by which the peer is reached: that of the contact point dialled, and
    /// that which the peer's introduction advertises.
    pub hostname_verification: HostnameVerification,
}

/// Whether a certificate must name the host by which its owner is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HostnameVerification {
    /// No: certificates of a cluster's own authority often name none.
    #[default]
    Off,
    /// If it names any host at all.
    IfPresent,
    /// Yes.
    Require,
}

/// What a rule is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RuleKind {
    /// The subject's common name.
    CommonName,
    /// A DNS name of the subjectAltName.
    Dns,
    /// An IP address of the subjectAltName.
    Ip,
    /// The URI of the subjectAltName.
    Uri,
}

impl IdentityOptions {
    /// Judges whom a certificate may stand for, wherever it comes from: this says nothing of who issued it.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] if the rules do not let it stand for what is claimed.
    ///
    /// # Panics
    ///
    /// If a rule is not one that [`RuleKind::check`] lets pass.
    pub fn judge(
        &self,
        certificate: &CertificateDer<'static>,
        claim: &Claim<'_>,
    ) -> Result<(), VerifyError> {
        let rules = IdentityRules::new(self).expect("rules are checked where they are read");
        let names = Names::of(certificate);
        let subject = names.common_name().unwrap_or("(no name)");
        rules.judge(&format!("CN={}", subject.escape_debug()), &names, claim)
    }
}

/// What is wrong with a rule. It is the operator's to mend.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RuleError {
    /// Not a DNS name.
    #[error("it is not a DNS name")]
    Dns,
    /// Not an IP address.
    #[error("it is not an IP address")]
    Ip,
    /// A regular expression that does not compile, or would be too large.
    #[error("it is not a regular expression: {0}")]
    Pattern(String),
    /// Not a URI.
    #[error("it is not a URI such as spiffe://trust.domain/path")]
    Uri,
}

/// What a peer says of itself, as far as it is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Claim<'a> {
    /// Its member id; none before its introduction.
    pub member_id: Option<&'a str>,
    /// The hosts by which it is reached, one of which its certificate must name where host names are verified. Empty: none
    /// is known.
    pub hosts: &'a [String],
}

/// The rules, compiled.
#[derive(Clone, Debug, Default)]
pub(super) struct IdentityRules {
    rules: Vec<Rule>,
    hostname_verification: HostnameVerification,
}

#[derive(Clone, Debug)]
struct Rule {
    kind: RuleKind,
    text: String,
    /// For a pattern without `{memberId}`.
    pattern: Option<Regex>,
}

impl RuleKind {
    /// The key of its list, under the `security` section.
    #[must_use]
    pub const fn setting(self) -> &'static str {
        match self {
            Self::CommonName => "peerIdentity.commonName",
            Self::Dns => "peerIdentity.dns",
            Self::Ip => "peerIdentity.ip",
            Self::Uri => "peerIdentity.uri",
        }
    }

    /// Checks a rule of this kind.
    ///
    /// # Errors
    ///
    /// [`RuleError`] if it could never match.
    pub fn check(self, rule: &str) -> Result<(), RuleError> {
        Rule::new(self, rule).map(|_| ())
    }
}

impl fmt::Display for RuleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::CommonName => "common name",
            Self::Dns => "DNS name",
            Self::Ip => "IP address",
            Self::Uri => "URI",
        })
    }
}

impl IdentityRules {
    /// Compiles the rules.
    ///
    /// # Errors
    ///
    /// Which rule is wrong, and what is wrong with it.
    pub(super) fn new(options: &IdentityOptions) -> Result<Self, (RuleKind, String, RuleError)> {
        let lists = [
            (RuleKind::CommonName, &options.common_name),
            (RuleKind::Dns, &options.dns),
            (RuleKind::Ip, &options.ip),
            (RuleKind::Uri, &options.uri),
        ];
        let texts = lists
            .into_iter()
            .flat_map(|(kind, texts)| texts.iter().map(move |text| (kind, text)));
        let rules = texts
            .map(|(kind, text)| Rule::new(kind, text).map_err(|error| (kind, text.clone(), error)));
        Ok(Self {
            rules: rules.collect::<Result<_, _>>()?,
            hostname_verification: options.hostname_verification,
        })
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether some rules bind the certificate to the member id and others do not, so that the others undo it.
    pub(super) fn bind_ids_in_part(&self) -> bool {
        let binding = self.rules.iter().filter(|rule| rule.has_member_id());
        (1..self.rules.len()).contains(&binding.count())
    }

    /// Patterns with a dot that stands for any character, where a name's own dot was likely meant.
    pub(super) fn loose_patterns(&self) -> impl Iterator<Item = &str> {
        let patterns = self
            .rules
            .iter()
            .filter(|rule| rule.kind == RuleKind::CommonName);
        patterns
            .map(|rule| rule.text.as_str())
            .filter(|text| has_loose_dot(text))
    }

    /// Judges whom the certificate of `subject` may stand for.
    pub(super) fn judge(
        &self,
        subject: &str,
        names: &Names,
        claim: &Claim<'_>,
    ) -> Result<(), VerifyError> {
        let is_known = claim.member_id.is_some();
        let may_match =
            |rule: &Rule| rule.matches(names, claim.member_id) || !is_known && rule.has_member_id();
        if !self.rules.is_empty() && !self.rules.iter().any(may_match) {
            return Err(VerifyError::IdentityMismatch {
                subject: subject.to_owned(),
                names: names.to_string(),
                rules: self.to_string(),
            });
        }
        self.judge_host(subject, names, claim.hosts)
    }

    fn judge_host(
        &self,
        subject: &str,
        names: &Names,
        hosts: &[String],
    ) -> Result<(), VerifyError> {
        let is_asked = match self.hostname_verification {
            HostnameVerification::Off => false,
            HostnameVerification::IfPresent => names.has_hosts(),
            HostnameVerification::Require => true,
        };
        let is_named = |host: &String| server_name(host).is_some_and(|host| names.has_host(&host));
        if !is_asked || hosts.is_empty() || hosts.iter().any(is_named) {
            return Ok(());
        }
        Err(VerifyError::HostMismatch {
            subject: subject.to_owned(),
            names: names.to_string(),
            hosts: hosts.join(" or "),
        })
    }

    /// The rules that vouch for whoever shows these names as this member, as they were given.
    pub(super) fn matching(&self, names: &Names, member_id: &str) -> Vec<String> {
        let matching = self
            .rules
            .iter()
            .filter(|rule| rule.matches(names, Some(member_id)));
        matching
            .map(|rule| format!("{}: {}", rule.kind.setting(), rule.text))
            .collect()
    }

    /// Whether a rule with `{memberId}` vouches for this id.
    pub(super) fn bind(&self, names: &Names, member_id: &str) -> bool {
        let mut binding = self.rules.iter().filter(|rule| rule.has_member_id());
        binding.any(|rule| rule.matches(names, Some(member_id)))
    }
}

impl fmt::Display for IdentityRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rule) in self.rules.iter().enumerate() {
            let or = if index > 0 { ", or " } else { "" };
            write!(f, "{or}{} `{}`", rule.kind, rule.text)?;
        }
        Ok(())
    }
}

impl Rule {
    fn new(kind: RuleKind, text: &str) -> Result<Self, RuleError> {
        let mut rule = Self {
            kind,
            text: text.to_owned(),
            pattern: None,
        };
        let sample = rule.inserted("x").expect("a label of one letter is sound");
        match kind {
            RuleKind::CommonName => {
                let pattern = whole(&sample)?;
                rule.pattern = (!rule.has_member_id()).then_some(pattern);
            }
            RuleKind::Dns if !is_dns(&sample) => return Err(RuleError::Dns),
            RuleKind::Ip if text.parse::<std::net::IpAddr>().is_err() => return Err(RuleError::Ip),
            RuleKind::Uri if !is_uri(&sample) => return Err(RuleError::Uri),
            RuleKind::Dns | RuleKind::Ip | RuleKind::Uri => {}
        }
        Ok(rule)
    }

    fn has_member_id(&self) -> bool {
        self.text.contains(MEMBER_ID)
    }

    fn matches(&self, names: &Names, member_id: Option<&str>) -> bool {
        let rule = match (self.has_member_id(), member_id) {
            (false, _) => self.text.clone(),
            (true, Some(id)) => match self.inserted(id) {
                Some(rule) => rule,
                None => return false,
            },
            (true, None) => return false,
        };
        match self.kind {
            RuleKind::CommonName => names.common_name().is_some_and(|name| match &self.pattern {
                Some(pattern) => pattern.is_match(name),
                None => whole(&rule).is_ok_and(|pattern| pattern.is_match(name)),
            }),
            RuleKind::Dns | RuleKind::Ip => {
                server_name(&rule).is_some_and(|host| names.has_host(&host))
            }
            RuleKind::Uri => names.uri() == Some(&rule),
        }
    }

    /// The rule with the id in its place, escaped; none where an id cannot stand there.
    fn inserted(&self, id: &str) -> Option<String> {
        let escaped = match self.kind {
            RuleKind::CommonName => regex::escape(id),
            // A dot would be another label, an asterisk more than one name.
            RuleKind::Dns if !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') => {
                return None;
            }
            RuleKind::Dns | RuleKind::Ip => id.to_owned(),
            RuleKind::Uri => percent_encoded(id),
        };
        Some(self.text.replace(MEMBER_ID, &escaped))
    }
}

/// A pattern that covers the whole value, whatever alternatives it has.
fn whole(pattern: &str) -> Result<Regex, RuleError> {
    // Compiled by itself first: what has an unpaired bracket must not find its other half in ours.
    let compile = |pattern: &str| {
        RegexBuilder::new(pattern)
            .size_limit(PATTERN_LEN_MAX)
            .build()
    };
    compile(pattern)
        .and_then(|_| compile(&format!(r"\A(?:{pattern})\z")))
        .map_err(|error| {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            RuleError::Pattern(last.trim_start_matches("error: ").to_owned())
        })
}

fn is_dns(text: &str) -> bool {
    use rustls::pki_types::ServerName;
    matches!(server_name(text), Some(ServerName::DnsName(_)))
}

fn is_uri(text: &str) -> bool {
    let is_sound = text.bytes().all(|byte| byte.is_ascii_graphic());
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    is_sound && scheme.is_some_and(|scheme| scheme.starts_with(|c: char| c.is_ascii_alphabetic()))
}

fn percent_encoded(id: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    id.bytes().map(encode).collect()
}

/// A dot outside brackets that nothing escapes or repeats.
fn has_loose_dot(pattern: &str) -> bool {
    let bytes = pattern.as_bytes();
    let (mut index, mut depth) = (0, 0_usize);
    while index < bytes.len() {
        match bytes[index] {
            b'\\' => index += 1,
            b'[' => depth += 1,
            b']' => depth = depth.saturating_sub(1),
            b'.' if depth == 0 => {
                let repeated = bytes.get(index + 1);
                if !repeated.is_some_and(|byte| b"*+?{".contains(byte)) {
                    return true;
                }
            }
            _ => {}
        }
        index += 1;
    }
    false
}

/// What stands for the claimed id in a rule.
const MEMBER_ID: &str = "{memberId}";
/// How large a pattern may become, in bytes: more than any name asks for.
const PATTERN_LEN_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_checked_before_they_are_used() {
        for (kind, rule, is_sound) in [
            (RuleKind::CommonName, r"node-\d+\.worker", true),
            (RuleKind::CommonName, "node-{memberId}", true),
            (RuleKind::CommonName, "a)(b", false),
            (RuleKind::CommonName, "a{9999}{9999}", false),
            (RuleKind::Dns, "{memberId}.cluster.local", true),
            (RuleKind::Dns, "127.0.0.1", false),
            (RuleKind::Dns, "a b", false),
            (RuleKind::Ip, "::1", true),
            (RuleKind::Ip, "{memberId}", false),
            (RuleKind::Uri, "spiffe://a/{memberId}", true),
            (RuleKind::Uri, "a/b", false),
            (RuleKind::Uri, "spiffe://a/b c", false),
        ] {
            assert_eq!(kind.check(rule).is_ok(), is_sound, "{kind} {rule}");
        }
    }

    /// JOIN: an id has no meaning of its own inside a rule, whatever characters it has.
    #[test]
    fn an_id_is_inserted_escaped() {
        let inserted = |kind, rule: &str, id| Rule::new(kind, rule).unwrap().inserted(id);
        for (kind, rule, id, expected) in [
            (
                RuleKind::CommonName,
                "n-{memberId}",
                ".*|x",
                Some(r"n-\.\*\|x"),
            ),
            (RuleKind::Dns, "{memberId}.a", "b", Some("b.a")),
            (RuleKind::Dns, "{memberId}.a", "b.c", None),
            (RuleKind::Dns, "{memberId}.a", "*", None),
            (
                RuleKind::Uri,
                "s://a/{memberId}",
                "../b?c",
                Some("s://a/..%2Fb%3Fc"),
            ),
        ] {
            assert_eq!(inserted(kind, rule, id).as_deref(), expected, "{rule} {id}");
        }
    }

    /// R56.
    #[test]
    fn a_dot_that_was_likely_meant_literally_is_seen() {
        for (pattern, is_loose) in [
            ("node-1.worker", true),
            (r"node-1\.worker", false),
            ("node-.*", false),
            ("node-.+", false),
            ("[.]x", false),
            (r"\\.x", true),
        ] {
            assert_eq!(has_loose_dot(pattern), is_loose, "{pattern}");
        }
    }
}
