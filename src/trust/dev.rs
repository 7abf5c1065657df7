//! Throw-away certificates for a cluster on one machine: an authority that exists only while they are made.
//!
//! For development and demonstrations, and marked as that: their organization is [`DEVELOPMENT`], which nodes warn of when they
//! start. The authority's key is never written, so nobody can add a node to such a cluster later; make new certificates
//! for all of them instead.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::certificate::DEVELOPMENT;
use super::issue::{
    Authority, AuthorityRequest, IssueError, Issued, KeyKind, NewFiles, NodeKey, NodeRequest,
    self_signed,
};
use crate::time::Timestamp;

/// A development authority, in memory.
pub struct DevCertificates {
    authority: Authority,
    life: Duration,
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

impl DevCertificates {
    /// A new authority, valid from an hour before `now`, for 30 days.
    ///
    /// # Errors
    ///
    /// [`IssueError::Generate`].
    pub fn new(now: Timestamp) -> Result<Self, IssueError> {
        Self::lasting(LIFE, now)
    }

    /// The same, valid for `life`.
    ///
    /// # Errors
    ///
    /// [`IssueError::Generate`].
    pub fn lasting(life: Duration, now: Timestamp) -> Result<Self, IssueError> {
        let request = AuthorityRequest {
            common_name: "Phalanx development authority".to_owned(),
            organization: Some(DEVELOPMENT.to_owned()),
            life,
            key: KeyKind::default(),
            path_len: 0,
        };
        let authority = Authority::create(&request, now)?;
        Ok(Self {
            authority,
            life,
            now,
        })
    }

    /// Writes `NAME.pem` and `NAME.key` below `directory`, which is made if need be. The certificate names 127.0.0.1, ::1 and
    /// localhost, and serves both ends of a connection; the key can be read by its owner alone.
    ///
    /// # Errors
    ///
    /// [`IssueError`]; existing files are left as they are.
    pub fn write_node(&self, directory: &Path, name: &str) -> Result<DevNode, IssueError> {
        let mut nodes = self.write_nodes(directory, &[name.to_owned()])?;
        Ok(nodes.pop().expect("one was asked for"))
    }

    /// The same for several nodes: the files of all of them, or none.
    ///
    /// # Errors
    ///
    /// As [`DevCertificates::write_node`].
    pub fn write_nodes(
        &self,
        directory: &Path,
        names: &[String],
    ) -> Result<Vec<DevNode>, IssueError> {
        let mut files = NewFiles::default();
        let mut nodes = Vec::with_capacity(names.len());
        for name in names {
            let key = NodeKey::New(KeyKind::default());
            let request = request(name, self.life);
            let issued = self.authority.issue(&request, key, self.now)?;
            nodes.push(add(&mut files, issued, directory, name));
        }
        files.write()?;
        Ok(nodes)
    }
}

/// Writes `NAME.pem` and `NAME.key` below `directory`: one self-signed certificate, valid from an hour before `now`, for `life`,
/// which all nodes share. It vouches for itself alone.
///
/// # Errors
///
/// [`IssueError`]; existing files are left as they are.
pub fn write_shared(
    directory: &Path,
    name: &str,
    life: Duration,
    now: Timestamp,
) -> Result<DevNode, IssueError> {
    let issued = self_signed(&request(name, life), KeyKind::default(), now)?;
    let mut files = NewFiles::default();
    let node = add(&mut files, issued, directory, name);
    files.write()?;
    Ok(node)
}

fn request(name: &str, life: Duration) -> NodeRequest {
    NodeRequest {
        common_name: name.to_owned(),
        organization: Some(DEVELOPMENT.to_owned()),
        life,
        ..NodeRequest::default()
    }
}

fn add(files: &mut NewFiles, issued: Issued, directory: &Path, name: &str) -> DevNode {
    let node = DevNode {
        certificate_chain: directory.join(format!("{name}.pem")),
        private_key: directory.join(format!("{name}.key")),
    };
    let key = issued.key_pem.expect("the key is new");
    files.add_secret(node.private_key.clone(), key);
    files.add(node.certificate_chain.clone(), issued.chain_pem);
    node
}

const LIFE: Duration = Duration::from_secs(30 * 86_400);
#[cfg(test)]
mod tests {
    use std::fs;

    use rustls::pki_types::ServerName;

    use super::super::{AnchorOrigin, PeerRole, Trust, TrustOptions, TrustWarning};
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);

    /// A node that starts with these files, and is told what they are for (R119).
    fn load(node: DevNode) -> Trust {
        let options = TrustOptions {
            certificate_chain: node.certificate_chain,
            private_key: node.private_key,
            ..TrustOptions::default()
        };
        let (trust, warnings) = Trust::load(&options, NOW).unwrap();
        assert!(
            matches!(&warnings[..], [TrustWarning::ForDevelopment { .. }]),
            "{warnings:?}"
        );
        trust
    }

    /// R50, R63.
    #[test]
    fn nodes_of_one_authority_believe_each_other_and_nobody_else() {
        let directory = tempfile::tempdir().unwrap();
        let make = |certificates: &DevCertificates, name| {
            let made = directory.path().join("made");
            load(certificates.write_node(&made, name).unwrap())
        };
        let certificates = DevCertificates::new(NOW).unwrap();
        let (one, two) = (make(&certificates, "one"), make(&certificates, "two"));
        let stranger = make(&DevCertificates::new(NOW).unwrap(), "stranger");
        for role in [PeerRole::Client, PeerRole::Server] {
            let peer = one.verify_peer(two.chain(), role, NOW).unwrap();
            assert!(peer.subject().contains("CN=two"), "{}", peer.subject());
            assert_eq!(peer.anchor().origin, AnchorOrigin::ChainFile);
            let refused = one.verify_peer(stranger.chain(), role, NOW);
            assert_eq!(refused.unwrap_err().reason(), "bad-signature");
        }
        let leaf = webpki::EndEntityCert::try_from(&one.chain()[0]).unwrap();
        for name in ["127.0.0.1", "::1", "localhost"] {
            leaf.verify_is_valid_for_subject_name(&ServerName::try_from(name).unwrap())
                .unwrap();
        }
    }

    /// R43, R114.
    #[test]
    fn a_shared_certificate_is_believed_by_all_that_have_it() {
        let directory = tempfile::tempdir().unwrap();
        let make = |name| load(write_shared(directory.path(), name, LIFE, NOW).unwrap());
        let (one, other) = (make("one"), make("other"));
        for role in [PeerRole::Client, PeerRole::Server] {
            let peer = one.verify_peer(one.chain(), role, NOW).unwrap();
            assert!(peer.anchor().is_peer_itself);
            let refused = one.verify_peer(other.chain(), role, NOW);
            assert_eq!(refused.unwrap_err().reason(), "unknown-issuer");
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
