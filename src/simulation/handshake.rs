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

use crate::transport::tls::certificate_code;
use crate::trust::PeerRole;
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
        self.send_segment(EndId::dialer(connection).other(), Segment::Handshake(SYN));
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
            SYN if self.is_running(node) => {
                self.send_segment(end.other(), Segment::Handshake(SYN_ACK))
            }
            SYN => self.refuse(end, Code::Unreachable),
            SYN_ACK => {
                self.send_segment(end.other(), Segment::Handshake(CLIENT_HELLO));
                if !dialer_tls {
                    self.opened(end);
                }
            }
            CLIENT_HELLO if listener_tls && dialer_tls => {
                self.send_segment(end.other(), Segment::Handshake(SERVER_HELLO));
            }
            CLIENT_HELLO if dialer_tls => self.refuse(end, Code::SecurityMismatch),
            // A TLS listener waits for the first bytes of a plaintext dialer.
            CLIENT_HELLO if listener_tls => {}
            CLIENT_HELLO => self.opened(end),
            SERVER_HELLO => self.finish_tls(end),
            FINISHED => self.opened(end),
            _ => unreachable!("a handshake has five steps"),
        }
    }

    fn refuse(&mut self, listener: EndId, code: Code) {
        self.send_segment(listener.other(), Segment::Refusal(code));
        self.shut(listener);
    }

    /// The dialer judges the certificate it was shown; one that does not pass it refuses once the handshake is complete.
    fn finish_tls(&mut self, end: EndId) {
        let Some(connection) = self.connections.get(end.connection) else {
            return;
        };
        let (dialer, listener) = (
            connection.end(Side::Dialer).node,
            connection.end(Side::Listener).node,
        );
        let chain = self.trust(listener).chain();
        match self
            .trust(dialer)
            .verify_peer(chain, PeerRole::Server, self.trusted_now(dialer))
        {
            Ok(_) => {
                self.send_segment(end.other(), Segment::Handshake(FINISHED));
                self.opened(end);
            }
            Err(error) => {
                let code = certificate_code(&error);
                let refused = Frame::Refused { code, after_ms: 0 };
                self.send_segment(end.other(), Segment::Handshake(FINISHED));
                self.send_segment(end.other(), frame_segment(&refused));
                self.link_lost(end, Some(code));
            }
        }
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
        let shown = || self.nodes[peer.index()].options.certificate;
        Channel::Tls {
            exporter,
            peer_leaf: (side == Side::Dialer).then(shown).flatten(),
        }
    }

    fn is_tls(&self, node: NodeId) -> bool {
        self.nodes[node.index()].trust.is_some()
    }
}
