//! Certificates of virtual nodes, as they are written, and as they are made from the seed.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::who::{Who, number};
use super::yaml::mapping;
use crate::sabotage::{Sabotage, Saboteur};
use crate::simulation::{CertificateAuthority, NodeCertificate, NodeId, Validity};
use crate::time::Timestamp;
use crate::trust::Trust;

const DAY: Duration = Duration::from_secs(86_400);

mapping! {
    /// A node's certificate, and whom it believes. Times are since the start of the run.
    pub struct CertificateSpec {
        /// The authority that issued it, which the node believes itself.
        authority: String = ("ca".to_owned()),
        /// When it begins to be valid; a day before the start of the run without it.
        from: Option<Duration>,
        /// When it expires.
        valid: Duration = (DAY * 365),
        /// Other authorities that the node believes.
        trusts: Vec<String>,
    }
}

impl CertificateSpec {
    /// Whether it says anything of the certificate at all.
    #[must_use]
    pub fn differs(&self) -> bool {
        let usual = Self::default();
        let same = self.authority == usual.authority && self.from == usual.from;
        !same || self.valid != usual.valid || !self.trusts.is_empty()
    }
}

impl Default for CertificateSpec {
    fn default() -> Self {
        Self {
            authority: "ca".to_owned(),
            from: None,
            valid: DAY * 365,
            trusts: Vec::new(),
        }
    }
}

mapping! {
    /// Nodes that are given other certificates: what they show, and whom they believe. What is issued again by the same
    /// authority for the same time is the same certificate.
    pub struct NewCertificates {
        /// Which.
        nodes: Who,
        /// The certificates.
        certificate: CertificateSpec = (CertificateSpec::default()),
        /// Whether what runs loads them at once, as when files change; else it keeps those it has until it is restarted.
        in_place: bool = (false),
        /// How long after one node the next one is given its own.
        every: Duration = (Duration::ZERO),
    }
}

/// The authorities of a run, made from its seed when they are first needed.
pub(super) struct Authorities {
    seed: u64,
    start: Timestamp,
    saboteur: Saboteur,
    by_name: BTreeMap<String, CertificateAuthority>,
    issued: Vec<(NodeId, String, Validity, NodeCertificate)>,
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_name.keys()).finish()
    }
}

impl Authorities {
    pub(super) const fn new(seed: u64, start: Timestamp, saboteur: Saboteur) -> Self {
        Self {
            seed,
            start,
            saboteur,
            by_name: BTreeMap::new(),
            issued: Vec::new(),
        }
    }

    /// What a node proves itself with and whom it believes.
    pub(super) fn trust(&mut self, node: NodeId, spec: &CertificateSpec) -> Trust {
        let start = self.start;
        let not_before = spec.from.map_or_else(|| start - DAY, |from| start + from);
        let validity = Validity {
            not_before,
            not_after: start + spec.valid,
        };
        let certificate = self.certificate(node, &spec.authority, validity);
        let trusted: String = spec
            .trusts
            .iter()
            .map(|name| self.authority(name).pem())
            .collect();
        let ignored = self.saboteur.does(Sabotage::OtherAuthoritiesIgnored);
        let trusted = (!trusted.is_empty() && !ignored).then_some(trusted.as_str());
        certificate
            .load(trusted, not_before)
            .expect("it is valid when its validity begins")
    }

    /// The certificate that an authority has issued, or issues now.
    fn certificate(
        &mut self,
        node: NodeId,
        authority: &str,
        validity: Validity,
    ) -> NodeCertificate {
        let issued = self.issued.iter().find(|(holder, issuer, valid, _)| {
            (*holder, issuer.as_str(), *valid) == (node, authority, validity)
        });
        if let Some((.., certificate)) = issued {
            return certificate.clone();
        }
        let name = format!("n{}", number(node));
        let certificate = self.authority(authority).issue(&name, validity, &[&name]);
        let entry = (node, authority.to_owned(), validity, certificate.clone());
        self.issued.push(entry);
        certificate
    }

    fn authority(&mut self, name: &str) -> &mut CertificateAuthority {
        let (seed, start) = (self.seed, self.start);
        self.by_name.entry(name.to_owned()).or_insert_with(|| {
            let validity = Validity::lasting(start - DAY, DAY * 36_500);
            CertificateAuthority::new(seed, name, validity)
        })
    }
}
