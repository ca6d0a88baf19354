//! What checks and people say of a commit: one GraphQL query, and another for each further 100 checks.

use std::collections::BTreeMap;

use forkable_core::{
    PortError,
    forge::{CheckFacts, CheckState, CommitAsk, CommitFacts, Pull, RepositoryTarget, Review},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{GitHub, client::GraphRequest, errors, name, observe};
use crate::transport::Priority;

/// A commit, its checks and the pull requests that have it. A check run tells of its newest attempt by when that began;
/// `writersOnly` leaves out opinions of those whose review GitHub itself would not count.
const DOCUMENT: &str = "\
query CommitGates($id: ID!, $oid: GitObjectID!, $checks: Boolean!, $reviews: Boolean!, $after: String) { \
node(id: $id) { ... on Repository { object(oid: $oid) { ... on Commit { oid author { name email user { login } } \
statusCheckRollup @include(if: $checks) { contexts(first: 100, after: $after) { pageInfo { hasNextPage endCursor } \
nodes { __typename ... on CheckRun { name status conclusion startedAt detailsUrl checkSuite { app { databaseId } } } \
... on StatusContext { context state targetUrl } } } } \
associatedPullRequests(first: 10) @include(if: $reviews) { nodes { number url merged author { login } \
latestOpinionatedReviews(first: 100, writersOnly: true) { nodes { state author { login } } } } } } } } } }";

/// Pages of checks that are read at most.
const PAGES: usize = 10;

impl GitHub {
    pub(super) async fn said(
        &self,
        target: &RepositoryTarget,
        ask: &CommitAsk,
    ) -> Result<Option<CommitFacts>, PortError> {
        let Some(id) = &target.node_id else {
            return Err(errors::stale(format!("the repository {} is not made yet", name(target))));
        };
        let mut facts = CommitFacts::default();
        let mut runs = BTreeMap::new();
        let mut after: Option<String> = None;
        for page in 0..PAGES {
            let Some(seen) = self.page(target, id, ask, after.as_deref()).await? else { return Ok(None) };
            if page == 0 {
                facts.authors = seen.author.names();
                facts.pulls = seen.pulls();
            }
            let Some(contexts) = seen.status_check_rollup.map(|rollup| rollup.contexts) else { break };
            for context in contexts.nodes.into_iter().flatten() {
                context.note(&mut facts.checks, &mut runs);
            }
            after = contexts.page_info.end_cursor.filter(|_| contexts.page_info.has_next_page);
            if after.is_none() {
                break;
            }
        }
        if after.is_some() {
            return Err(errors::rejected("TooMany", format!("commit {} has more than {PAGES}00 checks", ask.commit)));
        }
        facts.checks.extend(runs.into_values().map(|(_, check)| check));
        Ok(Some(facts))
    }

    async fn page(
        &self,
        target: &RepositoryTarget,
        id: &str,
        ask: &CommitAsk,
        after: Option<&str>,
    ) -> Result<Option<Seen>, PortError> {
        let CommitAsk { commit, checks, reviews } = ask;
        let request = GraphRequest {
            operation: "graphql query CommitGates",
            name: "CommitGates",
            document: DOCUMENT,
            variables: json!({
                "id": id, "oid": commit, "checks": checks, "reviews": *reviews && after.is_none(), "after": after,
            }),
            write: false,
            priority: Priority::Create,
        };
        let mut answer = self.client.graph(request).await?;
        // Half an answer could take a check or an objection for absent.
        if !answer.errors.is_empty() {
            return Err(errors::of_graph(&answer.errors, &name(target)));
        }
        match answer.data["node"]["object"].take() {
            Value::Null => Ok(None),
            found => observe::read(found).map(Some),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Seen {
    author: Author,
    status_check_rollup: Option<Rollup>,
    associated_pull_requests: Option<Nodes<SeenPull>>,
}

#[derive(Deserialize)]
struct Author {
    name: Option<String>,
    email: Option<String>,
    user: Option<Login>,
}

#[derive(Deserialize)]
struct Login {
    login: String,
}

#[derive(Deserialize)]
struct Nodes<T> {
    nodes: Vec<Option<T>>,
}

#[derive(Deserialize)]
struct Rollup {
    contexts: Contexts,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Contexts {
    page_info: PageInfo,
    nodes: Vec<Option<Context>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "__typename")]
enum Context {
    #[serde(rename_all = "camelCase")]
    CheckRun {
        name: String,
        status: String,
        conclusion: Option<String>,
        started_at: Option<jiff::Timestamp>,
        details_url: Option<String>,
        check_suite: Option<Suite>,
    },
    #[serde(rename = "StatusContext", rename_all = "camelCase")]
    Status { context: String, state: String, target_url: Option<String> },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Suite {
    app: Option<App>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct App {
    database_id: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SeenPull {
    number: i64,
    url: String,
    merged: bool,
    /// `None`: the account is gone.
    author: Option<Login>,
    latest_opinionated_reviews: Option<Nodes<SeenReview>>,
}

#[derive(Deserialize)]
struct SeenReview {
    state: String,
    author: Option<Login>,
}

impl Author {
    fn names(&self) -> Vec<String> {
        let login = self.user.as_ref().map(|user| user.login.clone());
        [login, self.email.clone(), self.name.clone()].into_iter().flatten().filter(|name| !name.is_empty()).collect()
    }
}

/// The newest run of each App and name: when it began, and how it stands. One that has not begun yet is the newest.
type Runs = BTreeMap<(Option<i64>, String), (jiff::Timestamp, CheckFacts)>;

impl Context {
    fn note(self, checks: &mut Vec<CheckFacts>, runs: &mut Runs) {
        match self {
            Self::CheckRun { name, status, conclusion, started_at, details_url, check_suite } => {
                let state = match (status.as_str(), conclusion.as_deref()) {
                    ("COMPLETED", Some("SUCCESS" | "NEUTRAL" | "SKIPPED")) => CheckState::Passed,
                    ("COMPLETED", _) => CheckState::Failed,
                    _ => CheckState::Running,
                };
                let app_id = check_suite.and_then(|suite| suite.app?.database_id);
                let began = started_at.unwrap_or(jiff::Timestamp::MAX);
                let run = (began, CheckFacts { name: name.clone(), app_id, state, url: details_url });
                let newest = runs.entry((app_id, name)).or_insert_with(|| run.clone());
                if run.0 > newest.0 {
                    *newest = run;
                }
            }
            Self::Status { context, state, target_url } => {
                let state = match state.as_str() {
                    "SUCCESS" => CheckState::Passed,
                    "FAILURE" | "ERROR" => CheckState::Failed,
                    _ => CheckState::Running,
                };
                checks.push(CheckFacts { name: context, app_id: None, state, url: target_url });
            }
            Self::Other => {}
        }
    }
}

impl Seen {
    fn pulls(&self) -> Vec<Pull> {
        let pulls = self.associated_pull_requests.iter().flat_map(|pulls| &pulls.nodes).flatten();
        pulls.filter(|pull| pull.merged).map(SeenPull::facts).collect()
    }
}

impl SeenPull {
    fn facts(&self) -> Pull {
        let login = |author: &Option<Login>| author.as_ref().map_or("ghost", |author| author.login.as_str()).to_owned();
        let review = |review: &SeenReview| {
            let approves = match review.state.as_str() {
                "APPROVED" => true,
                "CHANGES_REQUESTED" => false,
                _ => return None,
            };
            Some(Review { reviewer: login(&review.author), approves })
        };
        let reviews = self.latest_opinionated_reviews.iter().flat_map(|reviews| &reviews.nodes).flatten();
        Pull {
            number: self.number,
            url: self.url.clone(),
            author: login(&self.author),
            reviews: reviews.filter_map(review).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(contexts: Value) -> Vec<CheckFacts> {
        let contexts: Vec<Context> = serde_json::from_value(contexts).expect("contexts");
        let (mut checks, mut runs) = (Vec::new(), Runs::new());
        for context in contexts {
            context.note(&mut checks, &mut runs);
        }
        checks.into_iter().chain(runs.into_values().map(|(_, check)| check)).collect()
    }

    #[test]
    fn of_several_runs_of_a_check_the_newest_counts() {
        let run = |app: i64, began: Option<&str>, conclusion: Option<&str>| {
            json!({ "__typename": "CheckRun", "name": "build", "startedAt": began, "conclusion": conclusion,
                "status": if conclusion.is_some() { "COMPLETED" } else { "QUEUED" }, "detailsUrl": null,
                "checkSuite": { "app": { "databaseId": app } } })
        };
        let (first, second) = (Some("2026-01-01T10:00:00Z"), Some("2026-01-01T11:00:00Z"));
        let states =
            |contexts| noted(contexts).into_iter().map(|check| (check.app_id, check.state)).collect::<Vec<_>>();
        let actions = Some(15_368);
        let failed_first = json!([run(15_368, second, Some("SUCCESS")), run(15_368, first, Some("FAILURE"))]);
        assert_eq!(states(failed_first), [(actions, CheckState::Passed)]);
        let queued_again = json!([run(15_368, None, None), run(15_368, first, Some("SUCCESS"))]);
        assert_eq!(states(queued_again), [(actions, CheckState::Running)]);
        let two_apps = json!([run(1, first, Some("SUCCESS")), run(2, second, Some("CANCELLED"))]);
        assert_eq!(states(two_apps), [(Some(1), CheckState::Passed), (Some(2), CheckState::Failed)]);
        let others = json!([
            run(1, first, Some("NEUTRAL")), run(2, first, Some("SKIPPED")), run(3, first, Some("STALE")),
            { "__typename": "StatusContext", "context": "lint", "state": "EXPECTED", "targetUrl": null },
        ]);
        let others: Vec<_> = states(others).into_iter().map(|(_, state)| state).collect();
        let (passed, failed) = (CheckState::Passed, CheckState::Failed);
        assert_eq!(others, [CheckState::Running, passed, passed, failed]);
    }
}
