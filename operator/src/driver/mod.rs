mod queue;
mod slots;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use forkable_core::store::{EventType, Kind, ObjectRef, Store, StoreError};
use forkable_crds::{AlertRule, Deployment, Fork};
use futures::StreamExt;
use jiff::Timestamp;
use rand::Rng;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::{
    clock::{after, until},
    context::Context,
    controllers::{self, Passed, store_reason},
    fleet::{self, Change},
    panics::{self, Rest},
    spans,
};
use queue::Queue;
use slots::Slots;

/// How often the objects that are due are counted while there are more than passes.
const COUNT: Duration = Duration::from_millis(250);
/// Changes of objects that are taken in together.
const BATCH: usize = 1024;
/// The longest time between two tries.
const LONGEST_BACKOFF: Duration = Duration::from_mins(5);

/// How much at once, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Passes that run at once.
    pub passes: usize,
    /// Passes that run at once with the same credentials.
    pub per_credential: usize,
    /// How long one pass may take, in real time. A pass that is cut off is like one that was killed: the next goes on.
    pub pass: Duration,
    /// How long passes may take to end once the process is told to.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { passes: 64, per_credential: 64, pass: Duration::from_mins(15), grace: Duration::from_secs(10) }
    }
}

/// Runs passes for every object of the store until it is told to stop. Dropping it aborts the passes that run.
pub struct Driver<S> {
    context: Arc<Context<S>>,
    woken: mpsc::UnboundedReceiver<ObjectRef>,
    limits: Limits,
    queue: Queue,
    slots: Slots,
    failures: HashMap<ObjectRef, u32>,
    /// Objects whose passes panicked: the generation that did, and until when it is left alone.
    resting: HashMap<ObjectRef, (i64, Timestamp)>,
    passes: JoinSet<(ObjectRef, Passed)>,
    /// When each object was due that waits for its credentials: at a start all, so that it is a tree as the queue is.
    due: BTreeMap<ObjectRef, Timestamp>,
    counted: Option<Instant>,
}

impl<S: Store> Driver<S> {
    pub fn new(context: Arc<Context<S>>, woken: mpsc::UnboundedReceiver<ObjectRef>, limits: Limits) -> Self {
        Self {
            context,
            woken,
            limits,
            queue: Queue::default(),
            slots: Slots::new(limits.per_credential),
            failures: HashMap::new(),
            resting: HashMap::new(),
            passes: JoinSet::new(),
            due: BTreeMap::new(),
            counted: None,
        }
    }

    /// Runs until `shutdown`; passes that run then may end.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), StoreError> {
        let clock = self.context.clock.clone();
        let mut changes = self.context.store.watch().ready_chunks(BATCH);
        match shutdown.run_until_cancelled(self.read_all()).await {
            Some(read) => read?,
            None => return Ok(()),
        }
        self.context.metrics.may_run(self.limits.passes);
        loop {
            while self.passes.len() < self.limits.passes
                && let Some(due) = self.queue.due()
                && let Some(object) = self.queue.take(clock.now())
            {
                if let Some(until) = self.rests(&object, clock.now()) {
                    self.queue.done(&object, Some(until));
                    continue;
                }
                self.due.insert(object.clone(), due);
                let credential = self.context.fleet.credential_of(&object);
                if let Some(object) = self.slots.ask(credential, object) {
                    self.start(object);
                }
            }
            self.count();
            let due = self.queue.due().filter(|_| self.passes.len() < self.limits.passes);
            self.context.progress.rests(self.passes.is_empty() && due.is_none_or(|at| at > clock.now()));
            tokio::select! {
                // What a pass has changed is queued before the pass counts as ended.
                biased;
                () = shutdown.cancelled() => break,
                batch = changes.next() => match batch {
                    Some(batch) => self.changed(batch).await,
                    None => break,
                },
                Some(object) = self.woken.recv() => self.queue.add(object, clock.now()),
                Some(ended) = self.passes.join_next() => match ended {
                    Ok((object, passed)) => self.ended(&object, passed),
                    Err(error) => tracing::error!(%error, "a pass was lost"),
                },
                () = clock.sleep_until(due.unwrap_or_default()), if due.is_some() => {}
            }
        }
        let ended = async { while self.passes.join_next().await.is_some() {} };
        if tokio::time::timeout(self.limits.grace, ended).await.is_err() {
            tracing::warn!("passes that did not end in time are aborted; the next start goes on where they were");
        }
        Ok(())
    }

    /// Reads every object, and asks for a pass of each.
    async fn read_all(&mut self) -> Result<(), StoreError> {
        let now = self.context.clock.now();
        let mut rests = panics::rests();
        for release in self.context.store.list::<Deployment>().await? {
            self.rest(&*release, &mut rests).await;
            self.queue.add(release.reference(), now);
            self.context.fleet.put_release(release);
        }
        for other in self.context.store.others() {
            self.context.fleet.put_other(&other);
        }
        for rule in self.context.store.list::<AlertRule>().await? {
            self.context.fleet.put_rule(rule);
        }
        let forks = self.context.store.list::<Fork>().await?;
        for fork in &forks {
            self.context.fleet.put_fork(fork);
        }
        controllers::fork::begin(&self.context, &forks).await;
        for fork in forks {
            let reference = fork.reference();
            self.rest(&*fork, &mut rests).await;
            self.context.monitor.touch(&reference);
            self.queue.add(reference, now);
        }
        self.context.loaded();
        Ok(())
    }

    /// An object whose passes panicked may have to be left alone.
    async fn rest<K: Kind>(&mut self, object: &K, rests: &mut HashMap<ObjectRef, Rest>) {
        let (object, generation) = (&object.reference(), object.generation());
        let Some(rest) = rests.remove(object) else { return };
        let until = rest.until;
        self.context.metrics.panicked(object.kind, rest.panics);
        if rest.is_new {
            let (place, panics) = (&rest.place, rest.panics);
            tracing::error!(%object, place, panics, %until, "the process began anew, because a pass panicked");
            let message = format!(
                "a pass panicked at {}, which is a defect of forkable {}; it is left alone until {until:.0}, or until its \
                 spec changes",
                rest.place,
                env!("CARGO_PKG_VERSION")
            );
            self.context.store.event(object, EventType::Warning, "Panicked", &message).await;
        }
        let left = Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or_default();
        if [0, generation].contains(&rest.generation) && !left.is_zero() {
            let until = after(self.context.clock.now(), left);
            self.context.schedule.note(object, Some(until));
            self.resting.insert(object.clone(), (generation, until));
        }
    }

    /// Until when the object is left alone, if it is.
    fn rests(&mut self, object: &ObjectRef, now: Timestamp) -> Option<Timestamp> {
        let (_, until) = *self.resting.get(object)?;
        if until <= now {
            self.resting.remove(object);
            return None;
        }
        Some(until)
    }

    /// What is different from what panicked may go on.
    fn is_now(&mut self, object: &ObjectRef, generation: i64) {
        if self.resting.get(object).is_some_and(|(panicked, _)| *panicked != generation) {
            self.resting.remove(object);
        }
    }

    /// Takes in all changes before any pass begins on them, so that two Forks that come at once see each other.
    async fn changed(&mut self, batch: Vec<ObjectRef>) {
        let now = self.context.clock.now();
        let mut claims = false;
        for object in batch {
            match self.read(&object).await {
                Ok(changed) => claims |= changed,
                Err(error) => tracing::warn!(%object, %error, "a changed object cannot be read yet"),
            }
            self.context.monitor.touch(&object);
            if object.kind != AlertRule::KIND {
                self.queue.add(object, now);
            }
        }
        if claims {
            for object in controllers::fork::in_conflict(&self.context) {
                self.queue.add(object, now);
            }
        }
    }

    /// Reads one object anew. Answers whether what Forks claim may be different now.
    async fn read(&mut self, object: &ObjectRef) -> Result<bool, StoreError> {
        let context = self.context.clone();
        let (store, fleet) = (&context.store, &context.fleet);
        let now = context.clock.now();
        if object.kind == Fork::KIND {
            let Some(fork) = store.get::<Fork>(&object.namespace, &object.name).await? else {
                // One that goes by itself goes at the end of its own pass. Any other is not ours any more.
                let removed = fleet.remove_fork(object, store.other(object).as_ref());
                if removed.is_some_and(|fork| !fork.is_deleting()) {
                    self.slots.abort(object);
                }
                return Ok(true);
            };
            let changed = fleet.put_fork(&fork) == Change::Claims;
            self.is_now(object, fork.generation());
            if changed {
                // It may have been what its releases wait for.
                fleet.releases(object).iter().for_each(|release| self.queue.add(release.reference(), now));
            }
            return Ok(changed);
        }
        if object.kind == AlertRule::KIND {
            match store.get::<AlertRule>(&object.namespace, &object.name).await? {
                Some(rule) => fleet.put_rule(rule),
                None => fleet.remove_rule(object),
            }
            self.context.alerts.wake();
            return Ok(false);
        }
        let fork = match store.get::<Deployment>(&object.namespace, &object.name).await? {
            Some(release) => {
                let fork = fleet::fork_of(&release);
                self.is_now(object, release.generation());
                fleet.put_release(release);
                Some(fork)
            }
            None => fleet.remove_release(object),
        };
        if let Some(fork) = fork {
            self.queue.add(fork, now);
        }
        Ok(false)
    }

    /// Counts what is due. That takes time only while there is more than passes take, and then is done now and then.
    fn count(&mut self) {
        let is_much = self.passes.len() >= self.limits.passes || !self.due.is_empty();
        if is_much && self.counted.is_some_and(|at| at.elapsed() < COUNT) {
            return;
        }
        self.counted = is_much.then(Instant::now);
        let due = self.queue.waiting(self.context.clock.now());
        self.context.metrics.queued(due.chain(self.due.keys()));
    }

    fn start(&mut self, object: ObjectRef) {
        let (context, longest) = (self.context.clone(), self.limits.pass);
        let aborted = self.slots.started(&object);
        let now = context.clock.now();
        let waited = until(self.due.remove(&object).unwrap_or(now), now);
        let running = context.metrics.began(object.kind, waited);
        let span = spans::pass(&object);
        let pass = async move {
            let began = Instant::now();
            let pass = panics::of(&object, tokio::time::timeout(longest, pass(&context, &object)));
            let passed = match aborted.run_until_cancelled(pass).await {
                Some(Ok(passed)) => passed,
                Some(Err(_)) => cut_off(),
                None => {
                    tracing::info!("a pass was aborted, since the object is not ours any more");
                    return (object, Passed::default());
                }
            };
            context.metrics.passed(object.kind, began.elapsed(), &passed);
            drop(running);
            (object, passed)
        };
        self.passes.spawn(pass.instrument(span));
    }

    fn ended(&mut self, object: &ObjectRef, Passed { next, failed }: Passed) {
        let now = self.context.clock.now();
        let next = if failed.is_some() {
            let failures = self.failures.entry(object.clone()).or_default();
            *failures += 1;
            // A pass that knows better than "again, later" says so.
            Some(next.unwrap_or_else(|| jittered(backoff(*failures))))
        } else {
            self.failures.remove(object);
            next
        };
        let next = next.map(|next| after(now, next));
        self.context.schedule.note(object, next);
        self.queue.done(object, next);
        if let Some(waiting) = self.slots.ended(object) {
            self.start(waiting);
        }
    }
}

/// 1 s after the first failure, then twice as long each time.
fn backoff(failures: u32) -> Duration {
    Duration::from_secs(1).saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST_BACKOFF)
}

/// Up to a fifth later, so that objects that failed together do not come back together.
fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(rand::rng().random_range(1.0..1.2)).min(LONGEST_BACKOFF.max(duration))
}

fn cut_off() -> Passed {
    tracing::error!("a pass took too long and was cut off");
    spans::failed();
    Passed { next: None, failed: Some("Timeout") }
}

/// One pass of one object.
async fn pass<S: Store>(context: &Arc<Context<S>>, object: &ObjectRef) -> Passed {
    let passed = if object.kind == Fork::KIND {
        controllers::fork::pass(context, object).await
    } else {
        controllers::deployment::pass(context, object).await
    };
    let passed = passed.unwrap_or_else(|error| match error {
        // Somebody changed the object meanwhile: begin anew at once with what it is now.
        StoreError::Conflict(_) => Passed::after(Some(Duration::ZERO)),
        error => {
            tracing::error!(%error, "a pass ended early");
            Passed { next: None, failed: Some(store_reason(&error)) }
        }
    });
    if passed.failed.is_some() {
        spans::failed();
    }
    tracing::debug!(next = ?passed.next, failed = passed.failed, "passed");
    passed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_five_minutes() {
        let seconds: Vec<_> = [1, 2, 3, 9, 10, 60].map(|failures| backoff(failures).as_secs()).into();
        assert_eq!(seconds, [1, 2, 4, 256, 300, 300]);
        for _ in 0..100 {
            assert!(jittered(LONGEST_BACKOFF) <= LONGEST_BACKOFF);
            assert!(jittered(Duration::from_secs(1)) >= Duration::from_secs(1));
        }
    }
}
