//! Keeps what is known of the outside: one look for a new Fork, page sweeps for a fleet, nothing for what is fresh.

mod cache;
mod direct;
mod hold;
mod sweep;
#[cfg(test)]
mod tests;
mod view;

pub use cache::Cache;
pub(crate) use direct::refresh;
pub(crate) use hold::{Holds, What};
pub use sweep::Sweeper;
pub use view::Hint;
pub(crate) use view::{Ask, View};
