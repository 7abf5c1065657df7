//! Who was refused, and who is not believed.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::words::CodeName;
use crate::admin::refused::meaning_and_remedy;
use crate::membership::{Refusal, UntrustedMember};
use crate::time::Utc;
use crate::wire::refusal::Code;

/// How often one code was the reason of a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefusalView {
    /// The reason: the name of a [`Code`].
    #[schemars(with = "CodeName")]
    pub code: Code,
    /// What that means.
    pub meaning: String,
    /// What to do about it.
    pub remedy: String,
    /// How often since the start, by this node or of it.
    pub count: u64,
    /// The peer of the last one.
    #[schemars(with = "String")]
    pub last_peer: SocketAddr,
    /// When the last one was, in UTC (RFC 3339).
    pub last_at: String,
    /// What the logs, refusals and events of both ends call the connection of the last one: 8 hexadecimal digits.
    pub last_correlation: Option<String>,
}

/// A member that others see and the node that answers does not believe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UntrustedView {
    /// The member id.
    pub id: String,
    /// The address it advertises.
    #[schemars(with = "String")]
    pub address: SocketAddr,
    /// Why the node does not believe it.
    #[schemars(with = "CodeName")]
    pub code: Code,
}

impl From<Refusal> for RefusalView {
    fn from(refusal: Refusal) -> Self {
        let (meaning, remedy) = meaning_and_remedy(refusal.code);
        Self {
            code: refusal.code,
            meaning: meaning.to_owned(),
            remedy: remedy.to_owned(),
            count: refusal.count,
            last_peer: refusal.last_peer,
            last_at: Utc(refusal.last_at).to_string(),
            last_correlation: refusal.last_correlation.map(|id| id.to_string()),
        }
    }
}

impl From<UntrustedMember> for UntrustedView {
    fn from(untrusted: UntrustedMember) -> Self {
        Self {
            id: untrusted.record.id.to_string(),
            address: untrusted.record.addr,
            code: untrusted.code,
        }
    }
}
