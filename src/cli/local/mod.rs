//! `phalanx local`: a whole cluster on this machine, as real processes, and who of them sees whom.
//!
//! | module | owns |
//! |---|---|
//! | `plan` | ports, certificates and the environment of each node, before anything runs |
//! | `child` | one node as a process of its own |
//! | `sight` | who sees whom: asked, judged, drawn |
//!
//! Nodes never outlive this process, however it ends: each leaves the cluster when its standard input ends, and the other
//! end of that is held here.

mod child;
mod plan;
mod sight;

use std::fs;
use std::io::{self, IsTerminal};
use std::process::ExitStatus;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::{Instant, sleep, timeout};

use super::Exit;
use super::output::{print, table};
use super::signals::Signals;
use child::{Child, SpawnError};
use plan::{Plan, PlanError};
use sight::Sight;

/// How long `--check` waits for every node to see every node.
const FORM_PATIENCE: Duration = Duration::from_secs(15);
/// How long nodes may take to leave: a farewell that nobody acknowledges takes five seconds.
const LEAVE_PATIENCE: Duration = Duration::from_secs(8);
/// How often `--check` asks: the figures are no finer than that.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);
/// How often the table is drawn.
const DRAW_INTERVAL: Duration = Duration::from_millis(500);
/// How much of a log is shown where something went wrong.
const TAIL_LINES_MAX: usize = 20;
/// Puts a terminal's cursor in the corner and clears what is below.
const CLEAR: &str = "\x1b[H\x1b[J";

/// Arguments of `phalanx local`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many nodes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    nodes: u16,
    /// TLS 1.3 between them, with certificates made for the occasion.
    #[arg(long)]
    tls: bool,
    /// Exit with 0 once every node has seen every node and all have left again, else with 1 within 30 seconds.
    #[arg(long)]
    check: bool,
    /// Node i listens on port N+10i and answers `phalanx members` on N+10i+5; free ports without it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    base_port: Option<u16>,
    /// Keep the logs when all has gone well; else they stay only where something went wrong.
    #[arg(long)]
    keep: bool,
}

/// Why there is no cluster, or none that does what it should.
#[derive(Debug, thiserror::Error)]
enum LocalError {
    #[error("node {id} ended ({status}) while it should have been running")]
    Ended { id: u16, status: ExitStatus },
    #[error("stopped by {0} before it was over")]
    Interrupted(&'static str),
    #[error(
        "within {FORM_PATIENCE:?} of the last start not every node saw every node alive:\n{seen}"
    )]
    NotFormed { id: u16, seen: String },
    #[error("node {id} {how}")]
    NotLeft { id: u16, how: String },
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("this system does not pass on signals: {0}")]
    Signals(#[source] io::Error),
    #[error(transparent)]
    Spawn(#[from] SpawnError),
}

/// Runs `phalanx local`.
pub(super) fn run(args: &Args) -> Exit {
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the system gives no threads or event queue: {error}");
            return Exit::CannotStart;
        }
    };
    runtime.block_on(live(args))
}

async fn live(args: &Args) -> Exit {
    let mut cluster = match Cluster::start(args) {
        Ok(cluster) => cluster,
        Err(error) => {
            eprintln!("error: {error}");
            return error.exit();
        }
    };
    print(&cluster.describe());
    let outcome = match args.check {
        true => cluster.check().await,
        false => cluster.show().await,
    };
    if outcome.is_ok() && !args.keep {
        cluster.plan.remove_logs();
    }
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        if let Some(tail) = error.node().and_then(|id| cluster.log_tail(id)) {
            eprintln!("{tail}");
        }
        error.exit()
    })
}

impl LocalError {
    const fn exit(&self) -> Exit {
        match self {
            Self::Interrupted(_) => Exit::Interrupted,
            Self::Plan(PlanError::BasePort { .. }) => Exit::Usage,
            Self::Plan(_) | Self::Signals(_) | Self::Spawn(_) => Exit::CannotStart,
            _ => Exit::CheckFailed,
        }
    }

    /// The node whose log may say more.
    const fn node(&self) -> Option<u16> {
        match self {
            Self::Ended { id, .. } | Self::NotFormed { id, .. } | Self::NotLeft { id, .. } => {
                Some(*id)
            }
            _ => None,
        }
    }
}

/// The nodes, running; dropped, they are killed.
struct Cluster {
    plan: Plan,
    children: Vec<Child>,
    last_start: Instant,
    signals: Signals,
}

impl Cluster {
    fn start(args: &Args) -> Result<Self, LocalError> {
        let signals = Signals::new().map_err(LocalError::Signals)?;
        let mut plan = Plan::new(args.nodes, args.base_port, args.tls)?;
        let children = plan
            .nodes
            .iter()
            .map(Child::spawn)
            .collect::<Result<_, _>>()?;
        plan.release_ports();
        Ok(Self {
            plan,
            children,
            last_start: Instant::now(),
            signals,
        })
    }

    /// Waits until every node sees every node, then until all have left; prints how long it took.
    async fn check(&mut self) -> Result<Exit, LocalError> {
        let formed = match self.form().await {
            Err(LocalError::Interrupted(signal)) => {
                self.leave().await?;
                return Err(LocalError::Interrupted(signal));
            }
            formed => formed?.as_secs_f64(),
        };
        let left = self.leave().await?.as_secs_f64();
        Ok(print(&format!(
            "formed in {formed:.3} s after the last start, left in {left:.3} s"
        )))
    }

    /// Waits until every node sees every node; how long after the last start that was.
    async fn form(&mut self) -> Result<Duration, LocalError> {
        loop {
            let sight = Sight::take(&self.plan).await;
            let took = self.last_start.elapsed();
            if sight.is_whole() {
                print(&sight.draw());
                return Ok(took);
            }
            if let Some(ended) = self.children.iter_mut().find_map(Child::has_ended) {
                return Err(ended);
            }
            if took > FORM_PATIENCE {
                return Err(LocalError::NotFormed {
                    id: sight.first_blind(),
                    seen: sight.draw(),
                });
            }
            tokio::select! {
                () = sleep(CHECK_INTERVAL) => {}
                signal = self.signals.end() => return Err(LocalError::Interrupted(signal)),
            }
        }
    }

    /// Draws who sees whom until a signal comes, or no node is left.
    async fn show(&mut self) -> Result<Exit, LocalError> {
        let mut drawn = String::new();
        loop {
            let picture = Sight::take(&self.plan).await.draw();
            if picture != drawn {
                self.draw(&picture);
                drawn = picture;
            }
            let ended: Vec<_> = self
                .children
                .iter_mut()
                .filter_map(Child::has_ended)
                .collect();
            if ended.len() == self.children.len() {
                return ended.into_iter().next().map_or(Ok(Exit::Done), Err);
            }
            tokio::select! {
                () = sleep(DRAW_INTERVAL) => {}
                _ = self.signals.end() => break,
            }
        }
        print("leaving; a second signal kills the nodes");
        let left = self.leave().await?.as_secs_f64();
        Ok(print(&format!("all have left, in {left:.3} s")))
    }

    /// Has all nodes leave that still run, and waits for them; how long it took. A second signal kills them.
    async fn leave(&mut self) -> Result<Duration, LocalError> {
        let asked = Instant::now();
        self.children.iter_mut().for_each(Child::leave);
        for child in &mut self.children {
            let rest = LEAVE_PATIENCE.saturating_sub(asked.elapsed());
            tokio::select! {
                left = timeout(rest, child.left()) => match left {
                    Ok(left) => left?,
                    Err(_) => return Err(child.not_left(format!("has not left within {LEAVE_PATIENCE:?}"))),
                },
                signal = self.signals.end() => return Err(LocalError::Interrupted(signal)),
            }
        }
        Ok(asked.elapsed())
    }

    fn draw(&self, picture: &str) {
        match io::stdout().is_terminal() {
            true => print(&format!(
                "{CLEAR}{}\n\n{picture}\n\nCtrl-C: all leave",
                self.describe()
            )),
            false => print(&format!("{picture}\n")),
        };
    }
}

// Views.
impl Cluster {
    /// Each node with its process, its addresses and its log.
    fn describe(&self) -> String {
        let mut table = table(["node", "pid", "address", "phalanx members --admin", "log"]);
        for (node, child) in self.plan.nodes.iter().zip(&self.children) {
            table.add_row([
                node.id.to_string(),
                child.pid().to_string(),
                node.addr().to_string(),
                format!("http://{}", node.admin()),
                node.log.display().to_string(),
            ]);
        }
        table.trim_fmt()
    }

    fn log_tail(&self, id: u16) -> Option<String> {
        let node = self.plan.nodes.iter().find(|node| node.id == id)?;
        let log = fs::read_to_string(&node.log).ok()?;
        let lines: Vec<&str> = log.lines().collect();
        let tail = &lines[lines.len().saturating_sub(TAIL_LINES_MAX)..];
        Some(format!(
            "the end of {}:\n{}",
            node.log.display(),
            tail.join("\n")
        ))
    }
}
