//! Private keys that need a passphrase: encrypted PKCS#8 (RFC 5958 §3), and PKCS#12 files (RFC 7292), which Zeebe calls key
//! stores.
//!
//! Encryption is PBES2 (RFC 8018 §6.2) with AES-CBC, keys derived by PBKDF2 or scrypt, as openssl 3 and Java write it. What is
//! older (PBES1, 3DES, RC2, `Proc-Type: 4,ENCRYPTED`) protects too little to be worth reading; the error has the command
//! that converts it. How much work a file asks for is bounded before it is done.

use p12_keystore::{Pkcs12Archive, error::Error as StoreError};
use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::pkcs5::pbes2::Kdf;
use zeroize::Zeroizing;

use super::load::LoadProblem;

/// Decrypts a PKCS#8 key.
///
/// # Errors
///
/// [`LoadProblem::UnsupportedEncryption`] or [`LoadProblem::WrongPassphrase`].
pub(super) fn pkcs8(der: &[u8], passphrase: &str) -> Result<Zeroizing<Vec<u8>>, LoadProblem> {
    let unsupported = |form: &str| LoadProblem::UnsupportedEncryption {
        form: form.to_owned(),
    };
    let encrypted = EncryptedPrivateKeyInfoRef::try_from(der)
        .map_err(|_| unsupported("neither PBKDF2 nor scrypt with AES-CBC"))?;
    match encrypted.encryption_algorithm.pbes2() {
        None => return Err(unsupported("PBES1")),
        Some(scheme) if is_costly(&scheme.kdf) => {
            return Err(unsupported("a derivation that takes too much work"));
        }
        Some(_) => {}
    }
    match encrypted.decrypt(passphrase) {
        Ok(key) => Ok(Zeroizing::new(key.as_bytes().to_vec())),
        Err(pkcs8::Error::EncryptedPrivateKey(
            error @ pkcs8::pkcs5::Error::UnsupportedAlgorithm { .. },
        )) => Err(unsupported(&error.to_string())),
        // One wrong passphrase in 256 looks right and leaves rubbish.
        Err(_) => Err(LoadProblem::WrongPassphrase),
    }
}

/// What a PKCS#12 file holds.
pub(super) struct Store {
    /// In the order of the file.
    pub(super) certificates: Vec<Vec<u8>>,
    /// Its only private key, as PKCS#8.
    pub(super) key: Zeroizing<Vec<u8>>,
}

/// Opens a PKCS#12 file.
///
/// # Errors
///
/// [`LoadProblem`] if it is none, the passphrase is wrong, or it does not hold exactly one private key.
pub(super) fn pkcs12(bytes: &[u8], passphrase: &str) -> Result<Store, LoadProblem> {
    let archive = Pkcs12Archive::from_pkcs12(bytes, passphrase).map_err(store_problem)?;
    let key = match &archive.keys[..] {
        [bag] => Zeroizing::new(bag.key.as_der().to_vec()),
        [] => {
            let found = "it holds no private key entry".to_owned();
            return Err(LoadProblem::NoKey { found });
        }
        keys => return Err(LoadProblem::AmbiguousKey { count: keys.len() }),
    };
    let certificates = archive.certs.iter();
    Ok(Store {
        certificates: certificates.map(|bag| bag.cert.as_der().to_vec()).collect(),
        key,
    })
}

fn store_problem(error: StoreError) -> LoadProblem {
    match error {
        StoreError::MacError(_) | StoreError::Pkcs5Error(_) | StoreError::UnpadError => {
            LoadProblem::WrongPassphrase
        }
        StoreError::UnsupportedEncryptionScheme | StoreError::UnsupportedMacAlgorithm => {
            LoadProblem::UnsupportedEncryption {
                form: error.to_string(),
            }
        }
        error => LoadProblem::BadKeyStore {
            detail: error.to_string(),
        },
    }
}

/// More work than any tool asks for by itself: some seconds, or more memory than a node has to spare.
fn is_costly(kdf: &Kdf) -> bool {
    match kdf {
        Kdf::Pbkdf2(params) => params.iteration_count > ITERATIONS_MAX,
        Kdf::Scrypt(params) => {
            let (size, parallel) = (u64::from(params.block_size), params.parallelization);
            let memory = params
                .cost_parameter
                .saturating_mul(128)
                .saturating_mul(size);
            memory > SCRYPT_MEMORY_MAX || parallel > SCRYPT_PARALLEL_MAX
        }
        _ => true,
    }
}

const ITERATIONS_MAX: u32 = 10_000_000;
const SCRYPT_MEMORY_MAX: u64 = 256 << 20;
const SCRYPT_PARALLEL_MAX: u16 = 16;
