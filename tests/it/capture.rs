//! What the network sees: packets as tcpdump captures them, read by a reader of our own.

mod cluster;
pub(crate) mod pcap;
mod streams;
pub(crate) mod tcpdump;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};

use self::tcpdump::Tcpdump;
use crate::support::free_ports;

/// The reader and tcpdump together, on traffic that is known.
#[test]
fn a_capture_has_every_datagram_and_the_beginning_of_every_stream() {
    let ports = free_ports(2);
    let Some(tcpdump) = Tcpdump::start(&ports) else {
        return;
    };
    let address = (Ipv4Addr::LOCALHOST, *ports.start());
    let (tcp, udp) = (
        TcpListener::bind(address).unwrap(),
        UdpSocket::bind(address).unwrap(),
    );
    let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    for number in 0..200_u8 {
        sender.send_to(&[number; 1_400], address).unwrap();
    }
    let mut dialler = TcpStream::connect(address).unwrap();
    let mut acceptor = tcp.accept().unwrap().0;
    dialler.write_all(b"question").unwrap();
    acceptor.read_exact(&mut [0; 8]).unwrap();
    acceptor.write_all(b"answer").unwrap();
    dialler.read_exact(&mut [0; 6]).unwrap();

    let capture = tcpdump.finish();
    let (sender, udp) = (sender.local_addr().unwrap(), udp.local_addr().unwrap());
    assert_eq!(capture.datagrams.len(), 200);
    for (datagram, number) in capture.datagrams.iter().zip(0_u8..) {
        assert_eq!((datagram.source, datagram.target), (sender, udp));
        assert_eq!(datagram.payload, [number; 1_400]);
    }
    let heads: Vec<_> = capture
        .streams
        .iter()
        .map(|stream| (stream.source, stream.target, stream.head.as_deref()))
        .collect();
    let (client, server) = (dialler.local_addr().unwrap(), tcp.local_addr().unwrap());
    assert_eq!(
        heads,
        [
            (client, server, Some(&b"question"[..])),
            (server, client, Some(b"answer")),
        ]
    );
}
