//! What is asked for one measurement.

use std::collections::{BTreeMap, BTreeSet};

use forkable_crds::{
    fork::KeyRef,
    rollout::{Analysis, PrometheusQuery, RequestHeader},
};
use regex::Regex;
use serde_json::json;
use url::Url;

use crate::{
    Secret,
    fork::placeholders,
    sites::{Request, To},
};

/// Data of Secrets by their names.
pub type Secrets = BTreeMap<String, BTreeMap<String, Secret>>;

/// What is judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// Host name that visitors are led to.
    pub host: String,
    pub commit: String,
    /// Name of the Fork.
    pub fork: String,
}

/// The requests of one measurement, probes first; or why they cannot be made.
///
/// # Errors
/// A field that cannot be honoured, a Secret that is not there, or a query without a server to ask.
pub fn asks(
    analysis: &Analysis,
    subject: &Subject,
    secrets: &Secrets,
    prometheus: Option<&str>,
) -> Result<Vec<Request>, String> {
    if let Some((field, wrong)) = faults(analysis).into_iter().next() {
        return Err(format!("analysis.{field}: {wrong}"));
    }
    let mut asks = Vec::with_capacity(analysis.http.len() + analysis.prometheus.len());
    for probe in &analysis.http {
        let to = To::Site { host: subject.host.clone(), path: probe.path.clone() };
        asks.push(Request { to, headers: header_values(&probe.request_headers, secrets)? });
    }
    for query in &analysis.prometheus {
        asks.push(
            ask_prometheus(query, subject, secrets, prometheus).map_err(|why| format!("analysis.prometheus {why}"))?,
        );
    }
    Ok(asks)
}

/// The request of one query.
///
/// # Errors
/// A field that cannot be honoured, a Secret that is not there, or no server to ask.
pub fn ask_prometheus(
    query: &PrometheusQuery,
    subject: &Subject,
    secrets: &Secrets,
    prometheus: Option<&str>,
) -> Result<Request, String> {
    let address = query.address.as_deref().or(prometheus).ok_or_else(|| {
        format!(
            "{} names no address, and Forkable was started without FORKABLE_PROMETHEUS_URL: set one of them",
            query.name
        )
    })?;
    let mut url = server(address)?;
    let text = fill(query, subject)?;
    url.query_pairs_mut().append_pair("query", &text).append_pair("timeout", "8s");
    Ok(Request { to: To::Url(url.into()), headers: header_values(&query.request_headers, secrets)? })
}

/// Every field that cannot be honoured, below `analysis`, whatever else is there.
pub fn faults(analysis: &Analysis) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    for (index, probe) in analysis.http.iter().enumerate() {
        if let Some(Err(error)) = probe.body_matches.as_deref().map(Regex::new) {
            let last = error.to_string().lines().last().unwrap_or_default().trim().to_owned();
            faults.push((format!("http[{index}].bodyMatches"), format!("it is no regular expression: {last}")));
        }
    }
    if let Some(job) = &analysis.job
        && let Err((input, error)) = super::job::fill(job, &Subject::default(), "release", "Candidate")
    {
        faults.push((format!("job.inputs.{input}"), error));
    }
    for (index, query) in analysis.prometheus.iter().enumerate() {
        if let Err(error) = query.address.as_deref().map(server).transpose() {
            faults.push((format!("prometheus[{index}].address"), error));
        }
        let sample = Subject { host: "host".into(), commit: "commit".into(), fork: "fork".into() };
        if let Err(error) = fill(query, &sample) {
            faults.push((format!("prometheus[{index}].query"), error));
        }
    }
    faults
}

/// The keys of Secrets that requests need, each with its field below `analysis`.
pub fn references(analysis: &Analysis) -> Vec<(String, &KeyRef)> {
    let probes = analysis.http.iter().map(|probe| &probe.request_headers).enumerate();
    let queries = analysis.prometheus.iter().map(|query| &query.request_headers).enumerate();
    let named = |kind: &'static str| move |(index, headers)| (format!("{kind}[{index}]"), headers);
    let all = probes.map(named("http")).chain(queries.map(named("prometheus")));
    all.flat_map(|(of, headers): (String, &Vec<RequestHeader>)| {
        let keys = headers.iter().enumerate().filter_map(move |(index, header)| {
            let key = &header.value_from.as_ref()?.secret_key_ref;
            Some((format!("{of}.requestHeaders[{index}].valueFrom.secretKeyRef"), key))
        });
        keys.collect::<Vec<_>>()
    })
    .collect()
}

/// The Secrets that requests need.
pub fn secrets(analysis: &Analysis) -> BTreeSet<&str> {
    references(analysis).into_iter().map(|(_, key)| key.name.as_str()).collect()
}

/// Where a Prometheus server answers instant queries: <https://prometheus.io/docs/prometheus/latest/querying/api/>.
fn server(address: &str) -> Result<Url, String> {
    let url = Url::parse(&format!("{}/api/v1/query", address.trim_end_matches('/')))
        .map_err(|error| format!("{address:?} is no address of a server: {error}; write https://HOST[:PORT][/PATH]"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("credentials do not belong into an address: put them into requestHeaders, from a Secret".into());
    }
    Ok(url)
}

fn fill(query: &PrometheusQuery, subject: &Subject) -> Result<String, String> {
    let Subject { host, commit, fork } = subject;
    let values = json!({ "host": host, "commit": commit, "fork": fork });
    placeholders::fill(&query.query, &values).map_err(|errors| {
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        errors.join("; ")
    })
}

/// Names and values of the headers that are sent.
///
/// # Errors
/// A Secret that is not there.
pub(crate) fn header_values(headers: &[RequestHeader], secrets: &Secrets) -> Result<Vec<(String, Secret)>, String> {
    let value = |header: &RequestHeader| {
        let Some(source) = &header.value_from else {
            return Ok(Secret::new(header.value.clone().unwrap_or_default()));
        };
        let KeyRef { name, key } = &source.secret_key_ref;
        let data = secrets.get(name).ok_or_else(|| {
            format!(
                "Secret {name} with the value of the request header {} is missing: create it with the key {key}",
                header.name
            )
        })?;
        let value = data.get(key).map(|value| Secret::new(value.expose().trim()));
        value.ok_or_else(|| {
            format!("Secret {name} has no key {key}, which the request header {} needs: add it", header.name)
        })
    };
    headers.iter().map(|header| Ok((header.name.clone(), value(header)?))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn analysis(more: &Value) -> Analysis {
        serde_json::from_value(more.clone()).expect("an analysis")
    }

    fn subject() -> Subject {
        Subject { host: "acme.dev".into(), commit: "abc".into(), fork: "acme".into() }
    }

    fn query(more: &Value) -> Value {
        let mut query = json!({
            "name": "errors", "operator": "LessThan", "threshold": 0.5,
            "query": "errors{host=\"{{ host }}\", commit=\"{{commit}}\", fork=\"{{ fork }}\"}",
        });
        query.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        json!({ "prometheus": [query] })
    }

    #[test]
    fn a_query_goes_to_its_server_or_to_that_of_the_operator() {
        let header = json!({"requestHeaders": [
            {"name": "Authorization", "valueFrom": {"secretKeyRef": {"name": "prom", "key": "token"}}},
            {"name": "X-Scope", "value": "team"},
        ]});
        let secrets: Secrets = [("prom".into(), [("token".into(), Secret::new("Bearer x\n"))].into())].into();
        let to = |more: &Value, address| {
            let asks = asks(&analysis(&query(more)), &subject(), &secrets, address).expect("asks");
            let To::Url(url) = asks[0].to.clone() else { panic!("{asks:?}") };
            (Url::parse(&url).expect("a URL"), asks[0].headers.clone())
        };
        let (url, headers) = to(&header, Some("http://prometheus:9090/base/"));
        assert_eq!((url.host_str(), url.path()), (Some("prometheus"), "/base/api/v1/query"));
        let (_, text) = url.query_pairs().next().expect("a query");
        assert_eq!(text, "errors{host=\"acme.dev\", commit=\"abc\", fork=\"acme\"}");
        let values: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        assert_eq!(values, [("Authorization", "Bearer x"), ("X-Scope", "team")]);
        let (url, _) = to(&json!({"address": "https://own.example.com"}), Some("http://prometheus:9090"));
        assert_eq!(url.host_str(), Some("own.example.com"));
    }

    #[test]
    fn what_cannot_be_asked_is_told_with_its_remedy() {
        let secret = json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "gone", "key": "k"}}}]);
        for (analysis, expected) in [
            (query(&json!({})), "names no address, and Forkable was started without FORKABLE_PROMETHEUS_URL"),
            (query(&json!({"address": "http://a:b@c"})), "credentials do not belong into an address"),
            (query(&json!({"address": "http://a:port"})), "is no address of a server"),
            (query(&json!({"query": "up{a=\"{{ hos }}\"}"})), "{{ hos }} names no field that is set (nearest: host"),
            (json!({"http": [{"requestHeaders": secret}]}), "Secret gone with the value of the request header A"),
            (
                json!({"job": {"workflow": "e2e.yml", "inputs": {"to": "{{ adress }}"}}}),
                "analysis.job.inputs.to: {{ adress }} names no field that is set",
            ),
            (json!({"http": [{"bodyMatches": "("}]}), "analysis.http[0].bodyMatches: it is no regular expression"),
        ] {
            let error =
                asks(&super::tests::analysis(&analysis), &subject(), &Secrets::new(), None).expect_err(expected);
            assert!(error.contains(expected), "{error}");
        }
    }
}
