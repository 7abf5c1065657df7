//! The SWIM paper's table: `cargo bench --bench papers -- swim`.

use std::time::Duration;

use super::parallel;
use super::swim::{
    Crash, PERIOD, crashes, expected_false_detections, false_detections, group_under_loss, load,
    suspicion_periods,
};

/// The sizes of the paper's groups.
const SIZES: [u32; 7] = [8, 16, 24, 32, 40, 48, 56];

pub(crate) fn run() {
    println!(
        "| members | messages sent a member and period | first failed probe, periods | news at half, at all, periods | suspicion, periods |"
    );
    println!("|---|---|---|---|---|");
    let mut all = Vec::new();
    for members in SIZES {
        let load = load(members, 200);
        let seeds: Vec<u64> = (1..=u64::from(2_800 / (members * 3))).collect();
        let crashes = parallel::map(&seeds, |seed| crashes(members, *seed)).concat();
        let [half, whole] = [|crash: &Crash| crash.half, |crash: &Crash| crash.all]
            .map(|of| median(crashes.iter().map(of).collect()));
        let lasted = crashes.iter().map(|crash| periods(crash.suspicion));
        let (least, most) = lasted.fold((f64::MAX, 0.0_f64), |(least, most), one| {
            (least.min(one), most.max(one))
        });
        println!(
            "| {members} | {load:.3} | {:.2} of {} | {half:.1}, {whole:.1} | {least:.2} to {most:.2}; paper {} |",
            mean(&crashes),
            crashes.len(),
            suspicion_periods(members)
        );
        all.extend(crashes);
    }
    println!(
        "mean period of the first failed probe over {} crashes: {:.3}, paper e / (e - 1) = 1.582",
        all.len(),
        mean(&all)
    );
    println!("| loss | relays | failed probes | paper |");
    println!("|---|---|---|---|");
    let rows: Vec<_> = [1, 3]
        .into_iter()
        .flat_map(|relays| [1, 5, 10].map(|loss| (loss, relays)))
        .collect();
    let failed = parallel::map(&rows, |(loss, relays)| {
        false_detections(*loss, *relays, 4_000)
    });
    for ((loss, relays), failed) in rows.into_iter().zip(failed) {
        let expected = expected_false_detections(loss, relays);
        println!(
            "| {loss} % | {relays} | {:.5} % | {:.5} % |",
            100.0 * failed,
            100.0 * expected
        );
    }
    for (name, suspicion) in [
        ("with", PERIOD * suspicion_periods(17)),
        ("without", Duration::from_millis(1)),
    ] {
        let seeds: Vec<u64> = (1..=9).collect();
        let mut sizes = parallel::map(&seeds, |seed| group_under_loss(suspicion, *seed));
        sizes.sort_unstable();
        println!("17 join at 10 % loss, {name} suspicion: members after 175 s {sizes:?}");
    }
}

pub(crate) fn mean(crashes: &[Crash]) -> f64 {
    let sum: u32 = crashes.iter().map(|crash| crash.period).sum();
    f64::from(sum) / crashes.len() as f64
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times
        .get(times.len() / 2)
        .map_or(0.0, |time| periods(*time))
}

fn periods(time: Duration) -> f64 {
    time.as_secs_f64() / PERIOD.as_secs_f64()
}
