//! Git objects and refs as GraphQL shows them, and what checks say about a commit.

use std::sync::Arc;

use async_graphql::{ComplexObject, Context, Enum, ID, Interface, SimpleObject, Union};

use super::super::repo::{CheckRun as StoredCheck, Repo, Status};
use super::super::{git, node_id};
use super::pulls::{self, PullRequest};
use super::query::{App, User};
use super::scalars::{CommitConnection, Connection, DateTime, GitTimestamp, Oid, Slice, Uri};
use super::{Gql, gql};

/// Anything in a repository's object store.
#[derive(Interface)]
#[graphql(
    field(name = "id", ty = "&ID"),
    field(name = "oid", ty = "&Oid"),
    field(name = "abbreviated_oid", ty = "&String"),
    field(name = "commit_url", ty = "&Uri")
)]
pub(super) enum GitObject {
    Blob(Blob),
    Tree(Tree),
    Commit(Box<Commit>),
}

/// The object of that name, if the repository has it.
pub(super) fn object(gql: &Gql, repo: &Arc<Repo>, oid: &str) -> Option<GitObject> {
    if !repo.objects.contains(oid) {
        return None;
    }
    let found = gql.read(|world| world.github.objects.get(oid).cloned())?;
    let id = ID(format!("{}{oid}", node_id("GO", repo.id)));
    let abbreviated_oid = oid[..7].to_owned();
    let commit_url = Uri(format!("https://github.com/{}/commit/{oid}", repo.full_name()));
    let oid = Oid(oid.to_owned());
    Some(match found {
        git::Object::Blob(bytes) => {
            let text = String::from_utf8(bytes).map_err(std::string::FromUtf8Error::into_bytes);
            let byte_size = text.as_ref().map_or_else(Vec::len, String::len);
            let is_binary = Some(text.as_ref().map_or(true, |text| text.contains('\0')));
            let text = text.ok().filter(|_| is_binary == Some(false));
            GitObject::Blob(Blob {
                id,
                oid,
                abbreviated_oid,
                commit_url,
                byte_size,
                is_binary,
                is_truncated: false,
                text,
            })
        }
        git::Object::Tree(entries) => {
            let repo = Arc::clone(repo);
            GitObject::Tree(Tree { id, oid, abbreviated_oid, commit_url, repo, lines: entries })
        }
        git::Object::Commit(_) => GitObject::Commit(Box::new(commit(gql, repo, &oid.0)?)),
    })
}

/// A file's content.
#[derive(SimpleObject)]
pub(super) struct Blob {
    id: ID,
    oid: Oid,
    abbreviated_oid: String,
    commit_url: Uri,
    byte_size: usize,
    is_binary: Option<bool>,
    is_truncated: bool,
    text: Option<String>,
}

/// A folder.
#[derive(SimpleObject)]
#[graphql(complex)]
pub(super) struct Tree {
    id: ID,
    oid: Oid,
    abbreviated_oid: String,
    commit_url: Uri,
    #[graphql(skip)]
    repo: Arc<Repo>,
    #[graphql(skip)]
    lines: Vec<git::Entry>,
}

#[ComplexObject]
impl Tree {
    async fn entries(&self) -> Vec<TreeEntry> {
        let entry = |line: &git::Entry| TreeEntry {
            // GraphQL shows the octal mode as a number.
            mode: i32::from_str_radix(&line.mode, 8).unwrap_or(0),
            name: line.name.clone(),
            oid: Oid(line.sha.clone()),
            kind: if line.is_tree() { "tree".to_owned() } else { "blob".to_owned() },
            path: line.name.clone(),
            repo: Arc::clone(&self.repo),
        };
        self.lines.iter().map(entry).collect()
    }
}

/// A line of a folder.
#[derive(SimpleObject)]
#[graphql(complex)]
pub(super) struct TreeEntry {
    mode: i32,
    name: String,
    oid: Oid,
    #[graphql(name = "type")]
    kind: String,
    path: String,
    #[graphql(skip)]
    repo: Arc<Repo>,
}

#[ComplexObject]
impl TreeEntry {
    async fn object(&self, ctx: &Context<'_>) -> Option<GitObject> {
        object(gql(ctx), &self.repo, &self.oid.0)
    }

    async fn size(&self, ctx: &Context<'_>) -> usize {
        gql(ctx).read(|world| world.github.objects.blob(&self.oid.0).map_or(0, <[u8]>::len))
    }
}

/// Who signed a commit.
#[derive(SimpleObject)]
#[graphql(complex)]
pub(super) struct GitActor {
    name: String,
    email: String,
    date: GitTimestamp,
}

#[ComplexObject]
impl GitActor {
    async fn user(&self, ctx: &Context<'_>) -> Option<User> {
        gql(ctx).read(|world| {
            let login = world.github.login_of(&self.email)?;
            world.github.account(login).map(User::of)
        })
    }
}

/// A commit.
#[expect(clippy::struct_field_names, reason = "the field's name is GitHub's")]
#[derive(SimpleObject)]
#[graphql(complex)]
pub(super) struct Commit {
    pub(super) id: ID,
    pub(super) oid: Oid,
    abbreviated_oid: String,
    commit_url: Uri,
    url: Uri,
    message: String,
    message_headline: String,
    message_body: String,
    committed_date: DateTime,
    authored_date: DateTime,
    author: GitActor,
    committer: GitActor,
    #[graphql(skip)]
    repo: Arc<Repo>,
    #[graphql(skip)]
    data: git::Commit,
}

/// A commit of a repository.
pub(super) fn commit(gql: &Gql, repo: &Arc<Repo>, oid: &str) -> Option<Commit> {
    let data = gql.read(|world| world.github.objects.commit(oid).cloned())?;
    let (headline, body) = data.message.split_once("\n\n").unwrap_or((&data.message, ""));
    let url = Uri(format!("https://github.com/{}/commit/{oid}", repo.full_name()));
    let actor = |who: &git::Signature| GitActor {
        name: who.name.clone(),
        email: who.email.clone(),
        date: GitTimestamp(super::super::view::second(who.date)),
    };
    Some(Commit {
        id: ID(format!("{}{oid}", node_id("C", repo.id))),
        oid: Oid(oid.to_owned()),
        abbreviated_oid: oid[..7].to_owned(),
        commit_url: url.clone(),
        url,
        message: data.message.clone(),
        message_headline: headline.to_owned(),
        message_body: body.to_owned(),
        committed_date: data.committer.date.into(),
        authored_date: data.author.date.into(),
        author: actor(&data.author),
        committer: actor(&data.committer),
        repo: Arc::clone(repo),
        data,
    })
}

#[ComplexObject]
impl Commit {
    async fn tree(&self, ctx: &Context<'_>) -> Option<Tree> {
        match object(gql(ctx), &self.repo, &self.data.tree)? {
            GitObject::Tree(tree) => Some(tree),
            GitObject::Blob(_) | GitObject::Commit(_) => None,
        }
    }

    async fn parents(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
    ) -> CommitConnection {
        let parents = self.data.parents.iter().filter_map(|oid| commit(gql(ctx), &self.repo, oid));
        Slice::new(after, before, first, last).of(parents).into()
    }

    async fn history(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
    ) -> Connection<Commit> {
        let history = gql(ctx).read(|world| world.github.objects.history(&self.oid.0));
        Slice::new(after, before, first, last).of(history.iter().filter_map(|oid| commit(gql(ctx), &self.repo, oid)))
    }

    #[allow(clippy::unused_async, reason = "ComplexObject awaits every answer that may fail")]
    async fn associated_pull_requests(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
    ) -> async_graphql::Result<Option<Connection<PullRequest>>> {
        let wanted = pulls::Wanted { states: None, head: None, base: None, order: None };
        let all = pulls::all(ctx, &self.repo, &wanted)?;
        let its = all.into_iter().filter(|pull| pull.has(&self.oid.0, &self.data.parents));
        Ok(Some(Slice::new(after, before, first, last).of(its)))
    }

    async fn status_check_rollup(&self) -> Option<StatusCheckRollup> {
        let checks = self.repo.checks.get(&self.oid.0).cloned().unwrap_or_default();
        let statuses = self.repo.statuses.get(&self.oid.0).cloned().unwrap_or_default();
        if checks.is_empty() && statuses.is_empty() {
            return None;
        }
        let state = rollup(&checks, &statuses);
        let id = ID(format!("SCR_{}", self.oid.0));
        Some(StatusCheckRollup { id, state, checks, statuses })
    }
}

/// What all checks and statuses of a commit come to.
fn rollup(checks: &[StoredCheck], statuses: &[Status]) -> StatusState {
    let check = |check: &StoredCheck| match check.conclusion.as_deref() {
        None => StatusState::Pending,
        Some("success" | "neutral" | "skipped") => StatusState::Success,
        Some(_) => StatusState::Failure,
    };
    let all: Vec<_> = checks.iter().map(check).chain(statuses.iter().map(|status| state_of(&status.state))).collect();
    let worst = [StatusState::Error, StatusState::Failure, StatusState::Pending, StatusState::Expected];
    worst.into_iter().find(|state| all.contains(state)).unwrap_or(StatusState::Success)
}

fn state_of(state: &str) -> StatusState {
    match state {
        "success" => StatusState::Success,
        "failure" => StatusState::Failure,
        "error" => StatusState::Error,
        _ => StatusState::Pending,
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum StatusState {
    Error,
    Expected,
    Failure,
    Pending,
    Success,
}

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum CheckStatusState {
    Completed,
    InProgress,
    Pending,
    Queued,
    Requested,
    Waiting,
}

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum CheckConclusionState {
    ActionRequired,
    Cancelled,
    Failure,
    Neutral,
    Skipped,
    Stale,
    StartupFailure,
    Success,
    TimedOut,
}

/// What checks and statuses say about a commit.
#[derive(SimpleObject)]
#[graphql(complex)]
pub(super) struct StatusCheckRollup {
    id: ID,
    state: StatusState,
    #[graphql(skip)]
    checks: Vec<StoredCheck>,
    #[graphql(skip)]
    statuses: Vec<Status>,
}

#[ComplexObject]
impl StatusCheckRollup {
    async fn contexts(
        &self,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
    ) -> Connection<StatusCheckRollupContext> {
        let checks = self.checks.iter().map(|check| StatusCheckRollupContext::CheckRun(CheckRun::of(check)));
        let statuses =
            self.statuses.iter().map(|status| StatusCheckRollupContext::StatusContext(StatusContext::of(status)));
        Slice::new(after, before, first, last).of(checks.chain(statuses))
    }
}

/// One check or status.
#[derive(Union)]
pub(super) enum StatusCheckRollupContext {
    CheckRun(CheckRun),
    StatusContext(StatusContext),
}

/// What an App says about a commit.
#[derive(SimpleObject)]
pub(super) struct CheckRun {
    id: ID,
    database_id: i32,
    name: String,
    status: CheckStatusState,
    conclusion: Option<CheckConclusionState>,
    started_at: Option<DateTime>,
    details_url: Option<Uri>,
    check_suite: CheckSuite,
}

impl CheckRun {
    fn of(check: &StoredCheck) -> Self {
        let status = match check.status.as_str() {
            "completed" => CheckStatusState::Completed,
            "in_progress" => CheckStatusState::InProgress,
            _ => CheckStatusState::Queued,
        };
        let conclusion = check.conclusion.as_deref().map(|conclusion| match conclusion {
            "success" => CheckConclusionState::Success,
            "neutral" => CheckConclusionState::Neutral,
            "skipped" => CheckConclusionState::Skipped,
            "cancelled" => CheckConclusionState::Cancelled,
            "timed_out" => CheckConclusionState::TimedOut,
            "action_required" => CheckConclusionState::ActionRequired,
            _ => CheckConclusionState::Failure,
        });
        Self {
            id: ID(node_id("CR", check.id)),
            database_id: super::scalars::int(check.id),
            name: check.name.clone(),
            status,
            conclusion,
            started_at: (check.status != "queued").then(|| check.created_at.into()),
            details_url: check.details_url.clone().map(Uri),
            check_suite: CheckSuite { id: ID(node_id("CS", check.id)), status, conclusion, app: App::of(check.app_id) },
        }
    }
}

/// The checks of one App on a commit.
#[derive(SimpleObject)]
pub(super) struct CheckSuite {
    id: ID,
    status: CheckStatusState,
    conclusion: Option<CheckConclusionState>,
    app: Option<App>,
}

/// A commit status.
#[derive(SimpleObject)]
pub(super) struct StatusContext {
    id: ID,
    context: String,
    state: StatusState,
    description: Option<String>,
    target_url: Option<Uri>,
    created_at: DateTime,
}

impl StatusContext {
    fn of(status: &Status) -> Self {
        Self {
            id: ID(node_id("SC", status.id)),
            context: status.context.clone(),
            state: state_of(&status.state),
            description: status.description.clone(),
            target_url: status.target_url.clone().map(Uri),
            created_at: status.created_at.into(),
        }
    }
}

/// A branch.
#[derive(SimpleObject)]
#[graphql(complex)]
pub(super) struct Ref {
    id: ID,
    name: String,
    prefix: String,
    #[graphql(skip)]
    repo: Arc<Repo>,
    #[graphql(skip)]
    sha: String,
}

impl Ref {
    /// The branch of that name.
    pub(super) fn of(repo: &Arc<Repo>, branch: &str) -> Option<Self> {
        let sha = repo.branches.get(branch)?.clone();
        let id = ID(format!("{}:refs/heads/{branch}", node_id("REF", repo.id)));
        Some(Self { id, name: branch.to_owned(), prefix: "refs/heads/".to_owned(), repo: Arc::clone(repo), sha })
    }
}

#[ComplexObject]
impl Ref {
    async fn target(&self, ctx: &Context<'_>) -> Option<GitObject> {
        object(gql(ctx), &self.repo, &self.sha)
    }
}
