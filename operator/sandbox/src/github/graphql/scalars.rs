//! GitHub's scalars, and its connections: pages of a list.

use async_graphql::{InputValueError, OutputType, Scalar, ScalarType, SimpleObject, Value};
use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::super::view::second;

macro_rules! text_scalar {
    ($(#[$doc:meta])* $name:ident, $graphql:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub(super) struct $name(pub(super) String);

        #[Scalar(name = $graphql)]
        impl ScalarType for $name {
            fn parse(value: Value) -> Result<Self, InputValueError<Self>> {
                match value {
                    Value::String(text) => Ok(Self(text)),
                    other => Err(InputValueError::expected_type(other)),
                }
            }

            fn to_value(&self) -> Value {
                Value::String(self.0.clone())
            }
        }
    };
}

text_scalar!(
    /// UTC, whole seconds.
    DateTime,
    "DateTime"
);
text_scalar!(
    /// With the zone of who signed.
    GitTimestamp,
    "GitTimestamp"
);
text_scalar!(
    /// An address.
    Uri,
    "URI"
);
text_scalar!(
    /// 40 hex digits.
    Oid,
    "GitObjectID"
);
text_scalar!(
    /// A number of any size, in digits.
    BigInt,
    "BigInt"
);
text_scalar!(
    /// Bytes.
    Base64String,
    "Base64String"
);

impl From<jiff::Timestamp> for DateTime {
    fn from(time: jiff::Timestamp) -> Self {
        Self(second(time))
    }
}

/// Where a page is in its list.
#[derive(SimpleObject)]
pub(super) struct PageInfo {
    end_cursor: Option<String>,
    has_next_page: bool,
    has_previous_page: bool,
    start_cursor: Option<String>,
}

/// A page of a list.
#[derive(SimpleObject)]
#[graphql(concrete(name = "RepositoryConnection", params(super::repository::Repository)))]
#[graphql(concrete(name = "RepositoryTopicConnection", params(super::repository::RepositoryTopic)))]
#[graphql(concrete(name = "RepositoryRulesetConnection", params(super::rules::RepositoryRuleset)))]
#[graphql(concrete(name = "RepositoryRuleConnection", params(super::rules::RepositoryRule)))]
#[graphql(concrete(
    name = "RepositoryRulesetBypassActorConnection",
    params(super::rules::RepositoryRulesetBypassActor)
))]
#[graphql(concrete(name = "EnvironmentConnection", params(super::environments::Environment)))]
#[graphql(concrete(
    name = "DeploymentProtectionRuleConnection",
    params(super::environments::DeploymentProtectionRule)
))]
#[graphql(concrete(name = "DeploymentReviewerConnection", params(super::environments::DeploymentReviewer)))]
#[graphql(concrete(name = "PullRequestConnection", params(super::pulls::PullRequest)))]
#[graphql(concrete(name = "IssueCommentConnection", params(super::pulls::IssueComment)))]
#[graphql(concrete(name = "RefConnection", params(super::objects::Ref)))]
#[graphql(concrete(name = "CommitHistoryConnection", params(super::objects::Commit)))]
#[graphql(concrete(name = "StatusCheckRollupContextConnection", params(super::objects::StatusCheckRollupContext)))]
pub(super) struct Connection<T: OutputType> {
    nodes: Vec<T>,
    page_info: PageInfo,
    total_count: usize,
}

/// A page of a commit's parents, which has a name of its own.
#[derive(SimpleObject)]
pub(super) struct CommitConnection {
    nodes: Vec<super::objects::Commit>,
    page_info: PageInfo,
    total_count: usize,
}

impl From<Connection<super::objects::Commit>> for CommitConnection {
    fn from(page: Connection<super::objects::Commit>) -> Self {
        Self { nodes: page.nodes, page_info: page.page_info, total_count: page.total_count }
    }
}

/// Which page of a list is asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Slice {
    pub(super) after: Option<String>,
    pub(super) before: Option<String>,
    pub(super) first: Option<usize>,
    pub(super) last: Option<usize>,
}

impl Slice {
    pub(super) fn new(after: Option<String>, before: Option<String>, first: Option<i32>, last: Option<i32>) -> Self {
        let size = |size: Option<i32>| size.and_then(|size| usize::try_from(size).ok());
        Self { after, before, first: size(first), last: size(last) }
    }

    /// The page of these items.
    pub(super) fn of<T: OutputType>(&self, items: impl IntoIterator<Item = T>) -> Connection<T> {
        let mut nodes: Vec<T> = items.into_iter().collect();
        let total = nodes.len();
        let start = self.after.as_deref().and_then(position).map_or(0, |at| at + 1).min(total);
        let end = self.before.as_deref().and_then(position).unwrap_or(total).clamp(start, total);
        let (start, end) = match (self.first, self.last) {
            (Some(first), _) => (start, end.min(start.saturating_add(first))),
            (None, Some(last)) => (start.max(end.saturating_sub(last)), end),
            (None, None) => (start, end),
        };
        nodes.truncate(end);
        nodes.drain(..start);
        let edge = |at: usize| (start < end).then(|| cursor(at));
        let page_info = PageInfo {
            end_cursor: edge(end.saturating_sub(1)),
            has_next_page: end < total,
            has_previous_page: start > 0,
            start_cursor: edge(start),
        };
        Connection { nodes, page_info, total_count: total }
    }
}

fn cursor(at: usize) -> String {
    BASE64_STANDARD.encode(format!("cursor:v2:{at}"))
}

fn position(cursor: &str) -> Option<usize> {
    let bytes = BASE64_STANDARD.decode(cursor).ok()?;
    std::str::from_utf8(&bytes).ok()?.strip_prefix("cursor:v2:")?.parse().ok()
}

/// An id that GraphQL shows as `Int`.
pub(super) fn int(id: u64) -> i32 {
    i32::try_from(id).unwrap_or(i32::MAX)
}
