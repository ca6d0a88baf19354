//! What a deployment is built from: a commit of the GitHub half, or files sent inline.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::problem::Problem;
use crate::github;

/// A file with this name makes the build fail; its text becomes the tail of the build log.
const FAIL_FILE: &str = "forkable-sandbox.fail-build";
/// How much of the README a site shows.
const README_LINES: usize = 12;

/// The commit of a deployment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Git {
    /// GitHub's repository id.
    pub repo_id: u64,
    /// Owner login.
    pub org: String,
    /// Repository name.
    pub repo: String,
    /// Branch.
    pub branch: String,
    /// Commit.
    pub sha: String,
    /// Full commit message.
    pub message: String,
    /// Author's login, when the commit has one.
    pub author_login: Option<String>,
    /// Author's name.
    pub author_name: String,
}

/// The parts of the source tree that outlive the build.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// Paths.
    pub files: Vec<String>,
    /// The first lines of README.md.
    pub readme: String,
}

/// Why a build is going to fail.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Failure {
    /// `errorCode` of the deployment.
    pub code: String,
    /// `errorMessage` of the deployment.
    pub message: String,
    /// The last lines of the build log.
    pub tail: String,
}

/// The files of a tree by path; binary ones have no text.
pub(super) type Files = BTreeMap<String, String>;

/// Finds the commit that a `gitSource` names: `sha`, or the head of `ref`.
///
/// # Errors
/// 400 `incorrect_git_source_info`.
pub(super) fn resolve(github: &github::State, source: &Value) -> Result<(Git, Files), Problem> {
    let wrong = |message: String| Problem::new(400, "incorrect_git_source_info", message);
    let repo = match (&source["repoId"], &source["org"], &source["repo"]) {
        (Value::Number(id), ..) => github.repo_by_id(id.as_u64().unwrap_or_default()),
        (Value::String(id), ..) => github.repo_by_id(id.parse().unwrap_or_default()),
        (_, Value::String(org), Value::String(repo)) => github.repo_by_name(org, repo),
        _ => None,
    };
    let repo = repo.ok_or_else(|| wrong("The provided GitHub repository can't be found.".to_owned()))?;
    let reference = source["ref"].as_str().unwrap_or_default();
    let branch = reference.strip_prefix("refs/heads/").unwrap_or(reference);
    let sha = match source["sha"].as_str() {
        Some(sha) => sha.to_owned(),
        None => github
            .head(repo.id, branch)
            .cloned()
            .ok_or_else(|| wrong(format!("Deploying branch \"{branch}\" failed, because it does not exist.")))?,
    };
    commit(github, repo.id, branch, &sha)
        .ok_or_else(|| wrong(format!("The provided commit \"{sha}\" does not exist in the repository.")))
}

/// The commit `sha` of a repository with its files.
pub(super) fn commit(github: &github::State, repo_id: u64, branch: &str, sha: &str) -> Option<(Git, Files)> {
    let repo = github.repo_by_id(repo_id)?;
    let commit = github.commit_info(repo_id, sha)?;
    let git = Git {
        repo_id,
        org: repo.owner.clone(),
        repo: repo.name.clone(),
        branch: branch.to_owned(),
        sha: sha.to_owned(),
        message: commit.message,
        author_login: commit.author_login,
        author_name: commit.author_name,
    };
    let text = |(path, bytes): (String, Vec<u8>)| (path, String::from_utf8_lossy(&bytes).into_owned());
    Some((git, github.files(repo_id, sha).into_iter().map(text).collect()))
}

/// What of the tree is kept.
pub(super) fn snapshot(files: &Files) -> Snapshot {
    let readme = files.get("README.md").map_or("", String::as_str);
    Snapshot {
        files: files.keys().cloned().collect(),
        readme: readme.lines().take(README_LINES).collect::<Vec<_>>().join("\n"),
    }
}

/// Whether and how a build of `files` with the project's `settings` is going to fail.
pub(super) fn failure(files: &Files, settings: &Map<String, Value>) -> Option<Failure> {
    let fail = |code: &str, message: String, tail: String| Some(Failure { code: code.to_owned(), message, tail });
    let setting = |name: &str| settings.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(tail) = files.get(FAIL_FILE) {
        let command = setting("buildCommand").unwrap_or("npm run build");
        let message = format!("Command \"{command}\" exited with 1");
        return fail("BUILD_UTILS_SPAWN_1", message, tail.trim_end().to_owned());
    }
    let root = setting("rootDirectory").map(|dir| format!("{}/", dir.trim_matches('/')));
    let root = root.as_deref().filter(|root| *root != "./").unwrap_or("");
    if !files.keys().any(|path| path.starts_with(root)) {
        let dir = root.trim_end_matches('/');
        let message =
            format!("The specified Root Directory \"{dir}\" does not exist. Please update your Project Settings.");
        return fail("NOT_FOUND_ROOT_DIRECTORY", message.clone(), message);
    }
    let json = |name: &str| -> Value {
        let text = files.get(&format!("{root}{name}"));
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null)
    };
    let package = files.get(&format!("{root}package.json"))?;
    let Ok(package) = serde_json::from_str::<Value>(package) else {
        let message = "Can't parse json file package.json".to_owned();
        return fail("CANNOT_PARSE_JSON", message.clone(), message);
    };
    let configured = setting("buildCommand").is_some() || json("vercel.json")["buildCommand"].is_string();
    if package["scripts"]["build"].is_null() && !configured {
        let message = "Missing required \"build\" script in \"package.json\"".to_owned();
        return fail("missing_build_script", message.clone(), message);
    }
    None
}

/// Whether the tree's `vercel.json` lets pushes to `branch` deploy (`git.deploymentEnabled`).
pub(super) fn deploys_pushes(files: &Files, branch: &str) -> bool {
    let config = files.get("vercel.json").and_then(|text| serde_json::from_str::<Value>(text).ok());
    let enabled = config.map_or(Value::Null, |config| config["git"]["deploymentEnabled"].clone());
    enabled != false && enabled[branch] != false
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::{Files, deploys_pushes, failure};

    fn files(list: &[(&str, &str)]) -> Files {
        list.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn builds_fail_for_the_reasons_a_person_would_expect() {
        let none = Map::new();
        let good = files(&[("package.json", r#"{"scripts":{"build":"next build"}}"#), ("web/a.txt", "")]);
        assert!(failure(&good, &none).is_none());
        let bare = files(&[("package.json", "{}")]);
        assert_eq!(failure(&bare, &none).expect("no script").code, "missing_build_script");
        let command = json!({"buildCommand": "make"}).as_object().expect("object").clone();
        assert!(failure(&bare, &command).is_none());
        let root = json!({"rootDirectory": "apps/web"}).as_object().expect("object").clone();
        assert_eq!(failure(&good, &root).expect("no such directory").code, "NOT_FOUND_ROOT_DIRECTORY");
        let broken = files(&[("forkable-sandbox.fail-build", "Type error: x\n")]);
        assert_eq!(failure(&broken, &none).expect("told to").tail, "Type error: x");
    }

    #[test]
    fn vercel_json_can_stop_builds_of_pushes() {
        let config = |text: &str| files(&[("vercel.json", text)]);
        assert!(deploys_pushes(&config("{}"), "main"));
        assert!(!deploys_pushes(&config(r#"{"git":{"deploymentEnabled":false}}"#), "main"));
        let some = config(r#"{"git":{"deploymentEnabled":{"dev":false}}}"#);
        assert!(deploys_pushes(&some, "main") && !deploys_pushes(&some, "dev"));
    }
}
