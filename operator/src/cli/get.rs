//! `forkable get`: objects as a table, or whole.

mod table;

use std::sync::Arc;

use anyhow::bail;
use clap::ValueEnum;
use forkable_core::store::Kind;
use forkable_crds::{AlertRule, Deployment, Fork};
use futures::TryStreamExt as _;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    place::Place,
    state::yaml,
    target::{Target, What},
    world::{Listed, World},
};
use table::{Table, Tabular};

/// Show Forks, Deployments or AlertRules with their status.
///
/// Works beside a running `forkable up` and without one.
///
/// Examples, on one machine:
///   forkable get                               the Forks of the current folder
///   forkable get deployment -o wide
///   forkable get alertrule                     rules, and how many of their alerts fire
///   forkable get fork acme -o yaml --dir DIR
/// and in a cluster:
///   kubectl forkable get -A                    the Forks of all namespaces
///   kubectl forkable get fork/acme -n team -w  show it again whenever it changes
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    /// `fork` (as if absent), `deployment` or `alertrule`, then names; or TYPE/NAME.
    #[arg(value_name = "TYPE|NAME")]
    what: Vec<String>,
    #[arg(short, long, value_enum, default_value_t = Form::Table)]
    output: Form,
    /// After that, show each object again when it changes.
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Table,
    /// The table with more columns.
    Wide,
    Json,
    Yaml,
    /// TYPE/NAME, one a line.
    Name,
}

impl Arguments {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let (what, targets) = asked(&self.what)?;
        let world = self.place.open().await?;
        match what {
            What::Fork => self.show::<Fork>(&world, &targets).await,
            What::Deployment => self.show::<Deployment>(&world, &targets).await,
            What::AlertRule => self.show::<AlertRule>(&world, &targets).await,
        }
    }

    async fn show<K: Listed + Tabular>(&self, world: &World, targets: &[Target]) -> anyhow::Result<u8> {
        let objects = read::<K>(world, targets).await?;
        let wide = self.output == Form::Wide;
        let now = Timestamp::now();
        match self.output {
            Form::Table | Form::Wide if self.watch || !objects.is_empty() => {
                let rows: Vec<&K> = objects.iter().map(AsRef::as_ref).collect();
                let (table, lines) = Table::new(&rows, wide, world.shows_namespaces(&objects), now);
                lines.iter().for_each(super::say);
                if self.watch {
                    let row = |object: &K| Ok(table.row(object, Timestamp::now()));
                    watch(world, targets, &objects, row).await?;
                }
            }
            Form::Table | Form::Wide => super::say_note(&format!("no {}s {}", word::<K>(), world.place())),
            Form::Json | Form::Yaml if !self.watch => super::say(self.whole(&objects, targets)?.trim_end()),
            Form::Json => {
                watch(world, targets, &[], |object: &K| Ok(serde_json::to_string_pretty(&tidy(object)?)?)).await?;
            }
            Form::Yaml => {
                watch(world, targets, &[], |object: &K| Ok(format!("---\n{}", yaml(&tidy(object)?)?))).await?;
            }
            Form::Name => {
                for object in &objects {
                    super::say(name(&**object));
                }
                if self.watch {
                    watch(world, targets, &objects, |object: &K| Ok(name(object))).await?;
                }
            }
        }
        Ok(super::DONE)
    }

    /// The one object that was asked for, or a list.
    fn whole<K: Listed>(&self, objects: &[Arc<K>], targets: &[Target]) -> anyhow::Result<String> {
        let mut objects: Vec<Value> = objects.iter().map(|object| tidy(&**object)).collect::<Result<_, _>>()?;
        let value = match (targets, objects.pop()) {
            ([_], Some(object)) => object,
            (_, last) => {
                objects.extend(last);
                json!({ "apiVersion": "v1", "kind": "List", "items": objects })
            }
        };
        if self.output == Form::Yaml { yaml(&value) } else { Ok(serde_json::to_string_pretty(&value)?) }
    }
}

/// Kind and names that the words mean.
fn asked(words: &[String]) -> anyhow::Result<(What, Vec<Target>)> {
    let first = words.first().and_then(|word| What::of(word));
    let targets = words[usize::from(first.is_some())..].iter().map(|word| word.parse());
    let targets: Vec<Target> = targets.collect::<Result<_, _>>()?;
    let mut kinds = first.into_iter().chain(targets.iter().filter_map(|target| target.what));
    let what = kinds.next().unwrap_or(What::Fork);
    if kinds.any(|other| other != what) {
        bail!("one kind at a time: ask for forks, for deployments or for alertrules")
    }
    Ok((what, targets))
}

async fn read<K: Listed>(world: &World, targets: &[Target]) -> anyhow::Result<Vec<Arc<K>>> {
    if targets.is_empty() {
        return world.list().await;
    }
    let mut found = Vec::new();
    for target in targets {
        match world.get(target).await? {
            Some(object) => found.push(object),
            None => bail!("there is no {} {target} {}", word::<K>(), world.place()),
        }
    }
    Ok(found)
}

/// Says each object anew that changes, until the watch fails; those that were shown are known.
async fn watch<K: Listed>(
    world: &World,
    targets: &[Target],
    shown: &[Arc<K>],
    line: impl Fn(&K) -> anyhow::Result<String>,
) -> anyhow::Result<()> {
    let targets: Vec<_> = targets.iter().map(|target| world.resolve(target)).collect::<Result<_, _>>()?;
    let version = |object: &K| (object.reference(), Kind::meta(object).resource_version.clone());
    let shown: Vec<_> = shown.iter().map(|object| version(object)).collect();
    let mut changes = world.watch::<K>();
    while let Some(object) = changes.try_next().await? {
        let reference = object.reference();
        let asked = |(namespace, name): &(String, String)| *namespace == reference.namespace && *name == reference.name;
        if (targets.is_empty() || targets.iter().any(asked)) && !shown.contains(&version(&object)) {
            super::say(line(&object)?);
        }
    }
    Ok(())
}

/// The object for people: without who wrote which field, as kubectl shows it.
fn tidy<K: Listed>(object: &K) -> serde_json::Result<Value> {
    let mut object = object.clone();
    Kind::meta_mut(&mut object).managed_fields = None;
    serde_json::to_value(object)
}

fn name<K: Listed>(object: &K) -> String {
    format!("{}.forkable.dev/{}", word::<K>(), object.name())
}

fn word<K: Kind>() -> String {
    K::KIND.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_a_kind_and_objects() {
        let asked = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
            asked(&words)
                .map(|(what, targets)| (what, targets.into_iter().map(|target| target.name).collect::<Vec<_>>()))
        };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (words, what, expected) in [
            (&[][..], What::Fork, &[][..]),
            (&["forks"], What::Fork, &[]),
            (&["acme", "beta"], What::Fork, &["acme", "beta"]),
            (&["deployment", "acme-1"], What::Deployment, &["acme-1"]),
            (&["fdep/acme-1"], What::Deployment, &["acme-1"]),
            (&["fork", "fork"], What::Fork, &["fork"]),
        ] {
            assert_eq!(asked(words).expect("clear"), (what, names(expected)), "{words:?}");
        }
        assert!(asked(&["fork/a", "deployment/b"]).is_err());
    }
}
