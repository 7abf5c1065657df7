//! [`Exit`]: how a command ends.

use std::process::ExitCode;

/// How a command ends; the numbers are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: the check failed.
    CheckFailed,
    /// 2: wrong usage, configuration or scenario.
    Usage,
    /// 3: the node could not start: a file, a key, a port, a name.
    CannotStart,
    /// 3 as well, of a simulation: one seed gave two different runs.
    NotRepeatable,
    /// 4: the cluster refused the node.
    Refused,
    /// 130: stopped by a second signal, before it had said goodbye.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::CheckFailed => 1,
            Exit::Usage => 2,
            Exit::CannotStart | Exit::NotRepeatable => 3,
            Exit::Refused => 4,
            Exit::Interrupted => 130,
        })
    }
}

/// The numbers, and what they mean to whoever started the command.
pub(super) const EXIT_CODES: [(u8, &str); 6] = [
    (0, "done; a node has left"),
    (
        1,
        "the check failed, a simulation did, or the node asked did not answer",
    ),
    (2, "wrong usage, configuration or scenario"),
    (
        3,
        "could not start: a file, a key, a port, a name; of `simulate`: one seed gave two runs",
    ),
    (
        4,
        "the cluster refused the node; standard error has the code, what it means and the remedy",
    ),
    (
        130,
        "stopped by a second signal, before it had said goodbye",
    ),
];

/// The same as the end of the help.
pub(super) fn legend() -> String {
    let lines = EXIT_CODES.map(|(number, meaning)| format!("  {number:<5}{meaning}\n"));
    format!("Exit codes:\n{}", lines.concat().trim_end())
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
