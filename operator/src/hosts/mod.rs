//! Where objects live: in a folder and a SQLite file of one machine, or in the Kubernetes API.

pub mod kubernetes;
pub mod local;
