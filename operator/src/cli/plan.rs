//! `forkable plan`: every change that would be made outside, and none is made.

use std::path::PathBuf;

use anyhow::bail;
use forkable_core::{
    Step,
    plan::{Effect, Verdict},
    store::{Kind, ObjectRef},
};
use serde_json::{Value, json};

use super::{
    colour::{Tone, paint},
    environment,
    place::Place,
    preview::{Providers, told},
    target::Target,
    up::Form,
};
use crate::{
    controllers::fork::preview::{Preview as Outcome, preview, preview_deletion},
    hosts::local::Problem,
};

/// Print every change that would be made outside, and make none.
///
/// Only reads are sent to the providers, and nothing is written here or in a cluster. Changes that take something away
/// are marked. Without -f it is about the Forks that are there; with a folder, Forks whose manifests are gone from it are
/// planned to be deleted.
///
/// Examples, on one machine:
///   forkable plan -f DIR
///   forkable plan -f acme.yaml -f secret.yaml --dir DIR
/// and in a cluster:
///   kubectl forkable plan acme -n team         what the controller would do now
///   kubectl forkable plan -f acme.yaml         what it would do after `kubectl apply -f acme.yaml`
///
/// Exit codes: 0 nothing to change, 2 changes, 1 an error.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_help = environment::HELP)]
pub(super) struct Arguments {
    /// Only these Forks; all if absent.
    #[arg(value_name = "NAME")]
    names: Vec<Target>,
    /// Manifests: files, or folders with all that is in them.
    #[arg(short, long = "file", visible_alias = "filename", value_name = "FILE|DIR")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    providers: Providers,
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,
    #[command(flatten)]
    place: Place,
}

/// Steps by what they do.
#[derive(Clone, Copy, Default)]
struct Counts {
    create: usize,
    change: usize,
    destroy: usize,
}

/// What is printed of one Fork.
pub(super) struct Printed {
    name: String,
    pub(super) steps: Vec<Step>,
    /// Facets that wait for something or are refused.
    pub(super) notes: Vec<String>,
    pub(super) error: Option<String>,
}

impl Arguments {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let world = self.place.open().await?;
        let context = match self.providers.preview(&world, &self.files).await? {
            Ok(context) => context,
            Err(problems) => {
                self.tell_problems(&problems);
                return Ok(super::FAILED);
            }
        };
        let names: Vec<_> = self.names.iter().map(|name| world.resolve(name)).collect::<Result<_, _>>()?;
        let is =
            |(namespace, name): &(String, String), fork: &ObjectRef| (namespace, name) == (&fork.namespace, &fork.name);
        let asked = |fork: &ObjectRef| names.is_empty() || names.iter().any(|name| is(name, fork));
        let (forks, removed) = (context.store.forks(), context.store.removed());
        let all = || forks.iter().chain(removed).map(Kind::reference);
        if let Some(target) = self.names.iter().zip(&names).find(|(_, name)| !all().any(|fork| is(name, &fork))) {
            bail!("there is no fork {} {}", target.0, world.place())
        }
        let mut all = Vec::new();
        for fork in forks.iter().filter(|fork| asked(&fork.reference())) {
            let outcome = if fork.is_deleting() {
                preview_deletion(&context, fork).await.map_err(told)?
            } else {
                preview(&context, fork).await.map_err(told)?
            };
            let note = if fork.is_deleting() { " (it is being deleted)" } else { "" };
            all.push(printed(format!("{}{note}", fork.reference()), outcome));
        }
        for fork in removed.iter().filter(|fork| asked(&fork.reference())) {
            let outcome = preview_deletion(&context, fork).await.map_err(told)?;
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

pub(super) fn printed(name: String, outcome: Outcome) -> Printed {
    let failed = |error| Printed { name: name.clone(), steps: Vec::new(), notes: Vec::new(), error: Some(error) };
    match outcome {
        Outcome::Plan { plan, withheld, .. } => {
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
        steps.iter().for_each(tell_step);
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

pub(super) fn tell_step(step: &Step) {
    let (mark, tone) = match step.effect() {
        Effect::Create => ("", Tone::Good),
        Effect::Update => ("", Tone::Working),
        Effect::Destroy => ("   (destructive)", Tone::Bad),
    };
    super::say(format_args!("  {}{mark}", paint(step, tone)));
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
