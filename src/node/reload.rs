//! Certificates that change while the node runs: noticing it, and loading them anew.
//!
//! Files are compared by their contents, not watched by their names: where an orchestrator mounts secrets, the file is a
//! link through a directory that is swapped as a whole, which watchers of the file do not see. Files are replaced one by one,
//! so a change is taken up once they have stayed the same for a moment, and only as a whole: key, certificate and anchors
//! that belong together. Anything else leaves in force what is.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::clock::wall_clock;
use super::work::Outcome;
use crate::time::Timestamp;
use crate::transport::introduction;
use crate::trust::{LoadError, Trust, TrustOptions, TrustWarning};
use crate::wire::hello::Introduction;

/// How long files must stay the same before they are loaded.
const SETTLED: Duration = Duration::from_secs(1);

/// What was put in force.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrustReload {
    /// Whether the node has another certificate than before.
    pub is_renewed: bool,
    /// The subject of its certificate.
    pub subject: String,
    /// The last moment of its certificate.
    pub not_after: Timestamp,
    /// How many trust anchors there are.
    pub anchors: usize,
}

/// Why certificates were not loaded anew. What was in force stays so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// They cannot be used.
    #[error("the certificates cannot be loaded anew; those in force stay")]
    Load(#[from] LoadError),
    /// Every member that is believed now would be believed no more: the files are most likely wrong, or the new authority
    /// comes before the other nodes have it. Restart the node to have it so all the same.
    #[error(
        "none of the {members} members believed now would be believed under the new certificates; \
         those in force stay (list the old authority and the new one until every node has both)"
    )]
    LocksEverybodyOut {
        /// How many there are.
        members: usize,
    },
    /// The node has no files to load: it runs in plaintext, or was given its certificates in memory.
    #[error("this node has no certificate files")]
    NoFiles,
    /// The node has ended.
    #[error("the node has ended")]
    NotRunning,
}

/// What came of loading.
pub(super) type Read = Result<(Trust, Vec<TrustWarning>), LoadError>;
/// Who asked for it, if anybody did.
pub(super) type Answer = oneshot::Sender<Result<TrustReload, ReloadError>>;

/// Looks at the files for ever, and loads them whenever their contents have changed.
pub(super) async fn watch(options: TrustOptions, every: Duration, report: mpsc::Sender<Outcome>) {
    let mut known = look(&options).await;
    loop {
        sleep(every).await;
        let mut seen = look(&options).await;
        if seen == known {
            continue;
        }
        loop {
            sleep(every.min(SETTLED)).await;
            let again = look(&options).await;
            if again == seen {
                break;
            }
            seen = again;
        }
        known = seen;
        let Some(read) = read(options.clone()).await else {
            return;
        };
        if report.send(Outcome::TrustRead(read, None)).await.is_err() {
            return;
        }
    }
}

/// Loads them because somebody asks.
pub(super) async fn on_request(
    options: TrustOptions,
    answer: Answer,
    report: mpsc::Sender<Outcome>,
) {
    if let Some(read) = read(options).await {
        let _ = report.send(Outcome::TrustRead(read, Some(answer))).await;
    }
}

/// Judges whether certificates may take the place of those `held`: not if that closes the last way to anybody (R109).
pub(super) async fn judge(
    (held, trust): (Trust, Trust),
    members: Vec<Introduction>,
    answer: Option<Answer>,
    report: mpsc::Sender<Outcome>,
) {
    let now = wall_clock();
    let judged = spawn_blocking(move || {
        let is_believed =
            |trust: &Trust, member: &Introduction| introduction::verify(trust, member, now).is_ok();
        if members.iter().any(|member| is_believed(&trust, member)) {
            return Ok(trust);
        }
        let mut lost = members;
        lost.retain(|member| is_believed(&held, member));
        match lost.len() {
            0 => Ok(trust),
            members => Err(ReloadError::LocksEverybodyOut { members }),
        }
    });
    if let Ok(judged) = judged.await {
        let _ = report.send(Outcome::TrustJudged(judged, answer)).await;
    }
}

/// `None` as the runtime ends.
async fn read(options: TrustOptions) -> Option<Read> {
    let load = move || Trust::load(&options, wall_clock());
    spawn_blocking(load).await.ok()
}

async fn look(options: &TrustOptions) -> Option<[u8; 32]> {
    let options = options.clone();
    spawn_blocking(move || options.contents_sha256()).await.ok()
}
