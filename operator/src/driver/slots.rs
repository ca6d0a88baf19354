//! Which passes run, and which wait because their credentials are busy, so that one account holds up no other.

use std::collections::{HashMap, VecDeque};

use forkable_core::store::ObjectRef;
use tokio_util::sync::CancellationToken;

/// Namespace and name of a Secret; `None` for the credentials of the process.
pub(super) type Credential = Option<(String, String)>;

/// Running passes by object and by credential. An object that was asked for is here until its pass has ended.
#[derive(Debug)]
pub(super) struct Slots {
    per_credential: usize,
    running: HashMap<ObjectRef, (Credential, CancellationToken)>,
    credentials: HashMap<Credential, Busy>,
}

#[derive(Debug, Default)]
struct Busy {
    running: usize,
    waiting: VecDeque<ObjectRef>,
}

impl Slots {
    pub(super) fn new(per_credential: usize) -> Self {
        Self { per_credential, running: HashMap::new(), credentials: HashMap::new() }
    }

    /// Asks for a pass: the object if it may start now; else it waits for [`Self::ended`] to hand it out.
    pub(super) fn ask(&mut self, credential: Credential, object: ObjectRef) -> Option<ObjectRef> {
        let busy = self.credentials.entry(credential.clone()).or_default();
        if busy.running >= self.per_credential {
            busy.waiting.push_back(object);
            return None;
        }
        busy.running += 1;
        self.running.insert(object.clone(), (credential, CancellationToken::new()));
        Some(object)
    }

    /// What aborts the pass of an object that starts now.
    pub(super) fn started(&self, object: &ObjectRef) -> CancellationToken {
        self.running.get(object).map(|(_, abort)| abort.clone()).unwrap_or_default()
    }

    /// Aborts the pass of an object, if one runs.
    pub(super) fn abort(&self, object: &ObjectRef) {
        if let Some((_, abort)) = self.running.get(object) {
            abort.cancel();
        }
    }

    /// The pass of an object has ended; answers the object that may start in its place.
    pub(super) fn ended(&mut self, object: &ObjectRef) -> Option<ObjectRef> {
        let (credential, _) = self.running.remove(object)?;
        let busy = self.credentials.get_mut(&credential)?;
        if let Some(next) = busy.waiting.pop_front() {
            self.running.insert(next.clone(), (credential, CancellationToken::new()));
            return Some(next);
        }
        busy.running -= 1;
        if busy.running == 0 {
            self.credentials.remove(&credential);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str) -> ObjectRef {
        ObjectRef::new("Fork", "default", name)
    }

    #[test]
    fn busy_credentials_hold_up_nobody_else() {
        let mut slots = Slots::new(2);
        let a = || Some(("default".to_owned(), "a".to_owned()));
        assert_eq!(slots.ask(a(), object("1")), Some(object("1")));
        assert_eq!(slots.ask(a(), object("2")), Some(object("2")));
        assert_eq!(slots.ask(a(), object("3")), None);
        assert_eq!(slots.ask(a(), object("4")), None);
        assert_eq!(slots.ask(None, object("5")), Some(object("5")));
        assert_eq!(slots.credentials[&a()].waiting.len(), 2);
        assert_eq!(slots.ended(&object("5")), None);
        assert_eq!(slots.ended(&object("2")), Some(object("3")), "in turn");
        assert_eq!(slots.ended(&object("3")), Some(object("4")));
        assert_eq!((slots.ended(&object("4")), slots.ended(&object("1"))), (None, None));
        assert!(slots.credentials.is_empty() && slots.running.is_empty(), "nothing is left behind");
    }

    #[test]
    fn only_the_pass_of_the_object_is_aborted() {
        let mut slots = Slots::new(2);
        slots.ask(None, object("1"));
        slots.ask(None, object("2"));
        let (first, second) = (slots.started(&object("1")), slots.started(&object("2")));
        slots.abort(&object("1"));
        assert!(first.is_cancelled() && !second.is_cancelled());
        slots.ended(&object("1"));
        slots.ask(None, object("1"));
        assert!(!slots.started(&object("1")).is_cancelled(), "the next pass is another");
    }
}
