//! What `plan` and `adopt` share: everything that a pass works with, except that nothing can be written.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context as _, bail};
use forkable_core::{
    Secret,
    store::{Store as _, StoreError},
};
use forkable_crds::{Deployment, Fork};

use super::{
    Connection, Endpoints, state,
    world::{Kept, World},
};
use crate::{
    accounts::{Accounts, OwnCredentials},
    clock::Clock,
    connect::Connector,
    context::{Context, NoJournal, Parts},
    controllers::fork::ABANDON_AFTER,
    hosts::local::{Preview, Problem},
    metrics::Metrics,
};

/// Whom the providers are asked as.
#[derive(Debug, clap::Args)]
pub(super) struct Providers {
    /// Use the stand-in for GitHub and Vercel at URL (`forkable up --sandbox` prints it).
    #[arg(long, value_name = "URL", require_equals = true)]
    sandbox: Option<String>,
    /// In a cluster: look with the credentials of the Forks and the controller, if you may read their Secrets, instead
    /// of your own from the environment.
    #[arg(long, conflicts_with = "sandbox")]
    credentials_from_cluster: bool,
    /// In a cluster: where the controller runs, if you may not look for it in all namespaces.
    #[arg(long, value_name = "NAMESPACE")]
    controller_namespace: Option<String>,
}

/// What is previewed, or what is wrong with the manifests.
pub(super) type Opened = Result<Arc<Context<Preview>>, Vec<Problem>>;

impl Providers {
    /// Reads manifests and what is recorded about them; without `files`, everything that is there.
    pub(super) async fn preview(&self, world: &World, files: &[PathBuf]) -> anyhow::Result<Opened> {
        let (mut manifests, known, problems) = match world {
            World::Folder(_) if self.credentials_from_cluster || self.controller_namespace.is_some() => {
                bail!("there is no controller {}: add --cluster or --context", world.place())
            }
            World::Folder(folder) => {
                let whole = [folder.dir().to_owned()];
                let sources = if files.is_empty() { &whole } else { files };
                let recorded = folder.is_named() || files.is_empty();
                let recorded = if recorded { Some(whole[0].clone()) } else { None };
                let among = || files.iter().find(|file| state::folder(file).is_dir()).cloned();
                let (manifests, problems) = Preview::open(sources, recorded.or_else(among).as_deref()).await?;
                (manifests, Vec::new(), problems)
            }
            World::Cluster(cluster) => {
                let kept = Kept { cluster: cluster.clone(), controller: self.controller_namespace.clone() };
                over(world, kept, files).await?
            }
        };
        if !problems.is_empty() {
            return Ok(Err(problems));
        }
        if !self.credentials_from_cluster && matches!(world, World::Cluster(_)) {
            manifests.amend(|fork| fork.spec.credentials_ref = None);
        }
        let (endpoints, own) = self.connection(world).await?;
        context(manifests, known, endpoints, own).await.map(Ok)
    }

    async fn connection(&self, world: &World) -> anyhow::Result<(Endpoints, OwnCredentials)> {
        let connection = match (&self.sandbox, world) {
            (Some(url), _) => Connection::sandbox(url),
            (None, World::Cluster(cluster)) if self.credentials_from_cluster => {
                let mut variables = cluster.controller_environment(self.controller_namespace.as_deref()).await?;
                // Paths lead to files of the pod.
                variables.retain(|name, _| !name.ends_with("_FILE"));
                let variable = |name: &str| variables.get(name).map(Secret::expose).map(str::to_owned);
                return Connection::if_any(&variable).map_err(anyhow::Error::msg);
            }
            (None, World::Cluster(_)) => Connection::from_environment().map_err(|error| {
                format!("{error}\n\nOr, if you may read the Secrets of the cluster: --credentials-from-cluster")
            }),
            (None, World::Folder(_)) => Connection::from_environment(),
        };
        let Connection { endpoints, credentials } = connection.map_err(anyhow::Error::msg)?;
        Ok((endpoints, credentials.into()))
    }
}

/// Why something could not be read. To a person there is no store that is unavailable.
pub(super) fn told(error: StoreError) -> anyhow::Error {
    match error {
        StoreError::Unavailable(why) => anyhow::Error::msg(why),
        error => error.into(),
    }
}

/// Manifests over what the cluster has, and all Forks that can be seen there.
async fn over(world: &World, kept: Kept, files: &[PathBuf]) -> anyhow::Result<(Preview, Vec<Fork>, Vec<Problem>)> {
    let forks: Vec<Fork> = world.list::<Fork>().await?.into_iter().map(Arc::unwrap_or_clone).collect();
    let releases = world.list::<Deployment>().await?.into_iter().map(Arc::unwrap_or_clone).collect();
    let namespace = kept.cluster.namespace().unwrap_or("default").to_owned();
    let (preview, problems) = Preview::over(files, &forks, releases, &namespace, Box::new(kept));
    Ok((preview, forks, problems))
}

async fn context(
    manifests: Preview,
    known: Vec<Fork>,
    endpoints: Endpoints,
    own: OwnCredentials,
) -> anyhow::Result<Arc<Context<Preview>>> {
    let clock = Clock::default();
    let metrics = Metrics::default();
    let connector = Connector::new(endpoints, clock.clone(), &metrics).context("making the HTTP client")?;
    let accounts = Accounts::new(Box::new(connector), own, manifests.digest_key().await.map_err(told)?);
    let journal = Arc::new(NoJournal);
    let (context, _) = Context::new(Parts {
        store: manifests,
        accounts,
        journal,
        history: Arc::new(NoJournal),
        outbox: Arc::new(NoJournal),
        clock,
        metrics,
        abandon_after: ABANDON_AFTER,
        services: crate::context::Services::default(),
    });
    for fork in known.into_iter().chain(context.store.forks().iter().cloned()) {
        context.fleet.put_fork(&Arc::new(fork));
    }
    for release in context.store.list().await? {
        context.fleet.put_release(release);
    }
    Ok(context)
}
