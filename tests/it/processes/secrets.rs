//! Private keys and passphrases from wherever they may come, and that none of them is ever said again (R27 to R30, R80).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use super::broker::{Security, Site, alive, all_see, phalanx, request};
use crate::capture::pcap::Capture;
use crate::capture::tcpdump::Tcpdump;
use crate::recipes::NodeFiles;
use crate::support::is_installed;

const SECURITY: &str = "ZEEBE_BROKER_NETWORK_SECURITY";
const STORE_PASSWORD: &str = "planted-store-password-4711";
const KEY_PASSWORD: &str = "planted key password 0815";
const TOKEN: &str = "planted%20join%20token%20161803";
const DECODED_TOKEN: &str = "planted join token 161803";
const WRONG_TOKEN: &str = "planted-wrong-token-314159";
const WRONG_PASSWORD: &str = "planted-wrong-password-42";

/// Three brokers, with a key store, an encrypted key file and texts in the environment, form a cluster. Then everything they
/// have ever printed, answered or sent is searched for what was planted: at the most talkative level, in both formats, in what
/// the command line says of the same configuration, also where it is wrong, and, where there is tcpdump, in every packet.
#[test]
fn no_planted_secret_is_ever_said() {
    if !is_installed("openssl") {
        println!("SKIPPED: openssl is not installed");
        return;
    }
    let site = Site::new(4);
    let files: Vec<NodeFiles> = site.certificates().into_iter().map(files).collect();
    let (store, encrypted) = (key_store(&files[0]), encrypted_key(&files[1]));
    let ways: [Vec<(String, String)>; 3] = [
        vec![
            (name("KEYSTORE_FILEPATH"), text(&store)),
            (name("KEYSTORE_PASSWORD"), STORE_PASSWORD.to_owned()),
        ],
        vec![
            (name("CERTIFICATECHAINPATH"), text(&files[1].chain)),
            (name("PRIVATEKEYPATH"), text(&encrypted)),
            (name("PRIVATEKEYPASSWORD"), KEY_PASSWORD.to_owned()),
        ],
        vec![
            (name("CERTIFICATECHAIN"), read(&files[2].chain)),
            (name("PRIVATEKEY"), base64(&files[2].key)),
        ],
    ];
    let variables: Vec<_> = (0..3)
        .map(|id| {
            let mut variables = site.variables(id, &Security::Plain, &[0, 1, 2]);
            variables.push(("ZEEBE_BROKER_NETWORK_SECURITY_ENABLED", "true".to_owned()));
            variables.push(("PHALANX_LOG", "trace".to_owned()));
            plant_token(id, &site, &mut variables);
            let more = ways[id]
                .iter()
                .map(|(name, value)| (name.as_str(), value.clone()));
            variables.extend(more);
            variables
        })
        .collect();
    let mut said = Vec::new();
    let tcpdump = Tcpdump::start(&site.cluster_ports());
    let brokers: Vec<_> = (0..3).map(|id| site.start_as(id, &variables[id])).collect();
    all_see(&brokers.iter().collect::<Vec<_>>(), &alive(0..3));
    for broker in &brokers {
        let admin = site.admin_port(broker.id);
        for path in ["/members", "/refusals", "/startup", "/health", "/ready"] {
            said.push((
                format!("{path} of {}", broker.id),
                request(admin, "GET", path).unwrap().1,
            ));
        }
        said.push((format!("log of {}", broker.id), broker.process.stderr()));
        let stdout = String::from_utf8_lossy(&broker.process.stdout()).into_owned();
        said.push((format!("output of {}", broker.id), stdout));
    }
    let mut stranger = site.variables(3, &Security::Plain, &[0]);
    stranger.push(("ZEEBE_BROKER_NETWORK_SECURITY_ENABLED", "true".to_owned()));
    stranger.push(("ZEEBE_BROKER_CLUSTER_TOKEN", WRONG_TOKEN.to_owned()));
    let more = ways[2].iter();
    stranger.extend(more.map(|(name, value)| (name.as_str(), value.clone())));
    let output = phalanx(&stranger).arg("broker").output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let line = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(line.contains("TokenMismatch"), "{line}");
    said.push(("a wrong token".to_owned(), line));
    said.push(("log of 0 once more".to_owned(), brokers[0].process.stderr()));
    let sent = tcpdump.map(Tcpdump::finish_unread);
    drop(brokers);
    for (id, variables) in variables.iter().enumerate() {
        said.extend(everything_the_command_line_says(id, variables));
    }
    let mut wrong = variables[1].clone();
    wrong.retain(|(name, _)| !name.ends_with("_PRIVATEKEYPASSWORD"));
    wrong.push((
        "ZEEBE_BROKER_NETWORK_SECURITY_PRIVATEKEYPASSWORD",
        WRONG_PASSWORD.to_owned(),
    ));
    let output = phalanx(&wrong).arg("broker").output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let line = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(line.contains("the passphrase is wrong"), "{line}");
    said.push(("a wrong password".to_owned(), line));

    let mut planted = vec![
        STORE_PASSWORD.to_owned(),
        KEY_PASSWORD.to_owned(),
        WRONG_PASSWORD.to_owned(),
        TOKEN.to_owned(),
        DECODED_TOKEN.to_owned(),
        WRONG_TOKEN.to_owned(),
        base64(&files[2].key),
    ];
    for files in &files {
        planted.extend(lines_of_key(&files.key));
    }
    assert!(planted.len() > 7 && said.len() > 20);
    for (where_said, text) in &said {
        for secret in &planted {
            assert!(!text.contains(secret.as_str()), "{where_said} has {secret}");
        }
    }
    if let Some(sent) = sent {
        planted.extend([read(&files[0].key), read(&encrypted)]);
        let mut secrets: Vec<Vec<u8>> = planted.into_iter().map(String::into_bytes).collect();
        secrets.extend(files.iter().map(|files| core_of_key(&files.key)));
        assert_none_was_sent(&sent, &secrets);
    }
}

/// Looks through every packet of a capture, which has both kinds.
fn assert_none_was_sent(sent: &[u8], secrets: &[Vec<u8>]) {
    let capture = Capture::parse(sent).unwrap();
    assert!(!capture.datagrams.is_empty() && !capture.streams.is_empty());
    for secret in secrets {
        let is_there = sent.windows(secret.len()).any(|bytes| bytes == secret);
        assert!(!is_there, "{} was sent", String::from_utf8_lossy(secret));
    }
}

/// The join token: in a file, in a contact point, and as a setting of its own.
fn plant_token(id: usize, site: &Site, variables: &mut Vec<(&str, String)>) {
    match id {
        0 => {
            let file = site.directory().join("token");
            fs::write(&file, format!("{DECODED_TOKEN}\n")).unwrap();
            variables.push(("ZEEBE_BROKER_CLUSTER_TOKENFILE", text(&file)));
        }
        1 => {
            let contacts = variables
                .iter_mut()
                .find(|(name, _)| name.ends_with("CONTACTPOINTS"));
            let contacts = &mut contacts.unwrap().1;
            *contacts = format!("tls://{TOKEN}@{contacts}");
        }
        _ => variables.push(("ZEEBE_BROKER_CLUSTER_TOKEN", DECODED_TOKEN.to_owned())),
    }
}

fn everything_the_command_line_says(
    id: usize,
    variables: &[(&str, String)],
) -> Vec<(String, String)> {
    let mut said = Vec::new();
    for action in ["show", "check", "env"] {
        for format in [&[][..], &["--format", "json"]] {
            let output = phalanx(variables)
                .args(["config", action])
                .args(format)
                .output()
                .unwrap();
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text).into_owned();
            assert!(action != "show" || text.contains("******"), "{text}");
            said.push((format!("config {action} {format:?} of {id}"), text));
        }
    }
    said
}

fn files(security: Security) -> NodeFiles {
    match security {
        Security::Tls(files) => files,
        Security::Plain => unreachable!("certificates are for TLS"),
    }
}

fn name(key: &str) -> String {
    format!("{SECURITY}_{key}")
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// Chain and key as openssl packs them.
fn key_store(files: &NodeFiles) -> PathBuf {
    let store = files.key.with_extension("p12");
    openssl(
        &["pkcs12", "-export"],
        &[
            ("-in", &text(&files.chain)),
            ("-inkey", &text(&files.key)),
            ("-passout", &format!("pass:{STORE_PASSWORD}")),
            ("-out", &text(&store)),
        ],
    );
    store
}

fn encrypted_key(files: &NodeFiles) -> PathBuf {
    let encrypted = files.key.with_extension("p8");
    openssl(
        &["pkcs8", "-topk8", "-v2", "aes-256-cbc"],
        &[
            ("-in", &text(&files.key)),
            ("-passout", &format!("pass:{KEY_PASSWORD}")),
            ("-out", &text(&encrypted)),
        ],
    );
    encrypted
}

fn base64(path: &Path) -> String {
    let output = Command::new("openssl")
        .args(["base64", "-A", "-in", &text(path)])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn openssl(command: &[&str], options: &[(&str, &str)]) {
    let options = options.iter().flat_map(|(name, value)| [*name, *value]);
    let output = Command::new("openssl")
        .args(command)
        .args(options)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}");
}

/// What a P-256 key of PKCS#8 has in the middle: the 32 bytes that are the secret itself (RFC 5915, section 3).
fn core_of_key(path: &Path) -> Vec<u8> {
    let key = PrivateKeyDer::from_pem_file(path).unwrap();
    let (der, before) = (key.secret_der(), [0x02, 0x01, 0x01, 0x04, 0x20]);
    let at = der.windows(before.len()).position(|bytes| bytes == before);
    let secret = at.expect("an EC private key") + before.len();
    der[secret..secret + 32].to_vec()
}

/// The lines of base64 that make a key, long enough to be nothing else.
fn lines_of_key(path: &Path) -> Vec<String> {
    let text = read(path);
    let lines = text
        .lines()
        .filter(|line| !line.starts_with("-----") && line.len() > 20);
    lines.map(str::to_owned).collect()
}
