//! Introductions, for each kind of key a node may have.

use rcgen::{CertificateParams, KeyPair, SignatureAlgorithm};

use super::*;

const KINDS: [&SignatureAlgorithm; 5] = [
    &rcgen::PKCS_RSA_SHA256,
    &rcgen::PKCS_ECDSA_P256_SHA256,
    &rcgen::PKCS_ECDSA_P384_SHA384,
    &rcgen::PKCS_ECDSA_P521_SHA512,
    &rcgen::PKCS_ED25519,
];

fn shared(kind: &'static SignatureAlgorithm) -> Trust {
    let key = KeyPair::generate_for(kind).unwrap();
    let certificate = CertificateParams::default().self_signed(&key).unwrap();
    load(&certificate.pem(), &key.serialize_pem()).unwrap().0
}

#[test]
fn of_every_kind_of_key_are_verified_and_refused_when_altered() {
    let mut schemes = Vec::new();
    for kind in KINDS {
        let trust = shared(kind);
        let signed = trust.sign_introduction(b"fields").unwrap();
        schemes.push(signed.scheme);
        let verify = |fields: &[u8], signature: &Signature| {
            trust.verify_introduction(fields, trust.chain(), signature, &Claim::default(), NOW)
        };
        let proof = verify(b"fields", &signed).unwrap();
        assert!(proof.covers(b"fields") && !proof.covers(b"field"));
        assert_eq!(*proof.peer().leaf_sha256(), trust.leaf_sha256());
        assert_eq!(
            verify(b"Fields", &signed).unwrap_err().reason(),
            "bad-signature"
        );
        for at in [0, signed.bytes.len() / 2, signed.bytes.len() - 1] {
            let mut altered = signed.clone();
            altered.bytes[at] ^= 1;
            assert_eq!(
                verify(b"fields", &altered).unwrap_err().reason(),
                "bad-signature"
            );
        }
    }
    assert_eq!(schemes, [0x0804, 0x0403, 0x0503, 0x0603, 0x0807]);
}

#[test]
fn do_not_pass_under_another_scheme_or_certificate() {
    let (one, other) = (
        shared(&rcgen::PKCS_RSA_SHA256),
        shared(&rcgen::PKCS_RSA_SHA256),
    );
    let signed = one.sign_introduction(b"fields").unwrap();
    // SHA-512, PKCS#1, SHA-1, an unknown number.
    for scheme in [0x0806, 0x0401, 0x0201, 0xfefe] {
        let altered = Signature {
            scheme,
            ..signed.clone()
        };
        let verdict =
            one.verify_introduction(b"fields", one.chain(), &altered, &Claim::default(), NOW);
        assert_eq!(
            verdict.unwrap_err().reason(),
            "bad-signature",
            "{scheme:#06x}"
        );
    }
    let verdict =
        other.verify_introduction(b"fields", other.chain(), &signed, &Claim::default(), NOW);
    assert_eq!(verdict.unwrap_err().reason(), "bad-signature");
    let verdict =
        other.verify_introduction(b"fields", one.chain(), &signed, &Claim::default(), NOW);
    assert!(
        matches!(verdict, Err(VerifyError::BadSignature { .. })),
        "{verdict:?}"
    );
}

/// They are judged in the server's role, whoever dialed.
#[test]
fn need_a_certificate_for_servers() {
    let cluster = Cluster::new(&Forge::ca("root", "root"));
    let client = Forge::v3("peer", "root")
        .with(extended_key_usage(&[2]))
        .sign(&Key::new(), &cluster.root_key);
    let signature = Signature {
        scheme: 0x0403,
        bytes: vec![0; 70],
    };
    let verdict =
        cluster
            .verifier()
            .verify_introduction(b"", &[client], &signature, &Claim::default(), NOW);
    assert_eq!(verdict.unwrap_err().reason(), "wrong-usage");
}
