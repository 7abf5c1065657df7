//! Signatures: one cryptography provider for certificates, handshakes and introductions.
//!
//! Nothing here adds cryptography: the algorithms are those of rustls' aws-lc-rs provider, which refuses SHA-1 and RSA below
//! 2048 bits, called through webpki's raw public keys because webpki itself parses no version 1 certificate.

use std::sync::{Arc, LazyLock};

use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use webpki::RawPublicKeyEntity;
use x509_parser::asn1_rs::{FromDer, Oid};
use x509_parser::objects::oid_registry;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::certificate::Certificate;

/// Why one certificate's key does not account for another's signature.
#[derive(Debug)]
pub(super) enum SignatureFault {
    /// The signature does not verify.
    Bad,
    /// The algorithm, named here, or the key, described here, is not accepted.
    Weak(String),
}

/// rustls' aws-lc-rs provider, with the hybrid post-quantum key exchange first.
pub(super) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        Arc::new(CryptoProvider {
            kx_groups: vec![
                kx_group::X25519MLKEM768,
                kx_group::X25519,
                kx_group::SECP256R1,
                kx_group::SECP384R1,
            ],
            ..aws_lc_rs::default_provider()
        })
    });
    PROVIDER.clone()
}

/// What the provider can verify.
pub(super) fn algorithms() -> WebPkiSupportedAlgorithms {
    provider().signature_verification_algorithms
}

/// Checks the signature on `child` under the key of `issuer`.
pub(super) fn verify_issued(
    child: &Certificate,
    issuer: &Certificate,
) -> Result<(), SignatureFault> {
    let signed = child.signed();
    let mut named = algorithms()
        .all
        .iter()
        .filter(|algorithm| algorithm.signature_alg_id().as_ref() == signed.algorithm)
        .peekable();
    if named.peek().is_none() {
        return Err(SignatureFault::Weak(algorithm_name(&signed.algorithm)));
    }
    let key = RawPublicKeyEntity::try_from(issuer.spki()).map_err(|_| SignatureFault::Bad)?;
    if named.any(|algorithm| {
        key.verify_signature(*algorithm, &signed.message, &signed.signature)
            .is_ok()
    }) {
        return Ok(());
    }
    Err(match rsa_bits(issuer.spki()) {
        Some(bits) if bits < RSA_BITS_MIN => {
            SignatureFault::Weak(format!("RSA key of {bits} bits"))
        }
        _ => SignatureFault::Bad,
    })
}

/// Whether `signature` is one of `message` under `spki`, in a scheme that TLS 1.3 signs handshakes with.
pub(super) fn verify_statement(
    spki: &SubjectPublicKeyInfoDer<'_>,
    scheme: SignatureScheme,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let mapped = algorithms()
        .mapping
        .iter()
        .find(|(named, _)| *named == scheme);
    // For a TLS 1.3 scheme the first algorithm is the one that also fixes the curve.
    let Some(algorithm) = mapped.and_then(|(_, algorithms)| algorithms.first()) else {
        return false;
    };
    STATEMENT_SCHEMES.contains(&scheme)
        && RawPublicKeyEntity::try_from(spki)
            .is_ok_and(|key| key.verify_signature(*algorithm, message, signature).is_ok())
}

/// The size of an RSA key's modulus; `None` for other keys.
fn rsa_bits(spki: &SubjectPublicKeyInfoDer<'_>) -> Option<usize> {
    let (_, spki) = SubjectPublicKeyInfo::from_der(spki.as_ref()).ok()?;
    match spki.parsed().ok()? {
        PublicKey::RSA(key) => Some(key.key_size()),
        _ => None,
    }
}

/// The short name of the algorithm whose AlgorithmIdentifier has these contents, else its number.
fn algorithm_name(identifier: &[u8]) -> String {
    let Ok((_, oid)) = Oid::from_der(identifier) else {
        return "unreadable algorithm".to_owned();
    };
    oid_registry()
        .get(&oid)
        .map_or_else(|| oid.to_id_string(), |entry| entry.sn().to_owned())
}

/// In the order we choose when signing: one for each kind of key.
pub(super) const STATEMENT_SCHEMES: [SignatureScheme; 5] = [
    SignatureScheme::ED25519,
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::RSA_PSS_SHA256,
];
const RSA_BITS_MIN: usize = 2048;
