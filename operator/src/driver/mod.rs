//! Runs passes: which object next, how many at once, what after a failure. It knows nothing of what a pass does.

mod queue;

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use forkable_core::store::{Kind, ObjectRef, Store, StoreError};
use forkable_crds::{Deployment, Fork};
use futures::{FutureExt, StreamExt};
use rand::Rng;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::after,
    context::Context,
    controllers::{self, Passed, store_reason},
    fleet::{self, Change},
};
use queue::Queue;

/// Passes that run at once.
const CONCURRENCY: usize = 64;
/// Changes of objects that are taken in together.
const BATCH: usize = 1024;
/// The longest time between two tries.
const LONGEST_BACKOFF: Duration = Duration::from_mins(5);
/// How long passes may take to end once the process is told to.
const GRACE: Duration = Duration::from_secs(10);

/// Runs passes for every object of the store until it is told to stop.
pub struct Driver<S> {
    context: Arc<Context<S>>,
    woken: mpsc::UnboundedReceiver<ObjectRef>,
    queue: Queue,
    failures: HashMap<ObjectRef, u32>,
    passes: JoinSet<(ObjectRef, Option<Passed>)>,
}

impl<S: Store> Driver<S> {
    pub fn new(context: Arc<Context<S>>, woken: mpsc::UnboundedReceiver<ObjectRef>) -> Self {
        Self { context, woken, queue: Queue::default(), failures: HashMap::new(), passes: JoinSet::new() }
    }

    /// Runs until `shutdown`; passes that run then may end.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), StoreError> {
        let clock = self.context.clock.clone();
        let mut changes = self.context.store.watch().ready_chunks(BATCH);
        self.read_all().await?;
        loop {
            while self.passes.len() < CONCURRENCY
                && let Some(object) = self.queue.take(clock.now())
            {
                self.start(object);
            }
            self.context.metrics.queued(self.queue.len());
            let due = self.queue.due().filter(|_| self.passes.len() < CONCURRENCY);
            tokio::select! {
                () = shutdown.cancelled() => break,
                batch = changes.next() => match batch {
                    Some(batch) => self.changed(batch).await,
                    None => break,
                },
                Some(object) = self.woken.recv() => self.queue.add(object, clock.now()),
                Some(ended) = self.passes.join_next() => match ended {
                    Ok((object, passed)) => self.ended(&object, passed),
                    Err(error) => tracing::error!(%error, "a pass was aborted"),
                },
                () = clock.sleep_until(due.unwrap_or_default()), if due.is_some() => {}
            }
        }
        let ended = async { while self.passes.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, ended).await.is_err() {
            tracing::warn!("passes that did not end in time are aborted; the next start goes on where they were");
        }
        Ok(())
    }

    /// Reads every object, and asks for a pass of each.
    async fn read_all(&mut self) -> Result<(), StoreError> {
        let now = self.context.clock.now();
        for release in self.context.store.list::<Deployment>().await? {
            self.queue.add(release.reference(), now);
            self.context.fleet.put_release(release);
        }
        let forks = self.context.store.list::<Fork>().await?;
        for fork in &forks {
            self.context.fleet.put_fork(fork.clone());
        }
        controllers::fork::begin(&self.context, &forks).await;
        for fork in forks {
            self.queue.add(fork.reference(), now);
        }
        self.context.loaded();
        Ok(())
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
            self.queue.add(object, now);
        }
        if claims {
            for object in controllers::fork::in_conflict(&self.context) {
                self.queue.add(object, now);
            }
        }
    }

    /// Reads one object anew. Answers whether what Forks claim may be different now.
    async fn read(&mut self, object: &ObjectRef) -> Result<bool, StoreError> {
        let (store, fleet) = (&self.context.store, &self.context.fleet);
        let now = self.context.clock.now();
        if object.kind == Fork::KIND {
            let Some(fork) = store.get::<Fork>(&object.namespace, &object.name).await? else {
                fleet.remove_fork(object);
                return Ok(true);
            };
            let changed = fleet.put_fork(fork) == Change::Claims;
            if changed {
                // It may have been what its releases wait for.
                fleet.releases(object).iter().for_each(|release| self.queue.add(release.reference(), now));
            }
            return Ok(changed);
        }
        let fork = match store.get::<Deployment>(&object.namespace, &object.name).await? {
            Some(release) => {
                let fork = fleet::fork_of(&release);
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

    fn start(&mut self, object: ObjectRef) {
        let context = self.context.clone();
        self.passes.spawn(async move {
            let pass = AssertUnwindSafe(pass(&context, &object)).catch_unwind();
            let passed = pass.await.inspect_err(|_| tracing::error!(%object, "a pass panicked")).ok();
            (object, passed)
        });
    }

    fn ended(&mut self, object: &ObjectRef, passed: Option<Passed>) {
        let now = self.context.clock.now();
        let panicked = Passed { next: None, failed: Some("Panic") };
        let Passed { next, failed } = passed.unwrap_or(panicked);
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

/// One pass of one object.
async fn pass<S: Store>(context: &Arc<Context<S>>, object: &ObjectRef) -> Passed {
    let began = Instant::now();
    let passed = if object.kind == Fork::KIND {
        controllers::fork::pass(context, object).await
    } else {
        controllers::deployment::pass(context, object).await
    };
    let passed = passed.unwrap_or_else(|error| match error {
        // Somebody changed the object meanwhile: begin anew at once with what it is now.
        StoreError::Conflict(_) => Passed::after(Some(Duration::ZERO)),
        error => {
            tracing::error!(%object, %error, "a pass ended early");
            Passed { next: None, failed: Some(store_reason(&error)) }
        }
    });
    context.metrics.passed(object.kind, began.elapsed(), passed.failed);
    tracing::debug!(%object, next = ?passed.next, failed = passed.failed, "passed");
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
