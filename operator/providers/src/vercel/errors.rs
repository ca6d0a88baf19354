//! What Vercel's error answers mean: status, code and message → [`PortError`].

use forkable_core::{PortError, Secret, error::Provider, secret::redact};
use http::StatusCode;
use serde_json::Value;

use crate::transport::{Answer, shortened};

const VERCEL: Provider = Provider::Vercel;

/// A call that did not succeed: what it means, and what Vercel said word for word.
#[derive(Debug)]
pub(super) struct Failure {
    /// `None`: no answer that could be read.
    pub status: Option<StatusCode>,
    pub problem: Problem,
    pub error: PortError,
}

impl From<Failure> for PortError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

impl From<PortError> for Failure {
    fn from(error: PortError) -> Self {
        Self { status: None, problem: Problem::default(), error }
    }
}

impl Failure {
    pub(super) fn is(&self, status: StatusCode) -> bool {
        self.status == Some(status)
    }

    /// Reads an answer that is no success. `what` names for people what the call was about; what is `hidden` is left
    /// out of every message.
    pub(super) fn read(answer: &Answer, what: &str, hidden: &[Secret]) -> Self {
        let mut problem = Problem::parse(answer.status(), answer.body());
        problem.hide(hidden);
        let error = meaning(answer.status(), &problem, what);
        Self { status: Some(answer.status()), problem, error }
    }
}

/// The error object of an answer.
#[derive(Debug, Default)]
pub(super) struct Problem {
    pub code: String,
    pub message: String,
    /// What a person has to do, such as `Install GitHub App`.
    pub action: Option<String>,
    /// The credentials are not valid at all.
    pub invalid_token: bool,
    /// The project that holds a domain.
    pub project_id: Option<String>,
    /// Of a variable in a batch.
    pub env_var_key: Option<String>,
    /// The variables of a batch that were refused, if all of them were.
    pub failed: Vec<Self>,
}

impl Problem {
    /// `{"error":{…}}`, `{"err":{…}}` or the bare object; members that are not of the expected type are ignored.
    fn parse(status: StatusCode, body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let inner = ["error", "err"].into_iter().find_map(|name| body.get(name).filter(|inner| inner.is_object()));
        let mut problem = Self::of(inner.unwrap_or(&body));
        if problem.message.is_empty() {
            problem.message = format!("HTTP {status}");
        }
        let failed = body.get("failed").and_then(Value::as_array).into_iter().flatten();
        problem.failed = failed.map(|row| Self::of(&row["error"])).collect();
        problem
    }

    pub(super) fn of(error: &Value) -> Self {
        let text = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
        Self {
            code: text("code").unwrap_or_default(),
            message: shortened(&text("message").unwrap_or_default()),
            action: text("action"),
            invalid_token: error.get("invalidToken") == Some(&Value::Bool(true)),
            project_id: text("projectId"),
            env_var_key: text("envVarKey").or_else(|| text("key")),
            failed: Vec::new(),
        }
    }

    /// Takes values out of the messages, in case Vercel repeats what it was sent.
    pub(super) fn hide(&mut self, values: &[Secret]) {
        self.message = redact(&self.message, values);
        for row in &mut self.failed {
            row.hide(values);
        }
    }
}

/// The rows that a batch of variables refused, each with its reason.
pub(super) fn refused_rows(rows: &[Problem]) -> PortError {
    let say = |row: &Problem| format!("{}: {}", row.env_var_key.as_deref().unwrap_or("?"), row.message);
    let all: Vec<String> = rows.iter().map(say).collect();
    PortError::Rejected {
        provider: VERCEL,
        code: rows.first().map_or_else(String::new, |row| row.code.clone()),
        message: all.join("; "),
    }
}

pub(super) fn unavailable(message: impl Into<String>) -> PortError {
    PortError::Unavailable { provider: VERCEL, message: message.into() }
}

pub(super) fn stale(message: impl Into<String>) -> PortError {
    PortError::Stale { provider: VERCEL, message: message.into() }
}

pub(super) fn conflict(message: impl Into<String>) -> PortError {
    PortError::Conflict { provider: VERCEL, message: message.into() }
}

/// Rate limits (429) are the transport's business and do not get here.
fn meaning(status: StatusCode, problem: &Problem, what: &str) -> PortError {
    let provider = VERCEL;
    let message = problem.message.clone();
    let code = if problem.code.is_empty() { status.as_str().to_owned() } else { problem.code.clone() };
    match status.as_u16() {
        401 => PortError::Unauthorized { provider, message },
        403 if problem.invalid_token => PortError::Unauthorized { provider, message },
        402 | 428 => PortError::PlanUnsupported { provider, message },
        404 => PortError::NotFound { provider, what: what.to_owned() },
        408 | 423 | 500.. => unavailable(format!("HTTP {}: {message}", status.as_u16())),
        400 | 403 | 409 if passes(&message) => stale(message),
        400 | 403 if speaks_of_plan(problem) => PortError::PlanUnsupported { provider, message },
        403 => PortError::Forbidden { provider, message, missing: None },
        409 => conflict(message),
        _ => PortError::Rejected { provider, code, message: with_remedy(problem, message) },
    }
}

/// Refusals that end by themselves, without another spec.
fn passes(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["ongoing env update", "being transferred", "latest production deployment"]
        .iter()
        .any(|sign| message.contains(sign))
}

/// Whether a refusal is about the account's plan: most have a status of their own, some say it in words only.
fn speaks_of_plan(problem: &Problem) -> bool {
    const SIGNS: [&str; 8] = [
        "hobby team",
        "hobby plan",
        "pro plan",
        "enterprise plan",
        "enterprise customers",
        "user plan",
        "upgrade your",
        "upgrade to",
    ];
    let message = problem.message.to_ascii_lowercase();
    SIGNS.iter().any(|sign| message.contains(sign)) || problem.code.contains("plan_")
}

/// Adds what a person has to do to the refusals that only a person can lift.
fn with_remedy(problem: &Problem, message: String) -> String {
    let remedy = match (problem.code.as_str(), problem.action.as_deref()) {
        (_, Some("Install GitHub App")) => {
            "install Vercel's GitHub App on the owner of the repository: https://github.com/apps/vercel"
        }
        (_, Some("Add a Login Connection")) => {
            "connect the Vercel account of the token to GitHub: https://vercel.com/account/settings/authentication"
        }
        ("repo_not_found", _) => {
            "give Vercel's GitHub App access to the repository: https://github.com/apps/vercel/installations/new"
        }
        ("repo_links_exceeded_limit", _) => "unlink projects that are not needed from the repository",
        _ => return message,
    };
    format!("{} — {remedy}", message.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(status: u16, body: &Value) -> PortError {
        let answer = http::Response::builder().status(status).body(body.to_string().into()).expect("an answer");
        Failure::read(&answer, "project acme", &[]).error
    }

    fn error(code: &str, message: &str) -> Value {
        json!({"error": {"code": code, "message": message}})
    }

    #[test]
    fn every_kind_of_refusal_has_its_meaning() {
        let hobby = "Repositories that belong to an organization can't be connected to a Hobby team.";
        let table = [
            (401, error("forbidden", "no"), "Unauthorized"),
            (403, json!({"error": {"code": "forbidden", "message": "no", "invalidToken": true}}), "Unauthorized"),
            (403, error("forbidden", "Not authorized: Trying to access resource"), "MissingPermission"),
            (403, error("forbidden", hobby), "PlanUnsupported"),
            (
                400,
                error("bad_request", "The maximum function duration on the hobby plan is 300 seconds."),
                "PlanUnsupported",
            ),
            (402, error("payment_required", "no"), "PlanUnsupported"),
            (428, error("missing_protection_addon", "no"), "PlanUnsupported"),
            (404, error("not_found", "no"), "NotFound"),
            (409, error("conflict", "A project with the name \"acme\" already exists"), "NameConflict"),
            (409, error("conflict", "The project is being transferred"), "Stale"),
            (400, error("bad_request", "There is an ongoing env update, try again"), "Stale"),
            (400, error("bad_request", "Invalid request: missing required property `name`."), "Rejected"),
            (400, json!({"code": "bare", "message": "bare"}), "Rejected"),
            (500, json!("<html>"), "ProviderUnavailable"),
            (503, json!({}), "ProviderUnavailable"),
        ];
        for (status, body, reason) in table {
            assert_eq!(read(status, &body).reason(), reason, "{status} {body}");
        }
    }

    #[test]
    fn all_three_shapes_carry_the_message() {
        let inner = json!({"code": "x", "message": "the reason"});
        for body in [json!({"error": inner}), json!({"err": inner}), inner] {
            assert_eq!(read(400, &body).to_string(), "Vercel refuses: the reason (x)");
        }
        assert_eq!(read(418, &json!([])).to_string(), "Vercel refuses: HTTP 418 I'm a teapot (418)");
    }

    #[test]
    fn refusals_that_a_person_lifts_say_how() {
        let app =
            json!({"error": {"code": "bad_request", "message": "Install it first.", "action": "Install GitHub App"}});
        assert!(read(400, &app).to_string().contains("Install it first — install Vercel's GitHub App"));
        let missing =
            error("repo_not_found", "The repository \"a/b\" couldn't be found in your linked GitHub account.");
        assert!(read(400, &missing).to_string().contains("give Vercel's GitHub App access"));
    }

    #[test]
    fn long_messages_are_cut_to_one_line() {
        let message = format!("a\n{}", "b".repeat(1000));
        let read = read(400, &error("x", &message)).to_string();
        assert!(read.len() < 600 && !read.contains('\n'), "{read}");
    }
}
