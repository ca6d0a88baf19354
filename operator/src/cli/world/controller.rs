//! The controller of a cluster, as far as commands have to know it: where it runs, whether it is alive, the brake that
//! it holds, and the credentials that it works with.

use std::collections::BTreeMap;

use anyhow::{bail, ensure};
use forkable_core::Secret;
use jiff::Timestamp;
use k8s_openapi::{
    ByteString,
    api::{apps::v1 as apps_v1, coordination::v1::Lease, core::v1 as core_v1},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, ResourceExt, api::ListParams};
use serde::Deserialize;
use serde_json::json;

use super::Cluster;
use crate::hosts::kubernetes::{self, LEASE_LABEL, RESUME_ANNOTATION};

/// Labels of the pods' Deployments, as the chart sets them.
const DEPLOYMENTS: &str = "app.kubernetes.io/part-of=forkable,app.kubernetes.io/component=controller";
const LOOKING: &str = "looking for the controller; --controller-namespace names where it runs";
/// A Lease that was not renewed for this many of its durations has no live holder.
const MISSED: i64 = 2;

/// Of a Deployment of pods, what its containers get their environment from. To read the rest of what a pod may be takes
/// more code than any command here has.
#[derive(Clone, Debug, Deserialize, kube::Resource)]
#[resource(inherit = apps_v1::Deployment)]
struct Pods {
    metadata: ObjectMeta,
    spec: PodsSpec,
}

#[derive(Clone, Debug, Deserialize)]
struct PodsSpec {
    template: PodTemplate,
}

#[derive(Clone, Debug, Deserialize)]
struct PodTemplate {
    spec: PodSpec,
}

#[derive(Clone, Debug, Deserialize)]
struct PodSpec {
    containers: Vec<Container>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Container {
    env: Vec<core_v1::EnvVar>,
    env_from: Vec<core_v1::EnvFromSource>,
}

impl Cluster {
    async fn leases(&self, namespace: Option<&str>) -> kube::Result<Vec<Lease>> {
        Ok(kubernetes::api(&self.client, namespace)
            .list(&ListParams::default().labels(&LEASE_LABEL.join("=")))
            .await?
            .items)
    }

    /// Asks the controller, and each shard of it, to let destructive steps go on: in the namespace that was named, or
    /// wherever there is one. Answers their Leases.
    pub(in crate::cli) async fn release_brake(&self) -> anyhow::Result<Vec<String>> {
        let named = self.named.as_deref();
        let hint = "the brake is released on the controller's Lease; -n names its namespace";
        let leases = self.leases(named).await.map_err(|error| self.explain(error).context(hint))?;
        let place = named.map_or_else(|| format!("in {}", self.server), |name| format!("in namespace {name}"));
        ensure!(
            !leases.is_empty(),
            "there is no controller {place}: no Lease with the label {}",
            LEASE_LABEL.join("=")
        );
        let now = format!("{:.0}", Timestamp::now());
        let patch = json!({ "metadata": { "annotations": { RESUME_ANNOTATION: now } } });
        let mut asked = Vec::new();
        for lease in leases {
            let (namespace, name) = (lease.namespace().unwrap_or_default(), lease.name_any());
            self.patch(Api::<Lease>::namespaced(self.client.clone(), &namespace), &name, &patch).await?;
            asked.push(format!("{namespace}/lease/{name}"));
        }
        Ok(asked)
    }

    /// What keeps the controller from doing anything, if that can be seen: most people may not read Leases.
    pub(in crate::cli) async fn controller_is_down(&self, now: Timestamp) -> Option<String> {
        let leases = self.leases(None).await.ok()?;
        if leases.is_empty() {
            return Some("no controller runs in the cluster: install Forkable's chart".into());
        }
        let renewed = |lease: &Lease| {
            let spec = lease.spec.as_ref()?;
            Some((spec.renew_time.as_ref()?.0, i64::from(spec.lease_duration_seconds.unwrap_or(15))))
        };
        let alive = |lease: &Lease| {
            renewed(lease).is_some_and(|(at, duration)| now.duration_since(at).as_secs() <= MISSED * duration)
        };
        if leases.iter().any(alive) {
            return None;
        }
        let last = leases.iter().filter_map(renewed).map(|(at, _)| at).max();
        let last = last.map(|at| format!(", and was last alive at {at:.0}")).unwrap_or_default();
        let namespace = leases.first()?.namespace().unwrap_or_default();
        Some(format!("the controller in namespace {namespace} does not run{last}: look at its pods"))
    }

    /// Where the controller is, if there is one.
    pub(super) async fn controller_namespace(&self) -> anyhow::Result<Option<String>> {
        let leases = self.leases(None).await.map_err(|error| self.explain(error).context(LOOKING))?;
        Ok(leases.first().and_then(ResourceExt::namespace))
    }

    /// The environment variables that the controller runs with, values of Secrets included. It is looked for in
    /// `namespace`, or else in all of them.
    pub(in crate::cli) async fn controller_environment(
        &self,
        namespace: Option<&str>,
    ) -> anyhow::Result<BTreeMap<String, Secret>> {
        let deployments: Api<Pods> = kubernetes::api(&self.client, namespace);
        let found = deployments.list(&ListParams::default().labels(DEPLOYMENTS)).await;
        let found = found.map_err(|error| self.explain(error).context(LOOKING))?;
        let Some(controller) = found.items.into_iter().next() else {
            bail!("no Deployment has the labels {DEPLOYMENTS}: there is no controller whose credentials could be used")
        };
        let namespace = controller.namespace().unwrap_or_default();
        let containers = controller.spec.template.spec.containers;
        let Some(container) = containers.into_iter().next() else { return Ok(BTreeMap::new()) };
        let mut environment = BTreeMap::new();
        for source in container.env_from {
            let prefix = source.prefix.unwrap_or_default();
            let Some(reference) = source.secret_ref else { continue };
            let data = self.secret(&namespace, &reference.name).await?.unwrap_or_default();
            environment.extend(data.into_iter().map(|(key, value)| (format!("{prefix}{key}"), value)));
        }
        for core_v1::EnvVar { name, value, value_from } in container.env {
            let from = value_from.and_then(|source| source.secret_key_ref);
            let value = match (value, from) {
                (Some(value), _) => Some(Secret::new(value)),
                (None, Some(from)) => {
                    self.secret(&namespace, &from.name).await?.and_then(|mut it| it.remove(&from.key))
                }
                (None, None) => None,
            };
            environment.extend(value.map(|value| (name, value)));
        }
        Ok(environment)
    }

    /// The values of a Secret that are text; `None` if there is no such Secret.
    pub(super) async fn secret(&self, namespace: &str, name: &str) -> anyhow::Result<Option<BTreeMap<String, Secret>>> {
        let secret = self.find::<core_v1::Secret>(namespace, name).await?;
        Ok(secret.map(|secret| secret.data.into_iter().flatten().filter_map(text).collect()))
    }
}

/// A value that is not text cannot become a variable or a credential.
fn text((key, ByteString(bytes)): (String, ByteString)) -> Option<(String, Secret)> {
    Some((key, Secret::new(String::from_utf8(bytes).ok()?)))
}
