//! The management server's settings: where it listens, and what guards it.

use std::net::IpAddr;

use super::Check;
use crate::config::error::Problem;
use crate::config::settings::Setting;
use crate::config::{ClientCertificates, Management, ManagementTls, Token};
use crate::seal::JoinToken;
use crate::trust::KeyStore;

impl<'a> Check<'a> {
    /// The management server, or none where it is switched off; no configuration at all, with problems noted, where what
    /// guards it is contradictory or missing.
    pub(super) fn management(&mut self) -> Option<Option<Management>> {
        let Ok(port) = u16::try_from(self.management_key("port").int()) else {
            return Some(None);
        };
        let address = self.management_key("address");
        let management = Management {
            address: address.text().unwrap_or_default(),
            port,
            token: self.management_token(),
            metrics_public: self.management_key("metricsPublic").bool(),
            tls: self.management_tls()?,
        };
        self.demand_guards(&management, address);
        Some(Some(management))
    }

    fn management_token(&mut self) -> Option<Token> {
        let token = self.management_key("token");
        let setting = self.either(token, self.management_key("tokenFile"));
        if !setting.key.row.is_secret {
            return setting.text().map(|file| Token::File(file.into()));
        }
        let given = setting.secret()?;
        if let Err(cause) = JoinToken::new(given.expose()) {
            let (key, place) = (setting.key, setting.source.clone());
            let problem = Problem::Token { key, place, cause };
            self.findings.problems.push(problem);
        }
        Some(Token::Given(given))
    }

    /// Both files or a key store, as in Spring; none where neither is set, or where it is switched off.
    fn management_tls(&mut self) -> Option<Option<ManagementTls>> {
        let [certificate, key, store] =
            ["certificate", "certificatePrivateKey", "keyStore"].map(|name| self.ssl_key(name));
        if !self.ssl_key("enabled").bool() {
            return Some(None);
        }
        match (certificate.is_set(), key.is_set()) {
            (true, false) => return self.half(certificate, key),
            (false, true) => return self.half(key, certificate),
            (true, true) if store.is_set() => self.contradict(store, certificate),
            (false, false) if !store.is_set() => return Some(None),
            _ => {}
        }
        let path = |setting: &Setting| setting.text().unwrap_or_default().into();
        let password = |name| self.ssl_key(name).secret();
        let asked = self.ssl_key("clientAuth").choice();
        let authorities = self.ssl_key("trustCertificate").text();
        Some(Some(ManagementTls {
            certificate_path: path(certificate),
            private_key_path: path(key),
            password: password("certificatePrivateKeyPassword"),
            key_store: store.text().map(|file| KeyStore {
                file: file.into(),
                password: password("keyStorePassword").unwrap_or_default(),
            }),
            clients: authorities
                .filter(|_| asked != "none")
                .map(|file| ClientCertificates {
                    authorities: file.into(),
                    is_required: asked == "need",
                }),
        }))
    }

    fn half<T>(&mut self, set: &'a Setting, missing: &'a Setting) -> Option<T> {
        self.findings.problems.push(Problem::Half {
            key: set.key,
            place: set.source.clone(),
            missing: missing.key,
        });
        None
    }

    /// Where others than this machine can ask, it takes a token and a certificate. A name is judged when it is resolved.
    fn demand_guards(&mut self, management: &Management, address: &Setting) {
        let Ok(ip) = management.address.parse::<IpAddr>() else {
            return;
        };
        let missing = management.missing_guards(ip);
        if !missing.is_empty() {
            self.findings.problems.push(Problem::Unguarded {
                key: address.key,
                place: address.source.clone(),
                address: management.address.clone(),
                missing,
            });
        }
    }

    fn management_key(&self, name: &str) -> &'a Setting {
        self.settings.at(&format!("management.server.{name}"))
    }

    fn ssl_key(&self, name: &str) -> &'a Setting {
        self.management_key(&format!("ssl.{name}"))
    }
}

impl Management {
    /// The settings that are missing for the server to be bound to `ip`; none on loopback.
    #[must_use]
    pub fn missing_guards(&self, ip: IpAddr) -> Vec<&'static str> {
        let guards = [
            (self.token.is_some(), "management.server.token"),
            (self.tls.is_some(), "management.server.ssl.certificate"),
        ];
        let missing = guards.into_iter().filter(|(is_set, _)| !is_set);
        match ip.to_canonical().is_loopback() {
            true => Vec::new(),
            false => missing.map(|(_, name)| name).collect(),
        }
    }
}
