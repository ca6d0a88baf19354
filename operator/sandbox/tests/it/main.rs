//! The sandbox over HTTP, as a client sees it.

mod admin;
mod builds;
mod caller;
mod client;
mod domains;
mod github;
mod graphql;
mod pulls;
mod sites;
mod vercel;
mod webhooks;
