//! The rules, one by one, on forged certificates. Where a rule is laxer than stock webpki, the test says so and shows how far
//! it goes; the R-numbers are those of `docs/REQUIREMENTS.md`.

use proptest::prelude::*;
use rustls::NamedGroup;
use rustls::pki_types::CertificateDer;

use super::certificate::Certificate;
use super::forge::*;
use super::*;

mod differential;
mod identity;
mod introductions;
mod loading;
mod material;
mod system_roots;

fn verdict(
    verifier: &Trust,
    chain: &[&CertificateDer<'_>],
    role: PeerRole,
) -> Result<VerifiedPeer, VerifyError> {
    let chain: Vec<CertificateDer<'_>> = chain.iter().map(|der| (*der).clone()).collect();
    verifier.verify_peer(&chain, role, NOW)
}

#[track_caller]
fn assert_accepted(verifier: &Trust, chain: &[&CertificateDer<'_>]) -> VerifiedPeer {
    verdict(verifier, chain, PeerRole::Client).unwrap();
    verdict(verifier, chain, PeerRole::Server).unwrap()
}

#[track_caller]
fn assert_refused(verifier: &Trust, chain: &[&CertificateDer<'_>], reason: &str) -> VerifyError {
    let error = verdict(verifier, chain, PeerRole::Server).unwrap_err();
    assert_eq!(error.reason(), reason, "{error}");
    error
}

/// An authority with the certificate of the node that verifies.
struct Cluster {
    root_key: Key,
    root: CertificateDer<'static>,
    own_key: Key,
    own: CertificateDer<'static>,
}

impl Cluster {
    fn new(root: &Forge) -> Self {
        let (root_key, own_key) = (Key::new(), Key::new());
        let own = Forge::v3("own", root.subject).sign(&own_key, &root_key);
        Self {
            root: root.self_signed(&root_key),
            root_key,
            own_key,
            own,
        }
    }

    fn verifier(&self) -> Trust {
        node(&[&self.own, &self.root], &self.own_key)
    }
}

/// Departure: version 1 end-entities (R115, R117). They have no extensions, so no SAN and no usages to check.
#[test]
fn a_version_1_leaf_is_accepted_below_an_authority() {
    for root in [Forge::ca("root", "root"), Forge::v1("root", "root")] {
        let cluster = Cluster::new(&root);
        let leaf = Forge::v1("peer", "root").sign(&Key::new(), &cluster.root_key);
        let peer = assert_accepted(&cluster.verifier(), &[&leaf]);
        assert_eq!(peer.anchor().subject, "CN=root");
        assert_eq!(peer.anchor().origin, AnchorOrigin::ChainFile);
    }
}

/// Departure: a certificate that is listed is that peer, `CA:TRUE`, self-signed or without a SAN (R43).
#[test]
fn a_listed_certificate_is_that_peer() {
    for shared in [
        Forge::ca("shared", "shared"),
        Forge::v1("shared", "shared"),
        Forge::v3("shared", "shared"),
        Forge::v3("shared", "an authority nobody lists"),
    ] {
        let key = Key::new();
        let shared = shared.self_signed(&key);
        let peer = assert_accepted(&node(&[&shared], &key), &[&shared]);
        assert!(peer.anchor().is_peer_itself);
    }
}

#[test]
fn a_listed_certificate_is_compared_byte_for_byte() {
    let key = Key::new();
    for shared in [
        Forge::v1("shared", "shared").with_issuer("other"),
        Forge::v3("shared", "shared"),
    ] {
        let verifier = node(&[&shared.self_signed(&key)], &key);
        let twin = Forge {
            serial: 2,
            ..shared
        }
        .self_signed(&key);
        let error = verdict(&verifier, &[&twin], PeerRole::Server).unwrap_err();
        assert!(
            ["not-a-ca", "unknown-issuer"].contains(&error.reason()),
            "{error}"
        );
    }
}

/// Departure: anyExtendedKeyUsage includes both roles (R67).
#[test]
fn extended_key_usage_must_include_the_role_or_any() {
    let cluster = Cluster::new(&Forge::ca("root", "root"));
    let verifier = cluster.verifier();
    for (usages, as_server, as_client) in [
        (&[0_u8][..], true, true),
        (&[1], true, false),
        (&[2], false, true),
        (&[1, 2], true, true),
        (&[4], false, false),
    ] {
        let leaf = Forge::v3("peer", "root")
            .with(extended_key_usage(usages))
            .sign(&Key::new(), &cluster.root_key);
        for (role, expected) in [(PeerRole::Server, as_server), (PeerRole::Client, as_client)] {
            match verdict(&verifier, &[&leaf], role) {
                Ok(_) => assert!(expected, "{usages:?} as {role}"),
                Err(error) => {
                    assert!(!expected, "{usages:?} as {role}: {error}");
                    assert_eq!(error.reason(), "wrong-usage");
                    assert!(error.to_string().contains(role.usage()), "{error}");
                }
            }
        }
    }
}

/// Departure: an intermediate alone is an anchor (R42), as webpki has it too.
#[test]
fn an_intermediate_without_its_root_is_an_anchor() {
    let (int_key, own_key) = (Key::new(), Key::new());
    let int = Forge::ca("int", "root").sign(&int_key, &Key::new());
    let own = Forge::v3("own", "int").sign(&own_key, &int_key);
    let leaf = Forge::v3("peer", "int").sign(&Key::new(), &int_key);
    assert_accepted(&node(&[&own, &int], &own_key), &[&leaf]);
}

/// Stricter than webpki: an anchor vouches for others only if it is an authority.
#[test]
fn nothing_that_a_nodes_own_certificate_signed_is_believed() {
    for version in [Forge::v1, Forge::v3] {
        // As the recipes have it: one name for authority and nodes.
        let cluster = Cluster::new(&Forge::v1("same", "same"));
        let own_key = Key::new();
        let own = version("same", "same").sign(&own_key, &cluster.root_key);
        let minted = Forge::v1("same", "same").sign(&Key::new(), &own_key);
        let verifier = node(&[&own, &cluster.root], &own_key);
        assert_accepted(&verifier, &[&own, &cluster.root]);
        assert_refused(&verifier, &[&minted, &own, &cluster.root], "not-a-ca");
        // The same from another node, whose certificate only the peer holds.
        let other_key = Key::new();
        let other = version("same", "same").sign(&other_key, &cluster.root_key);
        let minted = Forge::v3("same", "same").sign(&Key::new(), &other_key);
        assert_refused(&verifier, &[&minted, &other, &cluster.root], "not-a-ca");
    }
}

/// Stricter than webpki: keyCertSign, dates, usages, path length and unknown critical extensions of anchors count.
#[test]
fn an_anchor_is_held_to_what_it_says() {
    let cases = [
        (Forge::v3("root", "root"), "not-a-ca"),
        (Forge::v3("root", "root").with(no_authority()), "not-a-ca"),
        (Forge::ca("root", "root").with(key_usage(0x80)), "not-a-ca"),
        (
            Forge::ca("root", "root").with(extended_key_usage(&[4])),
            "wrong-usage",
        ),
        (
            Forge {
                not_after: "251231000000Z",
                ..Forge::ca("root", "root")
            },
            "expired",
        ),
        (
            Forge {
                not_before: "260102000000Z",
                ..Forge::ca("root", "root")
            },
            "not-yet-valid",
        ),
        (
            Forge::ca("root", "root").with(extension(&[0x2a, 3], true, &[5, 0])),
            "unknown-critical-extension",
        ),
    ];
    for (root, reason) in cases {
        let cluster = Cluster::new(&root);
        let leaf = Forge::v3("peer", "root").sign(&Key::new(), &cluster.root_key);
        assert_refused(&cluster.verifier(), &[&leaf], reason);
    }
    let cluster = Cluster::new(&Forge::v3("root", "root").with(authority(Some(0))));
    let int_key = Key::new();
    let int = Forge::ca("int", "root").sign(&int_key, &cluster.root_key);
    let leaf = Forge::v3("peer", "int").sign(&Key::new(), &int_key);
    assert_refused(&cluster.verifier(), &[&leaf, &int], "path-length");
}

#[test]
fn an_intermediate_is_held_to_what_it_says() {
    let cluster = Cluster::new(&Forge::ca("root", "root"));
    let verifier = cluster.verifier();
    let cases = [
        (Forge::ca("int", "root"), None),
        (Forge::ca("int", "root").with(key_usage(0x04)), None),
        (
            Forge::ca("int", "root").with(extended_key_usage(&[1, 2])),
            None,
        ),
        (Forge::v1("int", "root"), Some("not-a-ca")),
        (Forge::v3("int", "root"), Some("not-a-ca")),
        (
            Forge::ca("int", "root").with(key_usage(0x80)),
            Some("not-a-ca"),
        ),
        (
            Forge::ca("int", "root").with(extended_key_usage(&[4])),
            Some("wrong-usage"),
        ),
        (
            Forge {
                not_after: "251231000000Z",
                ..Forge::ca("int", "root")
            },
            Some("expired"),
        ),
        (
            Forge {
                not_before: "260102000000Z",
                ..Forge::ca("int", "root")
            },
            Some("not-yet-valid"),
        ),
        (
            Forge::ca("int", "root").with(extension(&[0x2a, 3], true, &[5, 0])),
            Some("unknown-critical-extension"),
        ),
        (
            Forge::ca("int", "root").with(extension(&[0x2a, 3], false, &[5, 0])),
            None,
        ),
        (
            Forge {
                version: 2,
                ..Forge::v3("int", "root")
            },
            Some("bad-certificate"),
        ),
    ];
    for (int, reason) in cases {
        let int_key = Key::new();
        let int = int.sign(&int_key, &cluster.root_key);
        let leaf = Forge::v3("peer", "int").sign(&Key::new(), &int_key);
        match reason {
            Some(reason) => drop(assert_refused(&verifier, &[&leaf, &int], reason)),
            None => drop(assert_accepted(&verifier, &[&leaf, &int])),
        }
    }
}

/// R46, and stricter than Java: being listed excuses nothing.
#[test]
fn a_listed_certificate_is_held_to_what_it_says() {
    let cluster = Cluster::new(&Forge::ca("root", "root"));
    let cases = [
        (
            Forge {
                not_after: "251231235959Z",
                ..Forge::v3("peer", "peer")
            },
            "expired",
        ),
        (
            Forge {
                not_before: "260101000001Z",
                ..Forge::v3("peer", "peer")
            },
            "not-yet-valid",
        ),
        (
            Forge::v3("peer", "peer").with(key_usage(0x04)),
            "not-for-handshake",
        ),
        (
            Forge::v3("peer", "peer").with(extended_key_usage(&[2])),
            "wrong-usage",
        ),
        (
            Forge::v3("peer", "peer").with(extension(&[0x2a, 3], true, &[5, 0])),
            "unknown-critical-extension",
        ),
    ];
    for (peer, reason) in cases {
        let key = Key::new();
        let peer = peer.self_signed(&key);
        assert_refused(
            &node(&[&cluster.own, &cluster.root, &peer], &cluster.own_key),
            &[&peer],
            reason,
        );
    }
}

/// Both ends of the period belong to it.
#[test]
fn dates_are_inclusive() {
    let key = Key::new();
    for peer in [
        Forge {
            not_after: "260101000000Z",
            ..Forge::v3("peer", "peer")
        },
        Forge {
            not_before: "260101000000Z",
            ..Forge::v3("peer", "peer")
        },
    ] {
        let peer = peer.self_signed(&key);
        assert_accepted(&node(&[&peer], &key), &[&peer]);
    }
}

/// R38: nothing is keyed by subject or serial number, so each anchor of the right name is tried.
#[test]
fn every_anchor_of_the_issuers_name_is_tried() {
    let cluster = Cluster::new(&Forge::v1("same", "same"));
    let decoys: Vec<_> = (0..5)
        .map(|_| Forge::v1("same", "same").self_signed(&Key::new()))
        .collect();
    let mut listed = vec![&cluster.own];
    listed.extend(&decoys);
    listed.push(&cluster.root);
    let leaf = Forge::v1("same", "same").sign(&Key::new(), &cluster.root_key);
    let peer = assert_accepted(&node(&listed, &cluster.own_key), &[&leaf]);
    assert_eq!(peer.anchor().fingerprint, Fingerprint::of(&cluster.root));
    let stranger = Forge::v1("same", "same").sign(&Key::new(), &Key::new());
    assert_refused(
        &node(&listed, &cluster.own_key),
        &[&stranger],
        "bad-signature",
    );
}

/// R38.
#[test]
fn a_bad_candidate_does_not_end_the_search() {
    let cluster = Cluster::new(&Forge::ca("root", "root"));
    let int_key = Key::new();
    let int = Forge::ca("int", "root").sign(&int_key, &cluster.root_key);
    let leaf = Forge::v3("peer", "int").sign(&Key::new(), &int_key);
    let expired = Forge {
        not_after: "251231000000Z",
        ..Forge::ca("int", "root")
    }
    .sign(&int_key, &cluster.root_key);
    let impostor = Forge::ca("int", "root").sign(&Key::new(), &Key::new());
    let junk = CertificateDer::from(vec![1, 2, 3]);
    assert_accepted(
        &cluster.verifier(),
        &[
            &leaf,
            &junk,
            &impostor,
            &expired,
            &leaf,
            &int,
            &int,
            &cluster.root,
        ],
    );
    let error = assert_refused(
        &cluster.verifier(),
        &[&leaf, &junk, &impostor, &expired],
        "expired",
    );
    assert!(error.to_string().contains("CN=int"), "{error}");
    assert_refused(&cluster.verifier(), &[&leaf, &junk], "bad-certificate");
    assert_refused(&cluster.verifier(), &[&leaf], "unknown-issuer");
}

#[test]
fn paths_end_at_eight_intermediates() {
    let cluster = Cluster::new(&Forge::ca("root", "root"));
    let names = ["i0", "i1", "i2", "i3", "i4", "i5", "i6", "i7", "i8", "i9"];
    let (mut issuer, mut issuer_key) = ("root", &cluster.root_key);
    let keys: Vec<Key> = names.iter().map(|_| Key::new()).collect();
    let mut chain = Vec::new();
    for (count, (name, key)) in names.iter().zip(&keys).enumerate() {
        chain.push(Forge::ca(name, issuer).sign(key, issuer_key));
        (issuer, issuer_key) = (name, key);
        let leaf = Forge::v3("peer", name).sign(&Key::new(), key);
        let sent: Vec<_> = [&leaf].into_iter().chain(&chain).collect();
        match count + 1 {
            0..=8 => drop(assert_accepted(&cluster.verifier(), &sent)),
            _ => drop(assert_refused(&cluster.verifier(), &sent, "path-length")),
        }
    }
}

/// P9: a peer decides neither how long we search nor how much we read.
#[test]
fn the_search_is_bounded() {
    let cluster = Cluster::new(&Forge::ca("root", "root"));
    // Two names that cross-sign each other, many times over: the paths multiply at each step.
    let (left, right) = (Key::new(), Key::new());
    let mut sent = vec![Forge::v3("peer", "left").sign(&Key::new(), &left)];
    for serial in 2..25 {
        sent.push(
            Forge {
                serial,
                ..Forge::ca("left", "right")
            }
            .sign(&left, &right),
        );
        sent.push(
            Forge {
                serial,
                ..Forge::ca("right", "left")
            }
            .sign(&right, &left),
        );
    }
    let error = assert_refused(
        &cluster.verifier(),
        &sent.iter().collect::<Vec<_>>(),
        "path-length",
    );
    assert!(error.to_string().contains("8 intermediates"), "{error}");
    let impostors: Vec<_> = (0..47)
        .map(|_| Forge::ca("a", "a").self_signed(&Key::new()))
        .collect();
    let leaf = Forge::v3("peer", "a").sign(&Key::new(), &Key::new());
    assert_refused(
        &cluster.verifier(),
        &[&leaf].into_iter().chain(&impostors).collect::<Vec<_>>(),
        "bad-signature",
    );
    let many: Vec<_> = std::iter::repeat_n(&leaf, 49).collect();
    assert_refused(&cluster.verifier(), &many, "too-many-certificates");
    assert_refused(&cluster.verifier(), &[], "no-certificate");
}

/// Where an authority is constrained, webpki judges the names; a version 1 leaf, which it cannot read, is refused.
#[test]
fn name_constraints_hold() {
    for root in [
        Forge::ca("root", "root"),
        Forge::ca("root", "root").with(permitted_dns("good.example")),
    ] {
        let cluster = Cluster::new(&root);
        let int_key = Key::new();
        let int = Forge::ca("int", "root")
            .with(permitted_dns("good.example"))
            .sign(&int_key, &cluster.root_key);
        let leaf = |forge: Forge| forge.sign(&Key::new(), &int_key);
        let verifier = cluster.verifier();
        assert_accepted(
            &verifier,
            &[
                &leaf(Forge::v3("peer", "int").with(dns_name("a.good.example"))),
                &int,
            ],
        );
        assert_refused(
            &verifier,
            &[
                &leaf(Forge::v3("peer", "int").with(dns_name("bad.example"))),
                &int,
            ],
            "name-constraint",
        );
        assert_refused(
            &verifier,
            &[&leaf(Forge::v1("peer", "int")), &int],
            "name-constraint",
        );
    }
}

#[test]
fn a_certificate_is_read_strictly() {
    let cluster = Cluster::new(&Forge::ca("root", "root"));
    let verifier = cluster.verifier();
    let sign = |forge: Forge| forge.sign(&Key::new(), &cluster.root_key);
    let trailing = {
        let good = sign(Forge::v3("peer", "root"));
        CertificateDer::from([good.as_ref(), &[0]].concat())
    };
    for (what, leaf) in [
        ("trailing", trailing),
        (
            "version 2",
            sign(Forge {
                version: 2,
                ..Forge::v3("peer", "root")
            }),
        ),
        (
            "version 4",
            sign(Forge {
                version: 4,
                ..Forge::v3("peer", "root")
            }),
        ),
        (
            "extensions in version 1",
            sign(Forge::v1("peer", "root").with(no_authority())),
        ),
        (
            "repeated",
            sign(
                Forge::v3("peer", "root")
                    .with(no_authority())
                    .with(authority(None)),
            ),
        ),
        (
            "algorithms differ",
            sign(Forge {
                inner_algorithm: ECDSA_SHA384,
                ..Forge::v3("peer", "root")
            }),
        ),
        (
            "malformed",
            sign(Forge::v3("peer", "root").with(extension(&[0x55, 0x1d, 15], true, &[0x30, 0]))),
        ),
        (
            "bytes behind",
            sign(Forge::v3("peer", "root").with(extension(&[0x55, 0x1d, 19], true, &[0x30, 0, 0]))),
        ),
    ] {
        let error = verdict(&verifier, &[&leaf], PeerRole::Server).expect_err(what);
        assert_eq!(error.reason(), "bad-certificate", "{what}: {error}");
    }
}

/// Each bit of it: those outside the signed part too, or one certificate would have many fingerprints.
#[test]
fn an_altered_certificate_is_refused() {
    let cluster = Cluster::new(&Forge::ca("root", "root"));
    let verifier = cluster.verifier();
    let leaf = Forge::v3("peer", "root")
        .with(no_authority())
        .sign(&Key::new(), &cluster.root_key);
    for bit in 0..leaf.len() * 8 {
        let mut altered = leaf.to_vec();
        altered[bit / 8] ^= 1 << (bit % 8);
        let altered = CertificateDer::from(altered);
        assert!(
            verdict(&verifier, &[&altered], PeerRole::Server).is_err(),
            "bit {bit}"
        );
    }
}

proptest! {
    #[test]
    fn whatever_a_peer_sends_is_read_without_panic(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        len in any::<prop::sample::Index>(),
    ) {
        let key = Key::new();
        let mut bytes = Forge::v3("peer", "peer").with(no_authority()).with(dns_name("a.b")).self_signed(&key).to_vec();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(len.index(bytes.len()) + 1);
        let _ = Certificate::from_der(&bytes);
        let _ = Certificate::from_der_with_trailer(&bytes);
    }
}

/// The peer chose the words that land in our log.
#[test]
fn names_in_errors_are_escaped_and_bounded() {
    let cluster = Cluster::new(&Forge::ca("root", "root"));
    let leaf = Forge::v3("x\n\u{1b}[31mERROR", "nobody").sign(&Key::new(), &Key::new());
    let text = assert_refused(&cluster.verifier(), &[&leaf], "unknown-issuer").to_string();
    assert!(!text.contains(['\n', '\u{1b}']), "{text:?}");
}

#[test]
fn configurations_leave_nothing_that_could_skip_the_verifier() {
    let cluster = Cluster::new(&Forge::ca("root", "root"));
    let trust = cluster.verifier();
    let server = trust.accepting().0;
    assert_eq!(
        (server.send_tls13_tickets, server.max_early_data_size),
        (0, 0)
    );
    assert!(!server.session_storage.can_cache());
    assert_eq!(server.alpn_protocols, [ALPN]);
    let client = trust.dialling(&[]).0;
    assert_eq!(client.alpn_protocols, [ALPN]);
    assert!(!client.enable_early_data && !client.enable_sni);
    assert_eq!(
        client.crypto_provider().kx_groups[0].name(),
        NamedGroup::X25519MLKEM768
    );
}

#[test]
fn what_is_printed_of_trust_holds_no_secret() {
    let key = Key::new();
    let own = Forge::v3("own", "own").self_signed(&key);
    let trust = node(&[&own], &key);
    assert_eq!(
        format!("{trust:?}"),
        "Trust { leaf: Certificate(V3, CN=own, until 2026-12-31T23:59:59Z), anchors: 1, .. }"
    );
}
