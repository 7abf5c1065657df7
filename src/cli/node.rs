//! `phalanx broker` and `phalanx gateway`: one node, in the foreground, until it is told to stop.
//!
//! ```text
//! configuration ── management port ── node ── serve ──┬── signal ─────── leave ── 0    a second signal: 130
//!      │2                │3             │3            └── refused for good ─────── 4
//! ```

use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::Exit;
use super::log::{self, LogFormat};
use super::output::report_error;
use super::signals::{Asked, Signals};
use super::start_failure::StartFailure;
use super::systemd;
use crate::admin::{Admin, refused};
use crate::config::{self, Loaded};
use crate::member::Role;
use crate::node::{Ended, Node, NodeConfig, ReloadError};

/// How long a farewell may take to be acknowledged.
const PATIENCE: Duration = Duration::from_secs(5);

/// Arguments of `phalanx broker` and `phalanx gateway`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The YAML file; without it, defaults and environment alone.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How to write the log to standard error; PHALANX_LOG, else RUST_LOG, says what goes in (info).
    #[arg(long, default_value = "human")]
    log_format: LogFormat,
    /// Leave when standard input ends, as `phalanx local` wants: a node it started must not outlive it.
    #[arg(long, hide = true)]
    leave_with_stdin: bool,
}

/// Runs a node of `role` until it has ended.
pub(super) fn run(role: Role, args: &Args) -> Exit {
    let loaded = match config::load(role, args.config.as_deref(), config::environment()) {
        Ok(loaded) => loaded,
        Err(error) => return report_error(&error),
    };
    if let Err(error) = log::init(args.log_format) {
        eprintln!("error: {error}");
        return Exit::Usage;
    }
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the system gives no threads or event queue: {error}");
            return Exit::CannotStart;
        }
    };
    let exit = runtime.block_on(live(role, &loaded, args.leave_with_stdin));
    // A name that is still being resolved occupies a thread; nobody waits for the answer any more.
    runtime.shutdown_background();
    exit
}

async fn live(role: Role, loaded: &Loaded, leaves_with_stdin: bool) -> Exit {
    match start(role, loaded).await {
        Ok(node) => serve(node, leaves_with_stdin).await,
        Err(failure) => {
            eprintln!("error: {}", failure.explain(role, &loaded.settings));
            failure.exit()
        }
    }
}

/// Binds the management port first: a node that is going to fail must not have joined.
async fn start(role: Role, loaded: &Loaded) -> Result<Node, StartFailure> {
    let config = &loaded.config;
    let admin = match &config.management {
        Some(options) => Some(Admin::bind(options).await?),
        None => None,
    };
    let (node, events) = Node::start_watched(NodeConfig::from(config)).await?;
    let tcp = match &config.security.tls {
        Some(_) => "TLS 1.3 on every connection",
        None => "plaintext, as TLS is off",
    };
    let gossip = match config.network.udp_enabled {
        true => "plain UDP by design: topology alone, readable on the way",
        false => "over TCP, as UDP is off",
    };
    let management = admin
        .as_ref()
        .map(|admin| tracing::field::display(admin.addr()));
    tracing::info!(
        member = %config.member_id,
        cluster = %config.cluster.name,
        advertised = %node.addr(),
        tcp,
        gossip,
        management,
        "{role} started"
    );
    if let Some(admin) = admin {
        let (node, settings) = (node.clone(), loaded.settings.clone());
        tokio::spawn(async move { admin.serve(node, events, &settings).await });
    }
    Ok(node)
}

async fn serve(node: Node, leaves_with_stdin: bool) -> Exit {
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => {
            eprintln!("error: the system does not pass on signals: {error}");
            return Exit::CannotStart;
        }
    };
    tokio::spawn(systemd::watch(node.clone()));
    let mut stdin_ended = std::pin::pin!(stdin_ended(leaves_with_stdin));
    loop {
        tokio::select! {
            ended = node.stopped() => return conclude(ended),
            asked = signals.next() => match asked {
                Asked::End(signal) => {
                    tracing::info!(signal, "leaving; a second signal stops at once");
                    break;
                }
                Asked::Reload => reload(&node).await,
            },
            () = &mut stdin_ended => {
                tracing::info!("leaving, as standard input has ended");
                break;
            }
        }
    }
    systemd::stopping();
    tokio::select! {
        ended = node.leave(PATIENCE) => conclude(ended),
        _ = signals.end() => Exit::Interrupted,
    }
}

/// Loads certificate files anew; the node says what came of it.
async fn reload(node: &Node) {
    if let Err(ReloadError::NoFiles) = node.reload_trust().await {
        tracing::info!("SIGHUP: this node has no certificate files to load");
    }
}

fn conclude(ended: Ended) -> Exit {
    match ended {
        Ended::Left { .. } => Exit::Done,
        Ended::Refused {
            code,
            addr,
            correlation,
        } => {
            eprintln!("error: {}", refused::explain(code, addr, correlation));
            Exit::Refused
        }
        Ended::Aborted => {
            eprintln!("error: the node has stopped by itself; its log says why");
            Exit::CheckFailed
        }
    }
}

/// Returns once standard input has ended, or never.
async fn stdin_ended(is_wanted: bool) {
    if !is_wanted {
        return std::future::pending().await;
    }
    let (sender, ended) = oneshot::channel();
    // A thread of its own, as a blocked read cannot be given up; it ends with the process.
    thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        let _ = sender.send(());
    });
    let _ = ended.await;
}
