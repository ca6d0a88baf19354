//! Objects as rows of a table.

use forkable_core::{condition, forge, monitoring::AVAILABLE, store::Kind};
use forkable_crds::{AlertRule, Deployment, Fork, condition::ConditionStatus};
use jiff::Timestamp;

use crate::{
    cli::colour::{Tone, paint},
    clock::until,
};

/// Space between columns.
const GAP: usize = 3;

/// A kind that has rows.
pub(super) trait Tabular: Kind {
    /// Titles; the last [`Tabular::WIDE`] of them are for `-o wide`.
    const HEAD: &[&str];
    const WIDE: usize;
    fn row(&self, now: Timestamp) -> Vec<String>;
}

/// Rows under their titles, as wide as the first of them need.
pub(super) struct Table {
    columns: usize,
    namespaces: bool,
    widths: Vec<usize>,
}

impl Table {
    /// The table for these objects and its text so far.
    pub(super) fn new<K: Tabular>(objects: &[&K], wide: bool, namespaces: bool, now: Timestamp) -> (Self, Vec<String>) {
        let columns = K::HEAD.len() - if wide { 0 } else { K::WIDE };
        let mut table = Self { columns, namespaces, widths: Vec::new() };
        let head = namespaces.then_some("NAMESPACE").into_iter().chain(K::HEAD[..columns].iter().copied());
        let mut rows = vec![head.map(str::to_owned).collect::<Vec<_>>()];
        rows.extend(objects.iter().map(|object| table.cells(*object, now)));
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
        table.widths = (0..rows[0].len()).map(width).collect();
        let lines = rows.iter().map(|row| table.line(row)).collect();
        (table, lines)
    }

    /// One more row.
    pub(super) fn row<K: Tabular>(&self, object: &K, now: Timestamp) -> String {
        self.line(&self.cells(object, now))
    }

    fn cells<K: Tabular>(&self, object: &K, now: Timestamp) -> Vec<String> {
        let namespace = self.namespaces.then(|| object.namespace().to_owned());
        namespace.into_iter().chain(object.row(now).into_iter().take(self.columns)).collect()
    }

    fn line(&self, cells: &[String]) -> String {
        let mut line = String::new();
        for (index, (cell, width)) in cells.iter().zip(&self.widths).enumerate() {
            let rest = (width + GAP).saturating_sub(cell.chars().count()).max(1);
            // The column that says whether it is ready is the second, behind the names.
            let is_ready = index == 1 + usize::from(self.namespaces);
            match cell.as_str() {
                "True" if is_ready => line.push_str(&paint(cell, Tone::Good)),
                "False" if is_ready => line.push_str(&paint(cell, Tone::Bad)),
                "Unknown" if is_ready => line.push_str(&paint(cell, Tone::Working)),
                _ => line.push_str(cell),
            }
            line.extend(std::iter::repeat_n(' ', rest));
        }
        line.trim_end().to_owned()
    }
}

impl Tabular for Fork {
    const HEAD: &[&str] = &["NAME", "READY", "URL", "REPOSITORY", "RELEASE", "AGE", "PROJECT", "REASON", "MESSAGE"];
    const WIDE: usize = 3;

    fn row(&self, now: Timestamp) -> Vec<String> {
        let status = self.status.clone().unwrap_or_default();
        let ready = condition::find(&status.conditions, "Ready");
        let available = condition::find(&status.conditions, AVAILABLE);
        let is_down = if available.is_some_and(|it| it.status == ConditionStatus::False) { " (down)" } else { "" };
        vec![
            self.name().to_owned(),
            ready.map_or_else(|| "Unknown".into(), |ready| ready.status.to_string()),
            status.url.map_or_else(none, |url| url + is_down),
            status.repository.map_or_else(none, |repository| repository.full_name),
            status.current_release.map_or_else(none, |release| release.name),
            age(self, now),
            status.project.map_or_else(none, |project| project.name),
            ready.map_or_else(none, |ready| ready.reason.to_string()),
            ready.map_or_else(none, |ready| first_line(&ready.message)),
        ]
    }
}

impl Tabular for Deployment {
    const HEAD: &[&str] = &["NAME", "READY", "PHASE", "FORK", "COMMIT", "AGE", "URL", "AUTHOR", "MESSAGE"];
    const WIDE: usize = 3;

    fn row(&self, now: Timestamp) -> Vec<String> {
        let status = self.status.clone().unwrap_or_default();
        let ready = condition::find(&status.conditions, "Ready");
        let commit = status.commit.unwrap_or_default();
        let sha = self.spec.source.commit.clone().unwrap_or(commit.sha);
        vec![
            self.name().to_owned(),
            ready.map_or_else(|| "Unknown".into(), |ready| ready.status.to_string()),
            status.phase.unwrap_or_else(none),
            self.spec.fork_ref.name.clone(),
            forge::short(&sha).to_owned(),
            age(self, now),
            status.url.unwrap_or_else(none),
            commit.author.unwrap_or_else(none),
            ready.map_or_else(none, |ready| first_line(&ready.message)),
        ]
    }
}

impl Tabular for AlertRule {
    const HEAD: &[&str] = &["NAME", "READY", "SEVERITY", "FORKS", "FIRING", "UNDELIVERED", "AGE", "REASON", "MESSAGE"];
    const WIDE: usize = 2;

    fn row(&self, now: Timestamp) -> Vec<String> {
        let status = self.status.clone().unwrap_or_default();
        let ready = condition::find(&status.conditions, "Ready");
        let firing: Vec<_> = status.alerts.iter().filter(|alert| alert.fired_at.is_some()).collect();
        let named = match &firing[..] {
            [] => "0".into(),
            [one] => format!("1 ({})", one.fork),
            [first, ..] => format!("{} ({}, …)", status.firing, first.fork),
        };
        vec![
            self.name().to_owned(),
            ready.map_or_else(|| "Unknown".into(), |ready| ready.status.to_string()),
            format!("{:?}", self.spec.severity),
            status.selected.to_string(),
            named,
            status.undelivered.len().to_string(),
            age(self, now),
            ready.map_or_else(none, |ready| ready.reason.to_string()),
            ready.map_or_else(none, |ready| first_line(&ready.message)),
        ]
    }
}

fn none() -> String {
    "-".into()
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// Since the object was made, in its largest unit, as kubectl tells it.
fn age(object: &impl Kind, now: Timestamp) -> String {
    let Some(created) = &object.meta().creation_timestamp else { return none() };
    let seconds = until(created.0, now).as_secs();
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use forkable_core::store::Kind as _;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::json;

    use super::*;
    use crate::clock::after;

    fn release() -> Deployment {
        serde_json::from_value(json!({
            "apiVersion": "forkable.dev/v1alpha1", "kind": "Deployment",
            "metadata": { "name": "acme-1", "namespace": "team" },
            "spec": { "forkRef": { "name": "acme" }, "source": { "commit": "0".repeat(40) } },
        }))
        .expect("a Deployment")
    }

    #[test]
    fn ages_are_told_in_one_unit() {
        let mut release = release();
        assert_eq!(age(&release, Timestamp::UNIX_EPOCH), "-");
        release.meta_mut().creation_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        for (seconds, expected) in [(0, "0s"), (119, "119s"), (120, "2m"), (7_200, "2h"), (172_800, "2d")] {
            let now = after(Timestamp::UNIX_EPOCH, std::time::Duration::from_secs(seconds));
            assert_eq!(age(&release, now), expected);
        }
    }

    #[test]
    fn columns_line_up_and_later_rows_follow_them() {
        let release = release();
        let (table, lines) = Table::new(&[&release], false, true, Timestamp::UNIX_EPOCH);
        assert_eq!(
            lines,
            [
                "NAMESPACE   NAME     READY     PHASE   FORK   COMMIT    AGE",
                "team        acme-1   Unknown   -       acme   0000000   -"
            ]
        );
        let mut other = release;
        other.metadata.name = Some("a".into());
        let row = table.row(&other, Timestamp::UNIX_EPOCH);
        assert_eq!(row, "team        a        Unknown   -       acme   0000000   -");
    }
}
