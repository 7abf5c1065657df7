//! [`Data`]: what the page is given. Times are microseconds since the start of the run, nodes are their places.

use serde::Serialize;

use super::Story;
use super::fold::{Fate, Fold, Seen, Steps};
use crate::simulation::traffic::Kind;
use crate::simulation::transcript::{Entry, Fate as PacketFate, FaultPhase, Transcript};

/// The most lines that a page lists, and messages that it holds. The page says so where there were more.
const ENTRIES_MAX: usize = 20_000;
const MESSAGES_MAX: usize = 200_000;

#[derive(Serialize)]
pub(super) struct Data<'a> {
    title: &'a str,
    about: &'a str,
    replay: &'a str,
    /// As text: JSON has no room for every number of 64 bits.
    seed: String,
    trace_hash: String,
    end: u64,
    broken: Option<BrokenData<'a>>,
    nodes: Vec<&'a str>,
    faults: Vec<FaultData<'a>>,
    /// For each node.
    fates: Vec<Vec<(u64, &'static str)>>,
    /// For each node: since when how many others hold it alive, suspect, dead, left.
    lanes: Vec<Vec<[u64; 5]>>,
    /// Since when which share of the views is right.
    curve: Steps<f64>,
    /// When, what kind, the line.
    entries: Vec<(u64, &'static str, String)>,
    entries_in_all: usize,
    message_kinds: Vec<&'static str>,
    /// When, from, to, kind, length in bytes, when it arrives or -1.
    messages: Vec<[i64; 6]>,
    messages_in_all: usize,
}

#[derive(Serialize)]
struct BrokenData<'a> {
    rule: &'a str,
    what: &'a str,
    at: u64,
    node: Option<usize>,
}

#[derive(Serialize)]
struct FaultData<'a> {
    from: u64,
    to: Option<u64>,
    nodes: Vec<usize>,
    text: &'a str,
}

impl<'a> Data<'a> {
    pub(super) fn new(transcript: &'a Transcript, story: &'a Story<'_>) -> Self {
        let nodes: Vec<_> = transcript.names().collect();
        let end = end(transcript, story);
        let fold = Fold::new(transcript, nodes.len(), end);
        let (entries, entries_in_all) = entries(transcript, &fold, story);
        let (messages, messages_in_all) = messages(transcript, &fold);
        Self {
            title: story.title,
            about: story.about,
            replay: story.replay,
            seed: transcript.seed().to_string(),
            trace_hash: format!("{:016x}", transcript.trace_hash()),
            end,
            broken: story.failure.as_ref().map(|broken| BrokenData {
                rule: &broken.rule,
                what: &broken.what,
                at: micros(broken.at),
                node: broken.node.map(|node| node.index()),
            }),
            faults: faults(transcript, &fold),
            fates: fold.fates.iter().map(|steps| fates(steps)).collect(),
            lanes: fold.lanes.iter().map(lane).collect(),
            curve: fold.curve,
            entries,
            entries_in_all,
            message_kinds: Kind::ALL.iter().map(|kind| kind.as_str()).collect(),
            messages,
            messages_in_all,
            nodes,
        }
    }
}

fn end(transcript: &Transcript, story: &Story<'_>) -> u64 {
    let last = transcript
        .entries()
        .last()
        .map_or_else(|| transcript.start(), Entry::at);
    let last = micros(last.saturating_since(transcript.start()));
    let broken = story.failure.as_ref().map_or(0, |broken| micros(broken.at));
    last.max(broken).max(micros(story.duration)).max(1)
}

fn micros(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn fates(steps: &Steps<Fate>) -> Vec<(u64, &'static str)> {
    let word = |fate: &Fate| match fate {
        Fate::Down => "down",
        Fate::Still => "still",
        Fate::Up => "up",
    };
    steps.iter().map(|(at, fate)| (*at, word(fate))).collect()
}

fn lane(steps: &Steps<Seen>) -> Vec<[u64; 5]> {
    let row = |(at, seen): &(u64, Seen)| {
        [
            *at,
            seen.alive.into(),
            seen.suspect.into(),
            seen.dead.into(),
            seen.left.into(),
        ]
    };
    steps.iter().map(row).collect()
}

fn faults<'a>(transcript: &'a Transcript, fold: &Fold) -> Vec<FaultData<'a>> {
    let mut faults = std::collections::BTreeMap::new();
    for entry in transcript.entries() {
        let Entry::Fault { at, fault, phase } = entry else {
            continue;
        };
        match phase {
            FaultPhase::Begins { nodes, text } => {
                let nodes = nodes.iter().map(|node| node.index()).collect();
                let (from, to) = (fold.micros(*at), None);
                faults.insert(
                    *fault,
                    FaultData {
                        from,
                        to,
                        nodes,
                        text,
                    },
                );
            }
            FaultPhase::Ends => {
                if let Some(begun) = faults.get_mut(fault) {
                    begun.to = Some(fold.micros(*at));
                }
            }
        }
    }
    faults.into_values().collect()
}

/// The lines of the list. Of a run with more than there is room for, those are left out that come long before the end.
fn entries(
    transcript: &Transcript,
    fold: &Fold,
    story: &Story<'_>,
) -> (Vec<(u64, &'static str, String)>, usize) {
    let listed = |entry: &&Entry| !matches!(entry, Entry::Sent(_));
    let in_all = transcript.entries().iter().filter(listed).count();
    let surplus = in_all.saturating_sub(ENTRIES_MAX);
    let mut left_out = 0;
    let mut is_left_out = |entry: &Entry| {
        let surplus = matches!(entry, Entry::Change(_)) && left_out < surplus;
        left_out += usize::from(surplus);
        surplus
    };
    let kept = transcript
        .entries()
        .iter()
        .filter(listed)
        .filter(|entry| !is_left_out(entry));
    let mut lines: Vec<_> = kept
        .map(|entry| {
            let text = transcript.text_of(entry).to_string();
            (fold.micros(entry.at()), kind(entry), text)
        })
        .collect();
    if let Some(broken) = story
        .failure
        .as_ref()
        .filter(|_| !lines.iter().any(|line| line.1 == "violation"))
    {
        let text = format!(
            "{:>12.6} !! {}: {}",
            broken.at.as_secs_f64(),
            broken.rule,
            broken.what
        );
        lines.push((micros(broken.at), "violation", text));
    }
    (lines, in_all)
}

const fn kind(entry: &Entry) -> &'static str {
    match entry {
        Entry::Change(_) => "view",
        Entry::Fault { .. } => "fault",
        Entry::Node { .. } => "node",
        Entry::Refusal(_) => "refusal",
        Entry::Remark { .. } => "remark",
        Entry::Sent(_) => "message",
        Entry::Violation { .. } => "violation",
    }
}

fn messages(transcript: &Transcript, fold: &Fold) -> (Vec<[i64; 6]>, usize) {
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let sent = transcript.entries().iter().filter_map(|entry| match entry {
        Entry::Sent(sent) => Some(sent),
        _ => None,
    });
    let in_all = sent.clone().count();
    let rows = sent.skip(in_all.saturating_sub(MESSAGES_MAX)).map(|sent| {
        let at = fold.micros(sent.at);
        let arrives = match sent.fate {
            PacketFate::Arrives(after) | PacketFate::ArrivesTwice(after, _) => {
                number(at + micros(after))
            }
            PacketFate::Lost | PacketFate::Waits => -1,
        };
        let (from, to) = (sent.from.index() as u64, sent.to.index() as u64);
        [
            number(at),
            number(from),
            number(to),
            sent.kind as i64,
            sent.len as i64,
            arrives,
        ]
    });
    (rows.collect(), in_all)
}
