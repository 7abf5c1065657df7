//! The book in `docs/`: its commands are run as they stand, its links lead somewhere, and its contents list every page.

mod commands;
mod links;
mod page;
mod programs;
mod session;
