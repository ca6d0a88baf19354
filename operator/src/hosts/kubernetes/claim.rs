//! Takes over objects that should be ours, from processes that are not there any more.
//!
//! An object changes hands only while its present owner cannot act on it: whoever takes it holds the owner's Lease
//! meanwhile, and the owner lists everything anew once it leads again.

use std::{
    collections::{BTreeMap, HashMap},
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
use tokio::time::{Instant, sleep};
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

/// One object that should be ours.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    object: ObjectRef,
    version: Option<String>,
}

/// Takes over objects until `stop`, which is only to be done while leading. `client` is that of the Lease.
pub async fn take_over(store: KubernetesStore, client: Client, times: Times, stop: CancellationToken) {
    let mut electors: HashMap<String, Elector> = HashMap::new();
    loop {
        let wanted = store.wanted();
        for (owner, objects) in &wanted {
            let Some(lease) = owner.lease() else {
                // Nobody can work on them, so nobody has to be kept from it.
                patch_all(&store, objects, Instant::now() + times.deadline).await;
                continue;
            };
            let options = &store.0.options;
            let elector = electors.entry(lease).or_insert_with_key(|lease| {
                Elector::new(client.clone(), &options.own_namespace, lease, &options.identity, times)
            });
            match elector.try_to_acquire().await {
                Ok(true) => {
                    patch_all(&store, objects, elector.holds_until()).await;
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

/// Gives objects our label, as many as there is time for.
async fn patch_all(store: &KubernetesStore, objects: &[Wanted], until: Instant) {
    let taken = stream::iter(objects)
        .take_while(|_| std::future::ready(Instant::now() < until))
        .map(|wanted| tokio::time::timeout_at(until, patch(store, wanted)))
        .buffer_unordered(AT_ONCE);
    let taken = taken.filter(|taken| std::future::ready(matches!(taken, Ok(true)))).count().await;
    tracing::info!(objects = taken, "taken over");
}

async fn patch(store: &KubernetesStore, Wanted { object, version }: &Wanted) -> bool {
    let taken = if object.kind == Fork::KIND {
        store.take::<Fork>(object, version.as_deref()).await
    } else {
        store.take::<Deployment>(object, version.as_deref()).await
    };
    match taken {
        Ok(()) => true,
        // It is another by now, or gone: its watch tells.
        Err(StoreError::Conflict(_) | StoreError::NotFound(_)) => false,
        Err(error) => {
            tracing::warn!(%object, %error, "it could not be taken over");
            false
        }
    }
}

impl KubernetesStore {
    /// Objects of others that should be ours, by whose they are.
    fn wanted(&self) -> BTreeMap<Owner, Vec<Wanted>> {
        let mut wanted: BTreeMap<Owner, Vec<Wanted>> = BTreeMap::new();
        self.collect::<Fork>(&mut wanted);
        self.collect::<Deployment>(&mut wanted);
        wanted
    }

    fn collect<K: Sharded>(&self, wanted: &mut BTreeMap<Owner, Vec<Wanted>>) {
        for object in read(&self.kept::<K>().others).all().filter(|object| self.0.owner.fits(&***object)) {
            let one = Wanted { object: object.reference(), version: object.meta().resource_version.clone() };
            wanted.entry(Owner::of(&**object)).or_default().push(one);
        }
    }

    /// Gives an object our label.
    async fn take<K: Kind>(&self, object: &ObjectRef, version: Option<&str>) -> Result<(), StoreError> {
        let labels = json!({ SHARD_LABEL: self.0.owner.label() });
        let patch = json!({ "metadata": { "resourceVersion": version, "labels": labels } });
        let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        let request = requests::<K>(&object.namespace).patch(&object.name, &parameters, &Patch::Merge(patch));
        let taken = self.send::<K>(built(request)?).await.map_err(|error| refused(object, &error))?;
        self.took(taken);
        Ok(())
    }
}
