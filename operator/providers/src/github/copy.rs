//! A template's tree in one commit of another repository: modes, links and binary files as they are.
//!
//! Objects of one repository cannot be named in another, so that every file is read and written again: text in bulk,
//! the rest one by one. Git's ids prove the result: the new tree must have the very id of the template's.

use std::{collections::BTreeMap, fmt::Write as _};

use forkable_core::{
    PortError,
    forge::{self, ForgeDone, Head, INITIAL_COMMIT, RepositoryTarget},
    fork::blob,
};
use forkable_crds::fork::Visibility;
use futures::{TryStreamExt as _, stream};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    GitHub,
    client::{GraphRequest, Request},
    errors, name, observe, of,
    repositories::Repository,
};
use crate::transport::Priority;

/// Files and bytes that go into one request. One larger file goes alone.
const FILES: usize = 100;
const BYTES: usize = 2 << 20;
/// The largest file that is read as text.
const TEXT: usize = 256 << 10;
/// Binary files under way at one time.
const AT_ONCE: usize = 4;

#[derive(Deserialize)]
struct Commit {
    sha: String,
    #[serde(rename = "commit")]
    data: CommitData,
    #[serde(default)]
    parents: Vec<Sha>,
}

#[derive(Deserialize)]
struct CommitData {
    message: String,
    tree: Sha,
}

#[derive(Deserialize)]
struct Sha {
    sha: String,
}

#[derive(Deserialize)]
struct Tree {
    tree: Vec<Entry>,
    truncated: bool,
}

#[derive(Deserialize)]
struct Entry {
    path: String,
    mode: String,
    #[serde(rename = "type")]
    kind: String,
    sha: String,
    #[serde(default)]
    size: usize,
}

#[derive(Deserialize)]
struct Blob {
    content: String,
    encoding: String,
}

#[derive(Deserialize)]
struct NewCommit {
    sha: String,
    author: Author,
}

#[derive(Deserialize)]
struct Author {
    name: String,
}

/// One copy that is going on.
struct Copy<'a> {
    github: &'a GitHub,
    template: &'a (String, String),
    target: &'a RepositoryTarget,
    /// Files of an earlier try may be there.
    is_resumed: bool,
}

impl GitHub {
    pub(super) async fn copy(
        &self,
        target: &RepositoryTarget,
        template: &(String, String),
        git_ref: Option<&str>,
        visibility: Visibility,
        description: Option<&str>,
    ) -> Result<ForgeDone, PortError> {
        let (owner, repo) = template;
        let what = format!("{} of {owner}/{repo}", git_ref.unwrap_or("the head"));
        let request = Request::new("GET /repos/{owner}/{repo}/commits/{ref}", &what).at(owner).at(repo);
        let source: Commit = match self.client.send(&request.at(git_ref.unwrap_or("HEAD"))).await {
            // "No commit found for SHA": https://docs.github.com/en/rest/commits/commits#get-a-commit
            Err(PortError::Rejected { message, .. }) => {
                return Err(errors::rejected("ref", format!("{what}: {message}")));
            }
            other => other?,
        };
        let made: Repository = match target.id {
            Some(_) => self.client.send(&of("GET /repos/{owner}/{repo}", target)?).await?,
            None => self.create(target, visibility, description).await?,
        };
        let copy = Copy { github: self, template, target, is_resumed: target.id.is_some() };
        let filled = copy.fill(&made.default_branch, &source).await;
        let (head, entries) = filled.map_err(|error| match error {
            error if copy.is_resumed => error,
            PortError::Unavailable { .. } | PortError::Stale { .. } => error,
            // A rate limit, say: that this call was refused does not mean that nothing was made.
            error => errors::stale(format!("{} is made and not filled yet: {error}", name(target))),
        })?;
        let mut facts = made.facts();
        facts.head = Some(head);
        facts.blobs = entries.into_iter().map(|entry| (entry.path, entry.sha)).collect();
        Ok(ForgeDone::Repository(Box::new(facts)))
    }
}

impl Copy<'_> {
    fn request(&self, operation: &'static str) -> Request {
        Request::new(operation, name(self.target)).at(&self.target.owner).at(&self.target.name)
    }

    fn of_template(&self, operation: &'static str) -> Request {
        let (owner, repo) = self.template;
        Request::new(operation, format!("{owner}/{repo}")).at(owner).at(repo)
    }

    /// Makes the branch what the template is at a commit.
    async fn fill(&self, branch: &str, source: &Commit) -> Result<(Head, Vec<Entry>), PortError> {
        if self.is_resumed {
            self.check_untouched(branch).await?;
        }
        let tree = &source.data.tree.sha;
        let entries = self.list(tree).await?;
        self.write(&entries, tree).await?;
        let (owner, repo) = self.template;
        let message = format!("Copy of {owner}/{repo} at {}", forge::short(&source.sha));
        Ok((self.commit(branch, &message, tree).await?, entries))
    }

    /// The head is about to be replaced: it must be what GitHub itself put there.
    async fn check_untouched(&self, branch: &str) -> Result<(), PortError> {
        let request = self.request("GET /repos/{owner}/{repo}/commits/{ref}").at(branch);
        let head: Commit = self.github.client.send(&request).await?;
        if head.data.message != INITIAL_COMMIT || !head.parents.is_empty() {
            return Err(errors::stale(format!("{} has got commits since", name(self.target))));
        }
        Ok(())
    }

    /// All files of a tree, and the commits of submodules.
    async fn list(&self, tree: &str) -> Result<Vec<Entry>, PortError> {
        let request = self.of_template("GET /repos/{owner}/{repo}/git/trees/{tree_sha}").at(tree);
        let tree: Tree = self.github.client.send(&request.query("recursive", 1)).await?;
        if tree.truncated {
            let (owner, repo) = self.template;
            return Err(errors::rejected("size", format!("{owner}/{repo} has more files than can be copied: fork it")));
        }
        Ok(tree.tree.into_iter().filter(|entry| entry.kind != "tree").collect())
    }

    /// Writes the tree, a part at a time on top of the former ones.
    async fn write(&self, entries: &[Entry], wanted: &str) -> Result<(), PortError> {
        let mut written: Option<String> = None;
        for part in parts(entries) {
            let lines = self.lines(part).await?;
            let mut body = json!({ "tree": lines });
            if let Some(base) = &written {
                body["base_tree"] = base.clone().into();
            }
            let tree: Sha =
                self.github.client.send(&self.request("POST /repos/{owner}/{repo}/git/trees").json(body)).await?;
            written = Some(tree.sha);
        }
        if written.as_deref() != Some(wanted) {
            return Err(errors::unavailable("the copied tree is not that of the template"));
        }
        Ok(())
    }

    async fn lines(&self, part: &[Entry]) -> Result<Vec<Value>, PortError> {
        let texts = self.texts(part).await?;
        let others = part.iter().filter(|entry| entry.kind == "blob" && !texts.contains_key(&entry.sha));
        stream::iter(others.map(Ok)).try_for_each_concurrent(AT_ONCE, |entry| self.carry(entry)).await?;
        let line = |entry: &Entry| {
            let mut line = json!({ "path": entry.path, "mode": entry.mode, "type": entry.kind });
            match texts.get(&entry.sha) {
                Some(text) => line["content"] = text.clone().into(),
                None => line["sha"] = entry.sha.clone().into(),
            }
            line
        };
        Ok(part.iter().map(line).collect())
    }

    /// Contents by id, of those that are text and come through unharmed.
    async fn texts(&self, part: &[Entry]) -> Result<BTreeMap<String, String>, PortError> {
        let mut ids: Vec<&str> =
            part.iter().filter(|entry| entry.kind == "blob" && entry.size <= TEXT).map(|entry| &*entry.sha).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let (owner, repo) = self.template;
        let mut variables = Map::from_iter([("owner".into(), json!(owner)), ("name".into(), json!(repo))]);
        let (mut declared, mut fields) = (String::new(), String::new());
        for (i, id) in ids.iter().enumerate() {
            variables.insert(format!("o{i}"), (*id).into());
            let _ = write!(declared, ", $o{i}: GitObjectID!");
            let _ = write!(fields, " f{i}: object(oid: $o{i}) {{ ... on Blob {{ text }} }}");
        }
        let document = format!(
            "query CopyFiles($owner: String!, $name: String!{declared}) {{ repository(owner: $owner, name: $name, \
             followRenames: false) {{{fields} }} }}"
        );
        let answer = self.github.client.graph(GraphRequest {
            operation: "graphql query CopyFiles",
            name: "CopyFiles",
            document: &document,
            variables: Value::Object(variables),
            write: false,
            priority: Priority::Create,
        });
        let mut answer = answer.await?;
        if !answer.errors.is_empty() {
            return Err(errors::of_graph(&answer.errors, &format!("{owner}/{repo}")));
        }
        let mut files: BTreeMap<String, Option<Text>> = observe::read(answer.data["repository"].take())?;
        let text = |(i, id): (usize, &&str)| {
            let text = files.remove(&format!("f{i}"))??.text?;
            // Other encodings come as UTF-8, and large files come cut.
            (blob::id(text.as_bytes()) == **id).then(|| ((*id).to_owned(), text))
        };
        Ok(ids.iter().enumerate().filter_map(text).collect())
    }

    /// Brings one file over as it is.
    async fn carry(&self, entry: &Entry) -> Result<(), PortError> {
        if self.is_resumed {
            let there = self.request("GET /repos/{owner}/{repo}/git/blobs/{file_sha}").at(&entry.sha);
            let answer = self.github.client.exchange(&there).await?;
            match answer.status() {
                status if status.is_success() => return Ok(()),
                StatusCode::NOT_FOUND => {}
                _ => return Err(errors::of(&answer, there.what())),
            }
        }
        let request = self.of_template("GET /repos/{owner}/{repo}/git/blobs/{file_sha}").at(&entry.sha);
        let blob: Blob = self.github.client.send(&request).await?;
        let content: String = blob.content.split_ascii_whitespace().collect();
        let body = json!({ "content": content, "encoding": blob.encoding });
        let made: Sha =
            self.github.client.send(&self.request("POST /repos/{owner}/{repo}/git/blobs").json(body)).await?;
        if made.sha == entry.sha {
            return Ok(());
        }
        Err(errors::unavailable("a copied file is not that of the template"))
    }

    /// Commits the tree without parents and makes the branch point to it.
    async fn commit(&self, branch: &str, message: &str, tree: &str) -> Result<Head, PortError> {
        let body = json!({ "message": message, "tree": tree, "parents": [] });
        let made: NewCommit =
            self.github.client.send(&self.request("POST /repos/{owner}/{repo}/git/commits").json(body)).await?;
        let request = self.request("PATCH /repos/{owner}/{repo}/git/refs/{+ref}").at(format!("heads/{branch}"));
        self.github.client.run(&request.json(json!({ "sha": made.sha, "force": true }))).await?;
        Ok(Head { oid: made.sha, tree: tree.to_owned(), message: message.to_owned(), author: made.author.name })
    }
}

#[derive(Deserialize)]
struct Text {
    text: Option<String>,
}

/// Entries in parts that are small enough for one request.
fn parts(entries: &[Entry]) -> Vec<&[Entry]> {
    let (mut parts, mut begin, mut bytes) = (Vec::new(), 0, 0);
    for (i, entry) in entries.iter().enumerate() {
        let size = entry.size.min(TEXT);
        if i > begin && (i - begin == FILES || bytes + size > BYTES) {
            parts.push(&entries[begin..i]);
            (begin, bytes) = (i, 0);
        }
        bytes += size;
    }
    if begin < entries.len() {
        parts.push(&entries[begin..]);
    }
    parts
}
