//! The table of REST operations: method, path, what it needs, and who answers.

use axum::routing::MethodFilter;

use super::access::Need;
use super::rest::Handler::{Plain, Repo};
use super::rest::{Handler, Route};
use super::{
    accounts, actions, checks, commits, contents, create, environments, git_data, pulls, repos, reviews, rulesets,
    runs, security, teams,
};

const GET: MethodFilter = MethodFilter::GET;
const POST: MethodFilter = MethodFilter::POST;
const PUT: MethodFilter = MethodFilter::PUT;
const PATCH: MethodFilter = MethodFilter::PATCH;
const DELETE: MethodFilter = MethodFilter::DELETE;

const METADATA: Need = Need::read("metadata");
const CONTENTS: Need = Need::read("contents");
const PUSH: Need = Need::write("contents");
const ADMIN: Need = Need::write("administration");
const SEE_ADMIN: Need = Need::read("administration");
const SEE_ACTIONS: Need = Need::read("actions");
const ACTIONS: Need = Need::write("actions");
const SEE_SECRETS: Need = Need::read("secrets");
const SECRETS: Need = Need::write("secrets");
const SEE_VARIABLES: Need = Need::read("variables");
const VARIABLES: Need = Need::write("variables");
const SEE_ENVIRONMENTS: Need = Need::read("environments");
const ENVIRONMENTS: Need = Need::write("environments");
const SEE_HOOKS: Need = Need::read("repository_hooks");
const HOOKS: Need = Need::write("repository_hooks");
const SEE_PROPERTIES: Need = Need::read("metadata");
const PROPERTIES: Need = Need::write("repository_custom_properties");

const SEE_PULLS: Need = Need::read("pull_requests");
const PULLS: Need = Need::write("pull_requests");

const fn at(method: MethodFilter, path: &'static str, handler: Handler) -> Route {
    Route { method, path, handler }
}

const POLICIES: &str = "/environments/{environment_name}/deployment-branch-policies";
const POLICY: &str = "/environments/{environment_name}/deployment-branch-policies/{branch_policy_id}";
const ENV_SECRETS: &str = "/environments/{environment_name}/secrets";
const ENV_KEY: &str = "/environments/{environment_name}/secrets/public-key";
const ENV_SECRET: &str = "/environments/{environment_name}/secrets/{secret_name}";
const ENV_VARIABLES: &str = "/environments/{environment_name}/variables";
const ENV_VARIABLE: &str = "/environments/{environment_name}/variables/{name}";

/// The root, which clients ask for with a slash at the end: nesting does not match that.
pub(super) const ROOT: &[Route] =
    &[at(GET, "/github/", Plain(accounts::root)), at(GET, "/github", Plain(accounts::root))];

pub(super) const ROUTES: &[Route] = &[
    at(GET, "/meta", Plain(accounts::meta)),
    at(GET, "/rate_limit", Plain(accounts::rate_limit)),
    at(GET, "/user", Plain(accounts::user)),
    at(POST, "/user/repos", Plain(create::of_user)),
    at(GET, "/users/{username}", Plain(accounts::user_by_name)),
    at(GET, "/users/{username}/repos", Plain(repos::list)),
    at(GET, "/orgs/{org}", Plain(accounts::organization)),
    at(GET, "/orgs/{org}/repos", Plain(repos::list)),
    at(POST, "/orgs/{org}/repos", Plain(create::in_organization)),
    at(GET, "/orgs/{org}/teams", Plain(teams::list)),
    at(GET, "/orgs/{org}/teams/{team_slug}", Plain(teams::get)),
    at(GET, "/orgs/{org}/installation", Plain(accounts::installation_of)),
    at(GET, "/app", Plain(accounts::app)),
    at(GET, "/app/installations", Plain(accounts::installations)),
    at(GET, "/app/installations/{installation_id}", Plain(accounts::installation_by_id)),
    at(POST, "/app/installations/{installation_id}/access_tokens", Plain(accounts::access_token)),
    at(GET, "/installation/repositories", Plain(accounts::installation_repositories)),
    at(GET, "/repos/{owner}/{repo}/installation", Plain(accounts::installation_of)),
    at(GET, "", Repo(METADATA, repos::get)),
    at(PATCH, "", Repo(ADMIN, repos::update)),
    at(DELETE, "", Repo(ADMIN, repos::delete)),
    at(POST, "/transfer", Repo(ADMIN, repos::transfer)),
    at(POST, "/generate", Repo(CONTENTS, create::generate)),
    at(POST, "/forks", Repo(CONTENTS, create::fork)),
    at(GET, "/topics", Repo(METADATA, repos::topics)),
    at(PUT, "/topics", Repo(ADMIN, repos::replace_topics)),
    at(GET, "/properties/values", Repo(SEE_PROPERTIES, repos::properties)),
    at(PATCH, "/properties/values", Repo(PROPERTIES, repos::set_properties)),
    at(GET, "/git/ref/{*ref}", Repo(CONTENTS, git_data::get_ref)),
    at(POST, "/git/refs", Repo(PUSH, git_data::create_ref)),
    at(PATCH, "/git/refs/{*ref}", Repo(PUSH, git_data::update_ref)),
    at(DELETE, "/git/refs/{*ref}", Repo(PUSH, git_data::delete_ref)),
    at(GET, "/git/trees/{tree_sha}", Repo(CONTENTS, git_data::get_tree)),
    at(POST, "/git/trees", Repo(PUSH, git_data::create_tree)),
    at(POST, "/git/blobs", Repo(PUSH, git_data::create_blob)),
    at(GET, "/git/blobs/{file_sha}", Repo(CONTENTS, git_data::get_blob)),
    at(POST, "/git/commits", Repo(PUSH, git_data::create_commit)),
    at(GET, "/branches", Repo(CONTENTS, git_data::branches)),
    at(GET, "/branches/{branch}", Repo(CONTENTS, git_data::branch)),
    at(POST, "/branches/{branch}/rename", Repo(ADMIN, git_data::rename_branch)),
    at(GET, "/contents", Repo(CONTENTS, contents::get)),
    at(GET, "/contents/", Repo(CONTENTS, contents::get)),
    at(GET, "/contents/{*path}", Repo(CONTENTS, contents::get)),
    at(PUT, "/contents/{*path}", Repo(PUSH, contents::put)),
    at(DELETE, "/contents/{*path}", Repo(PUSH, contents::delete)),
    at(GET, "/commits", Repo(CONTENTS, commits::list)),
    at(GET, "/commits/{ref}", Repo(CONTENTS, commits::get)),
    at(GET, "/commits/{ref}/check-runs", Repo(Need::read("checks"), checks::list)),
    at(GET, "/commits/{ref}/status", Repo(Need::read("statuses"), checks::combined)),
    at(POST, "/check-runs", Repo(Need::write("checks"), checks::create)),
    at(POST, "/statuses/{sha}", Repo(Need::write("statuses"), checks::create_status)),
    at(GET, "/compare/{*basehead}", Repo(CONTENTS, commits::compare)),
    at(GET, "/rulesets", Repo(METADATA, rulesets::list)),
    at(POST, "/rulesets", Repo(ADMIN, rulesets::create)),
    at(GET, "/rulesets/{ruleset_id}", Repo(METADATA, rulesets::get)),
    at(PUT, "/rulesets/{ruleset_id}", Repo(ADMIN, rulesets::update)),
    at(DELETE, "/rulesets/{ruleset_id}", Repo(ADMIN, rulesets::delete)),
    at(GET, "/environments", Repo(SEE_ACTIONS, environments::list)),
    at(GET, "/environments/{environment_name}", Repo(SEE_ACTIONS, environments::get)),
    at(PUT, "/environments/{environment_name}", Repo(ADMIN, environments::put)),
    at(DELETE, "/environments/{environment_name}", Repo(ADMIN, environments::delete)),
    at(GET, POLICIES, Repo(SEE_ACTIONS, environments::policies)),
    at(POST, POLICIES, Repo(ADMIN, environments::create_policy)),
    at(GET, POLICY, Repo(SEE_ACTIONS, environments::policy)),
    at(DELETE, POLICY, Repo(ADMIN, environments::delete_policy)),
    at(GET, ENV_KEY, Repo(SEE_ENVIRONMENTS, actions::public_key)),
    at(GET, ENV_SECRETS, Repo(SEE_ENVIRONMENTS, actions::secrets)),
    at(GET, ENV_SECRET, Repo(SEE_ENVIRONMENTS, actions::secret)),
    at(PUT, ENV_SECRET, Repo(ENVIRONMENTS, actions::put_secret)),
    at(DELETE, ENV_SECRET, Repo(ENVIRONMENTS, actions::delete_secret)),
    at(GET, ENV_VARIABLES, Repo(SEE_ENVIRONMENTS, actions::variables)),
    at(POST, ENV_VARIABLES, Repo(ENVIRONMENTS, actions::create_variable)),
    at(GET, ENV_VARIABLE, Repo(SEE_ENVIRONMENTS, actions::variable)),
    at(PATCH, ENV_VARIABLE, Repo(ENVIRONMENTS, actions::update_variable)),
    at(DELETE, ENV_VARIABLE, Repo(ENVIRONMENTS, actions::delete_variable)),
    at(GET, "/actions/secrets/public-key", Repo(SEE_SECRETS, actions::public_key)),
    at(GET, "/actions/secrets", Repo(SEE_SECRETS, actions::secrets)),
    at(GET, "/actions/secrets/{secret_name}", Repo(SEE_SECRETS, actions::secret)),
    at(PUT, "/actions/secrets/{secret_name}", Repo(SECRETS, actions::put_secret)),
    at(DELETE, "/actions/secrets/{secret_name}", Repo(SECRETS, actions::delete_secret)),
    at(GET, "/actions/variables", Repo(SEE_VARIABLES, actions::variables)),
    at(POST, "/actions/variables", Repo(VARIABLES, actions::create_variable)),
    at(GET, "/actions/variables/{name}", Repo(SEE_VARIABLES, actions::variable)),
    at(PATCH, "/actions/variables/{name}", Repo(VARIABLES, actions::update_variable)),
    at(DELETE, "/actions/variables/{name}", Repo(VARIABLES, actions::delete_variable)),
    at(POST, "/actions/workflows/{workflow_id}/dispatches", Repo(ACTIONS, runs::dispatch)),
    at(GET, "/actions/workflows/{workflow_id}/runs", Repo(SEE_ACTIONS, runs::list)),
    at(GET, "/actions/runs/{run_id}", Repo(SEE_ACTIONS, runs::get)),
    at(POST, "/actions/runs/{run_id}/cancel", Repo(ACTIONS, runs::cancel)),
    at(GET, "/actions/runs/{run_id}/approvals", Repo(SEE_ACTIONS, runs::approvals)),
    at(GET, "/actions/runs/{run_id}/pending_deployments", Repo(SEE_ACTIONS, runs::pending)),
    at(POST, "/actions/runs/{run_id}/pending_deployments", Repo(Need::write("deployments"), runs::review)),
    at(GET, "/vulnerability-alerts", Repo(SEE_ADMIN, security::alerts)),
    at(PUT, "/vulnerability-alerts", Repo(ADMIN, security::enable_alerts)),
    at(DELETE, "/vulnerability-alerts", Repo(ADMIN, security::disable_alerts)),
    at(GET, "/automated-security-fixes", Repo(SEE_ADMIN, security::fixes)),
    at(PUT, "/automated-security-fixes", Repo(ADMIN, security::enable_fixes)),
    at(DELETE, "/automated-security-fixes", Repo(ADMIN, security::disable_fixes)),
    at(GET, "/pulls", Repo(SEE_PULLS, pulls::list)),
    at(POST, "/pulls", Repo(PULLS, pulls::create)),
    at(GET, "/pulls/{pull_number}", Repo(SEE_PULLS, pulls::get)),
    at(PATCH, "/pulls/{pull_number}", Repo(PULLS, pulls::update)),
    at(PUT, "/pulls/{pull_number}/merge", Repo(PUSH, pulls::merge)),
    at(GET, "/pulls/{pull_number}/reviews", Repo(SEE_PULLS, reviews::list)),
    at(POST, "/pulls/{pull_number}/reviews", Repo(PULLS, reviews::create)),
    at(GET, "/issues/{issue_number}/comments", Repo(SEE_PULLS, pulls::comments)),
    at(POST, "/issues/{issue_number}/comments", Repo(PULLS, pulls::create_comment)),
    at(PATCH, "/issues/comments/{comment_id}", Repo(PULLS, pulls::update_comment)),
    at(DELETE, "/issues/comments/{comment_id}", Repo(PULLS, pulls::delete_comment)),
    at(GET, "/hooks", Repo(SEE_HOOKS, security::hooks)),
    at(POST, "/hooks", Repo(HOOKS, security::create_hook)),
    at(DELETE, "/hooks/{hook_id}", Repo(HOOKS, security::delete_hook)),
];
