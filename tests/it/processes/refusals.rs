//! All or nothing: who differs in TLS ends with 4, and both sides say `SecurityMismatch`.

use std::time::Duration;

use super::broker::{Broker, Security, Site, alive, all_see};

/// R10, R11.
#[test]
fn a_broker_that_differs_from_its_cluster_in_tls_exits_with_4() {
    for outsider_has_tls in [false, true] {
        let site = Site::new(3);
        let tls = site.certificates();
        let (inside, outside) = match outsider_has_tls {
            true => (vec![Security::Plain; 2], &tls[2]),
            false => (tls[..2].to_vec(), &Security::Plain),
        };
        let cluster = [site.start(0, &inside[0]), site.start(1, &inside[1])];
        let all: Vec<&Broker> = cluster.iter().collect();
        all_see(&all, &alive(0..2));

        let mut outsider = site.start_with(2, outside, &[0, 1]);
        expect_refused(&mut outsider);
        for broker in &cluster {
            assert!(broker.refusals("SecurityMismatch") > 0, "by {}", broker.id);
            assert_eq!(broker.states().unwrap(), alive(0..2), "nobody else");
            let log = broker.process.stderr();
            assert!(log.contains("SecurityMismatch"), "{log}");
        }
    }
}

/// R12: started at once, everybody in everybody's contact points.
#[test]
fn three_tls_brokers_form_and_a_plaintext_one_exits() {
    let site = Site::new(4);
    let mut security = site.certificates();
    security[1] = Security::Plain;
    let mut brokers: Vec<Broker> = security
        .iter()
        .enumerate()
        .map(|(id, security)| site.start(id, security))
        .collect();
    let mut plaintext = brokers.remove(1);
    all_see(&brokers.iter().collect::<Vec<_>>(), &alive([0, 2, 3]));
    expect_refused(&mut plaintext);
    all_see(&brokers.iter().collect::<Vec<_>>(), &alive([0, 2, 3]));
}

/// Exit code 4 within ten seconds, and one line that says what to do.
fn expect_refused(broker: &mut Broker) {
    let status = broker.process.wait(Duration::from_secs(10));
    let log = broker.process.stderr();
    assert_eq!(status.code(), Some(4), "{log}");
    let line = log.lines().find(|line| line.starts_with("error: "));
    for word in [
        "SecurityMismatch",
        "127.0.0.1:",
        "TLS",
        "ZEEBE_BROKER_NETWORK_SECURITY_ENABLED",
    ] {
        assert!(
            line.is_some_and(|line| line.contains(word)),
            "{word}: {log}"
        );
    }
}
