//! `forkable alert rehearse`: what a rule would have told of, from the history of probes.

use std::{path::PathBuf, time::Duration};

use anyhow::{bail, ensure};
use forkable_core::{
    alerting::{self, Reading, Rehearsed, Window, burn, rehearse, selects, windows},
    monitoring::{History as _, Point, Series, Spell},
    store::{Kind as _, ObjectRef},
};
use forkable_crds::{
    AlertRule, Fork,
    alert_rule::{ProbeMetric, ProbeSignal},
};
use forkable_providers::journal::SqliteJournal;
use jiff::{SignedDuration, Timestamp};

use crate::{
    cli::{duration, place::Place, state, target::Target, world::World},
    clock::{after, before, until},
};

/// Time between two looks at the history.
const STEP: Duration = Duration::from_mins(1);
const MINUTE: i64 = 60;

/// Say what an alert rule would have told of, had it been there: when, of which Fork, for how long.
///
/// Rehearses rules about probes, from their history in the journal: minutes of the last 30 days. Silences and other rules are left
/// out; maintenance is not.
///
/// Examples, on one machine:
///   forkable alert rehearse down --since 30d --dir DIR
/// and where the journal of a controller is:
///   forkable alert rehearse down -n team --cluster --journal /var/lib/forkable/journal.db
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    /// Name of an AlertRule.
    #[arg(value_name = "RULE")]
    name: Target,
    /// How far to look back.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30d")]
    since: Duration,
    /// File of the journal [default: that of the folder].
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

impl Arguments {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let world = self.place.open().await?;
        let rule = world.rule(&self.name).await?;
        let Some(probe) = rule.spec.signal.probe.clone() else {
            bail!("{} is not about probes, and only of probes is a history kept", rule.reference());
        };
        let wrong = alerting::problems(&rule.spec);
        ensure!(wrong.is_empty(), "{}: {}", rule.reference(), wrong.join("; "));
        let file = match (&self.journal, &world) {
            (Some(file), _) => file.clone(),
            (None, World::Folder(folder)) => state::folder(folder.dir()).join(state::JOURNAL_FILE),
            (None, World::Cluster(_)) => bail!("the history is with the controller: name its file with --journal"),
        };
        let journal = SqliteJournal::open_read_only(&file).await?;
        let to = Timestamp::now();
        let from = to.checked_sub(SignedDuration::try_from(self.since)?)?;
        let (namespace, name) = (rule.namespace(), rule.name());
        let series: Vec<Series> = journal.standings().await?.into_iter().map(|standing| standing.series).collect();
        let (mut forks, mut found) = (0, Vec::new());
        for fork in world.list::<Fork>().await? {
            let reference = fork.reference();
            if reference.namespace != namespace || !selects(rule.spec.selector.as_ref(), fork.metadata.labels.as_ref())
            {
                continue;
            }
            forks += 1;
            let own: Vec<_> =
                series.iter().filter(|series| series.fork == reference && asked(&probe, series)).collect();
            let readings = readings(&journal, &rule, &probe, (&reference, &own), (from, to)).await?;
            let maintenance = fork.spec.monitoring.as_ref().map_or(&[][..], |monitoring| &monitoring.maintenance);
            found.extend(rehearse((namespace, name), &rule.spec, &reference.name, maintenance, readings));
        }
        found.sort_by_key(|it| it.fired_at);
        tell(&rule, forks, &found, self.since);
        Ok(crate::cli::DONE)
    }
}

fn asked(probe: &ProbeSignal, series: &Series) -> bool {
    probe.name.as_ref().is_none_or(|name| *name == series.probe)
}

/// What the signal said then, once a minute and whenever the Fork went down or came up.
async fn readings(
    journal: &SqliteJournal,
    rule: &AlertRule,
    probe: &ProbeSignal,
    (fork, series): (&ObjectRef, &[&Series]),
    (from, to): (Timestamp, Timestamp),
) -> anyhow::Result<Vec<(Timestamp, Reading)>> {
    if rule.spec.slo.is_none() && probe.metric == ProbeMetric::Up && probe.name.is_none() {
        return Ok(ups(&journal.spells(fork, from, to).await?, to));
    }
    // Windows reach further back than what is rehearsed.
    let longest = match &rule.spec.slo {
        Some(slo) => windows(slo).into_iter().max().unwrap_or(STEP),
        None => Duration::from_secs(probe.window_seconds.unsigned_abs()),
    };
    let first = before(from, longest);
    let minutes = usize::try_from(until(first, to).as_secs() / 60 + 1)?;
    let mut sums = Sums::new(first, minutes);
    for series in series {
        journal.points(series, first, to, STEP).await?.iter().for_each(|point| sums.add(point));
    }
    sums.sum_up();
    let mut all = Vec::new();
    let mut at = from;
    while at <= to {
        let reading = match (&rule.spec.slo, probe.metric) {
            (Some(slo), _) => {
                burn(slo, &windows(slo).iter().map(|length| Window::of(&sums.window(at, *length))).collect::<Vec<_>>())
            }
            (None, ProbeMetric::Up) => up_at(&sums.window(at, STEP)),
            (None, metric) => alerting::windowed(metric, longest, &sums.window(at, longest)),
        };
        all.push((at, reading));
        at = after(at, STEP);
    }
    Ok(all)
}

/// Of spells, at their beginnings and, so that time passes, once a minute within them.
fn ups(spells: &[Spell], to: Timestamp) -> Vec<(Timestamp, Reading)> {
    let mut all = Vec::new();
    for (index, spell) in spells.iter().enumerate() {
        let reading = if spell.is_down { Reading::Value(0.0, "down".into()) } else { Reading::Value(1.0, "up".into()) };
        let mut at = spell.from;
        while at < spell.to.min(to) {
            all.push((at, reading.clone()));
            at = after(at, STEP);
        }
        let is_gap = spells.get(index + 1).is_none_or(|next| next.from > spell.to);
        all.push((spell.to, if is_gap { Reading::NoData("nothing was probed".into()) } else { reading }));
    }
    all
}

fn up_at(window: &Point) -> Reading {
    match (window.up, window.down) {
        (0, 0) => Reading::NoData("nothing was probed".into()),
        (_, 0) => Reading::Value(1.0, "up".into()),
        _ => Reading::Value(0.0, "down".into()),
    }
}

/// What minutes came to, summed up from the first on, so that any window is one subtraction.
struct Sums {
    first: Timestamp,
    /// What all minutes before the one of that number came to.
    before: Vec<Point>,
}

impl Sums {
    fn new(first: Timestamp, minutes: usize) -> Self {
        Self { first, before: vec![Point::default(); minutes + 1] }
    }

    fn index(&self, at: Timestamp) -> usize {
        let minute = (at.as_second() - self.first.as_second()).div_euclid(MINUTE);
        usize::try_from(minute).unwrap_or_default().min(self.before.len() - 1)
    }

    fn add(&mut self, point: &Point) {
        let index = (self.index(point.at) + 1).min(self.before.len() - 1);
        self.before[index].merge(point);
    }

    fn sum_up(&mut self) {
        for index in 1..self.before.len() {
            let last = self.before[index - 1];
            self.before[index].merge(&last);
        }
    }

    /// The window of that length that ends then, without its greatest latency, which sums do not tell.
    fn window(&self, at: Timestamp, length: Duration) -> Point {
        let (from, to) = (self.before[self.index(before(at, length))], self.before[self.index(at)]);
        Point {
            at,
            up: to.up - from.up,
            down: to.down - from.down,
            unknown: to.unknown - from.unknown,
            latency_sum: to.latency_sum.saturating_sub(from.latency_sum),
            latency_max: Duration::ZERO,
            answered: to.answered - from.answered,
        }
    }
}

fn tell(rule: &AlertRule, forks: usize, found: &[Rehearsed], since: Duration) {
    let hours = since.as_secs() / 3600;
    let ago = if hours < 48 { format!("{hours} hours") } else { format!("{} days", hours / 24) };
    let told = found.iter().filter(|it| it.quiet.is_none()).count();
    let times = if told == 1 { "once".into() } else { format!("{told} times") };
    crate::cli::say(format_args!(
        "{} watches {forks} Forks and would have told {times} in the last {ago}{}",
        rule.reference(),
        if found.is_empty() { "" } else { ":" }
    ));
    for Rehearsed { fork, fired_at, ended_at, value, quiet } in found {
        let length = ended_at.map_or_else(
            || "still".into(),
            |ended| format!("{:#}", SignedDuration::from_secs(ended.as_second() - fired_at.as_second())),
        );
        let quiet = quiet.as_ref().map_or_else(String::new, |why| format!(" (not told: {why})"));
        crate::cli::say(format_args!("  {fired_at:.0}  {fork:<20}  {length:<10}  {value}{quiet}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_of_minutes_are_summed() {
        let at = |minute: i64| Timestamp::from_second(minute * 60).expect("a time");
        let mut sums = Sums::new(at(0), 10);
        for minute in 0..10 {
            let point = Point { at: at(minute), up: 1, down: u32::from(minute == 4), ..Point::default() };
            sums.add(&point);
        }
        sums.sum_up();
        let window = |end, minutes| Window::of(&sums.window(at(end), Duration::from_mins(minutes)));
        assert_eq!(window(5, 1), Window { good: 1, bad: 1 });
        assert_eq!(window(6, 1), Window { good: 1, bad: 0 });
        assert_eq!(window(10, 10), Window { good: 10, bad: 1 });
        assert_eq!(window(4, 60), Window { good: 4, bad: 0 });
    }

    #[test]
    fn a_gap_between_spells_is_no_data() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let fork = ObjectRef::new(Fork::KIND, "default", "acme");
        let spell = |from, to, is_down| Spell { fork: fork.clone(), from: at(from), to: at(to), is_down };
        let spells = [spell(0, 60, false), spell(60, 90, true), spell(200, 210, false)];
        let told: Vec<_> = ups(&spells, at(300))
            .into_iter()
            .map(|(at, reading)| (at.as_second(), matches!(reading, Reading::NoData(_)), reading.text() == "down"))
            .collect();
        assert_eq!(
            told,
            [
                (0, false, false),
                (60, false, false),
                (60, false, true),
                (90, true, false),
                (200, false, false),
                (210, true, false)
            ]
        );
    }
}
