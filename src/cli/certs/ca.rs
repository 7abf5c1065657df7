//! `phalanx certs ca`: an authority for a cluster.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;

use super::{CertsError, DAY, fail, warn};
use crate::cli::Exit;
use crate::cli::clock::now;
use crate::cli::output::{Format, print, print_json};
use crate::time::{Timestamp, Utc};
use crate::trust::Passphrase;
use crate::trust::issue::{Authority, AuthorityRequest, KeyKind, NewFiles};

/// Arguments of `phalanx certs ca`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The directory for ca.pem and ca.key; made if need be. No file in it is overwritten.
    #[arg(value_name = "OUT")]
    directory: PathBuf,
    /// The common name of its subject; by default one with the date, so that two authorities can be told apart.
    #[arg(long)]
    name: Option<String>,
    /// The organization of its subject.
    #[arg(long)]
    organization: Option<String>,
    /// What kind of key it signs with.
    #[arg(long, default_value = "ecdsa-p256", value_parser = key_kinds())]
    key_algorithm: KeyKind,
    /// How many days it is valid. To replace an authority, every node's trust has to change first.
    #[arg(long, default_value_t = 3_650, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    /// How many authorities may stand between it and a node; 0: it issues to nodes alone.
    #[arg(long, value_name = "N", default_value_t = 0)]
    path_len: u8,
    /// Encrypt its key with the first line of this file.
    #[arg(long, value_name = "FILE")]
    key_password_file: Option<PathBuf>,
    /// How to print.
    #[arg(long, default_value = "human")]
    format: Format,
}

/// The answer.
#[derive(Serialize)]
struct Made {
    subject: String,
    certificate: PathBuf,
    private_key: PathBuf,
    encrypted: bool,
    key_algorithm: &'static str,
    not_after: String,
}

/// The kinds of keys that can be asked for.
pub(super) fn key_kinds() -> impl TypedValueParser<Value = KeyKind> {
    PossibleValuesParser::new(KeyKind::ALL.map(KeyKind::as_str))
        .try_map(|name| name.parse::<KeyKind>())
}

/// Runs `phalanx certs ca`.
pub(super) fn run(args: &Args) -> Exit {
    let made = match make(args, now()) {
        Ok(made) => made,
        Err(error) => return fail(&error),
    };
    if !made.encrypted {
        warn(&format!(
            "{} is not encrypted, as --key-password-file would have it",
            made.private_key.display()
        ));
    }
    match args.format {
        Format::Human => print(&made.human()),
        Format::Json => print_json(&made),
    }
}

fn make(args: &Args, now: Timestamp) -> Result<Made, CertsError> {
    let dated = || format!("Phalanx authority {:.10}", Utc(now).to_string());
    let request = AuthorityRequest {
        common_name: args.name.clone().unwrap_or_else(dated),
        organization: args.organization.clone(),
        life: DAY * args.days,
        key: args.key_algorithm,
        path_len: args.path_len,
    };
    let passphrase = args.key_password_file.clone().map(Passphrase::File);
    let secret = passphrase.as_ref().map(Passphrase::secret).transpose()?;
    if let Some(file) = &args.key_password_file
        && secret
            .as_ref()
            .is_some_and(|secret| secret.expose().is_empty())
    {
        return Err(CertsError::EmptyPassword(file.clone()));
    }
    let authority = Authority::create(&request, now)?;
    let made = Made {
        subject: authority.subject(),
        certificate: args.directory.join("ca.pem"),
        private_key: args.directory.join("ca.key"),
        encrypted: secret.is_some(),
        key_algorithm: args.key_algorithm.as_str(),
        not_after: Utc(authority.not_after()).to_string(),
    };
    let mut files = NewFiles::default();
    files.add_secret(
        made.private_key.clone(),
        authority.key_pem(secret.as_ref())?,
    );
    files.add(made.certificate.clone(), authority.certificates_pem());
    files.write()?;
    Ok(made)
}

impl Made {
    fn human(&self) -> String {
        let (certificate, key) = (self.certificate.display(), self.private_key.display());
        format!(
            "{}, valid until {}\n\n\
             {certificate}   goes to every node, behind its own certificate; `phalanx certs node` puts it there\n\
             {key}   goes to no node. Whoever has it can make members: keep it where only you can read it\n\n\
             Back both up, apart from this machine: without the key, no certificate can be renewed and no node added\n\
             before every node has been told of a new authority.\n\
             Next: phalanx certs node --ca {certificate} --id 0 --id 1 --id 2 nodes",
            self.subject, self.not_after
        )
    }
}
