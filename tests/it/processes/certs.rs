//! `phalanx certs`: what it makes is what nodes start with, and what it cannot make it does not half make.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use super::broker::{Security, Site, phalanx};
use crate::recipes::NodeFiles;

/// `phalanx certs ARGS`, in `directory`.
fn certs(directory: &Path, args: &[&str]) -> Output {
    phalanx(&[])
        .arg("certs")
        .args(args)
        .current_dir(directory)
        .output()
        .unwrap()
}

/// What a command that must succeed answers in JSON.
fn answer(directory: &Path, args: &[&str]) -> Value {
    let output = certs(directory, &[args, &["--format", "json"]].concat());
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{args:?}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The files of each node that an answer has placed.
fn placed(site: &Site, answer: &Value) -> Vec<Security> {
    let nodes = answer.as_array().unwrap().iter();
    nodes
        .map(|node| {
            let file =
                |name: &str| -> PathBuf { site.directory().join(node[name].as_str().unwrap()) };
            Security::Tls(NodeFiles {
                chain: file("certificate_chain_path"),
                key: file("private_key_path"),
                trusted: None,
            })
        })
        .collect()
}

#[test]
fn development_certificates_make_a_cluster() {
    let site = Site::new(2);
    let answer = answer(site.directory(), &["dev", "made", "--nodes", "2"]);
    site.form(&placed(&site, &answer));
}
