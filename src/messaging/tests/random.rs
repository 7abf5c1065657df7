//! Stories and bytes by chance, from a seed that a failure names.

use std::collections::{BTreeMap, BTreeSet};

use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng, SeedableRng};

use super::*;

struct Chance(Pcg64);

impl Chance {
    fn new(seed: u64) -> Self {
        Self(Pcg64::seed_from_u64(seed))
    }

    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end
    }

    fn len(&mut self, max: u32) -> usize {
        let max = u64::from(max) + 1;
        // Short ones are frequent.
        let len = if self.below(2) == 0 {
            self.below(max)
        } else {
            self.below(max.min(20))
        };
        usize::try_from(len).unwrap()
    }
}

fn options(chance: &mut Chance) -> SessionOptions {
    let mut upto = |max: u64| u32::try_from(1 + chance.below(max)).unwrap();
    SessionOptions {
        message_len_max: upto(200_000),
        requests_window: upto(400_000),
        replies_window: upto(400_000),
        calls_max: upto(6),
        streams_max: upto(4),
        stream_window: upto(5_000),
        ..SessionOptions::default()
    }
}

/// The byte at `at` of what a call or stream carries.
fn byte(of: u64, at: usize) -> u8 {
    (of as usize * 7 + at * 31 % 251) as u8
}

fn bytes(of: u64, from: usize, len: usize) -> Bytes {
    (from..from + len).map(|at| byte(of, at)).collect()
}

/// What one end has begun, and what has become of it.
#[derive(Default)]
struct Ledger {
    /// Calls that have not ended, by their ids, and the number that their payload and subject are made of.
    pending: BTreeMap<CallId, (u64, bool, usize)>,
    /// The numbers of the calls of the peer that this end was offered, and accepted or answered well.
    offered: BTreeSet<u64>,
    taken: BTreeSet<u64>,
    unsent: BTreeSet<u64>,
    acknowledged: BTreeSet<u64>,
    /// Calls of the peer that wait for an answer.
    called: Vec<Called>,
    accepted: Vec<ServedId>,
    streams: BTreeMap<StreamId, Open>,
}

/// A stream as one end sees it.
#[derive(Default)]
struct Open {
    is_open: bool,
    sent: usize,
    read: usize,
    is_finished: bool,
    is_broken: bool,
    has_ended: bool,
}

struct Story {
    chance: Chance,
    now: Timestamp,
    ends: [End; 2],
    ledgers: [Ledger; 2],
    calls: u64,
    /// All bytes that have been carried.
    said: Vec<u8>,
    seed: u64,
    /// No end has given up a stream by chance: everything must arrive.
    is_gentle: bool,
}

impl Story {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let ends = [
            End::new(Side::Dialer, options(&mut chance)),
            End::new(Side::Listener, options(&mut chance)),
        ];
        Self {
            is_gentle: chance.below(2) == 0,
            chance,
            now: START,
            ends,
            ledgers: Default::default(),
            calls: 0,
            said: Vec::new(),
            seed,
        }
    }

    fn step(&mut self) {
        let who = usize::try_from(self.chance.below(2)).unwrap();
        match self.chance.below(12) {
            0 => self.call(who),
            1 => self.open(who),
            2 | 3 => self.write(who),
            4 | 5 => self.read(who),
            6 | 7 => self.serve(who),
            8 if !self.is_gentle => self.give_up(who),
            9 => self.pass_time(),
            _ => {
                let max = self.chance.len(100_000);
                self.carry(who, max);
            }
        }
        self.hear(who);
    }

    fn call(&mut self, who: usize) {
        self.calls += 1;
        let number = self.calls;
        let max = self.ends[who].session.options().message_len_max;
        let len = self.chance.len(max);
        let wants_reply = self.chance.below(3) > 0;
        let call = NewCall {
            subject: &number.to_string(),
            message: Message::plain(bytes(number, 0, len)),
            wants_reply,
            deadline: self.now + Duration::from_millis(self.chance.below(4_000)),
        };
        match self.ends[who].session.call(self.now, call) {
            Ok(id) => {
                let call = (number, wants_reply, len);
                self.ledgers[who].pending.insert(id, call);
            }
            Err(CallError::TooLarge { .. }) => {}
            Err(error) => panic!("seed {}: {error}", self.seed),
        }
    }

    fn open(&mut self, who: usize) {
        let deadline = self.now + Duration::from_secs(60);
        let id = self.ends[who].session.open_stream(self.now, "s", deadline);
        self.ledgers[who]
            .streams
            .insert(id.unwrap(), Open::default());
    }

    fn some_stream(&mut self, who: usize) -> Option<StreamId> {
        let open: Vec<_> = self.ledgers[who]
            .streams
            .iter()
            .filter(|(_, open)| open.is_open)
            .map(|(id, _)| *id)
            .collect();
        let count = u64::try_from(open.len()).unwrap();
        (count > 0).then(|| open[usize::try_from(self.chance.below(count)).unwrap()])
    }

    fn write(&mut self, who: usize) {
        let Some(id) = self.some_stream(who) else {
            return;
        };
        let len = 1 + self.chance.len(90_000);
        let is_last = self.chance.below(8) == 0;
        let session = &mut self.ends[who].session;
        let open = self.ledgers[who].streams.get_mut(&id).unwrap();
        if open.is_finished || open.is_broken {
            return;
        }
        // Each direction has bytes of its own.
        let of = id.number() * 2 + who as u64;
        match session.write(id, bytes(of, open.sent, len)) {
            Ok(Taken::All) => open.sent += len,
            Ok(Taken::Back(_)) => {}
            Err(error) => {
                assert!(!self.is_gentle, "seed {}: {error}", self.seed);
                open.is_broken = true;
            }
        }
        if is_last && !open.is_broken {
            open.is_finished = session.finish(id).is_ok();
        }
    }

    fn read(&mut self, who: usize) {
        if let Some(id) = self.some_stream(who) {
            self.read_from(who, id);
        }
    }

    fn read_from(&mut self, who: usize, id: StreamId) {
        let open = self.ledgers[who].streams.get_mut(&id).unwrap();
        let of = id.number() * 2 + (1 - who) as u64;
        match self.ends[who].session.read(id) {
            Ok(Read::Bytes(got)) => {
                assert!(got == bytes(of, open.read, got.len()), "seed {}", self.seed);
                open.read += got.len();
            }
            Ok(Read::End) => open.has_ended = true,
            Ok(Read::Nothing) => {}
            Err(error) => {
                assert!(!self.is_gentle, "seed {}: {error}", self.seed);
                open.has_ended = true;
            }
        }
    }

    /// Answers, accepts or releases a call of the peer.
    fn serve(&mut self, who: usize) {
        let ledger = &mut self.ledgers[who];
        let session = &mut self.ends[who].session;
        if let Some(id) = ledger.accepted.pop() {
            session.release(self.now, id);
        } else if !ledger.called.is_empty() {
            let count = u64::try_from(ledger.called.len()).unwrap();
            let index = usize::try_from(self.chance.below(count)).unwrap();
            let called = ledger.called.swap_remove(index);
            let number = called.subject.parse().unwrap();
            if !called.wants_reply && session.accept(self.now, called.id) {
                ledger.taken.insert(number);
                ledger.accepted.push(called.id);
            } else if self.chance.below(5) == 0 {
                let failure = Failure::HandlerFailed("by chance".to_owned());
                session.answer(self.now, called.id, Err(failure));
            } else {
                session.answer(self.now, called.id, Ok(called.message));
            }
        }
    }

    fn give_up(&mut self, who: usize) {
        // What has ended already is told all the same.
        self.hear(who);
        if self.chance.below(2) == 0 {
            if let Some((id, _)) = self.ledgers[who].pending.pop_first() {
                self.ends[who].session.cancel(self.now, id);
            }
            return;
        }
        let Some(id) = self.some_stream(who) else {
            return;
        };
        let session = &mut self.ends[who].session;
        match self.chance.below(3) {
            0 => {
                session.reset(id, 1);
                self.ledgers[who].streams.get_mut(&id).unwrap().is_broken = true;
            }
            1 => session.stop(id, 2),
            _ => {
                session.drop_stream(self.now, id);
                self.ledgers[who].streams.remove(&id);
            }
        }
    }

    fn pass_time(&mut self) {
        self.now += Duration::from_millis(self.chance.below(100));
        for end in &mut self.ends {
            end.session.handle_timeout(self.now);
        }
        self.hear(0);
        self.hear(1);
    }

    fn carry(&mut self, from: usize, max: usize) -> usize {
        let bytes = self.ends[from].take_out(self.now, max);
        if !bytes.is_empty() {
            self.ends[1 - from].put_in(self.now, &bytes);
        }
        self.said.extend_from_slice(&bytes);
        bytes.len()
    }

    /// Takes the events of an end, and holds it to its bounds.
    fn hear(&mut self, who: usize) {
        let session = &mut self.ends[who].session;
        let ledger = &mut self.ledgers[who];
        while let Some(event) = session.poll_event() {
            match event {
                Event::Answered { id, result } => {
                    let call = ledger.pending.remove(&id);
                    let (number, wants_reply, len) = call.expect("ends once, and not if cancelled");
                    match result {
                        Ok(reply) if wants_reply => {
                            assert_eq!(reply.decode(), Ok(bytes(number, 0, len)));
                        }
                        Ok(_) => {
                            ledger.acknowledged.insert(number);
                        }
                        Err(error) => {
                            if error.delivery() == Delivery::NotSent {
                                ledger.unsent.insert(number);
                            }
                        }
                    }
                }
                Event::Called(called) => {
                    ledger.offered.insert(called.subject.parse().unwrap());
                    ledger.called.push(called);
                }
                Event::StreamOffered { id, .. } => {
                    assert!(session.accept_stream(id));
                    let is_open = true;
                    let open = Open {
                        is_open,
                        ..Open::default()
                    };
                    ledger.streams.insert(id, open);
                }
                Event::StreamAnswered { id, result } => {
                    if let Some(open) = ledger.streams.get_mut(&id) {
                        open.is_open = result.is_ok();
                    }
                }
                Event::CallerGone(_) | Event::Readable(_) | Event::Settled | Event::Writable(_) => {
                }
            }
        }
        assert_eq!(session.ending(), None, "seed {}", self.seed);
        let ours = session.options().settings();
        let windows = ours.requests_window + ours.replies_window * 2;
        let streams = (ours.streams_max + 4_000) as usize;
        let bound = windows as usize * 2 + streams * 4_096 + (16 << 20);
        let held = session.held();
        assert!(held <= bound, "seed {}: {held} bytes", self.seed);
    }

    /// Carries everything, serves everybody and reads to the end, until nothing moves.
    fn settle(&mut self) {
        let mut quiet = 0;
        while quiet < 3 {
            quiet += 1;
            for who in [0, 1] {
                let ids: Vec<_> = self.ledgers[who].streams.keys().copied().collect();
                for id in ids {
                    let open = self.ledgers[who].streams.get_mut(&id).unwrap();
                    if open.is_open && !open.is_finished && !open.is_broken {
                        open.is_finished = self.ends[who].session.finish(id).is_ok();
                        open.is_broken = !open.is_finished;
                    }
                    let before = open.read;
                    if open.is_open {
                        self.read_from(who, id);
                        if self.ledgers[who].streams[&id].read > before {
                            quiet = 0;
                        }
                    }
                }
                while !self.ledgers[who].called.is_empty() || !self.ledgers[who].accepted.is_empty()
                {
                    self.serve(who);
                }
                if self.carry(who, usize::MAX) > 0 {
                    quiet = 0;
                }
                self.hear(0);
                self.hear(1);
            }
        }
    }

    fn check(&mut self) {
        let seed = self.seed;
        for who in [0, 1] {
            let (near, far) = (&self.ledgers[who], &self.ledgers[1 - who]);
            assert!(near.pending.is_empty(), "seed {seed}: {:?}", near.pending);
            let unsent = near.unsent.intersection(&far.offered).count();
            assert_eq!(unsent, 0, "seed {seed}: not sent, and yet offered");
            assert!(near.acknowledged.is_subset(&far.taken), "seed {seed}");
            for (id, open) in &near.streams {
                let Some(other) = far.streams.get(id).filter(|_| self.is_gentle) else {
                    continue;
                };
                assert!(other.has_ended, "seed {seed}: {id:?} has no end");
                assert_eq!(other.read, open.sent, "seed {seed}: {id:?}");
            }
        }
        for who in [0, 1] {
            for id in std::mem::take(&mut self.ledgers[who].streams).into_keys() {
                self.ends[who].session.drop_stream(self.now, id);
            }
        }
        self.settle();
        for end in &self.ends {
            assert_eq!(end.session.calls(), 0, "seed {seed}");
            assert_eq!(end.session.streams(), 0, "seed {seed}");
            assert!(end.session.idle_since().is_some() && !end.session.has_output());
        }
    }
}

#[test]
fn every_call_ends_once_and_every_stream_arrives_whole() {
    for seed in 0..150 {
        let mut story = Story::new(seed);
        for _ in 0..400 {
            story.step();
        }
        story.settle();
        story.check();
    }
}

#[test]
fn one_seed_gives_one_story() {
    let told = |seed| {
        let mut story = Story::new(seed);
        for _ in 0..300 {
            story.step();
        }
        story.said
    };
    let (once, again) = (told(5), told(5));
    assert!(!once.is_empty() && once == again);
}

#[test]
fn nothing_hangs_when_a_connection_ends_in_the_middle() {
    for seed in 0..100 {
        let mut story = Story::new(seed);
        for _ in 0..200 {
            story.step();
        }
        story.hear(0);
        story.hear(1);
        for (who, end) in story.ends.iter_mut().enumerate() {
            end.session.handle_closed(story.now);
            for event in end.events() {
                if let Event::Answered { id, result } = event {
                    assert!(story.ledgers[who].pending.remove(&id).is_some());
                    assert!(result.is_err(), "seed {seed}");
                }
            }
            let pending = &story.ledgers[who].pending;
            assert!(pending.is_empty(), "seed {seed}: {pending:?}");
            for id in story.ledgers[who].streams.keys() {
                while let Ok(Read::Bytes(_)) = end.session.read(*id) {}
                assert_ne!(end.session.read(*id), Ok(Read::Nothing), "seed {seed}");
                assert!(end.session.write_slice(*id, b"x").is_err(), "seed {seed}");
            }
            assert_eq!(end.session.next_timeout(), None);
        }
    }
}

/// What two ends have said in a story, changed by chance, is fed to a third: it ends with a violation, or goes on within
/// bounds.
#[test]
fn changed_bytes_never_panic() {
    let mut violations = 0;
    for seed in 0..100 {
        let mut story = Story::new(seed);
        let mut said = Vec::new();
        for _ in 0..80 {
            let who = usize::try_from(story.chance.below(2)).unwrap();
            let bytes = story.ends[0].take_out(story.now, 50_000);
            if !bytes.is_empty() {
                story.ends[1].put_in(story.now, &bytes);
                said.extend_from_slice(&bytes);
            }
            match who {
                0 => story.call(0),
                _ => story.open(0),
            }
            story.write(0);
            story.serve(1);
            story.carry(1, 10_000);
            story.hear(0);
            story.hear(1);
        }
        let mut victim = End::new(Side::Listener, *story.ends[1].session.options());
        for _ in 0..1 + story.chance.below(10) {
            let at = story.chance.below(said.len() as u64);
            said[usize::try_from(at).unwrap()] = story.chance.below(256) as u8;
        }
        for chunk in said.chunks(1_000 + story.chance.len(9_000)) {
            victim.put_in(START, chunk);
            victim.events();
            victim
                .session
                .poll_transmit(START, &mut victim.out, BURST_LEN);
            assert!(victim.buffer.len() < 80_000 && victim.out.len() < 4 * BURST_LEN);
            assert!(victim.session.held() < 32 << 20, "seed {seed}");
        }
        violations += usize::from(victim.violation().is_some());
    }
    assert!(violations > 10, "{violations} of 100 noticed");
}
