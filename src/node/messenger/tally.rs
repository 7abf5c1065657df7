//! [`Tally`]: how calls of this node ended, for its operators.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::error::MessageError;
use crate::swim::RoundTrips;

/// How this node's own requests and one-way messages ended, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallOutcomes {
    /// Those that succeeded, by how long they took: a request until its reply, a message until it was taken.
    pub succeeded: RoundTrips,
    failed: [u64; MessageError::NAMES.len()],
}

impl CallOutcomes {
    /// How many failed, by the name of the error, in order of the alphabet.
    pub fn failed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        MessageError::NAMES.into_iter().zip(self.failed)
    }
}

/// Counts them.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<CallOutcomes>);

impl Tally {
    pub(super) fn note<T>(&self, took: Duration, outcome: &Result<T, MessageError>) {
        let mut outcomes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(_) => outcomes.succeeded.note(took),
            Err(error) => {
                let names = &MessageError::NAMES;
                let index = names.iter().position(|name| *name == error.name());
                outcomes.failed[index.expect("every name is listed")] += 1;
            }
        }
    }

    pub(super) fn outcomes(&self) -> CallOutcomes {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messaging::Delivery;
    use crate::wire::refusal::Code;

    #[test]
    fn every_end_of_a_call_is_counted_under_its_name() {
        let (code, delivery) = (Code::Busy, Delivery::NotSent);
        let (len, max, message) = (2, 1, String::new());
        let errors = [
            MessageError::Closed { code, delivery },
            MessageError::HandlerFailed { message },
            MessageError::InvalidSubject { len },
            MessageError::NoHandler,
            MessageError::NodeStopped { delivery },
            MessageError::NotAMember,
            MessageError::Refused { code },
            MessageError::ReplyTooLarge { len, max },
            MessageError::TimedOut { delivery },
            MessageError::TooLarge { len, max },
            MessageError::Unreachable { code },
        ];
        assert!(MessageError::NAMES.is_sorted());
        let tally = Tally::default();
        for error in errors {
            let shown = format!("{error:?}");
            assert!(shown.starts_with(error.name()), "{shown}");
            tally.note::<()>(Duration::ZERO, &Err(error));
        }
        tally.note(Duration::from_millis(3), &Ok(()));
        let outcomes = tally.outcomes();
        assert!(outcomes.failed().all(|(_, count)| count == 1));
        assert_eq!(outcomes.succeeded.count(), 1);
        assert_eq!(outcomes.succeeded.sum, Duration::from_millis(3));
    }
}
