//! Shards: several processes share the objects of a cluster, each of which is worked on by one.
//!
//! The label [`SHARD_LABEL`] says who works on an object; without it, that is the process that is not sharded. Each
//! shard has its own Lease. A process acts on an object only while it holds the Lease of the object's label, and the
//! label is changed only by one that holds the Lease of what the label said before (see `claim`). So no two act on one
//! object, whatever number of shards is set up at the same time.

use std::{fmt, str::FromStr};

use forkable_core::store::{Kind, ObjectRef};
use forkable_crds::{Deployment, Fork, ForkStatus, SHARD_LABEL};
use sha2::{Digest as _, Sha256};

/// Name of the Lease of the process that is not sharded, and beginning of all others.
const LEASE: &str = "forkable";
/// The most shards there may be.
const MOST: u32 = 1024;

/// One of a number of shards; the first is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shard {
    index: u32,
    count: u32,
}

impl FromStr for Shard {
    type Err = String;

    /// Reads `2/3`.
    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        let Some((index, count)) = parts else { return Err("write it as INDEX/COUNT, such as 1/3".into()) };
        if !(1..=count).contains(&index) || count > MOST {
            return Err(format!("the first of 3 shards is 1/3, the last 3/3; there may be {MOST} at most"));
        }
        Ok(Self { index, count })
    }
}

impl fmt::Display for Shard {
    /// As the label says it: `2-of-3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-of-{}", self.index, self.count)
    }
}

impl Shard {
    fn of_label(label: &str) -> Option<Self> {
        let shard: Self = label.replacen("-of-", "/", 1).parse().ok()?;
        // `01-of-3` is no label of ours.
        (shard.to_string() == label).then_some(shard)
    }
}

/// Who works on an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Owner {
    /// The process that is not sharded.
    Whole,
    Shard(Shard),
    /// A label that no process has: nobody.
    Nobody(String),
}

impl Owner {
    pub(super) fn new(shard: Option<Shard>) -> Self {
        shard.map_or(Self::Whole, Self::Shard)
    }

    /// Whom the label of an object names.
    pub(super) fn of(object: &impl Kind) -> Self {
        match object.meta().labels.as_ref().and_then(|labels| labels.get(SHARD_LABEL)) {
            None => Self::Whole,
            Some(label) => Shard::of_label(label).map_or_else(|| Self::Nobody(label.clone()), Self::Shard),
        }
    }

    /// Value of the label; `None` for no label.
    pub(super) fn label(&self) -> Option<String> {
        match self {
            Self::Whole => None,
            Self::Shard(shard) => Some(shard.to_string()),
            Self::Nobody(label) => Some(label.clone()),
        }
    }

    /// Name of the Lease that lets one work on its objects; nobody has none.
    pub(super) fn lease(&self) -> Option<String> {
        match self {
            Self::Whole => Some(LEASE.into()),
            Self::Shard(shard) => Some(format!("{LEASE}-shard-{shard}")),
            Self::Nobody(_) => None,
        }
    }

    /// Selector of its objects, and of all others.
    pub(super) fn selectors(&self) -> (String, String) {
        match self.label() {
            None => (format!("!{SHARD_LABEL}"), SHARD_LABEL.to_owned()),
            Some(label) => (format!("{SHARD_LABEL}={label}"), format!("{SHARD_LABEL}!={label}")),
        }
    }

    /// Whether an object should be its. A Deployment goes where its Fork goes.
    pub(super) fn fits(&self, object: &impl Sharded) -> bool {
        let (namespace, fork) = object.fork();
        self.is_at(namespace, fork)
    }

    /// Whether it writes the status of a rule. Every shard follows all rules, for its own Forks.
    pub(super) fn reports(&self, rule: &ObjectRef) -> bool {
        self.is_at(&rule.namespace, &rule.name)
    }

    fn is_at(&self, namespace: &str, name: &str) -> bool {
        match self {
            Self::Whole => true,
            Self::Shard(Shard { index, count }) => place(namespace, name) % u64::from(*count) + 1 == u64::from(*index),
            Self::Nobody(_) => false,
        }
    }
}

/// Name of the Lease of a shard, or of the process that is not sharded.
pub fn lease(shard: Option<Shard>) -> String {
    Owner::new(shard).lease().unwrap_or_default()
}

/// Where a Fork belongs. Part of what is stored, by way of the labels: it must never change.
fn place(namespace: &str, fork: &str) -> u64 {
    let digest = Sha256::digest(format!("{namespace}/{fork}"));
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first)
}

/// What is worked on by one process.
pub(super) trait Sharded: Kind {
    /// Namespace and name of the Fork that decides where it belongs.
    fn fork(&self) -> (&str, &str);

    /// Drops what only those need who work on it.
    fn slim(&mut self);
}

impl Sharded for Fork {
    fn fork(&self) -> (&str, &str) {
        let name = self.metadata.name.as_deref().unwrap_or_default();
        (self.metadata.namespace.as_deref().unwrap_or_default(), name)
    }

    /// What it claims, and whether it has made anything, stays.
    fn slim(&mut self) {
        self.spec.env = Vec::new();
        self.spec.env_from = Vec::new();
        self.spec.repository.files = Vec::new();
        self.metadata.annotations = None;
        self.status = self.status.take().map(|status| ForkStatus {
            repository: status.repository,
            project: status.project,
            ..ForkStatus::default()
        });
    }
}

impl Sharded for Deployment {
    fn fork(&self) -> (&str, &str) {
        (self.metadata.namespace.as_deref().unwrap_or_default(), &self.spec.fork_ref.name)
    }

    fn slim(&mut self) {
        self.status = None;
        self.metadata.annotations = None;
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
