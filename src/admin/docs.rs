//! Holds pages of `docs/` together with the code: the paths of the management port and the events.

use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

use super::api;
use super::view::KINDS;

/// What stands between the marks of `name` on a page is `expected`; with `UPDATE_DOCS=1` it is written there.
pub(crate) fn hold(page: &str, name: &str, expected: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let text = fs::read_to_string(&file).unwrap();
    let begin = format!("<!-- {name}: written by a test -->\n");
    let end = format!("<!-- end of {name} -->\n");
    let (head, rest) = text.split_once(&begin).unwrap();
    let (_, tail) = rest.split_once(&end).unwrap();
    let expected = format!("{head}{begin}{expected}{end}{tail}");
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, expected).unwrap();
    } else {
        assert!(
            text == expected,
            "{page} is out of date: UPDATE_DOCS=1 cargo test --lib docs"
        );
    }
}

#[test]
fn the_page_of_the_management_port_has_every_path() {
    let document = serde_json::to_value(api::document()).unwrap();
    let mut table = String::from("\n| path | answers |\n|---|---|\n");
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let method = match method.as_str() {
                "get" => String::new(),
                method => format!("{} ", method.to_uppercase()),
            };
            let summary = operation["summary"].as_str().unwrap();
            writeln!(table, "| `{method}{path}` | {summary} |").unwrap();
        }
    }
    hold("docs/reference/http.md", "paths", &(table + "\n"));
}

#[test]
fn the_page_of_events_has_every_event() {
    let mut table = String::from("\n| event | meaning |\n|---|---|\n");
    for (name, meaning) in KINDS {
        writeln!(table, "| `{name}` | {meaning} |").unwrap();
    }
    hold("docs/reference/events.md", "events", &(table + "\n"));
}
