//! What Sentry counts of a product: <https://docs.sentry.io/api/explore/> and
//! <https://docs.sentry.io/api/events/list-an-organizations-issues/>.

use std::time::Duration;

use forkable_crds::alert_rule::{SentryMetric, SentrySignal};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::Reading;
use crate::{
    Secret,
    fork::placeholders,
    release::analysis::Subject,
    sites::{Request, To, Visit},
};

/// Issues that are counted at most.
pub(super) const MOST_ISSUES: u32 = 25;
/// How long to wait for a server that does not say how long.
const PATIENCE: Duration = Duration::from_mins(1);
/// The longest that a server's word is taken for.
const LONGEST: Duration = Duration::from_hours(1);

/// Why there is no number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsaid {
    pub why: String,
    /// The server wants to be left alone for so long.
    pub wait: Option<Duration>,
}

impl From<String> for Unsaid {
    fn from(why: String) -> Self {
        Self { why, wait: None }
    }
}

/// The request for what a signal is about. Errors: a field that cannot be honoured, or that nothing serves yet.
pub fn ask_sentry(signal: &SentrySignal, subject: &Subject, token: &Secret, server: &str) -> Result<Request, String> {
    let server = signal.address.as_deref().unwrap_or(server);
    let path = match signal.metric {
        SentryMetric::ErrorsPerMinute => "events",
        SentryMetric::NewIssues => "issues",
    };
    let url = format!("{}/api/0/organizations/{}/{path}/", server.trim_end_matches('/'), signal.organization);
    let mut url =
        Url::parse(&url).map_err(|error| format!("signal.sentry.address: {server:?} is no address: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("signal.sentry.address: credentials do not belong into an address".into());
    }
    let project = fill("project", &signal.project, subject)?;
    if project.is_empty() || !project.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter)) {
        return Err(format!("signal.sentry.project: {project:?} is no slug of a project: letters, digits, - and _"));
    }
    let mut terms = vec![format!("project:{project}")];
    let window = format!("{}m", signal.window_minutes);
    if signal.metric == SentryMetric::NewIssues {
        terms.push(format!("is:unresolved age:-{window}"));
    }
    if let Some(more) = &signal.query {
        if more.replace(' ', "").contains("{{commit}}") && subject.commit.is_empty() {
            return Err("no release serves yet".into());
        }
        terms.push(fill("query", more, subject)?);
    }
    let mut pairs = url.query_pairs_mut();
    pairs.append_pair("project", "-1").append_pair("query", &terms.join(" "));
    match signal.metric {
        SentryMetric::ErrorsPerMinute => pairs
            .append_pair("field", "count()")
            .append_pair("dataset", "errors")
            .append_pair("statsPeriod", &window)
            .append_pair("per_page", "1"),
        SentryMetric::NewIssues => {
            for part in ["stats", "lifetime", "filtered", "unhandled", "base"] {
                pairs.append_pair("collapse", part);
            }
            pairs.append_pair("limit", &MOST_ISSUES.to_string())
        }
    };
    drop(pairs);
    let bearer = Secret::new(format!("Bearer {}", token.expose().trim()));
    Ok(Request { to: To::Url(url.into()), headers: vec![("authorization".into(), bearer)] })
}

fn fill(field: &str, text: &str, subject: &Subject) -> Result<String, String> {
    let values = json!({ "host": subject.host, "commit": subject.commit, "fork": subject.fork });
    placeholders::fill(text, &values).map_err(|errors| {
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        format!("signal.sentry.{field}: {}", errors.join("; "))
    })
}

/// What is wrong with a signal, whatever Fork it is for.
pub(super) fn problem(signal: &SentrySignal) -> Option<String> {
    let sample = Subject { host: "host".into(), commit: "commit".into(), fork: "fork".into() };
    ask_sentry(signal, &sample, &Secret::new(""), "https://sentry.io").err()
}

#[derive(Deserialize)]
struct Table {
    data: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    #[serde(rename = "count()")]
    count: f64,
}

/// What Sentry answered.
pub fn read_sentry(signal: &SentrySignal, visit: &Visit, now: Timestamp) -> Result<Reading, Unsaid> {
    let (status, headers, body) = match visit {
        Visit::Nothing(why) => return Err(format!("Sentry cannot be reached: {why}").into()),
        Visit::Answer { status, headers, body, .. } => (*status, headers, body),
    };
    let header = |name: &str| headers.iter().find(|(there, _)| there == name).map(|(_, value)| value.trim());
    match status {
        200 => {}
        429 => {
            let reset = || {
                let at = header("x-sentry-rate-limit-reset")?.parse().ok()?;
                Duration::try_from(Timestamp::from_second(at).ok()?.duration_since(now)).ok()
            };
            let asked = header("retry-after").and_then(|text| text.parse().ok()).map(Duration::from_secs);
            let wait = asked.or_else(reset).unwrap_or(PATIENCE).clamp(Duration::from_secs(1), LONGEST);
            return Err(Unsaid { why: "Sentry allows no more requests for now".into(), wait: Some(wait) });
        }
        500.. => return Err(format!("Sentry answered {status}").into()),
        _ => return Err(format!("signal.sentry: Sentry answered {status}: {}", detail(body)).into()),
    }
    let other = |error: serde_json::Error| format!("Sentry does not answer as its API does: {error}");
    let window = signal.window_minutes;
    match signal.metric {
        SentryMetric::ErrorsPerMinute => {
            let table: Table = serde_json::from_str(body).map_err(other)?;
            let count: f64 = table.data.iter().map(|row| row.count).sum();
            #[expect(clippy::cast_precision_loss, reason = "a day has 1,440 minutes")]
            let rate = count / window as f64;
            Ok(Reading::Value(rate, format!("{count:.0} errors in {window} min, {rate:.1} a minute")))
        }
        SentryMetric::NewIssues => {
            let issues: Vec<Issue> = serde_json::from_str(body).map_err(other)?;
            let is_more = header("link").is_some_and(|link| link.contains("rel=\"next\"; results=\"true\""));
            let count = u32::try_from(issues.len()).unwrap_or(MOST_ISSUES);
            let more = if is_more { " or more" } else { "" };
            let newest = issues.first().map(|issue| format!(": {} ({})", issue.title, issue.permalink));
            let newest = newest.unwrap_or_default();
            Ok(Reading::Value(f64::from(count), format!("{count}{more} new issues in {window} min{newest}")))
        }
    }
}

#[derive(Deserialize)]
struct Issue {
    title: String,
    permalink: String,
}

/// What Sentry says is wrong.
fn detail(body: &str) -> String {
    let answer: Value = serde_json::from_str(body).unwrap_or_default();
    let detail = &answer["detail"];
    let text = detail.as_str().or_else(|| detail["message"].as_str()).map(str::to_owned);
    text.unwrap_or_else(|| body.chars().take(100).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(json: &Value) -> SentrySignal {
        let mut whole = json!({ "organization": "acme-inc", "tokenSecretRef": { "name": "sentry", "key": "token" } });
        whole.as_object_mut().expect("an object").extend(json.as_object().expect("an object").clone());
        serde_json::from_value(whole).expect("a signal")
    }

    fn subject(commit: &str) -> Subject {
        Subject { host: "acme.example.com".into(), commit: commit.into(), fork: "acme".into() }
    }

    fn url(signal: &SentrySignal, commit: &str) -> Result<String, String> {
        let request = ask_sentry(signal, &subject(commit), &Secret::new("token"), "https://sentry.io/")?;
        let To::Url(url) = request.to else { return Err("no URL".into()) };
        Ok(url)
    }

    #[test]
    fn requests_are_of_the_published_shape() {
        let errors = signal(&json!({ "metric": "ErrorsPerMinute", "query": "release:{{ commit }}" }));
        assert_eq!(
            url(&errors, "abc").expect("a URL"),
            "https://sentry.io/api/0/organizations/acme-inc/events/?project=-1&query=project%3Aacme+release%3Aabc\
             &field=count%28%29&dataset=errors&statsPeriod=5m&per_page=1"
        );
        assert_eq!(url(&errors, ""), Err("no release serves yet".into()));
        let issues = signal(&json!({ "metric": "NewIssues", "project": "{{ fork }}-web", "windowMinutes": 60 }));
        let asked = url(&issues, "").expect("a URL");
        assert!(asked.contains("/issues/?project=-1&query=project%3Aacme-web+is%3Aunresolved+age%3A-60m&"), "{asked}");
        for (wrong, expected) in [
            (
                json!({ "metric": "NewIssues", "project": "{{ frok }}" }),
                "signal.sentry.project: {{ frok }} names no field",
            ),
            (json!({ "metric": "NewIssues", "project": "a b" }), "signal.sentry.project: \"a b\" is no slug"),
            (
                json!({ "metric": "NewIssues", "address": "https://a:b@sentry.io" }),
                "signal.sentry.address: credentials",
            ),
        ] {
            let said = problem(&signal(&wrong)).expect("it is wrong");
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn answers_are_numbers_or_say_why_not() {
        let now = Timestamp::from_second(1000).expect("a time");
        let answer = |status, headers: &[(&str, &str)], body: &str| Visit::Answer {
            status,
            latency: Duration::ZERO,
            headers: headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            body: body.into(),
        };
        let errors = signal(&json!({ "metric": "ErrorsPerMinute" }));
        let issues = signal(&json!({ "metric": "NewIssues" }));
        let one = r#"[{"id":"1","title":"TypeError: x","permalink":"https://acme-inc.sentry.io/issues/1/"}]"#;
        let link = r#"<https://sentry.io/?cursor=0:25:0>; rel="next"; results="true"; cursor="0:25:0""#;
        let read = |signal, visit: &Visit| read_sentry(signal, visit, now);
        let rate = read(&errors, &answer(200, &[], r#"{"data":[{"count()":12}],"meta":{}}"#));
        assert_eq!(rate, Ok(Reading::Value(2.4, "12 errors in 5 min, 2.4 a minute".into())));
        let counted = read(&issues, &answer(200, &[("link", link)], one)).expect("a number");
        assert!(counted.text().starts_with("1 or more new issues in 5 min: TypeError: x (https://"), "{counted:?}");
        let waits = [
            (vec![("retry-after", "7")], 7),
            (vec![("x-sentry-rate-limit-reset", "1030")], 30),
            (vec![], 60),
            (vec![("retry-after", "999999")], 3600),
        ];
        for (headers, seconds) in waits {
            let unsaid = read(&errors, &answer(429, &headers, "")).expect_err("no number");
            assert_eq!(unsaid.wait, Some(Duration::from_secs(seconds)), "{headers:?}");
        }
        for (status, body, expected) in [
            (401, r#"{"detail":"Invalid token"}"#, "signal.sentry: Sentry answered 401: Invalid token"),
            (404, r#"{"detail":{"message":"gone"}}"#, "signal.sentry: Sentry answered 404: gone"),
            (502, "<html>", "Sentry answered 502"),
            (200, "<html>", "Sentry does not answer as its API does"),
        ] {
            let unsaid = read(&errors, &answer(status, &[], body)).expect_err("no number");
            assert!(unsaid.why.starts_with(expected) && unsaid.wait.is_none(), "{unsaid:?}");
        }
    }
}
