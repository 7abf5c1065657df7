//! `phalanx certs rehearse`: what the members of a running cluster say of a chain file before it is put in place.

use std::fs;
use std::path::{Path, PathBuf};

use hyper::Uri;
use hyper::body::Bytes;

use super::super::Exit;
use super::super::client;
use super::super::clock::now;
use super::super::doctor::show;
use super::super::output::{Format, one_line};
use crate::admin::ExaminedView;
use crate::trust::{
    Passphrase, SystemRoots, Trust, TrustOptions, certificates_from_pem, certificates_to_pem,
};

/// Arguments of `phalanx certs rehearse`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The chain file that is to replace the node's: PEM, its own certificate first. A private key in it is not sent.
    #[arg(value_name = "NEW.pem")]
    chain: PathBuf,
    /// The private key that belongs to it; looked at here, and never sent anywhere.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The file whose first line opens the private key, where it is encrypted.
    #[arg(long, value_name = "FILE", requires = "key")]
    key_password_file: Option<PathBuf>,
    /// The management server of the node that is to get it.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9600")]
    admin: Uri,
    /// How to print.
    #[arg(long, default_value = "human")]
    format: Format,
}

/// Runs `phalanx certs rehearse`.
pub(super) fn run(args: &Args) -> Exit {
    let pem = match certificates(args) {
        Ok(pem) => pem,
        Err(error) => {
            eprintln!("error: {error}");
            return Exit::CheckFailed;
        }
    };
    let asked = client::ask_all(&args.admin, "/certificates/rehearse", Some(pem));
    let examined: Vec<ExaminedView> = match client::block_on(asked) {
        Ok(examined) => examined,
        Err(error) => {
            eprintln!("error: {error}");
            return Exit::CheckFailed;
        }
    };
    show(&examined, args.format, "would believe")
}

/// The certificates of the file alone, whatever else is in it, once the key is seen to belong to them.
fn certificates(args: &Args) -> Result<Bytes, String> {
    if let Some(key) = &args.key {
        check_key(args, key)?;
    }
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", args.chain.display());
    let file = fs::read(&args.chain).map_err(|error| named(&error))?;
    let certificates = certificates_from_pem(&file).map_err(|error| named(&one_line(&error)))?;
    Ok(certificates_to_pem(&certificates).into())
}

/// Loads chain and key as the node would.
fn check_key(args: &Args, key: &Path) -> Result<(), String> {
    let options = TrustOptions {
        certificate_chain: args.chain.clone(),
        private_key: key.to_owned(),
        passphrase: args.key_password_file.clone().map(Passphrase::File),
        system_roots: SystemRoots::Off,
        ..TrustOptions::default()
    };
    let (_, warnings) = Trust::load(&options, now()).map_err(|error| one_line(&error))?;
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    Ok(())
}
