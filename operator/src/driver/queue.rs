//! The work queue: every object once, at the earliest time that anybody asked for, never twice at a time.

use std::collections::{BTreeMap, BTreeSet};

use forkable_core::store::ObjectRef;
use jiff::Timestamp;

/// Objects that want a pass, by time. While a pass of an object runs, wishes for it are kept until the pass is done.
/// All objects are in here at a start, and few from then on: trees give memory back as they empty.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    order: BTreeSet<(Timestamp, ObjectRef)>,
    at: BTreeMap<ObjectRef, Timestamp>,
    running: BTreeSet<ObjectRef>,
    again: BTreeMap<ObjectRef, Timestamp>,
}

impl Queue {
    /// Asks for a pass at `at`; an earlier wish stays in force.
    pub(crate) fn add(&mut self, object: ObjectRef, at: Timestamp) {
        if self.running.contains(&object) {
            let again = self.again.entry(object).or_insert(at);
            *again = at.min(*again);
            return;
        }
        match self.at.get(&object) {
            Some(&earlier) if earlier <= at => return,
            Some(&later) => {
                self.order.remove(&(later, object.clone()));
            }
            None => {}
        }
        self.order.insert((at, object.clone()));
        self.at.insert(object, at);
    }

    /// When the next pass is due.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes the object whose pass is due the longest, if one is.
    pub(crate) fn take(&mut self, now: Timestamp) -> Option<ObjectRef> {
        if self.due()? > now {
            return None;
        }
        let (_, object) = self.order.pop_first()?;
        self.at.remove(&object);
        self.running.insert(object.clone());
        Some(object)
    }

    /// The pass is over; `next` is when the object itself wants the next one.
    pub(crate) fn done(&mut self, object: &ObjectRef, next: Option<Timestamp>) {
        self.running.remove(object);
        let again = self.again.remove(object);
        if let Some(at) = again.into_iter().chain(next).min() {
            self.add(object.clone(), at);
        }
    }

    /// Objects whose pass is due, the longest first.
    pub(crate) fn waiting(&self, now: Timestamp) -> impl Iterator<Item = &ObjectRef> {
        self.order.iter().take_while(move |(at, _)| *at <= now).map(|(_, object)| object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str) -> ObjectRef {
        ObjectRef::new("Fork", "default", name)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn the_earliest_wish_counts_and_counts_once() {
        let mut queue = Queue::default();
        queue.add(object("a"), at(5));
        queue.add(object("a"), at(9));
        queue.add(object("a"), at(3));
        queue.add(object("b"), at(4));
        assert_eq!(queue.due(), Some(at(3)));
        assert_eq!(queue.waiting(at(3)).collect::<Vec<_>>(), [&object("a")]);
        assert_eq!(queue.waiting(at(4)).count(), 2);
        assert_eq!(queue.take(at(2)), None, "nothing is due yet");
        assert_eq!(queue.take(at(9)), Some(object("a")));
        assert_eq!(queue.take(at(9)), Some(object("b")));
        assert_eq!(queue.take(at(9)), None);
    }

    #[test]
    fn an_object_in_a_pass_waits_for_the_end_of_it() {
        let mut queue = Queue::default();
        queue.add(object("a"), at(1));
        assert_eq!(queue.take(at(1)), Some(object("a")));
        queue.add(object("a"), at(2));
        assert_eq!(queue.take(at(9)), None, "its pass still runs");
        queue.done(&object("a"), Some(at(7)));
        assert_eq!(queue.due(), Some(at(2)), "what was asked for meanwhile comes before its own wish");
        assert_eq!(queue.take(at(2)), Some(object("a")));
        queue.done(&object("a"), None);
        assert_eq!(queue.due(), None);
    }
}
