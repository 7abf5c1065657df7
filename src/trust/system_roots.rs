//! The machine's root certificates: whether they take part, and where they come from.
//!
//! A root of the public web vouches for strangers. So system roots take part only where the chain file says nothing about
//! who is to be believed, or on request, and even then they admit only whom an identity rule matches or the hosts of our own
//! contact points ([`super::verify`]).

use std::path::PathBuf;

use rustls::pki_types::ServerName;

use super::TrustWarning;
use super::certificate::Certificate;
use super::load::{Input, LoadError, LoadProblem, Material};
use super::names::server_name;
use super::truststore::is_self_signed;

/// Whether the machine's root certificates are trust anchors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SystemRoots {
    /// Only where the chain file is a lone certificate that is not self-signed, no further trusted certificates are given,
    /// and there are identity rules or contact points: a file that lists nobody else would otherwise admit its own copy alone.
    #[default]
    Auto,
    /// Yes, but read from this PEM file instead of the machine's store.
    Bundle(PathBuf),
    /// No.
    Off,
    /// Yes. `SSL_CERT_FILE` and `SSL_CERT_DIR`, where set, say where the store is; they add up.
    On,
}

/// What decides whether system roots take part.
pub(super) struct Decision<'a> {
    pub(super) option: &'a SystemRoots,
    pub(super) chain: &'a [Certificate],
    pub(super) has_trusted_certificates: bool,
    pub(super) contact_hosts: &'a [String],
    pub(super) has_identity_rules: bool,
}

/// System roots that take part, and the names they count for.
#[derive(Default)]
pub(super) struct LoadedRoots {
    pub(super) certificates: Vec<Certificate>,
    pub(super) contact_hosts: Vec<ServerName<'static>>,
}

impl Decision<'_> {
    /// Loads the system roots if they take part, and warns if they do, or should and cannot.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if they are asked for and there are none, or there is no rule and no contact point to narrow them down.
    pub(super) fn load(&self, warnings: &mut Vec<TrustWarning>) -> Result<LoadedRoots, LoadError> {
        match self.option {
            SystemRoots::Off => return Ok(LoadedRoots::default()),
            SystemRoots::Auto if !self.chain_needs_them() => return Ok(LoadedRoots::default()),
            _ => {}
        }
        match self.find() {
            Ok(roots) => {
                let count = roots.certificates.len();
                warnings.push(TrustWarning::SystemRootsTakePart { count });
                Ok(roots)
            }
            Err(error) if *self.option == SystemRoots::Auto => {
                let cause = error.problem.to_string();
                warnings.push(TrustWarning::SystemRootsLeftOut { cause });
                Ok(LoadedRoots::default())
            }
            Err(error) => Err(error),
        }
    }

    fn find(&self) -> Result<LoadedRoots, LoadError> {
        let error = |problem| LoadError::new(Material::SystemRoots, problem);
        let contact_hosts: Vec<_> = self
            .contact_hosts
            .iter()
            .filter_map(|host| server_name(host))
            .collect();
        if contact_hosts.is_empty() && !self.has_identity_rules {
            return Err(error(LoadProblem::SystemRootsWithoutContactPoints));
        }
        let certificates = match self.option {
            SystemRoots::Bundle(file) => {
                Input::read(Material::SystemRoots, file)?.certificates()?
            }
            _ => of_this_machine().map_err(error)?,
        };
        Ok(LoadedRoots {
            certificates,
            contact_hosts,
        })
    }

    /// Whether the chain file leaves open who is to be believed.
    fn chain_needs_them(&self) -> bool {
        match self.chain {
            [lone] => !self.has_trusted_certificates && !is_self_signed(lone),
            _ => false,
        }
    }
}

/// The store of this machine, without what in it cannot be read: it is not ours to mend.
fn of_this_machine() -> Result<Vec<Certificate>, LoadProblem> {
    let found = rustls_native_certs::load_native_certs();
    let certificates: Vec<_> = found
        .certs
        .iter()
        .filter_map(|der| Certificate::from_der(der).ok())
        .collect();
    if certificates.is_empty() {
        let errors: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        let detail = if errors.is_empty() {
            "the store is empty".to_owned()
        } else {
            errors.join("; ")
        };
        return Err(LoadProblem::NoSystemRoots { detail });
    }
    Ok(certificates)
}
