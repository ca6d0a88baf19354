//! When a view is looked at again, and when it is not.

use std::{sync::Arc, time::Duration};

use forkable_core::{
    DigestKey, Facet, Secret,
    fakes::{forge::FakeForge, hosting::FakeHosting, sites::FakeSites},
    forge::{Head, RepositoryFacts, RepositoryView},
    hosting::{DomainConfiguration, DomainFacts, ProjectFacts},
    store::{Kind, ObjectRef},
};
use forkable_crds::Fork;
use jiff::Timestamp;
use serde_json::json;

use super::{Ask, Cache, Hint, View, refresh};
use crate::{
    accounts::{Accounts, Clients, Connect, Credentials, GitHubCredentials},
    clock::{Clock, after},
};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn fork() -> Fork {
    serde_json::from_value(json!({
        "apiVersion": "forkable.dev/v1alpha1", "kind": "Fork", "metadata": { "name": "acme" },
        "spec": {
            "template": { "owner": "forkable-ai", "repo": "framework" },
            "repository": { "owner": "acme-inc", "name": "acme" },
            "project": { "name": "acme" },
            "domains": [{ "name": "acme.example.com" }],
        },
    }))
    .expect("a Fork")
}

fn repository(commit: &str) -> RepositoryView {
    let head = Some(Head { oid: commit.into(), ..Head::default() });
    RepositoryView { repository: Some(RepositoryFacts { id: 1, head, ..RepositoryFacts::default() }), template: None }
}

fn domain(configured: Option<bool>) -> DomainFacts {
    let configuration = configured.map(|configured| DomainConfiguration { configured, records: Vec::new() });
    DomainFacts { name: "acme.example.com".into(), verified: true, configuration, ..DomainFacts::default() }
}

/// All of it was seen just now.
fn fresh() -> View {
    let mut view = View::default();
    view.asks(Ask::of("key", &fork()));
    view.saw_repository(repository("a"));
    view.saw_project(Some(ProjectFacts { id: "prj".into(), ..ProjectFacts::default() }));
    view.saw_domains(vec![domain(Some(true))], NOW);
    view
}

fn due(view: &View, now: Timestamp) -> (bool, bool, bool) {
    (view.repository_is_due(now), view.project_is_due(now), view.domains_are_unknown())
}

const NOTHING: (bool, bool, bool) = (false, false, false);

#[test]
fn what_was_seen_is_not_looked_at_again() {
    let mut view = fresh();
    assert_eq!(due(&view, after(NOW, Duration::from_hours(1))), NOTHING);
    assert!(view.unconfigured(NOW).is_empty());
    view.asks(Ask::of("key", &fork()));
    assert_eq!(due(&view, NOW), NOTHING, "the same ask again");
}

#[test]
fn another_ask_is_another_look() {
    let mut renamed = fork();
    renamed.spec.repository.name = "other".into();
    let mut view = fresh();
    view.asks(Ask::of("key", &renamed));
    assert_eq!(due(&view, NOW), (true, false, false));
    let mut view = fresh();
    view.asks(Ask::of("another account", &fork()));
    assert_eq!(due(&view, NOW), (true, true, true));
}

#[test]
fn a_push_that_is_known_is_no_news() {
    let mut view = fresh();
    view.hint(&Hint::Pushed("a".into()), NOW);
    assert_eq!(due(&view, NOW), NOTHING, "it is the head already");
    view.hint(&Hint::Pushed("b".into()), NOW);
    assert_eq!(due(&view, NOW), (true, false, false));
}

#[test]
fn an_echo_of_our_own_write_is_no_news() {
    let mut view = fresh();
    view.wrote(Facet::Env, NOW);
    view.hint(&Hint::Project, after(NOW, Duration::from_secs(1)));
    assert_eq!(due(&view, NOW), NOTHING);
    view.hint(&Hint::Repository, NOW);
    assert_eq!(due(&view, NOW), (true, false, false), "nothing was written there");
    view.hint(&Hint::Project, after(NOW, Duration::from_mins(1)));
    assert_eq!(due(&view, NOW), (true, true, false));
}

#[test]
fn what_waits_is_looked_at_when_its_time_has_come_and_nothing_else() {
    let mut view = fresh();
    view.saw_domains(vec![domain(Some(false))], NOW);
    view.look_again(Facet::Domains, Duration::from_secs(5), NOW);
    view.look_again(Facet::Domains, Duration::from_secs(9), NOW);
    let then = after(NOW, Duration::from_secs(5));
    assert_eq!(view.due(), Some(then), "the sooner wish counts");
    assert!(view.unconfigured(NOW).is_empty());
    assert_eq!(view.unconfigured(then), ["acme.example.com"]);
    assert_eq!(due(&view, then), NOTHING, "only its DNS is looked at");
}

struct Fakes;

impl Connect for Fakes {
    fn connect(&self, _: &Credentials) -> Result<Clients, String> {
        Ok((Arc::new(FakeForge::default()), Arc::new(FakeHosting::default()), Arc::new(FakeSites::default())))
    }
}

#[tokio::test]
async fn a_time_that_has_come_and_finds_nothing_to_do_is_over() {
    let github = GitHubCredentials::Token(Secret::new("unused"));
    let own = Credentials { github, vercel: Secret::new("unused"), team: None };
    let accounts = Accounts::new(Box::new(Fakes), own, DigestKey::new(Secret::new("key")));
    let account = accounts.own().expect("an account");
    let mut view = fresh();
    view.look_again(Facet::Domains, Duration::from_secs(5), NOW);
    refresh(&account, &mut view, &Clock::default()).await.expect("nothing is asked for");
    assert_eq!(view.due(), None, "it would wake the Fork at once, for ever");
}

#[test]
fn a_list_that_does_not_tell_of_domains_takes_none_away() {
    let mut view = fresh();
    let changed = view.saw_project(Some(ProjectFacts { id: "prj".into(), ..ProjectFacts::default() }));
    assert!(!changed, "nothing is new");
    assert_eq!(view.observed.project.as_ref().and_then(|project| project.domains.as_ref()).map(Vec::len), Some(1));
    let changed = view.saw_domains(vec![domain(None)], NOW);
    assert!(!changed, "what is known of its DNS is kept");
    assert!(view.saw_domains(Vec::new(), NOW), "it was taken away");
}

#[test]
fn a_sweep_never_overwrites_what_a_pass_has_learnt() {
    let cache = Cache::default();
    let object: ObjectRef = fork().reference();
    cache.take(&object);
    cache.put(&object, fresh(), NOW);
    let began = cache.resting().pop().expect("it rests");
    let view = cache.take(&object);
    assert!(cache.resting().is_empty(), "a pass has it");
    assert!(!cache.install(&object, began.since, |view| view.saw_repository(repository("b"))));
    cache.hint(&object, Hint::Pushed("c".into()), NOW);
    cache.put(&object, view, NOW);
    assert!(!cache.install(&object, began.since, |view| view.saw_repository(repository("b"))), "it is older");
    let view = cache.take(&object);
    assert!(view.repository_is_due(NOW), "the hint that came meanwhile is not lost");
    cache.put(&object, view, NOW);
    let now = cache.resting().pop().expect("it rests");
    assert!(cache.install(&object, now.since, |view| view.saw_repository(repository("b"))));
}
