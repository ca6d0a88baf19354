//! `forkable why`: the cause chain of one object, who must act, and what happens next.

use std::path::Path;

use anyhow::bail;
use forkable_core::{
    condition,
    journal::{Entry, Journal},
    monitoring::{History, Standing, Verdict},
    release::rollout::canary,
    store::{Kind, ObjectRef},
};
use forkable_crds::{
    AlertRule, Deployment, Fork,
    alert_rule::{AlertState, AlertStatus, Undelivered},
    condition::{Condition, ConditionStatus},
    rollout::AnalysisRun,
};
use forkable_providers::journal::SqliteJournal;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{
    colour::{Tone, paint},
    measurements,
    place::Place,
    state,
    target::{Target, What},
    world::World,
};
use crate::{cause::who, controllers::fork::withheld, hosts::local::Event, schedule::Schedule};

/// Entries of the journal that are shown.
const ENTRIES: u32 = 8;
/// Events that are shown.
const EVENTS: usize = 5;

/// Say why an object is as it is: causes, the last error, who must act, when the next try is.
///
/// Works beside a running `forkable up` and without one. In a cluster the last error is told by conditions and events.
///
/// Examples, on one machine:
///   forkable why acme
///   forkable why deployment/acme-1a2b3c4 --dir DIR
/// and in a cluster:
///   kubectl forkable why acme -n team
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    /// A Fork, a Deployment as deployment/NAME, or an AlertRule as alertrule/NAME.
    name: Target,
    #[command(flatten)]
    place: Place,
}

/// What is told of an object of any kind.
struct Told {
    object: ObjectRef,
    conditions: Vec<Condition>,
    current: bool,
    /// When a suspended Fork goes on by itself.
    resumes_at: Option<Timestamp>,
    /// Why nothing may be changed outside for a Fork.
    withheld: Option<String>,
    /// The release that a Fork is waiting for or serving.
    release: Option<ObjectRef>,
    /// How it was judged.
    runs: Vec<AnalysisRun>,
    /// At which step a canary is, and for how long.
    canary: Option<String>,
    /// What is alerted about, with the name of the rule, or of the Fork if it is the rule that is asked about.
    alerts: Vec<(String, AlertStatus)>,
    /// Messages of a rule that were given up.
    undelivered: Vec<Undelivered>,
}

impl Arguments {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let world = self.place.open().await?;
        let Some(told) = self.find(&world).await? else {
            bail!("there is no fork, deployment or alertrule {} {}", self.name, world.place());
        };
        let now = Timestamp::now();
        tell_standing(&told);
        if let Some(canary) = &told.canary {
            super::say(format_args!("  {canary}"));
        }
        tell_causes(&told.conditions);
        told.alerts.iter().for_each(tell_alert);
        told.undelivered.iter().for_each(tell_undelivered);
        measurements::table(&told.runs).iter().for_each(super::say);
        super::say(format_args!("who must act: {}", who(&told.conditions)));
        // Events are a help, and not everybody may read them.
        let events = world.events(&told.object).await;
        match &world {
            World::Folder(folder) => {
                let next = Schedule::read(&state::folder(folder.dir()).join(state::SCHEDULE_FILE), &told.object);
                super::say(format_args!("next try:     {}", next_try(next, now)));
                tell_journal(folder.dir(), &told, now).await;
            }
            World::Cluster(cluster) => {
                let down = if is_settled(&told) { None } else { cluster.controller_is_down(now).await };
                super::say(format_args!("next try:     {}", down.unwrap_or_else(|| foreseen(&told, now))));
                let error = events.as_ref().ok().and_then(|events| last_error(&told, events));
                super::say(format_args!("last error:   {}", error.unwrap_or_else(|| "none".into())));
            }
        }
        match events {
            Ok(events) => events.iter().rev().take(EVENTS).for_each(tell_event),
            Err(error) => super::say_note(&format!("events cannot be read: {error:#}")),
        }
        Ok(super::DONE)
    }

    async fn find(&self, world: &World) -> anyhow::Result<Option<Told>> {
        let asked = self.name.what;
        if asked.is_none_or(|asked| asked == What::Fork)
            && let Some(fork) = world.get::<Fork>(&self.name).await?
        {
            let releases = world.list::<Deployment>().await?;
            let own = releases.iter().filter(|release| crate::fleet::fork_of(release) == fork.reference());
            let release = own.max_by_key(|release| crate::fleet::revision(release));
            let canary = release.and_then(|release| canary::standing(release, Timestamp::now()));
            let status = fork.status.clone().unwrap_or_default();
            let suspended = fork.spec.suspend.as_ref();
            return Ok(Some(Told {
                object: fork.reference(),
                current: status.observed_generation == Some(fork.generation()),
                resumes_at: suspended.and_then(|suspend| suspend.until.as_ref()).map(|until| until.0),
                withheld: withheld(&fork, Timestamp::now()).map(|withheld| withheld.message),
                conditions: status.conditions,
                release: release.map(|release| release.reference()),
                runs: release.and_then(|release| Some(release.status.clone()?.analysis_runs)).unwrap_or_default(),
                canary,
                alerts: alerts(world, &fork).await,
                undelivered: Vec::new(),
            }));
        }
        if asked == Some(What::Fork) {
            return Ok(None);
        }
        let release = match asked {
            Some(What::AlertRule) => None,
            _ => world.get::<Deployment>(&self.name).await?,
        };
        if release.is_none() && asked != Some(What::Deployment) {
            let rule = world.get::<AlertRule>(&self.name).await?;
            return Ok(rule.map(|rule| {
                let status = rule.status.clone().unwrap_or_default();
                Told {
                    object: rule.reference(),
                    current: status.observed_generation == Some(rule.generation()),
                    resumes_at: None,
                    withheld: None,
                    conditions: status.conditions,
                    release: None,
                    canary: None,
                    runs: Vec::new(),
                    alerts: status.alerts.into_iter().map(|alert| (alert.fork.clone(), alert)).collect(),
                    undelivered: status.undelivered,
                }
            }));
        }
        Ok(release.map(|release| {
            let status = release.status.clone().unwrap_or_default();
            Told {
                object: release.reference(),
                current: status.observed_generation == Some(release.generation()),
                resumes_at: None,
                withheld: None,
                conditions: status.conditions,
                release: None,
                canary: canary::standing(&release, Timestamp::now()),
                runs: status.analysis_runs,
                alerts: Vec::new(),
                undelivered: Vec::new(),
            }
        }))
    }
}

/// What rules say of a Fork. Not everybody may read them.
async fn alerts(world: &World, fork: &Fork) -> Vec<(String, AlertStatus)> {
    let rules = world.list::<AlertRule>().await.unwrap_or_default();
    let of = |rule: &std::sync::Arc<AlertRule>| {
        let mut alerts = rule.status.iter().flat_map(|status| &status.alerts);
        let alert = alerts.find(|alert| rule.namespace() == fork.namespace() && alert.fork == fork.name())?;
        Some((rule.name().to_owned(), alert.clone()))
    };
    rules.iter().filter_map(of).collect()
}

fn tell_alert((of, alert): &(String, AlertStatus)) {
    let (how, tone) = match alert.state {
        AlertState::Firing => ("fires", Tone::Bad),
        AlertState::Pending => ("is about to fire", Tone::Working),
    };
    let value = alert.value.as_ref().map_or_else(String::new, |value| format!(": {value}"));
    let told = match (&alert.suppressed, alert.notified) {
        (Some(why), _) => format!(" ({why})"),
        (None, true) => " (told)".into(),
        (None, false) => String::new(),
    };
    let flaps = alert.flaps.map_or_else(String::new, |times| format!(", the {times}th time within an hour"));
    super::say(format_args!("  ! {of} {} since {}{flaps}{value}{told}", paint(how, tone), when(alert.since.0)));
    for action in &alert.actions {
        super::say(format_args!("      {action}"));
    }
}

fn tell_undelivered(letter: &Undelivered) {
    let Undelivered { id: _, channel, headline, since, given_up_at, error } = letter;
    super::say(format_args!(
        "  ! {channel} {} of {}, given up at {}: {error}\n      {headline}",
        paint("did not take a message", Tone::Bad),
        when(since.0),
        when(given_up_at.0)
    ));
}

async fn tell_journal(dir: &Path, told: &Told, now: Timestamp) {
    let file = state::folder(dir).join(state::JOURNAL_FILE);
    let mut entries: Vec<Entry> = Vec::new();
    match SqliteJournal::open_read_only(&file).await {
        Ok(journal) => {
            tell_probes(&journal, &told.object, now).await;
            for object in [Some(&told.object), told.release.as_ref()].into_iter().flatten() {
                entries.extend(journal.newest(object, ENTRIES).await.unwrap_or_default());
            }
        }
        Err(error) => super::say(format_args!("journal:      {error}")),
    }
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.at));
    let error = entries.iter().find(|entry| entry.outcome != "done");
    let error = error.map_or_else(|| "none".into(), |entry| format!("{} ({})", entry.outcome, when(entry.at)));
    super::say(format_args!("last error:   {error}"));
    if !entries.is_empty() {
        super::say("last steps:");
    }
    for Entry { at, step, outcome, duration_ms, .. } in entries.iter().take(ENTRIES as usize) {
        super::say(format_args!("  {}  {step}: {outcome} ({duration_ms} ms)", when(*at)));
    }
}

/// What is known of the probes of a Fork, and how long it was well.
async fn tell_probes(journal: &SqliteJournal, fork: &ObjectRef, now: Timestamp) {
    let standings = journal.standings().await.unwrap_or_default();
    for standing in standings.iter().filter(|standing| standing.series.fork == *fork) {
        let Standing { series, verdict, since, newest, why, .. } = standing;
        let (how, why) = match verdict {
            Verdict::Up => (paint("up", Tone::Good), String::new()),
            Verdict::Down => (paint("down", Tone::Bad), format!(": {why}")),
            Verdict::Unknown => (paint("unknown", Tone::Working), format!(": {why}")),
        };
        let latency =
            newest.latency.map_or_else(String::new, |latency| format!(", answered in {} ms", latency.as_millis()));
        super::say(format_args!("probe:        {} is {how} since {}{latency}{why}", series.probe, when(*since)));
    }
    let uptime = async |hours| {
        let from = now - SignedDuration::from_hours(hours);
        let ratio = journal.uptime(fork, from, now).await.ok()?.ratio()?;
        Some(format!("{:.3} %", ratio * 100.0))
    };
    if let (Some(day), Some(month)) = (uptime(24).await, uptime(24 * 30).await) {
        super::say(format_args!("uptime:       {day} in 24 hours, {month} in 30 days"));
    }
}

fn tell_event(event: &Event) {
    let Event { reason, message, count, last_at, .. } = event;
    let last = last_at.parse().map_or_else(|_| last_at.clone(), when);
    let times = if *count > 1 { format!("×{count}, last {last}") } else { last };
    super::say(format_args!("event: {reason} {message} ({times})"));
}

fn tell_standing(told: &Told) {
    let Told { object, withheld, .. } = told;
    let ready = condition::find(&told.conditions, "Ready");
    match ready {
        None => super::say(format_args!(
            "{object} was not looked at yet: `forkable up`, or the controller of a cluster, does that"
        )),
        Some(ready) => {
            let stale = if told.current { "" } else { " (the manifest was changed since)" };
            let (how, tone) = match ready.status {
                ConditionStatus::True => ("is ready", Tone::Good),
                ConditionStatus::Unknown => ("is on its way", Tone::Working),
                ConditionStatus::False => ("is not ready", Tone::Bad),
            };
            let reason = if tone == Tone::Good { String::new() } else { format!("{}: ", ready.reason) };
            super::say(format_args!("{object} {}{stale}: {reason}{}", paint(how, tone), ready.message));
        }
    }
    // A Fork that is as its manifest says is ready, though the next difference would stay.
    if let Some(withheld) = withheld.as_ref().filter(|it| ready.is_none_or(|ready| !ready.message.contains(*it))) {
        super::say(format_args!("  ! {withheld}"));
    }
}

/// The conditions of the facets, those that are in the way first.
fn tell_causes(conditions: &[Condition]) {
    let mut causes: Vec<_> = conditions
        .iter()
        .filter(|condition| !["Ready", "Reconciling", "Stalled"].contains(&condition.type_.as_str()))
        .collect();
    causes.sort_by_key(|condition| condition.status == ConditionStatus::True);
    for Condition { type_, status, reason, message, last_transition_time, .. } in causes {
        let sign = if *status == ConditionStatus::True { paint('✓', Tone::Good) } else { paint('✗', Tone::Bad) };
        let message = message.lines().collect::<Vec<_>>().join("\n      ");
        super::say(format_args!("  {sign} {type_}: {reason} since {}: {message}", when(last_transition_time.0)));
    }
}

fn next_try(next: Option<Timestamp>, now: Timestamp) -> String {
    match next {
        Some(at) if at > now => {
            let wait = SignedDuration::from_secs(at.as_second() - now.as_second()).max(SignedDuration::from_secs(1));
            format!("in {wait:#} ({})", when(at))
        }
        Some(_) => "now, if `forkable up` is running, else when it starts".into(),
        None => "when something changes, here or outside".into(),
    }
}

/// Whether the status says all there is to say.
fn is_settled(told: &Told) -> bool {
    told.current && condition::is_true(&told.conditions, "Ready")
}

/// When the controller comes back, as far as the object tells.
fn foreseen(told: &Told, now: Timestamp) -> String {
    let suspended = condition::find(&told.conditions, "Ready").is_some_and(|ready| ready.reason == "Suspended");
    match told.resumes_at {
        Some(at) if suspended && at > now => format!("{}, when the suspension ends", when(at)),
        _ if is_settled(told) => "when something changes, here or outside".into(),
        _ if !told.current => "at once, as the manifest was changed".into(),
        _ if condition::find(&told.conditions, "Stalled").is_some() => {
            "when the manifest, the credentials or what they refer to change".into()
        }
        _ => "by itself within 5 minutes, at once when something changes".into(),
    }
}

/// The newest thing that went wrong: by conditions, unless it is ready all the same, and else by events.
fn last_error(told: &Told, events: &[Event]) -> Option<String> {
    let ready = condition::is_true(&told.conditions, "Ready");
    let failed =
        |condition: &&Condition| !ready && condition.status == ConditionStatus::False && condition.type_ != "Ready";
    let failed = told.conditions.iter().filter(failed).max_by_key(|condition| condition.last_transition_time.0);
    let condition =
        failed.map(|it| format!("{}: {}: {} ({})", it.type_, it.reason, it.message, when(it.last_transition_time.0)));
    condition.or_else(|| {
        let event = events.iter().rev().find(|event| event.type_ == "Warning")?;
        let at = event.last_at.parse().map_or_else(|_| event.last_at.clone(), when);
        Some(format!("{} ({at}, over by now)", event.message))
    })
}

fn when(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clock::after;

    fn told(conditions: &[(&str, &str, &str)]) -> Told {
        let condition = |(type_, status, reason): &(&str, &str, &str)| {
            serde_json::from_value(json!({
                "type": type_, "status": status, "reason": reason, "message": format!("{reason} it says"),
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }))
            .expect("a condition")
        };
        Told {
            object: ObjectRef::new(Fork::KIND, "default", "acme"),
            conditions: conditions.iter().map(condition).collect(),
            current: true,
            resumes_at: None,
            withheld: None,
            release: None,
            runs: Vec::new(),
            canary: None,
            alerts: Vec::new(),
            undelivered: Vec::new(),
        }
    }

    #[test]
    fn what_can_be_foreseen_without_the_schedule_is_told() {
        let now = Timestamp::UNIX_EPOCH;
        let later = after(now, std::time::Duration::from_hours(1));
        for (why, told, expected) in [
            ("ready", told(&[("Ready", "True", "Ready")]), "something changes, here or outside"),
            ("changed", Told { current: false, ..told(&[("Ready", "True", "Ready")]) }, "manifest was changed"),
            ("stalled", told(&[("Ready", "False", "X"), ("Stalled", "True", "X")]), "the credentials"),
            ("failing", told(&[("Ready", "False", "ProviderUnavailable")]), "within 5 minutes"),
            (
                "suspended",
                Told { resumes_at: Some(later), ..told(&[("Ready", "False", "Suspended")]) },
                "suspension ends",
            ),
        ] {
            assert!(foreseen(&told, now).contains(expected), "{why}: {}", foreseen(&told, now));
        }
    }

    #[test]
    fn the_last_error_is_that_of_a_facet_and_else_of_an_event() {
        let event = |type_: &str, message: &str| Event {
            type_: type_.into(),
            reason: "NotReady".into(),
            message: message.into(),
            count: 1,
            first_at: String::new(),
            last_at: "2026-01-01T00:00:00Z".into(),
        };
        let events = [event("Warning", "GitHub is down"), event("Normal", "Ready")];
        let ready = told(&[("Ready", "True", "Ready"), ("EnvSynced", "True", "Synced")]);
        assert!(last_error(&ready, &events).expect("an event").starts_with("GitHub is down"));
        assert_eq!(last_error(&ready, &events[1..]), None);
        let replaced = told(&[("Ready", "True", "Superseded"), ("Live", "False", "Superseded")]);
        assert_eq!(last_error(&replaced, &[]), None, "a release that another one replaced did not fail");
        let failing = told(&[("Ready", "False", "Unauthorized"), ("EnvSynced", "False", "Unauthorized")]);
        assert!(last_error(&failing, &events).expect("a condition").starts_with("EnvSynced: Unauthorized"));
    }
}
