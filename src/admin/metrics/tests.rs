//! The page of metrics is written from the table.

use std::fmt::Write;

use super::super::docs::hold;
use super::catalogue::{METRICS, Read, Row};

/// After a change of the table, `UPDATE_DOCS=1 cargo test the_page_of_metrics` writes the page anew.
#[test]
fn the_page_of_metrics_has_every_metric() {
    hold("docs/METRICS.md", "metrics", &table());
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
