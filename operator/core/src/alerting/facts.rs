//! What is known of a Fork when an alert is told of.

use std::collections::BTreeMap;

use forkable_crds::{
    AlertRuleSpec, Fork,
    alert_rule::{AlertStatus, Severity},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Alert, Release};
use crate::fork::placeholders;

/// What is known of a Fork when an alert is told of.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    pub fork: &'a Fork,
    pub release: Option<Release>,
    /// Host name of the product.
    pub host: Option<String>,
    /// What a provider says is wrong, and may be behind it.
    pub provider_incident: Option<String>,
}

impl Facts<'_> {
    /// What templates may name.
    fn values(&self, rule: &str, severity: Severity, value: &str) -> Value {
        let metadata = &self.fork.metadata;
        let name = metadata.name.as_deref().unwrap_or_default();
        let release = self.release.as_ref();
        json!({
            "rule": rule,
            "severity": severity,
            "value": value,
            "fork": name,
            "namespace": metadata.namespace.as_deref().unwrap_or("default"),
            "displayName": self.fork.spec.display_name.as_deref().unwrap_or(name),
            "host": self.host.as_deref().unwrap_or_default(),
            "url": self.fork.status.as_ref().and_then(|status| status.url.as_deref()).unwrap_or_default(),
            "release": release.map(|release| release.name.as_str()).unwrap_or_default(),
            "commit": release.map(|release| release.commit.as_str()).unwrap_or_default(),
            "author": release.map(|release| release.author.as_str()).unwrap_or_default(),
            "labels": metadata.labels.clone().unwrap_or_default(),
        })
    }
}

/// Fills the templates of a map; one that cannot be filled says why in its place.
fn fill(templates: &BTreeMap<String, String>, values: &Value) -> BTreeMap<String, String> {
    let fill = |text: &String| {
        placeholders::fill(text, values).unwrap_or_else(|errors| {
            let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
            format!("{text} ({})", errors.join("; "))
        })
    };
    templates.iter().map(|(name, text)| (name.clone(), fill(text))).collect()
}

/// The alert of a Fork as people are told of it.
pub fn tell(
    (namespace, name, uid): (&str, &str, &str),
    rule: &AlertRuleSpec,
    alert: &AlertStatus,
    facts: &Facts<'_>,
    resolved_at: Option<Timestamp>,
) -> Alert {
    let value = alert.value.clone().unwrap_or_default();
    let values = facts.values(name, rule.severity, &value);
    let fired_at = alert.fired_at.as_ref().unwrap_or(&alert.since).0;
    let mut labels = fill(&rule.labels, &values);
    labels.entry("alertname".into()).or_insert_with(|| name.into());
    let mut annotations = fill(&rule.annotations, &values);
    let display_name = values["displayName"].as_str().unwrap_or_default().to_owned();
    annotations.entry("summary".into()).or_insert_with(|| format!("{display_name}: {name}"));
    let status = facts.fork.status.as_ref();
    let template = &facts.fork.spec.template;
    let template_sha = status.and_then(|status| status.repository.as_ref()?.template_sha.as_deref());
    Alert {
        key: format!("{}/{}/{}", uid, alert.fork, fired_at.as_second()),
        namespace: namespace.into(),
        rule: name.into(),
        fork: alert.fork.clone(),
        display_name,
        severity: rule.severity,
        since: alert.since.0,
        fired_at,
        resolved_at,
        value,
        labels,
        annotations,
        url: status.and_then(|status| status.url.clone()),
        release: facts.release.clone(),
        template: template_sha.map(|sha| format!("{}/{}@{sha}", template.owner, template.repo)),
        provider_incident: facts.provider_incident.clone(),
        actions: alert.actions.clone(),
        flaps: alert.flaps,
    }
}

/// What is wrong with the templates of a rule, whatever Fork they are for. Labels of Forks are not known here.
pub(super) fn problems(rule: &AlertRuleSpec) -> Vec<String> {
    let values = json!({
        "rule": "", "severity": "", "value": "", "fork": "", "namespace": "", "displayName": "", "host": "", "url": "",
        "release": "", "commit": "", "author": "",
    });
    let all = [("labels", &rule.labels), ("annotations", &rule.annotations)];
    let of = |(field, templates): (&'static str, &BTreeMap<String, String>)| {
        let mut problems = Vec::new();
        for (name, text) in templates {
            for error in placeholders::fill(text, &values).err().into_iter().flatten() {
                if !error.to_string().contains("{{ labels.") {
                    problems.push(format!("{field}.{name}: {error}"));
                }
            }
        }
        problems
    };
    all.into_iter().flat_map(of).collect()
}
