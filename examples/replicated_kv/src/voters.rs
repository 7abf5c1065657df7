//! Who votes: every broker that Phalanx sees, until it says goodbye. Whoever is only dead, or suspected to be, stays a voter: a
//! process that died comes back with its log, and a majority that shrinks with every crash would be none.

use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

use openraft::{ChangeMembers, EmptyNode};
use phalanx::Node;
use phalanx::member::{MemberState, Role};
use tokio::time::{sleep, timeout};

use crate::{Id, Raft};

/// How long a change may take, and a newcomer to receive what there is.
const PATIENCE: Duration = Duration::from_secs(10);
/// When to look again though nothing happened: the last change may have failed.
const AGAIN: Duration = Duration::from_secs(1);

/// Keeps Raft's voters in step with Phalanx's members wherever this node leads, until the node ends. An event says only that it
/// is time to look; what counts is what is seen then, so that none can be missed.
pub(crate) async fn follow(node: Node, raft: Raft, id: Id) {
    let mut events = node.events();
    let mut metrics = raft.server_metrics();
    loop {
        tokio::select! {
            event = events.next() => if event.is_none() { return },
            changed = metrics.changed() => if changed.is_err() { return },
            () = sleep(AGAIN) => {}
        }
        if metrics.borrow_and_update().current_leader != Some(id) {
            continue;
        }
        match timeout(PATIENCE, adapt(&node, &raft)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => eprintln!("the voters stay as they are for now: {error}"),
            Err(_) => eprintln!("the voters stay as they are for now: no answer in time"),
        }
    }
}

async fn adapt(node: &Node, raft: &Raft) -> Result<(), Box<dyn Error + Send + Sync>> {
    let voters = voters(raft);
    for member in node.members().iter() {
        let Ok(id) = member.id().as_str().parse() else {
            continue;
        };
        let is_voter = voters.contains(&id);
        let change = match member.state() {
            MemberState::Alive if !is_voter && member.record().role == Role::Broker => {
                // First it listens, until it has what the others have: its vote must not hold anybody up.
                raft.add_learner(id, EmptyNode {}, true).await?;
                ChangeMembers::AddVoterIds([id].into())
            }
            MemberState::Left if is_voter => ChangeMembers::RemoveVoters([id].into()),
            _ => continue,
        };
        raft.change_membership(change, false).await?;
        eprintln!("the voters are {:?}", self::voters(raft));
    }
    Ok(())
}

/// Who votes now, by id.
pub(crate) fn voters(raft: &Raft) -> BTreeSet<Id> {
    let metrics = raft.metrics();
    let metrics = metrics.borrow();
    metrics.membership_config.voter_ids().collect()
}
