//! Issues certificates that nodes accept: an authority, made or loaded, and what it signs.
//!
//! Whatever is issued is judged by the rules of `verify` before anybody sees it, so that no file is ever written
//! which a node would refuse. Writing is all or nothing, and never over a file that is there.
//!
//! Source: RFC 5280 §4.1 and §4.2; X509-SVID §2 (one URI).

mod authority;
mod files;
mod key;
mod request;

use std::io;
use std::path::PathBuf;

use thiserror::Error;

pub(super) use authority::self_signed;
pub use authority::{Authority, AuthorityRequest, Issued};
pub use files::NewFiles;
pub use key::{ExistingKey, KeyKind, NodeKey};
pub use request::{NameError, NodeRequest, Usage};

use super::load::LoadError;
use super::verify_error::{NotACa, VerifyError};

/// A certificate could not be issued, or not be written. Nothing is left behind.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IssueError {
    /// There is a file where one was to be written.
    #[error("{} is already there, and nothing is overwritten: move it away, or name another directory", .file.display())]
    Exists {
        /// Which.
        file: PathBuf,
    },
    /// The cryptography library refused.
    #[error("the cryptography library could not make it")]
    Generate(#[from] rcgen::Error),
    /// A file of the authority, or a key, could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A name that cannot stand in a certificate.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The authority's certificate is not one of an authority.
    #[error(
        "{file} cannot issue certificates: {subject} is no certificate authority: {cause}; name the authority's own \
         certificate, or make one, as with `phalanx certs ca`"
    )]
    NotAnAuthority {
        /// The file.
        file: String,
        /// Whose certificate it is.
        subject: String,
        /// What it lacks.
        cause: NotACa,
    },
    /// What was issued would be refused by every node.
    #[error("every node would refuse what {authority} issues here: {cause}; {remedy}")]
    Refused {
        /// The subject of the authority.
        authority: String,
        /// Why it would be refused.
        cause: Box<VerifyError>,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A file or directory could not be written.
    #[error("{} could not be written: {cause}; name a directory that this user may write to", .file.display())]
    Write {
        /// Which.
        file: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

impl IssueError {
    fn refused(authority: String, cause: VerifyError) -> Self {
        let remedy = match &cause {
            VerifyError::Expired { .. } => {
                "make a new authority, as with `phalanx certs ca`, and list both until all nodes have new certificates"
            }
            VerifyError::NotYetValid { .. } => "set this machine's clock right",
            VerifyError::NameConstraint { .. } => "ask for names within its constraints",
            VerifyError::WeakSignature { .. } | VerifyError::WeakKey { .. } => {
                "make a new authority, as with `phalanx certs ca`"
            }
            VerifyError::UnknownIssuer { .. } => {
                "its subject is written in a way that cannot be copied exactly: issue with the tool that made it"
            }
            _ => "issue from another authority",
        };
        Self::Refused {
            authority,
            cause: Box::new(cause),
            remedy,
        }
    }
}

#[cfg(test)]
mod tests;
