//! What others have published, run again with our state machine: `cargo bench --bench papers -- WHAT`.
//!
//! | WHAT | |
//! |---|---|
//! | `laws [LARGEST]` | SWIM's laws, from 8 members up to a thousand or so many: detection, dissemination, load |
//! | `lifeguard [--full] [--at-once] [µs]` | Lifeguard's table: SWIM, each part alone, and all together |
//! | `lifeguard --trace [µs]` | how LHA-Probe alone comes to its first false positive at a healthy member |
//! | `race [MEMBERS]` | the same story simulated with us and with foca: a ratio of times |
//! | `scale [MEMBERS] [--tls]` | a thousand or so many join, are cut in halves and heal: time and memory |
//! | `swim` | the SWIM paper's table: load, detection, dissemination, false detections |
//!
//! Runs go to all processors, or to as many at a time as `PAPERS_JOBS` says. Plots go to `docs/plots/`. Seeds are fixed: the
//! figures come out the same every time, those that measure real time apart.

mod foca_loop;
mod laws;
mod lifeguard;
mod lifeguard_table;
mod parallel;
mod plot;
mod race;
mod scale;
mod swim;
mod swim_table;

use cap::Cap;
use mimalloc::MiMalloc;

/// The binary's, counted.
#[global_allocator]
static ALLOCATOR: Cap<MiMalloc> = Cap::new(MiMalloc, usize::MAX);

fn main() {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    let number = |or: u32| args.iter().find_map(|arg| arg.parse().ok()).unwrap_or(or);
    match args.first().map(String::as_str) {
        Some("laws") => laws::run(number(1_024)),
        Some("lifeguard") if has("--trace") => lifeguard_table::trace_probe(number(5).into()),
        Some("lifeguard") => {
            lifeguard_table::run(has("--full"), has("--at-once"), number(5).into())
        }
        Some("race") => race::run(number(128)),
        Some("scale") => scale::run(number(1_000), has("--tls")),
        Some("swim") => swim_table::run(),
        _ => println!("say what: laws, lifeguard, race, scale or swim"),
    }
}
