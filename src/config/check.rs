//! From single values to a [`Config`]: what depends on more than one setting is checked here, and only here.

mod management;

use super::error::{Problem, Warning};
use super::layer::Findings;
use super::schema;
use super::settings::{Setting, Settings};
use super::value::is_wildcard;
use super::{
    Cluster, Compression, Config, DialBack, ExpiredMember, Membership, Messages, Network, Scheme,
    Security, SystemRoots, Tls, Token, Transport,
};
use crate::member::{ContactPoint, MemberId, Role};
use crate::seal::JoinToken;
use crate::trust::{
    ClientAuth, ExposedKey, HostnameVerification, IdentityOptions, Inline, KeyStore, Passphrase,
    RuleKind, Secret,
};

/// The configuration of a node; none, with a problem noted, where settings contradict each other.
pub(super) fn config(
    section: Role,
    settings: &Settings,
    findings: &mut Findings,
) -> Option<Config> {
    let mut check = Check {
        section,
        settings,
        findings,
    };
    let network = check.network();
    let security = check.security();
    let membership = check.membership();
    let messages = check.messages();
    let member_id = check.member_id();
    let management = check.management();
    Some(Config {
        role: section,
        member_id,
        cluster: check.cluster(),
        network: network?,
        messages: messages?,
        security: security?,
        membership,
        management: management?,
    })
}

struct Check<'a> {
    section: Role,
    settings: &'a Settings,
    findings: &'a mut Findings,
}

impl<'a> Check<'a> {
    fn member_id(&mut self) -> MemberId {
        match self.section {
            Role::Broker => {
                self.compare_node_id_and_size();
                let node_id = self.cluster_key("nodeId").int();
                MemberId::new(&node_id.to_string()).expect("a number is a member id")
            }
            Role::Gateway => self.cluster_key("memberId").member_id(),
        }
    }

    /// Zeebe does not compare the two; a broker that cannot be counted is most likely a slip.
    fn compare_node_id_and_size(&mut self) {
        let (node, size) = (self.cluster_key("nodeId"), self.cluster_key("clusterSize"));
        let (node_id, brokers) = (node.int(), size.int());
        if node_id >= brokers && !size.source.is_default() {
            let place = node.source.clone();
            self.findings.warnings.push(Warning::NodeIdBeyondSize {
                place,
                node_id,
                size: brokers,
            });
        }
    }

    fn cluster(&mut self) -> Cluster {
        let size = match self.section {
            Role::Broker => u32::try_from(self.cluster_key("clusterSize").int()).ok(),
            Role::Gateway => None,
        };
        Cluster {
            name: self.cluster_key("clusterName").text().unwrap_or_default(),
            id: self.cluster_key("clusterId").text(),
            contact_points: self.contact_points(),
            size,
            join_retry_refused: self.cluster_key("joinRetryRefused").bool(),
            token: self.token(),
        }
    }

    /// A scheme turns nothing on: one that disagrees with the switch is a mistake, in one place or the other.
    fn contact_points(&mut self) -> Vec<ContactPoint> {
        let switch = self.security_key("enabled");
        let setting = self.cluster_key("initialContactPoints");
        let (mut points, mut wrong) = (Vec::new(), Vec::new());
        for (contact, place) in setting.contacts() {
            let says_tls = contact.scheme.map(|scheme| scheme == Scheme::Tls);
            if says_tls.is_some_and(|says| says != switch.bool()) {
                wrong.push(Problem::Scheme {
                    key: setting.key,
                    place,
                    written: contact.to_string(),
                    switch: switch.key,
                    enabled: switch.bool(),
                });
            }
            points.push(contact.point);
        }
        self.findings.problems.extend(wrong);
        points
    }

    /// A secret of all nodes: from its own setting, from a file, or from within contact points, but one alone.
    fn token(&mut self) -> Option<Token> {
        let setting = self.either(self.cluster_key("token"), self.cluster_key("tokenFile"));
        let contacts = self.cluster_key("initialContactPoints");
        let mut within: Option<Secret> = None;
        for (contact, place) in contacts.contacts() {
            let Some(token) = contact.token else { continue };
            if within.as_ref().is_some_and(|first| *first != token) {
                let key = contacts.key;
                let problem = Problem::Tokens { key, place };
                self.findings.problems.push(problem);
            }
            within.get_or_insert(token);
        }
        if within.is_some() && setting.is_set() {
            self.contradict(setting, contacts);
        }
        if !setting.key.row.is_secret {
            return setting.text().map(|file| Token::File(file.into()));
        }
        let (given, from) = match setting.secret() {
            Some(secret) => (secret, setting),
            None => (within?, contacts),
        };
        if let Err(cause) = JoinToken::new(given.expose()) {
            let (key, place) = (from.key, from.source.clone());
            let problem = Problem::Token { key, place, cause };
            self.findings.problems.push(problem);
        }
        Some(Token::Given(given))
    }

    fn network(&mut self) -> Option<Network> {
        let port = self.shifted(self.listener_key("port"))?;
        let advertised_port = match self.listener_key("advertisedPort") {
            setting if setting.is_set() => Some(self.shifted(setting)?),
            _ => None,
        };
        let quic_port = match self.network_key("quic.port") {
            setting if setting.is_set() => Some(self.shifted(setting)?),
            _ => None,
        };
        Some(Network {
            bind_host: self.bind_host().unwrap_or_default(),
            port,
            advertised_host: self.advertised_host(),
            advertised_port,
            socket_send_buffer: self.network_key("socketSendBuffer").size(),
            socket_receive_buffer: self.network_key("socketReceiveBuffer").size(),
            udp_enabled: self.network_key("udpEnabled").bool(),
            transport: self.transport(),
            quic_port,
        })
    }

    /// A gateway has no keys for heartbeats, and a broker none for requests.
    fn messages(&mut self) -> Option<Messages> {
        let is_broker = self.section == Role::Broker;
        let heartbeat = |name: &str| is_broker.then(|| self.network_key(name));
        let (interval, timeout) = (
            heartbeat("heartbeatInterval"),
            heartbeat("heartbeatTimeout"),
        );
        if let (Some(interval), Some(timeout)) = (interval, timeout)
            && timeout.duration() <= interval.duration()
        {
            self.findings.problems.push(Problem::HeartbeatTooLate {
                key: timeout.key,
                place: timeout.source.clone(),
                interval: interval.key,
            });
            return None;
        }
        let request_timeout = (!is_broker).then(|| self.cluster_key("requestTimeout").duration());
        Some(Messages {
            max_message_size: self
                .network_key("maxMessageSize")
                .size()
                .unwrap_or_default(),
            compression: match self.cluster_key("messageCompression").choice() {
                "GZIP" => Compression::Gzip,
                "SNAPPY" => Compression::Snappy,
                _ => Compression::None,
            },
            heartbeat_interval: interval.map(Setting::duration),
            heartbeat_timeout: timeout.map(Setting::duration),
            request_timeout,
        })
    }

    fn bind_host(&self) -> Option<String> {
        let own = self.listener_key("host").text();
        own.or_else(|| self.network_key("host").text())
    }

    /// As Zeebe does: what the listener advertises, the host it is bound to, then the same two of the network. Unlike
    /// Zeebe, a wildcard is passed over.
    fn advertised_host(&self) -> Option<String> {
        let bound = |setting: &Setting| setting.text().filter(|host| !is_wildcard(host));
        let advertised = |setting: &Setting| setting.text();
        advertised(self.listener_key("advertisedHost"))
            .or_else(|| bound(self.listener_key("host")))
            .or_else(|| advertised(self.network_key("advertisedHost")))
            .or_else(|| bound(self.network_key("host")))
    }

    /// QUIC has no plaintext.
    fn transport(&mut self) -> Transport {
        let (setting, switch) = (self.network_key("transport"), self.security_key("enabled"));
        if setting.choice() != "quic" {
            return Transport::Tcp;
        }
        if !switch.bool() {
            self.findings.problems.push(Problem::QuicWithoutTls {
                key: setting.key,
                place: setting.source.clone(),
                switch: switch.key,
            });
        }
        Transport::Quic
    }

    /// A port plus ten times the broker's offset; 0, which asks for a free port, stays 0.
    fn shifted(&mut self, setting: &Setting) -> Option<u16> {
        let port = port(setting);
        if self.section == Role::Gateway || port == 0 {
            return Some(port);
        }
        let offset_setting = self.network_key("portOffset");
        let offset = u16::try_from(offset_setting.int()).expect("the schema bounds the offset");
        let shifted = offset
            .checked_mul(10)
            .and_then(|shift| port.checked_add(shift));
        if shifted.is_none() {
            self.findings.problems.push(Problem::PortTooLarge {
                key: setting.key,
                port,
                offset_key: offset_setting.key,
                offset,
                place: offset_setting.source.clone(),
            });
        }
        shifted
    }

    fn security(&mut self) -> Option<Security> {
        let tls = if self.security_key("enabled").bool() {
            Some(self.tls()?)
        } else {
            self.warn_of_idle_paths();
            None
        };
        Some(Security {
            tls,
            reload_interval: self.security_key("reloadInterval").duration(),
            handshake_timeout: self.security_key("handshakeTimeout").duration(),
            key_rotation: self.security_key("keyRotationInterval").duration(),
            expired_member: match self.security_key("onCertificateExpiry").choice() {
                "evict" => ExpiredMember::Evict,
                _ => ExpiredMember::Keep,
            },
            trust_age_max: self.security_key("trustAgeMax").duration(),
            dial_back: self.dial_back(),
        })
    }

    fn dial_back(&self) -> Option<DialBack> {
        let setting = self.security_key("dialBack");
        let chosen = match setting.choice() {
            "off" => DialBack::Off,
            "sameHost" => DialBack::SameHost,
            _ => DialBack::Any,
        };
        (!setting.source.is_default()).then_some(chosen)
    }

    fn tls(&mut self) -> Option<Tls> {
        let inline = Inline {
            certificate_chain: self.security_key("certificateChain").text(),
            private_key: self.security_key("privateKey").secret(),
        };
        let key_store = self.key_store();
        let chain = self.one_of("certificateChainPath", "certificateChain");
        let key = self.one_of("privateKeyPath", "privateKey");
        let password = self.one_of("privateKeyPassword", "privateKeyPasswordFile");
        match self.security_key("keyStore.filePath") {
            store if store.is_set() => {
                for other in [chain, key].into_iter().filter(|other| other.is_set()) {
                    self.contradict(store, other);
                }
            }
            _ => self.require_paths([chain, key])?,
        }
        let passphrase = match password.key.row.is_secret {
            true => password.secret().map(Passphrase::Given),
            false => password.text().map(|file| Passphrase::File(file.into())),
        };
        let path = |name: &str| self.security_key(name).text().unwrap_or_default();
        let trusted = self.security_key("trustedCertificatesPath").text();
        Some(Tls {
            certificate_chain_path: path("certificateChainPath").into(),
            private_key_path: path("privateKeyPath").into(),
            inline,
            key_store,
            passphrase,
            exposed_key: match self.security_key("filePermissions").choice() {
                "ignore" => ExposedKey::Ignore,
                "refuse" => ExposedKey::Refuse,
                _ => ExposedKey::Warn,
            },
            trusted_certificates_path: trusted.map(Into::into),
            system_roots: match self.security_key("systemRoots").choice() {
                "true" => SystemRoots::True,
                "false" => SystemRoots::False,
                _ => SystemRoots::Auto,
            },
            client_auth: match self.security_key("clientAuth").choice() {
                "optional" => ClientAuth::Optional,
                "required" => ClientAuth::Required,
                _ => ClientAuth::None,
            },
            require_post_quantum: self.security_key("requirePostQuantum").bool(),
            identity: self.identity(),
        })
    }

    fn key_store(&self) -> Option<KeyStore> {
        let file = self.security_key("keyStore.filePath").text()?;
        Some(KeyStore {
            file: file.into(),
            password: self
                .security_key("keyStore.password")
                .secret()
                .unwrap_or_default(),
        })
    }

    /// Of two settings for the same thing the one that is set, else the first; both are a contradiction.
    fn one_of(&mut self, first: &str, second: &str) -> &'a Setting {
        self.either(self.security_key(first), self.security_key(second))
    }

    fn either(&mut self, first: &'a Setting, second: &'a Setting) -> &'a Setting {
        match (first.is_set(), second.is_set()) {
            (true, true) => self.contradict(first, second),
            (false, true) => return second,
            _ => {}
        }
        first
    }

    fn contradict(&mut self, one: &'a Setting, other: &'a Setting) {
        self.findings.problems.push(Problem::Both {
            key: one.key,
            place: one.source.clone(),
            other: other.key,
        });
    }

    fn require_paths(&mut self, settings: [&'a Setting; 2]) -> Option<()> {
        let missing = settings.into_iter().filter(|path| !path.is_set());
        let keys: Vec<_> = missing.map(|path| path.key).collect();
        if keys.is_empty() {
            return Some(());
        }
        let enabled = self.security_key("enabled").source.clone();
        let problem = Problem::MissingPaths { keys, enabled };
        self.findings.problems.push(problem);
        None
    }

    fn identity(&self) -> IdentityOptions {
        let rules = |kind: RuleKind| self.security_key(kind.setting()).texts();
        IdentityOptions {
            common_name: rules(RuleKind::CommonName),
            dns: rules(RuleKind::Dns),
            ip: rules(RuleKind::Ip),
            uri: rules(RuleKind::Uri),
            hostname_verification: match self.security_key("hostnameVerification").choice() {
                "ifPresent" => HostnameVerification::IfPresent,
                "require" => HostnameVerification::Require,
                _ => HostnameVerification::Off,
            },
        }
    }

    fn warn_of_idle_paths(&mut self) {
        for name in [
            "certificateChainPath",
            "privateKeyPath",
            "trustedCertificatesPath",
        ] {
            let Setting { key, source, .. } = self.security_key(name);
            if !source.is_default() {
                let enabled = schema::tls_switch(self.section).path.clone();
                let place = source.clone();
                self.findings.warnings.push(Warning::PathWithoutTls {
                    key,
                    place,
                    enabled,
                });
            }
        }
    }

    fn membership(&mut self) -> Membership {
        let at = |name: &str| self.cluster_key(&format!("membership.{name}"));
        let count = |name| u32::try_from(at(name).int()).expect("the schema bounds the counts");
        let membership = Membership {
            broadcast_updates: at("broadcastUpdates").bool(),
            broadcast_disputes: at("broadcastDisputes").bool(),
            notify_suspect: at("notifySuspect").bool(),
            gossip_interval: at("gossipInterval").duration(),
            gossip_fanout: count("gossipFanout"),
            probe_interval: at("probeInterval").duration(),
            probe_timeout: at("probeTimeout").duration(),
            suspect_probes: count("suspectProbes"),
            failure_timeout: at("failureTimeout").duration(),
            sync_interval: at("syncInterval").duration(),
            suspicion_floor: at("suspicionFloor").duration(),
        };
        if membership.probe_timeout * 3 > membership.probe_interval {
            let path = &at("probeTimeout").key.path;
            self.findings
                .warnings
                .push(Warning::ProbeIntervalLengthened { path });
        }
        membership
    }

    fn cluster_key(&self, name: &str) -> &'a Setting {
        self.settings
            .at(&format!("zeebe.{}.cluster.{name}", self.section))
    }

    /// A gateway has one section for what a broker has in two.
    fn network_key(&self, name: &str) -> &'a Setting {
        match self.section {
            Role::Broker => self.settings.at(&format!("zeebe.broker.network.{name}")),
            Role::Gateway => self.cluster_key(name),
        }
    }

    fn listener_key(&self, name: &str) -> &'a Setting {
        match self.section {
            Role::Broker => self.network_key(&format!("internalApi.{name}")),
            Role::Gateway => self.cluster_key(name),
        }
    }

    fn security_key(&self, name: &str) -> &'a Setting {
        self.network_key(&format!("security.{name}"))
    }
}

fn port(setting: &Setting) -> u16 {
    u16::try_from(setting.int()).expect("the schema bounds the ports")
}
