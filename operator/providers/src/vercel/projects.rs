//! Projects: looking at many, making, changing, linking, pausing and deleting one.

use std::collections::{BTreeMap, HashMap, HashSet};

use forkable_core::{
    PortError,
    hosting::{
        CustomEnvironment, EnvRow, HostingDone, ProjectAsk, ProjectFacts, ProjectSettings, ProjectSettingsPatch,
        ProjectTarget,
    },
};
use forkable_crds::fork::{FunctionMemory, LoginProtection, NodeVersion};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    Vercel,
    client::Request,
    errors::{self, Failure},
    id,
    models::{EnvVar, Project, ProjectPage},
};

/// Requests in flight while a sweep reads what the pages left out.
const CONCURRENT: usize = 8;

impl Vercel {
    /// One ask by a GET; more by pages, which end as soon as all asks are answered. What no page told is asked for
    /// by a GET of its own, since a project can move between pages while they are read.
    pub(super) async fn look(&self, asks: &[ProjectAsk]) -> Result<Vec<Option<ProjectFacts>>, PortError> {
        if let [ask] = asks {
            return Ok(vec![self.look_at(ask).await?]);
        }
        let mut teams: BTreeMap<Option<&str>, Vec<usize>> = BTreeMap::new();
        for (index, ask) in asks.iter().enumerate() {
            teams.entry(ask.team.as_deref()).or_default().push(index);
        }
        let mut answers = vec![None; asks.len()];
        for (team, wanted) in teams {
            let left_out = self.sweep(team, asks, wanted, &mut answers).await?;
            let look = |index: usize| async move { Ok::<_, PortError>((index, self.look_at(&asks[index]).await?)) };
            let mut looks = stream::iter(left_out).map(look).buffer_unordered(CONCURRENT);
            while let Some((index, facts)) = looks.try_next().await? {
                answers[index] = facts;
            }
        }
        Ok(answers)
    }

    async fn look_at(&self, ask: &ProjectAsk) -> Result<Option<ProjectFacts>, PortError> {
        let name = ask.id.as_deref().unwrap_or(&ask.name);
        let request = project(("GET /v9/projects/{idOrName}", ask.team.as_deref()), name, &ask.name);
        match self.client.send::<Project>(request).await {
            Ok(project) => self.complete(ask, project).await.map(Some),
            Err(failure) if failure.is(StatusCode::NOT_FOUND) => Ok(None),
            Err(failure) => Err(failure.error),
        }
    }

    /// Pages through the projects of a team until each of the wanted asks is answered or the pages end. Only one page
    /// is held at a time. Answers the asks that no page answered.
    async fn sweep(
        &self,
        team: Option<&str>,
        asks: &[ProjectAsk],
        wanted: Vec<usize>,
        answers: &mut [Option<ProjectFacts>],
    ) -> Result<Vec<usize>, PortError> {
        let (mut by_id, mut by_name, mut left_out) = (HashMap::new(), HashMap::new(), Vec::new());
        for index in wanted {
            let ask = &asks[index];
            left_out.extend(match &ask.id {
                Some(id) => by_id.insert(id.as_str(), index),
                None => by_name.insert(ask.name.as_str(), index),
            });
        }
        let mut from: Option<String> = None;
        let mut seen = HashSet::new();
        while !(by_id.is_empty() && by_name.is_empty()) {
            let request = Request::new("GET /v10/projects", team).about("the list of projects").in_background();
            let request = request.query("limit", "100");
            let request = match &from {
                Some(cursor) => request.query("from", cursor),
                None => request,
            };
            let page: ProjectPage = self.client.send(request).await?;
            let mut found = Vec::new();
            for project in page.projects {
                let index = by_id.remove(project.id.as_str()).or_else(|| by_name.remove(project.name.as_str()));
                found.extend(index.map(|index| (index, project)));
            }
            let complete = |(index, project): (usize, Project)| async move {
                Ok::<_, PortError>((index, self.complete(&asks[index], project).await?))
            };
            let mut completed = stream::iter(found).map(complete).buffer_unordered(CONCURRENT);
            while let Some((index, facts)) = completed.try_next().await? {
                answers[index] = Some(facts);
            }
            // A cursor that was there before would go round in circles.
            match page.pagination.next.map(|cursor| cursor.to_string()) {
                Some(cursor) if seen.insert(cursor.clone()) => from = Some(cursor),
                _ => break,
            }
        }
        left_out.extend(by_id.into_values().chain(by_name.into_values()));
        Ok(left_out)
    }

    /// Reads what a list left out: variables always, custom environments if they matter to the ask.
    async fn complete(&self, ask: &ProjectAsk, mut project: Project) -> Result<ProjectFacts, PortError> {
        let team = ask.team.as_deref();
        let env = match project.env.take() {
            Some(rows) => rows.into_iter().filter_map(EnvVar::row).collect(),
            None => self.read_env(team, &project.id, &project.name).await?,
        };
        let told = project.custom_environments.take().map(|list| list.into_iter().map(Into::into).collect());
        let environments = self.environments_of(team, &project, told, ask.environments).await?;
        Ok(project.facts(sorted(env), environments))
    }

    /// Custom environments: as told; else, if they matter, as remembered since the project last changed, or read.
    async fn environments_of(
        &self,
        team: Option<&str>,
        project: &Project,
        told: Option<Vec<CustomEnvironment>>,
        matter: bool,
    ) -> Result<Vec<CustomEnvironment>, PortError> {
        let environments = match told {
            Some(told) => told,
            None if !matter => return Ok(Vec::new()),
            None => {
                let known = self.memory().environments.get(&project.id).cloned();
                match known {
                    Some((at, known)) if at.is_some() && at == project.updated_at => return Ok(known),
                    _ => self.read_environments(team, &project.id, &project.name).await?,
                }
            }
        };
        let remembered = (project.updated_at, environments.clone());
        self.memory().environments.insert(project.id.clone(), remembered);
        Ok(environments)
    }

    /// Makes it with everything that the call takes; the version of Node.js is a second change.
    /// <https://vercel.com/docs/rest-api/reference/endpoints/projects/create-a-new-project>
    pub(super) async fn create_project(
        &self,
        target: &ProjectTarget,
        settings: &ProjectSettings,
    ) -> Result<HostingDone, PortError> {
        let mut body = Map::new();
        body.insert("name".into(), json!(target.name));
        if let Some((repository, _)) = &target.repository {
            body.insert("gitRepository".into(), json!({ "type": "github", "repo": repository }));
        }
        let texts = [
            ("framework", &settings.framework),
            ("rootDirectory", &settings.root_directory),
            ("installCommand", &settings.install_command),
            ("buildCommand", &settings.build_command),
            ("outputDirectory", &settings.output_directory),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                body.insert(name.into(), json!(text));
            }
        }
        let functions =
            functions(settings.regions.as_deref(), settings.memory, settings.max_duration_seconds, settings.fluid);
        body.extend(functions.map(|functions| ("resourceConfig".to_owned(), functions)));
        body.extend(settings.login.map(|login| ("ssoProtection".to_owned(), protection(login))));
        let request = Request::new("POST /v11/projects", target.team.as_deref())
            .about(format!("project {}", target.name))
            .json(Value::Object(body));
        let mut facts = answered(self.client.send(request).await?);
        // Beside its own `vercel.app` name, which nobody has to be told of, a new project has no domain.
        facts.domains = Some(Vec::new());
        Ok(HostingDone::Project(Box::new(facts)))
    }

    pub(super) async fn update_project(
        &self,
        target: &ProjectTarget,
        name: Option<&str>,
        patch: &ProjectSettingsPatch,
    ) -> Result<HostingDone, PortError> {
        let ProjectSettingsPatch {
            framework,
            root_directory,
            install_command,
            build_command,
            output_directory,
            node_version,
            regions,
            memory,
            max_duration_seconds,
            fluid,
            login,
        } = patch;
        let mut body = Map::new();
        body.extend(name.map(|name| ("name".to_owned(), json!(name))));
        let texts = [
            ("framework", framework),
            ("rootDirectory", root_directory),
            ("installCommand", install_command),
            ("buildCommand", build_command),
            ("outputDirectory", output_directory),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                body.insert(name.into(), json!(text));
            }
        }
        body.extend(node_version.map(|version| ("nodeVersion".to_owned(), json!(node(version)))));
        let functions = functions(regions.as_deref(), *memory, *max_duration_seconds, *fluid);
        body.extend(functions.map(|functions| ("resourceConfig".to_owned(), functions)));
        body.extend(login.map(|login| ("ssoProtection".to_owned(), protection(login))));
        let request = project(("PATCH /v9/projects/{idOrName}", target.team.as_deref()), id(target)?, &target.name);
        let project = self.client.send(request.json(Value::Object(body))).await?;
        Ok(HostingDone::Project(Box::new(answered(project))))
    }

    /// Unlinks what is linked, then links the target's repository. A failure in between leaves the project unlinked,
    /// which the next look shows.
    pub(super) async fn link_repository(&self, target: &ProjectTarget) -> Result<HostingDone, PortError> {
        let Some((repository, _)) = &target.repository else {
            return Err(errors::stale("the repository to link is not known yet"));
        };
        let team = target.team.as_deref();
        let unlink = project(("DELETE /v9/projects/{idOrName}/link", team), id(target)?, &target.name);
        match self.client.send_for_nothing(unlink).await {
            Ok(()) => {}
            // It was not linked.
            Err(failure) if failure.is(StatusCode::BAD_REQUEST) => {}
            Err(failure) => return Err(failure.error),
        }
        let link = project(("POST /v9/projects/{idOrName}/link", team), id(target)?, &target.name);
        let project = self.client.send(link.json(json!({ "type": "github", "repo": repository }))).await?;
        Ok(HostingDone::Project(Box::new(answered(project))))
    }

    pub(super) async fn set_production_branch(
        &self,
        target: &ProjectTarget,
        branch: &str,
    ) -> Result<HostingDone, PortError> {
        let request =
            project(("PATCH /v9/projects/{idOrName}/branch", target.team.as_deref()), id(target)?, &target.name);
        let project = self.client.send(request.json(json!({ "branch": branch }))).await?;
        Ok(HostingDone::Project(Box::new(answered(project))))
    }

    /// Whether what is built for production goes live by itself.
    pub(super) async fn assign_domains(&self, target: &ProjectTarget, on: bool) -> Result<HostingDone, PortError> {
        let request = project(("PATCH /v9/projects/{idOrName}", target.team.as_deref()), id(target)?, &target.name);
        let project = self.client.send(request.json(json!({ "autoAssignCustomDomains": on }))).await?;
        Ok(HostingDone::Project(Box::new(answered(project))))
    }

    pub(super) async fn pause_project(&self, target: &ProjectTarget) -> Result<HostingDone, PortError> {
        let request =
            project(("POST /v1/projects/{projectId}/pause", target.team.as_deref()), id(target)?, &target.name);
        self.client.send_for_nothing(request).await?;
        Ok(HostingDone::Nothing)
    }

    /// Attack mode, with an end.
    /// <https://vercel.com/docs/rest-api/reference/endpoints/security/update-attack-challenge-mode>
    pub(super) async fn challenge_visitors(
        &self,
        target: &ProjectTarget,
        until: i64,
    ) -> Result<HostingDone, PortError> {
        let request = Request::new("POST /v1/security/attack-mode", target.team.as_deref())
            .about(format!("project {}", target.name))
            .json(json!({ "projectId": id(target)?, "attackModeEnabled": true, "attackModeActiveUntil": until }));
        self.client.send_for_nothing(request).await?;
        Ok(HostingDone::Nothing)
    }

    pub(super) async fn delete_project(&self, target: &ProjectTarget) -> Result<HostingDone, PortError> {
        let request = project(("DELETE /v9/projects/{idOrName}", target.team.as_deref()), id(target)?, &target.name);
        gone(self.client.send_for_nothing(request).await)?;
        Ok(HostingDone::Nothing)
    }
}

/// The facts of the answer to a change; variables and environments that it does not carry are not read.
fn answered(mut project: Project) -> ProjectFacts {
    let env = project.env.take().unwrap_or_default();
    let environments = project.custom_environments.take().unwrap_or_default();
    let env = sorted(env.into_iter().filter_map(EnvVar::row).collect());
    project.facts(env, environments.into_iter().map(Into::into).collect())
}

/// A request about a project: operation and team, id or name, and the name for people.
pub(super) fn project(call: (&'static str, Option<&str>), id_or_name: &str, name: &str) -> Request {
    Request::new(call.0, call.1).at(id_or_name).about(format!("project {name}"))
}

/// What is gone already was deleted well.
pub(super) fn gone(answer: Result<(), Failure>) -> Result<(), PortError> {
    match answer {
        Err(failure) if !failure.is(StatusCode::NOT_FOUND) => Err(failure.error),
        _ => Ok(()),
    }
}

/// In an order that does not depend on the answer's.
fn sorted(mut rows: Vec<EnvRow>) -> Vec<EnvRow> {
    rows.sort_by(|a, b| (&a.key, &a.id).cmp(&(&b.key, &b.id)));
    // They are where the answer was, of which they are a part, and are kept.
    rows.shrink_to_fit();
    rows
}

/// `resourceConfig` with what is given; `None` if nothing is.
fn functions(
    regions: Option<&[String]>,
    memory: Option<FunctionMemory>,
    seconds: Option<i32>,
    fluid: Option<bool>,
) -> Option<Value> {
    let memory = memory.map(|memory| match memory {
        FunctionMemory::Standard => "standard",
        FunctionMemory::Performance => "performance",
    });
    let all = [
        ("functionDefaultRegions", regions.map(|regions| json!(regions))),
        ("functionDefaultMemoryType", memory.map(|memory| json!(memory))),
        ("functionDefaultTimeout", seconds.map(|seconds| json!(seconds))),
        ("fluid", fluid.map(|fluid| json!(fluid))),
    ];
    let given: Map<String, Value> =
        all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    (!given.is_empty()).then_some(Value::Object(given))
}

/// `ssoProtection`; null turns it off. <https://vercel.com/docs/deployment-protection>
fn protection(login: LoginProtection) -> Value {
    let deployments = match login {
        LoginProtection::Off => return Value::Null,
        LoginProtection::Preview => "preview",
        LoginProtection::Standard => "all_except_custom_domains",
        LoginProtection::All => "all",
    };
    json!({ "deploymentType": deployments })
}

fn node(version: NodeVersion) -> &'static str {
    match version {
        NodeVersion::V20 => "20.x",
        NodeVersion::V22 => "22.x",
        NodeVersion::V24 => "24.x",
    }
}
