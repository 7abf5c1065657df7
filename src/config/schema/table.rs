//! The rows. One line is one key under all its prefixes.

use std::time::Duration;

use super::super::value::Kind;
use super::{Row, Status};
use crate::member::Role;
use crate::trust::RuleKind;

/// Rows and where they occur.
pub(super) struct Group {
    pub(super) prefix: &'static str,
    pub(super) section: Option<Role>,
    pub(super) rows: &'static [&'static [Row]],
}

pub(super) const GROUPS: [Group; 8] = [
    broker("zeebe.broker.network", &[NETWORK, SOCKETS, NETWORK_FOREIGN]),
    broker("zeebe.broker.network.security", &[SECURITY]),
    broker("zeebe.broker.cluster", &[BROKER_CLUSTER, CLUSTER, BROKER_CLUSTER_FOREIGN, TOPOLOGY_FOREIGN]),
    broker("zeebe.broker.cluster.membership", &[MEMBERSHIP]),
    gateway("zeebe.gateway.cluster", &[GATEWAY_CLUSTER, CLUSTER, SOCKETS, TOPOLOGY_FOREIGN]),
    gateway("zeebe.gateway.cluster.security", &[SECURITY]),
    gateway("zeebe.gateway.cluster.membership", &[MEMBERSHIP]),
    Group { prefix: "management.server", section: None, rows: &[MANAGEMENT] },
];

const NETWORK: &[Row] = &[
    row("host", Kind::BindHost, "0.0.0.0", "Address to bind to, for TCP and UDP; [::] for IPv6."),
    row("advertisedHost", Kind::AdvertisedHost, "", "Where others reach this node; found out when not set."),
    row("portOffset", Kind::Int { min: 0, max: 6_553 }, "0", "Adds ten times this number to the port and to an explicit advertised port."),
    row("internalApi.host", Kind::BindHost, "", "Address to bind to; network.host when not set."),
    row("internalApi.port", PORT_OR_FREE, "26502", "Port for TCP and UDP; 0 takes a free one."),
    row("internalApi.advertisedHost", Kind::AdvertisedHost, "", "Where others reach this node; internalApi.host, else network.advertisedHost when not set."),
    row("internalApi.advertisedPort", PORT, "", "The port others reach this node at; the bound port when not set."),
    row("maxMessageSize", MESSAGE_SIZE, "4MB", "The longest message; 1KB is 1024 bytes."),
    row("heartbeatInterval", LONG, "5s", "How long a member may be silent on a connection of messages before it is asked for a sign of life."),
    row("heartbeatTimeout", LONG, "15s", "How long it may be silent before the connection is given up; longer than heartbeatInterval."),
];

const SOCKETS: &[Row] = &[
    row("socketSendBuffer", SOCKET_BUFFER, "", "Send buffer of each socket; the system decides when not set."),
    row("socketReceiveBuffer", SOCKET_BUFFER, "", "Receive buffer of each socket; the system decides when not set."),
    row("udpEnabled", Kind::Bool, "true", "Whether there is a datagram socket; without one, gossip uses TCP."),
    row("transport", Kind::Choice(&["tcp", "quic"]), "tcp", "What carries messages and streams; quic takes TLS, and TCP carries the rest."),
    row("quic.port", PORT_OR_FREE, "", "UDP port for QUIC; 0 takes a free one. The number behind the TCP port when not set."),
];

const SECURITY: &[Row] = &[
    row("enabled", Kind::Bool, "false", "TLS 1.3 on every TCP connection; the same on every node of a cluster."),
    row("certificateChainPath", Kind::Path, "", "PEM file: this node's certificate, then its chain; all of it is trusted."),
    row("privateKeyPath", Kind::Path, "", "PEM file with the private key of the first certificate."),
    row("trustedCertificatesPath", Kind::Path, "", "PEM file with further certificates to trust."),
    row("systemRoots", Kind::Choice(&["auto", "true", "false"]), "auto", "Trust the system's roots; auto: only where the chain file is a lone leaf that is not self-signed."),
    row("reloadInterval", RELOAD, "10s", "How often certificate files are looked at, to be loaded anew when they have changed."),
    row("handshakeTimeout", HANDSHAKE, "15s", "How long a new connection may take until both ends have proven themselves."),
    row("dialBack", Kind::Choice(&["any", "sameHost", "off"]), "any", "Which addresses a joining node may ask to be dialled back at. Without TLS, sameHost unless set."),
    row("keyRotationInterval", ROTATION, "24h", "With TLS: how long a gossip key is used before the member with the lowest id makes a new one."),
    row("hostnameVerification", Kind::Choice(&["off", "ifPresent", "require"]), "off", "Whether a certificate must name the host by which its owner is reached."),
    row("clientAuth", Kind::Choice(&["none", "optional", "required"]), "none", "Whether the dialling end shows a certificate in TLS as well."),
    row("peerIdentity.commonName", Kind::Rule(RuleKind::CommonName), "", "Patterns for a peer's whole common name; {memberId} stands for its member id.").list(),
    row("peerIdentity.uri", Kind::Rule(RuleKind::Uri), "", "URIs (SPIFFE ids), one of which is a peer's only one; {memberId} as above.").list(),
    row("peerIdentity.dns", Kind::Rule(RuleKind::Dns), "", "DNS names, one of which a peer's certificate has; {memberId} as above.").list(),
    row("peerIdentity.ip", Kind::Rule(RuleKind::Ip), "", "IP addresses, one of which a peer's certificate has.").list(),
    row("certificateChain", Kind::Text, "", "The certificate chain itself, PEM or base64 of PEM, instead of a path."),
    row("privateKey", Kind::Text, "", "The private key itself, PEM or base64 of PEM, instead of a path.").secret(),
    row("privateKeyPassword", Kind::Text, "", "Password of the private key, if it is encrypted.").secret(),
    row("privateKeyPasswordFile", Kind::Path, "", "File whose first line is the password of the private key."),
    row("filePermissions", Kind::Choice(&["warn", "refuse", "ignore"]), "warn", "What to do if others can read or change the file of the private key."),
    row("keyStore.filePath", Kind::Path, "", "PKCS#12 file with one private key and its chain, instead of the two PEM files."),
    row("keyStore.password", Kind::Text, "", "Password of the PKCS#12 file and of the key in it.").secret(),
    row("onCertificateExpiry", Kind::Choice(&["keep", "evict"]), "keep", "Whether a member whose certificate has expired stays one; its connections are closed in any case."),
    row("trustAgeMax", TRUST_AGE, "1h", "How long a verdict on a member's certificates counts before they are judged again, in place."),
    row("requirePostQuantum", Kind::Bool, "false", "Refuse peers without post-quantum key exchange; it is preferred in any case."),
];

const BROKER_CLUSTER: &[Row] = &[
    row("nodeId", NODE_ID, "0", "This broker's number; unique in the cluster, and its member id."),
    row("clusterSize", Kind::Int { min: 1, max: NODE_ID_MAX }, "1", "How many brokers the cluster starts with."),
    row("initialContactPoints", Kind::ContactPoint, "", "Nodes to join through.").list(),
];

const GATEWAY_CLUSTER: &[Row] = &[
    row("memberId", Kind::MemberId, "gateway", "This gateway's member id; unique in the cluster."),
    row("initialContactPoints", Kind::ContactPoint, "127.0.0.1:26502", "Nodes to join through.").list(),
    row("contactPoint", Kind::ContactPoint, "", "One node to join through.").instead("initialContactPoints"),
    row("host", Kind::BindHost, "0.0.0.0", "Address to bind to, for TCP and UDP; [::] for IPv6."),
    row("port", PORT_OR_FREE, "26502", "Port for TCP and UDP; 0 takes a free one."),
    row("advertisedHost", Kind::AdvertisedHost, "", "Where others reach this node; an explicit host when not set, else found out."),
    row("advertisedPort", PORT, "", "The port others reach this node at; the bound port when not set."),
    row("maxMessageSize", MESSAGE_SIZE, "4MB", "The longest message; 1KB is 1024 bytes."),
    row("requestTimeout", LONG, "15s", "How long a request to another member may take where the program does not say."),
];

const CLUSTER: &[Row] = &[
    row("clusterName", Kind::Name, "zeebe-cluster", "Nodes of another name are refused."),
    row("clusterId", Kind::Name, "", "Nodes of another id are refused; none: any id will do."),
    row("joinRetryRefused", Kind::Bool, "false", "Keep trying instead of exiting when every contact point refuses."),
    row("token", Kind::Text, "", "A secret that all nodes share, the second factor of a join; proven, never sent.").secret(),
    row("tokenFile", Kind::Path, "", "File whose first line is that secret."),
    row("gossip.key", Kind::Text, "", "A shared key for the datagrams of plaintext clusters.").secret().planned(),
    row("messageCompression", Kind::Choice(&["NONE", "GZIP", "SNAPPY"]), "NONE", "What messages of 1KB and more are compressed with, where the other end understands it."),
];

const MEMBERSHIP: &[Row] = &[
    row("broadcastUpdates", Kind::Bool, "false", "Send news to every member at once, up to 64 members."),
    row("broadcastDisputes", Kind::Bool, "true", "Send refutations to every member at once, up to 64 members."),
    row("notifySuspect", Kind::Bool, "false", "Tell a member by a datagram of its own that it is suspected."),
    row("gossipInterval", SHORT, "250ms", "Time between two rounds of gossip."),
    row("gossipFanout", Kind::Int { min: 1, max: 1_000 }, "2", "Members told per round of gossip."),
    row("probeInterval", SHORT, "1s", "Time between two probes."),
    row("probeTimeout", SHORT, "100ms", "Wait for an answer before relays are asked."),
    row("suspectProbes", Kind::Int { min: 1, max: 100 }, "3", "Probes per round: one direct, the others through relays."),
    row("failureTimeout", LONG, "10s", "Longest time a member is suspect before it is declared dead."),
    row("syncInterval", LONG, "10s", "Time between two comparisons of whole views."),
    row("suspicionFloor", FLOOR, "3s", "Shortest time a member is suspect, however many others agree."),
];

const MANAGEMENT: &[Row] = &[
    row("port", Kind::Int { min: -1, max: 65_535 }, "9600", "Port of the management server; -1 switches it off, 0 takes a free one."),
    row("address", Kind::BindHost, "127.0.0.1", "Address the management server binds to; off loopback it takes a token and a certificate."),
    row("token", Kind::Text, "", "What whoever asks the management server must show (Authorization: Bearer).").secret(),
    row("tokenFile", Kind::Path, "", "File whose first line is that token."),
    row("metricsPublic", Kind::Bool, "false", "Whether /metrics is answered without the token."),
    row("ssl.enabled", Kind::Bool, "true", "Whether the management server's certificate, where there is one, is used."),
    row("ssl.certificate", Kind::Path, "", "PEM file: the management server's certificate, then its chain."),
    row("ssl.certificatePrivateKey", Kind::Path, "", "PEM file with the private key of that certificate."),
    row("ssl.certificatePrivateKeyPassword", Kind::Text, "", "Password of that private key, if it is encrypted.").secret(),
    row("ssl.keyStore", Kind::Path, "", "PKCS#12 file with one private key and its chain, instead of the two PEM files."),
    row("ssl.keyStorePassword", Kind::Text, "", "Password of that file and of the key in it.").secret(),
    row("ssl.trustCertificate", Kind::Path, "", "PEM file with authorities: who shows a certificate of theirs reads /metrics without the token."),
    row("ssl.clientAuth", Kind::Choice(&["none", "want", "need"]), "want", "Whether such a certificate is asked for, or needed for any connection, where there are authorities."),
    foreign("basePath"),
    foreign("ssl").with_everything_below(),
];

const NETWORK_FOREIGN: &[Row] = &[
    foreign("commandApi.host"),
    foreign("commandApi.port"),
    foreign("commandApi.advertisedHost"),
    foreign("commandApi.advertisedPort"),
];

const BROKER_CLUSTER_FOREIGN: &[Row] = &[
    foreign("partitionsCount"),
    foreign("replicationFactor"),
    foreign("zone"),
    foreign("heartbeatInterval"),
    foreign("electionTimeout"),
    foreign("raft.enablePriorityElection"),
    foreign("raft.flush.enabled"),
    foreign("raft.flush.delayTime"),
];

const TOPOLOGY_FOREIGN: &[Row] = &[
    foreign("configManager.gossip.enableSync"),
    foreign("configManager.gossip.syncDelay"),
    foreign("configManager.gossip.syncRequestTimeout"),
    foreign("configManager.gossip.gossipFanout"),
];

const NODE_ID_MAX: i64 = i32::MAX as i64;
const NODE_ID: Kind = Kind::Int { min: 0, max: NODE_ID_MAX };
const PORT: Kind = Kind::Int { min: 1, max: 65_535 };
const PORT_OR_FREE: Kind = Kind::Int { min: 0, max: 65_535 };
const SOCKET_BUFFER: Kind = Kind::Size { min: 1, max: 1 << 30 };
const MESSAGE_SIZE: Kind = Kind::Size { min: 1 << 10, max: 1 << 29 };
const DAY: Duration = Duration::from_secs(86_400);
const SHORT: Kind = Kind::Duration { min: Duration::from_millis(1), max: Duration::from_secs(3_600) };
const LONG: Kind = Kind::Duration { min: Duration::from_millis(1), max: DAY };
const FLOOR: Kind = Kind::Duration { min: Duration::ZERO, max: DAY };
const RELOAD: Kind = Kind::Duration { min: Duration::from_millis(100), max: DAY };
const HANDSHAKE: Kind = Kind::Duration { min: Duration::from_millis(500), max: Duration::from_secs(300) };

const TRUST_AGE: Kind = Kind::Duration { min: Duration::from_secs(10), max: Duration::from_secs(365 * 86_400) };
const ROTATION: Kind = Kind::Duration { min: Duration::from_secs(300), max: Duration::from_secs(365 * 86_400) };

const fn broker(prefix: &'static str, rows: &'static [&'static [Row]]) -> Group {
    Group { prefix, section: Some(Role::Broker), rows }
}

const fn gateway(prefix: &'static str, rows: &'static [&'static [Row]]) -> Group {
    Group { prefix, section: Some(Role::Gateway), rows }
}

const fn row(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Row {
    Row { name, kind, is_list: false, default, status: Status::Active, is_secret: false, help }
}

/// A key of Zeebe's that means nothing here.
const fn foreign(name: &'static str) -> Row {
    Row {
        status: Status::Foreign { is_subtree: false },
        ..row(name, Kind::Text, "", "")
    }
}

impl Row {
    const fn list(self) -> Self {
        Self { is_list: true, ..self }
    }

    const fn secret(self) -> Self {
        Self { is_secret: true, ..self }
    }

    const fn planned(self) -> Self {
        Self { status: Status::Planned, ..self }
    }

    const fn instead(self, instead: &'static str) -> Self {
        Self { status: Status::Deprecated { instead }, ..self }
    }

    const fn with_everything_below(self) -> Self {
        Self { status: Status::Foreign { is_subtree: true }, ..self }
    }
}
