//! The table once more, through what `phalanx certs verify` asks: files in, verdict out, no node and no connection.

use std::process::Command;

use phalanx::time::Timestamp;
use phalanx::trust::{
    Claim, ClientAuth, DevCertificates, DevNode, Judged, PeerRole, SystemRoots, TrustOptions,
    certificates_of, judge,
};

use super::manifest::{Case, Expect, Kind, Zoo};
use super::{check, now, own_files};

/// Every case that has a chain to be judged; what is said of it is what the table says. A few are asked of the command.
#[test]
fn every_chain_is_judged_offline_as_the_manifest_says() {
    let Some(zoo) = Zoo::generate() else {
        println!("skipped: openssl is not installed");
        return;
    };
    let bystander = Bystander::new();
    let (mut wrong, mut count, mut asked) = (Vec::new(), 0, 0);
    for case in zoo.cases().iter().filter(|case| case.kind != Kind::Load) {
        for role in roles(case) {
            count += 1;
            let outcome = judge_case(&zoo, case, *role, &bystander);
            let found = match IN_HANDSHAKES_ALONE.contains(&case.name.as_str()) {
                true => outcome.map_err(|error| error.reason().to_owned()),
                false => check(case, outcome.err().map(|error| error.reason())),
            };
            wrong.extend(
                found
                    .err()
                    .map(|found| format!("{} as {role}: {found}", case.name)),
            );
        }
        if count % PROCESS_EVERY < roles(case).len() && is_plain(case) {
            asked += 1;
            wrong.extend(ask(&zoo, case).err());
        }
    }
    println!("{count} verdicts, {asked} of them by the command as well");
    assert!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(count > 150 && asked > 3, "{count}, {asked}");
}

fn roles(case: &Case) -> &'static [PeerRole] {
    match case.kind {
        Kind::Verify => &[PeerRole::Server],
        _ => case.roles(),
    }
}

fn judge_case(zoo: &Zoo, case: &Case, role: PeerRole, bystander: &Bystander) -> Result<(), Judged> {
    let chain = certificates_of(&zoo.path(case.chain())).map_err(Judged::Own)?;
    let claim = Claim::default();
    let at = case.at.map_or_else(now, Timestamp::from_secs);
    let verdict =
        |options: &TrustOptions| judge(options, &chain, role, &claim, (now(), at)).map(|_| ());
    match case.kind {
        Kind::Handshake => {
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
            verdict(&options)
        }
        _ => {
            let anchors = zoo.join(&case.trust);
            let anchors = anchors.as_ref().map(|file| file.path().to_owned());
            verdict(&bystander.options(anchors))
        }
    }
}

/// Whether the command can be asked about it without a configuration.
fn is_plain(case: &Case) -> bool {
    case.kind == Kind::Handshake
        && case.trust.len() == 1
        && case.system_roots.is_none()
        && case.identity() == Default::default()
        && !IN_HANDSHAKES_ALONE.contains(&case.name.as_str())
        && case.roles().contains(&PeerRole::Server)
}

fn ask(zoo: &Zoo, case: &Case) -> Result<(), String> {
    let own = |file: &Option<String>| zoo.path(file.as_deref().expect("it is a handshake"));
    let output = Command::new(env!("CARGO_BIN_EXE_phalanx"))
        .args(["certs", "verify", "--format", "json", "--chain"])
        .arg(own(&case.own_chain))
        .arg("--key")
        .arg(own(&case.own_key))
        .arg(zoo.path(case.chain()))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{}: {error}: {errors}", case.name))?;
    let expected = if case.expect == Expect::Accept { 0 } else { 1 };
    if output.status.code() != Some(expected) {
        return Err(format!("{}: {:?}: {answer}", case.name, output.status));
    }
    check(case, answer["reason"].as_str()).map_err(|found| format!("{}, asked: {found}", case.name))
}

/// Files of a node that has nothing to do with the case.
struct Bystander {
    _directory: tempfile::TempDir,
    files: DevNode,
}

impl Bystander {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let certificates = DevCertificates::new(now()).unwrap();
        let files = certificates
            .write_node(directory.path(), "bystander")
            .unwrap();
        Self {
            _directory: directory,
            files,
        }
    }

    fn options(&self, trusted_certificates: Option<std::path::PathBuf>) -> TrustOptions {
        TrustOptions {
            certificate_chain: self.files.certificate_chain.clone(),
            private_key: self.files.private_key.clone(),
            trusted_certificates,
            system_roots: SystemRoots::Off,
            ..TrustOptions::default()
        }
    }
}

/// A certificate shown by one who does not hold its key: only a signature could tell, and a file has none.
const IN_HANDSHAKES_ALONE: [&str; 1] = ["shared-stolen-cert"];
/// About how many verdicts are between two that are asked of the command.
const PROCESS_EVERY: usize = 20;
