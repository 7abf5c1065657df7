//! Ports for processes that must be told theirs before they start.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::RangeInclusive;
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

/// `count` neighbouring ports that are free on loopback, for TCP and for UDP. They lie below those that systems hand out
/// for outgoing connections, so that nobody else's connection turns up in a capture of them.
///
/// Nothing holds them: a test takes them at once. Each call begins elsewhere, as does each process.
pub(crate) fn free_ports(count: u16) -> RangeInclusive<u16> {
    static CALLS: AtomicU16 = AtomicU16::new(0);
    assert!((1..=STRIDE).contains(&count), "at most {STRIDE} ports");
    let slots = (LAST - FIRST) / STRIDE;
    let process = u16::try_from(process::id() % u32::from(slots)).expect("less than slots");
    (0..slots)
        .map(|_| {
            let call = CALLS.fetch_add(1, Ordering::Relaxed);
            let first = FIRST + process.wrapping_add(call) % slots * STRIDE;
            first..=first + count - 1
        })
        .find(|ports| ports.clone().all(is_free))
        .unwrap_or_else(|| panic!("no {count} neighbouring ports are free in {FIRST} to {LAST}"))
}

fn is_free(port: u16) -> bool {
    let address = (Ipv4Addr::UNSPECIFIED, port);
    TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
}

const FIRST: u16 = 20_000;
const LAST: u16 = 30_000;
const STRIDE: u16 = 48;

#[test]
fn two_calls_give_different_ports() {
    let (one, two) = (free_ports(3), free_ports(3));
    assert_eq!((one.len(), two.len()), (3, 3));
    assert!(one.end() < two.start() || two.end() < one.start());
}
