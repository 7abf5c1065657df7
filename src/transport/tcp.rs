//! TCP: binding, accepting, dialling.
//!
//! TCP and UDP share one port number, so that a member has one address. Accepting never stops: a process out of file
//! descriptors waits and goes on. Connections not yet secured are bounded, in all and per source address, so that nobody
//! can hold more of them than [`RAW_PER_SOURCE_MAX`].

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::canonical;
use super::udp::Udp;

/// How many accepted connections may be unsecured at once.
pub const RAW_MAX: usize = 256;
/// How many of them from one source address.
pub const RAW_PER_SOURCE_MAX: usize = 16;

/// How many connections the system may complete before they are accepted.
const BACKLOG: i32 = 1_024;
/// The pause when the process or the system is out of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often a free TCP port is taken whose UDP twin is not free, before giving up.
const PORT_TRIES_MAX: usize = 64;

/// What is set on every socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// `SO_SNDBUF`, in bytes; `None` leaves it to the system. Linux doubles the value and caps it at
    /// `net.core.wmem_max`.
    pub send_buffer: Option<usize>,
    /// `SO_RCVBUF`, in bytes; `None` leaves it to the system. Linux doubles the value and caps it at
    /// `net.core.rmem_max`.
    pub receive_buffer: Option<usize>,
}

impl SocketOptions {
    /// Sets the buffers: before connecting or listening, as the window scale is agreed at that time.
    pub(super) fn apply(&self, socket: &Socket) -> io::Result<()> {
        if let Some(len) = self.send_buffer {
            socket.set_send_buffer_size(len)?;
        }
        if let Some(len) = self.receive_buffer {
            socket.set_recv_buffer_size(len)?;
        }
        Ok(())
    }
}

/// Which socket could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot bind {protocol} {addr}")]
pub struct BindError {
    /// `TCP`, `UDP` or `UDP (QUIC)`.
    pub protocol: &'static str,
    /// The address asked for.
    pub addr: SocketAddr,
    /// What the system says.
    pub source: io::Error,
}

/// Binds TCP and, where asked for, UDP to `addr`, under the same port number. Port 0 finds one that both have free.
///
/// # Errors
///
/// [`BindError`] says which of the two failed; nothing stays bound.
pub fn bind(
    addr: SocketAddr,
    with_udp: bool,
    options: &SocketOptions,
) -> Result<(Listener, Option<Udp>), BindError> {
    let mut tries = 0;
    loop {
        let listener = Listener::bind(addr, options).map_err(failed("TCP", addr))?;
        if !with_udp {
            return Ok((listener, None));
        }
        let twin = listener.local_addr().map_err(failed("TCP", addr))?;
        tries += 1;
        match Udp::bind(twin, options) {
            Ok(udp) => return Ok((listener, Some(udp))),
            Err(source)
                if addr.port() == 0
                    && source.kind() == io::ErrorKind::AddrInUse
                    && tries < PORT_TRIES_MAX => {}
            Err(source) => return Err(failed("UDP", twin)(source)),
        }
    }
}

fn failed(protocol: &'static str, addr: SocketAddr) -> impl FnOnce(io::Error) -> BindError {
    move |source| BindError {
        protocol,
        addr,
        source,
    }
}

/// The listening socket, and the room for connections that are not secured yet.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    room: Arc<Mutex<Room>>,
}

/// One accepted connection.
#[derive(Debug)]
pub struct Accepted {
    /// The connection.
    pub stream: TcpStream,
    /// Who dialled.
    pub peer: SocketAddr,
    /// Its place among the unsecured, or none when there was no room: close it then.
    pub place: Option<Place>,
}

impl Listener {
    fn bind(addr: SocketAddr, options: &SocketOptions) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
        set_dual_stack(&socket, addr)?;
        options.apply(&socket)?;
        // Without it a restarted node could not have its port back for a minute. It lets no two listeners share one.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&addr.into())?;
        socket.listen(BACKLOG)?;
        Ok(Self {
            socket: TcpListener::from_std(socket.into())?,
            room: Arc::default(),
        })
    }

    /// Waits for the next connection. Errors are waited out: they concern one connection, or pass.
    pub async fn accept(&self) -> Accepted {
        let mut failures = 0_u64;
        loop {
            match self.socket.accept().await {
                Ok((stream, peer)) => {
                    let peer = canonical(peer);
                    // Frames are written whole, so nothing is gained by holding small ones back. If it fails the
                    // connection is gone already, which the first read says better.
                    let _ = stream.set_nodelay(true);
                    let place = Place::take(&self.room, peer.ip());
                    return Accepted {
                        stream,
                        peer,
                        place,
                    };
                }
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => {
                    failures += 1;
                    // Whoever holds all file descriptors must not have the log as well.
                    if failures.is_power_of_two() {
                        tracing::warn!(%error, failures, "cannot accept connections; trying again");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// The address bound.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// Dials `addr`, from `source` where that can reach it, so that a node bound to one address is seen under it.
///
/// # Errors
///
/// What the system says. There is no deadline here: see [`super::door::dial`].
pub async fn connect(
    addr: SocketAddr,
    source: IpAddr,
    options: &SocketOptions,
) -> io::Result<TcpStream> {
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    options.apply(&SockRef::from(&socket))?;
    if can_reach(source, addr.ip()) {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    let stream = socket.connect(addr).await?;
    // Where nobody listens, the system may have picked the very port dialled for this end: a connection to itself.
    if stream.local_addr()? == addr {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Whether `source` is one address, and of the kind that reaches `target`.
fn can_reach(source: IpAddr, target: IpAddr) -> bool {
    !source.is_unspecified()
        && source.is_ipv4() == target.is_ipv4()
        && source.is_loopback() == target.is_loopback()
}

/// `[::]` takes IPv4 too, whatever the system's default is.
pub(super) fn set_dual_stack(socket: &Socket, addr: SocketAddr) -> io::Result<()> {
    match addr {
        SocketAddr::V6(v6) => socket.set_only_v6(!v6.ip().is_unspecified()),
        SocketAddr::V4(_) => Ok(()),
    }
}

fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

/// How many unsecured connections there are, by source address.
#[derive(Debug, Default)]
pub(super) struct Room {
    taken: usize,
    by_source: BTreeMap<IpAddr, usize>,
}

/// The place of one connection among the unsecured; dropped, it is free again.
#[derive(Debug)]
pub struct Place {
    room: Arc<Mutex<Room>>,
    source: IpAddr,
}

impl Place {
    pub(super) fn take(room: &Arc<Mutex<Room>>, source: IpAddr) -> Option<Self> {
        let mut rooms = room.lock().unwrap_or_else(PoisonError::into_inner);
        let of_source = rooms.by_source.get(&source).copied().unwrap_or(0);
        if rooms.taken >= RAW_MAX || of_source >= RAW_PER_SOURCE_MAX {
            return None;
        }
        rooms.taken += 1;
        rooms.by_source.insert(source, of_source + 1);
        drop(rooms);
        Some(Self {
            room: Arc::clone(room),
            source,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        room.taken -= 1;
        match room.by_source.get_mut(&self.source) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                room.by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R100.
    #[test]
    fn room_is_bounded_per_source_and_in_all_and_comes_back() {
        let room = Arc::default();
        let source = |n: u8| IpAddr::from([10, 0, 0, n]);
        let mut places: Vec<_> = (0..RAW_PER_SOURCE_MAX)
            .map(|_| Place::take(&room, source(0)).expect("room for the source"))
            .collect();
        assert!(Place::take(&room, source(0)).is_none());
        for n in 1..u8::try_from(RAW_MAX / RAW_PER_SOURCE_MAX).unwrap() {
            places.extend((0..RAW_PER_SOURCE_MAX).map(|_| Place::take(&room, source(n)).unwrap()));
        }
        assert_eq!(places.len(), RAW_MAX);
        assert!(Place::take(&room, source(200)).is_none());
        places.pop();
        assert!(Place::take(&room, source(200)).is_some());
        drop(places);
        assert!(room.lock().unwrap().by_source.is_empty());
    }

    #[test]
    fn a_source_is_bound_only_where_it_reaches_the_target() {
        for (source, target, expected) in [
            ("0.0.0.0", "10.0.0.1", false),
            ("::", "::1", false),
            ("127.0.0.2", "127.0.0.1", true),
            ("127.0.0.1", "10.0.0.1", false),
            ("10.0.0.2", "10.0.0.1", true),
            ("10.0.0.2", "fd77::1", false),
            ("fd77::2", "fd77::1", true),
        ] {
            let (source, target): (IpAddr, IpAddr) =
                (source.parse().unwrap(), target.parse().unwrap());
            assert_eq!(can_reach(source, target), expected, "{source} to {target}");
        }
    }
}
