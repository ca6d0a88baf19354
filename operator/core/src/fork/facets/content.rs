//! Files of the repository, all of them in one commit, and never over what a person has changed.

use forkable_crds::fork::Overwrite;

use super::{
    Input, count, forge_steps,
    ownership::{self, Stand},
    without_repository,
};
use crate::{
    forge::{Blobs, FileContent, ForgeChange},
    fork::{MARKER, blob, desired::File},
    plan::{Facet, FacetPlan, Verdict},
};

pub(super) fn plan(input: Input<'_>) -> FacetPlan {
    let stand = ownership::repository(input);
    let Some(facts) = stand.foreseen() else { return without_repository() };
    let nothing = Blobs::default();
    let of_template = input.observed.template.as_ref().map_or(&nothing, |template| &template.blobs);
    let there = if let Stand::Ours(_) = stand { &facts.blobs } else { of_template };
    let files = files(input);
    let (mut write, mut left) = (Vec::new(), Vec::new());
    for file in &files {
        let blob = there.get(&file.path);
        if blob == Some(&file.blob) {
            continue;
        }
        let is_untouched = blob.is_none()
            || blob == of_template.get(&file.path)
            || input.record.files.iter().any(|written| written.path == file.path && Some(&written.blob) == blob);
        if is_untouched || file.overwrite == Overwrite::Always {
            write.push(file);
        } else {
            left.push(file.path.as_str());
        }
    }
    let mut message = format!("{} as in the manifest", count(files.len() - left.len(), "file"));
    if !left.is_empty() {
        message = format!(
            "{message}; changed by a person and left alone: {} (set overwrite: Always to bring them back)",
            left.join(", ")
        );
    }
    FacetPlan {
        steps: forge_steps(Facet::Content, commit(input, facts.default_branch.as_ref(), &write)),
        verdict: Verdict::synced(message),
    }
}

/// One commit with all of the files; none if there are none.
fn commit(input: Input<'_>, branch: Option<&String>, files: &[&File]) -> Option<ForgeChange> {
    let template = || input.observed.template.as_ref()?.default_branch.as_ref();
    let branch = branch.or(input.desired.repository.default_branch.as_ref()).or_else(template)?;
    let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
    (!files.is_empty()).then(|| ForgeChange::CommitFiles {
        branch: branch.clone(),
        message: format!(
            "Apply forkable manifest {}/{}\n\n{}",
            input.desired.namespace,
            input.desired.name,
            paths.join("\n")
        ),
        files: files
            .iter()
            .map(|file| FileContent { path: file.path.clone(), content: file.content.clone() })
            .collect(),
    })
}

/// The files of the manifest and, unless it has one of that name, the marker.
fn files(input: Input<'_>) -> Vec<File> {
    let mut files = input.desired.files.clone();
    if files.iter().all(|file| file.path != MARKER) {
        files.push(marker(input));
    }
    files
}

fn marker(input: Input<'_>) -> File {
    let Input { desired, observed, record, .. } = input;
    let commit = ownership::template_commit(desired, observed, record)
        .map_or_else(String::new, |commit| format!("templateCommit: {commit:?}\n"));
    let content = format!(
        "# Made by Forkable: says which Fork this repository belongs to.\n\
         fork: \"{}/{}\"\nuid: {:?}\ntemplate: \"{}/{}\"\n{commit}",
        desired.namespace, desired.name, desired.uid, desired.template.owner, desired.template.repo,
    );
    let blob = blob::id(content.as_bytes());
    File { path: MARKER.into(), content, blob, overwrite: Overwrite::Always }
}

#[cfg(test)]
mod tests;
