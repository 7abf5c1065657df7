//! `phalanx certs`: certificates made, looked at and judged. One file per subcommand.

mod dev;

use clap::Subcommand;

use super::Exit;

/// Arguments of `phalanx certs`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make certificates for a development cluster on one machine, whose authority's key is thrown away.
    Dev(dev::Args),
}

/// Runs `phalanx certs`.
pub(super) fn run(args: &Args) -> Exit {
    match &args.command {
        Command::Dev(args) => dev::run(args),
    }
}
