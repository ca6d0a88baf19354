//! Which watches there are.

use forkable_crds::{AlertRule, Deployment, Fork, GROUP};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api, Client, Resource,
    core::{NamespaceResourceScope, PartialObjectMeta},
    runtime::watcher::Event,
};
use serde::de::DeserializeOwned;

use super::{
    data::DataKind,
    lenient::Lenient,
    shard::Sharded,
    store::{KubernetesStore, write},
    watch::{Scope, follow},
};

/// Watches of one scope.
pub(super) const WATCHES: usize = 7;

impl KubernetesStore {
    /// Watches one namespace, or all.
    pub(super) fn watch_scope(&self, index: usize, namespace: Option<&str>) {
        self.watch_objects::<Fork>(index, namespace, "forks");
        self.watch_objects::<Deployment>(index, namespace, "deployments");
        self.watch_rules(index, namespace);
        self.watch_data::<Secret>(DataKind::Secret, index, namespace, "secrets");
        self.watch_data::<ConfigMap>(DataKind::ConfigMap, index, namespace, "configmaps");
    }

    /// Watches the objects of a kind, those of other shards apart.
    fn watch_objects<K>(&self, index: usize, namespace: Option<&str>, resource: &'static str)
    where
        K: Sharded + Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned,
    {
        let scope = Scope { resource, group: GROUP, namespace: namespace.map(str::to_owned) };
        let (ours, others) = self.0.owner.selectors();
        let api: Api<Lenient<K>> = api(&self.0.client, namespace);
        let store = self.clone();
        let told = move |event| {
            let told = write(&store.kept::<K>().ours).told(index, event);
            store.pass_on::<K>(told);
        };
        tokio::spawn(follow(api.clone(), Some(ours), scope.clone(), self.readiness(), self.metrics(), told));
        let store = self.clone();
        let told = move |event| {
            let told = write(&store.kept::<K>().others).told(index, slim(event));
            store.pass_on::<K>(told);
            store.0.others_changed.notify_one();
        };
        tokio::spawn(follow(api, Some(others), scope, self.readiness(), self.metrics(), told));
    }

    /// Watches the rules, which all shards follow.
    fn watch_rules(&self, index: usize, namespace: Option<&str>) {
        let scope = Scope { resource: "alertrules", group: GROUP, namespace: namespace.map(str::to_owned) };
        let store = self.clone();
        let told = move |event| {
            let told = write(&store.kept::<AlertRule>().ours).told(index, event);
            store.pass_on::<AlertRule>(told);
        };
        let api: Api<Lenient<AlertRule>> = api(&self.0.client, namespace);
        tokio::spawn(follow(api, None, scope, self.readiness(), self.metrics(), told));
    }

    /// Watches the metadata of Secrets or ConfigMaps.
    fn watch_data<K>(&self, kind: DataKind, index: usize, namespace: Option<&str>, resource: &'static str)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + std::fmt::Debug + Send + Sync + 'static,
    {
        let scope = Scope { resource, group: "", namespace: namespace.map(str::to_owned) };
        let (store, of) = (self.clone(), scope.namespace.clone());
        let told = move |event: Event<PartialObjectMeta<K>>| {
            let changed = store.0.data.told(kind, (index, of.as_deref()), event);
            store.data_changed(&changed);
        };
        tokio::spawn(follow(api(&self.0.client, namespace), None, scope, self.readiness(), self.metrics(), told));
    }
}

fn slim<K: Sharded>(event: Event<Lenient<K>>) -> Event<Lenient<K>> {
    event.modify(|Lenient(told)| {
        if let Ok(object) = told {
            object.slim();
        }
    })
}

/// One namespace, or all.
pub(crate) fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}
