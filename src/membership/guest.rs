//! [`Guest`]: a node that takes no part. It can prove itself as the node it would be, and rehearse its joins; it has no view,
//! no gossip key and nobody to let in.

use super::joining::{admission_options, introduction_fields, local_record};
use super::{Options, Seed};
use crate::admission::{Admission, Credentials, Identity};
use crate::member::Generation;
use crate::seal::{GossipKeyPair, Secrets};
use crate::time::Timestamp;
use crate::wire::hello::Introduction;
use crate::wire::update::{encode_record, record_body, record_statement};

/// See the [module documentation](self). Its driver drains the admission within, answers no
/// [`Action::JudgeJoin`](crate::admission::Action::JudgeJoin) but as busy, and lets no member in.
#[derive(Debug)]
pub(crate) struct Guest {
    options: Options,
    generation: Generation,
    gossip: GossipKeyPair,
    pub(crate) admission: Admission,
}

impl Guest {
    /// The node of these options, in a life of this generation.
    pub(crate) fn new(options: Options, generation: Generation, seed: Seed) -> Self {
        let mut secrets = Secrets::new(seed);
        Self {
            gossip: secrets.gossip_key_pair(),
            admission: Admission::new(admission_options(&options), secrets.fork("admission")),
            options,
            generation,
        }
    }

    /// With TLS: what the certificate's key is to sign before it can be introduced.
    pub(crate) fn unsigned(&self) -> Option<Vec<u8>> {
        let fields = introduction_fields(&self.options, self.generation, &self.gossip, 0)?;
        Some(fields.encode())
    }

    /// Gives it what it shows of itself: with TLS, the introduction signed.
    pub(crate) fn introduce(&mut self, now: Timestamp, introduction: Option<Introduction>) {
        let tag = introduction.as_ref().map(|signed| signed.hash().tag());
        let record = local_record(&self.options, self.generation, tag);
        let statement = record_statement(&self.options.cluster, &record_body(&record));
        let credentials = introduction.map(|introduction| Credentials {
            gossip: self.gossip.clone(),
            introduction,
        });
        let signature = credentials
            .as_ref()
            .map(|held| held.gossip.sign(&statement));
        let signature = signature.as_ref().map_or(&[][..], |bytes| bytes);
        self.admission.set_identity(
            now,
            Identity {
                generation: self.generation,
                record: encode_record(&record, signature),
                credentials,
            },
        );
    }
}
