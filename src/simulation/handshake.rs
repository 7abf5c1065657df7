//! How connections come up: dialling, the steps drawn in [`super::stream`], TLS, and how they fail.

use std::net::SocketAddr;

use super::network::Network;
use super::node::NodeId;
use super::run::{Input, Occurrence};
use super::stream::{
    CLIENT_HELLO, ConnectionId, EndId, FINISHED, Phase, SERVER_HELLO, SYN, SYN_ACK, Segment,
};
use super::tcp::frame_segment;
use crate::admission::{LinkChange, LinkId, Opened};
use crate::membership::FailedHandshake;

use crate::transport::tls::certificate_code;
use crate::trust::{ClientAuth, PeerRole};
use crate::wire::frame::Frame;
use crate::wire::hello::{Channel, Side};
use crate::wire::refusal::Code;

impl Network {
    pub(super) fn dial(&mut self, node: NodeId, link: LinkId, addr: SocketAddr) {
        let timeout = self.now + self.options.connect_timeout;
        let holder = self.addrs.holder(addr);
        let Some(listener) = holder.filter(|node| self.nodes[node.index()].is_reachable) else {
            let life = self.nodes[node.index()].lives;
            self.queue.push(
                timeout,
                Occurrence::Input(node, Input::NobodyThere { life, link }),
            );
            return;
        };
        let connection = self
            .connections
            .insert(node, link, listener, self.exporters.bytes());
        self.queue
            .push(timeout, Occurrence::ConnectTimeout(connection));
        if let Some(process) = &mut self.nodes[node.index()].process {
            process.links.insert(link, EndId::dialer(connection));
        }
        self.send_step(EndId::dialer(connection).other(), SYN);
    }

    pub(super) fn connect_timeout(&mut self, connection: ConnectionId) {
        let end = EndId::dialer(connection);
        let Some(dialer) = self.connections.end_mut(end) else {
            return;
        };
        if dialer.phase == Phase::Opening {
            let node = dialer.node;
            self.give(node, Input::LinkLost(end, Some(Code::Unreachable)));
        }
    }

    pub(super) fn handshake(&mut self, end: EndId, step: u8) {
        let Some(connection) = self.connections.get(end.connection) else {
            return;
        };
        let node = connection.end(end.side).node;
        let dialer_tls = self.is_tls(connection.end(Side::Dialer).node);
        let listener_tls = self.is_tls(connection.end(Side::Listener).node);
        match step {
            SYN if self.is_running(node) => self.send_step(end.other(), SYN_ACK),
            SYN => self.refuse(end, Code::Unreachable),
            SYN_ACK => {
                self.send_step(end.other(), CLIENT_HELLO);
                if !dialer_tls {
                    self.opened(end);
                }
            }
            CLIENT_HELLO if listener_tls && dialer_tls => {
                self.send_step(end.other(), SERVER_HELLO);
            }
            CLIENT_HELLO if dialer_tls => self.refuse(end, Code::SecurityMismatch),
            // A TLS listener waits for the first bytes of a plaintext dialer.
            CLIENT_HELLO if listener_tls => {}
            CLIENT_HELLO => self.opened(end),
            SERVER_HELLO => self.finish_tls(end),
            FINISHED => self.finished(end),
            _ => unreachable!("a handshake has five steps"),
        }
    }

    /// Sends a step of the handshake to this end, as long as it is with the other end's credentials.
    fn send_step(&mut self, to: EndId, step: u8) {
        let Some(connection) = self.connections.get(to.connection) else {
            return;
        };
        let sender = connection.end(to.other().side).node;
        let credentials = self.nodes[sender.index()].credentials();
        let flights = credentials.map(|credentials| credentials.flights);
        let len = flights.map_or(0, |flights| match step {
            CLIENT_HELLO => flights.client_hello,
            SERVER_HELLO => flights.server,
            FINISHED if self.asks_for_certificate(connection.end(to.side).node) => {
                flights.client_finished + flights.client_certificate
            }
            FINISHED => flights.client_finished,
            _ => 0,
        });
        self.send_segment(to, Segment::Handshake(step, len));
    }

    fn refuse(&mut self, listener: EndId, code: Code) {
        self.send_segment(listener.other(), Segment::Refusal(code));
        self.shut(listener);
    }

    /// The dialer judges the certificate it was shown; one that does not pass it refuses once the handshake is complete.
    fn finish_tls(&mut self, end: EndId) {
        let verdict = self.judge_other(end, PeerRole::Server);
        self.send_step(end.other(), FINISHED);
        match verdict {
            Ok(()) => self.opened(end),
            Err(code) => {
                self.say_refused(end, code);
                self.link_lost(end, Some(code));
            }
        }
    }

    /// The listener judges the certificate it was shown, if it asked for one.
    fn finished(&mut self, end: EndId) {
        let Some((dialer, listener)) = self.nodes_of(end) else {
            return;
        };
        let verdict = match self.asks_for_certificate(listener) {
            true => self.judge_other(end, PeerRole::Client),
            false => Ok(()),
        };
        let Err(code) = verdict else {
            return self.opened(end);
        };
        self.say_refused(end, code);
        self.shut(end);
        let (now, peer) = (self.time_at(listener), self.nodes[dialer.index()].addr());
        if let Some(process) = &mut self.nodes[listener.index()].process {
            let refused = FailedHandshake {
                peer,
                code,
                by_us: true,
                correlation: None,
            };
            process.membership.handle_refused(now, refused);
        }
    }

    fn judge_other(&self, end: EndId, role: PeerRole) -> Result<(), Code> {
        let (presenter, verifier) = self.nodes_of(end).expect("both ends are there");
        let chain = self.trust(presenter).chain();
        let (trust, now) = self.judge_of(verifier, presenter);
        let verdict = trust.verify_peer(chain, role, now);
        verdict
            .map(|_| ())
            .map_err(|error| certificate_code(&error))
    }

    fn say_refused(&mut self, end: EndId, code: Code) {
        let refused = Frame::Refused { code, after_ms: 0 };
        self.send_segment(end.other(), frame_segment(&refused));
    }

    fn asks_for_certificate(&self, listener: NodeId) -> bool {
        let credentials = self.nodes[listener.index()].credentials();
        credentials.is_some_and(|held| held.trust.client_auth() != ClientAuth::None)
    }

    fn opened(&mut self, end: EndId) {
        let Some(connection) = self.connections.get(end.connection) else {
            return;
        };
        let (held, peer) = (
            connection.end(end.side),
            connection.end(end.other().side).node,
        );
        if held.phase != Phase::Opening {
            return;
        }
        let node = held.node;
        let now = self.time_at(node);
        let opened = Opened {
            side: end.side,
            peer: self.nodes[peer.index()].addr(),
            channel: self.channel(node, peer, end.side, connection.exporter),
            correlation: None,
        };
        let process = self.nodes[node.index()].process.as_mut();
        if let Some((process, held)) = process.zip(self.connections.end_mut(end)) {
            held.phase = Phase::Open;
            let link = *held.link.get_or_insert_with(|| process.accept(end));
            let change = LinkChange::Opened(opened);
            process.membership.handle_link(now, link, change);
        }
    }

    fn channel(&self, node: NodeId, peer: NodeId, side: Side, exporter: [u8; 32]) -> Channel {
        if !self.is_tls(node) {
            return Channel::Plain;
        }
        let is_shown = side == Side::Dialer || self.asks_for_certificate(node);
        let shown = self.nodes[peer.index()].credentials().map(|held| held.leaf);
        Channel::Tls {
            exporter,
            peer_leaf: shown.filter(|_| is_shown),
            our_leaf: self.nodes[node.index()].credentials().map(|held| held.leaf),
        }
    }

    pub(super) fn is_tls(&self, node: NodeId) -> bool {
        self.nodes[node.index()].credentials().is_some()
    }
}
