//! The binary `forkable`: makes TLS ready and hands over to the command line.

use std::process::ExitCode;

/// Gives back what a list or a sweep of a large fleet took; the arenas of the C library keep most of it for ever.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // Fails only if it was done before.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    forkable::cli::main()
}
