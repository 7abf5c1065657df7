//! [`Fold`]: from a transcript's entries to what is drawn.
//!
//! Nodes forget everything when they start anew, so a view counts from its observer's last start. A step is written down at
//! most once in each of [`STEPS_MAX`] parts of the run, so that a page does not grow with the square of the nodes.

use crate::member::MemberState;
use crate::simulation::node::NodeId;
use crate::simulation::transcript::{Change, Entry, Transcript, Turn};
use crate::time::Timestamp;

/// The most steps of a lane or a curve.
const STEPS_MAX: u64 = 2_000;
/// The most steps of all lanes together.
const STEPS_IN_ALL_MAX: u64 = 200_000;

/// What a node is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is not running.
    Down,
    /// It is running.
    Up,
    /// It is running, but stands still.
    Still,
}

/// How many running nodes hold a member in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) alive: u32,
    pub(super) suspect: u32,
    pub(super) dead: u32,
    pub(super) left: u32,
}

/// Values, each from a time on, in microseconds since the start of the run.
pub(super) type Steps<T> = Vec<(u64, T)>;

/// What is drawn of a run.
#[derive(Debug)]
pub(super) struct Fold {
    /// What each node was doing.
    pub(super) fates: Vec<Steps<Fate>>,
    /// How others saw each node.
    pub(super) lanes: Vec<Steps<Seen>>,
    /// The share of ordered pairs of which the first, running, sees the second as it is: alive if it is running, and not
    /// alive or suspect if it is not.
    pub(super) curve: Steps<f64>,
    views: Views,
    start: Timestamp,
    /// How long a step lasts at least, in microseconds.
    lane_step: u64,
    curve_step: u64,
}

impl Fold {
    pub(super) fn new(transcript: &Transcript, nodes: usize, end: u64) -> Self {
        let per_lane = STEPS_IN_ALL_MAX / (nodes as u64).max(1);
        let mut fold = Self {
            fates: vec![vec![(0, Fate::Down)]; nodes],
            lanes: vec![vec![(0, Seen::default())]; nodes],
            curve: vec![(0, 0.0)],
            views: Views::new(nodes),
            start: transcript.start(),
            lane_step: end / per_lane.clamp(50, STEPS_MAX),
            curve_step: end / STEPS_MAX,
        };
        for entry in transcript.entries() {
            fold.take(entry);
        }
        fold
    }

    fn take(&mut self, entry: &Entry) {
        let at = self.micros(entry.at());
        match entry {
            Entry::Change(change) => self.view_changed(at, change),
            Entry::Node { node, turn, .. } => {
                if let Some(fate) = fate_after(*turn) {
                    self.fate_changed(at, *node, fate);
                }
            }
            _ => {}
        }
    }

    pub(super) fn micros(&self, at: Timestamp) -> u64 {
        let since_start = at.saturating_since(self.start).as_micros();
        u64::try_from(since_start).unwrap_or(u64::MAX)
    }

    fn view_changed(&mut self, at: u64, change: &Change) {
        self.views
            .set(change.observer, change.subject, Some(change.to.state));
        self.note_lane(at, change.subject.index());
        self.note_curve(at);
    }

    fn fate_changed(&mut self, at: u64, node: NodeId, fate: Fate) {
        let fates = &mut self.fates[node.index()];
        if fates.last().is_none_or(|(_, last)| *last != fate) {
            fates.push((at, fate));
        }
        let is_up = fate != Fate::Down;
        if self.views.is_up[node.index()] == is_up {
            return;
        }
        for subject in self.views.set_up(node, is_up) {
            self.note_lane(at, subject);
        }
        self.note_curve(at);
    }

    fn note_lane(&mut self, at: u64, subject: usize) {
        note(
            &mut self.lanes[subject],
            at,
            self.views.seen[subject],
            self.lane_step,
        );
    }

    fn note_curve(&mut self, at: u64) {
        note(
            &mut self.curve,
            at,
            self.views.share_right(),
            self.curve_step,
        );
    }
}

/// Writes a step down, in place of the last one if that is younger than a step is long.
fn note<T>(steps: &mut Steps<T>, at: u64, value: T, step: u64) {
    match steps.last_mut() {
        Some((since, last)) if at - *since < step.max(1) => *last = value,
        _ => steps.push((at, value)),
    }
}

const fn fate_after(turn: Turn) -> Option<Fate> {
    match turn {
        Turn::Starts { .. } | Turn::GoesOn => Some(Fate::Up),
        Turn::StandsStill => Some(Fate::Still),
        Turn::Crashes | Turn::Ends => Some(Fate::Down),
        _ => None,
    }
}

/// Who holds whom in which state.
#[derive(Debug)]
struct Views {
    /// Observer by subject.
    states: Vec<Option<MemberState>>,
    is_up: Vec<bool>,
    seen: Vec<Seen>,
    /// How many ordered pairs with a running first are as they should be.
    right: usize,
    up: usize,
}

impl Views {
    fn new(nodes: usize) -> Self {
        Self {
            states: vec![None; nodes * nodes],
            is_up: vec![false; nodes],
            seen: vec![Seen::default(); nodes],
            right: 0,
            up: 0,
        }
    }

    fn set(&mut self, observer: NodeId, subject: NodeId, state: Option<MemberState>) {
        self.set_by_index(observer.index(), subject.index(), state);
    }

    fn set_by_index(&mut self, observer: usize, subject: usize, state: Option<MemberState>) {
        if !self.is_up[observer] || observer == subject {
            return;
        }
        let place = observer * self.is_up.len() + subject;
        let before = std::mem::replace(&mut self.states[place], state);
        self.right -= usize::from(self.is_right(before, subject));
        self.right += usize::from(self.is_right(state, subject));
        let seen = &mut self.seen[subject];
        if let Some(count) = before.map(|before| seen.count(before)) {
            *count -= 1;
        }
        if let Some(count) = state.map(|state| seen.count(state)) {
            *count += 1;
        }
    }

    /// A node starts, knowing nobody, or ends, and its views with it; says about whom those were.
    fn set_up(&mut self, node: NodeId, is_up: bool) -> Vec<usize> {
        let (node, nodes) = (node.index(), self.is_up.len());
        let mut concerned = Vec::new();
        if !is_up {
            for subject in 0..nodes {
                if self.states[node * nodes + subject].is_some() {
                    self.set_by_index(node, subject, None);
                    concerned.push(subject);
                }
            }
            self.right -= self.right_of_a_blank(node);
        }
        self.flip(node, is_up);
        if is_up {
            self.right += self.right_of_a_blank(node);
        }
        concerned
    }

    /// How many of the pairs of an observer that knows nobody are right: those with nodes that do not run.
    fn right_of_a_blank(&self, observer: usize) -> usize {
        let others = (0..self.is_up.len()).filter(|subject| *subject != observer);
        others.filter(|subject| !self.is_up[*subject]).count()
    }

    /// What others hold of a node is right or wrong the other way round now.
    fn flip(&mut self, node: usize, is_up: bool) {
        let nodes = self.is_up.len();
        let observers = (0..nodes).filter(|observer| *observer != node && self.is_up[*observer]);
        let states: Vec<_> = observers
            .map(|observer| self.states[observer * nodes + node])
            .collect();
        let count = |views: &Self| {
            states
                .iter()
                .filter(|state| views.is_right(**state, node))
                .count()
        };
        self.right -= count(self);
        self.is_up[node] = is_up;
        self.right += count(self);
        self.up = if is_up { self.up + 1 } else { self.up - 1 };
    }

    fn is_right(&self, state: Option<MemberState>, subject: usize) -> bool {
        match self.is_up[subject] {
            true => state == Some(MemberState::Alive),
            false => !state.is_some_and(MemberState::is_live),
        }
    }

    fn share_right(&self) -> f64 {
        let pairs = self.up * self.is_up.len().saturating_sub(1);
        if pairs == 0 {
            0.0
        } else {
            self.right as f64 / pairs as f64
        }
    }
}

impl Seen {
    const fn count(&mut self, state: MemberState) -> &mut u32 {
        match state {
            MemberState::Alive => &mut self.alive,
            MemberState::Suspect => &mut self.suspect,
            MemberState::Dead => &mut self.dead,
            MemberState::Left => &mut self.left,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::simulation::{Network, NetworkOptions, Rule};

    /// Three nodes: together for 5 s, the third alone until 40 s, together again until 60 s; it is killed at 60 s.
    fn story() -> (Network, Fold) {
        let mut network = Network::new(NetworkOptions::default(), 1);
        let nodes = network.add_plain_nodes(3);
        network.start_all();
        network.run_for(Duration::from_secs(5)).unwrap();
        let cut = network.impose(Rule::partition(&[&nodes[..2], &nodes[2..]]));
        network.run_for(Duration::from_secs(35)).unwrap();
        network.lift(cut);
        network.run_for(Duration::from_secs(20)).unwrap();
        network.crash(nodes[2]);
        network.run_for(Duration::from_secs(30)).unwrap();
        let fold = Fold::new(network.transcript(), 3, 90_000_000);
        (network, fold)
    }

    fn value_at<T: Copy>(steps: &Steps<T>, secs: u64) -> T {
        let step = steps.iter().rev().find(|(at, _)| *at <= secs * 1_000_000);
        step.expect("steps start at 0").1
    }

    #[test]
    fn a_lane_tells_how_others_see_a_node() {
        let (_, fold) = story();
        let counts = |secs| {
            let Seen {
                alive,
                suspect,
                dead,
                left,
            } = value_at(&fold.lanes[2], secs);
            [alive, suspect, dead, left]
        };
        assert_eq!(counts(4), [2, 0, 0, 0]);
        assert_eq!(counts(39), [0, 0, 2, 0]);
        assert_eq!(counts(59), [2, 0, 0, 0]);
        assert_eq!(counts(89), [0, 0, 2, 0]);
    }

    #[test]
    fn the_curve_is_whole_while_views_are_true() {
        let (_, fold) = story();
        for (secs, expected) in [(4, 1.0), (39, 1.0 / 3.0), (59, 1.0), (61, 0.5), (89, 1.0)] {
            let share = value_at(&fold.curve, secs);
            assert!(
                (share - expected).abs() < 1e-9,
                "{share} after {secs} s, not {expected}"
            );
        }
    }

    #[test]
    fn a_fate_tells_what_a_node_is_doing() {
        let (_, fold) = story();
        assert_eq!(
            fold.fates[2],
            [(0, Fate::Down), (0, Fate::Up), (60_000_000, Fate::Down)]
        );
    }
}
