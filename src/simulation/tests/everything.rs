//! Every fault at once: nothing is promised but that it happens again.

use super::*;
use crate::member::MemberId;
use crate::simulation::{
    Bandwidth, CertificateAuthority, ClockChange, Clocks, Effect, Loss, Path, Protocol, Rate, Rule,
    Validity, tls_options,
};

const BURSTS: Loss = Loss::Burst {
    turns_bad: Rate::percent(2),
    turns_good: Rate::percent(10),
    loss_when_bad: Rate::percent(80),
};

/// A link that does all that a link can.
fn wild() -> Link {
    Link {
        latency: Latency::lognormal(Duration::from_millis(2), Duration::from_millis(40)),
        loss: BURSTS,
        duplicate: Rate::percent(2),
        reorder: Rate::percent(5),
        corrupt: Rate::percent(1),
        bandwidth: Some(Bandwidth {
            bits_per_second: 2_000_000,
            queue: 20_000,
        }),
        mtu: Some(1_400),
    }
}

fn effects() -> Vec<Effect> {
    vec![
        Effect::Corrupt(Rate::percent(5)),
        Effect::Cut,
        Effect::Delay(Latency::pareto(TEN_MS, secs(1))),
        Effect::Duplicate(Rate::percent(20)),
        Effect::Jam,
        Effect::Lose(Loss::percent(20)),
        Effect::Lose(BURSTS),
        Effect::Mtu(600),
        Effect::Reorder(Rate::percent(20)),
        Effect::Throttle(Bandwidth {
            bits_per_second: 100_000,
            queue: 5_000,
        }),
    ]
}

/// Seven nodes with TLS on wild links; nobody starts it yet.
fn network(seed: u64) -> (Network, Vec<NodeId>) {
    let options = NetworkOptions {
        detail: Detail::Packets,
        service_time: Duration::from_micros(50),
        link: wild(),
        ..NetworkOptions::default()
    };
    let mut network = Network::new(options, seed);
    let now = network.now();
    let validity = Validity::lasting(now - secs(3_600), secs(86_400));
    let mut authority = CertificateAuthority::new(seed, "red", validity);
    let contact = plain_options(0).local.advertised;
    let nodes = (0..7).map(|number| {
        let trust = authority
            .issue("node", validity, &[])
            .load(None, now)
            .unwrap();
        network.add_node(
            tls_options(number, &trust),
            Some(trust),
            vec![contact.into()],
        )
    });
    let nodes = nodes.collect();
    (network, nodes)
}

fn run(seed: u64) -> Network {
    let (mut network, nodes) = network(seed);
    network.start_all();
    network.run_for(secs(10)).unwrap();
    for (effect, number) in effects().into_iter().zip(0..) {
        let node = nodes[number % nodes.len()];
        let rule = network.impose(Rule {
            path: if number % 2 == 0 {
                Path::Into(node.into())
            } else {
                Path::OutOf(node.into())
            },
            protocol: [None, Some(Protocol::Udp), Some(Protocol::Tcp)][number % 3],
            effect,
        });
        network.run_for(secs(4)).unwrap();
        network.lift(rule);
    }
    network.set_clock(nodes[1], Clocks::Both, ClockChange::Drift(5_000));
    network.set_clock(nodes[2], Clocks::Wall, ClockChange::Back(secs(600)));
    network.vanish(nodes[3]);
    network.pause(nodes[4]);
    network.block(nodes[5]);
    network.slow(nodes[6], 100);
    network.run_for(secs(15)).unwrap();
    network.restart_at(nodes[3], ([10, 9, 9, 9], 26_502).into());
    network.restart_as(nodes[2], MemberId::new("heir").unwrap());
    network.set_clock(nodes[1], Clocks::Both, ClockChange::Right);
    network.resume(nodes[4]);
    network.unblock(nodes[5]);
    network.leave(nodes[6]);
    network.run_for(secs(30)).unwrap();
    network
}

#[test]
fn one_seed_gives_one_transcript_with_every_fault_at_once() {
    let (one, again, other) = (run(7), run(7), run(8));
    assert_eq!(one.transcript().to_string(), again.transcript().to_string());
    assert_eq!(
        one.transcript().trace_hash(),
        again.transcript().trace_hash()
    );
    assert_ne!(
        one.transcript().trace_hash(),
        other.transcript().trace_hash()
    );
}
