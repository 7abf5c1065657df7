//! [`Addresses`]: who is reached where, now and before.

use std::net::SocketAddr;

use foldhash::HashMap;

use super::NodeId;

/// Every address that a node has, or had.
#[derive(Debug, Default)]
pub(super) struct Addresses(HashMap<SocketAddr, Place>);

/// One address.
#[derive(Debug, Default)]
struct Place {
    holder: Option<NodeId>,
    former: Vec<NodeId>,
}

impl Addresses {
    /// Gives an address to a node. Whoever held it is no longer reached there.
    pub(super) fn take(&mut self, addr: SocketAddr, node: NodeId) {
        let place = self.0.entry(addr).or_default();
        place.former.extend(place.holder.replace(node));
    }

    /// A node is no longer reached at this address, if it still was.
    pub(super) fn leave(&mut self, addr: SocketAddr, node: NodeId) {
        if let Some(place) = self.0.get_mut(&addr)
            && place.holder == Some(node)
        {
            place.former.extend(place.holder.take());
        }
    }

    /// Who is reached there.
    pub(super) fn holder(&self, addr: SocketAddr) -> Option<NodeId> {
        self.0.get(&addr).and_then(|place| place.holder)
    }

    /// Everybody who is or was reached there.
    pub(super) fn ever(&self, addr: SocketAddr) -> impl Iterator<Item = NodeId> {
        let place = self.0.get(&addr).into_iter();
        place.flat_map(|place| place.holder.into_iter().chain(place.former.iter().copied()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_to_its_last_holder_and_remembers_the_others() {
        let (a, b) = (NodeId(0), NodeId(1));
        let addr = |host| SocketAddr::from(([10, 0, 0, host], 1));
        let mut addrs = Addresses::default();
        addrs.take(addr(1), a);
        addrs.take(addr(2), b);
        addrs.take(addr(1), b);
        assert_eq!(addrs.holder(addr(1)), Some(b));
        addrs.leave(addr(1), a);
        assert_eq!(addrs.holder(addr(1)), Some(b));
        addrs.leave(addr(2), b);
        assert_eq!(addrs.holder(addr(2)), None);
        assert_eq!(addrs.ever(addr(1)).collect::<Vec<_>>(), [b, a]);
        assert_eq!(addrs.ever(addr(2)).collect::<Vec<_>>(), [b]);
        assert_eq!(addrs.ever(addr(3)).count(), 0);
    }
}
