//! What a release is asked to be.

use forkable_crds::{
    DeploymentSpec, Fork,
    deployment::{Source, Strategy},
    fork::LocalRef,
};

/// A release of a commit that is live as soon as it is built.
pub fn immediate(fork: &str, commit: &str, environment: &str) -> DeploymentSpec {
    DeploymentSpec {
        fork_ref: LocalRef { name: fork.into() },
        source: Source { commit: Some(commit.into()), git_ref: None },
        environment: environment.into(),
        strategy: Strategy::default(),
        gates: None,
        migration: None,
        analysis: None,
        bake: None,
        rollback: None,
        supersede: None,
        env_revision: None,
        revision: None,
        pull_request: None,
    }
}

/// A release of a commit for production, as `spec.release` of the Fork says.
pub fn production(fork: &Fork, commit: &str) -> DeploymentSpec {
    let terms = fork.spec.release.clone();
    DeploymentSpec {
        strategy: terms.strategy,
        gates: terms.gates,
        migration: terms.migration,
        analysis: terms.analysis,
        bake: terms.bake,
        rollback: terms.rollback,
        supersede: terms.supersede,
        ..immediate(fork.metadata.name.as_deref().unwrap_or_default(), commit, "Production")
    }
}
