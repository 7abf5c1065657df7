//! Every byte that travels: datagrams and frames, encoded with bincode under hard limits.
//!
//! | module | owns |
//! |---|---|
//! | [`codec`] | the one bincode configuration; nothing else in the crate calls bincode |
//! | [`datagram`] | the header and tag around one UDP payload |
//! | [`message`] | what a datagram says: probe messages, and the updates that ride on them |
//! | [`metadata`] | what applications say of their nodes, sealed for the way |
//! | [`peek`] | the first fields of an update, which tell whether it is known
//! | [`update`] | records and accusations, borrowed from the bytes they came in |
//! | [`frame`] | the length-prefixed unit of a connection, and its kinds |
//! | [`messages`] | what travels on a connection of messages, calls and streams |
//! | [`correlation`] | what both ends of a connection call it in their logs |
//! | [`hello`] | how the two ends of a connection introduce themselves |
//! | [`refusal`] | the reason codes, one enum for wire, logs, JSON and docs |
//! | [`hash`] | the 64-bit hashes both ends must compute alike |
//!
//! Decoding never panics, never allocates more than the input justifies and refuses trailing bytes. A datagram's type has
//! no field for application bytes. The layouts are specified, byte by byte, in `docs/PROTOCOL.md`.

pub mod codec;
pub mod correlation;
pub mod datagram;
pub mod frame;
pub mod hash;
pub mod hello;
pub mod message;
pub mod messages;
pub mod metadata;
pub mod peek;
pub mod refusal;
pub mod update;
