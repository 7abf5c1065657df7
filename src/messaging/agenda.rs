//! [`Agenda`]: what the parts of a session leave for it to do: frames to send, turns to take, timers, events.

use std::collections::{BTreeSet, VecDeque};

use super::event::Event;
use crate::time::Timestamp;
use crate::wire::messages::Frame;

/// Whose turn it is to send one segment. Turns go round, so nobody waits for more than one segment of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Request(u64),
    Reply(u64),
    Stream(u64),
}

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Call(u64),
    Opening(u64),
    Served(u64),
}

/// What there is to give back to the peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Credit {
    pub(super) requests: u32,
    pub(super) replies: u32,
    pub(super) streams: u32,
}

/// What is left to do. Every frame of `control` belongs to a call or stream that has few of them, so it is as bounded as they
/// are; every other one is a turn.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    pub(super) control: VecDeque<(u64, Frame)>,
    pub(super) turns: VecDeque<Turn>,
    pub(super) timers: BTreeSet<(Timestamp, Timer)>,
    pub(super) events: VecDeque<Event>,
    pub(super) credit: Credit,
}

impl Agenda {
    pub(super) fn tell(&mut self, id: u64, frame: Frame) {
        self.control.push_back((id, frame));
    }

    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<Timer> {
        let due = *self.timers.first().filter(|(at, _)| *at <= now)?;
        self.timers.remove(&due);
        Some(due.1)
    }
}
