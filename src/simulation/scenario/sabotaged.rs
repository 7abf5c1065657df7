//! Every shipped scenario is seen to fail once what handles its story is broken, and to pass with the same seed otherwise.
//!
//! Those that take long are ignored here; `cargo test --release --lib sabotaged -- --ignored` runs them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Cost, Loaded, SimRunner, run};
use crate::sabotage::Sabotage;

/// How many seeds a broken core may get away with before one fails.
const SEEDS: u64 = 20;

/// What breaks the story of each scenario.
const TABLE: &[(&str, Sabotage)] = {
    use Sabotage as S;
    &[
        ("admission/address-taken-over", S::SuspicionNeverExpires),
        ("admission/certificate-expires-mid-run", S::DatesIgnored),
        ("admission/certificate-of-tomorrow", S::DatesIgnored),
        ("admission/expired-certificate", S::DatesIgnored),
        ("admission/moves-to-another-address", S::LaterLivesIgnored),
        ("admission/one-sided-trust", S::IssuersIgnored),
        ("admission/plaintext-cluster-refuses-tls", S::TlsDropped),
        ("admission/tls-cluster-refuses-plaintext", S::TlsDropped),
        ("admission/two-authorities", S::OtherAuthoritiesIgnored),
        ("admission/two-clusters-side-by-side", S::ClusterNameIgnored),
        ("admission/unknown-authority", S::IssuersIgnored),
        ("admission/wrong-cluster-id", S::ClusterIdIgnored),
        ("admission/wrong-cluster-name", S::ClusterNameIgnored),
        ("basics/bootstrap-100", S::NewsKept),
        ("basics/bootstrap-1000-mass-join", S::NewsKept),
        ("basics/bootstrap-3", S::NewsKept),
        ("basics/contact-point-starts-last", S::ContactsForgotten),
        ("basics/crash-10-of-100", S::FailedProbesIgnored),
        (
            "basics/crash-restart-before-suspicion",
            S::LaterLivesIgnored,
        ),
        ("basics/gateways-among-brokers", S::FarewellUnsaid),
        ("basics/graceful-leave", S::FarewellUnsaid),
        ("basics/host-vanishes", S::FailedProbesIgnored),
        ("basics/joins-one-by-one", S::NewsKept),
        ("basics/metadata-spreads", S::MetadataUnasked),
        ("basics/restart-after-long-life", S::LaterLivesIgnored),
        ("basics/restart-with-other-settings", S::SettingsKept),
        ("basics/rolling-restart", S::LaterLivesIgnored),
        ("basics/single-crash", S::SuspicionNeverExpires),
        ("basics/steady-state", S::RetransmitLimitIgnored),
        ("basics/whole-cluster-restart", S::ContactsForgotten),
        ("chaos/chaos-50", S::RefutationDropped),
        ("chaos/chaos-small", S::StaleRecordsAccepted),
        ("chaos/churn-30pct-per-minute", S::LaterLivesIgnored),
        ("clocks/restart-with-clock-behind", S::LaterLivesIgnored),
        ("clocks/suspended-machine", S::RefutationDropped),
        ("clocks/wall-clock-jump", S::WallClockBelieved),
        ("hostility/noise-from-outside", S::StrangersAnswered),
        ("hostility/replayed-datagrams", S::ReplaysAccepted),
        ("hostility/tampered-datagrams", S::GarbageBelieved),
        ("links/bandwidth-starved", S::RetransmitLimitIgnored),
        ("links/burst-loss", S::RefutationDropped),
        ("links/egress-loss-80pct", S::RefutationDropped),
        ("links/jam", S::RefutationDropped),
        ("links/mtu-hole", S::IndirectProbesSkipped),
        ("links/no-datagrams-at-all", S::FailedProbesIgnored),
        ("links/one-way-in-loss", S::RefutationDropped),
        ("links/one-way-pair-with-helpers", S::RelaysNotAsked),
        ("links/reorder-duplicate-storm", S::LaterLivesIgnored),
        ("links/tcp-blocked-udp-open", S::AcksIgnored),
        ("links/udp-blocked-tcp-open", S::FallbackSkipped),
        ("links/uniform-loss-10pct", S::RefutationDropped),
        ("links/wan-two-zones", S::SuspicionNeverExpires),
        ("partitions/born-apart", S::NobodyRedialled),
        ("partitions/bridge-node", S::RefutationDropped),
        ("partitions/contact-points-cut-off", S::NobodyRedialled),
        ("partitions/crash-during-partition", S::StaleRecordsAccepted),
        ("partitions/everyone-alone", S::NobodyRedialled),
        ("partitions/flapping-partition", S::RefutationDropped),
        ("partitions/isolate-one-long", S::NobodyRedialled),
        ("partitions/join-during-partition", S::NobodyRedialled),
        ("partitions/leave-during-partition", S::LeftTreatedAsDead),
        ("partitions/majorities-ring", S::GossipDropped),
        ("partitions/moving-partition", S::RefutationDropped),
        ("partitions/partition-beyond-tombstone", S::NobodyRedialled),
        ("partitions/partition-halves", S::SuspicionNeverExpires),
        ("partitions/partition-minority", S::NobodyRedialled),
        ("partitions/partition-thirds", S::NobodyRedialled),
        ("partitions/restart-during-partition", S::LaterLivesIgnored),
        ("real/parted-stopped-and-vanished", S::NobodyRedialled),
        ("rotation/authority-in-place", S::ReloadsIgnored),
        ("rotation/certificate-before-trust", S::ReloadsIgnored),
        ("rotation/certificate-first-by-restart", S::IssuersIgnored),
        ("rotation/certificates-renewed-in-time", S::ReloadsIgnored),
        ("rotation/gossip-key", S::KeysIgnored),
        ("rotation/gossip-keys-of-two-halves", S::KeysIgnored),
        (
            "rotation/old-authority-dropped-too-early",
            S::ReloadsIgnored,
        ),
        (
            "rotation/trust-first-by-restarts",
            S::OtherAuthoritiesIgnored,
        ),
        ("slowness/cpu-starved", S::ProbesUnstretched),
        ("slowness/lifeguard-interval", S::RefutationDropped),
        ("slowness/lifeguard-threshold", S::RefutationDropped),
        ("slowness/pause-everybody", S::AcksIgnored),
        ("slowness/pause-one-long", S::RefutationDropped),
        ("slowness/pause-quarter", S::RefutationDropped),
        ("slowness/pause-while-in-doubt", S::LateWakeIgnored),
    ]
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("simulations")
}

/// What is wrong with each scenario of a directory and of this cost that fails for no seed when its row says so, or fails with
/// that seed anyway.
fn surprises(directory: &str, cost: Cost) -> Vec<String> {
    let prefix = format!("{directory}/");
    let rows = TABLE.iter().filter(|(file, _)| file.starts_with(&prefix));
    rows.filter_map(|(file, sabotage)| {
        let loaded = Loaded::load(&root().join(format!("{file}.yaml"))).unwrap();
        let is_asked = loaded.scenario.cost == cost;
        is_asked.then(|| surprise(&loaded, *sabotage)).flatten()
    })
    .collect()
}

fn surprise(loaded: &Loaded, sabotage: Sabotage) -> Option<String> {
    let name = &loaded.scenario.name;
    let broken = (1..=SEEDS).find_map(|seed| {
        let case = loaded.case(seed);
        run(&case, &mut SimRunner::sabotaged(&case, sabotage)).failure
    });
    let Some(broken) = broken else {
        return Some(format!("{name} passes with {sabotage:?}"));
    };
    println!("{name}, {sabotage:?}: {broken}");
    let case = loaded.case(broken.seed);
    let whole = run(&case, &mut SimRunner::new(&case)).failure;
    whole.map(|failure| format!("{name} fails without sabotage: {failure}"))
}

macro_rules! directories {
    ($($(#[$attribute:meta])* $test:ident: $directory:literal, $cost:ident;)+) => { $(
        #[test]
        $(#[$attribute])*
        fn $test() {
            assert_eq!(surprises($directory, Cost::$cost), Vec::<String>::new());
        }
    )+ };
}

directories! {
    scenarios_of_admission_fail: "admission", Quick;
    scenarios_of_basics_fail: "basics", Quick;
    scenarios_of_chaos_fail: "chaos", Quick;
    scenarios_of_clocks_fail: "clocks", Quick;
    scenarios_of_hostility_fail: "hostility", Quick;
    scenarios_of_links_fail: "links", Quick;
    scenarios_of_partitions_fail: "partitions", Quick;
    scenarios_for_real_processes_fail: "real", Quick;
    scenarios_of_rotation_fail: "rotation", Quick;
    scenarios_of_slowness_fail: "slowness", Quick;
    #[ignore = "takes minutes without --release"]
    large_scenarios_of_basics_fail: "basics", Large;
    #[ignore = "takes minutes without --release"]
    large_scenarios_of_chaos_fail: "chaos", Large;
    #[ignore = "takes minutes without --release"]
    large_scenarios_of_partitions_fail: "partitions", Large;
    #[ignore = "takes minutes without --release"]
    large_scenarios_of_slowness_fail: "slowness", Large;
}

#[test]
fn every_scenario_has_a_row() {
    let rows: BTreeSet<String> = TABLE.iter().map(|(file, _)| (*file).to_owned()).collect();
    assert_eq!(rows.len(), TABLE.len(), "a scenario has two rows");
    let mut shipped = BTreeSet::new();
    for directory in fs::read_dir(root()).unwrap().map(Result::unwrap) {
        if !directory.path().is_dir() {
            continue;
        }
        for file in fs::read_dir(directory.path()).unwrap().map(Result::unwrap) {
            let directory = directory.file_name();
            let stem = file.path().with_extension("");
            let name = stem.file_name().unwrap().to_str().unwrap();
            shipped.insert(format!("{}/{name}", directory.to_str().unwrap()));
        }
    }
    assert_eq!(rows, shipped);
}
