//! Two nodes in one process: the second joins through the first, sees who is there, and leaves.

use std::error::Error;
use std::time::Duration;

use phalanx::{Event, Node, NodeEvent};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let node = |id| Node::builder().member_id(id).bind("127.0.0.1:0");
    let one = node("1").start().await?;
    let two = node("2").contact_point(one.addr()).start().await?;
    two.joined().await?;
    for member in two.members().iter() {
        println!(
            "{} at {} is {}",
            member.record().id,
            member.record().addr,
            member.state()
        );
    }
    let mut events = one.events();
    two.leave(Duration::from_secs(5)).await;
    while let Some(event) = events.next().await {
        if let NodeEvent::Happened(Event::MemberLeft(member)) = event {
            println!("{} has left", member.id);
            break;
        }
    }
    Ok(())
}
