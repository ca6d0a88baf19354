//! Forkable: one manifest becomes a running product.

pub mod accounts;
pub mod admission;
pub mod alerting;
pub mod brake;
mod cause;
pub mod cli;
pub mod clock;
pub mod connect;
pub mod context;
pub mod controllers;
pub mod driver;
mod durations;
pub mod fleet;
pub mod hosts;
pub mod metrics;
pub mod monitoring;
pub mod notify;
pub mod observe;
mod panics;
pub mod progress;
pub mod schedule;
pub mod server;
mod spans;
pub mod unsaved;
