//! Values that tests begin with: the Fork `default/acme` of `forkable-ai/framework`, and a world in which it is done.

use forkable_crds::{
    Deployment, Fork, ForkStatus,
    deployment::Strategy,
    fork::{
        DeletionPolicy, EnvPolicy, OnEnvChange, Overwrite, PendingCreate, ProjectStatus, RepositoryStatus,
        TemplateMode, Visibility,
    },
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    Desired, Input, Observed, blob,
    desired::{Actions, ActionsValue, File, Project, Repository, Template, Variable},
};
use crate::{
    DigestKey, Secret,
    forge::{Blobs, ForgeChange, Head, RepositoryFacts, TemplateFacts},
    hosting::{ProjectFacts, ProjectSettings},
    plan::{Change, FacetPlan, Verdict},
};

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time within range")
}

pub(crate) fn key() -> DigestKey {
    DigestKey::new(Secret::new("key"))
}

pub(crate) fn desired() -> Desired {
    Desired {
        uid: "uid-acme".into(),
        namespace: "default".into(),
        name: "acme".into(),
        generation: 1,
        template: Template {
            owner: "forkable-ai".into(),
            repo: "framework".into(),
            git_ref: None,
            mode: TemplateMode::Template,
        },
        repository: Repository {
            owner: "acme-inc".into(),
            name: "acme".into(),
            visibility: Visibility::Private,
            description: None,
            homepage: None,
            topics: None,
            issues: None,
            wiki: None,
            projects: None,
            discussions: None,
            delete_branch_on_merge: None,
            default_branch: None,
        },
        files: Vec::new(),
        protection: None,
        actions: Actions::default(),
        security: None,
        project: Project {
            name: "acme".into(),
            team: None,
            settings: ProjectSettings::default(),
            environments: Vec::new(),
            holds_domains: false,
            pause: None,
            challenge: None,
        },
        env: Vec::new(),
        env_policy: EnvPolicy::Merge,
        domains: Vec::new(),
        revision_history_limit: 10,
        on_env_change: OnEnvChange::Wait,
        strategy: Strategy::default(),
        previews: None,
        deletion_policy: DeletionPolicy::Retain,
        adopt: false,
        digest_key: key(),
    }
}

pub(crate) fn file(path: &str, content: &str, overwrite: Overwrite) -> File {
    File { path: path.into(), content: content.into(), blob: blob::id(content.as_bytes()), overwrite }
}

pub(crate) fn value(name: &str, environment: Option<&str>, value: &str) -> ActionsValue {
    let digest = key().digest(name, value);
    ActionsValue { name: name.into(), environment: environment.map(Into::into), value: Secret::new(value), digest }
}

pub(crate) fn head(oid: &str) -> Head {
    Head { oid: oid.into(), tree: "tree".into(), message: "Begin".into(), author: "octocat".into() }
}

pub(crate) fn template_facts() -> TemplateFacts {
    TemplateFacts {
        id: 7,
        full_name: "forkable-ai/framework".into(),
        is_template: true,
        private: false,
        default_branch: Some("main".into()),
        head: Some(head("template-head")),
        blobs: Blobs::default(),
    }
}

/// The repository as it is once generated.
pub(crate) fn repository_facts() -> RepositoryFacts {
    RepositoryFacts {
        id: 42,
        node_id: "R_42".into(),
        full_name: "acme-inc/acme".into(),
        html_url: "https://github.com/acme-inc/acme".into(),
        template_id: Some(7),
        issues: true,
        wiki: true,
        projects: true,
        default_branch: Some("main".into()),
        head: Some(head("acme-head")),
        dependabot_alerts: Some(false),
        created_at: Some(at(1000)),
        ..RepositoryFacts::default()
    }
}

pub(crate) fn observed() -> Observed {
    Observed { template: Some(template_facts().into()), repository: Some(repository_facts()), ..Observed::default() }
}

/// The status in which that repository is on record.
pub(crate) fn record() -> ForkStatus {
    ForkStatus {
        repository: Some(RepositoryStatus {
            id: 42,
            node_id: "R_42".into(),
            full_name: "acme-inc/acme".into(),
            html_url: "https://github.com/acme-inc/acme".into(),
            default_branch: Some("main".into()),
            head_sha: Some("acme-head".into()),
            template_sha: Some("template-head".into()),
            owned: true,
        }),
        ..ForkStatus::default()
    }
}

/// The project as it is once made.
pub(crate) fn project_facts() -> ProjectFacts {
    ProjectFacts {
        id: "prj_1".into(),
        name: "acme".into(),
        team: "team_1".into(),
        repository_id: Some(42),
        production_branch: Some("main".into()),
        domains: Some(Vec::new()),
        ..ProjectFacts::default()
    }
}

/// Repository and project are there.
pub(crate) fn hosted() -> Observed {
    Observed { project: Some(project_facts()), ..observed() }
}

/// The status in which both are on record.
pub(crate) fn hosted_record() -> ForkStatus {
    let project = ProjectStatus {
        id: "prj_1".into(),
        name: "acme".into(),
        team_id: Some("team_1".into()),
        owned: true,
        ..ProjectStatus::default()
    };
    ForkStatus { project: Some(project), ..record() }
}

/// A variable of the manifest.
pub(crate) fn variable(key: &str, value: &str, environments: &[&str]) -> Variable {
    Variable {
        key: key.into(),
        value: Secret::new(value),
        digest: self::key().digest(&format!("env/{key}"), value),
        environments: environments.iter().map(|&environment| environment.into()).collect(),
        branch: None,
        sensitive: false,
    }
}

/// A release that the Fork made, in a phase: `Building`, `Live`, `Superseded` or `Failed`.
pub(crate) fn release(name: &str, commit: &str, revision: &str, phase: &str) -> Deployment {
    let (ready, live) = match phase {
        "Building" => ("Unknown", None),
        "Failed" => ("False", None),
        "Superseded" => ("True", Some("False")),
        _ => ("True", Some("True")),
    };
    let condition = |type_: &str, status: &str, reason: &str| {
        serde_json::json!({
            "type": type_, "status": status, "reason": reason, "message": "it is said why",
            "lastTransitionTime": "2025-10-01T00:00:00Z",
        })
    };
    let mut conditions = vec![condition("Ready", ready, phase)];
    conditions.extend(live.map(|live| condition("Live", live, phase)));
    if phase == "Failed" {
        conditions.push(condition("Stalled", "True", "BuildFailed"));
    }
    let mut status =
        serde_json::json!({"phase": phase, "conditions": conditions, "url": format!("https://{name}.vercel.app")});
    if phase != "Building" {
        status["finishedAt"] = "2025-10-01T00:00:00Z".into();
    }
    let mut object = serde_json::json!({
        "apiVersion": "forkable.dev/v1alpha1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default", "uid": format!("uid-{name}"), "generation": 1},
        "spec": {"forkRef": {"name": "acme"}, "source": {"commit": commit}, "envRevision": revision},
        "status": status,
    });
    if revision.is_empty() {
        object["spec"].as_object_mut().expect("a spec").remove("envRevision");
    }
    serde_json::from_value(object).expect("a Deployment")
}

/// Reason of a verdict, `Synced` if it is.
pub(crate) fn reason(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Synced { .. } => "Synced",
        Verdict::Waiting { reason, .. } | Verdict::PersonNeeded { reason, .. } | Verdict::Refused { reason, .. } => {
            reason
        }
    }
}

pub(crate) fn message(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Synced { message }
        | Verdict::Waiting { message, .. }
        | Verdict::PersonNeeded { message, .. }
        | Verdict::Refused { message, .. } => message,
    }
}

/// An intent to create the repository, begun at a second.
pub(crate) fn begun(name: &str, second: i64) -> Vec<PendingCreate> {
    vec![PendingCreate { what: "repository".into(), name: name.into(), since: Time(at(second)) }]
}

/// The Fork of [`desired`] as a manifest.
pub(crate) fn fork() -> Fork {
    let fork = serde_json::json!({
        "apiVersion": "forkable.dev/v1alpha1",
        "kind": "Fork",
        "metadata": {
            "name": "acme", "namespace": "default", "uid": "uid-acme", "creationTimestamp": "2025-10-01T00:00:00Z",
        },
        "spec": {
            "template": {"owner": "forkable-ai", "repo": "framework"},
            "repository": {"owner": "acme-inc", "name": "acme"},
            "project": {"name": "acme"},
        },
    });
    serde_json::from_value(fork).expect("a Fork")
}

pub(crate) fn input<'a>(desired: &'a Desired, observed: &'a Observed, record: &'a ForkStatus) -> Input<'a> {
    Input { desired, observed, record, now: at(1060) }
}

/// The changes to the repository, in order.
pub(crate) fn forge_changes(plan: &FacetPlan) -> Vec<&ForgeChange> {
    plan.steps
        .iter()
        .map(|step| match &step.change {
            Change::Forge(change) => change,
            other => panic!("not a change to a repository: {other:?}"),
        })
        .collect()
}

/// The steps as printed, without sign and facet.
pub(crate) fn printed(plan: &FacetPlan) -> Vec<String> {
    plan.steps.iter().map(|step| step.to_string().chars().skip(14).collect()).collect()
}
