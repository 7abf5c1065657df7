//! [`Plan`]: what each node will be, settled before anything runs.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::{env, fs, process};

use tokio::net::TcpSocket;

use crate::cli::clock::now;
use crate::cli::output::one_line;
use crate::trust::issue::IssueError;
use crate::trust::{DevCertificates, DevNode};

/// The nodes to be, and the directory of their files.
pub(super) struct Plan {
    pub(super) nodes: Vec<NodePlan>,
    directory: PathBuf,
    held: Vec<TcpSocket>,
}

/// One node to be.
pub(super) struct NodePlan {
    pub(super) id: u16,
    pub(super) log: PathBuf,
    port: u16,
    management_port: u16,
    contact_points: String,
    size: u16,
    certificate: Option<DevNode>,
}

/// Why there is no plan. Nothing was started.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlanError {
    #[error(
        "--base-port {base}: the last of {nodes} nodes would need port {last}, and 65535 is the highest; choose a lower base port"
    )]
    BasePort { base: u16, nodes: u16, last: u32 },
    #[error("cannot make development certificates: {}", one_line(.0))]
    Certificates(#[from] IssueError),
    #[error("cannot make the directory {}: {cause}; set TMPDIR to one that can be written to", directory.display())]
    Directory {
        directory: PathBuf,
        cause: io::Error,
    },
    #[error("the system gives no free port on 127.0.0.1: {0}; name ports with --base-port")]
    Ports(#[from] io::Error),
}

impl Plan {
    /// Settles ports, makes the directory, and certificates where TLS is wanted.
    pub(super) fn new(size: u16, base_port: Option<u16>, tls: bool) -> Result<Self, PlanError> {
        let now = now();
        let name = format!("phalanx-local-{}-{}", process::id(), now.as_millis());
        let directory = env::temp_dir().join(name);
        let mut held = Vec::new();
        let ports: Vec<_> = match base_port {
            Some(base) => numbered(base, size)?,
            None => (0..size)
                .map(|_| free_pair(&mut held))
                .collect::<Result<_, _>>()?,
        };
        make_directory(&directory)?;
        let authority = tls.then(|| DevCertificates::new(now)).transpose()?;
        let contact_points: Vec<_> = ports
            .iter()
            .map(|(port, _)| loopback(*port).to_string())
            .collect();
        let plan_node = |(id, (port, management_port))| {
            let write = |authority: &DevCertificates| {
                authority.write_node(&certificates(&directory), &format!("node{id}"))
            };
            Ok(NodePlan {
                id,
                log: directory.join(format!("node{id}.log")),
                port,
                management_port,
                contact_points: contact_points.join(","),
                size,
                certificate: authority.as_ref().map(write).transpose()?,
            })
        };
        let nodes = (0..)
            .zip(ports)
            .map(plan_node)
            .collect::<Result<_, PlanError>>()?;
        Ok(Self {
            nodes,
            directory,
            held,
        })
    }

    /// Lets go of the ports that were held for the nodes.
    pub(super) fn release_ports(&mut self) {
        self.held.clear();
    }

    /// Removes the logs, and with them all that there was.
    pub(super) fn remove_logs(&self) {
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            let directory = self.directory.display();
            eprintln!("warning: {directory} cannot be removed: {error}");
        }
    }
}

impl Drop for Plan {
    /// Removes the certificates and keys, which nobody has a use for any more.
    fn drop(&mut self) {
        // Where there was no TLS there is nothing to remove.
        let _ = fs::remove_dir_all(certificates(&self.directory));
    }
}

impl NodePlan {
    pub(super) fn addr(&self) -> SocketAddr {
        loopback(self.port)
    }

    pub(super) fn admin(&self) -> SocketAddr {
        loopback(self.management_port)
    }

    /// All that the node is told.
    pub(super) fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("ZEEBE_BROKER_CLUSTER_CLUSTERSIZE", self.size.to_string()),
            (
                "ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS",
                self.contact_points.clone(),
            ),
            ("ZEEBE_BROKER_CLUSTER_NODEID", self.id.to_string()),
            ("ZEEBE_BROKER_NETWORK_HOST", self.addr().ip().to_string()),
            (
                "ZEEBE_BROKER_NETWORK_INTERNALAPI_PORT",
                self.port.to_string(),
            ),
            ("MANAGEMENT_SERVER_ADDRESS", self.admin().ip().to_string()),
            ("MANAGEMENT_SERVER_PORT", self.management_port.to_string()),
        ];
        if let Some(DevNode {
            certificate_chain,
            private_key,
        }) = &self.certificate
        {
            let text = |path: &Path| path.display().to_string();
            variables.extend([
                ("ZEEBE_BROKER_NETWORK_SECURITY_ENABLED", "true".to_owned()),
                (
                    "ZEEBE_BROKER_NETWORK_SECURITY_CERTIFICATECHAINPATH",
                    text(certificate_chain),
                ),
                (
                    "ZEEBE_BROKER_NETWORK_SECURITY_PRIVATEKEYPATH",
                    text(private_key),
                ),
            ]);
        }
        variables
    }
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn certificates(directory: &Path) -> PathBuf {
    directory.join("certificates")
}

/// The ports of nodes and their management servers, counted up from `base`.
fn numbered(base: u16, nodes: u16) -> Result<Vec<(u16, u16)>, PlanError> {
    let last = u32::from(base) + 10 * u32::from(nodes - 1) + 5;
    match u16::try_from(last) {
        Ok(_) => Ok((0..nodes)
            .map(|node| (base + 10 * node, base + 10 * node + 5))
            .collect()),
        Err(_) => Err(PlanError::BasePort { base, nodes, last }),
    }
}

fn free_pair(held: &mut Vec<TcpSocket>) -> Result<(u16, u16), io::Error> {
    Ok((free_port(held)?, free_port(held)?))
}

/// A port that TCP and UDP have free. On Linux it stays bound, without listening, so that nobody is given it before the
/// node listens; elsewhere that would keep the node from it as well.
fn free_port(held: &mut Vec<TcpSocket>) -> Result<u16, io::Error> {
    loop {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(loopback(0))?;
        let addr = socket.local_addr()?;
        match UdpSocket::bind(addr) {
            Ok(_) if cfg!(target_os = "linux") => held.push(socket),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => continue,
            Err(error) => return Err(error),
        }
        return Ok(addr.port());
    }
}

/// For the user of this process alone, as keys will be in it.
fn make_directory(directory: &Path) -> Result<(), PlanError> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(directory)
        .map_err(|cause| PlanError::Directory {
            directory: directory.to_owned(),
            cause,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_ports_leave_room_for_the_management_server() {
        assert_eq!(numbered(100, 2).unwrap(), [(100, 105), (110, 115)]);
        assert_eq!(numbered(65_520, 2).unwrap()[1], (65_530, 65_535));
        assert!(matches!(
            numbered(65_521, 2),
            Err(PlanError::BasePort { last: 65_536, .. })
        ));
    }

    #[tokio::test]
    async fn free_ports_differ_and_can_be_listened_on_while_held() {
        let mut held = Vec::new();
        let (one, other) = free_pair(&mut held).unwrap();
        assert_ne!(one, other);
        tokio::net::TcpListener::bind(loopback(one)).await.unwrap();
    }
}
