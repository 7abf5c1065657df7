//! A scenario as text again: YAML in blocks, as people write it.

use serde_json::{Map, Value as Json};

/// The order of the keys at the top; all others keep the order of the alphabet.
const TOP: [&str; 10] = [
    "version", "name", "about", "cost", "runners", "duration", "nodes", "network", "timeline",
    "expect",
];

/// A mapping as a document.
pub(super) fn document(map: &Map<String, Json>) -> String {
    let mut text = String::new();
    for key in TOP {
        if let Some(value) = map.get(key) {
            entry(&mut text, 0, key, value);
        }
    }
    text
}

fn entry(text: &mut String, depth: usize, key: &str, value: &Json) {
    let indent = "  ".repeat(depth);
    match value {
        Json::Array(items) if items.iter().any(Json::is_object) => {
            text.push_str(&format!("{indent}{key}:\n"));
            for item in items {
                text.push_str(&format!("{indent}  - {}\n", flow(item)));
            }
        }
        Json::Object(map) if depth < 1 && !map.is_empty() => {
            text.push_str(&format!("{indent}{key}:\n"));
            map.iter()
                .for_each(|(key, value)| entry(text, depth + 1, key, value));
        }
        _ => text.push_str(&format!("{indent}{key}: {}\n", flow(value))),
    }
}

/// A value on one line.
fn flow(value: &Json) -> String {
    match value {
        Json::Array(items) => {
            let items: Vec<_> = items.iter().map(flow).collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(map) => {
            let entries: Vec<_> = map
                .iter()
                .map(|(key, value)| format!("{key}: {}", flow(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Json::String(text) if is_plain(text) => text.clone(),
        // JSON's strings are YAML's double-quoted ones.
        other => other.to_string(),
    }
}

/// Whether a text may stand without quotes: nothing in it means anything to YAML, wherever it stands.
fn is_plain(text: &str) -> bool {
    let is_harmless =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '%' | '+' | ' ' | '/');
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let is_null = text.eq_ignore_ascii_case("null");
    starts_well && !is_null && !text.ends_with(' ') && text.chars().all(is_harmless)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_read_like_those_of_people() {
        let map = json!({
            "expect": { "finally": [{ "after": "5s", "views": "truth" }] },
            "name": "a",
            "about": "Two words: and \"more\".",
            "nodes": { "count": 3, "contacts": ["n1", "n2"] },
            "timeline": [{ "at": "1s", "crash": "random:1" }],
        });
        let expected = "\
name: a
about: \"Two words: and \\\"more\\\".\"
nodes:
  contacts: [n1, n2]
  count: 3
timeline:
  - {at: 1s, crash: \"random:1\"}
expect:
  finally:
    - {after: 5s, views: truth}
";
        assert_eq!(document(map.as_object().unwrap()), expected);
    }
}
