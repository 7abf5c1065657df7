//! Which address a node binds, and which one it tells others.
//!
//! Others must be able to reach what is advertised, so a wildcard is never advertised. In Zeebe's order: the host that is
//! configured for it; else the host that is bound, if one is named; else what this machine's name resolves to; else the
//! address of the interface that packets leave by; else loopback. A machine name that resolves to loopback alone, as
//! Debian's `127.0.1.1`, tells others nothing and is passed over.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::timeout;

/// How long a name may take to be resolved.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// An address reserved for documentation (RFC 5737): routed like any other, never anybody's.
const ELSEWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9);

/// Every address of `host`, an address itself or a name, with `port`. Asked anew at every call.
///
/// # Errors
///
/// What the resolver says; `TimedOut` after five seconds; never an empty list.
pub(super) async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let addrs: Vec<_> = timeout(RESOLVE_TIMEOUT, lookup_host((host, port)))
        .await
        .map_err(|_| io::ErrorKind::TimedOut)??
        .collect();
    match addrs.is_empty() {
        true => Err(io::Error::new(
            io::ErrorKind::NotFound,
            "the name has no address",
        )),
        false => Ok(addrs),
    }
}

/// The address of `host` to bind or to advertise: one in the family of `like` if there is one.
///
/// # Errors
///
/// As [`resolve`].
pub(super) async fn resolve_one(
    host: &str,
    port: u16,
    like: Option<IpAddr>,
) -> io::Result<SocketAddr> {
    let addrs = resolve(host, port).await?;
    let wanted = |addr: &&SocketAddr| like.is_none_or(|like| like.is_ipv4() == addr.is_ipv4());
    let chosen = addrs.iter().find(wanted).or_else(|| addrs.first());
    Ok(*chosen.expect("never an empty list"))
}

/// The address to advertise for a socket bound to `bound`, where none is configured.
pub(super) async fn computed(bound: IpAddr) -> IpAddr {
    if !bound.is_unspecified() {
        return bound;
    }
    let named = match machine_name() {
        Some(name) => resolve(&name, 0).await.unwrap_or_default(),
        None => Vec::new(),
    };
    let named = named.into_iter().map(|addr| addr.ip());
    choose(bound, named.chain(leaving_by()))
}

/// The first address that others can use and `bound` listens on: IPv4 first, as a dual-stack socket listens on both.
fn choose(bound: IpAddr, candidates: impl Iterator<Item = IpAddr>) -> IpAddr {
    let mut usable: Vec<IpAddr> = candidates
        .filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
        .filter(|ip| bound.is_ipv6() || ip.is_ipv4())
        .collect();
    usable.sort_by_key(IpAddr::is_ipv6);
    let loopback = match bound {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    usable.first().copied().unwrap_or(loopback)
}

/// The address of the interface that packets to elsewhere leave by. Connecting a datagram socket looks up the route and
/// sends nothing.
fn leaving_by() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(ELSEWHERE).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// What this machine calls itself: as the kernel says, or a shell.
fn machine_name() -> Option<String> {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = kernel.or_else(|| std::env::var("HOSTNAME").ok())?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_advertises_what_others_can_use() {
        for (bound, candidates, expected) in [
            ("0.0.0.0", &["10.0.0.7"][..], "10.0.0.7"),
            ("0.0.0.0", &["127.0.1.1", "10.0.0.7"], "10.0.0.7"),
            ("0.0.0.0", &["fd77::7", "10.0.0.7"], "10.0.0.7"),
            ("0.0.0.0", &["fd77::7"], "127.0.0.1"),
            ("0.0.0.0", &[], "127.0.0.1"),
            ("::", &["fd77::7"], "fd77::7"),
            ("::", &["fd77::7", "10.0.0.7"], "10.0.0.7"),
            ("::", &["::1", "0.0.0.0"], "::1"),
        ] {
            let ip = |text: &str| text.parse::<IpAddr>().unwrap();
            let chosen = choose(ip(bound), candidates.iter().map(|text| ip(text)));
            assert_eq!(chosen, ip(expected), "{bound} with {candidates:?}");
        }
    }

    #[tokio::test]
    async fn a_bound_host_is_advertised_as_it_is() {
        let bound = "127.0.0.9".parse().unwrap();
        assert_eq!(computed(bound).await, bound);
        assert!(
            !computed(Ipv4Addr::UNSPECIFIED.into())
                .await
                .is_unspecified()
        );
    }

    #[tokio::test]
    async fn names_resolve_in_the_family_asked_for() {
        let like = Some(Ipv4Addr::UNSPECIFIED.into());
        let addr = resolve_one("localhost", 7, like).await.unwrap();
        assert_eq!(addr, "127.0.0.1:7".parse().unwrap());
        let addr = resolve_one("::1", 7, like).await.unwrap();
        assert_eq!(addr, "[::1]:7".parse().unwrap(), "an address is what it is");
    }
}
