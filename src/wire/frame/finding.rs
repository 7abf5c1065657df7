//! What a member has found out about others.

use bincode::{BorrowDecode, Encode};

use crate::wire::refusal::Code;

/// The longest detail that travels, in bytes.
pub const DETAIL_LEN_MAX: usize = 400;

/// Why somebody is not believed, or not reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The word for it.
    pub code: Code,
    /// Whether the other end refused the speaker; otherwise the speaker has found it.
    pub by_peer: bool,
    /// What is wrong, for people; at most [`DETAIL_LEN_MAX`] bytes.
    pub detail: String,
}

impl Fault {
    /// A fault that the speaker has found.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            by_peer: false,
            detail: cut(detail.into()),
        }
    }
}

/// What came of dialling one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its id.
    pub id: String,
    /// What is wrong; nothing if both ends are proven.
    pub fault: Option<Fault>,
}

/// A fault as it travels.
pub(super) type WireFault = (u16, bool, String);

/// A finding as it travels.
#[derive(Encode, BorrowDecode)]
pub(super) struct WireFinding {
    id: String,
    fault: Option<WireFault>,
}

impl From<&Finding> for WireFinding {
    fn from(finding: &Finding) -> Self {
        Self {
            id: finding.id.clone(),
            fault: finding.fault.as_ref().map(to_wire),
        }
    }
}

impl From<WireFinding> for Finding {
    fn from(wire: WireFinding) -> Self {
        Self {
            id: wire.id,
            fault: wire.fault.map(from_wire),
        }
    }
}

pub(super) fn to_wire(fault: &Fault) -> WireFault {
    (
        fault.code.number(),
        fault.by_peer,
        cut(fault.detail.clone()),
    )
}

/// Whatever a peer writes is shown to people, so nothing of it may steer a terminal.
pub(super) fn from_wire((code, by_peer, detail): WireFault) -> Fault {
    Fault {
        code: Code::from_number(code),
        by_peer,
        detail: cut(detail.replace(char::is_control, " ")),
    }
}

fn cut(mut detail: String) -> String {
    detail.truncate(detail.floor_char_boundary(DETAIL_LEN_MAX));
    detail
}
