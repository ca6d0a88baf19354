//! GitHub's refusals as [`PortError`]s: by status, headers and, where GitHub leaves nothing else, by words.

use forkable_core::{PortError, error::Provider};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::client::GraphError;
use crate::transport::{self, Answer, message_of, shortened};

const PROVIDER: Provider = Provider::GitHub;

/// Words of refusals that only another plan lifts.
const PLAN: [&str; 6] = [
    "upgrade to github",
    "billing plan",
    "must be purchased",
    "not available for this repository",
    "advanced security must be",
    "only available with github",
];

/// Words of refusals of a branch's rules.
const RULES: [&str; 3] = ["rule violations", "protected branch", "branch protection"];

/// The error that an answer is which is no success. `what` names for people what the call was about.
pub(super) fn of(answer: &Answer, what: &str) -> PortError {
    let status = answer.status();
    let message = sentence(answer);
    let provider = PROVIDER;
    match status {
        StatusCode::UNAUTHORIZED => PortError::Unauthorized { provider, message },
        StatusCode::NOT_FOUND | StatusCode::GONE => PortError::NotFound { provider, what: what.into() },
        StatusCode::CONFLICT => PortError::Stale { provider, message: format!("{what}: {message}") },
        StatusCode::PAYMENT_REQUIRED => PortError::PlanUnsupported { provider, message },
        StatusCode::FORBIDDEN => refused(message, missing(answer), "403"),
        StatusCode::UNPROCESSABLE_ENTITY => unprocessable(message),
        status if status.is_redirection() => {
            PortError::Stale { provider, message: format!("{what} was renamed or moved") }
        }
        status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => unavailable(&message),
        status => PortError::Rejected { provider, code: status.as_str().into(), message },
    }
}

/// The error of a GraphQL request that has no data to go with.
pub(super) fn of_graph(errors: &[GraphError], what: &str) -> PortError {
    let Some(error) = errors.first() else {
        return unavailable("its answer has neither data nor an error");
    };
    let message = shortened(&error.message);
    let provider = PROVIDER;
    match error.kind.as_deref() {
        Some("NOT_FOUND") if message.to_lowercase().contains("branch") => PortError::Stale { provider, message },
        Some("NOT_FOUND") => PortError::NotFound { provider, what: what.into() },
        Some("STALE_DATA") => PortError::Stale { provider, message },
        Some("FORBIDDEN" | "INSUFFICIENT_SCOPES") => refused(message, None, "FORBIDDEN"),
        Some("UNPROCESSABLE" | "BRANCH_PROTECTION_RULE_VIOLATION" | "VALIDATION") => unprocessable(message),
        Some(code @ ("undefinedField" | "MAX_NODE_LIMIT_EXCEEDED" | "ARGUMENT_LIMIT")) => {
            PortError::Rejected { provider, code: code.into(), message }
        }
        // `SERVICE_UNAVAILABLE`, time-outs, and "something went wrong" without a type.
        _ => unavailable(&message),
    }
}

pub(super) fn unavailable(message: &str) -> PortError {
    PortError::Unavailable { provider: PROVIDER, message: message.into() }
}

pub(super) fn rejected(code: &str, message: impl Into<String>) -> PortError {
    PortError::Rejected { provider: PROVIDER, code: code.into(), message: message.into() }
}

pub(super) fn stale(message: impl Into<String>) -> PortError {
    PortError::Stale { provider: PROVIDER, message: message.into() }
}

pub(super) fn conflict(message: impl Into<String>) -> PortError {
    PortError::Conflict { provider: PROVIDER, message: message.into() }
}

/// When the quota that an answer tells of is full again.
pub(super) fn reset(answer: &Answer, now: Timestamp) -> Timestamp {
    let told = transport::reset(answer.headers(), now).filter(|reset| *reset > now);
    told.unwrap_or_else(|| now + SignedDuration::from_mins(1))
}

/// A refusal of credentials that are fine in themselves.
fn refused(message: String, missing: Option<String>, code: &str) -> PortError {
    let words = message.to_lowercase();
    if PLAN.iter().any(|plan| words.contains(plan)) {
        return PortError::PlanUnsupported { provider: PROVIDER, message };
    }
    if RULES.iter().any(|rule| words.contains(rule)) {
        return rule_violation(&message, code);
    }
    let workflow = words.contains("create or update workflow").then(|| "workflow (workflows:write)".to_owned());
    PortError::Forbidden { provider: PROVIDER, message, missing: workflow.or(missing) }
}

fn unprocessable(message: String) -> PortError {
    let words = message.to_lowercase();
    if words.contains("already exists") {
        return conflict(message);
    }
    if PLAN.iter().any(|plan| words.contains(plan)) {
        return PortError::PlanUnsupported { provider: PROVIDER, message };
    }
    if RULES.iter().any(|rule| words.contains(rule)) {
        return rule_violation(&message, "422");
    }
    if words.contains("create or update workflow") {
        return refused(message, None, "422");
    }
    rejected("422", message)
}

fn rule_violation(message: &str, code: &str) -> PortError {
    rejected(
        code,
        format!(
            "{message}: let these credentials bypass the rules of the branch (repository settings, Rules, Bypass \
             list), or remove the rule"
        ),
    )
}

/// What the answer says was lacking: an App permission, or a scope of a classic token.
fn missing(answer: &Answer) -> Option<String> {
    let header = |name: &str| {
        let value = answer.headers().get(name)?.to_str().ok()?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    };
    // Classic tokens are told their scopes with every answer.
    let scopes = header("x-oauth-scopes").and_then(|_| header("x-accepted-oauth-scopes"));
    scopes.map(|scopes| format!("scope {scopes}")).or_else(|| header("x-accepted-github-permissions"))
}

/// The message with what `errors` adds to it.
fn sentence(answer: &Answer) -> String {
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let mut sentence = message_of(answer);
    for error in body["errors"].as_array().into_iter().flatten() {
        let text = error.as_str().or(error["message"].as_str()).map(str::to_owned);
        let text = text.or_else(|| {
            let (field, code) = (error["field"].as_str()?, error["code"].as_str()?);
            Some(format!("{field}: {code}"))
        });
        if let Some(text) = text {
            sentence = format!("{sentence}: {text}");
        }
    }
    shortened(&sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &'static str) -> Answer {
        let mut answer = Answer::new(bytes::Bytes::from_static(body.as_bytes()));
        *answer.status_mut() = StatusCode::from_u16(status).expect("a status");
        answer
    }

    #[test]
    fn refusals_are_told_apart_by_what_happens_next() {
        let plan = r#"{"message":"Upgrade to GitHub Pro or make this repository public to enable this feature."}"#;
        let billing = r#"{"message":"Failed to create the environment protection rule. Please ensure the billing plan supports the required reviewers protection rule."}"#;
        let taken = r#"{"message":"Repository creation failed.","errors":[{"resource":"Repository","code":"custom","field":"name","message":"name already exists on this account"}]}"#;
        let template = r#"{"message":"Could not clone: Name already exists on this account"}"#;
        let invalid = r#"{"message":"Validation Failed","errors":["Name can't be blank"]}"#;
        let workflow = r#"{"message":"refusing to allow a GitHub App to create or update workflow `.github/workflows/ci.yml` without `workflows` permission"}"#;
        let cases = [
            (403, plan, "PlanUnsupported"),
            (422, billing, "PlanUnsupported"),
            (402, "{}", "PlanUnsupported"),
            (422, taken, "NameConflict"),
            (422, template, "NameConflict"),
            (422, invalid, "Rejected"),
            (400, r#"{"message":"Problems parsing JSON"}"#, "Rejected"),
            (403, r#"{"message":"Resource not accessible by integration"}"#, "MissingPermission"),
            (403, workflow, "MissingPermission"),
            (403, r#"{"message":"Repository was archived so is read-only."}"#, "MissingPermission"),
            (401, r#"{"message":"Bad credentials"}"#, "Unauthorized"),
            (404, "{}", "NotFound"),
            (409, r#"{"message":"Git Repository is empty."}"#, "Stale"),
            (307, "{}", "Stale"),
            (422, r#"{"message":"Repository rule violations found"}"#, "Rejected"),
            (502, "<html>", "ProviderUnavailable"),
        ];
        for (status, body, reason) in cases {
            assert_eq!(of(&answer(status, body), "it").reason(), reason, "{status} {body}");
        }
        assert_eq!(
            of(&answer(422, invalid), "it").to_string(),
            "GitHub refuses: Validation Failed: Name can't be blank (422)"
        );
    }

    #[test]
    fn what_was_lacking_is_named_in_the_credentials_own_words() {
        let mut refused = answer(403, "{}");
        let missing = |answer: &Answer| match of(answer, "it") {
            PortError::Forbidden { missing, .. } => missing,
            other => panic!("{other:?}"),
        };
        assert_eq!(missing(&refused), None);
        let permissions = http::HeaderValue::from_static("administration=write");
        refused.headers_mut().insert("x-accepted-github-permissions", permissions);
        assert_eq!(missing(&refused).as_deref(), Some("administration=write"));
        refused.headers_mut().insert("x-oauth-scopes", http::HeaderValue::from_static("repo"));
        refused.headers_mut().insert("x-accepted-oauth-scopes", http::HeaderValue::from_static("delete_repo"));
        assert_eq!(missing(&refused).as_deref(), Some("scope delete_repo"), "a classic token");
    }
}
