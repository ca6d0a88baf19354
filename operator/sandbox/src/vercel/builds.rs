//! Moves builds and promotions along with the clock.
//!
//! Everything due is applied at its own time, in order, however late it is looked at.

use super::deployments::{Order, ReadyState};
use super::model::{HOME_TEAM, Millis, State};
use super::{plans, source};
use crate::{Settings, VercelPlan, github};

/// Shares of the build time after which a build leaves the queue and the start of its machine.
const QUEUED_SHARE: f64 = 0.05;
const INITIALIZING_SHARE: f64 = 0.2;

/// Something that is due.
enum Due {
    Deployment(String),
    AliasRequest(String),
}

impl State {
    /// Applies everything that is due at `now`; true when something changed.
    pub fn advance(&mut self, github: &github::State, settings: &Settings, now: Millis) -> bool {
        let mut changed = !self.pushes.is_empty();
        let Self { projects, challenged, .. } = self;
        challenged.retain(|id| {
            let Some(project) = projects.get_mut(id) else { return false };
            let Some(until) = project.attack_mode.as_ref().and_then(|mode| mode.active_until) else { return false };
            if until <= now {
                project.attack_mode = None;
                changed = true;
            }
            until > now
        });
        for push in std::mem::take(&mut self.pushes) {
            self.build_push(github, &push);
        }
        let mut at = Millis::MIN;
        loop {
            self.start_queued(settings, at, now);
            let Some((time, due)) = self.next_due(settings, now) else { return changed };
            match due {
                Due::Deployment(id) => self.step(&id, time),
                Due::AliasRequest(project) => self.finish_alias_request(&project, time),
            }
            at = time;
            changed = true;
        }
    }

    fn build_push(&mut self, github: &github::State, push: &super::model::Push) {
        let linked = |p: &&super::model::Project| p.link.as_ref().is_some_and(|l| l.repo_id == push.repo_id);
        let projects: Vec<_> = self.projects.values().filter(linked).cloned().collect();
        if projects.is_empty() {
            return;
        }
        let Some((git, files)) = source::commit(github, push.repo_id, &push.branch, &push.sha) else { return };
        if !source::deploys_pushes(&files, &push.branch) {
            return;
        }
        for project in projects {
            let production = project.link.as_ref().is_some_and(|link| link.production_branch == push.branch);
            if !production && project.settings.get("previewDeploymentsDisabled") == Some(&true.into()) {
                continue;
            }
            let matches = |env: &&super::model::CustomEnvironment| {
                env.branch_matcher.as_ref().is_some_and(|m| m.matches(&push.branch))
            };
            let order = Order {
                production,
                custom_environment: project.environments.iter().find(matches).map(|env| env.id.clone()),
                auto_assign: true,
                source: "git".to_owned(),
                creator: "vercel-git".to_owned(),
                ..Order::default()
            };
            self.deploy(&project.id, Some(git.clone()), &files, order, push.at);
        }
    }

    /// Gives free build machines to the oldest queued deployments of each team.
    fn start_queued(&mut self, settings: &Settings, at: Millis, now: Millis) {
        let mut running = std::collections::BTreeMap::<&str, usize>::new();
        for id in &self.building {
            let deployment = &self.deployments[id];
            *running.entry(&deployment.team).or_default() += usize::from(deployment.started_at.is_some());
        }
        let mut free: std::collections::BTreeMap<String, usize> = running
            .into_iter()
            .map(|(team, count)| {
                let plan = plan(settings, team);
                (team.to_owned(), plans::limits(plan).concurrent_builds.saturating_sub(count))
            })
            .collect();
        for id in &self.building {
            let deployment = self.deployments.get_mut(id).expect("the queue holds known ids");
            let slots = free.get_mut(&deployment.team).expect("every queued team was counted");
            if deployment.started_at.is_none() && *slots > 0 {
                *slots -= 1;
                // Stamps are unique, so one may be a little ahead of the clock.
                deployment.started_at = Some(at.max(deployment.created_at.min(now)));
            }
        }
    }

    /// The earliest thing that is due at or before `now`.
    fn next_due(&self, settings: &Settings, now: Millis) -> Option<(Millis, Due)> {
        let builds = self.building.iter().filter_map(|id| {
            let deployment = &self.deployments[id];
            Some((deployment.started_at? + phase_end(deployment.state, settings), Due::Deployment(id.clone())))
        });
        let promotions = self.promoting.iter().filter_map(|id| {
            let request = self.projects.get(id)?.alias_request.as_ref()?;
            Some((request.requested_at + millis(settings.latencies.promote_ms), Due::AliasRequest(id.clone())))
        });
        let due = builds.chain(promotions).filter(|(time, _)| *time <= now);
        due.min_by_key(|(time, _)| *time)
    }

    fn step(&mut self, id: &str, at: Millis) {
        let deployment = self.deployments.get_mut(id).expect("the queue holds known ids");
        match deployment.state {
            ReadyState::Queued => deployment.state = ReadyState::Initializing,
            ReadyState::Initializing => {
                deployment.state = ReadyState::Building;
                deployment.building_at = Some(at);
            }
            ReadyState::Building if deployment.failure.is_some() => {
                self.finish(id, ReadyState::Error, at);
                self.emit_deployment("deployment.error", id, at);
            }
            ReadyState::Building => {
                self.finish(id, ReadyState::Ready, at);
                self.emit_deployment("deployment.ready", id, at);
                self.assign_hosts(id, at);
                self.emit_deployment("deployment.succeeded", id, at);
            }
            ReadyState::Ready | ReadyState::Error | ReadyState::Canceled => self.building.retain(|other| other != id),
        }
    }

    /// Puts a deployment into a final state.
    pub fn finish(&mut self, id: &str, state: ReadyState, at: Millis) {
        self.building.retain(|other| other != id);
        let deployment = self.deployments.get_mut(id).expect("the caller looked it up");
        deployment.state = state;
        deployment.finished_at = Some(at);
        let project = deployment.project.clone();
        if let Some(project) = self.projects.get_mut(&project) {
            project.updated_at = project.updated_at.max(at);
        }
    }
}

/// The team's plan: the home team's follows the settings.
pub(super) fn plan(settings: &Settings, team: &str) -> VercelPlan {
    if team == HOME_TEAM { settings.vercel_plan } else { VercelPlan::Pro }
}

/// How long after its start a build leaves `state`.
fn phase_end(state: ReadyState, settings: &Settings) -> Millis {
    let total = millis(settings.latencies.build_ms);
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a share of a short time")]
    let share = |share: f64| (total as f64 * share) as Millis;
    match state {
        ReadyState::Queued => share(QUEUED_SHARE),
        ReadyState::Initializing => share(INITIALIZING_SHARE),
        _ => total,
    }
}

/// A latency setting as a span of the clock.
pub(super) fn millis(setting: u64) -> Millis {
    Millis::try_from(setting).unwrap_or(Millis::MAX / 4)
}
