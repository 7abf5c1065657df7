//! [`Snippet`]: a node's settings with TLS on, as a configuration file or as variables.

use std::fmt::Write;

use clap::ValueEnum;

use super::placement::key;
use crate::config::{Held, Setting, Settings, Value};

/// In which form settings are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// Variables, `NAME=value`, for a service's environment file.
    Env,
    /// Nothing.
    None,
    /// A configuration file.
    Yaml,
}

impl Form {
    /// The ending of a file of this form.
    pub(super) const fn ending(self) -> Option<&'static str> {
        match self {
            Self::Env => Some("env"),
            Self::None => None,
            Self::Yaml => Some("yaml"),
        }
    }
}

/// Settings in the order in which they are written; those of one section stand together.
#[derive(Clone, Default)]
pub(super) struct Snippet(Vec<(String, Texts)>);

#[derive(Clone)]
enum Texts {
    Many(Vec<String>),
    One(String),
}

impl Snippet {
    /// What a file sets, but for what each node has of its own, and for secrets.
    pub(super) fn common_to_all(settings: &Settings) -> Self {
        let is_common = |setting: &&Setting| {
            let path = &setting.key.path;
            let is_own = OWN.iter().any(|name| path.ends_with(name));
            setting.is_set()
                && !setting.source.is_default()
                && !setting.key.row.is_secret
                && !is_own
        };
        let text = |value: &Value| value.to_string();
        let common = settings.iter().filter(is_common).map(|setting| {
            let texts = match &setting.value {
                Held::Many(items) => {
                    Texts::Many(items.iter().map(|(value, _)| text(value)).collect())
                }
                Held::One(value) => Texts::One(value.as_ref().map(text).unwrap_or_default()),
            };
            (setting.key.path.clone(), texts)
        });
        Self(common.collect())
    }

    /// Sets `path`, which the schema must have.
    pub(super) fn set(&mut self, path: &str, value: impl ToString) {
        self.put(path, Texts::One(value.to_string()));
    }

    /// Sets the list at `path`, which the schema must have.
    pub(super) fn set_list(&mut self, path: &str, values: Vec<String>) {
        self.put(path, Texts::Many(values));
    }

    fn put(&mut self, path: &str, texts: Texts) {
        self.0.retain(|(held, _)| held != path);
        self.0.push((key(path).path.clone(), texts));
    }

    /// The settings in this form.
    pub(super) fn text(self, form: Form) -> String {
        match form {
            Form::Env => self.env(),
            Form::None => String::new(),
            Form::Yaml => self.yaml(),
        }
    }

    /// As a file for `--config`.
    fn yaml(mut self) -> String {
        self.0.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut text = String::new();
        let mut open: Vec<&str> = Vec::new();
        for (path, texts) in &self.0 {
            let parts: Vec<&str> = path.split('.').collect();
            let (name, sections) = parts.split_last().expect("a path has a last part");
            let same = open
                .iter()
                .zip(sections)
                .take_while(|(one, other)| one == other);
            let same = same.count();
            for (depth, section) in sections.iter().enumerate().skip(same) {
                line(&mut text, depth, &format!("{section}:"));
            }
            line(
                &mut text,
                sections.len(),
                &format!("{name}: {}", texts.yaml()),
            );
            open = sections.to_vec();
        }
        text
    }

    /// As an environment file: no shell reads it, so nothing is quoted.
    fn env(&self) -> String {
        let mut text = String::new();
        for (path, texts) in &self.0 {
            let value = match texts {
                Texts::Many(values) => values.join(","),
                Texts::One(value) => value.clone(),
            };
            writeln!(text, "{}={value}", key(path).variable).expect("a text takes all");
        }
        text
    }
}

impl Texts {
    /// What JSON is, YAML is too.
    fn yaml(&self) -> String {
        match self {
            Self::One(value) if is_plain(value) => value.clone(),
            Self::One(value) => json(value),
            Self::Many(values) => {
                let values: Vec<String> = values.iter().map(|value| json(value)).collect();
                format!("[{}]", values.join(", "))
            }
        }
    }
}

fn json(value: &str) -> String {
    serde_json::to_string(value).expect("a text is JSON")
}

/// A number, or a switch.
fn is_plain(value: &str) -> bool {
    matches!(value, "true" | "false") || value.parse::<u64>().is_ok()
}

fn line(text: &mut String, depth: usize, words: &str) {
    writeln!(text, "{:1$}{words}", "", 2 * depth).expect("a text takes all");
}

/// The ends of the keys whose value no two nodes share, or that say where a node's own files are.
const OWN: [&str; 13] = [
    ".nodeId",
    ".memberId",
    ".advertisedHost",
    ".advertisedPort",
    ".portOffset",
    ".contactPoint",
    ".initialContactPoints",
    ".security.enabled",
    ".certificateChain",
    ".certificateChainPath",
    ".privateKeyPath",
    ".privateKeyPasswordFile",
    ".keyStore.filePath",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn snippet() -> Snippet {
        let mut snippet = Snippet::default();
        snippet.set("zeebe.broker.network.security.enabled", true);
        snippet.set("zeebe.broker.cluster.nodeId", 2);
        snippet.set(
            "zeebe.broker.network.security.certificateChainPath",
            "/a b/\"c\".pem",
        );
        let contacts = ["a:1", "[::1]:2"].map(str::to_owned);
        snippet.set_list("zeebe.broker.cluster.initialContactPoints", contacts.into());
        snippet
    }

    #[test]
    fn sections_are_opened_once_and_texts_are_quoted() {
        let expected = "\
zeebe:
  broker:
    cluster:
      initialContactPoints: [\"a:1\", \"[::1]:2\"]
      nodeId: 2
    network:
      security:
        certificateChainPath: \"/a b/\\\"c\\\".pem\"
        enabled: true
";
        assert_eq!(snippet().yaml(), expected);
    }

    #[test]
    fn variables_have_lists_in_one() {
        let expected = "\
ZEEBE_BROKER_NETWORK_SECURITY_ENABLED=true
ZEEBE_BROKER_CLUSTER_NODEID=2
ZEEBE_BROKER_NETWORK_SECURITY_CERTIFICATECHAINPATH=/a b/\"c\".pem
ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS=a:1,[::1]:2
";
        assert_eq!(snippet().env(), expected);
    }
}
