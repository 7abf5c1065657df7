//! Certificates for tests, written byte by byte: version 1, wrong, hostile, as no library would make them.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use rustls::pki_types::CertificateDer;

use super::der::{SEQUENCE, tlv};
use super::{LoadError, Trust, TrustPem, TrustWarning};
use crate::time::Timestamp;

/// 2026-01-01, the present of these tests.
pub(super) const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);

/// A P-256 key.
pub(super) struct Key {
    pair: EcdsaKeyPair,
    pkcs8: Vec<u8>,
}

impl Key {
    pub(super) fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let pkcs8 = pair.to_pkcs8v1().unwrap().as_ref().to_vec();
        Self { pair, pkcs8 }
    }

    pub(super) fn pem(&self) -> String {
        pem("PRIVATE KEY", &self.pkcs8)
    }

    fn spki(&self) -> Vec<u8> {
        let algorithm = sequence(&[&EC_PUBLIC_KEY[..], &P256[..]]);
        let point = [&[0][..], self.pair.public_key().as_ref()].concat();
        sequence(&[&algorithm, &tlv(0x03, &point)])
    }
}

/// What a certificate is to say; signed by [`Forge::sign`].
#[derive(Clone)]
pub(super) struct Forge {
    pub(super) version: u8,
    pub(super) subject: &'static str,
    pub(super) issuer: &'static str,
    /// UTCTime: 2025 to 2026 unless changed.
    pub(super) not_before: &'static str,
    pub(super) not_after: &'static str,
    pub(super) extensions: Vec<Vec<u8>>,
    /// Named inside instead of ecdsa-with-SHA256.
    pub(super) inner_algorithm: &'static [u8],
    /// Named outside, instead of ecdsa-with-SHA256.
    pub(super) outer_algorithm: &'static [u8],
    pub(super) serial: u8,
}

impl Forge {
    /// A version 3 certificate without extensions.
    pub(super) fn v3(subject: &'static str, issuer: &'static str) -> Self {
        Self {
            version: 3,
            subject,
            issuer,
            not_before: "250101000000Z",
            not_after: "261231235959Z",
            extensions: Vec::new(),
            inner_algorithm: ECDSA_SHA256,
            outer_algorithm: ECDSA_SHA256,
            serial: 1,
        }
    }

    /// A version 1 certificate, as `openssl x509 -req` makes them.
    pub(super) fn v1(subject: &'static str, issuer: &'static str) -> Self {
        Self {
            version: 1,
            ..Self::v3(subject, issuer)
        }
    }

    /// A version 3 authority.
    pub(super) fn ca(subject: &'static str, issuer: &'static str) -> Self {
        Self::v3(subject, issuer).with(authority(None))
    }

    pub(super) const fn with_issuer(mut self, issuer: &'static str) -> Self {
        self.issuer = issuer;
        self
    }

    pub(super) fn with(mut self, extension: Vec<u8>) -> Self {
        self.extensions.push(extension);
        self
    }

    /// The certificate of `key`, signed by `by`.
    pub(super) fn sign(&self, key: &Key, by: &Key) -> CertificateDer<'static> {
        let name = |text: &str| {
            let attribute = sequence(&[&[0x06, 3, 0x55, 4, 3], &tlv(0x0c, text.as_bytes())]);
            sequence(&[&tlv(0x31, &attribute)])
        };
        let validity = sequence(&[
            &tlv(0x17, self.not_before.as_bytes()),
            &tlv(0x17, self.not_after.as_bytes()),
        ]);
        let version = match self.version {
            1 => Vec::new(),
            version => tlv(0xa0, &tlv(0x02, &[version - 1])),
        };
        let extensions = match &self.extensions[..] {
            [] => Vec::new(),
            list => tlv(
                0xa3,
                &sequence(&list.iter().map(Vec::as_slice).collect::<Vec<_>>()),
            ),
        };
        let tbs = sequence(&[
            &version,
            &tlv(0x02, &[self.serial]),
            &sequence(&[self.inner_algorithm]),
            &name(self.issuer),
            &validity,
            &name(self.subject),
            &key.spki(),
            &extensions,
        ]);
        let signature = by.pair.sign(&SystemRandom::new(), &tbs).unwrap();
        let bits = [&[0][..], signature.as_ref()].concat();
        CertificateDer::from(sequence(&[
            &tbs,
            &sequence(&[self.outer_algorithm]),
            &tlv(0x03, &bits),
        ]))
    }

    pub(super) fn self_signed(&self, key: &Key) -> CertificateDer<'static> {
        self.sign(key, key)
    }
}

/// An extension: `critical`, if set, says so.
pub(super) fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[0x01, 1, 0xff] } else { &[] };
    sequence(&[&tlv(0x06, oid), critical, &tlv(0x04, value)])
}

/// basicConstraints: `CA:TRUE`, with a path length or without.
pub(super) fn authority(path_len: Option<u8>) -> Vec<u8> {
    let path_len = path_len.map_or_else(Vec::new, |len| tlv(0x02, &[len]));
    extension(
        &[0x55, 0x1d, 19],
        true,
        &sequence(&[&[0x01, 1, 0xff], &path_len]),
    )
}

/// basicConstraints: `CA:FALSE`.
pub(super) fn no_authority() -> Vec<u8> {
    extension(&[0x55, 0x1d, 19], true, &sequence(&[]))
}

/// Key usage; the first byte of the bit string, digitalSignature being 0x80 and keyCertSign 0x04.
pub(super) fn key_usage(bits: u8) -> Vec<u8> {
    let unused = u8::try_from(bits.trailing_zeros()).unwrap();
    extension(&[0x55, 0x1d, 15], true, &[0x03, 2, unused, bits])
}

/// Extended key usage: 1 is serverAuth, 2 clientAuth, 4 emailProtection; 0 stands for any.
pub(super) fn extended_key_usage(usages: &[u8]) -> Vec<u8> {
    let usages: Vec<Vec<u8>> = usages
        .iter()
        .map(|usage| match usage {
            0 => tlv(0x06, &[0x55, 0x1d, 37, 0]),
            usage => tlv(0x06, &[0x2b, 6, 1, 5, 5, 7, 3, *usage]),
        })
        .collect();
    extension(
        &[0x55, 0x1d, 37],
        false,
        &sequence(&usages.iter().map(Vec::as_slice).collect::<Vec<_>>()),
    )
}

/// subjectAltName with one DNS name.
pub(super) fn dns_name(name: &str) -> Vec<u8> {
    extension(
        &[0x55, 0x1d, 17],
        false,
        &sequence(&[&tlv(0x82, name.as_bytes())]),
    )
}

/// subjectAltName with one IP address.
pub(super) fn ip_address(address: &[u8]) -> Vec<u8> {
    extension(&[0x55, 0x1d, 17], false, &sequence(&[&tlv(0x87, address)]))
}

/// Name constraints that permit one DNS name and those below it.
pub(super) fn permitted_dns(name: &str) -> Vec<u8> {
    name_constraint(0xa0, name)
}

/// Name constraints that exclude one DNS name and those below it.
pub(super) fn excluded_dns(name: &str) -> Vec<u8> {
    name_constraint(0xa1, name)
}

fn name_constraint(subtrees: u8, name: &str) -> Vec<u8> {
    let subtrees = tlv(subtrees, &sequence(&[&tlv(0x82, name.as_bytes())]));
    extension(&[0x55, 0x1d, 30], true, &sequence(&[&subtrees]))
}

/// A chain file.
pub(super) fn chain_file(certificates: &[&CertificateDer<'_>]) -> String {
    certificates
        .iter()
        .map(|der| pem("CERTIFICATE", der))
        .collect()
}

/// A node whose chain file lists these certificates.
pub(super) fn node(certificates: &[&CertificateDer<'_>], key: &Key) -> Trust {
    load(&chain_file(certificates), &key.pem()).unwrap().0
}

/// Loads a chain file and a key file, in the present of these tests.
pub(super) fn load(chain: &str, key: &str) -> Result<(Trust, Vec<TrustWarning>), LoadError> {
    let pem = TrustPem {
        certificate_chain: chain.as_bytes(),
        private_key: key.as_bytes(),
        ..TrustPem::default()
    };
    Trust::from_pem(&pem, NOW)
}

pub(super) fn pem(label: &str, der: &[u8]) -> String {
    super::pem::encode(label, der).to_string()
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(SEQUENCE, &parts.concat())
}

pub(super) const ECDSA_SHA256: &[u8] = &[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
pub(super) const ECDSA_SHA1: &[u8] = &[0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1];
pub(super) const ECDSA_SHA384: &[u8] = &[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
const EC_PUBLIC_KEY: [u8; 9] = [0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const P256: [u8; 10] = [0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
