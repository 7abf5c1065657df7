//! What is said of a member: its id, its life, its state, its record, and which record supersedes which.
//!
//! Nothing here sends, stores or verifies anything; every floor above speaks in these types.

pub(crate) mod contact;
mod generation;
mod id;
mod metadata;
mod record;
mod state;

pub use contact::{ContactPoint, ContactPointError, HostError};
pub use generation::{Generation, Incarnation};
pub use id::{MEMBER_ID_LEN_MAX, MemberId, MemberIdError};
pub use metadata::{
    METADATA_ENTRIES_MAX, METADATA_KEY_LEN_MAX, METADATA_LEN_MAX, Metadata, MetadataError,
};
pub use record::{
    IntroductionTag, MemberRecord, MetadataStamp, MetadataTag, ProtocolRange, Role, Standing,
};
pub use state::{MemberState, MemberVersion};
