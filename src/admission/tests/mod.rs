//! Stories of two and more nodes, in plaintext and over TLS. The world they live in fails a test in which anything secret is
//! sent before both ends of a connection are proven.

mod bounds;
mod connection;
mod join;
mod messages;
mod rehearsal;
mod token;
mod world;
