//! The whole binary on one machine against the sandbox: what it calls, what it makes, what it survives.

mod bad_input;
mod commands;
mod crash;
mod create;
mod examples;
mod faults;
mod healing;
mod migration;
mod monitoring;
mod policies;
mod release;
mod releases;
mod revert;
mod rollout;
mod secrets;
mod traces;
