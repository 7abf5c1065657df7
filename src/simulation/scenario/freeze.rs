//! [`frozen`]: a scenario in which nothing of the timeline is left to the seed, so that parts can be taken away without that
//! others change.

use super::Case;
use super::fault::Fault;
use super::plan::{Plan, parts};
use super::spec::Scenario;
use super::timeline::{Entry, Moment};
use super::who::{Cast, Who};
use super::yaml::At;
use crate::simulation::chance::Chance;

/// The same scenario, each set of nodes and each time as its seed has drawn it, and each fault written out that comes back.
pub(super) fn frozen(case: &Case) -> Scenario {
    let mut scenario = case.scenario.clone();
    let cast = &case.cast;
    scenario.timeline = Vec::new();
    for (number, entry) in case.scenario.timeline.iter().enumerate() {
        let mut chance = Chance::new(case.seed, &format!("entry {number} of the timeline"));
        let first = case.plan.spans[number].start;
        let mut entries = Vec::new();
        for at in entry.beginnings(first, scenario.duration) {
            for mut part in parts(entry, at, cast, &mut chance) {
                freeze_fault(&mut part.fault, cast, &mut chance);
                entries.push(part);
            }
        }
        name_entries(&mut entries, entry);
        scenario
            .timeline
            .extend(entries.into_iter().map(|value| At {
                at: entry.at,
                value,
            }));
    }
    freeze_rest(&mut scenario, case);
    scenario
}

/// Gives the id to what has become of an entry if that is one entry.
fn name_entries(entries: &mut [Entry], from: &Entry) {
    if let [only] = entries {
        only.id.clone_from(&from.id);
    }
}

/// Draws in the order in which the plan does.
fn freeze_fault(fault: &mut Fault, cast: &Cast, chance: &mut Chance) {
    if let Fault::Partition(sets) = fault {
        let groups = cast.select_each(sets, chance);
        *sets = groups
            .iter()
            .filter(|group| !group.is_empty())
            .map(|group| Who::of(group))
            .collect();
        return;
    }
    fault
        .sets_mut()
        .into_iter()
        .for_each(|set| set.freeze(cast, chance));
}

fn freeze_rest(scenario: &mut Scenario, case: &Case) {
    let kept: Vec<_> = scenario
        .timeline
        .iter()
        .filter_map(|entry| entry.id.clone())
        .collect();
    scenario
        .expect
        .moments_mut()
        .into_iter()
        .for_each(|moment| fix(moment, &kept, &case.plan));
    let mut chance = Chance::new(case.seed, "expectations");
    scenario
        .expect
        .sets_mut()
        .into_iter()
        .for_each(|set| set.freeze(&case.cast, &mut chance));
    let mut chance = Chance::new(case.seed, "links");
    for link in &mut scenario.network.links {
        let sets = [&mut link.value.from, &mut link.value.to]
            .into_iter()
            .flatten();
        sets.for_each(|set| set.freeze(&case.cast, &mut chance));
    }
    let nodes = &mut scenario.nodes.value;
    let contacts = nodes
        .groups
        .iter_mut()
        .map(|group| &mut group.value.contacts);
    for contacts in contacts.chain([&mut nodes.contacts]).flatten() {
        contacts.freeze(&case.cast, &mut Chance::new(case.seed, "contact points"));
    }
}

/// Makes a moment a time unless it is told by an entry that has kept its id.
fn fix(moment: &mut Moment, kept: &[String], plan: &Plan) {
    if let Moment::Told { id, .. } = moment
        && !kept.contains(id)
    {
        *moment = Moment::Fixed(plan.when(moment));
    }
}
