//! What independent programs say of a node's port.

use std::process::{Command, Stdio};

use super::broker::Site;
use crate::support::is_installed;

/// R98.
#[test]
fn sslscan_finds_tls_1_3_and_nothing_else() {
    if !is_installed("sslscan") {
        println!("SKIPPED: sslscan is not installed");
        return;
    }
    let site = Site::new(1);
    let brokers = site.form(&site.certificates());
    let port = site.port(0);
    let output = Command::new("sslscan")
        .args([
            "--xml=-",
            "--no-colour",
            "--connect-timeout=30",
            "--timeout=30",
        ])
        .arg(format!("127.0.0.1:{port}"))
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    let protocols: Vec<_> = elements(&report, "protocol")
        .map(|protocol| {
            let text = |name| attribute(protocol, name);
            (text("type"), text("version"), text("enabled"))
        })
        .collect();
    let enabled: Vec<_> = protocols
        .iter()
        .filter(|(_, _, enabled)| *enabled == "1")
        .collect();
    assert!(
        protocols.len() >= 6,
        "SSL 2 to TLS 1.3 were tried: {report}"
    );
    assert_eq!(enabled, [&("tls", "1.3", "1")], "{report}");
    let versions: Vec<_> = elements(&report, "cipher")
        .map(|cipher| attribute(cipher, "sslversion"))
        .collect();
    assert!(
        !versions.is_empty() && versions.iter().all(|version| *version == "TLSv1.3"),
        "{report}"
    );
    for vulnerable in elements(&report, "heartbleed") {
        assert_eq!(attribute(vulnerable, "vulnerable"), "0", "{report}");
    }
    drop(brokers);
}

/// R98.
#[test]
fn openssl_gets_in_by_tls_1_3_alone() {
    if !is_installed("openssl") {
        println!("SKIPPED: openssl is not installed");
        return;
    }
    let site = Site::new(1);
    let brokers = site.form(&site.certificates());
    let address = format!("127.0.0.1:{}", site.port(0));
    let connect = |version: &str| {
        let output = Command::new("openssl")
            .args(["s_client", "-connect", &address, version])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = [&output.stdout[..], &output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    };
    // How it ends is another matter: no application protocol is agreed, so the node hangs up.
    let (_, said) = connect("-tls1_3");
    assert!(said.contains("New, TLSv1.3, Cipher is TLS_"), "{said}");
    let (is_in, said) = connect("-tls1_2");
    assert!(!is_in && said.contains("alert protocol version"), "{said}");
    drop(brokers);
}

/// The elements of this name in a report without nesting, each as what stands between its angle brackets.
fn elements<'a>(report: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let tag = format!("{name} ");
    let opened = report.split('<').filter(move |text| text.starts_with(&tag));
    opened.map(|text| {
        text.split('>')
            .next()
            .expect("split yields one part at least")
    })
}

/// The value of an attribute; empty where there is none.
fn attribute<'a>(element: &'a str, name: &str) -> &'a str {
    let start = format!(" {name}=\"");
    let value = element.split_once(&start).map(|(_, rest)| rest);
    value
        .and_then(|rest| rest.split('"').next())
        .unwrap_or_default()
}
