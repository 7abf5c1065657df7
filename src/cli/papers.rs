//! `phalanx completions` and `phalanx man`: what shells and readers of manuals want to know of the command line.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use super::{Cli, Exit};

/// Arguments of `phalanx completions`.
#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// For which shell.
    shell: Shell,
}

/// Arguments of `phalanx man`.
#[derive(Debug, clap::Args)]
pub(super) struct Manual {
    /// Write a page for each command into this directory; without it, the page of `phalanx` is printed.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Runs `phalanx completions`.
pub(super) fn completions(args: &Completions) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "phalanx", &mut script);
    write(&script)
}

/// Runs `phalanx man`.
pub(super) fn manual(args: &Manual) -> Exit {
    let mut command = Cli::command();
    command.build();
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        let rendered = Man::new(command).render(&mut page);
        return match rendered {
            Ok(()) => write(&page),
            Err(error) => failed(&error),
        };
    };
    let written = fs::create_dir_all(dir).and_then(|()| pages(dir, &command, "phalanx"));
    match written {
        Ok(()) => Exit::Done,
        Err(error) => failed(&error),
    }
}

/// A page for a command and for each one below it, hidden ones left out.
fn pages(dir: &Path, command: &clap::Command, name: &str) -> io::Result<()> {
    let mut page = Vec::new();
    Man::new(command.clone()).title(name).render(&mut page)?;
    fs::write(dir.join(format!("{name}.1")), page)?;
    let below = command
        .get_subcommands()
        .filter(|below| !below.is_hide_set());
    for below in below.filter(|below| below.get_name() != "help") {
        pages(dir, below, &format!("{name}-{}", below.get_name()))?;
    }
    Ok(())
}

fn write(bytes: &[u8]) -> Exit {
    match io::stdout().write_all(bytes) {
        Ok(()) => Exit::Done,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => failed(&error),
    }
}

fn failed(error: &io::Error) -> Exit {
    eprintln!("error: cannot write: {error}");
    Exit::CheckFailed
}
