//! Which commands a page has, what it says they print, and which of them cannot be run here.
//!
//! * A `console` block is run: a line that begins with `$ ` is a command, with the lines that continue it (after a backslash, or
//!   beginning with `> `). What follows up to the next command is all that it prints; `…` stands for what varies, and, on a line of
//!   its own, for any number of lines. Spaces count as one. A command that is followed by nothing may print what it likes.
//! * A command succeeds, unless the next one is `echo $?`, which shows how it ended.
//! * The commands of a page are run in order, in one shell, in a directory of their own. Who asks a question is answered with enter.
//! * `console,REASON` is not run; [`REASONS`] has what may be a reason.
//! * A block marked `file=NAME` is written to that file first.

use regex::Regex;

use super::page::{Block, Page, pages};
use super::session::{Ports, Session};

/// Why a block is not run. The page on how the book is checked has the same list.
const REASONS: &[(&str, &str)] = &[
    ("cargo", "builds the program: `.ci/run` does that"),
    (
        "docker",
        "needs a container engine: `tests/deployment.sh` runs it",
    ),
    ("endless", "goes on until it is interrupted"),
    ("kubernetes", "needs a Kubernetes cluster"),
    ("long", "takes minutes"),
    ("root", "needs root, and changes the machine"),
    ("systemd", "needs systemd as the first process"),
    (
        "yours",
        "has hosts, files or names in it that are the reader's own",
    ),
];

/// The languages of blocks. A shell's is not among them: commands are `console`, so that they are run.
const LANGUAGES: &[&str] = &["console", "json", "promql", "rust", "text", "toml", "yaml"];

/// One thing to do for a page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Write { file: String, content: String },
    Run(Command),
}

/// A command, and what it is said to print.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// The number of its line on the page.
    pub(super) line: usize,
    pub(super) text: String,
    /// Nothing is said of what it prints if there are none.
    shown: Vec<String>,
    /// Whether it is to succeed; else the next command shows how it ended.
    pub(super) succeeds: bool,
}

impl Command {
    /// What is wrong with the output.
    pub(super) fn fault(&self, output: &str) -> Option<String> {
        if self.shown.is_empty() || pattern(&self.shown).is_match(&squeezed(output)) {
            return None;
        }
        let shown = self.shown.join("\n");
        Some(format!("it should print\n{shown}\nand prints\n{output}"))
    }
}

macro_rules! run_pages {
    ($( $name:ident: $file:literal, )+) => {
        /// The pages whose commands are run, each by a test of its own.
        const RUN: &[&str] = &[$( $file, )+];

        $(
            #[test]
            fn $name() {
                run($file);
            }
        )+
    };
}

run_pages! {
    certificates: "docs/howto/certificates.md",
    configuration: "docs/CONFIGURATION.md",
    does_not_join: "docs/howto/does-not-join.md",
    identity: "docs/howto/identity.md",
    join_token: "docs/howto/join-token.md",
    plaintext_to_tls: "docs/howto/plaintext-to-tls.md",
    read_a_refusal: "docs/howto/read-a-refusal.md",
    renew_a_certificate: "docs/howto/renew-a-certificate.md",
    replace_the_authority: "docs/howto/replace-the-authority.md",
    rotate_gossip_keys: "docs/howto/rotate-gossip-keys.md",
    readme: "README.md",
    scenario: "docs/howto/scenario.md",
    simulation: "docs/SIMULATION.md",
    take_a_member_out: "docs/howto/take-a-member-out.md",
    watch: "docs/howto/watch.md",
    environment: "docs/tutorial/environment.md",
    first_cluster: "docs/tutorial/first-cluster.md",
    partition: "docs/tutorial/partition.md",
}

fn run(file: &str) {
    let ports = Ports::new();
    let page = Page {
        text: ports.put_into(&Page::open(file).text),
        ..Page::open(file)
    };
    let steps = steps(&page).unwrap_or_else(|error| panic!("{error}"));
    if let Some(session) = Session::start(&steps) {
        let faults = session.faults(&steps, &page.file);
        assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    }
}

#[test]
fn every_page_with_commands_is_run() {
    let mut wanted = Vec::new();
    for page in pages() {
        let steps = steps(&page).unwrap_or_else(|error| panic!("{error}"));
        if steps.iter().any(|step| matches!(step, Step::Run(_))) {
            wanted.push(page.file);
        }
    }
    let mut run = RUN.to_vec();
    run.sort_unstable();
    assert_eq!(wanted, run);
}

#[test]
fn the_book_says_what_is_not_run() {
    let page = Page::open("docs/about.md");
    for (reason, why) in REASONS {
        let row = format!("| `{reason}` | {why} |");
        assert!(page.text.contains(&row), "{} lacks {row}", page.file);
    }
}

/// What is to be done for a page, in order.
fn steps(page: &Page) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    for block in page.blocks() {
        let place = format!("{}:{}", page.file, block.line);
        let mut info = block.info.split(',');
        let language = info.next().unwrap_or_default();
        let mark = info.next();
        if !LANGUAGES.contains(&language) {
            return Err(format!("{place}: a block of {language:?}"));
        }
        let is_command = block.lines.iter().any(|line| line.starts_with("$ "));
        match (language, mark) {
            ("console", None) if !is_command => return Err(format!("{place}: no command")),
            ("console", None) => commands(&block, &mut steps),
            ("console", Some(mark)) if REASONS.iter().any(|(reason, _)| *reason == mark) => {}
            ("console", Some(mark)) => return Err(format!("{place}: {mark:?} is no reason")),
            _ if is_command => return Err(format!("{place}: a command in {language}")),
            (_, mark) => {
                if let Some(file) = mark.and_then(|mark| mark.strip_prefix("file=")) {
                    if !page.text.contains(&format!("`{file}`")) {
                        return Err(format!("{place}: the page does not name {file}"));
                    }
                    steps.push(Step::Write {
                        file: file.to_owned(),
                        content: block.lines.join("\n") + "\n",
                    });
                }
            }
        }
    }
    Ok(steps)
}

fn commands(block: &Block<'_>, steps: &mut Vec<Step>) {
    let mut lines = block.lines.iter().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        let first = line
            .strip_prefix("$ ")
            .expect("output belongs to a command");
        let mut text = first.to_owned();
        while let Some((_, next)) = lines.peek() {
            let next = match next.strip_prefix("> ") {
                Some(next) => next,
                None if text.ends_with('\\') => next,
                None => break,
            };
            text = format!("{text}\n{next}");
            lines.next();
        }
        assert!(!text.contains('…'), "a command is whole: {text}");
        let mut shown = Vec::new();
        while let Some((_, line)) = lines.next_if(|(_, line)| !line.starts_with("$ ")) {
            shown.push((*line).to_owned());
        }
        if text == "echo $?"
            && let Some(Step::Run(before)) = steps.last_mut()
        {
            before.succeeds = false;
        }
        steps.push(Step::Run(Command {
            line: block.line + number,
            text,
            shown,
            succeeds: true,
        }));
    }
}

/// What the output must be, spaces squeezed.
fn pattern(shown: &[String]) -> Regex {
    let mut pattern = String::from(r"\A");
    for line in shown {
        let line = squeezed(line);
        if line.trim_end() == "…" {
            pattern += r"(?:.*\n)*?";
        } else {
            let parts: Vec<_> = line.trim_end().split('…').map(regex::escape).collect();
            pattern += &(parts.join(".*") + r"\n");
        }
    }
    Regex::new(&(pattern + r"\z")).unwrap()
}

/// Each line with single spaces, none at its ends, and a line break; empty lines left out.
fn squeezed(text: &str) -> String {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines = text.lines().map(words).filter(|line| !line.is_empty());
    lines.map(|line| line + "\n").collect()
}

#[test]
fn commands_and_what_they_print_are_told_apart() {
    let page = Page {
        file: "page.md".to_owned(),
        text: "`a.yaml`\n```yaml,file=a.yaml\nb: 1\n```\n```console\n$ c \\\n    d\ne  …\n$ for f in g; do\n> h\n> done\n$ echo $?\n2\n```\n"
            .to_owned(),
    };
    let command = |line, text: &str, shown: &[&str], succeeds| {
        Step::Run(Command {
            line,
            text: text.to_owned(),
            shown: shown.iter().map(|line| (*line).to_owned()).collect(),
            succeeds,
        })
    };
    let file = Step::Write {
        file: "a.yaml".to_owned(),
        content: "b: 1\n".to_owned(),
    };
    let expected = [
        file,
        command(6, "c \\\n    d", &["e  …"], true),
        command(9, "for f in g; do\nh\ndone", &[], false),
        command(12, "echo $?", &["2"], true),
    ];
    assert_eq!(steps(&page).unwrap(), expected);
    for wrong in ["sh\n$ a", "console,tired\n$ a", "text\n$ a", "console\na"] {
        let page = Page {
            text: format!("```{wrong}\n```\n"),
            file: String::new(),
        };
        assert!(steps(&page).is_err(), "{wrong}");
    }
}

#[test]
fn what_is_shown_is_all_that_is_printed() {
    let shows = |shown: &[&str], output: &str| {
        let shown: Vec<_> = shown.iter().map(|line| (*line).to_owned()).collect();
        pattern(&shown).is_match(&squeezed(output))
    };
    assert!(shows(&["id state", "2 de…"], " id  state\n\n 2   dead\n"));
    assert!(shows(&["…", "b"], "a\na\nb\n"));
    assert!(shows(&["a", "…"], "a\n"));
    assert!(!shows(&["a"], "a\nb\n"));
    assert!(!shows(&["a b"], "a c\n"));
    assert!(!shows(&["a", "b"], "b\na\n"));
}
