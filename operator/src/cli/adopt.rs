//! `forkable adopt`: a person lets a Fork take over a repository and a project that it did not make.

use anyhow::{bail, ensure};
use forkable_core::{
    fork::{MARKER, Observed},
    store::Kind as _,
};
use forkable_crds::{ADOPT_ANNOTATION, Fork};

use super::{
    confirm::confirm,
    environment,
    place::Place,
    plan,
    preview::{Providers, told},
    suspend::edit_all,
    target::Target,
    world::Edit,
};
use crate::controllers::fork::preview::{Preview as Outcome, preview};

/// Let a Fork take over a repository and a project that exist already.
///
/// First tells what is there, whether it carries marks, and every change that would be made to it; then asks, and sets
/// the annotation forkable.dev/adopt: "true". In a folder the manifest is edited in place if that is sure to change
/// nothing else in it; otherwise the lines to write are printed (exit 1).
///
/// Examples, on one machine:
///   forkable adopt acme --dir DIR
/// and in a cluster:
///   kubectl forkable adopt acme -n team --yes
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_help = environment::HELP)]
pub(super) struct Arguments {
    /// Name of a Fork.
    name: Target,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    providers: Providers,
    #[command(flatten)]
    place: Place,
}

impl Arguments {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let world = self.place.open().await?;
        let fork = world.fork(&self.name).await?;
        let reference = fork.reference();
        ensure!(!fork.is_deleting(), "{reference} is being deleted");
        let Ok(context) = self.providers.preview(&world, &[]).await? else {
            bail!("there are manifests with problems: `plan` tells which")
        };
        let Some(mut fork) = context.store.forks().iter().find(|it| it.reference() == reference).cloned() else {
            bail!("no manifest {} declares {reference}", world.place())
        };
        let annotations = fork.metadata.annotations.get_or_insert_default();
        if annotations.insert(ADOPT_ANNOTATION.into(), "true".into()).is_some_and(|before| before == "true") {
            super::say(format_args!("{reference} may take over what exists already"));
            return Ok(super::DONE);
        }
        let outcome = preview(&context, &fork).await.map_err(told)?;
        if let Outcome::Plan { observed, .. } = &outcome {
            let found = found(&fork, observed);
            if found.is_empty() {
                super::say(format_args!(
                    "{reference} has nothing to take over: what it names does not exist, or is of it"
                ));
                return Ok(super::DONE);
            }
            super::say(format_args!("{reference} would take over"));
            for line in found {
                super::say(format_args!("  {line}"));
            }
        }
        let plan::Printed { steps, notes, error, .. } = plan::printed(reference.to_string(), outcome);
        if let Some(error) = error {
            bail!("{reference}: {error}")
        }
        super::say(if steps.is_empty() { "and would change nothing" } else { "and would change" });
        steps.iter().for_each(plan::tell_step);
        for note in notes {
            super::say(format_args!("  ! {note}"));
        }
        if !self.yes && !confirm("Let it?")? {
            super::say("nothing is taken over");
            return Ok(super::FAILED);
        }
        edit_all(&self.place, &[self.name], &Edit::Adopt, "may take over what exists already").await
    }
}

/// What exists and is not on record as the Fork's own, with what tells whose it is.
fn found(fork: &Fork, observed: &Observed) -> Vec<String> {
    let record = fork.status.clone().unwrap_or_default();
    let mut found = Vec::new();
    let repository = observed.repository.as_ref();
    if let Some(facts) = repository.filter(|facts| record.repository.as_ref().is_none_or(|own| own.id != facts.id)) {
        let template = &fork.spec.template;
        let origin = observed.template.as_ref().map(|template| template.id);
        let from_template = origin.is_some() && (facts.template_id == origin || facts.parent_id == origin);
        let made = if from_template { "made from" } else { "not made from" };
        let mark = if facts.blobs.contains_key(MARKER) {
            format!("it has {MARKER}, so a Fork made or took it before: look that it is gone")
        } else {
            format!("no {MARKER} in it")
        };
        found.push(format!(
            "repository {} (id {}, {:?}): {made} {}/{}; {mark}",
            facts.full_name, facts.id, facts.visibility, template.owner, template.repo
        ));
    }
    let project = observed.project.as_ref();
    if let Some(facts) = project.filter(|facts| record.project.as_ref().is_none_or(|own| own.id != facts.id)) {
        let link = match (facts.repository_id, repository.map(|repository| repository.id)) {
            (None, _) => "linked to no repository".to_owned(),
            (Some(id), Some(own)) if id == own => "linked to that repository".to_owned(),
            (Some(id), _) => format!("linked to ANOTHER repository (id {id})"),
        };
        let domains = facts.domains.as_ref().map_or(0, Vec::len);
        found.push(format!(
            "project {} (id {}, team {}): {link}; {} variables, {domains} domains",
            facts.name,
            facts.id,
            facts.team,
            facts.env.len()
        ));
    }
    found
}
