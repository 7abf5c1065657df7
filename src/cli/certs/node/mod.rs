//! `phalanx certs node`: certificates for nodes, and the settings that go with them.

mod cluster;
mod names;
mod order;

use std::path::PathBuf;

use clap::ValueEnum;
use hyper::Uri;
use serde::Serialize;

use super::ca::key_kinds;
use super::placement::{self, Placed};
use super::snippet::Form;
use super::{CertsError, absolute, fail, warn};
use crate::cli::Exit;
use crate::cli::clock::now;
use crate::cli::config::Section;
use crate::cli::output::{Format, print, print_json};
use crate::config::ContactPoint;
use crate::member::{MemberId, Role};
use crate::time::{Timestamp, Utc};
use crate::trust::issue::{Authority, KeyKind, NewFiles, Usage};
use crate::trust::{ClientAuth, Passphrase};
use cluster::Cluster;
use order::Order;

/// Arguments of `phalanx certs node`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The directory for the files; made if need be. No file in it is overwritten.
    #[arg(value_name = "OUT")]
    directory: PathBuf,
    /// The authority's certificate; if others stand above it in that file, all of them go into the chain files.
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,
    /// The authority's key; by default the file next to --ca that ends in .key.
    #[arg(long, value_name = "FILE")]
    ca_key: Option<PathBuf>,
    /// What the authority's key is encrypted with: the first line of this file.
    #[arg(long, value_name = "FILE")]
    ca_key_password_file: Option<PathBuf>,
    /// A node's member id: a broker's nodeId, a gateway's memberId. Repeat it, or use commas, for several nodes.
    #[arg(long, value_name = "ID", required = true, value_delimiter = ',')]
    id: Vec<MemberId>,
    /// What kind of nodes they are.
    #[arg(long, default_value = "broker")]
    section: Section,
    /// The common name; {memberId} stands for the id.
    #[arg(long, value_name = "NAME")]
    cn: Option<String>,
    /// A DNS name, besides localhost. {memberId} stands for the id; ID=NAME goes to that node alone. May be repeated.
    #[arg(long, value_name = "[ID=]NAME")]
    dns: Vec<String>,
    /// An address, besides 127.0.0.1 and ::1. {memberId} and ID= as above. May be repeated.
    #[arg(long, value_name = "[ID=]ADDRESS")]
    ip: Vec<String>,
    /// A SPIFFE id, or another URI; {memberId} stands for the id.
    #[arg(long, alias = "uri", value_name = "URI")]
    spiffe: Option<String>,
    /// For which ends of a connection; every node is both.
    #[arg(long, default_value = "both")]
    usage: Ends,
    /// How many days they are valid, from now on; never longer than the authority.
    #[arg(long, default_value_t = DAYS_ADVISED, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    /// What kind of key is made for each.
    #[arg(long, default_value = "ecdsa-p256", value_parser = key_kinds())]
    key_algorithm: KeyKind,
    /// Issue for the key in this file, which stays as it is, instead of a new one. For one node.
    #[arg(long, value_name = "FILE", conflicts_with = "key_algorithm")]
    key: Option<PathBuf>,
    /// What the key in --key is encrypted with: the first line of this file.
    #[arg(long, value_name = "FILE", requires = "key")]
    key_password_file: Option<PathBuf>,
    /// Take over the names of the first certificate in this file, which is to be replaced. For one node.
    #[arg(long, value_name = "FILE")]
    renew: Option<PathBuf>,
    /// In which form each node's settings are written.
    #[arg(long, default_value = "yaml")]
    settings: Form,
    /// Take over what the configuration of a node of the same cluster sets, but for what each node has of its own.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Ask a running node, at its management server, for the contact points.
    #[arg(long, value_name = "URL")]
    admin: Option<Uri>,
    /// A node to join through. May be repeated.
    #[arg(long, value_name = "HOST:PORT")]
    contact: Vec<ContactPoint>,
    /// Where the files will be on the nodes, if not where they are written.
    #[arg(long, value_name = "DIRECTORY")]
    installed_in: Option<PathBuf>,
    /// How to print.
    #[arg(long, default_value = "human")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Ends {
    /// serverAuth and clientAuth
    Both,
    /// serverAuth: for clusters with clientAuth none
    Server,
}

/// The answer.
#[derive(Serialize)]
struct Made {
    authority: String,
    nodes: Vec<Node>,
    warnings: Vec<String>,
}

/// One node's certificate, and where its files go.
#[derive(Serialize)]
struct Node {
    #[serde(flatten)]
    placed: Placed,
    common_name: String,
    not_after: String,
}

/// Runs `phalanx certs node`.
pub(super) fn run(args: &Args) -> Exit {
    let made = match args.make(now()) {
        Ok(made) => made,
        Err(error) => return fail(&error),
    };
    made.warnings.iter().for_each(|warning| warn(warning));
    match args.format {
        Format::Human => print(&made.human()),
        Format::Json => print_json(&made),
    }
}

impl Args {
    /// Issues everything before anything is written.
    fn make(&self, now: Timestamp) -> Result<Made, CertsError> {
        let role = self.section.into();
        self.check()?;
        let cluster = self.cluster(role)?;
        let authority = self.authority()?;
        let mut files = NewFiles::default();
        let mut warnings = self.warnings(&cluster);
        let mut nodes = Vec::with_capacity(self.id.len());
        for id in &self.id {
            let order = Order {
                args: self,
                role,
                id,
                cluster: &cluster,
            };
            let (node, cut_short) = order.fill(&authority, &mut files, now)?;
            if cut_short {
                let end = Utc(authority.not_after());
                warnings.push(format!(
                    "the certificate of {id} ends with its authority, at {end}: make a new authority before that"
                ));
            }
            nodes.push(node);
        }
        files.write()?;
        Ok(Made {
            authority: authority.subject(),
            nodes,
            warnings,
        })
    }

    fn check(&self) -> Result<(), CertsError> {
        names::check_ids(&self.id, self.section.into())?;
        names::check_owners(&self.dns, &self.id)?;
        names::check_owners(&self.ip, &self.id)?;
        let for_one = [("--key", &self.key), ("--renew", &self.renew)];
        for (option, file) in for_one {
            if file.is_some() && self.id.len() > 1 {
                return Err(CertsError::ForOneNode(option));
            }
        }
        Ok(())
    }

    fn cluster(&self, role: Role) -> Result<Cluster, CertsError> {
        let mut cluster = Cluster::default();
        if let Some(file) = &self.config {
            cluster.read(role, file)?;
        }
        if let Some(admin) = &self.admin {
            cluster.ask(admin)?;
        }
        cluster.contacts.extend(self.contact.iter().cloned());
        if cluster.client_auth != ClientAuth::None && self.usage == Ends::Server {
            return Err(CertsError::ServerAlone);
        }
        Ok(cluster)
    }

    fn authority(&self) -> Result<Authority, CertsError> {
        let beside = self.ca.with_extension("key");
        let key = self.ca_key.as_ref().unwrap_or(&beside);
        let passphrase = self.ca_key_password_file.clone().map(Passphrase::File);
        Ok(Authority::load(&self.ca, key, passphrase.as_ref())?)
    }

    fn warnings(&self, cluster: &Cluster) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.days > DAYS_ADVISED {
            warnings.push(format!(
                "{} days are more than a year: whoever gets hold of a key is believed as long as its certificate lives",
                self.days
            ));
        }
        if cluster.is_plaintext {
            warnings.push(
                "the configuration in --config has TLS off, and what is written here has it on: all nodes or none, so \
                 change them all, then restart them all"
                    .to_owned(),
            );
        }
        for id in self.id.iter().filter(|id| cluster.has(id)) {
            warnings.push(format!(
                "a member {id} is alive already: this is for that member, or another id is needed"
            ));
        }
        let ca = absolute(&self.ca);
        if ca.parent() == Some(absolute(&self.directory).as_path()) {
            warnings.push(
                "the authority's key lies among the files for nodes: copy to each node its own files alone".to_owned(),
            );
        }
        warnings
    }
}

impl Made {
    fn human(&self) -> String {
        let until = |node: &Node| {
            format!(
                "{}: CN={}, valid until {}",
                node.placed.node, node.common_name, node.not_after
            )
        };
        let lines: Vec<String> = self.nodes.iter().map(until).collect();
        let placed = self.nodes.iter().map(|node| &node.placed);
        format!(
            "issued by {}\n{}\n\n{}\n\nEach node gets its own files and no other's; the authority's key goes to none.",
            self.authority,
            lines.join("\n"),
            placement::human(placed)
        )
    }
}

impl From<Ends> for Usage {
    fn from(ends: Ends) -> Self {
        match ends {
            Ends::Both => Self::Both,
            Ends::Server => Self::Server,
        }
    }
}

/// A year, above which there is a warning.
const DAYS_ADVISED: u32 = 365;
