//! [`StartFailure`]: why a node did not start, in one line that names the setting, its variable and the remedy.

use std::io;

use super::Exit;
use super::output::one_line;
use crate::admin::AdminError;
use crate::config::{Setting as ConfigSetting, Settings, Source};
use crate::member::Role;
use crate::node::{Setting, StartError, TokenLoadError};
use crate::trust::{LoadError, LoadProblem, Material};

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartFailure {
    /// The management server.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The node itself.
    #[error(transparent)]
    Node(#[from] StartError),
}

impl StartFailure {
    /// How the process ends.
    pub(super) const fn exit(&self) -> Exit {
        match self {
            Self::Node(
                StartError::Invalid { .. } | StartError::Token(TokenLoadError::Unusable { .. }),
            )
            | Self::Admin(
                AdminError::Token(TokenLoadError::Unusable { .. }) | AdminError::Unguarded { .. },
            ) => Exit::Usage,
            Self::Admin(_) | Self::Node(_) => Exit::CannotStart,
        }
    }

    /// Setting, variable, what is wrong with all its causes, and what to do.
    pub(super) fn explain(&self, role: Role, settings: &Settings) -> String {
        let mut line = String::new();
        if let Some(setting) = in_force(settings, &self.keys(role)) {
            line += &place(setting);
            line += ": ";
        }
        line += &one_line(self);
        match self.remedy() {
            Some(remedy) => line + "; " + remedy,
            None => line,
        }
    }

    /// The keys whose value this is, the one that wins first.
    fn keys(&self, role: Role) -> Vec<String> {
        let paths: &[&str] = match self {
            Self::Admin(AdminError::Bind { source, .. }) if is_of_host(source) => {
                return management("address");
            }
            Self::Admin(AdminError::Bind { .. }) => return management("port"),
            Self::Admin(AdminError::Tls(error)) => {
                return management(match error.material {
                    Material::KeyStore => "ssl.keyStore",
                    Material::Passphrase => "ssl.certificatePrivateKeyPassword",
                    Material::PrivateKey => "ssl.certificatePrivateKey",
                    Material::TrustedCertificates => "ssl.trustCertificate",
                    _ => "ssl.certificate",
                });
            }
            Self::Admin(AdminError::Token(_)) => return management("tokenFile"),
            Self::Admin(_) => return management("address"),
            Self::Node(StartError::Trust(error)) => {
                let section = security(role);
                let names: &[&str] = match error.material {
                    Material::CertificateChain => &["certificateChain", "certificateChainPath"],
                    Material::PrivateKey => &["privateKey", "privateKeyPath"],
                    other => &[other.setting()],
                };
                let path = |name: &&str| format!("{section}.{name}");
                return names.iter().map(path).collect();
            }
            Self::Node(StartError::Bind(error)) if is_of_host(&error.source) => hosts(role),
            Self::Node(error) => match (error.setting(), role) {
                (Some(Setting::AdvertisedHost), Role::Broker) => &[
                    "network.internalApi.advertisedHost",
                    "network.advertisedHost",
                ],
                (Some(Setting::AdvertisedHost), Role::Gateway) => &["cluster.advertisedHost"],
                (Some(Setting::Bind), _) if matches!(error, StartError::Resolve { .. }) => {
                    hosts(role)
                }
                (Some(Setting::Bind), Role::Broker) => &["network.internalApi.port"],
                (Some(Setting::Bind), Role::Gateway) => &["cluster.port"],
                (Some(Setting::QuicPort), Role::Broker) => &["network.quic.port"],
                (Some(Setting::QuicPort), Role::Gateway) => &["cluster.quic.port"],
                (Some(Setting::ClusterId), _) => &["cluster.clusterId"],
                (Some(Setting::ClusterName), _) => &["cluster.clusterName"],
                (Some(Setting::Token), _) => &[
                    "cluster.tokenFile",
                    "cluster.token",
                    "cluster.initialContactPoints",
                ],
                _ => &[],
            },
        };
        paths
            .iter()
            .map(|path| format!("zeebe.{role}.{path}"))
            .collect()
    }

    fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Admin(AdminError::Bind { source, .. }) => Some(match source.kind() {
                io::ErrorKind::AddrInUse => {
                    "another process has this port, another node on this host perhaps: give each node its own, or -1 for none"
                }
                io::ErrorKind::PermissionDenied => {
                    "ports below 1024 need privileges: set a higher one"
                }
                _ => "set an address that this machine has, as 127.0.0.1",
            }),
            Self::Admin(AdminError::Resolve { .. }) => {
                Some("write an address instead, or mend the name service")
            }
            Self::Admin(AdminError::Unguarded { .. }) => Some("set them, or bind to 127.0.0.1"),
            Self::Admin(AdminError::Tls(error)) => of_file(error),
            Self::Admin(AdminError::Token(error)) => Some(match error {
                TokenLoadError::Read { .. } => "let the user of this process read it",
                _ => "`openssl rand -hex 32` makes a good one",
            }),
            Self::Node(StartError::Trust(error)) => of_file(error),
            Self::Node(error) => error.remedy(),
        }
    }
}

/// Whether binding failed because of the host rather than the port.
fn is_of_host(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied
    )
}

fn management(name: &str) -> Vec<String> {
    vec![format!("management.server.{name}")]
}

const fn hosts(role: Role) -> &'static [&'static str] {
    match role {
        Role::Broker => &["network.internalApi.host", "network.host"],
        Role::Gateway => &["cluster.host"],
    }
}

const fn security(role: Role) -> &'static str {
    match role {
        Role::Broker => "zeebe.broker.network.security",
        Role::Gateway => "zeebe.gateway.cluster.security",
    }
}

/// The first of `keys` that somebody has set, else the last.
fn in_force<'a>(settings: &'a Settings, keys: &[String]) -> Option<&'a ConfigSetting> {
    let found = |key: &String| settings.iter().find(|setting| setting.key.path == *key);
    let mut candidates = keys.iter().filter_map(found);
    let set = candidates
        .clone()
        .find(|setting| setting.is_set() && !setting.source.is_default());
    set.or_else(|| candidates.next_back())
}

/// The key, the variable as it was set or could be, and the place in the file.
fn place(setting: &ConfigSetting) -> String {
    let key = &setting.key.path;
    match &setting.source {
        Source::Default => format!("{key} ({})", setting.key.variable),
        Source::Environment { variable } => format!("{key} ({variable})"),
        Source::File { .. } => format!("{}: {key} ({})", setting.source, setting.key.variable),
    }
}

/// What to do about a file, where the text does not say so already.
pub(super) fn of_file(error: &LoadError) -> Option<&'static str> {
    match &error.problem {
        LoadProblem::BadCertificate { .. } => Some("put a sound certificate in its place"),
        LoadProblem::BadPem(_) => Some("write the file anew from its source"),
        LoadProblem::KeyMismatch { owner: None, .. } => Some(
            "set the key that the certificate was requested with, or request a certificate for this key",
        ),
        LoadProblem::MissingFile => Some(
            "set the path of an existing file; a relative one starts from the working directory",
        ),
        LoadProblem::MissingSetting => Some("set the path of a PEM file"),
        LoadProblem::NoCertificate { .. } | LoadProblem::NoKey { .. } => {
            Some("set the path of the right file, in PEM")
        }
        LoadProblem::NoSystemRoots { .. } => Some(
            "install the system's certificates, or list the cluster's authority in the chain file",
        ),
        LoadProblem::UnreadableFile(_) => Some("let the user of this process read it"),
        LoadProblem::Unusable(_) => {
            Some("set a certificate that is valid now and may serve both ends of a connection")
        }
        _ => None,
    }
}
