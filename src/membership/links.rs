//! [`Links`]: the proven connections at hand, whom they lead to, and what waits for one to come up.
//!
//! Connections are symmetric and pooled: whoever dialled, either end may use them. What needs a connection that is not
//! there yet waits, bounded, while one is dialled.

use std::collections::{BTreeMap, BTreeSet};

use crate::admission::LinkId;
use crate::member::{Generation, MemberId};
use crate::time::Timestamp;

/// The most proven connections kept; the one idle longest is closed to make room.
pub(super) const LINKS_MAX: usize = 128;
/// The most jobs that wait for one connection; further ones are dropped, as datagrams would be.
const JOBS_MAX: usize = 16;

/// What waits for a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// The question of this number, of an examination.
    Ask(u64),
    /// A gossip body for a member without a datagram socket.
    Body(Vec<u8>),
    /// A request for introductions that records name.
    Introductions,
    /// A request for metadata that records name.
    Metadata,
    /// A fallback probe.
    Probe(u64),
    /// A push-pull.
    PushPull,
}

/// The other end of a proven connection.
#[derive(Clone, Debug)]
pub(super) struct Far {
    pub(super) id: MemberId,
    pub(super) generation: Generation,
    used: Timestamp,
}

#[derive(Debug)]
struct Dial {
    link: LinkId,
    jobs: Vec<Job>,
}

/// The pool.
#[derive(Debug, Default)]
pub(super) struct Links {
    proven: BTreeMap<LinkId, Far>,
    by_member: BTreeMap<MemberId, BTreeSet<LinkId>>,
    dials: BTreeMap<MemberId, Dial>,
    /// Members at whose address somebody else goes by their id.
    displaced: BTreeSet<MemberId>,
}

impl Links {
    /// A connection is proven. Returns the jobs that waited for it, and a connection to close if there are too many.
    pub(super) fn insert(
        &mut self,
        now: Timestamp,
        link: LinkId,
        id: &MemberId,
        generation: Generation,
    ) -> (Vec<Job>, Option<LinkId>) {
        self.proven.insert(
            link,
            Far {
                id: id.clone(),
                generation,
                used: now,
            },
        );
        self.by_member.entry(id.clone()).or_default().insert(link);
        self.displaced.remove(id);
        let jobs = self
            .dials
            .remove(id)
            .map(|dial| dial.jobs)
            .unwrap_or_default();
        let surplus = (self.proven.len() > LINKS_MAX).then(|| {
            let idle = self
                .proven
                .iter()
                .filter(|(other, _)| **other != link)
                .min_by_key(|(_, far)| far.used);
            *idle.expect("more than one").0
        });
        (jobs, surplus)
    }

    /// A connection is gone. Returns whom it led to, and whether that was the last one there.
    pub(super) fn remove(&mut self, link: LinkId) -> Option<(Far, bool)> {
        let far = self.proven.remove(&link)?;
        let links = self
            .by_member
            .get_mut(&far.id)
            .expect("every proven link is listed by member");
        links.remove(&link);
        let last = links.is_empty();
        if last {
            self.by_member.remove(&far.id);
        }
        Some((far, last))
    }

    /// A dial for waiting jobs has failed. Returns the jobs.
    pub(super) fn dial_failed(&mut self, link: LinkId) -> Option<(MemberId, Vec<Job>)> {
        let id = self
            .dials
            .iter()
            .find(|(_, dial)| dial.link == link)
            .map(|(id, _)| id.clone())?;
        let dial = self.dials.remove(&id).expect("just found");
        Some((id, dial.jobs))
    }

    /// The connection to use for a member, if there is one.
    pub(super) fn to(&mut self, now: Timestamp, id: &MemberId) -> Option<LinkId> {
        let link = *self.by_member.get(id)?.first()?;
        self.proven
            .get_mut(&link)
            .expect("every listed link is proven")
            .used = now;
        Some(link)
    }

    /// Lets a job wait for a dial under way; gives it back if there is none.
    pub(super) fn enqueue(&mut self, id: &MemberId, job: Job) -> Result<(), Job> {
        let Some(dial) = self.dials.get_mut(id) else {
            return Err(job);
        };
        if dial.jobs.len() < JOBS_MAX && !dial.jobs.contains(&job) {
            dial.jobs.push(job);
        }
        Ok(())
    }

    /// Notes that a member is being dialled for a job.
    pub(super) fn dialling(&mut self, id: &MemberId, link: LinkId, job: Job) {
        self.dials.insert(
            id.clone(),
            Dial {
                link,
                jobs: vec![job],
            },
        );
    }

    /// Somebody with another key has answered under this member's id at its address.
    pub(super) fn displace(&mut self, id: MemberId) {
        self.displaced.insert(id);
    }

    /// Whether that was so when this member's address was last answered at.
    pub(super) fn is_displaced(&self, id: &MemberId) -> bool {
        self.displaced.contains(id)
    }

    /// The member is forgotten.
    pub(super) fn forget(&mut self, id: &MemberId) {
        self.displaced.remove(id);
    }

    /// Who is at the other end of a proven connection.
    pub(super) fn far(&self, link: LinkId) -> Option<&Far> {
        self.proven.get(&link)
    }

    /// All connections to lives of a member up to this one.
    pub(super) fn all_to(&self, id: &MemberId, generation: Generation) -> Vec<LinkId> {
        let links = self.by_member.get(id).into_iter().flatten().copied();
        links
            .filter(|link| {
                self.proven
                    .get(link)
                    .is_some_and(|far| far.generation <= generation)
            })
            .collect()
    }

    /// All of them, by name, with whom they lead to.
    pub(super) fn iter(&self) -> impl Iterator<Item = (LinkId, &MemberId)> {
        self.proven.iter().map(|(link, far)| (*link, &far.id))
    }

    pub(super) fn len(&self) -> usize {
        self.proven.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENERATION: Generation = Generation::new(1);

    fn id(text: &str) -> MemberId {
        MemberId::new(text).unwrap()
    }

    #[test]
    fn jobs_wait_for_the_dial_and_come_back_with_it() {
        let mut links = Links::default();
        let (now, a) = (Timestamp::ZERO, id("a"));
        let job = links.enqueue(&a, Job::Probe(1)).unwrap_err();
        links.dialling(&a, LinkId::dialed(0), job);
        links.enqueue(&a, Job::PushPull).unwrap();
        links.enqueue(&a, Job::PushPull).unwrap();
        let (jobs, surplus) = links.insert(now, LinkId::dialed(0), &a, GENERATION);
        assert_eq!((jobs, surplus), (vec![Job::Probe(1), Job::PushPull], None));
        assert_eq!(links.to(now, &a), Some(LinkId::dialed(0)));
        let (far, last) = links.remove(LinkId::dialed(0)).unwrap();
        assert_eq!((far.id, last), (a.clone(), true));
        assert_eq!(links.to(now, &a), None);
    }

    #[test]
    fn jobs_waiting_for_a_failed_dial_are_given_back() {
        let mut links = Links::default();
        links.dialling(&id("a"), LinkId::dialed(0), Job::Probe(1));
        for probe in 2..100 {
            links.enqueue(&id("a"), Job::Probe(probe)).unwrap();
        }
        let (failed, jobs) = links.dial_failed(LinkId::dialed(0)).unwrap();
        assert_eq!((failed, jobs.len()), (id("a"), JOBS_MAX));
        assert_eq!(links.dial_failed(LinkId::dialed(0)), None);
    }

    #[test]
    fn the_connection_idle_longest_makes_room() {
        let mut links = Links::default();
        for n in 0..LINKS_MAX as u64 {
            let (_, surplus) = links.insert(
                Timestamp::from_secs(n),
                LinkId::accepted(n),
                &id(&n.to_string()),
                GENERATION,
            );
            assert_eq!(surplus, None);
        }
        links.to(Timestamp::from_secs(1_000), &id("0"));
        let (_, surplus) = links.insert(
            Timestamp::from_secs(1_001),
            LinkId::accepted(999),
            &id("x"),
            GENERATION,
        );
        assert_eq!(surplus, Some(LinkId::accepted(1)));
    }
}
