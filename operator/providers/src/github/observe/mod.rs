//! Looking at repositories: one GraphQL query for up to 50 of them, and single REST calls for what only those tell.

mod deep;
pub(super) mod facts;
mod query;

use std::collections::{BTreeMap, BTreeSet};

use forkable_core::{
    PortError,
    forge::{PullRequests, RepositoryAsk, RepositoryView, TemplateFacts},
};
use serde_json::Value;

pub(super) use facts::read;
pub(super) use query::{HEAD, fragments};

use super::{
    client::{Client, GraphAnswer, GraphError, GraphRequest},
    errors,
};
use crate::transport::Priority;
use facts::SeenTemplate;

/// Repositories in one query.
const CHUNK: usize = 50;
/// Rulesets and environments that are asked for at first, and of repositories that have more.
const SOME: usize = 5;
const MANY: usize = 100;

/// Fields that may be null with an error of their own while the rest of the repository is seen: the plan lacks
/// rulesets, or the credentials may not see alerts or environments.
const OPTIONAL: [&str; 3] = ["rulesets", "hasVulnerabilityAlertsEnabled", "environments"];

/// Looks at repositories in the order of the asks.
pub(super) async fn look(client: &Client, asks: &[RepositoryAsk]) -> Result<Vec<RepositoryView>, PortError> {
    // One ask is of a fork that somebody waits for, many are a sweep.
    let priority = if asks.len() == 1 { Priority::Create } else { Priority::Drift };
    let mut views = Vec::with_capacity(asks.len());
    for chunk in asks.chunks(CHUNK) {
        let chunk: Vec<_> = chunk.iter().collect();
        let mut seen = visible(client, &chunk, SOME, priority).await?;
        let large: Vec<_> = (0..chunk.len()).filter(|i| seen[*i].1).collect();
        if !large.is_empty() {
            let asks: Vec<_> = large.iter().map(|i| chunk[*i]).collect();
            for (i, again) in large.into_iter().zip(visible(client, &asks, MANY, priority).await?) {
                seen[i] = again;
            }
        }
        for ((mut view, is_cut), ask) in seen.into_iter().zip(&chunk) {
            if is_cut {
                let what = format!("{}/{} has more than {MANY} rulesets or environments", ask.owner, ask.name);
                return Err(errors::rejected("TooMany", what));
            }
            if let Some(repository) = view.repository.as_mut().filter(|_| ask.deep) {
                repository.deep = Some(deep::look(client, repository, priority).await?.into());
            }
            views.push(view);
        }
    }
    Ok(views)
}

/// Views, and whether each repository has more rulesets or environments than were asked for.
type Seen = Vec<(RepositoryView, bool)>;

/// One query; a second one without the pull requests of those repositories where they may not be seen, which otherwise
/// cannot be told from repositories that are not there.
async fn visible(client: &Client, asks: &[&RepositoryAsk], some: usize, priority: Priority) -> Result<Seen, PortError> {
    let hidden = match fleet(client, asks, some, priority).await? {
        Ok(seen) => return Ok(seen),
        Err(hidden) => hidden,
    };
    let shown: Vec<_> = (0..asks.len())
        .map(|i| RepositoryAsk { pull_requests: asks[i].pull_requests && !hidden.contains(&i), ..asks[i].clone() })
        .collect();
    let shown: Vec<_> = shown.iter().collect();
    let again = fleet(client, &shown, some, priority).await?;
    let mut seen = again.map_err(|_| errors::unavailable("pull requests cannot be seen any more"))?;
    for i in hidden {
        if let Some(repository) = &mut seen[i].0.repository {
            repository.pull_requests = Some(PullRequests { is_hidden: true, ..PullRequests::default() });
        }
    }
    Ok(seen)
}

/// One query; which of the asks are about pull requests that may not be seen, if there are any.
async fn fleet(
    client: &Client,
    asks: &[&RepositoryAsk],
    some: usize,
    priority: Priority,
) -> Result<Result<Seen, BTreeSet<usize>>, PortError> {
    let query = query::build(asks, some);
    let request = GraphRequest {
        operation: "graphql query ForkFleet",
        name: query::NAME,
        document: &query.document,
        variables: query.variables.clone(),
        write: false,
        priority,
    };
    let mut answer = client.graph(request).await?;
    let hidden: BTreeSet<_> = answer.errors.iter().filter_map(hides_pull_requests).collect();
    if !hidden.is_empty() {
        return Ok(Err(hidden));
    }
    judge(&answer)?;
    let mut templates = BTreeMap::new();
    for (i, name) in query.templates.iter().enumerate() {
        if let Some(found) = take(&mut answer, &format!("t{i}"))? {
            let blobs = facts::blobs(&found, &query.paths);
            let seen: SeenTemplate = facts::read(found)?;
            templates.insert(*name, seen.facts(blobs));
        }
    }
    let mut views = Vec::with_capacity(asks.len());
    for (i, ask) in asks.iter().enumerate() {
        let template = ask.template.as_ref().and_then(|name| templates.get(name)).map(|template| only(template, ask));
        let (repository, is_cut) = match take(&mut answer, &format!("r{i}"))? {
            Some(found) => {
                let blobs = facts::blobs(&found, &query.paths);
                let seen: facts::Seen = facts::read(found)?;
                let is_cut = seen.is_cut();
                (Some(seen.facts(blobs)), is_cut)
            }
            None => (None, false),
        };
        views.push((RepositoryView { repository, template: template.map(Box::new) }, is_cut));
    }
    Ok(Ok(views))
}

/// The ask whose pull requests may not be seen. That list is never null, so that the whole repository is instead.
fn hides_pull_requests(error: &GraphError) -> Option<usize> {
    match (error.kind.as_deref(), error.path.as_slice()) {
        (Some("FORBIDDEN"), [alias, field, ..]) if field == "pullRequests" => {
            alias.as_str()?.strip_prefix('r')?.parse().ok()
        }
        _ => None,
    }
}

/// Without the blobs that other forks of the template asked for.
fn only(template: &TemplateFacts, ask: &RepositoryAsk) -> TemplateFacts {
    let mut template = template.clone();
    template.blobs.retain(|path, _| ask.paths.contains(path));
    template
}

/// Refuses an answer with any error but those that say "not there" or that leave out an optional field.
fn judge(answer: &GraphAnswer) -> Result<(), PortError> {
    let is_fine = |error: &GraphError| match (error.kind.as_deref(), error.path.as_slice()) {
        (Some("NOT_FOUND"), [_]) => true,
        (Some("FORBIDDEN"), [_, field, ..]) => field.as_str().is_some_and(|field| OPTIONAL.contains(&field)),
        _ => false,
    };
    match answer.errors.iter().position(|error| !is_fine(error)) {
        None if answer.data.is_object() => Ok(()),
        at => Err(errors::of_graph(&answer.errors[at.unwrap_or(answer.errors.len())..], "a repository")),
    }
}

/// What is under an alias: `None` only when GitHub said that it does not find it.
fn take(answer: &mut GraphAnswer, alias: &str) -> Result<Option<Value>, PortError> {
    match answer.data.get_mut(alias).map(Value::take) {
        Some(Value::Null) | None => {
            let is_it = |error: &GraphError| error.path.first().is_some_and(|first| first == alias);
            if answer.errors.iter().any(is_it) {
                return Ok(None);
            }
            Err(errors::unavailable("its answer says neither what is there nor that nothing is"))
        }
        // The id is of something else, such as a user.
        Some(Value::Object(found)) if found.is_empty() => Ok(None),
        found => Ok(found),
    }
}
