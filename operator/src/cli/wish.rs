//! `forkable approve`, `abort` and `rollback`: what a person wants of a release.

use std::sync::Arc;

use anyhow::{bail, ensure};
use forkable_core::{
    forge,
    release::{
        is_true,
        machine::Phase,
        rollout::{canary, is_promoted, phase},
    },
    store::Kind as _,
};
use forkable_crds::{
    ABORT_ANNOTATION, APPROVE_ANNOTATION, Deployment, OVERRIDE_FREEZE_ANNOTATION, ROLLBACK_ANNOTATION,
};

use super::{place::Place, state::releases, target::Target, world::World};

/// Let the release of a Fork go live that waits for approval.
///
/// The approval is for the candidate as it is now: of the same commit, of the same build, and of the step of a canary.
///
/// Examples, on one machine:
///   forkable approve acme
/// and in a cluster:
///   kubectl forkable approve acme -n team
/// and in an emergency:
///   forkable approve acme --override-freeze "checkout is down, see INC-17"
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Approve {
    /// Name of the Fork.
    name: Target,
    /// Let it go live although a freeze window is in force, for this reason; it is put on record.
    #[arg(long, value_name = "REASON")]
    override_freeze: Option<String>,
    /// Approve only if this is the candidate, as `why` tells it.
    #[arg(long, value_name = "HASH")]
    candidate: Option<String>,
    #[command(flatten)]
    place: Place,
}

/// Stop the release of a Fork that is under way.
///
/// Before it is promoted nothing changes for visitors; after that, what served before serves again.
///
/// Examples:
///   forkable abort acme --reason "wrong branch"
///   forkable abort acme --release acme-1a2b3c4
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Abort {
    /// Name of the Fork.
    name: Target,
    /// The release to stop, as `history` tells it; the one that is at work, by default.
    #[arg(long, value_name = "RELEASE")]
    release: Option<String>,
    /// Do it even if its migration cannot be undone.
    #[arg(long)]
    yes: bool,
    /// Why, for people who look later.
    #[arg(long, default_value = "")]
    reason: String,
    #[command(flatten)]
    place: Place,
}

/// Let what served before the present release of a Fork serve again.
///
/// The commit is not released again until a person says so with `release`.
///
/// Examples:
///   forkable rollback acme
///   forkable rollback acme --to acme-1a2b3c4
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Rollback {
    /// Name of the Fork.
    name: Target,
    /// The release that is to serve, as `history` tells it; the one before, by default.
    #[arg(long, value_name = "RELEASE")]
    to: Option<String>,
    /// Do it even if its migration cannot be undone.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    place: Place,
}

/// Asks before a release is led back whose migration what served before may not work with.
fn confirm(release: &Deployment, yes: bool) -> anyhow::Result<()> {
    let status = release.status.as_ref();
    let has_migrated = status.and_then(|status| status.migration.as_ref()).is_some();
    let Some(migration) = release.spec.migration.as_ref().filter(|it| has_migrated && !it.reversible) else {
        return Ok(());
    };
    let question = format!(
        "the migration {} of {} is irreversible: what served before may not work with the data as it is now. Go on?",
        migration.workflow,
        short(release)
    );
    ensure!(yes || super::confirm::confirm(&question)?, "nothing was changed: say --yes if what served before works");
    Ok(())
}

/// Who runs the command: the account at the cluster, or the user of the machine.
pub(super) async fn who(world: &World) -> String {
    if let World::Cluster(cluster) = world
        && let Some(name) = cluster.whoami().await
    {
        return name;
    }
    let name = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "a person".into())
}

fn short(release: &Deployment) -> String {
    let commit = release.status.as_ref().and_then(|status| status.commit.clone()).unwrap_or_default();
    let by = commit.author.map_or_else(String::new, |author| format!(" by {author}"));
    format!("{} of commit {}{by}", release.reference(), forge::short(&commit.sha))
}

async fn open(place: &Place, name: &Target) -> anyhow::Result<(World, Vec<Arc<Deployment>>)> {
    let world = place.open().await?;
    let fork = world.fork(name).await?;
    let releases = releases(&world, &fork).await?;
    Ok((world, releases))
}

impl Approve {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let (world, releases) = open(&self.place, &self.name).await?;
        let waits = |release: &Arc<Deployment>| Some((release.clone(), canary::approvable(release)?));
        let Some((release, candidate)) = releases.iter().find_map(waits) else {
            // A step that nobody has to approve may wait for the end of a freeze all the same.
            let shifts = |release: &&Arc<Deployment>| phase(release) == Phase::Shifting;
            if let (Some(reason), Some(release)) = (&self.override_freeze, releases.iter().find(shifts)) {
                self.thaw(&world, release, reason).await?;
                super::say(format_args!("{} goes on in the freeze", short(release)));
                return Ok(super::DONE);
            }
            bail!("no release of {} waits for approval", self.name);
        };
        if let Some(wanted) = &self.candidate {
            ensure!(*wanted == candidate, "the candidate is {candidate} by now, not {wanted}: look at it again");
        }
        if let Some(reason) = &self.override_freeze {
            self.thaw(&world, &release, reason).await?;
        }
        world.annotate(&release, APPROVE_ANNOTATION, &format!("{candidate} by {}", who(&world).await)).await?;
        super::say(format_args!("{} is approved (candidate {candidate})", short(&release)));
        Ok(super::DONE)
    }
}

impl Approve {
    async fn thaw(&self, world: &World, release: &Arc<Deployment>, reason: &str) -> anyhow::Result<()> {
        ensure!(!reason.trim().is_empty(), "--override-freeze needs a reason, for people who look later");
        world.annotate(release, OVERRIDE_FREEZE_ANNOTATION, &format!("{}: {reason}", who(world).await)).await?;
        Ok(())
    }
}

impl Abort {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let (world, releases) = open(&self.place, &self.name).await?;
        let is_under_way = |release: &&Arc<Deployment>| is_promoted(release) && !phase(release).is_over();
        let under_way: Vec<_> = releases.iter().filter(is_under_way).collect();
        ensure!(!under_way.is_empty(), "no release of {} is under way that can be stopped", self.name);
        let release = match &self.release {
            Some(name) => under_way.iter().find(|release| release.name() == *name),
            // The one that is at work rather than one that waits for its turn.
            None => under_way.iter().max_by_key(|release| phase(release) != Phase::Pending),
        };
        let Some(release) = release else {
            let names: Vec<_> = under_way.iter().map(|release| release.name()).collect();
            let wanted = self.release.unwrap_or_default();
            bail!("{wanted} is no release of {} that is under way: there are {}", self.name, names.join(", "));
        };
        confirm(release, self.yes)?;
        let reason = match who(&world).await {
            who if self.reason.is_empty() => who,
            who => format!("{who}: {}", self.reason),
        };
        world.annotate(release, ABORT_ANNOTATION, &reason).await?;
        super::say(format_args!("{} is being stopped", short(release)));
        Ok(super::DONE)
    }
}

impl Rollback {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let (world, releases) = open(&self.place, &self.name).await?;
        let serves = |release: &&Arc<Deployment>| release.spec.environment == "Production" && is_true(release, "Live");
        let Some(serving) = releases.iter().find(serves) else { bail!("no release of {} serves", self.name) };
        ensure!(
            is_promoted(serving),
            "{} went live by itself (strategy Immediate), and only what was promoted is rolled back: set \
             spec.release.strategy.type: BlueGreen or Canary for the next one",
            serving.reference()
        );
        let to = if let Some(to) = self.to {
            let production = || releases.iter().filter(|release| release.spec.environment == "Production");
            let target = production().find(|release| release.metadata.name.as_deref() == Some(to.as_str()));
            let Some(target) = target else {
                let names: Vec<_> = production().map(|release| release.name()).collect();
                bail!("there is no release {to} of {}: there are {}", self.name, names.join(", "));
            };
            let status = target.status.clone().unwrap_or_default();
            let has_served = status.conditions.iter().any(|condition| condition.type_ == "Live");
            ensure!(has_served, "{to} has never served, so that it is nothing to roll back to");
            ensure!(target.metadata.name != serving.metadata.name, "{to} serves already");
            to
        } else {
            let previous = serving.status.as_ref().and_then(|status| status.rollback_to.as_ref());
            ensure!(
                previous.is_some(),
                "nothing served before {}: there is nothing to roll back to",
                serving.reference()
            );
            "previous".into()
        };
        confirm(serving, self.yes)?;
        world.annotate(serving, ROLLBACK_ANNOTATION, &to).await?;
        super::say(format_args!("{} is being rolled back to {to}", short(serving)));
        Ok(super::DONE)
    }
}
