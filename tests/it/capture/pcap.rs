//! Reads what tcpdump writes: the UDP payloads of a capture, and how each direction of each TCP connection begins.
//!
//! The classic format (not pcapng), every byte order and resolution of time, three link types: Ethernet (1), which is what
//! loopback looks like on Linux, and the two of the device `any` (113, 276). No fragments, no VLANs: loopback has neither.
//! Whatever cannot be read is an error, since a test must not be content with half a capture.
//!
//! | offset | bytes | file header | | offset | bytes | record header |
//! |---|---|---|---|---|---|---|
//! | 0 | 4 | magic, which tells the byte order | | 0 | 8 | time |
//! | 4 | 16 | version, zone, accuracy, longest record | | 8 | 4 | bytes captured |
//! | 20 | 4 | link type | | 12 | 4 | bytes on the wire |
//!
//! Source: the libpcap file format, `pcap-savefile(5)`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::streams::{Segment, Stream, Streams};

/// What passed while tcpdump listened.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Capture {
    pub(crate) datagrams: Vec<Datagram>,
    pub(crate) streams: Vec<Stream>,
}

/// One UDP payload.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Datagram {
    pub(crate) source: SocketAddr,
    pub(crate) target: SocketAddr,
    pub(crate) payload: Vec<u8>,
}

/// Why a capture cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PcapError {
    /// The file, or a packet in it, ends too early.
    CutOff { what: &'static str },
    /// A packet was split on its way.
    Fragment,
    /// A link type other than the three.
    LinkType(u32),
    /// Not a classic pcap file.
    Magic([u8; 4]),
}

impl Capture {
    /// Reads a whole file.
    pub(crate) fn parse(file: &[u8]) -> Result<Self, PcapError> {
        let mut rest = file;
        let header = take(&mut rest, 24, "file header")?;
        let order = ByteOrder::of(header)?;
        let link = Link::of(order.u32(header, 20))?;
        let mut capture = Self::default();
        let mut streams = Streams::default();
        while !rest.is_empty() {
            let record = take(&mut rest, 16, "record header")?;
            let (captured, on_wire) = (order.u32(record, 8), order.u32(record, 12));
            let frame = take(&mut rest, captured as usize, "record")?;
            if captured < on_wire {
                return Err(PcapError::CutOff { what: "packet" });
            }
            match transport(link.payload(frame)?)? {
                Some(Transport::Tcp(segment)) => streams.add(&segment),
                Some(Transport::Udp(datagram)) => capture.datagrams.push(datagram),
                None => {}
            }
        }
        capture.streams = streams.into_streams();
        Ok(capture)
    }
}

#[derive(Clone, Copy)]
enum ByteOrder {
    Big,
    Little,
}

impl ByteOrder {
    /// The magic says it; its last byte also says whether times are in micro- or nanoseconds, which is no matter here.
    fn of(header: &[u8]) -> Result<Self, PcapError> {
        match array(header, 0) {
            [0xa1, 0xb2, 0xc3, 0xd4] | [0xa1, 0xb2, 0x3c, 0x4d] => Ok(Self::Big),
            [0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1] => Ok(Self::Little),
            other => Err(PcapError::Magic(other)),
        }
    }

    fn u32(self, bytes: &[u8], at: usize) -> u32 {
        match self {
            Self::Big => u32::from_be_bytes(array(bytes, at)),
            Self::Little => u32::from_le_bytes(array(bytes, at)),
        }
    }
}

/// Where a link type has the protocol of what follows, and how long its header is.
struct Link {
    protocol_at: usize,
    header_len: usize,
}

impl Link {
    const fn of(number: u32) -> Result<Self, PcapError> {
        let (protocol_at, header_len) = match number {
            1 => (12, 14),
            113 => (14, 16),
            276 => (0, 20),
            other => return Err(PcapError::LinkType(other)),
        };
        Ok(Self {
            protocol_at,
            header_len,
        })
    }

    /// The IP packet in a frame; empty if it holds something else.
    fn payload<'a>(&self, frame: &'a [u8]) -> Result<&'a [u8], PcapError> {
        let mut rest = frame;
        let header = take(&mut rest, self.header_len, "link header")?;
        match u16::from_be_bytes(array(header, self.protocol_at)) {
            ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => Ok(rest),
            _ => Ok(&[]),
        }
    }
}

enum Transport<'a> {
    Tcp(Segment<'a>),
    Udp(Datagram),
}

/// The TCP segment or UDP datagram in an IP packet, if it holds one.
fn transport(packet: &[u8]) -> Result<Option<Transport<'_>>, PcapError> {
    let Some(first) = packet.first() else {
        return Ok(None);
    };
    let (addresses, protocol, body) = if first >> 4 == 4 {
        ipv4(packet)?
    } else {
        ipv6(packet)?
    };
    match protocol {
        PROTOCOL_TCP => tcp(addresses, body).map(|segment| Some(Transport::Tcp(segment))),
        PROTOCOL_UDP => udp(addresses, body).map(|datagram| Some(Transport::Udp(datagram))),
        _ => Ok(None),
    }
}

/// Source and target, protocol, and what the packet carries without any padding behind it.
type Ip<'a> = ((IpAddr, IpAddr), u8, &'a [u8]);

fn ipv4(packet: &[u8]) -> Result<Ip<'_>, PcapError> {
    let mut rest = packet;
    let header = take(&mut rest, 20, "IPv4 header")?;
    let (fragment, total_len) = (u16_at(header, 6), usize::from(u16_at(header, 2)));
    if fragment & 0x3fff != 0 {
        return Err(PcapError::Fragment);
    }
    let header_len = usize::from(header[0] & 0x0f) * 4;
    let body = packet.get(header_len..total_len).ok_or(PcapError::CutOff {
        what: "IPv4 packet",
    })?;
    let address = |at| IpAddr::V4(Ipv4Addr::from(array::<4>(header, at)));
    Ok(((address(12), address(16)), header[9], body))
}

/// Without extension headers: a packet that has any is taken for neither TCP nor UDP.
fn ipv6(packet: &[u8]) -> Result<Ip<'_>, PcapError> {
    let mut rest = packet;
    let header = take(&mut rest, 40, "IPv6 header")?;
    if header[6] == NEXT_HEADER_FRAGMENT {
        return Err(PcapError::Fragment);
    }
    let body = take(&mut rest, usize::from(u16_at(header, 4)), "IPv6 packet")?;
    let address = |at| IpAddr::V6(Ipv6Addr::from(array::<16>(header, at)));
    Ok(((address(8), address(24)), header[6], body))
}

fn tcp((source, target): (IpAddr, IpAddr), segment: &[u8]) -> Result<Segment<'_>, PcapError> {
    let mut rest = segment;
    let header = take(&mut rest, 20, "TCP header")?;
    let header_len = usize::from(header[12] >> 4) * 4;
    let payload = segment
        .get(header_len..)
        .ok_or(PcapError::CutOff { what: "TCP header" })?;
    Ok(Segment {
        source: SocketAddr::new(source, u16_at(header, 0)),
        target: SocketAddr::new(target, u16_at(header, 2)),
        sequence: u32::from_be_bytes(array(header, 4)),
        opens: header[13] & TCP_SYN != 0,
        payload,
    })
}

fn udp((source, target): (IpAddr, IpAddr), datagram: &[u8]) -> Result<Datagram, PcapError> {
    let mut rest = datagram;
    let header = take(&mut rest, 8, "UDP header")?;
    let len = usize::from(u16_at(header, 4));
    let payload = datagram.get(8..len).ok_or(PcapError::CutOff {
        what: "UDP datagram",
    })?;
    Ok(Datagram {
        source: SocketAddr::new(source, u16_at(header, 0)),
        target: SocketAddr::new(target, u16_at(header, 2)),
        payload: payload.to_vec(),
    })
}

fn take<'a>(rest: &mut &'a [u8], len: usize, what: &'static str) -> Result<&'a [u8], PcapError> {
    let (head, tail) = rest
        .split_at_checked(len)
        .ok_or(PcapError::CutOff { what })?;
    *rest = tail;
    Ok(head)
}

/// The `N` bytes at `at`, of a header whose length has been checked.
fn array<const N: usize>(header: &[u8], at: usize) -> [u8; N] {
    header[at..at + N].try_into().expect("N bytes")
}

fn u16_at(header: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(array(header, at))
}

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const NEXT_HEADER_FRAGMENT: u8 = 44;
const PROTOCOL_TCP: u8 = 6;
const PROTOCOL_UDP: u8 = 17;
const TCP_SYN: u8 = 0x02;

mod tests;
