//! Stories of two and more nodes, in plaintext and over TLS.

mod join;
#[expect(dead_code, reason = "the other stories come next")]
mod world;
