//! `forkable completions`: scripts for shells.

use clap::CommandFactory;
use clap_complete::Shell;

/// Print a completion script for a shell.
///
/// Example: forkable completions bash > /etc/bash_completion.d/forkable
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[arg(value_enum)]
    shell: Shell,
}

impl Arguments {
    pub(super) fn run(self) -> u8 {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::Cli::command(), "forkable", &mut script);
        super::say(String::from_utf8_lossy(&script).trim_end());
        super::DONE
    }
}
