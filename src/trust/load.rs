//! [`LoadError`]: why certificates or keys could not be loaded, naming the file, the setting and the remedy.

use std::error::Error as StdError;
use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

use super::certificate::{Certificate, CertificateError};
use super::decrypt;
use super::identity::{RuleError, RuleKind};
use super::pem::{self, Block, PemError};
use super::verify_error::VerifyError;

/// Certificates or keys could not be loaded. It is the operator's to mend; nothing was changed, and a node that starts stops.
#[derive(Debug)]
pub struct LoadError {
    /// Which input is at fault.
    pub material: Material,
    /// Its file, as an absolute path; none for bytes handed over in memory.
    pub file: Option<PathBuf>,
    /// What is wrong with it.
    pub problem: LoadProblem,
}

/// The inputs that trust is loaded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Material {
    /// The node's certificate, followed by its chain.
    CertificateChain,
    /// The PKCS#12 file that has certificate and key.
    KeyStore,
    /// The passphrase of the private key.
    Passphrase,
    /// A rule for whom a peer's certificate may stand for.
    PeerIdentity(RuleKind),
    /// The key that belongs to that certificate.
    PrivateKey,
    /// The machine's root certificates.
    SystemRoots,
    /// Further trust anchors.
    TrustedCertificates,
}

/// What is wrong with a file of certificates or keys.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadProblem {
    /// The key file holds more than one private key.
    #[error(
        "it holds {count} private keys: which one is meant? leave only the one that belongs to the certificate"
    )]
    AmbiguousKey {
        /// How many.
        count: usize,
    },
    /// The file is not PKCS#12.
    #[error("it is not a PKCS#12 file: {detail}")]
    BadKeyStore {
        /// What is wrong with it.
        detail: String,
    },
    /// A text that is neither PEM nor PEM in base64.
    #[error("it is neither PEM nor PEM in base64")]
    BadText,
    /// A block of the right label is not a certificate.
    #[error("certificate {position}, which begins in line {line}, cannot be used: {problem}")]
    BadCertificate {
        /// Its place among the certificates of the file, from 1.
        position: usize,
        /// The line of its `BEGIN`, from 1.
        line: usize,
        /// What is wrong with it.
        problem: CertificateError,
    },
    /// The file is not PEM.
    #[error(transparent)]
    BadPem(#[from] PemError),
    /// An identity rule that cannot be used.
    #[error("`{rule}` cannot be used: {cause}")]
    BadRule {
        /// The rule.
        rule: String,
        /// What is wrong with it.
        cause: RuleError,
    },
    /// The private key is encrypted, and there is no passphrase.
    #[error(
        "it is encrypted ({form}), and no passphrase is known: set privateKeyPassword or privateKeyPasswordFile, or decrypt \
         it, as with `openssl pkey -in {file} -out plain.key`, and keep that file where only this node can read it"
    )]
    EncryptedKey {
        /// In which form.
        form: &'static str,
        /// The file's name, for the command.
        file: String,
    },
    /// Others may read the file of a private key, and that is to be refused.
    #[error(
        "others can read or change it (mode {mode:o}): take that away, as with `chmod go-rwx {file}`"
    )]
    ExposedKey {
        /// The permissions.
        mode: u32,
        /// The file's name, for the command.
        file: String,
    },
    /// The private key belongs to another certificate than the first of the chain file.
    #[error("it does not belong to the first certificate of {chain}, {subject}{}", KeyOwner(.owner))]
    KeyMismatch {
        /// The certificate file.
        chain: String,
        /// The subject of its first certificate.
        subject: String,
        /// Which certificate of the chain file the key does belong to, from 1, and its subject.
        owner: Option<(usize, String)>,
    },
    /// There is no such file.
    #[error("there is no such file")]
    MissingFile,
    /// No file is configured.
    #[error("no file is set")]
    MissingSetting,
    /// The file holds no certificate.
    #[error("it holds no certificate in PEM: {found}")]
    NoCertificate {
        /// What it holds instead.
        found: String,
    },
    /// The file holds no private key.
    #[error("it holds no private key in PEM: {found}")]
    NoKey {
        /// What it holds instead.
        found: String,
    },
    /// System roots were asked for, and the machine has none that can be read.
    #[error("no system root certificate could be loaded: {detail}")]
    NoSystemRoots {
        /// What the platform said.
        detail: String,
    },
    /// System roots would admit strangers: there is no identity rule, and no contact point whose name could be asked for.
    #[error(
        "system roots vouch for strangers, so they admit only peers that an identity rule matches, or that carry the host of a \
         contact point, and there is neither a rule nor a contact point that a certificate could name: set peerIdentity or \
         initialContactPoints, or list the cluster's authority in the chain file instead"
    )]
    SystemRootsWithoutContactPoints,
    /// The file is there, but cannot be read.
    #[error("it cannot be read")]
    UnreadableFile(#[source] io::Error),
    /// The node's own certificate would be refused by every peer.
    #[error("every peer would refuse it: {0}; have a new one issued, and set it here")]
    Unusable(VerifyError),
    /// The key is encrypted in a way that protects too little, or that asks for too much.
    #[error(
        "it is encrypted in a way that is not supported ({form}): encrypt it anew, as with \
         `openssl pkcs8 -topk8 -v2 aes-256-cbc -in old.key -out new.key`, or \
         `openssl pkcs12 -in old.p12 -legacy -nodes | openssl pkcs12 -export -out new.p12`"
    )]
    UnsupportedEncryption {
        /// In which way.
        form: String,
    },
    /// The private key is of a kind that cannot sign a TLS 1.3 handshake.
    #[error(
        "{kind} cannot be used: {why}; make another, as with `{remedy}`, and a certificate for it"
    )]
    UnsupportedKey {
        /// What kind of key it is.
        kind: String,
        /// What stands against it.
        why: &'static str,
        /// A command that makes a key that works.
        remedy: &'static str,
    },
    /// The passphrase does not open it.
    #[error("the passphrase is wrong, or the key is damaged")]
    WrongPassphrase,
}

impl LoadError {
    /// An error of bytes that came from no file.
    pub(super) const fn new(material: Material, problem: LoadProblem) -> Self {
        Self {
            material,
            file: None,
            problem,
        }
    }

    /// The stable word for this cause, in logs, metrics and tests.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        self.problem.reason()
    }

    /// Whether files were found and read, and what they hold is what nodes do not start with.
    #[must_use]
    pub const fn is_unusable(&self) -> bool {
        matches!(
            self.problem,
            LoadProblem::KeyMismatch { .. }
                | LoadProblem::SystemRootsWithoutContactPoints
                | LoadProblem::Unusable(_)
                | LoadProblem::UnsupportedKey { .. }
        )
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{} {}: {}", self.material, file.display(), self.problem),
            None => write!(f, "{}: {}", self.material, self.problem),
        }
    }
}

impl StdError for LoadError {
    /// The cause behind the problem; the problem itself is part of the text.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.problem.source()
    }
}

impl Material {
    /// The key of the setting, under the `security` section.
    #[must_use]
    pub const fn setting(self) -> &'static str {
        match self {
            Self::CertificateChain => "certificateChainPath",
            Self::KeyStore => "keyStore.filePath",
            Self::Passphrase => "privateKeyPasswordFile",
            Self::PeerIdentity(kind) => kind.setting(),
            Self::PrivateKey => "privateKeyPath",
            Self::SystemRoots => "systemRoots",
            Self::TrustedCertificates => "trustedCertificatesPath",
        }
    }
}

impl fmt::Display for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::CertificateChain => "certificate chain",
            Self::KeyStore => "key store",
            Self::Passphrase => "passphrase",
            Self::PeerIdentity(_) => "identity rule",
            Self::PrivateKey => "private key",
            Self::SystemRoots => "system roots",
            Self::TrustedCertificates => "trusted certificates",
        })
    }
}

impl LoadProblem {
    /// The stable word for this cause.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::AmbiguousKey { .. } => "ambiguous-key",
            Self::BadCertificate { .. } => "bad-certificate",
            Self::BadKeyStore { .. } => "bad-key-store",
            Self::BadPem(_) => "bad-pem",
            Self::BadRule { .. } => "bad-rule",
            Self::BadText => "bad-text",
            Self::EncryptedKey { .. } => "encrypted-key",
            Self::ExposedKey { .. } => "exposed-key",
            Self::KeyMismatch { .. } => "key-mismatch",
            Self::MissingFile => "missing-file",
            Self::MissingSetting => "missing-setting",
            Self::NoCertificate { .. } => "no-certificate",
            Self::NoKey { .. } => "no-key",
            Self::NoSystemRoots { .. } => "no-system-roots",
            Self::SystemRootsWithoutContactPoints => "system-roots-without-contact-points",
            Self::UnreadableFile(_) => "unreadable-file",
            Self::Unusable(cause) => cause.reason(),
            Self::UnsupportedEncryption { .. } => "unsupported-encryption",
            Self::UnsupportedKey { .. } => "unsupported-key",
            Self::WrongPassphrase => "wrong-passphrase",
        }
    }
}

/// The end of a key-mismatch text: where the key does belong.
struct KeyOwner<'a>(&'a Option<(usize, String)>);

impl fmt::Display for KeyOwner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((position, subject)) => write!(
                f,
                ", but to certificate {position}, {subject}: the node's own certificate comes first, its authorities follow"
            ),
            None => Ok(()),
        }
    }
}

/// One input: which, from where, and what it holds, zeroed when dropped.
pub(super) struct Input {
    pub(super) material: Material,
    file: Option<PathBuf>,
    /// The permissions of the file, where the system has such.
    mode: Option<u32>,
    content: Content,
}

/// What an input holds.
enum Content {
    /// PEM, with words around it.
    Text(Zeroizing<Vec<u8>>),
    /// Certificates in DER, out of a key store.
    Certificates(Vec<Vec<u8>>),
    /// A private key as PKCS#8, out of a key store.
    Key(Zeroizing<Vec<u8>>),
}

impl Input {
    /// Bytes that came from no file.
    pub(super) fn from_bytes(material: Material, bytes: &[u8]) -> Self {
        Self {
            material,
            file: None,
            mode: None,
            content: Content::Text(Zeroizing::new(bytes.to_vec())),
        }
    }

    /// PEM, or PEM in base64, as variables have it.
    pub(super) fn from_text(material: Material, text: &str) -> Result<Self, LoadError> {
        if text.contains("-----BEGIN") {
            return Ok(Self::from_bytes(material, text.as_bytes()));
        }
        match pem::decode_base64(text.as_bytes()) {
            Some(bytes) => Ok(Self {
                content: Content::Text(bytes),
                ..Self::from_bytes(material, b"")
            }),
            None => Err(LoadError::new(material, LoadProblem::BadText)),
        }
    }

    /// Reads a file, following links.
    pub(super) fn read(material: Material, file: &Path) -> Result<Self, LoadError> {
        if file.as_os_str().is_empty() {
            return Err(LoadError::new(material, LoadProblem::MissingSetting));
        }
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        match read_bounded(&file) {
            Ok((bytes, mode)) => Ok(Self {
                material,
                file: Some(file),
                mode,
                content: Content::Text(bytes),
            }),
            Err(error) => {
                let problem = match error.kind() {
                    io::ErrorKind::NotFound => LoadProblem::MissingFile,
                    _ => LoadProblem::UnreadableFile(error),
                };
                Err(LoadError {
                    material,
                    file: Some(file),
                    problem,
                })
            }
        }
    }

    /// Opens a key store: certificates and key, as two inputs.
    pub(super) fn open_store(self, passphrase: &str) -> Result<(Self, Self), LoadError> {
        let opened = decrypt::pkcs12(self.bytes(), passphrase);
        let store = opened.map_err(|problem| self.error(problem))?;
        let part = |content| Self {
            material: self.material,
            file: self.file.clone(),
            mode: self.mode,
            content,
        };
        Ok((
            part(Content::Certificates(store.certificates)),
            part(Content::Key(store.key)),
        ))
    }

    /// The bytes of a text; none for what came out of a key store.
    pub(super) fn bytes(&self) -> &[u8] {
        match &self.content {
            Content::Text(bytes) => bytes,
            Content::Certificates(_) | Content::Key(_) => &[],
        }
    }

    /// The key out of a key store.
    pub(super) fn key(&self) -> Option<&[u8]> {
        match &self.content {
            Content::Key(der) => Some(der),
            Content::Text(_) | Content::Certificates(_) => None,
        }
    }

    /// The permissions of the file, if anybody but its owner can change it, or anybody but its owner and group can read it:
    /// orchestrators mount secrets readable for a group of their own.
    pub(super) fn exposed_mode(&self) -> Option<u32> {
        self.mode
            .map(|mode| mode & 0o777)
            .filter(|mode| mode & 0o026 != 0)
    }

    /// The file's path, or what stands for it in a text.
    pub(super) fn name(&self) -> String {
        self.file.as_ref().map_or_else(
            || format!("the {}", self.material),
            |file| file.display().to_string(),
        )
    }

    /// An error of this input.
    pub(super) fn error(&self, problem: impl Into<LoadProblem>) -> LoadError {
        LoadError {
            material: self.material,
            file: self.file.clone(),
            problem: problem.into(),
        }
    }

    /// The blocks of the file, of any label.
    pub(super) fn blocks(&self) -> Result<Vec<Block<'_>>, LoadError> {
        pem::blocks(self.bytes()).map_err(|problem| self.error(problem))
    }

    /// The certificates of the file, at least one.
    pub(super) fn certificates(&self) -> Result<Vec<Certificate>, LoadError> {
        if let Content::Certificates(ders) = &self.content {
            return self.certificates_of_store(ders);
        }
        let blocks = self.blocks()?;
        let mut certificates = Vec::new();
        for block in blocks.iter().filter(|block| block.is_certificate()) {
            let der = block.decode().map_err(|problem| self.error(problem))?;
            let read = if block.may_have_trailer() {
                Certificate::from_der_with_trailer(&der)
            } else {
                Certificate::from_der(&der)
            };
            let position = certificates.len() + 1;
            certificates.push(read.map_err(|problem| {
                self.error(LoadProblem::BadCertificate {
                    position,
                    line: block.line,
                    problem,
                })
            })?);
        }
        if certificates.is_empty() {
            return Err(self.error(LoadProblem::NoCertificate {
                found: self.describe(&blocks),
            }));
        }
        Ok(certificates)
    }

    fn certificates_of_store(&self, ders: &[Vec<u8>]) -> Result<Vec<Certificate>, LoadError> {
        if ders.is_empty() {
            let found = "the key store has none".to_owned();
            return Err(self.error(LoadProblem::NoCertificate { found }));
        }
        let read = |(index, der): (usize, &Vec<u8>)| {
            Certificate::from_der(der).map_err(|problem| {
                self.error(LoadProblem::BadCertificate {
                    position: index + 1,
                    line: 0,
                    problem,
                })
            })
        };
        ders.iter().enumerate().map(read).collect()
    }

    /// What the file holds, where it does not hold what was looked for.
    pub(super) fn describe(&self, blocks: &[Block<'_>]) -> String {
        match (blocks, self.bytes()) {
            ([], []) => "it is empty".to_owned(),
            ([], [0x30, 0x80..=0x84, ..]) => {
                "it seems to be DER; convert it, as with `openssl x509 -inform DER` or `openssl pkey -inform DER`".to_owned()
            }
            ([], [0xfe, 0xff, ..] | [0xff, 0xfe, ..]) => "it seems to be UTF-16; save it as plain text".to_owned(),
            ([], _) => "it has no BEGIN line".to_owned(),
            (blocks, _) => {
                let labels: Vec<&str> = blocks.iter().take(LABELS_SHOWN_MAX).map(|block| block.label).collect();
                format!("it holds {}", labels.join(", "))
            }
        }
    }
}

/// Reads a whole file, and its permissions, into a buffer that is large enough from the start: one that grew would leave copies behind.
fn read_bounded(file: &Path) -> io::Result<(Zeroizing<Vec<u8>>, Option<u32>)> {
    let open = File::open(file)?;
    let metadata = open.metadata()?;
    let len = metadata.len().min(FILE_LEN_MAX + 1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(len as usize + 1));
    let read = open.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes)?;
    if read as u64 > FILE_LEN_MAX {
        let text = format!("it is longer than {FILE_LEN_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok((bytes, mode(&metadata)))
}

#[cfg(unix)]
fn mode(metadata: &Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    Some(metadata.permissions().mode())
}

#[cfg(not(unix))]
const fn mode(_: &Metadata) -> Option<u32> {
    None
}

/// A machine's whole root store is about a quarter of a megabyte.
const FILE_LEN_MAX: u64 = 8 << 20;
const LABELS_SHOWN_MAX: usize = 8;
