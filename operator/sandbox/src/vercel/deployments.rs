//! Deployments: the record, and the rules for making one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::call::Call;
use super::model::{Millis, Project, State};
use super::problem::{Outcome, Problem};
use super::source::{self, Failure, Files, Git, Snapshot};
use super::{env, ids};

/// Where a deployment is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ReadyState {
    /// Waiting for a build machine.
    Queued,
    /// The machine is starting.
    Initializing,
    /// Building.
    Building,
    /// Built.
    Ready,
    /// Failed.
    Error,
    /// Stopped before the end.
    Canceled,
}

impl ReadyState {
    /// The name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Initializing => "INITIALIZING",
            Self::Building => "BUILDING",
            Self::Ready => "READY",
            Self::Error => "ERROR",
            Self::Canceled => "CANCELED",
        }
    }

    /// Whether nothing more happens to it.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Ready | Self::Error | Self::Canceled)
    }
}

/// A deployment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Deployment {
    /// `dpl_…`
    pub id: String,
    /// Its own host name.
    pub url: String,
    /// The project's name when it was made.
    pub name: String,
    /// Project id.
    pub project: String,
    /// Team id.
    pub team: String,
    /// Unique per deployment: also the paging key.
    pub created_at: Millis,
    /// When a build machine took it.
    pub started_at: Option<Millis>,
    /// When its build began.
    pub building_at: Option<Millis>,
    /// When it became final.
    pub finished_at: Option<Millis>,
    /// State.
    pub state: ReadyState,
    /// Whether this is a production deployment.
    pub production: bool,
    /// Custom environment id.
    pub custom_environment: Option<String>,
    /// Whether it ever served production.
    pub promoted: bool,
    /// False keeps production domains where they are when it becomes ready.
    pub auto_assign: bool,
    /// When its host names were assigned.
    pub alias_assigned_at: Option<Millis>,
    /// Host names that were assigned to it at some time.
    pub hosts: Vec<String>,
    /// The commit.
    pub git: Option<Git>,
    /// Metadata: the caller's and the commit's.
    pub meta: BTreeMap<String, String>,
    /// Names of the variables it is built with.
    pub env: Vec<String>,
    /// Values of those variables that are public by their name, `NEXT_PUBLIC_…`.
    pub public_env: BTreeMap<String, String>,
    /// What is kept of the source.
    pub snapshot: Snapshot,
    /// Set when the build is going to fail or has failed.
    pub failure: Option<Failure>,
    /// The build settings it uses.
    pub settings: Map<String, Value>,
    /// User id of who made it.
    pub creator: String,
    /// `git`, `api` or `redeploy`.
    pub source: String,
}

/// What decides a new deployment beside its source.
#[derive(Debug, Default)]
pub struct Order {
    /// `target: production`.
    pub production: bool,
    /// Custom environment id.
    pub custom_environment: Option<String>,
    /// The caller's metadata.
    pub meta: BTreeMap<String, String>,
    /// Per-deployment switch of domain assignment.
    pub auto_assign: bool,
    /// Settings that replace the project's for this build.
    pub settings: Map<String, Value>,
    /// `git`, `api` or `redeploy`.
    pub source: String,
    /// Who asks.
    pub creator: String,
}

/// Settings a build uses.
const BUILD_SETTINGS: [&str; 9] = [
    "framework",
    "buildCommand",
    "devCommand",
    "installCommand",
    "outputDirectory",
    "rootDirectory",
    "commandForIgnoringBuildStep",
    "nodeVersion",
    "sourceFilesOutsideRootDirectory",
];

impl State {
    /// Makes and queues a deployment. The first one of a project is always production.
    pub fn deploy(&mut self, project_id: &str, git: Option<Git>, files: &Files, order: Order, now: Millis) -> String {
        let created_at = self.stamp(now);
        let project = &self.projects[project_id];
        let team = &self.teams[&project.team];
        let production = order.production || project.deployments.is_empty();
        let custom_environment = order.custom_environment.filter(|_| !production);
        let environment = if production { "production" } else { "preview" };
        let branch = git.as_ref().map(|git| git.branch.as_str());
        let env = env::effective(project, environment, custom_environment.as_deref(), branch);
        let public = env.iter().filter(|(key, _)| key.starts_with("NEXT_PUBLIC_"));
        let public_env = public.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let env = env.into_keys().map(str::to_owned).collect();
        let mut settings: Map<String, Value> = BUILD_SETTINGS
            .iter()
            .map(|name| ((*name).to_owned(), project.settings.get(*name).cloned().unwrap_or_default()))
            .collect();
        settings.extend(order.settings);
        let skipped = settings["commandForIgnoringBuildStep"] == "exit 0";
        let mut meta = git.as_ref().map(commit_meta).unwrap_or_default();
        meta.extend(order.meta);
        let deployment = Deployment {
            id: ids::random("dpl_", 28),
            url: format!("{}-{}-{}.vercel.app", project.name, ids::lowercase(9), team.slug),
            name: project.name.clone(),
            project: project.id.clone(),
            team: project.team.clone(),
            created_at,
            started_at: None,
            building_at: None,
            finished_at: skipped.then_some(created_at),
            state: if skipped { ReadyState::Canceled } else { ReadyState::Queued },
            production,
            custom_environment,
            promoted: false,
            auto_assign: order.auto_assign,
            alias_assigned_at: None,
            hosts: Vec::new(),
            git,
            meta,
            env,
            public_env,
            snapshot: source::snapshot(files),
            failure: source::failure(files, &settings),
            settings,
            creator: order.creator,
            source: order.source,
        };
        let id = deployment.id.clone();
        self.hosts.insert(deployment.url.clone(), id.clone());
        if !skipped {
            self.building.push(id.clone());
        }
        self.deployments.insert(id.clone(), deployment);
        let project = self.projects.get_mut(project_id).expect("looked up above");
        project.deployments.push(id.clone());
        project.updated_at = created_at;
        self.emit_deployment("deployment.created", &id, created_at);
        id
    }
}

/// What Vercel's Git integration notes about a commit.
fn commit_meta(git: &Git) -> BTreeMap<String, String> {
    let login = git.author_login.clone().unwrap_or_default();
    let pairs = [
        ("githubDeployment", "1".to_owned()),
        ("githubOrg", git.org.clone()),
        ("githubRepo", git.repo.clone()),
        ("githubRepoId", git.repo_id.to_string()),
        ("githubRepoOwnerType", "Organization".to_owned()),
        ("githubCommitOrg", git.org.clone()),
        ("githubCommitRepo", git.repo.clone()),
        ("githubCommitRepoId", git.repo_id.to_string()),
        ("githubCommitRef", git.branch.clone()),
        ("githubCommitSha", git.sha.clone()),
        ("githubCommitMessage", git.message.clone()),
        ("githubCommitAuthorName", git.author_name.clone()),
        ("githubCommitAuthorLogin", login),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// `POST /v13/deployments`.
pub(super) fn create(call: &mut Call<'_>) -> Outcome {
    let body = call.body.clone();
    let project = project_of(call, &body)?;
    let mut order = Order {
        production: body["target"] == "production",
        custom_environment: custom_environment(&project, &body)?,
        meta: serde_json::from_value(body["meta"].clone()).unwrap_or_default(),
        auto_assign: body["autoAssignCustomDomains"] != false,
        settings: body["projectSettings"].as_object().cloned().unwrap_or_default(),
        source: "api".to_owned(),
        creator: call.user.clone(),
    };
    let (git, files) = if let Some(earlier) = body["deploymentId"].as_str() {
        "redeploy".clone_into(&mut order.source);
        let earlier = call.deployment(earlier)?;
        order.production |= body["target"].is_null() && earlier.production;
        if body["customEnvironmentSlugOrId"].is_null() && !order.production {
            order.custom_environment.clone_from(&earlier.custom_environment);
        }
        let git = earlier.git.as_ref().ok_or_else(|| Problem::bad_request("The deployment has no Git source."))?;
        let latest = body["withLatestCommit"] == true;
        let sha = if latest { Value::Null } else { json!(git.sha) };
        source::resolve(call.github, &json!({ "repoId": git.repo_id, "ref": git.branch, "sha": sha }))?
    } else if body["gitSource"]["type"] == "github" {
        source::resolve(call.github, &body["gitSource"])?
    } else if body["gitSource"].is_object() {
        return Err(Problem::new(400, "incorrect_git_source_info", "Only GitHub sources are connected."));
    } else {
        return create_from_files(call, &project, &body, order);
    };
    if call.query("forceNew") != Some("1")
        && let Some(same) = similar(call.state, &project, &git, &order)
    {
        return Ok(call.deployment_view(&same).into());
    }
    let id = call.state.deploy(&project.id, Some(git), &files, order, call.now);
    Ok(call.deployment_view(&id).into())
}

/// Files sent inline; files named by digest would have to be uploaded first, which is refused as missing.
fn create_from_files(call: &mut Call<'_>, project: &Project, body: &Value, order: Order) -> Outcome {
    let Some(list) = body["files"].as_array() else {
        let message = "The request needs one of `gitSource`, `deploymentId` or `files`.";
        return Err(Problem::bad_request(message));
    };
    let missing: Vec<Value> = list.iter().map(|file| file["sha"].clone()).filter(|sha| !sha.is_null()).collect();
    if !missing.is_empty() {
        let problem = Problem::new(400, "missing_files", "Missing files");
        return Err(problem.with("missing", missing));
    }
    let mut files = Files::new();
    for file in list {
        let data = file["data"].as_str().unwrap_or_default();
        let text = if file["encoding"] == "base64" {
            use base64::Engine as _;
            let bytes = base64::engine::general_purpose::STANDARD.decode(data);
            let bytes = bytes.map_err(|_| Problem::bad_request("A file is not valid base64."))?;
            String::from_utf8_lossy(&bytes).into_owned()
        } else {
            data.to_owned()
        };
        files.insert(file["file"].as_str().unwrap_or_default().to_owned(), text);
    }
    let id = call.state.deploy(&project.id, None, &files, order, call.now);
    Ok(call.deployment_view(&id).into())
}

/// `project` wins over `name`.
fn project_of(call: &Call<'_>, body: &Value) -> Result<Project, Problem> {
    let wanted = body["project"].as_str().or_else(|| body["name"].as_str()).unwrap_or_default();
    match call.state.find_project(&call.team, wanted) {
        Some(project) => Ok(project.clone()),
        None if body["project"].is_string() => Err(Problem::not_found("Project not found")),
        None => {
            let message =
                "The `projectSettings` object is required for new projects, but is missing in the deployment payload";
            Err(Problem::new(400, "missing_project_settings", message))
        }
    }
}

fn custom_environment(project: &Project, body: &Value) -> Result<Option<String>, Problem> {
    let Some(wanted) = body["customEnvironmentSlugOrId"].as_str() else {
        return match body["target"].as_str() {
            None | Some("production" | "preview" | "staging") => Ok(None),
            Some(slug) => named_environment(project, slug).map(Some),
        };
    };
    if !body["target"].is_null() {
        let message = "`target` and `customEnvironmentSlugOrId` cannot be used together.";
        return Err(Problem::bad_request(message));
    }
    named_environment(project, wanted).map(Some)
}

fn named_environment(project: &Project, wanted: &str) -> Result<String, Problem> {
    let found = project.environments.iter().find(|env| env.id == wanted || env.slug == wanted);
    let missing = || Problem::bad_request(format!("The custom environment `{wanted}` does not exist."));
    found.map(|env| env.id.clone()).ok_or_else(missing)
}

/// An unfinished or good deployment of the same commit to the same place.
fn similar(state: &State, project: &Project, git: &Git, order: &Order) -> Option<String> {
    let same = |deployment: &&Deployment| {
        !matches!(deployment.state, ReadyState::Error | ReadyState::Canceled)
            && deployment.production == order.production
            && deployment.custom_environment == order.custom_environment
            && deployment.git.as_ref().is_some_and(|other| other.sha == git.sha && other.branch == git.branch)
    };
    let mut all = project.deployments.iter().rev().filter_map(|id| state.deployments.get(id));
    all.find(same).map(|deployment| deployment.id.clone())
}
