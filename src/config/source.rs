//! [`Source`]: who decided a value.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// Who decided a value. Later sources win over earlier ones: default, file, environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody: the value is Phalanx's own.
    Default,
    /// The configuration file.
    File {
        /// The file as it was named on the command line.
        file: Arc<Path>,
        /// Where in the file the value stands.
        at: Position,
    },
    /// An environment variable.
    Environment {
        /// The variable's name exactly as it was set.
        variable: String,
    },
}

/// A place in a text file, both numbers from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl Source {
    /// The value at `at` in `file`.
    pub(super) fn file(file: &Arc<Path>, at: Position) -> Self {
        Self::File {
            file: Arc::clone(file),
            at,
        }
    }

    /// The value of `variable`.
    pub(super) fn environment(variable: &str) -> Self {
        Self::Environment {
            variable: variable.to_owned(),
        }
    }

    /// Whether the file decided.
    #[must_use]
    pub fn is_file(&self) -> bool {
        matches!(self, Self::File { .. })
    }

    /// Whether nobody has set the value.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::Default
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { file, at } => write!(f, "{}:{at}", file.display()),
            Self::Environment { variable } => write!(f, "environment variable {variable}"),
        }
    }
}

impl Serialize for Source {
    /// Always the same four fields; the ones that say nothing here are null.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (kind, file, line, variable) = match self {
            Self::Default => ("default", None, None, None),
            Self::File { file, at } => (
                "file",
                Some(file.display().to_string()),
                Some(at.line),
                None,
            ),
            Self::Environment { variable } => ("environment", None, None, Some(variable)),
        };
        let mut fields = serializer.serialize_struct("Source", 4)?;
        fields.serialize_field("kind", kind)?;
        fields.serialize_field("file", &file)?;
        fields.serialize_field("line", &line)?;
        fields.serialize_field("variable", &variable)?;
        fields.end()
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}
