//! Real nodes on loopback sockets, and what somebody on the same host who has no credentials can do to them.

mod cluster;
mod connections;
mod datagrams;
mod injector;
mod tap;
