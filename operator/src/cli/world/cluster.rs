//! A cluster, with a person's own rights: objects and events are read, manifests patched.

use std::{error::Error as _, fmt::Debug, path::Path, sync::Arc};

use anyhow::anyhow;
use forkable_core::store::{Kind, Named, ObjectRef};
use forkable_crds::{ADOPT_ANNOTATION, Deployment, Fork};
use futures::stream::{BoxStream, StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use k8s_openapi::api::{authentication::v1::SelfSubjectReview, core::v1 as core_v1};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions},
    core::NamespaceResourceScope,
    runtime::{WatchStreamExt as _, watcher},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    Edit, Listed,
    explain::{explain, is_absent},
};
use crate::hosts::{
    kubernetes::{self, ConnectError},
    local::Event,
};

/// Who changes of a manifest are said to be by.
const FIELD_MANAGER: &str = "kubectl-forkable";
/// Objects in one answer to a list.
const PAGE: u32 = 500;

/// A cluster, as the kubeconfig's user sees it.
#[derive(Clone)]
pub(in crate::cli) struct Cluster {
    pub(super) client: Client,
    /// Where it is said to be, for errors.
    pub(super) server: String,
    /// `None`: all namespaces.
    namespace: Option<String>,
    /// The namespace that was asked for by name.
    pub(super) named: Option<String>,
}

impl Cluster {
    pub(in crate::cli) async fn connect(
        kubeconfig: Option<&Path>,
        context: Option<&str>,
        namespace: Option<String>,
        all_namespaces: bool,
    ) -> anyhow::Result<Self> {
        let config = kubernetes::config(kubeconfig, context).await.map_err(unconnected)?;
        let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let default = config.default_namespace.clone();
        let client = kubernetes::client(config).map_err(unconnected)?;
        let scope = (!all_namespaces).then(|| namespace.clone().unwrap_or(default));
        Ok(Self { client, server, namespace: scope, named: namespace })
    }

    pub(super) fn place(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("in namespace {namespace} of {}", self.server),
            None => format!("in {}", self.server),
        }
    }

    /// Namespace of names that come without one; `None` if all are asked for.
    pub(in crate::cli) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    pub(super) fn shows_namespaces(&self) -> bool {
        self.namespace.is_none()
    }

    pub(super) fn explain(&self, error: kube::Error) -> anyhow::Error {
        explain(error, &self.server)
    }

    fn api<K: Listed>(&self, namespace: &str) -> Api<K> {
        Api::namespaced(self.client.clone(), namespace)
    }

    fn asked<K: Listed>(&self) -> Api<K> {
        kubernetes::api(&self.client, self.namespace.as_deref())
    }

    /// One object of any kind, if it exists.
    pub(super) async fn find<K>(&self, namespace: &str, name: &str) -> anyhow::Result<Option<K>>
    where
        K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
    {
        match Api::<K>::namespaced(self.client.clone(), namespace).get(name).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(self.explain(error)),
        }
    }

    pub(super) async fn get<K: Listed>(&self, namespace: &str, name: &str) -> anyhow::Result<Option<Arc<K>>> {
        Ok(self.find::<K>(namespace, name).await?.map(Arc::new))
    }

    pub(super) async fn list<K: Listed>(&self) -> anyhow::Result<Vec<Arc<K>>> {
        let api = self.asked::<K>();
        let mut page = ListParams::default().limit(PAGE);
        let mut all = Vec::new();
        loop {
            let list = api.list(&page).await.map_err(|error| self.explain(error))?;
            all.extend(list.items.into_iter().map(Arc::new));
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(all),
            }
        }
    }

    pub(super) fn watch<K: Listed>(&self) -> BoxStream<'_, anyhow::Result<Arc<K>>> {
        let changes = watcher(self.asked::<K>(), watcher::Config::default().page_size(PAGE)).applied_objects();
        let explained = |error| match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => self.explain(error),
            other => anyhow::Error::new(other).context("watching"),
        };
        changes.map_ok(Arc::new).map_err(explained).boxed()
    }

    pub(super) async fn events(&self, object: &ObjectRef) -> anyhow::Result<Vec<Event>> {
        let Named { kind, namespace, name } = &**object;
        let events: Api<core_v1::Event> = Api::namespaced(self.client.clone(), namespace);
        let about = format!("involvedObject.kind={kind},involvedObject.name={name}");
        let list = events.list(&ListParams::default().fields(&about)).await.map_err(|error| self.explain(error))?;
        let mut told: Vec<_> = list.items.into_iter().map(told).collect();
        told.sort_by(|a, b| a.last_at.cmp(&b.last_at));
        Ok(told)
    }

    /// Patches the manifest; answers how to see it.
    pub(super) async fn edit(&self, fork: &Fork, edit: &Edit) -> anyhow::Result<String> {
        let mut patch = match edit {
            Edit::Suspend(suspend) => json!({ "spec": { "suspend": suspend } }),
            Edit::Resume => json!({ "spec": { "suspend": null } }),
            Edit::Adopt => json!({ "metadata": { "annotations": { ADOPT_ANNOTATION: "true" } } }),
        };
        // Another object that has the name by now is refused.
        patch["metadata"]["uid"] = fork.uid().into();
        let (namespace, name) = (fork.namespace(), fork.name());
        self.patch(self.api::<Fork>(namespace), name, &patch).await?;
        Ok("if the manifest is kept in Git, change it there too, or it may be undone from there".into())
    }

    /// The account that the cluster knows the caller as; `None`: it does not tell.
    pub(in crate::cli) async fn whoami(&self) -> Option<String> {
        let reviews = Api::<SelfSubjectReview>::all(self.client.clone());
        let review = reviews.create(&PostParams::default(), &SelfSubjectReview::default()).await.ok()?;
        review.status?.user_info?.username
    }

    /// Makes a release; answers what a person should know.
    pub(super) async fn create(&self, release: &Deployment) -> anyhow::Result<String> {
        let params = PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() };
        let api = self.api::<Deployment>(release.namespace());
        api.create(&params, release).await.map_err(|error| self.explain(error))?;
        Ok("see `forkable history`".into())
    }

    /// Notes a wish of a person on a release or a rule.
    pub(super) async fn annotate<K: Listed>(&self, object: &Arc<K>, name: &str, value: &str) -> anyhow::Result<()> {
        let patch = json!({ "metadata": { "uid": object.uid(), "annotations": { name: value } } });
        let (namespace, name) = (object.namespace(), object.name());
        self.patch(self.api::<K>(namespace), name, &patch).await
    }

    pub(super) async fn patch<K>(&self, api: Api<K>, name: &str, patch: &Value) -> anyhow::Result<()>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        api.patch(name, &params, &Patch::Merge(patch)).await.map(drop).map_err(|error| self.explain(error))
    }

    /// Asks for the deletion of exactly this object.
    pub(in crate::cli) async fn delete(&self, fork: &Fork) -> anyhow::Result<()> {
        let (namespace, name) = (fork.namespace(), fork.name());
        let preconditions = Preconditions { uid: fork.metadata.uid.clone(), ..Preconditions::default() };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        self.api::<Fork>(namespace).delete(name, &params).await.map(drop).map_err(|error| self.explain(error))
    }
}

/// A person lacks a kubeconfig, not the ServiceAccount of a pod.
fn unconnected(error: ConnectError) -> anyhow::Error {
    let ConnectError::Infer(error) = error else {
        return anyhow!("{error}; --dir names a folder instead of a cluster");
    };
    let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    anyhow!("no cluster: {why}; KUBECONFIG or --kubeconfig names a kubeconfig, --dir a folder instead of a cluster")
}

fn told(event: core_v1::Event) -> Event {
    let core_v1::Event { type_, reason, message, count, series, first_timestamp, last_timestamp, event_time, .. } =
        event;
    let begun = first_timestamp.map(|time| time.0).or(event_time.map(|time| time.0));
    let repeated = series.as_ref().and_then(|series| series.last_observed_time.as_ref()).map(|time| time.0);
    let time = |at: Option<Timestamp>| at.map(|at| format!("{at:.0}")).unwrap_or_default();
    Event {
        type_: type_.unwrap_or_default(),
        reason: reason.unwrap_or_default(),
        message: message.unwrap_or_default(),
        count: i64::from(series.and_then(|series| series.count).or(count).unwrap_or(1)),
        first_at: time(begun),
        last_at: time(repeated.or(last_timestamp.map(|time| time.0)).or(begun)),
    }
}
