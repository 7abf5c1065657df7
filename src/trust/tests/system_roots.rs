//! System roots: their word counts for our contact points alone (R39, R44, R47, R52).

use std::fs;

use super::*;

struct Setup {
    directory: tempfile::TempDir,
    public_key: Key,
    own_key: Key,
}

impl Setup {
    /// A node with a lone certificate of a public authority, whose root stands in for the machine's.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (public_key, own_key) = (Key::new(), Key::new());
        let root = Forge::ca("public", "public").self_signed(&public_key);
        let own = Forge::v3("own", "public").sign(&own_key, &public_key);
        fs::write(directory.path().join("roots.pem"), chain_file(&[&root])).unwrap();
        fs::write(directory.path().join("own.pem"), chain_file(&[&own])).unwrap();
        fs::write(directory.path().join("own.key"), own_key.pem()).unwrap();
        Self {
            directory,
            public_key,
            own_key,
        }
    }

    fn load(
        &self,
        system_roots: SystemRoots,
        hosts: &[&str],
    ) -> Result<(Trust, Vec<TrustWarning>), LoadError> {
        self.load_with(system_roots, hosts, IdentityOptions::default())
    }

    fn load_with(
        &self,
        system_roots: SystemRoots,
        hosts: &[&str],
        identity: IdentityOptions,
    ) -> Result<(Trust, Vec<TrustWarning>), LoadError> {
        let options = TrustOptions {
            certificate_chain: self.directory.path().join("own.pem"),
            private_key: self.directory.path().join("own.key"),
            system_roots,
            identity,
            exposed_key: ExposedKey::Ignore,
            contact_hosts: hosts.iter().map(ToString::to_string).collect(),
            ..TrustOptions::default()
        };
        Trust::load(&options, NOW)
    }

    fn bundle(&self) -> SystemRoots {
        SystemRoots::Bundle(self.directory.path().join("roots.pem"))
    }

    fn leaf(&self, san: Option<Vec<u8>>) -> CertificateDer<'static> {
        let forge = Forge::v3("peer", "public");
        san.into_iter()
            .fold(forge, Forge::with)
            .sign(&Key::new(), &self.public_key)
    }
}

#[test]
fn admit_only_the_hosts_of_contact_points() {
    let setup = Setup::new();
    let (trust, warnings) = setup
        .load(setup.bundle(), &["node1.example.com", "10.0.0.1", "[::1]"])
        .unwrap();
    assert_eq!(warnings, [TrustWarning::SystemRootsTakePart { count: 1 }]);
    let mut v6 = [0; 16];
    v6[15] = 1;
    for (san, accepted) in [
        (Some(dns_name("node1.example.com")), true),
        (Some(dns_name("NODE1.example.com")), true),
        (Some(dns_name("*.example.com")), true),
        (Some(dns_name("node2.example.com")), false),
        (Some(dns_name("10.0.0.1")), false),
        (Some(ip_address(&[10, 0, 0, 1])), true),
        (Some(ip_address(&[10, 0, 0, 2])), false),
        (Some(ip_address(&v6)), true),
        (None, false),
    ] {
        let leaf = setup.leaf(san.clone());
        if accepted {
            let peer = assert_accepted(&trust, &[&leaf]);
            assert_eq!(peer.anchor().origin, AnchorOrigin::SystemRoots);
        } else {
            assert_refused(&trust, &[&leaf], "name-mismatch");
        }
    }
    let v1 = Forge::v1("node1.example.com", "public").sign(&Key::new(), &setup.public_key);
    assert_refused(&trust, &[&v1], "name-mismatch");
}

/// R44, R52: a rule narrows strangers down as well, contact points or not, and then the rule alone decides.
#[test]
fn admit_whom_an_identity_rule_matches() {
    let setup = Setup::new();
    let identity = IdentityOptions {
        dns: vec!["node2.example.com".to_owned()],
        ..IdentityOptions::default()
    };
    for hosts in [&[][..], &["node1.example.com"]] {
        let loaded = setup.load_with(setup.bundle(), hosts, identity.clone());
        let (trust, _) = loaded.unwrap();
        let peer = assert_accepted(&trust, &[&setup.leaf(Some(dns_name("node2.example.com")))]);
        assert_eq!(peer.anchor().origin, AnchorOrigin::SystemRoots);
        for san in [Some(dns_name("node1.example.com")), None] {
            assert_refused(&trust, &[&setup.leaf(san)], "identity");
        }
    }
}

/// R47: what the operator listed comes first, and needs no name.
#[test]
fn come_after_what_is_listed() {
    let setup = Setup::new();
    let (trust, _) = setup.load(setup.bundle(), &["node1"]).unwrap();
    let peer = assert_accepted(&trust, &[&trust.chain()[0]]);
    assert_eq!(peer.anchor().origin, AnchorOrigin::ChainFile);
}

#[test]
fn without_a_contact_point_are_an_error_if_asked_for() {
    let setup = Setup::new();
    for roots in [SystemRoots::On, setup.bundle()] {
        let error = setup.load(roots, &[]).unwrap_err();
        assert_eq!(error.reason(), "system-roots-without-contact-points");
    }
    let error = setup.load(setup.bundle(), &["not a host"]).unwrap_err();
    assert_eq!(error.reason(), "system-roots-without-contact-points");
}

#[test]
fn stay_out_unless_the_chain_file_needs_them() {
    let setup = Setup::new();
    let (trust, warnings) = setup.load(SystemRoots::Auto, &[]).unwrap();
    assert_eq!(trust.anchor_count(), 1);
    assert!(
        matches!(warnings[..], [TrustWarning::SystemRootsLeftOut { .. }]),
        "{warnings:?}"
    );
    let alone = Forge::v3("own", "own").self_signed(&setup.own_key);
    fs::write(
        setup.directory.path().join("own.pem"),
        chain_file(&[&alone]),
    )
    .unwrap();
    let (trust, warnings) = setup.load(SystemRoots::Auto, &["node1"]).unwrap();
    assert_eq!((trust.anchor_count(), warnings), (1, vec![]));
    let (trust, warnings) = setup.load(SystemRoots::Off, &["node1"]).unwrap();
    assert_eq!((trust.anchor_count(), warnings), (1, vec![]));
}
