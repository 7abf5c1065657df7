//! Certificates that change while nodes run (R101 to R103).

use std::fs;
use std::path::Path;
use std::time::Duration;

use phalanx::member::{IntroductionTag, MemberId, MemberState};
use phalanx::trust::{DevCertificates, TrustOptions};
use phalanx::{Node, ReloadError};
use tempfile::TempDir;

use crate::support::now;

/// Longer than any test takes; only a test that hangs meets it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node's certificate is replaced by another of the same authority, by swapping a directory as orchestrators do. The
/// others take the new one up, nobody is suspected, and the node lets others in with it.
#[tokio::test]
async fn a_certificate_is_renewed_in_a_running_node() {
    let site = Site::new();
    let first = site.start("1", None, Duration::from_millis(20)).await;
    let second = site
        .start("2", Some(&first), Duration::from_secs(3_600))
        .await;
    within(second.joined()).await.unwrap();
    let before = introduction(&second, "1");
    site.renew("1");
    until(|| introduction(&second, "1") != before).await;
    let third = site
        .start("3", Some(&first), Duration::from_secs(3_600))
        .await;
    within(third.joined()).await.unwrap();
    until(|| third.members().len() == 3 && second.members().len() == 3).await;
    for node in [&first, &second, &third] {
        let members = node.members();
        let alive = members
            .iter()
            .all(|member| member.state() == MemberState::Alive);
        assert!(alive, "{members:#?}");
    }
    let reload = first.reload_trust().await.unwrap();
    assert!(!reload.is_renewed, "the look has taken it up already");
}

/// R25, R103: files that do not belong together, or cannot be read, leave in force what is.
#[tokio::test]
async fn a_bad_new_file_keeps_the_old() {
    let site = Site::new();
    let first = site.start("1", None, Duration::from_secs(3_600)).await;
    let chain = site.directory("1").join("node.pem");
    let sound = fs::read(&chain).unwrap();
    let (other, _) = site.issue("other");
    for (bad, reason) in [(b"".to_vec(), "no-certificate"), (other, "key-mismatch")] {
        fs::write(&chain, bad).unwrap();
        let Err(ReloadError::Load(error)) = first.reload_trust().await else {
            panic!("{reason} is put in force");
        };
        assert_eq!(error.reason(), reason);
        let name = format!("after-{reason}");
        let joins = site
            .start(&name, Some(&first), Duration::from_secs(3_600))
            .await;
        within(joins.joined()).await.unwrap();
    }
    fs::write(&chain, sound).unwrap();
    let reload = first.reload_trust().await.unwrap();
    assert!(!reload.is_renewed);
}

/// R109: files of another authority, which nobody here is believed under, leave in force what is.
#[tokio::test]
async fn files_under_which_nobody_is_believed_keep_the_old() {
    let mut site = Site::new();
    let hour = Duration::from_secs(3_600);
    let first = site.start("1", None, hour).await;
    let second = site.start("2", Some(&first), hour).await;
    within(second.joined()).await.unwrap();
    until(|| first.members().len() == 2).await;
    let sound = std::mem::replace(&mut site.authority, DevCertificates::new(now()).unwrap());
    site.renew("1");
    let refused = within(first.reload_trust()).await;
    assert!(
        matches!(refused, Err(ReloadError::LocksEverybodyOut { members: 1 })),
        "{refused:?}"
    );
    site.authority = sound;
    site.renew("1");
    let reload = within(first.reload_trust()).await.unwrap();
    assert!(reload.is_renewed);
    assert!(first.untrusted().is_empty());
}

/// R102, R128: the connections to members can be looked at, with what each was agreed on.
#[tokio::test]
async fn connections_show_how_they_are_secured() {
    let site = Site::new();
    let hour = Duration::from_secs(3_600);
    let first = site.start("1", None, hour).await;
    let second = site.start("2", Some(&first), hour).await;
    within(second.joined()).await.unwrap();
    until(|| !first.connections().is_empty()).await;
    let seen = first.connections();
    assert_eq!(seen[0].member, MemberId::new("2").unwrap());
    assert!(!seen[0].is_dialed && seen[0].session.unwrap().is_post_quantum());
    let seen = second.connections();
    assert_eq!(seen[0].peer, first.addr());
    assert!(seen[0].is_dialed);
}

struct Site {
    root: TempDir,
    authority: DevCertificates,
}

impl Site {
    fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
            authority: DevCertificates::new(now()).unwrap(),
        }
    }

    fn directory(&self, id: &str) -> std::path::PathBuf {
        self.root.path().join(id).join("..data")
    }

    /// A new chain and key for a node.
    fn issue(&self, name: &str) -> (Vec<u8>, Vec<u8>) {
        let directory = tempfile::tempdir_in(self.root.path()).unwrap();
        let made = self.authority.write_node(directory.path(), name).unwrap();
        let read = |file: &Path| fs::read(file).unwrap();
        (read(&made.certificate_chain), read(&made.private_key))
    }

    /// Puts new files in place, both at once: a link to a directory is swapped.
    fn renew(&self, id: &str) {
        let (chain, key) = self.issue(&format!("node{id}"));
        let base = self.root.path().join(id);
        fs::create_dir_all(&base).unwrap();
        let version = format!("..{}", fs::read_dir(&base).unwrap().count());
        let directory = base.join(&version);
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("node.pem"), chain).unwrap();
        fs::write(directory.join("node.key"), key).unwrap();
        let link = base.join("..new");
        std::os::unix::fs::symlink(&version, &link).unwrap();
        fs::rename(&link, base.join("..data")).unwrap();
    }

    async fn start(&self, id: &str, contact: Option<&Node>, every: Duration) -> Node {
        self.renew(id);
        let directory = self.directory(id);
        let files = TrustOptions {
            certificate_chain: directory.join("node.pem"),
            private_key: directory.join("node.key"),
            ..TrustOptions::default()
        };
        let builder = Node::builder().member_id(id).bind("127.0.0.1:0").tls(files);
        let builder = match contact {
            Some(contact) => builder.contact_point(contact.addr()),
            None => builder,
        };
        let mut config = builder.config().unwrap();
        config.reload_interval = every;
        Node::start(config).await.unwrap()
    }
}

fn introduction(node: &Node, id: &str) -> Option<IntroductionTag> {
    let member = node.member(&MemberId::new(id).unwrap())?;
    member.record().introduction
}

async fn until(holds: impl Fn() -> bool) {
    within(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    let timed = tokio::time::timeout(PATIENCE, future).await;
    timed.expect("it does not take that long")
}
