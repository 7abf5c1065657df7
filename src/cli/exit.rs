//! [`Exit`]: how a command ends.

use std::process::ExitCode;

/// How a command ends; the numbers are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// The check failed.
    CheckFailed = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// The node could not start: a file, a key, a port, a name.
    CannotStart = 3,
    /// The cluster refused the node.
    Refused = 4,
    /// Stopped by a second signal, before it had said goodbye.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Prints what clap has to say: help and version are answers, the rest are errors.
pub(super) fn usage(error: &clap::Error) -> Exit {
    // Nobody is left to tell when the terminal is gone.
    let _ = error.print();
    if error.use_stderr() {
        Exit::Usage
    } else {
        Exit::Done
    }
}
