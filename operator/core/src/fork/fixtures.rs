//! Values that tests begin with: the Fork `default/acme` of `forkable-ai/framework`, and a world in which it is done.

use std::collections::BTreeMap;

use forkable_crds::{
    Fork, ForkStatus,
    fork::{
        DeletionPolicy, EnvPolicy, OnEnvChange, Overwrite, PendingCreate, RepositoryStatus, TemplateMode, Visibility,
    },
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    Desired, Input, Observed, blob,
    desired::{Actions, ActionsValue, File, Project, Repository, Template},
};
use crate::{
    DigestKey, Secret,
    forge::{ForgeChange, Head, RepositoryFacts, TemplateFacts},
    hosting::ProjectSettings,
    plan::{Change, FacetPlan},
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
        },
        env: Vec::new(),
        env_policy: EnvPolicy::Merge,
        domains: Vec::new(),
        revision_history_limit: 10,
        on_env_change: OnEnvChange::Wait,
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
        blobs: BTreeMap::new(),
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
    Observed { template: Some(template_facts()), repository: Some(repository_facts()), ..Observed::default() }
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
