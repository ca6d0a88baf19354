//! What an answer of the apiserver means to a person, and what to do about it.

use anyhow::anyhow;
use kube::core::Status;

/// The error in words. `server` is where the cluster is said to be.
pub(super) fn explain(error: kube::Error, server: &str) -> anyhow::Error {
    match error {
        kube::Error::Api(status) => anyhow!(refusal(&status)),
        kube::Error::Service(_) | kube::Error::HyperError(_) => {
            anyhow!("the cluster at {server} cannot be reached: {}", root(&error))
        }
        kube::Error::Auth(_) => {
            anyhow!("the kubeconfig's credentials cannot be used: {}; sign in to the cluster again", root(&error))
        }
        error => anyhow!("the cluster at {server}: {}", root(&error)),
    }
}

/// Whether the kind is there and the object is not.
pub(super) fn is_absent(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404 && names_an_object(status))
}

fn names_an_object(status: &Status) -> bool {
    status.details.as_ref().is_some_and(|details| !details.name.is_empty())
}

fn refusal(status: &Status) -> String {
    let Status { code, message, .. } = status;
    let message = message.trim();
    match code {
        401 => format!("the cluster does not accept the kubeconfig's credentials ({message}); sign in to it again"),
        403 if message.contains("forkable.dev") => format!(
            "{message}. Have it granted to you: with Forkable's chart the roles view (to read) and edit (to change) \
             include it. `kubectl auth can-i --list` tells what you may; -n names another namespace"
        ),
        403 => format!("{message}. Have it granted to you, or leave it to somebody who may"),
        404 if !names_an_object(status) => {
            "the cluster does not know the kinds of forkable.dev: install Forkable's chart there, or the \
                          CRDs alone with `forkable crds | kubectl apply --server-side -f -`"
                .into()
        }
        _ => message.to_owned(),
    }
}

/// The innermost cause, which is what happened.
fn root(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_comes_with_what_to_do() {
        for (why, status, expected) in [
            (
                "no right to Forks",
                json!({ "code": 403, "message": "forks.forkable.dev is forbidden: User \"eva\" cannot list resource" }),
                "\"eva\" cannot list resource. Have it granted",
            ),
            (
                "no right to a Secret",
                json!({ "code": 403, "message": "secrets \"acme\" is forbidden: User \"eva\" cannot get resource" }),
                "or leave it to somebody who may",
            ),
            ("no CRDs", json!({ "code": 404, "message": "the server could not find" }), "forkable crds"),
            (
                "no such object",
                json!({ "code": 404, "message": "forks \"a\" not found", "details": { "name": "a" } }),
                "forks \"a\" not found",
            ),
            ("a wrong value", json!({ "code": 422, "message": "spec.suspend is wrong" }), "spec.suspend is wrong"),
        ] {
            let status: Status = serde_json::from_value(status).expect("a Status");
            let message = refusal(&status);
            assert!(message.contains(expected), "{why}: {message}");
        }
    }
}
