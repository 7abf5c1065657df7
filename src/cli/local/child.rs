//! [`Child`]: one node as a process of its own, which leaves when its standard input is closed.

use std::env;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::{self, ChildStdin, Command};

use super::LocalError;
use super::plan::NodePlan;

/// A node's process; dropped, it is killed.
pub(super) struct Child {
    id: u16,
    pid: u32,
    process: process::Child,
    stdin: Option<ChildStdin>,
    /// Whether it had ended by itself before it was told to leave.
    ended_early: bool,
}

/// A node's process could not be started.
#[derive(Debug, thiserror::Error)]
pub(super) enum SpawnError {
    #[error("cannot write the log {}: {cause}", file.display())]
    Log { file: PathBuf, cause: io::Error },
    #[error("cannot start node {id}: {cause}")]
    Start { id: u16, cause: io::Error },
}

impl Child {
    /// Starts a node, configured by its environment alone.
    pub(super) fn spawn(node: &NodePlan) -> Result<Self, SpawnError> {
        let log = File::create_new(&node.log).and_then(|log| Ok((log.try_clone()?, log)));
        let (out, err) = log.map_err(|cause| SpawnError::Log {
            file: node.log.clone(),
            cause,
        })?;
        let start = |cause| SpawnError::Start { id: node.id, cause };
        let mut command = Command::new(env::current_exe().map_err(start)?);
        command
            .args(["broker", "--leave-with-stdin"])
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(err)
            .kill_on_drop(true);
        // Ctrl-C goes to the whole group of the terminal, and would reach the nodes as well as us.
        #[cfg(unix)]
        command.process_group(0);
        for (name, _) in env::vars_os().filter(|(name, _)| is_setting(&name.to_string_lossy())) {
            command.env_remove(name);
        }
        let mut process = command.envs(node.variables()).spawn().map_err(start)?;
        Ok(Self {
            id: node.id,
            pid: process.id().unwrap_or_default(),
            stdin: process.stdin.take(),
            process,
            ended_early: false,
        })
    }

    /// Tells the node to leave.
    pub(super) fn leave(&mut self) {
        self.ended_early = self.has_ended().is_some();
        self.stdin = None;
    }

    /// The error that the node has ended by itself, if it has.
    pub(super) fn has_ended(&mut self) -> Option<LocalError> {
        let status = self.process.try_wait().ok().flatten()?;
        Some(LocalError::Ended {
            id: self.id,
            status,
        })
    }

    /// Waits until the node has left; an error if it ended in another way now that it was to leave. Cancel safe.
    pub(super) async fn left(&mut self) -> Result<(), LocalError> {
        match self.process.wait().await {
            Ok(status) if status.success() || self.ended_early => Ok(()),
            Ok(status) => {
                Err(self.not_left(format!("ended otherwise ({status}) when it was to leave")))
            }
            Err(error) => Err(self.not_left(format!("cannot be waited for: {error}"))),
        }
    }

    pub(super) const fn not_left(&self, how: String) -> LocalError {
        LocalError::NotLeft { id: self.id, how }
    }

    pub(super) const fn pid(&self) -> u32 {
        self.pid
    }
}

/// Whether a variable of ours could be meant for the nodes.
fn is_setting(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name.starts_with("ZEEBE_") || name.starts_with("MANAGEMENT_")
}
