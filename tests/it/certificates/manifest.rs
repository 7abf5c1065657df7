//! The manifest of `tests/certs/generate.sh`, whose header describes its fields.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use phalanx::trust::{IdentityOptions, PeerRole};
use serde::Deserialize;
use tempfile::{NamedTempFile, TempDir};

/// All certificates and keys, freshly made, and the cases that use them.
pub(crate) struct Zoo {
    directory: TempDir,
    manifest: Manifest,
}

#[derive(Deserialize)]
struct Manifest {
    format: u32,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    group: String,
    pub(crate) kind: Kind,
    presents: Option<String>,
    pub(crate) chain: Option<String>,
    key: Option<String>,
    pub(crate) passphrase: Option<String>,
    #[serde(default)]
    pub(crate) trust: Vec<String>,
    pub(crate) own_chain: Option<String>,
    pub(crate) own_key: Option<String>,
    pub(crate) system_roots: Option<String>,
    #[serde(default)]
    identity: Identity,
    pub(crate) at: Option<u64>,
    pub(crate) count: Option<usize>,
    pub(crate) expect: Expect,
    pub(crate) reason: String,
    pub(crate) why: String,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Identity {
    cn: Vec<String>,
    dns: Vec<String>,
    ip: Vec<String>,
    uri: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Handshake,
    Load,
    Verify,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Expect {
    Accept,
    LoadError,
    Reject,
}

impl Zoo {
    /// Runs the generator; `None` if there is no openssl to run it with.
    pub(crate) fn generate() -> Option<Self> {
        Command::new("openssl").arg("version").output().ok()?;
        let directory = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certs/generate.sh");
        let output = Command::new("bash")
            .arg(script)
            .arg(directory.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let manifest: Manifest =
            serde_json::from_slice(&fs::read(directory.path().join("manifest.json")).unwrap())
                .unwrap();
        assert_eq!(manifest.format, 1);
        Some(Self {
            directory,
            manifest,
        })
    }

    pub(crate) fn cases(&self) -> &[Case] {
        &self.manifest.cases
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    pub(crate) fn read(&self, file: &str) -> Vec<u8> {
        fs::read(self.path(file)).unwrap()
    }

    pub(crate) fn read_all(&self, files: &[String]) -> Vec<u8> {
        files.iter().flat_map(|file| self.read(file)).collect()
    }

    /// A file that holds all of these, or `None` if there are none.
    pub(crate) fn join(&self, files: &[String]) -> Option<NamedTempFile> {
        if files.is_empty() {
            return None;
        }
        let mut joined = NamedTempFile::new_in(self.directory.path()).unwrap();
        joined.write_all(&self.read_all(files)).unwrap();
        Some(joined)
    }
}

impl Case {
    pub(crate) fn chain(&self) -> &str {
        self.chain.as_deref().expect("the case has a chain")
    }

    pub(crate) fn key(&self) -> &str {
        self.key.as_deref().expect("the case has a key")
    }

    /// The rules the judge is configured with.
    ///
    /// A system root vouches for strangers, so a judge that believes one must have a rule, or a contact point that the
    /// certificate names; the case of the table that has neither is given the rule that fits its certificate.
    pub(crate) fn identity(&self) -> IdentityOptions {
        let mut rules = IdentityOptions {
            common_name: self.identity.cn.clone(),
            dns: self.identity.dns.clone(),
            ip: self.identity.ip.clone(),
            uri: self.identity.uri.clone(),
            ..IdentityOptions::default()
        };
        if self.system_roots.is_some() && rules == IdentityOptions::default() {
            rules.common_name = vec!["node[A-C]".to_owned()];
        }
        rules
    }

    /// The roles to present in: both, except where the case is about the role.
    pub(crate) fn roles(&self) -> &'static [PeerRole] {
        match (self.group.as_str(), self.presents.as_deref()) {
            ("usage", Some("client")) => &[PeerRole::Client],
            ("usage", _) => &[PeerRole::Server],
            _ => &[PeerRole::Server, PeerRole::Client],
        }
    }
}
