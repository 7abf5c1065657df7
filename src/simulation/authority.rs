//! Real certificates for virtual nodes: [`CertificateAuthority`], whose keys and dates are those of the run.
//!
//! Keys are Ed25519, derived from a seed; signatures with them are the same each time, so that certificates, and what is
//! signed with their keys, are too. Dates are whatever a scenario wants. The certificates go the way that files go: through
//! PEM into [`Trust`], which judges them by the virtual wall clock of the node that does.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType, SerialNumber, date_time_ymd,
};

use super::chance::derive;
use crate::time::Timestamp;
use crate::trust::{LoadError, Trust, TrustPem};

/// The first and the last second of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first, to the second.
    pub not_before: Timestamp,
    /// The last, to the second.
    pub not_after: Timestamp,
}

impl Validity {
    /// From a time on, for so long.
    #[must_use]
    pub fn lasting(not_before: Timestamp, life: Duration) -> Self {
        Self {
            not_before,
            not_after: not_before + life,
        }
    }
}

/// A certificate authority, self-signed. Two of the same seed and name are one: they have the same key.
pub struct CertificateAuthority {
    seed: u64,
    name: String,
    issuer: CertifiedIssuer<'static, KeyPair>,
    issued: u64,
}

/// A node's certificate and key, as the files that a node reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeCertificate {
    /// PEM: the node's own certificate, then the authority's.
    pub chain: String,
    /// PEM: the private key.
    pub key: String,
}

impl CertificateAuthority {
    /// An authority of this name.
    ///
    /// # Panics
    ///
    /// When a date is after the year 9999.
    #[must_use]
    pub fn new(seed: u64, name: &str, validity: Validity) -> Self {
        let mut params = params(name, validity, 1);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = key(seed, &format!("authority {name}"));
        let issuer = CertifiedIssuer::self_signed(params, key).expect("Ed25519 signs anything");
        Self {
            seed,
            name: name.to_owned(),
            issuer,
            issued: 0,
        }
    }

    /// A certificate for a node, for both ends of a connection, with a key of its own each time. `subject_alt_names` are host
    /// names, addresses, or URIs.
    ///
    /// # Panics
    ///
    /// When one of the names is not ASCII, or a date is after the year 9999.
    pub fn issue(
        &mut self,
        name: &str,
        validity: Validity,
        subject_alt_names: &[&str],
    ) -> NodeCertificate {
        self.issued += 1;
        let key = key(
            self.seed,
            &format!("certificate {} of authority {}", self.issued, self.name),
        );
        let mut params = params(name, validity, self.issued + 1);
        params.subject_alt_names = alternative_names(subject_alt_names);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let certificate = params
            .signed_by(&key, &self.issuer)
            .expect("Ed25519 signs anything");
        NodeCertificate {
            chain: certificate.pem() + &self.issuer.pem(),
            key: key.serialize_pem(),
        }
    }

    /// PEM: the authority's certificate, for others' truststores.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }
}

impl NodeCertificate {
    /// Three nodes of one cluster, certified as Zeebe's walk-through with openssl does it: RSA, version 1, one subject for
    /// all, valid from 25 November 2026 for a year. Their keys are the same in every run.
    #[must_use]
    pub fn of_the_recipe() -> [Self; 3] {
        let files = [
            (
                include_str!("fixtures/chainNodeA.pem"),
                include_str!("fixtures/nodeA.key"),
            ),
            (
                include_str!("fixtures/chainNodeB.pem"),
                include_str!("fixtures/nodeB.key"),
            ),
            (
                include_str!("fixtures/chainNodeC.pem"),
                include_str!("fixtures/nodeC.key"),
            ),
        ];
        files.map(|(chain, key)| Self {
            chain: chain.to_owned(),
            key: key.to_owned(),
        })
    }

    /// What a node makes of it that reads it at this time, and believes the certificates in `trusted` (PEM) besides.
    ///
    /// # Errors
    ///
    /// [`LoadError`], as a node's start would fail with: expired, say.
    pub fn load(&self, trusted: Option<&str>, now: Timestamp) -> Result<Trust, LoadError> {
        let pem = TrustPem {
            certificate_chain: self.chain.as_bytes(),
            private_key: self.key.as_bytes(),
            trusted_certificates: trusted.map(str::as_bytes),
            ..TrustPem::default()
        };
        Trust::from_pem(&pem, now).map(|(trust, _)| trust)
    }
}

fn params(name: &str, validity: Validity, serial: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from(serial));
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(validity.not_before.as_secs());
    params.not_after = epoch + Duration::from_secs(validity.not_after.as_secs());
    params
}

fn alternative_names(names: &[&str]) -> Vec<SanType> {
    let is_uri = |name: &&&str| name.contains("://");
    let hosts: Vec<String> = names
        .iter()
        .filter(|name| !is_uri(name))
        .map(ToString::to_string)
        .collect();
    let hosts = CertificateParams::new(hosts).expect("host names and addresses are ASCII");
    let uris = names.iter().filter(is_uri).map(|uri| {
        let uri = (*uri).try_into().expect("URIs are ASCII");
        SanType::URI(uri)
    });
    hosts.subject_alt_names.into_iter().chain(uris).collect()
}

/// RFC 8410 §7: an Ed25519 key is 32 bytes behind a fixed header.
fn key(seed: u64, name: &str) -> KeyPair {
    const HEADER: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    let pkcs8 = [HEADER, &derive(seed, name)].concat();
    KeyPair::try_from(pkcs8).expect("any 32 bytes are a key")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::{PeerRole, VerifyError};

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
    const HOUR: Duration = Duration::from_secs(3_600);

    fn validity() -> Validity {
        Validity::lasting(NOW, HOUR)
    }

    #[test]
    fn the_same_seed_makes_the_same_certificates_and_another_does_not() {
        let make = |seed, name| {
            CertificateAuthority::new(seed, name, validity()).issue("n", validity(), &["n.example"])
        };
        assert_eq!(make(1, "red"), make(1, "red"));
        assert_ne!(make(1, "red"), make(2, "red"));
        assert_ne!(make(1, "red"), make(1, "blue"));
        let mut red = CertificateAuthority::new(1, "red", validity());
        let [one, two] = [(); 2].map(|()| red.issue("n", validity(), &[]));
        assert_ne!(one.key, two.key);
    }

    /// A certificate, when its node loaded it, how long after `NOW` a peer judges it, and how.
    #[test]
    fn certificates_are_judged_by_issuer_and_dates() {
        let mut red = CertificateAuthority::new(1, "red", validity());
        let mut blue = CertificateAuthority::new(1, "blue", validity());
        let verifier = red.issue("a", validity(), &[]).load(None, NOW).unwrap();
        let half = Validity::lasting(NOW, HOUR / 2);
        let later = Validity::lasting(NOW + HOUR / 2, HOUR / 2);
        for (certificate, loaded, after, expected) in [
            (red.issue("b", half, &[]), NOW, HOUR / 4, "accepted"),
            (red.issue("b", half, &[]), NOW, HOUR * 3 / 4, "expired"),
            (
                red.issue("b", later, &[]),
                NOW + HOUR / 2,
                HOUR / 4,
                "not yet valid",
            ),
            (
                red.issue("b", later, &[]),
                NOW + HOUR / 2,
                HOUR * 3 / 4,
                "accepted",
            ),
            (
                blue.issue("b", validity(), &[]),
                NOW,
                HOUR / 4,
                "unknown issuer",
            ),
        ] {
            let peer = certificate.load(None, loaded).unwrap();
            let judged = verifier.verify_peer(peer.chain(), PeerRole::Server, NOW + after);
            let judged = match judged {
                Ok(_) => "accepted",
                Err(VerifyError::Expired { .. }) => "expired",
                Err(VerifyError::NotYetValid { .. }) => "not yet valid",
                Err(VerifyError::UnknownIssuer { .. }) => "unknown issuer",
                Err(_) => "something else",
            };
            assert_eq!(judged, expected, "after {after:?}");
        }
    }

    #[test]
    fn a_certificate_that_has_expired_is_not_loaded() {
        let mut red = CertificateAuthority::new(1, "red", validity());
        let certificate = red.issue(
            "a",
            validity(),
            &["10.0.0.1", "spiffe://red/a", "a.example"],
        );
        assert!(certificate.load(None, NOW).is_ok());
        assert!(certificate.load(None, NOW + 2 * HOUR).is_err());
    }

    #[test]
    fn the_nodes_of_the_recipe_believe_each_other() {
        let nodes = NodeCertificate::of_the_recipe().map(|node| node.load(None, NOW).unwrap());
        for (verifier, presenter) in [(0, 1), (1, 2), (2, 0)] {
            let chain = nodes[presenter].chain();
            let judged = nodes[verifier].verify_peer(chain, PeerRole::Server, NOW);
            assert!(judged.is_ok(), "{verifier} and {presenter}: {judged:?}");
        }
    }
}
