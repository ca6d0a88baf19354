//! `forkable resume`: a person lets destructive steps go on that the brake withholds.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};

use super::state;

/// Let destructive steps go on that were withheld with MassChangeBlocked.
///
/// The running `forkable up` of the folder takes note within a second; without one, the next start does.
///
/// Example: forkable resume --dir .
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folder that `forkable up` works on.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

impl Arguments {
    pub(super) fn run(self) -> anyhow::Result<u8> {
        let folder = state::folder(&self.dir);
        ensure!(folder.is_dir(), "{} has no state yet: start `forkable up {0}` first", self.dir.display());
        let path = folder.join(state::RESUME_FILE);
        std::fs::write(&path, []).with_context(|| format!("writing {}", path.display()))?;
        super::say("destructive steps go on");
        Ok(super::DONE)
    }
}
