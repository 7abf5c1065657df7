//! Frames there and back.

use proptest::prelude::*;

use super::*;
use crate::member::Metadata;

fn read(bytes: &[u8]) -> Result<Frame, DecodeError> {
    let (header, payload) = bytes.split_first_chunk().unwrap();
    let header = FrameHeader::decode(header)?;
    assert_eq!(header.len, payload.len());
    Frame::decode(header, payload)
}

fn one_of_each() -> Vec<Frame> {
    let join = JoinId([1; 16]);
    let ring = WireKeyring {
        floor: 1,
        keys: vec![WireKey {
            epoch: 1,
            secret: [2; 32],
        }],
    };
    vec![
        Frame::Body(vec![1, 2, 3]),
        Frame::Bye,
        Frame::Digest {
            entries: vec![DigestEntry {
                id: 1,
                generation: 2,
                incarnation: 3,
            }],
            last: true,
        },
        Frame::Examine { request: 1 },
        Frame::Examined {
            request: 1,
            fault: Some(Fault::new(Code::Busy, "")),
            findings: vec![
                Finding {
                    id: "2".to_owned(),
                    fault: Some(Fault::new(Code::UnknownIssuer, "CN=two")),
                };
                FINDINGS_MAX
            ],
        },
        Frame::JudgeChain {
            request: 2,
            chain: vec![vec![1]; 16],
        },
        Frame::Hello {
            hello: vec![1],
            proof: vec![2; 64],
        },
        Frame::Introduction(Introduction {
            fields: vec![1],
            chain: vec![vec![2]],
            scheme: 0x0804,
            signature: vec![3],
        }),
        Frame::Introductions {
            entries: vec![Introduction {
                fields: vec![1],
                chain: vec![vec![2], vec![3]],
                scheme: 0x0807,
                signature: vec![4],
            }],
            last: true,
        },
        Frame::JoinAccept {
            join,
            ring: ring.clone(),
            token: Some([6; 32]),
        },
        Frame::JoinDone {
            join,
            ring: ring.clone(),
        },
        Frame::JoinRefused {
            join,
            code: Code::DialBackFailed,
            cause: Some(Code::Unreachable),
            address: Some("10.0.0.1:9".parse().unwrap()),
        },
        Frame::JoinRequest {
            join,
            record: vec![4],
            token: Some([5; 32]),
        },
        Frame::JoinRetry {
            join,
            generation: 6,
        },
        Frame::Keys(ring),
        Frame::Page {
            entries: vec![PageEntry {
                record: vec![7],
                verdict: Some(WireVerdict::Dead),
            }],
            last: false,
        },
        Frame::Probe { probe: 8, view: 9 },
        Frame::ProbeAck { probe: 8, view: 9 },
        Frame::Ready,
        Frame::Refused {
            code: Code::Busy,
            after_ms: 250,
        },
        Frame::Rehearse {
            join,
            record: vec![4],
            token: None,
        },
        Frame::Rehearsed {
            join,
            clock: 7,
            code: Some(Code::DialBackFailed),
            cause: Some(Code::Unreachable),
            address: Some("10.0.0.1:9".parse().unwrap()),
        },
        Frame::Same,
        Frame::Sync {
            key_ids: vec![1],
            view: 2,
        },
        Frame::Want(vec![3, 4]),
        Frame::WantIntroduction,
        Frame::WantIntroductions(vec![IntroductionTag([5; 16]); WANTED_INTRODUCTIONS_MAX]),
        Frame::Metadata {
            entries: vec![SealedMetadata::new([6; 32], &Metadata::default()); 2],
            last: false,
        },
        Frame::WantMetadata(vec![MetadataTag([7; 16]); WANTED_METADATA_MAX]),
    ]
}

#[test]
fn every_frame_comes_back_as_it_was_sent() {
    for frame in one_of_each() {
        let bytes = frame.encode();
        assert_ne!(bytes[0], 0x16);
        assert_eq!(read(&bytes), Ok(frame));
    }
}

#[test]
fn every_frame_and_every_code_is_in_the_manual() {
    let manual = include_str!("../../../docs/PROTOCOL.md");
    for frame in one_of_each() {
        let row = format!("| 0x{:02x} | {} |", frame.kind(), frame.name());
        assert!(manual.contains(&row), "{row}");
    }
    for code in Code::ALL {
        let kind = if code.is_permanent() {
            "permanent"
        } else {
            "passing"
        };
        let row = format!("| {} | {code} | {kind} |", code.number());
        assert!(manual.contains(&row), "{row}");
    }
}

#[test]
fn every_frame_refuses_bytes_behind_it() {
    for frame in one_of_each()
        .into_iter()
        .filter(|frame| !matches!(frame, Frame::Body(_)))
    {
        let mut bytes = frame.encode();
        bytes.push(0);
        let len = u32::try_from(bytes.len() - FRAME_HEADER_LEN).unwrap();
        bytes[4..8].copy_from_slice(&len.to_be_bytes());
        assert!(read(&bytes).is_err(), "{}", frame.name());
    }
}

#[test]
fn a_refusal_looks_the_same_in_every_version() {
    let bytes = Frame::Refused {
        code: Code::SecurityMismatch,
        after_ms: 0,
    }
    .encode();
    assert_eq!(bytes, [b'P', b'H', 1, 2, 0, 0, 0, 6, 0, 1, 0, 0, 0, 0]);
}

#[test]
fn a_header_is_refused_for_magic_version_and_length() {
    let sound = [b'P', b'H', 1, 5, 0, 0, 0, 0];
    assert!(FrameHeader::decode(&sound).is_ok());
    for (at, value) in [(0, 0x16), (1, b'T'), (2, 2), (4, 1)] {
        let mut bytes = sound;
        bytes[at] = value;
        assert!(FrameHeader::decode(&bytes).is_err(), "byte {at} = {value}");
    }
}

#[test]
fn a_full_page_and_a_full_digest_fit_the_decoding_limit() {
    let entries = vec![
        PageEntry {
            record: vec![7; 30],
            verdict: None
        };
        PAGE_LEN_MAX / 32
    ];
    let page = Frame::Page {
        entries,
        last: true,
    };
    assert_eq!(read(&page.encode()), Ok(page));
    let entry = DigestEntry {
        id: u64::MAX,
        generation: 1 << 52,
        incarnation: 3,
    };
    let digest = Frame::Digest {
        entries: vec![entry; PAGE_LEN_MAX / 19],
        last: true,
    };
    assert_eq!(read(&digest.encode()), Ok(digest));
}

proptest! {
    #[test]
    fn decoding_a_payload_never_panics(kind: u8, payload in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = payload::decode(kind, &payload);
    }
}
