use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::*;
use crate::wire::refusal::Code;

const SETTINGS: Settings = Settings {
    version: MESSAGES_VERSION,
    message_len_max: 4 << 20,
    requests_window: 8 << 20,
    replies_window: 8 << 20,
    calls_max: 1_024,
    streams_max: 128,
    stream_window: 1 << 20,
    compressions: COMPRESSION_GZIP | COMPRESSION_SNAPPY,
};

fn samples() -> Vec<Frame> {
    let data = Bytes::from_static(b"some bytes");
    let request = RequestHead {
        subject: Bytes::from_static("kv.füge-an".as_bytes()),
        wants_reply: true,
        remaining_ms: 1_234,
        encoding: Encoding::Plain,
        len: 70_000,
        wire_len: 70_000,
    };
    let packed = RequestHead {
        encoding: Encoding::Snappy,
        wants_reply: false,
        wire_len: 10,
        ..request.clone()
    };
    let response = ResponseHead {
        encoding: Encoding::Gzip,
        len: 5_000,
        wire_len: 10,
    };
    let failures = [
        Failure::Cancelled,
        Failure::HandlerFailed("no such key".to_owned()),
        Failure::NoHandler,
        Failure::Refused(Code::Leaving),
        Failure::ReplyTooLarge { len: 9, max: 8 },
        Failure::TimedOut,
    ];
    let mut frames = vec![
        Frame::Settings(SETTINGS),
        Frame::Ping(7),
        Frame::Pong(u64::MAX),
        Frame::Drain,
        Frame::Farewell(Code::ConnectionClosed),
        Frame::Credit {
            requests: 1,
            replies: 2,
            streams: 3,
        },
        Frame::Request(request, data.clone()),
        Frame::Request(packed, data.clone()),
        Frame::RequestMore(data.clone()),
        Frame::Cancel,
        Frame::Response(response, data.clone()),
        Frame::ResponseMore(data.clone()),
        Frame::Accepted,
        Frame::Open(Bytes::from_static(b"log")),
        Frame::Opened,
        Frame::Data(data),
        Frame::Fin,
        Frame::Reset(1),
        Frame::Stop(2),
        Frame::Window(3),
    ];
    frames.extend(failures.iter().cloned().map(Frame::Failed));
    frames.extend(failures.into_iter().map(Frame::Rejected));
    frames
}

fn encoded(frame: &Frame, id: u64) -> BytesMut {
    let mut out = BytesMut::new();
    frame.encode_head(id, &mut out);
    out.extend_from_slice(frame.data().map_or(&[], |data| data));
    out
}

#[test]
fn every_frame_comes_back() {
    for frame in samples() {
        let mut bytes = encoded(&frame, 0x0102_0304_0506_0708);
        let header = Header::decode(&bytes).unwrap().unwrap();
        assert_eq!(header.id, 0x0102_0304_0506_0708);
        assert_eq!(header.len, bytes.len() - HEADER_LEN);
        let payload = bytes.split_off(HEADER_LEN).freeze();
        assert_eq!(Frame::decode(header.kind, payload), Ok(frame));
    }
}

#[test]
fn a_frame_that_is_cut_or_followed_by_a_byte_is_another_or_none() {
    for frame in samples() {
        let bytes = encoded(&frame, 1).split_off(HEADER_LEN).freeze();
        let mut longer = bytes.to_vec();
        longer.push(0xff);
        assert_ne!(
            Frame::decode(frame.kind(), longer.into()),
            Ok(frame.clone())
        );
        for len in 0..bytes.len() {
            let cut = Frame::decode(frame.kind(), bytes.slice(..len));
            assert_ne!(cut, Ok(frame.clone()), "{len} of {}", bytes.len());
        }
    }
}

#[test]
fn the_bytes_of_a_header_are_as_documented() {
    let bytes = encoded(&Frame::Window(0x0a0b_0c0d), 3);
    let expected = [
        0x27, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 3, 0x0a, 0x0b, 0x0c, 0x0d,
    ];
    assert_eq!(bytes[..], expected);
}

#[test]
fn a_length_is_judged_by_the_header_alone() {
    let max = u32::try_from(PAYLOAD_LEN_MAX).unwrap().to_be_bytes();
    let over = u32::try_from(PAYLOAD_LEN_MAX + 1).unwrap().to_be_bytes();
    let header = |len: [u8; 4]| {
        let mut bytes = [0; HEADER_LEN];
        bytes[1..4].copy_from_slice(&len[1..]);
        Header::decode(&bytes)
    };
    assert_eq!(header(max).unwrap().unwrap().len, PAYLOAD_LEN_MAX);
    assert_eq!(header(over), Err(Malformed::TooLong(PAYLOAD_LEN_MAX + 1)));
    assert_eq!(Header::decode(&[0; HEADER_LEN - 1]), Ok(None));
}

#[test]
fn settings_skip_what_they_do_not_know_and_want_what_they_need() {
    let bytes = SETTINGS.encode();
    let mut later = bytes.clone();
    later.extend_from_slice(&[200, 3, 1, 2, 3, 0, 0]);
    assert_eq!(Settings::decode(&later), Ok(SETTINGS));
    let mut twice = bytes.clone();
    twice.extend_from_slice(&[1, 1, 1]);
    assert!(Settings::decode(&twice).is_err(), "repeated");
    assert!(Settings::decode(&bytes[6..]).is_err(), "missing");
    let unsound = [
        Settings {
            requests_window: SETTINGS.message_len_max * 2 - 1,
            ..SETTINGS
        },
        Settings {
            replies_window: WINDOW_LEN_MAX + 1,
            ..SETTINGS
        },
        Settings {
            stream_window: 0,
            ..SETTINGS
        },
        Settings {
            calls_max: 0,
            ..SETTINGS
        },
    ];
    for settings in unsound {
        assert!(
            Settings::decode(&settings.encode()).is_err(),
            "{settings:?}"
        );
    }
}

#[test]
fn a_long_failure_is_cut_between_characters() {
    let frame = Frame::Failed(Failure::HandlerFailed("ü".repeat(FAILURE_LEN_MAX)));
    let payload = encoded(&frame, 1).split_off(HEADER_LEN).freeze();
    let Ok(Frame::Failed(Failure::HandlerFailed(text))) = Frame::decode(frame.kind(), payload)
    else {
        panic!("not a failure");
    };
    assert_eq!(text, "ü".repeat(FAILURE_LEN_MAX / 2));
}

proptest! {
    #[test]
    fn decoding_never_panics(kind in any::<u8>(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Header::decode(&bytes);
        let _ = Frame::decode(kind % 0x30, Bytes::from(bytes));
    }
}
