//! What the members find of each other, and of certificates that are not in use yet.

use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

use super::clock::wall_clock;
use super::work::Outcome;
use crate::member::MemberId;
use crate::membership::{ExamineError, Examined, JudgedChain};
use crate::transport::introduction;
use crate::trust::{LoadError, Trust};

/// Why certificates were not rehearsed. Nobody was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RehearseError {
    /// Nothing can be examined now.
    #[error(transparent)]
    Examine(#[from] ExamineError),
    /// They cannot be used.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The node runs in plaintext.
    #[error("this node has no certificates: it runs in plaintext")]
    Plaintext,
}

/// Who waits for an examination.
pub(super) type ExaminationAnswer = oneshot::Sender<Result<Vec<Examined>, ExamineError>>;
/// Who waits for a rehearsal of certificates.
pub(super) type RehearsalAnswer = oneshot::Sender<Result<Vec<Examined>, RehearseError>>;

/// Who waits for what the members say.
pub(super) enum Waiting {
    /// Of each other.
    Matrix(ExaminationAnswer),
    /// Of our candidate, of which this was found here already.
    Candidate(Vec<Examined>, RehearsalAnswer),
}

impl Waiting {
    /// Hands out what they have said. Whoever asked may have stopped waiting.
    pub(super) fn answer(self, said: Vec<Examined>) {
        match self {
            Self::Matrix(answer) => {
                let _ = answer.send(Ok(said));
            }
            Self::Candidate(found, answer) => {
                let _ = answer.send(Ok(said.into_iter().chain(found).collect()));
            }
        }
    }
}

/// A candidate file: what it would have us present, and whom it would have us believe.
pub(super) type Rehearsed = Result<(Vec<Vec<u8>>, Vec<Examined>), LoadError>;

/// Reads a candidate and holds all members as they are against it.
pub(super) async fn read_candidate(
    trust: Trust,
    pem: Vec<u8>,
    (own, members): (MemberId, Vec<JudgedChain>),
    answer: RehearsalAnswer,
    report: mpsc::Sender<Outcome>,
) {
    let read = move || -> Rehearsed {
        let now = wall_clock();
        let candidate = trust.candidate(&pem, now)?;
        let found = members.into_iter().map(|member| Examined {
            from: own.clone(),
            fault: introduction::judge_by(
                &candidate,
                (&member.id, &member.advertised),
                &member.chain,
                now,
            ),
            to: member.id,
        });
        let found = found.collect();
        let chain = candidate.chain().iter().map(|one| one.to_vec()).collect();
        Ok((chain, found))
    };
    if let Ok(read) = spawn_blocking(read).await {
        let read = Outcome::CandidateRead(Box::new(read), answer);
        let _ = report.send(read).await;
    }
}
