//! [`JoinToken`]: a secret shared by the nodes of a cluster, the second factor of a join.
//!
//! It never travels. Each end proves that it has it by HMAC-SHA-256 over a statement that belongs to one side of one
//! connection (`docs/PROTOCOL.md`, "The token"), so a proof is good nowhere else, and not for the other end.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

/// The shortest token, in bytes; shorter ones are guessed in no time.
pub const TOKEN_LEN_MIN: usize = 8;
/// The longest token, in bytes.
pub const TOKEN_LEN_MAX: usize = 1_024;

/// A secret that every node of a cluster knows. Cheap to clone, printed nowhere, zeroed with its last clone.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken(Arc<Zeroizing<Vec<u8>>>);

/// Why bytes are no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Too long.
    #[error("a token has at most {TOKEN_LEN_MAX} bytes; this one has {len}")]
    TooLong {
        /// How long it is.
        len: usize,
    },
    /// Too short.
    #[error("a token has at least {TOKEN_LEN_MIN} bytes; this one has {len}")]
    TooShort {
        /// How long it is.
        len: usize,
    },
}

impl JoinToken {
    /// Takes the secret as it is configured, without the white space around it.
    ///
    /// # Errors
    ///
    /// [`TokenError`] for one that is too short or too long. The error does not repeat it.
    pub fn new(secret: &str) -> Result<Self, TokenError> {
        let secret = secret.trim();
        match secret.len() {
            len if len < TOKEN_LEN_MIN => Err(TokenError::TooShort { len }),
            len if len > TOKEN_LEN_MAX => Err(TokenError::TooLong { len }),
            _ => Ok(Self(Arc::new(Zeroizing::new(secret.into())))),
        }
    }

    /// The secret itself, for who is shown it.
    #[must_use]
    #[cfg(feature = "daemon")]
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Proves possession for one statement.
    #[must_use]
    pub fn prove(&self, statement: &[u8]) -> [u8; 32] {
        let tag = hmac::sign(&self.key(), statement);
        tag.as_ref().try_into().expect("HMAC-SHA-256 has 32 bytes")
    }

    /// Whether a proof was made with the same token, for this statement; in constant time.
    #[must_use]
    pub fn verify(&self, statement: &[u8], proof: &[u8; 32]) -> bool {
        hmac::verify(&self.key(), statement, proof).is_ok()
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.0)
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_good_for_one_token_and_one_statement() {
        let token = JoinToken::new("correct horse battery").unwrap();
        let proof = token.prove(b"statement");
        assert!(token.verify(b"statement", &proof));
        assert!(!token.verify(b"another", &proof));
        let other = JoinToken::new("correct horse batterz").unwrap();
        assert!(!other.verify(b"statement", &proof));
    }

    #[test]
    fn white_space_around_it_does_not_count_and_its_length_is_bounded() {
        assert_eq!(JoinToken::new(" 12345678\n"), JoinToken::new("12345678"));
        let rows = [
            (String::new(), TokenError::TooShort { len: 0 }),
            ("1234567".to_owned(), TokenError::TooShort { len: 7 }),
            ("x".repeat(1_025), TokenError::TooLong { len: 1_025 }),
        ];
        for (secret, expected) in rows {
            assert_eq!(JoinToken::new(&secret), Err(expected));
        }
        assert!(JoinToken::new(&"x".repeat(TOKEN_LEN_MAX)).is_ok());
    }

    #[test]
    fn it_is_not_printed() {
        let token = JoinToken::new("correct horse battery").unwrap();
        assert_eq!(format!("{token:?}"), "JoinToken(..)");
    }
}
