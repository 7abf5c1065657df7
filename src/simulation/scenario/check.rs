//! What the parts of a scenario demand of each other, checked once it is read. Everything wrong is listed.

use std::path::Path;
use std::time::Duration;

use super::error::Problem;
use super::expect::Eventually;
use super::fault::Fault;
use super::plan::{Act, Plan};
use super::settings;
use super::spec::{Nodes, Scenario};
use super::timeline::{Entry, Moment};
use super::who::{Cast, Member};
use crate::config::Position;

/// The most nodes a scenario may have.
const NODES_MAX: u32 = 100_000;

/// Who there is; none, with problems noted, where that is wrong already.
pub(super) fn cast(nodes: &Nodes, at: Position, problems: &mut Vec<Problem>) -> Option<Cast> {
    let mut note = |at, key: &str, what: &str| problems.push(problem(at, key, what));
    let mut cast = Cast::default();
    match (nodes.count, nodes.groups.is_empty()) {
        (Some(count), true) if (1..=NODES_MAX).contains(&count) => {
            (0..count).for_each(|_| cast.push(Member::default()));
            return Some(cast);
        }
        (Some(_), true) => {
            note(at, "nodes.count", &format!("takes 1 to {NODES_MAX} nodes"));
            return None;
        }
        (None, false) => {}
        _ => {
            note(at, "nodes", "takes either a count or groups");
            return None;
        }
    }
    let total: u64 = nodes
        .groups
        .iter()
        .map(|group| u64::from(group.count))
        .sum();
    if total > u64::from(NODES_MAX) || nodes.groups.iter().any(|group| group.count == 0) {
        note(
            at,
            "nodes.groups",
            &format!("each takes at least 1 node, and all together at most {NODES_MAX}"),
        );
        return None;
    }
    for (index, group) in nodes.groups.iter().enumerate() {
        if nodes.groups[..index]
            .iter()
            .any(|earlier| earlier.name == group.name)
        {
            note(
                group.at,
                "nodes.groups",
                &format!("there are two groups called {}", group.name),
            );
        }
        let member = Member {
            group: Some(group.name.clone()),
            zone: group.zone.clone(),
        };
        (0..group.count).for_each(|_| cast.push(member.clone()));
    }
    Some(cast)
}

/// Everything else.
pub(super) fn scenario(scenario: &Scenario, cast: &Cast, file: &Path) -> Vec<Problem> {
    let mut check = Check {
        scenario,
        cast,
        problems: Vec::new(),
    };
    check.name(file);
    check.sets();
    check.timeline();
    check.moments();
    let faults = scenario.timeline.iter().map(|entry| &entry.fault);
    let later: Vec<_> = faults.filter_map(Fault::settings).collect();
    check
        .problems
        .extend(settings::problems(&scenario.nodes, &later, file));
    if check.problems.is_empty() {
        check.deadlines();
        check.certificates(file);
    }
    check.problems
}

struct Check<'a> {
    scenario: &'a Scenario,
    cast: &'a Cast,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn name(&mut self, file: &Path) {
        let name = &self.scenario.name;
        if file.file_stem().is_some_and(|stem| stem != name.as_str()) {
            let at = Position { line: 1, column: 1 };
            let what = format!("{name} is not what the file is called");
            self.problems.push(problem(at, "name", &what));
        }
    }

    fn sets(&mut self) {
        let Scenario {
            nodes,
            network,
            timeline,
            expect,
            ..
        } = self.scenario;
        let contacts = nodes
            .groups
            .iter()
            .map(|group| &group.contacts)
            .chain([&nodes.contacts]);
        let links = network
            .links
            .iter()
            .flat_map(|link| [&link.from, &link.to])
            .flatten();
        let faults = timeline.iter().flat_map(|entry| entry.fault.sets());
        let sets = contacts
            .flatten()
            .chain(links)
            .chain(faults)
            .chain(expect.sets());
        for set in sets {
            if let Some(what) = self.cast.objection(set) {
                self.problems.push(problem(set.at, "", &what));
            }
        }
    }

    fn timeline(&mut self) {
        let timeline = &self.scenario.timeline;
        for (index, entry) in timeline.iter().enumerate() {
            let objections = [
                entry.timing_objection(self.scenario.duration),
                entry.fault.objection(),
                duplicate_id(
                    &timeline[..index]
                        .iter()
                        .map(|entry| &entry.value)
                        .collect::<Vec<_>>(),
                    entry,
                ),
            ];
            for what in objections.into_iter().flatten() {
                self.problems
                    .push(problem(entry.at, &format!("timeline[{index}]"), &what));
            }
        }
    }

    /// Moments of the timeline are of entries further up; those of expectations may be of any.
    fn moments(&mut self) {
        let mut ids: Vec<&str> = Vec::new();
        for entry in &self.scenario.timeline {
            self.moment(entry.after.as_ref(), &ids, "further up");
            ids.extend(entry.id.as_deref());
        }
        for moment in self.scenario.expect.moments() {
            self.moment(Some(moment), &ids, "of the timeline");
        }
    }

    fn moment(&mut self, moment: Option<&Moment>, ids: &[&str], place: &str) {
        let Some(Moment::Told { at, id, .. }) = moment else {
            return;
        };
        if ids.contains(&id.as_str()) {
            return;
        }
        let hint = match ids {
            [] => String::new(),
            ids => super::yaml::suggest(id, ids),
        };
        let what = format!("no entry {place} has the id {id}{hint}");
        self.problems.push(problem(*at, "", &what));
    }

    /// Certificates and gossip keys are for nodes that run TLS.
    fn certificates(&mut self, file: &Path) {
        let plan = Plan::new(self.scenario, self.cast, 1);
        let configs = settings::of_each(&self.scenario.nodes, self.cast, file);
        for step in &plan.steps {
            let (Act::Certify(nodes, _) | Act::CertifyInPlace(nodes, _) | Act::RotateKeys(nodes)) =
                &step.act
            else {
                continue;
            };
            let plain = nodes
                .iter()
                .find(|node| configs[node.index()].security.tls.is_none());
            if let Some((node, entry)) = plain.zip(step.entry) {
                let number = super::who::number(*node);
                let what = format!(
                    "n{number} does not run TLS, and has neither certificate nor gossip keys"
                );
                let at = self.scenario.timeline[entry].at;
                self.problems
                    .push(problem(at, &format!("timeline[{entry}]"), &what));
            }
        }
    }

    /// Nothing is expected for a time after the end of the run. Where the seed decides, one seed must do.
    fn deadlines(&mut self) {
        let plan = Plan::new(self.scenario, self.cast, 1);
        let duration = self.scenario.duration;
        for (index, one) in self.scenario.expect.eventually.iter().enumerate() {
            let deadline = deadline(one, &plan);
            if deadline > duration {
                self.late(one.at, &format!("expect.eventually[{index}]"), deadline);
            }
        }
        for (index, one) in self.scenario.expect.finally.iter().enumerate() {
            let begins = plan.last_change().saturating_add(one.after);
            if begins > duration {
                self.late(one.at, &format!("expect.finally[{index}]"), begins);
            }
        }
    }

    fn late(&mut self, at: Position, key: &str, time: Duration) {
        let duration = self.scenario.duration;
        let what = match time {
            Duration::MAX => "is told by the end of what never ends; give that a `for`".to_owned(),
            time => {
                format!("is about {time:?} after the start, and the run ends after {duration:?}")
            }
        };
        self.problems.push(problem(at, key, &what));
    }
}

/// When something must have come true.
pub(super) fn deadline(one: &Eventually, plan: &Plan) -> Duration {
    let since = one
        .of
        .as_ref()
        .map_or(Duration::ZERO, |moment| plan.when(moment));
    since.saturating_add(one.within)
}

impl Entry {
    fn timing_objection(&self, duration: Duration) -> Option<String> {
        let lasts_too_long = self
            .lasts
            .zip(self.every)
            .is_some_and(|(lasts, every)| lasts >= every);
        let is_idle = self.every.is_none() && (self.times.is_some() || self.until.is_some());
        let what = match (self.at, &self.after, self.every) {
            (Some(_), Some(_), _) => "takes one of at and after",
            (None, None, None) => "needs one of at, after and every",
            (.., Some(Duration::ZERO)) => "every takes more than 0",
            _ if is_idle => "times and until need every",
            _ if lasts_too_long => "for must be shorter than every",
            _ if self.lasts.is_some() && self.fault.ends_by_itself() => {
                "has nothing to undo; take away for"
            }
            (Some(at), ..) if at > duration => "begins after the end of the run",
            _ => return None,
        };
        Some(what.to_owned())
    }
}

fn duplicate_id(earlier: &[&Entry], entry: &Entry) -> Option<String> {
    let id = entry.id.as_ref()?;
    let is_taken = earlier
        .iter()
        .any(|earlier| earlier.id.as_ref() == Some(id));
    is_taken.then(|| format!("another entry has the id {id}"))
}

fn problem(at: Position, key: &str, what: &str) -> Problem {
    Problem {
        at,
        key: key.to_owned(),
        what: what.to_owned(),
    }
}
