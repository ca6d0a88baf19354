//! One call as a route sees it: whose it is, what it names, and the state it works on.

use std::collections::BTreeMap;

use serde_json::Value;

use super::deployments::{Deployment, ReadyState};
use super::env::Show;
use super::model::{Millis, Project, State};
use super::problem::Problem;
use crate::sandbox::DnsRecord;
use crate::{Settings, Token, VercelPlan, github};

/// DNS as the world publishes it: when, and what, by name.
pub(super) type Dns = BTreeMap<String, (jiff::Timestamp, Vec<DnsRecord>)>;

/// A call with everything its route may look at or change.
///
/// Routes change copies and [`Call::save`] them as their last act, so that a refusal changes nothing.
pub(super) struct Call<'a> {
    /// What is changed.
    pub state: &'a mut State,
    /// The GitHub half.
    pub github: &'a github::State,
    /// The world's DNS.
    pub dns: &'a Dns,
    /// Latencies and plans.
    pub settings: &'a Settings,
    /// Who calls.
    pub token: &'a Token,
    /// The sandbox's time.
    pub now: Millis,
    /// The team the call is about.
    pub team: String,
    /// The caller's user id.
    pub user: String,
    /// The request body; `Null` when there is none.
    pub body: Value,
    pub(super) path: BTreeMap<String, String>,
    pub(super) query: Vec<(String, String)>,
}

/// The user id of a login.
pub(super) fn user_id(login: &str) -> String {
    format!("user_{login}")
}

impl<'a> Call<'a> {
    /// A parameter of the path template.
    pub(super) fn path(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }

    /// A query parameter.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A numeric query parameter.
    ///
    /// # Errors
    /// 400 when it is not a number.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Problem> {
        let refused = |_| Problem::bad_request(format!("Invalid request: `{name}` should be number."));
        self.query(name).map(str::parse).transpose().map_err(refused)
    }

    /// `limit`, at most `max`.
    ///
    /// # Errors
    /// 400 when it is not a number from 1 to `max`.
    pub(super) fn limit(&self, default: usize, max: usize) -> Result<usize, Problem> {
        match self.number("limit")? {
            None => Ok(default),
            Some(limit) => usize::try_from(limit)
                .ok()
                .filter(|limit| (1..=max).contains(limit))
                .ok_or_else(|| Problem::bad_request(format!("Invalid request: `limit` should be <= {max}."))),
        }
    }

    /// The team's plan.
    pub(super) fn plan(&self) -> VercelPlan {
        super::builds::plan(self.settings, &self.team)
    }

    /// The project that the path names.
    ///
    /// # Errors
    /// 404.
    pub(super) fn project(&self) -> Result<&Project, Problem> {
        self.project_named(self.path("idOrName"))
    }

    /// The team's project with this id or name.
    ///
    /// # Errors
    /// 404.
    pub(super) fn project_named(&self, id_or_name: &str) -> Result<&Project, Problem> {
        let project = self.state.find_project(&self.team, id_or_name);
        project.ok_or_else(|| Problem::not_found("Project not found."))
    }

    /// The team's deployment with this id or URL, or that this alias serves.
    ///
    /// # Errors
    /// 404.
    pub(super) fn deployment(&self, id_or_host: &str) -> Result<&Deployment, Problem> {
        let state = &self.state;
        let by_host = || {
            let url = state.hosts.get(id_or_host);
            url.or_else(|| state.aliases.get(id_or_host).map(|alias| &alias.deployment))
        };
        let id =
            if state.deployments.contains_key(id_or_host) { Some(id_or_host) } else { by_host().map(String::as_str) };
        let deployment = id.and_then(|id| state.deployments.get(id)).filter(|found| found.team == self.team);
        deployment.ok_or_else(|| Problem::not_found("The deployment could not be found."))
    }

    /// Stores a changed project.
    pub(super) fn save(&mut self, mut project: Project) {
        project.updated_at = self.now.max(project.updated_at + 1);
        self.state.projects.insert(project.id.clone(), project);
    }

    /// Queues a webhook about `project`.
    pub(super) fn emit(&mut self, event: &str, project: Option<&Project>, payload: Value) {
        let team = self.team.clone();
        self.state.emit(event, &team, project, payload, self.now);
    }

    /// Tells whether the project's repository has a branch.
    pub(super) fn branch_finder(&self, project: &Project) -> impl Fn(&str) -> bool + use<'a> {
        let repo = project.link.as_ref().map(|link| link.repo_id);
        let github = self.github;
        move |branch| repo.is_some_and(|repo| github.head(repo, branch).is_some())
    }

    /// How the caller sees values when the query says `decrypt=true`.
    pub(super) fn show_values(&self) -> Show {
        if self.query("decrypt") == Some("true") && self.may_decrypt() { Show::Decrypted } else { Show::Listed }
    }

    /// The caller's role in its teams: the token's first scope, else `OWNER`.
    ///
    /// `VIEWER` changes nothing, `DEVELOPER` makes no production variables, and neither reads values.
    pub(super) fn role(&self) -> String {
        self.token.scopes.first().map_or_else(|| "OWNER".to_owned(), |role| role.to_uppercase())
    }

    /// Viewers and developers see metadata only.
    pub(super) fn may_decrypt(&self) -> bool {
        !matches!(self.role().as_str(), "VIEWER" | "DEVELOPER")
    }

    /// The answer about a deployment.
    pub(super) fn deployment_view(&self, id: &str) -> Value {
        super::deployment_view::full(self.state, &self.state.deployments[id], self.plan())
    }
}

/// A page of records that are ordered by a unique time, newest first.
pub(super) struct Page<T> {
    /// The records.
    pub items: Vec<T>,
    /// `{count, next, prev}`.
    pub pagination: Value,
}

/// Takes the newest `limit` of `items` that are older than `until`.
pub(super) fn page<T>(mut items: Vec<T>, time: impl Fn(&T) -> Millis, limit: usize, until: Option<Millis>) -> Page<T> {
    items.retain(|item| until.is_none_or(|until| time(item) < until));
    items.sort_by_key(|item| std::cmp::Reverse(time(item)));
    let more = items.len() > limit;
    items.truncate(limit);
    let next = if more { items.last().map(&time) } else { None };
    let prev = items.first().map(&time).filter(|_| until.is_some());
    let pagination = serde_json::json!({ "count": items.len(), "next": next, "prev": prev });
    Page { items, pagination }
}

/// Parses `state=READY,ERROR`.
pub(super) fn has_state(wanted: Option<&str>, state: ReadyState) -> bool {
    wanted.is_none_or(|list| list.split(',').any(|name| name.trim().eq_ignore_ascii_case(state.name())))
}
