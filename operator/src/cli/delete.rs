//! `forkable delete`: a person says that Forks without a manifest may go.

use std::path::PathBuf;

use super::state;
use crate::hosts::local::request_delete;

/// Delete Forks whose manifests are gone from the folder.
///
/// Removing a manifest deletes its Fork by itself, unless many vanish at once or the folder is empty: then this says
/// that it is meant. What happens outside is up to deletionPolicy. The running `forkable up` does it; without one, the
/// next start does.
///
/// Example: forkable delete acme --dir .
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Names of Forks, with their namespace in front (`team/acme`) if it is not `default`.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// The folder that `forkable up` works on.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

impl Arguments {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let forks: Vec<_> = self.names.iter().map(|name| state::namespaced(name)).collect();
        request_delete(&self.dir, &forks).await?;
        for name in &self.names {
            super::say(format_args!("fork/{name} is deleted as soon as `forkable up` looks"));
        }
        Ok(super::DONE)
    }
}
