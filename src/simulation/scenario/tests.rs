use std::path::Path;

use super::*;

const FILE: &str = "halves.yaml";

/// A scenario that is right, for tests to break.
const HALVES: &str = "\
version: 1
name: halves
about: Two halves cannot reach each other for a while.
duration: 60s
nodes: {count: 4}
timeline:
  - {id: split, at: 5s, partition: [n1..n2, rest], for: 20s}
expect:
  eventually:
    - {within: 15s, of: split.end, views: truth}
";

fn parse(text: &str) -> Result<Loaded, ScenarioError> {
    Loaded::parse(text, Path::new(FILE))
}

#[test]
fn a_case_runs_and_one_seed_gives_one_run() {
    let loaded = parse(HALVES).unwrap();
    let outcome = |seed| {
        let case = loaded.case(seed);
        run(&case, &mut SimRunner::new(&case))
    };
    let (one, again, other) = (outcome(1), outcome(1), outcome(2));
    assert_eq!(one.failure, None);
    assert_eq!(one.trace_hash, again.trace_hash);
    assert_ne!(one.trace_hash, other.trace_hash);
}

#[test]
fn an_expectation_that_cannot_hold_fails_in_words() {
    let text = HALVES.replace("views: truth", "seen: {who: n4, as: dead, by: n3}");
    let case = parse(&text).unwrap().case(3);
    let failure = run(&case, &mut SimRunner::new(&case)).failure.unwrap();
    assert_eq!(
        failure.to_string(),
        "seed 3, after 40s, at n3: expect.eventually[0]: n3 sees n4 alive; expected otherwise within 15s"
    );
}

/// What is wrong is said with its place, its key and what would be right.
#[test]
fn errors_have_a_place_a_key_and_a_remedy() {
    let mut surprises = Vec::new();
    for (right, wrong, expected) in [
        (
            "version: 1",
            "version: 2",
            "1:10: version: 2 is no version this build reads; it reads 1",
        ),
        (
            "name: halves",
            "name: thirds",
            "1:1: name: thirds is not what the file is called",
        ),
        (
            "duration: 60s",
            "duratoin: 60s",
            "4:1: no key is called duratoin; did you mean duration?",
        ),
        (
            "duration: 60s",
            "duration: 60",
            "4:11: duration: 60 has no unit; write 60s or 60ms",
        ),
        (
            "{count: 4}",
            "{}",
            "5:8: nodes: takes either a count or groups",
        ),
        (
            "{count: 4}",
            "{count: 4, contacts: n5}",
            "5:29: n5 is not within n1..n4",
        ),
        (
            "partition:",
            "partitoin:",
            "7:25: timeline[0]: no key is called partitoin; did you mean partition?",
        ),
        (
            "partition: [n1..n2, rest]",
            "isolate: n1, crash: n2",
            "7:38: timeline[0]: has isolate already; crash needs an entry of its own",
        ),
        (
            "n1..n2, rest",
            "n1..n9, rest",
            "7:37: n1..n9 is not within n1..n4",
        ),
        (
            "at: 5s",
            "at: 5s, every: 10s",
            "7:5: timeline[0]: for must be shorter than every",
        ),
        (
            "at: 5s, ",
            "",
            "7:5: timeline[0]: needs one of at, after and every",
        ),
        (
            "at: 5s",
            "after: other.end",
            "7:24: no entry further up has the id other",
        ),
        (
            "partition: [n1..n2, rest], for: 20s",
            "restart: {nodes: n1}, for: 20s",
            "7:5: timeline[0]: has nothing to undo; take away for",
        ),
        (
            ", for: 20s",
            "",
            "10:7: expect.eventually[0]: is told by the end of what never ends; give that a `for`",
        ),
        (
            "within: 15s",
            "within: 50s",
            "10:7: expect.eventually[0]: is about 75s after the start, and the run ends after 60s",
        ),
        (
            "split.end",
            "split.stop",
            "10:25: expect.eventually[0].of: split.stop is not a moment: a time",
        ),
        (
            "split.end",
            "splat.end",
            "10:25: no entry of the timeline has the id splat; did you mean split?",
        ),
        (
            "views: truth",
            "views: true",
            "10:43: expect.eventually[0].views: true is not one of its words; did you mean truth?",
        ),
        (
            "views: truth",
            "refused: {who: n1, code: SecurityMissmatch}",
            "did you mean SecurityMismatch?",
        ),
        (
            "{count: 4}",
            "{count: 4, config: {zeebe.broker.cluster.membership.probeIntervall: 1s}}",
            "5:28: unknown key zeebe.broker.cluster.membership.probeIntervall; did you mean zeebe.broker.cluster.membership.probeInterval?",
        ),
        (
            "{count: 4}",
            "{count: 4, config: {zeebe.broker.cluster.membership.probeInterval: soon}}",
            "accepted: a duration",
        ),
        (
            "{count: 4}",
            "{count: 4, config: {zeebe: {broker: {cluster: {node-id: 7}}}}}",
            "5:55: zeebe.broker.cluster.node-id: follows from the node's place in the scenario",
        ),
        ("version: 1", "version: [", "not valid YAML"),
    ] {
        assert!(HALVES.contains(right), "{right}");
        let error = parse(&HALVES.replace(right, wrong))
            .unwrap_err()
            .to_string();
        let has_places = error.lines().all(|line| line.starts_with("halves.yaml:"));
        if !has_places || !error.contains(expected) {
            surprises.push(format!("{wrong}:\n{error}\nwithout\n{expected}\n"));
        }
    }
    assert!(surprises.is_empty(), "{}", surprises.concat());
}

#[test]
fn everything_wrong_is_listed_in_the_order_of_the_file() {
    let text = HALVES
        .replace("n1..n2", "n1..n9")
        .replace("split.end", "splat.end");
    let error = parse(&text).unwrap_err().to_string();
    let lines: Vec<_> = error
        .lines()
        .map(|line| line.split(": ").next().unwrap())
        .collect();
    assert_eq!(lines, ["halves.yaml:7:37", "halves.yaml:10:25"]);
}

/// What is written of a scenario reads as the same scenario.
#[test]
fn a_scenario_is_written_as_it_was_read() {
    let loaded = parse(HALVES).unwrap();
    let written = loaded.scenario.write();
    let again = parse(&written.to_string()).unwrap();
    assert_eq!(again.scenario.write(), written);
    assert_eq!(
        written["timeline"][0]["partition"],
        serde_json::json!(["n1..n2", "rest"])
    );
}

/// Four faults, of which one alone matters to an expectation that cannot hold.
const STORM: &str = "\
version: 1
name: storm
about: Much happens, and a crash is expected to go unnoticed.
duration: 90s
nodes: {count: 9}
network: {default: {loss: 1%}}
timeline:
  - {at: 10s, partition: [minority, rest], for: 5s}
  - {at: 12s, every: 4s, times: 3, for: 1s, pause: random:2}
  - {id: crash, at: 24s, crash: n6}
  - {at: 30s, chaos: {mean_gap: 2s, until: 45s, faults: [loss, pause]}}
expect:
  always:
    - {no_false_positives: n1}
    - {never: {who: n6, as: dead}}
  finally:
    - {after: 10s, seen: {who: n1, as: live}}
";

#[test]
fn what_fails_is_shrunk_to_what_matters_and_still_fails() {
    let loaded = Loaded::parse(STORM, Path::new("storm.yaml")).unwrap();
    let case = loaded.case(4);
    let mut run_once = |case: &Case| run(case, &mut SimRunner::new(case));
    let failure = run_once(&case).failure.unwrap();
    assert_eq!(failure.rule, "expect.always[1]");

    let shrunk = shrink(&case, &failure, &mut run_once).unwrap();
    let scenario = &shrunk.loaded.scenario;
    assert_eq!(scenario.timeline.len(), 1, "{}", scenario.to_text());
    assert!(matches!(scenario.timeline[0].fault, Fault::Crash(_)));
    assert_eq!(scenario.nodes.count, Some(2));
    assert!(scenario.duration < Duration::from_secs(30));

    let again = Loaded::parse(&scenario.to_text(), &shrunk.loaded.file).unwrap();
    let failed = run_once(&again.case(4)).failure.unwrap();
    assert_eq!(
        (failed.rule.as_str(), failed.what),
        ("expect.always[0]", shrunk.failure.what)
    );
}

#[test]
fn a_broken_invariant_is_shrunk_as_well() {
    let text = HALVES.replace("count: 4", "count: 6");
    let case = parse(&text).unwrap().case(1);
    let broken = |case: &Case| Outcome {
        failure: (case.scenario.timeline.len() == 1).then(|| Failure {
            rule: "S1 versions_never_fall".to_owned(),
            at: Duration::from_secs(7),
            node: None,
            what: "planted".to_owned(),
            seed: case.seed,
        }),
        trace_hash: 0,
    };
    let failure = broken(&case).failure.unwrap();
    let shrunk = shrink(&case, &failure, &mut { broken }).unwrap();
    let scenario = shrunk.loaded.scenario;
    assert_eq!(
        (scenario.nodes.count, scenario.timeline.len()),
        (Some(1), 1)
    );
    assert!(scenario.expect.eventually.is_empty());
}

/// Whatever the seed: chaos is over in time, and no more lasts at once than it may.
#[test]
fn chaos_keeps_to_its_limits() {
    let text = HALVES.replace(
        "partition: [n1..n2, rest], for: 20s",
        "chaos: {mean_gap: 1s, max_at_once: 2, until: 30s}",
    );
    for seed in 1..50 {
        let case = parse(&text).unwrap().case(seed);
        let span = &case.plan.spans[0];
        assert!(
            span.end.is_some_and(|end| end <= Duration::from_secs(30)),
            "seed {seed}"
        );
        let mut lasting: i32 = 0;
        for step in case.plan.steps.iter().filter(|step| step.entry.is_some()) {
            match step.act {
                Act::Impose(..) | Act::Pause(_) => lasting += 1,
                Act::Lift(_) | Act::Resume(_) => lasting -= 1,
                _ => {}
            }
            assert!(lasting <= 2, "seed {seed}");
        }
    }
}
