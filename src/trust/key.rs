//! Reads the one private key of a file, and names what cannot be used by its kind, with the way out.
//!
//! PKCS#8, encrypted or not, PKCS#1 and SEC1 (the last also behind an `EC PARAMETERS` block); RSA from 2048 bits, EC P-256, P-384 and P-521,
//! Ed25519. DSA has no signatures in TLS 1.3: said here, at start, instead of in every handshake that fails.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use rustls::sign::SigningKey;
use x509_parser::asn1_rs::{Any, FromDer, Oid, oid};
use zeroize::Zeroizing;

use super::decrypt;
use super::load::{Input, LoadError, LoadProblem};
use super::pem::Block;
use super::secret::Secret;

/// Loads the private key of a file.
///
/// # Errors
///
/// [`LoadError`] if there is none, more than one, an encrypted one that the passphrase does not open, or one that cannot sign a TLS 1.3 handshake.
pub(super) fn load(
    input: &Input,
    passphrase: Option<&Secret>,
) -> Result<Arc<dyn SigningKey>, LoadError> {
    parse(input, &read(input, passphrase)?.as_der())
}

/// A private key, decrypted, in the form it has in its file.
pub(super) struct Key {
    form: Form,
    der: Zeroizing<Vec<u8>>,
}

#[derive(Clone, Copy)]
enum Form {
    Pkcs1,
    Pkcs8,
    Sec1,
}

impl Key {
    const fn new(form: Form, der: Zeroizing<Vec<u8>>) -> Self {
        Self { form, der }
    }

    pub(super) fn as_der(&self) -> PrivateKeyDer<'_> {
        let der = self.der.as_slice();
        match self.form {
            Form::Pkcs1 => PrivateKeyDer::Pkcs1(PrivatePkcs1KeyDer::from(der)),
            Form::Pkcs8 => PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der)),
            Form::Sec1 => PrivateKeyDer::Sec1(PrivateSec1KeyDer::from(der)),
        }
    }
}

/// Reads the private key of a file, whatever kind it is.
///
/// # Errors
///
/// [`LoadError`] if there is none, more than one, or an encrypted one that the passphrase does not open.
pub(super) fn read(input: &Input, passphrase: Option<&Secret>) -> Result<Key, LoadError> {
    if let Some(der) = input.key() {
        return Ok(Key::new(Form::Pkcs8, Zeroizing::new(der.to_vec())));
    }
    let blocks = input.blocks()?;
    let keys: Vec<&Block<'_>> = blocks
        .iter()
        .filter(|block| block.label.ends_with("PRIVATE KEY"))
        .collect();
    let block = match keys[..] {
        [] => {
            return Err(input.error(LoadProblem::NoKey {
                found: input.describe(&blocks),
            }));
        }
        [block] => block,
        _ => return Err(input.error(LoadProblem::AmbiguousKey { count: keys.len() })),
    };
    if block.is_legacy_encrypted() {
        let form = "the old form, Proc-Type: 4,ENCRYPTED";
        return Err(input.error(match passphrase {
            Some(_) => LoadProblem::UnsupportedEncryption {
                form: form.to_owned(),
            },
            None => encrypted(input, form),
        }));
    }
    let der = block.decode().map_err(|problem| input.error(problem))?;
    if block.label == "ENCRYPTED PRIVATE KEY" {
        let Some(passphrase) = passphrase else {
            return Err(input.error(encrypted(input, "PKCS#8")));
        };
        let decrypted = decrypt::pkcs8(&der, passphrase.expose());
        let der = decrypted.map_err(|problem| input.error(problem))?;
        return Ok(Key::new(Form::Pkcs8, der));
    }
    let form = match block.label {
        "PRIVATE KEY" => Form::Pkcs8,
        "RSA PRIVATE KEY" => Form::Pkcs1,
        "EC PRIVATE KEY" => Form::Sec1,
        label => return Err(input.error(unsupported(kind_of_label(label)))),
    };
    Ok(Key::new(form, der))
}

/// The key as what signs handshakes.
pub(super) fn parse(
    input: &Input,
    key: &PrivateKeyDer<'_>,
) -> Result<Arc<dyn SigningKey>, LoadError> {
    any_supported_type(key).map_err(|_| input.error(unsupported(kind_of(key))))
}

/// The error of a key that looks right and is not.
#[cfg(feature = "daemon")]
pub(super) fn damaged(input: &Input) -> LoadError {
    input.error(unsupported(Kind::Other("a damaged key")))
}

fn encrypted(input: &Input, form: &'static str) -> LoadProblem {
    LoadProblem::EncryptedKey {
        form,
        file: input.name(),
    }
}

/// Kinds of keys that are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Curve(&'static str),
    Dsa,
    Exchange(&'static str),
    Other(&'static str),
    Rsa { bits: usize },
    RsaPss,
}

fn unsupported(kind: Kind) -> LoadProblem {
    const EC: &str = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out node.key";
    const RSA: &str = "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out node.key";
    let (kind, why, remedy) = match kind {
        Kind::Curve(curve) => (
            format!("a key on the curve {curve}"),
            "TLS 1.3 as spoken here signs with P-256, P-384, P-521 or Ed25519",
            EC,
        ),
        Kind::Dsa => (
            "a DSA key".to_owned(),
            "TLS 1.3 has no DSA signatures, so every handshake would fail",
            EC,
        ),
        Kind::Exchange(name) => (
            format!("an {name} key"),
            "it can agree on secrets, but not sign",
            EC,
        ),
        Kind::Other(what) => (
            what.to_owned(),
            "only RSA, EC and Ed25519 keys in PKCS#8, PKCS#1 or SEC1 are",
            EC,
        ),
        Kind::Rsa { bits } => (
            format!("an RSA key of {bits} bits"),
            "RSA keys must have from 2048 to 8192 bits and be sound",
            RSA,
        ),
        Kind::RsaPss => (
            "a key restricted to RSA-PSS".to_owned(),
            "only unrestricted RSA keys are",
            RSA,
        ),
    };
    LoadProblem::UnsupportedKey { kind, why, remedy }
}

fn kind_of_label(label: &str) -> Kind {
    match label {
        "DSA PRIVATE KEY" => Kind::Dsa,
        "OPENSSH PRIVATE KEY" => Kind::Other("a key in OpenSSH's own format"),
        _ => Kind::Other("a key of an unknown kind"),
    }
}

fn kind_of(key: &PrivateKeyDer<'_>) -> Kind {
    let kind = match key {
        PrivateKeyDer::Pkcs1(key) => rsa_kind(key.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(key) => pkcs8_kind(key.secret_pkcs8_der()),
        PrivateKeyDer::Sec1(key) => sec1_kind(key.secret_sec1_der()),
        _ => None,
    };
    kind.unwrap_or(Kind::Other("a damaged key"))
}

/// `PrivateKeyInfo ::= SEQUENCE { version, AlgorithmIdentifier, OCTET STRING, .. }` (RFC 5208 §5).
fn pkcs8_kind(der: &[u8]) -> Option<Kind> {
    let mut fields = Fields::of(der)?;
    let (_version, algorithm, key) = (fields.next()?, fields.next()?, fields.next()?);
    let (parameters, algorithm) = Oid::from_der(algorithm.data).ok()?;
    if algorithm == RSA {
        return rsa_kind(key.data);
    }
    if algorithm == EC {
        return Some(Kind::Curve(curve(parameters)));
    }
    let known = [
        (RSA_PSS, Kind::RsaPss),
        (DSA, Kind::Dsa),
        (ED448, Kind::Curve("Ed448")),
        (X25519, Kind::Exchange("X25519")),
        (X448, Kind::Exchange("X448")),
    ];
    let found = known.into_iter().find(|(oid, _)| *oid == algorithm);
    Some(found.map_or(Kind::Other("a key of an unknown kind"), |(_, kind)| kind))
}

/// `RSAPrivateKey ::= SEQUENCE { version, modulus, .. }` (RFC 8017 A.1.2).
fn rsa_kind(der: &[u8]) -> Option<Kind> {
    let mut fields = Fields::of(der)?;
    let (_version, modulus) = (fields.next()?, fields.next()?);
    let leading = modulus.data.iter().position(|byte| *byte != 0)?;
    let digits = &modulus.data[leading..];
    Some(Kind::Rsa {
        bits: digits.len() * 8 - digits[0].leading_zeros() as usize,
    })
}

/// `ECPrivateKey ::= SEQUENCE { version, OCTET STRING, [0] parameters, .. }` (RFC 5915 §3).
fn sec1_kind(der: &[u8]) -> Option<Kind> {
    let mut fields = Fields::of(der)?;
    let (_version, _key, parameters) = (fields.next()?, fields.next()?, fields.next()?);
    Some(Kind::Curve(curve(parameters.data)))
}

fn curve(parameters: &[u8]) -> &'static str {
    let Ok((_, named)) = Oid::from_der(parameters) else {
        return "given by explicit parameters";
    };
    let known = [
        (oid!(1.3.132.0.10), "secp256k1"),
        (oid!(1.3.132.0.33), "P-224"),
        (oid!(1.3.36.3.3.2.8.1.1.7), "brainpoolP256r1"),
        (oid!(1.3.36.3.3.2.8.1.1.11), "brainpoolP384r1"),
        (oid!(1.3.36.3.3.2.8.1.1.13), "brainpoolP512r1"),
        (oid!(1.2.840.10045.3.1.7), "P-256 (a damaged key)"),
        (oid!(1.3.132.0.34), "P-384 (a damaged key)"),
        (oid!(1.3.132.0.35), "P-521 (a damaged key)"),
    ];
    known
        .into_iter()
        .find(|(oid, _)| *oid == named)
        .map_or("of another name", |(_, name)| name)
}

/// The fields of a DER sequence, one by one.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn of(der: &'a [u8]) -> Option<Self> {
        let (_, sequence) = Any::from_der(der).ok()?;
        Some(Self(sequence.data))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Any<'a>;

    fn next(&mut self) -> Option<Any<'a>> {
        let (rest, field) = Any::from_der(self.0).ok()?;
        self.0 = rest;
        Some(field)
    }
}

const RSA: Oid<'static> = oid!(1.2.840.113549.1.1.1);
const RSA_PSS: Oid<'static> = oid!(1.2.840.113549.1.1.10);
const DSA: Oid<'static> = oid!(1.2.840.10040.4.1);
const EC: Oid<'static> = oid!(1.2.840.10045.2.1);
const X25519: Oid<'static> = oid!(1.3.101.110);
const X448: Oid<'static> = oid!(1.3.101.111);
const ED448: Oid<'static> = oid!(1.3.101.113);
