//! Events: what people see with `kubectl describe` and `kubectl events`. They are written beside the work, each text
//! once in a while however often it is told, and losing one loses nothing else.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use forkable_core::store::{self, EventType, ObjectRef};
use forkable_crds::{GROUP, VERSION};
use jiff::Timestamp;
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, api::PostParams};
use tokio::sync::mpsc;

use super::store::FIELD_MANAGER;

/// Who writes the events.
const CONTROLLER: &str = "forkable.dev/controller";
/// The longest note that the apiserver takes, in bytes.
const LONGEST_NOTE: usize = 1024;
/// How long the same text about the same object is not written again.
const QUIET: Duration = Duration::from_hours(1);
/// Events that may wait; more are dropped.
const BACKLOG: usize = 1024;
/// Texts that are remembered.
const REMEMBERED: usize = 10_000;
/// Events that are kept to be looked at.
const NEWEST: usize = 2000;

/// Writes events, one after the other.
#[derive(Debug)]
pub(super) struct Recorder {
    queue: mpsc::Sender<Told>,
    /// What was asked for last, oldest first.
    newest: Mutex<VecDeque<(ObjectRef, store::Event)>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Told {
    about: ObjectRef,
    uid: Option<String>,
    type_: &'static str,
    reason: &'static str,
    note: String,
}

impl Recorder {
    /// `instance` tells processes apart.
    pub(super) fn start(client: Client, instance: String) -> Self {
        let (queue, told) = mpsc::channel(BACKLOG);
        tokio::spawn(write_all(client, instance, told));
        Self { queue, newest: Mutex::default() }
    }

    /// Asks for an event and does not wait for it.
    pub(super) fn record(
        &self,
        about: &ObjectRef,
        uid: Option<String>,
        event_type: EventType,
        reason: &'static str,
        note: &str,
    ) {
        let type_ = match event_type {
            EventType::Normal => "Normal",
            EventType::Warning => "Warning",
        };
        let note = note[..note.floor_char_boundary(LONGEST_NOTE)].to_owned();
        self.remember(about, event_type, reason, &note);
        if self.queue.try_send(Told { about: about.clone(), uid, type_, reason, note }).is_err() {
            tracing::warn!(%about, reason, "an event is dropped: too many wait");
        }
    }

    fn remember(&self, about: &ObjectRef, event_type: EventType, reason: &str, message: &str) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let same =
            |(of, event): &(ObjectRef, store::Event)| of == about && event.reason == reason && event.message == message;
        let before = newest.iter().position(same).and_then(|index| newest.remove(index));
        let event = store::Event {
            event_type,
            reason: reason.into(),
            message: message.into(),
            count: before.map_or(0, |(_, event)| event.count) + 1,
            last_at: Timestamp::now(),
        };
        newest.push_back((about.clone(), event));
        if newest.len() > NEWEST {
            newest.pop_front();
        }
    }

    /// What was told about an object last, newest last.
    pub(super) fn about(&self, object: &ObjectRef) -> Vec<store::Event> {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.iter().filter(|(about, _)| about == object).map(|(_, event)| event.clone()).collect()
    }
}

async fn write_all(client: Client, instance: String, mut told: mpsc::Receiver<Told>) {
    let mut written = Written::default();
    while let Some(told) = told.recv().await {
        if !written.is_new(&told, Instant::now()) {
            continue;
        }
        let api: Api<Event> = Api::namespaced(client.clone(), &told.about.namespace);
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() };
        if let Err(error) = api.create(&parameters, &event(&told, &instance)).await {
            tracing::warn!(object = %told.about, reason = told.reason, %error, "an event could not be written");
        }
    }
}

fn event(told: &Told, instance: &str) -> Event {
    let Told { about, uid, type_, reason, note } = told;
    let regarding = ObjectReference {
        api_version: Some(format!("{GROUP}/{VERSION}")),
        kind: Some(about.kind.into()),
        namespace: Some(about.namespace.clone()),
        name: Some(about.name.clone()),
        uid: uid.clone(),
        ..ObjectReference::default()
    };
    let metadata = ObjectMeta {
        name: Some(format!("{}.{}", about.name, uuid::Uuid::now_v7().simple())),
        namespace: Some(about.namespace.clone()),
        ..ObjectMeta::default()
    };
    Event {
        metadata,
        event_time: Some(MicroTime(Timestamp::now())),
        type_: Some((*type_).into()),
        reason: Some((*reason).into()),
        action: Some("Reconcile".into()),
        note: Some(note.clone()),
        regarding: Some(regarding),
        reporting_controller: Some(CONTROLLER.into()),
        reporting_instance: Some(instance.into()),
        ..Event::default()
    }
}

/// What was written, and when.
#[derive(Debug, Default)]
struct Written(HashMap<Told, Instant>);

impl Written {
    fn is_new(&mut self, told: &Told, now: Instant) -> bool {
        if self.0.get(told).is_some_and(|at| now.duration_since(*at) < QUIET) {
            return false;
        }
        if self.0.len() >= REMEMBERED {
            self.0.retain(|_, at| now.duration_since(*at) < QUIET);
        }
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(told.clone(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(reason: &'static str, note: &str) -> Told {
        let about = ObjectRef::new("Fork", "default", "acme");
        Told { about, uid: None, type_: "Normal", reason, note: note.into() }
    }

    #[test]
    fn the_same_text_is_written_once_in_a_while() {
        let (mut written, now) = (Written::default(), Instant::now());
        assert!(written.is_new(&told("Ready", "a"), now));
        assert!(!written.is_new(&told("Ready", "a"), now + QUIET / 2));
        assert!(written.is_new(&told("Ready", "b"), now));
        assert!(written.is_new(&told("Ready", "a"), now + QUIET));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut written, now) = (Written::default(), Instant::now());
        for n in 0..3 * REMEMBERED {
            assert!(written.is_new(&told("Ready", &n.to_string()), now));
            assert!(written.0.len() <= REMEMBERED);
        }
    }

    #[test]
    fn a_long_note_is_cut_between_characters() {
        let (queue, mut told) = mpsc::channel(1);
        let about = ObjectRef::new("Fork", "default", "acme");
        let recorder = Recorder { queue, newest: Mutex::default() };
        recorder.record(&about, None, EventType::Normal, "Ready", &"ü".repeat(LONGEST_NOTE));
        assert_eq!(told.try_recv().expect("told").note, "ü".repeat(LONGEST_NOTE / 2));
    }

    #[test]
    fn what_was_told_last_can_be_looked_at() {
        let (queue, _told) = mpsc::channel(1);
        let recorder = Recorder { queue, newest: Mutex::default() };
        let about = |name: &str| ObjectRef::new("Fork", "default", name);
        for (name, note) in [("acme", "a"), ("acme", "b"), ("other", "c"), ("acme", "a")] {
            recorder.record(&about(name), None, EventType::Warning, "Down", note);
        }
        let told: Vec<_> =
            recorder.about(&about("acme")).into_iter().map(|event| (event.message, event.count)).collect();
        assert_eq!(told, [("b".to_owned(), 1), ("a".to_owned(), 2)]);
        (0..2 * NEWEST).for_each(|n| recorder.remember(&about("acme"), EventType::Normal, "Up", &n.to_string()));
        assert_eq!(recorder.about(&about("acme")).len(), NEWEST);
    }
}
