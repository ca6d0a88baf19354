//! Where a command finds its objects: in a folder, or in a cluster.

use std::path::PathBuf;

use super::world::{Cluster, Folder, World};

// Without any of these: the current folder, and for `kubectl forkable` the cluster of the kubeconfig's current context.
// No doc comment: clap would take it for what the command is about.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Where the objects are")]
pub(super) struct Place {
    /// A folder that `forkable up` works on.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["cluster", "context", "kubeconfig"])]
    dir: Option<PathBuf>,
    /// The cluster of the kubeconfig's current context; `kubectl forkable` means it by default.
    #[arg(long)]
    cluster: bool,
    /// The cluster of this context of the kubeconfig.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// The cluster of this kubeconfig, instead of $KUBECONFIG or ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Namespace of the objects; by default that of the context, or `default` in a folder.
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Objects of all namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
}

impl Place {
    fn folder(&self) -> Option<PathBuf> {
        let cluster = self.cluster || self.context.is_some() || self.kubeconfig.is_some();
        self.dir.clone().or_else(|| (!cluster).then(|| PathBuf::from(".")))
    }

    /// Opens it. Nothing is read yet.
    pub(super) async fn open(&self) -> anyhow::Result<World> {
        if let Some(dir) = self.folder() {
            return Ok(World::Folder(Folder::new(dir, self.dir.is_some(), self.namespace.clone())));
        }
        let (context, kubeconfig) = (self.context.as_deref(), self.kubeconfig.as_deref());
        let cluster = Cluster::connect(kubeconfig, context, self.namespace.clone(), self.all_namespaces).await?;
        Ok(World::Cluster(cluster))
    }
}
