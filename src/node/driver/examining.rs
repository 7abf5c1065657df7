//! Questions to all members: whom they can verify, and whether they would believe another chain.

use super::Driver;
use crate::node::examination::{
    self, ExaminationAnswer, RehearsalAnswer, RehearseError, Rehearsed, Waiting,
};

impl Driver {
    /// Has all members dial each other.
    pub(super) fn examine(&mut self, answer: ExaminationAnswer) {
        let mut started = Ok(());
        // Who waits must be known before the answer can come, which it may at once.
        let former = self.examining.take();
        self.examining = Some(Waiting::Matrix(answer));
        self.feed(|core, now| started = core.examine(now));
        if let Err(error) = started
            && let Some(Waiting::Matrix(answer)) = std::mem::replace(&mut self.examining, former)
        {
            let _ = answer.send(Err(error));
        }
    }

    /// Reads the certificates of a chain file that is not in use yet.
    pub(super) fn read_candidate(&mut self, pem: Vec<u8>, answer: RehearsalAnswer) {
        let Some(trust) = self.trust.clone() else {
            let _ = answer.send(Err(RehearseError::Plaintext));
            return;
        };
        let core = self.shared.core();
        let members = (core.local().id().clone(), core.presented());
        drop(core);
        let report = self.report.clone();
        let read = examination::read_candidate(trust, pem, members, answer, report);
        self.tasks.spawn(read);
    }

    /// Has all members judge them, once they are read.
    pub(super) fn rehearse(&mut self, read: Rehearsed, answer: RehearsalAnswer) {
        let (chain, found) = match read {
            Ok(read) => read,
            Err(error) => {
                let _ = answer.send(Err(error.into()));
                return;
            }
        };
        let mut started = Ok(());
        let former = self.examining.take();
        self.examining = Some(Waiting::Candidate(found, answer));
        self.feed(|core, now| started = core.rehearse_chain(now, chain));
        if let Err(error) = started
            && let Some(Waiting::Candidate(_, answer)) =
                std::mem::replace(&mut self.examining, former)
        {
            let _ = answer.send(Err(error.into()));
        }
    }
}
