//! Looks at what one Fork needs to know now, by single calls, and at nothing else.

use forkable_core::{PortError, hosting::ProjectTarget};
use futures::{StreamExt, TryStreamExt, future, stream};

use super::view::View;
use crate::{accounts::Account, clock::Clock};

/// Makes a view fresh. What was seen before an error is kept.
pub(crate) async fn refresh(account: &Account, view: &mut View, clock: &Clock) -> Result<(), PortError> {
    let now = clock.now();
    let Some(ask) = view.ask.clone() else { return Ok(()) };
    let repository = async {
        if !view.repository_is_due(now) {
            return Ok(None);
        }
        account.forge.observe(std::slice::from_ref(&ask.repository)).await.map(|mut seen| seen.pop())
    };
    let project = async {
        if !view.project_is_due(now) {
            return Ok(None);
        }
        account.hosting.observe(std::slice::from_ref(&ask.project)).await.map(|mut seen| seen.pop())
    };
    let (repository, project) = future::join(repository, project).await;
    let project = project.map(|seen| seen.map(|project| view.saw_project(project)));
    if let Some(repository) = repository? {
        view.saw_repository(repository);
    }
    project?;
    domains(account, view, clock).await
}

async fn domains(account: &Account, view: &mut View, clock: &Clock) -> Result<(), PortError> {
    let Some(target) = view.project_target().filter(|_| view.has_domains()) else { return Ok(()) };
    if view.domains_are_unknown() {
        let asked = view.ask.as_ref().map(|ask| ask.domains.clone()).unwrap_or_default();
        let known = view.observed.project.as_ref().and_then(|project| project.domains.as_ref());
        let configured = |name: &String| {
            let mut known = known.into_iter().flatten();
            let facts = known.find(|known| known.name == *name);
            facts.and_then(|facts| facts.configuration.as_ref()).is_some_and(|known| known.configured)
        };
        let unknown: Vec<_> = asked.into_iter().filter(|name| !configured(name)).collect();
        let domains = account.hosting.domains(&target, &unknown).await?;
        view.saw_domains(domains, clock.now());
        return Ok(());
    }
    let names = view.unconfigured(clock.now());
    if names.is_empty() {
        view.domains_rest(clock.now());
        return Ok(());
    }
    let looked = stream::iter(names)
        .map(|name| configuration(account, &target, name))
        .buffer_unordered(4)
        .try_collect::<Vec<_>>()
        .await?;
    for (name, configuration) in looked {
        view.saw_configuration(&name, configuration);
    }
    view.domains.seen();
    Ok(())
}

async fn configuration(
    account: &Account,
    target: &ProjectTarget,
    name: String,
) -> Result<(String, forkable_core::hosting::DomainConfiguration), PortError> {
    let configuration = account.hosting.domain_configuration(target, &name).await?;
    Ok((name, configuration))
}
