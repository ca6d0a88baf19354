//! Takes over objects that should be ours, from processes that are not there any more.
//!
//! An object changes hands only while its present owner cannot act on it: whoever takes it holds the owner's Lease
//! meanwhile, and the owner lists everything anew once it leads again.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use forkable_core::store::{Kind, ObjectRef, StoreError};
use forkable_crds::{Deployment, Fork, SHARD_LABEL};
use futures::{StreamExt as _, stream};
use kube::{
    Client,
    api::{Patch, PatchParams},
};
use rand::Rng as _;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{
    lease::{Elector, Times},
    shard::{Owner, Sharded},
    store::{FIELD_MANAGER, KubernetesStore, built, read, refused, requests},
};

/// Objects that are taken over at a time.
const AT_ONCE: usize = 8;
/// How soon it is tried again while somebody else has the Lease, at least.
const SOON: Duration = Duration::from_millis(200);

/// Objects of one owner that should be ours.
#[derive(Debug, Default)]
struct Wanted {
    forks: Vec<One>,
    releases: Vec<One>,
}

#[derive(Debug)]
struct One {
    object: ObjectRef,
    version: Option<String>,
}

/// Takes over objects until `stop`, which is only to be done while leading. `client` is that of the Lease.
pub async fn take_over(store: KubernetesStore, client: Client, times: Times, stop: CancellationToken) {
    let mut electors: HashMap<String, Elector> = HashMap::new();
    loop {
        let wanted = store.wanted();
        for (owner, wanted) in &wanted {
            let Some(lease) = owner.lease() else {
                // Nobody can work on them, so nobody has to be kept from it.
                store.take_all(wanted, Instant::now() + times.deadline).await;
                continue;
            };
            let options = &store.0.options;
            let elector = electors.entry(lease).or_insert_with_key(|lease| {
                Elector::new(client.clone(), &options.own_namespace, lease, &options.identity, times)
            });
            match elector.try_to_acquire().await {
                Ok(true) => {
                    store.take_all(wanted, elector.holds_until()).await;
                    elector.release().await;
                }
                Ok(false) => {}
                Err(error) => tracing::warn!(lease = elector.name(), %error, "objects cannot be taken over yet"),
            }
        }
        electors.retain(|lease, _| wanted.keys().any(|owner| owner.lease().as_ref() == Some(lease)));
        let wait = async {
            if wanted.is_empty() {
                store.0.others_changed.notified().await;
            } else {
                sleep(SOON.max(times.retry / 4).mul_f64(rand::rng().random_range(1.0..2.0))).await;
            }
        };
        if stop.run_until_cancelled(wait).await.is_none() {
            return;
        }
    }
}

impl KubernetesStore {
    /// Gives objects our label, as many as there is time for. Forks come last: a pass of a Fork has to know its
    /// Deployments.
    async fn take_all(&self, Wanted { forks, releases }: &Wanted, until: Instant) {
        let mut taken = self.take_each::<Deployment>(releases, until).await;
        if taken == releases.len() {
            taken += self.take_each::<Fork>(forks, until).await;
        }
        tracing::info!(objects = taken, "taken over");
    }

    /// Answers how many were taken.
    async fn take_each<K: Kind>(&self, objects: &[One], until: Instant) -> usize {
        let take = |one| async move {
            match timeout_at(until, self.take::<K>(one)).await {
                Ok(Ok(())) => true,
                // It is another by now, or gone: its watch tells.
                Err(_) | Ok(Err(StoreError::Conflict(_) | StoreError::NotFound(_))) => false,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "an object could not be taken over");
                    false
                }
            }
        };
        let in_time = stream::iter(objects).take_while(|_| std::future::ready(Instant::now() < until));
        in_time.map(take).buffer_unordered(AT_ONCE).filter(|taken| std::future::ready(*taken)).count().await
    }

    /// Objects of others that should be ours, by whose they are.
    fn wanted(&self) -> BTreeMap<Owner, Wanted> {
        let mut wanted: BTreeMap<Owner, Wanted> = BTreeMap::new();
        for (owner, release) in self.fitting::<Deployment>() {
            wanted.entry(owner).or_default().releases.push(release);
        }
        for (owner, fork) in self.fitting::<Fork>() {
            wanted.entry(owner).or_default().forks.push(fork);
        }
        wanted
    }

    fn fitting<K: Sharded>(&self) -> Vec<(Owner, One)> {
        let others = read(&self.kept::<K>().others);
        let fitting = others.all().filter(|object| self.0.owner.fits(&***object));
        let one = |object: &Arc<K>| One { object: object.reference(), version: object.meta().resource_version.clone() };
        fitting.map(|object| (Owner::of(&**object), one(object))).collect()
    }

    /// Gives an object our label.
    async fn take<K: Kind>(&self, One { object, version }: &One) -> Result<(), StoreError> {
        let labels = json!({ SHARD_LABEL: self.0.owner.label() });
        let patch = json!({ "metadata": { "resourceVersion": version, "labels": labels } });
        let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        let request = requests::<K>(&object.namespace).patch(&object.name, &parameters, &Patch::Merge(patch));
        let taken = self.send::<K>(built(request)?).await.map_err(|error| refused(object, &error))?;
        self.took(taken);
        Ok(())
    }
}
