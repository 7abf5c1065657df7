//! A transcript as text: one line an entry, time first, then who, then what.

use std::fmt;

use super::Transcript;
use super::entry::{Cause, Change, Entry, Fate, FaultPhase, Refusal, RefusalKind, Sent, Turn};
use crate::member::MemberState;

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        for entry in &self.entries {
            writeln!(f, "{}", self.text_of(entry))?;
        }
        writeln!(f, "trace hash {:016x}", self.trace_hash())
    }
}

/// One entry, with the names of its transcript.
struct Text<'a> {
    transcript: &'a Transcript,
    entry: &'a Entry,
}

impl Transcript {
    /// One entry as it stands in the text, without the line's end.
    pub fn text_of<'a>(&'a self, entry: &'a Entry) -> impl fmt::Display + 'a {
        Text {
            transcript: self,
            entry,
        }
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.transcript;
        let elapsed = self.entry.at().saturating_since(names.start);
        let (secs, micros) = (elapsed.as_secs(), elapsed.subsec_micros());
        write!(f, "{secs:>5}.{micros:06} ")?;
        match self.entry {
            Entry::Change(change) => write_change(f, names, change),
            Entry::Fault { fault, phase, .. } => match phase {
                FaultPhase::Begins { text, .. } => {
                    write!(f, "-- fault {} begins: {text}", fault.get())
                }
                FaultPhase::Ends => write!(f, "-- fault {} ends", fault.get()),
            },
            Entry::Node { node, turn, .. } => {
                write!(f, "{}: ", names.name_of(*node))?;
                write_turn(f, names, *turn)
            }
            Entry::Sent(sent) => write_sent(f, names, sent),
            Entry::Refusal(refusal) => write_refusal(f, names, refusal),
            Entry::Remark { node, text, .. } => match node {
                Some(node) => write!(f, "{}: {text}", names.name_of(*node)),
                None => write!(f, "-- {text}"),
            },
            Entry::Violation { violation, .. } => write!(f, "!! {violation}"),
        }
    }
}

fn write_change(f: &mut fmt::Formatter<'_>, names: &Transcript, change: &Change) -> fmt::Result {
    let (observer, subject) = (
        names.name_of(change.observer),
        names.name_of(change.subject),
    );
    let from = change.from.map_or("unknown", MemberState::as_str);
    write!(f, "{observer}: {subject} was {from}, is {}, ", change.to)?;
    let name = |node: Option<_>| node.map_or("a stranger", |node| names.name_of(node));
    match change.cause {
        Cause::Accused(by) => write!(f, "accused by {}", name(by))?,
        Cause::Condemned(by) => write!(f, "condemned by {}", name(by))?,
        cause => f.write_str(cause.as_str())?,
    }
    match change.told_by {
        Some(teller) => write!(f, " (told by {})", names.name_of(teller)),
        None => Ok(()),
    }
}

impl Cause {
    /// The cause in words, without names.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accused(_) => "accused",
            Self::Condemned(_) => "condemned",
            Self::Joined => "joined",
            Self::Left => "left",
            Self::ProbeFailed => "probe failed",
            Self::Refuted => "refuted",
            Self::Replaced => "replaced by a later life",
            Self::SuspicionExpired => "suspicion expired",
            Self::Updated => "updated",
        }
    }
}

fn write_turn(f: &mut fmt::Formatter<'_>, names: &Transcript, turn: Turn) -> fmt::Result {
    match turn {
        Turn::Alone => f.write_str("reaches no contact point"),
        Turn::Blocks => f.write_str("blocks"),
        Turn::BlocksNoLonger => f.write_str("no longer blocks"),
        Turn::ClockChanges(clocks, change) => write!(f, "{clocks} {change}"),
        Turn::Crashes => f.write_str("crashes"),
        Turn::Ends => f.write_str("ends"),
        Turn::GoesOn => f.write_str("goes on"),
        Turn::HasLeft { acknowledged } => write!(f, "has left, acknowledged by {acknowledged}"),
        Turn::IsAskedToLeave => f.write_str("is asked to leave"),
        Turn::IsGivenTrust => f.write_str("is given other certificates"),
        Turn::IsReady => f.write_str("is ready"),
        Turn::IsSlowed { factor } => write!(f, "is slowed {factor} times"),
        Turn::MissesByUdp(other) => {
            write!(f, "{} answers by TCP only", names.name_of(other))
        }
        Turn::MovesTo(addr) => write!(f, "moves to {addr}"),
        Turn::ReachesByUdp(other) => write!(f, "{} answers by UDP again", names.name_of(other)),
        Turn::StandsStill => f.write_str("stands still"),
        Turn::Starts { life: 1 } => f.write_str("starts"),
        Turn::Starts { life } => write!(f, "starts life {life}"),
        Turn::Stops(code) => write!(f, "stops for good: {code}"),
        Turn::Vanishes => f.write_str("vanishes"),
    }
}

fn write_sent(f: &mut fmt::Formatter<'_>, names: &Transcript, sent: &Sent) -> fmt::Result {
    let (from, to) = (names.name_of(sent.from), names.name_of(sent.to));
    let (kind, len) = (sent.kind.as_str(), sent.len);
    write!(f, "{from}: {kind} of {len} bytes to {to}, ")?;
    match sent.fate {
        Fate::Arrives(after) => write!(f, "arrives after {after:?}"),
        Fate::ArrivesTwice(after, again) => write!(f, "arrives after {after:?} and {again:?}"),
        Fate::Lost => f.write_str("lost"),
        Fate::Waits => f.write_str("waits"),
    }
}

fn write_refusal(f: &mut fmt::Formatter<'_>, names: &Transcript, refusal: &Refusal) -> fmt::Result {
    write!(f, "{}: ", names.name_of(refusal.node))?;
    match refusal.kind {
        RefusalKind::Join => f.write_str("is not let in by ")?,
        RefusalKind::ByNode => f.write_str("refuses ")?,
        RefusalKind::ByPeer => f.write_str("is refused by ")?,
    }
    match refusal.peer {
        Some(peer) => f.write_str(names.name_of(peer))?,
        None => write!(f, "{}", refusal.addr)?,
    }
    write!(f, ": {}", refusal.code)?;
    match refusal.cause {
        Some(cause) => write!(f, " ({cause})"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Detail, FaultId};
    use super::*;
    use crate::member::{Generation, Incarnation, MemberId, MemberVersion};
    use crate::simulation::NodeId;
    use crate::simulation::traffic::Kind;
    use crate::time::Timestamp;

    #[test]
    fn every_line_gives_time_since_the_start_then_who_then_what() {
        let start = Timestamp::from_secs(1_000);
        let mut transcript = Transcript::new(7, start, Detail::Packets);
        for name in ["a", "b"] {
            transcript.name(&MemberId::new(name).unwrap());
        }
        let (a, b) = (NodeId(0), NodeId(1));
        let at = start + Duration::from_millis(12_345);
        let begins = FaultPhase::Begins {
            nodes: Box::default(),
            text: "cut".into(),
        };
        let fault = |phase| Entry::Fault {
            at: start,
            fault: FaultId(0),
            phase,
        };
        transcript.push(fault(begins));
        transcript.push(fault(FaultPhase::Ends));
        transcript.push(Entry::Node {
            at,
            node: b,
            turn: Turn::Starts { life: 2 },
        });
        transcript.change(Change {
            at,
            observer: a,
            subject: b,
            from: Some(MemberState::Alive),
            to: MemberVersion {
                generation: Generation::new(5),
                incarnation: Incarnation::new(2),
                state: MemberState::Suspect,
            },
            cause: Cause::Accused(Some(a)),
            told_by: Some(b),
        });
        transcript.sent(Sent {
            at,
            from: b,
            to: a,
            kind: Kind::Ping,
            len: 9,
            fate: Fate::Lost,
        });
        let text = transcript.to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[..6],
            [
                "seed 7",
                "    0.000000 -- fault 0 begins: cut",
                "    0.000000 -- fault 0 ends",
                "   12.345000 b: starts life 2",
                "   12.345000 a: b was alive, is 5.2 suspect, accused by a (told by b)",
                "   12.345000 b: ping of 9 bytes to a, lost",
            ]
        );
        assert!(lines[6].starts_with("trace hash "));
    }
}
