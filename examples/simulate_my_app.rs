//! Your own application on a simulated network: does its promise hold under partitions and pauses?
//!
//! The application here elects a leader by leases. The member with the lowest id asks everybody for a lease; each grants it
//! to one at a time, for [`LEASE`]; whoever holds grants of a majority is leader until they run out. The promise: there are
//! never two leaders.
//!
//! It has a planted bug, the kind that no test on a healthy network finds: the leader counts its lease from when the *answers*
//! arrive. A leader that stands still, or is cut off, between question and answer wakes up to grants that have long run out
//! at those who gave them. The fix is to count from when the *question* was asked.
//!
//! ```sh
//! cargo run --example simulate_my_app
//! ```

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use phalanx::member::{MemberId, MemberState};
use phalanx::simulation::{
    Application, Context, Latency, Link, Network, NetworkOptions, NodeId, Rule, Violation,
};
use phalanx::time::Timestamp;

/// How many nodes there are; every node knows it.
const NODES: u32 = 5;
/// How long a grant is good.
const LEASE: Duration = Duration::from_secs(3);
/// How often a candidate asks.
const ROUND: Duration = Duration::from_millis(500);
const SEEDS: std::ops::RangeInclusive<u64> = 1..=100;

/// From when a leader counts its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CountFrom {
    /// From when the majority's answers are there: the bug.
    Answer,
    /// From when it asked: the fix.
    Question,
}

/// One node's part in the election.
struct Lease {
    count_from: CountFrom,
    /// The round of asking under way, when it began, and who has granted.
    round: u64,
    asked_at: Timestamp,
    grants: BTreeSet<MemberId>,
    /// To whom this node has granted, and until when.
    granted: Option<(MemberId, Timestamp)>,
    /// Until when this node is leader.
    leader_until: Timestamp,
}

impl Lease {
    fn new(count_from: CountFrom) -> Self {
        Self {
            count_from,
            round: 0,
            asked_at: Timestamp::ZERO,
            grants: BTreeSet::new(),
            granted: None,
            leader_until: Timestamp::ZERO,
        }
    }

    fn is_leader(&self, now: Timestamp) -> bool {
        now < self.leader_until
    }

    /// Asks everybody for a lease.
    fn ask(&mut self, context: &mut Context<'_>) {
        self.round += 1;
        self.asked_at = context.now();
        self.grants.clear();
        let me = context.id().clone();
        if self.grant(context.now(), &me) {
            self.grants.insert(me.clone());
        }
        let others: Vec<_> = context
            .members()
            .map(|member| member.id().clone())
            .filter(|id| *id != me)
            .collect();
        for other in others {
            context.send(&other, format!("ask {}", self.round));
        }
    }

    /// Grants the lease to one member at a time, and says whether to this one.
    fn grant(&mut self, now: Timestamp, to: &MemberId) -> bool {
        let is_free = match &self.granted {
            Some((holder, until)) => holder == to || *until <= now,
            None => true,
        };
        if is_free {
            self.granted = Some((to.clone(), now + LEASE));
        }
        is_free
    }

    /// A member has granted us the lease.
    fn take_grant(&mut self, context: &mut Context<'_>, from: &MemberId) {
        self.grants.insert(from.clone());
        if self.grants.len() <= NODES as usize / 2 {
            return;
        }
        let now = context.now();
        if !self.is_leader(now) {
            context.note("becomes leader");
        }
        self.leader_until = match self.count_from {
            CountFrom::Answer => now + LEASE,
            CountFrom::Question => self.asked_at + LEASE,
        };
    }
}

impl Application for Lease {
    fn on_start(&mut self, context: &mut Context<'_>) {
        context.set_timer(ROUND, 0);
    }

    fn on_timer(&mut self, context: &mut Context<'_>, _: u64) {
        context.set_timer(ROUND, 0);
        let alive = context
            .members()
            .filter(|member| member.state() == MemberState::Alive);
        if alive.map(|member| member.id()).min() == Some(context.id()) {
            self.ask(context);
        }
    }

    fn on_message(&mut self, context: &mut Context<'_>, from: &MemberId, message: &[u8]) {
        let text = String::from_utf8_lossy(message);
        match text.split_once(' ') {
            Some(("ask", round)) if self.grant(context.now(), from) => {
                context.send(from, format!("grant {round}"));
            }
            Some(("grant", round)) if round == self.round.to_string() => {
                self.take_grant(context, from);
            }
            _ => {}
        }
    }
}

/// One life of the cluster: it forms, elects, loses its leader to a pause or a partition for a while, and heals. When and for
/// how long depends on the seed.
fn live(count_from: CountFrom, seed: u64) -> (Network, Result<(), Violation>) {
    let options = NetworkOptions {
        link: Link {
            latency: Latency::between(Duration::from_millis(10), Duration::from_millis(40)),
            ..Link::LAN
        },
        ..NetworkOptions::default()
    };
    let mut network = Network::new(options, seed);
    let nodes = network.add_plain_nodes(NODES);
    for node in &nodes {
        network.install(*node, move || Lease::new(count_from));
    }
    network.check_after_every_step("at most one leader", at_most_one_leader);
    network.start_all();
    let lived = suffer(&mut network, &nodes, seed);
    (network, lived)
}

fn suffer(network: &mut Network, nodes: &[NodeId], seed: u64) -> Result<(), Violation> {
    let leader = nodes[0];
    network.run_for(Duration::from_millis(8_000 + 37 * seed))?;
    let trouble = Duration::from_millis(3_500 + 131 * (seed % 20));
    if seed.is_multiple_of(2) {
        network.pause(leader);
        network.run_for(trouble)?;
        network.resume(leader);
    } else {
        let cut = network.impose(Rule::partition(&[&nodes[..1], &nodes[1..]]));
        network.run_for(trouble)?;
        network.lift(cut);
    }
    network.run_for(Duration::from_secs(10))
}

/// What must hold after every step.
fn at_most_one_leader(network: &Network) -> Result<(), String> {
    let is_leader = |node: &NodeId| {
        let lease = network.application::<Lease>(*node);
        lease.is_some_and(|lease| lease.is_leader(network.time_at(*node)))
    };
    let leaders: Vec<_> = network.nodes().into_iter().filter(is_leader).collect();
    match leaders.as_slice() {
        [one, other, ..] => {
            let name = |node: &NodeId| network.transcript().name_of(*node).to_owned();
            Err(format!("{} and {}", name(one), name(other)))
        }
        _ => Ok(()),
    }
}

/// Tries every seed, and stops at the first that breaks the promise.
fn search(count_from: CountFrom) -> Option<Violation> {
    SEEDS.into_iter().find_map(|seed| {
        let (network, lived) = live(count_from, seed);
        let violation = lived.err()?;
        println!("{}", network.transcript());
        Some(violation)
    })
}

fn main() -> ExitCode {
    println!("With the bug:\n");
    let Some(violation) = search(CountFrom::Answer) else {
        eprintln!("the bug went unnoticed");
        return ExitCode::FAILURE;
    };
    println!("Found: {violation}");
    println!("Seed {} shows it again, every time.\n", violation.seed);

    if let Some(violation) = search(CountFrom::Question) {
        eprintln!("Not fixed: {violation}");
        return ExitCode::FAILURE;
    }
    println!("With the fix: {} seeds, never two leaders.", SEEDS.end());
    ExitCode::SUCCESS
}
