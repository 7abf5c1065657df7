//! [`Forgery`]: datagrams of somebody on the network who is no member, but hears what members send.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::chance::Chance;
use super::network::Network;
use super::node::NodeId;
use super::run::{Input, Occurrence};
use super::traffic::Kind;

/// The most datagrams that somebody who listens remembers.
const OVERHEARD_MAX: usize = 64;
/// The longest datagram of random bytes.
const RANDOM_LEN_MAX: u64 = 1_400;

/// A datagram that no member has sent, or not so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgery {
    /// Bytes at random.
    Random,
    /// One that a member sent before, once more.
    Replayed,
    /// One that a member sent before, with one byte changed.
    Spoiled,
    /// One that a member sent before, cut short.
    Truncated,
}

/// Somebody who hears all datagrams.
#[derive(Debug)]
pub(super) struct Eavesdropper {
    chance: Chance,
    /// From whom, and what; the oldest first.
    overheard: VecDeque<(SocketAddr, Box<[u8]>)>,
}

impl Eavesdropper {
    /// Notes a datagram on its way.
    pub(super) fn hear(&mut self, from: SocketAddr, payload: &[u8]) {
        if self.overheard.len() == OVERHEARD_MAX {
            self.overheard.pop_front();
        }
        self.overheard.push_back((from, payload.into()));
    }

    /// A datagram and where it pretends to come from; none while nothing was heard.
    fn forge(&mut self, forgery: Forgery) -> Option<(SocketAddr, Vec<u8>)> {
        if forgery == Forgery::Random {
            let len = self.chance.between(1, RANDOM_LEN_MAX);
            let bytes = (0..len).map(|_| self.chance.byte()).collect();
            return Some((STRANGER, bytes));
        }
        let last = u64::try_from(self.overheard.len()).ok()?.checked_sub(1)?;
        let drawn = usize::try_from(self.chance.between(0, last)).ok()?;
        let (from, payload) = self.overheard.get(drawn)?;
        let (from, mut payload) = (*from, payload.to_vec());
        let end = u64::try_from(payload.len()).ok()?.checked_sub(1)?;
        let at = usize::try_from(self.chance.between(0, end)).ok()?;
        match forgery {
            Forgery::Random | Forgery::Replayed => {}
            Forgery::Spoiled => payload[at] ^= self.chance.byte() | 1,
            Forgery::Truncated => payload.truncate(at),
        }
        Some((from, payload))
    }
}

/// An address of nobody: RFC 5737.
const STRANGER: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 66)),
    26_502,
);

impl Network {
    /// From now on somebody hears all datagrams.
    pub fn eavesdrop(&mut self) {
        self.eavesdropper = Some(Eavesdropper {
            chance: Chance::new(self.seed, "eavesdropper"),
            overheard: VecDeque::new(),
        });
    }

    /// Somebody sends a node a datagram. What is replayed or changed was overheard, and pretends to come from its first
    /// sender; without [`Network::eavesdrop`] there is nothing to send.
    pub fn send_forged(&mut self, to: NodeId, forgery: Forgery) {
        let forged = self
            .eavesdropper
            .as_mut()
            .and_then(|one| one.forge(forgery));
        if let Some((from, payload)) = forged {
            let input = Input::Datagram {
                from,
                kind: Kind::of_datagram(&payload),
                payload,
            };
            self.queue.push(self.now, Occurrence::Input(to, input));
        }
    }
}
