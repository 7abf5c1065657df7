//! [`METRICS`]: every metric, what it means, and where it is read.

use super::reading::Reading;
use crate::member::MemberState;
use crate::membership::{DatagramStats, RoundTrips, Traffic};
use crate::node::MessagingStats;
use crate::wire::message::Kind;

/// One metric.
pub(super) struct Row {
    /// With its unit, and `_total` for counters, as Prometheus has it.
    pub(super) name: &'static str,
    /// What tells its values apart.
    pub(super) labels: &'static [&'static str],
    /// One line.
    pub(super) help: &'static str,
    /// What it is, and how it is read.
    pub(super) read: Read,
}

/// Takes the values of the labels, and the value.
pub(super) type Put<'a> = dyn FnMut(&[&str], f64) + 'a;
type Values = fn(&Reading, &mut Put<'_>);

/// What a metric is, and how it is read.
#[derive(Clone, Copy)]
pub(super) enum Read {
    /// It only rises, from 0 at the start of the process.
    Counter(Values),
    /// It rises and falls.
    Gauge(Values),
    /// Times by class, in seconds.
    Histogram(fn(&Reading) -> RoundTrips),
}

/// Every metric, in the order of its page.
pub(super) const METRICS: &[Row] = &[
    Row {
        name: "phalanx_build_info",
        labels: &["version"],
        help: "1, with the version of the program.",
        read: Read::Gauge(|_, put| put(&[env!("CARGO_PKG_VERSION")], 1.0)),
    },
    Row {
        name: "phalanx_ready",
        labels: &[],
        help: "1 once the node was let into its cluster, or found that it is alone.",
        read: Read::Gauge(|reading, put| put(&[], f64::from(u8::from(reading.is_ready)))),
    },
    Row {
        name: "phalanx_members",
        labels: &["state"],
        help: "Members as this node sees them, itself included.",
        read: Read::Gauge(members),
    },
    Row {
        name: "phalanx_members_untrusted",
        labels: &[],
        help: "Members whom others see and this node does not believe.",
        read: Read::Gauge(|reading, put| put(&[], reading.untrusted as f64)),
    },
    Row {
        name: "phalanx_pairs_without_udp",
        labels: &["reason"],
        help: "Live members that this node exchanges no datagrams with: they are lost on the way, or one of the two has no socket.",
        read: Read::Gauge(pairs_without_udp),
    },
    Row {
        name: "phalanx_probes_total",
        labels: &[],
        help: "Probes started.",
        read: Read::Counter(|reading, put| {
            put(&[], reading.stats.membership.swim.probes_started as f64)
        }),
    },
    Row {
        name: "phalanx_probe_failures_total",
        labels: &[],
        help: "Probes without any answer: direct, through relays or over TCP.",
        read: Read::Counter(|reading, put| {
            put(&[], reading.stats.membership.swim.probes_failed as f64)
        }),
    },
    Row {
        name: "phalanx_probe_round_trip_seconds",
        labels: &[],
        help: "How long members took to answer probes by datagram.",
        read: Read::Histogram(|reading| reading.stats.membership.swim.round_trips),
    },
    Row {
        name: "phalanx_suspicions_total",
        labels: &[],
        help: "Suspicions raised by this node's own probes.",
        read: Read::Counter(|reading, put| {
            put(&[], reading.stats.membership.swim.suspicions_raised as f64)
        }),
    },
    Row {
        name: "phalanx_false_alarms_total",
        labels: &[],
        help: "Suspicions raised by this node's own probes that were refuted.",
        read: Read::Counter(|reading, put| {
            put(&[], reading.stats.membership.swim.false_alarms as f64)
        }),
    },
    Row {
        name: "phalanx_refutations_total",
        labels: &[],
        help: "Accusations of itself that this node has refuted.",
        read: Read::Counter(|reading, put| {
            put(&[], reading.stats.membership.swim.refutations as f64)
        }),
    },
    Row {
        name: "phalanx_local_health_score",
        labels: &[],
        help: "How far this node stretches its probes, since it seems slow itself; 0 is healthy.",
        read: Read::Gauge(|reading, put| put(&[], f64::from(reading.stats.membership.awareness))),
    },
    Row {
        name: "phalanx_late_wakes_total",
        labels: &[],
        help: "Times the process stood still for longer than a quarter of the probe interval.",
        read: Read::Counter(|reading, put| put(&[], reading.stats.late_wakes as f64)),
    },
    Row {
        name: "phalanx_datagrams_sent_total",
        labels: &["kind"],
        help: "Datagrams sent, by the message at their head.",
        read: Read::Counter(|reading, put| {
            traffic(&reading.datagrams().sent_by_kind, put, |one| one.datagrams)
        }),
    },
    Row {
        name: "phalanx_datagrams_sent_bytes_total",
        labels: &["kind"],
        help: "Payloads of the datagrams sent, in bytes.",
        read: Read::Counter(|reading, put| {
            traffic(&reading.datagrams().sent_by_kind, put, |one| one.bytes)
        }),
    },
    Row {
        name: "phalanx_datagrams_received_total",
        labels: &["kind"],
        help: "Datagrams received and let in, by the message at their head.",
        read: Read::Counter(|reading, put| {
            traffic(&reading.datagrams().received_by_kind, put, |one| {
                one.datagrams
            })
        }),
    },
    Row {
        name: "phalanx_datagrams_received_bytes_total",
        labels: &["kind"],
        help: "Payloads of the datagrams received and let in, in bytes.",
        read: Read::Counter(|reading, put| {
            traffic(&reading.datagrams().received_by_kind, put, |one| one.bytes)
        }),
    },
    Row {
        name: "phalanx_datagrams_dropped_total",
        labels: &["reason"],
        help: "Datagrams received and not let in.",
        read: Read::Counter(datagrams_dropped),
    },
    Row {
        name: "phalanx_datagram_errors_total",
        labels: &[],
        help: "Calls on the datagram socket that the system refused.",
        read: Read::Counter(|reading, put| put(&[], reading.stats.datagram_errors as f64)),
    },
    Row {
        name: "phalanx_updates_received_total",
        labels: &["news"],
        help: "Updates received by gossip; news: whether they told something new.",
        read: Read::Counter(updates),
    },
    Row {
        name: "phalanx_push_pulls_total",
        labels: &["outcome"],
        help: "Comparisons of whole views that have ended.",
        read: Read::Counter(|reading, put| {
            let exchanges = reading.stats.membership.exchanges;
            put(&["completed"], exchanges.completed as f64);
            put(&["failed"], exchanges.failed as f64);
        }),
    },
    Row {
        name: "phalanx_connections",
        labels: &[],
        help: "Proven connections to other members.",
        read: Read::Gauge(|reading, put| put(&[], reading.stats.membership.links as f64)),
    },
    Row {
        name: "phalanx_connection_overflows_total",
        labels: &[],
        help: "Connections closed because the other end did not read.",
        read: Read::Counter(|reading, put| put(&[], reading.stats.overflows as f64)),
    },
    Row {
        name: "phalanx_quic_fallbacks_total",
        labels: &[],
        help: "Connections of messages dialled over TCP by a node that speaks QUIC.",
        read: Read::Counter(|reading, put| put(&[], reading.stats.quic_fallbacks as f64)),
    },
    Row {
        name: "phalanx_handshakes_total",
        labels: &["side", "outcome", "code", "key_exchange"],
        help: "Connections secured, or not: by which side this node was on, the code of a failure, and the key exchange of TLS (none: plaintext).",
        read: Read::Counter(handshakes),
    },
    Row {
        name: "phalanx_refusals_total",
        labels: &["code"],
        help: "Refusals, by this node or of it.",
        read: Read::Counter(|reading, put| {
            for refusal in &reading.refusals {
                put(&[refusal.code.as_str()], refusal.count as f64);
            }
        }),
    },
    Row {
        name: "phalanx_records_checked_total",
        labels: &["verdict"],
        help: "Signed records of other members that would be news, by what became of them. TLS only.",
        read: Read::Counter(records),
    },
    Row {
        name: "phalanx_certificate_expiry_seconds",
        labels: &["certificate"],
        help: "When a certificate expires, in seconds since 1970: this node's own, and the first of all live members'. TLS only.",
        read: Read::Gauge(certificate_expiry),
    },
    Row {
        name: "phalanx_messaging_connections",
        labels: &[],
        help: "Connections to other members that carry the application's messages and streams.",
        read: Read::Gauge(|reading, put| put(&[], reading.messaging().connections as f64)),
    },
    Row {
        name: "phalanx_messaging_in_flight",
        labels: &["what"],
        help: "Calls under way and streams that are open, of both ends; callers that wait for a connection.",
        read: Read::Gauge(|reading, put| {
            let messaging = reading.messaging();
            put(&["calls"], messaging.calls as f64);
            put(&["streams"], messaging.streams as f64);
            put(&["waiting"], messaging.waiting as f64);
        }),
    },
    Row {
        name: "phalanx_messaging_call_seconds",
        labels: &[],
        help: "How long this node's calls took that succeeded: a request until its reply, a message until it was taken.",
        read: Read::Histogram(|reading| reading.messaging().outcomes.succeeded),
    },
    Row {
        name: "phalanx_messaging_call_failures_total",
        labels: &["error"],
        help: "Calls of this node that failed.",
        read: Read::Counter(|reading, put| {
            for (error, count) in reading.messaging().outcomes.failed() {
                put(&[error], count as f64);
            }
        }),
    },
    Row {
        name: "phalanx_messaging_received_bytes_total",
        labels: &[],
        help: "Bytes received for messages and streams, and what is around them.",
        read: Read::Counter(|reading, put| put(&[], reading.messaging().bytes_in as f64)),
    },
    Row {
        name: "phalanx_messaging_sent_bytes_total",
        labels: &[],
        help: "Bytes sent for messages and streams, and what is around them.",
        read: Read::Counter(|reading, put| put(&[], reading.messaging().bytes_out as f64)),
    },
    Row {
        name: "phalanx_queue_depth",
        labels: &["queue"],
        help: "What waits: updates to be gossiped, records for their introduction, commands for the node.",
        read: Read::Gauge(|reading, put| {
            put(&["updates"], reading.stats.membership.updates_queued as f64);
            put(
                &["records"],
                reading.stats.membership.records.waiting as f64,
            );
            put(&["commands"], reading.stats.commands_queued as f64);
        }),
    },
    Row {
        name: "phalanx_management_denied_total",
        labels: &["reason"],
        help: "Requests to the management server that were not answered.",
        read: Read::Counter(|reading, put| {
            for (reason, count) in reading.denied {
                put(&[reason], count as f64);
            }
            put(&["busy"], reading.turned_away as f64);
        }),
    },
    Row {
        name: "phalanx_management_streams",
        labels: &[],
        help: "Streams of events that are open.",
        read: Read::Gauge(|reading, put| put(&[], reading.streams_open as f64)),
    },
];

impl Reading {
    const fn messaging(&self) -> &MessagingStats {
        &self.stats.messaging
    }

    const fn datagrams(&self) -> &DatagramStats {
        &self.stats.membership.datagrams
    }
}

fn members(reading: &Reading, put: &mut Put<'_>) {
    use MemberState::{Alive, Dead, Left, Suspect};
    for state in [Alive, Suspect, Dead, Left] {
        let held = reading
            .members
            .iter()
            .filter(|member| member.state() == state);
        put(&[state.as_str()], held.count() as f64);
    }
}

fn pairs_without_udp(reading: &Reading, put: &mut Put<'_>) {
    let Some((local, others)) = reading.members.split_first() else {
        return;
    };
    let live = || others.iter().filter(|member| member.state().is_live());
    let lost = live().filter(|member| member.is_udp_unreachable()).count();
    let has_none = live()
        .filter(|member| !(local.record().udp && member.record().udp))
        .count();
    put(&["lost"], lost as f64);
    put(&["no_socket"], has_none as f64);
}

fn traffic(traffic: &[Traffic; Kind::ALL.len()], put: &mut Put<'_>, of: fn(&Traffic) -> u64) {
    for (kind, one) in Kind::ALL.iter().zip(traffic) {
        put(&[kind.as_str()], of(one) as f64);
    }
}

fn datagrams_dropped(reading: &Reading, put: &mut Put<'_>) {
    let stats = reading.datagrams();
    for (reason, count) in [
        ("bad_tag", stats.bad_tag),
        ("malformed", stats.malformed),
        ("other_cluster", stats.other_cluster),
        ("other_mode", stats.other_mode),
        ("other_recipient", stats.other_recipient),
        ("replayed", stats.replayed),
        ("unknown_key", stats.unknown_key),
        ("unknown_sender", stats.unknown_sender),
    ] {
        put(&[reason], count as f64);
    }
}

fn updates(reading: &Reading, put: &mut Put<'_>) {
    let stats = &reading.stats.membership.swim;
    let known = stats.updates_received.saturating_sub(stats.updates_news);
    put(&["true"], stats.updates_news as f64);
    put(&["false"], known as f64);
}

fn handshakes(reading: &Reading, put: &mut Put<'_>) {
    for handshake in &reading.handshakes {
        let side = if handshake.is_dialed {
            "dialer"
        } else {
            "listener"
        };
        let outcome = if handshake.code.is_none() {
            "secured"
        } else {
            "failed"
        };
        let code = handshake.code.map_or("", |code| code.as_str());
        let key_exchange = handshake.key_exchange.unwrap_or_default();
        put(&[side, outcome, code, key_exchange], handshake.count as f64);
    }
}

fn records(reading: &Reading, put: &mut Put<'_>) {
    if reading.certificates.is_none() {
        return;
    }
    let records = &reading.stats.membership.records;
    for (verdict, count) in [
        ("forged", records.forged),
        ("other_key", records.other_key),
        ("parked", records.parked),
        ("verified", records.verified),
    ] {
        put(&[verdict], count as f64);
    }
}

fn certificate_expiry(reading: &Reading, put: &mut Put<'_>) {
    let Some(status) = &reading.certificates else {
        return;
    };
    let soonest = status.soonest.as_ref().map(|soonest| soonest.not_after);
    let soonest = soonest.map_or(status.not_after, |other| other.min(status.not_after));
    put(&["own"], status.not_after.as_secs() as f64);
    put(&["soonest"], soonest.as_secs() as f64);
}
