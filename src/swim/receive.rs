//! What [`Swim`] makes of a body: first its updates, then its message.
//!
//! The updates come first, so that an answer already carries what they changed: a member told that it is suspect refutes
//! in the very ack. What the update part gets wrong does not spoil the message.

use super::relay::Relay;
use super::table::MemberIndex;
use super::{BodyError, Swim};
use crate::member::Generation;
use crate::sabotage::Sabotage;
use crate::time::Timestamp;
use crate::wire::message::{Body, Message, Updates};
use crate::wire::update::UpdateRef;

/// The sender of a body under way, one whose word counts.
#[derive(Debug)]
pub struct Sender(MemberIndex, Generation);

impl Swim {
    /// A body has come from the member that the header, or a proven link, names.
    ///
    /// # Errors
    ///
    /// [`BodyError`] says what was left out; the driver counts it and goes on.
    pub fn handle_body(
        &mut self,
        now: Timestamp,
        from: &str,
        from_generation: Generation,
        body: &Body<'_>,
    ) -> Result<(), BodyError> {
        let from = self.sender(from, from_generation)?;
        let mut outcome = Ok(());
        let mut updates = body.updates();
        loop {
            self.stats.updates_received += self.skip_known(&mut updates);
            let Some(update) = updates.next() else {
                break;
            };
            match update {
                Ok(update) => {
                    self.apply(now, &update);
                }
                Err(error) => {
                    self.stats.bodies_malformed += 1;
                    outcome = Err(BodyError::Malformed(error));
                }
            }
        }
        self.handle_message(now, from, from_generation, &body.message);
        self.finish(now);
        outcome
    }

    /// Begins a body whose records the parent checks one by one: [`Swim::next_news`], [`Swim::handle_update`] for what it
    /// believes, and in the end [`Swim::close_body`]. In between, nothing else may be done.
    ///
    /// # Errors
    ///
    /// [`BodyError`] when the sender's word does not count.
    pub fn open_body(
        &mut self,
        from: &str,
        from_generation: Generation,
    ) -> Result<Sender, BodyError> {
        let index = self.sender(from, from_generation)?;
        Ok(Sender(index, from_generation))
    }

    /// The next update of a body, past all that tell nothing new.
    ///
    /// # Errors
    ///
    /// [`BodyError::Malformed`] ends the updates.
    pub fn next_news<'a>(
        &mut self,
        now: Timestamp,
        updates: &mut Updates<'a>,
    ) -> Option<Result<UpdateRef<'a>, BodyError>> {
        self.stats.updates_received += self.skip_no_news(now, updates);
        updates.next().map(|update| {
            update.map_err(|error| {
                self.stats.bodies_malformed += 1;
                BodyError::Malformed(error)
            })
        })
    }

    /// Takes in one update that the parent believes.
    pub fn handle_update(&mut self, now: Timestamp, update: &UpdateRef<'_>) {
        self.apply(now, update);
    }

    /// Ends a body: takes its message.
    pub fn close_body(&mut self, now: Timestamp, from: Sender, message: &Message<'_>) {
        self.handle_message(now, from.0, from.1, message);
        self.finish(now);
    }

    /// A member has shown on a proven link that it is up: by a probe frame, or the start of a push-pull. Where it is
    /// suspect or held dead it is told so at once, and refutes.
    pub fn handle_contact(&mut self, now: Timestamp, from: &str, from_generation: Generation) {
        let Ok(from) = self.sender(from, from_generation) else {
            return;
        };
        if self.charge(from).is_some() {
            self.send_by_frame(from);
        }
        self.finish(now);
    }

    /// The row of a sender, if this is the life we hold.
    fn sender(&mut self, from: &str, got: Generation) -> Result<MemberIndex, BodyError> {
        let is_believed = self.untrusted.version(from).is_none();
        let Some(index) = self.table.find(from).filter(|_| is_believed) else {
            self.stats.bodies_unknown += 1;
            return Err(BodyError::UnknownSender);
        };
        let held = self.table.version(index).generation;
        if got != held {
            self.stats.bodies_unknown += 1;
            return Err(BodyError::OtherLife { got, held });
        }
        Ok(index)
    }

    fn handle_message(
        &mut self,
        now: Timestamp,
        from: MemberIndex,
        from_generation: Generation,
        message: &Message<'_>,
    ) {
        let live = self.table.version(from).state.is_live();
        match *message {
            Message::Ping { probe, .. } => self.acknowledge(from, from_generation, probe),
            Message::Ack {
                probe,
                generation,
                view,
            } => {
                let counts = !self.saboteur.does(Sabotage::AcksIgnored);
                if counts && generation == self.local.record().generation {
                    self.handle_ack(now, from, probe, view);
                }
            }
            // Whoever speaks while held dead hears of it, and refutes.
            Message::Gossip | Message::Nack { .. } | Message::PingReq { .. } if !live => {
                self.send(from, &Message::Gossip);
            }
            Message::Gossip => {}
            Message::Nack { probe, generation } => {
                let counts = !self.saboteur.does(Sabotage::NacksIgnored);
                if counts && generation == self.local.record().generation {
                    self.probes.handle_nack(probe, from);
                }
            }
            Message::PingReq { probe, target } => {
                self.handle_ping_req(now, from, from_generation, (probe, target));
            }
        }
    }

    fn acknowledge(&mut self, to: MemberIndex, generation: Generation, probe: u64) {
        let view = self.view_hash();
        self.send(
            to,
            &Message::Ack {
                probe,
                generation,
                view,
            },
        );
    }

    fn handle_ack(&mut self, now: Timestamp, from: MemberIndex, probe: u64, view: u64) {
        if let Some(probe) = self.probes.handle_ack(probe, from) {
            self.handle_direct_ack(now, &probe);
        } else if let Some(relay) = self.relays.handle_ack(probe, from) {
            self.acknowledge(relay.asker, relay.generation, relay.probe);
        } else {
            self.handle_farewell_ack(probe, from);
        }
        self.compare_hash(now, from, view);
    }

    /// Probes a member for someone else; a nack says at once that we know none of that name.
    fn handle_ping_req(
        &mut self,
        now: Timestamp,
        asker: MemberIndex,
        generation: Generation,
        (probe, target): (u64, &str),
    ) {
        if target == self.local.id().as_str() {
            self.acknowledge(asker, generation, probe);
            return;
        }
        let known = self.table.find(target);
        let Some(target) = known.filter(|index| self.table.version(*index).state.is_live()) else {
            self.send(asker, &Message::Nack { probe, generation });
            return;
        };
        let relay = Relay {
            asker,
            generation,
            probe,
            target,
        };
        let number = self.next_number();
        let times = (
            self.params.probe_timeout,
            self.params.effective_probe_interval(),
        );
        if self.relays.start(now, number, relay, times) {
            self.ping(target, number);
        } else {
            self.stats.relays_refused += 1;
        }
    }
}
