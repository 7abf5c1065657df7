//! Mixed traffic among members that are killed and started again, for as long as one likes: `docs/BENCHMARKS.md` says how to run it.
//!
//! Member 1 is this process, the survivor; the others are processes of their own. All send each other requests of many
//! lengths, one-way messages and streams. A member is killed with SIGKILL every other second. Whatever is begun must end, well or with a
//! typed error, when its time is over; no answer may be wrong; and when it is quiet again, the survivor must hold no
//! more files and no more memory than before.

mod level;
mod member;
mod traffic;

use std::env;
use std::time::Duration;

use phalanx::Node;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use tokio::time::Instant;

use self::level::Level;
use self::member::{MEMBERS, Others, REST};
use self::traffic::{Traffic, id};

/// For how long members are killed, in seconds.
const SECONDS: &str = "PHALANX_SOAK_SECONDS";
const SECONDS_DEFAULT: u64 = 60;
/// What decides who is killed and when, and what is sent.
const SEED: &str = "PHALANX_SOAK_SEED";

/// How long there is traffic before the first is killed, at least: what is allocated once, is allocated then.
const WARM_UP: Duration = Duration::from_secs(10);
/// How long it may take until all members are there again, or all is quiet.
const PATIENCE: Duration = Duration::from_secs(120);

#[ignore = "it takes a minute; see docs/BENCHMARKS.md"]
#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_begun_ends_while_members_are_killed() {
    let seconds = number(SECONDS).unwrap_or(SECONDS_DEFAULT);
    let seed = number(SEED).unwrap_or_else(|| crate::support::now().as_micros());
    println!("soak: {SECONDS}={seconds} {SEED}={seed}");
    let directory = tempfile::tempdir().unwrap();
    member::issue(directory.path());
    let survivor = member::start(1, directory.path(), None).await;
    let _handlers = member::handlers(&survivor);
    let mut rng = Pcg64::seed_from_u64(seed);
    let mut others = Others::start(directory.path(), survivor.addr(), rng.random());
    others.all_answer(&survivor).await;

    let traffic = Traffic::start(&survivor, 1, rng.random());
    let before = {
        tokio::time::sleep(WARM_UP.max(Duration::from_secs(seconds / 6))).await;
        rest(&survivor, &traffic, &mut others, true).await;
        Level::at_rest(&survivor).await
    };
    rest(&survivor, &traffic, &mut others, false).await;

    let until = Instant::now() + Duration::from_secs(seconds);
    let mut kills = 0;
    while Instant::now() < until {
        let pause = Duration::from_millis(rng.random_range(200..2_000));
        tokio::time::sleep(pause).await;
        for _ in 0..rng.random_range(1..=2) {
            others.kill_and_start(rng.random_range(2..=MEMBERS), rng.random());
            kills += 1;
        }
    }
    others.all_answer(&survivor).await;
    rest(&survivor, &traffic, &mut others, true).await;
    let after = before.wait_to_return_to(&survivor).await;
    let counts = traffic.stop().await;
    println!("soak: {kills} kills; {before} before, {after} after; {counts}");
    counts.check();
}

/// Tells everybody to begin nothing more, or to go on.
async fn rest(survivor: &Node, traffic: &Traffic, others: &mut Others<'_>, is_resting: bool) {
    traffic.rest(is_resting);
    let messenger = survivor.messenger();
    for number in 2..=MEMBERS {
        let told = async || {
            let rest = vec![u8::from(is_resting)];
            messenger.request(&id(number), REST, rest).await
        };
        others.until_done(number, told).await;
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is no number")),
    )
}
