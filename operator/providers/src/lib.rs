//! GitHub, Vercel, deployed sites and the journal behind the ports of `forkable-core`.

pub mod github;
pub mod journal;
pub mod metric;
pub mod notify;
pub mod otlp;
pub mod probe;
pub mod sites;
pub mod transport;
pub mod vercel;
