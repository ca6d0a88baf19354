//! The whole binary on one machine against the sandbox: what it calls, what it makes, what it survives.

mod alerts;
mod analysis;
mod bad_input;
mod canary;
mod commands;
mod crash;
mod create;
mod examples;
mod faults;
mod gates;
mod healing;
mod judged;
mod migration;
mod monitoring;
mod notify;
mod outbox;
mod policies;
mod previews;
mod probes;
mod release;
mod releases;
mod revert;
mod rollout;
mod secrets;
mod traces;
