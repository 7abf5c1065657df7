//! [`Cluster`]: what is known of the cluster that nodes are for, so that their settings fit it (R16).

use std::path::Path;

use hyper::Uri;

use crate::admin::MemberView;
use crate::cli::certs::CertsError;
use crate::cli::certs::snippet::Snippet;
use crate::cli::client;
use crate::config::{self, ContactPoint, Loaded};
use crate::member::{MemberId, MemberState, Role};
use crate::trust::{ClientAuth, IdentityOptions};

/// What is known of a cluster.
#[derive(Default)]
pub(super) struct Cluster {
    /// Settings that all of its nodes have.
    pub(super) common: Snippet,
    pub(super) contacts: Vec<ContactPoint>,
    /// How many brokers it has, if somebody said so.
    pub(super) brokers: Option<usize>,
    pub(super) client_auth: ClientAuth,
    pub(super) identity: IdentityOptions,
    /// Whether a configuration was given that has TLS off.
    pub(super) is_plaintext: bool,
    /// Members that are there by now.
    members: Vec<MemberView>,
}

impl Cluster {
    /// Adds what the configuration of one of its nodes says.
    pub(super) fn read(&mut self, role: Role, file: &Path) -> Result<(), CertsError> {
        let Loaded {
            config, settings, ..
        } = config::load(role, Some(file), std::iter::empty())?;
        self.common = Snippet::common_to_all(&settings);
        self.contacts.extend(config.cluster.contact_points);
        self.brokers = config
            .cluster
            .size
            .and_then(|size| usize::try_from(size).ok());
        self.is_plaintext = config.security.tls.is_none();
        if let Some(tls) = config.security.tls {
            self.client_auth = tls.client_auth;
            self.identity = tls.identity;
        }
        Ok(())
    }

    /// Adds the members that a running node sees alive.
    pub(super) fn ask(&mut self, admin: &Uri) -> Result<(), CertsError> {
        let mut members: Vec<MemberView> = client::block_on(client::get(admin, "/members"))?;
        members.retain(|member| member.state == MemberState::Alive);
        self.contacts
            .extend(members.iter().map(|member| ContactPoint {
                host: member.address.ip().to_string(),
                port: member.address.port(),
            }));
        let brokers = members.iter().filter(|member| member.role == Role::Broker);
        self.brokers = self.brokers.or_else(|| Some(brokers.count()));
        self.members = members;
        Ok(())
    }

    /// Whether a member of this id is alive already.
    pub(super) fn has(&self, id: &MemberId) -> bool {
        self.members.iter().any(|member| member.id == id.as_str())
    }

    /// The contact points as settings have them, each once; all of them with TLS.
    pub(super) fn contact_points(&self) -> Vec<String> {
        let mut points: Vec<String> = Vec::new();
        for contact in &self.contacts {
            let point = format!("tls://{contact}");
            if !points.contains(&point) {
                points.push(point);
            }
        }
        points
    }
}
