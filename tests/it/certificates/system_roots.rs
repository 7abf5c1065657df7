//! The machine's root store, which the environment says where to find (R40): read in a process of its own, so that no other
//! test sees that environment.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use phalanx::trust::{
    AnchorOrigin, DevCertificates, PeerRole, SystemRoots, Trust, TrustOptions, TrustWarning,
};

use super::now;

/// Where the child finds its files.
const DIRECTORY: &str = "PHALANX_TEST_SYSTEM_ROOTS";

#[test]
fn system_roots_are_found_where_the_environment_says() {
    let directory = tempfile::tempdir().unwrap();
    let certificates = DevCertificates::new(now()).unwrap();
    for name in ["one", "two"] {
        let node = certificates.write_node(directory.path(), name).unwrap();
        let chain = fs::read_to_string(&node.certificate_chain).unwrap();
        let authority = chain.rfind("-----BEGIN").unwrap();
        fs::write(&node.certificate_chain, &chain[..authority]).unwrap();
        fs::write(directory.path().join("roots"), &chain[authority..]).unwrap();
    }
    fs::create_dir(directory.path().join("empty")).unwrap();
    let output = Command::new(env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "certificates::system_roots::in_a_process_of_its_own",
        ])
        .env(DIRECTORY, directory.path())
        .env("SSL_CERT_FILE", directory.path().join("roots"))
        .env("SSL_CERT_DIR", directory.path().join("empty"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}

#[test]
#[ignore = "run by the test above"]
fn in_a_process_of_its_own() {
    let Some(directory) = env::var_os(DIRECTORY).map(PathBuf::from) else {
        return;
    };
    for system_roots in [SystemRoots::On, SystemRoots::Auto] {
        let one = load(&directory, "one", system_roots.clone());
        let two = load(&directory, "two", system_roots);
        let peer = one
            .verify_peer(two.chain(), PeerRole::Server, now())
            .unwrap();
        assert_eq!(peer.anchor().origin, AnchorOrigin::SystemRoots);
    }
}

fn load(directory: &Path, name: &str, system_roots: SystemRoots) -> Trust {
    let options = TrustOptions {
        certificate_chain: directory.join(name).with_extension("pem"),
        private_key: directory.join(name).with_extension("key"),
        system_roots,
        contact_hosts: vec!["127.0.0.1".to_owned()],
        ..TrustOptions::default()
    };
    let (trust, warnings) = Trust::load(&options, now()).unwrap();
    let expected = matches!(
        &warnings[..],
        [
            TrustWarning::SystemRootsTakePart { count: 1 },
            TrustWarning::ForDevelopment { .. }
        ]
    );
    assert!(expected, "{warnings:?}");
    trust
}
