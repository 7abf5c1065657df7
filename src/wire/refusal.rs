//! [`Code`]: why a connection, a join or a message was refused. One enum, one word, everywhere: on the wire, in logs,
//! JSON, metric labels, exit messages and docs.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($( $(#[doc = $doc:literal])+ $name:ident = $number:literal $kind:ident, )+) => {
        /// Why something was refused. The number travels; the name is what people read.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Code {
            $( $(#[doc = $doc])+ $name, )+
        }

        impl Code {
            /// Every code, by number.
            pub const ALL: &'static [Self] = &[$( Self::$name, )+];

            /// The number on the wire.
            #[must_use]
            pub const fn number(self) -> u16 {
                match self { $( Self::$name => $number, )+ }
            }

            /// The code with this number; [`Code::Unspecified`] for one this build does not know.
            #[must_use]
            pub const fn from_number(number: u16) -> Self {
                match number { $( $number => Self::$name, )+ _ => Self::Unspecified }
            }

            /// The name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$name => stringify!($name), )+ }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $( Self::$name => concat!($($doc),+).trim_ascii_start(), )+ }
            }

            /// Whether trying again without a change of configuration is pointless.
            #[must_use]
            pub const fn is_permanent(self) -> bool {
                match self { $( Self::$name => codes!(@ $kind), )+ }
            }
        }
    };
    (@ permanent) => { true };
    (@ passing) => { false };
}

codes! {
    /// A reason this build does not know.
    Unspecified = 0 passing,
    /// One side runs TLS and the other does not.
    SecurityMismatch = 1 permanent,
    /// No protocol version both speak.
    ProtocolMismatch = 2 permanent,
    /// The cluster names differ.
    ClusterNameMismatch = 3 permanent,
    /// Both configure a cluster id, and they differ.
    ClusterIdMismatch = 4 permanent,
    /// Another node holds this member id: alive at another address, or with another key.
    MemberIdInUse = 5 permanent,
    /// The dial-back to the joiner's advertised address failed; the cause says how, and whether it can pass.
    DialBackFailed = 6 passing,
    /// The proof does not belong to this connection: a hop between the two ends terminates TLS.
    ConnectionNotBound = 7 permanent,
    /// A certificate is outside its validity period: expired.
    CertificateExpired = 8 permanent,
    /// A certificate is outside its validity period: not yet valid.
    CertificateNotYetValid = 9 permanent,
    /// No trust anchor vouches for the certificate.
    UnknownIssuer = 10 permanent,
    /// A certificate signature does not verify.
    BadSignature = 11 permanent,
    /// A certificate is signed with a weak key or digest.
    WeakSignature = 12 permanent,
    /// A certificate's key usage or extended key usage excludes this use.
    WrongUsage = 13 permanent,
    /// A certificate that is no CA vouched for another.
    NotACa = 14 permanent,
    /// The certificate does not carry the required name.
    NameMismatch = 15 permanent,
    /// The certificate was refused for a reason that has no code of its own; the refusing side's log has it.
    CertificateRejected = 16 permanent,
    /// TLS could not be agreed for another reason.
    HandshakeFailed = 17 passing,
    /// The other side fell silent during the handshake.
    HandshakeTimeout = 18 passing,
    /// Nothing answers at the address.
    Unreachable = 19 passing,
    /// Too much going on; try again later.
    Busy = 20 passing,
    /// The sender is not a member here (any more) and has to join first.
    JoinFirst = 21 passing,
    /// The node is leaving.
    Leaving = 22 passing,
    /// The node dialled itself.
    OwnAddress = 23 passing,
    /// The generation is more than a day ahead of the clock here.
    GenerationTooFar = 24 permanent,
    /// The bytes received break the protocol.
    ProtocolViolation = 25 passing,
    /// No such join is pending.
    NotPending = 26 passing,
    /// The member at the other end is not the one that was dialled.
    WrongMember = 27 passing,
    /// The join raised its generation too often.
    TooManyRetries = 28 passing,
    /// Too many bytes wait to be sent on the connection.
    Overflow = 29 passing,
    /// A certificate is not one: its bytes cannot be read.
    BadCertificate = 30 permanent,
    /// A certificate was asked for, and none was shown.
    CertificateRequired = 31 permanent,
    /// The certificate's names are outside what an authority above it may issue.
    NameConstraint = 32 permanent,
    /// More authorities stand between the certificate and a trust anchor than are allowed.
    PathTooLong = 33 permanent,
    /// A certificate has a critical extension that is unknown here.
    UnknownExtension = 34 permanent,
    /// The certificate's own key is too weak, or of a kind that cannot sign a handshake.
    WeakKey = 35 permanent,
    /// Too many certificates, or too many paths through them, to look at.
    ChainTooComplex = 36 permanent,
    /// The certificate matches none of the identity rules.
    IdentityMismatch = 37 permanent,
    /// The join token of one side is not that of the other.
    TokenMismatch = 38 permanent,
    /// One side demands a join token, and the other has none.
    TokenRequired = 39 permanent,
    /// The key exchange is not post-quantum, and one side demands it.
    PostQuantumRequired = 40 permanent,
    /// The connection was closed in good order: it was idle, or another takes its place.
    ConnectionClosed = 41 passing,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_codes_map_one_to_one() {
        for (number, code) in Code::ALL.iter().enumerate() {
            assert_eq!(usize::from(code.number()), number, "{code}");
            assert_eq!(Code::from_number(code.number()), *code);
        }
        assert_eq!(Code::from_number(u16::MAX), Code::Unspecified);
    }
}
