//! Three processes over TLS, clients that write and read, and leaders that are killed: no acknowledged write is lost, and the
//! clients' history is linearizable.

#![expect(clippy::unwrap_used, reason = "what a test needs to go well")]

mod client;
mod cluster;
mod history;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use client::{Client, Record, moment, work};
use cluster::{Cluster, until};
use history::{Call, What, judge};

/// How often a leader is killed.
const KILLS: usize = 4;
const CLIENTS: u64 = 6;
/// How many answers there are before a leader is killed, and again before it comes back.
const ANSWERS: usize = 150;
const SEED: u64 = 1;

#[tokio::test(flavor = "multi_thread")]
async fn killed_leaders_lose_no_acknowledged_write_and_all_is_linearizable() {
    let mut cluster = Cluster::new(4);
    (0..3).for_each(|id| cluster.start(id));
    cluster.settled("0,1,2").await;

    println!("seed {SEED}");
    let (start, record) = (Instant::now(), Arc::new(Record::default()));
    let three = cluster.client_ports()[..3].to_vec();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|id| tokio::spawn(work(id, SEED, three.clone(), start, Arc::clone(&record))))
        .collect();
    let answers = async |what| {
        let enough = record.answered() + ANSWERS;
        until(what, || record.answered() >= enough).await;
    };
    for round in 0..KILLS {
        answers("answers before the leader is killed").await;
        let leader = cluster.settled("0,1,2").await;
        cluster.kill(leader).await;
        println!("{:?}: leader {leader} is killed", start.elapsed());
        // Every other time it comes back at once: openraft has it lead on then, if nobody else has begun to.
        if round % 2 == 0 {
            answers("answers without it").await;
        }
        println!("{:?}: it comes back", start.elapsed());
        cluster.start(leader);
    }

    // A fourth is given what there is, votes, and says goodbye.
    cluster.settled("0,1,2").await;
    cluster.start(3);
    cluster.settled("0,1,2,3").await;
    cluster.dismiss(3).await;
    cluster.settled("0,1,2").await;
    answers("answers of the three again").await;
    record.is_over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }

    // What was acknowledged is on the disks.
    for id in 0..3 {
        cluster.kill(id).await;
    }
    (0..3).for_each(|id| cluster.start(id));
    cluster.settled("0,1,2").await;
    read_everything(three, start, &record).await;

    let history = record.calls();
    let lost = lost(&history);
    assert!(lost.is_empty(), "lost: {lost:?}\n{}", cluster.logs());
    let judged = judge(&history);
    let (keys, calls) = judged.unwrap_or_else(|why| panic!("{why}\n{}", cluster.logs()));
    let unknown = history.iter().filter(|call| call.ended.is_none()).count();
    println!(
        "{calls} calls on {keys} keys, {unknown} of unknown fate, {KILLS} leaders killed: linearizable"
    );

    judge(&with_a_stale_read(history))
        .expect_err("the judge sees a stale read in this very history");
}

async fn read_everything(ports: Vec<u16>, start: Instant, record: &Record) {
    let mut client = Client::new(ports);
    let keys: BTreeSet<_> = record.calls().into_iter().map(|call| call.key).collect();
    for key in keys {
        let begun = moment(start);
        let what = What::Read(client.read(&key).await);
        let ended = Some(moment(start));
        record.add(Call {
            key,
            what,
            begun,
            ended,
        });
    }
}

/// Acknowledged writes to keys that are written once, which are not there at the end.
fn lost(history: &[Call]) -> Vec<&Call> {
    let at_the_end: BTreeMap<_, _> = history.iter().map(|call| (&call.key, &call.what)).collect();
    history
        .iter()
        .filter(|call| call.key.starts_with("own") && call.ended.is_some())
        .filter(|call| match &call.what {
            What::Wrote(value) => at_the_end[&call.key] != &What::Read(Some(value.clone())),
            What::Read(_) => false,
        })
        .collect()
}

/// The same, and at its end a read of the oldest value that a shared key ever had.
fn with_a_stale_read(mut history: Vec<Call>) -> Vec<Call> {
    let oldest = history
        .iter()
        .find(|call| {
            call.key == "shared-0" && call.ended.is_some() && matches!(call.what, What::Wrote(_))
        })
        .expect("it was written");
    let What::Wrote(value) = &oldest.what else {
        unreachable!("just looked for");
    };
    let end = history
        .iter()
        .filter_map(|call| call.ended)
        .max()
        .expect("there are answers");
    let stale = Call {
        what: What::Read(Some(value.clone())),
        begun: end + 1,
        ended: Some(end + 2),
        ..oldest.clone()
    };
    history.push(stale);
    history
}
