//! The alerts for Prometheus and the dashboard for Grafana: they are what those programs take, and speak of what a live node measures.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;
use serde_json::Value;

use super::broker::{PATIENCE, Security, Site, alive, all_see, request};
use crate::support::{is_installed, wait_until};

#[test]
fn alerts_and_panels_speak_of_what_a_live_node_measures() {
    let scrape = scrape();
    let names: Vec<&str> = scrape
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(['{', ' ']).next().unwrap())
        .collect();
    let name = Regex::new(r"\bphalanx_[a-z_]+").unwrap();
    let selector = Regex::new(r"\b(phalanx_[a-z_]+)\{([^}]*)\}").unwrap();
    let matcher = Regex::new(r#"(\w+)=~?"([^"]*)""#).unwrap();
    let alerts = read("prometheus/alerts.yml");
    let expressions = panels().into_iter().chain(
        alerts
            .lines()
            .filter(|line| line.contains("phalanx_"))
            .map(str::to_owned),
    );
    let mut found = 0;
    for expression in expressions {
        for used in name.find_iter(&expression) {
            assert!(
                names.contains(&used.as_str()),
                "{}: {expression}\n{scrape}",
                used.as_str()
            );
            found += 1;
        }
        for selected in selector.captures_iter(&expression) {
            let lines = || {
                scrape
                    .lines()
                    .filter(|line| line.starts_with(&format!("{}{{", &selected[1])))
            };
            let matchers = matcher.captures_iter(&selected[2]);
            // The scraper adds these two.
            for wanted in matchers.filter(|wanted| !["job", "instance"].contains(&&wanted[1])) {
                for value in wanted[2].split('|') {
                    let pair = format!("{}=\"{value}\"", &wanted[1]);
                    assert!(
                        lines().any(|line| line.contains(&pair)),
                        "{pair}: {expression}\n{scrape}"
                    );
                }
            }
        }
    }
    assert!(found > 50, "{found} names were found");
}

#[test]
fn alerts_are_told_when_they_should_be_and_say_what_to_do() {
    let (alerts, tests) = (
        read("prometheus/alerts.yml"),
        read("prometheus/alerts_test.yml"),
    );
    let names: Vec<_> = alerts
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    for part in [
        "expr: ",
        "severity: ",
        "summary: ",
        "description: ",
        "action: ",
    ] {
        assert_eq!(alerts.matches(part).count(), names.len(), "{part}");
    }
    for name in names {
        assert_eq!(
            tests.matches(&format!("alertname: {name}\n")).count(),
            2,
            "{name} is tried quiet and told"
        );
    }
    if !is_installed("promtool") {
        println!("skipped: promtool is not installed");
        return;
    }
    promtool(&["check", "rules"], &file("prometheus/alerts.yml"));
    promtool(&["test", "rules"], &file("prometheus/alerts_test.yml"));
    // What Grafana fills in before it asks.
    let mut rules = "groups:\n  - name: panels\n    rules:\n".to_owned();
    for expression in panels() {
        let expression = expression.replace("$__rate_interval", "5m");
        writeln!(
            rules,
            "      - record: panel\n        expr: {}",
            Value::from(expression)
        )
        .unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    let panels = directory.path().join("panels.yml");
    std::fs::write(&panels, rules).unwrap();
    promtool(&["check", "rules", "--lint=none"], &panels);
}

/// Of a node of two that has turned a stranger away.
fn scrape() -> String {
    let site = Site::new(3);
    let security = site.certificates();
    let brokers = [0, 1].map(|id| site.start_with(id, &security[id], &[0, 1]));
    all_see(&[&brokers[0], &brokers[1]], &alive(0..2));
    let mut stranger = site.start_with(2, &Security::Plain, &[0]);
    assert_eq!(stranger.wait().code(), Some(4));
    wait_until("the refusal is counted", PATIENCE, || {
        let (_, metrics) = request(site.admin_port(0), "GET", "/metrics")?;
        let is_there = metrics.contains("phalanx_refusals_total{");
        is_there.then(|| metrics.clone()).ok_or(metrics)
    })
}

/// What the panels of the dashboard ask for.
fn panels() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read("grafana/phalanx.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels
        .filter_map(|panel| panel["targets"].as_array())
        .flatten();
    targets
        .map(|target| target["expr"].as_str().unwrap().to_owned())
        .collect()
}

fn promtool(args: &[&str], file: &Path) {
    let output = Command::new("promtool")
        .args(args)
        .arg(file)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&said)
    );
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs/deploy")
        .join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap()
}
