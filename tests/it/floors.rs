//! Holds the module map of `ARCHITECTURE.md`: imports point down, or sideways without a cycle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Every top-level module and its floor.
const FLOORS: [(&str, u8); 16] = [
    ("time", 0),
    ("member", 0),
    ("sabotage", 0),
    ("wire", 1),
    ("swim", 2),
    ("trust", 2),
    ("seal", 2),
    ("admission", 3),
    ("membership", 3),
    ("messaging", 3),
    ("transport", 4),
    ("config", 4),
    ("node", 5),
    ("simulation", 5),
    ("admin", 6),
    ("cli", 7),
];

/// Modules on one floor that must not know each other.
const STRANGERS: [&str; 3] = ["swim", "trust", "seal"];

#[test]
fn imports_point_down() {
    let floors: BTreeMap<_, _> = FLOORS.into_iter().collect();
    for (module, imports) in imports() {
        let floor = floors
            .get(module.as_str())
            .unwrap_or_else(|| panic!("`{module}` is on no floor"));
        for import in imports {
            let below = floors
                .get(import.as_str())
                .unwrap_or_else(|| panic!("`{module}` imports `{import}`, on no floor"));
            assert!(
                below <= floor,
                "`{module}` (F{floor}) imports `{import}` (F{below})"
            );
            let strangers = [module.as_str(), import.as_str()]
                .iter()
                .all(|name| STRANGERS.contains(name));
            assert!(!strangers, "`{module}` imports `{import}`");
        }
    }
}

#[test]
fn no_module_reaches_itself() {
    let imports = imports();
    for start in imports.keys() {
        let mut seen = BTreeSet::new();
        let mut todo: Vec<&String> = imports[start].iter().collect();
        while let Some(module) = todo.pop() {
            assert_ne!(module, start, "`{start}` is on an import cycle");
            if seen.insert(module) {
                todo.extend(imports.get(module).into_iter().flatten());
            }
        }
    }
}

#[test]
fn the_reader_of_imports_sees_every_form() {
    let source = "use crate::{swim::Swim, wire::{frame, hash}};\nlet x = crate::time::Timestamp::ZERO;\n\
                  // crate::cli\n/// [`crate::admin`]\n#[cfg(test)]\nmod tests { use crate::node; }\n";
    assert_eq!(
        imports_of(source),
        BTreeSet::from(["swim", "time", "wire"].map(String::from))
    );
}

/// What each top-level module imports of the crate, itself left out.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        let relative = file.strip_prefix(&root).expect("below src");
        let first = relative
            .iter()
            .next()
            .expect("a file name")
            .to_string_lossy();
        let module = first.trim_end_matches(".rs").to_owned();
        if module == "lib" || module == "main" {
            continue;
        }
        let source = fs::read_to_string(&file).expect("readable source");
        let entry = imports.entry(module.clone()).or_default();
        entry.extend(
            imports_of(&source)
                .into_iter()
                .filter(|import| *import != module),
        );
    }
    imports
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("readable directory") {
        let path = entry.expect("readable entry").path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "tests") {
            collect(&path, files);
        } else if path.extension().is_some_and(|ext| ext == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
}

/// The names right behind `crate::` in code: not in comments, not in unit tests at the bottom of the file.
fn imports_of(source: &str) -> BTreeSet<String> {
    let code = source
        .split("#[cfg(test)]\nmod tests")
        .next()
        .unwrap_or_default();
    let code = code
        .split("#[cfg(test)]\npub(crate) mod tests")
        .next()
        .unwrap_or_default();
    let code: String = code
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n");
    code.match_indices("crate::")
        .flat_map(|(at, found)| names(&code[at + found.len()..]))
        .collect()
}

fn names(rest: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let Some(group) = rest.strip_prefix('{') else {
        return vec![word(rest)];
    };
    let mut depth = 0_usize;
    let mut names = vec![String::new()];
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(String::new()),
            _ if depth == 0 => names.last_mut().expect("never empty").push(c),
            _ => {}
        }
    }
    names
        .iter()
        .map(|name| word(name.trim()))
        .filter(|name| !name.is_empty())
        .collect()
}
