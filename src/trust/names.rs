//! [`Names`]: what a certificate says of whom it stands for.

use rustls::pki_types::{CertificateDer, ServerName};
use webpki::EndEntityCert;
use x509_parser::certificate::X509CertificateParser;
use x509_parser::extensions::GeneralName;
use x509_parser::nom::Parser;

/// The names in a certificate that passed: the common names of its subject, and its subjectAltName.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// One for each, in order; empty for one that is no text.
    common_names: Vec<String>,
    /// The URIs of the subjectAltName.
    uris: Vec<String>,
    /// The DNS names and addresses of the subjectAltName, as people read them.
    hosts: Vec<String>,
    /// For webpki, which matches hosts; none where it cannot read the certificate.
    der: Option<CertificateDer<'static>>,
}

impl Names {
    pub(super) fn of(der: &CertificateDer<'static>) -> Self {
        let Ok((_, parsed)) = X509CertificateParser::new().parse(der) else {
            return Self::default();
        };
        let common_names = parsed.subject().iter_common_name();
        let mut names = Self {
            common_names: common_names
                .map(|name| name.as_str().unwrap_or_default().to_owned())
                .collect(),
            der: EndEntityCert::try_from(der).is_ok().then(|| der.clone()),
            ..Self::default()
        };
        if let Ok(Some(alternative)) = parsed.subject_alternative_name() {
            for name in &alternative.value.general_names {
                names.add(name);
            }
        }
        names
    }

    fn add(&mut self, name: &GeneralName<'_>) {
        match name {
            GeneralName::DNSName(name) => self.hosts.push((*name).to_owned()),
            GeneralName::IPAddress(bytes) => self.hosts.push(show_ip(bytes)),
            GeneralName::URI(uri) => self.uris.push((*uri).to_owned()),
            _ => {}
        }
    }

    /// The common name, if there is exactly one: of two, nobody could say which is meant.
    pub(super) fn common_name(&self) -> Option<&str> {
        match &self.common_names[..] {
            [name] if !name.is_empty() => Some(name),
            _ => None,
        }
    }

    /// The URI, if there is exactly one, as SPIFFE asks (X509-SVID §2).
    pub(super) fn uri(&self) -> Option<&str> {
        match &self.uris[..] {
            [uri] => Some(uri),
            _ => None,
        }
    }

    /// The DNS names and addresses, as people read them.
    #[cfg(feature = "daemon")]
    pub(super) fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// The URIs.
    #[cfg(feature = "daemon")]
    pub(super) fn uris(&self) -> &[String] {
        &self.uris
    }

    /// Whether any host is named at all.
    pub(super) const fn has_hosts(&self) -> bool {
        !self.hosts.is_empty()
    }

    /// Whether this host is named in the subjectAltName; a wildcard stands for one label (RFC 6125 §6.4.3).
    pub(super) fn has_host(&self, host: &ServerName<'_>) -> bool {
        let certificate = self.der.as_ref().map(EndEntityCert::try_from);
        certificate.is_some_and(|certificate| {
            certificate.is_ok_and(|found| found.verify_is_valid_for_subject_name(host).is_ok())
        })
    }
}

impl std::fmt::Display for Names {
    /// For our log: escaped and bounded, since the peer chose them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kinds = [
            ("CN", &self.common_names),
            ("host", &self.hosts),
            ("URI", &self.uris),
        ];
        let all = kinds
            .into_iter()
            .flat_map(|(kind, names)| names.iter().map(move |name| (kind, name)));
        let mut written = 0;
        for (kind, name) in all.take(NAMES_SHOWN_MAX) {
            let comma = if written > 0 { ", " } else { "" };
            let name = name.chars().take(NAME_LEN_SHOWN_MAX).collect::<String>();
            write!(f, "{comma}{kind} {}", name.escape_debug())?;
            written += 1;
        }
        match written {
            0 => f.write_str("no name"),
            _ => Ok(()),
        }
    }
}

/// A host as certificates name it: a DNS name, or an IP address, with or without brackets. `None` for what no certificate
/// can name.
pub(super) fn server_name(host: &str) -> Option<ServerName<'static>> {
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    ServerName::try_from(inner.unwrap_or(host).to_owned()).ok()
}

fn show_ip(bytes: &[u8]) -> String {
    use std::net::IpAddr;
    match *bytes {
        [a, b, c, d] => IpAddr::from([a, b, c, d]).to_string(),
        _ => <[u8; 16]>::try_from(bytes)
            .map_or_else(|_| "?".to_owned(), |bytes| IpAddr::from(bytes).to_string()),
    }
}

const NAMES_SHOWN_MAX: usize = 8;
const NAME_LEN_SHOWN_MAX: usize = 100;
