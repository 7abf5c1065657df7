use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::super::{Passphrase, PeerRole, Trust, TrustPem};
use super::*;
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);
const DAY: Duration = Duration::from_secs(86_400);

/// An authority's two files.
struct Site {
    directory: TempDir,
}

impl Site {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes `authority` as `ca.pem` and `ca.key`.
    fn keep(&self, authority: &Authority, passphrase: Option<&str>) {
        let secret = passphrase.map(Into::into);
        fs::write(self.path("ca.pem"), authority.certificates_pem()).unwrap();
        let key = authority.key_pem(secret.as_ref()).unwrap();
        fs::write(self.path("ca.key"), key.as_bytes()).unwrap();
    }

    fn load(&self, passphrase: Option<&str>) -> Result<Authority, IssueError> {
        let passphrase = passphrase.map(|text| Passphrase::Given(text.into()));
        Authority::load(
            &self.path("ca.pem"),
            &self.path("ca.key"),
            passphrase.as_ref(),
        )
    }

    /// The names of all that is there.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }
}

fn authority(key: KeyKind) -> Authority {
    let request = AuthorityRequest {
        common_name: "an authority".to_owned(),
        organization: None,
        life: 3_650 * DAY,
        key,
        path_len: 0,
    };
    Authority::create(&request, NOW).unwrap()
}

fn request(name: &str) -> NodeRequest {
    NodeRequest {
        common_name: name.to_owned(),
        life: 365 * DAY,
        ..NodeRequest::default()
    }
}

fn issue(authority: &Authority, request: &NodeRequest) -> Result<Issued, IssueError> {
    authority.issue(request, NodeKey::New(KeyKind::default()), NOW)
}

fn trust(issued: &Issued) -> Trust {
    let pem = TrustPem {
        certificate_chain: issued.chain_pem.as_bytes(),
        private_key: issued.key_pem.as_ref().unwrap().as_bytes(),
        ..TrustPem::default()
    };
    let (trust, warnings) = Trust::from_pem(&pem, NOW).unwrap();
    assert_eq!(warnings, []);
    trust
}

#[test]
fn every_kind_of_key_makes_authorities_whose_nodes_believe_each_other() {
    for kind in KeyKind::ALL {
        assert_eq!(kind.to_string().parse(), Ok(kind));
        let site = Site::new();
        site.keep(&authority(kind), None);
        let loaded = site.load(None).unwrap();
        let make = |name| {
            let issued = loaded.issue(&request(name), NodeKey::New(kind), NOW);
            trust(&issued.unwrap())
        };
        let (one, two) = (make("one"), make("two"));
        for role in [PeerRole::Client, PeerRole::Server] {
            one.verify_peer(two.chain(), role, NOW).unwrap();
        }
    }
}

#[test]
fn an_encrypted_key_is_opened_by_its_passphrase_alone() {
    let site = Site::new();
    site.keep(&authority(KeyKind::default()), Some("open sesame"));
    let stored = fs::read_to_string(site.path("ca.key")).unwrap();
    assert!(stored.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
    let loaded = site.load(Some("open sesame")).unwrap();
    issue(&loaded, &request("one")).unwrap();
    for (passphrase, words) in [
        (None, "is encrypted"),
        (Some("open"), "passphrase is wrong"),
    ] {
        let error = site.load(passphrase).err().unwrap().to_string();
        assert!(
            error.contains(words) && error.contains("ca.key"),
            "{passphrase:?}: {error}"
        );
    }
}

#[test]
fn a_certificate_lives_no_longer_than_its_authority() {
    let authority = authority(KeyKind::default());
    let at = NOW + 3_600 * DAY;
    let issued = authority.issue(&request("one"), NodeKey::New(KeyKind::default()), at);
    let issued = issued.unwrap();
    assert!(issued.is_cut_short);
    assert_eq!(issued.not_after, authority.not_after());
    let early = issue(&authority, &request("one")).unwrap();
    assert_eq!(
        (early.not_after, early.is_cut_short),
        (NOW + 365 * DAY, false)
    );
    let late = authority.issue(
        &request("one"),
        NodeKey::New(KeyKind::default()),
        NOW + 3_651 * DAY,
    );
    let error = late.err().unwrap().to_string();
    assert!(
        error.contains("an authority") && error.contains("expired") && error.contains("certs ca"),
        "{error}"
    );
}

#[test]
fn what_is_no_authority_issues_nothing() {
    let site = Site::new();
    let issued = issue(&authority(KeyKind::default()), &request("one")).unwrap();
    fs::write(site.path("ca.pem"), &issued.chain_pem).unwrap();
    fs::write(site.path("ca.key"), issued.key_pem.unwrap().as_bytes()).unwrap();
    let error = site.load(None).err().unwrap().to_string();
    assert!(
        error.contains("ca.pem") && error.contains("CN=one") && error.contains("CA:TRUE"),
        "{error}"
    );
    let other = authority(KeyKind::default());
    fs::write(site.path("ca.pem"), other.certificates_pem()).unwrap();
    let error = site.load(None).err().unwrap().to_string();
    assert!(
        error.contains("ca.key") && error.contains("does not belong") && error.contains("ca.pem"),
        "{error}"
    );
}

/// R122.
#[test]
fn names_that_nobody_could_match_are_refused() {
    let authority = authority(KeyKind::default());
    for (dns, uri, is_sound) in [
        (
            &["a.example", "*.b.example"][..],
            Some("spiffe://a.example/node/1"),
            true,
        ),
        (&[], Some("spiffe://a.example"), true),
        (&[], Some("urn:node:1"), true),
        (&["a b"], None, false),
        (&[""], None, false),
        (&["10.0.0.1"], None, false),
        (&["a.*.example"], None, false),
        (&[], Some("node 1"), false),
        (&[], Some("spiffe://A.example/x"), false),
        (&[], Some("spiffe://a.example/"), false),
        (&[], Some("spiffe://a.example/x?y"), false),
        (&[], Some("spiffe:///x"), false),
    ] {
        let request = NodeRequest {
            dns: dns.iter().map(ToString::to_string).collect(),
            uri: uri.map(str::to_owned),
            ..request("one")
        };
        let issued = issue(&authority, &request);
        assert_eq!(issued.is_ok(), is_sound, "{dns:?} {uri:?}");
    }
    assert!(matches!(
        issue(&authority, &request("")),
        Err(IssueError::Name(NameError::CommonName))
    ));
}

/// R123.
#[test]
fn a_certificate_is_issued_again_with_its_names_and_its_key() {
    let site = Site::new();
    let authority = authority(KeyKind::default());
    let old = NodeRequest {
        dns: vec!["a.example".to_owned()],
        uri: Some("spiffe://a/1".to_owned()),
        ..request("one")
    };
    let old = issue(&authority, &old).unwrap();
    let key = site.path("one.key");
    fs::write(&key, old.key_pem.as_ref().unwrap().as_bytes()).unwrap();
    let old_trust = trust(&old);
    let mut again = NodeRequest {
        ip: vec![IpAddr::from([10, 0, 0, 1])],
        ..request("")
    };
    again.inherit(&old_trust.chain()[0]);
    let key = NodeKey::load(&key, None).unwrap();
    let issued = authority.issue(&again, key, NOW).unwrap();
    assert!(issued.key_pem.is_none());
    let new = Trust::from_pem(
        &TrustPem {
            certificate_chain: issued.chain_pem.as_bytes(),
            private_key: old.key_pem.as_ref().unwrap().as_bytes(),
            ..TrustPem::default()
        },
        NOW,
    );
    let new = new.unwrap().0;
    let peer = old_trust.verify_peer(new.chain(), PeerRole::Server, NOW);
    let peer = peer.unwrap();
    let names = peer.names().to_string();
    for name in [
        "CN one",
        "a.example",
        "10.0.0.1",
        "127.0.0.1",
        "::1",
        "spiffe://a/1",
    ] {
        assert!(names.contains(name), "{name}: {names}");
    }
    assert_eq!(names.matches("localhost").count(), 1);
    assert_ne!(new.leaf_sha256(), old_trust.leaf_sha256());
}

#[test]
fn files_appear_together_or_not_at_all() {
    let site = Site::new();
    let mut files = NewFiles::default();
    files.add(site.path("new/a.pem"), "a".to_owned());
    files.add_secret(site.path("a.key"), "key".to_owned().into());
    files.add(site.path("b.pem"), "b".to_owned());
    fs::write(site.path("b.pem"), "mine").unwrap();
    let error = files.write().unwrap_err();
    assert!(matches!(&error, IssueError::Exists { file } if *file == site.path("b.pem")));
    assert_eq!(site.files(), ["b.pem"]);
    fs::remove_file(site.path("b.pem")).unwrap();
    files.write().unwrap();
    assert_eq!(fs::read_to_string(site.path("new/a.pem")).unwrap(), "a");
    let mut found = site.files();
    found.sort();
    assert_eq!(found, ["a.key", "b.pem", "new"]);
}
