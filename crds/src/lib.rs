//! The API types of `forkable.dev` and nothing else: what a person may write in a manifest, and what Forkable reports.
//!
//! Schemas are structural, every list, map and string is bounded, and cross-field rules are CEL, so that the
//! Kubernetes apiserver and the local host accept and refuse the very same manifests.

#![expect(unreachable_pub, reason = "the schema derive declares each struct a second time in a private scope")]

pub mod alert_rule;
pub mod condition;
pub mod deployment;
pub mod fork;
pub mod rollout;
mod schema;

pub use alert_rule::{AlertRule, AlertRuleSpec, AlertRuleStatus};
pub use deployment::{Deployment, DeploymentSpec, DeploymentStatus};
pub use fork::{Fork, ForkSpec, ForkStatus};
pub use schema::all;

/// Every CRD as YAML, made from the Rust types by `make crds`: the program carries the text and not what makes it.
pub const YAML: &str = include_str!("../forkable.dev.yaml");

/// API group of every kind.
pub const GROUP: &str = "forkable.dev";
/// The only served and stored version.
pub const VERSION: &str = "v1alpha1";
/// Finalizer on Forks: the deletion policy is applied before it is removed.
pub const FINALIZER: &str = "forkable.dev/cleanup";
/// Annotation: `"true"` lets a Fork take over a repository and project that it did not make.
pub const ADOPT_ANNOTATION: &str = "forkable.dev/adopt";
/// Annotation: `"true"` lets a Fork that is being deleted go, whatever of its deletion policy could not be applied.
pub const ABANDON_ANNOTATION: &str = "forkable.dev/abandon";
/// Label on Forks and Deployments: which shard works on them, such as `1-of-3`; none where there are no shards.
pub const SHARD_LABEL: &str = "forkable.dev/shard";
/// Annotation on Deployments: a person lets the candidate go live that it names, as `CANDIDATE` or `CANDIDATE by NAME`.
pub const APPROVE_ANNOTATION: &str = "forkable.dev/approve";
/// Annotation on Deployments: a person lets the release go live in a freeze; the value says who and why.
pub const OVERRIDE_FREEZE_ANNOTATION: &str = "forkable.dev/override-freeze";
/// Annotation on Deployments: a person wants the release to stop; the value says who or why.
pub const ABORT_ANNOTATION: &str = "forkable.dev/abort";
/// Annotation on Deployments: a person wants another release to serve in place of this one: its name, or `previous`.
pub const ROLLBACK_ANNOTATION: &str = "forkable.dev/rollback";
/// Annotation on Deployments: a person lets newer releases go on though this one is bad and frozen; the value says who.
pub const THAW_ANNOTATION: &str = "forkable.dev/thaw";
/// Annotation on AlertRules: a person wants messages to be sent again that were given up until then, as RFC 3339 has it.
pub const RESEND_ANNOTATION: &str = "forkable.dev/resend";
/// Annotation on Forks: the project is to be paused, once for each value, as `WHO at TIME`; not an hour later any more.
pub const PAUSE_ANNOTATION: &str = "forkable.dev/pause";
/// Annotation on Forks: visitors are to be challenged, as `WHO until TIME`.
pub const CHALLENGE_ANNOTATION: &str = "forkable.dev/challenge";
/// Label on Deployments: the name of the Fork that owns them.
pub const FORK_LABEL: &str = "forkable.dev/fork";
