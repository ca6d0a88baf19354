//! `forkable release`: a person wants a commit released, whatever became of it before.

use anyhow::ensure;
use forkable_core::{release, store::Kind as _};
use forkable_crds::{Deployment, FORK_LABEL, Fork};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{place::Place, state::releases, target::Target};

/// Release a commit of a Fork, also one that was rolled back or aborted before.
///
/// It goes live as spec.release of the Fork says. In a folder the Deployment is written as a manifest beside the others.
///
/// Example: forkable release acme --commit 1a2b3c4d5e6f7a8b9c0d1e2f3a4b5c6d7e8f9a0b
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    /// Name of the Fork.
    name: Target,
    /// Full id of the commit.
    #[arg(long, value_name = "SHA")]
    commit: String,
    #[command(flatten)]
    place: Place,
}

impl Arguments {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let is_full = self.commit.len() == 40 && self.commit.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
        ensure!(is_full, "--commit {} is no full id of a commit: it has 40 hex digits, as git log tells", self.commit);
        let world = self.place.open().await?;
        let fork = world.fork(&self.name).await?;
        ensure!(!fork.is_deleting(), "{} is being deleted", fork.reference());
        let releases = releases(&world, &fork).await?;
        let taken: Vec<_> = releases.iter().map(|release| release.name()).collect();
        let base = format!("{}-{}-by-hand", fork.name(), &self.commit[..7]);
        let numbered = (2..).map(|number| format!("{base}-{number}"));
        let mut names = std::iter::once(base.clone()).chain(numbered);
        let name = names.find(|name| !taken.contains(&name.as_str())).unwrap_or(base);
        let release = release(&fork, name, &self.commit);
        let how = world.create(&release).await?;
        super::say(format_args!("{} is to be released; {how}", release.reference()));
        Ok(super::DONE)
    }
}

fn release(fork: &Fork, name: String, commit: &str) -> Deployment {
    let spec = release::production(fork, commit);
    let metadata = ObjectMeta {
        name: Some(name),
        namespace: fork.metadata.namespace.clone(),
        labels: Some([(FORK_LABEL.to_owned(), fork.name().to_owned())].into()),
        ..ObjectMeta::default()
    };
    Deployment { metadata, spec, status: None }
}
