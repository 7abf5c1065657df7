//! [`Certificate`]: the facts of one X.509 certificate that our rules ask for, read once and owned.
//!
//! Source: RFC 5280 §4. Parsing is as strict as webpki's: a repeated extension, trailing bytes, an extension in a version 1
//! certificate or an inner signature algorithm that differs from the outer one make it no certificate. Unlike webpki,
//! version 1 is read (the recipes people follow produce it); what it may be used for is for [`super::verify`] to say.

use std::collections::BTreeSet;
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use thiserror::Error;
use x509_parser::asn1_rs::{Any, FromDer, Oid, oid};
use x509_parser::certificate::X509CertificateParser;
use x509_parser::extensions::{self, X509Extension};
use x509_parser::nom::Parser;
use x509_parser::prelude::{ASN1Time, X509Certificate, X509Name, X509Version};

use super::der::{BIT_STRING, SEQUENCE, tlv};
use super::verify_error::PeerRole;
use crate::time::{Timestamp, Utc};

/// One certificate, read.
#[derive(Clone)]
pub(super) struct Certificate {
    der: CertificateDer<'static>,
    version: Version,
    subject: Name,
    issuer: Name,
    validity: Validity,
    spki: SubjectPublicKeyInfoDer<'static>,
    signed: Signed,
    extensions: Extensions,
    is_for_development: bool,
}

/// The versions that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Without extensions, and so without any word on what the certificate may be used for.
    V1,
    /// Everything since 1996.
    V3,
}

/// From when to when a certificate is valid, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
}

/// What the issuer signed, and how.
#[derive(Clone)]
pub(super) struct Signed {
    /// The original bytes of the TBSCertificate, never re-encoded.
    pub(super) message: Vec<u8>,
    /// Contents of the outer AlgorithmIdentifier, as webpki's algorithms name themselves.
    pub(super) algorithm: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

/// A distinguished name: compared by its bytes, shown as text.
#[derive(Clone)]
pub(super) struct Name {
    raw: Vec<u8>,
    text: String,
}

/// The extensions our rules ask for.
#[derive(Clone, Default)]
pub(super) struct Extensions {
    pub(super) basic_constraints: Option<BasicConstraints>,
    pub(super) key_usage: Option<KeyUsage>,
    pub(super) extended_key_usage: Option<ExtendedKeyUsage>,
    /// Name constraints are judged by webpki; here it matters only that there are some.
    pub(super) has_name_constraints: bool,
    /// A critical extension that nothing here knows.
    pub(super) unknown_critical: Option<String>,
}

#[derive(Clone, Copy)]
pub(super) struct BasicConstraints {
    pub(super) is_ca: bool,
    pub(super) path_len_max: Option<u32>,
}

#[derive(Clone, Copy)]
pub(super) struct KeyUsage {
    pub(super) digital_signature: bool,
    pub(super) key_cert_sign: bool,
}

#[derive(Clone, Copy)]
pub(super) struct ExtendedKeyUsage {
    any: bool,
    server_auth: bool,
    client_auth: bool,
}

/// Why bytes are not a certificate we can judge.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The signature algorithm inside the signed part differs from the one outside.
    #[error("its inner and outer signature algorithms differ")]
    AlgorithmMismatch,
    /// Not DER, or not the structure of a certificate.
    #[error("it is not a certificate in DER")]
    BadDer,
    /// A known extension does not parse, or has bytes behind its end.
    #[error("its extension {oid} is malformed")]
    BadExtension {
        /// Which.
        oid: String,
    },
    /// Extensions in a version 1 certificate.
    #[error("it has extensions although it is of version 1")]
    ExtensionsInVersion1,
    /// The same extension twice.
    #[error("its extension {oid} is repeated")]
    RepeatedExtension {
        /// Which.
        oid: String,
    },
    /// Bytes behind the end of the certificate.
    #[error("{len} bytes follow the certificate")]
    TrailingData {
        /// How many.
        len: usize,
    },
    /// Issuer or subject unique identifiers, unused since 1996.
    #[error("it has unique identifiers")]
    UniqueIdentifiers,
    /// Neither version 1 nor 3.
    #[error("it is of version {version}")]
    UnsupportedVersion {
        /// As people count, from 1.
        version: u32,
    },
}

impl Validity {
    /// Whether `now` lies within.
    pub(super) fn contains(self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }
}

impl Certificate {
    /// Reads the certificate that `der` is.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] if it is none, or anything follows it.
    pub(super) fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let (rest, certificate) = Self::first_of(der)?;
        match rest {
            0 => Ok(certificate),
            len => Err(CertificateError::TrailingData { len }),
        }
    }

    /// Reads the certificate that `der` begins with; OpenSSL writes trust settings behind it.
    pub(super) fn from_der_with_trailer(der: &[u8]) -> Result<Self, CertificateError> {
        Ok(Self::first_of(der)?.1)
    }

    fn first_of(der: &[u8]) -> Result<(usize, Self), CertificateError> {
        let mut parser = X509CertificateParser::new().with_deep_parse_extensions(false);
        let (rest, parsed) = parser.parse(der).map_err(|_| CertificateError::BadDer)?;
        Ok((rest.len(), Self::from_parsed(&parsed)?))
    }

    fn from_parsed(parsed: &X509Certificate<'_>) -> Result<Self, CertificateError> {
        let tbs = &parsed.tbs_certificate;
        if tbs.signature != parsed.signature_algorithm {
            return Err(CertificateError::AlgorithmMismatch);
        }
        if tbs.issuer_uid.is_some() || tbs.subject_uid.is_some() {
            return Err(CertificateError::UniqueIdentifiers);
        }
        let version = match tbs.version {
            X509Version::V1 if !tbs.extensions().is_empty() => {
                return Err(CertificateError::ExtensionsInVersion1);
            }
            X509Version::V1 => Version::V1,
            X509Version::V3 => Version::V3,
            X509Version(other) => {
                return Err(CertificateError::UnsupportedVersion {
                    version: other.saturating_add(1),
                });
            }
        };
        Ok(Self {
            der: CertificateDer::from(parsed.as_raw().to_vec()),
            version,
            subject: Name::from(&tbs.subject),
            issuer: Name::from(&tbs.issuer),
            validity: Validity {
                not_before: timestamp(tbs.validity.not_before),
                not_after: timestamp(tbs.validity.not_after),
            },
            spki: SubjectPublicKeyInfoDer::from(tbs.subject_pki.raw.to_vec()),
            signed: Signed {
                message: tbs.as_ref().to_vec(),
                algorithm: outer_algorithm(parsed).ok_or(CertificateError::BadDer)?,
                signature: parsed.signature_value.data.to_vec(),
            },
            extensions: Extensions::read(tbs.extensions())?,
            is_for_development: is_for_development(&tbs.subject),
        })
    }

    /// The bare certificate: what goes on the wire.
    pub(super) const fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    pub(super) const fn version(&self) -> Version {
        self.version
    }

    pub(super) const fn subject(&self) -> &Name {
        &self.subject
    }

    pub(super) const fn issuer(&self) -> &Name {
        &self.issuer
    }

    pub(super) const fn validity(&self) -> Validity {
        self.validity
    }

    pub(super) const fn spki(&self) -> &SubjectPublicKeyInfoDer<'static> {
        &self.spki
    }

    pub(super) const fn signed(&self) -> &Signed {
        &self.signed
    }

    pub(super) const fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Whether its organization marks it as [`DEVELOPMENT`].
    pub(super) const fn is_for_development(&self) -> bool {
        self.is_for_development
    }

    /// Subject and issuer are the same name. Says nothing of who signed it.
    pub(super) fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Certificate({:?}, {}, until {})",
            self.version,
            self.subject,
            Utc(self.validity.not_after)
        )
    }
}

impl Name {
    fn show(name: &X509Name<'_>) -> String {
        let text = name.to_string();
        let shown: String = text
            .chars()
            .take(NAME_TEXT_LEN_MAX)
            .flat_map(char::escape_debug)
            .collect();
        if shown.is_empty() {
            "(no name)".to_owned()
        } else {
            shown
        }
    }
}

impl From<&X509Name<'_>> for Name {
    fn from(name: &X509Name<'_>) -> Self {
        Self {
            raw: name.as_raw().to_vec(),
            text: Self::show(name),
        }
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl fmt::Display for Name {
    /// The peer chose these words: control characters are escaped, the length is bounded.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl ExtendedKeyUsage {
    /// Whether the usage of this role, or any usage, is among those listed.
    pub(super) const fn allows(self, role: PeerRole) -> bool {
        self.any
            || match role {
                PeerRole::Client => self.client_auth,
                PeerRole::Server => self.server_auth,
            }
    }
}

impl Extensions {
    fn read(list: &[X509Extension<'_>]) -> Result<Self, CertificateError> {
        let mut read = Self::default();
        let mut seen = BTreeSet::new();
        for extension in list {
            if !seen.insert(extension.oid.as_bytes().to_vec()) {
                return Err(CertificateError::RepeatedExtension {
                    oid: extension.oid.to_id_string(),
                });
            }
            read.add(extension)?;
        }
        Ok(read)
    }

    fn add(&mut self, extension: &X509Extension<'_>) -> Result<(), CertificateError> {
        if extension.oid == BASIC_CONSTRAINTS {
            let value: extensions::BasicConstraints = whole(extension)?;
            self.basic_constraints = Some(BasicConstraints {
                is_ca: value.ca,
                path_len_max: value.path_len_constraint,
            });
        } else if extension.oid == KEY_USAGE {
            let value: extensions::KeyUsage = whole(extension)?;
            self.key_usage = Some(KeyUsage {
                digital_signature: value.digital_signature(),
                key_cert_sign: value.key_cert_sign(),
            });
        } else if extension.oid == EXTENDED_KEY_USAGE {
            let value: extensions::ExtendedKeyUsage<'_> = whole(extension)?;
            self.extended_key_usage = Some(ExtendedKeyUsage {
                any: value.any,
                server_auth: value.server_auth,
                client_auth: value.client_auth,
            });
        } else if extension.oid == NAME_CONSTRAINTS {
            self.has_name_constraints = true;
        } else if extension.oid != SUBJECT_ALT_NAME && extension.critical {
            self.unknown_critical = Some(extension.oid.to_id_string());
        }
        Ok(())
    }
}

/// The extension's value, if nothing follows it.
fn whole<'a, T, E>(extension: &X509Extension<'a>) -> Result<T, CertificateError>
where
    T: FromDer<'a, E>,
{
    match T::from_der(extension.value) {
        Ok(([], value)) => Ok(value),
        _ => Err(CertificateError::BadExtension {
            oid: extension.oid.to_id_string(),
        }),
    }
}

/// The contents of the AlgorithmIdentifier that follows the signed part.
///
/// No signature covers the frame around the signed part, and the parser does not look at every bit of it. So it must be
/// exactly what DER makes of its parts: else one certificate would have many fingerprints.
fn outer_algorithm(parsed: &X509Certificate<'_>) -> Option<Vec<u8>> {
    let tbs = parsed.tbs_certificate.as_ref();
    let (_, certificate) = Any::from_der(parsed.as_raw()).ok()?;
    let (_, algorithm) = Any::from_der(certificate.data.get(tbs.len()..)?).ok()?;
    let signature = [&[0], parsed.signature_value.data.as_ref()].concat();
    let parts = [
        tbs,
        &tlv(SEQUENCE, algorithm.data),
        &tlv(BIT_STRING, &signature),
    ]
    .concat();
    (tlv(SEQUENCE, &parts) == parsed.as_raw()).then(|| algorithm.data.to_vec())
}

fn is_for_development(subject: &X509Name<'_>) -> bool {
    let mut organizations = subject.iter_organization();
    organizations.any(|organization| organization.as_str() == Ok(DEVELOPMENT))
}

/// Dates before 1970 count as 1970.
fn timestamp(time: ASN1Time) -> Timestamp {
    Timestamp::from_secs(u64::try_from(time.timestamp()).unwrap_or(0))
}

/// SHA-256, by which certificates, keys and statements are named.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes)
        .as_ref()
        .try_into()
        .expect("SHA-256 yields 32 bytes")
}

/// The organization of certificates that are made for development: not for production.
pub const DEVELOPMENT: &str = "Phalanx development, not for production";
const NAME_TEXT_LEN_MAX: usize = 200;
const KEY_USAGE: Oid<'static> = oid!(2.5.29.15);
const SUBJECT_ALT_NAME: Oid<'static> = oid!(2.5.29.17);
const BASIC_CONSTRAINTS: Oid<'static> = oid!(2.5.29.19);
const NAME_CONSTRAINTS: Oid<'static> = oid!(2.5.29.30);
const EXTENDED_KEY_USAGE: Oid<'static> = oid!(2.5.29.37);
