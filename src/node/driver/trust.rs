//! Certificates that change under the loop: read, judged against who is a member now, put in force.
//!
//! ```text
//! look or request ──> read ──> would anybody be left? ──> new anchors at once, a new certificate once it is introduced
//!                       │no               │no
//!                       └── what is in force stays ──┘
//! ```

use super::Driver;
use crate::membership::Membership;
use crate::node::log::Chain;
use crate::node::reload::{self, ReloadError, TrustReload};
use crate::time::Utc;
use crate::transport::Security;
use crate::trust::Trust;
use crate::wire::hello::Introduction;

impl Driver {
    /// Takes our introduction; where it names a new certificate, TLS shows that from now on: not before, or a peer would see
    /// a certificate that no introduction names yet.
    pub(super) fn take_introduction(&mut self, introduction: Introduction) {
        let named = introduction.chain.first().map(Vec::as_slice);
        let is_named = |trust: &mut Trust| trust.chain().first().map(|leaf| &leaf[..]) == named;
        let renewed = self.renewing.take_if(is_named);
        self.feed(|core, now| core.handle_signed(now, introduction));
        if let Some(trust) = renewed {
            self.dialling.security.send_replace(Security::Tls(trust));
            self.shared.messaging.renew();
        }
    }

    /// Loads certificates anew because somebody asks.
    pub(super) fn reload(&mut self, answer: reload::Answer) {
        match self.files.clone() {
            Some(files) => {
                let task = reload::on_request(files, answer, self.report.clone());
                self.tasks.spawn(task);
            }
            None => {
                let _ = answer.send(Err(ReloadError::NoFiles));
            }
        }
    }

    /// Certificates were read: a worker judges whether any member would still be believed under them.
    pub(super) fn take_trust(&mut self, read: reload::Read, answer: Option<reload::Answer>) {
        let (trust, warnings) = match read {
            Ok(read) => read,
            Err(error) => return self.take_judged(Err(error.into()), answer),
        };
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        let members = self.shared.core().live_introductions();
        let held = self.trust.clone().expect("only a TLS node has files");
        let task = reload::judge((held, trust), members, answer, self.report.clone());
        self.tasks.spawn(task);
    }

    /// Puts certificates in force, or keeps those that are, and says so.
    pub(super) fn take_judged(
        &mut self,
        judged: Result<Trust, ReloadError>,
        answer: Option<reload::Answer>,
    ) {
        let result = judged.map(|trust| self.put_in_force(trust));
        if let Err(error) = &result {
            tracing::error!(error = %Chain(error), "keeping the certificates in force");
        }
        if let Some(answer) = answer {
            // Whoever asked may have stopped waiting.
            let _ = answer.send(result);
        }
    }

    fn put_in_force(&mut self, trust: Trust) -> TrustReload {
        let leaf = trust.leaf_sha256();
        let held = self.trust.as_ref().map(Trust::leaf_sha256);
        let reload = TrustReload {
            is_renewed: held != Some(leaf),
            subject: trust.subject(),
            not_after: trust.not_after(),
            anchors: trust.anchor_count(),
        };
        let TrustReload {
            is_renewed,
            subject,
            anchors,
            ..
        } = &reload;
        let until = Utc(reload.not_after);
        tracing::info!(is_renewed, %subject, %until, anchors, "certificates are loaded anew");
        self.shared.set_trust(&trust);
        self.trust = Some(trust.clone());
        if reload.is_renewed {
            self.renewing = Some(trust);
            self.feed(|core, now| core.renew_certificate(now, *leaf.as_bytes()));
        } else {
            self.dialling.security.send_replace(Security::Tls(trust));
        }
        self.feed(Membership::reload_trust);
        reload
    }
}
