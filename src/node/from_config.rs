//! [`NodeConfig`] from the configuration file and environment, value by value.

use std::num::NonZeroUsize;

use super::messenger::MessagingOptions;
use super::options::{NodeConfig, NodeSecurity};
use super::token::TokenSource;
use crate::admission::DialBack;
use crate::config::{self, Config};
use crate::member::Metadata;
use crate::messaging::Compression;
use crate::swim::Params;
use crate::transport::Transport;
use crate::transport::tcp::SocketOptions;
use crate::trust::{SystemRoots, TrustOptions};

impl From<&Config> for NodeConfig {
    fn from(config: &Config) -> Self {
        let Config {
            role,
            member_id,
            cluster,
            network,
            messages,
            security,
            membership,
            management: _,
        } = config;
        let contact_hosts = || {
            let contacts = cluster.contact_points.iter();
            contacts.map(|contact| contact.host.clone()).collect()
        };
        let tls = security.tls.as_ref();
        Self {
            id: member_id.clone(),
            role: *role,
            cluster: cluster.name.clone(),
            cluster_id: cluster.id.clone(),
            bind_host: network.bind_host.clone(),
            bind_port: network.port,
            advertised_host: network.advertised_host.clone(),
            advertised_port: network.advertised_port,
            contact_points: cluster.contact_points.clone(),
            join_retry_refused: cluster.join_retry_refused,
            udp: network.udp_enabled,
            transport: match network.transport {
                config::Transport::Quic => Transport::Quic,
                config::Transport::Tcp => Transport::Tcp,
            },
            quic_port: network.quic_port,
            sockets: SocketOptions {
                send_buffer: network.socket_send_buffer.map(bytes),
                receive_buffer: network.socket_receive_buffer.map(bytes),
            },
            membership: params(membership),
            security: tls
                .map(|tls| NodeSecurity::Files(Box::new(trust_options(tls, contact_hosts())))),
            reload_interval: security.reload_interval,
            handshake_timeout: security.handshake_timeout,
            key_rotation: Some(security.key_rotation),
            expired_member: security.expired_member,
            trust_age_max: Some(security.trust_age_max),
            metadata: Metadata::default(),
            messaging: messaging(messages),
            token: cluster.token.as_ref().map(|token| match token {
                config::Token::File(file) => TokenSource::File(file.clone()),
                config::Token::Given(secret) => TokenSource::Given(secret.clone()),
            }),
            dial_back: security.dial_back.map(|chosen| match chosen {
                config::DialBack::Any => DialBack::Any,
                config::DialBack::Off => DialBack::Off,
                config::DialBack::SameHost => DialBack::SameHost,
            }),
        }
    }
}

fn trust_options(tls: &config::Tls, contact_hosts: Vec<String>) -> TrustOptions {
    TrustOptions {
        certificate_chain: tls.certificate_chain_path.clone(),
        private_key: tls.private_key_path.clone(),
        trusted_certificates: tls.trusted_certificates_path.clone(),
        system_roots: match tls.system_roots {
            config::SystemRoots::Auto => SystemRoots::Auto,
            config::SystemRoots::False => SystemRoots::Off,
            config::SystemRoots::True => SystemRoots::On,
        },
        contact_hosts,
        inline: tls.inline.clone(),
        key_store: tls.key_store.clone(),
        passphrase: tls.passphrase.clone(),
        exposed_key: tls.exposed_key,
        client_auth: tls.client_auth,
        require_post_quantum: tls.require_post_quantum,
        identity: tls.identity.clone(),
    }
}

fn messaging(messages: &config::Messages) -> MessagingOptions {
    let defaults = MessagingOptions::default();
    MessagingOptions {
        message_len_max: messages.max_message_size,
        compression: match messages.compression {
            config::Compression::Gzip => Compression::Gzip,
            config::Compression::None => Compression::None,
            config::Compression::Snappy => Compression::Snappy,
        },
        heartbeat_interval: messages
            .heartbeat_interval
            .unwrap_or(defaults.heartbeat_interval),
        heartbeat_timeout: messages
            .heartbeat_timeout
            .unwrap_or(defaults.heartbeat_timeout),
        request_timeout: messages.request_timeout.unwrap_or(defaults.request_timeout),
        ..defaults
    }
}

/// A buffer larger than the address space is as good as the largest.
fn bytes(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

fn params(membership: &config::Membership) -> Params {
    Params {
        broadcast_disputes: membership.broadcast_disputes,
        broadcast_updates: membership.broadcast_updates,
        failure_timeout: membership.failure_timeout,
        gossip_fanout: at_least_one(membership.gossip_fanout),
        gossip_interval: membership.gossip_interval,
        notify_suspect: membership.notify_suspect,
        probe_interval: membership.probe_interval,
        probe_timeout: membership.probe_timeout,
        suspicion_floor: membership.suspicion_floor.min(membership.failure_timeout),
        suspect_probes: at_least_one(membership.suspect_probes),
        sync_interval: membership.sync_interval,
        ..Params::lan()
    }
}

/// The configuration has checked that it is.
fn at_least_one(number: u32) -> NonZeroUsize {
    let number = usize::try_from(number).unwrap_or(usize::MAX);
    NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::Role;

    #[test]
    fn the_defaults_of_the_configuration_are_those_of_the_library() {
        let loaded = config::load(Role::Broker, None, std::iter::empty()).unwrap();
        let from_config = NodeConfig::from(&loaded.config);
        let built_in = NodeConfig::new(from_config.id.clone());
        assert_eq!(format!("{from_config:?}"), format!("{built_in:?}"));
        from_config.check().unwrap();
    }

    #[test]
    fn what_is_set_arrives() {
        let environment = [
            ("ZEEBE_BROKER_NETWORK_SOCKETSENDBUFFER", "1MB"),
            ("ZEEBE_BROKER_NETWORK_UDPENABLED", "false"),
            ("ZEEBE_BROKER_NETWORK_TRANSPORT", "quic"),
            ("ZEEBE_BROKER_NETWORK_QUIC_PORT", "4433"),
            ("ZEEBE_BROKER_NETWORK_MAXMESSAGESIZE", "8MB"),
            ("ZEEBE_BROKER_NETWORK_HEARTBEATINTERVAL", "1s"),
            ("ZEEBE_BROKER_NETWORK_HEARTBEATTIMEOUT", "4s"),
            ("ZEEBE_BROKER_CLUSTER_MESSAGECOMPRESSION", "snappy"),
            ("ZEEBE_BROKER_NETWORK_ADVERTISEDHOST", "node-1"),
            ("ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS", "a:1,[::1]:2"),
            ("ZEEBE_BROKER_CLUSTER_MEMBERSHIP_PROBEINTERVAL", "2s"),
            ("ZEEBE_BROKER_NETWORK_SECURITY_ENABLED", "true"),
            (
                "ZEEBE_BROKER_NETWORK_SECURITY_CERTIFICATECHAINPATH",
                "a.pem",
            ),
            ("ZEEBE_BROKER_NETWORK_SECURITY_PRIVATEKEYPATH", "a.key"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let loaded = config::load(Role::Broker, None, environment.into_iter()).unwrap();
        let config = NodeConfig::from(&loaded.config);
        assert_eq!(config.sockets.send_buffer, Some(1024 * 1024));
        assert!(!config.udp);
        let quic = (config.transport, config.quic_port);
        assert_eq!(quic, (Transport::Quic, Some(4_433)));
        let messaging = config.messaging;
        assert_eq!(messaging.message_len_max, 8 << 20);
        assert_eq!(messaging.compression, Compression::Snappy);
        let heartbeats = [messaging.heartbeat_interval, messaging.heartbeat_timeout];
        assert_eq!(heartbeats.map(|it| it.as_secs()), [1, 4]);
        assert_eq!(config.advertised_host.as_deref(), Some("node-1"));
        let contacts = config.contact_points.iter().map(ToString::to_string);
        assert_eq!(contacts.collect::<Vec<_>>(), ["a:1", "[::1]:2"]);
        assert_eq!(config.membership.probe_interval.as_secs(), 2);
        let Some(NodeSecurity::Files(files)) = config.security else {
            panic!("TLS is on");
        };
        assert_eq!(files.private_key.to_str(), Some("a.key"));
        assert_eq!(files.contact_hosts, ["a", "::1"]);
    }
    #[test]
    fn a_gateway_has_a_time_out_of_its_own_for_requests() {
        let variable = "ZEEBE_GATEWAY_CLUSTER_REQUESTTIMEOUT".to_owned();
        let environment = std::iter::once((variable, "3s".to_owned()));
        let loaded = config::load(Role::Gateway, None, environment).unwrap();
        let config = NodeConfig::from(&loaded.config);
        assert_eq!(config.messaging.request_timeout.as_secs(), 3);
    }
}
