//! The pure part of Forkable: from what a manifest asks for and what exists outside to the changes that are missing.
//!
//! Nothing here touches the world: no clock, no network, no disk, no environment. What does is behind the traits
//! of [`forge`], [`hosting`], [`store`] and [`journal`].

pub mod alerting;
pub mod condition;
pub mod error;
#[cfg(any(test, feature = "fakes"))]
pub mod fakes;
pub mod forge;
pub mod fork;
pub mod hosting;
pub mod journal;
pub mod monitoring;
pub mod plan;
pub mod release;
pub mod secret;
pub mod sites;
pub mod store;
pub mod workflows;

pub use error::{PortError, Retry};
pub use plan::{Change, Facet, Plan, Step};
pub use secret::{DigestKey, Secret};
