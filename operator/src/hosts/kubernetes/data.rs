//! Secrets and ConfigMaps that Forks refer to: read when one is asked for, and kept until a watch of the metadata says
//! that it changed. Of all others nothing is kept, and their values are never read.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use forkable_core::Secret;
use k8s_openapi::{ByteString, api::core::v1, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::runtime::watcher::Event;

use super::cache;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum DataKind {
    Secret,
    ConfigMap,
}

/// Kind, namespace and name.
pub(super) type DataKey = (DataKind, String, String);

/// What one held when it was read.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) version: Option<String>,
    pub(super) values: BTreeMap<String, Secret>,
}

/// What is known of those that were asked for.
#[derive(Debug, Default)]
pub(super) struct Data(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    entries: HashMap<DataKey, Entry>,
    /// Counts questions, so that an answer that was overtaken by a change is told apart.
    asked: u64,
    listings: HashMap<(DataKind, usize), HashSet<DataKey>>,
}

#[derive(Clone, Debug)]
enum Entry {
    Asked(u64),
    Known(Option<Arc<Content>>),
}

/// What is known of one.
#[derive(Debug)]
pub(super) enum Known {
    /// `None`: it does not exist.
    Content(Option<Arc<Content>>),
    /// It has to be read; the answer is handed over with this number.
    Ask(u64),
}

impl Data {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn look(&self, key: &DataKey) -> Known {
        let mut state = self.lock();
        match state.entries.get(key) {
            Some(Entry::Known(content)) => return Known::Content(content.clone()),
            Some(Entry::Asked(number)) => return Known::Ask(*number),
            None => {}
        }
        state.asked += 1;
        let number = state.asked;
        state.entries.insert(key.clone(), Entry::Asked(number));
        Known::Ask(number)
    }

    /// Keeps what was read, unless it changed meanwhile: then the next one who asks reads it anew.
    pub(super) fn answer(&self, key: DataKey, number: u64, content: Option<Arc<Content>>) {
        let mut state = self.lock();
        if matches!(state.entries.get(&key), Some(Entry::Asked(asked)) if *asked == number) {
            state.entries.insert(key, Entry::Known(content));
        }
    }

    /// Takes in what we wrote ourselves.
    pub(super) fn wrote(&self, key: &DataKey, content: Content) {
        self.lock().entries.insert(key.clone(), Entry::Known(Some(Arc::new(content))));
    }

    /// Forgets what is known of one, because it is another by now.
    pub(super) fn forget(&self, key: &DataKey) {
        self.lock().entries.remove(key);
    }

    /// Forgets all but those that somebody still refers to.
    pub(super) fn keep(&self, is_referred_to: impl Fn(&DataKey) -> bool) {
        self.lock().entries.retain(|key, _| is_referred_to(key));
    }

    /// Takes in what a watch of metadata told; `scope` is the index of the watch and the namespace that it is of.
    /// Answers those of which other values are known or may be: whoever refers to them has to look again.
    pub(super) fn told<M>(&self, kind: DataKind, scope: (usize, Option<&str>), event: Event<M>) -> Vec<DataKey>
    where
        M: AsMeta,
    {
        let mut state = self.lock();
        let listing = (kind, scope.0);
        let key = |meta: &ObjectMeta| {
            let (namespace, name) = cache::key(meta);
            (kind, namespace, name)
        };
        match event {
            Event::Init => {
                state.listings.insert(listing, HashSet::new());
                Vec::new()
            }
            Event::InitApply(object) => {
                let key = key(object.meta());
                if !state.entries.contains_key(&key) {
                    return Vec::new();
                }
                if let Some(listed) = state.listings.get_mut(&listing) {
                    listed.insert(key.clone());
                }
                state.changed(key, object.meta().resource_version.as_deref())
            }
            Event::Apply(object) => state.changed(key(object.meta()), object.meta().resource_version.as_deref()),
            Event::Delete(object) => state.changed(key(object.meta()), None),
            Event::InitDone => {
                let listed = state.listings.remove(&listing).unwrap_or_default();
                let in_scope = |key: &&DataKey| key.0 == kind && scope.1.is_none_or(|namespace| namespace == key.1);
                let gone = state.entries.keys().filter(in_scope).filter(|key| !listed.contains(*key));
                let gone: Vec<_> = gone.cloned().collect();
                gone.into_iter().flat_map(|key| state.changed(key, None)).collect()
            }
        }
    }
}

impl State {
    fn changed(&mut self, key: DataKey, version: Option<&str>) -> Vec<DataKey> {
        let is_new = match self.entries.get(&key) {
            None => false,
            Some(Entry::Asked(_)) => true,
            Some(Entry::Known(content)) => {
                content.as_ref().map(|content| content.version.as_deref()) != version.map(Some)
            }
        };
        if !is_new {
            return Vec::new();
        }
        self.entries.remove(&key);
        vec![key]
    }
}

/// Metadata of whatever a watch tells.
pub(super) trait AsMeta {
    fn meta(&self) -> &ObjectMeta;
}

impl<K> AsMeta for kube::core::PartialObjectMeta<K> {
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
}

impl Content {
    pub(super) fn of_secret(secret: v1::Secret) -> Self {
        let v1::Secret { metadata, data, .. } = secret;
        let name = metadata.name.clone().unwrap_or_default();
        Self::new(metadata, data.into_iter().flatten().filter_map(|(key, value)| text(&name, key, value)))
    }

    pub(super) fn of_config_map(map: v1::ConfigMap) -> Self {
        let v1::ConfigMap { metadata, data, binary_data, .. } = map;
        let name = metadata.name.clone().unwrap_or_default();
        let binary = binary_data.into_iter().flatten().filter_map(|(key, value)| text(&name, key, value));
        let plain = data.into_iter().flatten().map(|(key, value)| (key, Secret::new(value)));
        Self::new(metadata, plain.chain(binary))
    }

    fn new(metadata: ObjectMeta, values: impl Iterator<Item = (String, Secret)>) -> Self {
        let ObjectMeta { labels, resource_version, .. } = metadata;
        Self { labels: labels.unwrap_or_default(), version: resource_version, values: values.collect() }
    }
}

/// A value that is not text cannot become a variable or a credential and is left out.
fn text(name: &str, key: String, ByteString(value): ByteString) -> Option<(String, Secret)> {
    let text = String::from_utf8(value);
    if text.is_err() {
        tracing::warn!(name, key, "the value is not UTF-8 text: ignored");
    }
    Some((key, Secret::new(text.ok()?)))
}

#[cfg(test)]
mod tests {
    use kube::core::PartialObjectMeta;

    use super::*;

    fn key(name: &str) -> DataKey {
        (DataKind::Secret, "default".into(), name.into())
    }

    fn meta(name: &str, version: &str) -> PartialObjectMeta<v1::Secret> {
        let metadata = ObjectMeta {
            name: Some(name.into()),
            namespace: Some("default".into()),
            resource_version: Some(version.into()),
            ..ObjectMeta::default()
        };
        PartialObjectMeta { types: None, metadata, _phantom: std::marker::PhantomData }
    }

    fn content(version: &str) -> Arc<Content> {
        let content = Content { labels: BTreeMap::new(), version: Some(version.into()), values: BTreeMap::new() };
        Arc::new(content)
    }

    fn ask(data: &Data, name: &str) -> u64 {
        match data.look(&key(name)) {
            Known::Ask(number) => number,
            Known::Content(content) => panic!("{name} is known: {content:?}"),
        }
    }

    fn told(data: &Data, event: Event<PartialObjectMeta<v1::Secret>>) -> Vec<String> {
        data.told(DataKind::Secret, (0, None), event).into_iter().map(|(_, _, name)| name).collect()
    }

    #[test]
    fn what_nobody_asked_for_leaves_no_trace() {
        let data = Data::default();
        assert!(told(&data, Event::Apply(meta("other", "1"))).is_empty());
        assert!(data.lock().entries.is_empty());
    }

    #[test]
    fn what_was_read_is_good_until_another_version_is_told() {
        let data = Data::default();
        let number = ask(&data, "acme");
        data.answer(key("acme"), number, Some(content("5")));
        assert!(matches!(data.look(&key("acme")), Known::Content(Some(_))));
        assert!(told(&data, Event::Apply(meta("acme", "5"))).is_empty(), "it is the one that was read");
        assert_eq!(told(&data, Event::Apply(meta("acme", "6"))), ["acme"]);
        ask(&data, "acme");
    }

    #[test]
    fn an_answer_that_a_change_overtook_is_not_kept() {
        let data = Data::default();
        let number = ask(&data, "acme");
        assert_eq!(told(&data, Event::Apply(meta("acme", "6"))), ["acme"]);
        data.answer(key("acme"), number, Some(content("5")));
        ask(&data, "acme");
    }

    #[test]
    fn what_is_missing_is_asked_for_again_only_once_it_may_be_there() {
        let data = Data::default();
        let number = ask(&data, "acme");
        data.answer(key("acme"), number, None);
        assert!(matches!(data.look(&key("acme")), Known::Content(None)));
        assert_eq!(told(&data, Event::Apply(meta("acme", "1"))), ["acme"]);
    }

    #[test]
    fn a_new_list_tells_what_went_unnoticed_and_nothing_else() {
        let data = Data::default();
        for (name, version) in [("same", "1"), ("changed", "2"), ("gone", "3")] {
            let number = ask(&data, name);
            data.answer(key(name), number, Some(content(version)));
        }
        told(&data, Event::Init);
        assert!(told(&data, Event::InitApply(meta("same", "1"))).is_empty());
        assert!(told(&data, Event::InitApply(meta("stranger", "9"))).is_empty());
        assert_eq!(told(&data, Event::InitApply(meta("changed", "7"))), ["changed"]);
        assert_eq!(told(&data, Event::InitDone), ["gone"]);
        assert!(matches!(data.look(&key("same")), Known::Content(Some(_))));
    }
}
