//! What is measured: every metric of the process by name, kind, labels and meaning.
//!
//! What controller-runtime and client-go have a name for is called as there, so that dashboards and alerts that people
//! have show this controller too; `controller` and `name` are the kind in lower case. Everything else is `forkable_*`.

use std::fmt::Write as _;

use forkable_providers::{
    metric::{Kind, Metric},
    transport,
};

macro_rules! metrics {
    ($($constant:ident = $name:literal $kind:expr, $labels:expr, $help:literal;)*) => {
        $(pub(super) const $constant: Metric =
            Metric { name: $name, kind: $kind, labels: &$labels, help: $help };)*
        const OWN: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    RECONCILES = "controller_runtime_reconcile_total" Kind::Counter, ["controller", "result"],
        "Passes by how they ended: success, requeue (again at once), requeue_after (again later), error.";
    RECONCILE_ERRORS = "controller_runtime_reconcile_errors_total" Kind::Counter, ["controller", "reason"],
        "Passes that failed, by the reason of the first error.";
    RECONCILE_PANICS = "controller_runtime_reconcile_panics_total" Kind::Counter, ["controller"],
        "Passes that panicked within a day before the process began anew: each is a defect of this program.";
    RECONCILE_TIME = "controller_runtime_reconcile_time_seconds"
        Kind::Histogram(&[0.001, 0.005, 0.025, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0]), ["controller"],
        "How long passes take.";
    ACTIVE_WORKERS = "controller_runtime_active_workers" Kind::Gauge, ["controller"], "Passes that run now.";
    MAX_CONCURRENT = "controller_runtime_max_concurrent_reconciles" Kind::Gauge, ["controller"],
        "Passes that may run at once; all controllers share them.";
    QUEUE_DEPTH = "workqueue_depth" Kind::Gauge, ["name"], "Objects whose pass is due and has not begun.";
    QUEUE_TIME = "workqueue_queue_duration_seconds"
        Kind::Histogram(&[0.001, 0.01, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0]), ["name"],
        "How long objects wait from the time that their pass is due until it begins.";
    LEADER = "leader_election_master_status" Kind::Gauge, ["name"],
        "1 while this process leads the Lease of this name, 0 while it stands by.";
    OBJECTS = "forkable_objects" Kind::Gauge, ["kind", "ready"],
        "Objects by the status of their condition Ready: True, False, or Unknown while work is under way.";
    CONDITIONS = "forkable_object_conditions" Kind::Gauge, ["kind", "type", "status", "reason"],
        "Objects by each of their conditions and its reason.";
    STEPS = "forkable_steps_total" Kind::Counter, ["facet", "effect", "result"],
        "Changes that were tried outside, by concern, effect (create, update, destroy) and result (done, or the reason of the error).";
    RELEASE_TIME = "forkable_release_duration_seconds"
        Kind::Histogram(&[5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0]), ["stage"],
        "Time from the moment that a release was made for a commit until it was built (stage build) and until it was live (stage live).";
    RELEASES = "forkable_releases_total" Kind::Counter, ["result"],
        "Releases that came to an end: live, or failed.";
    BRAKE = "forkable_brake_engaged" Kind::Gauge, [],
        "1 while destructive steps are withheld because there were too many at once, until a person lets them go on.";
    JOURNAL_ERRORS = "forkable_journal_errors_total" Kind::Counter, [], "Entries that the journal did not take.";
    WATCH_ERRORS = "forkable_watch_errors_total" Kind::Counter, ["resource"],
        "Watches of the Kubernetes API that broke and were begun anew, by resource (forks, deployments, alertrules, secrets, configmaps).";
    WEBHOOKS = "forkable_webhooks_total" Kind::Counter, ["provider", "outcome"],
        "Webhooks by provider and what became of them: taken, repeated, stale, unsigned, malformed, limited, off, standby.";
    WEBHOOK_TIME = "forkable_webhook_duration_seconds"
        Kind::Histogram(&[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 1.0]), ["provider"],
        "Time from a webhook's whole body to its answer.";
    ALERTS = "forkable_alerts" Kind::Gauge, ["severity", "state"], "Alerts that wait or fire now.";
    NOTIFICATIONS = "forkable_notifications_total" Kind::Counter, ["channel", "outcome"],
        "Tries to send a message, by kind of channel and what became of it: sent, retried, dead (given up).";
    OUTBOX = "forkable_outbox_messages" Kind::Gauge, ["state"],
        "Messages in the outbox: pending, or dead (given up, of the newest 10,000 that are over).";
    OUTBOX_AGE = "forkable_outbox_oldest_seconds" Kind::Gauge, [],
        "Age of the oldest message that is yet to be sent; 0 if there is none.";
    ALERTS_FIRED = "forkable_alerts_fired_total" Kind::Counter, ["severity"], "Alerts that began to fire.";
    ALERT_EVALUATION = "forkable_alert_evaluation_duration_seconds" Kind::Histogram(&[0.001, 0.005, 0.025, 0.1, 0.2, 0.5, 1.0, 5.0]), [],
        "Time of one pass over all AlertRules, without what is asked for elsewhere.";
    SLO_OBJECTIVE = "forkable_slo_objective_ratio" Kind::Gauge, ["namespace", "name", "rule"],
        "Share of probes of a Fork that have to be good by the objective of an AlertRule. Of 1,000 pairs at most.";
    SLO_REMAINING = "forkable_slo_error_budget_remaining_ratio" Kind::Gauge, ["namespace", "name", "rule"],
        "Share of the error budget that is left in the objective's window; below 0 if more than all of it is used up. Of 1,000 pairs at most.";
    SLO_BURN = "forkable_slo_burn_rate" Kind::Gauge, ["namespace", "name", "rule", "window"],
        "How many times as fast as it is made the error budget burns, in windows of 5m, 30m, 1h, 6h and 3d. Of 1,000 pairs at most.";
    PROBE_SUCCESS = "probe_success" Kind::Gauge, ["namespace", "name", "probe"],
        "1 while a probe of a Fork is up, 0 while it is confirmed to be down; none while that is unknown. Of 1,000 probes at most.";
    PROBE_CERTIFICATE = "probe_ssl_earliest_cert_expiry" Kind::Gauge, ["namespace", "name", "probe"],
        "When the certificate ends that a probe was shown last, in seconds since 1970. Of 1,000 probes at most.";
    PROBES = "forkable_probes" Kind::Gauge, ["verdict"], "Probes by what is confirmed of them: up, down, unknown.";
    PROBE_RUNS = "forkable_probe_runs_total" Kind::Counter, ["result"],
        "Runs of probes by what they found: up, down, unknown.";
    PROBE_SKIPPED = "forkable_probe_runs_skipped_total" Kind::Counter, [],
        "Runs that were left out because the one before had not begun or ended in time.";
    PROBE_TIME = "probe_duration_seconds"
        Kind::Histogram(&[0.005, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]), [],
        "Time from the beginning of a run to the whole answer, of those that had one.";
    PROBE_PHASES = "probe_http_duration_seconds"
        Kind::Histogram(&[0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0]), ["phase"],
        "How long the phases of runs took: resolve, connect, tls, processing (to the head of the answer), transfer.";
    PROBE_LATENESS = "forkable_probe_lateness_seconds"
        Kind::Histogram(&[0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0]), [],
        "How long after their time runs began.";
    BUILD_INFO = "forkable_build_info" Kind::Gauge, ["version"], "Always 1; the label tells.";
}

/// Every metric but those of the process as such (`process_*`).
pub fn all() -> impl Iterator<Item = Metric> {
    OWN.iter().copied().chain(transport::METRICS)
}

/// `docs/metrics.md`.
pub fn document() -> String {
    let mut text = String::from(
        "# Metrics\n\n\
         <!-- Made by `make docs` from operator/src/metrics/catalog.rs; change it there. -->\n\n\
         `GET /metrics` in the text format of Prometheus. `forkable up` serves it on the loopback address beside health and\n\
         webhooks, and `--metrics-listen` gives it an address of its own. Away from the loopback address it needs\n\
         one of the two: an address of its own, which a network policy keeps to the scraper, or the bearer token in\n\
         `FORKABLE_METRICS_TOKEN`.\n\n\
         What controller-runtime and client-go have a name for is called as there, so that dashboards that you have show\n\
         this controller too; the labels `controller` and `name` are the kind in lower case. No label is the name of an object,\n\
         but for those of `forkable_slo_*`, `probe_success` and `probe_ssl_earliest_cert_expiry`: the number of series does not grow with the fleet. Rules, alerts and a dashboard: `deploy/prometheus`, `deploy/grafana`.\n\n\
         | metric | type | labels | meaning |\n|---|---|---|---|\n",
    );
    for Metric { name, kind, labels, help } in all() {
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| `{name}` | {} | {} | {help} |", kind.name(), labels.join(", "));
    }
    text += "\nOn Linux also `process_cpu_seconds_total`, `process_open_fds`, `process_max_fds`, `process_resident_memory_bytes`,\n\
             `process_virtual_memory_bytes`, `process_start_time_seconds` and `process_threads`.\n";
    text
}
