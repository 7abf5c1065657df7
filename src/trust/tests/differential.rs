//! Our verifier against stock webpki, over thousands of generated chains: the verdicts are equal, but for the departures that
//! `docs/SECURITY.md` lists.
//!
//! A departure is no excuse for whatever it touches. Each knows how to mend a chain of what it is about; a verdict that
//! differs is explained by departures only if both verifiers accept the mended chain. Of those that are not explained the
//! first is shrunk, and printed with its seed.

mod departures;
mod plan;

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand_pcg::Pcg64;
use rustls::pki_types::UnixTime;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use self::departures::{DEPARTURES, Departure, Direction};
use self::plan::{Built, Keys, Plan};
use super::super::identity::Claim;
use super::super::truststore::Truststore;
use super::super::{AnchorOrigin, signature, verify};
use super::*;

/// Another seed is another few thousand chains: `PHALANX_CHAINS_SEED=7 cargo test chains_are_judged`.
const SEED: u64 = 20_260_101;
const CHAINS: usize = 4_000;

/// Ours and webpki's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Verdicts {
    ours: bool,
    webpki: bool,
}

#[test]
fn generated_chains_are_judged_as_by_webpki_but_for_the_documented_departures() {
    let seed = std::env::var("PHALANX_CHAINS_SEED").map_or(SEED, |seed| seed.parse().unwrap());
    println!("seed {seed}");
    let keys = Keys::new();
    let mut rng = Pcg64::seed_from_u64(seed);
    let mut tally: BTreeMap<Verdicts, usize> = BTreeMap::new();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for number in 0..CHAINS {
        let plan = Plan::draw(&mut rng);
        let verdicts = judge(&plan.build(&keys), plan.role);
        *tally.entry(verdicts).or_default() += 1;
        let Some(direction) = Direction::of(verdicts) else {
            continue;
        };
        match explanation(&plan, direction, &keys) {
            Some(departures) => {
                for departure in departures {
                    *seen.entry(departure.name).or_default() += 1;
                }
            }
            None => {
                let plan = shrink(plan, &keys);
                let ours = ours(&plan.build(&keys), plan.role);
                panic!(
                    "seed {seed}, chain {number}: {verdicts:?}, which no departure explains; \
                     ours says {ours:?} of {plan:#?}"
                );
            }
        }
    }
    println!("{tally:?}\n{seen:#?}");
    if seed == SEED {
        let unseen = |departure: &&Departure| !seen.contains_key(departure.name);
        assert_eq!(DEPARTURES.iter().find(unseen), None, "no chain shows it");
    }
    for verdict in [true, false] {
        let both = Verdicts {
            ours: verdict,
            webpki: verdict,
        };
        assert!(
            tally[&both] >= CHAINS / 8,
            "{tally:?}: the chains are too much alike"
        );
    }
}

/// The departures that account for a difference, if they do: without what they are about both verifiers accept the chain.
fn explanation(plan: &Plan, direction: Direction, keys: &Keys) -> Option<Vec<&'static Departure>> {
    let of_direction = |departure: &&Departure| departure.direction == direction;
    let (mut mended, mut used) = (plan.clone(), Vec::new());
    for departure in DEPARTURES.iter().filter(of_direction) {
        let before = mended.clone();
        (departure.mend)(&mut mended);
        if mended != before {
            used.push(departure);
        }
    }
    let verdicts = judge(&mended.build(keys), mended.role);
    (verdicts.ours && verdicts.webpki && !used.is_empty()).then_some(used)
}

/// Takes away all that is peculiar about a chain and not needed for the difference.
fn shrink(mut plan: Plan, keys: &Keys) -> Plan {
    loop {
        let differs = |simpler: &Plan| {
            let verdicts = judge(&simpler.build(keys), simpler.role);
            Direction::of(verdicts)
                .is_some_and(|direction| explanation(simpler, direction, keys).is_none())
        };
        match plan.simpler().into_iter().find(differs) {
            Some(simpler) => plan = simpler,
            None => return plan,
        }
    }
}

fn judge(built: &Built, role: PeerRole) -> Verdicts {
    Verdicts {
        ours: ours(built, role).is_ok(),
        webpki: is_accepted_by_webpki(built, role),
    }
}

fn ours(built: &Built, role: PeerRole) -> Result<(), VerifyError> {
    let mut truststore = Truststore::new(IdentityRules::default(), Vec::new());
    let anchors = built.listed.iter().map(|der| Certificate::from_der(der));
    truststore.add(anchors.flatten(), AnchorOrigin::ChainFile);
    verify::verify(&truststore, &built.sent, role, &Claim::default(), NOW).map(|_| ())
}

fn is_accepted_by_webpki(built: &Built, role: PeerRole) -> bool {
    let Ok(leaf) = EndEntityCert::try_from(&built.sent[0]) else {
        return false;
    };
    let anchors = built.listed.iter().map(anchor_from_trusted_cert);
    let anchors: Vec<_> = anchors.flatten().collect();
    let usage = match role {
        PeerRole::Client => KeyUsage::client_auth(),
        PeerRole::Server => KeyUsage::server_auth(),
    };
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(NOW.as_secs()));
    let (algorithms, others) = (signature::algorithms().all, &built.sent[1..]);
    leaf.verify_for_usage(algorithms, &anchors, others, now, usage, None, None)
        .is_ok()
}
