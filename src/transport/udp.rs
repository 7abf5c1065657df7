//! [`Udp`]: the datagram socket. Its errors never stop the node.
//!
//! A firewall rule makes `sendto` fail with `EPERM`, a full queue with `ENOBUFS`, a lost route with `EHOSTUNREACH`, an
//! ICMP message lets the next call fail with `ECONNREFUSED`. All of them pass, and gossip stands the loss of a datagram:
//! so they are counted and forgotten.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::canonical;
use super::tcp::{SocketOptions, set_dual_stack};

/// The longest payload UDP can carry over IPv4; a buffer for receiving has this length.
pub const DATAGRAM_LEN_MAX: usize = 65_507;

/// The pause after a failed receive: an error that stays must not keep the processor busy.
const RECEIVE_PAUSE: Duration = Duration::from_millis(5);

/// A datagram socket.
#[derive(Debug)]
pub struct Udp {
    socket: UdpSocket,
    /// The same socket, without tokio's memory of what was ready when it last looked.
    direct: std::net::UdpSocket,
    dual_stack: bool,
    errors: Arc<AtomicU64>,
}

impl Udp {
    /// Binds to `addr`. Two sockets never share a port: `SO_REUSEADDR` is not set, since with UDP it would let them.
    ///
    /// # Errors
    ///
    /// What the system says, mostly that the port is taken.
    pub fn bind(addr: SocketAddr, options: &SocketOptions) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
        set_dual_stack(&socket, addr)?;
        options.apply(&socket)?;
        socket.set_nonblocking(true)?;
        socket.bind(&addr.into())?;
        let direct = std::net::UdpSocket::from(socket);
        Ok(Self {
            socket: UdpSocket::from_std(direct.try_clone()?)?,
            direct,
            dual_stack: addr.is_ipv6(),
            errors: Arc::default(),
        })
    }

    /// Waits for a datagram and reads it into `buffer`; says who sent it and how long it is. Cancel safe.
    pub async fn receive(&self, buffer: &mut [u8]) -> (SocketAddr, usize) {
        loop {
            match self.socket.recv_from(buffer).await {
                Ok((len, from)) => return (canonical(from), len),
                Err(error) => {
                    self.count(&error);
                    tokio::time::sleep(RECEIVE_PAUSE).await;
                }
            }
        }
    }

    /// The next datagram that is already here, if there is one.
    pub fn try_receive(&self, buffer: &mut [u8]) -> Option<(SocketAddr, usize)> {
        match self.direct.recv_from(buffer) {
            Ok((len, from)) => Some((canonical(from), len)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => {
                self.count(&error);
                None
            }
        }
    }

    /// Sends one datagram, or loses it: when the socket's buffer is full, as when the system refuses.
    pub fn send(&self, to: SocketAddr, payload: &[u8]) {
        if let Err(error) = self.direct.send_to(payload, self.mapped(to)) {
            self.count(&error);
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

    /// How many calls failed so far, to be read while the socket is in use; a failed send is a datagram lost.
    #[must_use]
    pub fn errors(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.errors)
    }

    fn count(&self, error: &io::Error) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(%error, "a datagram is lost");
    }

    /// `to` in the family of the socket: a dual-stack socket takes IPv4 addresses as mapped ones.
    fn mapped(&self, to: SocketAddr) -> SocketAddr {
        match to.ip() {
            IpAddr::V4(ip) if self.dual_stack => (Ipv4Addr::to_ipv6_mapped(&ip), to.port()).into(),
            _ => to,
        }
    }
}
