//! The port to the prober, and what it finds.

use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::targets::{Ask, Expect};
use crate::release::analysis::wrong_header;

/// Asks once, as a visitor does.
#[async_trait]
pub trait Prober: Send + Sync {
    /// One run. It ends within the timeout, whatever happens.
    async fn probe(&self, ask: &Ask, timeout: Duration) -> Finding;

    /// Whether nothing that always answers can be reached, so that a failure says nothing about what was asked.
    async fn is_cut_off(&self) -> bool;
}

/// What a run has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Why it failed, for people.
    pub result: Result<(), String>,
    /// Time to the whole answer, if there was one.
    pub latency: Option<Duration>,
    pub phases: Phases,
    /// When the certificate ends that was shown.
    pub certificate_ends: Option<Timestamp>,
    /// A firewall wanted proof of a browser, and no page was shown: it says nothing of the product.
    pub is_challenged: bool,
}

/// How long each part of a run took, as far as it came; of redirects, all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    pub resolve: Option<Duration>,
    pub connect: Option<Duration>,
    pub tls: Option<Duration>,
    /// From the request to the head of its answer.
    pub processing: Option<Duration>,
    pub transfer: Option<Duration>,
}

impl Default for Finding {
    fn default() -> Self {
        Self { result: Ok(()), latency: None, phases: Phases::default(), certificate_ends: None, is_challenged: false }
    }
}

impl Phases {
    /// With their names by the convention of blackbox exporter.
    pub fn named(&self) -> [(&'static str, Option<Duration>); 5] {
        [
            ("resolve", self.resolve),
            ("connect", self.connect),
            ("tls", self.tls),
            ("processing", self.processing),
            ("transfer", self.transfer),
        ]
    }
}

/// An answer over HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Names and values; only needed if some are expected.
    pub headers: Vec<(String, String)>,
    /// At most its first 64 KiB; only needed if something is expected of it.
    pub body: String,
}

impl Expect {
    /// Whether the body has to be read to judge it.
    pub fn reads_body(&self) -> bool {
        self.body_contains.is_some() || self.body_matches.is_some()
    }

    /// What is wrong with an answer, if something is.
    pub fn judge(&self, answer: &Answer) -> Result<(), String> {
        let status = answer.status;
        if !self.statuses.iter().any(|range| range.contains(&status)) {
            let ranges = self.statuses.iter().map(|range| match (range.start(), range.end()) {
                (first, last) if first == last => first.to_string(),
                (first, last) => format!("{first}-{last}"),
            });
            let hint = if status == 401 {
                " (if project.protection asks for a login, send x-vercel-protection-bypass by requestHeaders)"
            } else {
                ""
            };
            return Err(format!("answered {status} instead of {}{hint}", ranges.collect::<Vec<_>>().join(", ")));
        }
        if let Some(wrong) = self.headers.iter().find_map(|wanted| wrong_header(wanted, &answer.headers)) {
            return Err(wrong);
        }
        if let Some(text) = self.body_contains.as_ref().filter(|text| !answer.body.contains(*text)) {
            return Err(format!("answered without {text:?}"));
        }
        match &self.body_matches {
            Some(pattern) if !pattern.is_match(&answer.body) => {
                Err(format!("answered with nothing that matches {:?}", pattern.as_str()))
            }
            _ => Ok(()),
        }
    }
}

/// What is wrong with a certificate that ends then, if something is.
pub fn judge_certificate(ends: Option<Timestamp>, minimum_days: Option<i64>, now: Timestamp) -> Result<(), String> {
    let (Some(ends), Some(days)) = (ends, minimum_days) else { return Ok(()) };
    let left = ends.duration_since(now);
    if left >= SignedDuration::from_hours(24 * days) {
        return Ok(());
    }
    Err(format!(
        "the certificate ends in {} days, on {}; {days} are the least",
        left.as_hours() / 24,
        ends.strftime("%F")
    ))
}
