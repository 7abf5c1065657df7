//! From an introduction as it travels to the proof that it holds: what `wire` decodes, held against what `trust` believes.

use rustls::pki_types::CertificateDer;

use super::tls::certificate_code;
use crate::time::Timestamp;
use crate::trust::{Claim, Signature, Trust, VerifiedIntroduction, VerifyError};
use crate::wire::hello::{Introduction, IntroductionFields};
use crate::wire::refusal::Code;

/// Why an introduction is refused. Its owner learns the code; the cause is for our own log.
#[derive(Debug, thiserror::Error)]
#[error("{code}")]
pub struct Rejected {
    /// The word for it.
    pub code: Code,
    /// What trust says, where it was asked.
    pub source: Option<VerifyError>,
}

/// Verifies an introduction: certificates, identity with the member id and host it claims, signature.
///
/// # Errors
///
/// [`Rejected`]; whoever showed it is refused.
pub fn verify(
    trust: &Trust,
    introduction: &Introduction,
    now: Timestamp,
) -> Result<VerifiedIntroduction, Rejected> {
    let fields = IntroductionFields::decode(&introduction.fields).map_err(|_| Rejected {
        code: Code::ProtocolViolation,
        source: None,
    })?;
    let hosts = [host(&fields.advertised).to_owned()];
    let claim = Claim {
        member_id: Some(fields.id.as_str()),
        hosts: &hosts,
    };
    let chain: Vec<_> = introduction
        .chain
        .iter()
        .map(|one| CertificateDer::from(one.as_slice()))
        .collect();
    let signature = Signature {
        scheme: introduction.scheme,
        bytes: introduction.signature.clone(),
    };
    let verified = trust.verify_introduction(&introduction.fields, &chain, &signature, &claim, now);
    verified.map_err(|error| Rejected {
        code: certificate_code(&error),
        source: Some(error),
    })
}

/// The host of `host:port`, an IPv6 address without its brackets.
fn host(advertised: &str) -> &str {
    let host = advertised
        .rsplit_once(':')
        .map_or(advertised, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}
