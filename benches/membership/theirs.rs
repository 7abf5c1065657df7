//! foca 2 with its postcard codec, set up to do the same work.
//!
//! An identity carries as many bytes as a record of ours says of a member, in a shape that is cheap to copy (no
//! allocation), so that as many updates of the same length fill a datagram. The runtime does the least a driver can do: it
//! takes the bytes to send into a buffer that is used again. Timers are driven by hand.

use std::hint::black_box;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use foca::{
    Codec, Config, Foca, Header, Identity, Incarnation, Member, Message, NoCustomBroadcast,
    Notification, PostcardCodec, Runtime, State, Timer,
};
use rand::SeedableRng;
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};

use super::workload::{DATAGRAM_LEN_MAX, Workload, addr};

/// What a record says of a member, as an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Node {
    addr: SocketAddr,
    generation: u64,
    /// Id, role, protocols and the like: as many bytes as ours.
    about: [u8; 18],
}

impl Node {
    fn new(number: usize) -> Self {
        Self {
            addr: addr(number),
            generation: 1_800_000_000_000,
            about: [7; 18],
        }
    }
}

impl Identity for Node {
    type Addr = SocketAddr;

    fn renew(&self) -> Option<Self> {
        None
    }

    fn addr(&self) -> SocketAddr {
        self.addr
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.generation > adversary.generation
    }
}

/// One foca instance that knows members 1 to n; it is number 0.
pub(crate) struct Theirs {
    foca: Foca<Node, PostcardCodec, Pcg64, NoCustomBroadcast>,
    runtime: Outbox,
}

/// Takes what is to be sent, and remembers nothing else.
#[derive(Default)]
struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
}

impl Runtime<Node> for &mut Outbox {
    fn notify(&mut self, notification: Notification<'_, Node>) {
        black_box(notification);
    }

    fn send_to(&mut self, to: Node, data: &[u8]) {
        black_box(to);
        self.bytes.clear();
        self.bytes.extend_from_slice(data);
        self.sent += 1;
    }

    fn submit_after(&mut self, event: Timer<Node>, after: Duration) {
        black_box((event, after));
    }
}

impl Theirs {
    pub(crate) fn new(members: usize) -> Self {
        let size = NonZeroU32::new(u32::try_from(members).expect("few members"));
        let mut config = Config::new_lan(size.expect("at least one"));
        config.max_packet_size = NonZeroUsize::new(DATAGRAM_LEN_MAX).expect("not zero");
        config.num_indirect_probes = NonZeroUsize::new(Workload::FAN_OUT).expect("not zero");
        let rng = Pcg64::seed_from_u64(1);
        let mut foca = Foca::new(Node::new(0), config, rng, PostcardCodec);
        let mut runtime = Outbox::default();
        let others = (1..=members).map(|number| Member::alive(Node::new(number)));
        foca.apply_many(others, false, &mut runtime)
            .expect("members are taken in");
        Self { foca, runtime }
    }

    pub(crate) fn members(&self) -> usize {
        self.foca.num_members()
    }

    pub(crate) fn take_in(&mut self, datagram: &[u8]) {
        self.foca
            .handle_data(datagram, &mut self.runtime)
            .expect("a sound datagram");
    }

    /// `gossip` sends to `num_indirect_probes` members, as the periodic timer does to its own number.
    pub(crate) fn gossip(&mut self) {
        self.foca
            .gossip(&mut self.runtime)
            .expect("updates are encoded");
    }

    /// Gossips until there is no news left to send.
    pub(crate) fn drain_backlog(&mut self) {
        while self.foca.updates_backlog() > 0 {
            self.gossip();
        }
    }

    /// How many datagrams were sent since this was asked last.
    pub(crate) fn take_sent(&mut self) -> usize {
        std::mem::take(&mut self.runtime.sent)
    }
}

/// A gossip datagram from member 1 about these members at this incarnation.
pub(crate) fn gossip(about: &[usize], incarnation: u16) -> Vec<u8> {
    datagram(Message::Gossip, about, incarnation)
}

/// A ping from member 1.
pub(crate) fn ping() -> Vec<u8> {
    datagram(Message::Ping(7), &[], 0)
}

fn datagram(message: Message<Node>, about: &[usize], incarnation: Incarnation) -> Vec<u8> {
    let mut bytes = Vec::new();
    let header = Header {
        src: Node::new(1),
        src_incarnation: 0,
        dst: Node::new(0),
        message,
    };
    PostcardCodec
        .encode_header(&header, &mut bytes)
        .expect("into a vector");
    let count = u16::try_from(about.len()).expect("few updates");
    bytes.extend(count.to_be_bytes());
    for number in about {
        let member = Member::new(Node::new(*number), incarnation, State::Alive);
        PostcardCodec
            .encode_member(&member, &mut bytes)
            .expect("into a vector");
    }
    bytes
}
