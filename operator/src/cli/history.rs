//! `forkable history`: the releases of a Fork, how long each phase took, and what became of them.

use forkable_core::{
    condition,
    release::{
        is_true,
        rollout::{canary, phase},
    },
    store::Kind as _,
};
use forkable_crds::{Deployment, DeploymentStatus, condition::ConditionStatus};
use jiff::Timestamp;

use super::{measurements, place::Place, state::releases, target::Target};
use crate::durations;

/// Show the releases of a Fork, newest first: commit, who approved, how long each phase took, what became of it and why.
///
/// As many are kept as spec.release.revisionHistoryLimit says.
///
/// Example: forkable history acme
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    /// Name of the Fork.
    name: Target,
    #[command(flatten)]
    place: Place,
}

impl Arguments {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let world = self.place.open().await?;
        let fork = world.fork(&self.name).await?;
        let releases = releases(&world, &fork).await?;
        if releases.is_empty() {
            super::say("no release was made yet");
            return Ok(super::DONE);
        }
        let head = ["RELEASE", "COMMIT", "AUTHOR", "APPROVED BY", "PHASE", "LIVE", "TOOK", "GOOD/BAD/NO DATA", "WHY"];
        let rows = releases.iter().map(|release| row(release));
        let rows: Vec<_> = std::iter::once(head.map(str::to_owned).to_vec()).chain(rows).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
        let widths: Vec<_> = (0..head.len()).map(width).collect();
        for row in &rows {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}   "));
            super::say(cells.collect::<String>().trim_end());
        }
        Ok(super::DONE)
    }
}

fn row(release: &Deployment) -> Vec<String> {
    let status = release.status.clone().unwrap_or_default();
    let commit = status.commit.clone().unwrap_or_default();
    let none = || "-".to_owned();
    let standing = canary::standing(release, Timestamp::now());
    let why = condition::find(&status.conditions, "Ready").filter(|ready| ready.status != ConditionStatus::True);
    let live = if is_true(release, "Live") { "yes" } else { "no" };
    vec![
        release.name().to_owned(),
        commit.sha.get(..7).map_or_else(none, str::to_owned),
        commit.author.unwrap_or_else(none),
        approval(&status).unwrap_or_else(none),
        status.phase.unwrap_or_else(|| phase(release).name().into()),
        live.into(),
        durations::of(release).unwrap_or_else(none),
        Some(measurements::counts(&status.analysis_runs)).filter(|counts| !counts.is_empty()).unwrap_or_else(none),
        standing.or_else(|| Some(why?.message.lines().next()?.to_owned())).unwrap_or_else(none),
    ]
}

/// Who let it go live, and whether that was in a freeze.
fn approval(status: &DeploymentStatus) -> Option<String> {
    let approval = status.approval.as_ref();
    let there = approval.and_then(|approval| approval.environment.as_ref()).map_or("", |_| " (GitHub)");
    let by = approval.and_then(|approval| Some(format!("{}{there}", approval.by.as_ref()?)));
    match &status.freeze_override {
        Some(freeze) => Some(format!("{} (overrode {})", by.unwrap_or_default(), freeze.windows.join(", "))),
        None => by,
    }
}
