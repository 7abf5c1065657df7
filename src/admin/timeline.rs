//! [`Timeline`]: what happened, kept for whoever comes, or comes back, late.
//!
//! One task reads the node's events and writes each down once, as the text that all readers are sent. Readers have a place in
//! it and nothing else, so a hundred of them cost the node no more than one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::view::MemberView;
use super::view::{EventView, SnapshotView};
use crate::membership::Event;
use crate::node::{EventStream, Node, NodeEvent};
use crate::time::Timestamp;

/// How many events are kept.
pub(super) const KEPT_MAX: usize = 1_024;

/// The last events of a node.
#[derive(Debug)]
pub(super) struct Timeline {
    /// Tells the events of this process from those of one before it.
    life: u64,
    kept: Mutex<VecDeque<Arc<Entry>>>,
    last: watch::Sender<u64>,
}

/// One event.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) view: EventView,
    /// `view` as JSON.
    pub(super) json: String,
}

/// What there is behind a place.
#[derive(Debug)]
pub(super) enum Behind {
    /// These, perhaps none.
    Entries(Vec<Arc<Entry>>),
    /// So many that are not kept any more.
    Missed(u64),
}

impl Timeline {
    /// An empty one, of a process that `life` tells from others.
    pub(super) fn new(life: u64) -> Self {
        Self {
            life,
            kept: Mutex::default(),
            last: watch::Sender::new(0),
        }
    }

    /// Writes down what happens until the node has ended.
    pub(super) async fn follow(&self, mut events: EventStream) {
        while let Some(event) = events.next().await {
            match event {
                NodeEvent::Happened(event) => self.push(events.position(), events.at(), &event),
                // Readers find that something is missing by the numbers.
                NodeEvent::Missed(_) => self.kept().clear(),
                NodeEvent::Snapshot(_) => {
                    self.last.send_replace(events.position());
                }
            }
        }
    }

    /// What an event of this number is called.
    pub(super) fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.life)
    }

    /// The number of the event of this name; `None` if it is none of this process.
    pub(super) fn number(&self, id: &str) -> Option<u64> {
        let (life, number) = id.split_once('-')?;
        let number = number.parse().ok()?;
        (life.parse() == Ok(self.life) && number <= self.last()).then_some(number)
    }

    /// The number of the last event there was.
    pub(super) fn last(&self) -> u64 {
        *self.last.borrow()
    }

    /// All that are kept.
    pub(super) fn all(&self) -> Vec<Arc<Entry>> {
        self.kept().iter().cloned().collect()
    }

    /// What is behind the event of this number.
    pub(super) fn behind(&self, number: u64) -> Behind {
        let kept = self.kept();
        let missing = self.last().saturating_sub(number);
        let behind: Vec<_> = kept
            .iter()
            .filter(|entry| entry.number > number)
            .cloned()
            .collect();
        match behind.len() as u64 == missing {
            true => Behind::Entries(behind),
            false => Behind::Missed(missing),
        }
    }

    /// Returns once there is something behind the event of this number; never, once the node has ended.
    pub(super) async fn more_than(&self, number: u64) {
        let mut last = self.last.subscribe();
        let _ = last.wait_for(|last| *last > number).await;
    }

    /// Everybody the node knows, and the number of the event that this is after.
    pub(super) fn snapshot(&self, node: &Node) -> (u64, SnapshotView) {
        let (number, members) = node.snapshot();
        let view = SnapshotView {
            id: self.id(number),
            members: MemberView::all(&members),
        };
        (number, view)
    }

    fn push(&self, number: u64, at: Timestamp, event: &Event) {
        let view = EventView::new(self.id(number), at, event);
        let json = serde_json::to_string(&view).expect("an event has text keys");
        let mut kept = self.kept();
        if kept.len() == KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(Arc::new(Entry { number, view, json }));
        drop(kept);
        self.last.send_replace(number);
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Arc<Entry>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(events: u64) -> Timeline {
        let timeline = Timeline::new(7);
        for number in 1..=events {
            timeline.push(number, Timestamp::ZERO, &Event::Ready);
        }
        timeline
    }

    fn numbers(behind: Behind) -> Result<Vec<u64>, u64> {
        match behind {
            Behind::Entries(entries) => Ok(entries.iter().map(|entry| entry.number).collect()),
            Behind::Missed(count) => Err(count),
        }
    }

    #[test]
    fn a_reader_that_comes_back_goes_on_where_it_was() {
        let timeline = timeline(5);
        assert_eq!(numbers(timeline.behind(3)), Ok(vec![4, 5]));
        assert_eq!(numbers(timeline.behind(5)), Ok(vec![]));
    }

    #[test]
    fn a_reader_that_comes_back_too_late_is_told_how_much_is_lost() {
        let kept = KEPT_MAX as u64;
        let timeline = timeline(kept + 10);
        assert_eq!(numbers(timeline.behind(9)), Err(kept + 1));
        assert_eq!(
            numbers(timeline.behind(10)).map(|all| all.len()),
            Ok(KEPT_MAX)
        );
    }

    #[test]
    fn a_name_of_another_process_or_of_no_event_is_none_of_ours() {
        let timeline = timeline(5);
        for (id, expected) in [
            ("7-5", Some(5)),
            ("7-0", Some(0)),
            ("7-6", None),
            ("8-5", None),
            ("7", None),
            ("", None),
            ("7-x", None),
        ] {
            assert_eq!(timeline.number(id), expected, "{id:?}");
        }
    }
}
