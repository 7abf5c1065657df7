//! Whom a certificate may stand for (R53 to R66), before and after its owner has introduced itself.

use super::*;

/// A judge with rules, and the authority whose certificates it judges.
fn judge(cluster: &Cluster, identity: IdentityOptions) -> Trust {
    let chain = chain_file(&[&cluster.own, &cluster.root]);
    let key = cluster.own_key.pem();
    let pem = TrustPem {
        certificate_chain: chain.as_bytes(),
        private_key: key.as_bytes(),
        identity,
        ..TrustPem::default()
    };
    Trust::from_pem(&pem, NOW).unwrap().0
}

/// A node of the cluster whose certificate has this common name and these extensions.
fn peer(cluster: &Cluster, name: &'static str, san: Option<Vec<u8>>) -> Trust {
    let key = Key::new();
    let forge = san.into_iter().fold(Forge::v3(name, "root"), Forge::with);
    node(&[&forge.sign(&key, &cluster.root_key), &cluster.root], &key)
}

fn introduce(judge: &Trust, peer: &Trust, claim: &Claim<'_>) -> Result<bool, &'static str> {
    let signature = peer.sign_introduction(b"fields").unwrap();
    let verified = judge.verify_introduction(b"fields", peer.chain(), &signature, claim, NOW);
    verified
        .map(|verified| verified.is_id_bound())
        .map_err(|error| error.reason())
}

fn common_name(rules: &[&str]) -> IdentityOptions {
    IdentityOptions {
        common_name: rules.iter().map(ToString::to_string).collect(),
        ..IdentityOptions::default()
    }
}

/// R53, R59, JOIN rule 7: a rule with the member id cannot be judged before the peer has said it, and is judged then.
#[test]
fn a_certificate_is_bound_to_the_member_id_it_is_issued_for() {
    let cluster = Cluster::new(&Forge::ca("root", "root"));
    let bound = judge(&cluster, common_name(&["node-{memberId}"]));
    let either = judge(&cluster, common_name(&["node-{memberId}", "admin"]));
    let (node_1, admin) = (
        peer(&cluster, "node-1", None),
        peer(&cluster, "admin", None),
    );
    for (judge, peer, id, expected) in [
        (&bound, &node_1, "1", Ok(true)),
        (&bound, &node_1, "2", Err("identity")),
        (&bound, &node_1, ".", Err("identity")),
        (&bound, &admin, "1", Err("identity")),
        (&either, &node_1, "2", Err("identity")),
        (&either, &admin, "2", Ok(false)),
    ] {
        let claim = Claim {
            member_id: Some(id),
            ..Claim::default()
        };
        assert_eq!(introduce(judge, peer, &claim), expected, "{id}");
        // The handshake alone does not know the id.
        let chain: Vec<_> = peer.chain().iter().collect();
        assert_accepted(judge, &chain);
    }
    let strict = judge_chain(&judge(&cluster, common_name(&["admin"])), &node_1);
    assert_eq!(strict, Err("identity"), "no id could make this one match");
}

fn judge_chain(judge: &Trust, peer: &Trust) -> Result<(), &'static str> {
    let verdict = judge.verify_peer(peer.chain(), PeerRole::Client, NOW);
    verdict.map(|_| ()).map_err(|error| error.reason())
}

/// R61, R62, R64, R65.
#[test]
fn host_names_are_asked_for_as_the_mode_says() {
    use HostnameVerification::{IfPresent, Off, Require};
    let cluster = Cluster::new(&Forge::ca("root", "root"));
    let judges = [Off, IfPresent, Require].map(|hostname_verification| {
        let identity = IdentityOptions {
            hostname_verification,
            ..IdentityOptions::default()
        };
        judge(&cluster, identity)
    });
    let named = peer(&cluster, "node-1", Some(dns_name("node-1")));
    let address = peer(&cluster, "10.0.0.2", Some(ip_address(&[10, 0, 0, 1])));
    let nameless = peer(&cluster, "node-1", None);
    for (peer, host, expected) in [
        (&named, "node-1", [true, true, true]),
        (&named, "NODE-1", [true, true, true]),
        (&named, "node-2", [true, false, false]),
        (&address, "10.0.0.1", [true, true, true]),
        (&address, "10.0.0.2", [true, false, false]),
        (&nameless, "node-1", [true, true, false]),
    ] {
        let hosts = [host.to_owned()];
        let claim = Claim {
            member_id: Some("1"),
            hosts: &hosts,
        };
        for (judge, accepted) in judges.iter().zip(expected) {
            let verdict = introduce(judge, peer, &claim);
            let expected = if accepted {
                Ok(false)
            } else {
                Err("name-mismatch")
            };
            assert_eq!(verdict, expected, "{host}");
        }
    }
}

/// R126: expected against presented, and nothing that could break a log line.
#[test]
fn a_mismatch_shows_what_was_expected_and_what_is_there() {
    let cluster = Cluster::new(&Forge::ca("root", "root"));
    let judge = judge(&cluster, common_name(&["admin"]));
    let peer = peer(&cluster, "x\ny", Some(dns_name("a.b")));
    let chain: Vec<_> = peer.chain().iter().collect();
    let text = assert_refused(&judge, &chain, "identity").to_string();
    assert!(
        text.contains("CN x\\ny, host a.b") && text.contains("common name `admin`"),
        "{text}"
    );
    assert!(!text.contains('\n'), "{text}");
}

/// R56: what is wrong with a rule is said at start, and what is likely wrong as well.
#[test]
fn rules_are_judged_at_start() {
    let cluster = Cluster::new(&Forge::ca("root", "root"));
    let chain = chain_file(&[&cluster.own, &cluster.root]);
    let key = cluster.own_key.pem();
    let load = |rules: &[&str]| {
        let pem = TrustPem {
            certificate_chain: chain.as_bytes(),
            private_key: key.as_bytes(),
            identity: common_name(rules),
            ..TrustPem::default()
        };
        Trust::from_pem(&pem, NOW).map(|(_, warnings)| warnings)
    };
    let error = load(&["node-("]).unwrap_err();
    assert_eq!(error.material.setting(), "peerIdentity.commonName");
    assert_eq!(error.reason(), "bad-rule");
    let loose = TrustWarning::LoosePattern {
        pattern: "a.b".to_owned(),
    };
    assert_eq!(load(&["a.b"]).unwrap(), [loose]);
    let in_part = load(&["node-{memberId}", "admin"]).unwrap();
    assert_eq!(in_part, [TrustWarning::IdsBoundInPart]);
    assert_eq!(load(&["node-{memberId}", r"x\.{memberId}"]).unwrap(), []);
}
