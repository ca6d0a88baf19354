//! Which permission each feature needs, in the words of classic tokens and of GitHub Apps and fine-grained tokens.
//!
//! <https://docs.github.com/en/rest/authentication/permissions-required-for-github-apps>,
//! <https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps>

use forkable_core::forge::Permissions;

/// What a manifest may ask of GitHub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// Making and setting the repository.
    Repository,
    /// Committing files.
    Files,
    /// Committing files below `.github/workflows`.
    Workflows,
    /// Rules of the default branch.
    Protection,
    /// Deployment environments and their secrets and variables.
    Environments,
    /// Teams that review deployments.
    TeamReviewers,
    /// Secrets of GitHub Actions.
    Secrets,
    /// Variables of GitHub Actions.
    Variables,
    /// Secret scanning, push protection, Dependabot.
    Security,
    /// `release.gates.checks`.
    Checks,
    /// `release.gates.reviews` and `separationOfDuties`.
    Reviews,
    /// Looking at pull requests.
    Previews,
    /// Commenting on them.
    PreviewComments,
    /// Runs of workflows for releases.
    WorkflowRuns,
    /// Pull requests that take commits back.
    Reverts,
    /// `deletionPolicy: Delete`.
    Deletion,
}

impl Feature {
    pub const ALL: [Self; 16] = [
        Self::Repository,
        Self::Files,
        Self::Workflows,
        Self::Protection,
        Self::Environments,
        Self::TeamReviewers,
        Self::Secrets,
        Self::Variables,
        Self::Security,
        Self::Checks,
        Self::Reviews,
        Self::Previews,
        Self::PreviewComments,
        Self::WorkflowRuns,
        Self::Reverts,
        Self::Deletion,
    ];

    /// Name for people, as the manifest has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Repository => "repository",
            Self::Files => "files",
            Self::Workflows => "files below .github/workflows",
            Self::Protection => "protection",
            Self::Environments => "environments",
            Self::TeamReviewers => "teams among reviewers",
            Self::Secrets => "secrets",
            Self::Variables => "variables",
            Self::Security => "security",
            Self::Checks => "release.gates.checks",
            Self::Reviews => "release.gates.reviews and separationOfDuties",
            Self::Previews => "release.previews",
            Self::PreviewComments => "release.previews.comment",
            Self::WorkflowRuns => "release.migration, analysis.job and gates.approvalEnvironment",
            Self::Reverts => "release.rollback.revertPullRequest",
            Self::Deletion => "deletionPolicy: Delete",
        }
    }

    /// Scope of a classic token.
    fn scope(self) -> &'static str {
        match self {
            Self::Workflows => "workflow",
            Self::Deletion => "delete_repo",
            Self::TeamReviewers => "read:org",
            Self::Repository
            | Self::Files
            | Self::Protection
            | Self::Environments
            | Self::Secrets
            | Self::Variables
            | Self::Security
            | Self::Checks
            | Self::Reviews
            | Self::Previews
            | Self::PreviewComments
            | Self::WorkflowRuns
            | Self::Reverts => "repo",
        }
    }

    /// Permissions of a GitHub App or a fine-grained token; all of them.
    fn permissions(self) -> &'static [(&'static str, Access)] {
        match self {
            Self::Repository => &[("administration", Access::Write), ("contents", Access::Read)],
            Self::Files => &[("contents", Access::Write)],
            Self::Workflows => &[("workflows", Access::Write)],
            Self::Protection | Self::Security | Self::Deletion => &[("administration", Access::Write)],
            Self::Environments => {
                &[("administration", Access::Write), ("environments", Access::Write), ("actions", Access::Read)]
            }
            Self::TeamReviewers => &[("members", Access::Read)],
            Self::Checks => &[("contents", Access::Read), ("checks", Access::Read), ("statuses", Access::Read)],
            Self::Reviews => &[("contents", Access::Read), ("pull_requests", Access::Read)],
            Self::Secrets => &[("secrets", Access::Write)],
            Self::Reverts => &[("pull_requests", Access::Write), ("contents", Access::Write)],
            Self::WorkflowRuns => &[("actions", Access::Write), ("contents", Access::Read)],
            Self::Variables => &[("variables", Access::Write)],
            Self::Previews => &[("pull_requests", Access::Read)],
            Self::PreviewComments => &[("pull_requests", Access::Write)],
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Access {
    Read,
    Write,
    Admin,
}

impl Access {
    fn read(word: &str) -> Option<Self> {
        match word {
            "read" => Some(Self::Read),
            "write" => Some(Self::Write),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

/// A permission that the credentials lack, and what fails for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingPermission {
    /// In the words of the credentials: a scope such as `workflow`, or a permission such as `contents:write`.
    pub permission: String,
    pub features: Vec<Feature>,
}

/// What is missing for features; nothing while it is not known what is granted. In the order of the features.
pub fn missing(permissions: &Permissions, features: &[Feature]) -> Vec<MissingPermission> {
    let Some(granted) = &permissions.granted else { return Vec::new() };
    let is_app = granted.iter().any(|granted| permission(granted).is_some());
    let mut all: Vec<MissingPermission> = Vec::new();
    for &feature in features {
        let lacking: Vec<String> = if is_app {
            let has = |(name, access): &&(&str, Access)| {
                granted.iter().filter_map(|granted| permission(granted)).any(|(n, a)| n == *name && a >= *access)
            };
            let lacking = feature.permissions().iter().filter(|needed| !has(needed));
            lacking.map(|(name, access)| format!("{name}:{}", access.word())).collect()
        } else if granted.iter().any(|granted| covers(granted, feature.scope())) {
            Vec::new()
        } else {
            vec![feature.scope().to_owned()]
        };
        for permission in lacking {
            match all.iter_mut().find(|missing| missing.permission == permission) {
                Some(missing) => missing.features.push(feature),
                None => all.push(MissingPermission { permission, features: vec![feature] }),
            }
        }
    }
    all
}

/// Whether a scope is another one or includes it.
fn covers(granted: &str, scope: &str) -> bool {
    granted == scope || (scope == "read:org" && ["write:org", "admin:org"].contains(&granted))
}

/// `contents:write`, apart. Scopes of classic tokens such as `admin:org` have the words the other way round.
fn permission(granted: &str) -> Option<(&str, Access)> {
    let (name, access) = granted.split_once(':')?;
    Some((name, Access::read(access)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(granted: &[&str]) -> Permissions {
        Permissions { granted: Some(granted.iter().map(|granted| (*granted).to_owned()).collect()) }
    }

    #[test]
    fn missing_permissions_are_named_once_in_the_credentials_own_words() {
        let classic = granted(&["repo", "read:org", "admin:org"]);
        let lacking = missing(&classic, &Feature::ALL);
        let names: Vec<_> = lacking.iter().map(|missing| missing.permission.as_str()).collect();
        assert_eq!(names, ["workflow", "delete_repo"], "a classic token");
        let app = granted(&["administration:write", "contents:read", "metadata:read", "secrets:write"]);
        let lacks_team = missing(&classic, &[Feature::TeamReviewers]);
        assert_eq!(lacks_team, [], "admin:org includes read:org");
        let lacking = missing(&app, &[Feature::Repository, Feature::Files, Feature::Secrets, Feature::Environments]);
        let lacks = |permission: &str, features: &[Feature]| MissingPermission {
            permission: permission.into(),
            features: features.into(),
        };
        assert_eq!(
            lacking,
            [
                lacks("contents:write", &[Feature::Files]),
                lacks("environments:write", &[Feature::Environments]),
                lacks("actions:read", &[Feature::Environments]),
            ],
            "an App"
        );
        let nothing = missing(&granted(&[]), &[Feature::Files, Feature::Secrets]);
        assert_eq!(nothing, [lacks("repo", &[Feature::Files, Feature::Secrets])], "a token without scopes");
        assert_eq!(missing(&Permissions::default(), &Feature::ALL), [], "a fine-grained token does not tell");
    }
}
