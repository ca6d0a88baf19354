//! What the answers of one measurement are worth.

use forkable_crds::rollout::{Analysis, AnalysisRun, Comparison, HeaderMatch, HttpProbe, Latencies, PrometheusQuery};
use jiff::Timestamp;
use regex::Regex;
use serde::Deserialize;

use super::{Judged, Worth};
use crate::sites::Visit;

/// Answers that a percentile is of, at most.
const SAMPLES: usize = 100;

/// How an AlertRule stands about the Fork.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleStanding {
    /// It was evaluated, and does not fire.
    Quiet,
    /// It fires.
    Fires {
        since: Timestamp,
        /// The number then, for people.
        value: String,
    },
    /// It was not evaluated; why.
    NoData(String),
}

/// What a round of answers is worth, one for each probe and then for each query, and how AlertRules stand by name: bad
/// if one is, without data if one has none. How long answers took goes into the run. A rule that fired before `since`,
/// when visitors began to get the release, says nothing of it.
pub fn judge(
    analysis: &Analysis,
    run: &mut AnalysisRun,
    host: &str,
    visits: &[Visit],
    rules: &[(String, RuleStanding)],
    since: Timestamp,
) -> Judged {
    let enough = usize::try_from(analysis.count).unwrap_or_default();
    let (of_probes, of_queries) = visits.split_at(analysis.http.len().min(visits.len()));
    let probes = analysis.http.iter().zip(of_probes).map(|(probe, visit)| {
        let (worth, message) = judge_probe(probe, visit, run, enough);
        let name = probe.name.as_ref().map_or_else(String::new, |name| format!("{name}: "));
        (probe.label(), worth, format!("{name}GET https://{host}{} {message}", probe.path))
    });
    let probes: Vec<_> = probes.collect();
    let queries = analysis.prometheus.iter().zip(of_queries).map(|(query, visit)| {
        let (worth, message) = judge_query(query, visit);
        (query.name.as_str(), worth, format!("{} {message}", query.name))
    });
    let rules = rules.iter().map(|(rule, standing)| {
        let (worth, message) = judge_rule(standing, since);
        (rule.as_str(), worth, format!("AlertRule {rule} {message}"))
    });
    Judged::of(probes.into_iter().chain(queries).chain(rules), analysis.on_no_data)
}

fn judge_rule(standing: &RuleStanding, since: Timestamp) -> (Worth, String) {
    match standing {
        RuleStanding::Quiet => (Worth::Success, "does not fire".into()),
        RuleStanding::Fires { since: at, value } if *at < since => {
            (Worth::NoData, format!("fired before visitors got the release, and says nothing of it: {value}"))
        }
        RuleStanding::Fires { value, .. } => (Worth::Failure, format!("fires: {value}")),
        RuleStanding::NoData(why) => (Worth::NoData, format!("was not evaluated: {why}")),
    }
}

fn judge_probe(probe: &HttpProbe, visit: &Visit, run: &mut AnalysisRun, enough: usize) -> (Worth, String) {
    let (status, latency, headers, body) = match visit {
        Visit::Nothing(why) => return (Worth::NoData, format!("got no answer: {why}")),
        Visit::Answer { status, latency, headers, body } => (*status, latency.as_millis(), headers, body),
    };
    let latency = i64::try_from(latency).unwrap_or(i64::MAX);
    let slow = probe.latency.as_ref().and_then(|limit| {
        let samples = sampled(run, probe.label(), latency);
        let of_most = percentile(samples, limit.percentile);
        let is_slow = samples.len() >= enough && of_most > limit.max_milliseconds;
        let (p, most, of) = (limit.percentile, limit.max_milliseconds, samples.len());
        is_slow.then(|| format!("took {of_most} ms at the {p}th percentile of {of}; {most} ms is the most"))
    });
    if i32::from(status) != probe.status {
        let hint = if status == 401 {
            " (if project.protection asks for a login, send x-vercel-protection-bypass by requestHeaders)"
        } else {
            ""
        };
        return (Worth::Failure, format!("answered {status} instead of {}{hint}", probe.status));
    }
    if let Some(most) = probe.max_latency_milliseconds.filter(|most| latency > *most) {
        return (Worth::Failure, format!("took {latency} ms; {most} ms is the most"));
    }
    if let Some(slow) = slow {
        return (Worth::Failure, slow);
    }
    if let Some(wrong) = probe.headers.iter().find_map(|wanted| wrong_header(wanted, headers)) {
        return (Worth::Failure, wrong);
    }
    if let Some(text) = probe.body_contains.as_ref().filter(|text| !body.contains(*text)) {
        return (Worth::Failure, format!("answered without {text:?}"));
    }
    match probe.body_matches.as_ref().map(|pattern| (pattern, Regex::new(pattern))) {
        Some((pattern, Ok(regex))) if !regex.is_match(body) => {
            (Worth::Failure, format!("answered with nothing that matches {pattern:?}"))
        }
        Some((pattern, Err(_))) => (Worth::NoData, format!("cannot be judged by {pattern:?}")),
        _ => (Worth::Success, format!("answered {status} in {latency} ms")),
    }
}

/// The newest latencies of a probe, with one more.
fn sampled<'a>(run: &'a mut AnalysisRun, metric: &str, latency: i64) -> &'a [i64] {
    let index = run.latencies.iter().position(|of| of.metric == metric).unwrap_or_else(|| {
        run.latencies.push(Latencies { metric: metric.into(), milliseconds: Vec::new() });
        run.latencies.len() - 1
    });
    let samples = &mut run.latencies[index].milliseconds;
    samples.push(latency);
    let extra = samples.len().saturating_sub(SAMPLES);
    samples.drain(..extra);
    samples
}

/// By nearest rank.
fn percentile(samples: &[i64], percentile: i32) -> i64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    let rank = (usize::try_from(percentile).unwrap_or_default() * sorted.len()).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// What is wrong with the headers of an answer, if something is.
pub(crate) fn wrong_header(wanted: &HeaderMatch, headers: &[(String, String)]) -> Option<String> {
    let name = &wanted.name;
    let mut values = headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let is_it = |value: &String| {
        wanted.equals.as_ref().is_none_or(|equals| value == equals)
            && wanted.contains.as_ref().is_none_or(|part| value.contains(part))
    };
    if values.any(is_it) {
        return None;
    }
    Some(match (&wanted.equals, &wanted.contains) {
        (Some(equals), _) => format!("answered without the header {name}: {equals}"),
        (None, Some(part)) => format!("answered without a header {name} that contains {part:?}"),
        (None, None) => format!("answered without the header {name}"),
    })
}

/// The answer to an instant query.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status: String,
    data: Option<Data>,
    error_type: Option<String>,
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Vector(Vec<Series>),
    Scalar(Sample),
    Matrix(serde::de::IgnoredAny),
    String(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
struct Series {
    value: Sample,
}

/// Time and value.
#[derive(Deserialize)]
struct Sample(serde::de::IgnoredAny, String);

/// The numbers that a Prometheus server answered.
///
/// # Errors
/// Why there are none, to be read after the name of the query.
pub fn numbers(visit: &Visit) -> Result<Vec<f64>, String> {
    let (status, body) = match visit {
        Visit::Nothing(why) => return Err(format!("got no answer from Prometheus: {why}")),
        Visit::Answer { status, body, .. } => (*status, body),
    };
    let no_data = |message: String| Err(message);
    let data = match serde_json::from_str::<Answer>(body) {
        Ok(Answer { status, data: Some(data), .. }) if status == "success" => data,
        Ok(Answer { error: Some(error), error_type, .. }) => {
            return no_data(format!("was refused by Prometheus: {}: {error}", error_type.unwrap_or_default()));
        }
        _ => return no_data(format!("was answered {status}, and not as Prometheus answers")),
    };
    let samples: Vec<Sample> = match data {
        Data::Vector(series) => series.into_iter().map(|series| series.value).collect(),
        Data::Scalar(sample) => vec![sample],
        Data::Matrix(_) | Data::String(_) => {
            return no_data("gives neither numbers of one moment nor one number: aggregate it".into());
        }
    };
    if samples.is_empty() {
        return no_data("has no samples".into());
    }
    Ok(samples.iter().map(|Sample(_, text)| text.parse().unwrap_or(f64::NAN)).collect())
}

/// Whether a number compares so.
pub fn compares(operator: Comparison, value: f64, threshold: f64) -> bool {
    match operator {
        Comparison::LessThan => value < threshold,
        Comparison::LessThanOrEqual => value <= threshold,
        Comparison::GreaterThan => value > threshold,
        Comparison::GreaterThanOrEqual => value >= threshold,
    }
}

fn judge_query(query: &PrometheusQuery, visit: &Visit) -> (Worth, String) {
    let no_data = |message: String| (Worth::NoData, message);
    let numbers = match numbers(visit) {
        Ok(numbers) => numbers,
        Err(why) => return no_data(why),
    };
    let words = match query.operator {
        Comparison::LessThan => "less than",
        Comparison::LessThanOrEqual => "at most",
        Comparison::GreaterThan => "greater than",
        Comparison::GreaterThanOrEqual => "at least",
    };
    let is_good = |value, threshold| compares(query.operator, value, threshold);
    let numbers = || numbers.iter().copied();
    match numbers().find(|value| !value.is_nan() && !is_good(*value, query.threshold)) {
        Some(bad) => (Worth::Failure, format!("is {bad}, and has to be {words} {}", query.threshold)),
        None if numbers().any(f64::is_nan) => no_data("is no number (NaN)".into()),
        None => (Worth::Success, format!("is {}", numbers().map(|it| it.to_string()).collect::<Vec<_>>().join(", "))),
    }
}
