//! Phalanx: one `Membership` that knows members 1 to n, driven by hand; it is number 0.
//!
//! It joined on the virtual network with member 1, heard of the others by gossip, and has told them on. What it sends is
//! kept as a driver would be handed it. Between measurements every ping is answered, so that nobody is suspected.

use std::net::SocketAddr;
use std::time::Duration;

use phalanx::member::{
    Generation, Incarnation, MemberId, MemberRecord, MetadataStamp, ProtocolRange, Role, Standing,
};
use phalanx::membership::{Membership, Output, Timer, Wakeup};
use phalanx::seal::{Keyring, Secrets, Seed};
use phalanx::simulation::{Network, NetworkOptions, plain_options};
use phalanx::swim;
use phalanx::time::Timestamp;
use phalanx::wire::datagram::{self, Group, Header};
use phalanx::wire::hash::cluster_hash;
use phalanx::wire::message::{Body, Message, encode_message};
use phalanx::wire::update::encode_record;

use super::rounds::time;
use super::workload::{DATAGRAM_LEN_MAX, Workload, addr};

/// The side measured.
pub(crate) struct Ours {
    membership: Membership,
    now: Timestamp,
    wakeup: Option<Wakeup>,
    outbox: Vec<(SocketAddr, Vec<u8>)>,
}

impl Ours {
    pub(crate) fn new(members: usize) -> Self {
        let (membership, now) = joined();
        let mut ours = Self {
            membership,
            now,
            wakeup: None,
            outbox: Vec::new(),
        };
        ours.drain();
        let others: Vec<_> = (2..=members).collect();
        for about in others.chunks(updates_that_fit()) {
            ours.take_in(&gossip(about, 0));
        }
        ours.drain_backlog();
        ours
    }

    /// How many members it knows besides itself.
    pub(crate) fn members(&self) -> usize {
        let live = self
            .membership
            .members()
            .filter(|member| member.state().is_live());
        live.count() - 1
    }

    /// What a driver does with a datagram that comes in.
    pub(crate) fn take_in(&mut self, payload: &[u8]) {
        let taken = self.membership.handle_datagram(self.now, addr(1), payload);
        taken.expect("a sound datagram");
        self.drain();
    }

    /// Lets time pass until there is no news left to send.
    pub(crate) fn drain_backlog(&mut self) {
        let is_gossip = |timer| timer == Timer::Swim(swim::Timer::Gossip);
        let mut quiet = 0;
        while quiet < 8 {
            let wakeup = self.wakeup.expect("there is always a next probe");
            quiet = if is_gossip(wakeup.timer) {
                0
            } else {
                quiet + 1
            };
            self.tick(wakeup.at);
            self.answer_pings();
        }
    }

    /// How long one of the next `count` gossip ticks takes. Those count that send one datagram to each of
    /// [`Workload::FAN_OUT`] members and nothing else.
    pub(crate) fn time_gossip_ticks(&mut self, count: usize) -> Duration {
        let mut sum = Duration::ZERO;
        let mut timed = 0;
        while timed < count {
            let wakeup = self.wakeup.expect("there is always a next probe");
            let taken = time(1, |_| self.tick(wakeup.at));
            let is_gossip = wakeup.timer == Timer::Swim(swim::Timer::Gossip);
            if is_gossip && self.outbox.len() == Workload::FAN_OUT {
                sum += taken;
                timed += 1;
            }
            self.answer_pings();
        }
        sum / u32::try_from(count).expect("few ticks")
    }

    /// What was sent since this was asked last.
    pub(crate) fn take_sent(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        std::mem::take(&mut self.outbox)
    }

    fn tick(&mut self, at: Timestamp) {
        self.now = self.now.max(at);
        self.membership.handle_timeout(self.now);
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            match self.membership.poll_output() {
                Output::Transmit { to, payload } => self.outbox.push((to, payload)),
                Output::Wait(wakeup) => {
                    self.wakeup = wakeup;
                    return;
                }
                _ => {}
            }
        }
    }

    fn answer_pings(&mut self) {
        for (_, payload) in self.take_sent() {
            let asked = datagram::parse(&payload).expect("our own datagram");
            let body = Body::decode(asked.body).expect("our own body");
            if let Message::Ping { probe, view } = body.message {
                let generation = asked.header.generation;
                let ack = Message::Ack {
                    probe,
                    generation,
                    view,
                };
                self.take_in(&seal(asked.header.recipient, &ack, &[]));
            }
        }
    }
}

/// Number 0, with number 1, on a virtual network.
fn joined() -> (Membership, Timestamp) {
    let mut network = Network::new(NetworkOptions::default(), 1);
    let nodes = network.add_plain_nodes(2);
    network.start_all();
    network
        .run_for(Duration::from_secs(5))
        .expect("no promise is broken");
    assert!(network.views_are_complete());
    let now = network.now();
    (
        network.take_membership(nodes[0]).expect("it is running"),
        now,
    )
}

/// How many updates fit a datagram.
pub(crate) fn updates_that_fit() -> usize {
    let mut about = vec![9_999];
    while gossip(&about, u16::MAX.into()).len() <= DATAGRAM_LEN_MAX {
        about.push(9_999);
    }
    about.len() - 1
}

/// A gossip datagram from member 1 about these members at this incarnation.
pub(crate) fn gossip(about: &[usize], incarnation: u32) -> Vec<u8> {
    let records: Vec<_> = about
        .iter()
        .map(|number| record(*number, incarnation))
        .collect();
    seal("1", &Message::Gossip, &records)
}

/// A ping from member 1, who says that its view is `view`.
pub(crate) fn ping(view: u64) -> Vec<u8> {
    seal("1", &Message::Ping { probe: 7, view }, &[])
}

/// Which view an answer to a ping speaks of.
pub(crate) fn view_in(ack: &[u8]) -> u64 {
    let body = Body::decode(datagram::parse(ack).expect("our own datagram").body);
    match body.expect("our own body").message {
        Message::Ack { view, .. } => view,
        other => panic!("{other:?} is no answer to a ping"),
    }
}

/// What a tag adds to a datagram, on either side.
pub(crate) fn print_tag() {
    let key = Secrets::new(Seed::new([1; 32])).gossip_key();
    let ring = Keyring::new(Timestamp::ZERO, key, Duration::from_secs(30));
    let datagram = vec![7; DATAGRAM_LEN_MAX];
    let tag = ring.tag(&datagram);
    let made = time(10_000, |_| {
        std::hint::black_box(ring.tag(std::hint::black_box(&datagram)));
    });
    let checked = time(10_000, |_| {
        ring.verify(ring.newest(), std::hint::black_box(&datagram), &tag)
            .expect("our own tag");
    });
    println!("tag {DATAGRAM_LEN_MAX} bytes: made in {made:.2?}, checked in {checked:.2?}");
}

/// Ids are equally long at every size, so that full datagrams are too.
fn record(number: usize, incarnation: u32) -> MemberRecord {
    MemberRecord {
        id: MemberId::new(&format!("{number:05}")).expect("digits"),
        generation: generation(),
        incarnation: Incarnation::new(incarnation),
        standing: Standing::Alive,
        addr: addr(number),
        udp: true,
        role: Role::Broker,
        protocols: ProtocolRange::CURRENT,
        metadata: MetadataStamp::default(),
        introduction: None,
    }
}

fn seal(sender: &str, message: &Message<'_>, updates: &[MemberRecord]) -> Vec<u8> {
    let header = Header {
        group: Group::Plain(cluster_hash(&plain_options(0).cluster)),
        sender,
        generation: generation(),
        recipient: "0",
        sequence: 1,
    };
    let mut bytes = Vec::new();
    datagram::encode_header(&header, &mut bytes);
    encode_message(message, &mut bytes);
    for update in updates {
        bytes.extend(encode_record(update, &[]));
    }
    bytes
}

/// All started when the virtual network did.
fn generation() -> Generation {
    Generation::new(NetworkOptions::default().start.as_millis())
}
