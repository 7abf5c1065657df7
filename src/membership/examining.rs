//! Who can verify whom: the members are asked, and dial each other anew.
//!
//! ```text
//! asker A              every member X                    every other member Y
//!   |--- Examine -------->|                                   |
//!   |                     |==== TLS, hello, proof, Bye ======>|   nothing is left of it at either end
//!   |<-- Examined --------|   what X finds of each Y, and what each Y says of X
//! ```
//!
//! A dials too. A dial is judged by both its ends, so X's word on Y is found when X dials, and when Y does. `JudgeChain` asks in the
//! same way what the members would say of other certificates of A. Both come from admitted members alone, are answered one at a
//! time for each and [`SERVED_MAX`] in all, and end by themselves.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use super::links::Job;
use super::{Membership, Output};
use crate::admission::LinkId;
use crate::member::MemberId;
use crate::time::Timestamp;
use crate::wire::correlation::CorrelationId;
use crate::wire::frame::{FINDINGS_MAX, Fault, Finding, Frame};
use crate::wire::refusal::Code;

/// How many members are examined for at once.
pub(super) const SERVED_MAX: usize = 4;
/// How many dials are under way at once for one who asks.
pub(super) const CHECKS_MAX: usize = 16;
/// How long a member takes at most to dial all others.
pub(super) const SERVED_FOR: Duration = Duration::from_secs(15);
/// How long all answers are waited for.
pub(super) const EXAMINED_WITHIN: Duration = Duration::from_secs(20);

/// Why nothing is examined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExamineError {
    /// One examination is under way already.
    #[error("an examination is under way already: ask again when it is over")]
    Busy,
    /// The node takes no part: it is starting, or has ended.
    #[error("the node takes no part in a cluster now")]
    NotRunning,
    /// There are too many members for all of them to dial each other.
    #[error("{count} members are too many to dial each other: at most {max} can")]
    TooMany {
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
}

/// Whether one member verifies another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// Who verifies.
    pub from: MemberId,
    /// Who is verified.
    pub to: MemberId,
    /// What is wrong; nothing if it does.
    pub fault: Option<Fault>,
}

/// Names one chain that the driver judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChainId(u64);

/// Certificates of a member to be judged as in a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgedChain {
    /// The member that would present them.
    pub id: MemberId,
    /// What it advertises, as `host:port`.
    pub advertised: String,
    /// The certificates, its own first.
    pub chain: Vec<Vec<u8>>,
}

/// What a member said of all others, or why it said nothing.
type Answer = Result<Vec<Finding>, Fault>;

#[derive(Debug, Default)]
pub(super) struct Examining {
    /// Numbers requests, checks and chains.
    named: u64,
    asked: Option<Asked>,
    served: BTreeMap<MemberId, Served>,
    chains: BTreeMap<ChainId, (LinkId, u64)>,
}

/// What we have asked.
#[derive(Debug)]
struct Asked {
    request: u64,
    /// The certificates to be judged; none: who can verify whom.
    chain: Option<Vec<Vec<u8>>>,
    whom: BTreeSet<MemberId>,
    /// The connections that the question went out on.
    on: BTreeMap<LinkId, MemberId>,
    answers: BTreeMap<MemberId, Answer>,
    until: Timestamp,
}

/// One survey of ours.
#[derive(Debug)]
struct Served {
    /// Where the answer goes, and what it is called there; ourselves, if nowhere.
    to: Option<(LinkId, u64)>,
    todo: VecDeque<(MemberId, SocketAddr)>,
    under_way: BTreeMap<u64, MemberId>,
    findings: Vec<Finding>,
    until: Timestamp,
}

impl Examining {
    fn name(&mut self) -> u64 {
        self.named += 1;
        self.named
    }

    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        let served = self.served.values().map(|served| served.until);
        served
            .chain(self.asked.as_ref().map(|asked| asked.until))
            .min()
    }

    /// The question to put to a member now, if it is still open.
    fn question(&self, request: u64) -> Option<Frame> {
        let asked = self.asked.as_ref()?;
        let chain = asked.chain.clone();
        (asked.request == request).then(|| match chain {
            Some(chain) => Frame::JudgeChain { request, chain },
            None => Frame::Examine { request },
        })
    }

    fn answered(&mut self, who: &MemberId, answer: Answer) {
        if let Some(asked) = &mut self.asked
            && asked.whom.contains(who)
        {
            asked.answers.entry(who.clone()).or_insert(answer);
        }
    }
}

// Asking.
impl Membership {
    /// Has every live member dial every other one, this node included. [`Output::Examined`] has what came of it, after
    /// twenty seconds at the latest.
    ///
    /// # Errors
    ///
    /// [`ExamineError`]; nobody was asked.
    pub fn examine(&mut self, now: Timestamp) -> Result<(), ExamineError> {
        self.ask_all(now, None)?;
        let id = self.options.local.id.clone();
        self.survey(now, &id, None);
        self.settle(now);
        Ok(())
    }

    /// Has every live member judge certificates that this node would present. [`Output::Examined`] has what they say.
    ///
    /// # Errors
    ///
    /// [`ExamineError`]; nobody was asked.
    pub fn rehearse_chain(
        &mut self,
        now: Timestamp,
        chain: Vec<Vec<u8>>,
    ) -> Result<(), ExamineError> {
        self.ask_all(now, Some(chain))?;
        self.settle(now);
        Ok(())
    }

    /// What the live members present, as they introduced themselves here; nothing without TLS.
    #[must_use]
    pub fn presented(&self) -> Vec<JudgedChain> {
        let introduced = self.live_others().into_iter();
        let introduced = introduced.filter_map(|(id, _)| self.roster.get(id.as_str()));
        introduced
            .map(|introduced| JudgedChain {
                id: introduced.fields().id.clone(),
                advertised: introduced.fields().advertised.clone(),
                chain: introduced.introduction().chain.clone(),
            })
            .collect()
    }

    fn ask_all(&mut self, now: Timestamp, chain: Option<Vec<Vec<u8>>>) -> Result<(), ExamineError> {
        if self.stage != super::Stage::Running {
            return Err(ExamineError::NotRunning);
        }
        let others = self.live_others();
        let count = others.len() + 1;
        if count > FINDINGS_MAX {
            let max = FINDINGS_MAX;
            return Err(ExamineError::TooMany { count, max });
        }
        if self.examining.asked.is_some() {
            return Err(ExamineError::Busy);
        }
        let request = self.examining.name();
        let own = chain.is_none().then(|| self.options.local.id.clone());
        let whom = others.iter().map(|(id, _)| id.clone()).chain(own);
        self.examining.asked = Some(Asked {
            request,
            chain,
            whom: whom.collect(),
            on: BTreeMap::new(),
            answers: BTreeMap::new(),
            until: now + EXAMINED_WITHIN,
        });
        for (id, _) in others {
            self.with_link(now, &id, Job::Ask(request));
        }
        Ok(())
    }

    /// There is a connection to a member that is to be asked.
    pub(super) fn put_question(&mut self, link: LinkId, id: &MemberId, request: u64) {
        if let Some(question) = self.examining.question(request) {
            if let Some(asked) = &mut self.examining.asked {
                asked.on.insert(link, id.clone());
            }
            self.outbox.push_back(Output::Send(link, question));
        }
    }

    /// There will be none.
    pub(super) fn cannot_ask(&mut self, id: &MemberId, request: u64, code: Code) {
        let is_asked = self.examining.question(request).is_some();
        if is_asked {
            let fault = Fault::new(code, "it could not be asked");
            self.examining.answered(id, Err(fault));
        }
    }

    pub(super) fn on_examined(
        &mut self,
        from: &MemberId,
        request: u64,
        fault: Option<Fault>,
        findings: Vec<Finding>,
    ) {
        if self.examining.question(request).is_some() {
            let answer = fault.map_or(Ok(findings), Err);
            self.examining.answered(from, answer);
        }
    }

    /// All answers are here, or will not come.
    fn conclude_examination(&mut self, now: Timestamp) {
        let is_over =
            |asked: &mut Asked| asked.answers.len() == asked.whom.len() || asked.until <= now;
        let Some(asked) = self.examining.asked.take_if(is_over) else {
            return;
        };
        let silent = || {
            Err(Fault::new(
                Code::HandshakeTimeout,
                "it was asked, and did not answer",
            ))
        };
        let answers: BTreeMap<MemberId, Answer> = asked
            .whom
            .iter()
            .map(|id| {
                let answer = asked.answers.get(id).cloned();
                (id.clone(), answer.unwrap_or_else(silent))
            })
            .collect();
        let examined = match asked.chain {
            Some(_) => verdicts(&self.options.local.id, answers),
            None => matrix(&answers),
        };
        self.outbox.push_back(Output::Examined(examined));
    }

    /// By id, so that what is told has an order.
    fn live_others(&self) -> Vec<(MemberId, SocketAddr)> {
        let live = self
            .swim
            .members()
            .filter(|member| member.state().is_live());
        let mut others: Vec<_> = live
            .map(|member| (member.id().clone(), member.record().addr))
            .collect();
        others.sort_unstable();
        others
    }
}

// Being asked.
impl Membership {
    pub(super) fn on_examine(
        &mut self,
        now: Timestamp,
        (link, from): (LinkId, &MemberId),
        request: u64,
    ) {
        if self.examining.served.contains_key(from) || self.examining.served.len() >= SERVED_MAX {
            let fault = Some(Fault::new(Code::Busy, "it is examining already"));
            return self.answer_examination(link, request, fault, Vec::new());
        }
        self.survey(now, from, Some((link, request)));
    }

    fn survey(&mut self, now: Timestamp, asker: &MemberId, to: Option<(LinkId, u64)>) {
        let mut todo = self.live_others();
        todo.truncate(FINDINGS_MAX);
        let served = Served {
            to,
            todo: todo.into(),
            under_way: BTreeMap::new(),
            findings: Vec::new(),
            until: now + SERVED_FOR,
        };
        self.examining.served.insert(asker.clone(), served);
    }

    pub(super) fn on_checked(&mut self, check: u64, fault: Option<Fault>) {
        for served in self.examining.served.values_mut() {
            if let Some(id) = served.under_way.remove(&check) {
                let id = id.to_string();
                served.findings.push(Finding { id, fault });
                return;
            }
        }
    }

    /// A member asks how its certificates would be judged.
    pub(super) fn on_judge_chain(
        &mut self,
        (link, from): (LinkId, &MemberId),
        request: u64,
        chain: Vec<Vec<u8>>,
    ) {
        let is_asked = self.examining.chains.values().any(|(on, _)| *on == link);
        let introduced = self.roster.get(from.as_str());
        let (Some(introduced), false) = (
            introduced,
            is_asked || self.examining.chains.len() >= SERVED_MAX,
        ) else {
            let fault = Some(Fault::new(Code::Busy, "it is judging others"));
            return self.answer_examination(link, request, fault, Vec::new());
        };
        let judged = JudgedChain {
            id: from.clone(),
            advertised: introduced.fields().advertised.clone(),
            chain,
        };
        let id = ChainId(self.examining.name());
        self.examining.chains.insert(id, (link, request));
        self.outbox.push_back(Output::JudgeChain { id, judged });
    }

    /// The outcome of [`Output::JudgeChain`]: what is wrong with it, if anything.
    pub fn handle_chain_judged(&mut self, now: Timestamp, id: ChainId, fault: Option<Fault>) {
        if let Some((link, request)) = self.examining.chains.remove(&id) {
            self.answer_examination(link, request, fault, Vec::new());
        }
        self.settle(now);
    }

    fn answer_examination(
        &mut self,
        link: LinkId,
        request: u64,
        fault: Option<Fault>,
        findings: Vec<Finding>,
    ) {
        if self.links.far(link).is_some() {
            let answer = Frame::Examined {
                request,
                fault,
                findings,
            };
            self.outbox.push_back(Output::Send(link, answer));
        }
    }

    /// The driver does not believe the certificate shown on a dial, which has failed: what is wrong with it, for people. To be
    /// said before `handle_link`.
    pub fn note_failure(
        &mut self,
        link: LinkId,
        rejection: Option<String>,
        correlation: Option<CorrelationId>,
    ) {
        self.admission.note_failure(link, rejection, correlation);
    }

    /// A connection is gone: nobody answers on it any more.
    pub(super) fn forget_examination(&mut self, link: LinkId, by_us: bool) {
        self.examining
            .served
            .retain(|_, served| served.to.is_none_or(|(to, _)| to != link));
        let asked = self.examining.asked.as_mut();
        if let Some(id) = asked.and_then(|asked| asked.on.remove(&link)) {
            // We close a connection to a member that is found dead.
            let code = match by_us {
                true => Code::HandshakeTimeout,
                false => Code::Unreachable,
            };
            let fault = Fault::new(code, "it was asked, and the connection ended");
            self.examining.answered(&id, Err(fault));
        }
    }

    /// Dials whom there is room for, and hands out what is complete.
    pub(super) fn work_on_examinations(&mut self, now: Timestamp) {
        let askers: Vec<MemberId> = self.examining.served.keys().cloned().collect();
        for asker in askers {
            self.work_for(now, &asker);
        }
        self.conclude_examination(now);
    }

    fn work_for(&mut self, now: Timestamp, asker: &MemberId) {
        let mut named = self.examining.named;
        let Some(served) = self.examining.served.get_mut(asker) else {
            return;
        };
        while served.under_way.len() < CHECKS_MAX && now < served.until {
            let Some((id, addr)) = served.todo.pop_front() else {
                break;
            };
            named += 1;
            self.admission.check_member(now, named, &id, addr);
            served.under_way.insert(named, id);
        }
        self.examining.named = named;
        let is_over = |served: &Served| {
            served.until <= now || served.todo.is_empty() && served.under_way.is_empty()
        };
        if !self.examining.served.get(asker).is_some_and(is_over) {
            return;
        }
        let served = self.examining.served.remove(asker).expect("just seen");
        let to = served.to;
        let findings = served.conclude();
        match to {
            Some((link, request)) => self.answer_examination(link, request, None, findings),
            None => self.examining.answered(asker, Ok(findings)),
        }
    }
}

impl Served {
    /// What was found, and what was not found out in time.
    fn conclude(self) -> Vec<Finding> {
        let late = |id: MemberId, code| Finding {
            id: id.to_string(),
            fault: Some(Fault::new(code, "there was no time left")),
        };
        let mut findings = self.findings;
        let under_way = self.under_way.into_values();
        findings.extend(under_way.map(|id| late(id, Code::HandshakeTimeout)));
        let todo = self.todo.into_iter();
        findings.extend(todo.map(|(id, _)| late(id, Code::Busy)));
        findings
    }
}

/// What the members say of certificates of `own`.
fn verdicts(own: &MemberId, answers: BTreeMap<MemberId, Answer>) -> Vec<Examined> {
    let answers = answers.into_iter();
    answers
        .map(|(from, answer)| Examined {
            from,
            to: own.clone(),
            fault: answer.err(),
        })
        .collect()
}

/// Who verifies whom, by member ids.
fn matrix(answers: &BTreeMap<MemberId, Answer>) -> Vec<Examined> {
    let pairs = answers.keys().flat_map(|from| {
        let others = answers.keys().filter(move |to| *to != from);
        others.map(move |to| (from, to))
    });
    pairs
        .map(|(from, to)| Examined {
            from: from.clone(),
            to: to.clone(),
            fault: cell(answers, from, to),
        })
        .collect()
}

/// Whether `from` verifies `to`. Its word when it was dialled by `to` weighs most: it refuses whom it does not believe. Then what
/// it found when it dialled. If it was refused there, it has verified whoever refused it.
fn cell(answers: &BTreeMap<MemberId, Answer>, from: &MemberId, to: &MemberId) -> Option<Fault> {
    let dialled = |who: &MemberId, whom: &MemberId| match &answers[who] {
        Ok(findings) => findings.iter().find(|finding| finding.id == whom.as_str()),
        Err(_) => None,
    };
    let refused = dialled(to, from).and_then(|finding| finding.fault.as_ref());
    if let Some(fault) = refused.filter(|fault| fault.by_peer) {
        return Some(Fault::new(
            fault.code,
            format!("{from} refused {to}, which dialled it"),
        ));
    }
    match (&answers[from], dialled(from, to)) {
        (Err(fault), _) => Some(fault.clone()),
        (Ok(_), None) => Some(Fault::new(
            Code::JoinFirst,
            format!("{from} does not hold {to} as a member"),
        )),
        (Ok(_), Some(finding)) => finding.fault.clone().filter(|fault| !fault.by_peer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> MemberId {
        MemberId::new(text).unwrap()
    }

    fn fault(code: Code, by_peer: bool) -> Option<Fault> {
        Some(Fault {
            by_peer,
            ..Fault::new(code, "")
        })
    }

    fn finding(id: &str, fault: Option<Fault>) -> Finding {
        Finding {
            id: id.to_owned(),
            fault,
        }
    }

    fn bad(matrix: &[Examined]) -> Vec<(&str, &str, Code)> {
        let bad = matrix.iter().filter_map(|one| {
            let fault = one.fault.as_ref()?;
            Some((one.from.as_str(), one.to.as_str(), fault.code))
        });
        bad.collect()
    }

    /// c believes nobody, so nobody can ask it; its row is known from those whom it refuses.
    #[test]
    fn one_who_believes_nobody_shows_as_a_row_of_its_own() {
        use Code::UnknownIssuer;
        let refused = || fault(UnknownIssuer, true);
        let answers = BTreeMap::from([
            (
                id("a"),
                Ok(vec![finding("b", None), finding("c", refused())]),
            ),
            (
                id("b"),
                Ok(vec![finding("a", None), finding("c", refused())]),
            ),
            (id("c"), Err(Fault::new(UnknownIssuer, ""))),
        ]);
        let matrix = matrix(&answers);
        assert_eq!(matrix.len(), 6);
        let expected = [("c", "a", UnknownIssuer), ("c", "b", UnknownIssuer)];
        assert_eq!(bad(&matrix), expected);
    }

    /// b stands still: it answers nobody, and nobody can tell of it.
    #[test]
    fn one_who_stands_still_shows_as_row_and_column() {
        use Code::HandshakeTimeout;
        let silent = || fault(HandshakeTimeout, false);
        let answers = BTreeMap::from([
            (
                id("a"),
                Ok(vec![finding("b", silent()), finding("c", None)]),
            ),
            (id("b"), Err(Fault::new(HandshakeTimeout, ""))),
            (
                id("c"),
                Ok(vec![finding("a", None), finding("b", silent())]),
            ),
        ]);
        let expected = [("a", "b"), ("b", "a"), ("b", "c"), ("c", "b")];
        let expected = expected.map(|(from, to)| (from, to, HandshakeTimeout));
        assert_eq!(bad(&matrix(&answers)), expected);
    }
}
