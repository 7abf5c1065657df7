//! [`Log`]: what a node's log says of members and refusals, as it is written.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use serde::Deserialize;

use crate::member::{Generation, Incarnation, MemberState, MemberVersion};
use crate::simulation::Cause;
use crate::wire::refusal::Code;

/// A log that grows.
#[derive(Debug)]
pub(super) struct Log {
    file: BufReader<File>,
    /// The beginning of a line whose end is not written yet.
    rest: String,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A member is in another state.
    Member {
        id: String,
        version: MemberVersion,
        cause: Cause,
    },
    /// The node was refused, or refused another.
    Refused(Code),
}

/// The fields that matter here; a line has others.
#[derive(Deserialize)]
struct Line {
    message: String,
    member: Option<String>,
    generation: Option<u64>,
    incarnation: Option<u32>,
    code: Option<String>,
}

impl Log {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: BufReader::new(File::open(path)?),
            rest: String::new(),
        })
    }

    /// What was written since it was asked last.
    pub(super) fn read(&mut self) -> io::Result<Vec<Said>> {
        let mut said = Vec::new();
        while self.file.read_line(&mut self.rest)? > 0 && self.rest.ends_with('\n') {
            said.extend(parse(&self.rest));
            self.rest.clear();
        }
        Ok(said)
    }
}

fn parse(line: &str) -> Option<Said> {
    let line: Line = serde_json::from_str(line).ok()?;
    if let Some(code) = &line.code {
        let code = Code::ALL.iter().find(|known| known.as_str() == code)?;
        return Some(Said::Refused(*code));
    }
    let (state, cause) = match line.message.as_str() {
        "member joined" => (MemberState::Alive, Cause::Joined),
        "member suspected" => (MemberState::Suspect, Cause::Accused(None)),
        "member refuted the suspicion" => (MemberState::Alive, Cause::Refuted),
        "member died" => (MemberState::Dead, Cause::Condemned(None)),
        "member left" => (MemberState::Left, Cause::Left),
        "member updated" => (MemberState::Alive, Cause::Updated),
        _ => return None,
    };
    let version = MemberVersion {
        generation: Generation::new(line.generation?),
        incarnation: Incarnation::new(line.incarnation?),
        state,
    };
    Some(Said::Member {
        id: line.member?,
        version,
        cause,
    })
}
