//! `forkable resume`: a person lets a suspended Fork go on, or destructive steps that the brake withholds.

use anyhow::{Context as _, ensure};
use forkable_core::{
    release::{machine::Phase, rollout::phase},
    store::Kind as _,
};
use forkable_crds::THAW_ANNOTATION;

use super::{
    place::Place,
    state,
    suspend::edit_all,
    target::Target,
    wish::who,
    world::{Edit, World},
};

/// Let suspended or frozen Forks go on; without a name, let destructive steps go on.
///
/// With names, newer releases go on that wait for one that is bad, serves and cannot be rolled back by itself; where
/// there is none, spec.suspend is taken away, as `suspend` has put it there. Without, steps go on that were withheld with
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
    /// Names of suspended or frozen Forks.
    #[arg(value_name = "NAME")]
    names: Vec<Target>,
    #[command(flatten)]
    place: Place,
}

impl Arguments {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        if !self.names.is_empty() {
            let rest = thaw(&self.place, self.names).await?;
            return edit_all(&self.place, &rest, &Edit::Resume, "no longer suspended").await;
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

/// Lets newer releases of frozen Forks go on; answers the names of the others.
async fn thaw(place: &Place, names: Vec<Target>) -> anyhow::Result<Vec<Target>> {
    let world = place.open().await?;
    let mut rest = Vec::new();
    for name in names {
        let fork = world.fork(&name).await?;
        let releases = state::releases(&world, &fork).await?;
        let Some(frozen) = releases.iter().find(|release| phase(release) == Phase::Frozen) else {
            rest.push(name);
            continue;
        };
        world.annotate(frozen, THAW_ANNOTATION, &who(&world).await).await?;
        super::say(format_args!("{} no longer holds newer releases up", frozen.reference()));
        if fork.spec.suspend.is_some() {
            super::say_note(&format!("{} is suspended as well: `resume` again takes that away", fork.reference()));
        }
    }
    Ok(rest)
}
