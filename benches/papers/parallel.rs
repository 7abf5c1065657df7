//! Many runs on all processors.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::thread;

/// Runs `each` for every input and returns what came of it in the order of the inputs. `PAPERS_JOBS` sets how many run at a time;
/// by default one on each processor.
pub(crate) fn map<I: Sync, O: Send>(inputs: &[I], each: impl Fn(&I) -> O + Sync) -> Vec<O> {
    let next = Mutex::new(inputs.iter().enumerate());
    let done = Mutex::new(Vec::new());
    let work = || {
        loop {
            let Some((place, input)) = next.lock().expect("nobody panics with it").next() else {
                return;
            };
            let output = each(input);
            done.lock()
                .expect("nobody panics with it")
                .push((place, output));
        }
    };
    thread::scope(|scope| {
        for _ in 0..jobs() {
            scope.spawn(work);
        }
    });
    let mut done = done.into_inner().expect("nobody panics with it");
    done.sort_unstable_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, output)| output).collect()
}

fn jobs() -> usize {
    let asked = std::env::var("PAPERS_JOBS")
        .ok()
        .and_then(|jobs| jobs.parse().ok());
    asked.unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZeroUsize::get))
}
