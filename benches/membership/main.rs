//! What one input costs, beside foca 2 in the same run: `cargo bench --bench membership`.
//!
//! Only the core is measured, no sockets: on our side `Membership::handle_datagram` and `handle_timeout` with plaintext
//! datagrams, drained after each call; on foca's side `Foca::handle_data` and `gossip` with its postcard codec. Both know the
//! same number of members, take datagrams of at most 1,400 bytes with the same number of updates, gossip to two members a
//! tick, and get the very same sequence of members to hear of. Rounds alternate; a line says
//!
//! ```text
//! ratio NAME MEDIAN [P10 P90]     foca's time divided by ours, round by round: above 1, ours is faster
//! ```

mod ours;
mod rounds;
mod theirs;
mod workload;

use std::alloc::System;
use std::time::Duration;

use cap::Cap;

use ours::Ours;
use rounds::{Comparison, time};
use theirs::Theirs;
use workload::{BATCH, DATAGRAM_LEN_MAX, Workload};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

const SIZES: [usize; 3] = [100, 1_000, 10_000];

fn main() {
    let updates = ours::updates_that_fit();
    println!("{updates} updates a datagram");
    let comparisons: Vec<_> = SIZES
        .into_iter()
        .flat_map(|members| compare(members, updates))
        .collect();
    let known = |size: usize| &comparisons[4 * size];
    let growth = known(2).our_median().as_secs_f64() / known(0).our_median().as_secs_f64();
    println!("growth known-updates from 100 to 10000 members: {growth:.2}");
    ours::print_tag();
    for members in SIZES {
        print_memory(members);
    }
    for comparison in &comparisons {
        println!("{}", comparison.ratio());
    }
}

/// All comparisons at one size.
fn compare(members: usize, updates: usize) -> [Comparison; 4] {
    let workload = Workload::new(members, updates);
    let (mut ours, mut theirs) = (Ours::new(members), Theirs::new(members));
    assert_eq!((ours.members(), theirs.members()), (members, members));
    let compared = [
        known_updates(&workload, &mut ours, &mut theirs),
        ping(&workload, &mut ours, &mut theirs),
        news(&workload, &mut ours, &mut theirs),
        gossip_tick(&workload, &mut ours, &mut theirs),
    ];
    for comparison in &compared {
        println!("{comparison}");
    }
    compared
}

/// A full datagram that says what is known already.
fn known_updates(workload: &Workload, ours: &mut Ours, theirs: &mut Theirs) -> Comparison {
    let our_data: Vec<_> = workload
        .about
        .iter()
        .map(|about| ours::gossip(about, 0))
        .collect();
    let their_data: Vec<_> = workload
        .about
        .iter()
        .map(|about| theirs::gossip(about, 0))
        .collect();
    let (our_len, their_len) = (our_data[0].len(), their_data[0].len());
    assert!(
        our_len.max(their_len) <= DATAGRAM_LEN_MAX,
        "{our_len} and {their_len} bytes"
    );
    println!(
        "     {} members: datagrams of {our_len} and {their_len} bytes",
        workload.members
    );
    Comparison::run(
        format!("known-updates-{}", workload.members),
        &mut || time(8 * BATCH, |number| ours.take_in(&our_data[number % BATCH])),
        &mut || {
            time(8 * BATCH, |number| {
                theirs.take_in(&their_data[number % BATCH])
            })
        },
    )
}

/// A ping without updates, and its answer.
fn ping(workload: &Workload, ours: &mut Ours, theirs: &mut Theirs) -> Comparison {
    ours.drain_backlog();
    theirs.drain_backlog();
    ours.take_in(&ours::ping(0));
    let view = ours::view_in(&ours.take_sent()[0].1);
    let (our_ping, their_ping) = (ours::ping(view), theirs::ping());
    theirs.take_sent();
    let count = 64 * BATCH;
    Comparison::run(
        format!("ping-{}", workload.members),
        &mut || {
            let taken = time(count, |_| ours.take_in(&our_ping));
            assert_eq!(ours.take_sent().len(), count);
            taken
        },
        &mut || {
            let taken = time(count, |_| theirs.take_in(&their_ping));
            assert_eq!(theirs.take_sent(), count);
            taken
        },
    )
}

/// A full datagram of which every update is news.
fn news(workload: &Workload, ours: &mut Ours, theirs: &mut Theirs) -> Comparison {
    let (mut our_news, mut their_news) = (workload.news(1), workload.news(1));
    Comparison::run(
        format!("news-{}", workload.members),
        &mut || {
            let batch: Vec<_> = our_news.by_ref().take(BATCH).collect();
            let data: Vec<_> = batch
                .iter()
                .map(|(about, newer)| ours::gossip(about, (*newer).into()))
                .collect();
            time(data.len(), |number| ours.take_in(&data[number]))
        },
        &mut || {
            let batch = their_news.by_ref().take(BATCH);
            let data: Vec<_> = batch
                .map(|(about, newer)| theirs::gossip(about, newer))
                .collect();
            time(data.len(), |number| theirs.take_in(&data[number]))
        },
    )
}

/// One gossip tick: a full datagram to each of two members. Before every few ticks a datagram of news comes in, and what was
/// left of the one before has been sent: both sides then have the same to say.
fn gossip_tick(workload: &Workload, ours: &mut Ours, theirs: &mut Theirs) -> Comparison {
    let (mut our_news, mut their_news) = (workload.news(LATER), workload.news(LATER));
    Comparison::run(
        format!("gossip-tick-{}", workload.members),
        &mut || {
            let ticks = our_news.by_ref().take(BATCH).map(|(about, newer)| {
                ours.drain_backlog();
                ours.take_in(&ours::gossip(about, newer.into()));
                ours.time_gossip_ticks(TICKS)
            });
            mean(ticks)
        },
        &mut || {
            let ticks = their_news.by_ref().take(BATCH).map(|(about, newer)| {
                theirs.drain_backlog();
                theirs.take_in(&theirs::gossip(about, newer));
                theirs.take_sent();
                let taken = mean((0..TICKS).map(|_| time(1, |_| theirs.gossip())));
                assert_eq!(theirs.take_sent(), TICKS * Workload::FAN_OUT);
                taken
            });
            mean(ticks)
        },
    )
}

fn mean(times: impl Iterator<Item = Duration>) -> Duration {
    let times: Vec<_> = times.collect();
    times.iter().sum::<Duration>() / u32::try_from(times.len()).expect("few times")
}

/// Bytes held for each member known.
fn print_memory(members: usize) {
    let before = ALLOCATOR.allocated();
    let ours = Ours::new(members);
    let with_ours = ALLOCATOR.allocated();
    let theirs = Theirs::new(members);
    let with_theirs = ALLOCATOR.allocated();
    let (our_bytes, their_bytes) = (with_ours - before, with_theirs - with_ours);
    println!(
        "memory {members} members: ours {} bytes each, foca {}",
        our_bytes / members,
        their_bytes / members
    );
    drop((ours, theirs));
}

/// How many ticks are measured after each datagram of news: fewer than an update is told on.
const TICKS: usize = 3;
/// An incarnation above all that the comparison before used.
const LATER: u16 = 8_192;
