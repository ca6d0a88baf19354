//! Changes as values: what is missing outside, in an order, printable for people and countable for tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use forkable_crds::rollout::PullRequestRef;

use crate::{forge::ForgeChange, hosting::HostingChange};

mod print;

/// One concern of a Fork with its own desired state, observation, steps and condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Facet {
    Repository,
    Content,
    Actions,
    Security,
    Protection,
    Project,
    Env,
    Domains,
    Release,
    Previews,
}

impl Facet {
    pub const ALL: [Self; 10] = [
        Self::Repository,
        Self::Content,
        Self::Actions,
        Self::Security,
        Self::Protection,
        Self::Project,
        Self::Env,
        Self::Domains,
        Self::Release,
        Self::Previews,
    ];

    /// Name for people and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Repository => "repository",
            Self::Content => "content",
            Self::Actions => "actions",
            Self::Security => "security",
            Self::Protection => "protection",
            Self::Project => "project",
            Self::Env => "env",
            Self::Domains => "domains",
            Self::Release => "release",
            Self::Previews => "previews",
        }
    }

    /// Type of its condition.
    pub fn condition(self) -> &'static str {
        match self {
            Self::Repository => "RepositoryReady",
            Self::Content => "ContentSynced",
            Self::Actions => "ActionsSynced",
            Self::Security => "SecuritySynced",
            Self::Protection => "ProtectionSynced",
            Self::Project => "ProjectReady",
            Self::Env => "EnvSynced",
            Self::Domains => "DomainsReady",
            Self::Release => "Released",
            Self::Previews => "PreviewsReady",
        }
    }
}

/// A change outside (or to the objects that are made for a Fork).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Forge(ForgeChange),
    Hosting(HostingChange),
    Store(StoreChange),
}

/// Commit of a release that is foreseen and cannot be made before the repository is there.
pub const UNKNOWN_COMMIT: &str = "";

/// A change to the Deployment objects of a Fork.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreChange {
    CreateRelease {
        name: String,
        commit: String,
        env_revision: Option<String>,
    },
    DeleteRelease {
        name: String,
    },
    CreatePreview {
        name: String,
        commit: String,
        env_revision: String,
        pull_request: PullRequestRef,
    },
    /// Also takes away the deployment at Vercel, if it was made for this object.
    DropPreview {
        name: String,
        pull_request: i64,
    },
}

/// One change with the facet that wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub facet: Facet,
    pub change: Change,
}

/// What a step does to what exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Create,
    Update,
    /// Takes something away that cannot be brought back by applying the manifest again.
    Destroy,
}

impl Step {
    pub fn effect(&self) -> Effect {
        match &self.change {
            Change::Forge(change) => match change {
                ForgeChange::CreateFromTemplate { .. }
                | ForgeChange::CreateFork { .. }
                | ForgeChange::CreateCopy { .. }
                | ForgeChange::CommitFiles { .. }
                | ForgeChange::CreateRuleset(_)
                | ForgeChange::DispatchWorkflow(_)
                | ForgeChange::OpenRevert(_) => Effect::Create,
                ForgeChange::UpdateRepository(_)
                | ForgeChange::SetTopics(_)
                | ForgeChange::UpdateRuleset { .. }
                | ForgeChange::PutEnvironment(_)
                | ForgeChange::PutSecret { .. }
                | ForgeChange::PutVariable { .. }
                | ForgeChange::PutComment { .. }
                | ForgeChange::SetDependabotAlerts(_)
                | ForgeChange::SetDependabotFixes(_)
                | ForgeChange::CancelRun { .. } => Effect::Update,
                ForgeChange::DeleteRuleset { .. }
                | ForgeChange::DeleteSecret { .. }
                | ForgeChange::DeleteVariable { .. }
                | ForgeChange::Archive
                | ForgeChange::Delete => Effect::Destroy,
            },
            Change::Hosting(change) => match change {
                HostingChange::CreateProject(_)
                | HostingChange::CreateEnvironment { .. }
                | HostingChange::AddDomain(_)
                | HostingChange::CreateDeployment(_) => Effect::Create,
                HostingChange::UpdateProject { .. }
                | HostingChange::LinkRepository
                | HostingChange::SetProductionBranch(_)
                | HostingChange::UpdateEnvironment { .. }
                | HostingChange::UpsertEnv(_)
                | HostingChange::UpdateDomain(_)
                | HostingChange::VerifyDomain { .. }
                | HostingChange::AssignDomains(_)
                | HostingChange::Promote { .. }
                | HostingChange::RollBack { .. }
                | HostingChange::SetSteps(_)
                | HostingChange::StartSteps { .. }
                | HostingChange::NextStep { .. }
                | HostingChange::CompleteSteps { .. }
                | HostingChange::PauseProject
                | HostingChange::ChallengeVisitors { .. } => Effect::Update,
                HostingChange::DeleteEnvironment { .. }
                | HostingChange::DeleteEnv { .. }
                | HostingChange::RemoveDomain { .. }
                | HostingChange::CancelDeployment { .. }
                | HostingChange::DeleteDeployment { .. }
                | HostingChange::DeleteProject => Effect::Destroy,
            },
            Change::Store(StoreChange::CreateRelease { .. } | StoreChange::CreatePreview { .. }) => Effect::Create,
            // A preview is made again when its pull request is opened again.
            Change::Store(StoreChange::DeleteRelease { .. } | StoreChange::DropPreview { .. }) => Effect::Update,
        }
    }

    /// Whether an intent must be on record before it is tried: its name alone would not prove, after a crash,
    /// that what is found is ours.
    pub fn needs_intent(&self) -> bool {
        matches!(
            self.change,
            Change::Forge(
                ForgeChange::CreateFromTemplate { .. }
                    | ForgeChange::CreateFork { .. }
                    | ForgeChange::CreateCopy { .. }
                    | ForgeChange::PutComment { id: None, .. }
            )
        )
    }
}

impl fmt::Display for Step {
    /// One line for people: sign, facet, what happens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.effect() {
            Effect::Create => '+',
            Effect::Update => '~',
            Effect::Destroy => '-',
        };
        write!(f, "{sign} {:<11} {}", self.facet.name(), print::Print(&self.change))
    }
}

/// How a facet stands once its steps are done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As the manifest says. The message says what is there.
    Synced { message: String },
    /// The provider is not done yet; look again after `recheck`.
    Waiting { reason: &'static str, message: String, recheck: Duration },
    /// A person must do something outside, such as make a DNS record; look again after `recheck`.
    PersonNeeded { reason: &'static str, message: String, recheck: Duration },
    /// It cannot become true without another spec, credential or plan.
    Refused { reason: &'static str, message: String },
}

impl Verdict {
    pub fn synced(message: impl Into<String>) -> Self {
        Self::Synced { message: message.into() }
    }
}

/// What one facet wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FacetPlan {
    /// In this order.
    pub steps: Vec<Step>,
    pub verdict: Verdict,
}

impl FacetPlan {
    /// Whether nothing is missing and the provider is done, too.
    pub fn is_done(&self) -> bool {
        self.steps.is_empty() && matches!(self.verdict, Verdict::Synced { .. })
    }
}

/// Everything that is missing for one Fork. Facets that the manifest does not speak of are not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub facets: BTreeMap<Facet, FacetPlan>,
}

impl Plan {
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.facets.values().flat_map(|facet| &facet.steps)
    }

    pub fn is_empty(&self) -> bool {
        self.steps().next().is_none()
    }

    /// Facets that must be done before the steps of this one may run. Facets that do not need each other run at once.
    pub fn needs(&self, facet: Facet) -> &'static [Facet] {
        match facet {
            Facet::Repository => &[],
            Facet::Content | Facet::Actions | Facet::Security => &[Facet::Repository],
            // Vercel builds every push to a linked repository. The first release is ours to make.
            Facet::Project if !self.links_repository() => &[Facet::Repository],
            // A ruleset may forbid the direct push that content is.
            Facet::Protection | Facet::Project => &[Facet::Repository, Facet::Content],
            Facet::Env | Facet::Domains => &[Facet::Project],
            Facet::Release | Facet::Previews => &[Facet::Content, Facet::Project, Facet::Env],
        }
    }

    /// Facets that go before this one if they have something to do now: what Vercel builds of a push should have the
    /// settings and variables of the same manifest, or it would be built twice.
    fn yields_to(&self, facet: Facet) -> &'static [Facet] {
        match facet {
            Facet::Content if !self.links_repository() => &[Facet::Project, Facet::Env],
            _ => &[],
        }
    }

    fn links_repository(&self) -> bool {
        let mut steps = self.facets.get(&Facet::Project).into_iter().flat_map(|project| &project.steps);
        steps.any(|step| {
            matches!(step.change, Change::Hosting(HostingChange::CreateProject(_) | HostingChange::LinkRepository))
        })
    }

    /// The first step of every facet that may run now. Of `busy` facets a step runs already; those that `ended` get no
    /// further step and do not count as done.
    pub fn runnable(&self, busy: &BTreeSet<Facet>, ended: impl Fn(&Facet) -> bool) -> Vec<&Step> {
        let is_free = |facet: &Facet| !busy.contains(facet) && !ended(facet);
        let is_done = |facet: &Facet| self.facets.get(facet).is_none_or(|plan| is_free(facet) && plan.is_done());
        let facets = self.facets.iter();
        let ready: BTreeMap<Facet, &Step> = facets
            .filter(|(facet, _)| is_free(facet) && self.needs(**facet).iter().all(is_done))
            .filter_map(|(facet, plan)| Some((*facet, plan.steps.first()?)))
            .collect();
        let goes_first = |facet: &Facet| busy.contains(facet) || ready.contains_key(facet);
        let may_run = |(facet, _): &(&Facet, &&Step)| !self.yields_to(**facet).iter().any(goes_first);
        ready.iter().filter(may_run).map(|(_, step)| *step).collect()
    }

    /// Keeps what may be done: nothing at all when `changes` is false.
    #[must_use]
    pub fn filtered(mut self, keep: impl Fn(&Step) -> bool) -> Self {
        for facet in self.facets.values_mut() {
            facet.steps.retain(&keep);
        }
        self
    }
}

/// What a change came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    Forge(crate::forge::ForgeDone),
    Hosting(crate::hosting::HostingDone),
    Store,
}

/// What became of the steps of one facet in a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of them were applied, or there were none.
    Applied,
    /// One failed; the ones behind it were not tried.
    Failed { step: String, error: crate::PortError },
    /// A facet that it needs is not done.
    Blocked { by: Facet },
    /// They were not to be applied, for the reason given.
    Withheld { reason: &'static str, message: String },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosting::ProjectSettings;

    const CONTENT: Facet = Facet::Content;
    const PROJECT: Facet = Facet::Project;
    const VARIABLES: Facet = Facet::Env;

    type Case = (&'static str, Vec<(Facet, Vec<Change>)>, &'static [Facet], &'static [Facet], &'static [Facet]);

    fn plan(changes: Vec<(Facet, Vec<Change>)>) -> Plan {
        let facet = |(facet, changes): (Facet, Vec<Change>)| {
            let steps = changes.into_iter().map(|change| Step { facet, change }).collect();
            (facet, FacetPlan { steps, verdict: Verdict::synced("done") })
        };
        Plan { facets: changes.into_iter().map(facet).collect() }
    }

    #[test]
    fn a_push_waits_for_what_its_build_needs() {
        let commit = || Change::Forge(ForgeChange::Archive); // Any change stands for it.
        let env = || Change::Hosting(HostingChange::UpsertEnv(Vec::new()));
        let create = || Change::Hosting(HostingChange::CreateProject(ProjectSettings::default()));
        let update = || Change::Hosting(HostingChange::PauseProject);
        let cases: [Case; 6] = [
            (
                "before the project is there, the push goes first and builds nothing",
                vec![(CONTENT, vec![commit()]), (PROJECT, vec![create()]), (VARIABLES, vec![env()])],
                &[],
                &[],
                &[CONTENT],
            ),
            ("variables first", vec![(CONTENT, vec![commit()]), (VARIABLES, vec![env()])], &[], &[], &[VARIABLES]),
            (
                "settings, then variables",
                vec![(CONTENT, vec![commit()]), (PROJECT, vec![update()]), (VARIABLES, vec![env()])],
                &[],
                &[],
                &[PROJECT],
            ),
            (
                "while they are written",
                vec![(CONTENT, vec![commit()]), (VARIABLES, vec![env()])],
                &[VARIABLES],
                &[],
                &[],
            ),
            (
                "a push does not wait for what failed",
                vec![(CONTENT, vec![commit()]), (VARIABLES, vec![env()])],
                &[],
                &[VARIABLES],
                &[CONTENT],
            ),
            ("nothing to wait for", vec![(CONTENT, vec![commit()]), (VARIABLES, vec![])], &[], &[], &[CONTENT]),
        ];
        for (why, changes, busy, ended, expected) in cases {
            let plan = plan(changes);
            let runnable = plan.runnable(&busy.iter().copied().collect(), |facet| ended.contains(facet));
            let facets: Vec<Facet> = runnable.into_iter().map(|step| step.facet).collect();
            assert_eq!(facets, expected, "{why}");
        }
    }
}
