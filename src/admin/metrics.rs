//! What a node measures, in the text format of Prometheus.

use std::fmt::Write;

use crate::node::CertificateStatus;
use crate::time::Timestamp;

/// When the node's own certificate expires, and the one of the cluster that expires first; nothing without TLS.
pub(super) fn certificates(status: Option<&CertificateStatus>) -> String {
    let mut text = String::new();
    let Some(status) = status else { return text };
    let soonest = status.soonest.as_ref().map(|soonest| soonest.not_after);
    let soonest = soonest.map_or(status.not_after, |other| other.min(status.not_after));
    text += "# HELP phalanx_certificate_expiry_seconds When a certificate expires, in seconds since 1970: this node's own, and the first of all live members'.\n";
    text += "# TYPE phalanx_certificate_expiry_seconds gauge\n";
    for (whose, at) in [("own", status.not_after), ("soonest", soonest)] {
        line(&mut text, whose, at);
    }
    text
}

fn line(text: &mut String, whose: &str, at: Timestamp) {
    let seconds = at.as_secs();
    let _ = writeln!(
        text,
        "phalanx_certificate_expiry_seconds{{certificate=\"{whose}\"}} {seconds}"
    );
}
