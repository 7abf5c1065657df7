//! The files in the repository that repeat the schema: the example and the table of variables.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use super::layer::Findings;
use super::schema::{self, Key, Status};
use super::*;

const EXAMPLE: &str = "config.example.yaml";
const TABLE: &str = "docs/CONFIGURATION.md";
const SECTIONS: [Role; 2] = [Role::Broker, Role::Gateway];

#[test]
fn the_example_is_the_defaults() {
    for section in SECTIONS {
        let defaults = load(section, None, std::iter::empty()).unwrap();
        let example = load(section, Some(Path::new(EXAMPLE)), std::iter::empty()).unwrap();
        assert_eq!(example.config, defaults.config);
        assert!(example.warnings.is_empty(), "{:?}", example.warnings);
        for (ours, expected) in example.settings.entries().zip(defaults.settings.entries()) {
            assert_eq!((ours.key, ours.value), (expected.key, expected.value));
        }
    }
}

#[test]
fn the_example_has_every_key_under_its_variable() {
    let text = fs::read_to_string(EXAMPLE).unwrap();
    let root = raw::parse(&text).unwrap();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    for section in SECTIONS {
        let layer = tree::layer(
            &root,
            &Arc::from(Path::new(EXAMPLE)),
            section,
            &mut Findings::default(),
        );
        for key in schema::keys_of(section) {
            assert!(layer.get(key).is_some(), "{} is missing", key.path);
            let comment = format!("# {}", key.variable);
            let at = lines.iter().position(|line| *line == comment);
            let at = at.unwrap_or_else(|| panic!("{} is missing", key.variable));
            let name = key.path.rsplit('.').next().unwrap();
            assert!(
                lines[at + 1].starts_with(&format!("{name}:")),
                "{}",
                lines[at + 1]
            );
        }
    }
}

/// After a change of the schema, `UPDATE_DOCS=1 cargo test docs` writes the table anew.
#[test]
fn the_docs_have_the_table_of_variables() {
    let text = fs::read_to_string(TABLE).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let expected = format!("{before}{BEGIN}{}{END}{after}", tables());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(TABLE, expected).unwrap();
    } else {
        assert!(
            text == expected,
            "{TABLE} is out of date: UPDATE_DOCS=1 cargo test docs"
        );
    }
}

const BEGIN: &str = "<!-- variables: written by a test -->\n";
const END: &str = "<!-- end of variables -->\n";

fn tables() -> String {
    let mut text = String::new();
    let ours = |key: &&Key| !matches!(key.row.status, Status::Foreign { .. });
    for (title, section) in [
        ("Broker", Some(Role::Broker)),
        ("Gateway", Some(Role::Gateway)),
        ("Management server", None),
    ] {
        write!(
            text,
            "\n### {title}\n\n| variable | default | takes | meaning |\n|---|---|---|---|\n"
        )
        .unwrap();
        for key in schema::keys()
            .iter()
            .filter(ours)
            .filter(|key| key.section == section)
        {
            let default = match key.row.default {
                "" => String::new(),
                default => format!("`{default}`"),
            };
            let (takes, meaning) = (key.takes(), key.meaning());
            writeln!(
                text,
                "| `{}` | {default} | {takes} | {meaning} |",
                key.variable
            )
            .unwrap();
        }
    }
    text + "\n"
}
