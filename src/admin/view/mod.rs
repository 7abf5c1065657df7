//! The shapes of the answers in JSON. Names are those of the code; times are RFC 3339 in UTC, durations milliseconds.
//!
//! | module | shapes |
//! |---|---|
//! | `members` | members, one of them, who is connected to whom and who suspects whom |
//! | `events` | what happened |
//! | `certificates` | certificates, who verifies whom, what a reload put in force |
//! | `refusals` | who was refused, and who is not believed |
//! | `settings` | the configuration in force |
//! | `words` | which words there are for states, roles, codes and events |

mod certificates;
mod events;
mod members;
mod refusals;
mod settings;
mod words;

pub use certificates::{
    CertificatesView, ExaminedView, ExpiryView, KeysView, MemberCertificateView, ReloadView,
};
#[cfg(test)]
pub(super) use events::KINDS;
pub use events::{EventView, EventsView, MissedView, SnapshotView};
pub use members::{
    ConnectionView, LinkView, MemberDetailView, MemberView, PairView, SuspicionView, TlsView,
    TopologyView,
};
pub use refusals::{RefusalView, UntrustedView};
pub use settings::{SettingView, SourceView};

use std::error::Error;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorView {
    /// In one line, with all causes.
    pub error: String,
}

impl ErrorView {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { error: text.into() }
    }
}

impl From<&dyn Error> for ErrorView {
    fn from(error: &dyn Error) -> Self {
        let causes = std::iter::successors(Some(error), |error| (*error).source());
        let texts: Vec<_> = causes.map(ToString::to_string).collect();
        Self::new(texts.join(": "))
    }
}
