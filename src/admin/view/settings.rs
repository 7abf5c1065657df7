//! The configuration in force.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::Entry;

/// One setting in force, or one element of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettingView {
    /// The dotted path; an element's ends in its index in brackets.
    pub key: String,
    /// The value: text, a number, true or false, an empty list, or null for none. Secrets are masked.
    pub value: Value,
    /// Who decided it.
    pub source: SourceView,
}

/// Who decided a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceView {
    /// `default`, `file` or `environment`.
    pub kind: String,
    /// The file; null where it is none.
    pub file: Option<String>,
    /// The line in the file, from 1.
    pub line: Option<usize>,
    /// The environment variable; null where it is none.
    pub variable: Option<String>,
}

impl From<Entry> for SettingView {
    /// As `phalanx config show` prints it.
    fn from(entry: Entry) -> Self {
        let entry = serde_json::to_value(entry).expect("a setting has text keys");
        serde_json::from_value(entry).expect("the two have the same fields")
    }
}
