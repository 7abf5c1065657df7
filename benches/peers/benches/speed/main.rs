//! How fast messages and streams are beside bare connections, quinn and tonic:
//! `cargo bench --manifest-path benches/peers/Cargo.toml --bench speed -- NAME…`, with `--short` for a look at whether it works.
//!
//! Our side is two nodes and their public API; the peer's is the same sockets without Phalanx, or gRPC over them. Both sides
//! run in one process, on one runtime, over loopback, with the same certificates, the same cipher suite and the same lengths
//! of reads and writes. They take turns, round by round; `docs/BENCHMARKS.md` says what each line means.

mod bulk;
mod flood;
mod grpc;
mod mixed;
mod requests;

use peers::ratio::Ratio;
use peers::site::Site;
use peers::{Args, Failed};

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let args = Args::new();
    let site = Site::new()?;
    let mut ratios = Vec::new();
    ratios.extend(bulk::measure(&args, &site).await?);
    ratios.extend(requests::measure(&args, &site).await?);
    ratios.extend(mixed::measure(&args, &site).await?);
    ratios.extend(flood::measure(&args, &site).await?);
    println!("\nours divided by the peer's, {} rounds:", args.rounds());
    for ratio in &ratios {
        println!("{ratio}");
    }
    Ok(())
}

/// A measure is done; all are shown again at the end.
fn done(ratio: Ratio) -> Ratio {
    println!("{ratio}");
    ratio
}
