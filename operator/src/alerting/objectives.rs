//! Objectives: what probes came to in the windows that an error budget is judged by.

use std::time::Duration;

use forkable_core::{
    alerting::{self, Budget, Reading, Window},
    monitoring::{Point, Series},
    store::{Kind as _, Store},
};
use forkable_crds::{
    Fork,
    alert_rule::{ProbeSignal, Slo},
};
use jiff::Timestamp;

use super::signals::is_asked;
use crate::{
    clock::{before, until},
    context::Context,
};

/// How often the whole window of an objective is summed up.
const WHOLE: Duration = Duration::from_mins(5);

/// How an objective stands.
#[derive(Clone, Debug)]
pub(super) struct Objective {
    pub(super) budget: Budget,
    /// What probes came to in its whole window, and when that was summed up.
    whole: (Timestamp, Window),
}

/// What the probes of a Fork came to in a window.
pub(super) async fn seen<S: Store>(
    context: &Context<S>,
    probe: &ProbeSignal,
    fork: &Fork,
    (now, length): (Timestamp, Duration),
) -> Result<Point, String> {
    let reference = fork.reference();
    let standings = context.monitor.standings(&reference);
    let series: Vec<Series> = standings.into_iter().filter(|it| is_asked(probe, it)).map(|it| it.series).collect();
    let mut seen = Point::default();
    let from = before(now, length);
    let step = if length <= Duration::from_hours(6) { Duration::from_mins(1) } else { Duration::from_hours(1) };
    for series in series {
        let points = context.history.points(&series, from, now, step).await.map_err(|error| error.to_string())?;
        for point in &points {
            seen.merge(point);
        }
    }
    Ok(seen)
}

/// What an objective says now; `before`: how it stood when it was looked at last.
pub(super) async fn objective<S: Store>(
    context: &Context<S>,
    slo: &Slo,
    probe: &ProbeSignal,
    fork: &Fork,
    (now, before): (Timestamp, Option<Objective>),
) -> Result<(Reading, Objective), String> {
    let mut windows = Vec::new();
    for length in alerting::windows(slo) {
        windows.push(Window::of(&seen(context, probe, fork, (now, length)).await?));
    }
    // A long window changes little in a short time, unless nothing was in it yet.
    let kept = |(at, seen): &(Timestamp, Window)| seen.ratio().is_some() && until(*at, now) < WHOLE;
    let fresh = before.map(|before| before.whole).filter(kept);
    let whole = match fresh {
        Some(whole) => whole,
        None => (now, Window::of(&seen(context, probe, fork, (now, alerting::whole(slo))).await?)),
    };
    let budget = Budget::of(slo, &windows, whole.1);
    Ok((alerting::burn(slo, &windows), Objective { budget, whole }))
}
