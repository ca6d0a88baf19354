//! `forkable resume`: a person lets a suspended Fork go on, or destructive steps that the brake withholds.

use anyhow::{Context as _, ensure};

use super::{
    place::Place,
    state,
    suspend::edit_all,
    target::Target,
    world::{Edit, World},
};

/// Let suspended Forks go on; without a name, let destructive steps go on.
///
/// With names, spec.suspend is taken away, as `suspend` has put it there. Without, steps go on that were withheld with
/// MassChangeBlocked: the running `forkable up` of the folder takes note within a second (or the next start does), and
/// in a cluster the controller within a few.
///
/// Examples, on one machine:
///   forkable resume acme
///   forkable resume --dir DIR
/// and in a cluster:
///   kubectl forkable resume acme -n team
///   kubectl forkable resume                    -n names the controller's namespace, if only that may be read
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    /// Names of suspended Forks.
    #[arg(value_name = "NAME")]
    names: Vec<Target>,
    #[command(flatten)]
    place: Place,
}

impl Arguments {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        if !self.names.is_empty() {
            return edit_all(&self.place, &self.names, &Edit::Resume, "no longer suspended").await;
        }
        match self.place.open().await? {
            World::Folder(folder) => {
                let (dir, state) = (folder.dir().display(), state::folder(folder.dir()));
                ensure!(state.is_dir(), "{dir} has no state yet: start `forkable up {dir}` first");
                let path = state.join(state::RESUME_FILE);
                std::fs::write(&path, []).with_context(|| format!("writing {}", path.display()))?;
                super::say("destructive steps go on");
            }
            World::Cluster(cluster) => {
                for lease in cluster.release_brake().await? {
                    super::say(format_args!("{lease}: destructive steps go on"));
                }
            }
        }
        Ok(super::DONE)
    }
}
