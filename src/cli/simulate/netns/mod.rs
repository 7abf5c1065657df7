//! Scenarios with real processes, in network namespaces of this machine, in real time: `phalanx simulate --runner netns`.
//!
//! Each node is this very program, started as an operator would start it: settings in a file, its place in the environment.
//! What it sees is read from its log.
//!
//! | module | owns |
//! |---|---|
//! | `ability` | what cannot be done with real processes |
//! | `lab` | the namespaces, and what passes between them |
//! | `log` | what a node's log says of members |
//! | `runner` | carrying out a plan |

mod ability;
mod lab;
mod log;
mod runner;

pub(super) use ability::check;
pub(super) use runner::NetnsRunner;
