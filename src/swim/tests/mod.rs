//! Stories of several state machines in virtual time, and the tables they follow.

mod cluster;
mod detection;
mod forgetting;
mod local;
mod precedence;
mod push_pull;
mod sending;
mod stories;

use std::time::Duration;

use super::*;
use crate::member::{
    Incarnation, MemberId, MemberState, MemberVersion, MetadataStamp, ProtocolRange, Role, Standing,
};
use crate::wire::message::{Body, Message, encode_message};
use crate::wire::update::{
    AccusationRef, UpdateRef, Verdict, decode_record, encode_accusation, encode_record,
};

const START: Timestamp = Timestamp::from_secs(1_000);

fn id(text: &str) -> MemberId {
    MemberId::new(text).unwrap()
}

fn record(name: &str, generation: u64, incarnation: u32) -> MemberRecord {
    MemberRecord {
        id: id(name),
        generation: Generation::new(generation),
        incarnation: Incarnation::new(incarnation),
        standing: Standing::Alive,
        addr: "10.0.0.1:26502".parse().unwrap(),
        udp: true,
        role: Role::Broker,
        protocols: ProtocolRange::CURRENT,
        metadata: MetadataStamp::default(),
        introduction: None,
    }
}

fn left(name: &str, generation: u64, incarnation: u32) -> MemberRecord {
    MemberRecord {
        standing: Standing::Left,
        ..record(name, generation, incarnation)
    }
}

/// A member `me` that knows these others, its outbox empty.
fn knows(params: Params, others: &[MemberRecord]) -> Swim {
    let mut swim = Swim::new(START, params, record("me", 1, 0), 7);
    for other in others {
        hear_record(&mut swim, START, other);
    }
    drain(&mut swim);
    swim
}

fn drain(swim: &mut Swim) -> Vec<Action> {
    std::iter::from_fn(|| swim.poll()).collect()
}

fn events(swim: &mut Swim) -> Vec<Event> {
    let events = drain(swim).into_iter().filter_map(|action| match action {
        Action::Event(event) => Some(event),
        _ => None,
    });
    events.collect()
}

fn sends(actions: &[Action]) -> Vec<(&str, &[u8])> {
    let sends = actions.iter().filter_map(|action| match action {
        Action::Send { to, body } => Some((to.as_str(), body.as_slice())),
        _ => None,
    });
    sends.collect()
}

fn hear_record(swim: &mut Swim, now: Timestamp, record: &MemberRecord) {
    let bytes = encode_record(record, &[]);
    swim.admit(now, &decode_record(&bytes).unwrap());
}

fn body(message: &Message<'_>, updates: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_message(message, &mut bytes);
    bytes.extend(updates.concat());
    bytes
}

/// `from`, in its first life, sends a message with updates behind it.
fn hear(swim: &mut Swim, now: Timestamp, from: &str, message: &Message<'_>, updates: &[Vec<u8>]) {
    let bytes = body(message, updates);
    let body = Body::decode(&bytes).unwrap();
    swim.handle_body(now, from, Generation::new(1), &body)
        .unwrap();
}

fn accusation(
    name: &str,
    (generation, incarnation): (u64, u32),
    verdict: Verdict,
    by: &str,
) -> Vec<u8> {
    encode_accusation(&AccusationRef {
        id: name,
        generation: Generation::new(generation),
        incarnation: Incarnation::new(incarnation),
        verdict,
        accuser: by,
    })
}

fn state(swim: &Swim, name: &str) -> Option<MemberState> {
    swim.member(name).map(Member::state)
}

/// Runs one member alone, its timers on time, until `end`; what it asked for comes back.
fn run_until(swim: &mut Swim, end: Timestamp) -> Vec<Action> {
    let mut actions = drain(swim);
    while let Some((at, _)) = swim.next_timeout().filter(|(at, _)| *at <= end) {
        swim.handle_timeout(at);
        actions.extend(drain(swim));
    }
    actions
}
