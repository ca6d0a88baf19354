//! Many files in one commit, on top of the head that was seen and of no other.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use forkable_core::{
    PortError,
    forge::{FileContent, ForgeDone, RepositoryTarget},
    fork::blob,
};
use serde_json::{Value, json};

use super::{
    GitHub,
    client::GraphRequest,
    errors, name,
    observe::{self, HEAD, facts::Commit},
};
use crate::transport::Priority;

impl GitHub {
    /// <https://docs.github.com/en/graphql/reference/mutations#createcommitonbranch>
    pub(super) async fn commit(
        &self,
        target: &RepositoryTarget,
        branch: &str,
        message: &str,
        files: &[FileContent],
    ) -> Result<ForgeDone, PortError> {
        let Some(head) = &target.head else {
            return Err(errors::stale(format!("{} has no commit yet", name(target))));
        };
        let (headline, body) = message.split_once('\n').unwrap_or((message, ""));
        let additions: Vec<Value> = files
            .iter()
            .map(|file| json!({ "path": file.path, "contents": BASE64_STANDARD.encode(&file.content) }))
            .collect();
        let input = json!({
            "branch": { "repositoryNameWithOwner": name(target), "branchName": branch },
            "message": { "headline": headline, "body": body.trim() },
            "fileChanges": { "additions": additions },
            "expectedHeadOid": head,
        });
        let document = format!(
            "mutation CommitFiles($input: CreateCommitOnBranchInput!) {{ createCommitOnBranch(input: $input) {{ \
             commit {{ ...Head }} }} }} {HEAD}"
        );
        let request = GraphRequest {
            operation: "graphql mutation CommitFiles",
            name: "CommitFiles",
            document: &document,
            variables: json!({ "input": input }),
            write: true,
            priority: Priority::Create,
        };
        let mut answer = self.client.graph(request).await?;
        let commit = answer.data["createCommitOnBranch"]["commit"].take();
        if commit.is_null() {
            return Err(errors::of_graph(&answer.errors, &name(target)));
        }
        let commit: Commit = observe::read(commit)?;
        let blob = |file: &FileContent| (file.path.clone(), blob::id(file.content.as_bytes()));
        let blobs = files.iter().map(blob).collect();
        Ok(ForgeDone::Committed { head: commit.head(), blobs })
    }
}
