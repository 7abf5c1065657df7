//! Certificates loaded anew by a running broker: SIGHUP, `POST /certificates/reload` and `phalanx certs reload`.

use std::fs;
use std::path::Path;

use phalanx::trust::DevCertificates;
use serde_json::Value;

use super::broker::{PATIENCE, Security, Site, alive, all_see, phalanx, request};
use crate::recipes::NodeFiles;
use crate::support::{now, wait_until};

/// R101, R102, R109.
#[test]
fn a_broker_loads_its_certificates_anew_when_told_to() {
    let site = Site::new(2);
    let authority = DevCertificates::new(now()).unwrap();
    let files: Vec<_> = (0..2)
        .map(|id| issue(&site, &authority, id, "first"))
        .collect();
    let security: Vec<_> = files.iter().cloned().map(Security::Tls).collect();
    let mut variables = site.variables(0, &security[0], &[0, 1]);
    // Only what is asked for.
    variables.push((
        "ZEEBE_BROKER_NETWORK_SECURITY_RELOADINTERVAL",
        "1d".to_owned(),
    ));
    let brokers = [site.start_as(0, &variables), site.start(1, &security[1])];
    all_see(&brokers.iter().collect::<Vec<_>>(), &alive(0..2));

    replace(&files[0], &issue(&site, &authority, 0, "second"));
    brokers[0].signal("HUP");
    wait_until("the log says so", PATIENCE, || {
        let log = brokers[0].process.stderr();
        match log.contains("certificates are loaded anew") && log.contains("second-0") {
            true => Ok(()),
            false => Err(log),
        }
    });

    replace(&files[0], &issue(&site, &authority, 0, "third"));
    let (code, out, _) = reload(&site);
    assert_eq!(code, Some(0));
    let view: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(view["renewed"], true);
    assert!(
        view["subject"].as_str().unwrap().contains("third-0"),
        "{view}"
    );

    let stranger = DevCertificates::new(now()).unwrap();
    replace(&files[0], &issue(&site, &stranger, 0, "fourth"));
    let (code, out, err) = reload(&site);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("none of the 1 members believed now"), "{err}");
    all_see(&brokers.iter().collect::<Vec<_>>(), &alive(0..2));
    let certificates = brokers[0].get("/certificates").unwrap();
    assert_eq!(certificates["soonest"]["member"], "1");
    assert!(
        certificates["days_left"].as_u64().unwrap() > 0,
        "{certificates}"
    );
    let (_, metrics) = request(site.admin_port(0), "GET", "/metrics").unwrap();
    for whose in ["own", "soonest"] {
        let line = format!("phalanx_certificate_expiry_seconds{{certificate=\"{whose}\"}} ");
        assert!(metrics.contains(&line), "{metrics}");
    }
    let (head, body) = request(site.admin_port(0), "GET", "/connections").unwrap();
    assert!(head.starts_with("HTTP/1.0 200"), "{head}");
    let seen: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(seen[0]["tls"]["key_exchange"], "X25519MLKEM768", "{seen}");
}

fn reload(site: &Site) -> (Option<i32>, String, String) {
    let admin = format!("http://127.0.0.1:{}", site.admin_port(0));
    let output = phalanx(&[])
        .args(["certs", "reload", "--format", "json", "--admin", &admin])
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn issue(site: &Site, authority: &DevCertificates, id: usize, name: &str) -> NodeFiles {
    let directory = site.directory().join(format!("{name}-{id}"));
    fs::create_dir_all(&directory).unwrap();
    let made = authority
        .write_node(&directory, &format!("{name}-{id}"))
        .unwrap();
    NodeFiles {
        chain: made.certificate_chain,
        key: made.private_key,
        trusted: None,
    }
}

fn replace(held: &NodeFiles, by: &NodeFiles) {
    let copy = |from: &Path, to: &Path| fs::write(to, fs::read(from).unwrap()).unwrap();
    copy(&by.chain, &held.chain);
    copy(&by.key, &held.key);
}
