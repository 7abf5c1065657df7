//! Signatures: one cryptography provider for certificates, handshakes and introductions.
//!
//! Nothing here adds cryptography: the algorithms are those of rustls' aws-lc-rs provider, which refuses SHA-1 and RSA below
//! 2048 bits, called through webpki's raw public keys because webpki itself parses no version 1 certificate.

use std::ops::RangeInclusive;
use std::sync::{Arc, LazyLock};

use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use webpki::RawPublicKeyEntity;
use x509_parser::asn1_rs::{FromDer, Oid, oid};
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

/// The same with the hybrid post-quantum key exchange alone.
pub(super) fn post_quantum_provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        Arc::new(CryptoProvider {
            kx_groups: vec![kx_group::X25519MLKEM768],
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
        Some(bits) if bits < *RSA_BITS.start() => {
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

/// Fills `bytes` from the source of randomness that TLS uses.
///
/// # Errors
///
/// The system has none.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), rustls::Error> {
    Ok(provider().secure_random.fill(bytes)?)
}

/// What stands against a key signing handshakes; `None` if nothing does.
pub(super) fn unusable_key(spki: &SubjectPublicKeyInfoDer<'_>) -> Option<String> {
    let Ok((_, parsed)) = SubjectPublicKeyInfo::from_der(spki.as_ref()) else {
        return Some("an unreadable key".to_owned());
    };
    let algorithm = &parsed.algorithm;
    let curve = || algorithm.parameters.as_ref()?.as_oid().ok();
    if algorithm.algorithm == RSA {
        let bits = rsa_bits(spki).unwrap_or(0);
        return (!RSA_BITS.contains(&bits)).then(|| format!("an RSA key of {bits} bits"));
    }
    if algorithm.algorithm == ED25519
        || (algorithm.algorithm == EC && curve().is_some_and(|curve| CURVES.contains(&curve)))
    {
        return None;
    }
    let oid = curve().unwrap_or_else(|| algorithm.algorithm.clone());
    Some(format!("a key of the kind {}", name_of(&oid)))
}

/// What kind of key it is, and how long.
#[cfg(feature = "daemon")]
pub(super) fn key_name(spki: &SubjectPublicKeyInfoDer<'_>) -> String {
    if let Some(bits) = rsa_bits(spki) {
        return format!("RSA, {bits} bits");
    }
    let Ok((_, parsed)) = SubjectPublicKeyInfo::from_der(spki.as_ref()) else {
        return "unreadable".to_owned();
    };
    let algorithm = parsed.algorithm.algorithm;
    if algorithm == ED25519 {
        return "Ed25519, 256 bits".to_owned();
    }
    let curve = parsed.algorithm.parameters.as_ref();
    let curve = curve.and_then(|curve| curve.as_oid().ok());
    let names = ["P-256, 256 bits", "P-384, 384 bits", "P-521, 521 bits"];
    let mut known = CURVES.into_iter().zip(names);
    match curve {
        Some(curve) => known
            .find(|(oid, _)| *oid == curve)
            .map_or_else(|| name_of(&curve), |(_, name)| format!("EC {name}")),
        None => name_of(&algorithm),
    }
}

/// The size of an RSA key's modulus; `None` for other keys.
fn rsa_bits(spki: &SubjectPublicKeyInfoDer<'_>) -> Option<usize> {
    let (_, spki) = SubjectPublicKeyInfo::from_der(spki.as_ref()).ok()?;
    match spki.parsed().ok()? {
        PublicKey::RSA(key) => Some(key.key_size()),
        _ => None,
    }
}

/// The name of the algorithm whose AlgorithmIdentifier has these contents.
pub(super) fn algorithm_name(identifier: &[u8]) -> String {
    Oid::from_der(identifier).map_or_else(
        |_| "unreadable algorithm".to_owned(),
        |(_, oid)| name_of(&oid),
    )
}

/// The short name of a registered object, else its number.
fn name_of(oid: &Oid<'_>) -> String {
    oid_registry()
        .get(oid)
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
/// Sizes the provider signs and verifies with.
const RSA_BITS: RangeInclusive<usize> = 2048..=8192;
const RSA: Oid<'static> = oid!(1.2.840.113549.1.1.1);
const EC: Oid<'static> = oid!(1.2.840.10045.2.1);
const ED25519: Oid<'static> = oid!(1.3.101.112);
/// P-256, P-384, P-521.
const CURVES: [Oid<'static>; 3] = [
    oid!(1.2.840.10045.3.1.7),
    oid!(1.3.132.0.34),
    oid!(1.3.132.0.35),
];
