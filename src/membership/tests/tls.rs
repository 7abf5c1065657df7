//! Clusters with TLS on the virtual network, each node with a certificate of its own.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};

use crate::membership::Options;
use crate::simulation::{Network, NetworkOptions, NodeId, plain_options};
use crate::time::Timestamp;
use crate::trust::{Trust, TrustPem};

/// Who signs the nodes' certificates.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new(number: u8) -> Self {
        let mut params = CertificateParams::default();
        let name = format!("authority {number}");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self(CertifiedIssuer::self_signed(params, key([number; 32])).unwrap())
    }

    /// The `serial`-th certificate of a node: each has a key of its own.
    pub(super) fn trust(&self, number: u32, serial: u8) -> Trust {
        self.trust_with(number, serial, &[])
    }

    /// The first certificate of a node, valid until `end`.
    pub(super) fn trust_until(&self, number: u32, end: Timestamp) -> Trust {
        let mut params = CertificateParams::new([format!("node-{number}")]).unwrap();
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(end.as_secs());
        self.issue(number, params, 0, &[])
    }

    /// The same, of a node that believes these authorities too.
    pub(super) fn trust_with(&self, number: u32, serial: u8, others: &[Self]) -> Trust {
        let params = CertificateParams::new([format!("node-{number}")]).unwrap();
        self.issue(number, params, serial, others)
    }

    fn issue(&self, number: u32, params: CertificateParams, serial: u8, others: &[Self]) -> Trust {
        let mut seed = [serial; 32];
        seed[..4].copy_from_slice(&number.to_be_bytes());
        let key = key(seed);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let trusted: String = others.iter().map(|other| other.0.pem()).collect();
        let (chain, key) = (certificate.pem() + &self.0.pem(), key.serialize_pem());
        let pem = TrustPem {
            certificate_chain: chain.as_bytes(),
            private_key: key.as_bytes(),
            trusted_certificates: (!others.is_empty()).then_some(trusted.as_bytes()),
            ..TrustPem::default()
        };
        Trust::from_pem(&pem, start()).unwrap().0
    }
}

/// RFC 8410 §7: an Ed25519 key is 32 bytes behind a fixed header.
fn key(seed: [u8; 32]) -> KeyPair {
    let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
    der.extend(seed);
    KeyPair::try_from(der).unwrap()
}

fn start() -> Timestamp {
    NetworkOptions::default().start
}

pub(super) fn options(number: u32, trust: &Trust) -> Options {
    let mut options = plain_options(number);
    options.certificate = Some(*trust.leaf_sha256().as_bytes());
    options.params.tagged = true;
    options
}

/// Adds nodes with certificates of one authority, all with node 0 as their contact point.
pub(super) fn add_nodes(
    network: &mut Network,
    authority: &Authority,
    numbers: std::ops::Range<u32>,
) -> Vec<NodeId> {
    add_nodes_with(network, authority, numbers, |_| {})
}

/// The same with other options.
pub(super) fn add_nodes_with(
    network: &mut Network,
    authority: &Authority,
    numbers: std::ops::Range<u32>,
    change: impl Fn(&mut Options),
) -> Vec<NodeId> {
    let contact = plain_options(0).local.advertised;
    numbers
        .map(|number| {
            let trust = authority.trust(number, 0);
            let mut options = options(number, &trust);
            change(&mut options);
            network.add_node(options, Some(trust), vec![contact.into()])
        })
        .collect()
}

/// A cluster of `count` nodes that know each other.
pub(super) fn formed(count: u32, seed: u64) -> (Network, Vec<NodeId>) {
    let mut network = Network::new(NetworkOptions::default(), seed);
    let nodes = add_nodes(&mut network, &Authority::new(1), 0..count);
    network.start_all();
    let formed = network
        .run_until(Duration::from_secs(30), STEP, Network::views_are_complete)
        .unwrap();
    assert!(formed.is_some(), "seed {seed}: {}", network.transcript());
    (network, nodes)
}

pub(super) const STEP: Duration = Duration::from_millis(10);
