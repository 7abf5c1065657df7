//! foca 2 on the simplest virtual network there is: a heap of what happens when.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use foca::{
    Config, Foca, Identity, NoCustomBroadcast, Notification, PeriodicParams, PostcardCodec,
    Runtime, Timer,
};
use phalanx::swim::Params;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};

/// An identity that carries as many bytes as a record of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Node {
    addr: SocketAddr,
    generation: u64,
    about: [u8; 18],
}

impl Identity for Node {
    type Addr = SocketAddr;

    fn renew(&self) -> Option<Self> {
        Some(Self {
            generation: self.generation + 1,
            ..*self
        })
    }

    fn addr(&self) -> SocketAddr {
        self.addr
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.generation > adversary.generation
    }
}

impl Node {
    fn new(number: u32) -> Self {
        let [_, b, c, d] = number.to_be_bytes();
        Self {
            addr: SocketAddr::from(([10, b, c, d], 26_502)),
            generation: 1_800_000_000_000,
            about: [7; 18],
        }
    }
}

/// What happens to a node.
enum Happening {
    Data(Vec<u8>),
    Join,
    Timer(Timer<Node>),
}

/// All nodes, and what is going to happen, in order of time and then of queueing.
pub(crate) struct Cluster {
    nodes: Vec<Option<Foca<Node, PostcardCodec, Pcg64, NoCustomBroadcast>>>,
    places: BTreeMap<SocketAddr, usize>,
    heap: BinaryHeap<Reverse<(Duration, u64, usize)>>,
    happenings: BTreeMap<u64, Happening>,
    queued: u64,
    latency: Pcg64,
}

/// Takes down what a node asks for.
#[derive(Default)]
struct Outbox {
    sent: Vec<(SocketAddr, Vec<u8>)>,
    timers: Vec<(Duration, Timer<Node>)>,
}

impl Runtime<Node> for &mut Outbox {
    fn notify(&mut self, _: Notification<'_, Node>) {}

    fn send_to(&mut self, to: Node, data: &[u8]) {
        self.sent.push((to.addr, data.to_vec()));
    }

    fn submit_after(&mut self, event: Timer<Node>, after: Duration) {
        self.timers.push((after, event));
    }
}

impl Cluster {
    /// Nodes that start within the first second and announce themselves to the first.
    pub(crate) fn new(members: u32) -> Self {
        let mut cluster = Self {
            nodes: Vec::new(),
            places: BTreeMap::new(),
            heap: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            queued: 0,
            latency: Pcg64::seed_from_u64(1),
        };
        for number in 0..members {
            let node = Node::new(number);
            let rng = Pcg64::seed_from_u64(number.into());
            let foca = Foca::new(node, config(members), rng, PostcardCodec);
            cluster.places.insert(node.addr, cluster.nodes.len());
            cluster.nodes.push(Some(foca));
            let at = Duration::from_secs(1) * number / members;
            cluster.push(at, number as usize, Happening::Join);
        }
        cluster
    }

    /// Lets time pass.
    pub(crate) fn run_to(&mut self, end: Duration) {
        while let Some(Reverse((now, number, place))) = self.heap.peek().copied()
            && now <= end
        {
            self.heap.pop();
            let happening = self
                .happenings
                .remove(&number)
                .expect("queued with its number");
            self.happen(now, place, happening);
        }
    }

    /// The last so many nodes are gone.
    pub(crate) fn crash_last(&mut self, count: u32) {
        self.nodes
            .iter_mut()
            .rev()
            .take(count as usize)
            .for_each(|node| *node = None);
    }

    /// How many of the nodes that are left know so many, themselves included.
    pub(crate) fn views_of(&self, members: u32) -> usize {
        let left = self.nodes.iter().flatten();
        left.filter(|foca| foca.num_members() + 1 == members as usize)
            .count()
    }

    fn happen(&mut self, now: Duration, place: usize, happening: Happening) {
        let mut outbox = Outbox::default();
        let Some(foca) = &mut self.nodes[place] else {
            return;
        };
        // What it does not take, a driver would count and go on.
        let _ = match happening {
            Happening::Data(data) => foca.handle_data(&data, &mut outbox),
            Happening::Join if place == 0 => Ok(()),
            Happening::Join => foca.announce(Node::new(0), &mut outbox),
            Happening::Timer(timer) => foca.handle_timer(timer, &mut outbox),
        };
        for (after, timer) in outbox.timers {
            self.push(now + after, place, Happening::Timer(timer));
        }
        for (to, data) in outbox.sent {
            let latency = Duration::from_micros(self.latency.random_range(200..=1_000));
            if let Some(place) = self.places.get(&to).copied() {
                self.push(now + latency, place, Happening::Data(data));
            }
        }
    }

    fn push(&mut self, at: Duration, place: usize, happening: Happening) {
        self.queued += 1;
        self.happenings.insert(self.queued, happening);
        self.heap.push(Reverse((at, self.queued, place)));
    }
}

/// foca's settings for a local network, with our times and numbers.
fn config(members: u32) -> Config {
    let params = Params::lan();
    let size = NonZeroU32::new(members).expect("at least one");
    let mut config = Config::new_lan(size);
    config.probe_period = params.probe_interval;
    config.probe_rtt = params.probe_timeout;
    config.num_indirect_probes =
        NonZeroUsize::new(params.suspect_probes.get() - 1).expect("relays");
    config.suspect_to_down_after = params.failure_timeout;
    config.max_packet_size = NonZeroUsize::new(params.datagram_len_max).expect("not zero");
    config.periodic_gossip = Some(PeriodicParams {
        frequency: params.gossip_interval,
        num_members: params.gossip_fanout,
    });
    config.periodic_announce = Some(PeriodicParams {
        frequency: params.sync_interval,
        num_members: NonZeroUsize::MIN,
    });
    config
}
