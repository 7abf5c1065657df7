//! YAML text to a tree that knows where everything stands. The only module that knows the YAML crate.
//!
//! Scalars stay text as written (`007`, `1_000`, `on`): only a key's kind can say what a text means. The file is the
//! operator's own, but a bound on nodes keeps a slip with aliases from filling the memory.

use std::collections::BTreeMap;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::source::Position;

/// A node of the tree.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Where it starts.
    pub(crate) at: Position,
    /// What it is.
    pub(crate) content: Content,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// Keys and values in the order of the file.
    Mapping(Vec<(Name, Node)>),
    /// A text; empty for null.
    Scalar(String),
    /// A list.
    Sequence(Vec<Node>),
}

/// A key of a mapping.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) at: Position,
    pub(crate) text: String,
}

/// Why a text is not a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) at: Position,
    pub(crate) message: String,
}

/// The most nodes a tree may have, aliases counted as often as they are used.
const NODES_MAX: usize = 100_000;
/// The deepest nesting a tree may have.
const DEPTH_MAX: usize = 64;

/// The tree of a text with one document; of an empty text, an empty scalar.
pub(crate) fn parse(text: &str) -> Result<Node, SyntaxError> {
    Builder::new(text).document()
}

struct Builder<'t> {
    events: Parser<'t, StrInput<'t>>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
}

impl<'t> Builder<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            events: Parser::new_from_str(text),
            anchors: BTreeMap::new(),
            nodes: 0,
        }
    }

    fn document(mut self) -> Result<Node, SyntaxError> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                Event::StreamEnd => break,
                _ if root.is_some() => {
                    return Err(syntax(
                        &span,
                        "a second document; one file holds one document",
                    ));
                }
                event => root = Some(self.node(event, &span, 0)?),
            }
        }
        let empty = || Node {
            at: Position { line: 1, column: 1 },
            content: Content::Scalar(String::new()),
        };
        Ok(root.unwrap_or_else(empty))
    }

    /// The node that `event` starts.
    fn node(&mut self, event: Event<'t>, span: &Span, depth: usize) -> Result<Node, SyntaxError> {
        if depth > DEPTH_MAX {
            return Err(syntax(span, "nested too deep"));
        }
        let (anchor, content) = match event {
            Event::Scalar(text, style, anchor, _) => {
                (anchor, Content::Scalar(scalar(&text, style)))
            }
            Event::SequenceStart(_, anchor, _) => (anchor, self.sequence(depth)?),
            Event::MappingStart(_, anchor, _) => (anchor, self.mapping(depth)?),
            Event::Alias(anchor) => (0, self.alias(anchor, span)?),
            _ => return Err(syntax(span, "a value is missing")),
        };
        self.count(1, span)?;
        let node = Node {
            at: position(span),
            content,
        };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn sequence(&mut self, depth: usize) -> Result<Content, SyntaxError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Content::Sequence(items)),
                (event, span) => items.push(self.node(event, &span, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Content, SyntaxError> {
        let mut entries: Vec<(Name, Node)> = Vec::new();
        let mut merged = Vec::new();
        loop {
            let name = match self.next()? {
                (Event::MappingEnd, _) => break,
                (Event::Scalar(text, ..), span) => Name {
                    at: position(&span),
                    text: text.into_owned(),
                },
                (_, span) => return Err(syntax(&span, "a key must be a text")),
            };
            let (event, span) = self.next()?;
            let value = self.node(event, &span, depth + 1)?;
            if name.text == "<<" {
                merge(&mut merged, value)?;
            } else if let Some((first, _)) = entries.iter().find(|(held, _)| held.text == name.text)
            {
                let message = format!(
                    "the key {} stands here twice, first in line {}",
                    name.text, first.at.line
                );
                return Err(SyntaxError {
                    at: name.at,
                    message,
                });
            } else {
                entries.push((name, value));
            }
        }
        merged.retain(|(name, _)| entries.iter().all(|(held, _)| held.text != name.text));
        entries.append(&mut merged);
        Ok(Content::Mapping(entries))
    }

    fn alias(&mut self, anchor: usize, span: &Span) -> Result<Content, SyntaxError> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(syntax(span, "an alias within its own anchor"));
        };
        let size = node.size();
        let content = node.content.clone();
        self.count(size, span)?;
        Ok(content)
    }

    fn count(&mut self, more: usize, span: &Span) -> Result<(), SyntaxError> {
        self.nodes += more;
        if self.nodes > NODES_MAX {
            return Err(syntax(span, "too many values"));
        }
        Ok(())
    }

    /// The next event that is not a comment.
    fn next(&mut self) -> Result<(Event<'t>, Span), SyntaxError> {
        loop {
            match self.events.next_event() {
                None => return Ok((Event::StreamEnd, Span::default())),
                Some(Err(error)) => return Err(error.into()),
                Some(Ok((event, span))) if is_structure(&event) => return Ok((event, span)),
                Some(Ok(_)) => {}
            }
        }
    }
}

impl Node {
    /// How many nodes the tree below has, this one included.
    fn size(&self) -> usize {
        1 + match &self.content {
            Content::Mapping(entries) => entries.iter().map(|(_, node)| node.size()).sum(),
            Content::Scalar(_) => 0,
            Content::Sequence(items) => items.iter().map(Self::size).sum(),
        }
    }
}

impl From<ScanError> for SyntaxError {
    fn from(error: ScanError) -> Self {
        let mark = error.marker();
        Self {
            at: Position {
                line: mark.line().max(1),
                column: mark.col() + 1,
            },
            message: error.info(),
        }
    }
}

/// Adds the entries of a mapping, or of a list of mappings, under `<<`; earlier ones win.
fn merge(merged: &mut Vec<(Name, Node)>, value: Node) -> Result<(), SyntaxError> {
    match value.content {
        Content::Mapping(entries) => {
            for (name, node) in entries {
                if merged.iter().all(|(held, _)| held.text != name.text) {
                    merged.push((name, node));
                }
            }
            Ok(())
        }
        Content::Sequence(items) => items.into_iter().try_for_each(|item| merge(merged, item)),
        Content::Scalar(_) => Err(SyntaxError {
            at: value.at,
            message: "<< takes a mapping".to_owned(),
        }),
    }
}

/// An unquoted null is an empty text.
fn scalar(text: &str, style: ScalarStyle) -> String {
    let is_null = style == ScalarStyle::Plain && matches!(text, "~" | "null" | "Null" | "NULL");
    if is_null {
        String::new()
    } else {
        text.to_owned()
    }
}

fn is_structure(event: &Event<'_>) -> bool {
    event.is_node()
        || matches!(
            event,
            Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(..)
                | Event::DocumentEnd
                | Event::SequenceEnd
                | Event::MappingEnd
        )
}

fn position(span: &Span) -> Position {
    Position {
        line: span.start.line().max(1),
        column: span.start.col() + 1,
    }
}

fn syntax(span: &Span, message: &str) -> SyntaxError {
    SyntaxError {
        at: position(span),
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree as one line: scalars quoted, each with its position.
    fn render(node: &Node) -> String {
        match &node.content {
            Content::Mapping(entries) => {
                let entry = |(name, node): &(Name, Node)| {
                    format!("{}@{}: {}", name.text, name.at, render(node))
                };
                format!(
                    "{{{}}}",
                    entries.iter().map(entry).collect::<Vec<_>>().join(", ")
                )
            }
            Content::Scalar(text) => format!("{text:?}@{}", node.at),
            Content::Sequence(items) => {
                format!(
                    "[{}]",
                    items.iter().map(render).collect::<Vec<_>>().join(", ")
                )
            }
        }
    }

    #[test]
    fn scalars_stay_text_and_everything_has_a_position() {
        for (text, expected) in [
            ("", "\"\"@1:1"),
            ("# only a comment\n", "\"\"@1:1"),
            ("a: 007\n", "{a@1:1: \"007\"@1:4}"),
            (
                "a: 1_000 # so\nb: on\n",
                "{a@1:1: \"1_000\"@1:4, b@2:1: \"on\"@2:4}",
            ),
            (
                "a:\n  b: \"~\"\n  c: ~\n",
                "{a@1:1: {b@2:3: \"~\"@2:6, c@3:3: \"\"@3:6}}",
            ),
            ("a: [x, 'y']\n", "{a@1:1: [\"x\"@1:5, \"y\"@1:8]}"),
            (
                "a: &n {x: 1}\nb: *n\n",
                "{a@1:1: {x@1:8: \"1\"@1:11}, b@2:1: {x@1:8: \"1\"@1:11}}",
            ),
            (
                "a: &n {x: 1, y: 2}\nb:\n  <<: *n\n  y: 3\n",
                "{a@1:1: {x@1:8: \"1\"@1:11, y@1:14: \"2\"@1:17}, b@2:1: {y@4:3: \"3\"@4:6, x@1:8: \"1\"@1:11}}",
            ),
        ] {
            assert_eq!(render(&parse(text).unwrap()), expected, "{text:?}");
        }
    }

    #[test]
    fn errors_have_a_position() {
        let depth = DEPTH_MAX + 2;
        let deep = "[".repeat(depth) + &"]".repeat(depth);
        for (text, line, message) in [
            ("a: 1\na: 2\n", 2, "twice, first in line 1"),
            ("a: b: c\n", 1, "mapping"),
            ("a: [1\n", 1, ""),
            ("a: 1\n---\nb: 2\n", 3, "second document"),
            ("a: *nothing\n", 1, "unknown anchor"),
            ("? [a]\n: b\n", 1, "a key must be a text"),
            ("a:\n  <<: x\n", 2, "<< takes a mapping"),
            (&deep, 1, "nested too deep"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.message.contains(message), "{text:?}: {error:?}");
            assert!(error.at.line >= line, "{text:?}: {error:?}");
        }
    }

    #[test]
    fn aliases_cannot_fill_the_memory() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let below = format!("*a{}", level - 1);
            let items = vec![below; 10].join(", ");
            text += &format!("a{level}: &a{level} [{items}]\n");
        }
        assert_eq!(parse(&text).unwrap_err().message, "too many values");
    }
}
