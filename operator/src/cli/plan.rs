//! `forkable plan`: every change that would be made outside, and none is made.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context as _;
use forkable_core::{
    Step,
    plan::{Effect, Verdict},
    store::{Kind, Store},
};
use serde_json::{Value, json};

use super::{Connection, environment, state, up::Form};
use crate::{
    accounts::Accounts,
    clock::Clock,
    connect::Connector,
    context::{Context, NoJournal, Parts},
    controllers::fork::ABANDON_AFTER,
    controllers::fork::preview::{Preview as Outcome, preview, preview_deletion},
    hosts::local::{Preview, Problem},
    metrics::Metrics,
};

/// Print every change that would be made outside, and make none.
///
/// Only reads are sent to the providers, and nothing is written here. Changes that take something away are marked.
/// With a folder, Forks whose manifests are gone from it are planned to be deleted.
///
/// Examples:
///   forkable plan -f DIR
///   forkable plan -f acme.yaml -f secret.yaml --dir DIR
///
/// Exit codes: 0 nothing to change, 2 changes, 1 an error.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_help = environment::HELP)]
pub(super) struct Arguments {
    /// Manifests: files, or folders with all that is in them.
    #[arg(short, long = "file", value_name = "FILE|DIR", required = true)]
    files: Vec<PathBuf>,
    /// The folder that `forkable up` works on, for what it has recorded; the one among the files, if absent.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Use the stand-in for GitHub and Vercel at URL (`forkable up --sandbox` prints it).
    #[arg(long, value_name = "URL", require_equals = true)]
    sandbox: Option<String>,
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,
}

/// Steps by what they do.
#[derive(Clone, Copy, Default)]
struct Counts {
    create: usize,
    change: usize,
    destroy: usize,
}

/// What is printed of one Fork.
struct Printed {
    name: String,
    steps: Vec<Step>,
    /// Facets that wait for something or are refused.
    notes: Vec<String>,
    error: Option<String>,
}

impl Arguments {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let folder = self.dir.clone().or_else(|| self.files.iter().find(|file| state::folder(file).is_dir()).cloned());
        let (manifests, problems) = Preview::open(&self.files, folder.as_deref()).await?;
        if !problems.is_empty() {
            self.tell_problems(&problems);
            return Ok(super::FAILED);
        }
        let connection = match &self.sandbox {
            Some(url) => Connection::sandbox(url),
            None => Connection::from_environment(),
        };
        let context = context(manifests, connection.map_err(anyhow::Error::msg)?).await?;
        let mut all = Vec::new();
        for fork in context.store.forks() {
            let outcome = preview(&context, fork).await?;
            all.push(printed(fork.reference().to_string(), outcome));
        }
        for fork in context.store.removed() {
            let outcome = preview_deletion(&context, fork).await?;
            all.push(printed(format!("{} (its manifest is gone)", fork.reference()), outcome));
        }
        let mut counts = Counts::default();
        all.iter().flat_map(|fork| &fork.steps).for_each(|step| counts.add(step));
        match self.output {
            Form::Text => tell(&all, counts),
            Form::Json => super::say(serde_json::to_string_pretty(&whole(&all, counts))?),
        }
        Ok(match (all.iter().any(|fork| fork.error.is_some()), counts.is_empty()) {
            (true, _) => super::FAILED,
            (false, true) => super::DONE,
            (false, false) => super::CHANGES,
        })
    }

    fn tell_problems(&self, problems: &[Problem]) {
        match self.output {
            Form::Text => {
                for problem in problems {
                    super::say_error(&format!("{} {problem}", problem.reason));
                }
            }
            Form::Json => super::say(json!({ "problems": problems })),
        }
    }
}

async fn context(manifests: Preview, connection: Connection) -> anyhow::Result<Arc<Context<Preview>>> {
    let clock = Clock::default();
    let metrics = Metrics::default();
    let connector = Connector::new(connection.endpoints, clock.clone(), &metrics).context("making the HTTP client")?;
    let accounts = Accounts::new(Box::new(connector), connection.credentials, manifests.digest_key().await?);
    let journal = Arc::new(NoJournal);
    let (context, _) =
        Context::new(Parts { store: manifests, accounts, journal, clock, metrics, abandon_after: ABANDON_AFTER });
    for fork in context.store.forks() {
        context.fleet.put_fork(&Arc::new(fork.clone()));
    }
    for release in context.store.list().await? {
        context.fleet.put_release(release);
    }
    Ok(context)
}

fn printed(name: String, outcome: Outcome) -> Printed {
    let failed = |error| Printed { name: name.clone(), steps: Vec::new(), notes: Vec::new(), error: Some(error) };
    match outcome {
        Outcome::Plan { plan, withheld } => {
            let verdicts = plan.facets.iter().filter(|(_, facet)| facet.steps.is_empty());
            let notes = verdicts.filter_map(|(facet, plan)| match &plan.verdict {
                Verdict::Synced { .. } => None,
                Verdict::Waiting { reason, message, .. }
                | Verdict::PersonNeeded { reason, message, .. }
                | Verdict::Refused { reason, message } => Some(format!("{}: {reason}: {message}", facet.name())),
            });
            let notes = withheld.into_iter().chain(notes).collect();
            let refused = plan.facets.values().find_map(|facet| match &facet.verdict {
                Verdict::Refused { reason, message } => Some(format!("{reason}: {message}")),
                _ => None,
            });
            Printed { steps: plan.steps().cloned().collect(), notes, error: refused, name }
        }
        Outcome::Invalid(invalid) => {
            let lines: Vec<_> = invalid.iter().map(|one| format!("{}: {}", one.field, one.message)).collect();
            failed(lines.join("\n  "))
        }
        Outcome::Conflict(claim) => {
            failed(format!("the {} {} belongs to the older Fork {}", claim.what, claim.name, claim.holder))
        }
        Outcome::Unobserved(error) => failed(error.to_string()),
    }
}

fn tell(all: &[Printed], counts: Counts) {
    for Printed { name, steps, notes, error } in all {
        super::say(name);
        for step in steps {
            let mark = if step.effect() == Effect::Destroy { "   (destructive)" } else { "" };
            super::say(format_args!("  {step}{mark}"));
        }
        for note in notes {
            super::say(format_args!("  ! {note}"));
        }
        if let Some(error) = error {
            super::say_error(&format!("{name}: {error}"));
        } else if steps.is_empty() && notes.is_empty() {
            super::say("  nothing to change");
        }
    }
    let Counts { create, change, destroy } = counts;
    super::say(format_args!("Plan: {create} to create, {change} to change, {destroy} to destroy"));
}

fn whole(all: &[Printed], counts: Counts) -> Value {
    let forks: Vec<_> = all.iter().map(fork_json).collect();
    let Counts { create, change, destroy } = counts;
    json!({ "forks": forks, "create": create, "change": change, "destroy": destroy })
}

fn fork_json(fork: &Printed) -> Value {
    let Printed { name, steps, notes, error } = fork;
    let steps: Vec<_> = steps.iter().map(step_json).collect();
    json!({ "fork": name, "steps": steps, "notes": notes, "error": error })
}

fn step_json(step: &Step) -> Value {
    let effect = match step.effect() {
        Effect::Create => "create",
        Effect::Update => "change",
        Effect::Destroy => "destroy",
    };
    json!({ "facet": step.facet.name(), "effect": effect, "step": step.to_string() })
}

impl Counts {
    fn add(&mut self, step: &Step) {
        match step.effect() {
            Effect::Create => self.create += 1,
            Effect::Update => self.change += 1,
            Effect::Destroy => self.destroy += 1,
        }
    }

    fn is_empty(self) -> bool {
        self.create + self.change + self.destroy == 0
    }
}
