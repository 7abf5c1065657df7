//! [`Runner`]: what carries out a [`Plan`](super::Plan), virtual or real; and [`run`], which asks it to and judges what
//! becomes of it.

use std::path::PathBuf;
use std::time::Duration;

use super::plan::Act;
use super::verdict::{Outcome, Verdict};
use super::{Case, Failure};
use crate::config::Position;
use crate::member::MemberState;
use crate::simulation::{Change, Count, NodeId};
use crate::wire::refusal::Code;

/// What carries out a plan. Times are since the start of the run.
pub trait Runner {
    /// Does this now.
    fn act(&mut self, act: &Act);

    /// Lets time pass.
    ///
    /// # Errors
    ///
    /// The promise that was broken meanwhile.
    fn run_to(&mut self, at: Duration) -> Result<(), Failure>;

    /// Whether a node is running; one that stands still is.
    fn is_running(&self, node: NodeId) -> bool;

    /// Whether nothing at all passes from one node to another.
    fn is_cut(&self, from: NodeId, to: NodeId) -> bool;

    /// What one running node holds another to be.
    fn state(&self, observer: NodeId, subject: NodeId) -> Option<MemberState>;

    /// Whether a running node that knows another knows it in the life that it lives now, and not in one that is over.
    fn knows_present_life(&self, observer: NodeId, subject: NodeId) -> bool;

    /// The gossip keys of a running node with TLS.
    fn gossip_keys(&self, node: NodeId) -> Option<GossipKeys>;

    /// One value of the metadata that a running node knows another by.
    fn metadata(&self, observer: NodeId, subject: NodeId, key: &str) -> Option<Vec<u8>>;

    /// How many members a node holds alive or suspect, itself included; 0 if it does not run.
    fn live_members(&self, observer: NodeId) -> usize;

    /// What nodes told since the last time it was asked.
    fn observe(&mut self) -> Vec<Observation>;

    /// What a node has sent so far.
    fn sent(&self, node: NodeId) -> Count;

    /// A number over all that happened: equal for equal runs.
    fn trace_hash(&self) -> u64;
}

/// The gossip keys of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GossipKeys {
    /// The epoch of the key that it tags datagrams with.
    pub active_epoch: u32,
    /// What tells the keys apart that it holds, in ascending order.
    pub ids: Vec<u64>,
}

/// What a node told.
#[derive(Clone, Copy, Debug)]
pub enum Observation {
    /// It came to see a member in another state, so long after the start of the run.
    Change(Duration, Change),
    /// It was refused, or refused another.
    Refusal(NodeId, Code),
}

/// How often expectations are looked at, in virtual time: the answer to "within" is no finer than that. A look takes the
/// square of the number of nodes, so a large cluster is looked at less often.
const fn look_interval(nodes: usize) -> Duration {
    Duration::from_millis(if nodes <= 200 { 100 } else { 500 })
}

/// Something in a scenario that its runner cannot do. Nothing ran.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{at}: {fault}: this runner cannot do it, since it has {lacks}", file = file.display())]
pub struct Unable {
    /// The file, as it was named.
    pub file: PathBuf,
    /// Where the fault stands.
    pub at: Position,
    /// What it is.
    pub fault: &'static str,
    /// What the runner does not have, in words: `no clock of its own`.
    pub lacks: &'static str,
}

/// Whether a runner can do everything that a case asks for, where `lacks` says why it cannot do this or that: what it does
/// not have, in words that fit behind "it has".
///
/// # Errors
///
/// [`Unable`] for the first step that it cannot do.
pub fn check_ability(
    case: &Case,
    lacks: impl Fn(&Act) -> Option<&'static str>,
) -> Result<(), Unable> {
    let unable = case
        .plan
        .steps
        .iter()
        .find_map(|step| Some((step, lacks(&step.act)?)));
    unable.map_or(Ok(()), |(step, lacks)| {
        let entry = step.entry.map(|entry| &case.scenario.timeline[entry]);
        Err(Unable {
            file: case.file.clone(),
            at: entry.map_or(case.scenario.nodes.at, |entry| entry.at),
            fault: step.act.name(),
            lacks,
        })
    })
}

/// Runs a case to its end, or to the first promise that is broken. The runner must be able to: see [`check_ability`].
pub fn run(case: &Case, runner: &mut dyn Runner) -> Outcome {
    let mut verdict = Verdict::new(case);
    let failure = carry_out(case, runner, &mut verdict).err();
    let trace_hash = runner.trace_hash();
    Outcome {
        failure,
        trace_hash,
    }
}

fn carry_out(
    case: &Case,
    runner: &mut dyn Runner,
    verdict: &mut Verdict<'_>,
) -> Result<(), Failure> {
    let mut now = Duration::ZERO;
    let mut steps = case.plan.steps.iter().peekable();
    loop {
        while let Some(step) = steps.next_if(|step| step.at <= now) {
            verdict.before(step);
            runner.act(&step.act);
        }
        verdict.look(now, runner)?;
        if now >= case.scenario.duration {
            return Ok(());
        }
        let next_step = steps.peek().map_or(Duration::MAX, |step| step.at);
        now = (now + look_interval(case.nodes_len()))
            .min(next_step)
            .min(case.scenario.duration);
        runner.run_to(now)?;
    }
}
