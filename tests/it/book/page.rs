//! [`Page`]: one file of Markdown, and the fenced blocks in it.

use std::fs;
use std::path::{Path, PathBuf};

/// One page of the book, or the README.
pub(super) struct Page {
    /// Its path from the top of the repository.
    pub(super) file: String,
    pub(super) text: String,
}

/// A fenced block.
#[derive(Debug)]
pub(super) struct Block<'a> {
    /// The number of its first line, from 1, for messages.
    pub(super) line: usize,
    /// What stands behind the opening fence.
    pub(super) info: &'a str,
    pub(super) lines: Vec<&'a str>,
}

/// The top of the repository.
pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page below `docs/`, and the README.
pub(super) fn pages() -> Vec<Page> {
    let mut files = vec![root().join("README.md")];
    let mut directories = vec![root().join("docs")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                _ if path.is_dir() => directories.push(path),
                Some(extension) if extension == "md" => files.push(path),
                _ => {}
            }
        }
    }
    files.sort();
    files.into_iter().map(Page::read).collect()
}

impl Page {
    /// The page at `file`, counted from the top of the repository.
    pub(super) fn open(file: &str) -> Self {
        Self::read(root().join(file))
    }

    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let file = path.strip_prefix(root()).unwrap();
        Self {
            file: file.to_str().unwrap().to_owned(),
            text,
        }
    }

    /// The fenced blocks, without the indentation of a list around them.
    pub(super) fn blocks(&self) -> Vec<Block<'_>> {
        let mut blocks = Vec::new();
        let mut lines = self.text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let Some(info) = line.trim_start().strip_prefix("```") else {
                continue;
            };
            let indentation = line.len() - line.trim_start().len();
            let inside = lines
                .by_ref()
                .map(|(_, line)| line.get(indentation..).unwrap_or_default())
                .take_while(|line| *line != "```");
            blocks.push(Block {
                line: number + 2,
                info,
                lines: inside.collect(),
            });
        }
        blocks
    }

    /// Its lines outside fenced blocks, with their numbers, code within a line cut out.
    pub(super) fn prose(&self) -> Vec<(usize, String)> {
        let mut is_code = false;
        let mut prose = Vec::new();
        for (number, line) in self.text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                is_code = !is_code;
            } else if !is_code {
                prose.push((number + 1, line.split('`').step_by(2).collect()));
            }
        }
        prose
    }
}

#[test]
fn blocks_are_found_with_their_place() {
    let page = Page {
        file: "page.md".to_owned(),
        text: "a\n```console,root\n$ b\nc\n```\n* d\n  ```text\n  e\n\n  ```\nf `g` h\n".to_owned(),
    };
    let blocks = page.blocks();
    assert_eq!((blocks[0].line, blocks[0].info), (3, "console,root"));
    assert_eq!(blocks[0].lines, ["$ b", "c"]);
    assert_eq!(blocks[1].lines, ["e", ""]);
    assert_eq!(page.prose()[2], (11, "f  h".to_owned()));
}
