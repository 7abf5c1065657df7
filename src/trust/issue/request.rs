//! [`NodeRequest`]: what a node's certificate is to say.

use std::net::IpAddr;
use std::time::Duration;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType};
use rustls::pki_types::{CertificateDer, ServerName};
use thiserror::Error;

use super::super::identity::RuleKind;
use super::super::names::{Names, server_name};

/// What a node's certificate is to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeRequest {
    /// The common name of its subject.
    pub common_name: String,
    /// The organization of its subject, if any.
    pub organization: Option<String>,
    /// DNS names, besides localhost; the first label may be an asterisk.
    pub dns: Vec<String>,
    /// Addresses, besides 127.0.0.1 and ::1.
    pub ip: Vec<IpAddr>,
    /// A URI, such as a SPIFFE id; one at most, as several identify nobody.
    pub uri: Option<String>,
    /// For which ends of a connection.
    pub usage: Usage,
    /// How long it is valid, from now on; never longer than the authority.
    pub life: Duration,
}

/// For which ends of a connection a certificate may be used. Every node is both; one with [`Usage::Server`] alone can
/// live in a cluster whose listeners ask for no client certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Usage {
    /// `serverAuth` and `clientAuth`.
    #[default]
    Both,
    /// `serverAuth`.
    Server,
}

/// A name that cannot stand in a certificate. It is the caller's to mend.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameError {
    /// An empty common name.
    #[error("the common name is empty")]
    CommonName,
    /// Not a DNS name.
    #[error("`{0}` is not a DNS name: labels of letters, digits and hyphens, with dots between")]
    Dns(String),
    /// An address among the DNS names, where nobody would look for it.
    #[error("`{0}` is an address: give it as one (--ip)")]
    DnsIsAddress(String),
    /// Not a URI.
    #[error("`{0}` is not a URI such as spiffe://trust.domain/path")]
    Uri(String),
}

impl NodeRequest {
    /// Adds the names of a certificate that is to be replaced, so that only new ones need to be given.
    ///
    /// Its common name and URI are taken where none is asked for.
    pub fn inherit(&mut self, old: &CertificateDer<'static>) {
        let names = Names::of(old);
        if self.common_name.is_empty() {
            self.common_name = names.common_name().unwrap_or_default().to_owned();
        }
        if self.uri.is_none() {
            self.uri = names.uri().map(str::to_owned);
        }
        for host in names.hosts() {
            match host.parse() {
                Ok(ip) => push_new(&mut self.ip, ip),
                Err(_) => push_new(&mut self.dns, host.clone()),
            }
        }
    }

    /// As rcgen takes it, without dates.
    pub(super) fn params(&self) -> Result<CertificateParams, NameError> {
        if self.common_name.is_empty() {
            return Err(NameError::CommonName);
        }
        let mut params = CertificateParams::default();
        let subject = &mut params.distinguished_name;
        subject.push(DnType::CommonName, self.common_name.as_str());
        if let Some(organization) = &self.organization {
            subject.push(DnType::OrganizationName, organization.as_str());
        }
        params.subject_alt_names = self.names()?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = match self.usage {
            Usage::Both => vec![
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::ClientAuth,
            ],
            Usage::Server => vec![ExtendedKeyUsagePurpose::ServerAuth],
        };
        Ok(params)
    }

    /// The node reaches itself, and others on its host, by these three; so they are always there.
    fn names(&self) -> Result<Vec<SanType>, NameError> {
        let mut ips: Vec<IpAddr> = self.ip.clone();
        let mut dns = self.dns.clone();
        push_new(&mut ips, IpAddr::from([127, 0, 0, 1]));
        push_new(&mut ips, IpAddr::from([0_u16, 0, 0, 0, 0, 0, 0, 1]));
        push_new(&mut dns, "localhost".to_owned());
        let mut names = dns
            .iter()
            .map(|name| dns_name(name))
            .collect::<Result<Vec<_>, _>>()?;
        names.extend(ips.into_iter().map(SanType::IpAddress));
        if let Some(uri) = &self.uri {
            names.push(uri_name(uri)?);
        }
        Ok(names)
    }
}

fn dns_name(name: &str) -> Result<SanType, NameError> {
    let wrong = || NameError::Dns(name.to_owned());
    match server_name(name.strip_prefix("*.").unwrap_or(name)) {
        Some(ServerName::DnsName(_)) => {
            let name = name.try_into().map_err(|_| wrong())?;
            Ok(SanType::DnsName(name))
        }
        Some(_) => Err(NameError::DnsIsAddress(name.to_owned())),
        None => Err(wrong()),
    }
}

fn uri_name(uri: &str) -> Result<SanType, NameError> {
    let wrong = || NameError::Uri(uri.to_owned());
    RuleKind::Uri.check(uri).map_err(|_| wrong())?;
    let spiffe = uri.strip_prefix("spiffe://");
    if spiffe.is_some_and(|rest| !is_spiffe(rest)) {
        return Err(wrong());
    }
    uri.try_into().map(SanType::URI).map_err(|_| wrong())
}

/// A trust domain in lower case and a path of named segments (SPIFFE-ID §2).
fn is_spiffe(rest: &str) -> bool {
    let (domain, path) = rest.split_once('/').unwrap_or((rest, ""));
    let is_domain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c);
    let is_path = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let is_segment =
        |segment: &str| !matches!(segment, "" | "." | "..") && segment.chars().all(is_path);
    let is_whole = !rest.contains('/') || path.split('/').all(is_segment);
    !domain.is_empty() && domain.chars().all(is_domain) && is_whole
}

fn push_new<T: PartialEq>(held: &mut Vec<T>, new: T) {
    if !held.contains(&new) {
        held.push(new);
    }
}
