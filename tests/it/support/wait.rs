//! Waiting for a condition, under a deadline.

use std::thread;
use std::time::{Duration, Instant};

/// Looks until `look` finds what it wants, and returns that.
///
/// # Panics
///
/// When `patience` is over; the message has what `look` saw last.
#[expect(
    clippy::disallowed_methods,
    reason = "a deadline for real processes runs on the real clock"
)]
pub(crate) fn wait_until<T>(
    what: &str,
    patience: Duration,
    mut look: impl FnMut() -> Result<T, String>,
) -> T {
    let start = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) if start.elapsed() > patience => {
                panic!("waited {patience:?} until {what}; last seen: {seen}")
            }
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);

#[test]
fn a_wait_returns_what_was_found() {
    let mut looks = 0;
    let found = wait_until("the third look", Duration::from_secs(60), || {
        looks += 1;
        if looks == 3 {
            Ok(looks)
        } else {
            Err(looks.to_string())
        }
    });
    assert_eq!(found, 3);
}

#[test]
#[should_panic(expected = "until it rains; last seen: sunshine")]
fn a_wait_in_vain_says_what_was_seen_last() {
    wait_until("it rains", Duration::ZERO, || -> Result<(), String> {
        Err("sunshine".to_owned())
    });
}
