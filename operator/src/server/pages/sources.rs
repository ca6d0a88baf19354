//! Where pages look: what is known in this process, and the history.

use std::{collections::HashMap, sync::Arc};

use forkable_core::{
    monitoring::{Point, Spell, Standing},
    store::{Kind as _, ObjectRef, Store},
};
use forkable_crds::Fork;
use futures::{StreamExt as _, stream};
use jiff::Timestamp;

use super::{
    plot,
    view::{
        availability::{DAYS, day},
        fleet::{Entry, Gathered, Survey},
        health::{Firing, firing},
        product::Read,
    },
};
use crate::context::Context;

/// Steps of the journal that are shown.
const STEPS: u32 = 20;
/// Events that are shown.
const EVENTS: usize = 20;
/// Questions to the history that are asked at once.
const AT_ONCE: usize = 8;

fn alerts<S: Store>(context: &Context<S>) -> HashMap<ObjectRef, Vec<Firing>> {
    firing(&context.fleet.rules())
}

/// All Forks in the order of need.
pub(super) fn survey<S: Store>(context: &Context<S>) -> Survey {
    let now = context.clock.now();
    let mut alerts = alerts(context);
    let forks = context.fleet.with_forks(<[Arc<Fork>]>::to_vec);
    let entry = |fork: Arc<Fork>| {
        let reference = fork.reference();
        let alerts = alerts.remove(&reference).unwrap_or_default();
        let gathered = with(context, fork, alerts);
        Entry::new(&gathered.known(now), gathered.fork.clone())
    };
    Survey::new(forks.into_iter().map(entry).collect())
}

/// What is known of one Fork.
pub(super) fn gathered<S: Store>(context: &Context<S>, fork: &ObjectRef) -> Option<Gathered> {
    let alerts = alerts(context).remove(fork).unwrap_or_default();
    Some(with(context, context.fleet.fork(fork)?, alerts))
}

fn with<S: Store>(context: &Context<S>, fork: Arc<Fork>, alerts: Vec<Firing>) -> Gathered {
    let reference = fork.reference();
    Gathered {
        releases: context.fleet.releases(&reference),
        standings: context.monitor.standings(&reference),
        alerts,
        fork: context.unsaved.on(fork),
    }
}

/// When a Fork was up and down in the days that are shown. What the history does not answer is not known.
pub(super) async fn spells<S: Store>(context: &Context<S>, fork: &ObjectRef, now: Timestamp) -> Vec<Spell> {
    context.history.spells(fork, day(now, DAYS - 1), now).await.unwrap_or_else(|error| {
        tracing::debug!(%error, "the history cannot be read");
        Vec::new()
    })
}

/// The same of many, in their order.
pub(super) async fn spells_of<S: Store>(
    context: &Context<S>,
    forks: Vec<ObjectRef>,
    now: Timestamp,
) -> Vec<Vec<Spell>> {
    stream::iter(forks).map(|fork| async move { spells(context, &fork, now).await }).buffered(AT_ONCE).collect().await
}

/// Latencies of one probe, as far as they are plotted.
async fn points<S: Store>(context: &Context<S>, standing: &Standing, now: Timestamp) -> Vec<Point> {
    let from = now.checked_sub(plot::SPAN).unwrap_or(now);
    context.history.points(&standing.series, from, now, plot::STEP).await.unwrap_or_else(|error| {
        tracing::debug!(%error, "the history cannot be read");
        Vec::new()
    })
}

/// What the page of a Fork reads.
pub(super) async fn read<S: Store>(context: &Context<S>, gathered: &Gathered, now: Timestamp) -> Read {
    let fork = gathered.fork.reference();
    let spells = spells(context, &fork, now).await;
    let points = stream::iter(&gathered.standings).then(|standing| points(context, standing, now)).collect().await;
    let mut events = context.store.events(&fork).await.unwrap_or_else(|error| {
        tracing::debug!(%error, "events cannot be read");
        Vec::new()
    });
    events.drain(..events.len().saturating_sub(EVENTS));
    let mut steps = Vec::new();
    for object in std::iter::once(fork).chain(gathered.releases.first().map(|release| release.reference())) {
        steps.extend(context.journal.newest(&object, STEPS).await.unwrap_or_default());
    }
    steps.sort_by_key(|step| std::cmp::Reverse(step.at));
    steps.truncate(STEPS as usize);
    Read { skew: None, days: super::view::availability::days(&spells, now), points, events, steps }
}
