//! In-memory stand-ins of the ports: stateful, and refusing what the providers refuse.

pub mod forge;
pub mod hosting;
pub mod sites;
