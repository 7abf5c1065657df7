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

/// The README shows parts of this program; it is run as it stands.
#[path = "../../examples/messages.rs"]
mod messages;

#[tokio::test]
async fn the_program_about_messages_is_as_shown_and_says_what_it_should() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let bare = |text: &str| -> String { text.split_whitespace().collect() };
    let program = bare(&fs::read_to_string(root.join("examples/messages.rs")).unwrap());
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let section = readme.split("## Messages and streams").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let shown: Vec<_> = section.split("```rust").skip(1).collect();
    assert_eq!(shown.len(), 3);
    for block in shown {
        let block = block.split("```").next().unwrap();
        assert!(
            program.contains(&bare(block)),
            "not in the program: {block}"
        );
    }
    let said = messages::run().await.unwrap();
    let failed = "the handler failed: invalid digit found in string";
    assert_eq!(said, ["42, dear 1", failed, "it rains", "3 lines"]);
}
