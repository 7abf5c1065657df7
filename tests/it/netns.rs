//! Scenarios with real processes in network namespaces. They need root, `ip` and `nft`; without them a test says that it is
//! skipped.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Runs scenarios with real processes; `None`, with a word to whoever reads the test's output, where that cannot be.
fn simulate(files: &[&Path]) -> Option<Output> {
    let output = Command::new(env!("CARGO_BIN_EXE_phalanx"))
        .args(["simulate", "--runner", "netns"])
        .args(files)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    if stderr.contains("namespaces take root") || stderr.contains("apt-get install iproute2") {
        println!("skipped: {}", stderr.trim());
        return None;
    }
    Some(output)
}

fn scenario(dir: &Path, name: &str, rest: &str) -> std::path::PathBuf {
    let file = dir.join(format!("{name}.yaml"));
    let text = format!(
        "version: 1\nname: {name}\nabout: For a test.\nrunners: [netns]\nduration: 6s\n{rest}"
    );
    std::fs::write(&file, text).unwrap();
    file
}

#[test]
fn the_scenario_that_real_processes_are_meant_for_holds_with_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Some(output) = simulate(&[&root.join("simulations/real")]) else {
        return;
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
}

#[test]
fn an_expectation_that_fails_with_real_processes_says_where_their_logs_are() {
    let dir = TempDir::new().unwrap();
    let rest =
        "nodes: {count: 2}\nexpect: {eventually: [{within: 3s, seen: {who: n2, as: dead}}]}\n";
    let Some(output) = simulate(&[&scenario(dir.path(), "disappointed", rest)]) else {
        return;
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let (_, logs) = stderr
        .split_once("the logs are in ")
        .expect("the logs are named");
    let logs = Path::new(logs.split_whitespace().next().unwrap());
    let log = std::fs::read_to_string(logs.join("n1-1.log")).unwrap();
    assert!(log.contains("member joined"), "{log}");
    std::fs::remove_dir_all(logs).unwrap();
}

#[test]
fn a_fault_that_real_processes_cannot_have_is_an_error_with_its_place() {
    let dir = TempDir::new().unwrap();
    for (name, rest, expected) in [
        (
            "held",
            "nodes: {count: 2}\ntimeline:\n  - {at: 1s, jam: {from: n1}, for: 1s}\nexpect: {}\n",
            "held.yaml:8:5: network rules: this runner cannot do it, since it has nowhere to hold packets",
        ),
        (
            "far-apart",
            "nodes: {count: 2}\nnetwork: {default: {latency: 40ms}}\nexpect: {}\n",
            "network: this runner cannot do it, since it has the links of this machine alone",
        ),
    ] {
        let Some(output) = simulate(&[&scenario(dir.path(), name, rest)]) else {
            return;
        };
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(expected), "{stderr}");
    }
}
