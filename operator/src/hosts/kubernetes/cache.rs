//! The objects of one kind as the apiserver told of them last, in its watches and in its answers to our own writes, so
//! that a pass never works on less than what the pass before it wrote. One copy of each; passes and fleet share it.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use forkable_core::store::Kind;
use forkable_crds::{Deployment, FORK_LABEL};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::watcher::Event;

use super::lenient::{Lenient, Unreadable};

/// Namespace and name.
pub(super) type Key = (String, String);

/// What an event of a watch means to those who look at the objects.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Nothing that matters: an echo of our own write, an older state, other bookkeeping of the apiserver.
    Nothing,
    Changed(Key),
    /// The whole list was told; these are not in it any more.
    Listed(Vec<Key>),
}

/// All objects of one kind that this process serves.
#[derive(Debug)]
pub(super) struct Cache<K> {
    objects: HashMap<Key, Arc<K>>,
    watches: Vec<Watch>,
}

/// One watch that fills the cache.
#[derive(Debug)]
struct Watch {
    /// `None`: all namespaces.
    namespace: Option<String>,
    /// The newest resourceVersion that it told. What is not newer was told already, its removal included.
    seen: u64,
    listing: Option<HashSet<Key>>,
}

impl<K: Kind> Cache<K> {
    /// A cache that is filled by one watch for each scope; `None` is the scope of all namespaces.
    pub(super) fn new(scopes: impl IntoIterator<Item = Option<String>>) -> Self {
        let watches = scopes.into_iter().map(|namespace| Watch { namespace, seen: 0, listing: None });
        Self { objects: HashMap::new(), watches: watches.collect() }
    }

    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        self.objects.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<K>> {
        self.objects.values()
    }

    /// Forgets an object that went elsewhere.
    pub(super) fn forget(&mut self, key: &Key) {
        self.objects.remove(key);
    }

    /// Takes in what the watch with this index told.
    pub(super) fn told(&mut self, watch: usize, event: Event<Lenient<K>>) -> Told {
        match event {
            Event::Init => {
                self.watches[watch].listing = Some(HashSet::new());
                Told::Nothing
            }
            Event::Apply(told) | Event::InitApply(told) => {
                let meta = meta(&told);
                let key = key(meta);
                let state = &mut self.watches[watch];
                state.seen = state.seen.max(version(meta));
                if let Some(listing) = &mut state.listing {
                    listing.insert(key.clone());
                }
                let changed = match told.0 {
                    Ok(object) => self.put(object),
                    // To work on what it was before would be to undo what a newer version of the kind has made.
                    Err(Unreadable { error, .. }) => {
                        let (kind, (namespace, name)) = (K::KIND, &key);
                        tracing::error!("{kind} {namespace}/{name} cannot be read and is left alone: {error}");
                        self.objects.remove(&key).is_some()
                    }
                };
                if changed { Told::Changed(key) } else { Told::Nothing }
            }
            Event::Delete(told) => {
                let (key, version) = (key(meta(&told)), version(meta(&told)));
                let state = &mut self.watches[watch];
                state.seen = state.seen.max(version);
                let old = self.objects.get(&key).is_some_and(|held| self::version(held.meta()) <= version);
                if old && self.objects.remove(&key).is_some() { Told::Changed(key) } else { Told::Nothing }
            }
            Event::InitDone => Told::Listed(self.listed(watch)),
        }
    }

    /// Forgets what the list did not have, except what we wrote after it was made.
    fn listed(&mut self, watch: usize) -> Vec<Key> {
        let Watch { namespace, seen, listing } = &mut self.watches[watch];
        let Some(listing) = listing.take() else { return Vec::new() };
        let in_scope = |key: &Key| namespace.as_ref().is_none_or(|namespace| *namespace == key.0);
        let mut gone = Vec::new();
        self.objects.retain(|key, held| {
            let keep = !in_scope(key) || listing.contains(key) || version(held.meta()) > *seen;
            if !keep {
                gone.push(key.clone());
            }
            keep
        });
        gone
    }

    /// Takes in the answer to a write or a read of our own, and answers it as it is kept.
    pub(super) fn answered(&mut self, mut object: K) -> Arc<K> {
        strip::<K>(object.meta_mut());
        let key = key(object.meta());
        let in_scope = |watch: &&Watch| watch.namespace.as_ref().is_none_or(|namespace| *namespace == key.0);
        let seen = self.watches.iter().find(in_scope).map_or(u64::MAX, |watch| watch.seen);
        if version(object.meta()) <= seen {
            // The watch is ahead: it may have told that the object is gone by now.
            return Arc::new(object);
        }
        // A copy has no room to spare, as those of the watches.
        self.put(object.clone());
        self.objects[&key].clone()
    }

    /// Keeps an object unless a newer state of it is held. Answers whether anything that matters is different.
    fn put(&mut self, object: K) -> bool {
        let key = key(object.meta());
        let changed = match self.objects.get(&key) {
            Some(held) if version(held.meta()) > version(object.meta()) => return false,
            Some(held) if held.meta().resource_version == object.meta().resource_version => return false,
            Some(held) => differs(&**held, &object),
            None => true,
        };
        self.objects.insert(key, Arc::new(object));
        changed
    }
}

/// Removes what nothing here reads and what may be larger than the object itself.
pub(super) fn strip<K: Kind>(meta: &mut ObjectMeta) {
    (meta.managed_fields, meta.owner_references) = (None, None);
    remove(&mut meta.annotations, "kubectl.kubernetes.io/last-applied-configuration");
    if K::KIND == Deployment::KIND {
        // It says for people whose Deployment it is. The spec says so too, and a map of one entry has room for eleven.
        remove(&mut meta.labels, FORK_LABEL);
    }
}

fn remove(all: &mut Option<BTreeMap<String, String>>, name: &str) {
    if let Some(some) = all {
        some.remove(name);
    }
    all.take_if(|left| left.is_empty());
}

/// Whether anything but the bookkeeping of the apiserver is different. Another spec is another generation.
fn differs<K: Kind>(a: &K, b: &K) -> bool {
    let meta = |object: &K| {
        let ObjectMeta { uid, generation, labels, annotations, finalizers, deletion_timestamp, .. } = object.meta();
        (uid.clone(), *generation, labels.clone(), annotations.clone(), finalizers.clone(), deletion_timestamp.clone())
    };
    meta(a) != meta(b) || a.status() != b.status()
}

fn meta<K: Kind>(told: &Lenient<K>) -> &ObjectMeta {
    told.0.as_ref().map_or_else(|invalid| &invalid.metadata, K::meta)
}

pub(super) fn key(meta: &ObjectMeta) -> Key {
    (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}

/// Versions of one kind grow; that they compare as numbers is part of the API since Kubernetes 1.35, and was so before.
fn version(meta: &ObjectMeta) -> u64 {
    meta.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use forkable_crds::Fork;

    use super::*;

    fn fork(name: &str, version: u64) -> Fork {
        serde_json::from_value(serde_json::json!({
            "apiVersion": "forkable.dev/v1alpha1", "kind": "Fork",
            "metadata": {
                "name": name, "namespace": "default", "uid": name, "generation": 1,
                "resourceVersion": version.to_string(),
                "managedFields": [{ "manager": "kubectl" }],
                "annotations": { "kubectl.kubernetes.io/last-applied-configuration": "{}" },
            },
            "spec": {
                "template": { "owner": "forkable-ai", "repo": "framework" },
                "repository": { "owner": "acme-inc", "name": "acme" },
                "project": { "name": "acme" },
            },
        }))
        .expect("a Fork")
    }

    fn read(fork: &Fork) -> Lenient<Fork> {
        serde_json::from_str(&serde_json::to_string(fork).expect("JSON")).expect("an object")
    }

    fn with_url(url: &str, version: u64) -> Fork {
        let mut fork = fork("acme", version);
        fork.status = Some(forkable_crds::ForkStatus { url: Some(url.into()), ..Default::default() });
        fork
    }

    fn key(name: &str) -> Key {
        ("default".into(), name.into())
    }

    fn cache(forks: impl IntoIterator<Item = Fork>) -> Cache<Fork> {
        let mut cache = Cache::new([None]);
        cache.told(0, Event::Init);
        for fork in forks {
            cache.told(0, Event::InitApply(read(&fork)));
        }
        assert_eq!(cache.told(0, Event::InitDone), Told::Listed(Vec::new()));
        cache
    }

    fn url(cache: &Cache<Fork>) -> Option<String> {
        cache.get("default", "acme")?.status.clone()?.url
    }

    #[test]
    fn our_own_write_counts_at_once_and_its_echo_is_nothing_new() {
        let mut cache = cache([fork("acme", 1)]);
        cache.answered(with_url("mine", 5));
        assert_eq!(url(&cache).as_deref(), Some("mine"));
        assert_eq!(cache.told(0, Event::Apply(read(&with_url("older", 3)))), Told::Nothing, "the watch lags behind");
        assert_eq!(url(&cache).as_deref(), Some("mine"));
        assert_eq!(cache.told(0, Event::Apply(read(&with_url("mine", 5)))), Told::Nothing);
        assert_eq!(cache.told(0, Event::Apply(read(&with_url("theirs", 6)))), Told::Changed(key("acme")));
    }

    #[test]
    fn a_late_answer_does_not_bring_back_what_is_gone() {
        let mut cache = cache([fork("acme", 1)]);
        assert_eq!(cache.told(0, Event::Delete(read(&fork("acme", 7)))), Told::Changed(key("acme")));
        cache.answered(with_url("mine", 5));
        assert_eq!(cache.get("default", "acme"), None);
        cache.answered(fork("other", 8));
        assert!(cache.get("default", "other").is_some(), "made after everything that the watch told");
        assert_eq!(cache.told(0, Event::Delete(read(&fork("other", 6)))), Told::Nothing, "the end of one before it");
        assert!(cache.get("default", "other").is_some());
    }

    #[test]
    fn bookkeeping_is_neither_kept_nor_told() {
        let mut cache = cache([fork("acme", 1)]);
        let held = cache.get("default", "acme").expect("kept");
        assert_eq!(held.metadata.managed_fields, None);
        assert_eq!(held.metadata.annotations, None);
        assert_eq!(cache.told(0, Event::Apply(read(&fork("acme", 2)))), Told::Nothing, "only the version is another");
        let held = cache.get("default", "acme").expect("kept");
        assert_eq!(held.metadata.resource_version.as_deref(), Some("2"), "a write needs the newest");
        let mut annotated = fork("acme", 3);
        annotated.metadata.annotations = Some([("forkable.dev/adopt".to_owned(), "true".to_owned())].into());
        assert_eq!(cache.told(0, Event::Apply(read(&annotated))), Told::Changed(key("acme")));
    }

    #[test]
    fn a_new_list_tells_what_went_unnoticed() {
        let mut cache = cache([fork("acme", 1), fork("gone", 2)]);
        cache.told(0, Event::Init);
        assert_eq!(cache.told(0, Event::InitApply(read(&fork("acme", 1)))), Told::Nothing);
        assert_eq!(cache.told(0, Event::InitApply(read(&fork("new", 4)))), Told::Changed(key("new")));
        cache.answered(fork("mine", 9));
        assert_eq!(cache.told(0, Event::InitDone), Told::Listed(vec![key("gone")]));
        assert!(cache.get("default", "mine").is_some(), "written after the list was made");
    }

    #[test]
    fn what_cannot_be_read_is_left_alone_and_hides_nothing() {
        let mut cache = cache([fork("acme", 1), fork("other", 2)]);
        let broken = |version: u64| {
            let text = serde_json::json!({
                "apiVersion": "forkable.dev/v1alpha1", "kind": "Fork", "spec": { "template": 7 },
                "metadata": { "name": "acme", "namespace": "default", "resourceVersion": version.to_string() },
            });
            let broken: Lenient<Fork> = serde_json::from_str(&text.to_string()).expect("it has metadata");
            assert!(broken.0.is_err());
            broken
        };
        assert_eq!(cache.told(0, Event::Apply(broken(3))), Told::Changed(key("acme")));
        assert_eq!(cache.get("default", "acme"), None);
        cache.told(0, Event::Init);
        assert_eq!(cache.told(0, Event::InitApply(broken(3))), Told::Nothing);
        assert_eq!(cache.told(0, Event::InitApply(read(&fork("other", 2)))), Told::Nothing);
        assert_eq!(cache.told(0, Event::InitDone), Told::Listed(Vec::new()));
        assert_eq!(cache.told(0, Event::Apply(read(&fork("acme", 4)))), Told::Changed(key("acme")), "it was mended");
    }

    #[test]
    fn a_list_of_one_namespace_says_nothing_of_others() {
        let mut cache = Cache::new([Some("default".to_owned()), Some("other".to_owned())]);
        let mut elsewhere = fork("acme", 3);
        elsewhere.metadata.namespace = Some("other".into());
        cache.told(1, Event::Apply(read(&elsewhere)));
        cache.told(0, Event::Init);
        assert_eq!(cache.told(0, Event::InitDone), Told::Listed(Vec::new()));
        assert!(cache.get("other", "acme").is_some());
    }
}
