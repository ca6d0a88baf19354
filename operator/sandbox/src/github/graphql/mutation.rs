//! The mutations: one commit for many files, and repositories from templates.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;

use super::super::access::{self, Need};
use super::super::create::{Generated, from_template};
use super::super::git::{self, Files, Sha};
use super::super::git_data::{check_path, move_branch};
use super::super::repo::{Repo, Visibility};
use super::super::repos;
use super::super::rest::Ctx;
use super::super::view::account_node_id;
use super::super::{Refusal, id_of_node};
use super::objects::{Commit, Ref, commit};
use super::repository::{self, Repository, RepositoryVisibility};
use super::scalars::{Base64String, Oid, Uri};
use super::{Gql, add_error, gql, write};
use crate::sandbox::World;

/// The root of mutations.
pub(super) struct Mutation;

#[derive(InputObject)]
struct CreateCommitOnBranchInput {
    branch: CommittableBranch,
    client_mutation_id: Option<String>,
    expected_head_oid: Oid,
    file_changes: Option<FileChanges>,
    message: CommitMessage,
}

#[derive(InputObject)]
struct CommittableBranch {
    branch_name: Option<String>,
    id: Option<ID>,
    repository_name_with_owner: Option<String>,
}

#[derive(InputObject)]
struct CommitMessage {
    body: Option<String>,
    headline: String,
}

#[derive(InputObject)]
struct FileChanges {
    #[graphql(default)]
    additions: Vec<FileAddition>,
    #[graphql(default)]
    deletions: Vec<FileDeletion>,
}

#[derive(InputObject)]
struct FileAddition {
    contents: Base64String,
    path: String,
}

#[derive(InputObject)]
struct FileDeletion {
    path: String,
}

#[derive(SimpleObject)]
struct CreateCommitOnBranchPayload {
    client_mutation_id: Option<String>,
    commit: Option<Commit>,
    #[graphql(name = "ref")]
    reference: Option<Ref>,
}

#[derive(InputObject)]
struct CloneTemplateRepositoryInput {
    client_mutation_id: Option<String>,
    description: Option<String>,
    #[graphql(default)]
    include_all_branches: bool,
    name: String,
    owner_id: ID,
    repository_id: ID,
    visibility: RepositoryVisibility,
}

#[derive(SimpleObject)]
struct CloneTemplateRepositoryPayload {
    client_mutation_id: Option<String>,
    repository: Option<Repository>,
}

#[derive(InputObject)]
struct UpdateRepositoryInput {
    client_mutation_id: Option<String>,
    description: Option<String>,
    has_discussions_enabled: Option<bool>,
    has_issues_enabled: Option<bool>,
    has_projects_enabled: Option<bool>,
    has_wiki_enabled: Option<bool>,
    homepage_url: Option<Uri>,
    repository_id: ID,
    template: Option<bool>,
}

#[derive(SimpleObject)]
struct UpdateRepositoryPayload {
    client_mutation_id: Option<String>,
    repository: Option<Repository>,
}

/// Why a mutation is refused: GitHub's type of the error, and what it says.
struct Failure(&'static str, String);

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let kind = match refusal.status.as_u16() {
            403 => "FORBIDDEN",
            404 => "NOT_FOUND",
            _ => "UNPROCESSABLE",
        };
        Self(kind, refusal.message)
    }
}

#[Object]
impl Mutation {
    /// Commits additions and deletions on a branch whose head is as expected.
    async fn create_commit_on_branch(
        &self,
        ctx: &Context<'_>,
        input: CreateCommitOnBranchInput,
    ) -> Option<CreateCommitOnBranchPayload> {
        let gql = gql(ctx);
        let client_mutation_id = input.client_mutation_id.clone();
        match write(gql, |world, now| commit_on_branch(&mut mutation_ctx(gql, world, now), &input)) {
            Ok((repo, branch, sha)) => Some(CreateCommitOnBranchPayload {
                client_mutation_id,
                commit: commit(gql, &repo, &sha),
                reference: Ref::of(&repo, &branch),
            }),
            Err(Failure(kind, message)) => {
                add_error(ctx, kind, message);
                None
            }
        }
    }

    /// Changes settings of a repository; what the input leaves out stays.
    async fn update_repository(
        &self,
        ctx: &Context<'_>,
        input: UpdateRepositoryInput,
    ) -> Option<UpdateRepositoryPayload> {
        let gql = gql(ctx);
        let client_mutation_id = input.client_mutation_id.clone();
        match write(gql, |world, now| update_repository(&mut mutation_ctx(gql, world, now), &input)) {
            Ok(id) => Some(UpdateRepositoryPayload { client_mutation_id, repository: repository::by_id(gql, id) }),
            Err(Failure(kind, message)) => {
                add_error(ctx, kind, message);
                None
            }
        }
    }

    /// Makes a repository from a template.
    async fn clone_template_repository(
        &self,
        ctx: &Context<'_>,
        input: CloneTemplateRepositoryInput,
    ) -> Option<CloneTemplateRepositoryPayload> {
        let gql = gql(ctx);
        let client_mutation_id = input.client_mutation_id.clone();
        match write(gql, |world, now| clone_template(&mut mutation_ctx(gql, world, now), input)) {
            Ok(id) => {
                Some(CloneTemplateRepositoryPayload { client_mutation_id, repository: repository::by_id(gql, id) })
            }
            Err(Failure(kind, message)) => {
                add_error(ctx, kind, message);
                None
            }
        }
    }
}

fn update_repository(ctx: &mut Ctx<'_>, input: &UpdateRepositoryInput) -> Result<u64, Failure> {
    let missing = || {
        Failure(
            "NOT_FOUND",
            format!("Could not resolve to a node with the global id of '{}'", input.repository_id.as_str()),
        )
    };
    let id = id_of_node("R", input.repository_id.as_str()).filter(|id| ctx.world.github.repos.contains_key(id));
    let id = id.ok_or_else(missing)?;
    access::demand(&ctx.world.github, ctx.actor, ctx.repo(id), Need::write("administration"))?;
    if ctx.repo(id).archived {
        return Err(Failure("FORBIDDEN", "Repository was archived so is read-only.".to_owned()));
    }
    ctx.body = serde_json::json!({
        "has_discussions": input.has_discussions_enabled,
        "has_issues": input.has_issues_enabled,
        "has_projects": input.has_projects_enabled,
        "has_wiki": input.has_wiki_enabled,
        "is_template": input.template,
    });
    let texts =
        [("description", input.description.as_ref()), ("homepage", input.homepage_url.as_ref().map(|uri| &uri.0))];
    for (field, text) in texts {
        if let Some(text) = text {
            ctx.body[field] = text.clone().into();
        }
    }
    repos::update(ctx, id)?;
    Ok(id)
}

fn mutation_ctx<'a>(gql: &'a Gql, world: &'a mut World, now: jiff::Timestamp) -> Ctx<'a> {
    Ctx { world, call: &gql.call, actor: &gql.actor, now, params: std::collections::BTreeMap::new(), body: Value::Null }
}

/// The repository and branch that the input means: by name, or by the id of the ref.
fn branch(ctx: &Ctx<'_>, input: &CommittableBranch) -> Result<(u64, String), Failure> {
    let (id, branch) = match (&input.id, &input.repository_name_with_owner, &input.branch_name) {
        (Some(id), None, None) => {
            let missing =
                || Failure("NOT_FOUND", format!("Could not resolve to a node with the global id of '{}'", id.as_str()));
            let (node, name) = id.as_str().split_once(":refs/heads/").ok_or_else(missing)?;
            (id_of_node("REF", node).ok_or_else(missing)?, name.to_owned())
        }
        (None, Some(full_name), Some(branch)) => {
            let missing =
                || Failure("NOT_FOUND", format!("Could not resolve to a Repository with the name '{full_name}'."));
            let (owner, name) = full_name.split_once('/').ok_or_else(missing)?;
            let state = &ctx.world.github;
            let repo = state.repo_by_name(owner, name).or_else(|| state.repo_by_former_name(owner, name));
            let seen = repo.filter(|repo| access::can_see(state, ctx.actor, repo));
            let branch = branch.strip_prefix("refs/heads/").unwrap_or(branch);
            (seen.ok_or_else(missing)?.id, branch.to_owned())
        }
        _ => {
            let message = "A branch must be given by id, or by repositoryNameWithOwner and branchName.";
            return Err(Failure("UNPROCESSABLE", message.to_owned()));
        }
    };
    if ctx.world.github.repo_by_id(id).is_none_or(|repo| !repo.branches.contains_key(&branch)) {
        return Err(Failure("NOT_FOUND", format!("No such branch: {branch}")));
    }
    Ok((id, branch))
}

fn commit_on_branch(ctx: &mut Ctx<'_>, input: &CreateCommitOnBranchInput) -> Result<(Arc<Repo>, String, Sha), Failure> {
    let (id, branch) = branch(ctx, &input.branch)?;
    access::demand(&ctx.world.github, ctx.actor, ctx.repo(id), Need::write("contents"))?;
    if ctx.repo(id).archived {
        return Err(Failure("FORBIDDEN", "Repository was archived so is read-only.".to_owned()));
    }
    let head = ctx.repo(id).branches[&branch].clone();
    if head != input.expected_head_oid.0 {
        let message = format!(
            "Expected branch to point to \"{}\" but it did not. Pull and try again.",
            input.expected_head_oid.0
        );
        return Err(Failure("STALE_DATA", message));
    }
    let objects = &mut ctx.world.github.objects;
    let old = objects.commit(&head).map(|commit| objects.files(&commit.tree)).unwrap_or_default();
    let files = changed(objects, old, input.file_changes.as_ref())?;
    let tree = objects.put_files(&files);
    let message = match input.message.body.as_deref().filter(|body| !body.is_empty()) {
        Some(body) => format!("{}\n\n{body}", input.message.headline),
        None => input.message.headline.clone(),
    };
    let author = ctx.world.github.signature(&ctx.login(), ctx.now);
    // GitHub signs these commits itself and stands as their committer.
    let committer = git::Signature { name: "GitHub".to_owned(), email: "noreply@github.com".to_owned(), date: ctx.now };
    let parents = vec![head];
    let sha = ctx.world.github.objects.put_commit(git::Commit { tree, parents, author, committer, message });
    move_branch(ctx, id, &branch, Some(&sha))?;
    Ok((Arc::new(ctx.repo(id).clone()), branch, sha))
}

/// The files after the deletions and additions.
fn changed(objects: &mut git::Store, mut files: Files, changes: Option<&FileChanges>) -> Result<Files, Failure> {
    for deletion in changes.into_iter().flat_map(|changes| &changes.deletions) {
        let missing = || {
            Failure(
                "UNPROCESSABLE",
                format!("A path was requested for deletion which does not exist as of commit: {}", deletion.path),
            )
        };
        files.remove(&deletion.path).ok_or_else(missing)?;
    }
    for addition in changes.into_iter().flat_map(|changes| &changes.additions) {
        check_path(&addition.path)?;
        let bytes = BASE64_STANDARD.decode(&addition.contents.0);
        let bytes = bytes
            .map_err(|_| Failure("UNPROCESSABLE", format!("contents of {} is not valid Base64", addition.path)))?;
        let blob = objects.put_blob(&bytes);
        // The mode is always that of a plain file, even where an executable was.
        files.insert(addition.path.clone(), ("100644".to_owned(), blob));
    }
    Ok(files)
}

fn clone_template(ctx: &mut Ctx<'_>, input: CloneTemplateRepositoryInput) -> Result<u64, Failure> {
    let missing =
        |id: &ID| Failure("NOT_FOUND", format!("Could not resolve to a node with the global id of '{}'", id.as_str()));
    let template = id_of_node("R", input.repository_id.as_str()).filter(|id| ctx.world.github.repos.contains_key(id));
    let template = template.ok_or_else(|| missing(&input.repository_id))?;
    access::demand(&ctx.world.github, ctx.actor, ctx.repo(template), Need::read("contents"))?;
    if !ctx.repo(template).switches.is_template {
        return Err(Failure("UNPROCESSABLE", "Repository is not a template".to_owned()));
    }
    let mut accounts = ctx.world.github.accounts.values();
    let owner = accounts.find(|account| account_node_id(account) == input.owner_id.as_str());
    let owner = owner.ok_or_else(|| missing(&input.owner_id))?.login.clone();
    let visibility = match input.visibility {
        RepositoryVisibility::Public => Visibility::Public,
        RepositoryVisibility::Private => Visibility::Private,
        RepositoryVisibility::Internal => Visibility::Internal,
    };
    let new = Generated {
        template,
        owner,
        name: input.name,
        visibility,
        description: input.description,
        all_branches: input.include_all_branches,
    };
    Ok(from_template(ctx, &new)?)
}
