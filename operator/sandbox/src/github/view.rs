//! Accounts and repositories as REST shows them.

use serde_json::{Value, json};

use super::access;
use super::node_id;
use super::repo::Repo;
use super::state::{Account, AccountKind, State};
use crate::tokens::Actor;

/// What only links tell: `key_url` → path below the repository's own URL.
const LINKS: [(&str, &str); 36] = [
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    ("notifications_url", "/notifications{?since,all,participating}"),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
];

/// A user or organization in short, `simple-user` of the description.
pub(crate) fn account(base: &str, account: &Account) -> Value {
    let (login, url) = (&account.login, format!("{base}/github/users/{}", account.login));
    let kind = match account.kind {
        AccountKind::User => "User",
        AccountKind::Organization => "Organization",
    };
    json!({
        "login": login,
        "id": account.id,
        "node_id": account_node_id(account),
        "avatar_url": format!("https://avatars.githubusercontent.com/u/{}?v=4", account.id),
        "gravatar_id": "",
        "url": url,
        "html_url": format!("https://github.com/{login}"),
        "followers_url": format!("{url}/followers"),
        "following_url": format!("{url}/following{{/other_user}}"),
        "gists_url": format!("{url}/gists{{/gist_id}}"),
        "starred_url": format!("{url}/starred{{/owner}}{{/repo}}"),
        "subscriptions_url": format!("{url}/subscriptions"),
        "organizations_url": format!("{url}/orgs"),
        "repos_url": format!("{url}/repos"),
        "events_url": format!("{url}/events{{/privacy}}"),
        "received_events_url": format!("{url}/received_events"),
        "type": kind,
        "user_view_type": "public",
        "site_admin": false,
    })
}

/// The node id of an account.
pub(crate) fn account_node_id(account: &Account) -> String {
    match account.kind {
        AccountKind::User => node_id("U", account.id),
        AccountKind::Organization => node_id("O", account.id),
    }
}

/// The account of that login; a bot or somebody who is gone is shown as such.
pub(crate) fn login(state: &State, base: &str, login: &str) -> Value {
    if let Some(found) = state.account(login) {
        return account(base, found);
    }
    let bot = Account {
        id: 4242,
        login: login.to_owned(),
        kind: AccountKind::User,
        owners: Vec::new(),
        email: String::new(),
    };
    let mut value = account(base, &bot);
    if login.ends_with("[bot]") {
        value["type"] = "Bot".into();
    }
    value
}

/// A repository as lists show it, `minimal-repository` with what `repository` has more.
pub(crate) fn repo_in_list(state: &State, base: &str, repo: &Repo, actor: &Actor) -> Value {
    let full_name = repo.full_name();
    let url = format!("{base}/github/repos/{full_name}");
    let admin = access::is_admin(state, actor, repo);
    let push = admin || actor.token().is_some_and(|token| access::reaches_owner(state, token, &repo.owner));
    let mut value = json!({
        "id": repo.id,
        "node_id": node_id("R", repo.id),
        "name": repo.name,
        "full_name": full_name,
        "owner": login(state, base, &repo.owner),
        "private": repo.is_private(),
        "html_url": format!("https://github.com/{full_name}"),
        "description": repo.description,
        "fork": repo.parent.is_some(),
        "url": url,
        "git_url": format!("git://github.com/{full_name}.git"),
        "ssh_url": format!("git@github.com:{full_name}.git"),
        "clone_url": format!("https://github.com/{full_name}.git"),
        "svn_url": format!("https://github.com/{full_name}"),
        "mirror_url": null,
    });
    let state_of_it = json!({
        "homepage": repo.homepage,
        "size": repo.objects.len(),
        "stargazers_count": 0,
        "watchers_count": 0,
        "language": language(state, repo),
        "has_pages": false,
        "has_downloads": true,
        "forks_count": 0,
        "archived": repo.archived,
        "disabled": false,
        "open_issues_count": 0,
        "license": null,
        "topics": repo.topics,
        "visibility": repo.visibility,
        "forks": 0,
        "open_issues": 0,
        "watchers": 0,
        "default_branch": repo.default_branch,
        "created_at": second(repo.created_at),
        "updated_at": second(repo.updated_at),
        "pushed_at": second(repo.pushed_at),
        "permissions": { "admin": admin, "maintain": admin, "push": push, "triage": push, "pull": true },
    });
    extend(&mut value, state_of_it);
    for (name, path) in LINKS {
        value[name] = format!("{url}{path}").into();
    }
    let switches = json!(repo.switches);
    for name in ["is_template", "has_issues", "has_projects", "has_wiki", "has_discussions", "allow_forking"] {
        value[name] = switches[name].clone();
    }
    value["web_commit_signoff_required"] = repo.switches.web_commit_signoff_required.into();
    value
}

/// A repository whole, `full-repository`.
pub(crate) fn repo(state: &State, base: &str, repo: &Repo, actor: &Actor) -> Value {
    let mut value = repo_in_list(state, base, repo, actor);
    extend(&mut value, json!(repo.switches));
    value["network_count"] = 0.into();
    value["subscribers_count"] = 0.into();
    value["temp_clone_token"] = Value::Null;
    value["squash_merge_commit_title"] = "COMMIT_OR_PR_TITLE".into();
    value["squash_merge_commit_message"] = "COMMIT_MESSAGES".into();
    value["merge_commit_title"] = "MERGE_MESSAGE".into();
    value["merge_commit_message"] = "PR_TITLE".into();
    value["custom_properties"] = json!(repo.properties);
    let seen = |id: Option<u64>| {
        let other = id.and_then(|id| state.repo_by_id(id))?;
        access::can_see(state, actor, other).then(|| repo_in_list(state, base, other, actor))
    };
    if let Some(template) = seen(repo.template) {
        value["template_repository"] = template;
    }
    if let Some(parent) = seen(repo.parent) {
        value["source"] = parent.clone();
        value["parent"] = parent;
    }
    if state.account(&repo.owner).is_some_and(|owner| owner.kind == AccountKind::Organization) {
        value["organization"] = login(state, base, &repo.owner);
    }
    if actor.token().is_some_and(|token| access::carries(token, access::Need::read("administration")))
        && access::demand(state, actor, repo, access::Need::read("administration")).is_ok()
    {
        value["security_and_analysis"] = security(repo);
    }
    value
}

/// Puts the fields of one object into another.
pub(crate) fn extend(value: &mut Value, more: Value) {
    if let (Value::Object(value), Value::Object(more)) = (value, more) {
        value.extend(more);
    }
}

fn security(repo: &Repo) -> Value {
    let status = |on| json!({ "status": if on { "enabled" } else { "disabled" } });
    let mut all: serde_json::Map<_, _> = repo.security.iter().map(|(name, on)| (name.clone(), status(*on))).collect();
    for name in ["secret_scanning", "secret_scanning_push_protection"] {
        all.entry(name).or_insert_with(|| status(false));
    }
    all.insert("dependabot_security_updates".to_owned(), status(repo.security_fixes));
    all.into()
}

/// The language most of the default branch's files are in.
pub(crate) fn language(state: &State, repo: &Repo) -> Option<&'static str> {
    let tree = &state.objects.commit(repo.head()?)?.tree;
    let mut counts: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    state.objects.walk(tree, "", &mut |path, _| {
        let language = match path.rsplit_once('.').map_or("", |(_, end)| end) {
            "ts" | "tsx" => "TypeScript",
            "js" | "jsx" | "mjs" => "JavaScript",
            "css" => "CSS",
            "html" => "HTML",
            "py" => "Python",
            "rs" => "Rust",
            "go" => "Go",
            _ => return,
        };
        *counts.entry(language).or_default() += 1;
    });
    // Of equals the later name wins, whatever the order of the walk.
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(language, _)| language)
}

/// A time as GitHub writes it: UTC, whole seconds.
pub(crate) fn second(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
