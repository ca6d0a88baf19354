//! The Kubernetes host: objects live in the apiserver.
//!
//! What it asks of the apiserver, which is all that its Role has to grant:
//!
//! | group | resource | verbs | where | why |
//! |---|---|---|---|---|
//! | forkable.dev | forks | get, list, watch, patch | served namespaces | caches; the finalizer; the label of the shard |
//! | forkable.dev | forks/status | patch | served namespaces | what the passes report |
//! | forkable.dev | forks/finalizers | update | served namespaces | blockOwnerDeletion on what a Fork owns |
//! | forkable.dev | deployments | get, list, watch, create, patch, delete | served namespaces | releases and their history; the label of the shard |
//! | forkable.dev | deployments/status | patch | served namespaces | what the passes report |
//! | | secrets | get, list, watch, create, patch | served namespaces | metadata of all is watched, values of those that Forks refer to are read; values that are generated are written |
//! | | configmaps | get, list, watch | served namespaces | metadata of all is watched, those that Forks refer to are read |
//! | events.k8s.io | events | create | served namespaces | what people are told |
//! | | secrets | get, create | own namespace | `forkable-digest-key` |
//! | coordination.k8s.io | leases | get, create, update | own namespace | leadership |

mod cache;
mod claim;
mod client;
mod data;
mod events;
mod lease;
mod lenient;
mod list;
mod scopes;
mod secrets;
mod shard;
mod store;
mod watch;

pub use claim::take_over;
pub use client::{ConnectError, client, config, connect};
pub use lease::{Elector, LABEL as LEASE_LABEL, Lost, RESUME_ANNOTATION, Times};
pub(crate) use scopes::api;
pub(crate) use secrets::{DIGEST_KEY, DIGEST_KEY_FIELD, generated_name};
pub use shard::{Shard, lease};
pub use store::{KubernetesStore, Options};
pub use watch::Forbidden;
