//! The reader against captures made by hand.

use super::super::streams::HEAD_LEN_MAX;
use super::*;

const V4: ([u8; 4], [u8; 4]) = ([127, 0, 0, 1], [127, 0, 0, 2]);
const MICROS: [u8; 4] = [0xa1, 0xb2, 0xc3, 0xd4];

#[test]
fn every_link_type_byte_order_and_ip_version_is_read() {
    for link in [1, 113, 276] {
        for magic in [MICROS, [0xa1, 0xb2, 0x3c, 0x4d]] {
            for little in [false, true] {
                for v6 in [false, true] {
                    let mut file = File::new(link, magic, little);
                    file.push(v6, 17, &udp_bytes(7, 9, b"hello"));
                    let capture = Capture::parse(&file.bytes).unwrap();
                    let (source, target) = addresses(v6);
                    let expected = Datagram {
                        source: SocketAddr::new(source, 7),
                        target: SocketAddr::new(target, 9),
                        payload: b"hello".to_vec(),
                    };
                    assert_eq!(capture.datagrams, [expected], "link type {link}");
                    assert_eq!(capture.streams, []);
                }
            }
        }
    }
}

#[test]
fn streams_begin_at_their_opening_whatever_the_order_of_segments() {
    let capture = ethernet(&[
        (1000, u32::MAX - 1, true, b""), // the numbers wrap within the first bytes
        (1000, u32::MAX - 1, true, b""), // sent again
        (2000, 50, true, b""),
        (1000, 3, false, b"EFG"),
        (1000, u32::MAX, false, b"ABC"),
        (1000, 2, false, b"DXX"), // sent again, overlapping: what came first counts
        (2000, 51, false, b"xy"),
        (2000, 54, false, b"behind a gap"),
    ]);
    assert_eq!(
        heads(&capture),
        [(1000, Some("ABCDEFG")), (2000, Some("xy"))]
    );
}

#[test]
fn a_port_used_again_is_another_stream() {
    let capture = ethernet(&[
        (1000, 10, true, b""),
        (1000, 11, false, b"one"),
        (1000, 900, true, b""),
        (1000, 901, false, b"two"),
    ]);
    assert_eq!(heads(&capture), [(1000, Some("one")), (1000, Some("two"))]);
}

#[test]
fn a_stream_without_bytes_has_an_empty_beginning_and_one_without_opening_none() {
    let capture = ethernet(&[
        (1000, 10, true, b""),
        (2000, 10, false, b"late"),
        (3000, 10, false, b""), // an acknowledgement or a reset alone
    ]);
    assert_eq!(heads(&capture), [(1000, Some("")), (2000, None)]);
}

#[test]
fn only_the_beginning_is_kept() {
    let long = [b'x'; HEAD_LEN_MAX + 1];
    let capture = ethernet(&[(1000, 0, true, b""), (1000, 1, false, &long)]);
    assert_eq!(
        capture.streams[0].head.as_deref(),
        Some(&long[..HEAD_LEN_MAX])
    );
}

#[test]
fn padding_behind_a_packet_and_other_protocols_are_left_out() {
    let mut file = File::new(1, MICROS, true);
    file.push_padded(&udp_bytes(7, 9, b"hi"), 20);
    file.push(false, 1, b"an echo request");
    let arp = [&[0; 12][..], &[0x08, 0x06], &[0; 28]].concat();
    file.record(&arp, arp.len());
    let capture = Capture::parse(&file.bytes).unwrap();
    assert_eq!(capture.datagrams.len(), 1);
    assert_eq!(capture.datagrams[0].payload, b"hi");
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let mut whole = File::new(1, MICROS, false);
    assert_eq!(Capture::parse(&whole.bytes), Ok(Capture::default()));
    let header_len = whole.bytes.len();
    whole.push(false, 17, &udp_bytes(7, 9, b"hello"));
    for len in 0..whole.bytes.len() {
        let cut = Capture::parse(&whole.bytes[..len]);
        assert_eq!(cut.is_ok(), len == header_len, "cut to {len}: {cut:?}");
    }

    let mut snapped = File::new(1, MICROS, false);
    let frame = snapped.frame(false, 17, &udp_bytes(7, 9, b"hello"));
    snapped.record(&frame, frame.len() + 1);
    let mut fragment = File::new(1, MICROS, false);
    let mut frame = fragment.frame(false, 17, &udp_bytes(7, 9, b"hello"));
    frame[14 + 6] = 0x20;
    fragment.record(&frame, frame.len());
    for (bytes, error) in [
        (&snapped.bytes, PcapError::CutOff { what: "packet" }),
        (&fragment.bytes, PcapError::Fragment),
        (&File::new(12, MICROS, true).bytes, PcapError::LinkType(12)),
        (
            &[&[0x0a, 0x0d, 0x0d, 0x0a][..], &[0; 20]].concat(),
            PcapError::Magic([0x0a, 0x0d, 0x0d, 0x0a]),
        ),
    ] {
        assert_eq!(Capture::parse(bytes), Err(error));
    }
}

/// The capture of these segments, all to port 9: source port, sequence number, whether it opens, payload.
fn ethernet(segments: &[(u16, u32, bool, &[u8])]) -> Capture {
    let mut file = File::new(1, MICROS, true);
    for (source, sequence, opens, payload) in segments {
        let mut segment = [&source.to_be_bytes()[..], &9_u16.to_be_bytes()].concat();
        segment.extend(sequence.to_be_bytes());
        segment.extend([0; 4]);
        // With four bytes of options, as every opening has some.
        segment.extend([6 << 4, if *opens { TCP_SYN } else { 0x10 }]);
        segment.extend([0; 10]);
        segment.extend(*payload);
        file.push(false, 6, &segment);
    }
    Capture::parse(&file.bytes).unwrap()
}

fn heads(capture: &Capture) -> Vec<(u16, Option<&str>)> {
    let streams = capture.streams.iter().map(|stream| {
        let head = stream.head.as_deref();
        let text = head.map(|head| str::from_utf8(head).unwrap());
        (stream.source.port(), text)
    });
    streams.collect()
}

fn udp_bytes(source: u16, target: u16, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(8 + payload.len()).unwrap();
    let header = [source, target, len, 0];
    let header = header.into_iter().flat_map(u16::to_be_bytes);
    header.chain(payload.iter().copied()).collect()
}

fn addresses(v6: bool) -> (IpAddr, IpAddr) {
    if v6 {
        (Ipv6Addr::LOCALHOST.into(), Ipv6Addr::UNSPECIFIED.into())
    } else {
        (V4.0.into(), V4.1.into())
    }
}

/// A capture file in the making.
struct File {
    bytes: Vec<u8>,
    link: u32,
    little: bool,
}

impl File {
    fn new(link: u32, magic: [u8; 4], little: bool) -> Self {
        let mut file = Self {
            bytes: Vec::new(),
            link,
            little,
        };
        file.number(u32::from_be_bytes(magic));
        file.bytes.extend([0; 16]);
        file.number(link);
        file
    }

    fn push(&mut self, v6: bool, protocol: u8, body: &[u8]) {
        let frame = self.frame(v6, protocol, body);
        self.record(&frame, frame.len());
    }

    /// A UDP packet with `padding` bytes behind it in the frame, as short Ethernet frames have.
    fn push_padded(&mut self, body: &[u8], padding: usize) {
        let mut frame = self.frame(false, 17, body);
        frame.resize(frame.len() + padding, 0);
        self.record(&frame, frame.len());
    }

    fn record(&mut self, frame: &[u8], len_on_wire: usize) {
        self.bytes.extend([0; 8]);
        self.number(u32::try_from(frame.len()).unwrap());
        self.number(u32::try_from(len_on_wire).unwrap());
        self.bytes.extend(frame);
    }

    fn frame(&self, v6: bool, protocol: u8, body: &[u8]) -> Vec<u8> {
        let ethertype = if v6 { [0x86, 0xdd] } else { [0x08, 0x00] };
        let mut frame = match self.link {
            1 => [&[0; 12][..], &ethertype].concat(),
            113 => [&[0; 14][..], &ethertype].concat(),
            _ => [&ethertype[..], &[0; 18]].concat(),
        };
        let body_len = u16::try_from(body.len()).unwrap();
        if v6 {
            frame.extend([0x60, 0, 0, 0]);
            frame.extend(body_len.to_be_bytes());
            frame.extend([protocol, 64]);
            frame.extend(Ipv6Addr::LOCALHOST.octets());
            frame.extend(Ipv6Addr::UNSPECIFIED.octets());
        } else {
            frame.extend([0x45, 0]);
            frame.extend((20 + body_len).to_be_bytes());
            // May not be fragmented, which is not the same as being a fragment.
            frame.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
            frame.extend(V4.0);
            frame.extend(V4.1);
        }
        frame.extend(body);
        frame
    }

    fn number(&mut self, number: u32) {
        self.bytes.extend(if self.little {
            number.to_le_bytes()
        } else {
            number.to_be_bytes()
        });
    }
}
