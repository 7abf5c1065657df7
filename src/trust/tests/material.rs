//! Certificates and keys that come otherwise than from two plain files (R27 to R32).

use std::fs;

use super::super::pem;
use super::*;

/// A node's certificate and key, self-signed.
fn own() -> (String, String) {
    let key = Key::new();
    let own = Forge::v3("own", "own").self_signed(&key);
    (chain_file(&[&own]), key.pem())
}

/// R29, R30: texts, as variables have them, are PEM or PEM in base64.
#[test]
fn texts_are_pem_or_base64_of_pem() {
    let (chain, key) = own();
    let load = |chain: &str, key: &str| {
        let options = TrustOptions {
            inline: Inline {
                certificate_chain: Some(chain.to_owned()),
                private_key: Some(key.into()),
            },
            ..TrustOptions::default()
        };
        Trust::load(&options, NOW).map(|(trust, _)| trust.subject())
    };
    let encoded = |text: &str| pem::encode_base64(text.as_bytes()).to_string();
    for (chain, key) in [
        (chain.clone(), key.clone()),
        (encoded(&chain), encoded(&key)),
        (chain.clone(), encoded(&key)),
    ] {
        assert_eq!(load(&chain, &key).unwrap(), "CN=own");
    }
    let error = load("not base64!", &key).unwrap_err();
    assert_eq!(
        (error.material, error.reason()),
        (Material::CertificateChain, "bad-text")
    );
}

/// R28: the first line of a file, whatever ends it.
#[test]
fn a_passphrase_may_stand_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("passphrase");
    for content in ["open sesame", "open sesame\n", "open sesame\r\nmore\n"] {
        fs::write(&file, content).unwrap();
        let options = TrustOptions {
            passphrase: Some(Passphrase::File(file.clone())),
            ..TrustOptions::default()
        };
        let passphrase = options.passphrase().unwrap().unwrap();
        assert_eq!(passphrase.expose(), "open sesame");
        assert_eq!(format!("{passphrase:?} {passphrase}"), "****** ******");
        assert!(!format!("{options:?}").contains("sesame"));
    }
}

/// R32.
#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_pointed_out_or_refused() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let (chain, key) = own();
    let path = |name| directory.path().join(name);
    fs::write(path("own.pem"), chain).unwrap();
    fs::write(path("own.key"), key).unwrap();
    for (mode, is_exposed) in [
        (0o600, false),
        (0o640, false),
        (0o400, false),
        (0o644, true),
        (0o660, true),
        (0o602, true),
    ] {
        fs::set_permissions(path("own.key"), fs::Permissions::from_mode(mode)).unwrap();
        let load = |exposed_key| {
            let options = TrustOptions {
                certificate_chain: path("own.pem"),
                private_key: path("own.key"),
                exposed_key,
                ..TrustOptions::default()
            };
            Trust::load(&options, NOW).map(|(_, warnings)| warnings)
        };
        let warned = load(ExposedKey::Warn).unwrap();
        let is_warning =
            |warning: &TrustWarning| matches!(warning, TrustWarning::ExposedKey { .. });
        assert_eq!(warned.iter().any(is_warning), is_exposed, "{mode:o}");
        assert_eq!(load(ExposedKey::Ignore).unwrap(), []);
        let refused = load(ExposedKey::Refuse).map_err(|error| error.reason());
        assert_eq!(refused.is_err(), is_exposed, "{mode:o}");
        assert!(refused.is_ok() || refused == Err("exposed-key"));
    }
}

/// A file that is no key store, and the two ways to give what is not there.
#[test]
fn a_key_store_that_is_none_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("store.p12");
    let load = || {
        let options = TrustOptions {
            key_store: Some(KeyStore {
                file: file.clone(),
                password: "x".into(),
            }),
            ..TrustOptions::default()
        };
        Trust::load(&options, NOW).unwrap_err()
    };
    assert_eq!(load().reason(), "missing-file");
    fs::write(&file, own().0).unwrap();
    let error = load();
    assert_eq!(error.material.setting(), "keyStore.filePath");
    assert_eq!(error.reason(), "bad-key-store");
}
