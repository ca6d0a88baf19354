//! GitHub's webhooks: what is sent, and to whom.

use serde_json::{Map, Value, json};

use super::repo::Repo;
use super::view;
use crate::requests::Provider;
use crate::sandbox::World;
use crate::tokens::Actor;
use crate::webhooks::Event;

/// Queues an event of a repository. `fields` is what the event has beside the repository and the sender.
pub(crate) fn emit(world: &mut World, repository: u64, name: &str, sender: &str, fields: Value) {
    let Some(repo) = world.github.repos.get(&repository).cloned() else { return };
    emit_of(world, &repo, name, sender, fields);
}

/// As [`emit`], of a repository that may be gone by now.
pub(crate) fn emit_of(world: &mut World, repo: &Repo, name: &str, sender: &str, fields: Value) {
    let state = &world.github;
    let mut payload = match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    let repository = view::repo_in_list(state, &world.base, repo, &Actor::Anonymous);
    payload.insert("repository".to_owned(), repository);
    payload.insert("sender".to_owned(), view::login(state, &world.base, sender));
    if state.account(&repo.owner).is_some_and(|owner| owner.kind == super::AccountKind::Organization) {
        payload.insert("organization".to_owned(), view::login(state, &world.base, &repo.owner));
    }
    if state.app.owners.contains(&repo.owner) {
        payload.insert("installation".to_owned(), json!({ "id": state.app.installation }));
    }
    let wants = |events: &[String]| events.iter().any(|event| event == name || event == "*");
    let hooks = repo.hooks.iter().filter(|hook| hook.active && wants(&hook.events));
    let receivers = hooks.map(|hook| hook.receiver.clone()).collect();
    let payload = payload.into();
    world.emit(Event { provider: Provider::Github, name: name.to_owned(), payload, receivers });
}
