//! The sandbox over HTTP, as a client sees it.

mod client;
mod sites;
mod vercel;
