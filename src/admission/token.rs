//! The join token: the second factor, proven by both ends of a join and sent by neither.

use super::Admission;
use super::link::LinkId;
use crate::wire::hello::Side;
use crate::wire::refusal::Code;

impl Admission {
    /// Our proof for a connection on which both ends have said hello; `None` if no token is configured here.
    pub(super) fn prove_token(&self, link: LinkId) -> Option<[u8; 32]> {
        let token = self.local.options.token.as_ref()?;
        let connection = self.links.get(&link)?.connection.as_ref()?;
        let statement = connection.token_statement(connection.side())?;
        Some(token.prove(&statement))
    }

    /// Judges the other end's proof. Without a token here whatever it says is as good as nothing.
    pub(super) fn check_token(&self, link: LinkId, proof: Option<[u8; 32]>) -> Result<(), Code> {
        let Some(token) = &self.local.options.token else {
            return Ok(());
        };
        let proof = proof.ok_or(Code::TokenRequired)?;
        let connection = self.links[&link].connection.as_ref();
        let connection = connection.expect("it is open");
        let far: Side = connection.side().other();
        let statement = connection.token_statement(far);
        let statement = statement.expect("both ends of a proven connection have said hello");
        match token.verify(&statement, &proof) {
            true => Ok(()),
            false => Err(Code::TokenMismatch),
        }
    }
}
