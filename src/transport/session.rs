//! [`Session`]: what one TLS connection was agreed on.

use std::fmt;

use rustls::{CipherSuite, CommonState, NamedGroup, ProtocolVersion};

/// What one TLS connection was agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    version: ProtocolVersion,
    key_exchange: NamedGroup,
    cipher_suite: CipherSuite,
}

impl Session {
    /// Of a connection whose handshake is complete; `None` before that.
    pub(super) fn of(state: &CommonState) -> Option<Self> {
        Some(Self {
            version: state.protocol_version()?,
            key_exchange: state.negotiated_key_exchange_group()?.name(),
            cipher_suite: state.negotiated_cipher_suite()?.suite(),
        })
    }

    /// Of a QUIC connection, for which one key exchange is offered and taken, and whose cipher suite cannot be seen.
    pub(super) const fn quic() -> Self {
        Self {
            version: ProtocolVersion::TLSv1_3,
            key_exchange: NamedGroup::X25519MLKEM768,
            cipher_suite: CipherSuite::Unknown(0),
        }
    }

    /// Whether what was recorded of it today stays secret from a quantum computer of tomorrow: the key exchange is a hybrid
    /// with ML-KEM.
    #[must_use]
    pub const fn is_post_quantum(&self) -> bool {
        matches!(
            self.key_exchange,
            NamedGroup::X25519MLKEM768 | NamedGroup::secp256r1MLKEM768
        )
    }

    /// The version of TLS: `TLSv1_3`.
    #[must_use]
    pub fn version(&self) -> &'static str {
        self.version.as_str().unwrap_or("unknown")
    }

    /// The key exchange group, by its name in TLS: `X25519MLKEM768`.
    #[must_use]
    pub fn key_exchange(&self) -> &'static str {
        self.key_exchange.as_str().unwrap_or("unknown")
    }

    /// The cipher suite, by its name in TLS: `TLS13_AES_256_GCM_SHA384`.
    #[must_use]
    pub fn cipher_suite(&self) -> &'static str {
        self.cipher_suite.as_str().unwrap_or("unknown")
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {}", self.cipher_suite(), self.key_exchange())
    }
}
