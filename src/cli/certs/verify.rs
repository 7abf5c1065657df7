//! `phalanx certs verify`: what a node with certain files would say of a peer.

use std::path::PathBuf;

use clap::ValueEnum;
use serde::Serialize;

use super::{CertsError, fail};
use crate::admin::refused::meaning_and_remedy;
use crate::cli::Exit;
use crate::cli::clock::now;
use crate::cli::config::Section;
use crate::cli::output::{Format, print, print_json};
use crate::cli::start_failure::of_file;
use crate::config;
use crate::member::MemberId;
use crate::node::{NodeConfig, NodeSecurity};
use crate::time::{Timestamp, Utc};
use crate::transport::tls::certificate_code;
use crate::trust::{
    Claim, HostnameVerification, Judged, LoadError, Passphrase, PeerRole, Trust, TrustOptions,
    VerifiedPeer, VerifyError, certificates_of, judge,
};

/// Arguments of `phalanx certs verify`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What the peer presents: its certificate first, as in its chain file.
    #[arg(value_name = "PEER")]
    peer: PathBuf,
    /// The judging node's certificateChainPath.
    #[arg(long, value_name = "FILE", required_unless_present = "config")]
    chain: Option<PathBuf>,
    /// The judging node's privateKeyPath.
    #[arg(long, value_name = "FILE", required_unless_present = "config")]
    key: Option<PathBuf>,
    /// What the judging node's key is encrypted with: the first line of this file.
    #[arg(long, value_name = "FILE")]
    key_password_file: Option<PathBuf>,
    /// The judging node's trustedCertificatesPath.
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// The judging node's configuration, for its files and its rules; the options above win over it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Whose section of the configuration.
    #[arg(long, default_value = "broker")]
    section: Section,
    /// In which role the peer is judged: as the end that was dialled, and as every introduction is, or as the end that dials and
    /// shows a client certificate.
    #[arg(long, default_value = "server")]
    role: End,
    /// Judge as at this time, in seconds since 1970 or as 2026-12-31T00:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<Timestamp>,
    /// A host by which the peer is reached, which its certificate must name.
    #[arg(long, value_name = "HOST")]
    host: Vec<String>,
    /// The member id that the peer claims, for rules with {memberId}.
    #[arg(long, value_name = "ID")]
    id: Option<MemberId>,
    /// How to print.
    #[arg(long, default_value = "human")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum End {
    /// The end that dials.
    Client,
    /// The end that was dialled.
    Server,
}

/// The answer. Where a node would refuse the peer, `code` is what both ends log, and `reason` what the refusing one adds.
#[derive(Serialize)]
struct Verdict {
    ok: bool,
    /// Whose files are at fault: `peer`, or `own` if the judging node would not even start.
    whose: Option<&'static str>,
    code: Option<&'static str>,
    reason: Option<&'static str>,
    detail: Option<String>,
    expected: Option<String>,
    presented: Option<String>,
    remedy: Option<String>,
    subject: Option<String>,
    anchor: Option<Anchor>,
    /// The last moment of the peer's certificate and of all that vouches for it.
    valid_until: Option<String>,
}

/// Which certificate vouched for the peer.
#[derive(Serialize)]
struct Anchor {
    subject: String,
    listed_in: String,
    sha256: String,
    is_peer_itself: bool,
}

/// Runs `phalanx certs verify`.
pub(super) fn run(args: &Args) -> Exit {
    let verdict = match verify(args, now()) {
        Ok(verdict) => verdict,
        Err(error) => return fail(&error),
    };
    let printed = match args.format {
        Format::Human => print(&verdict.human()),
        Format::Json => print_json(&verdict),
    };
    match verdict.ok {
        true => printed,
        false => Exit::CheckFailed,
    }
}

fn verify(args: &Args, now: Timestamp) -> Result<Verdict, CertsError> {
    let options = args.options()?;
    let chain = certificates_of(&args.peer)?;
    let claim = Claim {
        member_id: args.id.as_ref().map(MemberId::as_str),
        hosts: &args.host,
    };
    let at = args.at.unwrap_or(now);
    let role = args.role.into();
    Ok(match judge(&options, &chain, role, &claim, (now, at)) {
        Ok(peer) => Verdict::accepted(&peer),
        Err(Judged::Peer(error)) => {
            let (trust, _) = Trust::load(&options, now)?;
            args.refused(&error, &trust, at)
        }
        Err(Judged::Own(error)) if error.is_unusable() => Verdict::own(&error),
        Err(Judged::Own(error)) => return Err(error.into()),
    })
}

impl Args {
    /// How the judging node is configured.
    fn options(&self) -> Result<TrustOptions, CertsError> {
        let mut options = match &self.config {
            Some(file) => {
                let loaded = config::load(self.section.into(), Some(file), std::iter::empty())?;
                match NodeConfig::from(&loaded.config).security {
                    Some(NodeSecurity::Files(options)) => *options,
                    _ => return Err(CertsError::Plaintext(file.clone())),
                }
            }
            None => TrustOptions::default(),
        };
        if let Some(chain) = &self.chain {
            options.certificate_chain.clone_from(chain);
            options.inline = Default::default();
            options.key_store = None;
        }
        if let Some(key) = &self.key {
            options.private_key.clone_from(key);
        }
        if let Some(file) = &self.key_password_file {
            options.passphrase = Some(Passphrase::File(file.clone()));
        }
        if let Some(file) = &self.trust {
            options.trusted_certificates = Some(file.clone());
        }
        if !self.host.is_empty() {
            options.identity.hostname_verification = HostnameVerification::Require;
        }
        Ok(options)
    }

    fn refused(&self, error: &VerifyError, trust: &Trust, at: Timestamp) -> Verdict {
        let code = certificate_code(error);
        let (expected, presented) = expected_and_presented(error, trust, at);
        Verdict {
            whose: Some("peer"),
            code: Some(code.as_str()),
            reason: Some(error.reason()),
            detail: Some(error.to_string()),
            expected: Some(expected),
            presented: Some(presented),
            remedy: Some(match self.command(error) {
                Some(command) => format!("{}: {command}", meaning_and_remedy(code).1),
                None => meaning_and_remedy(code).1.to_owned(),
            }),
            ..Verdict::refused()
        }
    }

    /// The command that mends it, where one does.
    fn command(&self, error: &VerifyError) -> Option<String> {
        let peer = self.peer.display();
        let id = self.id.as_ref().map_or("ID", MemberId::as_str);
        let renew = |more: &str| {
            Some(format!(
                "phalanx certs node NEW --ca CA.pem --id {id} --key KEY --renew {peer}{more}"
            ))
        };
        match error {
            VerifyError::UnknownIssuer { .. } | VerifyError::BadSignature { .. } => {
                let own = self.trust.as_ref().or(self.chain.as_ref());
                let own =
                    own.map_or_else(|| "CHAIN.pem".to_owned(), |own| own.display().to_string());
                Some(format!(
                    "cat CA.pem >> {own}, CA.pem being the authority of {peer}"
                ))
            }
            VerifyError::Expired { .. } | VerifyError::WrongUsage { .. } => renew(""),
            VerifyError::HostMismatch { .. } => {
                let host = self.host.first()?;
                let option = match host.parse::<std::net::IpAddr>() {
                    Ok(_) => "--ip",
                    Err(_) => "--dns",
                };
                renew(&format!(" {option} {host}"))
            }
            VerifyError::IdentityMismatch { .. } => renew(" --cn NAME"),
            _ => None,
        }
    }
}

/// What would have been accepted, and what is there instead.
fn expected_and_presented(error: &VerifyError, trust: &Trust, at: Timestamp) -> (String, String) {
    use VerifyError as E;
    let anchors = || {
        let subjects: Vec<String> = trust.anchor_subjects().take(ANCHORS_SHOWN_MAX).collect();
        let more = trust.anchor_count() - subjects.len();
        let more = if more > 0 {
            format!(", and {more} more")
        } else {
            String::new()
        };
        format!("an issuer among {}{more}", subjects.join(", "))
    };
    match error {
        E::UnknownIssuer {
            issuer, subject, ..
        } => (anchors(), format!("{subject}, issued by {issuer}")),
        E::BadSignature { issuer, subject } => (
            format!("{subject}, signed by the key of {issuer} as listed here"),
            "a signature by another key".to_owned(),
        ),
        E::Expired { not_after, .. } => (
            format!("valid at {}", Utc(at)),
            format!("valid until {}", Utc(*not_after)),
        ),
        E::NotYetValid { not_before, .. } => (
            format!("valid at {}", Utc(at)),
            format!("valid from {}", Utc(*not_before)),
        ),
        E::HostMismatch { names, hosts, .. } => (hosts.clone(), names.clone()),
        E::IdentityMismatch { names, rules, .. } => (rules.clone(), names.clone()),
        E::NotACa { issuer, cause, .. } => {
            (format!("{issuer} to be an authority"), cause.to_string())
        }
        E::WrongUsage { role, .. } => (
            format!("{}, or no extended key usage", role.usage()),
            "an extended key usage without it".to_owned(),
        ),
        E::NotForHandshake { .. } => (
            "digitalSignature, or no key usage".to_owned(),
            "a key usage without it".to_owned(),
        ),
        E::WeakKey { key, .. } => (
            "RSA of 2048 to 8192 bits, P-256, P-384, P-521 or Ed25519".to_owned(),
            key.clone(),
        ),
        E::WeakSignature { algorithm, .. } => ("SHA-256 or longer".to_owned(), algorithm.clone()),
        E::PathLength { len_max, .. } => (
            format!("at most {len_max} authorities between"),
            "more of them".to_owned(),
        ),
        E::UnknownCriticalExtension { oid, .. } => {
            ("known critical extensions alone".to_owned(), oid.clone())
        }
        other => ("what the rules ask for".to_owned(), other.to_string()),
    }
}

impl Verdict {
    const fn refused() -> Self {
        Self {
            ok: false,
            whose: None,
            code: None,
            reason: None,
            detail: None,
            expected: None,
            presented: None,
            remedy: None,
            subject: None,
            anchor: None,
            valid_until: None,
        }
    }

    fn accepted(peer: &VerifiedPeer) -> Self {
        let anchor = peer.anchor();
        Self {
            ok: true,
            subject: Some(peer.subject().to_owned()),
            anchor: Some(Anchor {
                subject: anchor.subject.clone(),
                listed_in: anchor.origin.to_string(),
                sha256: anchor.fingerprint.to_string(),
                is_peer_itself: anchor.is_peer_itself,
            }),
            valid_until: Some(Utc(peer.path_not_after()).to_string()),
            ..Self::refused()
        }
    }

    /// The judging node would not start.
    fn own(error: &LoadError) -> Self {
        Self {
            whose: Some("own"),
            reason: Some(error.reason()),
            detail: Some(error.to_string()),
            remedy: of_file(error).map(str::to_owned),
            ..Self::refused()
        }
    }

    fn human(&self) -> String {
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        if let Some(anchor) = &self.anchor {
            let by = match anchor.is_peer_itself {
                true => format!("it is itself listed in the {}", anchor.listed_in),
                false => format!(
                    "vouched for by {}, in the {}",
                    anchor.subject, anchor.listed_in
                ),
            };
            return format!(
                "ok: {}: {by}; until {}",
                text(&self.subject),
                text(&self.valid_until)
            );
        }
        let mut lines = vec![match (self.code, self.reason) {
            (Some(code), Some(reason)) => format!("refused: {code} ({reason})"),
            (_, reason) => format!(
                "the judging node does not start: {}",
                reason.unwrap_or_default()
            ),
        }];
        let parts = [
            ("", &self.detail),
            ("expected: ", &self.expected),
            ("presented: ", &self.presented),
            ("remedy: ", &self.remedy),
        ];
        for (name, part) in parts {
            lines.extend(part.as_ref().map(|part| format!("  {name}{part}")));
        }
        lines.join("\n")
    }
}

impl From<End> for PeerRole {
    fn from(end: End) -> Self {
        match end {
            End::Client => Self::Client,
            End::Server => Self::Server,
        }
    }
}

/// Seconds since 1970, or a date and time in UTC.
fn parse_time(text: &str) -> Result<Timestamp, String> {
    let parsed = text.parse().ok().map(Timestamp::from_secs);
    let found = parsed.or_else(|| Utc::parse(text));
    found.ok_or_else(|| "seconds since 1970, or as 2026-12-31T00:00:00Z".to_owned())
}

const ANCHORS_SHOWN_MAX: usize = 5;
