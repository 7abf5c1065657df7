//! Throw-away certificates for a cluster on one machine: an authority that exists only while they are made.
//!
//! For development and demonstrations. The authority's key is never written, so nobody can add a node to such a cluster
//! later; make new certificates for all of them instead.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::time::Timestamp;

/// A development authority, in memory.
pub struct DevCertificates {
    authority: CertifiedIssuer<'static, KeyPair>,
    now: Timestamp,
}

/// Where one node's files were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevNode {
    /// For `certificateChainPath`: the node's certificate, then the authority's.
    pub certificate_chain: PathBuf,
    /// For `privateKeyPath`.
    pub private_key: PathBuf,
}

/// Development certificates could not be made or written. Files already written stay.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DevError {
    /// The cryptography library refused.
    #[error("a development certificate could not be made")]
    Generate(#[from] rcgen::Error),
    /// A file or directory could not be written, or a file was already there: none is ever overwritten.
    #[error("{file} could not be written")]
    Write {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl DevCertificates {
    /// A new authority, valid from an hour before `now`, for 30 days.
    ///
    /// # Errors
    ///
    /// [`DevError::Generate`].
    pub fn new(now: Timestamp) -> Result<Self, DevError> {
        let mut params = params("Phalanx development authority", now);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        Ok(Self { authority, now })
    }

    /// Writes `NAME.pem` and `NAME.key` below `directory`, which is made if need be. The certificate names 127.0.0.1, ::1 and
    /// localhost, and serves both ends of a connection; the key can be read by its owner alone.
    ///
    /// # Errors
    ///
    /// [`DevError`]; existing files are left as they are.
    pub fn write_node(&self, directory: &Path, name: &str) -> Result<DevNode, DevError> {
        let mut params = params(name, self.now);
        params.subject_alt_names =
            CertificateParams::new(["127.0.0.1", "::1", "localhost"].map(String::from))?
                .subject_alt_names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.authority)?;
        let node = DevNode {
            certificate_chain: directory.join(format!("{name}.pem")),
            private_key: directory.join(format!("{name}.key")),
        };
        fs::create_dir_all(directory).map_err(|source| DevError::Write {
            file: directory.to_owned(),
            source,
        })?;
        write_new(
            &node.private_key,
            &Zeroizing::new(key.serialize_pem()),
            0o600,
        )?;
        write_new(
            &node.certificate_chain,
            &(certificate.pem() + &self.authority.pem()),
            0o644,
        )?;
        Ok(node)
    }
}

fn params(name: &str, now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs((now - CLOCK_SKEW).as_secs());
    params.not_after = epoch + Duration::from_secs((now + LIFE).as_secs());
    params
}

fn write_new(file: &Path, text: &str, mode: u32) -> Result<(), DevError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let written = options
        .open(file)
        .and_then(|mut open| open.write_all(text.as_bytes()));
    written.map_err(|source| DevError::Write {
        file: file.to_owned(),
        source,
    })
}

const CLOCK_SKEW: Duration = Duration::from_secs(3_600);
const LIFE: Duration = Duration::from_secs(30 * 86_400);

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;

    use super::super::{AnchorOrigin, PeerRole, Trust, TrustOptions};
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);

    /// R50, R63.
    #[test]
    fn nodes_of_one_authority_believe_each_other_and_nobody_else() {
        let directory = tempfile::tempdir().unwrap();
        let make = |certificates: &DevCertificates, name| {
            let node = certificates
                .write_node(&directory.path().join("made"), name)
                .unwrap();
            let options = TrustOptions {
                certificate_chain: node.certificate_chain,
                private_key: node.private_key,
                ..TrustOptions::default()
            };
            let (trust, warnings) = Trust::load(&options, NOW).unwrap();
            assert_eq!(warnings, []);
            trust
        };
        let certificates = DevCertificates::new(NOW).unwrap();
        let (one, two) = (make(&certificates, "one"), make(&certificates, "two"));
        let stranger = make(&DevCertificates::new(NOW).unwrap(), "stranger");
        for role in [PeerRole::Client, PeerRole::Server] {
            let peer = one.verify_peer(two.chain(), role, NOW).unwrap();
            assert_eq!(
                (peer.subject(), peer.anchor().origin),
                ("CN=two", AnchorOrigin::ChainFile)
            );
            assert_eq!(
                one.verify_peer(stranger.chain(), role, NOW)
                    .unwrap_err()
                    .reason(),
                "bad-signature"
            );
        }
        let leaf = webpki::EndEntityCert::try_from(&one.chain()[0]).unwrap();
        for name in ["127.0.0.1", "::1", "localhost"] {
            leaf.verify_is_valid_for_subject_name(&ServerName::try_from(name).unwrap())
                .unwrap();
        }
    }

    /// R33.
    #[test]
    fn nothing_is_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let certificates = DevCertificates::new(NOW).unwrap();
        let node = certificates.write_node(directory.path(), "one").unwrap();
        let before = fs::read(&node.private_key).unwrap();
        let error = certificates
            .write_node(directory.path(), "one")
            .unwrap_err();
        assert!(error.to_string().contains("one.key"), "{error}");
        assert_eq!(fs::read(&node.private_key).unwrap(), before);
    }

    #[cfg(unix)]
    #[test]
    fn keys_can_be_read_by_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let node = DevCertificates::new(NOW)
            .unwrap()
            .write_node(directory.path(), "one")
            .unwrap();
        assert_eq!(
            fs::metadata(node.private_key).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}
