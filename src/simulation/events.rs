//! What a node tells its application becomes known to the run: entries of the transcript, and the views that invariants
//! are checked against.

use std::net::SocketAddr;

use super::invariants::News;
use super::network::Network;
use super::node::{Held, NodeId};
use super::transcript::{Cause, Change, Entry, FaultId, FaultPhase, Refusal, RefusalKind, Turn};
use crate::member::{MemberId, MemberRecord, MemberState, MemberVersion};
use crate::membership::Event;
use crate::wire::refusal::Code;

// What nodes say.
impl Network {
    pub(super) fn on_event(&mut self, node: NodeId, event: Event) {
        let for_application = self.has_application(node).then(|| event.clone());
        self.note_event(node, event);
        if let Some(event) = for_application {
            self.tell_event(node, &event);
        }
    }

    fn note_event(&mut self, node: NodeId, event: Event) {
        use MemberState::{Alive, Dead, Left, Suspect};
        match event {
            // They change nothing in views.
            Event::CertificateExpired(_) | Event::MetadataChanged { .. } => {}
            Event::MemberForgotten(id) => self.on_forgotten(node, &id),
            Event::Alone => self.turn(node, Turn::Alone),
            Event::JoinRefused {
                addr, code, cause, ..
            } => {
                self.refusal(node, addr, (code, cause), RefusalKind::Join);
            }
            Event::LeaveFinished { acknowledged } => {
                self.turn(node, Turn::HasLeft { acknowledged });
                self.set_ending(node);
            }
            Event::MemberDied { record, by } => {
                let cause = self.cause_of_death(node, &record, &by);
                self.on_change(node, &record, Dead, cause);
            }
            Event::MemberJoined(record) => self.on_change(node, &record, Alive, Cause::Joined),
            Event::MemberLeft(record) => self.on_change(node, &record, Left, Cause::Left),
            Event::MemberRefuted(record) => self.on_change(node, &record, Alive, Cause::Refuted),
            Event::MemberSuspected { record, by } => {
                let by = self.ids.get(by.as_str()).copied();
                // Its own word may come back to it, or be forged: then it is another's.
                let cause = match by == Some(node) && !self.is_told() {
                    true => Cause::ProbeFailed,
                    false => Cause::Accused(by),
                };
                self.on_change(node, &record, Suspect, cause);
            }
            Event::MemberUpdated(record) => self.on_change(node, &record, Alive, Cause::Updated),
            Event::Ready => self.turn(node, Turn::IsReady),
            Event::Refused {
                peer, code, by_us, ..
            } => {
                let kind = match by_us {
                    true => RefusalKind::ByNode,
                    false => RefusalKind::ByPeer,
                };
                self.refusal(node, peer, (code, None), kind);
            }
            Event::Stopped { code, .. } => {
                self.turn(node, Turn::Stops(code));
                self.set_ending(node);
            }
            Event::UdpReachable(id) => self.on_udp(node, &id, Turn::ReachesByUdp),
            Event::UdpUnreachable(id) => self.on_udp(node, &id, Turn::MissesByUdp),
        }
    }

    fn on_forgotten(&mut self, node: NodeId, id: &MemberId) {
        let subject = self.ids.get(id.as_str()).copied();
        let process = &mut self.nodes[node.index()].process;
        if let (Some(subject), Some(process)) = (subject, process) {
            process.watch.forgotten.insert(subject);
        }
    }

    fn cause_of_death(&self, node: NodeId, record: &MemberRecord, by: &MemberId) -> Cause {
        match self.ids.get(by.as_str()).copied() {
            Some(by) if by == node && !self.is_told() => Cause::SuspicionExpired,
            _ if *by == record.id => Cause::Replaced,
            by => Cause::Condemned(by),
        }
    }

    fn on_udp(&mut self, node: NodeId, id: &MemberId, turn: impl Fn(NodeId) -> Turn) {
        if let Some(subject) = self.ids.get(id.as_str()) {
            self.turn(node, turn(*subject));
        }
    }

    fn set_ending(&mut self, node: NodeId) {
        if let Some(process) = &mut self.nodes[node.index()].process {
            process.is_ending = true;
        }
    }

    /// A node has come to see a member in `state`.
    fn on_change(&mut self, node: NodeId, record: &MemberRecord, state: MemberState, cause: Cause) {
        let version = MemberVersion {
            generation: record.generation,
            incarnation: record.incarnation,
            state,
        };
        let Some(subject) = self.known_subject(node, record) else {
            return;
        };
        self.check_news(&News {
            observer: node,
            subject,
            record,
            to: version,
            cause,
        });
        self.note(node, subject, version, cause);
    }

    fn note(&mut self, observer: NodeId, subject: NodeId, to: MemberVersion, cause: Cause) {
        let (at, told_by) = (self.now, self.teller);
        let since = self.time_at(observer);
        let Some(process) = &mut self.nodes[observer.index()].process else {
            return;
        };
        let from = process.view.state(subject);
        let held = Held { version: to, since };
        process.view.set(subject, held, &mut self.versions);
        if process.view.live() == 0 {
            process.watch.end_probing();
        }
        self.transcript.change(Change {
            at,
            observer,
            subject,
            from,
            to,
            cause,
            told_by,
        });
    }
}

// What is written down.
impl Network {
    pub(super) fn turn(&mut self, node: NodeId, turn: Turn) {
        let at = self.now;
        self.transcript.push(Entry::Node { at, node, turn });
    }

    fn refusal(
        &mut self,
        node: NodeId,
        addr: SocketAddr,
        (code, cause): (Code, Option<Code>),
        kind: RefusalKind,
    ) {
        self.transcript.push(Entry::Refusal(Refusal {
            at: self.now,
            node,
            peer: self.addrs.holder(addr),
            addr,
            code,
            cause,
            kind,
        }));
    }

    /// Notes that a fault begins: `nodes` are those it touches, none if it is the whole network. What the fault does is
    /// done otherwise; this is for the transcript and its readers. Rules note themselves.
    pub fn begin_fault(&mut self, nodes: &[NodeId], text: &str) -> FaultId {
        let fault = FaultId(self.faults_begun);
        self.faults_begun += 1;
        let phase = FaultPhase::Begins {
            nodes: nodes.into(),
            text: text.into(),
        };
        let at = self.now;
        self.transcript.push(Entry::Fault { at, fault, phase });
        fault
    }

    /// Notes that a fault is over.
    pub fn end_fault(&mut self, fault: FaultId) {
        let (at, phase) = (self.now, FaultPhase::Ends);
        self.transcript.push(Entry::Fault { at, fault, phase });
    }

    /// Writes a remark into the transcript, said by a node or by the network.
    pub fn remark(&mut self, node: Option<NodeId>, text: &str) {
        self.transcript.remark(self.now, node, text.to_owned());
    }
}
