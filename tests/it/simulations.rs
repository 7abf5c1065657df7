//! The shipped scenarios, and `phalanx simulate` as an operator meets it: the real binary, real files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use phalanx::simulation::scenario::Loaded;
use serde_json::Value;
use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A scenario of the name `planted` whose expectation cannot hold.
const PLANTED: &str = "\
version: 1
name: planted
about: A crash is expected to go unnoticed.
duration: 60s
nodes: {count: 5}
timeline:
  - {at: 5s, pause: n2, for: 2s}
  - {at: 10s, crash: n4}
expect:
  always:
    - {never: {who: n4, as: dead}}
";

struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

/// Runs `phalanx simulate` with these arguments in `dir`.
fn simulate(dir: &Path, arguments: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_phalanx"))
        .arg("simulate")
        .args(arguments)
        .current_dir(dir)
        .output()
        .unwrap();
    Run {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn shipped(path: &str) -> String {
    Path::new(ROOT)
        .join("simulations")
        .join(path)
        .display()
        .to_string()
}

#[test]
fn lines_of_json_are_the_same_for_any_number_of_threads() {
    let dir = TempDir::new().unwrap();
    let files = [
        shipped("basics/bootstrap-3.yaml"),
        shipped("basics/graceful-leave.yaml"),
    ];
    let run = |jobs| {
        let options = ["--seeds", "3..6", "--format", "json", "--jobs", jobs];
        let arguments: Vec<_> = files.iter().map(String::as_str).chain(options).collect();
        simulate(dir.path(), &arguments)
    };
    let (one, three) = (run("1"), run("3"));
    assert_eq!(
        (one.code, &one.stdout),
        (0, &three.stdout),
        "{}",
        one.stderr
    );
    let lines: Vec<Value> = one
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let keys: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["scenario"].as_str().unwrap(),
                line["seed"].as_u64().unwrap(),
            )
        })
        .collect();
    let seeds = |name| (3..=6).map(move |seed| (name, seed));
    assert_eq!(
        keys,
        seeds("bootstrap-3")
            .chain(seeds("graceful-leave"))
            .collect::<Vec<_>>()
    );
    assert!(lines.iter().all(|line| line["result"] == "pass"));
    assert!(
        lines
            .iter()
            .all(|line| line["trace_hash"].as_str().unwrap().len() == 16)
    );
}

#[test]
fn what_fails_says_how_to_replay_it_and_leaves_a_smaller_scenario_that_fails() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("planted.yaml"), PLANTED).unwrap();
    let run = simulate(dir.path(), &["planted.yaml", "--seeds", "2..3"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(
        run.stdout.contains("FAIL  planted, 2 of 2 seeds"),
        "{}",
        run.stdout
    );
    assert!(
        run.stderr.contains("sees n4 dead, which must not happen"),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr
            .contains("phalanx simulate planted.yaml --seeds 2"),
        "{}",
        run.stderr
    );

    let smaller = "planted-seed-2-shrunk.yaml";
    let again = simulate(dir.path(), &[smaller, "--seeds", "2", "--no-shrink"]);
    assert_eq!(again.code, 1, "{}", again.stderr);
    let text = fs::read_to_string(dir.path().join(smaller)).unwrap();
    assert!(
        !text.contains("pause") && text.contains("count: 2"),
        "{text}"
    );
}

#[test]
fn a_scenario_that_is_none_is_exit_code_2_with_file_line_and_column() {
    let dir = TempDir::new().unwrap();
    let text = PLANTED
        .replace("crash: n4", "crsh: n4")
        .replace("count: 5", "count: five");
    fs::write(dir.path().join("planted.yaml"), text).unwrap();
    for arguments in [&["planted.yaml"][..], &["planted.yaml", "--check"], &["."]] {
        let run = simulate(dir.path(), arguments);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{}", run.stderr);
        for expected in [
            "planted.yaml:5:16: nodes.count: five",
            "planted.yaml:8:15: timeline[1]: no key is called crsh; did you mean crash?",
        ] {
            assert!(run.stderr.contains(expected), "{}", run.stderr);
        }
    }
    let missing = simulate(dir.path(), &["nowhere.yaml"]);
    assert_eq!(missing.code, 2);
    assert!(
        missing.stderr.contains("nowhere.yaml"),
        "{}",
        missing.stderr
    );
}

#[test]
fn a_runner_that_a_scenario_does_not_name_refuses_it() {
    let dir = TempDir::new().unwrap();
    let real = PLANTED.replace("duration", "runners: [netns]\nduration");
    fs::write(dir.path().join("planted.yaml"), real).unwrap();
    let both = shipped("real/parted-stopped-and-vanished.yaml");
    let simulated = shipped("basics/bootstrap-3.yaml");
    for (file, runner, named) in [
        ("planted.yaml", "sim", "netns"),
        (&simulated, "netns", "sim"),
    ] {
        let run = simulate(dir.path(), &[&both, file, "--runner", runner]);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{}", run.stderr);
        let problem = format!(
            "error: {file}: runners: is made for {named} only, not for --runner {runner}\n"
        );
        assert_eq!(run.stderr, problem);
    }
}

#[test]
fn large_scenarios_run_on_their_first_seed_and_the_summary_says_so() {
    let dir = TempDir::new().unwrap();
    fs::write(
        dir.path().join("planted.yaml"),
        PLANTED
            .replace("duration", "cost: large\nduration")
            .replace("as: dead", "as: left"),
    )
    .unwrap();
    let run = simulate(dir.path(), &["planted.yaml", "--seeds", "4..9"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains("planted, 1 seed"), "{}", run.stdout);
    assert!(
        run.stderr
            .contains("1 of them large and run on the first seed only"),
        "{}",
        run.stderr
    );
    let all = simulate(
        dir.path(),
        &["planted.yaml", "--seeds", "4..9", "--large", "--twice"],
    );
    assert!(
        all.stdout.contains("planted, 6 seeds") && !all.stderr.contains("only"),
        "{}",
        all.stderr
    );
}

#[test]
fn every_scenario_is_valid_and_has_a_name_of_its_own() {
    let mut names = BTreeMap::new();
    for file in scenarios() {
        let loaded = Loaded::load(&file).unwrap_or_else(|error| panic!("{error}"));
        let earlier = names.insert(loaded.scenario.name.clone(), file.clone());
        assert_eq!(earlier, None, "{}", file.display());
        assert!(
            !loaded.scenario.expect.finally.is_empty(),
            "{}: no liveness",
            file.display()
        );
    }
}

fn scenarios() -> Vec<PathBuf> {
    let mut files = Vec::new();
    collect(&Path::new(ROOT).join("simulations"), &mut files);
    files.sort();
    files
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            files.push(path);
        }
    }
}
