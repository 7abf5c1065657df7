//! Why a node does not start, does not join, or has ended.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use super::token::TokenLoadError;
use crate::member::MemberIdError;
use crate::member::{ContactPointError, MetadataError};
use crate::swim::ParamsError;
use crate::transport::tcp::BindError;
use crate::trust::LoadError;
use crate::wire::correlation::CorrelationId;
use crate::wire::refusal::Code;

/// A setting of [`super::NodeConfig`], to be named to whoever set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Setting {
    /// The host that others reach the node by.
    AdvertisedHost,
    /// The port that others reach the node by.
    AdvertisedPort,
    /// The host and port to bind.
    Bind,
    /// The cluster's id.
    ClusterId,
    /// The cluster's name.
    ClusterName,
    /// Through whom to join.
    ContactPoints,
    /// How long a handshake may take.
    HandshakeTimeout,
    /// How long a member may be silent before it is asked for a sign of life.
    HeartbeatInterval,
    /// How long a member may be silent before its connection is given up.
    HeartbeatTimeout,
    /// How long a connection of messages may be unused.
    IdleTimeout,
    /// Who the node is.
    MemberId,
    /// The parameters of failure detection and gossip.
    Membership,
    /// What the node says of itself.
    Metadata,
    /// The longest message.
    MessageLenMax,
    /// How long a request may take.
    RequestTimeout,
    /// The port of QUIC.
    QuicPort,
    /// The join token.
    Token,
    /// What carries messages.
    Transport,
}

impl Setting {
    /// What the builder calls it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AdvertisedHost => "advertised host",
            Self::AdvertisedPort => "advertised port",
            Self::Bind => "bind",
            Self::ClusterId => "cluster id",
            Self::ClusterName => "cluster name",
            Self::ContactPoints => "contact point",
            Self::HandshakeTimeout => "handshake timeout",
            Self::HeartbeatInterval => "heartbeat interval",
            Self::HeartbeatTimeout => "heartbeat timeout",
            Self::IdleTimeout => "idle timeout",
            Self::MemberId => "member id",
            Self::Membership => "membership",
            Self::Metadata => "metadata",
            Self::MessageLenMax => "longest message",
            Self::RequestTimeout => "request timeout",
            Self::QuicPort => "QUIC port",
            Self::Token => "join token",
            Self::Transport => "transport",
        }
    }

    pub(super) fn invalid(self) -> impl FnOnce(InvalidSetting) -> StartError {
        move |source| StartError::Invalid {
            setting: self,
            source,
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What is wrong with a setting.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSetting {
    /// Not a contact point.
    #[error(transparent)]
    ContactPoint(#[from] ContactPointError),
    /// An empty text.
    #[error("it is empty")]
    Empty,
    /// The heartbeat times out before a second one could come.
    #[error("it must be longer than the heartbeat interval")]
    HeartbeatTooLate,
    /// Not a member id.
    #[error(transparent)]
    MemberId(#[from] MemberIdError),
    /// Past a limit of metadata.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// It has no default.
    #[error("it is not set, and has no default")]
    Missing,
    /// Neither `host:port` nor `[IPv6]:port`.
    #[error(
        "`{text}` is not host:port (an IPv6 address is written in brackets, as in [::1]:26502)"
    )]
    NotHostAndPort {
        /// The text.
        text: String,
    },
    /// Parameters that contradict each other.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// QUIC has no plaintext.
    #[error("QUIC takes TLS; set certificates, or use tcp")]
    QuicWithoutTls,
    /// Longer than it may be.
    #[error("{len} bytes, more than {max}")]
    TooLong {
        /// How many bytes it has.
        len: usize,
        /// How many it may have.
        max: usize,
    },
    /// More than it may be.
    #[error("{is}, more than {max}")]
    TooMuch {
        /// What it is.
        is: u64,
        /// What it may be.
        max: u64,
    },
    /// An address that stands for all of the machine's.
    #[error("a wildcard is no address that others could reach")]
    Wildcard,
    /// Zero, which stands for nothing here.
    #[error("it must not be zero")]
    Zero,
}

/// Why a node did not start. Nothing is open, nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A port is taken, or the address is not this machine's.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The port of QUIC is taken, or cannot be had.
    #[error(transparent)]
    BindQuic(BindError),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Entropy(#[source] io::Error),
    /// A setting makes no sense.
    #[error("the {setting} cannot be used")]
    Invalid {
        /// Which.
        setting: Setting,
        /// Why not.
        source: InvalidSetting,
    },
    /// A host name has no address.
    #[error("the {setting} `{host}` cannot be resolved")]
    Resolve {
        /// Which setting has it.
        setting: Setting,
        /// The name.
        host: String,
        /// What the resolver says.
        source: io::Error,
    },
    /// The join token cannot be used.
    #[error(transparent)]
    Token(#[from] TokenLoadError),
    /// A certificate or key cannot be used.
    #[error(transparent)]
    Trust(#[from] LoadError),
}

impl StartError {
    /// The setting to look at, where it is one of [`super::NodeConfig`]'s own; [`LoadError`] names those of TLS.
    #[must_use]
    pub const fn setting(&self) -> Option<Setting> {
        match self {
            Self::Bind(_) => Some(Setting::Bind),
            Self::BindQuic(_) => Some(Setting::QuicPort),
            Self::Invalid { setting, .. } | Self::Resolve { setting, .. } => Some(*setting),
            Self::Token(_) => Some(Setting::Token),
            Self::Entropy(_) | Self::Trust(_) => None,
        }
    }

    /// What to do about it, where the texts do not say so already.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Bind(error) | Self::BindQuic(error) => match error.source.kind() {
                io::ErrorKind::AddrInUse => {
                    Some("another process has this port: stop it, or bind another port")
                }
                io::ErrorKind::AddrNotAvailable => {
                    Some("this machine does not have that address: bind one it has, or 0.0.0.0")
                }
                io::ErrorKind::PermissionDenied => {
                    Some("ports below 1024 need privileges: bind a higher one")
                }
                _ => None,
            },
            Self::Resolve { .. } => Some("write an address instead, or mend the name service"),
            Self::Token(TokenLoadError::Read { .. }) => Some(
                "set the path of a file that this process may read; a relative one starts from the working directory",
            ),
            Self::Token(_) => Some("`openssl rand -hex 32` makes a good one"),
            Self::Entropy(_) | Self::Invalid { .. } | Self::Trust(_) => None,
        }
    }
}

/// How a node ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// It was stopped without a word to others, or the runtime went away under it.
    Aborted,
    /// It said goodbye.
    Left {
        /// How many members acknowledged the farewell.
        acknowledged: usize,
    },
    /// The cluster does not let it in, or another life of its id is running.
    Refused {
        /// Why.
        code: Code,
        /// Who said so last.
        addr: Option<SocketAddr>,
        /// What both ends call the connection on which that was said, as far as it is known.
        correlation: Option<CorrelationId>,
    },
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aborted => write!(f, "aborted"),
            Self::Left { acknowledged } => write!(f, "left; {acknowledged} acknowledged"),
            Self::Refused {
                code, addr: None, ..
            } => write!(f, "refused: {code}"),
            Self::Refused {
                code,
                addr: Some(addr),
                ..
            } => write!(f, "refused by {addr}: {code}"),
        }
    }
}

/// Why a node will never be ready: it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node has ended ({0}) before it was ready")]
pub struct JoinError(pub Ended);
