//! Wrong input is one line that names the file and the remedy, and leaves nothing behind.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, date_time_ymd};

use super::{answer, certs, openssl};

/// All files below a directory, with their contents.
fn tree(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => directories.push(path.clone()),
                false => found.push((path.display().to_string(), fs::read(&path).unwrap())),
            }
            found.push((path.display().to_string(), Vec::new()));
        }
    }
    found.sort();
    found
}

#[test]
fn wrong_input_is_one_line_and_leaves_nothing_behind() {
    let site = tempfile::tempdir().unwrap();
    let site = site.path();
    fs::write(site.join("password"), "right\n").unwrap();
    fs::write(site.join("wrong"), "wrong\n").unwrap();
    fs::write(site.join("empty"), "\n").unwrap();
    answer(site, &["ca", "ca"]);
    answer(site, &["ca", "other"]);
    answer(site, &["ca", "locked", "--key-password-file", "password"]);
    answer(site, &["node", "made", "--ca", "ca/ca.pem", "--id", "0"]);
    answer(site, &["dev", "dev"]);
    fs::write(site.join("file"), "not a directory").unwrap();
    let before = tree(site);
    let node = ["node", "out", "--ca", "ca/ca.pem", "--id", "0"];
    let with = |more: &[&'static str]| [&node[..], more].concat();
    for (args, words) in [
        (
            vec!["ca", "ca"],
            &["ca/ca.key", "already there", "another directory"][..],
        ),
        (vec!["dev", "dev"], &["dev/dev.key", "already there"]),
        (
            vec!["ca", "file/x"],
            &["file/x", "could not be written", "name a directory"],
        ),
        (
            vec!["ca", "/proc/phalanx"],
            &["/proc/phalanx", "could not be written"],
        ),
        (
            vec!["ca", "out", "--key-password-file", "none"],
            &["none", "no such file"],
        ),
        (
            vec!["ca", "out", "--key-password-file", "empty"],
            &["empty", "first line"],
        ),
        (vec!["ca", "out", "--name", ""], &["common name is empty"]),
        (
            vec!["node", "made", "--ca", "ca/ca.pem", "--id", "1,0"],
            &["made/node0.pem", "already there"],
        ),
        (
            vec!["node", "out", "--ca", "none.pem", "--id", "0"],
            &["none.pem", "no such file"],
        ),
        (
            vec![
                "node",
                "out",
                "--ca",
                "file",
                "--ca-key",
                "ca/ca.key",
                "--id",
                "0",
            ],
            &["file", "no certificate in PEM"],
        ),
        (
            vec!["node", "out", "--ca", "made/node0.pem", "--id", "0"],
            &[
                "made/node0.pem",
                "CN=node-0",
                "no certificate authority",
                "phalanx certs ca",
            ],
        ),
        (
            vec![
                "node",
                "out",
                "--ca",
                "ca/ca.pem",
                "--ca-key",
                "other/ca.key",
                "--id",
                "0",
            ],
            &["other/ca.key", "does not belong", "ca/ca.pem"],
        ),
        (
            vec!["node", "out", "--ca", "locked/ca.pem", "--id", "0"],
            &["locked/ca.key", "is encrypted"],
        ),
        (
            vec![
                "node",
                "out",
                "--ca",
                "locked/ca.pem",
                "--ca-key-password-file",
                "wrong",
                "--id",
                "0",
            ],
            &["locked/ca.key", "passphrase is wrong"],
        ),
        (with(&["--dns", "a b"]), &["`a b`", "DNS name"]),
        (with(&["--dns", "10.0.0.1"]), &["10.0.0.1", "--ip"]),
        (with(&["--ip", "a.example"]), &["a.example", "address"]),
        (
            with(&["--dns", "7=a.example"]),
            &["7=a.example", "none of the ids"],
        ),
        (with(&["--spiffe", "node 1"]), &["`node 1`", "spiffe://"]),
        (with(&["--id", "0"]), &["--id 0", "twice"]),
        (with(&["--id", "x"]), &["--id x", "--section gateway"]),
        (
            with(&["--id", "1", "--key", "made/node0.key"]),
            &["--key", "one node"],
        ),
        (
            with(&["--renew", "none.pem"]),
            &["none.pem", "no such file"],
        ),
        (with(&["--config", "none.yaml"]), &["none.yaml", "--config"]),
        (
            with(&["--admin", "http://127.0.0.1:1"]),
            &["127.0.0.1:1", "is the node running"],
        ),
    ] {
        refused(site, &args, words);
        assert!(tree(site) == before, "{args:?} left something behind");
    }
}

/// An authority that has expired issues nothing that nodes would refuse.
#[test]
fn an_expired_authority_issues_nothing() {
    let site = tempfile::tempdir().unwrap();
    let site = site.path();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "old");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_after = date_time_ymd(2024, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    fs::write(site.join("old.pem"), certificate.pem()).unwrap();
    fs::write(site.join("old.key"), key.serialize_pem()).unwrap();
    let words = ["CN=old", "expired at 2024-01-01", "phalanx certs ca"];
    refused(
        site,
        &["node", "out", "--ca", "old.pem", "--id", "0"],
        &words,
    );
    assert!(!site.join("out").exists());
}

/// One that may not issue such names neither.
#[test]
fn names_outside_an_authoritys_constraints_are_not_issued() {
    let site = tempfile::tempdir().unwrap();
    let site = site.path();
    let command = "req -x509 -newkey rsa:2048 -nodes -keyout narrow.key -out narrow.pem -subj /CN=narrow -addext \
                   nameConstraints=critical,permitted;DNS:.example";
    if openssl(site, command).is_none() {
        return;
    }
    let words = ["CN=narrow", "name constraints", "within its constraints"];
    refused(
        site,
        &["node", "out", "--ca", "narrow.pem", "--id", "0"],
        &words,
    );
}

/// A command that ends with 2 and one line that has these words.
pub(super) fn refused(site: &Path, args: &[&str], words: &[&str]) {
    let output = certs(site, args);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {errors}");
    assert_eq!(output.stdout, b"", "{args:?}");
    let lines: Vec<&str> = errors.lines().collect();
    let is_one = matches!(lines[..], [line] if line.starts_with("error: "));
    assert!(is_one, "{args:?}: {errors}");
    for word in words {
        assert!(errors.contains(word), "{args:?}: {word}: {errors}");
    }
}
