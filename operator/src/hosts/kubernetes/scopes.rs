//! Which watches there are.

use std::sync::PoisonError;

use forkable_crds::{Deployment, Fork, GROUP};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client, Resource, core::NamespaceResourceScope, core::PartialObjectMeta, runtime::watcher::Event};

use super::{
    data::DataKind,
    store::KubernetesStore,
    watch::{Scope, follow},
};

impl KubernetesStore {
    /// Watches one namespace, or all.
    pub(super) fn watch_scope(&self, index: usize, namespace: Option<&str>) {
        let scope = |resource, group| Scope { resource, group, namespace: namespace.map(str::to_owned) };
        let client = &self.0.client;
        let store = self.clone();
        let told = move |event: Event<Fork>| {
            let told = store.0.forks.write().unwrap_or_else(PoisonError::into_inner).told(index, event);
            store.pass_on::<Fork>(told);
        };
        tokio::spawn(follow(api(client, namespace), None, scope("forks", GROUP), self.readiness(), told));
        let store = self.clone();
        let told = move |event: Event<Deployment>| {
            let told = store.0.releases.write().unwrap_or_else(PoisonError::into_inner).told(index, event);
            store.pass_on::<Deployment>(told);
        };
        tokio::spawn(follow(api(client, namespace), None, scope("deployments", GROUP), self.readiness(), told));
        let told = self.data_told::<Secret>(DataKind::Secret, index, namespace);
        tokio::spawn(follow(api(client, namespace), None, scope("secrets", ""), self.readiness(), told));
        let told = self.data_told::<ConfigMap>(DataKind::ConfigMap, index, namespace);
        tokio::spawn(follow(api(client, namespace), None, scope("configmaps", ""), self.readiness(), told));
    }

    fn data_told<K>(
        &self,
        kind: DataKind,
        index: usize,
        namespace: Option<&str>,
    ) -> impl FnMut(Event<PartialObjectMeta<K>>) + Send + use<K> {
        let (store, namespace) = (self.clone(), namespace.map(str::to_owned));
        move |event| {
            let changed = store.0.data.told(kind, (index, namespace.as_deref()), event);
            store.data_changed(&changed);
        }
    }
}

fn api<K: Resource<DynamicType = (), Scope = NamespaceResourceScope>>(
    client: &Client,
    namespace: Option<&str>,
) -> Api<K> {
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}
