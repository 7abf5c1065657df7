//! What a refusal means in words, to whoever runs the node that was refused, and what to do about it.

use std::net::SocketAddr;

use crate::wire::correlation::CorrelationId;
use crate::wire::refusal::Code;

/// One line: who refused, the code, what it means, the remedy, and how to find it there.
pub(crate) fn explain(
    code: Code,
    by: Option<SocketAddr>,
    correlation: Option<CorrelationId>,
) -> String {
    let (meaning, remedy) = meaning_and_remedy(code);
    let by = by.map(|addr| format!(" by {addr}")).unwrap_or_default();
    let found = correlation
        .map(|id| format!(" (the other side's log and refusals call it {id})"))
        .unwrap_or_default();
    format!("refused for good{by}: {code}: {meaning}; {remedy}{found}")
}

/// What a code means, and what to do.
pub(crate) fn meaning_and_remedy(code: Code) -> (&'static str, &'static str) {
    use Code as C;
    match code {
        C::SecurityMismatch => (
            "one of the two nodes has TLS on and the other has it off",
            "set security.enabled to the same on every node (ZEEBE_BROKER_NETWORK_SECURITY_ENABLED, ZEEBE_GATEWAY_CLUSTER_SECURITY_ENABLED)",
        ),
        C::ClusterIdMismatch => (
            "the two nodes are configured with different cluster ids",
            "set the same clusterId on every node, or the contact points of the right cluster",
        ),
        C::ClusterNameMismatch => (
            "the two nodes belong to clusters of different names",
            "set the same clusterName on every node, or the contact points of the right cluster",
        ),
        C::MemberIdInUse => (
            "another node is alive under this member id at another address",
            "give every node an id of its own (ZEEBE_BROKER_CLUSTER_NODEID, ZEEBE_GATEWAY_CLUSTER_MEMBERID), or stop the other one",
        ),
        C::ProtocolMismatch => (
            "the two nodes speak no common version of the protocol",
            "run versions that are closer to each other",
        ),
        C::GenerationTooFar => (
            "this node's clock is more than a day ahead of the other's",
            "set the clocks right",
        ),
        C::DialBackFailed => (
            "the contact could not reach this node at its advertised address, or met somebody else there",
            "set advertisedHost and advertisedPort to what others reach, and let connections through in both directions",
        ),
        C::ConnectionNotBound => (
            "something between the two nodes ends TLS: a proxy or a service mesh",
            "let the nodes reach each other directly, or pass their TLS through",
        ),
        C::CertificateExpired => ("a certificate has expired", "renew it; the log names it"),
        C::CertificateNotYetValid => (
            "a certificate is not valid yet",
            "set the clocks right, or wait; the log names it",
        ),
        C::UnknownIssuer => (
            "the other side holds no certificate that vouches for this node's",
            "list the common authority in the certificateChainPath file of both nodes",
        ),
        C::BadSignature => (
            "a certificate's signature does not verify: an authority of the same name with another key, perhaps",
            "issue the certificates of all nodes from one authority, and list that one",
        ),
        C::WeakSignature => (
            "a certificate is signed with a weak key or digest",
            "issue it anew, with SHA-256 and RSA of 2048 bits or an elliptic curve",
        ),
        C::WrongUsage => (
            "a certificate's key usage does not allow it to serve a node",
            "issue it with serverAuth and clientAuth, or without extended key usage",
        ),
        C::NotACa => (
            "a certificate was signed by one that is no authority",
            "have an authority sign it; a certificate listed in a chain file does not become one",
        ),
        C::NameMismatch => (
            "a certificate does not carry the name that was asked for",
            "issue it with that name",
        ),
        C::BadCertificate => (
            "a certificate cannot be read",
            "look at it with `openssl x509 -text`, and have it issued anew",
        ),
        C::CertificateRequired => (
            "the other side wants a certificate from whoever dials, and was shown none",
            "let this node present the certificate of its certificateChainPath file",
        ),
        C::ChainTooComplex => (
            "more certificates were sent, or more paths lead through them, than the other side looks at",
            "leave in the chain file what belongs to this node's path",
        ),
        C::IdentityMismatch => (
            "a certificate matches none of the rules of peerIdentity",
            "add a rule for it, or issue it with a name that the rules want; the refusing side's log has both",
        ),
        C::NameConstraint => (
            "a certificate's names are outside what an authority above it may issue",
            "issue it with names within that authority's constraints",
        ),
        C::PathTooLong => (
            "more authorities stand above a certificate than one of them allows",
            "issue it from an authority that is closer to the root",
        ),
        C::UnknownExtension => (
            "a certificate has a critical extension that is unknown",
            "issue it without that extension, or with it not critical",
        ),
        C::WeakKey => (
            "a certificate's key is too weak, or of a kind that cannot sign a handshake",
            "issue it for RSA of 2048 bits, P-256, P-384, P-521 or Ed25519",
        ),
        C::TokenMismatch => (
            "the two nodes have different join tokens",
            "set the same cluster.token or cluster.tokenFile on every node (ZEEBE_BROKER_CLUSTER_TOKENFILE, ZEEBE_GATEWAY_CLUSTER_TOKENFILE)",
        ),
        C::TokenRequired => (
            "one of the two nodes has a join token and the other has none",
            "set the same cluster.token or cluster.tokenFile on every node, or on none (ZEEBE_BROKER_CLUSTER_TOKENFILE, ZEEBE_GATEWAY_CLUSTER_TOKENFILE)",
        ),
        C::PostQuantumRequired => (
            "one of the two nodes demands a post-quantum key exchange (requirePostQuantum), and the other cannot do it",
            "let every node offer X25519MLKEM768, or switch security.requirePostQuantum off",
        ),
        C::CertificateRejected => (
            "the other side does not accept this node's certificate",
            "look at the other side's log, which says why",
        ),
        _ => (
            "the contact points do not let this node in",
            "look at the log here and at the other side's",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permanent_code_has_a_meaning_of_its_own() {
        let fallback = meaning_and_remedy(Code::Unspecified);
        for code in Code::ALL.iter().filter(|code| code.is_permanent()) {
            assert_ne!(meaning_and_remedy(*code), fallback, "{code}");
        }
    }

    #[test]
    fn the_line_names_who_what_and_how_to_mend_it() {
        let id = CorrelationId::of(b"");
        let line = explain(Code::SecurityMismatch, "127.0.0.1:1".parse().ok(), Some(id));
        assert!(line.ends_with(&format!("call it {id})")), "{line}");
        assert!(
            line.starts_with("refused for good by 127.0.0.1:1: SecurityMismatch: "),
            "{line}"
        );
        assert!(
            line.contains("ZEEBE_BROKER_NETWORK_SECURITY_ENABLED") && !line.contains('\n'),
            "{line}"
        );
    }
}
