//! The roots of GraphQL queries, and accounts.

use async_graphql::{ComplexObject, Context, ID, Interface, Object, SimpleObject};

use super::super::access;
use super::super::state::{Account, AccountKind};
use super::super::view::account_node_id;
use super::repository::{self, Repository};
use super::scalars::{Connection, DateTime, Slice, Uri, int};
use super::{Gql, add_error, gql};

/// The root of queries.
pub(super) struct Query;

#[Object]
impl Query {
    /// The authenticated user.
    async fn viewer(&self, ctx: &Context<'_>) -> User {
        let gql = gql(ctx);
        let login = access::login(&gql.actor);
        gql.read(|world| world.github.account(&login).map(User::of)).unwrap_or_else(|| User::bot(&login))
    }

    async fn rate_limit(&self, ctx: &Context<'_>, #[graphql(default)] dry_run: bool) -> RateLimit {
        let gql = gql(ctx);
        let _ = dry_run;
        let quota = gql.quota;
        RateLimit {
            cost: int(gql.cost.points),
            limit: int(quota.limit),
            node_count: int(gql.cost.nodes),
            remaining: int(quota.remaining()),
            reset_at: quota.reset.into(),
            used: int(quota.used),
        }
    }

    async fn repository(
        &self,
        ctx: &Context<'_>,
        owner: String,
        name: String,
        #[graphql(default = true)] follow_renames: bool,
    ) -> Option<Repository> {
        let found = repository::by_name(gql(ctx), &owner, &name, follow_renames);
        if found.is_none() {
            let message = format!("Could not resolve to a Repository with the name '{owner}/{name}'.");
            add_error(ctx, "NOT_FOUND", message);
        }
        found
    }

    async fn node(&self, ctx: &Context<'_>, id: ID) -> Option<Node> {
        let found = node(gql(ctx), &id);
        if found.is_none() {
            unresolved(ctx, &id);
        }
        found
    }

    async fn nodes(&self, ctx: &Context<'_>, ids: Vec<ID>) -> Vec<Option<Node>> {
        let gql = gql(ctx);
        let mut nodes = Vec::new();
        for id in &ids {
            let found = node(gql, id);
            if found.is_none() {
                unresolved(ctx, id);
            }
            nodes.push(found);
        }
        nodes
    }

    async fn repository_owner(&self, ctx: &Context<'_>, login: String) -> Option<Owner> {
        gql(ctx).read(|world| world.github.account(&login).map(Owner::of))
    }

    async fn organization(&self, ctx: &Context<'_>, login: String) -> Option<Organization> {
        let found = gql(ctx).read(|world| world.github.account(&login).map(Owner::of));
        if let Some(Owner::Organization(organization)) = found {
            return Some(organization);
        }
        add_error(ctx, "NOT_FOUND", format!("Could not resolve to an Organization with the login of '{login}'."));
        None
    }

    async fn user(&self, ctx: &Context<'_>, login: String) -> Option<User> {
        let found = gql(ctx).read(|world| world.github.account(&login).map(Owner::of));
        if let Some(Owner::User(user)) = found {
            return Some(user);
        }
        add_error(ctx, "NOT_FOUND", format!("Could not resolve to a User with the login of '{login}'."));
        None
    }
}

fn unresolved(ctx: &Context<'_>, id: &ID) {
    add_error(ctx, "NOT_FOUND", format!("Could not resolve to a node with the global id of '{}'", id.as_str()));
}

fn node(gql: &Gql, id: &ID) -> Option<Node> {
    if let Some(repository) = repository::by_node_id(gql, id) {
        return Some(Node::Repository(Box::new(repository)));
    }
    let account = gql.read(|world| {
        let mut accounts = world.github.accounts.values();
        accounts.find(|account| account_node_id(account) == id.as_str()).map(Owner::of)
    });
    account.map(|account| match account {
        Owner::User(user) => Node::User(user),
        Owner::Organization(organization) => Node::Organization(organization),
    })
}

/// Whatever has an id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "&ID"))]
pub(super) enum Node {
    Repository(Box<Repository>),
    User(User),
    Organization(Organization),
}

/// Points of this hour.
#[derive(SimpleObject)]
struct RateLimit {
    cost: i32,
    limit: i32,
    node_count: i32,
    remaining: i32,
    reset_at: DateTime,
    used: i32,
}

/// Who owns repositories.
#[derive(Interface)]
#[graphql(
    name = "RepositoryOwner",
    field(name = "id", ty = "&ID"),
    field(name = "login", ty = "&String"),
    field(name = "url", ty = "&Uri")
)]
pub(super) enum Owner {
    User(User),
    Organization(Organization),
}

/// Whoever does something.
#[derive(Interface)]
#[graphql(field(name = "login", ty = "&String"), field(name = "url", ty = "&Uri"))]
pub(super) enum Actor {
    User(User),
    Organization(Organization),
}

impl Actor {
    /// The account of a login; none once it is gone.
    pub(super) fn of(gql: &Gql, login: &str) -> Option<Self> {
        Some(match gql.read(|world| world.github.account(login).map(Owner::of))? {
            Owner::User(user) => Self::User(user),
            Owner::Organization(organization) => Self::Organization(organization),
        })
    }
}

impl Owner {
    pub(super) fn of(account: &Account) -> Self {
        match account.kind {
            AccountKind::User => Self::User(User::of(account)),
            AccountKind::Organization => Self::Organization(Organization {
                id: ID(account_node_id(account)),
                database_id: int(account.id),
                login: account.login.clone(),
                name: account.login.clone(),
                url: Uri(format!("https://github.com/{}", account.login)),
            }),
        }
    }
}

/// A person or a bot.
#[derive(Clone, SimpleObject)]
#[graphql(complex)]
pub(super) struct User {
    id: ID,
    database_id: i32,
    login: String,
    name: Option<String>,
    url: Uri,
}

impl User {
    pub(super) fn of(account: &Account) -> Self {
        Self {
            id: ID(account_node_id(account)),
            database_id: int(account.id),
            login: account.login.clone(),
            name: Some(account.login.clone()),
            url: Uri(format!("https://github.com/{}", account.login)),
        }
    }

    fn bot(login: &str) -> Self {
        let url = Uri("https://github.com/apps/forkable".to_owned());
        Self { id: ID("BOT_forkable".to_owned()), database_id: 4242, login: login.to_owned(), name: None, url }
    }
}

/// An organization.
#[derive(Clone, SimpleObject)]
#[graphql(complex)]
pub(super) struct Organization {
    id: ID,
    database_id: i32,
    login: String,
    name: String,
    url: Uri,
}

#[ComplexObject]
impl User {
    async fn repositories(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
    ) -> Connection<Repository> {
        Slice::new(after, before, first, last).of(repository::of_owner(gql(ctx), &self.login))
    }
}

#[ComplexObject]
impl Organization {
    async fn repositories(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
    ) -> Connection<Repository> {
        Slice::new(after, before, first, last).of(repository::of_owner(gql(ctx), &self.login))
    }
}

/// A GitHub App.
#[derive(SimpleObject)]
pub(super) struct App {
    id: ID,
    database_id: i32,
    name: String,
    slug: String,
}

impl App {
    /// The Apps that the sandbox knows: the installed one, and GitHub Actions.
    pub(super) fn of(id: u64) -> Option<Self> {
        let name = match id {
            4242 => "forkable",
            15_368 => "github-actions",
            _ => return None,
        };
        let node = super::super::node_id("A", id);
        Some(Self { id: ID(node), database_id: int(id), name: name.to_owned(), slug: name.to_owned() })
    }
}

/// A team of an organization.
#[derive(SimpleObject)]
pub(super) struct Team {
    id: ID,
    database_id: i32,
    name: String,
    slug: String,
}

impl Team {
    pub(super) fn of(id: u64) -> Self {
        let name = super::super::teams::NAME.to_owned();
        Self { id: ID(super::super::node_id("T", id)), database_id: int(id), slug: name.clone(), name }
    }
}
