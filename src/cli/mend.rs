//! What to do about a [`Code`], with the command that shows or mends it.

use crate::wire::refusal::Code;

use crate::admin::refused::meaning_and_remedy;

/// What a code means and what to do about it, in one line.
pub(super) fn mend(code: Code) -> String {
    format!("{}; {}", in_words(code).0, remedy(code))
}

/// What to do about a code, with the command that shows or mends it.
pub(super) fn remedy(code: Code) -> String {
    let (_, remedy) = in_words(code);
    match command(code) {
        Some(command) => format!("{remedy} (`{command}`)"),
        None => remedy.to_owned(),
    }
}

/// What a code means, and what to do.
fn in_words(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::Unreachable => (
            "nothing answers there, or something between the two drops it",
            "start the node, or mend address and firewall; `nc -vz HOST PORT` tries the port alone",
        ),
        Code::HandshakeTimeout => (
            "the other side took the connection and fell silent, or nothing came back at all",
            "look whether its process stands still (`kill -CONT PID`) or is starved, and at what is between the two",
        ),
        Code::Busy => ("there is too much going on there", "try again"),
        Code::JoinFirst => (
            "the other side does not hold this node as a member any more",
            "nothing: it joins again by itself; `phalanx members` shows whom either side sees",
        ),
        Code::Leaving => ("that node is leaving", "ask another"),
        Code::WrongMember => (
            "another member answers at that address than the one that was asked for",
            "give every node an address of its own; `phalanx members` shows who advertises which",
        ),
        Code::ProtocolViolation => (
            "the other side does not understand, or is no node of this kind",
            "run the same version on both, and look what listens there",
        ),
        code => meaning_and_remedy(code),
    }
}

/// A command that shows what is meant.
const fn command(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::CertificateExpired | Code::CertificateNotYetValid => {
            "date -u; phalanx certs inspect CHAIN.pem"
        }
        Code::BadCertificate
        | Code::BadSignature
        | Code::IdentityMismatch
        | Code::NameConstraint
        | Code::NameMismatch
        | Code::NotACa
        | Code::PathTooLong
        | Code::UnknownExtension
        | Code::UnknownIssuer
        | Code::WeakKey
        | Code::WeakSignature
        | Code::WrongUsage => "phalanx certs inspect CHAIN.pem",
        Code::GenerationTooFar => "date -u",
        Code::ClusterIdMismatch
        | Code::ClusterNameMismatch
        | Code::DialBackFailed
        | Code::SecurityMismatch => "phalanx config show",
        _ => return None,
    })
}
