//! The certificate table: every case of `tests/certs/generate.sh`, made anew by openssl, against the real thing.
//!
//! * `handshake` cases run over TLS 1.3 on loopback sockets, through the real door, dialler and listener in turn being the
//!   one that judges. The presenter sends its file as it is; where a node of ours would start with it, the case is run again
//!   with one, which sends its real path. Whoever is refused must have read the very code that the judge refused with (P8).
//! * `load` cases go to the loader, `verify` cases to the verifier alone, at the time they name.

mod handshake;
mod judged;
mod manifest;
mod system_roots;

use std::fs;

use phalanx::time::Timestamp;
use phalanx::trust::{
    ClientAuth, DevCertificates, LoadError, Passphrase, PeerRole, SystemRoots, Trust, TrustOptions,
    TrustPem, certificates_from_pem,
};
use phalanx::wire::refusal::Code;
use rustls::HandshakeKind;
use rustls::pki_types::CertificateDer;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use handshake::{Outcome, Presenter, diagnose, meet};
use manifest::{Case, Expect, Kind, Zoo};

#[tokio::test]
async fn every_certificate_case_turns_out_as_the_manifest_says() {
    let Some(zoo) = Zoo::generate() else {
        println!("SKIPPED: openssl is not installed, so the certificate table has not been run");
        return;
    };
    let mut counts = Counts::default();
    let mut wrong = Vec::new();
    for case in zoo.cases() {
        let outcome = match case.kind {
            Kind::Handshake => run_handshake(&zoo, case, &mut counts).await,
            Kind::Load => run_load(&zoo, case, &mut counts),
            Kind::Verify => run_verify(&zoo, case, &mut counts),
        };
        if let Err(found) = outcome {
            wrong.push(format!("{}: {found} ({})", case.name, case.why));
        }
    }
    println!("{counts}");
    assert!(
        wrong.is_empty(),
        "{} cases are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!(counts.total(), zoo.cases().len());
}

/// A resumed handshake would skip the verifier, and with it every change of trust.
#[tokio::test]
async fn no_handshake_is_ever_resumed() {
    let (verifier, peer) = neighbours();
    let (client, server) = (verifier.dialling(&[]).0, peer.accepting().0);
    for _ in 0..3 {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let name = std::net::IpAddr::from([127, 0, 0, 1]).into();
        let (dialled, accepted) = tokio::join!(
            TlsConnector::from(client.clone()).connect(name, near),
            TlsAcceptor::from(server.clone()).accept(far)
        );
        let (dialled, accepted) = (dialled.unwrap(), accepted.unwrap());
        let kinds = [
            dialled.get_ref().1.handshake_kind(),
            accepted.get_ref().1.handshake_kind(),
        ];
        assert_eq!(kinds, [Some(HandshakeKind::Full); 2]);
    }
}

/// How many cases ran in which way.
#[derive(Debug, Default)]
struct Counts {
    handshakes: usize,
    /// Connections made for them, in both roles and by both kinds of presenter.
    connections: usize,
    /// Those of them that were refused with a code that both ends knew.
    refusals: usize,
    /// Those of them that `phalanx doctor` was asked about.
    diagnoses: usize,
    loads: usize,
    verified_alone: usize,
}

impl Counts {
    const fn total(&self) -> usize {
        self.handshakes + self.loads + self.verified_alone
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "certificate table: {} cases: {} handshakes over TLS 1.3 (in {} connections, {} of them refused with one code on \
             both sides, and {} of those found by doctor under the same code), {} loads, {} by the verifier alone",
            self.total(),
            self.handshakes,
            self.connections,
            self.refusals,
            self.diagnoses,
            self.loads,
            self.verified_alone
        )
    }
}

async fn run_handshake(zoo: &Zoo, case: &Case, counts: &mut Counts) -> Result<(), String> {
    let judge = judge(zoo, case)?;
    counts.handshakes += 1;
    // A node judges the judge as well, so it believes its certificates.
    let mut files = own_files(zoo, case.chain(), case.key());
    let judges = zoo.join(std::slice::from_ref(
        case.own_chain.as_ref().expect("own_chain"),
    ));
    files.trusted_certificates = judges.as_ref().map(|file| file.path().to_owned());
    let node = Trust::load(&files, now()).ok();
    for role in case.roles() {
        let present = |what| match (what, &node) {
            ("a node", Some((node, _))) => Presenter::Node(node.clone()),
            _ => Presenter::from_files(&zoo.read(case.chain()), &zoo.read(case.key())),
        };
        let node = node.as_ref().map(|_| "a node");
        for what in std::iter::once("files").chain(node) {
            let presenter = present(what);
            let outcome = meet(&judge, presenter, *role).await;
            counts.connections += 1;
            counts.refusals += usize::from(outcome.refused.is_some());
            let found = check_outcome(case, &outcome);
            found.map_err(|found| format!("{what} as {role}: {found}"))?;
            if let Some((_, code)) = outcome.refused {
                let again = present(what);
                let diagnosed = diagnose(&judge, again, *role).await;
                counts.diagnoses += usize::from(diagnosed.is_some());
                if diagnosed.is_some_and(|said| said != (Some(code), Some(code))) {
                    return Err(format!(
                        "{what} as {role}: {code}, and doctor: {diagnosed:?}"
                    ));
                }
            }
        }
    }
    Ok(())
}

fn check_outcome(case: &Case, outcome: &Outcome) -> Result<(), String> {
    check(case, outcome.refused.map(|(reason, _)| reason))?;
    let code = outcome.refused.map(|(_, code)| code);
    let vague = [Code::CertificateRejected, Code::HandshakeFailed];
    if code.is_some_and(|code| vague.contains(&code)) {
        return Err(format!("refused with no code of its own: {code:?}"));
    }
    match code == outcome.told {
        true => Ok(()),
        false => Err(format!("refused with {code:?}, told {:?}", outcome.told)),
    }
}

/// The node that judges: it starts with the case's own files. Where it would not start with them, for the very reason
/// that the case is about, it gets credentials of its own and the files as anchors.
fn judge(zoo: &Zoo, case: &Case) -> Result<Trust, String> {
    let mut options = own_files(
        zoo,
        case.own_chain.as_deref().expect("own_chain"),
        case.own_key.as_deref().expect("own_key"),
    );
    options.client_auth = ClientAuth::Required;
    options.identity = case.identity();
    let extra = zoo.join(&case.trust[1..]);
    options.trusted_certificates = extra.as_ref().map(|file| file.path().to_owned());
    if let Some(bundle) = &case.system_roots {
        options.system_roots = SystemRoots::Bundle(zoo.path(bundle));
    }
    match Trust::load(&options, now()) {
        Ok((trust, _)) => Ok(trust),
        Err(error)
            if case.expect == Expect::Reject && case.own_chain.as_deref() == Some(case.chain()) =>
        {
            check(case, Some(error.reason()))
                .map_err(|found| format!("the judge's own start: {found}"))?;
            Ok(bystander(&zoo.read_all(&case.trust)))
        }
        Err(error) => Err(format!("the judge does not start: {error}")),
    }
}

/// A node with certificates that have nothing to do with the case, which believes `anchors`.
fn bystander(anchors: &[u8]) -> Trust {
    let directory = tempfile::tempdir().unwrap();
    let made = DevCertificates::new(now())
        .unwrap()
        .write_node(directory.path(), "bystander")
        .unwrap();
    let pem = TrustPem {
        certificate_chain: &fs::read(made.certificate_chain).unwrap(),
        private_key: &fs::read(made.private_key).unwrap(),
        trusted_certificates: Some(anchors),
        client_auth: ClientAuth::Required,
        ..TrustPem::default()
    };
    Trust::from_pem(&pem, now()).unwrap().0
}

/// Two nodes of one cluster.
fn neighbours() -> (Trust, Trust) {
    let directory = tempfile::tempdir().unwrap();
    let certificates = DevCertificates::new(now()).unwrap();
    let node = |name| {
        let files = certificates.write_node(directory.path(), name).unwrap();
        let options = TrustOptions {
            certificate_chain: files.certificate_chain,
            private_key: files.private_key,
            ..TrustOptions::default()
        };
        Trust::load(&options, now()).unwrap().0
    };
    (node("one"), node("two"))
}

fn run_load(zoo: &Zoo, case: &Case, counts: &mut Counts) -> Result<(), String> {
    counts.loads += 1;
    if let Some(expected) = case.count {
        let file = zoo.read(case.chain.as_deref().unwrap_or_else(|| &case.trust[0]));
        let found = certificates_from_pem(&file)
            .map_err(|error| error.to_string())?
            .len();
        if found != expected {
            return Err(format!("{found} certificates instead of {expected}"));
        }
    }
    let Some(chain) = &case.chain else {
        return Ok(());
    };
    let mut files = own_files(zoo, chain, case.key());
    let passphrase = case.passphrase.as_deref();
    files.passphrase = passphrase.map(|text| Passphrase::Given(text.into()));
    let loaded = Trust::load(&files, now());
    if let Err(error) = &loaded {
        check_load_error_text(error)?;
    }
    check(case, loaded.err().map(|error| error.reason()))
}

/// A start-up failure is one line that names the file by its whole path.
fn check_load_error_text(error: &LoadError) -> Result<(), String> {
    let text = error.to_string();
    let named = error
        .file
        .as_ref()
        .is_some_and(|file| file.is_absolute() && text.contains(&file.display().to_string()));
    if named && !text.contains('\n') {
        Ok(())
    } else {
        Err(format!("unhelpful text: {text}"))
    }
}

fn run_verify(zoo: &Zoo, case: &Case, counts: &mut Counts) -> Result<(), String> {
    counts.verified_alone += 1;
    let verifier = bystander(&zoo.read_all(&case.trust));
    let chain: Vec<CertificateDer<'_>> =
        certificates_from_pem(&zoo.read(case.chain())).map_err(|error| error.to_string())?;
    let at = case.at.map_or_else(now, Timestamp::from_secs);
    let verdict = verifier.verify_peer(&chain, PeerRole::Server, at);
    check(case, verdict.err().map(|error| error.reason()))
}

/// Compares what happened (`None`: accepted) with what the case expects.
fn check(case: &Case, reason: Option<&str>) -> Result<(), String> {
    let expected: Vec<&str> = match case.expect {
        Expect::Accept => Vec::new(),
        Expect::LoadError | Expect::Reject => case.reason.split('|').collect(),
    };
    expect_reason(reason, &expected)
}

fn expect_reason(reason: Option<&str>, expected: &[&str]) -> Result<(), String> {
    match reason {
        None if expected.is_empty() => Ok(()),
        Some(reason) if expected.contains(&reason) => Ok(()),
        found => Err(format!(
            "{} instead of {expected:?}",
            found.unwrap_or("accepted")
        )),
    }
}

fn own_files(zoo: &Zoo, chain: &str, key: &str) -> TrustOptions {
    TrustOptions {
        certificate_chain: zoo.path(chain),
        private_key: zoo.path(key),
        system_roots: SystemRoots::Off,
        ..TrustOptions::default()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "openssl dates certificates by the real clock"
)]
fn now() -> Timestamp {
    let since_epoch = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    Timestamp::from_secs(since_epoch.as_secs())
}
