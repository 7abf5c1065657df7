//! How long the certificates of a node and of its cluster are valid, and telling of it in time.

use std::time::Duration;

use super::clock::wall_clock;
use super::handle::Shared;
use crate::membership::SoonestExpiry;
use crate::time::{Timestamp, Utc};
use crate::trust::Trust;

/// How long before the end of its own certificate a node warns, once each; and at the end.
const NOTICES: [Duration; 7] = [
    Duration::from_secs(30 * 86_400),
    Duration::from_secs(14 * 86_400),
    Duration::from_secs(7 * 86_400),
    Duration::from_secs(3 * 86_400),
    Duration::from_secs(86_400),
    Duration::from_secs(3_600),
    Duration::ZERO,
];

/// How long the certificates of a node and of its cluster are valid.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateStatus {
    /// The subject of the node's own certificate.
    pub subject: String,
    /// Its last moment.
    pub not_after: Timestamp,
    /// How long that is from now; zero once it is over.
    pub remaining: Duration,
    /// The other live member whose certificate expires first, if there is another.
    pub soonest: Option<SoonestExpiry>,
}

impl Shared {
    /// Takes the certificates in force.
    pub(super) fn set_trust(&self, trust: &Trust) {
        let own = (trust.subject(), trust.not_after());
        self.certificate.send_replace(Some(own));
        self.trust.send_replace(Some(trust.clone()));
    }

    pub(super) fn certificate_status(&self) -> Option<CertificateStatus> {
        let (subject, not_after) = self.certificate.borrow().clone()?;
        Some(CertificateStatus {
            subject,
            not_after,
            remaining: not_after.saturating_since(wall_clock()),
            soonest: self.core().soonest_expiry(),
        })
    }
}

/// Which warnings have been given about one certificate.
#[derive(Debug, Default)]
pub(super) struct Notices {
    about: Option<Timestamp>,
    given: usize,
}

impl Notices {
    /// Warns if a threshold was passed since the last time. What was past when a certificate came into force was said then.
    pub(super) fn give(&mut self, now: Timestamp, certificate: Option<(String, Timestamp)>) {
        let Some((subject, not_after)) = certificate else {
            return;
        };
        match self.pass(now, not_after) {
            None => {}
            Some(Duration::ZERO) => {
                let since = Utc(not_after);
                tracing::error!(%subject, %since, "this node's certificate has expired: it is refused wherever it connects; put a new one in place");
            }
            Some(left) => {
                let until = Utc(not_after);
                let hours = left.as_secs() / 3_600;
                tracing::warn!(%subject, %until, hours, "this node's certificate expires soon");
            }
        }
    }

    /// The threshold passed since the last time, the latest of several.
    fn pass(&mut self, now: Timestamp, not_after: Timestamp) -> Option<Duration> {
        let left = not_after.saturating_since(now);
        let passed = NOTICES.iter().filter(|notice| left <= **notice).count();
        let is_new = self.about.replace(not_after) != Some(not_after);
        let before = std::mem::replace(&mut self.given, passed);
        (!is_new && passed > before).then(|| NOTICES[passed - 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_threshold_is_told_once_and_a_new_certificate_begins_anew() {
        let day = Duration::from_secs(86_400);
        let end = Timestamp::from_secs(1_800_000_000);
        let mut notices = Notices::default();
        let rows = [
            (40 * day, end, None),
            (31 * day, end, None),
            (30 * day, end, Some(30 * day)),
            (29 * day, end, None),
            (2 * day, end, Some(3 * day)),
            (Duration::ZERO, end, Some(Duration::ZERO)),
            (Duration::ZERO, end, None),
            (day * 2, end + 90 * day, None),
        ];
        for (left, not_after, expected) in rows {
            let now = end - left;
            assert_eq!(notices.pass(now, not_after), expected, "{left:?} before");
        }
    }
}
