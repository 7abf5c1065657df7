//! The shipped scenarios: every `.yaml` under `simulations/`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use phalanx::simulation::scenario::Loaded;

#[test]
fn every_scenario_is_valid_and_has_a_name_of_its_own() {
    let mut names = BTreeMap::new();
    for file in scenarios() {
        let loaded = Loaded::load(&file).unwrap_or_else(|error| panic!("{error}"));
        let earlier = names.insert(loaded.scenario.name.clone(), file.clone());
        assert_eq!(earlier, None, "{}", file.display());
        assert!(
            !loaded.scenario.expect.finally.is_empty(),
            "{}: no liveness",
            file.display()
        );
    }
}

fn scenarios() -> Vec<PathBuf> {
    let mut files = Vec::new();
    collect(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("simulations"),
        &mut files,
    );
    files.sort();
    files
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            files.push(path);
        }
    }
}
