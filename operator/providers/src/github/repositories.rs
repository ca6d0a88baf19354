//! A repository that exists: settings, topics, security switches, archive, delete; and how REST tells repositories.

use forkable_core::{
    PortError,
    forge::{Blobs, ForgeDone, RepositoryFacts, RepositoryPatch, RepositoryTarget},
};
use forkable_crds::fork::Visibility;
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{GitHub, client::GraphRequest, errors, name, observe, of};
use crate::transport::Priority;

/// The calls that switch a feature on and off.
pub(super) type Switch = (&'static str, &'static str);
pub(super) const ALERTS: Switch =
    ("PUT /repos/{owner}/{repo}/vulnerability-alerts", "DELETE /repos/{owner}/{repo}/vulnerability-alerts");
pub(super) const FIXES: Switch =
    ("PUT /repos/{owner}/{repo}/automated-security-fixes", "DELETE /repos/{owner}/{repo}/automated-security-fixes");

/// A repository as REST answers it.
#[derive(Debug, Deserialize)]
pub(super) struct Repository {
    pub(super) id: i64,
    node_id: String,
    pub(super) full_name: String,
    html_url: String,
    description: Option<String>,
    homepage: Option<String>,
    visibility: Option<String>,
    private: bool,
    archived: bool,
    #[serde(rename = "template_repository")]
    template: Option<Id>,
    parent: Option<Id>,
    #[serde(default)]
    topics: Vec<String>,
    has_issues: bool,
    has_wiki: bool,
    has_projects: bool,
    #[serde(default)]
    has_discussions: bool,
    #[serde(default)]
    delete_branch_on_merge: bool,
    pub(super) default_branch: String,
    pub(super) created_at: Timestamp,
}

#[derive(Debug, Deserialize)]
struct Id {
    id: i64,
}

impl Repository {
    /// Without head, blobs, rulesets, environments and alerts, which REST does not tell here.
    pub(super) fn facts(self) -> RepositoryFacts {
        let text = |text: Option<String>| text.filter(|text| !text.is_empty());
        RepositoryFacts {
            id: self.id,
            node_id: self.node_id,
            full_name: self.full_name,
            html_url: self.html_url,
            description: text(self.description),
            homepage: text(self.homepage),
            visibility: match self.visibility.as_deref() {
                Some("internal") => Visibility::Internal,
                _ if self.private => Visibility::Private,
                _ => Visibility::Public,
            },
            archived: self.archived,
            template_id: self.template.map(|template| template.id),
            parent_id: self.parent.map(|parent| parent.id),
            topics: self.topics,
            issues: self.has_issues,
            wiki: self.has_wiki,
            projects: self.has_projects,
            discussions: self.has_discussions,
            delete_branch_on_merge: self.delete_branch_on_merge,
            default_branch: Some(self.default_branch),
            created_at: Some(self.created_at),
            ..RepositoryFacts::default()
        }
    }

    pub(super) fn done(self) -> ForgeDone {
        ForgeDone::Repository(Box::new(self.facts()))
    }
}

/// A visibility in REST's words.
pub(super) fn visibility(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Public => "public",
        Visibility::Private => "private",
        Visibility::Internal => "internal",
    }
}

impl GitHub {
    pub(super) async fn update(
        &self,
        target: &RepositoryTarget,
        patch: &RepositoryPatch,
    ) -> Result<ForgeDone, PortError> {
        let settings = settings(patch);
        let Some(discussions) = patch.discussions else {
            return self.update_settings(target, patch, settings).await.map(Repository::done);
        };
        if settings != json!({}) {
            self.update_settings(target, patch, settings).await?;
        }
        self.set_discussions(target, discussions).await
    }

    async fn update_settings(
        &self,
        target: &RepositoryTarget,
        patch: &RepositoryPatch,
        settings: Value,
    ) -> Result<Repository, PortError> {
        let outcome = self.patch(target, settings.clone()).await;
        let (Some(branch), Err(PortError::Rejected { message, .. })) = (&patch.default_branch, &outcome) else {
            return outcome;
        };
        if !message.contains(branch.as_str()) || !message.to_lowercase().contains("branch") {
            return outcome;
        }
        // There is no branch of that name: the present one gets it.
        let present: Repository = self.client.send(&of("GET /repos/{owner}/{repo}", target)?).await?;
        let rename = of("POST /repos/{owner}/{repo}/branches/{branch}/rename", target)?
            .at(&present.default_branch)
            .json(json!({ "new_name": branch }));
        self.client.run(&rename).await?;
        self.patch(target, settings).await
    }

    /// The one switch that REST does not have.
    async fn set_discussions(&self, target: &RepositoryTarget, on: bool) -> Result<ForgeDone, PortError> {
        let Some(node_id) = &target.node_id else {
            return Err(errors::stale(format!("the GraphQL id of {} was not seen yet", name(target))));
        };
        let document = format!(
            "mutation UpdateRepository($input: UpdateRepositoryInput!, $some: Int!) {{ updateRepository(input: $input) \
             {{ repository {{ ...Repo }} }} }} {}",
            observe::fragments()
        );
        let answer = self.client.graph(GraphRequest {
            operation: "graphql mutation UpdateRepository",
            name: "UpdateRepository",
            document: &document,
            variables: json!({ "input": { "repositoryId": node_id, "hasDiscussionsEnabled": on }, "some": 1 }),
            write: true,
            priority: Priority::Create,
        });
        let mut answer = answer.await?;
        let repository = answer.data["updateRepository"]["repository"].take();
        if repository.is_null() {
            return Err(errors::of_graph(&answer.errors, &name(target)));
        }
        let seen: observe::facts::Seen = observe::read(repository)?;
        Ok(ForgeDone::Repository(Box::new(seen.facts(Blobs::default()))))
    }

    async fn patch(&self, target: &RepositoryTarget, body: Value) -> Result<Repository, PortError> {
        self.client.send(&of("PATCH /repos/{owner}/{repo}", target)?.json(body)).await
    }

    pub(super) async fn set_topics(
        &self,
        target: &RepositoryTarget,
        topics: &[String],
    ) -> Result<ForgeDone, PortError> {
        let request = of("PUT /repos/{owner}/{repo}/topics", target)?;
        self.client.run(&request.json(json!({ "names": topics }))).await?;
        Ok(ForgeDone::Nothing)
    }

    pub(super) async fn switch(
        &self,
        target: &RepositoryTarget,
        (on, off): Switch,
        wanted: bool,
    ) -> Result<ForgeDone, PortError> {
        self.client.run(&of(if wanted { on } else { off }, target)?).await?;
        Ok(ForgeDone::Nothing)
    }

    pub(super) async fn archive(&self, target: &RepositoryTarget) -> Result<ForgeDone, PortError> {
        self.patch(target, json!({ "archived": true })).await?;
        Ok(ForgeDone::Nothing)
    }

    /// That it is gone already is fine.
    pub(super) async fn delete(&self, target: &RepositoryTarget) -> Result<ForgeDone, PortError> {
        let request = of("DELETE /repos/{owner}/{repo}", target)?;
        let answer = self.client.exchange(&request).await?;
        match answer.status() {
            status if status.is_success() || status == StatusCode::NOT_FOUND => Ok(ForgeDone::Nothing),
            _ => Err(errors::of(&answer, request.what())),
        }
    }
}

/// The body that makes a patch.
fn settings(patch: &RepositoryPatch) -> Value {
    let RepositoryPatch {
        name,
        description,
        homepage,
        visibility: wanted,
        default_branch,
        issues,
        wiki,
        projects,
        // GraphQL has it.
        discussions: _,
        delete_branch_on_merge,
        secret_scanning,
        push_protection,
    } = patch;
    let feature = |on: &Option<bool>| on.map(|on| json!({ "status": if on { "enabled" } else { "disabled" } }));
    let mut security = Map::new();
    let mut put = |field: &str, value: Option<Value>| security.extend(value.map(|value| (field.to_owned(), value)));
    put("secret_scanning", feature(secret_scanning));
    put("secret_scanning_push_protection", feature(push_protection));
    let mut body = Map::new();
    let mut put = |field: &str, value: Option<Value>| body.extend(value.map(|value| (field.to_owned(), value)));
    put("name", name.clone().map(Into::into));
    put("description", description.clone().map(Into::into));
    put("homepage", homepage.clone().map(Into::into));
    put("visibility", wanted.map(|wanted| visibility(wanted).into()));
    put("default_branch", default_branch.clone().map(Into::into));
    put("has_issues", issues.map(Into::into));
    put("has_wiki", wiki.map(Into::into));
    put("has_projects", projects.map(Into::into));
    put("delete_branch_on_merge", delete_branch_on_merge.map(Into::into));
    put("security_and_analysis", (!security.is_empty()).then_some(Value::Object(security)));
    Value::Object(body)
}
