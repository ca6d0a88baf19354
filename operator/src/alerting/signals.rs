//! What the signals of rules say. What is in memory is read at once; what has to be asked for is asked in the background
//! and good until it is asked again.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use forkable_core::{
    alerting::{self, Budget, Reading},
    condition::is_true,
    forge,
    monitoring::{Standing, Verdict},
    release::analysis::{Subject, ask_prometheus, numbers},
    secret::redact,
    sites::host_of,
    store::{Kind as _, ObjectRef, Store},
};
use forkable_crds::{
    AlertRule, Deployment, Fork,
    alert_rule::{AlertCondition, ProbeMetric, ProbeSignal, QuerySignal, ReleaseMetric, StatusPage},
    rollout::{Comparison, PrometheusQuery},
};
use jiff::Timestamp;
use tokio::task::JoinSet;

use super::{
    account,
    logs::Logs,
    objectives::{Objective, objective, seen},
    pages::{self, Pages},
    sentry::{self, Holds},
};
use crate::{
    clock::{after, until},
    context::Context,
    controllers::fork::resolve,
};

/// How often a Prometheus server is asked the same.
const QUERY: Duration = Duration::from_secs(15);
/// How often Sentry is asked the same.
const SENTRY: Duration = Duration::from_mins(1);
/// Questions that are asked at once.
const AT_ONCE: usize = 16;
/// How often the history is read for the same window, at most: a sixtieth of it.
const WINDOW: Duration = Duration::from_secs(5);
const SECONDS_OF_A_DAY: f64 = 86_400.0;

/// What has to be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asked {
    Prometheus,
    Sentry,
    Window(Duration),
    Objective,
}

/// A rule, its generation, and the name of a Fork.
type Key = (ObjectRef, i64, String);

/// What was answered last.
#[derive(Debug, Default)]
struct Answer {
    /// When it is asked again.
    due: Timestamp,
    reading: Option<Reading>,
    /// Of an objective.
    objective: Option<Objective>,
    /// Since [`Signals::forget_unread`].
    is_read: bool,
}

/// A Fork in one pass. What many rules ask of it is looked up once.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) fork: Arc<Fork>,
    reference: ObjectRef,
    releases: OnceLock<Vec<Arc<Deployment>>>,
    standings: OnceLock<Vec<Standing>>,
}

impl Seen {
    pub(super) fn new(fork: Arc<Fork>) -> Self {
        Self { reference: fork.reference(), fork, releases: OnceLock::new(), standings: OnceLock::new() }
    }

    /// What was looked up is of its pass only.
    pub(super) fn forget(&mut self) {
        (self.releases, self.standings) = (OnceLock::new(), OnceLock::new());
    }

    /// Newest first.
    fn releases(&self, look: impl FnOnce(&ObjectRef) -> Vec<Arc<Deployment>>) -> &[Arc<Deployment>] {
        self.releases.get_or_init(|| look(&self.reference))
    }

    fn standings(&self, look: impl FnOnce(&ObjectRef) -> Vec<Standing>) -> &[Standing] {
        self.standings.get_or_init(|| look(&self.reference))
    }
}

/// What was answered.
enum Answered {
    Fork(Key, Reading, Option<Objective>),
    Page(StatusPage, pages::Told),
}

/// Answers to what was asked.
#[derive(Debug, Default)]
pub(super) struct Signals {
    /// In order, so that the same budgets are told of each time.
    answers: BTreeMap<Key, Answer>,
    asks: JoinSet<Answered>,
    pub(super) pages: Pages,
    logs: Logs,
    holds: Arc<Holds>,
    /// Waiting to be asked.
    queue: Vec<(Arc<AlertRule>, Arc<Fork>, Option<Objective>)>,
}

impl Signals {
    /// What the signal of a rule says of a Fork now. `None`: it is asked for the first time.
    pub(super) fn read<S: Store>(
        &mut self,
        context: &Arc<Context<S>>,
        rule: &Arc<AlertRule>,
        seen: &Seen,
        now: Timestamp,
    ) -> Option<Reading> {
        if let Some(incident) = &rule.spec.signal.incident {
            return self.pages.read(incident, &seen.fork);
        }
        if let Some(vercel) = &rule.spec.signal.vercel {
            let of = (&seen.fork, seen.releases(|fork| context.fleet.releases(fork)));
            return Some(self.logs.read(context, vercel, of, now));
        }
        let Some(asked) = asked(rule) else { return Some(at_once(context, rule, seen, now)) };
        let fork = &seen.fork;
        let key = (rule.reference(), rule.generation(), seen.reference.name.clone());
        let pause = match asked {
            Asked::Prometheus => QUERY,
            Asked::Sentry => SENTRY,
            Asked::Window(window) => WINDOW.max(window / 60),
            Asked::Objective => WINDOW,
        };
        let answer = self.answers.entry(key).or_default();
        answer.is_read = true;
        if answer.due <= now {
            answer.due = after(now, pause);
            self.queue.push((rule.clone(), fork.clone(), answer.objective.clone()));
        }
        answer.reading.clone()
    }

    /// Asks what waits to be asked, as much as may be at once.
    pub(super) fn ask<S: Store>(&mut self, context: &Arc<Context<S>>) {
        for (page, fork) in self.pages.take_due(context.clock.now()) {
            let context = context.clone();
            self.asks.spawn(async move { Answered::Page(page, pages::ask(&context, page, &fork).await) });
        }
        while self.asks.len() < AT_ONCE
            && let Some((rule, fork, before)) = self.queue.pop()
        {
            let (context, holds) = (context.clone(), self.holds.clone());
            self.asks.spawn(async move {
                let (reading, objective) = ask(&context, &rule, &fork, (&holds, before)).await;
                Answered::Fork((rule.reference(), rule.generation(), fork.name().to_owned()), reading, objective)
            });
        }
    }

    /// Waits for an answer; for ever if nothing is asked.
    pub(super) async fn answered(&mut self) {
        match self.asks.join_next().await {
            Some(Ok(Answered::Page(page, told))) => self.pages.put(page, told),
            Some(Ok(Answered::Fork(key, reading, objective))) => {
                if let Some(answer) = self.answers.get_mut(&key) {
                    (answer.reading, answer.objective) = (Some(reading), objective);
                }
            }
            Some(Err(error)) => tracing::error!(%error, "a question was lost"),
            None => std::future::pending().await,
        }
    }

    /// How the error budgets stand, by namespace, Fork and rule.
    pub(super) fn budgets(&self) -> impl Iterator<Item = ([&str; 3], &Budget)> {
        self.answers.iter().filter_map(|((rule, _, fork), answer)| {
            let objective = answer.objective.as_ref()?;
            Some(([rule.namespace.as_str(), fork.as_str(), rule.name.as_str()], &objective.budget))
        })
    }

    /// When something is asked again.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.answers.values().map(|answer| answer.due).chain(self.pages.due()).min()
    }

    /// Forgets what was not read since the last time, so that nothing is due of a rule or a Fork that is gone.
    pub(super) fn forget_unread(&mut self) {
        self.answers.retain(|_, answer| std::mem::take(&mut answer.is_read));
        self.pages.forget_unread();
        self.logs.forget_unread();
    }
}

fn asked(rule: &AlertRule) -> Option<Asked> {
    let signal = &rule.spec.signal;
    if rule.spec.slo.is_some() {
        return Some(Asked::Objective);
    }
    match &signal.probe {
        Some(probe) if probe.metric != ProbeMetric::Up => {
            Some(Asked::Window(Duration::from_secs(probe.window_seconds.unsigned_abs())))
        }
        _ if signal.sentry.is_some() => Some(Asked::Sentry),
        _ => signal.prometheus.as_ref().map(|_| Asked::Prometheus),
    }
}

/// What needs no question.
fn at_once<S: Store>(context: &Context<S>, rule: &AlertRule, seen: &Seen, now: Timestamp) -> Reading {
    let signal = &rule.spec.signal;
    if let Some(release) = &signal.release {
        return of_releases(release.metric, seen.releases(|fork| context.fleet.releases(fork)), now);
    }
    let standings = seen.standings(|fork| context.monitor.standings(fork));
    if let Some(probe) = &signal.probe {
        return is_up(standings, probe);
    }
    let domain = signal.certificate.as_ref().and_then(|certificate| certificate.domain.as_deref());
    certificate(&seen.fork, standings, domain, now)
}

pub(super) fn is_asked(probe: &ProbeSignal, standing: &Standing) -> bool {
    probe.name.as_ref().is_none_or(|name| *name == standing.series.probe)
}

fn is_up(standings: &[Standing], probe: &ProbeSignal) -> Reading {
    let of = |verdict| standings.iter().find(|it| it.verdict == verdict && is_asked(probe, it));
    if let Some(down) = of(Verdict::Down) {
        return Reading::Value(0.0, format!("{}: {}", down.series.probe, down.why));
    }
    match (of(Verdict::Unknown), of(Verdict::Up)) {
        (None, Some(_)) => Reading::Value(1.0, "up".into()),
        (Some(unknown), _) => Reading::NoData(format!("{}: {}", unknown.series.probe, unknown.why)),
        (None, None) => Reading::NoData("no probe has run yet".into()),
    }
}

fn of_releases(metric: ReleaseMetric, releases: &[Arc<Deployment>], now: Timestamp) -> Reading {
    let mut production = releases.iter().filter(|release| release.spec.environment == "Production");
    let name = |release: &Deployment| release.metadata.name.clone().unwrap_or_default();
    let commit = |release: &Deployment| {
        let commit = release.status.as_ref().and_then(|status| status.commit.as_ref()).map(|commit| commit.sha.clone());
        let commit = commit.or_else(|| release.spec.source.commit.clone()).unwrap_or_default();
        forge::short(&commit).to_owned()
    };
    let took = |release: &Deployment, end: Timestamp| {
        let began = release.metadata.creation_timestamp.as_ref().map_or(end, |time| time.0);
        until(began, end).as_secs_f64()
    };
    if metric == ReleaseMetric::DurationSeconds {
        let ready = production.find_map(|release| {
            let status = release.status.as_ref()?;
            let end = status.finished_at.as_ref().filter(|_| is_true(&status.conditions, "Ready"))?;
            Some((release, took(release, end.0)))
        });
        return match ready {
            Some((release, seconds)) => Reading::Value(seconds, format!("{} took {seconds:.0} s", name(release))),
            None => Reading::NoData("no release is ready yet".into()),
        };
    }
    let Some(newest) = production.next() else { return Reading::NoData("there is no release yet".into()) };
    let status = newest.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref()).unwrap_or("Pending");
    match metric {
        ReleaseMetric::Failed => {
            let failed = matches!(phase, "Failed" | "RolledBack" | "RollingBack" | "Frozen");
            let text = format!("{} of commit {} is {phase}", name(newest), commit(newest));
            Reading::Value(f64::from(u8::from(failed)), text)
        }
        _ if status.is_some_and(|status| status.finished_at.is_some()) => {
            Reading::Value(0.0, format!("{} is {phase}", name(newest)))
        }
        _ => {
            let seconds = took(newest, now);
            Reading::Value(seconds, format!("{} is {phase} after {seconds:.0} s", name(newest)))
        }
    }
}

fn certificate(fork: &Fork, standings: &[Standing], domain: Option<&str>, now: Timestamp) -> Reading {
    let known = fork.status.iter().flat_map(|status| &status.domains);
    let reported = known.filter_map(|domain| Some((domain.name.as_str(), domain.certificate.as_ref()?.expires_at.0)));
    // What visitors are shown counts before what the provider says.
    let shown: Vec<_> =
        standings.iter().filter_map(|it| Some((it.series.probe.as_str(), it.certificate_ends?))).collect();
    let reported = reported.filter(|(name, _)| !shown.iter().any(|(shown, _)| shown == name));
    let all = shown.iter().copied().chain(reported.collect::<Vec<_>>());
    let first = all.filter(|(name, _)| domain.is_none_or(|domain| domain == *name)).min_by_key(|(_, ends)| *ends);
    match first {
        Some((name, ends)) => {
            let days = ends.duration_since(now).as_secs_f64() / SECONDS_OF_A_DAY;
            Reading::Value(days, format!("the certificate of {name} ends at {ends:.0}, in {days:.0} days"))
        }
        None => Reading::NoData("no certificate is known yet".into()),
    }
}

async fn ask<S: Store>(
    context: &Context<S>,
    rule: &AlertRule,
    fork: &Fork,
    (holds, before): (&Holds, Option<Objective>),
) -> (Reading, Option<Objective>) {
    let spec = &rule.spec;
    let now = context.clock.now();
    if let Some(signal) = &spec.signal.sentry {
        let reading = sentry::ask(context, signal, fork, &subject(fork), holds).await;
        return (reading.unwrap_or_else(Reading::NoData), None);
    }
    if let (Some(slo), Some(probe)) = (&spec.slo, &spec.signal.probe) {
        return match objective(context, slo, probe, fork, (now, before.clone())).await {
            Ok((reading, objective)) => (reading, Some(objective)),
            Err(why) => (Reading::NoData(why), before),
        };
    }
    let answer = match (&spec.signal.probe, &spec.signal.prometheus) {
        (Some(probe), _) => window(context, probe, fork, now).await,
        (_, Some(query)) => prometheus(context, query, spec.condition.as_ref(), fork).await,
        _ => Err("there is no signal".into()),
    };
    (answer.unwrap_or_else(Reading::NoData), None)
}

async fn window<S: Store>(
    context: &Context<S>,
    probe: &ProbeSignal,
    fork: &Fork,
    now: Timestamp,
) -> Result<Reading, String> {
    let length = Duration::from_secs(probe.window_seconds.unsigned_abs());
    let seen = seen(context, probe, fork, (now, length)).await?;
    Ok(alerting::windowed(probe.metric, length, &seen))
}

async fn prometheus<S: Store>(
    context: &Context<S>,
    query: &QuerySignal,
    condition: Option<&AlertCondition>,
    fork: &Fork,
) -> Result<Reading, String> {
    let query = PrometheusQuery {
        name: "the query".into(),
        address: query.address.clone(),
        query: query.query.clone(),
        operator: Comparison::GreaterThan,
        threshold: 0.0,
        request_headers: query.request_headers.clone(),
    };
    let names =
        query.request_headers.iter().filter_map(|header| Some(&*header.value_from.as_ref()?.secret_key_ref.name));
    let namespace = fork.namespace();
    let secrets =
        resolve::secrets(&context.store, namespace, &names.collect()).await.map_err(|error| error.to_string())?;
    let request = ask_prometheus(&query, &subject(fork), &secrets, context.services.prometheus.as_deref())
        .map_err(|why| format!("signal.prometheus: {why}"))?;
    let account = account(context, fork).await?;
    let visit = account.sites.get(&request).await;
    let numbers = numbers(&visit).map_err(|why| {
        format!("signal.prometheus.query: the query {}", redact(&why, secrets.values().flat_map(BTreeMap::values)))
    })?;
    let is_upper =
        condition.is_none_or(|it| matches!(it.operator, Comparison::GreaterThan | Comparison::GreaterThanOrEqual));
    let pick = if is_upper { f64::max } else { f64::min };
    let value = numbers.into_iter().reduce(pick).unwrap_or(f64::NAN);
    Ok(Reading::Value(value, value.to_string()))
}

/// What templates may name.
fn subject(fork: &Fork) -> Subject {
    let status = fork.status.as_ref();
    Subject {
        host: host(fork).unwrap_or_default(),
        commit: status.and_then(|status| Some(status.current_release.as_ref()?.commit.clone())).unwrap_or_default(),
        fork: fork.name().to_owned(),
    }
}

/// Host name of the product.
pub(super) fn host(fork: &Fork) -> Option<String> {
    fork.status.as_ref()?.url.as_deref().map(|url| host_of(url).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_rules_ask_of_a_fork_is_looked_up_once() {
        let spec = serde_json::json!({
            "template": {"owner": "o", "repo": "t"}, "repository": {"owner": "o", "name": "acme"},
            "project": {"name": "acme"},
        });
        let seen = Seen::new(Arc::new(Fork::new("acme", serde_json::from_value(spec).expect("a spec"))));
        let looks = std::cell::Cell::new(0);
        for _ in 0..100 {
            let releases = seen.releases(|fork| {
                assert_eq!(fork.name, "acme");
                looks.set(looks.get() + 1);
                Vec::new()
            });
            assert_eq!(
                of_releases(ReleaseMetric::Failed, releases, Timestamp::UNIX_EPOCH).text(),
                "there is no release yet"
            );
        }
        assert_eq!(looks.get(), 1);
    }

    #[test]
    fn nothing_is_due_of_a_fork_that_is_gone() {
        let rule = ObjectRef::new(AlertRule::KIND, "default", "slow");
        let mut signals = Signals::default();
        for (fork, second) in [("gone", 1), ("acme", 2)] {
            let due = Timestamp::from_second(second).expect("a time");
            signals.answers.insert((rule.clone(), 1, fork.into()), Answer { due, is_read: true, ..Answer::default() });
        }
        signals.forget_unread();
        let of_acme = signals.answers.get_mut(&(rule, 1, "acme".into())).expect("it was read");
        of_acme.is_read = true;
        signals.forget_unread();
        assert_eq!(signals.due().map(Timestamp::as_second), Some(2));
    }
}
