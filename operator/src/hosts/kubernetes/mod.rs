//! The Kubernetes host: objects live in the apiserver.

mod client;

pub use client::{ConnectError, connect};
