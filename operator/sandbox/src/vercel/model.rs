//! The Vercel half's state: plain serialisable records, indexed by id.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::deployments::Deployment;
use super::env::EnvVar;

/// Milliseconds since the epoch on the sandbox's clock, as Vercel writes all times.
pub(super) type Millis = i64;

/// A team.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Team {
    /// `team_…`
    pub id: String,
    /// Name in URLs.
    pub slug: String,
    /// Display name.
    pub name: String,
    /// When it was made.
    pub created_at: Millis,
}

/// The repository a project is linked to; names are those at the time of linking.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Link {
    /// GitHub's repository id.
    pub repo_id: u64,
    /// Owner login.
    pub org: String,
    /// Repository name.
    pub repo: String,
    /// The branch whose pushes become production deployments.
    pub production_branch: String,
    /// When it was linked.
    pub created_at: Millis,
}

/// A project.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Project {
    /// `prj_…`
    pub id: String,
    /// Unique in its team.
    pub name: String,
    /// Owning team's id.
    pub team: String,
    /// Unique per project: also the paging key.
    pub created_at: Millis,
    /// Moves with every change of settings, env, domains or link.
    pub updated_at: Millis,
    /// The settings as they were sent, under Vercel's own names.
    pub settings: Map<String, Value>,
    /// The linked repository.
    pub link: Option<Link>,
    /// Environment variables.
    pub env: Vec<EnvVar>,
    /// Domains, including the `*.vercel.app` one.
    pub domains: Vec<Domain>,
    /// Custom environments.
    pub environments: Vec<CustomEnvironment>,
    /// Deployment ids, oldest first.
    pub deployments: Vec<String>,
    /// The deployment that production domains serve.
    pub production: Option<String>,
    /// Protection bypass secrets.
    pub bypass: BTreeMap<String, Bypass>,
    /// Whether production answers 503.
    pub paused: bool,
    /// While visitors are challenged.
    #[serde(default)]
    pub attack_mode: Option<AttackMode>,
    /// The last promotion or rollback.
    pub alias_request: Option<AliasRequest>,
    /// How the next rolling release is to go, as it reads in answers.
    pub rolling_config: Option<Value>,
    /// The last rolling release.
    pub rolling: Option<super::rolling::Rolling>,
}

/// Visitors are challenged.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttackMode {
    /// When it ends by itself.
    pub active_until: Option<Millis>,
    /// When it was switched on.
    pub updated_at: Millis,
}

/// A secret that lets automation pass deployment protection.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bypass {
    /// When it was made.
    pub created_at: Millis,
    /// Who made it.
    pub created_by: String,
    /// What it is for.
    pub scope: String,
    /// Whether deployments see it as `VERCEL_AUTOMATION_BYPASS_SECRET`.
    pub is_env_var: bool,
    /// A note by its maker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A promotion or rollback under way or done.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AliasRequest {
    /// `promote` or `rollback`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `in-progress`, `succeeded` or `failed`.
    pub job_status: String,
    /// What served production before.
    pub from_deployment_id: Option<String>,
    /// What is to serve it.
    pub to_deployment_id: String,
    /// When it was asked for.
    pub requested_at: Millis,
}

/// A domain on a project.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Domain {
    /// Host name, lowercase; may start with `*.`.
    pub name: String,
    /// Redirect target, another domain of the project.
    pub redirect: Option<String>,
    /// 301, 302, 307 or 308.
    pub redirect_status: Option<u16>,
    /// Serves this branch's latest preview.
    pub git_branch: Option<String>,
    /// Serves this custom environment.
    pub custom_environment: Option<String>,
    /// Whether the team has proved that it owns the apex.
    pub verified: bool,
    /// The TXT value that would prove it.
    pub challenge: String,
    /// Unique per domain: also the paging key.
    pub created_at: Millis,
    /// Last change.
    pub updated_at: Millis,
}

/// A custom environment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CustomEnvironment {
    /// `env_…`
    pub id: String,
    /// Name in URLs.
    pub slug: String,
    /// Free text.
    pub description: Option<String>,
    /// `{type, pattern}`: the branches that deploy here.
    pub branch_matcher: Option<BranchMatcher>,
    /// When it was made.
    pub created_at: Millis,
    /// Last change.
    pub updated_at: Millis,
}

/// Which branches deploy to a custom environment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BranchMatcher {
    /// `equals`, `startsWith` or `endsWith`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What is compared with the branch name.
    pub pattern: String,
}

impl BranchMatcher {
    /// Whether `branch` deploys here.
    pub fn matches(&self, branch: &str) -> bool {
        match self.kind.as_str() {
            "startsWith" => branch.starts_with(&self.pattern),
            "endsWith" => branch.ends_with(&self.pattern),
            _ => branch == self.pattern,
        }
    }
}

/// A host name that serves a deployment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Alias {
    /// Identifier of the assignment.
    pub uid: String,
    /// The deployment it serves.
    pub deployment: String,
    /// The deployment's project.
    pub project: String,
    /// When it was assigned.
    pub created_at: Millis,
}

/// A certificate; usable from `issued_at`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Certificate {
    /// `cert_…`
    pub id: String,
    /// Owning team.
    pub team: String,
    /// Host names it covers.
    pub cns: Vec<String>,
    /// When it was issued.
    pub issued_at: Millis,
}

/// A webhook subscription of a team.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Webhook {
    /// `hook_…`
    pub id: String,
    /// Owning team.
    pub team: String,
    /// Where deliveries go.
    pub url: String,
    /// Signs deliveries; told once.
    pub secret: String,
    /// Subscribed event types.
    pub events: Vec<String>,
    /// Only these projects, when given.
    pub project_ids: Option<Vec<String>>,
    /// Unique per webhook.
    pub created_at: Millis,
}

/// A push to a repository, waiting to be built.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Push {
    /// GitHub's repository id.
    pub repo_id: u64,
    /// Branch name.
    pub branch: String,
    /// The new head.
    pub sha: String,
    /// When it arrived.
    pub at: Millis,
}

/// Everything Vercel knows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// By id.
    pub teams: BTreeMap<String, Team>,
    /// By id.
    pub projects: BTreeMap<String, Project>,
    /// By id.
    pub deployments: BTreeMap<String, Deployment>,
    /// Ids of deployments that are not finished, oldest first.
    pub building: Vec<String>,
    /// Deployment URL → id.
    pub hosts: BTreeMap<String, String>,
    /// Host → what it serves.
    pub aliases: BTreeMap<String, Alias>,
    /// Domain → the team that it and the names under it belong to.
    pub domain_owners: BTreeMap<String, String>,
    /// By id.
    pub certificates: BTreeMap<String, Certificate>,
    /// By id.
    pub webhooks: BTreeMap<String, Webhook>,
    /// GitHub accounts on which Vercel's GitHub App is installed.
    pub github_installations: BTreeSet<String>,
    /// Ids of projects whose promotion or rollback is under way.
    pub promoting: Vec<String>,
    /// Ids of projects whose visitors get a challenge for a while.
    #[serde(default)]
    pub challenged: BTreeSet<String>,
    /// How many visitors without a bucket came to the sites.
    pub visitors: u64,
    /// Pushes to look at on the next step of time.
    pub pushes: Vec<Push>,
    /// Events to hand to delivery.
    #[serde(skip)]
    pub outbox: Vec<crate::webhooks::Event>,
    last_stamp: Millis,
}

/// The team whose plan follows the sandbox's settings.
pub(super) const HOME_TEAM: &str = "team_acme";
/// A second team, which owns [`TAKEN_DOMAIN`].
pub(super) const OTHER_TEAM: &str = "team_other";
/// An apex that belongs to [`OTHER_TEAM`].
pub(super) const TAKEN_DOMAIN: &str = "taken.example.com";

impl State {
    /// The fresh world: two teams, and a domain that belongs to the other one.
    pub fn seeded(now: jiff::Timestamp) -> Self {
        let now = now.as_millisecond();
        let team = |id: &str, slug: &str, name: &str| Team {
            id: id.to_owned(),
            slug: slug.to_owned(),
            name: name.to_owned(),
            created_at: now,
        };
        let teams = [team(HOME_TEAM, "acme-inc", "Acme Inc"), team(OTHER_TEAM, "other-inc", "Other Inc")];
        let mut state = Self {
            teams: teams.into_iter().map(|team| (team.id.clone(), team)).collect(),
            projects: BTreeMap::new(),
            deployments: BTreeMap::new(),
            building: Vec::new(),
            hosts: BTreeMap::new(),
            aliases: BTreeMap::new(),
            domain_owners: BTreeMap::new(),
            certificates: BTreeMap::new(),
            webhooks: BTreeMap::new(),
            github_installations: BTreeSet::from(["acme-inc".to_owned()]),
            promoting: Vec::new(),
            challenged: BTreeSet::new(),
            visitors: 0,
            pushes: Vec::new(),
            outbox: Vec::new(),
            last_stamp: now,
        };
        let mut site = state.new_project(OTHER_TEAM, "other-site", now);
        site.domains.push(state.new_domain(TAKEN_DOMAIN, now));
        state.domain_owners.insert(TAKEN_DOMAIN.to_owned(), OTHER_TEAM.to_owned());
        state.projects.insert(site.id.clone(), site);
        state
    }

    /// A time at or after `now` that no other record carries, so that it can be a paging key.
    pub fn stamp(&mut self, now: Millis) -> Millis {
        self.last_stamp = now.max(self.last_stamp + 1);
        self.last_stamp
    }

    /// A new project's record with the settings Vercel starts from; not yet stored.
    pub fn new_project(&mut self, team: &str, name: &str, now: Millis) -> Project {
        let created_at = self.stamp(now);
        let settings = json!({
            "autoAssignCustomDomains": true,
            "autoExposeSystemEnvs": true,
            "directoryListing": false,
            "framework": null,
            "gitForkProtection": true,
            "gitLFS": false,
            "nodeVersion": "24.x",
            "sourceFilesOutsideRootDirectory": true,
            "ssoProtection": {"deploymentType": "all_except_custom_domains"},
            "resourceConfig": {"functionDefaultRegions": ["iad1"], "fluid": true},
        });
        let Value::Object(settings) = settings else { unreachable!("the literal above is an object") };
        let mut project = Project {
            id: super::ids::random("prj_", 28),
            name: name.to_owned(),
            team: team.to_owned(),
            created_at,
            updated_at: created_at,
            settings,
            link: None,
            env: Vec::new(),
            domains: Vec::new(),
            environments: Vec::new(),
            deployments: Vec::new(),
            production: None,
            bypass: BTreeMap::new(),
            paused: false,
            attack_mode: None,
            alias_request: None,
            rolling_config: None,
            rolling: None,
        };
        let host = self.free_app_host(name);
        project.domains.push(self.new_domain(&host, now));
        project
    }

    /// `<name>.vercel.app`, or with a random suffix when another project has it.
    fn free_app_host(&self, name: &str) -> String {
        let plain = format!("{name}.vercel.app");
        let taken = |host: &str| self.projects.values().any(|p| p.domains.iter().any(|d| d.name == host));
        if !taken(&plain) {
            return plain;
        }
        format!("{name}-{}.vercel.app", super::ids::lowercase(6))
    }

    /// A domain's record, verified; not yet stored.
    pub fn new_domain(&mut self, name: &str, now: Millis) -> Domain {
        let created_at = self.stamp(now);
        Domain {
            name: name.to_owned(),
            redirect: None,
            redirect_status: None,
            git_branch: None,
            custom_environment: None,
            verified: true,
            challenge: super::domain_names::challenge(name),
            created_at,
            updated_at: created_at,
        }
    }

    /// The project with this id or name in `team`.
    pub fn find_project(&self, team: &str, id_or_name: &str) -> Option<&Project> {
        match self.projects.get(id_or_name) {
            Some(project) => (project.team == team).then_some(project),
            None => self.projects.values().find(|p| p.team == team && p.name == id_or_name),
        }
    }

    /// The project that this host is a domain of, with the domain.
    pub fn domain_by_host(&self, host: &str) -> Option<(&Project, &Domain)> {
        // What serves is found by its alias: a fleet has too many domains to look through for each visitor.
        let served = self.aliases.get(host).and_then(|alias| self.deployments.get(&alias.deployment));
        let served = served.and_then(|deployment| self.projects.get(&deployment.project));
        let all = || self.projects.values();
        domain_of(served.into_iter(), host)
            .or_else(|| domain_of(all(), host))
            .or_else(|| domain_of(all(), &format!("*.{}", host.split_once('.')?.1)))
    }
}

/// The first project that has this domain, and it is verified.
fn domain_of<'a>(mut projects: impl Iterator<Item = &'a Project>, name: &str) -> Option<(&'a Project, &'a Domain)> {
    let domain = |project: &'a Project| project.domains.iter().find(|domain| domain.verified && domain.name == name);
    projects.find_map(|project| Some((project, domain(project)?)))
}
