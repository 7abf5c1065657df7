//! The join token as it is configured: read, judged, never repeated.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::{fs, io};

use zeroize::Zeroizing;

use crate::seal::{JoinToken, TOKEN_LEN_MAX, TokenError};
use crate::trust::Secret;

/// The shortest token that is not pointed out, in bytes.
const STRONG_LEN: usize = 16;
/// How many different characters a token that is not pointed out has at least.
const STRONG_CHARACTERS: usize = 8;
/// Words of samples, manuals and habit; a token that holds one is not worth much.
const SAMPLES: [&str; 12] = [
    "0123456",
    "123456",
    "changeme",
    "change-me",
    "default",
    "example",
    "password",
    "phalanx",
    "sample",
    "secret",
    "token",
    "zeebe",
];

/// Where the join token comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// The first line of this file.
    File(PathBuf),
    /// This.
    Given(Secret),
}

/// Why the join token cannot be used. It is not repeated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenLoadError {
    /// The file cannot be read.
    #[error("cannot read the token's file {}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is no token.
    #[error("the token cannot be used")]
    Unusable {
        /// The file, where it comes from one.
        file: Option<PathBuf>,
        /// Why not.
        source: TokenError,
    },
}

impl TokenSource {
    /// The token, and what speaks against it, if anything does.
    pub(crate) fn load(&self) -> Result<(JoinToken, Option<&'static str>), TokenLoadError> {
        let (text, file) = match self {
            Self::Given(secret) => (Zeroizing::new(secret.expose().to_owned()), None),
            Self::File(file) => (read(file)?, Some(file.clone())),
        };
        let line = text.lines().next().unwrap_or_default();
        let token =
            JoinToken::new(line).map_err(|source| TokenLoadError::Unusable { file, source })?;
        Ok((token, weakness(line.trim())))
    }
}

fn read(file: &PathBuf) -> Result<Zeroizing<String>, TokenLoadError> {
    let failed = |source| TokenLoadError::Read {
        file: file.clone(),
        source,
    };
    let bytes = Zeroizing::new(fs::read(file).map_err(failed)?);
    let text = std::str::from_utf8(&bytes);
    let text = text.map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error)))?;
    // A file that is something else altogether is not copied about.
    let end = text.floor_char_boundary(TOKEN_LEN_MAX + 2);
    Ok(Zeroizing::new(text[..end].to_owned()))
}

/// Why a token is easily guessed (R83).
fn weakness(token: &str) -> Option<&'static str> {
    let lower = Zeroizing::new(token.to_lowercase());
    let characters: BTreeSet<char> = token.chars().collect();
    if SAMPLES.iter().any(|sample| lower.contains(sample)) {
        Some("it has a word in it that samples have")
    } else if token.len() < STRONG_LEN {
        Some("it has fewer than 16 characters")
    } else if characters.len() < STRONG_CHARACTERS {
        Some("it has fewer than 8 different characters")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_tokens_are_pointed_out() {
        for (token, is_weak) in [
            ("8d6bff1b2c0e4a7f93", false),
            ("short-one-1", true),
            ("change-me-before-use", true),
            ("MySecretWhichIsLong", true),
            ("abababababababababab", true),
            ("correct horse battery staple", false),
        ] {
            assert_eq!(weakness(token).is_some(), is_weak, "{token}");
        }
    }

    #[test]
    fn the_first_line_of_a_file_is_the_token() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        fs::write(&file, "8d6bff1b2c0e4a7f93\r\n# a note\n").unwrap();
        let (token, weakness) = TokenSource::File(file).load().unwrap();
        assert_eq!(token, JoinToken::new("8d6bff1b2c0e4a7f93").unwrap());
        assert_eq!(weakness, None);
    }

    #[test]
    fn an_unusable_token_is_not_repeated() {
        let error = TokenSource::Given("seven77".into()).load().unwrap_err();
        let text = format!("{error:?} {error}");
        assert!(!text.contains("seven77"), "{text}");
        let dir = tempfile::tempdir().unwrap();
        let missing = TokenSource::File(dir.path().join("none")).load();
        assert!(matches!(missing, Err(TokenLoadError::Read { .. })));
    }
}
