//! What checks and people say of a commit.

use async_trait::async_trait;
use forkable_core::forge::{CheckFacts, CheckState, CommitAsk, CommitFacts, Pull, Review};
use serde_json::json;

use super::{
    Outcome,
    worlds::{Fake, Sandbox, World},
};

/// GitHub Actions, whose checks a person of the sandbox reports.
const ACTIONS: i64 = 15_368;
const CONCLUSIONS: [(&str, Option<&str>, CheckState); 4] = [
    ("build", Some("success"), CheckState::Passed),
    ("docs", Some("skipped"), CheckState::Passed),
    ("e2e", None, CheckState::Running),
    ("test", Some("timed_out"), CheckState::Failed),
];

/// People who say something.
#[async_trait]
pub(super) trait Said: World {
    /// The checks above, and the status `lint`, which failed.
    async fn report(&self, full_name: &str, commit: &str) -> Outcome;
    /// A pull request that octo-reviewer approves and octo-founder merges; answers the commit.
    async fn merge(&self, full_name: &str) -> Outcome<String>;
}

#[async_trait]
impl Said for Fake {
    async fn report(&self, full_name: &str, commit: &str) -> Outcome {
        let check = |(name, _, state): (&str, Option<&str>, CheckState)| CheckFacts {
            name: name.into(),
            app_id: Some(ACTIONS),
            state,
            url: Some(format!("https://ci.test/{name}")),
        };
        let lint = CheckFacts {
            name: "lint".into(),
            app_id: None,
            state: CheckState::Failed,
            url: Some("https://ci.test/lint".into()),
        };
        let checks = std::iter::once(lint).chain(CONCLUSIONS.map(check)).collect();
        let facts = CommitFacts { authors: vec!["octo-founder".into()], checks, pulls: Vec::new() };
        let mut world = self.0.world();
        world.named(full_name).ok_or("no such repository")?.said.insert(commit.into(), facts);
        Ok(())
    }

    async fn merge(&self, full_name: &str) -> Outcome<String> {
        self.write(full_name, "topic.md", "topic").await?;
        let mut world = self.0.world();
        let repository = world.named(full_name).ok_or("no such repository")?;
        let commit = repository.facts.head.clone().ok_or("no head")?.oid;
        let pull = Pull {
            number: 1,
            url: format!("https://github.com/{full_name}/pull/1"),
            author: "octo-founder".into(),
            reviews: vec![Review { reviewer: "octo-reviewer".into(), approves: true }],
        };
        let facts = CommitFacts { authors: vec!["octo-founder".into()], checks: Vec::new(), pulls: vec![pull] };
        repository.said.insert(commit.clone(), facts);
        Ok(commit)
    }
}

#[async_trait]
impl Said for Sandbox {
    async fn report(&self, full_name: &str, commit: &str) -> Outcome {
        for (name, conclusion, _) in CONCLUSIONS {
            let mut run = json!({ "name": name, "head_sha": commit, "details_url": format!("https://ci.test/{name}") });
            if let Some(conclusion) = conclusion {
                run["conclusion"] = conclusion.into();
            }
            self.person(&format!("POST /repos/{full_name}/check-runs"), run).await?;
        }
        let status = json!({ "context": "lint", "state": "failure", "target_url": "https://ci.test/lint" });
        self.person(&format!("POST /repos/{full_name}/statuses/{commit}"), status).await.map(drop)
    }

    async fn merge(&self, full_name: &str) -> Outcome<String> {
        self.branch(full_name, "topic").await?;
        let file = json!({ "message": "Change topic", "content": "dG9waWM=", "branch": "topic" });
        self.person(&format!("PUT /repos/{full_name}/contents/topic.md"), file).await?;
        let pulls = format!("/repos/{full_name}/pulls");
        let pull = json!({ "title": "Topic", "head": "topic", "base": "main" });
        self.person(&format!("POST {pulls}"), pull).await?;
        let token = json!({ "provider": "github", "token": "reviewer", "login": "octo-reviewer", "scopes": ["repo"] });
        self.admin("POST /_sandbox/tokens", token).await?;
        let own = self.person(&format!("POST {pulls}/1/reviews"), json!({ "event": "APPROVE" })).await;
        assert!(own.is_err_and(|error| error.to_string().contains("your own pull request")));
        for (event, body) in [("REQUEST_CHANGES", "Why?"), ("COMMENT", "I see."), ("APPROVE", "")] {
            let review = json!({ "event": event, "body": body });
            self.person_with("reviewer", &format!("POST {pulls}/1/reviews"), review).await?;
        }
        let merged = self.person(&format!("PUT {pulls}/1/merge"), json!({})).await?;
        Ok(merged["sha"].as_str().ok_or("no commit")?.into())
    }
}

pub(super) async fn checks_of_a_commit_stand_by_githubs_own_rule(world: &dyn Said) -> Outcome {
    let (target, facts) = world.repository("acme").await?;
    let commit = facts.head.ok_or("no head")?.oid;
    let ask = CommitAsk { commit: commit.clone(), checks: true, reviews: false };
    let fresh = world.forge().commit(&target, &ask).await?.ok_or("no commit")?;
    assert_eq!(fresh.checks, [], "nobody has said anything yet");
    world.report("acme-inc/acme", &commit).await?;
    let seen = world.forge().commit(&target, &ask).await?.ok_or("no commit")?;
    let found: Vec<_> = seen.checks.iter().map(|check| (check.name.as_str(), check.app_id, check.state)).collect();
    let runs = CONCLUSIONS.map(|(name, _, state)| (name, Some(ACTIONS), state));
    let expected: Vec<_> = std::iter::once(("lint", None, CheckState::Failed)).chain(runs).collect();
    assert_eq!(found, expected);
    assert_eq!(seen.checks[1].url.as_deref(), Some("https://ci.test/build"));
    assert!(seen.authors.iter().any(|author| author == "octo-founder"), "{:?}", seen.authors);
    let nothing = CommitAsk { checks: false, ..ask.clone() };
    assert_eq!(world.forge().commit(&target, &nothing).await?.ok_or("no commit")?.checks, []);
    let unknown = CommitAsk { commit: "0".repeat(40), ..ask };
    assert_eq!(world.forge().commit(&target, &unknown).await?, None);
    Ok(())
}

pub(super) async fn reviews_are_those_of_the_merged_pull_request(world: &dyn Said) -> Outcome {
    let (target, facts) = world.repository("acme").await?;
    let ask = |commit: String| CommitAsk { commit, checks: false, reviews: true };
    let first = world.forge().commit(&target, &ask(facts.head.ok_or("no head")?.oid)).await?.ok_or("no commit")?;
    assert_eq!(first.pulls, [], "it came in by itself");
    let merged = world.merge("acme-inc/acme").await?;
    let seen = world.forge().commit(&target, &ask(merged)).await?.ok_or("no commit")?;
    let [pull] = seen.pulls.as_slice() else { return Err(format!("one was expected: {:?}", seen.pulls).into()) };
    assert_eq!((pull.number, pull.author.as_str()), (1, "octo-founder"));
    assert_eq!(pull.reviews, [Review { reviewer: "octo-reviewer".into(), approves: true }], "the newest counts");
    Ok(())
}
