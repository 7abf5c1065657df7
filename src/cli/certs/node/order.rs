//! [`Order`]: one node's certificate with its key and its settings, from what was asked for.

use std::path::{Path, PathBuf};

use super::cluster::Cluster;
use super::{Args, Node, names};
use crate::cli::certs::placement::{self, Placed, PlacedFile};
use crate::cli::certs::{CertsError, DAY, absolute};
use crate::member::{MemberId, Role};
use crate::time::{Timestamp, Utc};
use crate::trust::issue::{Authority, Issued, NewFiles, NodeKey, NodeRequest};
use crate::trust::{Claim, Passphrase, certificates_of};

/// One node's certificate, to be issued.
pub(super) struct Order<'a> {
    pub(super) args: &'a Args,
    pub(super) role: Role,
    pub(super) id: &'a MemberId,
    pub(super) cluster: &'a Cluster,
}

impl Order<'_> {
    /// Issues the certificate and adds the files; whether it ends with its authority.
    pub(super) fn fill(
        &self,
        authority: &Authority,
        files: &mut NewFiles,
        now: Timestamp,
    ) -> Result<(Node, bool), CertsError> {
        let request = self.request()?;
        let issued = authority.issue(&request, self.key()?, now)?;
        self.judge(&issued)?;
        let chain = self.file("pem");
        files.add(chain.clone(), issued.chain_pem);
        let mut placed = vec![self.place("certificateChainPath", &chain)];
        let key = match issued.key_pem {
            Some(pem) => {
                let file = self.file("key");
                files.add_secret(file.clone(), pem);
                file
            }
            None => self.args.key.clone().expect("there is a key already"),
        };
        placed.push(self.place("privateKeyPath", &key));
        if let Some((file, text)) = self.settings(&placed) {
            let place = self.installed(&file);
            files.add(file.clone(), text);
            placed.push(PlacedFile::configuration(&file, place));
        }
        let node = Node {
            placed: Placed {
                node: self.id.to_string(),
                files: placed,
            },
            common_name: request.common_name,
            not_after: Utc(issued.not_after).to_string(),
        };
        Ok((node, issued.is_cut_short))
    }

    fn request(&self) -> Result<NodeRequest, CertsError> {
        let Args { cn, spiffe, .. } = self.args;
        let with_id = |text: &String| names::with_id(text, self.id);
        let mut request = NodeRequest {
            common_name: cn.as_ref().map(with_id).unwrap_or_default(),
            organization: None,
            dns: names::of_node(&self.args.dns, self.id),
            ip: names::addresses(&self.args.ip, self.id)?,
            uri: spiffe.as_ref().map(with_id),
            usage: self.args.usage.into(),
            life: DAY * self.args.days,
        };
        if let Some(old) = &self.args.renew {
            request.inherit(&certificates_of(old)?[0]);
        }
        if request.common_name.is_empty() {
            request.common_name = format!("node-{}", self.id);
        }
        Ok(request)
    }

    fn key(&self) -> Result<NodeKey, CertsError> {
        let Some(file) = &self.args.key else {
            return Ok(NodeKey::New(self.args.key_algorithm));
        };
        let passphrase = self.args.key_password_file.clone().map(Passphrase::File);
        Ok(NodeKey::load(file, passphrase.as_ref())?)
    }

    /// Whether the cluster's own rules let this node in.
    fn judge(&self, issued: &Issued) -> Result<(), CertsError> {
        let claim = Claim {
            member_id: Some(self.id.as_str()),
            hosts: &[],
        };
        let identity = &self.cluster.identity;
        let judged = identity.judge(&issued.certificate, &claim);
        judged.map_err(|cause| CertsError::Identity {
            id: self.id.clone(),
            cause: Box::new(cause),
        })
    }

    /// The node's settings, and the file for them.
    fn settings(&self, placed: &[PlacedFile]) -> Option<(PathBuf, String)> {
        let form = self.args.settings;
        let file = self.file(form.ending()?);
        let mut snippet = self.cluster.common.clone();
        let section = format!("zeebe.{}.cluster", self.role);
        let id = match self.role {
            Role::Broker => "nodeId",
            Role::Gateway => "memberId",
        };
        snippet.set(&format!("{section}.{id}"), self.id);
        if self.role == Role::Broker && self.args.config.is_none() {
            let size = self.cluster.brokers.unwrap_or(0) + self.new_brokers();
            snippet.set(&format!("{section}.clusterSize"), size);
        }
        let contacts = self.cluster.contact_points();
        let heading = match contacts.is_empty() {
            true => "no contact point is known here: set initialContactPoints",
            false => "TLS is on, as on every node of the cluster",
        };
        if !contacts.is_empty() {
            snippet.set_list(&format!("{section}.initialContactPoints"), contacts);
        }
        snippet.set(&placement::security_key(self.role, "enabled").path, true);
        for file in placed {
            if let Some(setting) = &file.setting {
                snippet.set(setting, file.place.display());
            }
        }
        let heading = format!("# {} {}: {heading}\n", self.role, self.id);
        Some((file, heading + &snippet.text(form)))
    }

    fn new_brokers(&self) -> usize {
        let new = self.args.id.iter().filter(|id| !self.cluster.has(id));
        new.count()
    }

    fn file(&self, ending: &str) -> PathBuf {
        let stem = names::file_stem(self.id);
        self.args.directory.join(format!("{stem}.{ending}"))
    }

    fn place(&self, name: &str, file: &Path) -> PlacedFile {
        PlacedFile::new(self.role, name, file, self.installed(file))
    }

    fn installed(&self, file: &Path) -> PathBuf {
        match (&self.args.installed_in, file.file_name()) {
            (Some(directory), Some(name)) => directory.join(name),
            _ => absolute(file),
        }
    }
}
