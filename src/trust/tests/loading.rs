//! Loading: what is presented, what is refused at start, and what the errors say.

use std::fs;

use super::*;

/// R45: the chain file lists others as anchors; the wire carries the real path.
#[test]
fn only_the_real_path_is_presented() {
    let (root_key, int_key, own_key) = (Key::new(), Key::new(), Key::new());
    let root = Forge::ca("root", "root").self_signed(&root_key);
    let int = Forge::ca("int", "root").sign(&int_key, &root_key);
    let old_int = Forge {
        not_after: "251231000000Z",
        ..Forge::ca("int", "root")
    }
    .sign(&int_key, &root_key);
    let impostor = Forge::ca("int", "root").sign(&Key::new(), &Key::new());
    let other = Forge::v3("other", "other").self_signed(&Key::new());
    let own = Forge::v3("own", "int").sign(&own_key, &int_key);
    let trust = node(&[&own, &other, &impostor, &root, &old_int, &int], &own_key);
    assert_eq!(trust.chain(), [own, int]);
    let alone = Forge::v3("own", "own").self_signed(&own_key);
    assert_eq!(node(&[&alone, &other], &own_key).chain(), [alone]);
}

/// OpenSSL's trust settings behind the certificate stay at home (R23).
#[test]
fn trust_settings_are_cut_from_what_is_presented() {
    let key = Key::new();
    let own = Forge::v3("own", "own").self_signed(&key);
    let file = pem(
        "TRUSTED CERTIFICATE",
        &[own.as_ref(), b"\x30\x03\x0c\x01x"].concat(),
    );
    assert_eq!(load(&file, &key.pem()).unwrap().0.chain(), [own]);
}

/// R21: the error says where the key belongs.
#[test]
fn an_authority_in_first_place_is_named() {
    let cluster = Cluster::new(&Forge::ca("root", "root"));
    let file = chain_file(&[&cluster.root, &cluster.own]);
    let error = load(&file, &cluster.own_key.pem()).unwrap_err();
    assert_eq!(error.reason(), "key-mismatch");
    assert_eq!(error.material, Material::PrivateKey);
    assert!(
        error.to_string().contains("but to certificate 2, CN=own"),
        "{error}"
    );
}

/// R46, R67 for the own certificate.
#[test]
fn a_node_does_not_start_with_a_certificate_that_all_would_refuse() {
    for (own, reason) in [
        (
            Forge {
                not_after: "251231000000Z",
                ..Forge::v3("own", "own")
            },
            "expired",
        ),
        (
            Forge {
                not_before: "260102000000Z",
                ..Forge::v3("own", "own")
            },
            "not-yet-valid",
        ),
        (
            Forge::v3("own", "own").with(extended_key_usage(&[2])),
            "wrong-usage",
        ),
        (
            Forge::v3("own", "own").with(key_usage(0x04)),
            "not-for-handshake",
        ),
    ] {
        let key = Key::new();
        let file = chain_file(&[&own.self_signed(&key)]);
        let error = load(&file, &key.pem()).unwrap_err();
        assert_eq!(
            (error.reason(), error.material),
            (reason, Material::CertificateChain),
            "{error}"
        );
    }
}

/// R20, R26, R27.
#[test]
fn files_that_cannot_be_used_say_what_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let key = Key::new();
    let own = Forge::v3("own", "own").self_signed(&key);
    let write = |name: &str, bytes: &[u8]| {
        let file = directory.path().join(name);
        fs::write(&file, bytes).unwrap();
        file
    };
    let good_chain = write("own.pem", chain_file(&[&own]).as_bytes());
    let good_key = write("own.key", key.pem().as_bytes());
    let legacy = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAEC\n-----END RSA PRIVATE KEY-----\n";
    for (chain, private_key, reason, text) in [
        (
            PathBuf::new(),
            good_key.clone(),
            "missing-setting",
            "certificate chain: no file is set",
        ),
        (
            good_chain.clone(),
            PathBuf::new(),
            "missing-setting",
            "private key: no file is set",
        ),
        (
            write("der", &own),
            good_key.clone(),
            "no-certificate",
            "seems to be DER",
        ),
        (
            write("utf16", &[0xff, 0xfe, 0x2d, 0]),
            good_key.clone(),
            "no-certificate",
            "UTF-16",
        ),
        (
            good_key.clone(),
            good_key.clone(),
            "no-certificate",
            "it holds PRIVATE KEY",
        ),
        (
            good_chain.clone(),
            good_chain.clone(),
            "no-key",
            "it holds CERTIFICATE",
        ),
        (
            good_chain.clone(),
            write("legacy", legacy.as_bytes()),
            "encrypted-key",
            "openssl pkey -in ",
        ),
        (
            good_chain.clone(),
            write("dsa", pem("DSA PRIVATE KEY", &[0]).as_bytes()),
            "unsupported-key",
            "no DSA signatures",
        ),
        (
            good_chain.clone(),
            write("ssh", pem("OPENSSH PRIVATE KEY", &[0]).as_bytes()),
            "unsupported-key",
            "OpenSSH",
        ),
        (
            good_chain.clone(),
            write("cut", pem("PRIVATE KEY", &[0x30, 3, 2, 1, 0]).as_bytes()),
            "unsupported-key",
            "damaged",
        ),
    ] {
        let options = TrustOptions {
            certificate_chain: chain,
            private_key,
            ..TrustOptions::default()
        };
        let error = Trust::load(&options, NOW).unwrap_err();
        assert_eq!(error.reason(), reason, "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
}

/// R31: as mounted secrets are laid out, a link to a file in a directory that is itself a link, swapped as a whole.
#[cfg(unix)]
#[test]
fn files_are_read_through_links() {
    use std::os::unix::fs::symlink;

    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let options = TrustOptions {
        certificate_chain: path("tls.crt"),
        private_key: path("tls.key"),
        ..TrustOptions::default()
    };
    symlink("..data/tls.crt", path("tls.crt")).unwrap();
    symlink("..data/tls.key", path("tls.key")).unwrap();
    for version in ["..one", "..two"] {
        let key = Key::new();
        let own = Forge::v3(version, version).self_signed(&key);
        fs::create_dir(path(version)).unwrap();
        fs::write(path(version).join("tls.crt"), chain_file(&[&own])).unwrap();
        fs::write(path(version).join("tls.key"), key.pem()).unwrap();
        symlink(version, path("..new")).unwrap();
        fs::rename(path("..new"), path("..data")).unwrap();
        assert_eq!(Trust::load(&options, NOW).unwrap().0.chain(), [own]);
    }
}

/// R104.
#[test]
fn dates_that_call_for_attention_are_warned_of() {
    let cluster = Cluster::new(&Forge::ca("root", "root"));
    let old = Forge {
        not_after: "251231000000Z",
        ..Forge::ca("old", "old")
    }
    .self_signed(&Key::new());
    let ending = Forge {
        not_after: "260115000000Z",
        ..Forge::v3("own", "root")
    }
    .sign(&cluster.own_key, &cluster.root_key);
    let warnings = |own: &CertificateDer<'_>| {
        let file = chain_file(&[own, &cluster.root, &old]);
        let warnings = load(&file, &cluster.own_key.pem()).unwrap().1;
        warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let anchor = "the certificate of CN=old in the chain file is not valid now (until 2025-12-31T00:00:00Z): it vouches for nobody";
    assert_eq!(warnings(&cluster.own), [anchor]);
    assert_eq!(
        warnings(&ending),
        [
            "the certificate of CN=own expires at 2026-01-15T00:00:00Z: renew it",
            anchor
        ]
    );
}
