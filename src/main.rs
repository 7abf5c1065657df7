//! The binary.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A simulation allocates millions of times a second; the C library's allocator takes a fifth longer for all of it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    phalanx::cli::run()
}
