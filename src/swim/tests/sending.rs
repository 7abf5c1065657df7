//! What goes out, how much, and in which order.

use super::*;
use crate::wire::datagram;

fn crowd(n: usize) -> Vec<MemberRecord> {
    (0..n)
        .map(|number| record(&format!("m{number}"), 1, 0))
        .collect()
}

#[test]
fn no_body_is_longer_than_its_datagram_allows_and_every_update_in_it_is_whole() {
    for (tagged, len_max) in [(false, 1_400), (true, 1_400), (true, DATAGRAM_LEN_MIN)] {
        let params = Params {
            tagged,
            datagram_len_max: len_max,
            ..Params::lan()
        };
        let mut swim = Swim::new(START, params, record("me", 1, 0), 7);
        for other in crowd(200) {
            hear_record(&mut swim, START, &other);
        }
        let mut fullest = 0;
        for action in run_until(&mut swim, START + Duration::from_secs(20)) {
            if let Action::Send { to, body } = action {
                let len = datagram::overhead("me", to.as_str(), tagged) + body.len();
                assert!(len <= len_max, "{len} bytes");
                fullest = fullest.max(len);
                assert!(
                    Body::decode(&body)
                        .unwrap()
                        .updates()
                        .all(|update| update.is_ok())
                );
            }
        }
        assert!(fullest > len_max - 60, "only {fullest} bytes");
    }
}

#[test]
fn a_tick_sends_up_to_its_most_to_each_of_its_targets_and_hastens_the_push_pull() {
    let mut swim = knows(Params::lan(), &crowd(1_000));
    swim.exchanges.schedule(START + Duration::from_secs(9));
    swim.probe_at = START + Duration::from_secs(9);
    swim.handle_timeout(START);
    let actions = drain(&mut swim);
    let sends = sends(&actions);
    assert_eq!(sends.len(), 2 * GOSSIP_DATAGRAMS_MAX);
    let mut to: Vec<_> = sends.iter().map(|(to, _)| *to).collect();
    to.dedup();
    assert_eq!(to.len(), 2, "to two members, one after the other");
    assert_eq!(swim.exchanges.due(), START + Duration::from_secs(1));
}

#[test]
fn gossip_stops_when_everything_has_been_said_often_enough() {
    let mut swim = knows(Params::lan(), &crowd(3));
    let actions = run_until(&mut swim, START + Duration::from_secs(9));
    assert_eq!(swim.queue_len(), 0);
    let mut said = BTreeMap::new();
    for (_, body) in sends(&actions) {
        for update in Body::decode(body).unwrap().updates() {
            if let Ok(UpdateRef::Record(record)) = update {
                *said.entry(record.id.to_owned()).or_insert(0) += 1;
            }
        }
    }
    // n = 4: 3 · ⌈ln 5⌉ = 6
    assert_eq!(said.into_values().collect::<Vec<_>>(), [6, 6, 6]);
}

#[test]
fn a_broadcast_goes_to_all_members_of_a_small_cluster_and_to_some_of_a_larger() {
    for (others, expected) in [
        (1, 1),
        (BROADCAST_MEMBERS_MAX - 1, BROADCAST_MEMBERS_MAX - 1),
        (BROADCAST_MEMBERS_MAX, BROADCAST_FANOUT),
    ] {
        let mut swim = knows(Params::lan(), &crowd(others));
        let charge = accusation("me", (1, 0), Verdict::Suspect, "m0");
        hear(&mut swim, START, "m0", &Message::Gossip, &[charge]);
        assert_eq!(sends(&drain(&mut swim)).len(), expected, "{others} others");
    }
}

#[test]
fn a_known_update_leaves_no_trace() {
    let mut swim = knows(Params::lan(), &crowd(50));
    swim.queue.clear();
    let known: Vec<_> = crowd(30)
        .iter()
        .map(|record| encode_record(record, &[]))
        .collect();
    hear(&mut swim, START, "m0", &Message::Gossip, &known);
    assert_eq!(drain(&mut swim), []);
    assert_eq!(swim.queue_len(), 0);
    let stats = swim.stats();
    assert_eq!((stats.updates_received, stats.updates_news), (30, 0));
}

#[test]
fn to_a_member_that_datagrams_do_not_reach_news_goes_by_frame_and_probes_do_not() {
    let mut swim = knows(Params::lan(), &crowd(1));
    let index = swim.table.find("m0").unwrap();
    swim.table.set_udp_unreachable(index, true);
    let actions = run_until(&mut swim, START + Duration::from_secs(5));
    for action in &actions {
        let (bytes, by_frame) = match action {
            Action::Send { body, .. } => (body, false),
            Action::SendFrame { body, .. } => (body, true),
            _ => continue,
        };
        let is_gossip = Body::decode(bytes).unwrap().message == Message::Gossip;
        assert_eq!(is_gossip, by_frame);
    }
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::SendFrame { .. }))
    );
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::Send { .. }))
    );
}
