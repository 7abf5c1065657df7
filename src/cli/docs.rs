//! Holds pages of `docs/` together with the code: the command line and the codes of refusals.

use std::fmt::Write;
use std::path::Path;

use clap::builder::PossibleValue;
use clap::{Arg, CommandFactory};

use super::Cli;
use super::exit::EXIT_CODES;
use super::mend::remedy;
use crate::admin::docs::hold;
use crate::wire::refusal::Code;

#[test]
fn the_page_of_commands_has_every_command() {
    let mut cli = Cli::command();
    cli.build();
    let mut text = String::new();
    for command in cli.get_subcommands_mut() {
        describe(command, &mut text);
    }
    hold("docs/reference/command-line.md", "commands", &(text + "\n"));
}

#[test]
fn exit_codes_are_those_of_the_page_and_the_readme() {
    let mut table = String::from("\n| code | meaning |\n|---|---|\n");
    for (number, meaning) in EXIT_CODES {
        writeln!(table, "| {number} | {meaning} |").unwrap();
    }
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    assert!(std::fs::read_to_string(readme).unwrap().contains(&table));
    hold(
        "docs/reference/command-line.md",
        "exit codes",
        &(table + "\n"),
    );
}

#[test]
fn the_page_of_refusals_has_every_code() {
    let mut table =
        String::from("\n| number | code | kind | meaning | what to do |\n|---|---|---|---|---|\n");
    for code in Code::ALL {
        let kind = match code.is_permanent() {
            true => "permanent",
            false => "passing",
        };
        let (number, meaning) = (code.number(), code.meaning());
        let remedy = capitalised(&remedy(*code));
        writeln!(
            table,
            "| {number} | `{code}` | {kind} | {meaning} | {remedy}. |"
        )
        .unwrap();
    }
    hold("docs/reference/refusals.md", "refusals", &(table + "\n"));
}

/// A section for a command, and one for each below it.
fn describe(command: &mut clap::Command, text: &mut String) {
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let name = usage
        .split_whitespace()
        .take_while(|word| !word.starts_with(['[', '<', '-']))
        .collect::<Vec<_>>()
        .join(" ");
    let about = command.get_about().unwrap();
    write!(text, "\n## {name}\n\n{about}.\n\n```text\n{usage}\n```\n").unwrap();
    let arguments: Vec<_> = command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set())
        .filter(|argument| !["help", "version"].contains(&argument.get_id().as_str()))
        .map(row)
        .collect();
    if !arguments.is_empty() {
        text.push_str("\n| argument | default | meaning |\n|---|---|---|\n");
        text.extend(arguments);
    }
    let below = command.get_subcommands_mut();
    for command in below.filter(|below| below.get_name() != "help") {
        describe(command, text);
    }
}

fn row(argument: &Arg) -> String {
    let takes_value = argument.get_action().takes_values();
    let default: Vec<_> = argument
        .get_default_values()
        .iter()
        .filter(|_| takes_value)
        .map(|value| format!("`{}`", value.display()))
        .collect();
    let mut meaning = argument.get_help().unwrap().to_string();
    let values = argument.get_possible_values();
    if takes_value && !values.is_empty() {
        let values: Vec<_> = values.iter().map(value).collect();
        write!(meaning, ": {}", values.join("; ")).unwrap();
    }
    format!(
        "| `{}` | {} | {}. |\n",
        argument.to_string().replace('|', "\\|"),
        default.join(", "),
        meaning.replace('|', "\\|").replace('<', "\\<")
    )
}

fn value(value: &PossibleValue) -> String {
    let name = format!("`{}`", value.get_name());
    match value.get_help() {
        Some(help) => format!("{name}, {help}"),
        None => name,
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
