//! What pages show, as values that are made from values.

pub(in crate::server) mod availability;
pub(in crate::server) mod fleet;
pub(in crate::server) mod health;
pub(in crate::server) mod product;
pub(in crate::server) mod public;
#[cfg(test)]
mod tests;
pub(in crate::server) mod time;
