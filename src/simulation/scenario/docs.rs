//! Holds the published schema together with the types: `simulations/schema.json`, the tables of `docs/SIMULATION.md`, and
//! every shipped scenario.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};

use super::{Loaded, schema};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const MARK: &str = "<!-- reference: written by a test -->\n";

/// After a change of the types, `UPDATE_DOCS=1 cargo test docs` writes both anew.
#[test]
fn the_published_schema_and_the_docs_are_those_of_the_types() {
    let json = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    is_up_to_date("simulations/schema.json", &json);
    let docs = fs::read_to_string(Path::new(ROOT).join("docs/SIMULATION.md")).unwrap();
    let (text, _) = docs.split_once(MARK).expect("the docs have a mark");
    is_up_to_date(
        "docs/SIMULATION.md",
        &format!("{text}{MARK}{}", reference()),
    );
}

fn is_up_to_date(file: &str, expected: &str) {
    let path = Path::new(ROOT).join(file);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{file} is out of date: UPDATE_DOCS=1 cargo test docs"
    );
}

/// A table for each mapping, in the order in which a reader meets them.
fn reference() -> String {
    let mut text = String::new();
    let mut todo = vec![("the file".to_owned(), schema())];
    while !todo.is_empty() {
        let (name, schema) = todo.remove(0);
        write!(
            text,
            "\n### {name}\n\n| key | takes | default | meaning |\n|---|---|---|---|\n"
        )
        .unwrap();
        for (key, property) in schema["properties"].as_object().unwrap() {
            let is_required = schema["required"]
                .as_array()
                .unwrap()
                .iter()
                .any(|one| one == key.as_str());
            let default = match property.get("default") {
                Some(default) => format!("`{}`", plain(default)),
                None if is_required => "required".to_owned(),
                None => String::new(),
            };
            let meaning = property["description"]
                .as_str()
                .unwrap()
                .replace('|', "\\|");
            writeln!(
                text,
                "| `{key}` | {} | {default} | {meaning} |",
                takes(property)
            )
            .unwrap();
            let path = if name == "the file" {
                key.clone()
            } else {
                format!("{name}.{key}")
            };
            todo.extend(mapping_of(property).map(|mapping| (path, mapping)));
        }
    }
    text
}

fn plain(value: &Json) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// The mapping that a property is, or is a list of, or may be.
fn mapping_of(property: &Json) -> Option<Json> {
    let inner = property.get("items").unwrap_or(property);
    let choices = inner.get("anyOf").and_then(Json::as_array);
    let mut candidates = choices.into_iter().flatten().chain([inner]);
    candidates
        .find(|one| one.get("properties").is_some())
        .cloned()
}

fn takes(schema: &Json) -> String {
    if let Some(items) = schema.get("items") {
        return format!("list of {}", takes(items));
    }
    if let Some(choices) = schema.get("anyOf").and_then(Json::as_array) {
        let mut words: Vec<_> = choices.iter().map(takes).collect();
        words.dedup();
        return words.join(", or ");
    }
    if let Some(words) = schema.get("enum").and_then(Json::as_array) {
        let words: Vec<_> = words
            .iter()
            .take(8)
            .map(|word| format!("`{}`", plain(word)))
            .collect();
        return words.join(", ") + if words.len() == 8 { ", ..." } else { "" };
    }
    if let Some(word) = schema.get("const") {
        return format!("`{}`", plain(word));
    }
    match schema.get("title").and_then(Json::as_str) {
        Some(title) => title.to_owned(),
        None if schema.get("properties").is_some() => "mapping".to_owned(),
        None => plain(&schema["type"]),
    }
}

#[test]
fn every_shipped_scenario_fits_the_published_schema() {
    let schema = schema();
    let files = scenarios();
    assert!(files.len() >= 40, "{} scenarios", files.len());
    for file in files {
        let loaded = Loaded::load(&file).unwrap_or_else(|error| panic!("{error}"));
        let text = fs::read_to_string(&file).unwrap();
        let tree = super::scalar::plain(&super::raw::parse(&text).unwrap());
        if let Err(what) = fits(&tree, &schema, "") {
            panic!("{}: {what}", file.display());
        }
        if let Err(what) = fits(&super::yaml::Yaml::write(&loaded.scenario), &schema, "") {
            panic!("{}, written again: {what}", file.display());
        }
    }
}

/// What of a scenario that is written again reads as the same scenario.
#[test]
fn every_shipped_scenario_is_written_as_it_was_read() {
    for file in scenarios() {
        let loaded = Loaded::load(&file).unwrap();
        let text = loaded.scenario.to_text();
        let again = Loaded::parse(&text, &file).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(again.scenario.to_text(), text, "{}", file.display());
    }
}

fn scenarios() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut todo = vec![Path::new(ROOT).join("simulations")];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                None => todo.push(path),
                Some(extension) if extension == "yaml" => files.push(path),
                Some(_) => {}
            }
        }
    }
    files.sort();
    files
}

/// What of JSON Schema the types make use of, patterns apart. Scalars are texts in the tree, so a type says nothing of them.
fn fits(value: &Json, schema: &Json, path: &str) -> Result<(), String> {
    if let Some(choices) = schema.get("anyOf").and_then(Json::as_array) {
        let fits_one = choices
            .iter()
            .any(|choice| fits(value, choice, path).is_ok());
        return fits_one
            .then_some(())
            .ok_or_else(|| format!("{path} fits none of {choices:?}"));
    }
    if let Some(words) = schema.get("enum").and_then(Json::as_array) {
        return words
            .contains(value)
            .then_some(())
            .ok_or_else(|| format!("{path} is {value}"));
    }
    match value {
        Json::Array(items) => {
            let schema = schema
                .get("items")
                .ok_or_else(|| format!("{path} is a list"))?;
            items
                .iter()
                .enumerate()
                .try_for_each(|(at, item)| fits(item, schema, &format!("{path}[{at}]")))
        }
        Json::Object(map) => mapping_fits(map, schema, path),
        _ if schema["type"] == "object" || schema["type"] == "array" => {
            Err(format!("{path} is a scalar"))
        }
        _ => Ok(()),
    }
}

fn mapping_fits(map: &Map<String, Json>, schema: &Json, path: &str) -> Result<(), String> {
    let Some(properties) = schema.get("properties").and_then(Json::as_object) else {
        return (schema["type"] == "object")
            .then_some(())
            .ok_or_else(|| format!("{path} is a mapping"));
    };
    for required in schema["required"].as_array().unwrap() {
        let key = required.as_str().unwrap();
        map.contains_key(key)
            .then_some(())
            .ok_or_else(|| format!("{path} lacks {key}"))?;
    }
    if let Some(choices) = schema.get("oneOf").and_then(Json::as_array) {
        let has = |choice: &&Json| {
            choice["required"][0]
                .as_str()
                .is_some_and(|key| map.contains_key(key))
        };
        let count = choices.iter().filter(has).count();
        (count == 1)
            .then_some(())
            .ok_or_else(|| format!("{path} has {count} of one"))?;
    }
    map.iter().try_for_each(|(key, value)| {
        let schema = properties
            .get(key)
            .ok_or_else(|| format!("{path} has {key}"))?;
        fits(value, schema, &format!("{path}.{key}"))
    })
}
