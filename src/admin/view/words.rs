//! Which words there are for states, roles, codes and events, for the document.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::events::KINDS;
use crate::wire::refusal::Code;

macro_rules! words {
    ($( $(#[doc = $doc:literal])+ $name:ident = $words:expr, )+) => {$(
        $(#[doc = $doc])+
        pub(super) struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "enum": $words })
            }
        }
    )+};
}

words! {
    /// The name of a code.
    CodeName = Code::ALL.iter().map(|code| code.as_str()).collect::<Vec<_>>(),
    /// The name of an event.
    KindName = KINDS.map(|(name, _)| name),
    /// What kind of node a member is.
    RoleName = ["broker", "gateway"],
    /// What a member is held to be.
    StateName = ["alive", "suspect", "dead", "left"],
}
