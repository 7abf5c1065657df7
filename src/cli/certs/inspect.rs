//! `phalanx certs inspect`: what certificate files hold, in order, and what nodes make of it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{CertsError, fail, warn};
use crate::cli::Exit;
use crate::cli::clock::now;
use crate::cli::output::{Format, print, print_json};
use crate::config;
use crate::member::{MemberId, Role};
use crate::time::{Timestamp, Utc};
use crate::trust::{
    CertificateFacts, Claim, IdentityOptions, Inspected, Passphrase, certificates_of, key_sha256,
};

/// Arguments of `phalanx certs inspect`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files in PEM, PKCS#12 or DER.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Whether this key belongs to the node's certificate; for one file.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// What opens the key, or a PKCS#12 file: the first line of this file.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Hold the node's certificate against the rules (peerIdentity) of this broker's configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// For which member the rules are asked, where they have {memberId}.
    #[arg(long, value_name = "ID", requires = "config")]
    id: Option<MemberId>,
    /// How to print.
    #[arg(long, default_value = "human")]
    format: Format,
}

/// The answer.
#[derive(Serialize)]
struct Answer {
    files: Vec<FileView>,
    /// Files whose nodes have one key, where there are such.
    shared_keys: Vec<SharedKey>,
}

#[derive(Serialize)]
struct SharedKey {
    key_sha256: String,
    files: Vec<PathBuf>,
}

/// One file.
#[derive(Serialize)]
struct FileView {
    file: PathBuf,
    certificates: Vec<CertificateView>,
    /// Whether the key given, or in the key store, belongs to the node's certificate; absent where there is none.
    key_matches: Option<bool>,
    /// What keeps nodes from accepting it, each with its stable word.
    faults: Vec<Fault>,
}

#[derive(Serialize)]
struct Fault {
    reason: &'static str,
    detail: String,
}

/// One certificate.
#[derive(Serialize)]
struct CertificateView {
    position: usize,
    role: &'static str,
    subject: String,
    issuer: String,
    version: u8,
    serial: String,
    hosts: Vec<String>,
    uris: Vec<String>,
    key: String,
    signature: String,
    key_usage: Option<Vec<String>>,
    extended_key_usage: Option<Vec<String>>,
    not_before: String,
    not_after: String,
    /// Negative once it has expired.
    days_left: i64,
    sha256: String,
    key_sha256: String,
    for_development: bool,
}

/// Runs `phalanx certs inspect`.
pub(super) fn run(args: &Args) -> Exit {
    let answer = match answer(args, now()) {
        Ok(answer) => answer,
        Err(error) => return fail(&error),
    };
    for shared in &answer.shared_keys {
        let files: Vec<_> = shared
            .files
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        warn(&format!(
            "{} share one key: whoever gets hold of it is all of these nodes",
            files.join(" and ")
        ));
    }
    let printed = match args.format {
        Format::Human => print(&human(&answer.files)),
        Format::Json => print_json(&answer),
    };
    let is_sound = |file: &FileView| file.faults.is_empty() && file.key_matches != Some(false);
    match answer.files.iter().all(is_sound) {
        true => printed,
        false => Exit::CheckFailed,
    }
}

fn answer(args: &Args, now: Timestamp) -> Result<Answer, CertsError> {
    if args.key.is_some() && args.files.len() > 1 {
        return Err(CertsError::ForOneFile("--key"));
    }
    let identity = identity(args)?;
    let mut files = Vec::with_capacity(args.files.len());
    let mut by_key: BTreeMap<_, Vec<PathBuf>> = BTreeMap::new();
    for file in &args.files {
        let password = args.password_file.clone().map(Passphrase::File);
        let inspected = Inspected::read(file, password.as_ref(), now)?;
        if let Some(node) = inspected.node() {
            by_key
                .entry(node.key_sha256)
                .or_default()
                .push(file.clone());
        }
        let mut view = FileView::new(file, &inspected, now);
        if let Some(key) = &args.key {
            let found = key_sha256(key, password.as_ref())?;
            let node = inspected.node().or_else(|| inspected.certificates.first());
            view.key_matches = Some(node.is_some_and(|node| node.key_sha256 == found));
        }
        if inspected.key_sha256.is_none() {
            view.add_identity(args, &identity, &inspected)?;
        }
        files.push(view);
    }
    by_key.retain(|_, files| files.len() > 1);
    let shared_keys = by_key.into_iter().map(|(key, files)| SharedKey {
        key_sha256: key.to_string(),
        files,
    });
    Ok(Answer {
        files,
        shared_keys: shared_keys.collect(),
    })
}

fn identity(args: &Args) -> Result<IdentityOptions, CertsError> {
    let Some(file) = &args.config else {
        return Ok(IdentityOptions::default());
    };
    let loaded = config::load(Role::Broker, Some(file), std::iter::empty())?;
    let tls = loaded.config.security.tls;
    Ok(tls.map(|tls| tls.identity).unwrap_or_default())
}

impl FileView {
    fn new(file: &Path, inspected: &Inspected, now: Timestamp) -> Self {
        let of_node = inspected.node().into_iter().flat_map(|node| &node.faults);
        let faults = of_node.chain(inspected.path_fault.iter().filter(|fault| {
            inspected
                .node()
                .is_none_or(|node| !node.faults.contains(fault))
        }));
        let faults = faults.map(|fault| Fault {
            reason: fault.reason(),
            detail: fault.to_string(),
        });
        let view = |facts| CertificateView::new(facts, now);
        Self {
            file: file.to_owned(),
            certificates: inspected.certificates.iter().map(view).collect(),
            key_matches: inspected.key_sha256.map(|_| inspected.node().is_some()),
            faults: faults.collect(),
        }
    }

    fn add_identity(
        &mut self,
        args: &Args,
        identity: &IdentityOptions,
        inspected: &Inspected,
    ) -> Result<(), CertsError> {
        let (Some(_), Some(node)) = (&args.config, inspected.node()) else {
            return Ok(());
        };
        let certificates = certificates_of(&self.file)?;
        let claim = Claim {
            member_id: args.id.as_ref().map(MemberId::as_str),
            hosts: &[],
        };
        let judged = identity.judge(&certificates[node.position - 1], &claim);
        self.faults.extend(judged.err().map(|fault| Fault {
            reason: fault.reason(),
            detail: fault.to_string(),
        }));
        Ok(())
    }
}

impl CertificateView {
    fn new(facts: &CertificateFacts, now: Timestamp) -> Self {
        let left = facts.not_after.saturating_since(now).as_secs() / DAY_SECS;
        let over = now
            .saturating_since(facts.not_after)
            .as_secs()
            .div_ceil(DAY_SECS);
        let days = |days: u64| i64::try_from(days).unwrap_or(i64::MAX);
        Self {
            position: facts.position,
            role: facts.part.as_str(),
            subject: facts.subject.clone(),
            issuer: facts.issuer.clone(),
            version: facts.version,
            serial: facts.serial.clone(),
            hosts: facts.hosts.clone(),
            uris: facts.uris.clone(),
            key: facts.key.clone(),
            signature: facts.signature.clone(),
            key_usage: facts.key_usage.clone(),
            extended_key_usage: facts.extended_key_usage.clone(),
            not_before: Utc(facts.not_before).to_string(),
            not_after: Utc(facts.not_after).to_string(),
            days_left: days(left) - days(over),
            sha256: facts.sha256.to_string(),
            key_sha256: facts.key_sha256.to_string(),
            for_development: facts.is_for_development,
        }
    }

    /// One line for each thing it says; the file's words are escaped, as whoever made it chose them.
    fn lines(&self) -> Vec<(&'static str, String)> {
        let list = |usages: &Option<Vec<String>>| match usages {
            Some(usages) => usages.join(", "),
            None => "not said".to_owned(),
        };
        let names = self.hosts.iter().chain(&self.uris);
        let names: Vec<String> = names.map(|name| name.escape_debug().to_string()).collect();
        let mut lines = vec![
            ("issuer", self.issuer.clone()),
            (
                "names",
                if names.is_empty() {
                    "none".to_owned()
                } else {
                    names.join(", ")
                },
            ),
            (
                "valid",
                format!(
                    "{} to {}, {} days left",
                    self.not_before, self.not_after, self.days_left
                ),
            ),
            (
                "key",
                format!("{}; usage: {}", self.key, list(&self.key_usage)),
            ),
            ("extended usage", list(&self.extended_key_usage)),
            (
                "signature",
                format!("{}, version {}", self.signature, self.version),
            ),
            ("serial", self.serial.clone()),
            ("SHA-256", self.sha256.clone()),
            ("key's SHA-256", self.key_sha256.clone()),
        ];
        if self.for_development {
            lines.push(("made for", "development".to_owned()));
        }
        lines
    }
}

fn human(files: &[FileView]) -> String {
    let mut text = String::new();
    let write = |text: &mut String, line: &str| writeln!(text, "{line}").expect("a text takes all");
    for (index, file) in files.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        write(&mut text, &file.file.display().to_string());
        for certificate in &file.certificates {
            let (position, role) = (certificate.position, certificate.role);
            write(
                &mut text,
                &format!("  {position}. {role}: {}", certificate.subject),
            );
            for (name, value) in certificate.lines() {
                write(&mut text, &format!("     {name:<15}{value}"));
            }
        }
        match file.key_matches {
            Some(true) => write(&mut text, "  the key belongs to the node's certificate"),
            Some(false) => write(
                &mut text,
                "  the key does NOT belong to the node's certificate",
            ),
            None => {}
        }
        for fault in &file.faults {
            write(
                &mut text,
                &format!(
                    "  nodes that believe this file refuse it: {}: {}",
                    fault.reason, fault.detail
                ),
            );
        }
    }
    text.trim_end().to_owned()
}

const DAY_SECS: u64 = 86_400;
