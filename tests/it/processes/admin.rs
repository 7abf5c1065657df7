//! The management server and the commands that ask it.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value;

use super::broker::{
    Broker, PATIENCE, Security, Site, alive, all_but, all_see, phalanx, request, request_with,
};
use crate::support::{is_installed, wait_until};

const TOKEN: &str = "8d6bff1b2c0e4a7f93";

#[test]
fn a_dead_member_is_seen_and_forgotten_everywhere_and_comes_back() {
    let site = Site::new(3);
    let security = site.certificates();
    let mut brokers = site.form(&security);
    let (head, body) = request(site.admin_port(0), "POST", "/members/1/forget").unwrap();
    assert!(head.starts_with("HTTP/1.0 409"), "{head}");
    assert!(body.contains("live member"), "{body}");
    let (head, _) = request(site.admin_port(0), "POST", "/members/9/forget").unwrap();
    assert!(head.starts_with("HTTP/1.0 404"), "{head}");

    let one = brokers[0].get("/members/1").unwrap();
    assert_eq!((&one["id"], &one["state"]), (&"1".into(), &"alive".into()));
    assert_eq!(one["certificate"]["member"], "1");
    wait_until("a probe of it is over", PATIENCE, || {
        let topology = brokers[0].get("/topology")?;
        let links = topology["links"].as_array().unwrap();
        assert_eq!((&topology["observer"], links.len()), (&"0".into(), 2));
        let is_measured = links
            .iter()
            .all(|link| link["probes"]["round_trip_micros"].is_u64());
        is_measured
            .then_some(())
            .ok_or_else(|| topology.to_string())
    });

    brokers[2].signal("KILL");
    brokers[2].wait();
    all_see(&[&brokers[0], &brokers[1]], &all_but(0..3, 2, "dead"));
    let (code, out, err) = ask(&site, 0, &["forget", "2"], &[]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("2 is forgotten"), "{out}");
    all_see(&[&brokers[0], &brokers[1]], &alive(0..2));
    let kinds = kinds(&brokers[1]);
    for kind in ["MemberSuspected", "MemberDied", "MemberForgotten"] {
        assert!(kinds.contains(&kind.to_owned()), "{kind}: {kinds:?}");
    }
    brokers[2] = site.start(2, &security[2]);
    all_see(&brokers.iter().collect::<Vec<_>>(), &alive(0..3));
}

#[test]
fn events_are_streamed_and_gone_on_with() {
    let site = Site::new(2);
    let security = [Security::Plain, Security::Plain];
    let mut brokers = site.form(&security);
    let mut stream = Events::open(site.admin_port(0), "");
    let (event, _, snapshot) = stream.next();
    assert_eq!(event, "snapshot");
    assert_eq!(snapshot["members"].as_array().unwrap().len(), 2);
    brokers[1].signal("TERM");
    brokers[1].wait();
    let left = loop {
        let (event, id, data) = stream.next();
        assert_eq!(
            (event.as_str(), data["id"].as_str()),
            ("happened", Some(id.as_str()))
        );
        if data["kind"] == "MemberLeft" {
            assert_eq!(
                (&data["member"], &data["text"]),
                (&"1".into(), &"1 left".into())
            );
            break id;
        }
    };
    brokers[1] = site.start(1, &security[1]);
    let next = stream.next();

    // Whoever comes back is told what it has missed, and no snapshot.
    let mut resumed = Events::open(site.admin_port(0), &format!("Last-Event-ID: {left}\r\n"));
    assert_eq!(resumed.next(), next);
    let mut stranger = Events::open(site.admin_port(0), "Last-Event-ID: 1-1\r\n");
    assert_eq!(stranger.next().0, "missed");
    assert_eq!(stranger.next().0, "snapshot");

    all_see(&brokers.iter().collect::<Vec<_>>(), &alive(0..2));
    let mut follow = Command::new(env!("CARGO_BIN_EXE_phalanx"))
        .args([
            "events",
            "--follow",
            "--format",
            "json",
            "--admin",
            &url(&site, 0),
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    wait_until("the stream is open", PATIENCE, || {
        let (_, metrics) = request(site.admin_port(0), "GET", "/metrics").unwrap();
        let is_open = metrics.contains("phalanx_management_streams 4");
        is_open.then_some(()).ok_or(metrics)
    });
    brokers[1].signal("TERM");
    let mut events = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let left = events.find(|event| event["kind"] == "MemberLeft").unwrap();
    follow.kill().unwrap();
    follow.wait().unwrap();
    assert_eq!(left["member"], "1");
}

/// Nothing happens before it is listened to.
#[test]
fn the_first_event_of_a_node_is_told() {
    let site = Site::new(1);
    let broker = site.start(0, &Security::Plain);
    let first = wait_until("it tells of an event", PATIENCE, || {
        let view = broker.get("/events/recent")?;
        let first = view["events"].get(0).cloned();
        first.ok_or_else(|| view.to_string())
    });
    assert_eq!(first["kind"], "Ready", "{first}");
    assert!(first["id"].as_str().unwrap().ends_with("-1"), "{first}");
}

/// Where Zeebe has them, for who comes from there.
#[test]
fn probes_and_metrics_have_their_names_of_zeebe() {
    let site = Site::new(1);
    let mut variables = site.variables(0, &Security::Plain, &[]);
    variables.push(("MANAGEMENT_SERVER_TOKEN", TOKEN.to_owned()));
    let _broker = site.start_as(0, &variables);
    let status = |path: &str| {
        let answer = request(site.admin_port(0), "GET", path);
        answer.map_or_else(|error| error, |(head, _)| head[9..12].to_owned())
    };
    wait_until("it is ready", PATIENCE, || {
        let ready = status("/actuator/health/readiness");
        (ready == "204").then_some(()).ok_or(ready)
    });
    for path in ["", "/liveness", "/startup"] {
        assert_eq!(status(&format!("/actuator/health{path}")), "204", "{path}");
    }
    assert_eq!(status("/actuator/prometheus"), "401");
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    let port = site.admin_port(0);
    let (_, metrics) = request_with(port, "GET", "/actuator/prometheus", &bearer).unwrap();
    assert!(metrics.contains("phalanx_ready 1"), "{metrics}");
}

/// R5, R107, R110.
#[test]
fn a_guarded_server_answers_whoever_shows_the_token_over_tls() {
    let site = Site::new(1);
    let (authority, chain, key) = certificate(site.directory());
    let mut variables = site.variables(0, &Security::Plain, &[]);
    variables.extend([
        ("MANAGEMENT_SERVER_ADDRESS", "0.0.0.0".to_owned()),
        ("MANAGEMENT_SERVER_TOKEN", TOKEN.to_owned()),
        ("MANAGEMENT_SERVER_SSL_CERTIFICATE", text(&chain)),
        ("MANAGEMENT_SERVER_SSL_CERTIFICATEPRIVATEKEY", text(&key)),
    ]);
    let _broker = site.start_as(0, &variables);
    let https = url(&site, 0)
        .replace("http:", "https:")
        .replace("127.0.0.1", "localhost");
    let ask = |token: &str| {
        let mut command = phalanx(&[]);
        command.env("PHALANX_ADMIN_CA", &authority);
        if !token.is_empty() {
            command.env("PHALANX_ADMIN_TOKEN", token);
        }
        run(command.args(["members", "--format", "json", "--admin", &https]))
    };
    wait_until("it answers", PATIENCE, || {
        let (code, _, err) = ask(TOKEN);
        (code == Some(0)).then_some(()).ok_or(err)
    });
    for token in ["", "8d6bff1b2c0e4a7f94"] {
        let (code, out, err) = ask(token);
        assert_eq!((code, out.as_str()), (Some(1), ""));
        assert!(err.contains("PHALANX_ADMIN_TOKEN"), "{err}");
    }
    let (code, _, err) =
        run(phalanx(&[("PHALANX_ADMIN_TOKEN", TOKEN.to_owned())])
            .args(["members", "--admin", &https]));
    assert_eq!(code, Some(1));
    assert!(err.contains("PHALANX_ADMIN_CA"), "{err}");
    let plain = request(site.admin_port(0), "GET", "/members");
    assert!(plain.is_err() || plain.is_ok_and(|(head, _)| !head.contains("200")));
}

#[test]
fn an_unguarded_server_does_not_leave_loopback() {
    let site = Site::new(1);
    let mut variables = site.variables(0, &Security::Plain, &[]);
    variables.push(("MANAGEMENT_SERVER_ADDRESS", "0.0.0.0".to_owned()));
    let (code, _, err) = run(phalanx(&variables).arg("broker"));
    assert_eq!(code, Some(2), "{err}");
    for named in [
        "management.server.address",
        "management.server.token",
        "management.server.ssl.certificate",
    ] {
        assert!(err.contains(named), "{named}: {err}");
    }
    variables.push(("MANAGEMENT_SERVER_TOKEN", TOKEN.to_owned()));
    let (code, _, err) = run(phalanx(&variables).arg("broker"));
    assert_eq!(code, Some(2), "{err}");
    assert!(
        err.contains("takes management.server.ssl.certificate as well"),
        "{err}"
    );
}

#[test]
fn strangers_in_a_browser_and_wrong_tokens_are_refused_and_counted() {
    let site = Site::new(1);
    let mut variables = site.variables(0, &Security::Plain, &[]);
    variables.push(("MANAGEMENT_SERVER_TOKEN", TOKEN.to_owned()));
    let broker = site.start_as(0, &variables);
    let port = site.admin_port(0);
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    let status = |method, path, headers: &str| {
        let answer = request_with(port, method, path, headers);
        answer.map_or_else(|error| error, |(head, _)| head[9..12].to_owned())
    };
    wait_until("it is ready", PATIENCE, || {
        let ready = status("GET", "/ready", "");
        (ready == "204").then_some(()).ok_or(ready)
    });
    for (method, path, headers, expected) in [
        ("GET", "/startup", "", "204"),
        ("GET", "/health", "Host: rebound.example\r\n", "204"),
        ("GET", "/members", "", "401"),
        ("GET", "/metrics", "", "401"),
        ("GET", "/openapi.json", "", "401"),
        ("POST", "/leave", "", "401"),
        ("GET", "/members", "Authorization: Bearer x\r\n", "401"),
        ("GET", "/members", &bearer, "200"),
        (
            "GET",
            "/members",
            &format!("{bearer}Host: rebound.example\r\n"),
            "421",
        ),
        (
            "POST",
            "/leave",
            &format!("{bearer}Host: localhost\r\nOrigin: https://example.org\r\n"),
            "403",
        ),
        (
            "GET",
            "/doctor",
            &format!("{bearer}Sec-Fetch-Site: cross-site\r\n"),
            "403",
        ),
    ] {
        assert_eq!(
            status(method, path, headers),
            expected,
            "{method} {path} {headers}"
        );
    }
    let (_, metrics) = request_with(port, "GET", "/metrics", &bearer).unwrap();
    for (reason, count) in [("foreign_host", 1), ("foreign_origin", 2), ("no_token", 5)] {
        let line = format!("phalanx_management_denied_total{{reason=\"{reason}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
    let (_, config) = request_with(port, "GET", "/config", &bearer).unwrap();
    assert!(
        !config.contains(TOKEN) && config.contains("MANAGEMENT_SERVER_TOKEN"),
        "{config}"
    );
    let log = broker.process.stderr();
    assert!(!log.contains(TOKEN), "{log}");
}

#[test]
fn metrics_are_as_promtool_wants_them() {
    let site = Site::new(2);
    let brokers = site.form(&site.certificates());
    wait_until("a probe is answered", PATIENCE, || {
        let (_, metrics) = request(site.admin_port(0), "GET", "/metrics")?;
        let count = metrics
            .lines()
            .find_map(|line| line.strip_prefix("phalanx_probe_round_trip_seconds_count "));
        let is_answered = count.is_some_and(|count| count != "0");
        is_answered.then_some(()).ok_or(metrics)
    });
    let (head, metrics) = request(site.admin_port(0), "GET", "/metrics").unwrap();
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    for line in [
        "phalanx_members{state=\"alive\"} 2\n",
        "phalanx_ready 1\n",
        "phalanx_pairs_without_udp{reason=\"lost\"} 0\n",
        "key_exchange=\"X25519MLKEM768\"",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    drop(brokers);
    if !is_installed("promtool") {
        println!("skipped: promtool is not installed");
        return;
    }
    let mut check = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    check
        .stdin
        .take()
        .unwrap()
        .write_all(metrics.as_bytes())
        .unwrap();
    let output = check.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}\n{metrics}",
        String::from_utf8_lossy(&said)
    );
}

/// Half of them stream, half of them scrape without a pause.
#[test]
fn a_hundred_clients_do_not_have_a_node_miss_its_probes() {
    let site = Site::new(2);
    let brokers = [0, 1].map(|id| {
        let mut variables = site.variables(id, &Security::Plain, &[0, 1]);
        variables.push((
            "ZEEBE_BROKER_CLUSTER_MEMBERSHIP_PROBEINTERVAL",
            "300ms".to_owned(),
        ));
        site.start_as(id, &variables)
    });
    all_see(&brokers.iter().collect::<Vec<_>>(), &alive(0..2));
    let port = site.admin_port(0);
    let quiet = mean_round_trip(port, 20);
    let streams: Vec<_> = (0..50).map(|_| Events::open(port, "")).collect();
    let is_over = AtomicBool::new(false);
    let (busy, scrapes) = thread::scope(|scope| {
        let scrape = || {
            let mut scrapes = 0;
            while !is_over.load(Ordering::Relaxed) {
                let (head, _) = request(port, "GET", "/metrics").unwrap();
                assert!(head.starts_with("HTTP/1.0 200"), "{head}");
                scrapes += 1;
            }
            scrapes
        };
        let scrapers: Vec<_> = (0..50).map(|_| scope.spawn(scrape)).collect();
        let busy = mean_round_trip(port, 20);
        is_over.store(true, Ordering::Relaxed);
        let scrapes = scrapers.into_iter().map(|scraper| scraper.join().unwrap());
        (busy, scrapes.sum::<u32>())
    });
    drop(streams);
    let ratio = busy / quiet;
    println!(
        "round trips: {:.3} ms with nobody asking, {:.3} ms under {scrapes} scrapes: {ratio:.2} times",
        quiet * 1e3,
        busy * 1e3
    );
    assert_eq!(metric(port, "phalanx_suspicions_total"), 0.0);
    assert_eq!(metric(port, "phalanx_probe_failures_total"), 0.0);
}

/// How long the next `count` answers to a broker's probes take on average, in seconds.
fn mean_round_trip(port: u16, count: u32) -> f64 {
    let read = |part| metric(port, &format!("phalanx_probe_round_trip_seconds_{part}"));
    let (count_before, sum_before) = (read("count"), read("sum"));
    wait_until("probes are answered", PATIENCE, || {
        let answered = read("count") - count_before;
        let is_enough = answered >= f64::from(count);
        is_enough.then_some(()).ok_or_else(|| answered.to_string())
    });
    (read("sum") - sum_before) / (read("count") - count_before)
}

fn metric(port: u16, name: &str) -> f64 {
    let (_, metrics) = request(port, "GET", "/metrics").unwrap();
    let mut lines = metrics.lines().filter_map(|line| line.split_once(' '));
    let found = lines.find(|(metric, _)| *metric == name);
    found
        .unwrap_or_else(|| panic!("no {name} in {metrics}"))
        .1
        .parse()
        .unwrap()
}

#[test]
fn commands_show_a_cluster_and_have_a_node_leave() {
    let site = Site::new(2);
    let mut brokers = site.form(&[Security::Plain, Security::Plain]);
    let (code, out, err) = ask(&site, 0, &["topology"], &[]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("round trip"), "{out}");
    let (_, out, _) = ask(&site, 0, &["topology", "--format", "json"], &[]);
    let topology: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(topology["links"][0]["member"], "1");
    let (code, out, _) = ask(&site, 0, &["top", "--count", "1"], &[]);
    assert_eq!(code, Some(0));
    assert!(out.contains("2 of 2 members live, as 0 sees it"), "{out}");
    let (_, out, _) = ask(&site, 0, &["events", "--format", "json"], &[]);
    let events: Value = serde_json::from_str(&out).unwrap();
    assert!(events.is_array());
    let (code, out, _) = ask(&site, 1, &["leave"], &[]);
    assert_eq!((code, out.as_str()), (Some(0), "it has left\n"));
    assert_eq!(brokers[1].wait().code(), Some(0));
    all_see(&[&brokers[0]], &all_but(0..2, 1, "left"));
    let (code, _, err) = ask(&site, 1, &["topology"], &[]);
    assert_eq!(code, Some(1));
    assert!(err.contains("is the node running"), "{err}");
}

#[test]
fn completions_and_manual_pages_are_written() {
    let site = Site::new(1);
    for shell in ["bash", "zsh", "fish"] {
        let (code, out, _) = run(phalanx(&[]).args(["completions", shell]));
        assert_eq!(code, Some(0));
        assert!(out.contains("topology"), "{shell}");
    }
    let dir = site.directory().join("man");
    let (code, _, err) = run(phalanx(&[]).args(["man", "--dir"]).arg(&dir));
    assert_eq!(code, Some(0), "{err}");
    for page in ["phalanx.1", "phalanx-forget.1", "phalanx-certs-reload.1"] {
        let text = std::fs::read_to_string(dir.join(page)).unwrap();
        assert!(text.contains(".TH"), "{page}: {text}");
    }
}

/// The names of the events that a broker remembers.
fn kinds(broker: &Broker) -> Vec<String> {
    let recent = broker.get("/events/recent").unwrap();
    let events = recent["events"].as_array().unwrap().iter();
    events
        .map(|event| event["kind"].as_str().unwrap().to_owned())
        .collect()
}

/// A stream of events, read message by message.
struct Events(BufReader<TcpStream>);

impl Events {
    fn open(port: u16, headers: &str) -> Self {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        write!(stream, "GET /events HTTP/1.0\r\n{headers}\r\n").unwrap();
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
        }
        assert!(head.contains("text/event-stream"), "{head}");
        Self(reader)
    }

    /// Event, id and data of the next message.
    fn next(&mut self) -> (String, String, Value) {
        let (mut event, mut id, mut data) = <(String, String, String)>::default();
        loop {
            let mut line = String::new();
            assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "the stream ended");
            match line.trim_end().split_once(": ") {
                Some(("event", value)) => event = value.to_owned(),
                Some(("id", value)) => id = value.to_owned(),
                Some(("data", value)) => data = value.to_owned(),
                _ if !data.is_empty() => return (event, id, serde_json::from_str(&data).unwrap()),
                _ => {}
            }
        }
    }
}

/// An authority, and a certificate for `localhost` with its key.
pub(super) fn certificate(directory: &Path) -> (PathBuf, PathBuf, PathBuf) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    leaf.distinguished_name
        .push(DnType::CommonName, "management");
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    let write = |name: &str, text: String| {
        let file = directory.join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    (
        write("authority.pem", authority.pem()),
        write("management.pem", leaf.pem()),
        write("management.key", key.serialize_pem()),
    )
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn url(site: &Site, id: usize) -> String {
    format!("http://127.0.0.1:{}", site.admin_port(id))
}

/// Runs a command that asks a broker.
fn ask(
    site: &Site,
    id: usize,
    args: &[&str],
    variables: &[(&str, String)],
) -> (Option<i32>, String, String) {
    run(phalanx(variables)
        .args(args)
        .args(["--admin", &url(site, id)]))
}

fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}
