//! `forkable alert`: what a person tries of alert rules.

mod rehearse;
mod resend;
mod test;

/// Try alert rules: whether people can be told, and what would have been told; send again what was given up.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Test(test::Arguments),
    Rehearse(rehearse::Arguments),
    Resend(resend::Arguments),
}

impl Arguments {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        match self.command {
            Command::Test(arguments) => arguments.run().await,
            Command::Rehearse(arguments) => arguments.run().await,
            Command::Resend(arguments) => arguments.run().await,
        }
    }
}
