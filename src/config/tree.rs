//! The file's layer: a YAML tree flattened to dotted paths, each bound to its key.
//!
//! Keys may be written in camelCase, kebab-case or snake_case, nested or with dots, as Spring reads them.

use std::path::Path;
use std::sync::Arc;

use super::error::{Problem, Warning};
use super::layer::{Binding, Findings, Given, Layer};
use super::names::{self, Referent};
use super::raw::{Content, Node};
use super::schema::{self, Key, Status};
use super::source::{Position, Source};
use crate::member::Role;

/// What `root`, the tree of `file`, says to a node of `section`.
pub(super) fn layer(
    root: &Node,
    file: &Arc<Path>,
    section: Role,
    findings: &mut Findings,
) -> Layer {
    let mut binder = Binder {
        file,
        layer: Layer::new(section),
        findings,
    };
    binder.visit("", root.at, root);
    binder.layer.without_deprecated(binder.findings)
}

struct Binder<'a> {
    file: &'a Arc<Path>,
    layer: Layer,
    findings: &'a mut Findings,
}

impl Binder<'_> {
    /// Visits `node`, whose name stands at `named`.
    fn visit(&mut self, path: &str, named: Position, node: &Node) {
        let Content::Mapping(entries) = &node.content else {
            return self.leaf(path, named, node);
        };
        for (name, child) in entries {
            // A name may end up in a message, which has one line.
            let name_text = name.text.replace(char::is_control, "?");
            let below = match path {
                "" => name_text,
                path => format!("{path}.{name_text}"),
            };
            self.visit(&below, name.at, child);
        }
    }

    fn leaf(&mut self, path: &str, named: Position, node: &Node) {
        if schema::is_section(path) {
            if !matches!(&node.content, Content::Scalar(text) if text.is_empty()) {
                let path = if path.is_empty() { "the file" } else { path };
                self.shape(path, node.at, "further keys, not a value");
            }
            return;
        }
        let (place, name) = (Source::file(self.file, named), path.to_owned());
        match names::path(path) {
            Referent::Key(key) => self.bind(path, key, node),
            Referent::Negative(key) => {
                self.findings
                    .problems
                    .push(Problem::Negative { name, place, key });
            }
            Referent::Other => {
                if let Some(nearest) = names::misspelled(path) {
                    let warning = Warning::Misspelled {
                        name,
                        place,
                        nearest,
                    };
                    self.findings.warnings.push(warning);
                }
            }
            Referent::Unknown(nearest) => {
                self.findings.problems.push(Problem::UnknownName {
                    name,
                    place,
                    nearest,
                });
            }
        }
    }

    fn bind(&mut self, path: &str, key: &'static Key, node: &Node) {
        let place = Source::file(self.file, node.at);
        let is_foreign = matches!(key.row.status, Status::Foreign { .. });
        let given = match &node.content {
            _ if is_foreign || !self.layer.reads(key) => Given::Many(Vec::new()),
            Content::Scalar(text) => Given::text(key, text, &place),
            Content::Sequence(items) if key.row.is_list => {
                let Some(items) = self.items(path, items) else {
                    return;
                };
                Given::many(items.into_iter())
            }
            _ => return self.shape(path, node.at, "one value, not a list"),
        };
        if let Some(earlier) = self.layer.get(key) {
            let first = earlier.place.clone();
            let second = place;
            return self
                .findings
                .problems
                .push(Problem::Duplicate { key, first, second });
        }
        self.layer
            .set(path, Binding { key, given, place }, self.findings);
    }

    /// The elements of a list; none, with a problem noted, where one is not a scalar.
    fn items<'n>(&mut self, path: &str, items: &'n [Node]) -> Option<Vec<(&'n str, Source)>> {
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            let Content::Scalar(text) = &item.content else {
                self.shape(path, item.at, "a list of single values");
                return None;
            };
            texts.push((text.as_str(), Source::file(self.file, item.at)));
        }
        Some(texts)
    }

    fn shape(&mut self, path: &str, at: Position, expected: &'static str) {
        self.findings.problems.push(Problem::Shape {
            path: path.to_owned(),
            place: Source::file(self.file, at),
            expected,
        });
    }
}
