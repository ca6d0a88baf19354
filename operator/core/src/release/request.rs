//! The build to begin for a release.

use std::time::Duration;

use super::{Input, reason};
use crate::{condition::State, hosting::DeploymentRequest, store::Kind};

/// Why no build can be begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unready {
    pub(super) state: State,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl Unready {
    /// When to look again; a change of the Fork wakes its releases in any case.
    pub(super) fn recheck(&self) -> Option<Duration> {
        (self.state == State::Progressing).then_some(Duration::from_mins(1))
    }
}

pub(super) fn request(input: Input<'_>) -> Result<DeploymentRequest, Unready> {
    let spec = &input.release.spec;
    let Some(fork) = input.fork else {
        return Err(Unready {
            state: State::Stalled,
            reason: reason::FORK_NOT_FOUND,
            message: format!("there is no Fork {} in this namespace", spec.fork_ref.name),
        });
    };
    let custom = fork.spec.project.environments.iter().find(|custom| custom.name == spec.environment);
    if custom.is_none() && !matches!(spec.environment.as_str(), "Production" | "Preview") {
        return Err(Unready {
            state: State::Stalled,
            reason: reason::UNKNOWN_ENVIRONMENT,
            message: format!(
                "{} is neither Production or Preview nor a name in project.environments of the Fork {}",
                spec.environment, spec.fork_ref.name
            ),
        });
    }
    let status = fork.status.as_ref();
    let (Some(repository), Some(project)) =
        (status.and_then(|status| status.repository.as_ref()), status.and_then(|status| status.project.as_ref()))
    else {
        return Err(Unready {
            state: State::Progressing,
            reason: reason::FORK_NOT_READY,
            message: format!("waits for repository and project of the Fork {}", spec.fork_ref.name),
        });
    };
    let is_made = project.environments.iter().any(|made| made.name == spec.environment);
    let has_stand_in = custom.is_some() && !is_made && project.no_custom_environments == Some(fork.generation());
    let default = repository.default_branch.as_deref().unwrap_or("main");
    let pull_request = spec.pull_request.as_ref().map(|pull_request| pull_request.branch.as_str());
    let branch = spec.source.git_ref.as_deref().or(custom.map(|custom| custom.branch.as_str()));
    let branch = pull_request.or(branch).unwrap_or(default);
    Ok(DeploymentRequest {
        request: input.release.uid().into(),
        commit: spec.source.commit.clone(),
        branch: branch.into(),
        repository_id: repository.id,
        environment: if has_stand_in { "Preview".into() } else { spec.environment.clone() },
        force: input.is_again(),
        goes_live: true,
    })
}
