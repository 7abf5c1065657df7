//! Who scrapes metrics: with a certificate of its own instead of the token, by the paths of Zeebe, and as the snippet says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use serde_json::Value;

use super::admin::certificate;
use super::broker::{Broker, PATIENCE, Security, Site, alive, all_see, request};
use crate::support::{Process, free_ports, is_installed, wait_until};

const TOKEN: &str = "8d6bff1b2c0e4a7f93";

/// A broker whose management server has a certificate, a token, and an authority of its scrapers.
struct Guarded {
    _broker: Broker,
    site: Site,
    /// What vouches for the server, and the scraper's certificate and key.
    authority: PathBuf,
    scraper: (PathBuf, PathBuf),
}

impl Guarded {
    fn start(client_auth: &str) -> Self {
        let site = Site::new(1);
        let (authority, chain, key) = certificate(site.directory());
        let (scrapers, scraper) = scraper(site.directory());
        let text = |path: &Path| path.display().to_string();
        let mut variables = site.variables(0, &Security::Plain, &[]);
        variables.extend([
            ("MANAGEMENT_SERVER_TOKEN", TOKEN.to_owned()),
            ("MANAGEMENT_SERVER_SSL_CERTIFICATE", text(&chain)),
            ("MANAGEMENT_SERVER_SSL_CERTIFICATEPRIVATEKEY", text(&key)),
            ("MANAGEMENT_SERVER_SSL_TRUSTCERTIFICATE", text(&scrapers)),
            ("MANAGEMENT_SERVER_SSL_CLIENTAUTH", client_auth.to_owned()),
        ]);
        let broker = site.start_as(0, &variables);
        let guarded = Self {
            _broker: broker,
            site,
            authority,
            scraper,
        };
        wait_until("metrics are answered", PATIENCE, || {
            let status = guarded.status("/metrics", true);
            (status == "200").then_some(()).ok_or(status)
        });
        guarded
    }

    /// The status of the answer, `000` where there is no connection.
    fn status(&self, path: &str, with_certificate: bool) -> String {
        let mut command = Command::new("curl");
        command
            .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert"])
            .arg(&self.authority);
        if with_certificate {
            let (chain, key) = &self.scraper;
            command.arg("--cert").arg(chain).arg("--key").arg(key);
        }
        let url = format!("https://localhost:{}{path}", self.site.admin_port(0));
        let output = command.args(["--ipv4", &url]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

/// R111, R113.
#[test]
fn a_scraper_shows_a_certificate_of_its_own_and_reads_metrics_alone() {
    if !is_installed("curl") {
        println!("SKIPPED: curl is not installed");
        return;
    }
    let wanting = Guarded::start("want");
    for (path, with, without) in [
        ("/metrics", "200", "401"),
        ("/actuator/prometheus", "200", "401"),
        ("/members", "401", "401"),
        ("/config", "401", "401"),
        ("/ready", "204", "204"),
    ] {
        assert_eq!(wanting.status(path, true), with, "{path}");
        assert_eq!(wanting.status(path, false), without, "{path}");
    }
    let needing = Guarded::start("need");
    for path in ["/metrics", "/ready"] {
        assert_eq!(needing.status(path, false), "000", "{path}");
    }
    // What vouches for the cluster's nodes, or for the server itself, vouches for no scraper.
    let own = Guarded {
        scraper: (
            needing.site.directory().join("management.pem"),
            needing.site.directory().join("management.key"),
        ),
        ..needing
    };
    assert_eq!(own.status("/metrics", true), "000");
}

/// R112.
#[test]
fn prometheus_scrapes_by_the_snippet() {
    if !is_installed("prometheus") || !is_installed("promtool") || !is_installed("curl") {
        println!("SKIPPED: prometheus, promtool or curl is not installed");
        return;
    }
    let guarded = Guarded::start("want");
    let (directory, port) = (guarded.site.directory(), *free_ports(1).start());
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/deploy/prometheus");
    let place = |from: &Path, name: &str| fs::copy(from, directory.join(name)).unwrap();
    place(&deploy.join("alerts.yml"), "alerts.yml");
    place(&guarded.authority, "phalanx-ca.pem");
    place(&guarded.scraper.0, "scraper.pem");
    place(&guarded.scraper.1, "scraper.key");
    let snippet = fs::read_to_string(deploy.join("prometheus.yml")).unwrap();
    let target = format!("localhost:{}", guarded.site.admin_port(0));
    let lines = snippet
        .replace("/etc/prometheus", &directory.display().to_string())
        .replace("15s", "1s")
        .replace("node-0.example.org:9600", &target);
    let lines = lines.lines().filter(|line| !line.contains("example.org"));
    let config = directory.join("prometheus.yml");
    fs::write(&config, lines.collect::<Vec<_>>().join("\n")).unwrap();
    let checked = Command::new("promtool")
        .args(["check", "config"])
        .arg(&config)
        .output()
        .unwrap();
    let said = String::from_utf8([checked.stdout, checked.stderr].concat()).unwrap();
    assert!(checked.status.success(), "{said}");

    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            directory.join("data").display()
        ))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let _prometheus = Process::spawn("prometheus", &mut command, directory);
    wait_until("it has scraped the node", PATIENCE, || {
        let query = "/api/v1/query?query=phalanx_ready%7Bjob%3D%22phalanx%22%7D";
        let (_, body) = request(port, "GET", query)?;
        match body.contains("\"1\"") {
            true => Ok(()),
            false => Err(body),
        }
    });
}

/// R129, R130, and R106: with two rules in force, who matches the older alone is seen.
#[test]
fn one_list_has_all_certificates_and_which_rules_they_match() {
    let site = Site::new(2);
    let security = site.certificates();
    let brokers = [0, 1].map(|id| {
        let mut variables = site.variables(id, &security[id], &[0, 1]);
        variables.push((
            "ZEEBE_BROKER_NETWORK_SECURITY_PEERIDENTITY_COMMONNAME",
            "node[01],node0".to_owned(),
        ));
        site.start_as(id, &variables)
    });
    all_see(&brokers.iter().collect::<Vec<_>>(), &alive(0..2));
    let list = wait_until("both are listed", PATIENCE, || {
        let view = brokers[0].get("/certificates")?;
        let members = view["members"].as_array().unwrap().clone();
        match members.len() {
            2 => Ok(members),
            _ => Err(view.to_string()),
        }
    });
    let rules = |of: &Value| -> Vec<String> {
        let rules = of["rules"].as_array().unwrap().iter();
        rules
            .map(|rule| rule.as_str().unwrap().to_owned())
            .collect()
    };
    let older = "peerIdentity.commonName: node[01]".to_owned();
    let newer = "peerIdentity.commonName: node0".to_owned();
    assert_eq!(
        (&list[0]["member"], &list[1]["member"]),
        (&"0".into(), &"1".into())
    );
    assert_eq!(rules(&list[0]), [older.clone(), newer]);
    assert_eq!(rules(&list[1]), [older]);
    for certificate in &list {
        assert_eq!(certificate["sha256"].as_str().unwrap().len(), 64);
        assert!(certificate["days_left"].as_u64().unwrap() > 0);
    }
    // That a peer was verified is a number and an event.
    let (_, metrics) = request(site.admin_port(0), "GET", "/metrics").unwrap();
    let secured = metrics
        .lines()
        .any(|line| line.starts_with("phalanx_handshakes_total{") && line.contains("secured"));
    assert!(secured, "{metrics}");
    let events = brokers[0].get("/events/recent").unwrap();
    let mut events = events["events"].as_array().unwrap().iter();
    assert!(events.any(|event| event["kind"] == "MemberJoined" && event["member"] == "1"));
}

/// The file of an authority, and a certificate and key that it made for a client.
fn scraper(directory: &Path) -> (PathBuf, (PathBuf, PathBuf)) {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(DnType::CommonName, "scrapers");
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(["prometheus".to_owned()]).unwrap();
    leaf.distinguished_name
        .push(DnType::CommonName, "prometheus");
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    let write = |name: &str, text: String| {
        let file = directory.join(name);
        fs::write(&file, text).unwrap();
        file
    };
    (
        write("scrapers.pem", authority.pem()),
        (
            write("client.pem", leaf.pem()),
            write("client.key", key.serialize_pem()),
        ),
    )
}
