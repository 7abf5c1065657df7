//! `phalanx local` and `phalanx members`.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::broker::{PATIENCE, Site, phalanx, request};
use crate::support::{Process, free_ports, wait_until};

#[test]
fn a_local_cluster_forms_and_leaves_with_figures_last() {
    for options in [&[][..], &["--tls"], &["--nodes", "5", "--tls"]] {
        let output = phalanx(&[])
            .env("RUST_LOG", "phalanx=debug")
            .args(["local", "--check", "--keep"])
            .args(options)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{text}{errors}");
        let figures = text.lines().last().unwrap();
        let [formed, left] = seconds(figures);
        assert!(formed < 3.0 && left < 10.0, "{figures}");
        for log in logs(&text) {
            let log = std::fs::read_to_string(log).unwrap();
            assert!(log.contains("left the cluster"), "{log}");
            assert!(!log.contains("would not close"), "{log}");
        }
        let directory = logs(&text).next().and_then(Path::parent).unwrap();
        assert!(
            !directory.join("certificates").exists(),
            "keys are not kept"
        );
        std::fs::remove_dir_all(directory).unwrap();
    }
}

#[test]
fn a_local_cluster_leaves_nothing_behind_that_nobody_wanted() {
    let output = phalanx(&[])
        .args(["local", "--check", "--nodes", "2", "--tls"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert_eq!(logs(&text).count(), 2, "{text}");
    for log in logs(&text) {
        assert!(!log.parent().unwrap().exists(), "{}", log.display());
    }
}

/// The files of logs that are named.
fn logs(text: &str) -> impl Iterator<Item = &Path> {
    let words = text.split_whitespace();
    words.filter(|word| word.ends_with(".log")).map(Path::new)
}

/// The two numbers of `formed in 0.1 s after the last start, left in 0.2 s`.
fn seconds(figures: &str) -> [f64; 2] {
    let rest = figures.strip_prefix("formed in ").unwrap();
    let (formed, rest) = rest
        .split_once(" s after the last start, left in ")
        .unwrap();
    let left = rest.strip_suffix(" s").unwrap();
    [formed, left].map(|number| number.parse().unwrap())
}

#[test]
fn a_local_cluster_that_cannot_form_says_why() {
    let ports = free_ports(16);
    let base = *ports.start();
    // Node 1 will find its port taken.
    let _taken = TcpListener::bind(("127.0.0.1", base + 10)).unwrap();
    let output = phalanx(&[])
        .args(["local", "--check", "--nodes", "2", "--base-port"])
        .arg(base.to_string())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let said = String::from_utf8(output.stdout).unwrap();
    let kept = logs(&said).next().and_then(Path::parent).unwrap();
    assert!(kept.join("node1.log").exists(), "{said}");
    std::fs::remove_dir_all(kept).unwrap();
    for words in [
        "error: node 1 ended",
        "exit status: 3",
        "node1.log",
        "in use",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn nodes_leave_with_the_command_that_started_them() {
    for (signal, exit) in [("INT", Some(0)), ("TERM", Some(0)), ("KILL", None)] {
        let directory = tempfile::tempdir().unwrap();
        let ports = free_ports(16);
        let base = *ports.start();
        let mut command = phalanx(&[]);
        command.args(["local", "--nodes", "2", "--base-port", &base.to_string()]);
        let mut local = Process::spawn("local", &mut command, directory.path());
        wait_until("both see both", PATIENCE, || {
            let text = String::from_utf8(local.stdout()).unwrap();
            let is_whole =
                text.contains("0     alive   alive") && text.contains("1     alive   alive");
            is_whole.then_some(()).ok_or(text)
        });
        local.signal(signal);
        assert_eq!(local.wait(PATIENCE).code(), exit, "SIG{signal}");
        for admin in [base + 5, base + 15] {
            wait_until("no node is left", PATIENCE, || {
                match request(admin, "GET", "/members") {
                    Ok((head, _)) => Err(head),
                    Err(_) => Ok(()),
                }
            });
        }
    }
}

#[test]
fn members_are_shown_to_people_and_programs() {
    let site = Site::new(2);
    let _brokers = site.form(&site.certificates());
    let url = format!("http://127.0.0.1:{}", site.admin_port(0));
    let ask = |format: &str| {
        let output = phalanx(&[])
            .args(["members", "--admin", &url, "--format", format])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stdout).unwrap()
    };
    let members: Vec<Value> = serde_json::from_str(&ask("json")).unwrap();
    assert_eq!(members.len(), 2);
    for (id, member) in members.iter().enumerate() {
        assert_eq!(member["id"], id.to_string());
        assert_eq!(member["role"], "broker");
        assert_eq!(member["state"], "alive");
        assert_eq!(member["self"], id == 0);
        let address = format!("127.0.0.1:{}", site.port(id));
        assert_eq!(member["address"], address);
        assert!(member["generation"].as_u64().unwrap() > 1_600_000_000_000);
        assert!(member["incarnation"].is_u64());
        assert!(ask("human").contains(&address));
    }
}

#[test]
fn members_of_nobody_are_one_line_and_no_success() {
    let free = free_ports(1);
    let port = free.start();
    for (url, words) in [
        (format!("http://127.0.0.1:{port}"), "is the node running"),
        (format!("ftp://127.0.0.1:{port}"), "http://host:port"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_phalanx"))
            .args(["members", "--admin", &url])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.lines().count() == 1 && text.contains(words), "{text}");
    }
}

#[test]
fn members_can_be_waited_for() {
    let site = Site::new(2);
    let url = format!("http://127.0.0.1:{}", site.admin_port(0));
    let wait = |until: &str, within: &str| {
        let options = ["--until", until, "--within", within];
        let mut command = phalanx(&[]);
        command.args(["members", "--admin", &url]).args(options);
        command
    };
    // It waits for the node to answer, too.
    let mut waits = Process::spawn(
        "waits",
        &mut wait("0=alive,1=alive", "60"),
        site.directory(),
    );
    let brokers = site.form(&site.certificates());
    assert_eq!(waits.wait(PATIENCE).code(), Some(0));
    assert_eq!(
        String::from_utf8(waits.stdout()).unwrap().lines().count(),
        3
    );

    brokers[1].signal("TERM");
    let status = wait("1=left,2=unknown", "60").status().unwrap();
    assert_eq!(status.code(), Some(0));
    let output = wait("1=alive", "1").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text, "error: not within 1 s\n");
    assert!(String::from_utf8(output.stdout).unwrap().contains("left"));
}
