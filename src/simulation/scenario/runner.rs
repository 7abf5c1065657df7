//! [`Runner`]: what carries out a [`Plan`](super::Plan), virtual or real; and [`run`], which asks it to and judges what
//! becomes of it.

use std::time::Duration;

use super::plan::Act;
use super::verdict::{Outcome, Verdict};
use super::{Case, Failure};
use crate::member::MemberState;
use crate::simulation::{Change, NodeId};
use crate::wire::refusal::Code;

/// What carries out a plan. Times are since the start of the run.
pub trait Runner {
    /// Why it cannot do this: what it lacks, in words that fit behind "the simulator has".
    fn lacks(&self, act: &Act) -> Option<&'static str>;

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

    /// How many members a node holds alive or suspect, itself included; 0 if it does not run.
    fn live_members(&self, observer: NodeId) -> usize;

    /// What nodes told since the last time it was asked.
    fn observe(&mut self) -> Vec<Observation>;

    /// A number over all that happened: equal for equal runs.
    fn trace_hash(&self) -> u64;
}

/// What a node told.
#[derive(Clone, Copy, Debug)]
pub enum Observation {
    /// It came to see a member in another state, so long after the start of the run.
    Change(Duration, Change),
    /// It was refused, or refused another.
    Refusal(NodeId, Code),
}

/// How often expectations are looked at, in virtual time: the answer to "within" is no finer than that.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Runs a case to its end, or to the first promise that is broken.
pub fn run(case: &Case, runner: &mut dyn Runner) -> Outcome {
    let mut verdict = Verdict::new(case);
    let failure = carry_out(case, runner, &mut verdict).err();
    Outcome {
        failure,
        trace_hash: runner.trace_hash(),
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
            verdict.before(runner, step);
            runner.act(&step.act);
        }
        verdict.look(now, runner)?;
        if now >= case.scenario.duration || (steps.peek().is_none() && verdict.is_settled()) {
            return Ok(());
        }
        let next_step = steps.peek().map_or(Duration::MAX, |step| step.at);
        now = (now + LOOK_INTERVAL)
            .min(next_step)
            .min(case.scenario.duration);
        runner.run_to(now)?;
    }
}
