//! [`Connection`]: one connection from raw to proven.
//!
//! ```text
//! dialer                                   listener
//!   |---- Hello, proof ---------------------->|
//!   |<--- WantIntroduction -------------------|   if h(I) is unknown there
//!   |---- Introduction ---------------------->|   verified by the driver
//!   |                                         |   the dialer is proven here
//!   |<--- Hello, proof -----------------------|
//!   |---- WantIntroduction ------------------>|   if h(I) is unknown here
//!   |<--- Introduction -----------------------|
//!   |   the listener is proven here           |
//!   |---- Ready ----------------------------->|   both ends are proven: other frames may pass
//! ```
//!
//! The listener speaks second, and only to a proven dialer. A peer is proven once its introduction is verified here, says
//! the same as its hello, names the certificate that TLS has seen (where it has seen one), and its gossip key has signed
//! this connection's exporter value: a relay, or a hop that terminates TLS, has another. Without TLS the exchange is the
//! same, without introductions and proofs, and proves nothing.

use super::action::Peer;
use super::introductions::Introductions;
use super::link::{LinkId, Opened, ProvenLink};
use super::local::Local;
use crate::seal;
use crate::time::Timestamp;
use crate::wire::correlation::CorrelationId;
use crate::wire::frame::Frame;
use crate::wire::hello::{
    Channel, Hello, Introduction, IntroductionFields, IntroductionHash, Purpose, Side,
    proof_statement, token_statement,
};
use crate::wire::refusal::Code;

/// How many bytes a peer may send before it is proven, frame headers included.
pub const UNPROVEN_LEN_MAX: usize = 32 * 1024;

#[derive(Debug)]
pub(super) struct Connection {
    link: LinkId,
    opened: Opened,
    stage: Stage,
    received_len: usize,
    is_introduced: bool,
    ours: Option<Hello>,
    theirs: Option<Heard>,
}

/// What is awaited of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Hello,
    Introduction,
    /// Nothing: its introduction is being verified.
    Verdict,
    /// Nothing: whether we want to talk to it is being judged.
    Judgement,
    Ready,
    /// Anything: it is proven, and so are we to it.
    Proven,
}

#[derive(Debug)]
struct Heard {
    hello: Hello,
    encoded: Vec<u8>,
    proof: Vec<u8>,
    leaf: Option<[u8; 32]>,
}

/// What a frame has led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// A frame to send; the peer's next one is awaited.
    Answer(Frame),
    /// The peer is who it says. Go on with [`Connection::greet`] (listener) or [`Connection::ready`] (dialer), or refuse.
    Identified,
    /// Both ends are proven.
    Up,
    /// An introduction to verify, then [`Connection::handle_verified`].
    Verify(Introduction),
}

impl Connection {
    pub(super) const fn new(link: LinkId, opened: Opened) -> Self {
        Self {
            link,
            opened,
            stage: Stage::Hello,
            received_len: 0,
            is_introduced: false,
            ours: None,
            theirs: None,
        }
    }

    /// Says our hello: a dialer at once, a listener to an identified peer.
    pub(super) fn greet(&mut self, local: &Local, hello: Hello) -> Frame {
        let encoded = hello.encode();
        let proof = local.prove(self.opened.side, &self.opened.channel, &encoded);
        self.ours = Some(hello);
        if self.opened.side == Side::Listener {
            debug_assert_eq!(self.stage, Stage::Judgement);
            self.stage = Stage::Ready;
        }
        Frame::Hello {
            hello: encoded,
            proof,
        }
    }

    /// Tells the identified listener that it is proven here.
    pub(super) fn ready(&mut self) -> Frame {
        debug_assert_eq!(self.stage, Stage::Judgement);
        self.stage = Stage::Proven;
        Frame::Ready
    }

    /// Takes a frame on a connection that is not proven yet.
    pub(super) fn handle_frame(
        &mut self,
        now: Timestamp,
        local: &Local,
        known: &Introductions,
        frame: Frame,
    ) -> Result<Progress, Code> {
        self.received_len += frame.encode().len();
        if self.received_len > UNPROVEN_LEN_MAX {
            return Err(Code::ProtocolViolation);
        }
        match (self.stage, frame) {
            (Stage::Hello, Frame::Hello { hello, proof }) => {
                self.hear(local, hello, proof)?;
                self.identify(now, known)
            }
            (Stage::Hello | Stage::Ready, Frame::WantIntroduction) => self.introduce(local),
            (Stage::Introduction, Frame::Introduction(introduction)) => {
                if Some(introduction.hash()) != self.introduction() {
                    return Err(Code::ProtocolViolation);
                }
                self.stage = Stage::Verdict;
                Ok(Progress::Verify(introduction))
            }
            (Stage::Ready, Frame::Ready) => {
                self.stage = Stage::Proven;
                Ok(Progress::Up)
            }
            _ => Err(Code::ProtocolViolation),
        }
    }

    /// The introduction asked for is among `known` now.
    pub(super) fn handle_verified(
        &mut self,
        now: Timestamp,
        known: &Introductions,
    ) -> Result<Progress, Code> {
        match self.identify(now, known)? {
            // Expired between two looks.
            Progress::Answer(_) => Err(Code::CertificateExpired),
            progress => Ok(progress),
        }
    }

    fn hear(&mut self, local: &Local, encoded: Vec<u8>, proof: Vec<u8>) -> Result<(), Code> {
        let hello = Hello::decode(&encoded).map_err(|_| Code::ProtocolViolation)?;
        let verdict = local.check(&self.opened.channel, &hello, &proof);
        let repeats = self
            .ours
            .as_ref()
            .is_none_or(|ours| ours.purpose == hello.purpose);
        // Kept even if refused: the log names who it was.
        self.theirs = Some(Heard {
            hello,
            encoded,
            proof,
            leaf: None,
        });
        verdict?;
        if repeats {
            Ok(())
        } else {
            Err(Code::ProtocolViolation)
        }
    }

    fn introduce(&mut self, local: &Local) -> Result<Progress, Code> {
        // A listener shows its introduction only to a proven dialer, a dialer after its hello.
        let may = self.ours.is_some() && !self.is_introduced;
        let introduction = local.introduction(&self.opened.channel);
        let introduction = introduction.filter(|_| may);
        self.is_introduced = true;
        let introduction = introduction.ok_or(Code::ProtocolViolation)?;
        Ok(Progress::Answer(Frame::Introduction(introduction.clone())))
    }

    /// Proves the peer if its introduction is known, else asks for it.
    fn identify(&mut self, now: Timestamp, known: &Introductions) -> Result<Progress, Code> {
        let theirs = self.theirs.as_mut().expect("identified by its hello");
        if let Some(hash) = theirs.hello.introduction {
            let Some(introduced) = known.get(now, &hash) else {
                self.stage = Stage::Introduction;
                return Ok(Progress::Answer(Frame::WantIntroduction));
            };
            theirs.prove(&self.opened, introduced.fields())?;
        }
        self.stage = Stage::Judgement;
        Ok(Progress::Identified)
    }
}

// What is known of it.
impl Connection {
    /// The connection as a proven one, if it is.
    pub(super) fn proven(&self) -> Option<ProvenLink> {
        (self.stage == Stage::Proven).then(|| ProvenLink::new(self.link))
    }

    /// Whether the peer is proven here and waits for our word.
    pub(super) fn is_judged(&self) -> bool {
        self.stage == Stage::Judgement
    }

    pub(super) fn is_verified(&self) -> bool {
        self.stage == Stage::Verdict
    }

    pub(super) const fn channel(&self) -> &Channel {
        &self.opened.channel
    }

    pub(super) const fn side(&self) -> Side {
        self.opened.side
    }

    pub(super) const fn ours(&self) -> Option<&Hello> {
        self.ours.as_ref()
    }

    pub(super) fn theirs(&self) -> Option<&Hello> {
        Some(&self.theirs.as_ref()?.hello)
    }

    /// What both ends call it, once the dialer has spoken.
    pub(super) fn correlation(&self) -> Option<CorrelationId> {
        let dialer = match self.opened.side {
            Side::Dialer => self.ours(),
            Side::Listener => self.theirs(),
        };
        self.opened
            .correlation
            .or_else(|| dialer.map(Hello::correlation))
    }

    /// What the connection is for, as the dialer said.
    pub(super) fn purpose(&self) -> Option<Purpose> {
        self.ours()
            .or_else(|| self.theirs())
            .map(|hello| hello.purpose)
    }

    /// The other end, once it has said hello.
    pub(super) fn peer(&self) -> Option<Peer> {
        let Heard { hello, leaf, .. } = self.theirs.as_ref()?;
        Some(Peer {
            addr: self.opened.peer,
            id: hello.id.clone(),
            generation: hello.generation,
            introduction: hello.introduction,
            leaf: *leaf,
            key_ids: hello.key_ids.clone(),
        })
    }

    /// What the join token proves itself on, for the end that `side` is; once both have said hello.
    pub(super) fn token_statement(&self, side: Side) -> Option<Vec<u8>> {
        let (ours, theirs) = (self.ours.as_ref()?.encode(), &self.theirs.as_ref()?.encoded);
        let (dialer, listener) = match self.opened.side {
            Side::Dialer => (&ours, theirs),
            Side::Listener => (theirs, &ours),
        };
        Some(token_statement(
            side,
            &self.opened.channel,
            dialer,
            listener,
        ))
    }

    fn introduction(&self) -> Option<IntroductionHash> {
        self.theirs.as_ref()?.hello.introduction
    }
}

impl Heard {
    /// Holds a verified introduction against hello, channel and proof.
    fn prove(&mut self, opened: &Opened, fields: &IntroductionFields) -> Result<(), Code> {
        let Channel::Tls {
            exporter,
            peer_leaf,
            ..
        } = opened.channel
        else {
            return Err(Code::ProtocolViolation);
        };
        let said = (
            &self.hello.id,
            self.hello.generation,
            &self.hello.cluster,
            &self.hello.cluster_id,
        );
        if said
            != (
                &fields.id,
                fields.generation,
                &fields.cluster,
                &fields.cluster_id,
            )
        {
            return Err(Code::ProtocolViolation);
        }
        let statement = proof_statement(opened.side.other(), &exporter, &self.encoded);
        let is_bound = peer_leaf.is_none_or(|leaf| leaf == fields.leaf)
            && seal::verify(&fields.gossip_key, &statement, &self.proof);
        if !is_bound {
            return Err(Code::ConnectionNotBound);
        }
        self.leaf = Some(fields.leaf);
        Ok(())
    }
}
