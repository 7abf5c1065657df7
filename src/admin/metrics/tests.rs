//! The page of metrics is written from the table.

use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

use super::catalogue::{METRICS, Read, Row};

const BEGIN: &str = "<!-- metrics: written by a test -->\n";
const END: &str = "<!-- end of metrics -->\n";

/// After a change of the table, `UPDATE_DOCS=1 cargo test the_page_of_metrics` writes the page anew.
#[test]
fn the_page_of_metrics_has_every_metric() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/METRICS.md");
    let page = fs::read_to_string(&file).unwrap();
    let (head, rest) = page.split_once(BEGIN).unwrap();
    let (_, tail) = rest.split_once(END).unwrap();
    let expected = format!("{head}{BEGIN}{}{END}{tail}", table());
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, expected).unwrap();
    } else {
        assert!(
            page == expected,
            "docs/METRICS.md is out of date: UPDATE_DOCS=1 cargo test the_page_of_metrics"
        );
    }
}

#[test]
fn names_are_as_prometheus_has_them() {
    for Row {
        name, help, read, ..
    } in METRICS
    {
        assert!(name.starts_with("phalanx_"), "{name}");
        assert!(help.ends_with('.'), "{name}: {help}");
        let is_counter = matches!(read, Read::Counter(_));
        assert_eq!(name.ends_with("_total"), is_counter, "{name}");
    }
}

fn table() -> String {
    let mut text = String::from("\n| metric | type | labels | meaning |\n|---|---|---|---|\n");
    for Row {
        name,
        labels,
        help,
        read,
    } in METRICS
    {
        let kind = match read {
            Read::Counter(_) => "counter",
            Read::Gauge(_) => "gauge",
            Read::Histogram(_) => "histogram",
        };
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        writeln!(
            text,
            "| `{name}` | {kind} | {} | {help} |",
            labels.join(", ")
        )
        .unwrap();
    }
    text + "\n"
}
