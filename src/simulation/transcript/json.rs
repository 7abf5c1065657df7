//! A transcript as JSON Lines: one object an entry, `ev` says which kind, `t` is microseconds since the start of the run.
//!
//! ```json
//! {"t":0,"ev":"run","seed":7,"nodes":["a","b"]}
//! {"t":12345000,"ev":"view","node":"a","about":"b","from":"alive","to":"suspect","generation":5,"incarnation":2,"cause":"probe failed"}
//! {"t":20000000,"ev":"end","trace_hash":"9f86d081884c7d65"}
//! ```

use std::net::SocketAddr;

use serde::Serialize;

use super::Transcript;
use super::entry::{Cause, Change, Entry, Fate, FaultPhase, Refusal, RefusalKind, Sent, Turn};
use crate::member::MemberState;
use crate::simulation::NodeId;
use crate::simulation::invariants::Violation;
use crate::time::Timestamp;
use crate::wire::refusal::Code;

/// One line.
#[derive(Serialize)]
struct Line<'a> {
    /// Microseconds since the start of the run.
    t: u128,
    #[serde(flatten)]
    fact: Fact<'a>,
}

#[derive(Serialize)]
#[serde(tag = "ev", rename_all = "kebab-case")]
enum Fact<'a> {
    Run {
        seed: u64,
        nodes: Vec<&'a str>,
    },
    View {
        node: &'a str,
        about: &'a str,
        from: Option<MemberState>,
        to: MemberState,
        generation: u64,
        incarnation: u32,
        cause: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        told_by: Option<&'a str>,
    },
    FaultBegins {
        fault: u64,
        nodes: Vec<&'a str>,
        text: &'a str,
    },
    FaultEnds {
        fault: u64,
    },
    Node {
        node: &'a str,
        turn: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        life: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        acknowledged: Option<usize>,
        #[serde(skip_serializing_if = "Option::is_none")]
        factor: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<Code>,
        #[serde(skip_serializing_if = "Option::is_none")]
        about: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        addr: Option<SocketAddr>,
        #[serde(skip_serializing_if = "Option::is_none")]
        clock: Option<String>,
    },
    Sent {
        from: &'a str,
        to: &'a str,
        kind: &'static str,
        len: usize,
        fate: &'static str,
        /// When it arrives, in microseconds since the start of the run.
        arrives: Vec<u128>,
    },
    Refusal {
        node: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        peer: Option<&'a str>,
        addr: String,
        kind: &'static str,
        code: Code,
        #[serde(skip_serializing_if = "Option::is_none")]
        cause: Option<Code>,
    },
    Remark {
        #[serde(skip_serializing_if = "Option::is_none")]
        node: Option<&'a str>,
        text: &'a str,
    },
    Violation {
        invariant: &'static str,
        number: &'static str,
        #[serde(flatten)]
        violation: &'a Violation,
    },
    End {
        trace_hash: String,
    },
}

impl Transcript {
    /// The transcript as values to serialize, one a line: what the run was, every entry, and the trace hash.
    pub fn lines(&self) -> impl Iterator<Item = impl Serialize + '_> + '_ {
        let first = Fact::Run {
            seed: self.seed,
            nodes: self.names.iter().map(|name| name.as_str()).collect(),
        };
        let last = Fact::End {
            trace_hash: format!("{:016x}", self.trace_hash()),
        };
        let end = self.entries.last().map_or(self.start, Entry::at);
        let entries = self.entries.iter();
        std::iter::once(self.line(self.start, first))
            .chain(entries.map(|entry| self.line(entry.at(), self.fact(entry))))
            .chain(std::iter::once(self.line(end, last)))
    }

    fn line<'a>(&self, at: Timestamp, fact: Fact<'a>) -> Line<'a> {
        Line {
            t: self.micros(at),
            fact,
        }
    }

    fn micros(&self, at: Timestamp) -> u128 {
        at.saturating_since(self.start).as_micros()
    }

    fn fact<'a>(&'a self, entry: &'a Entry) -> Fact<'a> {
        match entry {
            Entry::Change(change) => self.view(change),
            Entry::Fault { fault, phase, .. } => match phase {
                FaultPhase::Begins { nodes, text } => Fact::FaultBegins {
                    fault: fault.get(),
                    nodes: nodes.iter().map(|node| self.name_of(*node)).collect(),
                    text,
                },
                FaultPhase::Ends => Fact::FaultEnds { fault: fault.get() },
            },
            Entry::Node { node, turn, .. } => self.turn(*node, *turn),
            Entry::Sent(sent) => self.sent_fact(sent),
            Entry::Refusal(refusal) => self.refusal(refusal),
            Entry::Remark { node, text, .. } => Fact::Remark {
                node: node.map(|node| self.name_of(node)),
                text,
            },
            Entry::Violation { violation, .. } => Fact::Violation {
                invariant: violation.invariant.name(),
                number: violation.invariant.number(),
                violation,
            },
        }
    }

    fn view(&self, change: &Change) -> Fact<'_> {
        let by = match change.cause {
            Cause::Accused(by) | Cause::Condemned(by) => by,
            _ => None,
        };
        Fact::View {
            node: self.name_of(change.observer),
            about: self.name_of(change.subject),
            from: change.from,
            to: change.to.state,
            generation: change.to.generation.get(),
            incarnation: change.to.incarnation.get(),
            cause: change.cause.as_str(),
            by: by.map(|by| self.name_of(by)),
            told_by: change.told_by.map(|teller| self.name_of(teller)),
        }
    }

    fn turn(&self, node: NodeId, turn: Turn) -> Fact<'_> {
        let (mut life, mut acknowledged, mut factor, mut code, mut about) =
            (None, None, None, None, None);
        let (mut addr, mut clock) = (None, None);
        match turn {
            Turn::ClockChanges(clocks, change) => clock = Some(format!("{clocks} {change}")),
            Turn::HasLeft { acknowledged: by } => acknowledged = Some(by),
            Turn::IsSlowed { factor: times } => factor = Some(times),
            Turn::MovesTo(to) => addr = Some(to),
            Turn::MissesByUdp(other) | Turn::ReachesByUdp(other) => {
                about = Some(self.name_of(other));
            }
            Turn::Starts { life: number } => life = Some(number),
            Turn::Stops(why) => code = Some(why),
            _ => {}
        }
        Fact::Node {
            node: self.name_of(node),
            turn: turn.as_str(),
            life,
            acknowledged,
            factor,
            code,
            about,
            addr,
            clock,
        }
    }

    fn sent_fact(&self, sent: &Sent) -> Fact<'_> {
        let at = self.micros(sent.at);
        let (fate, arrives) = match sent.fate {
            Fate::Arrives(after) => ("arrives", vec![after]),
            Fate::ArrivesTwice(after, again) => ("arrives twice", vec![after, again]),
            Fate::Lost => ("lost", Vec::new()),
            Fate::Waits => ("waits", Vec::new()),
        };
        Fact::Sent {
            from: self.name_of(sent.from),
            to: self.name_of(sent.to),
            kind: sent.kind.as_str(),
            len: sent.len,
            fate,
            arrives: arrives
                .into_iter()
                .map(|after| at + after.as_micros())
                .collect(),
        }
    }

    fn refusal(&self, refusal: &Refusal) -> Fact<'_> {
        Fact::Refusal {
            node: self.name_of(refusal.node),
            peer: refusal.peer.map(|peer| self.name_of(peer)),
            addr: refusal.addr.to_string(),
            kind: match refusal.kind {
                RefusalKind::ByNode => "by node",
                RefusalKind::ByPeer => "by peer",
                RefusalKind::Join => "join",
            },
            code: refusal.code,
            cause: refusal.cause,
        }
    }
}

impl Turn {
    /// The turn in words, without names.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::Blocks => "blocks",
            Self::BlocksNoLonger => "blocks no longer",
            Self::ClockChanges(..) => "clock changes",
            Self::Crashes => "crashes",
            Self::Ends => "ends",
            Self::GoesOn => "goes on",
            Self::HasLeft { .. } => "has left",
            Self::IsAskedToLeave => "is asked to leave",
            Self::IsGivenTrust => "is given trust",
            Self::IsReady => "is ready",
            Self::IsSlowed { .. } => "is slowed",
            Self::MissesByUdp(_) => "misses by UDP",
            Self::MovesTo(_) => "moves",
            Self::ReachesByUdp(_) => "reaches by UDP",
            Self::StandsStill => "stands still",
            Self::Starts { .. } => "starts",
            Self::Stops(_) => "stops",
            Self::Vanishes => "vanishes",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::simulation::{Network, NetworkOptions, Rule};

    #[test]
    fn every_line_is_an_object_with_a_time_and_a_kind() {
        let mut network = Network::new(NetworkOptions::default(), 3);
        let nodes = network.add_plain_nodes(2);
        network.start_all();
        network.run_for(Duration::from_secs(2)).unwrap();
        let cut = network.impose(Rule::partition(&[&nodes[..1], &nodes[1..]]));
        network.run_for(Duration::from_secs(15)).unwrap();
        network.lift(cut);
        let lines: Vec<_> = network
            .transcript()
            .lines()
            .map(|line| serde_json::to_value(&line).unwrap())
            .collect();
        assert_eq!(lines[0]["ev"], "run");
        assert_eq!(lines[0]["nodes"][1], "1");
        assert_eq!(lines[1]["turn"], "starts");
        let kinds = |ev: &str| lines.iter().filter(|line| line["ev"] == ev).count();
        assert_eq!((kinds("fault-begins"), kinds("fault-ends")), (1, 1));
        let suspect = lines
            .iter()
            .find(|line| line["to"] == "suspect")
            .expect("a suspicion");
        assert_eq!(suspect["cause"], "probe failed");
        assert!(suspect["t"].as_u64().unwrap() > 2_000_000);
        assert!(suspect.get("told_by").is_none());
        assert_eq!(lines.last().unwrap()["ev"], "end");
        assert_eq!(lines.len(), network.transcript().entries().len() + 2);
    }
}
