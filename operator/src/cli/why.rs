//! `forkable why`: the cause chain of one object, who must act, and what happens next.

use std::path::PathBuf;

use anyhow::bail;
use forkable_core::{
    journal::{Entry, Journal},
    store::{Kind, ObjectRef},
};
use forkable_crds::{Deployment, Fork};
use forkable_providers::journal::SqliteJournal;
use jiff::{Timestamp, tz::TimeZone};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::state::{self, condition, namespaced};
use crate::{clock::until, hosts::local::Reader, schedule::Schedule};

/// Entries of the journal that are shown.
const ENTRIES: u32 = 8;

/// Say why an object is as it is: causes, the last error, who must act, when the next try is.
///
/// Works beside a running `forkable up` and without one.
///
/// Examples:
///   forkable why acme
///   forkable why deployment/acme-1a2b3c4 --dir DIR
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    /// A Fork, or a Deployment as deployment/NAME. `team/acme` is acme in the namespace team.
    name: String,
    /// The folder that `forkable up` works on.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

/// Events that are shown.
const EVENTS: usize = 5;

/// What is told of an object of any kind.
struct Told {
    object: ObjectRef,
    conditions: Vec<Condition>,
    current: bool,
    /// The release that a Fork is waiting for or serving.
    release: Option<ObjectRef>,
}

impl Arguments {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let reader = Reader::open(&self.dir).await?;
        let Some(told) = self.find(&reader).await? else {
            bail!("there is no fork or deployment {} in {}", self.name, self.dir.display());
        };
        let now = Timestamp::now();
        tell_standing(&told);
        tell_causes(&told.conditions);
        super::say(format_args!("who must act: {}", who(&told)));
        let next = Schedule::read(&state::folder(&self.dir).join(state::SCHEDULE_FILE), &told.object);
        super::say(format_args!("next try:     {}", next_try(next, now)));
        self.tell_journal(&told).await;
        for event in reader.events(&told.object).await?.iter().rev().take(EVENTS) {
            super::say(format_args!(
                "event: {} {} (×{}, last {})",
                event.reason, event.message, event.count, event.last_at
            ));
        }
        Ok(super::DONE)
    }

    async fn find(&self, reader: &Reader) -> anyhow::Result<Option<Told>> {
        let (kind, name) = match self.name.split_once('/') {
            Some(("fork", name)) => (Some(Fork::KIND), name),
            Some(("deployment", name)) => (Some(Deployment::KIND), name),
            _ => (None, self.name.as_str()),
        };
        let (namespace, name) = namespaced(name);
        if kind != Some(Deployment::KIND)
            && let Some(fork) = reader.get::<Fork>(&namespace, &name).await?
        {
            let newest = reader.list::<Deployment>().await?;
            let own = newest.iter().filter(|release| crate::fleet::fork_of(release) == fork.reference());
            let release = own.max_by_key(|release| crate::fleet::revision(release)).map(Kind::reference);
            let status = fork.status.clone().unwrap_or_default();
            return Ok(Some(Told {
                object: fork.reference(),
                current: status.observed_generation == Some(fork.generation()),
                conditions: status.conditions,
                release,
            }));
        }
        if kind == Some(Fork::KIND) {
            return Ok(None);
        }
        let release = reader.get::<Deployment>(&namespace, &name).await?;
        Ok(release.map(|release| {
            let status = release.status.clone().unwrap_or_default();
            Told {
                object: release.reference(),
                current: status.observed_generation == Some(release.generation()),
                conditions: status.conditions,
                release: None,
            }
        }))
    }

    async fn tell_journal(&self, told: &Told) {
        let file = state::folder(&self.dir).join(state::JOURNAL_FILE);
        let mut entries: Vec<Entry> = Vec::new();
        match SqliteJournal::open_read_only(&file).await {
            Ok(journal) => {
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
}

fn tell_standing(told: &Told) {
    let object = &told.object;
    let Some(ready) = condition(&told.conditions, "Ready") else {
        super::say(format_args!("{object} was not looked at yet: `forkable up` does that"));
        return;
    };
    let stale = if told.current { "" } else { " (the manifest was changed since)" };
    match ready.status.as_str() {
        "True" => super::say(format_args!("{object} is ready{stale}: {}", ready.message)),
        "Unknown" => super::say(format_args!("{object} is on its way{stale}: {}: {}", ready.reason, ready.message)),
        _ => super::say(format_args!("{object} is not ready{stale}: {}: {}", ready.reason, ready.message)),
    }
}

/// The conditions of the facets, those that are in the way first.
fn tell_causes(conditions: &[Condition]) {
    let mut causes: Vec<_> = conditions
        .iter()
        .filter(|condition| !["Ready", "Reconciling", "Stalled"].contains(&condition.type_.as_str()))
        .collect();
    causes.sort_by_key(|condition| condition.status == "True");
    for Condition { type_, status, reason, message, last_transition_time, .. } in causes {
        let sign = if status == "True" { '✓' } else { '✗' };
        let message = message.lines().collect::<Vec<_>>().join("\n      ");
        super::say(format_args!("  {sign} {type_}: {reason} since {}: {message}", when(last_transition_time.0)));
    }
}

/// Reasons that pass by themselves.
const PASSING: [&str; 6] = ["ProviderUnavailable", "RateLimited", "Stale", "NotFound", "Progressing", "Observing"];

fn who(told: &Told) -> &'static str {
    let Some(ready) = condition(&told.conditions, "Ready") else { return "nobody yet" };
    if ready.status != "False" || PASSING.contains(&ready.reason.as_str()) {
        return "nobody";
    }
    match ready.reason.as_str() {
        "DNSRecordsMissing" => "whoever manages the DNS of the domain",
        "Unauthorized" | "MissingPermission" | "CredentialsInvalid" => "whoever gave the credentials",
        "PlanUnsupported" => "whoever manages the provider's plan, or the author of the manifest",
        "BuildFailed" => "the author of the commit",
        "Suspended" => "whoever suspended it",
        _ if condition(&told.conditions, "Stalled").is_some() => "the author of the manifest",
        _ => "a person, as the message says",
    }
}

fn next_try(next: Option<Timestamp>, now: Timestamp) -> String {
    match next {
        Some(at) if at > now => format!("in {} s ({})", until(now, at).as_secs().max(1), when(at)),
        Some(_) => "now, if `forkable up` is running, else when it starts".into(),
        None => "when something changes, here or outside".into(),
    }
}

fn when(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}
