//! [`NodeConfig`]: all that a program decides about a node, and [`NodeBuilder`], which takes it as people write it.
//!
//! What belongs together is checked in one place, [`NodeConfig::check`], before anything is opened; a [`StartError`] names
//! the setting at fault.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::error::{InvalidSetting, Setting, StartError};
use super::handle::Node;
use super::messenger::{MESSAGE_LEN_MAX, MessagingOptions};
use super::token::TokenSource;
use crate::admission::DialBack;
use crate::member::{MemberId, Metadata, Role};
use crate::membership::{ContactPoint, ExpiredMember, LocalMember, Options};
use crate::seal::JoinToken;
use crate::swim::Params;
use crate::transport::Transport;
use crate::transport::tcp::SocketOptions;
use crate::trust::{Trust, TrustOptions};
use crate::wire::hello::CLUSTER_NAME_LEN_MAX;

/// The port of the cluster, TCP and UDP, where none is configured.
pub const DEFAULT_PORT: u16 = 26_502;
/// The cluster's name where none is configured.
pub const DEFAULT_CLUSTER: &str = "zeebe-cluster";
/// How long a gossip key is used where nothing else is configured.
pub const DEFAULT_KEY_ROTATION: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a handshake may take where nothing else is configured.
pub const DEFAULT_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a verdict on a member's certificates counts where nothing else is configured.
pub const DEFAULT_TRUST_AGE_MAX: Duration = Duration::from_secs(60 * 60);

/// How often certificate files are looked at where nothing else is configured.
pub const DEFAULT_RELOAD_INTERVAL: Duration = Duration::from_secs(10);

/// All that a program decides about a node.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Who the node is: unique in the cluster.
    pub id: MemberId,
    /// What kind of node it is.
    pub role: Role,
    /// The cluster's name: 1 to 128 bytes; nodes of another name are refused.
    pub cluster: String,
    /// The cluster's id, up to 128 bytes; where both sides configure one, they must agree.
    pub cluster_id: Option<String>,
    /// The host to bind: an address or a name; `0.0.0.0` for all IPv4, `::` for all of both kinds.
    pub bind_host: String,
    /// The port to bind, TCP and UDP; 0 finds one that is free for both.
    pub bind_port: u16,
    /// The host that others reach this node by. Without one: the bound host, if it is none of the wildcards; else what the
    /// machine's name resolves to; else the address of the interface that packets leave by; else loopback.
    pub advertised_host: Option<String>,
    /// The port that others reach this node by; without one, the bound port.
    pub advertised_port: Option<u16>,
    /// Through whom to join. None, or none but this node: it starts a cluster.
    pub contact_points: Vec<ContactPoint>,
    /// Whether to go on trying where every contact point refuses for good, instead of stopping.
    pub join_retry_refused: bool,
    /// Whether there is a datagram socket. Without one gossip travels over TCP.
    pub udp: bool,
    /// What carries messages and streams: with [`Transport::Quic`], which takes TLS, QUIC to members that have it too, and TCP to
    /// all others. Everything else goes over TCP, whatever this says.
    pub transport: Transport,
    /// With [`Transport::Quic`]: its UDP port, 0 for a free one; `None` for the number behind [`NodeConfig::bind_port`], or a free
    /// one where that is 0. Others must reach it under this very number.
    pub quic_port: Option<u16>,
    /// The buffers of all sockets.
    pub sockets: SocketOptions,
    /// Failure detection, dissemination and push-pull.
    pub membership: Params,
    /// TLS on all connections, or, with `None`, on none.
    pub security: Option<NodeSecurity>,
    /// How often certificate files are looked at, to be loaded anew when they have changed; not zero.
    pub reload_interval: Duration,
    /// How long connecting, a handshake or an unproven connection may take each; not zero.
    pub handshake_timeout: Duration,
    /// Whether and where a joiner is dialled back before it is let in. `None`: anywhere with TLS, and without it only at the
    /// host its connection comes from, since an unproven joiner could have us dial whatever it likes.
    pub dial_back: Option<DialBack>,
    /// With TLS: how long a gossip key is used before a new one is made; `None`: only on request ([`super::Node::rotate_keys`]).
    /// It should be many times [`Params::sync_interval`], in which keys spread.
    pub key_rotation: Option<Duration>,
    /// With TLS: what becomes of a member whose certificate has expired. Its connections are closed in any case.
    pub expired_member: ExpiredMember,
    /// With TLS: how long a verdict on a member's certificates counts before they are judged again, in place; `None`: until
    /// trust is loaded anew.
    pub trust_age_max: Option<Duration>,
    /// What the node says of itself to all members from the start; see [`super::Node::set_metadata`].
    pub metadata: Metadata,
    /// Messages and streams.
    pub messaging: MessagingOptions,
    /// A secret that every node of the cluster knows, the second factor of a join besides the certificate. Both ends prove
    /// that they know it and never send it. Without TLS it keeps strangers out who cannot read along; who can, may guess at
    /// a weak one.
    pub token: Option<TokenSource>,
}

/// Where a node's certificates come from.
#[derive(Clone, Debug)]
pub enum NodeSecurity {
    /// Files, read at start.
    Files(Box<TrustOptions>),
    /// Already loaded, from a secret manager say: [`Trust::from_pem`].
    Loaded(Trust),
}

impl NodeConfig {
    /// A broker with Zeebe's defaults: plaintext, bound to all IPv4 addresses, no contact points.
    #[must_use]
    pub fn new(id: MemberId) -> Self {
        Self {
            id,
            role: Role::Broker,
            cluster: DEFAULT_CLUSTER.to_owned(),
            cluster_id: None,
            bind_host: "0.0.0.0".to_owned(),
            bind_port: DEFAULT_PORT,
            advertised_host: None,
            advertised_port: None,
            contact_points: Vec::new(),
            join_retry_refused: false,
            udp: true,
            transport: Transport::Tcp,
            quic_port: None,
            sockets: SocketOptions::default(),
            membership: Params::lan(),
            security: None,
            reload_interval: DEFAULT_RELOAD_INTERVAL,
            handshake_timeout: DEFAULT_HANDSHAKE_TIMEOUT,
            dial_back: None,
            key_rotation: Some(DEFAULT_KEY_ROTATION),
            expired_member: ExpiredMember::Keep,
            trust_age_max: Some(DEFAULT_TRUST_AGE_MAX),
            metadata: Metadata::default(),
            messaging: MessagingOptions::default(),
            token: None,
        }
    }

    /// Checks everything that can be checked without opening anything.
    ///
    /// # Errors
    ///
    /// [`StartError::Invalid`] for the first setting at fault.
    pub fn check(&self) -> Result<(), StartError> {
        let name = |text: &str| match text.len() {
            0 => Err(InvalidSetting::Empty),
            len if len > CLUSTER_NAME_LEN_MAX => Err(InvalidSetting::TooLong {
                len,
                max: CLUSTER_NAME_LEN_MAX,
            }),
            _ => Ok(()),
        };
        name(&self.cluster).map_err(Setting::ClusterName.invalid())?;
        let cluster_id = self.cluster_id.as_deref();
        cluster_id
            .map_or(Ok(()), name)
            .map_err(Setting::ClusterId.invalid())?;
        not_empty(&self.bind_host).map_err(Setting::Bind.invalid())?;
        if let Some(host) = &self.advertised_host {
            advertisable(host).map_err(Setting::AdvertisedHost.invalid())?;
        }
        not_zero(self.advertised_port != Some(0)).map_err(Setting::AdvertisedPort.invalid())?;
        if self.transport == Transport::Quic && self.security.is_none() {
            return Err(Setting::Transport.invalid()(InvalidSetting::QuicWithoutTls));
        }
        not_zero(!self.handshake_timeout.is_zero()).map_err(Setting::HandshakeTimeout.invalid())?;
        self.membership
            .check()
            .map_err(|error| Setting::Membership.invalid()(error.into()))?;
        let MessagingOptions {
            message_len_max,
            heartbeat_interval,
            heartbeat_timeout,
            request_timeout,
            idle_timeout,
            ..
        } = self.messaging;
        not_zero(message_len_max != 0).map_err(Setting::MessageLenMax.invalid())?;
        if message_len_max > MESSAGE_LEN_MAX {
            let too_much = InvalidSetting::TooMuch {
                is: message_len_max,
                max: MESSAGE_LEN_MAX,
            };
            return Err(Setting::MessageLenMax.invalid()(too_much));
        }
        not_zero(!heartbeat_interval.is_zero()).map_err(Setting::HeartbeatInterval.invalid())?;
        not_zero(!request_timeout.is_zero()).map_err(Setting::RequestTimeout.invalid())?;
        not_zero(!idle_timeout.is_zero()).map_err(Setting::IdleTimeout.invalid())?;
        match heartbeat_timeout > heartbeat_interval {
            true => Ok(()),
            false => Err(Setting::HeartbeatTimeout.invalid()(
                InvalidSetting::HeartbeatTooLate,
            )),
        }
    }

    /// What the state machine needs of it, for a node that others reach at `advertised`.
    pub(crate) fn into_options(
        self,
        advertised: SocketAddr,
        trust: Option<&Trust>,
        token: Option<JoinToken>,
    ) -> Options {
        Options {
            local: LocalMember {
                id: self.id,
                role: self.role,
                advertised,
                host: self
                    .advertised_host
                    .filter(|host| host.parse::<IpAddr>().is_err()),
                udp: self.udp,
                quic: None,
                metadata: self.metadata,
            },
            cluster: self.cluster,
            cluster_id: self.cluster_id,
            certificate: trust.map(|trust| *trust.leaf_sha256().as_bytes()),
            params: Params {
                tagged: trust.is_some(),
                ..self.membership
            },
            handshake_timeout: self.handshake_timeout,
            dial_back: self.dial_back.unwrap_or(match trust {
                Some(_) => DialBack::Any,
                None => DialBack::SameHost,
            }),
            key_rotation: self.key_rotation,
            join_retry_refused: self.join_retry_refused,
            expired_member: self.expired_member,
            trust_age_max: self.trust_age_max,
            token,
        }
    }
}

fn not_empty(text: &str) -> Result<(), InvalidSetting> {
    match text.is_empty() {
        true => Err(InvalidSetting::Empty),
        false => Ok(()),
    }
}

fn not_zero(holds: bool) -> Result<(), InvalidSetting> {
    match holds {
        true => Ok(()),
        false => Err(InvalidSetting::Zero),
    }
}

fn advertisable(host: &str) -> Result<(), InvalidSetting> {
    not_empty(host)?;
    match host.parse::<IpAddr>() {
        Ok(ip) if ip.is_unspecified() => Err(InvalidSetting::Wildcard),
        _ => Ok(()),
    }
}

/// Takes settings as people write them. Mistakes are kept until [`NodeBuilder::start`], which reports the first.
#[derive(Debug)]
#[must_use]
pub struct NodeBuilder {
    config: NodeConfig,
    has_id: bool,
    mistake: Option<StartError>,
}

impl NodeBuilder {
    pub(super) fn new() -> Self {
        let placeholder = MemberId::new("unnamed").expect("it is printable");
        Self {
            config: NodeConfig::new(placeholder),
            has_id: false,
            mistake: None,
        }
    }

    /// Who the node is: 1 to 64 printable ASCII characters, unique in the cluster. There is no default.
    pub fn member_id(mut self, id: &str) -> Self {
        self.has_id = true;
        match MemberId::new(id) {
            Ok(id) => self.config.id = id,
            Err(error) => self.mistake(Setting::MemberId, error.into()),
        }
        self
    }

    /// What kind of node it is; a broker by default.
    pub fn role(mut self, role: Role) -> Self {
        self.config.role = role;
        self
    }

    /// The cluster's name; [`DEFAULT_CLUSTER`] by default.
    pub fn cluster_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.config.cluster);
        self
    }

    /// The cluster's id; none by default.
    pub fn cluster_id(mut self, id: &str) -> Self {
        self.config.cluster_id = Some(id.to_owned());
        self
    }

    /// The address to bind, `host:port`; port 0 finds a free one. `0.0.0.0:26502` by default.
    pub fn bind(mut self, addr: &str) -> Self {
        match host_and_port(addr) {
            Some((host, port)) => {
                host.clone_into(&mut self.config.bind_host);
                self.config.bind_port = port;
            }
            None => self.mistake(Setting::Bind, not_host_and_port(addr)),
        }
        self
    }

    /// The address that others reach this node by, `host:port`; found by itself by default.
    pub fn advertise(mut self, addr: &str) -> Self {
        match host_and_port(addr) {
            Some((host, port)) => {
                self.config.advertised_host = Some(host.to_owned());
                self.config.advertised_port = Some(port);
            }
            None => self.mistake(Setting::AdvertisedHost, not_host_and_port(addr)),
        }
        self
    }

    /// Adds a node to join through, `host:port`.
    pub fn contact_point(mut self, contact: impl ToString) -> Self {
        match contact.to_string().parse() {
            Ok(contact) => self.config.contact_points.push(contact),
            Err(error) => {
                let error: crate::member::ContactPointError = error;
                self.mistake(Setting::ContactPoints, error.into());
            }
        }
        self
    }

    /// Whether there is a datagram socket; there is by default.
    pub fn udp(mut self, udp: bool) -> Self {
        self.config.udp = udp;
        self
    }

    /// What carries messages and streams; TCP by default. See [`NodeConfig::transport`].
    pub fn transport(mut self, transport: Transport) -> Self {
        self.config.transport = transport;
        self
    }

    /// Failure detection, dissemination and push-pull; Zeebe's timings by default.
    pub fn membership(mut self, params: Params) -> Self {
        self.config.membership = params;
        self
    }

    /// TLS on all connections, with certificates from files.
    pub fn tls(mut self, files: TrustOptions) -> Self {
        self.config.security = Some(NodeSecurity::Files(Box::new(files)));
        self
    }

    /// TLS on all connections, with certificates already loaded.
    pub fn trust(mut self, trust: Trust) -> Self {
        self.config.security = Some(NodeSecurity::Loaded(trust));
        self
    }

    /// A value of the metadata that all members see from the start; see [`super::Node::set_metadata`].
    pub fn metadata(mut self, key: &str, value: impl Into<Vec<u8>>) -> Self {
        if let Err(error) = self.config.metadata.insert(key, value) {
            self.mistake(Setting::Metadata, error.into());
        }
        self
    }

    /// Messages and streams; Zeebe's limits and timings by default.
    pub fn messaging(mut self, options: MessagingOptions) -> Self {
        self.config.messaging = options;
        self
    }

    /// The join token: a secret that every node of the cluster knows. See [`NodeConfig::token`].
    pub fn token(mut self, token: &str) -> Self {
        self.config.token = Some(TokenSource::Given(token.into()));
        self
    }

    /// The settings as a value, for what has no method here.
    ///
    /// # Errors
    ///
    /// [`StartError::Invalid`] for the first mistake.
    pub fn config(mut self) -> Result<NodeConfig, StartError> {
        if !self.has_id {
            self.mistake(Setting::MemberId, InvalidSetting::Missing);
        }
        match self.mistake {
            Some(mistake) => Err(mistake),
            None => self.config.check().map(|()| self.config),
        }
    }

    /// Starts the node.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing stays open.
    pub async fn start(self) -> Result<Node, StartError> {
        Node::start(self.config()?).await
    }

    fn mistake(&mut self, setting: Setting, source: InvalidSetting) {
        self.mistake
            .get_or_insert(StartError::Invalid { setting, source });
    }
}

/// `host:port`, an IPv6 host in brackets.
fn host_and_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    (!host.is_empty()).then_some((host, port.parse().ok()?))
}

fn not_host_and_port(text: &str) -> InvalidSetting {
    InvalidSetting::NotHostAndPort {
        text: text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_taken_apart() {
        for (text, expected) in [
            ("127.0.0.1:0", Some(("127.0.0.1", 0))),
            ("[::1]:26502", Some(("::1", 26_502))),
            ("zeebe-0.zeebe:1", Some(("zeebe-0.zeebe", 1))),
            ("::1:26502", None),
            ("[::1:26502", None),
            ("host", None),
            (":1", None),
            ("host:65536", None),
            ("host:", None),
        ] {
            assert_eq!(host_and_port(text), expected, "{text}");
        }
    }

    #[test]
    fn a_mistake_names_its_setting() {
        type Step = fn(NodeBuilder) -> NodeBuilder;
        let rows: [(Step, Setting); 9] = [
            (|builder| builder.member_id("a b"), Setting::MemberId),
            (|builder| builder.cluster_name(""), Setting::ClusterName),
            (
                |builder| builder.cluster_id(&"x".repeat(129)),
                Setting::ClusterId,
            ),
            (|builder| builder.bind("nowhere"), Setting::Bind),
            (
                |builder| builder.advertise("0.0.0.0:1"),
                Setting::AdvertisedHost,
            ),
            (
                |builder| builder.advertise("host:0"),
                Setting::AdvertisedPort,
            ),
            (
                |builder| builder.contact_point("host:0"),
                Setting::ContactPoints,
            ),
            (
                |mut builder| {
                    builder.config.handshake_timeout = Duration::ZERO;
                    builder
                },
                Setting::HandshakeTimeout,
            ),
            (
                |mut builder| {
                    builder.has_id = false;
                    builder
                },
                Setting::MemberId,
            ),
        ];
        let sound = || NodeBuilder::new().member_id("1");
        assert!(sound().config().is_ok());
        for (step, expected) in rows {
            let error = step(sound()).config().unwrap_err();
            let StartError::Invalid { setting, .. } = error else {
                panic!("{error}");
            };
            assert_eq!(setting, expected);
        }
    }
}
