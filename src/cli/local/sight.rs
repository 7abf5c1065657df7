//! [`Sight`]: who sees whom at one moment.

use std::collections::BTreeMap;

use hyper::Uri;
use tokio::task::JoinSet;

use super::plan::Plan;
use crate::admin::MemberView;
use crate::cli::client;
use crate::cli::output::table;
use crate::member::MemberState;

/// What every node says of every node; a node that does not answer says nothing.
pub(super) struct Sight {
    ids: Vec<u16>,
    /// By observer, then by the id of the member observed.
    seen: BTreeMap<u16, BTreeMap<String, MemberState>>,
}

impl Sight {
    /// Asks all nodes at once.
    pub(super) async fn take(plan: &Plan) -> Self {
        let mut asked = JoinSet::new();
        for node in &plan.nodes {
            let (id, admin) = (node.id, node.admin());
            asked.spawn(async move {
                let base: Uri = format!("http://{admin}")
                    .parse()
                    .expect("an address is a URI's authority");
                let members: Vec<MemberView> = client::get(&base, "/members").await.ok()?;
                let states = members.into_iter().map(|member| (member.id, member.state));
                Some((id, states.collect()))
            });
        }
        let seen = asked.join_all().await.into_iter().flatten().collect();
        let ids = plan.nodes.iter().map(|node| node.id).collect();
        Self { ids, seen }
    }

    /// Whether every node sees every node alive.
    pub(super) fn is_whole(&self) -> bool {
        self.ids.iter().all(|observer| !self.is_blind(*observer))
    }

    /// The first node that does not see every node alive.
    pub(super) fn first_blind(&self) -> u16 {
        let mut ids = self.ids.iter().copied();
        ids.find(|observer| self.is_blind(*observer))
            .unwrap_or_default()
    }

    /// One line per observer.
    pub(super) fn draw(&self) -> String {
        let header = self.ids.iter().map(|id| format!("sees {id}"));
        let mut table = table(["node".to_owned()].into_iter().chain(header));
        for observer in &self.ids {
            let of = |id| self.word(*observer, id);
            table.add_row(
                [observer.to_string()]
                    .into_iter()
                    .chain(self.ids.iter().map(of)),
            );
        }
        table.trim_fmt()
    }

    fn is_blind(&self, observer: u16) -> bool {
        let sees_alive = |id: &u16| self.state(observer, *id) == Some(MemberState::Alive);
        !self.ids.iter().all(sees_alive)
    }

    fn word(&self, observer: u16, id: &u16) -> String {
        match (self.seen.contains_key(&observer), self.state(observer, *id)) {
            (_, Some(state)) => state.to_string(),
            (true, None) => "-".to_owned(),
            (false, None) => "no answer".to_owned(),
        }
    }

    fn state(&self, observer: u16, id: u16) -> Option<MemberState> {
        self.seen.get(&observer)?.get(&id.to_string()).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_whole_when_all_see_all_alive() {
        use MemberState::{Alive, Suspect};
        let row = |zero, one| BTreeMap::from([("0".to_owned(), zero), ("1".to_owned(), one)]);
        let sight = |rows: &[(u16, BTreeMap<_, _>)]| Sight {
            ids: vec![0, 1],
            seen: rows.iter().cloned().collect(),
        };
        assert!(sight(&[(0, row(Alive, Alive)), (1, row(Alive, Alive))]).is_whole());
        let doubting = sight(&[(0, row(Alive, Alive)), (1, row(Suspect, Alive))]);
        assert_eq!((doubting.is_whole(), doubting.first_blind()), (false, 1));
        assert!(doubting.draw().contains("suspect"));
        let silent = sight(&[(0, row(Alive, Alive))]);
        assert_eq!((silent.is_whole(), silent.first_blind()), (false, 1));
        assert!(silent.draw().contains("no answer"));
    }
}
