//! A history of calls, and whether it is linearizable: whether each call can have happened at one moment between its beginning and
//! its end, so that together they are what one copy of the values would have done.
//!
//! The keys are independent of each other, so each is judged alone (Herlihy and Wing 1990, locality). The search is that of Wing
//! and Gong (1993), with what was tried remembered (Lowe 2017): a state is which calls have happened, and the value then.

use std::collections::{BTreeMap, HashSet};

/// Moments, in any unit.
pub(crate) type Moment = u64;

/// One call by one client.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) key: String,
    pub(crate) what: What,
    pub(crate) begun: Moment,
    /// `None`: nobody knows what became of it. It may have happened at any moment after it was begun, or may not have.
    pub(crate) ended: Option<Moment>,
}

/// What a call did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Wrote(String),
    Read(Option<String>),
}

/// How many keys and calls were judged, or what cannot be.
pub(crate) fn judge(history: &[Call]) -> Result<(usize, usize), String> {
    let mut by_key: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
    for call in history {
        by_key.entry(&call.key).or_default().push(call);
    }
    for (key, calls) in &mut by_key {
        let count = calls.len();
        calls.retain(|call| matters(call, history));
        calls.sort_by_key(|call| call.begun);
        Search::new(calls)
            .run()
            .map_err(|stuck| format!("{key}, of {count} calls: {stuck}"))?;
    }
    Ok((by_key.len(), history.len()))
}

/// A read without an answer says nothing; nor does a write without one that nobody has ever read.
fn matters(call: &Call, history: &[Call]) -> bool {
    let What::Wrote(value) = &call.what else {
        return call.ended.is_some();
    };
    let read = What::Read(Some(value.clone()));
    call.ended.is_some()
        || history
            .iter()
            .any(|other| other.key == call.key && other.what == read)
}

struct Search<'a> {
    calls: &'a [&'a Call],
    /// Which have happened, a bit for each.
    happened: Vec<u64>,
    /// Those in order, each with the value before it.
    order: Vec<(usize, Option<&'a str>)>,
    value: Option<&'a str>,
    tried: HashSet<(Vec<u64>, Option<&'a str>)>,
    /// How many calls must happen, and how many of them have.
    needed: usize,
    done: usize,
    /// The most that ever had, and which call ended first among those that had not.
    deepest: (usize, Option<usize>),
}

impl<'a> Search<'a> {
    fn new(calls: &'a [&'a Call]) -> Self {
        Self {
            calls,
            happened: vec![0; calls.len().div_ceil(64)],
            order: Vec::new(),
            value: None,
            tried: HashSet::new(),
            needed: calls.iter().filter(|call| call.ended.is_some()).count(),
            done: 0,
            deepest: (0, None),
        }
    }

    fn run(mut self) -> Result<(), String> {
        let mut from = 0;
        while self.done < self.needed {
            if let Some(next) = self.next(from) {
                self.happen(next);
                from = 0;
            } else if let Some(last) = self.undo() {
                from = last + 1;
            } else {
                let (done, stuck) = self.deepest;
                let stuck = stuck.map(|index| self.calls[index]);
                return Err(format!("no order beyond {done} calls, before {stuck:?}"));
            }
        }
        Ok(())
    }

    /// The first call, counted from `from`, that can be next: none that has not happened ended before it began, it read what is
    /// there, and what follows from it was not tried before.
    fn next(&mut self, from: usize) -> Option<usize> {
        let mut first_end = Moment::MAX;
        let mut ends_first = None;
        for (index, call) in self.calls.iter().enumerate() {
            if self.has_happened(index) {
                continue;
            }
            if call.begun > first_end {
                break;
            }
            if let Some(ended) = call.ended.filter(|ended| *ended < first_end) {
                first_end = ended;
                ends_first = Some(index);
            }
            if index >= from && self.fits(call) && self.is_new(index) {
                return Some(index);
            }
        }
        if self.done >= self.deepest.0 {
            self.deepest = (self.done, ends_first);
        }
        None
    }

    fn fits(&self, call: &Call) -> bool {
        match &call.what {
            What::Read(value) => value.as_deref() == self.value,
            What::Wrote(_) => true,
        }
    }

    fn is_new(&mut self, index: usize) -> bool {
        let mut happened = self.happened.clone();
        happened[index / 64] |= 1 << (index % 64);
        self.tried.insert((happened, self.value_after(index)))
    }

    fn value_after(&self, index: usize) -> Option<&'a str> {
        match &self.calls[index].what {
            What::Read(value) => value.as_deref(),
            What::Wrote(value) => Some(value),
        }
    }

    fn has_happened(&self, index: usize) -> bool {
        self.happened[index / 64] >> (index % 64) & 1 == 1
    }

    fn happen(&mut self, index: usize) {
        self.order.push((index, self.value));
        self.value = self.value_after(index);
        self.happened[index / 64] |= 1 << (index % 64);
        self.done += usize::from(self.calls[index].ended.is_some());
    }

    fn undo(&mut self) -> Option<usize> {
        let (index, value) = self.order.pop()?;
        self.value = value;
        self.happened[index / 64] &= !(1 << (index % 64));
        self.done -= usize::from(self.calls[index].ended.is_some());
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;
    use rand::SeedableRng;
    use rand_pcg::Pcg64;

    use super::*;

    fn call(what: What, begun: Moment, ended: impl Into<Option<Moment>>) -> Call {
        Call {
            key: "x".to_owned(),
            what,
            begun,
            ended: ended.into(),
        }
    }

    fn wrote(value: u64) -> What {
        What::Wrote(value.to_string())
    }

    fn read(value: u64) -> What {
        What::Read(Some(value.to_string()))
    }

    #[test]
    fn calls_at_the_same_time_may_happen_in_either_order() {
        let mut history = vec![call(wrote(1), 0, 10), call(wrote(2), 0, 10)];
        history.push(call(read(1), 11, 12));
        assert_eq!(judge(&history), Ok((1, 3)));
        history[2].what = read(2);
        assert_eq!(judge(&history), Ok((1, 3)));
    }

    #[test]
    fn a_stale_read_is_seen() {
        let stale = [
            call(wrote(1), 0, 1),
            call(wrote(2), 2, 3),
            call(read(1), 4, 5),
        ];
        judge(&stale).unwrap_err();
        let lost = [call(wrote(1), 0, 1), call(What::Read(None), 2, 3)];
        judge(&lost).unwrap_err();
        let to_and_fro = [
            call(wrote(1), 0, 1),
            call(wrote(2), 2, 9),
            call(read(2), 3, 4),
            call(read(1), 5, 6),
        ];
        judge(&to_and_fro).unwrap_err();
        let invented = [call(read(3), 0, 1)];
        judge(&invented).unwrap_err();
    }

    #[test]
    fn a_write_of_unknown_fate_may_happen_late_or_never_but_not_before_it_began() {
        let history = |what, begun, ended| {
            [
                call(wrote(1), 0, 1),
                call(wrote(2), 2, None),
                call(read(1), 3, 4),
                call(what, begun, ended),
            ]
        };
        assert!(judge(&history(read(2), 5, 6)).is_ok());
        assert!(judge(&history(read(1), 5, 6)).is_ok());
        assert!(judge(&history(read(2), 0, 1)).is_err());
    }

    /// Histories are made by a register that knows when each call happens; one read of it is then made older.
    #[test]
    fn what_one_register_does_passes_and_one_stale_read_among_it_does_not() {
        for seed in 0..20 {
            println!("seed {seed}");
            let mut rng = Pcg64::seed_from_u64(seed);
            let (mut history, mut value) = (Vec::new(), None::<u64>);
            let mut overwritten = Vec::new();
            for step in 1..400 {
                // Calls overlap with up to four others on either side.
                let at = step * 10;
                let (begun, ended) = (
                    at - rng.random_range(1..40).min(at),
                    at + rng.random_range(1..40),
                );
                if rng.random_bool(0.5) {
                    overwritten.extend(value.replace(step));
                    let is_known = rng.random_bool(0.9);
                    history.push(call(wrote(step), begun, is_known.then_some(ended)));
                } else {
                    let value = value.map(|value| value.to_string());
                    history.push(call(What::Read(value), begun, ended));
                }
            }
            judge(&history).unwrap();
            // Another value was there after it, and nobody writes it again.
            let stale = overwritten[rng.random_range(0..overwritten.len())];
            history.push(call(read(stale), 5_000, 5_001));
            judge(&history).unwrap_err();
        }
    }
}
