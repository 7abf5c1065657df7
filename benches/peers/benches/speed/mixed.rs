//! Small requests while a stream of many bytes goes over the same connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use peers::ratio::{Goal, Ratio, Unit, percentile};
use peers::site::{Site, Way};
use peers::{Args, Failed};

use crate::{bulk, done, requests};

/// How many requests are asked in a round, of how many bytes.
const COUNT: usize = 1_000;
const LEN: usize = 128;
/// How much is copied at a time, for as long as the requests take.
const COPIED_LEN: usize = 64 << 20;

pub(crate) async fn measure(args: &Args, site: &Site) -> Result<Vec<Ratio>, Failed> {
    let mut ratios = Vec::new();
    for way in [Way::Plain, Way::Tls, Way::Quic] {
        let name = format!("mixed-{}", way.name());
        if args.wants(&name) {
            let ratio = Ratio::new(name, "p99 without bulk", Unit::Seconds, Goal::None);
            ratios.push(with_and_without(args, site, way, ratio).await?);
        }
    }
    Ok(ratios)
}

async fn with_and_without(
    args: &Args,
    site: &Site,
    way: Way,
    mut ratio: Ratio,
) -> Result<Ratio, Failed> {
    let asked = requests::Ours::start(site, way).await?;
    let copied = bulk::Ours::between(asked.nodes.clone());
    let copied = Arc::new(copied);
    for round in 0..=args.rounds() {
        let with = asked_beside(&asked, &copied).await?;
        let without = percentile(asked.ask_alone(COUNT, LEN).await?.into_iter(), 99);
        if round > 0 {
            ratio.add(with, without);
        }
    }
    Ok(done(ratio))
}

/// The 99th percentile while there is always a stream under way.
async fn asked_beside(asked: &requests::Ours, copied: &Arc<bulk::Ours>) -> Result<f64, Failed> {
    let is_over = Arc::new(AtomicBool::new(false));
    let copying = {
        let (copied, is_over) = (Arc::clone(copied), Arc::clone(&is_over));
        tokio::spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                copied.copy(COPIED_LEN).await?;
            }
            Ok::<_, Failed>(())
        })
    };
    let times = asked.ask_alone(COUNT, LEN).await?;
    is_over.store(true, Ordering::Relaxed);
    copying.await??;
    Ok(percentile(times.into_iter(), 99))
}
