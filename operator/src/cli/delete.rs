//! `forkable delete`: a person says that a Fork may go.

use forkable_core::store::Kind as _;
use forkable_crds::{Fork, fork::DeletionPolicy};

use super::{
    confirm::confirm,
    place::Place,
    target::Target,
    world::{Cluster, World},
};
use crate::hosts::local::request_delete;

/// Delete Forks. What happens outside is up to their deletionPolicy.
///
/// In a folder, removing a manifest deletes its Fork by itself, unless many vanish at once or the folder is empty: then
/// this says that it is meant. The running `forkable up` does it; without one, the next start does.
///
/// In a cluster this is `kubectl delete fork` that first tells what becomes of repository and project, and asks.
///
/// Examples, on one machine:
///   forkable delete acme --dir DIR
/// and in a cluster:
///   kubectl forkable delete acme -n team
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    /// Names of Forks.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<Target>,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    place: Place,
}

impl Arguments {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let world = self.place.open().await?;
        match &world {
            World::Folder(folder) => {
                let forks: Vec<_> = self.names.iter().map(|name| world.resolve(name)).collect::<Result<_, _>>()?;
                request_delete(folder.dir(), &forks).await?;
                for name in &self.names {
                    super::say(format_args!("fork/{name} is deleted as soon as `forkable up` looks"));
                }
                Ok(super::DONE)
            }
            World::Cluster(cluster) => self.delete(&world, cluster).await,
        }
    }

    async fn delete(&self, world: &World, cluster: &Cluster) -> anyhow::Result<u8> {
        let mut forks = Vec::new();
        for name in &self.names {
            forks.push(world.fork(name).await?);
        }
        for fork in &forks {
            super::say(format_args!("{}: {}", fork.reference(), consequence(fork)));
        }
        if !self.yes && !confirm(&format!("Delete {}?", plural(forks.len())))? {
            super::say("nothing is deleted");
            return Ok(super::FAILED);
        }
        for fork in &forks {
            cluster.delete(fork).await?;
            super::say(format_args!("{} is being deleted", fork.reference()));
        }
        Ok(super::DONE)
    }
}

fn plural(forks: usize) -> String {
    if forks == 1 { "it".into() } else { format!("these {forks} forks") }
}

/// What becomes of what exists outside.
fn consequence(fork: &Fork) -> String {
    let policy = fork.spec.deletion_policy;
    // What was not made or adopted by it is not touched whatever the policy.
    let counts = |owned: bool| owned || policy == DeletionPolicy::Retain;
    let status = fork.status.as_ref();
    let repository = status.and_then(|status| status.repository.as_ref()).filter(|it| counts(it.owned));
    let project = status.and_then(|status| status.project.as_ref()).filter(|it| counts(it.owned));
    let repository = repository.map(|repository| format!("repository {}", repository.full_name));
    let project = project.map(|project| format!("project {}", project.name));
    let things: Vec<_> = repository.into_iter().chain(project).collect();
    if things.is_empty() {
        return "nothing exists outside that is known to be of it".into();
    }
    let things = things.join(" and ");
    match policy {
        DeletionPolicy::Retain => format!("{things} stay as they are (deletionPolicy Retain)"),
        DeletionPolicy::Archive => format!("{things} are archived and paused (deletionPolicy Archive)"),
        DeletionPolicy::Delete => format!("{things} are DELETED with all that is in them (deletionPolicy Delete)"),
    }
}
