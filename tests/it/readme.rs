//! The README says of variables what the binary says.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

#[test]
fn the_variables_in_the_readme_are_those_of_the_binary() {
    let output = Command::new(env!("CARGO_BIN_EXE_phalanx"))
        .args(["config", "env", "--format", "json"])
        .output()
        .unwrap();
    let known: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let known: BTreeMap<&str, String> = known.iter().map(row).collect();
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let rows = readme
        .lines()
        .filter(|line| line.starts_with("| `ZEEBE_") || line.starts_with("| `MANAGEMENT_"));
    let mut count = 0;
    for line in rows {
        let variable = line.split('`').nth(1).unwrap();
        assert_eq!(known.get(variable).map(String::as_str), Some(line));
        count += 1;
    }
    assert!(count > 10, "{count} variables");
}

/// A variable and its row in the table.
fn row(entry: &Value) -> (&str, String) {
    let text = |name: &str| entry[name].as_str();
    let variable = text("variable").unwrap();
    let default = text("default").map_or_else(|| "-".to_owned(), |value| format!("`{value}`"));
    let meaning = text("meaning").unwrap();
    (
        variable,
        format!("| `{variable}` | {default} | {meaning} |"),
    )
}
