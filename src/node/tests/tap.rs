//! [`Tap`]: a hop on the way to a node, which passes on all it is given and keeps a copy. It needs no privileges, as the node
//! advertises the tap's address for its own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// How many datagrams, and how many streams, a tap keeps: the first ones, so that those of former lives stay.
const HEARD_MAX: usize = 2_048;
/// How much of a stream a tap keeps, in bytes.
const STREAM_LEN_MAX: usize = 16 * 1024;

/// One node's line.
pub(super) struct Tap {
    /// Where others reach the node.
    pub(super) addr: SocketAddr,
    /// Where the node listens: the same port of another loopback address.
    pub(super) behind: SocketAddr,
    udp: UdpSocket,
    heard: Mutex<Heard>,
}

/// What went to the node.
#[derive(Default)]
struct Heard {
    datagrams: Vec<Vec<u8>>,
    streams: Vec<Vec<u8>>,
}

impl Tap {
    /// Listens at 127.0.`host`.1, for a node at 127.0.`host`.2.
    pub(super) async fn open(host: u8) -> Arc<Self> {
        let ip = Ipv4Addr::new(127, 0, host, 1);
        let (tcp, udp) = loop {
            let tcp = TcpListener::bind((ip, 0)).await.unwrap();
            // The twin of the port may be taken.
            if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
                break (tcp, udp);
            }
        };
        let addr = tcp.local_addr().unwrap();
        let tap = Arc::new(Self {
            addr,
            behind: (Ipv4Addr::new(127, 0, host, 2), addr.port()).into(),
            udp,
            heard: Mutex::default(),
        });
        tokio::spawn(Arc::clone(&tap).pass_datagrams());
        tokio::spawn(Arc::clone(&tap).pass_streams(tcp));
        tap
    }

    /// Sends the node a datagram from the very address that others know it by.
    pub(super) async fn send(&self, to: SocketAddr, payload: &[u8]) {
        self.udp.send_to(payload, to).await.unwrap();
    }

    /// The datagrams kept so far.
    pub(super) fn datagrams(&self) -> Vec<Vec<u8>> {
        self.heard.lock().unwrap().datagrams.clone()
    }

    /// What dialling ends said on the connections kept so far.
    pub(super) fn streams(&self) -> Vec<Vec<u8>> {
        self.heard.lock().unwrap().streams.clone()
    }

    async fn pass_datagrams(self: Arc<Self>) {
        let mut buffer = [0; 2_048];
        loop {
            // An error tells of an earlier datagram, to a node that was not there.
            let Ok((len, _)) = self.udp.recv_from(&mut buffer).await else {
                continue;
            };
            let _ = self.udp.send_to(&buffer[..len], self.behind).await;
            let datagrams = &mut self.heard.lock().unwrap().datagrams;
            if datagrams.len() < HEARD_MAX {
                datagrams.push(buffer[..len].to_vec());
            }
        }
    }

    async fn pass_streams(self: Arc<Self>, listener: TcpListener) {
        loop {
            let (dialer, _) = listener.accept().await.unwrap();
            tokio::spawn(Arc::clone(&self).pass_stream(dialer));
        }
    }

    async fn pass_stream(self: Arc<Self>, dialer: TcpStream) -> io::Result<()> {
        let node = TcpStream::connect(self.behind).await?;
        let (mut from_dialer, mut to_dialer) = dialer.into_split();
        let (mut from_node, mut to_node) = node.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut from_node, &mut to_dialer).await });
        let (mut said, mut buffer) = (Vec::new(), [0; 4_096]);
        while let Ok(len @ 1..) = from_dialer.read(&mut buffer).await {
            to_node.write_all(&buffer[..len]).await?;
            let room = STREAM_LEN_MAX - said.len();
            said.extend_from_slice(&buffer[..len.min(room)]);
        }
        let streams = &mut self.heard.lock().unwrap().streams;
        if streams.len() < HEARD_MAX {
            streams.push(said);
        }
        Ok(())
    }
}
