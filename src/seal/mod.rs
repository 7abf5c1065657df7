//! The gossip keys: what datagrams are tagged with, and what a member proves itself with. All secrets come from one seed.
//!
//! | module | owns |
//! |---|---|
//! | `secrets` | [`Seed`] and [`Secrets`]: everything unguessable, derived from 32 bytes |
//! | `identity` | [`GossipKeyPair`]: the Ed25519 pair of one life |
//! | `keyring` | [`Keyring`]: the symmetric keys shared by the cluster |
//! | `tag` | the tag of one datagram, and [`Sequence`] |
//! | `replay` | [`Replay`]: no datagram counts twice |
//! | `token` | [`JoinToken`]: the second factor of a join |
//!
//! Left to others: how datagrams are laid out (`wire`), who is given a key (`admission`), when news of keys is spread
//! (`membership`).
//!
//! Sources: RFC 2104 (HMAC), RFC 8032 (Ed25519), `docs/PROTOCOL.md`.

mod identity;
mod keyring;
mod replay;
mod secrets;
mod tag;
mod token;

pub use identity::{GossipKeyPair, verify};
pub use keyring::{EPOCH_JUMP_MAX, GossipKey, KEYRING_LEN_MAX, Keyring};
pub use replay::{REPLAY_WINDOW_LEN, Replay};
pub use secrets::{Secrets, Seed};
pub use tag::{Sequence, TagError};
pub use token::{JoinToken, TOKEN_LEN_MAX, TOKEN_LEN_MIN, TokenError};
