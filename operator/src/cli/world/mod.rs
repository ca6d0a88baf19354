//! The two worlds that commands read and change alike: the folder of one machine, and a cluster.

mod beside;
mod cluster;
mod controller;
mod explain;
mod folder;
mod manifest;

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context as _, bail};
use forkable_core::{
    Secret,
    store::{Kind, ObjectRef},
};
use forkable_crds::{AlertRule, Deployment, Fork, fork::Suspend};
use futures::stream::BoxStream;
use kube::core::NamespaceResourceScope;

pub(super) use beside::Kept;
pub(super) use cluster::Cluster;
pub(super) use folder::Folder;

use super::target::Target;
use crate::hosts::local::{Event, annotate};

/// A kind that both worlds have.
pub(super) trait Listed: Kind + kube::Resource<DynamicType = (), Scope = NamespaceResourceScope> {}

impl<K: Kind + kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>> Listed for K {}

/// Where objects are read, and changed for a person.
pub(super) enum World {
    Folder(Folder),
    Cluster(Cluster),
}

/// What a person changes of a Fork's manifest.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    Suspend(Suspend),
    Resume,
    Adopt,
}

/// What became of an [`Edit`].
pub(super) enum Edited {
    /// It is done; what to tell about it.
    Done(String),
    /// Only a person can do it; how.
    ByHand(String),
}

impl World {
    /// `in DIR`, or in which namespace of the cluster.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Folder(folder) => folder.place(),
            Self::Cluster(cluster) => cluster.place(),
        }
    }

    /// Whether names alone do not tell objects of a list apart.
    pub(super) fn shows_namespaces<K: Kind>(&self, objects: &[Arc<K>]) -> bool {
        match self {
            Self::Folder(folder) => folder.shows_namespaces(objects),
            Self::Cluster(cluster) => cluster.shows_namespaces(),
        }
    }

    /// Namespace and name of what a person means.
    pub(super) fn resolve(&self, target: &Target) -> anyhow::Result<(String, String)> {
        let default = match self {
            Self::Folder(folder) => Some(folder.namespace()),
            Self::Cluster(cluster) => cluster.namespace(),
        };
        match target.namespace.clone().or_else(|| default.map(str::to_owned)) {
            Some(namespace) => Ok((namespace, target.name.clone())),
            None => bail!("{target} is one object: name its namespace with -n instead of --all-namespaces"),
        }
    }

    /// One object, if it exists.
    pub(super) async fn get<K: Listed>(&self, target: &Target) -> anyhow::Result<Option<Arc<K>>> {
        let (namespace, name) = self.resolve(target)?;
        match self {
            Self::Folder(folder) => folder.get(&namespace, &name).await,
            Self::Cluster(cluster) => cluster.get(&namespace, &name).await,
        }
    }

    /// The Fork of that name; the error says where there is none.
    pub(super) async fn fork(&self, target: &Target) -> anyhow::Result<Arc<Fork>> {
        self.existing("fork", target, self.get(target).await?)
    }

    /// The alert rule of that name with its status; the error says where there is none.
    pub(super) async fn rule(&self, target: &Target) -> anyhow::Result<Arc<AlertRule>> {
        self.existing("alert rule", target, self.get(target).await?)
    }

    /// The alert rule of that name as it is declared, whether or not anything works on it; the error says where there is
    /// none.
    pub(super) async fn declared_rule(&self, target: &Target) -> anyhow::Result<Arc<AlertRule>> {
        let (namespace, name) = self.resolve(target)?;
        let found = match self {
            Self::Folder(folder) => folder.declared(&namespace, &name).await?,
            Self::Cluster(cluster) => cluster.get(&namespace, &name).await?,
        };
        self.existing("alert rule", target, found)
    }

    fn existing<T>(&self, kind: &str, target: &Target, found: Option<T>) -> anyhow::Result<T> {
        found.with_context(|| format!("there is no {kind} {target} {}", self.place()))
    }

    /// The values of a Secret, if it exists.
    pub(super) async fn secret(&self, namespace: &str, name: &str) -> anyhow::Result<Option<BTreeMap<String, Secret>>> {
        match self {
            Self::Folder(folder) => folder.secret(namespace, name).await,
            Self::Cluster(cluster) => cluster.secret(namespace, name).await,
        }
    }

    /// All objects of a kind, in the namespaces that are asked for.
    pub(super) async fn list<K: Listed>(&self) -> anyhow::Result<Vec<Arc<K>>> {
        match self {
            Self::Folder(folder) => folder.list().await,
            Self::Cluster(cluster) => cluster.list().await,
        }
    }

    /// The objects of a kind and, from then on, each as often as it changes. Ends with an error only.
    pub(super) fn watch<K: Listed>(&self) -> BoxStream<'_, anyhow::Result<Arc<K>>> {
        match self {
            Self::Folder(folder) => folder.watch(),
            Self::Cluster(cluster) => cluster.watch(),
        }
    }

    /// What people were told about an object, newest last.
    pub(super) async fn events(&self, object: &ObjectRef) -> anyhow::Result<Vec<Event>> {
        match self {
            Self::Folder(folder) => folder.events(object).await,
            Self::Cluster(cluster) => cluster.events(object).await,
        }
    }

    /// Notes a wish of a person on a release or a rule.
    pub(super) async fn annotate<K: Listed>(&self, object: &Arc<K>, name: &str, value: &str) -> anyhow::Result<()> {
        match self {
            Self::Folder(folder) => Ok(annotate(folder.dir(), &object.reference(), name, value).await?),
            Self::Cluster(cluster) => cluster.annotate(object, name, value).await,
        }
    }

    /// Makes a release; answers what a person should know.
    pub(super) async fn create(&self, release: &Deployment) -> anyhow::Result<String> {
        match self {
            Self::Folder(folder) => folder.create(release),
            Self::Cluster(cluster) => cluster.create(release).await,
        }
    }

    /// Changes the manifest of a Fork.
    pub(super) async fn edit(&self, fork: &Fork, edit: &Edit) -> anyhow::Result<Edited> {
        match self {
            Self::Folder(folder) => folder.edit(&fork.reference(), edit),
            Self::Cluster(cluster) => cluster.edit(fork, edit).await.map(Edited::Done),
        }
    }
}
