//! Connections that carry messages: taken out of the world of frames, and reported when they are over.

use super::Driver;
use crate::admission::LinkId;
use crate::membership::Membership;

impl Driver {
    /// Takes over a connection whose two ends are proven.
    pub(super) fn hand_over(&mut self, link: LinkId) {
        // Nothing speaks on it yet.
        self.forget(link);
        self.over.push(link);
    }

    /// Tells the core which of them are over in good order.
    pub(super) fn report_over(&mut self) {
        for link in std::mem::take(&mut self.over) {
            self.feed(|core: &mut Membership, now| core.disconnect(now, link));
        }
    }
}
