//! The configuration: Zeebe's names and defaults, from one YAML file and the environment, checked.
//!
//! [`load`] reads both and yields a [`Config`] for the node, the [`Settings`] it came from (each value with its
//! [`Source`]) and [`Warning`]s; or a [`ConfigError`] that lists everything wrong at once. What the names are is said
//! once, in [`schema`]; how texts become values is Spring Boot's relaxed binding. Files that a setting names are not
//! opened here: whoever needs them does that.
//!
//! Invariant: a [`Config`] holds no value out of its documented range and needs no further check.

mod check;
mod contact;
mod env;
mod error;
mod layer;
mod names;
mod parse;
pub(crate) mod raw;
pub mod schema;
mod settings;
mod source;
mod tree;
mod value;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, path};

pub use crate::member::{ContactPoint, ContactPointError, HostError};
pub use crate::membership::ExpiredMember;
pub use contact::{Contact, Scheme};
pub use error::{ConfigError, MASK, Problem, Warning};
pub use settings::{Entry, Held, Setting, Settings, Shown};
pub use source::{Position, Source};
pub use value::{Kind, Value, ValueError};

use crate::member::{MemberId, Role};
use crate::trust::{ClientAuth, ExposedKey, IdentityOptions, Inline, KeyStore, Passphrase, Secret};
use layer::{Findings, Layer};

/// What a node is to be, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Which section it comes from.
    pub role: Role,
    /// A broker's `nodeId` in decimal, a gateway's `memberId`.
    pub member_id: MemberId,
    /// Which cluster, and how to get in.
    pub cluster: Cluster,
    /// Addresses and sockets.
    pub network: Network,
    /// Messages and streams between members.
    pub messages: Messages,
    /// TLS, and how connections are proven.
    pub security: Security,
    /// Failure detection and gossip.
    pub membership: Membership,
    /// The management server; none: switched off.
    pub management: Option<Management>,
}

/// Which cluster, and how to get in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Nodes of another name are refused.
    pub name: String,
    /// Nodes of another id are refused; none: any id will do.
    pub id: Option<String>,
    /// Nodes to join through. May name this node itself.
    pub contact_points: Vec<ContactPoint>,
    /// How many brokers the cluster starts with; none for a gateway, which does not know.
    pub size: Option<u32>,
    /// Keep trying instead of exiting when every contact point refuses for good.
    pub join_retry_refused: bool,
    /// A secret that all nodes share, the second factor of a join; none: certificates alone decide.
    pub token: Option<Token>,
}

/// Where the join token comes from. It has not been looked at yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// The first line of this file.
    File(PathBuf),
    /// This, from a setting of its own or from within a contact point.
    Given(Secret),
}

/// Addresses and sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Host name or IP address to bind to, without brackets.
    pub bind_host: String,
    /// Port for TCP and UDP; 0 takes a free one. For a broker `port + 10 * portOffset`, except that 0 stays 0.
    pub port: u16,
    /// Where others reach this node, host name or IP address without brackets; none: found out at start.
    pub advertised_host: Option<String>,
    /// The port others reach this node at, never 0; none: the bound port. For a broker with the same offset as `port`.
    pub advertised_port: Option<u16>,
    /// Send buffer of each socket, in bytes; none: the system decides.
    pub socket_send_buffer: Option<u64>,
    /// Receive buffer of each socket, in bytes; none: the system decides.
    pub socket_receive_buffer: Option<u64>,
    /// Whether there is a datagram socket; without one, gossip travels on TCP.
    pub udp_enabled: bool,
    /// What carries messages and streams; QUIC only with TLS.
    pub transport: Transport,
    /// UDP port for QUIC, 0 for a free one; none: the port behind `port`. For a broker with the same offset as `port`.
    pub quic_port: Option<u16>,
}

/// What carries messages and streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// QUIC, and TCP where that does not get through.
    Quic,
    /// TCP.
    Tcp,
}

/// Messages and streams between members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Messages {
    /// The longest message, in bytes, 1 KiB to 512 MiB.
    pub max_message_size: u64,
    /// What messages are compressed with.
    pub compression: Compression,
    /// How long a member may be silent before it is asked for a sign of life, 1 ms to 1 d; none: the default. A gateway has no
    /// such key.
    pub heartbeat_interval: Option<Duration>,
    /// How long it may be silent before the connection is given up, longer than that; none: the default.
    pub heartbeat_timeout: Option<Duration>,
    /// How long a request may take, 1 ms to 1 d; none: the default. A broker has no such key.
    pub request_timeout: Option<Duration>,
}

/// What messages are compressed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Gzip.
    Gzip,
    /// Nothing.
    None,
    /// Snappy.
    Snappy,
}

/// TLS, and how connections are proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Security {
    /// TLS 1.3 on every TCP connection; none: plaintext on every one.
    pub tls: Option<Tls>,
    /// How often certificate files are looked at, 100 ms to 1 d.
    pub reload_interval: Duration,
    /// How long a new connection may take until both ends have proven themselves, 500 ms to 5 min.
    pub handshake_timeout: Duration,
    /// How long a gossip key is used before a new one is made, 5 min to 365 days.
    pub key_rotation: Duration,
    /// What becomes of a member whose certificate has expired.
    pub expired_member: ExpiredMember,
    /// How long a verdict on a member's certificates counts before they are judged again, 10 s to 365 days.
    pub trust_age_max: Duration,
    /// Which addresses a joining node may ask to be dialled back at; none: any with TLS, without it only its own host.
    pub dial_back: Option<DialBack>,
}

/// What TLS takes. Relative paths start from the working directory; no file has been opened yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// PEM: this node's certificate, then its chain; every certificate in it is trusted. Empty where it comes otherwise.
    pub certificate_chain_path: PathBuf,
    /// PEM: the private key of the first certificate. Empty where it comes otherwise.
    pub private_key_path: PathBuf,
    /// The two as texts, instead of the files.
    pub inline: Inline,
    /// The two in one PKCS#12 file, instead of the files.
    pub key_store: Option<KeyStore>,
    /// What opens the private key, where it is encrypted.
    pub passphrase: Option<Passphrase>,
    /// What to do if others can read the file of the private key.
    pub exposed_key: ExposedKey,
    /// PEM: further certificates to trust.
    pub trusted_certificates_path: Option<PathBuf>,
    /// Whether the system's roots are trusted too.
    pub system_roots: SystemRoots,
    /// Whether the dialling end shows a certificate in TLS as well.
    pub client_auth: ClientAuth,
    /// Refuse peers whose key exchange is not post-quantum.
    pub require_post_quantum: bool,
    /// Whom a peer's certificate may stand for.
    pub identity: IdentityOptions,
}

/// Whether the system's roots are trusted besides the chain file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemRoots {
    /// Only where the chain file is a lone leaf that is not self-signed.
    Auto,
    /// Never.
    False,
    /// Always.
    True,
}

/// Which addresses a joining node may ask to be dialled back at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialBack {
    /// Any it advertises.
    Any,
    /// Nobody is dialled back.
    Off,
    /// Only the address its own connection comes from.
    SameHost,
}

/// Failure detection and gossip, under Zeebe's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Send news to every member at once where there are at most 64. More traffic, faster news.
    pub broadcast_updates: bool,
    /// Send refutations to every member at once where there are at most 64.
    pub broadcast_disputes: bool,
    /// Tell a member by a datagram of its own that it is suspected.
    pub notify_suspect: bool,
    /// Time between two rounds of gossip, 1 ms to 1 h.
    pub gossip_interval: Duration,
    /// Members told per round of gossip, 1 to 1000.
    pub gossip_fanout: u32,
    /// Time between two probes, 1 ms to 1 h. At least `3 * probe_timeout` is used.
    pub probe_interval: Duration,
    /// Wait for an answer before relays are asked, 1 ms to 1 h.
    pub probe_timeout: Duration,
    /// Probes per round, 1 to 100: one direct, the others through relays.
    pub suspect_probes: u32,
    /// Longest time a member is suspect before it is declared dead, 1 ms to 1 d. Raising it delays the news of a death.
    pub failure_timeout: Duration,
    /// Time between two comparisons of whole views, 1 ms to 1 d.
    pub sync_interval: Duration,
    /// Shortest time a member is suspect, 0 to 1 d; never more than `failure_timeout` is used.
    pub suspicion_floor: Duration,
}

/// Where the management server listens, and whom it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Management {
    /// Host name or IP address to bind to, without brackets.
    pub address: String,
    /// Its port; 0 takes a free one.
    pub port: u16,
    /// What whoever asks must show; none: nothing.
    pub token: Option<Token>,
    /// Whether metrics are answered without the token.
    pub metrics_public: bool,
    /// TLS 1.3 on every connection; none: plain HTTP.
    pub tls: Option<ManagementTls>,
}

/// The management server's own certificate. No file has been opened yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagementTls {
    /// PEM: its certificate, then the chain. Empty where there is a key store.
    pub certificate_path: PathBuf,
    /// PEM: the private key. Empty where there is a key store.
    pub private_key_path: PathBuf,
    /// What opens the private key, where it is encrypted.
    pub password: Option<Secret>,
    /// The two in one PKCS#12 file, instead of the files.
    pub key_store: Option<KeyStore>,
    /// Who may show a certificate instead of the token, to read metrics; none: nobody is asked for one.
    pub clients: Option<ClientCertificates>,
}

/// The certificates of those who ask the management server. No file has been opened yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificates {
    /// PEM: the authorities that vouch for them.
    pub authorities: PathBuf,
    /// Whether nobody gets a connection without one.
    pub is_required: bool,
}

/// What [`load`] yields.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The checked configuration.
    pub config: Config,
    /// Every value with its source.
    pub settings: Settings,
    /// What the operator should know.
    pub warnings: Vec<Warning>,
}

/// Reads the configuration of a node of `section` from `file` and `environment`, which wins.
///
/// Only the named section counts; unknown names are errors in either.
///
/// # Errors
///
/// [`ConfigError`] when the file cannot be read or is not YAML, or with every wrong setting at once.
///
/// # Examples
///
/// ```
/// use phalanx::config;
/// use phalanx::member::Role;
///
/// let environment = [("ZEEBE_BROKER_CLUSTER_NODEID".to_owned(), "2".to_owned())];
/// let loaded = config::load(Role::Broker, None, environment.into_iter())?;
/// assert_eq!(loaded.config.member_id.as_str(), "2");
/// assert_eq!(loaded.config.network.port, 26_502);
/// # Ok::<(), config::ConfigError>(())
/// ```
pub fn load(
    section: Role,
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Loaded, ConfigError> {
    let mut findings = Findings::default();
    let from_file = match file {
        Some(file) => load_file(section, file, &mut findings)?,
        None => Layer::new(section),
    };
    load_layers(section, from_file, environment, findings)
}

/// As [`load`], from mappings that stand somewhere in `file`: later ones win over earlier ones.
pub(crate) fn load_mappings(
    section: Role,
    file: &Path,
    mappings: &[&raw::Node],
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Loaded, ConfigError> {
    let mut findings = Findings::default();
    let file = Arc::from(file);
    let from_file = mappings.iter().fold(Layer::new(section), |beneath, root| {
        tree::layer(root, &file, section, &mut findings).over(beneath)
    });
    load_layers(section, from_file, environment, findings)
}

fn load_layers(
    section: Role,
    from_file: Layer,
    environment: impl Iterator<Item = (String, String)>,
    mut findings: Findings,
) -> Result<Loaded, ConfigError> {
    let from_environment = env::layer(environment, section, &mut findings);
    Layer::compare_sections([&from_environment, &from_file], &mut findings);
    let settings = Settings::resolve(section, &from_file, &from_environment, &mut findings);
    let told = findings.warnings.len();
    let config = check::config(section, &settings, &mut findings);
    match config {
        Some(config) if findings.problems.is_empty() => Ok(Loaded {
            config,
            settings,
            warnings: findings.warnings,
        }),
        _ => {
            // Where a value is wrong, the check has judged its default instead.
            findings.warnings.truncate(told);
            let Findings { problems, warnings } = findings;
            Err(ConfigError::Settings { problems, warnings })
        }
    }
}

/// The environment of this process, names and values that are not UTF-8 made so with replacement characters.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| {
        let text = |part: std::ffi::OsString| part.to_string_lossy().into_owned();
        (text(name), text(value))
    })
}

fn load_file(section: Role, file: &Path, findings: &mut Findings) -> Result<Layer, ConfigError> {
    let text = fs::read_to_string(file).map_err(|cause| ConfigError::Read {
        file: path::absolute(file).unwrap_or_else(|_| file.to_owned()),
        cause,
    })?;
    let root =
        raw::parse(&text).map_err(|raw::SyntaxError { at, message }| ConfigError::Syntax {
            file: file.to_owned(),
            at,
            message,
        })?;
    Ok(tree::layer(&root, &Arc::from(file), section, findings))
}

#[cfg(test)]
mod tests;
