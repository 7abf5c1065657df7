//! The page of a simulated run, looked at in a real browser.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use phalanx::simulation::report::{Broken, Story, page};
use phalanx::simulation::{Detail, Network, NetworkOptions, Rule};
use tempfile::TempDir;

use super::support::browser::Browser;

/// Five nodes; two are cut off from 5 s to 35 s, one crashes at 45 s; it ends after 60 s.
fn halves() -> Network {
    let options = NetworkOptions {
        detail: Detail::Packets,
        ..NetworkOptions::default()
    };
    let mut network = Network::new(options, 3);
    let nodes = network.add_plain_nodes(5);
    let run = |network: &mut Network, secs| {
        let ran = network.run_for(Duration::from_secs(secs));
        ran.expect("no promise is broken");
    };
    network.start_all();
    run(&mut network, 5);
    let cut = network.impose(Rule::partition(&[&nodes[..3], &nodes[3..]]));
    run(&mut network, 30);
    network.lift(cut);
    run(&mut network, 10);
    network.crash(nodes[1]);
    run(&mut network, 15);
    network
}

fn written(dir: &Path, failure: Option<Broken>) -> PathBuf {
    let story = Story {
        title: "two of five are cut off",
        about: "And one crashes <later>.",
        replay: "phalanx simulate cut-off.yaml --seeds 3",
        failure,
        duration: Duration::from_secs(60),
    };
    let file = dir.join("report.html");
    std::fs::write(&file, page(halves().transcript(), &story)).unwrap();
    file
}

#[test]
fn a_browser_draws_a_lane_for_each_node_the_fault_and_the_curve() {
    let Some(browser) = Browser::find() else {
        return;
    };
    let dir = TempDir::new().unwrap();
    let file = written(dir.path(), None);
    let drawn = browser.dump(&file, "");
    for expected in [
        r#"data-drawn="yes""#,
        r#"class="pass">PASS<"#,
        "And one crashes &lt;later&gt;.",
        "phalanx simulate cut-off.yaml --seeds 3",
        "packets cut between 0, 1, 2 | 3, 4",
        ", 5 s to 35 s</title>",
        "0 s – 60 s",
    ] {
        assert!(drawn.contains(expected), "{expected} is missing in {drawn}");
    }
    let count = |what: &str| drawn.matches(what).count();
    assert_eq!(count(r#"role="button">"#), 5, "a name for each lane");
    assert_eq!(count(r#"class="band""#), 5, "the fault touches all lanes");
    assert_eq!(count(r#"class="curve""#), 1);
    assert_eq!(
        count(r#"<path class="dead""#),
        5,
        "all were held dead by somebody"
    );
    assert!(
        !drawn.contains(r#"class="message"#),
        "messages are drawn on demand"
    );

    let picture = browser.picture(&file, "");
    assert!(picture.starts_with(b"\x89PNG"));
    // An empty page of this size is a picture of some 6 kB.
    assert!(picture.len() > 20_000, "{} bytes", picture.len());
}

#[test]
fn a_browser_opens_a_failed_run_at_what_was_broken_and_draws_messages_on_demand() {
    let Some(browser) = Browser::find() else {
        return;
    };
    let dir = TempDir::new().unwrap();
    let broken = Broken {
        rule: "expect.eventually[0]".into(),
        what: "n2 sees n1 alive".into(),
        at: Duration::from_secs(47),
        node: None,
    };
    let file = written(dir.path(), Some(broken));
    let drawn = browser.dump(&file, "");
    for expected in [
        r#"class="fail">FAIL<"#,
        "expect.eventually[0], after 47 s: n2 sees n1 alive",
        r#"id="broken-line""#,
        "42 s – 48 s",
        r#"<li class="violation">"#,
    ] {
        assert!(drawn.contains(expected), "{expected} is missing in {drawn}");
    }
    let closer = browser.dump(&file, "from=46&to=48&messages");
    assert!(closer.contains("46 s – 48 s"));
    assert!(closer.contains(r#"class="message""#), "{closer}");
    assert!(closer.contains("ping, "), "{closer}");
}

/// A cluster of three of which the third is expected dead though nothing happens to it.
const DISAPPOINTED: &str = "\
version: 1
name: disappointed
about: Nothing happens, and yet n3 is expected to be seen dead.
cost: quick
duration: 20s
nodes: {count: 3}
expect:
  eventually:
    - {within: 10s, seen: {who: n3, as: dead}}
";

#[test]
fn a_failed_run_names_its_page_and_the_page_says_what_was_expected() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("disappointed.yaml");
    std::fs::write(&file, DISAPPOINTED).unwrap();
    let reports = dir.path().join("not/there/yet");
    let output = Command::new(env!("CARGO_BIN_EXE_phalanx"))
        .current_dir(&dir)
        .args(["simulate", "--seeds", "7", "--report"])
        .args([&reports, &file])
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let report = reports.join("disappointed-7.html");
    assert!(
        stderr.contains(&format!("look at it: {}", report.display())),
        "{stderr}"
    );
    let Some(browser) = Browser::find() else {
        return;
    };
    let drawn = browser.dump(&report, "");
    for expected in [
        r#"class="fail">FAIL<"#,
        "expect.eventually[0], after 10 s",
        "--seeds 7",
        r#"id="broken-line""#,
    ] {
        assert!(drawn.contains(expected), "{expected} is missing in {drawn}");
    }
    assert!(
        browser
            .dump(&report, "from=9&to=10&messages")
            .contains(r#"class="message""#)
    );
}

#[test]
fn a_directory_for_pages_that_cannot_be_made_is_named() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("disappointed.yaml");
    std::fs::write(&file, DISAPPOINTED).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_phalanx"))
        .arg("simulate")
        .args([&file, Path::new("--report"), &file])
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.starts_with(&format!("error: --report {}: ", file.display())),
        "{stderr}"
    );
}
