//! The credential preflight: which permissions are missing, and what of the manifest fails for it.

use std::collections::BTreeMap;

use forkable_core::{
    Facet, PortError,
    condition::{Report, State},
    forge::Permissions,
    plan::Outcome,
};
use forkable_crds::{
    Fork,
    fork::{DeletionPolicy, ManagementPolicy, Release},
};
use forkable_providers::github::permissions::{self, Feature, MissingPermission};

use super::report::{CREDENTIALS, is_about_credentials, remedied};

/// What the credentials are good for: an error that tells of them counts first, then what they lack for the manifest.
pub(super) fn report(fork: &Fork, granted: &Permissions, outcomes: &BTreeMap<Facet, Outcome>) -> Report {
    let report =
        |state, reason: &str, message: String| Report { condition: CREDENTIALS, state, reason: reason.into(), message };
    let about_credentials = outcomes.values().find_map(|outcome| match outcome {
        Outcome::Failed { error, .. } => Some(error).filter(|error| is_about_credentials(error)),
        _ => None,
    });
    let lacking = lacking(&permissions::missing(granted, &features(fork)));
    match (about_credentials, lacking, &granted.granted) {
        (Some(error @ PortError::Forbidden { .. }), Some(lacking), _) => {
            report(State::Stalled, error.reason(), format!("{lacking}; {}", remedied(error)))
        }
        (Some(error), ..) => report(State::Stalled, error.reason(), remedied(error)),
        (None, Some(lacking), _) => report(State::Stalled, "MissingPermission", lacking),
        (None, None, Some(_)) => report(State::Ready, "Sufficient", "they allow what the manifest asks for".into()),
        (None, None, None) => {
            let message = "they were accepted; GitHub does not tell what such a token may do before it is tried";
            report(State::Ready, "Accepted", message.into())
        }
    }
}

fn lacking(missing: &[MissingPermission]) -> Option<String> {
    let one = |MissingPermission { permission, features }: &MissingPermission| {
        let features: Vec<_> = features.iter().map(|feature| feature.name()).collect();
        format!("{permission} (for {})", features.join(", "))
    };
    let all: Vec<_> = missing.iter().map(one).collect();
    (!all.is_empty()).then(|| format!("the GitHub credentials lack {}", all.join(" and ")))
}

/// What a manifest asks of GitHub.
fn features(fork: &Fork) -> Vec<Feature> {
    let spec = &fork.spec;
    let repository = &spec.repository;
    if spec.management_policy == ManagementPolicy::ObserveOnly {
        return Vec::new();
    }
    let workflows = repository.files.iter().any(|file| file.path.starts_with(".github/workflows/"));
    let teams = repository.environments.iter().flat_map(|environment| &environment.reviewers);
    let teams = teams.filter(|reviewer| reviewer.team.is_some()).count() > 0;
    let gates = spec.release.gates.as_ref();
    let asked = [
        (Feature::Repository, true),
        // The mark of ownership is a file.
        (Feature::Files, true),
        (Feature::Workflows, workflows),
        (Feature::Protection, repository.protection.is_some()),
        (Feature::Environments, !repository.environments.is_empty()),
        (Feature::TeamReviewers, teams),
        (Feature::Secrets, !repository.secrets.is_empty()),
        (Feature::Variables, !repository.variables.is_empty()),
        (Feature::Security, repository.security.is_some()),
        (Feature::Checks, gates.is_some_and(|gates| !gates.checks.is_empty())),
        (Feature::Reviews, gates.is_some_and(|gates| gates.reviews.is_some() || gates.separation_of_duties)),
        (Feature::Previews, spec.release.previews.is_some()),
        (Feature::PreviewComments, spec.release.previews.as_ref().is_some_and(|previews| previews.comment)),
        (Feature::WorkflowRuns, runs_workflows(&spec.release)),
        (Feature::Reverts, spec.release.rollback.as_ref().is_some_and(|rollback| rollback.revert_pull_request)),
        (Feature::Deletion, spec.deletion_policy == DeletionPolicy::Delete),
    ];
    asked.into_iter().filter(|(_, asked)| *asked).map(|(feature, _)| feature).collect()
}

/// Whether releases ask for runs of workflows.
fn runs_workflows(release: &Release) -> bool {
    let judges = release.analysis.as_ref().is_some_and(|analysis| analysis.job.is_some());
    let approves = release.gates.as_ref().is_some_and(|gates| gates.approval_environment.is_some());
    release.migration.is_some() || judges || approves
}

#[cfg(test)]
mod tests {
    use forkable_core::error::Provider;
    use serde_json::json;

    use super::*;

    fn fork(policy: &str) -> Fork {
        serde_json::from_value(json!({
            "apiVersion": "forkable.dev/v1alpha1", "kind": "Fork", "metadata": { "name": "acme" },
            "spec": {
                "template": { "owner": "forkable-ai", "repo": "framework" },
                "repository": { "owner": "acme-inc", "name": "acme" },
                "project": { "name": "acme" },
                "deletionPolicy": policy,
            },
        }))
        .expect("a Fork")
    }

    #[test]
    fn what_is_missing_is_named_with_what_fails_for_it() {
        let granted =
            |scopes: &[&str]| Permissions { granted: Some(scopes.iter().map(|scope| (*scope).to_owned()).collect()) };
        let forbidden = PortError::Forbidden {
            provider: Provider::GitHub,
            message: "Resource not accessible".into(),
            missing: Some("contents=write".into()),
        };
        let failed = BTreeMap::from([(Facet::Content, Outcome::Failed { step: "commit".into(), error: forbidden })]);
        let none = BTreeMap::new();
        let cases = [
            ("all there", "Retain", granted(&["repo"]), &none, "Sufficient", "allow what the manifest asks for"),
            ("not told", "Retain", Permissions::default(), &none, "Accepted", "does not tell"),
            (
                "one missing",
                "Delete",
                granted(&["repo"]),
                &none,
                "MissingPermission",
                "delete_repo (for deletionPolicy: Delete)",
            ),
            (
                "narrow",
                "Retain",
                granted(&["public_repo"]),
                &none,
                "MissingPermission",
                "lack repo (for repository, files)",
            ),
            ("refused", "Retain", Permissions::default(), &failed, "MissingPermission", "contents=write"),
        ];
        for (why, policy, granted, outcomes, reason, message) in cases {
            let report = report(&fork(policy), &granted, outcomes);
            assert_eq!(report.reason, reason, "{why}");
            assert!(report.message.contains(message), "{why}: {}", report.message);
        }
    }
}
