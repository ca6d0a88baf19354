//! A repository as GraphQL shows it.

use std::sync::Arc;

use async_graphql::{ComplexObject, Context, Enum, ID, SimpleObject};

use super::super::access::{self, Need};
use super::super::repo::{Repo, Visibility};
use super::super::{node_id, view};
use super::environments::Environment;
use super::objects::{GitObject, Ref, object};
use super::pulls::{self, IssueOrder, PullRequest, PullRequestState};
use super::query::Owner;
use super::rules::{RepositoryRuleset, RepositoryRulesetTarget};
use super::scalars::{Connection, DateTime, Oid, Slice, Uri, int};
use super::{Gql, add_error, gql};

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum RepositoryVisibility {
    Internal,
    Private,
    Public,
}

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum RepositoryPermission {
    Admin,
    Maintain,
    Read,
    Triage,
    Write,
}

/// A repository.
#[derive(SimpleObject)]
#[graphql(complex)]
pub(super) struct Repository {
    pub(super) id: ID,
    database_id: i32,
    name: String,
    name_with_owner: String,
    url: Uri,
    description: Option<String>,
    homepage_url: Option<Uri>,
    visibility: RepositoryVisibility,
    is_private: bool,
    is_template: bool,
    is_empty: bool,
    is_archived: bool,
    is_disabled: bool,
    is_fork: bool,
    is_locked: bool,
    has_issues_enabled: bool,
    has_wiki_enabled: bool,
    has_projects_enabled: bool,
    has_discussions_enabled: bool,
    delete_branch_on_merge: bool,
    merge_commit_allowed: bool,
    squash_merge_allowed: bool,
    rebase_merge_allowed: bool,
    auto_merge_allowed: bool,
    allow_update_branch: bool,
    web_commit_signoff_required: bool,
    forking_allowed: bool,
    has_vulnerability_alerts_enabled: bool,
    created_at: DateTime,
    pushed_at: Option<DateTime>,
    updated_at: DateTime,
    #[graphql(skip)]
    repo: Arc<Repo>,
}

impl Repository {
    fn of(repo: &Repo) -> Self {
        let switches = &repo.switches;
        Self {
            id: ID(node_id("R", repo.id)),
            database_id: int(repo.id),
            name: repo.name.clone(),
            name_with_owner: repo.full_name(),
            url: Uri(format!("https://github.com/{}", repo.full_name())),
            description: repo.description.clone(),
            homepage_url: repo.homepage.clone().map(Uri),
            visibility: match repo.visibility {
                Visibility::Public => RepositoryVisibility::Public,
                Visibility::Private => RepositoryVisibility::Private,
                Visibility::Internal => RepositoryVisibility::Internal,
            },
            is_private: repo.is_private(),
            is_template: switches.is_template,
            is_empty: repo.branches.is_empty(),
            is_archived: repo.archived,
            is_disabled: false,
            is_fork: repo.parent.is_some(),
            is_locked: false,
            has_issues_enabled: switches.has_issues,
            has_wiki_enabled: switches.has_wiki,
            has_projects_enabled: switches.has_projects,
            has_discussions_enabled: switches.has_discussions,
            delete_branch_on_merge: switches.delete_branch_on_merge,
            merge_commit_allowed: switches.allow_merge_commit,
            squash_merge_allowed: switches.allow_squash_merge,
            rebase_merge_allowed: switches.allow_rebase_merge,
            auto_merge_allowed: switches.allow_auto_merge,
            allow_update_branch: switches.allow_update_branch,
            web_commit_signoff_required: switches.web_commit_signoff_required,
            forking_allowed: switches.allow_forking,
            has_vulnerability_alerts_enabled: repo.alerts,
            created_at: repo.created_at.into(),
            pushed_at: (!repo.branches.is_empty()).then(|| repo.pushed_at.into()),
            updated_at: repo.updated_at.into(),
            repo: Arc::new(repo.clone()),
        }
    }
}

impl Repository {
    pub(super) fn stored(&self) -> &Arc<Repo> {
        &self.repo
    }
}

fn seen(gql: &Gql, find: impl FnOnce(&super::super::State) -> Option<&Repo>) -> Option<Repository> {
    gql.read(|world| {
        let repo = find(&world.github)?;
        let need = Need::read("metadata");
        access::demand(&world.github, &gql.actor, repo, need).is_ok().then(|| Repository::of(repo))
    })
}

/// The repository of that name, if the caller may see it.
pub(super) fn by_name(gql: &Gql, owner: &str, name: &str, follow_renames: bool) -> Option<Repository> {
    seen(gql, |state| {
        let former = || state.repo_by_former_name(owner, name).filter(|_| follow_renames);
        state.repo_by_name(owner, name).or_else(former)
    })
}

/// The repository with that id, if the caller may see it.
pub(super) fn by_id(gql: &Gql, id: u64) -> Option<Repository> {
    seen(gql, |state| state.repo_by_id(id))
}

/// The repository with that node id, if the caller may see it.
pub(super) fn by_node_id(gql: &Gql, id: &ID) -> Option<Repository> {
    by_id(gql, super::super::id_of_node("R", id.as_str())?)
}

/// The repositories of an owner that the caller may see.
pub(super) fn of_owner(gql: &Gql, login: &str) -> Vec<Repository> {
    let ids: Vec<u64> =
        gql.read(|world| world.github.repos.values().filter(|repo| repo.owner == login).map(|repo| repo.id).collect());
    ids.into_iter().filter_map(|id| by_id(gql, id)).collect()
}

/// A topic of a repository.
#[derive(SimpleObject)]
pub(super) struct RepositoryTopic {
    id: ID,
    topic: Topic,
    url: Uri,
}

/// A topic.
#[derive(SimpleObject)]
struct Topic {
    id: ID,
    name: String,
}

/// A programming language.
#[derive(SimpleObject)]
struct Language {
    id: ID,
    name: String,
}

#[ComplexObject]
impl Repository {
    async fn owner(&self, ctx: &Context<'_>) -> Option<Owner> {
        gql(ctx).read(|world| world.github.account(&self.repo.owner).map(Owner::of))
    }

    async fn template_repository(&self, ctx: &Context<'_>) -> Option<Repository> {
        by_id(gql(ctx), self.repo.template?)
    }

    async fn parent(&self, ctx: &Context<'_>) -> Option<Repository> {
        by_id(gql(ctx), self.repo.parent?)
    }

    async fn default_branch_ref(&self) -> Option<Ref> {
        Ref::of(&self.repo, &self.repo.default_branch)
    }

    #[graphql(name = "ref")]
    async fn reference(&self, qualified_name: String) -> Option<Ref> {
        Ref::of(&self.repo, qualified_name.strip_prefix("refs/heads/").unwrap_or(&qualified_name))
    }

    #[allow(clippy::too_many_arguments, reason = "GraphQL's arguments are the function's")]
    async fn refs(
        &self,
        ref_prefix: String,
        query: Option<String>,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
    ) -> Option<Connection<Ref>> {
        let branches = self.repo.branches.keys().filter(|_| ref_prefix == "refs/heads/");
        let branches = branches.filter(|name| query.as_ref().is_none_or(|part| name.contains(part)));
        Some(Slice::new(after, before, first, last).of(branches.filter_map(|name| Ref::of(&self.repo, name))))
    }

    /// `expression` is what `git rev-parse` takes: a branch or commit, or `branch:path`.
    async fn object(&self, ctx: &Context<'_>, expression: Option<String>, oid: Option<Oid>) -> Option<GitObject> {
        let gql = gql(ctx);
        if let Some(oid) = oid {
            return object(gql, &self.repo, &oid.0);
        }
        let expression = expression?;
        let (name, path) = expression.split_once(':').map_or((&*expression, None), |(name, path)| (name, Some(path)));
        let branch = name.strip_prefix("refs/heads/").unwrap_or(name);
        let named = if name == "HEAD" { self.repo.head() } else { self.repo.branches.get(branch) };
        let sha = named.cloned().unwrap_or_else(|| name.to_owned());
        let Some(path) = path else { return object(gql, &self.repo, &sha) };
        let found = gql.read(|world| {
            let tree = &world.github.objects.commit(&sha)?.tree;
            let path = path.trim_matches('/');
            if path.is_empty() {
                return Some(tree.clone());
            }
            world.github.objects.at(tree, path).map(|entry| entry.sha.clone())
        });
        object(gql, &self.repo, &found?)
    }

    async fn repository_topics(
        &self,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
    ) -> Connection<RepositoryTopic> {
        let topic = |name: &String| RepositoryTopic {
            id: ID(format!("RT_{}_{name}", self.repo.id)),
            topic: Topic { id: ID(format!("T_{name}")), name: name.clone() },
            url: Uri(format!("https://github.com/topics/{name}")),
        };
        Slice::new(after, before, first, last).of(self.repo.topics.iter().map(topic))
    }

    /// Null, with an error, where the plan has no rulesets.
    #[allow(clippy::too_many_arguments, reason = "GraphQL's arguments are the function's")]
    async fn rulesets(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
        #[graphql(default = true)] include_parents: bool,
        targets: Option<Vec<RepositoryRulesetTarget>>,
    ) -> Option<Connection<RepositoryRuleset>> {
        // Organizations have no rulesets in the sandbox, so their inclusion adds nothing.
        let _ = include_parents;
        let plan = gql(ctx).read(|world| world.settings.github_plan);
        if super::super::plan_lacks(plan, &self.repo, crate::GithubPlan::Team) {
            add_error(ctx, "FORBIDDEN", super::super::UPGRADE);
            return None;
        }
        let sets = self.repo.rulesets.iter().map(RepositoryRuleset::of);
        let wanted = |set: &RepositoryRuleset| targets.as_ref().is_none_or(|targets| targets.contains(&set.target()));
        Some(Slice::new(after, before, first, last).of(sets.filter(wanted)))
    }

    async fn environments(
        &self,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
    ) -> Connection<Environment> {
        Slice::new(after, before, first, last).of(self.repo.environments.iter().map(Environment::of))
    }

    #[allow(clippy::too_many_arguments, reason = "GraphQL's arguments are the function's")]
    #[allow(clippy::unused_async, reason = "ComplexObject awaits every answer that may fail")]
    async fn pull_requests(
        &self,
        ctx: &Context<'_>,
        states: Option<Vec<PullRequestState>>,
        head_ref_name: Option<String>,
        base_ref_name: Option<String>,
        order_by: Option<IssueOrder>,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
    ) -> async_graphql::Result<Connection<PullRequest>> {
        let wanted = pulls::Wanted { states, head: head_ref_name, base: base_ref_name, order: order_by };
        Ok(Slice::new(after, before, first, last).of(pulls::all(ctx, &self.repo, &wanted)?))
    }

    #[allow(clippy::unused_async, reason = "ComplexObject awaits every answer that may fail")]
    async fn pull_request(&self, ctx: &Context<'_>, number: i32) -> async_graphql::Result<Option<PullRequest>> {
        let wanted = pulls::Wanted { states: None, head: None, base: None, order: None };
        let found = pulls::all(ctx, &self.repo, &wanted)?.into_iter().find(|pull| pull.is(number));
        if found.is_none() {
            let message = format!("Could not resolve to a PullRequest with the number of {number}.");
            add_error(ctx, "NOT_FOUND", message);
        }
        Ok(found)
    }

    async fn environment(&self, name: String) -> Option<Environment> {
        let mut all = self.repo.environments.iter();
        all.find(|environment| environment.name.eq_ignore_ascii_case(&name)).map(Environment::of)
    }

    async fn primary_language(&self, ctx: &Context<'_>) -> Option<Language> {
        let name = gql(ctx).read(|world| view::language(&world.github, &self.repo))?;
        Some(Language { id: ID(format!("L_{name}")), name: name.to_owned() })
    }

    async fn viewer_permission(&self, ctx: &Context<'_>) -> Option<RepositoryPermission> {
        let gql = gql(ctx);
        gql.read(|world| {
            let may = |need| access::demand(&world.github, &gql.actor, &self.repo, need).is_ok();
            if may(Need::write("administration")) {
                Some(RepositoryPermission::Admin)
            } else if may(Need::write("contents")) {
                Some(RepositoryPermission::Write)
            } else {
                Some(RepositoryPermission::Read)
            }
        })
    }

    async fn viewer_can_administer(&self, ctx: &Context<'_>) -> bool {
        let gql = gql(ctx);
        let need = Need::write("administration");
        gql.read(|world| access::demand(&world.github, &gql.actor, &self.repo, need).is_ok())
    }
}
