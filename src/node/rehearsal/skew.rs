//! [`Skew`]: clocks that differ, looked for before a certificate is blamed.
//!
//! A contact that judges a rehearsed join tells its time. One that refuses our certificate by its dates tells none, but the
//! dates do: the certificate is within them by the clock here, or the node would not start, so the contact's clock lies
//! beyond. The other way round a contact would not have started with a certificate that is not valid yet by its own clock.

use std::time::Duration;

use super::report::OwnCertificate;
use crate::time::Timestamp;
use crate::trust::VerifyError;
use crate::wire::refusal::Code;

/// How far the clocks of two nodes are apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skew {
    /// Whether it is this node's clock that is ahead.
    pub ours_is_ahead: bool,
    /// By how much.
    pub by: Duration,
    /// Whether it is known to be so much, as the contact told its time. Otherwise it is at least so much, if it is the clocks
    /// and not a certificate of an authority that differs between the two.
    pub is_exact: bool,
}

/// What a contact has told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told<'a> {
    /// Its time.
    Clock(Timestamp),
    /// Its certificate is not within its dates by the clock here.
    Theirs(&'a VerifyError),
    /// It refuses us.
    Refusal(Code),
}

/// What follows for the clocks, if anything that matters.
pub(super) fn diagnose(
    now: Timestamp,
    ours: Option<&OwnCertificate>,
    told: Told<'_>,
) -> Option<Skew> {
    let skew = |ours_is_ahead, by| {
        Some(Skew {
            ours_is_ahead,
            by,
            is_exact: false,
        })
    };
    match (told, ours) {
        (Told::Clock(theirs), _) => {
            let by = now
                .saturating_since(theirs)
                .max(theirs.saturating_since(now));
            (by >= NOTABLE).then_some(Skew {
                ours_is_ahead: now > theirs,
                by,
                is_exact: true,
            })
        }
        (Told::Theirs(VerifyError::NotYetValid { not_before, .. }), _) => {
            skew(false, not_before.saturating_since(now))
        }
        (Told::Theirs(VerifyError::Expired { not_after, .. }), _) => {
            skew(true, now.saturating_since(*not_after))
        }
        (Told::Refusal(Code::CertificateNotYetValid), Some(ours)) => {
            skew(true, now.saturating_since(ours.not_before))
        }
        (Told::Refusal(Code::CertificateExpired), Some(ours)) => {
            skew(false, ours.not_after.saturating_since(now))
        }
        (Told::Refusal(Code::GenerationTooFar), _) => skew(true, DAY),
        _ => None,
    }
}

/// What two nodes may differ by without anybody having to mend it, the time an answer takes included.
const NOTABLE: Duration = Duration::from_secs(5);
const DAY: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);
    const HOUR: Duration = Duration::from_secs(3_600);

    /// What is told, and whose clock is ahead by how much.
    #[test]
    fn clocks_are_looked_at_before_certificates_are_blamed() {
        let ours = OwnCertificate {
            subject: "CN=one".to_owned(),
            not_before: NOW - HOUR,
            not_after: NOW + 2 * HOUR,
        };
        let subject = "CN=two".to_owned();
        let not_yet_valid = VerifyError::NotYetValid {
            subject: subject.clone(),
            not_before: NOW + HOUR,
        };
        let expired = VerifyError::Expired {
            subject: subject.clone(),
            not_after: NOW - HOUR,
        };
        let other = VerifyError::BadSignature {
            subject,
            issuer: "CN=authority".to_owned(),
        };
        let rows = [
            (Told::Clock(NOW - HOUR), Some((true, HOUR))),
            (Told::Clock(NOW + HOUR), Some((false, HOUR))),
            (Told::Clock(NOW + Duration::from_secs(4)), None),
            (Told::Theirs(&not_yet_valid), Some((false, HOUR))),
            (Told::Theirs(&expired), Some((true, HOUR))),
            (Told::Theirs(&other), None),
            (
                Told::Refusal(Code::CertificateNotYetValid),
                Some((true, HOUR)),
            ),
            (
                Told::Refusal(Code::CertificateExpired),
                Some((false, 2 * HOUR)),
            ),
            (Told::Refusal(Code::GenerationTooFar), Some((true, DAY))),
            (Told::Refusal(Code::UnknownIssuer), None),
        ];
        for (told, expected) in rows {
            let found = diagnose(NOW, Some(&ours), told);
            let found = found.map(|skew| (skew.ours_is_ahead, skew.by));
            assert_eq!(found, expected, "{told:?}");
        }
    }
}
