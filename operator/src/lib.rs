//! Forkable: one manifest becomes a running product.

pub mod admission;
