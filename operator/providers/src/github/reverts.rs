//! A pull request that takes a commit back. Every step looks first whether it was done, so that it can be made again.

use forkable_core::{
    PortError,
    forge::{ForgeDone, RepositoryTarget, Revert},
};
use serde::Deserialize;
use serde_json::json;

use super::{GitHub, errors, name, of};

#[derive(Deserialize)]
struct Pull {
    number: i64,
    html_url: String,
}

#[derive(Deserialize)]
struct Object {
    sha: String,
}

#[derive(Deserialize)]
struct Reference {
    object: Object,
}

#[derive(Deserialize)]
struct Inner {
    tree: Object,
}

#[derive(Deserialize)]
struct Commit {
    commit: Inner,
}

impl From<Pull> for ForgeDone {
    fn from(pull: Pull) -> Self {
        Self::PullRequest { number: pull.number, url: pull.html_url }
    }
}

impl GitHub {
    /// <https://docs.github.com/en/rest/pulls/pulls#create-a-pull-request>, from a branch of one commit that has the tree
    /// of the good commit and the bad one as its parent.
    pub(super) async fn open_revert(&self, target: &RepositoryTarget, revert: &Revert) -> Result<ForgeDone, PortError> {
        if let Some(pull) = self.pull_of(target, &revert.branch).await? {
            return Ok(pull.into());
        }
        if self.head_of(target, &revert.branch).await?.is_none() {
            self.branch_off(target, revert).await?;
        }
        let request = of("POST /repos/{owner}/{repo}/pulls", target)?.json(json!({
            "title": revert.title, "body": revert.body, "head": revert.branch, "base": revert.base,
        }));
        match self.client.send::<Pull>(&request).await {
            Err(error @ PortError::Conflict { .. }) => {
                let pull = self.pull_of(target, &revert.branch).await?;
                pull.map(ForgeDone::from).ok_or(error)
            }
            answered => answered.map(ForgeDone::from),
        }
    }

    async fn pull_of(&self, target: &RepositoryTarget, branch: &str) -> Result<Option<Pull>, PortError> {
        let request = of("GET /repos/{owner}/{repo}/pulls", target)?
            .query("head", format!("{}:{branch}", target.owner))
            .query("state", "all");
        let pulls: Vec<Pull> = self.client.send(&request).await?;
        Ok(pulls.into_iter().next())
    }

    async fn head_of(&self, target: &RepositoryTarget, branch: &str) -> Result<Option<String>, PortError> {
        let request = of("GET /repos/{owner}/{repo}/git/ref/{+ref}", target)?.at(format!("heads/{branch}"));
        match self.client.send::<Reference>(&request).await {
            Ok(reference) => Ok(Some(reference.object.sha)),
            Err(PortError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn branch_off(&self, target: &RepositoryTarget, revert: &Revert) -> Result<(), PortError> {
        let Revert { base, bad, good, branch, title, .. } = revert;
        if self.head_of(target, base).await?.as_ref() != Some(bad) {
            return Err(errors::stale(format!("{base} of {} has other commits on top of it by now", name(target))));
        }
        let request = of("GET /repos/{owner}/{repo}/commits/{ref}", target)?.at(good);
        let good: Commit = self.client.send(&request).await?;
        let commit = json!({ "message": title, "tree": good.commit.tree.sha, "parents": [bad] });
        let request = of("POST /repos/{owner}/{repo}/git/commits", target)?.json(commit);
        let commit: Object = self.client.send(&request).await?;
        let reference = json!({ "ref": format!("refs/heads/{branch}"), "sha": commit.sha });
        let request = of("POST /repos/{owner}/{repo}/git/refs", target)?.json(reference);
        match self.client.run(&request).await {
            Err(PortError::Conflict { .. }) => Ok(()), // Somebody was faster: an earlier try of ours.
            done => done,
        }
    }
}
