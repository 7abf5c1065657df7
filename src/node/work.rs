//! What takes time: accepting, dialling, resolving, signing, verifying. Each is a task that reports one [`Outcome`].

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinSet, spawn_blocking};

use super::advertise;
use super::clock::wall_clock;
use super::examination::{self, Rehearsed};
use super::log::Chain;
use super::quic::Quic;
use super::reload::{self, ReloadError};
use crate::admission::{LinkId, VerificationId};
use crate::membership::{ChainId, ContactPoint, JudgedChain, Over};
use crate::transport::door::{self, Secured, Target};
use crate::transport::introduction::{self, Rejected};
use crate::transport::messages::Closed;
use crate::transport::quic;
use crate::transport::tcp::{Listener, Place, SocketOptions};
use crate::transport::{LinkError, Security};
use crate::trust::{Signature, Trust, VerifiedIntroduction};
use crate::wire::frame::Fault;
use crate::wire::hello::Introduction;
use crate::wire::refusal::Code;

/// The pause after a signature that failed.
const SIGN_PAUSE: Duration = Duration::from_secs(1);

/// What came of a piece of work.
pub(super) enum Outcome {
    /// A connection was accepted and is secured.
    Accepted {
        peer: SocketAddr,
        secured: Secured,
        place: Place,
    },
    /// A dial has ended.
    Dialled(LinkId, Result<Secured, LinkError>),
    /// Nothing is under way with other members any more, or not for longer than is waited: leave within this time.
    Drained(Duration),
    /// A connection of messages is over; `None` if it never was one.
    MessagesEnded(LinkId, Option<Closed>),
    /// What is wrong with certificates that a member would present.
    ChainJudged(ChainId, Option<Fault>),
    /// What a candidate file would present and believe; whoever asked for it waits.
    CandidateRead(Box<Rehearsed>, examination::RehearsalAnswer),
    /// A connection was refused at the door.
    Refused { peer: SocketAddr, error: LinkError },
    /// A contact point's addresses; none if it has none.
    Resolved(ContactPoint, Vec<SocketAddr>),
    /// Certificates loaded anew may be put in force, or not; whoever asked for it waits.
    TrustJudged(Result<Trust, ReloadError>, Option<reload::Answer>),
    /// Certificates were loaded anew, or could not be; whoever asked for it waits.
    TrustRead(reload::Read, Option<reload::Answer>),
    /// Our introduction.
    Signed(Introduction),
    /// What trust says of an introduction.
    Verified(VerificationId, Result<VerifiedIntroduction, Rejected>),
}

/// Accepts connections for ever and brings each to the door, in tasks that end with this one.
pub(super) async fn accept(
    listener: Listener,
    security: watch::Receiver<Security>,
    deadline: Duration,
    report: mpsc::Sender<Outcome>,
) {
    let mut answers = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = answers.join_next() => {}
            accepted = listener.accept() => {
                let peer = accepted.peer;
                let Some(place) = accepted.place else {
                    // Told without waiting: whoever floods us must not hold up the others.
                    let error = Code::Busy.into();
                    let _ = report.try_send(Outcome::Refused { peer, error });
                    continue;
                };
                let (security, report) = (security.borrow().clone(), report.clone());
                answers.spawn(async move {
                    let answer = door::answer(accepted.stream, &security, deadline).await;
                    let outcome = match answer {
                        Ok(secured) => Outcome::Accepted { peer, secured, place },
                        Err(Some(error)) => Outcome::Refused { peer, error },
                        Err(None) => return,
                    };
                    let _ = report.send(outcome).await;
                });
            }
        }
    }
}

/// Accepts QUIC connections for as long as there is an endpoint, in tasks that end with this one.
pub(super) async fn accept_quic(
    endpoint: quic::Endpoint,
    security: watch::Receiver<Security>,
    deadline: Duration,
    report: mpsc::Sender<Outcome>,
) {
    let mut answers = JoinSet::new();
    loop {
        let knock = tokio::select! {
            Some(_) = answers.join_next() => continue,
            knock = endpoint.accept() => knock,
        };
        let Some(mut knock) = knock else { return };
        let peer = knock.peer;
        let Security::Tls(trust) = security.borrow().clone() else {
            unreachable!("there is no QUIC without TLS");
        };
        let Some(place) = knock.place.take() else {
            let error = Code::Busy.into();
            let _ = report.try_send(Outcome::Refused { peer, error });
            continue;
        };
        let report = report.clone();
        answers.spawn(async move {
            let outcome = match knock.answer(&trust, deadline).await {
                Ok(secured) => Outcome::Accepted {
                    peer,
                    secured,
                    place,
                },
                Err(error) => Outcome::Refused { peer, error },
            };
            let _ = report.send(outcome).await;
        });
    }
}

/// How to dial.
#[derive(Clone)]
pub(super) struct Dialling {
    /// For messages, where it is configured.
    pub(super) quic: Option<Arc<Quic>>,
    pub(super) source: IpAddr,
    pub(super) options: SocketOptions,
    /// What is in force: each connection is secured with what it finds here.
    pub(super) security: watch::Sender<Security>,
    pub(super) deadline: Duration,
}

/// Dials once. `hosts` are the names that led to the address.
pub(super) async fn dial(
    link: LinkId,
    (addr, hosts): (SocketAddr, Vec<String>),
    over: Over,
    how: Dialling,
    report: mpsc::Sender<Outcome>,
) {
    let Dialling {
        quic,
        source,
        options,
        security,
        deadline,
    } = how;
    let target = Target {
        addr,
        hosts,
        source,
    };
    let security = security.borrow().clone();
    if let (Over::QuicOrTcp(port), Some(quic), Security::Tls(trust)) = (over, quic, &security)
        && let Some(secured) = quic.dial(&target, port, trust, deadline).await
    {
        let _ = report.send(Outcome::Dialled(link, Ok(secured))).await;
        return;
    }
    let result = door::dial(target, &options, &security, deadline).await;
    let _ = report.send(Outcome::Dialled(link, result)).await;
}

/// Looks a contact point up, anew each time.
pub(super) async fn resolve(contact: ContactPoint, report: mpsc::Sender<Outcome>) {
    let addrs = advertise::resolve(&contact.host, contact.port).await;
    let addrs = addrs.unwrap_or_else(|error| {
        tracing::warn!(%contact, %error, "a contact point cannot be resolved");
        Vec::new()
    });
    let _ = report.send(Outcome::Resolved(contact, addrs)).await;
}

/// Has the certificate's key sign our introduction; again, should it fail, as without it nothing goes on.
pub(super) async fn sign(trust: Trust, fields: Vec<u8>, report: mpsc::Sender<Outcome>) {
    loop {
        let (signer, statement) = (trust.clone(), fields.clone());
        let signed = spawn_blocking(move || signer.sign_introduction(&statement));
        match signed.await {
            Ok(Ok(Signature { scheme, bytes })) => {
                let introduction = Introduction {
                    fields,
                    chain: trust.chain().iter().map(|one| one.to_vec()).collect(),
                    scheme,
                    signature: bytes,
                };
                let _ = report.send(Outcome::Signed(introduction)).await;
                return;
            }
            Ok(Err(error)) => {
                tracing::error!(error = %Chain(&error), "cannot sign the introduction; trying again");
                tokio::time::sleep(SIGN_PAUSE).await;
            }
            Err(_) => return,
        }
    }
}

/// Asks trust about a peer's introduction. A hostile chain occupies one worker, never the loop.
pub(super) async fn verify(
    trust: Trust,
    id: VerificationId,
    introduction: Introduction,
    report: mpsc::Sender<Outcome>,
) {
    let verified =
        spawn_blocking(move || introduction::verify(&trust, &introduction, wall_clock()));
    if let Ok(verified) = verified.await {
        let _ = report.send(Outcome::Verified(id, verified)).await;
    }
}

/// Judges certificates that a member would present, as in a handshake.
pub(super) async fn judge_chain(
    trust: Trust,
    id: ChainId,
    judged: JudgedChain,
    report: mpsc::Sender<Outcome>,
) {
    let judge = move || {
        let JudgedChain {
            id,
            advertised,
            chain,
        } = judged;
        introduction::judge(&trust, (&id, &advertised), &chain, wall_clock())
    };
    if let Ok(fault) = spawn_blocking(judge).await {
        let _ = report.send(Outcome::ChainJudged(id, fault)).await;
    }
}
