//! Follows what products log at Vercel: one open request for each Fork that a rule wants it of.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use forkable_core::{
    PortError,
    alerting::{Reading, SLOT, Tally},
    error::{Provider, Retry},
    hosting::RuntimeLog,
    store::{Kind as _, ObjectRef, Store},
};
use forkable_crds::{Deployment, Fork, alert_rule::VercelSignal};
use futures::StreamExt as _;
use jiff::Timestamp;
use tokio_util::task::AbortOnDropHandle;

use super::account;
use crate::{clock::until, context::Context, controllers::deployment::target};

/// How long to wait after a log ended, at least; it doubles while one after the other ends at once or does not begin.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The logs that are followed, by Fork.
#[derive(Debug, Default)]
pub(super) struct Logs(BTreeMap<ObjectRef, Followed>);

#[derive(Debug, Default)]
struct Followed {
    /// Vercel's id of the release that is followed.
    deployment: String,
    seen: Arc<Mutex<Seen>>,
    /// Since [`Logs::forget_unread`].
    is_read: bool,
    /// Ends when this is dropped.
    _task: Option<AbortOnDropHandle<()>>,
}

/// What came of a log.
#[derive(Debug, Default)]
struct Seen {
    tally: Tally,
    /// Why it cannot be followed.
    why: Option<String>,
}

impl Logs {
    /// What a signal says of a Fork whose releases these are. Its log is followed from now on.
    pub(super) fn read<S: Store>(
        &mut self,
        context: &Arc<Context<S>>,
        signal: &VercelSignal,
        (fork, releases): (&Arc<Fork>, &[Arc<Deployment>]),
        now: Timestamp,
    ) -> Reading {
        let Some(serving) = serving(fork, releases) else { return Reading::NoData("no release serves yet".into()) };
        let followed = self.0.entry(fork.reference()).or_default();
        if followed.deployment != serving {
            // Another release is counted anew: what the one before logged says nothing of it.
            let seen = Arc::default();
            let task = follow(context.clone(), fork.reference(), serving.to_owned(), Arc::clone(&seen));
            let task = AbortOnDropHandle::new(tokio::spawn(task));
            *followed = Followed { deployment: serving.to_owned(), seen, is_read: true, _task: Some(task) };
        }
        followed.is_read = true;
        lock(&followed.seen).read(signal, now)
    }

    /// Stops to follow what was not read since the last time.
    pub(super) fn forget_unread(&mut self) {
        self.0.retain(|_, followed| std::mem::take(&mut followed.is_read));
    }
}

impl Seen {
    fn read(&self, signal: &VercelSignal, now: Timestamp) -> Reading {
        match &self.why {
            Some(why) if !self.tally.is_fresh(now) => Reading::NoData(why.clone()),
            _ => self.tally.read(signal, now),
        }
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Vercel's id of the release that serves.
fn serving<'a>(fork: &Fork, releases: &'a [Arc<Deployment>]) -> Option<&'a str> {
    let current = &fork.status.as_ref()?.current_release.as_ref()?.name;
    let release = releases.iter().find(|release| release.metadata.name.as_ref() == Some(current))?;
    release.status.as_ref()?.deployment_id.as_deref()
}

/// Follows a log for ever: Vercel ends each request after some minutes.
async fn follow<S: Store>(context: Arc<Context<S>>, fork: ObjectRef, deployment: String, seen: Arc<Mutex<Seen>>) {
    let mut pause = PAUSE;
    // Once it is gone, nobody reads of it any more.
    while let Some(fork) = context.fleet.fork(&fork) {
        let began = context.clock.now();
        let ended = match open(&context, &fork, &deployment).await {
            Ok(log) => listen(&context, log, &seen).await,
            Err(error) => Err(error),
        };
        let now = context.clock.now();
        pause = if until(began, now) > LONGEST_PAUSE { PAUSE } else { pause };
        let mut wait = pause;
        if let Err(error) = ended {
            let whose = match error.retry(now) {
                Retry::Never => "signal.vercel: ",
                Retry::After(least) => {
                    wait = wait.max(least);
                    ""
                }
                Retry::Backoff => "",
            };
            lock(&seen).why = Some(format!("{whose}its log at Vercel cannot be followed: {error}"));
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
        context.clock.sleep(wait).await;
    }
}

async fn open<S: Store>(context: &Context<S>, fork: &Fork, deployment: &str) -> Result<RuntimeLog, PortError> {
    let unavailable = |message| PortError::Unavailable { provider: Provider::Vercel, message };
    let account = account(context, fork).await.map_err(unavailable)?;
    account.hosting.runtime_log(&target(fork), deployment).await
}

/// Counts lines until the log ends.
async fn listen<S>(context: &Context<S>, mut log: RuntimeLog, seen: &Mutex<Seen>) -> Result<(), PortError> {
    lock(seen).why = None;
    loop {
        tokio::select! {
            line = log.next() => match line {
                Some(line) => lock(seen).tally.count(line?, context.clock.now()),
                None => return Ok(()),
            },
            // Not before: a log that ends at once was not followed.
            () = context.clock.sleep(SLOT / 2) => lock(seen).tally.follow(context.clock.now()),
        }
    }
}
