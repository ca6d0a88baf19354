//! The sandbox over HTTP, as a client sees it.

mod builds;
mod client;
mod domains;
mod sites;
mod vercel;
