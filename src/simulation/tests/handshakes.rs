//! How connections come up, and how they do not.

use super::*;
use crate::simulation::{Effect, Loss, Rule, Sent};

/// The packets of a run's first connection: after how many milliseconds each was sent, and by whom.
fn first_packets(network: &Network, count: usize) -> Vec<(u64, usize)> {
    let start = network.options.start;
    let sent = network
        .transcript()
        .entries()
        .iter()
        .filter_map(|entry| match entry {
            Entry::Sent(Sent { at, from, .. }) => Some((*at, from.index())),
            _ => None,
        });
    let in_millis = |(at, from): (Timestamp, usize)| {
        let after = at.saturating_since(start).as_millis();
        (u64::try_from(after).unwrap(), from)
    };
    sent.map(in_millis).take(count).collect()
}

#[test]
fn a_plaintext_dialer_may_speak_after_one_round_trip() {
    let mut network = Network::new(options(PLAIN), 1);
    let listener = network.add_node(plain_options(0), None, Vec::new());
    let contact = plain_options(0).local.advertised;
    network.add_node(plain_options(1), None, vec![contact.into()]);
    network.start(listener);
    network.start_all();
    network.run_for(secs(1)).unwrap();
    // SYN, SYN-ACK, ACK and the hello behind it.
    let expected = [(0, 1), (10, 0), (20, 1), (20, 1)];
    assert_eq!(first_packets(&network, 4), expected);
}

#[cfg(feature = "daemon")]
#[test]
fn a_tls_dialer_may_speak_after_two_round_trips_and_the_flights_have_their_sizes() {
    use crate::simulation::{CertificateAuthority, TlsFlights, Validity, tls_options};
    let constant = NetworkOptions {
        signing: Latency::constant(Duration::ZERO),
        ..options(PLAIN)
    };
    let mut network = Network::new(constant, 1);
    let validity = Validity::lasting(network.now(), secs(3_600));
    let mut authority = CertificateAuthority::new(1, "red", validity);
    let contact = plain_options(0).local.advertised;
    for number in [0, 1] {
        let certificate = authority.issue("node", validity, &[]);
        let trust = certificate.load(None, network.now()).unwrap();
        let contacts = if number == 0 {
            Vec::new()
        } else {
            vec![contact.into()]
        };
        network.add_node(tls_options(number, &trust), Some(trust), contacts);
    }
    network.start_all();
    network.run_for(secs(1)).unwrap();
    // SYN, SYN-ACK, ClientHello, the listener's flight, Finished and the hello behind it.
    let expected = [(0, 1), (10, 0), (20, 1), (30, 0), (40, 1), (40, 1)];
    assert_eq!(first_packets(&network, 6), expected);
    let lens: Vec<_> = network
        .transcript()
        .entries()
        .iter()
        .filter_map(|entry| match entry {
            Entry::Sent(sent) => Some(sent.len),
            _ => None,
        })
        .take(5)
        .collect();
    let flights = TlsFlights::of(network.trust(network.nodes()[0]));
    let expected = [
        0,
        0,
        flights.client_hello,
        flights.server,
        flights.client_finished,
    ];
    assert_eq!(lens, expected);
}

/// What becomes of a node's only contact point, and after how long the node knows that it is alone.
#[test]
fn a_dial_is_refused_after_a_round_trip_or_given_up_after_the_timeout() {
    type Trouble = fn(&mut Network, NodeId);
    let troubles: [(&str, Trouble, Duration); 5] = [
        ("no process", |_, _| {}, 2 * TEN_MS),
        (
            "no host",
            |network, listener| {
                network.start(listener);
                network.vanish(listener);
            },
            secs(5),
        ),
        (
            "a cut",
            |network, listener| {
                network.start(listener);
                network.impose(Rule::partition(&[&[listener]]));
            },
            secs(5),
        ),
        (
            "nothing passes",
            |network, listener| {
                network.start(listener);
                network.impose(Rule::everywhere(None, Effect::Lose(Loss::percent(100))));
            },
            secs(5),
        ),
        (
            "answers do not pass",
            |network, listener| {
                network.start(listener);
                let path = crate::simulation::Path::OutOf(listener.into());
                network.impose(Rule {
                    path,
                    protocol: None,
                    effect: Effect::Cut,
                });
            },
            secs(5),
        ),
    ];
    for (name, trouble, expected) in troubles {
        let mut network = Network::new(options(PLAIN), 1);
        let listener = network.add_node(plain_options(0), None, Vec::new());
        let contact = plain_options(0).local.advertised;
        let dialer = network.add_node(plain_options(1), None, vec![contact.into()]);
        trouble(&mut network, listener);
        network.start(dialer);
        network.run_for(secs(10)).unwrap();
        let alone = when(&network, dialer, Turn::Alone).expect(name);
        let after = alone.saturating_since(network.options.start);
        assert_eq!(after, expected, "{name}");
    }
}
