//! Messages: what a datagram says, with the updates that ride behind it.
//!
//! A body is one [`Message`], then updates to the end. The same bodies travel as frames where a member has no datagram
//! socket.
//!
//! ```text
//! prober            relay            target
//!   |---- Ping ------------------------>|     direct probe (SWIM, DSN 2002, section 3.1)
//!   |<--- Ack --------------------------|
//!   |---- PingReq ----->|               |     no ack within probeTimeout: relays are asked
//!   |                   |---- Ping ---->|
//!   |                   |<--- Ack ------|
//!   |<--- Ack ----------|               |
//!   |<--- Nack ---------|               |     the relay lives, the target did not answer it (Lifeguard, section IV-A)
//! ```

use bincode::{BorrowDecode, Encode};

use super::codec::{self, DecodeError};
use super::peek::Peek;
use super::update::{UpdateRef, checked_generation, checked_id, decode_update};
use crate::member::Generation;

/// What a datagram says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// The answer to a probe.
    Ack {
        /// The probe answered.
        probe: u64,
        /// The prober's generation, as the probe's header had it: an ack meant for an earlier life counts for nothing.
        generation: Generation,
        /// The answerer's view hash.
        view: u64,
    },
    /// Nothing but updates.
    Gossip,
    /// A relay's word that its own probe of the target got no answer so far.
    Nack {
        /// The probe asked for.
        probe: u64,
        /// The prober's generation.
        generation: Generation,
    },
    /// A probe.
    Ping {
        /// Its number, never used twice in a life.
        probe: u64,
        /// The prober's view hash.
        view: u64,
    },
    /// A request to probe someone else.
    PingReq {
        /// The number to answer under.
        probe: u64,
        /// Whom to probe: a member id, never an address.
        target: &'a str,
    },
}

/// What kind of message a body begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Nothing but updates.
    Gossip,
    /// A probe.
    Ping,
    /// The answer to a probe.
    Ack,
    /// A request to probe someone else.
    PingReq,
    /// A relay's word that it got no answer so far.
    Nack,
}

impl Kind {
    /// Every kind, in the order of their numbers on the wire.
    pub const ALL: [Self; 5] = [
        Self::Gossip,
        Self::Ping,
        Self::Ack,
        Self::PingReq,
        Self::Nack,
    ];

    /// The kind of an encoded body; `None` if it is none.
    #[must_use]
    pub fn of(body: &[u8]) -> Option<Self> {
        // The number of a variant is one byte, as there are fewer than 251.
        let number = body.first()?;
        Self::ALL.get(usize::from(*number)).copied()
    }

    /// The word used in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gossip => "gossip",
            Self::Ping => "ping",
            Self::Ack => "ack",
            Self::PingReq => "ping_req",
            Self::Nack => "nack",
        }
    }
}

/// A decoded body: the message and an iterator over its updates.
#[derive(Clone, Debug)]
pub struct Body<'a> {
    /// What it says.
    pub message: Message<'a>,
    updates: &'a [u8],
}

impl<'a> Body<'a> {
    /// Decodes the message at the start of `bytes`; the updates behind it are decoded one by one by
    /// [`Body::updates`].
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when there is no message.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let (wire, used) = codec::decode_prefix::<WireMessage<'a>>("message", bytes)?;
        let message = match wire {
            WireMessage::Gossip => Message::Gossip,
            WireMessage::Ping { probe, view } => Message::Ping { probe, view },
            WireMessage::Ack {
                probe,
                generation,
                view,
            } => Message::Ack {
                probe,
                generation: checked_generation(generation)?,
                view,
            },
            WireMessage::PingReq { probe, target } => Message::PingReq {
                probe,
                target: checked_id(target)?,
            },
            WireMessage::Nack { probe, generation } => Message::Nack {
                probe,
                generation: checked_generation(generation)?,
            },
        };
        Ok(Self {
            message,
            updates: &bytes[used..],
        })
    }

    /// The updates, in order. An undecodable one is an error and ends the iteration; those before it stand.
    #[must_use]
    pub fn updates(&self) -> Updates<'a> {
        Updates { rest: self.updates }
    }
}

/// The updates of one body. See [`Body::updates`].
#[derive(Clone, Debug)]
pub struct Updates<'a> {
    rest: &'a [u8],
}

impl<'a> Updates<'a> {
    /// Looks at the updates to come, as many as `ahead` has room for, without taking any. Says how many it could read.
    pub fn peek(&self, ahead: &mut [Peek<'a>]) -> usize {
        let mut rest = self.rest;
        let mut seen = 0;
        for place in ahead {
            let Some(peek) = Peek::at(rest) else {
                break;
            };
            rest = &rest[peek.len..];
            *place = peek;
            seen += 1;
        }
        seen
    }

    /// Goes past the next update, which was looked at.
    pub fn skip(&mut self, seen: &Peek<'a>) {
        self.rest = &self.rest[seen.len..];
    }
}

impl<'a> Iterator for Updates<'a> {
    type Item = Result<UpdateRef<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match decode_update(self.rest) {
            Ok((update, used)) => {
                self.rest = &self.rest[used..];
                Some(Ok(update))
            }
            Err(error) => {
                self.rest = &[];
                Some(Err(error))
            }
        }
    }
}

/// Appends `message` to `out`; encoded updates may follow it.
pub fn encode_message(message: &Message<'_>, out: &mut Vec<u8>) {
    let wire = match *message {
        Message::Gossip => WireMessage::Gossip,
        Message::Ping { probe, view } => WireMessage::Ping { probe, view },
        Message::Ack {
            probe,
            generation,
            view,
        } => WireMessage::Ack {
            probe,
            generation: generation.get(),
            view,
        },
        Message::PingReq { probe, target } => WireMessage::PingReq { probe, target },
        Message::Nack { probe, generation } => WireMessage::Nack {
            probe,
            generation: generation.get(),
        },
    };
    codec::encode_into(&wire, out);
}

#[derive(Encode, BorrowDecode)]
enum WireMessage<'a> {
    Gossip,
    Ping {
        probe: u64,
        view: u64,
    },
    Ack {
        probe: u64,
        generation: u64,
        view: u64,
    },
    PingReq {
        probe: u64,
        target: &'a str,
    },
    Nack {
        probe: u64,
        generation: u64,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::update::{encode_record, tests::record};

    #[test]
    fn every_message_comes_back_with_the_updates_behind_it() {
        let generation = Generation::new(77);
        let messages = [
            Message::Gossip,
            Message::Ping {
                probe: 1,
                view: u64::MAX,
            },
            Message::Ack {
                probe: 2,
                generation,
                view: 0,
            },
            Message::PingReq {
                probe: 3,
                target: "gateway",
            },
            Message::Nack {
                probe: 4,
                generation,
            },
        ];
        for message in messages {
            let mut bytes = Vec::new();
            encode_message(&message, &mut bytes);
            bytes.extend(encode_record(&record("1"), &[]));
            bytes.extend(encode_record(&record("2"), &[]));
            let body = Body::decode(&bytes).unwrap();
            assert_eq!(body.message, message);
            let kind = match message {
                Message::Ack { .. } => Kind::Ack,
                Message::Gossip => Kind::Gossip,
                Message::Nack { .. } => Kind::Nack,
                Message::Ping { .. } => Kind::Ping,
                Message::PingReq { .. } => Kind::PingReq,
            };
            assert_eq!(Kind::of(&bytes), Some(kind));
            let ids: Vec<_> = body
                .updates()
                .map(|update| match update.unwrap() {
                    UpdateRef::Record(record) => record.id,
                    UpdateRef::Accusation(accusation) => accusation.id,
                })
                .collect();
            assert_eq!(ids, ["1", "2"]);
        }
    }

    #[test]
    fn a_broken_update_ends_the_iteration_after_those_before_it() {
        let mut bytes = Vec::new();
        encode_message(&Message::Gossip, &mut bytes);
        bytes.extend(encode_record(&record("1"), &[]));
        bytes.extend([0xff, 0xff]);
        let body = Body::decode(&bytes).unwrap();
        let results: Vec<_> = body.updates().collect();
        assert!(results[0].is_ok() && results[1].is_err() && results.len() == 2);
    }

    proptest! {
        #[test]
        fn decoding_a_body_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(body) = Body::decode(&bytes) {
                body.updates().for_each(drop);
            }
        }
    }
}
