//! From an introduction as it travels to the proof that it holds: what `wire` decodes, held against what `trust` believes.

use rustls::pki_types::CertificateDer;

use super::tls::certificate_code;
use crate::member::MemberId;
use crate::time::Timestamp;
use crate::trust::{
    Candidate, Claim, ClientAuth, PeerRole, Signature, Trust, VerifiedIntroduction, VerifyError,
};
use crate::wire::frame::Fault;
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
    let (claim, chain) = (claim(&fields.id, &hosts), ders(&introduction.chain));
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

/// What is wrong with certificates that a member would present: as a server's and as a client's, with the member id and host
/// that it claims.
#[must_use]
pub fn judge(
    trust: &Trust,
    (id, advertised): (&MemberId, &str),
    chain: &[Vec<u8>],
    now: Timestamp,
) -> Option<Fault> {
    let hosts = [host(advertised).to_owned()];
    let (claim, chain) = (claim(id, &hosts), ders(chain));
    let client = (trust.client_auth() != ClientAuth::None).then_some(PeerRole::Client);
    let roles = std::iter::once(PeerRole::Server).chain(client);
    let mut errors = roles.filter_map(|role| trust.verify_claim(&chain, role, &claim, now).err());
    errors.next().map(|error| fault(&error))
}

/// The same the other way round: what a candidate file would have us find wrong with a member as it is.
#[must_use]
pub fn judge_by(
    candidate: &Candidate,
    (id, advertised): (&MemberId, &str),
    chain: &[Vec<u8>],
    now: Timestamp,
) -> Option<Fault> {
    let hosts = [host(advertised).to_owned()];
    let error = candidate.verify(&ders(chain), &claim(id, &hosts), now);
    Some(fault(&error.err()?))
}

fn claim<'a>(id: &'a MemberId, hosts: &'a [String]) -> Claim<'a> {
    Claim {
        member_id: Some(id.as_str()),
        hosts,
    }
}

fn ders(chain: &[Vec<u8>]) -> Vec<CertificateDer<'_>> {
    chain
        .iter()
        .map(|one| CertificateDer::from(one.as_slice()))
        .collect()
}

fn fault(error: &VerifyError) -> Fault {
    Fault::new(certificate_code(error), error.to_string())
}

/// The host of `host:port`, an IPv6 address without its brackets.
fn host(advertised: &str) -> &str {
    let host = advertised
        .rsplit_once(':')
        .map_or(advertised, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}
