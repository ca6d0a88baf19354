//! The binary `forkable`: makes TLS ready and hands over to the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Fails only if it was done before.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    forkable::cli::main()
}
