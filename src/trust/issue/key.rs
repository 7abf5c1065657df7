//! [`KeyKind`]: the kinds of keys that are made. [`NodeKey`]: a new key, or one that is there.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use pkcs8::{PrivateKeyInfoRef, SecretDocument};
use rand::rngs::SysRng;
use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256,
    RsaKeySize,
};
use zeroize::Zeroizing;

use super::super::Passphrase;
use super::super::key;
use super::super::load::{Input, LoadError, Material};
use super::super::pem;
use super::super::secret::Secret;
use super::IssueError;

/// A kind of key that can be made. All of them can sign TLS 1.3 handshakes, and certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// NIST P-256: short, fast, and known to every implementation.
    #[default]
    EcdsaP256,
    /// NIST P-384.
    EcdsaP384,
    /// Ed25519: not every company's tools know it yet.
    Ed25519,
    /// RSA of 3072 bits: larger and slower than the others.
    Rsa3072,
}

/// The key that a certificate is issued for.
pub enum NodeKey {
    /// One that is there already, and stays as it is.
    Existing(ExistingKey),
    /// A new one.
    New(KeyKind),
}

/// A key that is there already.
pub struct ExistingKey(pub(super) KeyPair);

impl KeyKind {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::EcdsaP256,
        Self::EcdsaP384,
        Self::Ed25519,
        Self::Rsa3072,
    ];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ecdsa-p256",
            Self::EcdsaP384 => "ecdsa-p384",
            Self::Ed25519 => "ed25519",
            Self::Rsa3072 => "rsa-3072",
        }
    }

    pub(super) fn generate(self) -> Result<KeyPair, rcgen::Error> {
        match self {
            Self::EcdsaP256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
            Self::EcdsaP384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
            Self::Ed25519 => KeyPair::generate_for(&PKCS_ED25519),
            Self::Rsa3072 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072),
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for KeyKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| format!("one of {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}

impl NodeKey {
    /// Loads the private key of a file.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if there is none that can be used.
    pub fn load(file: &Path, passphrase: Option<&Passphrase>) -> Result<Self, LoadError> {
        let input = Input::read(Material::PrivateKey, file)?;
        Ok(Self::Existing(ExistingKey(pair(&input, passphrase)?)))
    }

    pub(super) fn into_pair(self) -> Result<(KeyPair, bool), rcgen::Error> {
        match self {
            Self::Existing(ExistingKey(pair)) => Ok((pair, false)),
            Self::New(kind) => Ok((kind.generate()?, true)),
        }
    }
}

/// The key of a file, to sign certificates with or to be certified.
pub(super) fn pair(input: &Input, given: Option<&Passphrase>) -> Result<KeyPair, LoadError> {
    let secret = given.map(Passphrase::secret).transpose()?;
    let found = key::read(input, secret.as_ref())?;
    // What signs a handshake signs a certificate; the check has the better words for what cannot.
    key::parse(input, &found.as_der())?;
    KeyPair::try_from(&found.as_der()).map_err(|_| key::damaged(input))
}

/// A key as PEM, encrypted where there is a passphrase: PBES2 with scrypt and AES-256-CBC.
///
/// Version 1 of PKCS#8 (RFC 5208), without the public half: openssl reads no other of Ed25519.
pub(super) fn to_pem(
    pair: &KeyPair,
    passphrase: Option<&Secret>,
) -> Result<Zeroizing<String>, IssueError> {
    let refused = |what: &str| rcgen::Error::PemError(what.to_owned());
    let key = PrivateKeyInfoRef::try_from(pair.serialized_der())
        .map_err(|_| refused("the key is not PKCS#8"))?;
    let key = PrivateKeyInfoRef::new(key.algorithm, key.private_key);
    let (label, encoded) = match passphrase {
        None => ("PRIVATE KEY", SecretDocument::try_from(&key)),
        Some(secret) => (
            "ENCRYPTED PRIVATE KEY",
            key.encrypt_with_rng(&mut SysRng, secret.expose()),
        ),
    };
    let encoded = encoded.map_err(|_| refused("the key cannot be encoded"))?;
    Ok(pem::encode(label, encoded.as_bytes()))
}
