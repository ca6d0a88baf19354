//! The one GraphQL query that looks at many repositories and their templates.

use std::{collections::BTreeSet, fmt::Write as _};

use forkable_core::forge::RepositoryAsk;
use serde_json::{Map, Value, json};

/// Everything of a repository but blobs. Lists are short, because each list in a list costs points for every item
/// that it might have; repositories with more are asked for again with a larger `$some`.
pub(super) const REPOSITORY: &str = "\
fragment Repo on Repository { id databaseId nameWithOwner url description homepageUrl visibility isArchived \
hasIssuesEnabled hasWikiEnabled hasProjectsEnabled hasDiscussionsEnabled deleteBranchOnMerge createdAt \
hasVulnerabilityAlertsEnabled templateRepository { databaseId } parent { databaseId } ...Branch \
repositoryTopics(first: 20) { nodes { topic { name } } } \
rulesets(first: $some, includeParents: false) { pageInfo { hasNextPage } nodes { databaseId name enforcement target \
conditions { refName { include exclude } } rules(first: 30) { nodes { type parameters { __typename \
... on PullRequestParameters { requiredApprovingReviewCount dismissStaleReviewsOnPush requireCodeOwnerReview \
requireLastPushApproval requiredReviewThreadResolution } \
... on RequiredStatusChecksParameters { strictRequiredStatusChecksPolicy \
requiredStatusChecks { context integrationId } } } } } } } \
environments(first: $some) { pageInfo { hasNextPage } nodes { name protectionRules(first: 4) { nodes { type timeout \
preventSelfReview reviewers(first: 6) { nodes { __typename ... on User { login } ... on Team { slug } } } } } } } } ";

/// The open pull requests that were opened first, which are as many as a page may have.
const PULLS: &str = "fragment Pulls on Repository { pullRequests(first: 100, states: [OPEN], \
orderBy: { field: CREATED_AT, direction: ASC }) { pageInfo { hasNextPage } nodes { number isCrossRepository \
headRefName headRefOid headRef { target { ...Head } } } } } ";

const TEMPLATE: &str = "fragment Template on Repository { databaseId nameWithOwner isTemplate isPrivate ...Branch } ";

const BRANCH: &str = "fragment Branch on Repository { defaultBranchRef { name target { ...Head } } } ";

/// A commit as a [`forkable_core::forge::Head`].
pub(in crate::github) const HEAD: &str =
    "fragment Head on Commit { oid message tree { oid } author { name user { login } } } ";

/// What a document with the fragment `Repo` needs.
pub(in crate::github) fn fragments() -> String {
    format!("{REPOSITORY}{BRANCH}{HEAD}")
}

/// Name of the query.
pub(super) const NAME: &str = "ForkFleet";

/// Templates and paths that a query asks for, each once.
pub(super) struct Query<'a> {
    pub(super) document: String,
    pub(super) variables: Value,
    /// In the order of their aliases `t0`, `t1`, ….
    pub(super) templates: Vec<&'a (String, String)>,
    /// In the order of their aliases `b0`, `b1`, ….
    pub(super) paths: Vec<&'a str>,
}

/// Builds the query; the repository of the ask at `i` has the alias `r{i}`.
pub(super) fn build<'a>(asks: &[&'a RepositoryAsk], some: usize) -> Query<'a> {
    let templates: Vec<_> =
        asks.iter().filter_map(|ask| ask.template.as_ref()).collect::<BTreeSet<_>>().into_iter().collect();
    let paths: Vec<&str> =
        asks.iter().flat_map(|ask| &ask.paths).map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect();
    let mut variables = Map::from_iter([("some".to_owned(), json!(some))]);
    let (mut declared, mut selected) = ("$some: Int!".to_owned(), String::new());
    let mut declare = |name: String, kind: &str, value: &str| {
        let _ = write!(declared, ", ${name}: {kind}");
        variables.insert(name, value.into());
    };
    for (i, path) in paths.iter().enumerate() {
        declare(format!("p{i}"), "String!", &format!("HEAD:{path}"));
    }
    let blobs = |wanted: &dyn Fn(&str) -> bool| {
        let mut fields = String::new();
        for (i, _) in paths.iter().enumerate().filter(|(_, path)| wanted(path)) {
            let _ = write!(fields, " b{i}: object(expression: $p{i}) {{ ... on Blob {{ oid }} }}");
        }
        fields
    };
    for (i, ask) in asks.iter().enumerate() {
        let mut fields = blobs(&|path| ask.paths.iter().any(|asked| asked == path));
        if ask.pull_requests {
            fields.push_str(" ...Pulls");
        }
        if let Some(id) = &ask.node_id {
            declare(format!("i{i}"), "ID!", id);
            let _ = write!(selected, "r{i}: node(id: $i{i}) {{ ... on Repository {{ ...Repo{fields} }} }} ");
        } else {
            declare(format!("o{i}"), "String!", &ask.owner);
            declare(format!("n{i}"), "String!", &ask.name);
            let _ = write!(
                selected,
                "r{i}: repository(owner: $o{i}, name: $n{i}, followRenames: false) {{ ...Repo{fields} }} "
            );
        }
    }
    for (i, template) in templates.iter().enumerate() {
        let is_its = |ask: &&&RepositoryAsk| ask.template.as_ref() == Some(template);
        let asked: BTreeSet<_> = asks.iter().filter(is_its).flat_map(|ask| &ask.paths).map(String::as_str).collect();
        let blobs = blobs(&|path| asked.contains(path));
        declare(format!("to{i}"), "String!", &template.0);
        declare(format!("tn{i}"), "String!", &template.1);
        let _ = write!(
            selected,
            "t{i}: repository(owner: $to{i}, name: $tn{i}, followRenames: false) {{ ...Template{blobs} }} "
        );
    }
    let template = if templates.is_empty() { "" } else { TEMPLATE };
    let pulls = if asks.iter().any(|ask| ask.pull_requests) { PULLS } else { "" };
    let document = format!("query {NAME}({declared}) {{ {selected}}} {REPOSITORY}{pulls}{template}{BRANCH}{HEAD}");
    Query { document, variables: Value::Object(variables), templates, paths }
}
