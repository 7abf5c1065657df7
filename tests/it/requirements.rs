//! `docs/REQUIREMENTS.md` is complete, and every test it names exists.

use std::fs;
use std::path::{Path, PathBuf};

/// One row of the page.
struct Row<'a> {
    number: &'a str,
    state: &'a str,
    tested: &'a str,
}

#[test]
fn every_requirement_has_its_row_and_a_state() {
    let page = page();
    let rows = rows(&page);
    let expected: Vec<String> = (1..=140).map(|number| format!("R{number}")).collect();
    let numbers: Vec<&str> = rows.iter().map(|row| row.number).collect();
    assert_eq!(numbers, expected);
    for Row {
        number,
        state,
        tested,
    } in &rows
    {
        assert!(
            ["holds", "later", "not wanted"].contains(state),
            "{number}: {state:?}"
        );
        assert!(
            *state == "later" || !tested.is_empty(),
            "{number} does not say where, or why not"
        );
    }
    let count = |state| rows.iter().filter(|row| row.state == state).count();
    println!(
        "requirements: {} hold, {} later, {} not wanted",
        count("holds"),
        count("later"),
        count("not wanted")
    );
}

#[test]
fn every_test_named_exists() {
    let page = page();
    let generator = read("tests/certs/generate.sh");
    let sources = sources();
    let mut wrong = Vec::new();
    for Row { number, tested, .. } in rows(&page) {
        for name in tested.split('`').skip(1).step_by(2) {
            let exists = match name.rsplit_once("::") {
                Some((module, function)) if module.starts_with(char::is_lowercase) => {
                    is_function(&sources, module, function)
                }
                _ if is_case(name) => generator.contains(name.trim_end_matches('*')),
                _ => true,
            };
            if !exists {
                wrong.push(format!("{number}: {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "no such test:\n{}", wrong.join("\n"));
}

fn page() -> String {
    read("docs/REQUIREMENTS.md")
}

fn rows(page: &str) -> Vec<Row<'_>> {
    let cells = |line| Some(str::split(line, '|').map(str::trim).collect::<Vec<_>>());
    page.lines()
        .filter(|line| line.starts_with("| R"))
        .filter_map(cells)
        .map(|cells| match cells[..] {
            ["", number, _asks, state, tested, ""] => Row {
                number,
                state,
                tested,
            },
            _ => panic!("not four cells: {cells:?}"),
        })
        .collect()
}

/// Whether a file of that module has that function; a module inside a file is not looked for.
fn is_function(sources: &[(PathBuf, String)], module: &str, function: &str) -> bool {
    let path = match module.strip_prefix("it::") {
        Some(below) => format!("tests/it/{below}"),
        None => format!("src/{module}"),
    };
    let path = path.replace("::", "/");
    let opening = format!("fn {function}(");
    sources.iter().any(|(file, text)| {
        let file = file.with_extension("");
        (file == Path::new(&path) || file == Path::new(&path).join("mod"))
            && text.contains(&opening)
    })
}

/// The names of certificate cases have a dash and nothing that settings, files or commands have.
fn is_case(name: &str) -> bool {
    let is_case_char = |c: char| c.is_ascii_alphanumeric() || "-*".contains(c);
    name.contains('-') && name.chars().all(is_case_char)
}

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut directories = vec![root.join("src"), root.join("tests/it")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root).unwrap().to_owned(), text));
            }
        }
    }
    found
}

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}
