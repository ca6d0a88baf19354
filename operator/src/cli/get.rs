//! `forkable get`: objects of a folder as a table, or whole.

use std::path::PathBuf;

use anyhow::bail;
use clap::ValueEnum;
use comfy_table::{Table, presets};
use forkable_core::store::Kind;
use forkable_crds::{Deployment, Fork};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::state::{condition, namespaced, yaml};
use crate::{clock::until, hosts::local::Reader};

/// Show Forks or Deployments with their status.
///
/// Works beside a running `forkable up` and without one.
///
/// Examples:
///   forkable get
///   forkable get deployment -o wide
///   forkable get fork acme -o yaml
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    #[arg(value_enum, default_value_t = What::Fork)]
    kind: What,
    /// One object; all if absent. `team/acme` is acme in the namespace team.
    name: Option<String>,
    /// The folder that `forkable up` works on.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    #[arg(short, long, value_enum, default_value_t = Form::Table)]
    output: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    #[value(aliases = ["forks"])]
    Fork,
    #[value(aliases = ["deployments", "fdep"])]
    Deployment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Table,
    Wide,
    Json,
    Yaml,
}

impl Arguments {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let reader = Reader::open(&self.dir).await?;
        match self.kind {
            What::Fork => self.show(&self.read::<Fork>(&reader).await?, fork_head, fork_row),
            What::Deployment => self.show(&self.read::<Deployment>(&reader).await?, release_head, release_row),
        }
    }

    async fn read<K: Kind>(&self, reader: &Reader) -> anyhow::Result<Vec<K>> {
        let Some(name) = &self.name else { return Ok(reader.list().await?) };
        let (namespace, short) = namespaced(name);
        match reader.get(&namespace, &short).await? {
            Some(object) => Ok(vec![object]),
            None => bail!("there is no {} {name} in {}", K::KIND.to_ascii_lowercase(), self.dir.display()),
        }
    }

    fn show<K: Kind>(
        &self,
        objects: &[K],
        head: fn(bool) -> Vec<&'static str>,
        row: fn(&K, bool, Timestamp) -> Vec<String>,
    ) -> anyhow::Result<u8> {
        let wide = self.output == Form::Wide;
        match self.output {
            Form::Table | Form::Wide if objects.is_empty() => super::say("nothing found"),
            Form::Table | Form::Wide => {
                let mut table = Table::new();
                table.load_preset(presets::NOTHING).set_header(head(wide));
                let now = Timestamp::now();
                table.add_rows(objects.iter().map(|object| row(object, wide, now)));
                // Columns begin at the margin, as those of kubectl do.
                table.column_iter_mut().for_each(|column| {
                    column.set_padding((0, 2));
                });
                table.to_string().lines().for_each(|line| super::say(line.trim_end()));
            }
            Form::Json => super::say(serde_json::to_string_pretty(&self.whole(objects)?)?),
            Form::Yaml => super::say(yaml(&self.whole(objects)?)?.trim_end()),
        }
        Ok(super::DONE)
    }

    /// The one object that was asked for, or a list.
    fn whole<K: Kind>(&self, objects: &[K]) -> anyhow::Result<Value> {
        let mut objects: Vec<Value> = objects.iter().map(serde_json::to_value).collect::<Result<_, _>>()?;
        Ok(match (&self.name, objects.pop()) {
            (Some(_), Some(object)) => object,
            (_, last) => {
                objects.extend(last);
                json!({ "apiVersion": "v1", "kind": "List", "items": objects })
            }
        })
    }
}

fn fork_head(wide: bool) -> Vec<&'static str> {
    let mut head = vec!["NAME", "READY", "URL", "REPOSITORY", "RELEASE", "AGE"];
    if wide {
        head.extend(["PROJECT", "REASON", "MESSAGE"]);
    }
    head
}

fn fork_row(fork: &Fork, wide: bool, now: Timestamp) -> Vec<String> {
    let status = fork.status.clone().unwrap_or_default();
    let ready = condition(&status.conditions, "Ready");
    let mut row = vec![
        name(fork),
        ready.map_or_else(|| "Unknown".into(), |ready| ready.status.clone()),
        status.url.unwrap_or_else(none),
        status.repository.map_or_else(none, |repository| repository.full_name),
        status.current_release.map_or_else(none, |release| release.name),
        age(fork, now),
    ];
    if wide {
        row.push(status.project.map_or_else(none, |project| project.name));
        row.push(ready.map_or_else(none, |ready| ready.reason.clone()));
        row.push(ready.map_or_else(none, |ready| first_line(&ready.message)));
    }
    row
}

fn release_head(wide: bool) -> Vec<&'static str> {
    let mut head = vec!["NAME", "READY", "PHASE", "FORK", "COMMIT", "AGE"];
    if wide {
        head.extend(["URL", "AUTHOR", "MESSAGE"]);
    }
    head
}

fn release_row(release: &Deployment, wide: bool, now: Timestamp) -> Vec<String> {
    let status = release.status.clone().unwrap_or_default();
    let ready = condition(&status.conditions, "Ready");
    let commit = status.commit.unwrap_or_default();
    let sha = release.spec.source.commit.clone().unwrap_or(commit.sha);
    let mut row = vec![
        name(release),
        ready.map_or_else(|| "Unknown".into(), |ready| ready.status.clone()),
        status.phase.unwrap_or_else(none),
        release.spec.fork_ref.name.clone(),
        sha.get(..7).unwrap_or(&sha).to_owned(),
        age(release, now),
    ];
    if wide {
        row.push(status.url.unwrap_or_else(none));
        row.push(commit.author.unwrap_or_else(none));
        row.push(ready.map_or_else(none, |ready| first_line(&ready.message)));
    }
    row
}

fn none() -> String {
    "-".into()
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

fn name(object: &impl Kind) -> String {
    let reference = object.reference();
    match reference.namespace.as_str() {
        "default" => reference.name,
        namespace => format!("{namespace}/{}", reference.name),
    }
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

    use super::*;
    use crate::clock::after;

    #[test]
    fn ages_are_told_in_one_unit() {
        let mut release: Deployment = serde_json::from_value(json!({
            "apiVersion": "forkable.dev/v1alpha1", "kind": "Deployment", "metadata": { "name": "a" },
            "spec": { "forkRef": { "name": "acme" }, "source": { "commit": "0".repeat(40) } },
        }))
        .expect("a Deployment");
        assert_eq!(age(&release, Timestamp::UNIX_EPOCH), "-");
        release.meta_mut().creation_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        for (seconds, expected) in [(0, "0s"), (119, "119s"), (120, "2m"), (7_200, "2h"), (172_800, "2d")] {
            let now = after(Timestamp::UNIX_EPOCH, std::time::Duration::from_secs(seconds));
            assert_eq!(age(&release, now), expected);
        }
    }
}
