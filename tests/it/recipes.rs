//! The two openssl walk-throughs people follow, command for command: files that a cluster must form with (R115-R117).
//!
//! A prompt is answered as a person would: by pressing enter, or by typing a common name. What they leave behind is odd: certificates
//! of version 1, no names to check, one subject for everybody, one serial number, an authority under another PEM label.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use phalanx::trust::{AnchorOrigin, PeerRole, Trust, TrustOptions};
use tempfile::TempDir;

use crate::support::{is_installed, now};

/// What a walk-through has made, in a directory that goes with it.
pub(crate) struct Recipe {
    directory: TempDir,
    /// The nodes in the order of the walk-through.
    pub(crate) nodes: Vec<NodeFiles>,
}

/// The files of one node.
#[derive(Clone, Debug)]
pub(crate) struct NodeFiles {
    /// `certificateChainPath`.
    pub(crate) chain: PathBuf,
    /// `privateKeyPath`.
    pub(crate) key: PathBuf,
    /// `trustedCertificatesPath`, where the authority is not in the chain file.
    pub(crate) trusted: Option<PathBuf>,
}

/// What is typed where openssl asks for names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answers {
    /// Nothing: every certificate gets the same subject.
    Defaults,
    /// A common name for each: `ca`, `nodeA`, `nodeB`, `nodeC`.
    Names,
}

/// How the nodes of the second walk-through come by its root.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Root {
    /// Behind the node's own certificate, in one file.
    InChainFile,
    /// In a file of its own.
    Separate,
}

impl Recipe {
    /// Nodes A, B and C, each with a chain file: the walk-through in Zeebe's documentation.
    ///
    /// `None`, with a word to whoever reads the test's output, where there is no openssl.
    pub(crate) fn chain_files(answers: Answers) -> Option<Self> {
        let mut recipe = Self::new()?;
        for command in CHAIN_FILES.lines().filter(|line| !line.is_empty()) {
            recipe.run(command, &answers.to(command));
        }
        for node in ["A", "B", "C"] {
            recipe.node(
                &format!("chainNode{node}.pem"),
                &format!("node{node}.key"),
                None,
            );
        }
        Some(recipe)
    }

    /// A leader and a worker below one root: the walk-through in Cribl's blog.
    ///
    /// `None`, with a word to whoever reads the test's output, where there is no openssl.
    pub(crate) fn leader_and_worker(root: Root) -> Option<Self> {
        let mut recipe = Self::new()?;
        for command in LEADER_AND_WORKER.lines().filter(|line| !line.is_empty()) {
            recipe.run(command, "");
        }
        for name in ["leader", "worker"] {
            let key = format!("{name}.key");
            match root {
                Root::InChainFile => {
                    let chain = format!("{name}-chain.pem");
                    recipe.run(&format!("cat {name}.pem root.pem > {chain}"), "");
                    recipe.node(&chain, &key, None);
                }
                Root::Separate => recipe.node(&format!("{name}.pem"), &key, Some("root.pem")),
            }
        }
        Some(recipe)
    }

    /// Where the files are, for a process that is given relative paths.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn new() -> Option<Self> {
        if !is_installed("openssl") {
            println!("skipped: openssl is not installed");
            return None;
        }
        Some(Self {
            directory: tempfile::tempdir().unwrap(),
            nodes: Vec::new(),
        })
    }

    /// Runs one command as a shell does, and types `answers`.
    fn run(&self, command: &str, answers: &str) {
        let mut shell = Command::new("sh")
            .args(["-c", command])
            .current_dir(self.directory())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut keyboard = shell.stdin.take().expect("it is piped");
        // A command that asks for nothing may have ended before.
        let _ = keyboard.write_all(answers.as_bytes());
        drop(keyboard);
        let output = shell.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {text}");
    }

    fn node(&mut self, chain: &str, key: &str, trusted: Option<&str>) {
        let file = |name: &str| self.directory().join(name);
        let files = NodeFiles {
            chain: file(chain),
            key: file(key),
            trusted: trusted.map(file),
        };
        self.nodes.push(files);
    }
}

impl NodeFiles {
    /// For the library.
    pub(crate) fn options(&self) -> TrustOptions {
        TrustOptions {
            certificate_chain: self.chain.clone(),
            private_key: self.key.clone(),
            trusted_certificates: self.trusted.clone(),
            contact_hosts: vec!["127.0.0.1".to_owned()],
            ..TrustOptions::default()
        }
    }

    fn load(&self) -> Trust {
        let (trust, warnings) = Trust::load(&self.options(), now()).unwrap();
        assert_eq!(warnings, []);
        trust
    }
}

impl Answers {
    /// What to type at the prompts of `command`, of which the sixth is for the common name.
    fn to(self, command: &str) -> String {
        let name = match self {
            Self::Defaults => "",
            Self::Names if command.contains("ca.csr") => "ca",
            Self::Names => ["nodeA", "nodeB", "nodeC"]
                .into_iter()
                .find(|name| command.contains(name))
                .unwrap_or_default(),
        };
        format!("\n\n\n\n\n{name}\n\n\n\n")
    }
}

const CHAIN_FILES: &str = "
openssl req -new -newkey rsa:2048 -nodes -out ca.csr -keyout ca.key
openssl x509 -trustout -signkey ca.key -days 365 -req -in ca.csr -out ca.pem
openssl genpkey -out nodeA.key -algorithm RSA -pkeyopt rsa_keygen_bits:2048
openssl genpkey -out nodeB.key -algorithm RSA -pkeyopt rsa_keygen_bits:2048
openssl genpkey -out nodeC.key -algorithm RSA -pkeyopt rsa_keygen_bits:2048
openssl req -new -key nodeA.key -out nodeA.csr
openssl req -new -key nodeB.key -out nodeB.csr
openssl req -new -key nodeC.key -out nodeC.csr
openssl x509 -req -days 365 -in nodeA.csr -CA ca.pem -CAkey ca.key -set_serial 01 -out nodeA.pem
openssl x509 -req -days 365 -in nodeB.csr -CA ca.pem -CAkey ca.key -set_serial 01 -out nodeB.pem
openssl x509 -req -days 365 -in nodeC.csr -CA ca.pem -CAkey ca.key -set_serial 01 -out nodeC.pem
cat nodeA.pem ca.pem > chainNodeA.pem
cat nodeB.pem ca.pem > chainNodeB.pem
cat nodeC.pem ca.pem > chainNodeC.pem
";

const LEADER_AND_WORKER: &str = "
openssl genrsa -out root.key 2048
openssl req -x509 -new -nodes -key root.key -sha256 -days 3165 -out root.pem -subj '/CN=LogStream CA'
openssl genrsa -out leader.key 2048
openssl req -new -key leader.key -out leader.csr -subj '/CN=leader.cribl'
openssl genrsa -out worker.key 2048
openssl req -new -key worker.key -out worker.csr -subj '/CN=worker.cribl'
openssl x509 -req -in leader.csr -CA root.pem -CAkey root.key -CAcreateserial -out leader.pem -days 365 -sha256
openssl x509 -req -in worker.csr -CA root.pem -CAkey root.key -CAcreateserial -out worker.pem -days 365 -sha256
";

/// R115, R116: as written, every prompt answered with enter.
#[test]
fn chain_files_with_default_answers_make_nodes_that_believe_each_other() {
    let Some(recipe) = Recipe::chain_files(Answers::Defaults) else {
        return;
    };
    let nodes = load_all(&recipe);
    assert_eq!(nodes[0].subject(), nodes[1].subject(), "one name for all");
    all_believe_each_other(&nodes, AnchorOrigin::ChainFile);
    let Some(other) = Recipe::chain_files(Answers::Defaults) else {
        return;
    };
    let stranger = load_all(&other).swap_remove(1);
    assert_eq!(stranger.subject(), nodes[1].subject());
    for node in &nodes {
        let verdict = node.verify_peer(stranger.chain(), PeerRole::Server, now());
        assert_eq!(verdict.unwrap_err().reason(), "bad-signature");
    }
}

/// R116: the same with a name for each.
#[test]
fn chain_files_with_names_make_nodes_that_believe_each_other() {
    let Some(recipe) = Recipe::chain_files(Answers::Names) else {
        return;
    };
    let nodes = load_all(&recipe);
    for (node, name) in nodes.iter().zip(["CN=nodeA", "CN=nodeB", "CN=nodeC"]) {
        assert!(node.subject().contains(name), "{}", node.subject());
    }
    all_believe_each_other(&nodes, AnchorOrigin::ChainFile);
}

/// R117, R37: with the root in a file of its own, and behind each certificate.
#[test]
fn a_leader_and_a_worker_believe_each_other() {
    for (root, origin) in [
        (Root::InChainFile, AnchorOrigin::ChainFile),
        (Root::Separate, AnchorOrigin::TrustedCertificates),
    ] {
        let Some(recipe) = Recipe::leader_and_worker(root) else {
            return;
        };
        all_believe_each_other(&load_all(&recipe), origin);
    }
}

/// R114, R43: one self-signed certificate for all, as `openssl req -x509` makes it, is a chain file in itself.
#[test]
fn one_certificate_for_all_is_enough() {
    let Some(recipe) = Recipe::new() else {
        return;
    };
    let answers = Answers::Defaults.to("");
    recipe.run(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 365 -keyout shared.key -out shared.pem",
        &answers,
    );
    let shared = NodeFiles {
        chain: recipe.directory().join("shared.pem"),
        key: recipe.directory().join("shared.key"),
        trusted: None,
    };
    all_believe_each_other(&[shared.load(), shared.load()], AnchorOrigin::ChainFile);
}

fn load_all(recipe: &Recipe) -> Vec<Trust> {
    for node in &recipe.nodes {
        let pem = fs::read_to_string(&node.chain).unwrap();
        assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"), "{pem}");
    }
    recipe.nodes.iter().map(NodeFiles::load).collect()
}

fn all_believe_each_other(nodes: &[Trust], origin: AnchorOrigin) {
    for (one, node) in nodes.iter().enumerate() {
        for (other, peer) in nodes.iter().enumerate() {
            if one == other {
                continue;
            }
            for role in [PeerRole::Client, PeerRole::Server] {
                let verified = node.verify_peer(peer.chain(), role, now()).unwrap();
                assert_eq!(verified.anchor().origin, origin);
            }
        }
    }
}
