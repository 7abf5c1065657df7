//! A join rehearsed without joining: what `phalanx doctor` does before a node runs.
//!
//! Everything is as when the node starts: the same files are loaded, the same port is bound, the same names are looked up,
//! and every address is dialled with the node's own credentials. Only in place of its request to join the node sends one to
//! judge a join; see [`Admission::rehearse`](crate::admission::Admission::rehearse). It has no view and no keys, and lets nobody in.
//!
//! | module | owns |
//! |---|---|
//! | `report` | what is told |
//! | `round` | one rehearsal at several addresses at once |
//! | `skew` | clocks that differ |

mod report;
mod round;
mod skew;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

pub use report::{Attempt, ContactReport, Failure, JoinReport, Outcome, OwnCertificate, Step};
pub use skew::Skew;

use super::advertise;
use super::clock;
use super::error::StartError;
use super::options::NodeConfig;
use super::start::{Ground, prepare};
use crate::admission::RETRIES_MAX;
use crate::member::Generation;
use crate::seal::Seed;
use crate::trust::Trust;
use round::{Answers, Door, Round};

/// How long connecting and a handshake may take each, at most: a doctor is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Rehearses the joins of a node through all its contact points.
///
/// # Errors
///
/// [`StartError`] for what would keep the node from starting.
pub async fn rehearse_joins(mut config: NodeConfig) -> Result<JoinReport, StartError> {
    config.handshake_timeout = config.handshake_timeout.min(PATIENCE);
    let points = config.contact_points.clone();
    let ground = prepare(config).await?;
    let mut contacts = Vec::new();
    let mut names = BTreeMap::<SocketAddr, Vec<String>>::new();
    for contact in points {
        let addrs = advertise::resolve(&contact.host, contact.port).await;
        for addr in addrs.iter().flatten() {
            names.entry(*addr).or_default().push(contact.host.clone());
        }
        contacts.push((contact, addrs));
    }
    let certificate = ground.trust.as_ref().map(own_certificate);
    let (id, bound) = (ground.options.local.id.clone(), ground.bound);
    let (advertised, udp) = (ground.options.local.advertised, ground.udp.is_some());
    let answers = rehearse_at(ground, names, certificate.as_ref()).await?;
    let attempts = |addrs: Vec<SocketAddr>| {
        let answered = addrs.iter().filter_map(|addr| answers.get(addr));
        answered.cloned().collect()
    };
    Ok(JoinReport {
        id,
        bound,
        advertised,
        udp,
        contacts: contacts
            .into_iter()
            .map(|(contact, addrs)| ContactReport {
                contact,
                attempts: addrs.map(attempts),
            })
            .collect(),
        certificate,
    })
}

/// Rehearses at all addresses at once; again, under the generation asked for, where that is too low.
async fn rehearse_at(
    ground: Ground,
    names: BTreeMap<SocketAddr, Vec<String>>,
    certificate: Option<&OwnCertificate>,
) -> Result<BTreeMap<SocketAddr, Attempt>, StartError> {
    let Ground {
        clock,
        trust,
        mut seed,
        listener,
        udp,
        dialling,
        options,
        ..
    } = ground;
    let mut door = Door::open(clock, trust, listener, dialling);
    let mut generation = Generation::new(clock.now().as_millis());
    let mut todo = names;
    let mut answers = BTreeMap::new();
    for _ in 0..=RETRIES_MAX {
        let round = Round::new(&mut door, (options.clone(), generation, seed), certificate);
        let Answers { attempts, retry } = round.run(&todo).await;
        answers.extend(attempts);
        todo.retain(|addr, _| retry.contains_key(addr));
        let Some(min) = retry.into_values().max() else {
            break;
        };
        generation = generation.max(min);
        seed = Seed::new(clock::entropy().map_err(StartError::Entropy)?);
    }
    door.close().await;
    drop(udp);
    Ok(answers)
}

fn own_certificate(trust: &Trust) -> OwnCertificate {
    OwnCertificate {
        subject: trust.subject(),
        not_before: trust.not_before(),
        not_after: trust.not_after(),
    }
}
