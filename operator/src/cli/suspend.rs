//! `forkable suspend`: a person stops all changes outside for a Fork.

use anyhow::{bail, ensure};
use forkable_core::store::Kind as _;
use forkable_crds::fork::Suspend;
use jiff::{Timestamp, Zoned, civil, tz::TimeZone};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    place::Place,
    target::Target,
    world::{Edit, Edited},
};

/// Most characters of a reason, as the CRD has it.
const LONGEST_REASON: usize = 256;

/// Stop all changes outside for a Fork, until a time or until `resume`.
///
/// Sets spec.suspend. Differences are still told; deletion still works. In a folder the manifest is edited in place if
/// that is sure to change nothing else in it, comments included; otherwise the lines to write are printed (exit 1).
///
/// Examples, on one machine:
///   forkable suspend acme --reason "moving to the new team" --for 2h
/// and in a cluster:
///   kubectl forkable suspend acme beta -n team --reason incident-42 --until 2026-12-24T18:00:00Z
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    /// Names of Forks.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<Target>,
    /// Why, for people who look later.
    #[arg(long)]
    reason: String,
    /// How long, such as 30m, 2h or 3d; by default until `resume`.
    #[arg(long = "for", value_name = "DURATION", conflicts_with = "until")]
    duration: Option<jiff::Span>,
    /// Until when, such as 2026-12-24T18:00:00Z or, in local time, "2026-12-24 18:00".
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    #[command(flatten)]
    place: Place,
}

impl Arguments {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let now = Zoned::now();
        let until = match self.duration {
            Some(duration) => Some(now.checked_add(duration)?.timestamp()),
            None => self.until,
        };
        if let Some(until) = until {
            ensure!(until > now.timestamp(), "{until:.0} is past: name a time to come");
        }
        let reason = self.reason.trim();
        ensure!(!reason.is_empty(), "--reason is empty: say why, for people who look later");
        let length = reason.chars().count();
        ensure!(length <= LONGEST_REASON, "--reason has {length} characters; {LONGEST_REASON} is the most");
        let until = until.map(|until| until.round(jiff::Unit::Second).map(Time)).transpose()?;
        let told = until.as_ref().map_or_else(|| "until `resume`".into(), |until| format!("until {}", until.0));
        let edit = Edit::Suspend(Suspend { reason: reason.to_owned(), until });
        edit_all(&self.place, &self.names, &edit, &format!("suspended {told}")).await
    }
}

/// Edits the manifests of Forks, one after the other.
pub(super) async fn edit_all(place: &Place, names: &[Target], edit: &Edit, done: &str) -> anyhow::Result<u8> {
    let world = place.open().await?;
    let mut code = super::DONE;
    let mut hint = String::new();
    for name in names {
        let fork = world.fork(name).await?;
        if fork.is_deleting() {
            bail!("{} is being deleted", fork.reference())
        }
        match world.edit(&fork, edit).await? {
            Edited::Done(how) => {
                super::say(format_args!("{} {done}", fork.reference()));
                hint = how;
            }
            Edited::ByHand(how) => {
                super::say(format_args!("{} is not {done} yet; do it by hand in\n{how}", fork.reference()));
                code = super::FAILED;
            }
        }
    }
    if !hint.is_empty() {
        super::say_note(&hint);
    }
    Ok(code)
}

fn time(text: &str) -> Result<Timestamp, String> {
    let local = || text.parse::<civil::DateTime>().ok()?.to_zoned(TimeZone::system()).ok();
    let time = text.parse().ok().or_else(|| local().map(|zoned| zoned.timestamp()));
    time.ok_or_else(|| "it is no time; write it as 2026-12-24T18:00:00Z".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_may_be_absolute_or_local() {
        assert_eq!(time("2026-12-24T18:00:00Z").expect("a time").to_string(), "2026-12-24T18:00:00Z");
        assert_eq!(time("2026-12-24T18:00:00+02:00").expect("a time").to_string(), "2026-12-24T16:00:00Z");
        assert!(time("2026-12-24 18:00").is_ok());
        assert!(time("tomorrow").is_err());
    }
}
