//! [`Letters`]: messages between applications on their way, each pair's in order.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::network::Network;
use super::node::NodeId;
use super::run::{Input, Occurrence};
use super::stream::Segment;
use super::traffic::Kind;
use super::transcript::{Fate, Sent};
use crate::member::{MemberId, MemberState};
use crate::time::Timestamp;

/// A message between applications on its way.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) from: NodeId,
    life: u32,
    pub(super) bytes: Vec<u8>,
    sent_at: Timestamp,
}

/// Messages between each pair of nodes: none overtakes another.
#[derive(Debug, Default)]
pub(super) struct Letters {
    /// When the last one arrives.
    last: BTreeMap<(NodeId, NodeId), Timestamp>,
    /// Those that wait for the path to be whole.
    waiting: BTreeMap<(NodeId, NodeId), VecDeque<Letter>>,
}

impl Network {
    pub(super) fn send_message(&mut self, from: NodeId, to: &MemberId, bytes: Vec<u8>) {
        let Some(to) = self.ids.get(to.as_str()).copied() else {
            return;
        };
        let traffic = &mut self.nodes[from.index()].traffic;
        traffic.count_sent(Kind::Application, bytes.len());
        let letter = Letter {
            from,
            life: self.nodes[from.index()].lives,
            bytes,
            sent_at: self.now,
        };
        let waiting = self.letters.waiting.get(&(from, to));
        match waiting.is_none_or(VecDeque::is_empty) {
            true => self.carry_message(to, letter),
            false => self.keep_message(to, letter),
        }
    }

    /// Tries again what waits for a path to be whole.
    pub(super) fn carry_waiting(&mut self, from: NodeId, to: NodeId) {
        let waiting = self.letters.waiting.remove(&(from, to));
        for letter in waiting.unwrap_or_default() {
            match self.letters.waiting.contains_key(&(from, to)) {
                true => self.keep_message(to, letter),
                false => self.carry_message(to, letter),
            }
        }
    }

    /// Has a message arrive, keeps it, or loses it.
    fn carry_message(&mut self, to: NodeId, letter: Letter) {
        let from = letter.from;
        let is_late = self.now >= letter.sent_at + self.options.stream_timeout;
        let is_over = self.nodes[from.index()].lives != letter.life || !self.holds_live(from, to);
        if is_late || is_over {
            return self.note_message(to, &letter, Fate::Lost);
        }
        match self.message_arrival(to, &letter) {
            Some(at) => {
                let after = at.saturating_since(self.now);
                self.note_message(to, &letter, Fate::Arrives(after));
                self.queue
                    .push(at, Occurrence::Input(to, Input::Message(letter)));
            }
            None => self.keep_message(to, letter),
        }
    }

    fn keep_message(&mut self, to: NodeId, letter: Letter) {
        let from = letter.from;
        self.note_message(to, &letter, Fate::Waits);
        let waiting = self.letters.waiting.entry((from, to)).or_default();
        if waiting.is_empty() {
            let at = self.now + RETRY;
            self.queue.push(at, Occurrence::Messages(from, to));
        }
        waiting.push_back(letter);
    }

    /// When a message arrives, behind those before it; `None` while the path is cut.
    fn message_arrival(&mut self, to: NodeId, letter: &Letter) -> Option<Timestamp> {
        let from = letter.from;
        if !self.reaches(from, to) {
            return None;
        }
        let segment = Segment::Frame(Kind::Application, letter.bytes.clone());
        let at = self.arrival(from, to, &segment)?;
        let last = self.letters.last.entry((from, to)).or_insert(at);
        *last = at.max(*last);
        Some(*last)
    }

    fn note_message(&mut self, to: NodeId, letter: &Letter, fate: Fate) {
        self.transcript.sent(Sent {
            at: self.now,
            from: letter.from,
            to,
            kind: Kind::Application,
            len: letter.bytes.len(),
            fate,
        });
    }

    pub(super) fn holds_live(&self, observer: NodeId, subject: NodeId) -> bool {
        let state = self.state_seen_by(observer, subject);
        state.is_some_and(MemberState::is_live)
    }
}

/// How long a message that cannot pass waits before it is tried again.
const RETRY: Duration = Duration::from_millis(200);
