//! What strangers do as often as they like fills no log: each kind of line is there a few times, then its number, while the counters go
//! on counting.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream, UdpSocket};
use std::time::Duration;

use serde_json::Value;

use super::broker::{Broker, PATIENCE, Site, request_with};
use crate::support::wait_until;

/// How often each is done: far beyond what is logged of a kind.
const TIMES: usize = 60;
/// How many lines of one kind the log takes within a minute.
const LINES_MAX: usize = 10;

#[test]
fn a_flood_of_strangers_is_told_in_a_few_lines_and_a_number() {
    let site = Site::new(1);
    let mut variables = site.variables(0, &site.certificates()[0], &[]);
    variables.extend([
        ("MANAGEMENT_SERVER_TOKEN", "8d6bff1b2c0e4a7f93".to_owned()),
        ("ZEEBE_BROKER_NETWORK_TRANSPORT", "quic".to_owned()),
    ]);
    let quiet = site.start_from(0, &variables, &["--log-format", "json"]);
    wait_until("it is ready", PATIENCE, || {
        let (head, _) = request_with(site.admin_port(0), "GET", "/ready", "")?;
        head.contains("204").then_some(()).ok_or(head)
    });
    let before = quiet.process.stderr().lines().count();

    // A TLS node is spoken to in frames, in TLS that is none, in neither, and not at all.
    let hello = b"PH\x01\x01\0\0\0\x04\0\0\0\0";
    let garbage = b"\x16\x03\x01\0\x04garbage that is no ClientHello";
    for words in [
        &hello[..],
        &garbage[..],
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[],
    ] {
        for _ in 0..TIMES {
            knock(site.port(0), words);
        }
    }
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    for port in [site.port(0), site.port(0) + 1] {
        for length in 0..TIMES {
            // Lost is as good as read: nobody answers, and nobody must log it.
            let _ = socket.send_to(&[0xC3].repeat(length * 20), (Ipv4Addr::LOCALHOST, port));
        }
    }
    for headers in [
        "",
        "Host: rebound.example\r\n",
        "Origin: https://example.org\r\n",
    ] {
        for _ in 0..TIMES {
            request_with(site.admin_port(0), "GET", "/members", headers).unwrap();
        }
    }

    let bearer = "Authorization: Bearer 8d6bff1b2c0e4a7f93\r\n";
    let ask = |path: &str| {
        let (_, body) = request_with(site.admin_port(0), "GET", path, bearer)?;
        Ok::<_, String>(body)
    };
    wait_until("all is counted", PATIENCE, || {
        let refusals: Value = serde_json::from_str(&ask("/refusals")?).unwrap();
        let count = |code: &str| {
            let mut all = refusals.as_array().unwrap().iter();
            let found = all.find(|one| one["code"] == code);
            found.map_or(0, |one| one["count"].as_u64().unwrap())
        };
        let all = ["SecurityMismatch", "HandshakeFailed", "ProtocolViolation"];
        let is_counted = all.iter().all(|code| count(code) >= TIMES as u64);
        is_counted.then_some(()).ok_or_else(|| refusals.to_string())
    });
    let metrics = ask("/metrics").unwrap();
    for reason in ["no_token", "foreign_host", "foreign_origin"] {
        let line = format!("phalanx_management_denied_total{{reason=\"{reason}\"}} {TIMES}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }

    // Of each kind no more than so many; of what anyone can do unnoticed, such as knocking, none.
    let kinds = kinds(&quiet, before);
    assert!(!kinds.is_empty(), "it is told");
    for (kind, lines) in &kinds {
        assert!(*lines <= LINES_MAX, "{lines} lines of {kind}");
    }
    assert!(kinds.len() <= 6, "{kinds:?}");
    wait_until(
        "the rest is told as a number",
        Duration::from_secs(90),
        || {
            let log = quiet.process.stderr();
            let told = log.lines().any(|line| {
                let line: Value = serde_json::from_str(line).unwrap_or_default();
                line["code"] == "SecurityMismatch"
                    && line["message"]
                        .as_str()
                        .is_some_and(|text| text.starts_with("left out"))
                    && line["lines"].as_u64() >= Some((TIMES - LINES_MAX) as u64)
            });
            told.then_some(()).ok_or(log)
        },
    );
}

/// Connects, says `words` and waits until the other end is done.
fn knock(port: u16, words: &[u8]) {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let _ = stream.write_all(words);
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.read_to_end(&mut Vec::new());
}

/// How many lines there are of each kind, from the `before`-th on.
fn kinds(broker: &Broker, before: usize) -> std::collections::BTreeMap<String, usize> {
    let mut kinds = std::collections::BTreeMap::new();
    for line in broker.process.stderr().lines().skip(before) {
        let line: Value = serde_json::from_str(line).unwrap();
        let kind = format!("{} {}", line["message"], line["code"]);
        *kinds.entry(kind).or_default() += 1;
    }
    kinds
}
