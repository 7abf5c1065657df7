//! `phalanx certs`: what it makes is what nodes start with, and what it cannot make it does not half make.
//!
//! openssl, where it is installed, is the judge from outside.

mod looking;
mod making;
mod refusing;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::broker::phalanx;
use crate::support::is_installed;

/// `phalanx certs ARGS`, in `directory`.
fn certs(directory: &Path, args: &[&str]) -> Output {
    phalanx(&[])
        .arg("certs")
        .args(args)
        .current_dir(directory)
        .output()
        .unwrap()
}

/// What a command that must succeed answers in JSON, and what it warns of.
fn answer(directory: &Path, args: &[&str]) -> (Value, String) {
    let output = certs(directory, &[args, &["--format", "json"]].concat());
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{args:?}: {errors}");
    (serde_json::from_slice(&output.stdout).unwrap(), errors)
}

/// Where an answer says that this file of a node is: 0 the chain, 1 the key, 2 the settings.
fn file(answer: &Value, node: usize, index: usize) -> String {
    let file = &answer["nodes"][node]["files"][index]["file"];
    file.as_str()
        .unwrap_or_else(|| panic!("no file {index}: {answer}"))
        .to_owned()
}

/// What openssl prints; `None` where it is not installed.
fn openssl(directory: &Path, args: &str) -> Option<String> {
    if !is_installed("openssl") {
        println!("skipped: openssl is not installed");
        return None;
    }
    let output = Command::new("openssl")
        .args(args.split(' '))
        .current_dir(directory)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {args}: {errors}");
    Some(String::from_utf8(output.stdout).unwrap())
}
