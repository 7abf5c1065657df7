//! Programs shown in the book are parts of those in `examples/`, which are built and run.

use std::fs;

use super::page::{pages, root};

#[test]
fn programs_are_shown_as_they_are() {
    let files = fs::read_dir(root().join("examples")).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let programs: Vec<String> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| bare(&fs::read_to_string(path).unwrap()))
        .collect();
    let mut count = 0;
    for page in pages() {
        let blocks = page.blocks();
        for block in blocks.iter().filter(|block| block.info == "rust") {
            let shown = bare(&block.lines.concat());
            let is_there = programs.iter().any(|program| program.contains(&shown));
            assert!(is_there, "{}:{}: in no example", page.file, block.line);
            count += 1;
        }
    }
    assert!(count > 5, "{count} programs");
}

/// Without spaces and line breaks.
fn bare(text: &str) -> String {
    text.split_whitespace().collect()
}
